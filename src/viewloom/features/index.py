"""Which frames every recording and camera has, from keys and headers alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewloom.console import track
from viewloom.errors import DataError, listed
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, Spans, all_cameras
from viewloom.features.statistics_file import read_statistics
from viewloom.limits import FARTHEST_FRAME
from viewloom.reading import parsing, read_json

FORMAT = "viewloom-index"
STATISTICS = "statistics"
"""Kind of an old statistics pickle, which says nothing but spans."""
VERSION = 1

Runs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Index:
    """Frame ranges of a feature store.

    Attributes:
        where: the store, or the file that the index was read from, for messages.
        kind: layout of the store; ``statistics`` for an old pickle.
        dims: {camera: feature size D}, empty where not known.
        fps: frames per second, or None where not known.
        fingerprint: the source's, or None where not known.
        scanned: whether ``gaps`` comes from going through every frame.
        entries: {camera: number of keys} of LMDB environments, to notice an index that no longer fits.
        spans: {recording: {camera: range}}.
        gaps: {recording: {camera: runs [start, end) of missing frames}}, without empty ones.
        views: {camera: view}.
    """

    where: str
    kind: str
    spans: Spans
    dims: Mapping[str, int] = field(default_factory=dict)
    fps: float | None = None
    fingerprint: str | None = None
    scanned: bool = False
    entries: Mapping[str, int] = field(default_factory=dict)
    gaps: Mapping[str, Mapping[str, Runs]] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)

    @property
    def dim(self) -> int | None:
        """The feature size D of all cameras; None where they differ, or where it isn't known."""
        sizes = set(self.dims.values())
        return sizes.pop() if len(sizes) == 1 else None

    def spans_of(self, camera: str) -> dict[str, Span]:
        """{recording: range} of one camera, empty where the index doesn't have it."""
        return {recording: cameras[camera] for recording, cameras in self.spans.items() if camera in cameras}

    def refuse_other(self, source: CatalogSource) -> None:
        """Compare with what a store itself says of its frames.

        Args:
            source: the store.

        Raises:
            DataError: another first or last frame, or number of keys; a recording that one of both lacks.
        """
        keys, again = source.entries(), "Make the index again (viewloom index), or do without it."
        for camera in all_cameras(self.spans):
            entries = self.entries.get(camera)
            if entries not in (None, keys.get(camera)):
                raise DataError(
                    f"{source.where} has {keys.get(camera, 0)} keys in {camera}, but {self.where} was made when it had "
                    f"{entries}. {again}"
                )
            mine = self.spans_of(camera)
            there = {recording: cameras[camera] for recording, cameras in source.spans.items() if camera in cameras}
            # An old statistics pickle is of some recordings; an index is of all.
            for recording in mine if self.kind == STATISTICS else {**there, **mine}:
                if mine.get(recording) != there.get(recording):
                    raise DataError(
                        f"{self.where} says that recording {recording} has {_frames(mine.get(recording))} in {camera}, "
                        f"but {source.where} has {_frames(there.get(recording))}. {again}"
                    )

    def to_json(self) -> dict[str, Any]:
        """The index as JSON values."""
        recordings = {
            recording: {camera: self._camera_json(recording, camera) for camera in sorted(cameras)}
            for recording, cameras in sorted(self.spans.items())
        }
        return {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "dim": self.dim,
            "fps": self.fps,
            "fingerprint": self.fingerprint,
            "scanned": self.scanned,
            "entries": dict(self.entries),
            "recordings": recordings,
        }

    def _camera_json(self, recording: str, camera: str) -> dict[str, Any]:
        first, end = self.spans[recording][camera]
        value: dict[str, Any] = {"view": self.views.get(camera), "first": first, "end": end}
        if self.dim is None and camera in self.dims:
            value["dim"] = self.dims[camera]
        if self.scanned:
            value["gaps"] = [list(run) for run in self.gaps.get(recording, {}).get(camera, ())]
        return value

    @classmethod
    def from_json(cls, where: str, value: Mapping[str, Any]) -> "Index":
        """The index from its JSON form; KeyError, TypeError or ValueError where it is none."""
        spans: dict[str, dict[str, Span]] = {}
        gaps: dict[str, dict[str, Runs]] = {}
        views: dict[str, str] = {}
        dims: dict[str, int] = {}
        for recording, cameras in value["recordings"].items():
            for camera, found in cameras.items():
                span = Span(_whole(found["first"]), _whole(found["end"]))
                if not 0 <= span.first < span.end <= FARTHEST_FRAME:
                    raise ValueError(f"frames {span.first} to {span.end} of {recording}, {camera}")
                spans.setdefault(recording, {})[camera] = span
                if found.get("dim") or value["dim"]:
                    _set_once(dims, camera, _whole(found.get("dim") or value["dim"]), "feature sizes")
                if found["view"] is not None:
                    _set_once(views, camera, found["view"], "views")
                if found.get("gaps"):
                    runs = tuple((_whole(start), _whole(end)) for start, end in found["gaps"])
                    gaps.setdefault(recording, {})[camera] = runs
        return cls(
            where=where,
            kind=value["kind"],
            spans=spans,
            dims=dims,
            fps=value["fps"],
            fingerprint=value["fingerprint"],
            scanned=value["scanned"],
            entries={str(camera): _whole(count) for camera, count in value["entries"].items()},
            gaps=gaps,
            views=views,
        )

    def __str__(self) -> str:
        """Summary: one line for each camera, then the first gaps."""
        size = f", D = {self.dim}" if self.dim else ", D differs between cameras" if self.dims else ""
        lines = [f"{self.where}: {len(self.spans)} recordings, {len(all_cameras(self.spans))} cameras{size}"]
        lines += [self._camera_line(camera) for camera in all_cameras(self.spans)]
        gappy = [f"{r} {c} [{g[0][0]}, {g[0][1]})" for r, cameras in self.gaps.items() for c, g in cameras.items()]
        if gappy:
            lines.append(f"first gap of each: {listed(gappy, 5)}")
        return "\n".join(lines)

    def _camera_line(self, camera: str) -> str:
        spans = self.spans_of(camera)
        frames = sum(span.frames for span in spans.values())
        view = f" ({self.views[camera]})" if camera in self.views else ""
        view += f", D = {self.dims[camera]}" if self.dim is None and camera in self.dims else ""
        line = f"  {camera}{view}: {len(spans)} recordings, {frames:,} frames from first to last"
        if not self.scanned:
            return line
        runs = [run for cameras in self.gaps.values() for run in cameras.get(camera, ())]
        return f"{line}, {sum(end - start for start, end in runs):,} missing in {len(runs)} gaps"


