"""Who does what: people with habits of their own, and the tasks of each recording."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from viewloom.dataset.splits import ROLES, Role
from viewloom.simulate.seeds import stream

SHARES: dict[Role, float] = {"pairs": 0.4, "train": 0.3, "val": 0.1, "test": 0.2}
"""Shares of the people with each role; none has two."""


@dataclass(frozen=True)
class Person:
    """Habits of one who acts.

    Attributes:
        steps_hz: control steps of the robot that pass in a second of the video: how fast it moves in the picture.
        noise: standard deviation of the noise on the hand's movement, relative to the fastest movement.
        pauses_hz: mean number of hesitations in a second.
        failing: probability that a try at a task fails at first.
        rest_s: mean time between two tasks.
    """

    steps_hz: float
    noise: float
    pauses_hz: float
    failing: float
    rest_s: float


@dataclass(frozen=True)
class Session:
    """What a recording shows.

    Attributes:
        name: of the recording.
        person: number of who acts.
        role: of the person.
        tasks: names of the tasks, in order.
    """

    name: str
    person: int
    role: Role
    tasks: tuple[str, ...]


def make_person(seed: int, number: int) -> Person:
    """The person of that number."""
    rng = stream("person", seed, number)
    return Person(
        steps_hz=float(rng.uniform(12, 24)),
        noise=float(rng.uniform(0.03, 0.12)),
        pauses_hz=float(rng.uniform(0.05, 0.25)),
        failing=float(rng.uniform(0.1, 0.4)),
        rest_s=float(rng.uniform(0.3, 0.8)),
    )


def roles(people: int) -> tuple[Role, ...]:
    """Role of each person by number: the shares as far as whole people go, at least one each, the rest pairs."""
    counts = {role: max(1, int(people * share)) for role, share in SHARES.items()}
    counts["pairs"] = people - sum(counts[role] for role in ROLES if role != "pairs")
    return tuple(role for role, count in counts.items() for _ in range(count))


def make_sessions(
    seed: int, recordings: int, people: int, tasks_each: int, tasks: tuple[str, ...], test_only: frozenset[str]
) -> tuple[Session, ...]:
    """All sessions, by name. People take turns; in each role the tasks come equally often, in random order.

    Args:
        seed: of the data set.
        recordings: their number.
        people: their number.
        tasks_each: tasks in a recording.
        tasks: names of all tasks.
        test_only: those among them that only the test recordings have.
    """
    role_of = roles(people)
    common = tuple(name for name in tasks if name not in test_only)
    decks = {role: _deck(seed, role, tasks if role == "test" else common) for role in SHARES}
    sessions = []
    for number in range(recordings):
        person = number % people
        drawn = tuple(islice(decks[role_of[person]], tasks_each))
        sessions.append(Session(f"p{person:02d}_r{number // people:02d}", person, role_of[person], drawn))
    return tuple(sorted(sessions, key=lambda session: session.name))


def _deck(seed: int, role: str, tasks: tuple[str, ...]) -> Iterator[str]:
    """Tasks without end: all of them in one random order, then all in another."""
    rng = stream("deck", seed, role)
    while True:
        yield from (tasks[place] for place in rng.permutation(len(tasks)))
