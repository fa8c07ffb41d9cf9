"""Features of any store into the packed store, in parallel, stoppable and resumable."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewloom.amounts import amount
from viewloom.console import err, progress, track
from viewloom.durable import make_folder
from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.catalog import CatalogSource
from viewloom.features.pack_files import Journal, Packer, PackTask, prepare_folder
from viewloom.features.settings import PackConfig
from viewloom.features.store import MANIFEST, Manifest, StoreEntry
from viewloom.features.views import ViewTable
from viewloom.files import write_json
from viewloom.locks import alone
from viewloom.parent import end_with_parent
from viewloom.version import __version__

MIB = 1 << 20
WORTH_PROCESSES_BYTES = 256 * MIB
"""Packing less than this is faster in one process than starting others."""


@dataclass(frozen=True)
class PackResult:
    """What was packed, or would be.

    Attributes:
        out: the store's folder.
        files: files of the store.
        packed: those written now; the others were finished before.
        frames: rows in all files.
        missing: rows of NaN among them (0 in a plan: not known before reading).
        corrupt: frames packed as missing because they were corrupt.
        bytes: size of all files.
        todo_bytes: size of those not finished before.
        free_bytes: room on the disk before packing.
        dtype: type of the stored numbers.
        seconds: time taken.
        plan: whether nothing was written.
    """

    out: Path
    files: int
    packed: int
    frames: int
    missing: int
    corrupt: int
    bytes: int
    todo_bytes: int
    free_bytes: int
    dtype: str
    seconds: float
    plan: bool

    def __str__(self) -> str:
        """One line, or two."""
        what = f"{self.files} files, {self.frames:,} frames, {amount(self.bytes)} as {self.dtype}"
        if self.plan:
            return (
                f"Would pack into {self.out}: {what}; {amount(self.todo_bytes)} still to write, "
                f"{amount(self.free_bytes)} free on the disk. Nothing was written."
            )
        spoilt = f" ({self.corrupt} of them corrupt)" if self.corrupt else ""
        others = ", the others were there already" if self.packed < self.files else ""
        return (
            f"Packed {self.packed} of {self.files} files in {self.seconds:.1f} s{others}.\n"
            f"{self.out}: {what}, {self.missing:,} frames missing{spoilt}."
        )


def pack(source: CatalogSource, config: PackConfig) -> PackResult:
    """Pack features into a store, or go on with one that was stopped.

    Each file is written under a temporary name, flushed, renamed and read back; the manifest comes last. Killed
    at any moment, the folder holds no manifest and no half file under a final name, and the same command goes
    on; the store is then the same to the byte.

    Raises:
        ConfigError: for an output folder with other content or settings, an unknown view or recording.
        DataError: for features that can't be read or stored as they are, and a disk without room.
    """
    started = time.monotonic()
    out = Path(config.out)
    tasks = plan_tasks(source, config)
    settings = _settings(source, config, tasks)
    packer = Packer(source, out, config.corrupt, config.verify, config.compare_features)
    if config.plan:
        begun = Journal(out, settings) if out.is_dir() else None
        kept = _kept(replace(packer, known=begun.written), tasks, begun.finished) if begun is not None else {}
        return _result(config, tasks, kept, [], started)
    make_folder(out)
    with alone(out, "viewloom pack"):
        prepare_folder(out)
        journal = Journal(out, settings)
        packer = replace(packer, known=journal.written)
        before = _result(config, tasks, journal.finished, [], started)
        _refuse_full_disk(before)
        with journal.open():
            settled = _settle_all(packer, tasks, journal, _workers(config, tasks))
        entries = [settled[task.file][0] for task in tasks]
        write_json(out / MANIFEST, _manifest(source, config, settings, entries).to_json())
        journal.path.unlink()
    return _result(config, tasks, {}, list(settled.values()), started)


def plan_tasks(source: CatalogSource, config: PackConfig) -> tuple[PackTask, ...]:
    """The files to be, by recording and view.

    Raises:
        ConfigError: for a recording or view that is nowhere in the source.
    """
    recordings = _chosen(config.recordings, source.recordings, "recording", source.where)
    views = _chosen(config.views, source.view_table.names, "view", source.where)
    backbone = config.backbone or source.backbone
    tasks = []
    for recording in recordings:
        for view in (view for view in source.views(recording) if view in views):
            span, camera = source.stored_span(recording, view), source.camera(recording, view)
            rate, _ = source.timing(view) or (source.fps, 0.0)
            size = source.dim(view)
            written = source.written(recording, view)
            tasks.append(
                PackTask(recording, view, camera, span.first, span.end, size, config.dtype, rate, backbone, written)
            )
    if not tasks:
        raise ConfigError(f"None of the {len(recordings)} recordings in {source.where} has a view {config.views}.")
    return tuple(tasks)


def _chosen(asked: str | None, there: Sequence[str], kind: str, where: str) -> tuple[str, ...]:
    """The names asked for (comma-separated or a file of lines), in the order of those there are."""
    if asked is None:
        return tuple(there)
    path = Path(asked)
    names = path.read_text(encoding="utf-8").split() if path.is_file() else asked.split(",")
    wanted = {name.strip() for name in names} - {""}
    unknown = sorted(wanted - set(there))
    if unknown or not wanted:
        raise ConfigError(
            f"{where} has no {kind} {listed(unknown) if unknown else repr(asked)}; it has: {listed(there, 16)}."
        )
    return tuple(name for name in there if name in wanted)


def _settings(source: CatalogSource, config: PackConfig, tasks: Sequence[PackTask]) -> dict[str, Any]:
    """What two packings must share to go into one store."""
    recordings = sorted({task.recording for task in tasks})
    return {
        "dtype": config.dtype,
        "corrupt": config.corrupt,
        "dim": _common_dim(source),
        "fps": source.fps,
        "backbone": config.backbone or source.backbone,
        "source": f"{source.kind} {source.fingerprint()}",
        "views": sorted({task.view for task in tasks}),
        "recordings": f"{len(recordings)}, {hashlib.sha256(json.dumps(recordings).encode()).hexdigest()[:12]}",
    }


def _manifest(
    source: CatalogSource, config: PackConfig, settings: dict[str, Any], entries: Sequence[StoreEntry]
) -> Manifest:
    provenance = {
        "viewloom": __version__,
        "backbone": config.backbone or source.backbone,
        "source": {"kind": source.kind, "fingerprint": source.fingerprint()},
    }
    return Manifest(
        dim=_common_dim(source),
        dtype=config.dtype,
        fps=source.fps,
        fps_known=source.fps_known,
        views=_view_table(source),
        settings=settings,
        provenance=provenance,
        entries=tuple(entries),
    )


def _common_dim(source: CatalogSource) -> int:
    """The largest feature size, which is every view's that states none of its own."""
    return max(source.dim(view) for view in _views(source))


