"""What can be done at the bench: an action is a verb and an object.

A verb is a way to move, an object a shape, a place and a grasp. Both are found by name, so that "wheel" is the
same piece in the simulator's own actions and in a real list of actions.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from viewloom.simulate.seeds import stream

CODE = 16
"""Length of an appearance code; its first half is form, its second half colour."""

IDLE = "idle"
"""What happens outside the labelled spans."""

TOY = "toy"
"""The object of actions on the whole."""

_PIECES = (
    "cabin wheel bumper roof body interior base arm bucket light door step container track roller "
    "hook ladder spoiler engine grill basket blade clamp tank lid strap cylinder nut mixer windshield "
    "axle bracket hinge lever pulley gear knob panel rail rod shaft socket spring valve vent wedge "
    "winch hatch crank pedal piston propeller rudder seat siren stand"
)

PIECES = tuple(_PIECES.split())
"""Piece names, in the order in which larger sets of actions take them in."""


class Action(NamedTuple):
    """An action class."""

    verb: str
    noun: str

    @property
    def name(self) -> str:
        """As written in label files."""
        return f"{self.verb} {self.noun}"


@dataclass(frozen=True)
class Verb:
    """A way to move. Lengths in metres, angles in radians, frequencies in Hz.

    Attributes:
        reach_hz: how often the working hand goes between the piece's place and the toy.
        dwell: where it stays longer: above 0 at the toy, below 0 at the piece's place.
        skew: above 0 the way to the toy is slow and the way back fast, below 0 the other way round.
        turn_hz, turn_m: frequency and size of a quick circular motion at the toy.
        spin: swing of the piece's own turning; its sign is the direction of the fast half.
        lift_m: how high the toy is held.
        toy_swing, toy_hz: turning of the toy to and fro.
        tool: whether a tool is in the hand.
        both: how far the left hand takes part.
    """

    reach_hz: float = 0.35
    dwell: float = 0.0
    skew: float = 0.0
    turn_hz: float = 0.0
    turn_m: float = 0.0
    spin: float = 0.0
    lift_m: float = 0.02
    toy_swing: float = 0.1
    toy_hz: float = 0.2
    tool: bool = False
    both: float = 0.2


_VERBS = {
    IDLE: Verb(reach_hz=0.10, dwell=-1.0, toy_swing=0.05),
    "attach": Verb(reach_hz=0.32, dwell=0.4, skew=0.7, spin=0.35),
    "detach": Verb(reach_hz=0.36, dwell=-0.2, skew=-0.7, spin=-0.35, lift_m=0.05),
    "screw": Verb(reach_hz=0.12, dwell=1.2, turn_hz=1.6, turn_m=0.03, spin=0.9, tool=True),
    "unscrew": Verb(reach_hz=0.18, dwell=0.9, turn_hz=1.1, turn_m=0.035, spin=-0.9, lift_m=0.06, tool=True),
    "inspect": Verb(reach_hz=0.08, dwell=1.0, lift_m=0.16, toy_swing=0.9, toy_hz=0.30, both=0.9),
    "demonstrate": Verb(reach_hz=0.20, dwell=1.0, lift_m=0.0, toy_swing=0.3, toy_hz=0.6, both=0.5),
    "position": Verb(reach_hz=0.24, dwell=0.1, turn_hz=0.8, turn_m=0.02),
    "remove": Verb(reach_hz=0.44, dwell=-0.6, skew=-0.5, lift_m=0.03),
}


def verb_motion(verb: str, world: int) -> Verb:
    """How ``verb`` moves. An attempt moves like the verb itself, shyer; an unknown verb gets a way of its own."""
    if verb.startswith("attempt to "):
        done = verb_motion(verb.removeprefix("attempt to "), world)
        return replace(done, reach_hz=1.5 * done.reach_hz, dwell=done.dwell - 0.6, turn_m=0.6 * done.turn_m)
    if verb in _VERBS:
        return _VERBS[verb]
    rng = stream("verb", world, verb)
    return Verb(
        reach_hz=float(rng.uniform(0.1, 0.6)),
        dwell=float(rng.uniform(-1, 1)),
        skew=float(rng.uniform(-0.8, 0.8)),
        turn_hz=float(rng.uniform(0.5, 1.8)),
        turn_m=float(rng.uniform(0, 0.04)),
        spin=float(rng.uniform(-0.9, 0.9)),
        lift_m=float(rng.uniform(0, 0.12)),
    )


@dataclass(frozen=True)
class Piece:
    """An object: its appearance code (CODE,), its place on the bench (3,) and on the toy (3,), its grasp.

    Attributes:
        yaw, pitch: how it is turned in the hand, radians.
        size: relative to the mean piece.
    """

    code: NDArray[np.float32]
    place: NDArray[np.float32]
    mount: NDArray[np.float32]
    yaw: float
    pitch: float
    size: float


def piece_model(noun: str, world: int) -> Piece:
    """The object called ``noun``; the whole toy's place is the middle of the bench."""
    rng = stream("part", world, noun)  # the key stays as it was, or every world would change
    angle = rng.uniform(0.1, 0.9) * np.pi
    radius = rng.uniform(0.18, 0.38)
    place = np.array([radius * np.cos(angle), radius * np.sin(angle) - 0.02, 0.02])
    mount = rng.normal(0, 0.03, 3)
    return Piece(
        code=rng.normal(0, 1, CODE).astype(np.float32),
        place=(place if noun != TOY else np.array([0.02, 0.0, 0.08])).astype(np.float32),
        mount=mount.astype(np.float32),
        yaw=float(rng.uniform(-np.pi, np.pi)),
        pitch=float(rng.uniform(-0.6, 0.6)),
        size=float(np.exp(rng.normal(0, 0.15))),
    )


def verb_code(verb: str, world: int) -> NDArray[np.float32]:
    """How the hand is held for ``verb`` (CODE,): an attempt looks much like the verb itself."""
    done = verb.removeprefix("attempt to ")
    code = stream("grip", world, done).normal(0, 1, CODE)
    if verb != done:
        code = 0.8 * code + 0.6 * stream("grip", world, verb).normal(0, 1, CODE)
    return code.astype(np.float32)


def own_actions(count: int) -> tuple[Action, ...]:
    """The simulator's first ``count`` actions: two on the toy, then piece by piece what can be done with it."""
    actions = [Action("inspect", TOY), Action("demonstrate", TOY)]
    for index, piece in enumerate(PIECES):
        verbs = ["detach", "attach"]
        verbs += ["unscrew", "screw"] if index % 2 == 0 else []
        verbs += ["attempt to attach"] if index % 3 != 2 else []
        actions += [Action(verb, piece) for verb in verbs]
    assert len(actions) >= 202
    return tuple(actions[:count])