def _whole(value: Any) -> int:
    """A whole number, as JSON has it; ValueError for another, or for a text."""
    if type(value) is not int:
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    return value


def _set_once(found: dict[str, Any], camera: str, value: Any, what: str) -> None:
    """Set what is said of a camera; ValueError where something else was said of it before."""
    if found.setdefault(camera, value) != value:
        raise ValueError(f"camera {camera} has two {what}, {found[camera]} and {value}")


def _frames(span: Span | None) -> str:
    """A span in words."""
    return "no frames" if span is None else f"frames [{span.first}, {span.end})"


def make_index(source: CatalogSource, gaps: bool = False) -> Index:
    """The index of an opened store.

    Args:
        source: the store.
        gaps: also find missing frames, by going through every key.
    """
    cameras = all_cameras(source.spans)
    found: dict[str, dict[str, Runs]] = {}
    pairs = [(recording, camera) for recording in source.spans for camera in source.spans[recording]]
    for recording, camera in track(pairs, "keys", len(pairs)) if gaps else ():
        if runs := source.missing_runs(recording, camera):
            found.setdefault(recording, {})[camera] = runs
    named = {camera: source.view_table.of_camera(camera) for camera in cameras}
    return Index(
        where=source.where,
        kind=source.kind,
        spans=source.spans,
        dims={camera: source.dim(view.name) for camera, view in named.items() if view is not None},
        fps=source.fps,
        fingerprint=source.fingerprint(),
        scanned=gaps,
        entries=source.entries(),
        gaps=found,
        views={camera: view.name for camera, view in named.items() if view is not None},
    )


def load_index(path: Path | str) -> Index:
    """Read an index written by `viewloom index`, or an old statistics pickle (``.pkl``).

    Raises:
        DataError: for a file that is neither, or is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} is not there. Make it with viewloom index --data DATA --out {path}.")
    if path.suffix in (".pkl", ".pickle"):
        return Index(where=str(path), kind=STATISTICS, spans=read_statistics(path))
    again = "Make it again with viewloom index --overwrite true."
    with parsing(path, again, what="an index"):
        value = read_json(path, again)
        if value["format"] != FORMAT or value["version"] != VERSION:
            raise ValueError(f"format {value['format']!r}, version {value['version']!r} of an index")
        return Index.from_json(str(path), value)
