"""The latent scene: where two hands, a piece, a tool and the toy are, frame by frame, in metres.

The bench is the plane z = 0, its middle the origin; x points right of the person, y away from them, z up. What
is computed here knows nothing of cameras: it is what synchronised views share.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from viewloom.simulate.actions import CODE, IDLE, TOY, Action, Piece, Verb, piece_model, verb_code, verb_motion
from viewloom.simulate.seeds import stream
from viewloom.simulate.timelines import Timeline

F32 = NDArray[np.float32]

TREMOR_S = 2.5
"""Correlation time of the unplanned share of all movement."""

TREMOR_M = 0.025
"""Its size in each direction of space."""

TREMOR_RAD = 0.28
"""Its size in each angle."""

VARIETY = 0.25
"""How far a piece's appearance differs from toy to toy, 0 (not at all) to 1 (wholly)."""

PIECE = 1.8
"""How much of the picture the piece in the hand fills, against the toy at 1."""


@dataclass(frozen=True)
class Entity:
    """Something that a camera sees.

    Attributes:
        position_T3: metres.
        yaw_T, pitch_T: how it is turned, radians.
        code_T: row of ``codes_NC`` that it looks like at each frame.
        codes_NC: appearance codes.
        size_T: how much of the picture it fills, relative; 0 where it isn't there.
    """

    position_T3: F32
    yaw_T: F32
    pitch_T: F32
    code_T: NDArray[np.int64]
    codes_NC: F32
    size_T: F32


@dataclass(frozen=True)
class Scene:
    """A recording's latent course.

    Attributes:
        entities: right hand, left hand, piece, toy, tool.
        head_T3: middle of the person's head.
        gaze_T3: the point they look at.
        light_C: how the recording's light changes appearance codes, a factor.
        fps: frames per second.
    """

    entities: tuple[Entity, ...]
    head_T3: F32
    gaze_T3: F32
    light_C: F32
    fps: float

    @property
    def frames(self) -> int:
        """Length in frames."""
        return len(self.head_T3)

    def at(self, fps: float, first: int) -> "Scene":
        """The same course at another rate, by the clock on which its own frames are ``first``, ``first`` + 1, ...

        Frame n of a rate is the moment n / rate. Places and angles between two frames are interpolated; the last
        frame stands for all of its duration.
        """
        if fps == self.fps:
            return self
        frames = span_at(self.frames, first, self.fps, fps)
        ratio = exact_ratio(self.fps, fps)
        before, rest = np.divmod(np.arange(*frames) * ratio.numerator, ratio.denominator)
        before -= first
        after = np.minimum(before + 1, self.frames - 1)
        share = (rest / ratio.denominator).astype(np.float32)

        def between(x: F32) -> F32:
            weight = share.reshape(-1, *[1] * (x.ndim - 1))
            return np.asarray(x[before] * (1 - weight) + x[after] * weight, np.float32)

        def entity_at(entity: Entity) -> Entity:
            moved = {name: between(getattr(entity, name)) for name in ("position_T3", "yaw_T", "pitch_T")}
            return replace(entity, **moved, code_T=entity.code_T[before], size_T=entity.size_T[before])

        head, gaze = between(self.head_T3), between(self.gaze_T3)
        return replace(self, entities=tuple(map(entity_at, self.entities)), head_T3=head, gaze_T3=gaze, fps=fps)


def exact_ratio(fps: float, rate: float) -> Fraction:
    """Frames of one rate in a frame of the other, exactly, the rates taken as they are written."""
    return Fraction(repr(float(fps))) / Fraction(repr(float(rate)))


def span_at(frames: int, first: int, fps: float, rate: float) -> tuple[int, int]:
    """Span [first, end) at another rate of a recording that has ``frames`` from ``first`` on at ``fps``.

    Frame n of a rate is the moment n / rate; those count that begin while the recording lasts.
    """
    ratio = exact_ratio(fps, rate)
    return math.ceil(first / ratio), math.ceil((first + frames) / ratio)