def _views(source: CatalogSource) -> list[str]:
    return list(dict.fromkeys(view for recording in source.recordings for view in source.views(recording)))


def _view_table(source: CatalogSource) -> ViewTable:
    """The source's views, with the size of those that differ from the others."""
    common, there = _common_dim(source), _views(source)
    sizes = {view: source.dim(view) if view in there else common for view in source.view_table.names}
    named = (replace(view, dim=sizes[view.name]) for view in source.view_table.views)
    return ViewTable(tuple(replace(view, dim=None) if view.dim == common else view for view in named))


def _result(
    config: PackConfig,
    tasks: Sequence[PackTask],
    finished: Mapping[str, StoreEntry],
    settled: Sequence[tuple[StoreEntry, bool]],
    started: float,
) -> PackResult:
    out = Path(config.out)
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    return PackResult(
        out=out,
        files=len(tasks),
        packed=sum(now for _, now in settled),
        frames=sum(task.end - task.first for task in tasks),
        missing=sum(end - start for entry, _ in settled for start, end in entry.gaps),
        corrupt=sum(entry.corrupt for entry, _ in settled),
        bytes=sum(task.bytes for task in tasks),
        todo_bytes=sum(task.bytes for task in tasks if task.file not in finished),
        free_bytes=shutil.disk_usage(place).free,
        dtype=config.dtype,
        seconds=time.monotonic() - started,
        plan=config.plan,
    )


