"""Pinholes, heads and what hides what."""

import numpy as np
import pytest

from viewloom.errors import ConfigError
from viewloom.simulate.actions import own_actions
from viewloom.simulate.cameras import VIEWS, Camera, camera, inside, look_at, project, unhidden
from viewloom.simulate.motion import make_scene
from viewloom.simulate.rendering import _visible
from viewloom.simulate.timelines import own_script


@pytest.fixture(scope="module")
def scene():
    actions = own_actions(24)
    script = own_script(actions, 1, 1, pace=3.0, fps=30.0, seed=0, world=0)
    return make_scene(script.timelines[0], actions, fps=30.0, seed=0, world=0)


def looking_ahead(focal: float = 2.0) -> Camera:
    """At the origin, looking along y."""
    centre = np.zeros((1, 3), np.float32)
    return Camera(centre, look_at(centre, np.array([[0, 1, 0]], np.float32)), focal, False)


def test_project_is_a_pinhole():
    """Right of the camera is u > 0, below it v > 0, and twice as far is half as large."""
    points = np.array([[0, 1, 0], [0.1, 1, 0], [0, 1, -0.1], [0.1, 2, 0], [0, -1, 0]], np.float32)
    seen = project(looking_ahead(), points)
    np.testing.assert_allclose(seen.uv_T2[:4], [[0, 0], [0.2, 0], [0, 0.2], [0.1, 0]], atol=1e-6)
    np.testing.assert_allclose(seen.depth_T, [1, 1, 1, 2, -1], atol=1e-6)
    assert inside(seen.uv_T2)[:4].min() > 0.99 and inside(seen.uv_T2)[4] < 1e-6


@pytest.mark.parametrize("view", VIEWS)
def test_axes_are_orthonormal_and_right_handed(view, scene):
    axes = camera(view, scene).axes_T33
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.broadcast_to(np.eye(3), axes.shape), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-5)


def test_moving_camera_projects_as_a_fixed_one_at_each_moment(scene):
    """The broadcast product of a head camera against the plain one, frame by frame."""
    moving, point = camera("e2", scene), scene.entities[0].position_T3
    seen = project(moving, point)
    for t in (0, 100, 777):
        fixed = Camera(moving.centre_T3[t : t + 1], moving.axes_T33[t : t + 1], moving.focal, True)
        np.testing.assert_allclose(project(fixed, point[t : t + 1]).uv_T2[0], seen.uv_T2[t], atol=1e-5)


def test_a_ball_hides_what_is_behind_it_alone():
    seen_by = looking_ahead()
    point = np.array([[0, 1, 0]] * 4, np.float32)
    ball = np.array([[0, 0.5, 0], [0.3, 0.5, 0], [0, 1.5, 0], [0, -0.5, 0]], np.float32)
    free = unhidden(seen_by, point, ball, 0.1)
    assert free[0] < 0.05  # between
    assert (free[1:] > 0.95).all()  # beside, behind the point, behind the camera


@pytest.mark.parametrize("view", VIEWS)
def test_hands_are_mostly_in_the_picture_and_sometimes_hidden(view, scene):
    seen_by = camera(view, scene)
    sightings = [project(seen_by, entity.position_T3) for entity in scene.entities]
    in_picture = np.mean([inside(sighting.uv_T2).mean() for sighting in sightings[:4]])
    visible = np.mean([_visible(index, scene, seen_by, sightings[index]).mean() for index in range(4)])
    assert in_picture > 0.6
    assert 0.5 < visible < 0.995


def test_head_moves_smoothly_and_looks_at_the_hands(scene):
    speed_m_s = np.linalg.norm(np.diff(scene.head_T3, axis=0), axis=1) * scene.fps
    assert speed_m_s.max() < 0.5
    forward = camera("e4", scene).axes_T33[:, 2]
    turn_deg_s = np.rad2deg(np.arccos(np.clip((forward[1:] * forward[:-1]).sum(axis=1), -1, 1))) * scene.fps
    assert np.median(turn_deg_s) > 0.1 and turn_deg_s.max() < 150
    between = 0.5 * (scene.entities[0].position_T3 + scene.entities[1].position_T3)
    ray = project(camera("e4", scene), between).ray_T3
    off_deg = np.rad2deg(np.arccos(np.clip((ray * forward).sum(axis=1), -1, 1)))
    assert np.median(off_deg) < 20


def test_fixed_cameras_stand_still_and_differ(scene):
    centres = np.stack([camera(view, scene).centre_T3[0] for view in VIEWS if view[0] == "v"])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 9 * np.eye(len(centres))
    assert apart.min() > 0.3
    assert all(len(camera(view, scene).centre_T3) == 1 for view in VIEWS if view[0] == "v")


def test_unknown_view_is_named(scene):
    with pytest.raises(ConfigError, match="no view 'v9'"):
        camera("v9", scene)


def test_hands_move_no_faster_than_hands_do(scene):
    for entity in scene.entities[:2]:
        speed_m_s = np.linalg.norm(np.diff(entity.position_T3, axis=0), axis=1) * scene.fps
        assert np.median(speed_m_s) < 0.6 and np.quantile(speed_m_s, 0.999) < 4
        assert np.abs(entity.position_T3).max() < 1