@dataclass(frozen=True)
class _Course:
    """What is done at each frame: segments over the whole recording, idle ones between the labelled.

    Attributes:
        actions: of each segment.
        verbs: how each moves.
        pieces: what each is about.
        segment_T: segment of each frame.
        time_T: seconds since its segment began.
        tempo: the person's speed.
        fps: frames per second.
        tremor: unplanned movement.
    """

    actions: tuple[Action, ...]
    verbs: tuple[Verb, ...]
    pieces: tuple[Piece, ...]
    segment_T: NDArray[np.int64]
    time_T: F32
    tempo: float
    fps: float
    tremor: "_Tremor"

    def per_segment(self, values: Iterable[float]) -> F32:
        """Spread one value a segment over its frames."""
        return np.asarray(list(values), np.float32)[self.segment_T]

    def of_verb(self, name: str) -> F32:
        """An attribute of the verb at each frame."""
        return self.per_segment(getattr(verb, name) for verb in self.verbs)

    def phase(self, hz: str, otherwise: float = 0.0) -> F32:
        """Angle of the verb's motion of the frequency called ``hz``, from 0 at each segment's beginning."""
        rates = (2 * np.pi * self.tempo * (getattr(verb, hz) or otherwise) for verb in self.verbs)
        return self.per_segment(rates) * self.time_T


def make_scene(timeline: Timeline, actions: tuple[Action, ...], *, fps: float, seed: int, world: int) -> Scene:
    """The latent course of one recording, the same whichever views are asked for."""
    rng = stream("motion", seed, timeline.recording)
    style = stream("person", seed, timeline.person)
    done, segment = _segments(timeline, actions)
    tremor = _Tremor(len(segment), fps, rng)
    pieces = {noun: _variant(piece_model(noun, world), rng) for noun in sorted({action.noun for action in done})}
    first = np.searchsorted(segment, np.arange(len(done)))
    course = _Course(
        done,
        tuple(verb_motion(action.verb, world) for action in done),
        tuple(pieces[action.noun] for action in done),
        segment,
        (np.arange(len(segment)) - first[segment]).astype(np.float32) / np.float32(fps),
        float(np.exp(style.normal(0, 0.12))),
        fps,
        tremor,
    )
    toy, toy_yaw = _toy(course, rng)
    at_toy = _reach(course, rng)
    right = _right_hand(course, toy, at_toy, rng) + tremor.path(3, TREMOR_M)
    left = _left_hand(course, toy, right) + tremor.path(3, TREMOR_M)
    swing = _spin(course)
    entities = (
        _hand(course, right, swing, style, world),
        _hand(course, left, 0.3 * swing, style, world),
        _held_piece(course, right, at_toy, swing),
        _whole(course, pieces[TOY], toy, toy_yaw),
        _tool(course, right, swing, world),
    )
    head, gaze = _head(np.float32(0.5) * (left + right), style, tremor, fps)
    light = np.exp(rng.normal(0, 0.12, CODE)).astype(np.float32)
    return Scene(entities, head, gaze, light, fps)


def _variant(piece: Piece, rng: np.random.Generator) -> Piece:
    """This recording's copy of a piece: toys differ in form and colour."""
    own = rng.normal(0, 1, CODE).astype(np.float32)
    return replace(piece, code=np.float32(np.sqrt(1 - VARIETY**2)) * piece.code + np.float32(VARIETY) * own)


def _segments(timeline: Timeline, actions: tuple[Action, ...]) -> tuple[tuple[Action, ...], NDArray[np.int64]]:
    """Actions in order and the one of each frame, with idling around and between the labelled segments."""
    bounds, done = [0], []
    spans = [
        (int(start) - 1, int(end) - 1, actions[action])
        for item in timeline.annotations
        for start, end, action in zip(item.starts, item.ends, item.labels, strict=True)
    ]
    for start, end, action in [*spans, (timeline.frames, timeline.frames, None)]:
        if start > bounds[-1]:
            done.append(Action(IDLE, TOY))
            bounds.append(start)
        if action is not None:
            done.append(action)
            bounds.append(end)
    return tuple(done), np.repeat(np.arange(len(done)), np.diff(bounds))