def _kept(packer: Packer, tasks: Sequence[PackTask], begun: Mapping[str, StoreEntry]) -> dict[str, StoreEntry]:
    """The files of a begun store that would not be packed again."""
    found = [(task.file, begun[task.file], task) for task in tasks if task.file in begun]
    return {
        file: entry
        for file, entry, task in track(found, "comparing with the source", len(found))
        if task.fits(packer.root, entry) and packer.unchanged(task, entry)
    }


def _refuse_full_disk(plan: PackResult) -> None:
    err.print(
        f"{plan.files} files, {amount(plan.bytes)} as {plan.dtype}; {amount(plan.todo_bytes)} to write, "
        f"{amount(plan.free_bytes)} free",
        markup=False,
    )
    if plan.todo_bytes > plan.free_bytes:
        raise DataError(
            f"{plan.out} needs {amount(plan.todo_bytes)} more, but its disk has {amount(plan.free_bytes)} free. "
            "Choose another --out, or pack fewer --views or --recordings."
        )


def _workers(config: PackConfig, tasks: Sequence[PackTask]) -> int:
    """Processes to start; 0 packs here, which little data is done with before a process has started."""
    if config.workers is None and sum(task.bytes for task in tasks) < WORTH_PROCESSES_BYTES:
        return 0
    wanted = min(8, os.cpu_count() or 1) if config.workers is None else config.workers
    return min(wanted, len(tasks))


def _settle_all(
    packer: Packer, tasks: Sequence[PackTask], journal: Journal, workers: int
) -> dict[str, tuple[StoreEntry, bool]]:
    """Pack or keep every file; {file: (entry, packed now)}. Each is in the journal as soon as it is finished."""
    settled: dict[str, tuple[StoreEntry, bool]] = {}
    total = sum(task.bytes for task in tasks) // MIB
    with progress() as bar:
        shown = bar.add_task("packing, MiB", total=total)
        done_bytes = 0
        for task, entry, packed in _settled(packer, tasks, journal.finished, workers):
            if packed:
                journal.add(entry, task.written)
            settled[task.file] = entry, packed
            done_bytes += task.bytes
            bar.update(shown, completed=done_bytes // MIB, description=f"packing, MiB ({task.recording})")
    return settled


def _settled(
    packer: Packer, tasks: Sequence[PackTask], finished: Mapping[str, StoreEntry], workers: int
) -> Iterator[tuple[PackTask, StoreEntry, bool]]:
    """Finished files in any order, packed in this process or in ``workers`` others."""
    if workers == 0:
        for task in tasks:
            yield task, *packer.settle(task, finished.get(task.file))
        return
    # Spawned, not forked: forking a process that runs threads (progress bar, BLAS) can hang the child.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (packer,)) as pool:
        futures: dict[Future[tuple[StoreEntry, bool]], PackTask] = {
            pool.submit(_settle_in_worker, task, finished.get(task.file)): task for task in tasks
        }
        try:
            for future in as_completed(futures):
                yield futures[future], *future.result()
        except BrokenProcessPool as error:
            raise DataError(
                "A packing process was killed, most likely for want of memory. Run the same command with fewer "
                "--workers; what is finished is kept."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_packer: Packer | None = None
"""The packer of this worker process, set when it starts."""


def _start_worker(packer: Packer) -> None:
    global _packer
    _packer = packer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent sees to an orderly end
    end_with_parent()


def _settle_in_worker(task: PackTask, earlier: StoreEntry | None) -> tuple[StoreEntry, bool]:
    assert _packer is not None
    return _packer.settle(task, earlier)
