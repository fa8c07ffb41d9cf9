"""What a camera makes of a scene: local descriptors of what it sees, pooled over the picture.

Each thing in view gives one descriptor: how it looks from this side, in this camera's colours; where it is in
the picture and how it moves there. A shared random layer turns descriptors into activations, which are summed
with the share of the picture that each thing fills. Frozen video networks work so: local filters, then pooling.
"""

from dataclasses import dataclass

import numpy as np

from viewloom.simulate.actions import CODE
from viewloom.simulate.cameras import Camera, Sighting, camera, inside, project, unhidden
from viewloom.simulate.motion import F32, Entity, Scene
from viewloom.simulate.seeds import stream

ASPECTS = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
"""Directions from which a thing has a look of its own (its six sides)."""

SHARPNESS = 4.5
"""How quickly one side's look gives way to the next one's."""

LOCAL = 64
"""Local filters, shared by all cameras."""

MOTION_FRAMES = 4
"""Half of the stretch over which image motion is seen, as a temporal shift module mixes it in."""

BLOCKERS = ((0, 0.05), (1, 0.05), (3, 0.05))
"""Entities that hide others, and their radii in metres: the hands and the toy."""

HEAD_M = 0.11
"""Radius of the head, which hides things from fixed cameras; the trunk below it has twice that."""

PLACE, MOTION, TURN = 0.8, 0.3, 0.5
"""Weights of place, image motion and image orientation in a descriptor, against appearance at 1."""


@dataclass(frozen=True)
class Filters:
    """The first, local stage of the frozen extractor, the same for all cameras.

    Attributes:
        sides: how a code looks from each side (6, CODE, CODE).
        weights: of the local filters (CODE + 7, LOCAL).
        bias: of the local filters (LOCAL,).
    """

    sides: F32
    weights: F32
    bias: F32


@dataclass(frozen=True)
class Optics:
    """A camera's own way to show things.

    Attributes:
        colours: appearance codes as its sensor and lens give them (CODE, CODE).
        background: activations of what is always in its picture (LOCAL,).
        sway: how the background changes with the camera's orientation (6, LOCAL); zeros for a fixed camera.
    """

    colours: F32
    background: F32
    sway: F32


def make_filters(world: int) -> Filters:
    """Random local filters. A side's look is a rotation of the code, then bent: sides tell of each other in part."""
    rng = stream("filters", world)
    sides = np.stack([np.linalg.qr(rng.normal(size=(CODE, CODE)))[0] for _ in ASPECTS])
    inputs = CODE + 7
    weights = rng.normal(0, 1 / np.sqrt(CODE), (inputs, LOCAL))
    weights[CODE : CODE + 3] *= PLACE * np.sqrt(CODE) / 2
    weights[CODE + 3 : CODE + 5] *= MOTION * np.sqrt(CODE) / 2
    weights[CODE + 5 :] *= TURN * np.sqrt(CODE) / 2
    return Filters(*(x.astype(np.float32) for x in (sides, weights, rng.normal(0, 0.5, LOCAL))))


def make_optics(view: str, world: int) -> Optics:
    """A camera's colours and background. Head cameras are grey: colour is lost, contrast bent."""
    rng = stream("optics", world, view)
    ego = view.startswith("e")
    colours = np.eye(CODE) + rng.normal(0, (0.25 if ego else 0.12) / np.sqrt(CODE), (CODE, CODE)) * 2
    if ego:
        half = CODE // 2
        colours[half:] *= 0.25  # the half of a code that is colour: a grey sensor keeps its brightness only
        colours[:half] *= 1.2
    background = rng.normal(0, 1.0, LOCAL)
    sway = rng.normal(0, 0.3, (6, LOCAL)) if ego else np.zeros((6, LOCAL))
    return Optics(*(x.astype(np.float32) for x in (colours, background, sway)))


def render(scene: Scene, view: str, filters: Filters, optics: Optics) -> F32:
    """Pooled activations (T, LOCAL) of one view of a scene, background included."""
    seen_by = camera(view, scene)
    pooled = _backdrop(seen_by, scene, optics)
    sightings = [project(seen_by, entity.position_T3) for entity in scene.entities]
    for index, entity in enumerate(scene.entities):
        if not entity.size_T.any():
            continue
        visible = entity.size_T * _visible(index, scene, seen_by, sightings[index])
        inputs = _descriptor(entity, sightings[index], scene, seen_by, filters, optics)
        hidden = inputs @ filters.weights
        hidden += filters.bias
        np.maximum(hidden, 0, out=hidden)
        hidden *= visible[:, None]
        pooled += hidden
    return pooled