class _Tremor:
    """Unplanned movement: Ornstein-Uhlenbeck paths, slightly smoothed, all drawn from one stream."""

    def __init__(self, frames: int, fps: float, rng: np.random.Generator) -> None:
        self.frames, self.fps, self.rng = frames, fps, rng

    def path(self, channels: int, size: float, time_s: float = TREMOR_S) -> F32:
        """Paths (frames, channels) of deviation ``size`` and correlation time ``time_s``."""
        from scipy.signal import lfilter

        keep = np.exp(-1 / (time_s * self.fps))
        kick = self.rng.standard_normal((self.frames + 1, channels), np.float32) * np.sqrt(1 - keep**2)
        kick[0] /= np.sqrt(1 - keep**2)  # start in the stationary state
        raw = lfilter([1.0], [1.0, -keep], kick, axis=0)
        return np.asarray(size * 0.5 * (raw[1:] + raw[:-1]), np.float32)

    def angle(self) -> F32:
        """One angle's path (frames,)."""
        return self.path(1, TREMOR_RAD)[:, 0]


def smooth(x_TC: F32, seconds: float, fps: float) -> F32:
    """Running mean over ``seconds``, centred, with the ends held."""
    half = max(1, round(seconds * fps / 2))
    padded = np.pad(x_TC, ((half + 1, half), (0, 0)), mode="edge").astype(np.float64)
    sums = np.cumsum(padded, axis=0)
    return ((sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)).astype(np.float32)


def _toy(course: _Course, rng: np.random.Generator) -> tuple[F32, F32]:
    """The toy's place (T, 3) and yaw (T,): lifted and turned to and fro as the verb asks."""
    rest = np.array([0.0, 0.0, 0.06], np.float32) + rng.normal(0, 0.015, 3).astype(np.float32)
    swing, turn = course.of_verb("toy_swing"), np.sin(course.phase("toy_hz"))
    place = np.stack([0.05 * swing * turn, 0.02 * swing * turn, course.of_verb("lift_m")], axis=1)
    yaw = float(rng.normal(0, 0.3)) + swing * turn
    return rest + smooth(place, 0.4, course.fps) + course.tremor.path(3, 0.3 * TREMOR_M), yaw


def _reach(course: _Course, rng: np.random.Generator) -> F32:
    """Where the working hand is between the piece's place (0) and the toy (1), (T,)."""
    start = rng.uniform(0, 2 * np.pi, len(course.verbs)).astype(np.float32)[course.segment_T]
    phase = course.phase("reach_hz") + start
    phase += course.of_verb("skew") * np.sin(phase)
    drive = np.cos(phase) + course.of_verb("dwell")
    return np.asarray(1 / (1 + np.exp(-2.5 * drive)), np.float32)


def _right_hand(course: _Course, toy: F32, at_toy: F32, rng: np.random.Generator) -> F32:
    """The working hand (T, 3): between bench and toy, in an arc, with the verb's quick motion at the toy."""
    jitter = rng.normal(0, 0.02, (len(course.pieces), 3)).astype(np.float32)
    place = (np.stack([piece.place for piece in course.pieces]) + jitter)[course.segment_T]
    mount = toy + np.stack([piece.mount for piece in course.pieces])[course.segment_T]
    path = place + at_toy[:, None] * (mount - place)
    path[:, 2] += 0.35 * at_toy * (1 - at_toy)
    phase, size = course.phase("turn_hz"), at_toy * course.of_verb("turn_m")
    path[:, 0] += size * np.cos(phase)
    path[:, 2] += size * np.sin(phase)
    return smooth(path, 0.25, course.fps) + np.array([0.05, -0.02, 0.02], np.float32)


