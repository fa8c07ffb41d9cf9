"""What differs from recording to recording in the picture alone: camera poses, lights, colours, patterns."""

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.simulate.seeds import stream

Floats = NDArray[np.float64]

WORKSPACE = (0.0, 0.65, 0.1)
"""Point that the fixed cameras look at, in metres."""

FIXED = {"corner": 34.0, "corner2": 29.0, "corner3": 29.0, "topview": 45.0}
"""Fixed cameras and their vertical angle of view in degrees. They stand where Meta-World has them, but are aimed at
the workspace, upright (three of Meta-World's are upside down), and zoomed in on it."""

ON_HAND = ("gripperPOV", "behindGripper")
"""Cameras that move with the hand, as Meta-World has them."""

SURROUNDINGS = ("T_table", "T_floor", "T_wallmetal")
"""Textures that get a pattern of the recording's own; others are only tinted."""

TEXELS = 64
"""Edge of a texture; finer ones can't be seen in small pictures and cost half a second at every start."""


def dress(model: Any, seed: int, recording: str) -> None:
    """Change a MuJoCo model's looks as this recording has them; the same for all its tasks."""
    for name in (*FIXED, *ON_HAND):
        place_camera(model, name, stream("camera", seed, recording, name))
    set_lights(model, stream("light", seed, recording))
    for number in range(model.ntex):
        paint_texture(model, number, seed, recording)
    for number in range(model.nmat):
        rng = stream("material", seed, recording, model.material(number).name)
        model.mat_rgba[number] = tinted(model.mat_rgba[number], rng)
    for number in range(model.ngeom):  # things without a material differ by their colour alone
        shade = model.geom_rgba[number]
        model.geom_rgba[number] = tinted(shade, stream("colour", seed, recording, *np.round(100 * shade).astype(int)))


def place_camera(model: Any, name: str, rng: np.random.Generator) -> None:
    """Aim a camera, a few centimetres and degrees off."""
    number = model.camera(name).id
    roll, zoom = rng.normal(0, 2.0), rng.uniform(0.94, 1.06)
    if name in ON_HAND:
        # A tracking camera keeps its place relative to the body, and its orientation in the world.
        model.cam_pos0[number] += rng.normal(0, 0.006, 3)
        axes = rotation(rng.normal(0, 3.0, 3)) @ model.cam_mat0[number].reshape(3, 3)
        model.cam_mat0[number] = axes.ravel()
        model.cam_fovy[number] *= zoom
        return
    model.cam_pos[number] += rng.normal(0, 0.04, 3)
    target = np.array(WORKSPACE) + rng.normal(0, 0.02, 3)
    up = (0.0, 1.0, 0.0) if name == "topview" else (0.0, 0.0, 1.0)
    axes = aimed(model.cam_pos[number], target, np.array(up)) @ rotation(np.array([0, 0, roll]))
    model.cam_quat[number] = as_quaternion(axes)
    model.cam_fovy[number] = FIXED[name] * zoom


def aimed(place: Floats, target: Floats, up: Floats) -> Floats:
    """Axes (3, 3) of a camera as columns: right, up, and back, which points from the target to the camera."""
    back = (place - target) / np.linalg.norm(place - target)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back], axis=1)


def rotation(degrees_3: Floats) -> Floats:
    """Rotation matrix of turns about x, then y, then z."""
    matrix: Floats = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees_3)):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[two, one] = np.sin(angle)
        turn[one, two] = -turn[two, one]
        matrix = turn @ matrix
    return matrix


def as_quaternion(matrix: Floats) -> Floats:
    """The unit quaternion (w, x, y, z) of a rotation matrix."""
    import mujoco

    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(matrix).ravel())
    return quaternion


def set_lights(model: Any, rng: np.random.Generator) -> None:
    """Strength, tint and direction of every light, and of the headlight."""
    tint_3 = rng.uniform(0.85, 1.15, 3)
    model.light_diffuse[:] *= rng.uniform(0.5, 1.6, (model.nlight, 1)) * tint_3
    model.light_dir[:] = model.light_dir @ rotation(rng.normal(0, 15, 3)).T
    model.vis.headlight.ambient[:] *= rng.uniform(0.9, 1.5) * tint_3
    model.vis.headlight.diffuse[:] *= rng.uniform(0.9, 1.5) * tint_3


def tinted(rgba_4: NDArray[Any], rng: np.random.Generator) -> Floats:
    """A colour with another hue, and somewhat other saturation and brightness; opacity stays."""
    hue, saturation, value = colorsys.rgb_to_hsv(*map(float, rgba_4[:3]))
    shift, more, brighter = rng.normal(0, 0.08), rng.uniform(0.7, 1.2), rng.uniform(0.75, 1.2)
    colour = colorsys.hsv_to_rgb((hue + shift) % 1, min(1, saturation * more), min(1, value * brighter))
    return np.array([*colour, rgba_4[3]])


def paint_texture(model: Any, number: int, seed: int, recording: str) -> None:
    """Shrink a texture to `TEXELS`, and paint or tint it."""
    name = model.texture(number).name
    rng = stream("texture", seed, recording, name)
    height, width, channels = (int(table[number]) for table in (model.tex_height, model.tex_width, model.tex_nchannel))
    start, faces = int(model.tex_adr[number]), max(1, height // width)
    edge = min(TEXELS, width)
    old = model.tex_data[start : start + height * width * channels].reshape(height, width, channels)
    rows, columns = (
        np.linspace(0, size - 1, count).astype(int) for size, count in ((height, faces * edge), (width, edge))
    )
    picture = old[rows][:, columns] * rng.uniform(0.8, 1.2, channels)
    if name in SURROUNDINGS:
        picture = np.concatenate([pattern(edge, channels, rng)] * faces)
    model.tex_height[number], model.tex_width[number] = faces * edge, edge
    model.tex_data[start : start + picture.size] = np.clip(picture, 0, 255).astype(np.uint8).ravel()


def pattern(edge: int, channels: int, rng: np.random.Generator) -> Floats:
    """Soft spots or stripes of two colours, (edge, edge, channels) from 0 to 255."""
    cells_y, cells_x = rng.choice([2, 4, 8, 16], 2)
    coarse = rng.random((cells_y, cells_x))
    knots = np.linspace(0, 1, edge)
    wide = np.stack([np.interp(knots, np.linspace(0, 1, cells_x), row) for row in coarse])
    mix = np.stack([np.interp(knots, np.linspace(0, 1, cells_y), column) for column in wide.T], axis=1)
    one, two = rng.uniform(40, 220, (2, channels))
    blended: Floats = one + (two - one) * mix[..., None] * 0.6
    return blended
