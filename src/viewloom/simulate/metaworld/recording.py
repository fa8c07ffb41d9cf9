"""One recording: a person at several tasks in a row, acted, rendered and labelled."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from viewloom.files import write_json
from viewloom.owned import remove_dead
from viewloom.simulate.metaworld.acting import REST, Outcome, make_env, perform
from viewloom.simulate.metaworld.looks import dress
from viewloom.simulate.metaworld.people import Session, make_person
from viewloom.simulate.metaworld.phases import WatchedPolicy
from viewloom.simulate.metaworld.rendering import Cameraman
from viewloom.simulate.metaworld.settings import MetaworldConfig
from viewloom.simulate.metaworld.tasks import TASKS
from viewloom.simulate.seeds import stream
from viewloom.videos.writing import video

SHORTEST_S = 0.4
"""Shorter runs count to the phase before: policies flicker where they go from one phase to the next."""


@dataclass
class Timeline:
    """What happened in a recording, as ``timelines/<recording>.json`` keeps it.

    Attributes:
        recording: its name.
        person: who acted.
        role: pairs, train, val or test.
        frames: number of frames.
        segments: (first frame, frame after the last, label); frames of rest are in none.
        tasks: name, span, success and slip of each task.
    """

    recording: str
    person: int
    role: str
    frames: int = 0
    segments: list[tuple[int, int, str]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)


def record(config: MetaworldConfig, session: Session, views: tuple[str, ...]) -> Timeline:
    """Act a session, and write its videos and then its timeline; returns the timeline."""
    timeline = Timeline(session.name, session.person, session.role)
    root = Path(config.out)
    folder = root / "videos" / session.name
    for half in folder.glob(".tmp-*"):  # of a run that was killed
        remove_dead(half)
    with ExitStack() as stack:
        films = {
            view: stack.enter_context(video(folder / f"{view}.mp4", config.fps, (config.size, config.size)))
            for view in views
        }
        for number in range(len(session.tasks)):
            act_task(config, timeline, session, number, films)
    write_json(root / "timelines" / f"{session.name}.json", asdict(timeline))
    return timeline


def act_task(
    config: MetaworldConfig, timeline: Timeline, session: Session, number: int, films: Mapping[str, Callable[..., None]]
) -> None:
    """Act one task of a session into the videos, and add it to the timeline."""
    name, fps = session.tasks[number], config.fps
    rng = stream("task", config.seed, session.name, number)
    env, policy, outcome = make_env(name, int(rng.integers(2**31))), WatchedPolicy(name), Outcome()
    dress(env.model, config.seed, session.name)
    labels: list[str] = []
    with closing(Cameraman(env.model, config.size)) as camera, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # every policy warns that its actions are clipped, which is meant
        for phase in perform(env, policy, make_person(config.seed, session.person), outcome, fps, rng):
            labels.append("" if phase == REST else TASKS[name].labels[phase])
            for view, add in films.items():
                add(camera.picture(env.data, view))
    start, end = timeline.frames, timeline.frames + len(labels)
    timeline.tasks.append({"task": name, "start": start, "end": end, **asdict(outcome)})
    fewest = max(1, round(SHORTEST_S * fps))
    timeline.segments += [(start + first, start + last, label) for first, last, label in settled(labels, fewest)]
    timeline.frames = end


def settled(labels: list[str], fewest: int) -> Iterator[tuple[int, int, str]]:
    """Segments of one task's frames; runs shorter than ``fewest`` go to the one before, the first to the next.

    Frames labelled "" are left out, whatever their number.
    """
    settled_runs: list[tuple[int, int, str]] = []
    for first, last, label in runs(labels):
        if settled_runs and (last - first < fewest or settled_runs[-1][2] == label):
            settled_runs[-1] = (settled_runs[-1][0], last, settled_runs[-1][2])
        elif settled_runs and settled_runs[0][1] - settled_runs[0][0] < fewest:
            settled_runs = [(settled_runs[0][0], last, label)]
        else:
            settled_runs.append((first, last, label))
    yield from settled_runs


def runs(labels: list[str]) -> Iterator[tuple[int, int, str]]:
    """Runs of equal labels: (first, after the last, label), those of "" left out."""
    first = 0
    for label, run in groupby(labels):
        end = first + len(list(run))
        if label:
            yield first, end, label
        first = end
