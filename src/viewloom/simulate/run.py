"""Simulating a data set: timelines, scenes, features, faults, files."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.console import out, progress
from viewloom.durable import flush_tree, make_folder, rename
from viewloom.errors import ConfigError, listed
from viewloom.features.views import ViewTable
from viewloom.owned import let_go, own_folder
from viewloom.parent import end_with_parent
from viewloom.simulate.actions import own_actions
from viewloom.simulate.faults import InjectedFault, draw_fault, without_ego
from viewloom.simulate.motion import make_scene, span_at
from viewloom.simulate.seeds import stream
from viewloom.simulate.settings import SimulateConfig
from viewloom.simulate.timelines import Script, Timeline, own_script, real_script
from viewloom.simulate.world import World, make_worlds
from viewloom.simulate.writing import LmdbWriter, NpyWriter, Writer, bytes_a_frame, view_file
from viewloom.version import __version__

Features = dict[str, NDArray[np.float32]]
FIRST_FRAME = {"assembly101": 1, "npy": 0}
"""Number of a recording's first frame in each layout; frame n lies n / fps after the clock's zero."""


def run_simulate(config: SimulateConfig) -> Path | None:
    """Write a data set and return its folder; with ``plan`` say what would be written and return None."""
    script = make_script(config)
    refuse_impossible(config, script)
    if config.plan:
        out.print(describe(config, script), markup=False)
        return None
    target = Path(config.out)
    if target.exists():
        raise ConfigError(f"{target} is there already. Pass another --out folder, or remove it.")
    worlds = draw_worlds(config)
    with new_folder(target) as folder:
        writer = open_writer(config, script, folder)
        injected = write_recordings(config, script, worlds, writer)
        writer.script(script)
        writer.close()
        if config.layout == "npy" or config.dims or config.rates:
            view_file(folder, config)
        writer.facts(facts(config, worlds) | {"injected_faults": injected})
    return target


def facts(config: SimulateConfig, worlds: Mapping[str, World]) -> dict[str, Any]:
    """What ``simulation.json`` says beside the faults; feature sizes and rates of single views only where there are."""
    skipped = {"out", "workers"} | {name for name in ("dims", "rates") if not getattr(config, name)}
    found: dict[str, Any] = {
        "viewloom": __version__,
        "settings": {name: value for name, value in asdict(config).items() if name not in skipped},
        "world_hash": worlds[config.view_names[0]].hash,
    }
    return found | ({"world_hashes": {view: world.hash for view, world in worlds.items()}} if config.dims else {})


def refuse_impossible(config: SimulateConfig, script: Script) -> None:
    """`ConfigError` for faults that these views and recordings can't have."""
    faults, views = config.faults, config.view_names
    shortest = min(timeline.frames for timeline in script.timelines)
    if faults.offset_view is not None and faults.offset_view not in views:
        raise ConfigError(f"--faults.offset_view {faults.offset_view!r} is not among --views {listed(views, 12)}.")
    if faults.missing_ego > len(script.timelines):
        raise ConfigError(
            f"--faults.missing_ego {faults.missing_ego} is more than the {len(script.timelines)} recordings."
        )
    if not any(view.startswith("e") for view in views) and (faults.missing_ego or faults.two_serials):
        raise ConfigError(f"--faults.missing_ego and two_serials need an ego view; --views are {listed(views, 12)}.")
    if max(abs(faults.offset_frames), faults.unequal_frames) >= shortest:
        raise ConfigError(f"Views can't be offset or cut by {shortest} frames or more: a recording has no more.")


def make_script(config: SimulateConfig) -> Script:
    """Own timelines by the grammar, or real ones."""
    if config.timelines is not None:
        return real_script(Path(config.timelines), config.recordings, config.fps, config.seed)
    actions = own_actions(config.classes)
    return own_script(actions, config.recordings, config.people, config.pace, config.fps, config.seed, config.world)


