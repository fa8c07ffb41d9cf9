"""Rendering a data set: sessions, several processes, what is done already, labels, lists, facts."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from viewloom.console import out, progress
from viewloom.dataset.splits import ROLES
from viewloom.errors import ConfigError, listed
from viewloom.files import write_json
from viewloom.outputs import refuse_folder
from viewloom.parent import end_with_parent
from viewloom.simulate.metaworld.looks import FIXED, ON_HAND
from viewloom.simulate.metaworld.people import Session, make_sessions
from viewloom.simulate.metaworld.recording import Timeline, record
from viewloom.simulate.metaworld.rendering import backend_environment, require_packages
from viewloom.simulate.metaworld.settings import MetaworldConfig
from viewloom.simulate.metaworld.tasks import TASKS, TEST_ONLY, preset_tasks
from viewloom.simulate.metaworld.writing import read_timelines, write_lists
from viewloom.simulate.settings import chosen_names
from viewloom.version import __version__

SIZES = {"tiny": (5, 4, 1), "small": (40, 10, 6), "large": (240, 30, 8)}
"""Recordings, people and tasks in a recording of each preset."""

SECONDS_A_TASK = 7
"""Mean length of a task with its rest, for ``--plan``."""

KIB_A_FRAME = 0.6
"""Mean size of a 128-pixel frame in the mp4 file, for ``--plan``."""


def run_metaworld(config: MetaworldConfig) -> Path | None:
    """Write a data set, or what is missing of it, and return its folder; with ``plan`` say what it would be."""
    views, sessions = chosen_names("views", config.views, (*FIXED, *ON_HAND)), planned(config)
    if config.plan:
        out.print(describe(config, sessions, views), markup=False)
        return None
    require_packages()
    root = Path(config.out)
    facts = starting_facts(config)
    claim(root, facts)
    todo = [session for session in sessions if not (root / "timelines" / f"{session.name}.json").exists()]
    if todo:
        with progress() as bar:
            task = bar.add_task("Rendering", total=len(sessions), completed=len(sessions) - len(todo))
            for _ in recorded(config, todo, views):
                bar.advance(task)
    timelines = read_timelines(root, [session.name for session in sessions])
    summary = write_lists(root, timelines, views, config.fps)
    write_json(root / "simulation.json", facts | {"finished": True} | summary)
    return root


def planned(config: MetaworldConfig) -> tuple[Session, ...]:
    """The sessions that these settings stand for."""
    recordings, people, tasks_each = SIZES[config.preset]
    tasks = preset_tasks(config.preset)
    if config.tasks is not None:
        tasks = chosen_names("tasks", config.tasks, TASKS, suffix="-v3")
    test_only = frozenset(name for name in tasks if TASKS[name].noun in TEST_ONLY[config.preset])
    if len(test_only) == len(tasks):
        raise ConfigError(f"--tasks {listed(tasks)}: all of them are about objects that only test recordings have.")
    recordings, people = config.recordings or recordings, config.people or people
    if recordings < people:
        raise ConfigError(f"{recordings} recordings are too few for {people} people; each needs one. Pass --people.")
    return make_sessions(config.seed, recordings, people, config.tasks_each or tasks_each, tasks, test_only)


def describe(config: MetaworldConfig, sessions: tuple[Session, ...], views: tuple[str, ...]) -> str:
    """What would be written, in words."""
    acted = sum(len(session.tasks) for session in sessions)
    frames = round(acted * SECONDS_A_TASK * config.fps)
    mib = frames * len(views) * KIB_A_FRAME * (config.size / 128) ** 2 / 1024
    learned = {name for session in sessions if session.role != "test" for name in session.tasks}
    new = {TASKS[name].noun for session in sessions for name in session.tasks if name not in learned}
    roles = [session.role for session in sessions]
    counts = ", ".join(f"{roles.count(role)} {role}" for role in ROLES)
    return (
        f"{len(sessions)} recordings ({counts}), {acted} tasks of {len({n for s in sessions for n in s.tasks})} kinds, "
        f"{len(views)} views ({', '.join(views)}) at {config.size} pixels and {config.fps:g} frames a second: about "
        f"{frames * len(views):,} pictures, {mib:.0f} MiB in {config.out}. "
        f"Objects that only the test recordings have: {listed(sorted(new))}."
    )


def starting_facts(config: MetaworldConfig) -> dict[str, Any]:
    """What ``simulation.json`` says from the start on: what made the pictures, and with which settings."""
    settings = asdict(config)
    for name in ("out", "workers", "plan", "gl"):
        del settings[name]
    return {
        "kind": "SIMULATED: pictures rendered from Meta-World, no real video",
        "viewloom": __version__,
        "packages": {name: version(name) for name in ("metaworld", "mujoco", "av")},
        "settings": settings,
    }


def claim(root: Path, facts: dict[str, Any]) -> None:
    """Begin a folder, or go on with one that the same settings began; `ConfigError` for any other."""
    path = root / "simulation.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name in facts if found.get(name) != facts[name]]
        if differing:
            raise ConfigError(
                f"{root} was begun with other {listed(differing)} (see simulation.json there). Pass another --out "
                "folder, or remove it."
            )
        return
    refuse_folder(root, None)
    write_json(path, facts | {"finished": False})


def recorded(config: MetaworldConfig, sessions: list[Session], views: tuple[str, ...]) -> Iterator[Timeline]:
    """Act and render sessions in processes of their own; yields each one's timeline when it is written."""
    variables = backend_environment(config.gl) | {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    # Processes even where one is asked for: the way to render must be in the environment before MuJoCo is imported.
    count = min(config.workers, len(sessions))
    with ProcessPoolExecutor(count, get_context("spawn"), _set_environment, (variables,)) as pool:
        try:
            for future in as_completed([pool.submit(record, config, session, views) for session in sessions]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _set_environment(variables: dict[str, str]) -> None:
    end_with_parent()
    os.environ.update(variables)
