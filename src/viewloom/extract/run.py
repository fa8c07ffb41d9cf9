"""Extracting all clips: what is done already, several processes, bad files, the store's description."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewloom.amounts import amount
from viewloom.console import err, progress
from viewloom.durable import make_folder
from viewloom.errors import ConfigError, DataError, listed
from viewloom.extract.backbones.base import open_backbone
from viewloom.extract.computing import Rows
from viewloom.extract.partial import PartialRows
from viewloom.extract.plan import ExtractPlan, make_plan, measured_speed
from viewloom.extract.settings import ExtractConfig
from viewloom.extract.workers import Job, one_thread, run_jobs
from viewloom.extract.writing import WRITERS, ExtractJournal, Provenance, Writer, prepare_folder
from viewloom.features.catalog import default_views
from viewloom.features.store import StoreEntry
from viewloom.features.views import ViewTable
from viewloom.locks import alone
from viewloom.requirements import require
from viewloom.videos.clips import Clip, find_clips
from viewloom.videos.moments import count_frames


@dataclass(frozen=True)
class ExtractResult:
    """What was extracted.

    Attributes:
        out: the store's folder.
        clips: all clips asked for.
        done: those extracted now.
        frames: frames extracted now.
        lost: those of them that are missing, such as images that aren't there.
        dim: feature size D.
        bytes: size of what was written.
        seconds: time taken.
        failed: {clip: what is wrong with it}.
    """

    out: Path
    clips: int
    done: int
    frames: int
    lost: int
    dim: int
    bytes: int
    seconds: float
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """3 where a clip failed."""
        return 3 if self.failed else 0

    def __str__(self) -> str:
        """One line, and one for each clip that failed."""
        skipped = self.clips - self.done - len(self.failed)
        others = f", {skipped} were there already" if skipped else ""
        lost = f", {self.lost} of them missing" if self.lost else ""
        lines = [
            f"Extracted {self.done} of {self.clips} clips in {self.seconds:.1f} s{others}: {self.frames:,} frames"
            f"{lost}, D = {self.dim}, {amount(self.bytes)} in {self.out}."
        ]
        if self.failed:
            lines.append(f"{len(self.failed)} failed; fix them and run the same command again:")
            lines += [f"  {name}: {reason}" for name, reason in self.failed.items()]
        return "\n".join(lines)


def run_extract(config: ExtractConfig) -> ExtractResult | ExtractPlan:
    """Extract the features of all clips into a store, or go on where a run was stopped; with ``plan`` only say what
    there is to do.

    A clip is stored whole or not at all, and its rows are kept on the way. The result depends neither on the
    number of processes, nor on the batch, nor on how often the run was stopped.

    Raises:
        ConfigError: for a folder with other content or settings, a missing package, or a backbone that fails.
        DataError: for videos that aren't there; a clip that can't be used is listed in the result instead.
    """
    started = time.monotonic()
    require("av")
    clips = find_clips(Path(config.videos))
    with one_thread():
        provenance, frames_a_second = provenance_of(config, clips)
    if config.plan:
        todo, failed = pending(clips, open_writer(config, clips, provenance))
        return make_plan(config, provenance, clips, todo, failed, frames_a_second)
    out = Path(config.out)
    try:
        entries, failed = extract_into(config, clips, provenance)
    except OSError as error:
        raise DataError(
            f"{out} can't be written ({error}). Make room or choose another --out; what is computed is kept."
        ) from error
    return ExtractResult(
        out=out,
        clips=len(clips),
        done=len(entries),
        frames=sum(entry.end - entry.first for entry in entries),
        lost=sum(end - first for entry in entries for first, end in entry.gaps),
        dim=provenance.dim,
        bytes=sum(entry.bytes for entry in entries),
        seconds=time.monotonic() - started,
        failed=failed,
    )


def extract_into(
    config: ExtractConfig, clips: Sequence[Clip], provenance: Provenance
) -> tuple[list[StoreEntry], dict[str, str]]:
    """Extract into a folder and describe it; returns what was done, and {clip: reason} for the clips that failed."""
    out = Path(config.out)
    make_folder(out)
    with alone(out, "viewloom extract"):
        prepare_folder(out, provenance)
        writer = open_writer(config, clips, provenance)
        with writer.journal.open():
            entries, failed = extract_pending(config, clips, writer)
        if finished := {**writer.journal.finished, **{entry.file: entry for entry in entries}}:
            writer.describe(list(finished.values()))
        writer.clear()
    return entries, failed


def open_writer(config: ExtractConfig, clips: Sequence[Clip], provenance: Provenance) -> Writer:
    """The writer of a store that is begun or gone on with; `ConfigError` where it is another's or names don't fit."""
    journal = ExtractJournal(Path(config.out), provenance)
    writer = WRITERS[config.store](journal.root, provenance, view_table(config, clips, journal), journal)
    writer.refuse_names(clips)
    return writer


def provenance_of(config: ExtractConfig, clips: Sequence[Clip]) -> tuple[Provenance, float]:
    """How the features are computed; and, for a plan, how many frames one process computes in a second."""
    backbone = open_backbone(config)
    dtype = config.dtype if config.store == "packed" else "float32"
    provenance = Provenance(float(config.fps), backbone.dim(), dtype, backbone.identity(), config.store)
    return provenance, measured_speed(backbone, clips, config.fps) if config.plan else 0.0


def view_table(config: ExtractConfig, clips: Sequence[Clip], journal: ExtractJournal) -> ViewTable:
    """Names of the views: from the view file, else Assembly101's where the cameras are, else the cameras' own.

    Raises:
        ConfigError: where the view file lacks a camera, gives two of a recording one name, or renames a stored one.
    """
    cameras = {clip.camera for clip in clips} | {entry.camera for entry in journal.finished.values()}
    table = default_views(cameras) if config.views_file is None else ViewTable.from_yaml(config.views_file)
    unknown = sorted(camera for camera in cameras if table.of_camera(camera) is None)
    if unknown:
        raise ConfigError(f"{config.views_file} names no view of the cameras {listed(unknown)}. Add them.")
    names = {camera: view.name for camera in cameras if (view := table.of_camera(camera)) is not None}
    for entry in journal.finished.values():
        if entry.view != names[entry.camera]:
            raise ConfigError(
                f"{config.out} calls the view of camera {entry.camera} {entry.view}, but now it would be "
                f"{names[entry.camera]}. Go on with the old names, or choose another --out."
            )
    cameras_of: dict[tuple[str, str], str] = {}
    for clip in clips:
        other = cameras_of.setdefault((clip.recording, names[clip.camera]), clip.camera)
        if other != clip.camera:
            raise ConfigError(
                f"Cameras {other} and {clip.camera} of recording {clip.recording} are both called view "
                f"{names[clip.camera]}. Give them different names in {config.views_file or 'a --views_file'}."
            )
    return table


def pending(clips: Sequence[Clip], writer: Writer) -> tuple[list[Clip], dict[str, str]]:
    """Clips that are still to be done, and {clip: reason} for those that aren't there."""
    done = {(entry.recording, entry.camera): entry for entry in writer.journal.finished.values()}
    todo, failed = [], {}
    for clip in clips:
        entry = done.get((clip.recording, clip.camera))
        if not clip.path.exists():
            failed[clip.name] = f"{clip.path} is not there."
        elif entry is None or not writer.holds(clip, entry):
            todo.append(clip)
    return todo, failed


