"""Rendered data sets: who does what, how cameras look, what is written, and that a seed says all of it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import all_items
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.dataset.splits import ROLES
from viewloom.errors import ConfigError
from viewloom.simulate.metaworld import rendering
from viewloom.simulate.metaworld.looks import FIXED, ON_HAND, WORKSPACE, aimed, pattern, rotation, tinted
from viewloom.simulate.metaworld.people import make_person, make_sessions, roles
from viewloom.simulate.metaworld.run import describe, planned, run_metaworld
from viewloom.simulate.metaworld.settings import MetaworldConfig
from viewloom.simulate.metaworld.tasks import TASKS, preset_tasks
from viewloom.simulate.seeds import stream

VIEWS = ("corner", "gripperPOV")
FPS = 4.0


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Four recordings of one task each, two views of 48 pixels."""
    for package in ("metaworld", "mujoco", "av"):
        pytest.importorskip(package, reason="the extra `render` is not installed")
    try:
        rendering.backend_environment("auto")
    except ConfigError as error:
        pytest.skip(str(error))
    out = tmp_path_factory.mktemp("pixels") / "data"
    config = MetaworldConfig(out=str(out), preset="tiny", recordings=4, size=48, fps=FPS, views=",".join(VIEWS))
    assert run_metaworld(config) == out
    return config


def frames_of(path):
    import av

    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate) == FPS
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def everything(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(Path(root).rglob("*")) if path.is_file()}


def test_every_view_of_a_recording_has_the_frames_that_its_labels_speak_of(rendered):
    root = Path(rendered.out)
    facts = json.loads((root / "simulation.json").read_text())
    assert facts["finished"] and facts["tasks"] == 4 and "SIMULATED" in facts["kind"]
    total = 0
    for path in sorted((root / "timelines").iterdir()):
        timeline = json.loads(path.read_text())
        total += timeline["frames"]
        assert timeline["tasks"][-1]["end"] == timeline["frames"]
        for view in VIEWS:
            video = frames_of(root / "videos" / path.stem / f"{view}.mp4")
            assert video.shape == (timeline["frames"], 48, 48, 3)
            assert video[0].std() > 10  # something to see
            assert np.abs(video[-1].astype(int) - video[0]).max() > 40  # and something has moved
    assert total == facts["frames"]
    assert sum(count["frames"] for count in facts["by_task"].values()) == total
    assert sum(count["frames"] for count in facts["labels"].values()) == facts["labelled_frames"] < total