def describe(config: SimulateConfig, script: Script) -> str:
    """What would be written, in words."""
    frames = sum(timeline.frames for timeline in script.timelines)
    views = config.view_names
    size = sum(
        frames * config.fps_of(view) / config.fps * bytes_a_frame(config.layout, config.dim_of(view)) for view in views
    )
    items = sum(len(timeline.annotations) for timeline in script.timelines)
    own = [f"{view} {config.dim_of(view)}" for view in config.dims] + [
        f"{view} {config.fps_of(view):g} frames a second" for view in config.rates
    ]
    return (
        f"{len(script.timelines)} recordings, {items} label files, {len(views)} views ({', '.join(views)}), "
        f"{frames} frames each way ({frames / config.fps / 3600:.2f} h), D = {config.dim}"
        f"{f' (but {listed(own, 24)})' if own else ''}: about {size / 2**30:.2f} GiB in {config.out}"
    )


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside the target that takes its name at the end, and is removed after an error.

    Raises:
        ConfigError: another command writes the target, or has written it meanwhile.
    """
    make_folder(target.parent)
    try:
        folder, handle = own_folder(target)
    except FileExistsError:
        raise ConfigError(f"Another viewloom simulate is writing {target}. Wait for it, or stop it.") from None
    try:
        yield folder
        folder.chmod(0o755)
        flush_tree(folder)
        if target.exists():
            raise ConfigError(f"{target} is there by now. Pass another --out folder, or remove it.")
        rename(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        let_go(handle)


def open_writer(config: SimulateConfig, script: Script, folder: Path) -> Writer:
    """The writer of the layout asked for."""
    if config.layout == "npy":
        return NpyWriter(folder)
    fastest = max(config.fps_of(view) for view in config.view_names) / config.fps
    frames = sum(timeline.frames for timeline in script.timelines)
    return LmdbWriter(folder, round(frames * fastest), max(map(config.dim_of, config.view_names)))


def write_recordings(
    config: SimulateConfig, script: Script, worlds: Mapping[str, World], writer: Writer
) -> dict[str, Any]:
    """Compute and store every recording; returns the injected faults, for ``simulation.json``."""
    table, faults = ViewTable.assembly101(), config.faults
    blind = without_ego(faults, [t.recording for t in script.timelines], config.seed)
    late = faults.offset_view or config.view_names[-1]
    injected: dict[str, Any] = {}
    with progress() as bar:
        task = bar.add_task("Simulating", total=len(script.timelines))
        for number, (timeline, features) in enumerate(computed(config, script, worlds)):
            recording = timeline.recording
            injected[recording] = {}
            for view, x_TD in features.items():
                if recording in blind and table[view].kind == "ego":
                    continue
                serial = number % 2 if faults.two_serials else 0
                camera = table[view].cameras[min(serial, len(table[view].cameras) - 1)]
                rate = config.fps_of(view)
                fault = draw_fault(faults, recording, view, view == late, len(x_TD), config.fps, rate, config.seed)
                first = span_at(timeline.frames, FIRST_FRAME[config.layout], config.fps, rate)[0]
                writer.features(recording, camera, first, fault.kept(), fault.shift(x_TD))
                injected[recording][view] = as_facts(camera, fault, max(1, first), rate if config.rates else None)
            bar.advance(task)
    return injected


def as_facts(camera: str, fault: InjectedFault, first: int, fps: float | None) -> dict[str, Any]:
    """A view's faults as ``simulation.json`` records them, frames counted from ``first``."""
    dropped = [(start + first, end + first) for start, end in fault.dropped]
    found = {"camera": camera, "first": first, "end": fault.end + first, "offset_frames": fault.offset}
    return found | {"dropped": dropped} | ({"fps": fps} if fps else {})


def draw_worlds(config: SimulateConfig) -> dict[str, World]:
    """The world, with features of each view's size; all views of one size share one."""
    worlds = make_worlds(config.world, set(map(config.dim_of, config.view_names)))
    return {view: worlds[config.dim_of(view)] for view in config.view_names}


def compute(config: SimulateConfig, script: Script, worlds: Mapping[str, World], timeline: Timeline) -> Features:
    """Features of every view of one recording; depends on nothing but its arguments."""
    scene = make_scene(timeline, script.actions, fps=config.fps, seed=config.seed, world=config.world)
    return {
        view: world.features(
            scene.at(config.fps_of(view), FIRST_FRAME[config.layout]),
            view,
            stream("noise", config.seed, timeline.recording, view),
        )
        for view, world in worlds.items()
    }


def computed(
    config: SimulateConfig, script: Script, worlds: Mapping[str, World]
) -> Iterator[tuple[Timeline, Features]]:
    """Recordings in order with their features, computed here or by several processes."""
    if config.workers == 1:
        yield from ((timeline, compute(config, script, worlds, timeline)) for timeline in script.timelines)
        return
    # A worker draws the worlds again from their seed: that is quicker than sending them with every recording.
    with ProcessPoolExecutor(config.workers, get_context("spawn"), _set_up, (config, script)) as pool:
        yield from _in_order(pool, script.timelines, 2 * config.workers)


def _in_order(
    pool: ProcessPoolExecutor, timelines: Iterable[Timeline], ahead: int
) -> Iterator[tuple[Timeline, Features]]:
    """Results in the order of the timelines, with few recordings waiting in memory."""
    waiting: deque[tuple[Timeline, Future[Features]]] = deque()
    for timeline in timelines:
        waiting.append((timeline, pool.submit(_compute_in_worker, timeline)))
        if len(waiting) > ahead:
            done, future = waiting.popleft()
            yield done, future.result()
    for done, future in waiting:
        yield done, future.result()


_work: list[Callable[[Timeline], Features]] = []
"""What this worker process does with a timeline."""


def _set_up(config: SimulateConfig, script: Script) -> None:
    end_with_parent()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _work[:] = [partial(compute, config, script, draw_worlds(config))]


def _compute_in_worker(timeline: Timeline) -> Features:
    return _work[0](timeline)