def _backdrop(seen_by: Camera, scene: Scene, optics: Optics) -> F32:
    """Activations of the background (T, LOCAL); a head camera's follows its orientation."""
    if not seen_by.ego:
        return np.repeat(optics.background[None], scene.frames, axis=0)
    axes = seen_by.axes_T33
    turned = np.concatenate([axes[:, 0], axes[:, 2]], axis=1)
    return (optics.background + turned @ optics.sway).astype(np.float32)


def _visible(index: int, scene: Scene, seen_by: Camera, sighting: Sighting) -> F32:
    """Share of an entity that is in the picture and not hidden (T,)."""
    point = scene.entities[index].position_T3
    free = inside(sighting.uv_T2)
    for other, radius in BLOCKERS:
        if other != index:
            free = free * unhidden(seen_by, point, scene.entities[other].position_T3, radius)
    if not seen_by.ego:
        trunk = scene.head_T3 - np.array([0.0, 0.05, 0.35], np.float32)
        free = free * unhidden(seen_by, point, scene.head_T3, HEAD_M)
        free = free * unhidden(seen_by, point, trunk, 2 * HEAD_M)
    return free


def _descriptor(
    entity: Entity, sighting: Sighting, scene: Scene, seen_by: Camera, filters: Filters, optics: Optics
) -> F32:
    """Appearance, place, image motion and image orientation of an entity (T, CODE + 7)."""
    frames = scene.frames
    inputs = np.empty((frames, CODE + 7), np.float32)
    inputs[:, :CODE] = _appearance(entity, sighting, scene, filters, optics)
    uv = np.clip(sighting.uv_T2, -1.5, 1.5)
    nearness = seen_by.focal / np.maximum(sighting.depth_T, 0.1)
    inputs[:, CODE : CODE + 2] = uv
    inputs[:, CODE + 2] = np.log(np.clip(nearness, 0.3, 6))
    later = np.minimum(np.arange(frames) + MOTION_FRAMES, frames - 1)
    sooner = np.maximum(np.arange(frames) - MOTION_FRAMES, 0)
    shift = (uv[later] - uv[sooner]) * np.float32(scene.fps / 30 * 4)
    inputs[:, CODE + 3 : CODE + 5] = np.tanh(shift)
    right = seen_by.axes_T33[:, 0]
    turn = entity.yaw_T + np.arctan2(right[:, 1], right[:, 0])
    inputs[:, CODE + 5] = np.cos(turn)
    inputs[:, CODE + 6] = np.sin(turn)
    return inputs


def _appearance(entity: Entity, sighting: Sighting, scene: Scene, filters: Filters, optics: Optics) -> F32:
    """How an entity looks from where the camera is, in the camera's colours (T, CODE)."""
    codes = entity.codes_NC * scene.light_C
    looks = np.tanh(np.einsum("nc,jcd->njd", codes, filters.sides)) @ optics.colours
    weights = _sides_seen(entity, sighting)
    return np.asarray(np.einsum("tj,tje->te", weights, looks.astype(np.float32)[entity.code_T]), np.float32)


def _sides_seen(entity: Entity, sighting: Sighting) -> F32:
    """How far each side of an entity faces the camera (T, 6), summing to 1."""
    ray = -sighting.ray_T3
    cos, sin = np.cos(entity.yaw_T), np.sin(entity.yaw_T)
    x = cos * ray[:, 0] + sin * ray[:, 1]
    y = cos * ray[:, 1] - sin * ray[:, 0]
    cos, sin = np.cos(entity.pitch_T), np.sin(entity.pitch_T)
    y, z = cos * y + sin * ray[:, 2], cos * ray[:, 2] - sin * y
    facing = np.stack([x, y, z], axis=1) * np.float32(SHARPNESS)
    weights = np.exp(np.concatenate([facing, -facing], axis=1))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights, np.float32)
