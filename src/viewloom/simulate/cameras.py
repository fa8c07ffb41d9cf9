"""Pinhole cameras: eight fixed ones around the bench, four on the head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, listed
from viewloom.simulate.motion import F32, Scene

_EXO: dict[str, tuple[float, float, float]] = {
    "v1": (20, 30, 1.1),
    "v2": (160, 30, 1.1),
    "v3": (65, 40, 1.0),
    "v4": (115, 40, 1.0),
    "v5": (-25, 45, 1.0),
    "v6": (205, 45, 1.0),
    "v7": (90, 78, 1.2),
    "v8": (90, 20, 1.3),
}
"""Fixed cameras: azimuth (degrees; -90 is the person's side), elevation (degrees), distance (m)."""

_EGO: dict[str, tuple[float, float, float]] = {
    "e1": (-0.06, 16, 8),
    "e2": (0.06, -16, 8),
    "e3": (-0.05, 10, -6),
    "e4": (0.05, -6, 0),
}
"""Head cameras: place right of the head's middle (m), turn to the left and down from the gaze (degrees)."""

VIEWS = (*_EXO, *_EGO)

EXO_FOCAL = 2.6
EGO_FOCAL = 1.4
"""Focal lengths in half picture widths: fields of view of 42 and 71 degrees."""

BENCH = np.array([0.0, 0.1, 0.05], np.float32)
"""The point that the fixed cameras look at."""


@dataclass(frozen=True)
class Camera:
    """A camera's place and orientation over time.

    Attributes:
        centre_T3: its place, metres; one row if it is fixed.
        axes_T33: rows right, down and forward, orthonormal; one if it is fixed.
        focal: focal length in half picture widths.
        ego: whether it is on the head.
    """

    centre_T3: F32
    axes_T33: F32
    focal: float
    ego: bool


@dataclass(frozen=True)
class Sighting:
    """Points seen by a camera.

    Attributes:
        uv_T2: place in the picture; (-1, 1) each way is inside.
        depth_T: metres in front of the camera.
        ray_T3: unit vector from the camera to the point, in world axes.
    """

    uv_T2: F32
    depth_T: F32
    ray_T3: F32


def camera(view: str, scene: Scene) -> Camera:
    """The camera of a logical view in this scene; `ConfigError` for a view that is not simulated."""
    if view in _EXO:
        azimuth, elevation, distance = _EXO[view]
        a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
        away = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)], np.float32)
        centre = BENCH + np.float32(distance) * away
        return Camera(centre[None], look_at(centre[None], BENCH[None]), EXO_FOCAL, False)
    if view not in _EGO:
        raise ConfigError(f"There is no view {view!r} to simulate; there are: {listed(VIEWS, 12)}.")
    right_m, left_deg, down_deg = _EGO[view]
    axes = look_at(scene.head_T3, scene.gaze_T3)
    centre = scene.head_T3 + np.float32(right_m) * axes[:, 0]
    return Camera(centre, _turn(axes, left_deg, down_deg), EGO_FOCAL, True)


def look_at(centre_T3: F32, target_T3: F32) -> F32:
    """Axes (T, 3, 3) of a camera at ``centre`` that looks at ``target`` with the horizon level."""
    forward = _unit(target_T3 - centre_T3)
    up = np.broadcast_to(np.array([0.0, 0.0, 1.0], np.float32), forward.shape)
    right = _unit(np.cross(forward, up))
    return np.stack([right, np.cross(forward, right), forward], axis=1).astype(np.float32)


def _turn(axes_T33: F32, left_deg: float, down_deg: float) -> F32:
    """Turn a camera about its own axes: to the left, then down."""
    a, b = np.deg2rad(left_deg), np.deg2rad(down_deg)
    pan = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.asarray((tilt @ pan).astype(np.float32) @ axes_T33, np.float32)


def _unit(x_T3: NDArray[np.float32]) -> F32:
    return np.asarray(x_T3 / np.linalg.norm(x_T3, axis=-1, keepdims=True), np.float32)


def project(camera: Camera, point_T3: F32) -> Sighting:
    """Where a point is in the picture. Points behind the camera get a depth below 0 and a place far outside."""
    away = point_T3 - camera.centre_T3
    fixed = len(camera.axes_T33) == 1  # a matrix product is quicker than a broadcast one
    local = away @ camera.axes_T33[0].T if fixed else np.einsum("tij,tj->ti", camera.axes_T33, away)
    depth = local[:, 2]
    safe = np.maximum(depth, 0.05)[:, None]
    uv = np.where(depth[:, None] > 0.05, camera.focal * local[:, :2] / safe, 9.0)
    distance = np.sqrt(np.einsum("tj,tj->t", away, away))[:, None]
    return Sighting(uv.astype(np.float32), depth, away / np.maximum(distance, 1e-6))


def inside(uv_T2: F32, softness: float = 0.08) -> F32:
    """How much of a thing at ``uv`` is in the picture: 1 inside, 0 outside, soft at the edge; (T,)."""
    edge = np.abs(uv_T2).max(axis=1)
    return np.asarray(1 / (1 + np.exp(np.minimum((edge - 1) / softness, 40))), np.float32)


def unhidden(camera: Camera, point_T3: F32, blocker_T3: F32, radius_m: float) -> F32:
    """How much of a thing is not hidden by a ball of ``radius_m`` at ``blocker``; 1 free, 0 hidden, (T,)."""
    sight = point_T3 - camera.centre_T3
    length2 = np.maximum(np.einsum("tj,tj->t", sight, sight), 1e-9)
    toward = blocker_T3 - camera.centre_T3
    along = np.einsum("tj,tj->t", toward, sight) / length2
    miss2 = np.einsum("tj,tj->t", toward, toward) - along**2 * length2
    miss = np.sqrt(np.maximum(miss2, 0))
    near = 1 / (1 + np.exp(np.clip((miss - radius_m) / (0.2 * radius_m), -40, 40)))
    # A ball blocks only in front of the thing; one that reaches up to it does so in part.
    gap = (1 - along) * np.sqrt(length2)
    before = np.clip(gap / radius_m - 0.5, 0, 1) * (along > 0)
    return np.asarray(1 - near * before, np.float32)