def extract_pending(
    config: ExtractConfig, clips: Sequence[Clip], writer: Writer
) -> tuple[list[StoreEntry], dict[str, str]]:
    """Extract what isn't done yet; returns what was, and {clip: reason} for the clips that failed."""
    todo, failed = pending(clips, writer)
    entries: list[StoreEntry] = []
    jobs = [Job(clip, writer.partial(clip)) for clip in todo]
    with progress() as bar:
        shown = Progress(bar, jobs, config.fps, writer.provenance.dim)
        for job, outcome in run_jobs(config, writer.provenance.dim, jobs, shown.update):
            try:
                if isinstance(outcome, str):
                    raise DataError(outcome)
                rows = PartialRows(job.path, job.clip.state, writer.provenance.dim).rows()
                entry = writer.put(job.clip, Rows(outcome, rows))
            except DataError as error:
                failed[job.clip.name] = str(error)
                err.print(f"{job.clip.name} failed: {error}", markup=False)
                continue
            writer.journal.add(entry)
            entries.append(entry)
            shown.finish(job, entry)
    return entries, failed


class Progress:
    """Frames done out of those that the files' headers promise, read off the rows kept on the way."""

    def __init__(self, bar: Any, jobs: Sequence[Job], fps: float, dim: int) -> None:
        self.bar, self.row_bytes = bar, 4 * dim
        self.running = list(jobs)
        self.done = 0
        self.task = bar.add_task("extracting, frames", total=sum(_promised(job.clip, fps) for job in jobs))

    def update(self) -> None:
        """Show how far all clips are."""
        sizes = (job.path.stat().st_size for job in self.running if job.path.is_file())
        self.bar.update(self.task, completed=self.done + sum(sizes) // self.row_bytes)

    def finish(self, job: Job, entry: StoreEntry) -> None:
        """Count a clip that is stored, and remove its rows."""
        self.running.remove(job)
        self.done += entry.end - entry.first
        job.path.unlink()
        self.update()


def _promised(clip: Clip, fps: float) -> int:
    with suppress(DataError):
        return count_frames(clip, fps)
    return 0