def test_it_opens_as_a_data_set_once_features_are_there(rendered, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(rendered.out, root)
    for path in (root / "timelines").iterdir():
        frames = json.loads(path.read_text())["frames"]
        for view in VIEWS:
            folder = root / "features" / path.stem / view
            folder.mkdir(parents=True)
            np.save(folder / "features.npy", np.zeros((4, frames), np.float32))
    dataset = open_dataset(DataConfig(data=str(root), fps=FPS))
    assert dataset.simulated and dataset.name == "metaworld"
    assert {view.name: view.kind for view in dataset.views.views} == {"corner": "exo", "gripperPOV": "ego"}
    assert all(len(dataset.items(role)) == 1 for role in ROLES)
    for item in all_items(dataset):
        timeline = json.loads((root / "timelines" / f"{item.recording}.json").read_text())
        labels = dataset.labels.annotations[item.name].frame_labels(0, timeline["frames"])
        for start, end, label in timeline["segments"]:
            assert {dataset.labels.actions[k] for k in labels[start:end]} == {label}
        assert (labels >= 0).sum() == sum(end - start for start, end, _ in timeline["segments"])
    verbs = open_dataset(DataConfig(data=str(root), labels=str(root / "verbs.csv"), fps=FPS))
    assert set(verbs.labels.actions) <= {"reach", "approach", "open", "close"}


def test_a_stopped_run_goes_on_to_the_same_bytes_with_other_workers(rendered, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(rendered.out, root)
    expected = everything(root)
    lost = sorted((root / "timelines").iterdir())[2:]
    for path in lost:
        path.unlink()
    (root / "videos" / lost[1].stem / ".tmp-killed.mp4").write_bytes(b"half")
    shutil.rmtree(root / "videos" / lost[0].stem)  # of the second only the timeline is missing
    (root / "labels.csv").unlink()
    run_metaworld(replace(rendered, out=str(root), workers=2))
    assert everything(root) == expected


def test_other_settings_do_not_go_on_in_the_folder(rendered):
    before = everything(rendered.out)
    with pytest.raises(ConfigError, match="begun with other settings"):
        run_metaworld(replace(rendered, seed=1))
    assert everything(rendered.out) == before


def test_a_folder_with_other_things_is_refused(tmp_path):
    pytest.importorskip("metaworld", reason="the extra `render` is not installed")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="which this command did not write"):
        run_metaworld(MetaworldConfig(out=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_any_opengl_one_message_says_what_to_install(monkeypatch, tmp_path, capsys):
    pytest.importorskip("metaworld", reason="the extra `render` is not installed")
    monkeypatch.setattr(rendering, "PROBE", "raise SystemExit(1)")
    assert main(["simulate", "metaworld", "--out", str(tmp_path / "data"), "--preset", "tiny"]) == 2
    shown = capsys.readouterr().err
    assert "libosmesa6" in shown and len(shown.strip().splitlines()) == 1


def test_without_the_packages_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(rendering.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"viewloom\[render\]"):
        rendering.require_packages()


def test_the_plan_writes_nothing(tmp_path, capsys):
    assert main(["simulate", "metaworld", "--out", str(tmp_path / "data"), "--plan", "true"]) == 0
    assert not list(tmp_path.iterdir())
    shown = capsys.readouterr().out
    assert "40 recordings (16 pairs, 12 train, 4 val, 8 test)" in shown and "lever, lid" in shown
    large = MetaworldConfig(out="x", preset="large")
    assert "240 recordings" in describe(large, planned(large), VIEWS)


def test_the_flat_simulate_still_takes_its_own_settings(tmp_path, capsys):
    assert main(["simulate", "--out", str(tmp_path / "data"), "--recordings", "3", "--plan", "true"]) == 0
    assert main(["simulate", "metawurst"]) == 2
    assert "metawurst" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"size": 63}, "even"),
        ({"people": 3}, "people"),
        ({"views": "corner,left"}, "left"),
        ({"tasks": "juggle"}, "juggle"),
        ({"recordings": 5}, "too few"),
        ({"tasks": "lever-pull"}, "only test recordings"),
    ],
)
def test_bad_settings_are_told(settings, shown):
    with pytest.raises(ConfigError, match=shown):
        run_metaworld(MetaworldConfig(out="nowhere", **settings))


def test_nobody_has_two_roles_and_some_objects_come_in_the_test_alone():
    tasks = preset_tasks("small")
    hidden = frozenset(name for name in tasks if TASKS[name].noun in ("lid", "lever"))
    sessions = make_sessions(3, 40, 10, 6, tasks, hidden)
    assert len({session.name for session in sessions}) == 40
    for number in range(10):
        assert len({session.role for session in sessions if session.person == number}) == 1
    acted = {
        role: [n for s in sessions if s.role == role for n in s.tasks] for role in ("pairs", "train", "val", "test")
    }
    assert [len(acted[role]) for role in acted] == [96, 72, 24, 48]
    assert hidden <= set(acted["test"]) and not any(hidden & set(acted[role]) for role in ROLES[:3])
    for names in acted.values():  # equally often, to within one
        counts = [names.count(name) for name in set(names)]
        assert max(counts) - min(counts) <= 1
    assert make_sessions(4, 40, 10, 6, tasks, hidden) != sessions


@pytest.mark.parametrize("people", range(4, 40))
def test_every_role_has_people(people):
    found = roles(people)
    assert len(found) == people and set(found) == {"pairs", "train", "val", "test"}