def _left_hand(course: _Course, toy: F32, right: F32) -> F32:
    """The holding hand (T, 3): at the toy, following the other one as far as the verb asks."""
    rest = toy + np.array([-0.06, -0.01, 0.01], np.float32)
    mirrored = right * np.array([-0.5, 0.6, 1.0], np.float32)
    return smooth(rest + 0.4 * course.of_verb("both")[:, None] * (mirrored - rest), 0.4, course.fps)


def _spin(course: _Course) -> F32:
    """Turning of what is in the hand (T,): to and fro, one half of each swing faster than the other."""
    swing, phase = course.of_verb("spin"), course.phase("turn_hz", otherwise=0.5)
    return np.asarray(swing * np.sin(phase + 0.5 * np.sign(swing) * np.sin(phase)), np.float32)


def _hand(course: _Course, path: F32, swing: F32, style: np.random.Generator, world: int) -> Entity:
    """A hand: skin and sleeve belong to the person, the grip to the verb."""
    verbs = [action.verb for action in course.actions]
    names = list(dict.fromkeys(verbs))
    skin = style.normal(0, 0.5, CODE).astype(np.float32)
    codes = np.stack([skin + verb_code(name, world) for name in names])
    code_T = np.array([names.index(verb) for verb in verbs], np.int64)[course.segment_T]
    yaw, pitch = 0.4 * swing + course.tremor.angle(), course.tremor.angle()
    return Entity(path, yaw, pitch, code_T, codes, np.full(len(path), 1.2, np.float32))


def _held_piece(course: _Course, right: F32, at_toy: F32, swing: F32) -> Entity:
    """The piece that is worked on, in the working hand."""
    yaw = course.per_segment(piece.yaw for piece in course.pieces) + swing + 0.4 * (at_toy - 0.5)
    pitch = course.per_segment(piece.pitch for piece in course.pieces) + course.tremor.angle()
    worked_on = zip(course.actions, course.pieces, strict=True)
    size = course.per_segment(PIECE * piece.size * (action.noun != TOY) for action, piece in worked_on)
    codes = np.stack([piece.code for piece in course.pieces])
    place = right + np.array([-0.04, 0.05, 0.0], np.float32)
    return Entity(place, yaw + course.tremor.angle(), pitch, course.segment_T, codes, size)


def _whole(course: _Course, frame: Piece, toy: F32, toy_yaw: F32) -> Entity:
    """The toy: it looks like its frame and the pieces that are on it."""
    on: dict[str, F32] = {}
    codes = []
    for action, piece in zip(course.actions, course.pieces, strict=True):
        if action.verb == "detach":
            on.pop(action.noun, None)
        codes.append(frame.code + 0.3 * sum(on.values(), np.zeros(CODE, np.float32)))
        if action.verb == "attach":
            on[action.noun] = piece.code
    size = np.full(len(toy), 1.0, np.float32)
    tremor = course.tremor
    return Entity(toy, toy_yaw + tremor.angle(), tremor.angle(), course.segment_T, np.stack(codes), size)


def _tool(course: _Course, right: F32, swing: F32, world: int) -> Entity:
    """A screwdriver in the working hand, where the verb needs one."""
    code = stream("tool", world).normal(0, 1, (1, CODE)).astype(np.float32)
    size = course.per_segment(0.6 if verb.tool else 0.0 for verb in course.verbs)
    place = right + np.array([0.02, 0.05, -0.03], np.float32)
    always = np.zeros(len(right), np.int64)
    return Entity(place, 2 * swing + course.tremor.angle(), course.tremor.angle(), always, code, size)


def _head(between: F32, style: np.random.Generator, tremor: _Tremor, fps: float) -> tuple[F32, F32]:
    """Head (T, 3) and the point looked at (T, 3): both follow the hands slowly."""
    seat = np.array([0.0, -0.33, 0.42]) + style.normal(0, 0.02, 3)
    slow = smooth(smooth(between, 0.8, fps), 0.8, fps)
    head = seat.astype(np.float32) + 0.15 * slow + tremor.path(3, 0.02, 3.0)
    return smooth(head, 0.5, fps), slow + smooth(tremor.path(3, 0.03, 1.0), 0.5, fps)
