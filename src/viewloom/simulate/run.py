"""Making a data set: timelines, scenes, features, faults, files."""

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom import __version__
from viewloom.console import out, progress
from viewloom.errors import ConfigError, listed
from viewloom.features.views import ViewTable
from viewloom.simulate.actions import own_actions
from viewloom.simulate.faults import Planted, plant, without_ego
from viewloom.simulate.motion import make_scene
from viewloom.simulate.seeds import stream
from viewloom.simulate.settings import SimulateConfig
from viewloom.simulate.timelines import Script, Timeline, own_script, real_script
from viewloom.simulate.world import World, make_world
from viewloom.simulate.writing import LmdbWriter, NpyWriter, Writer, bytes_a_frame

Features = dict[str, NDArray[np.float32]]


def simulate(config: SimulateConfig) -> Path | None:
    """Write a data set and return its folder; with ``plan`` say what would be written and return None."""
    views = chosen_views(config.views)
    script = make_script(config)
    refuse_impossible(config, script, views)
    if config.plan:
        out.print(describe(config, script, views), markup=False)
        return None
    target = Path(config.out)
    if target.exists():
        raise ConfigError(f"{target} is there already. Pass another --out folder, or remove it.")
    world = make_world(config.world, config.dim)
    frames = sum(timeline.frames for timeline in script.timelines)
    with new_folder(target) as folder:
        writer: Writer = LmdbWriter(folder, frames, config.dim) if config.layout == "assembly101" else NpyWriter(folder)
        planted = write_recordings(config, script, views, world, writer)
        writer.script(script, views, ViewTable.assembly101())
        writer.close()
        writer.facts(
            {
                "viewloom": __version__,
                "settings": {name: value for name, value in asdict(config).items() if name not in ("out", "workers")},
                "world_hash": world.hash,
                "planted": planted,
            }
        )
    return target


def chosen_views(names: str) -> tuple[str, ...]:
    """Views by their names, in the order given."""
    known = ViewTable.assembly101().names
    views = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in views if name not in known]
    if unknown or not views:
        raise ConfigError(f"--views {names!r}: {listed(unknown)} unknown; the views are: {listed(known, 12)}.")
    return views


def refuse_impossible(config: SimulateConfig, script: Script, views: tuple[str, ...]) -> None:
    """`ConfigError` for faults that these views and recordings can't have."""
    faults = config.faults
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


def describe(config: SimulateConfig, script: Script, views: tuple[str, ...]) -> str:
    """What would be written, in words."""
    frames = sum(timeline.frames for timeline in script.timelines)
    gib = frames * len(views) * bytes_a_frame(config.layout, config.dim) / 2**30
    items = sum(len(timeline.annotations) for timeline in script.timelines)
    return (
        f"{len(script.timelines)} recordings, {items} label files, {len(views)} views ({', '.join(views)}), "
        f"{frames} frames each way ({frames / config.fps / 3600:.2f} h), D = {config.dim}: about {gib:.2f} GiB "
        f"in {config.out}"
    )


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside the target that takes its name at the end, and is removed after an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".tmp-{target.name}-", dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_recordings(
    config: SimulateConfig, script: Script, views: tuple[str, ...], world: World, writer: Writer
) -> dict[str, Any]:
    """Compute and store every recording; returns the planted faults, for ``simulation.json``."""
    table = ViewTable.assembly101()
    blind = without_ego(config.faults, [t.recording for t in script.timelines], config.seed)
    late = config.faults.offset_view or views[-1]
    planted: dict[str, Any] = {}
    with progress() as bar:
        task = bar.add_task("Simulating", total=len(script.timelines))
        for number, (timeline, features) in enumerate(computed(config, script, views, world)):
            facts = planted[timeline.recording] = {}
            for view in views:
                if timeline.recording in blind and table[view].kind == "ego":
                    continue
                serial = number % 2 if config.faults.two_serials else 0
                camera = table[view].cameras[min(serial, len(table[view].cameras) - 1)]
                fault = plant(
                    config.faults, timeline.recording, view, view == late, timeline.frames, config.fps, config.seed
                )
                writer.features(timeline.recording, camera, fault.kept(), fault.shift(features[view]))
                facts[view] = as_facts(camera, fault)
            bar.advance(task)
    return planted


def as_facts(camera: str, fault: Planted) -> dict[str, Any]:
    """A view's faults as ``simulation.json`` records them."""
    return {"camera": camera, "first": 1, "end": fault.end, "offset_frames": fault.offset, "dropped": fault.dropped}


def compute(
    config: SimulateConfig, script: Script, views: tuple[str, ...], world: World, timeline: Timeline
) -> Features:
    """Features of every view of one recording; depends on nothing but its arguments."""
    scene = make_scene(timeline, script.actions, fps=config.fps, seed=config.seed, world=config.world)
    return {view: world.features(scene, view, stream("noise", config.seed, timeline.recording, view)) for view in views}


def computed(
    config: SimulateConfig, script: Script, views: tuple[str, ...], world: World
) -> Iterator[tuple[Timeline, Features]]:
    """Recordings in order with their features, computed here or by several processes."""
    if config.workers == 1:
        work = partial(compute, config, script, views, world)
        yield from ((timeline, work(timeline)) for timeline in script.timelines)
        return
    # A worker draws the world again from its seed: that is quicker than sending it with every recording.
    setup = (config, script, views)
    with ProcessPoolExecutor(config.workers, get_context("spawn"), _set_up, setup) as pool:
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


_worker: list[Any] = []


def _set_up(config: SimulateConfig, script: Script, views: tuple[str, ...]) -> None:
    """Keep what all recordings of this worker need."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _worker[:] = [config, script, views, make_world(config.world, config.dim)]


def _compute_in_worker(timeline: Timeline) -> Features:
    config, script, views, world = _worker
    return compute(config, script, views, world, timeline)