def test_people_differ():
    assert len({make_person(0, number) for number in range(20)}) == 20
    assert make_person(0, 3) == make_person(0, 3) != make_person(1, 3)


@pytest.mark.parametrize("place", [(-1.1, -0.4, 0.6), (1.3, -0.2, 1.1), (0.9, 0.0, 1.5)])
def test_an_aimed_camera_sees_its_target_in_the_middle_and_upright(place):
    """A MuJoCo camera looks along its negative z axis, x to the right and y up."""
    place, target = np.array(place), np.array(WORKSPACE)
    axes = aimed(place, target, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) > 0
    seen = axes.T @ (target - place)
    np.testing.assert_allclose(seen[:2], 0, atol=1e-12)
    assert seen[2] < 0
    above = axes.T @ (target + [0, 0, 0.1] - place)
    assert above[1] > 0 and abs(above[0]) < 1e-12


def test_rotations_turn_as_they_should():
    np.testing.assert_allclose(rotation(np.array([90.0, 0, 0])) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation(np.array([0, 90.0, 0])) @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(np.array([0, 0, 90.0])) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(np.array([90.0, 0, 90.0])) @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def test_colours_and_patterns_stay_in_range_and_differ():
    grey, red = np.array([0.5, 0.5, 0.5, 0.3]), np.array([0.9, 0.1, 0.1, 1.0])
    shades = [tinted(red, stream(number)) for number in range(20)]
    assert np.ptp([shade[:3] for shade in shades], axis=0).min() > 0.05
    assert all(shade.min() >= 0 and shade.max() <= 1 and shade[3] == 1 for shade in shades)
    assert np.ptp(tinted(grey, stream(0))[:3]) < 1e-9 and tinted(grey, stream(0))[3] == 0.3
    painted = pattern(64, 3, stream("a"))
    assert painted.shape == (64, 64, 3) and painted.min() >= 0 and painted.max() <= 255 and painted.std() > 3


def test_cameras_jitter_from_recording_to_recording_and_not_within_one():
    mujoco = pytest.importorskip("mujoco", reason="the extra `render` is not installed")
    from viewloom.simulate.metaworld.looks import dress

    cameras = "".join(f"<camera name='{name}' pos='0.9 0.1 1.5'/>" for name in FIXED)
    on_hand = "".join(f"<camera name='{name}' mode='track'/>" for name in ON_HAND)
    xml = f"<mujoco><worldbody>{cameras}<body>{on_hand}<geom size='.1'/></body><light/></worldbody></mujoco>"

    def dressed(recording):
        model = mujoco.MjModel.from_xml_string(xml)
        dress(model, 0, recording)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        return np.concatenate([data.cam_xpos, data.cam_xmat], axis=1), data.cam_xmat.reshape(-1, 3, 3)

    (one, axes), (other, _) = dressed("p00_r00"), dressed("p00_r01")
    np.testing.assert_array_equal(one, dressed("p00_r00")[0])
    assert (np.abs(one - other).max(axis=1) > 0.002).all()
    assert np.abs(one - other).max() < 0.5
    for name, camera in zip(FIXED, axes, strict=False):  # columns: right, up, back
        assert camera[1 if name == "topview" else 2, 1] > 0.3, name


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 140, 200)])
def test_a_colour_survives_the_video(colour, tmp_path):
    pytest.importorskip("av", reason="the extra `render` is not installed")
    from viewloom.videos.writing import video

    for name in ("one.mp4", "two.mp4"):
        with video(tmp_path / name, FPS, (32, 32)) as add:
            for _ in range(3):
                add(np.full((32, 32, 3), colour, np.uint8))
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    seen = frames_of(tmp_path / "one.mp4")
    assert seen.shape == (3, 32, 32, 3)
    np.testing.assert_allclose(seen[1].reshape(-1, 3).mean(axis=0), colour, atol=6)
