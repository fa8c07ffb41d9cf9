"""A person at one task: the scripted policy's actions, with this person's speed, noise, pauses and failed tries."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.simulate.metaworld.people import Person
from viewloom.simulate.metaworld.phases import WatchedPolicy

REST = -1
"""Phase of a frame in which nobody acts."""

PATIENCE_STEPS = 300
"""Control steps after which a person gives a task up; undisturbed, a policy needs 30 to 180."""

STUCK_STEPS = 60
"""Control steps in one phase after which a person lets go and tries again; undisturbed, few phases are longer."""

CALM = 0.8
"""Share of the noise that stays from one control step to the next."""


def make_env(task: str, seed: int) -> Any:
    """A task's environment with objects placed by the seed, and the goal visible to its policy."""
    from metaworld.env_dict import ENV_CLS_MAP

    env: Any = ENV_CLS_MAP[task]()
    # What the package's own benchmarks set through a pickled task; here the seed alone places things.
    env._set_task_called = True
    env._freeze_rand_vec = False
    env.seeded_rand_vec = True
    env._partially_observable = False
    vars(env).pop("sawyer_observation_space", None)  # a cached property, which depends on the line above
    env.max_path_length = 10 * PATIENCE_STEPS
    env.seed(seed)
    return env


@dataclass
class Outcome:
    """How a task went: whether it succeeded, and how many tries failed first."""

    succeeded: bool = False
    failed_tries: int = 0


class Hand:
    """Turns the policy's actions into a person's: noise that changes smoothly, and tries that fail.

    When a try fails, the gripper opens and the hand is thrown up and aside for some steps, so that the policy begins
    again. That happens once, soon after the hand is at the object, to people who tend to it, and to everybody who is
    stuck in a phase.
    """

    def __init__(self, person: Person, outcome: Outcome, rng: np.random.Generator) -> None:
        self.noise, self.outcome, self.rng = person.noise, outcome, rng
        self.drift_3 = np.zeros(3)
        self.steps_until_slip = int(rng.integers(5, 40)) if rng.random() < person.failing else None
        self.slip_left = 0
        self.phase, self.steps_in_phase = 0, 0

    def act(self, action_4: NDArray[np.float64], phase: int) -> NDArray[np.float32]:
        """The action (4,) that is carried out in a phase of the policy."""
        self.steps_in_phase = self.steps_in_phase + 1 if phase == self.phase else 0
        self.phase = phase
        if self.steps_until_slip is not None and phase > 0:
            self.steps_until_slip -= 1
        if self.steps_until_slip == 0 or self.steps_in_phase == STUCK_STEPS:
            self._slip()
        self.drift_3 = CALM * self.drift_3 + self.noise * np.sqrt(1 - CALM**2) * self.rng.normal(size=3)
        move_3, grip = np.clip(action_4[:3], -1, 1) + self.drift_3, action_4[3]
        if self.slip_left:
            self.slip_left -= 1
            move_3, grip = self.away_3, -1.0
        return np.array([*np.clip(move_3, -1, 1), grip], np.float32)

    def _slip(self) -> None:
        self.outcome.failed_tries += 1
        self.steps_until_slip, self.steps_in_phase = None, 0
        self.slip_left = int(self.rng.integers(12, 25))
        self.away_3 = np.array([*self.rng.uniform(-0.7, 0.7, 2), 0.7])


def perform(
    env: Any, policy: WatchedPolicy, person: Person, outcome: Outcome, fps: float, rng: np.random.Generator
) -> Iterator[int]:
    """Act until shortly after success, or until the patience is over; yields each frame's phase, env at that frame.

    A frame's phase is the one in which most of its control steps were; `REST` before the first.
    """
    observation, _ = env.reset()
    for _ in range(1 + int(rng.poisson(person.rest_s * fps))):
        yield REST
    hand = Hand(person, outcome, rng)
    pace = person.steps_hz / fps * rng.uniform(0.85, 1.15)
    done, stay_s = 0.0, rng.uniform(0.2, 0.8)
    while done < PATIENCE_STEPS and stay_s > 0:
        steps = int(done + pace) - int(done)
        done += pace
        counts = np.zeros(policy.phases, np.int64)
        for _ in range(max(1, steps)):
            action_4 = policy.action(observation)
            counts[policy.phase] += 1
            observation, _, _, _, info = env.step(hand.act(action_4, policy.phase))
            outcome.succeeded |= bool(info["success"])
        phase = int(counts.argmax())
        yield phase
        stay_s -= outcome.succeeded / fps
        if rng.random() < person.pauses_hz / fps:
            for _ in range(round(rng.uniform(0.3, 1.2) * fps)):
                yield phase
