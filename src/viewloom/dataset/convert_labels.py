"""`viewloom convert-labels`: labels from the format of one annotation tool into that of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from viewloom.dataset.actions import read_action_list
from viewloom.dataset.annotation_files import ReadFile, format_named, read_files
from viewloom.dataset.formats import Writing
from viewloom.dataset.label_settings import ConvertLabelsConfig
from viewloom.dataset.label_writing import planned_files, write_labels
from viewloom.dataset.named_segments import Clock, NamedSegment
from viewloom.errors import DataError, listed
from viewloom.registry import FORMATS


@dataclass(frozen=True)
class ConvertedLabels:
    """What was, or would be, read and written.

    Attributes:
        read: the files read.
        segments: what they hold.
        files: the files written.
        planned: whether they are only planned.
    """

    read: list[ReadFile]
    segments: list[NamedSegment]
    files: list[Path]
    planned: bool

    def __str__(self) -> str:
        """A line on each side."""
        forms = listed(dict.fromkeys(FORMATS.name_of(file.form) for file in self.read))
        recordings = len({segment.recording for segment in self.segments})
        tiers = sorted({segment.tier for segment in self.segments if segment.tier})
        of_tiers = f" in {listed(tiers)}" if tiers else ""
        return (
            f"read ({forms}): {len(self.segments)} segments of {recordings} recording(s){of_tiers}\n"
            f"{'would write' if self.planned else 'wrote'}: {listed(self.files, 6)}"
        )


def run_convert_labels(config: ConvertLabelsConfig) -> ConvertedLabels:
    """Read, check, and write; with ``plan`` only the first two.

    Raises:
        DataError, ConfigError: labels that can't be read, or that the format can't hold.
    """
    form, clock = format_named(config.format), Clock(config.fps)
    read = read_files(Path(config.labels), config.fps, tier=config.labels_tier)
    segments = [segment for file in read for segment in file.segments]
    _refuse_nameless(read)
    actions = occurring(segments) if config.actions is None else read_action_list(Path(config.actions))
    out, units = Path(config.out), {"unit": config.unit, "delimiter": config.delimiter}
    writing = Writing(clock, actions, out, config.videos, **units)  # type: ignore[arg-type]
    if config.plan:
        return ConvertedLabels(read, segments, list(planned_files(segments, form, out)), planned=True)
    files = write_labels(segments, form, out, writing, config.overwrite)
    return ConvertedLabels(read, segments, files, planned=False)


def occurring(segments: Sequence[NamedSegment]) -> tuple[str, ...]:
    """The actions that occur, sorted."""
    return tuple(sorted({segment.label for segment in segments}))


def _refuse_nameless(read: Sequence[ReadFile]) -> None:
    """`DataError` for a segment without an action."""
    for file in read:
        for segment in file.segments:
            if not segment.label:
                raise DataError(f"{file.path}, line {segment.line}: the action is missing. Name it.")
