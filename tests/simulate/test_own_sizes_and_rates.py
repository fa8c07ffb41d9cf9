"""Views with a feature size or a rate of their own: what they show, on one clock with the others."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.simulate.test_simulate import SMALL, content, simulated, stored
from viewloom.cli import main
from viewloom.errors import ConfigError
from viewloom.simulate.motion import Scene, make_scene, span_at
from viewloom.simulate.run import compute, draw_worlds, make_script
from viewloom.simulate.settings import FaultConfig, SimulateConfig

E4 = "HMC_21179183_mono10bit"


@pytest.fixture(scope="module")
def scene() -> Scene:
    script = make_script(SMALL)
    return make_scene(script.timelines[0], script.actions, fps=30.0, seed=0, world=0)


def test_a_size_of_its_own_is_that_of_a_data_set_of_that_size(tmp_path):
    """Bit for bit, in the view that has it and in the one that hasn't."""
    mixed = simulated(tmp_path / "mixed", dim=8, dims="e4=12")
    for camera, dim in (("C10118_rgb", 8), (E4, 12)):
        alone = simulated(tmp_path / str(dim), dim=dim)
        ours, theirs = (stored(root / "TSM_features" / camera) for root in (mixed, alone))
        assert ours.keys() == theirs.keys()
        assert all(ours[key].shape == (dim,) and (ours[key] == theirs[key]).all() for key in ours)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("rate", [7.5, 12.5, 20.0, 29.97, 60.0])
def test_every_frame_of_a_rate_is_its_moment_of_the_course(scene, rate, first):
    """Frame n shows moment n / rate, between the frames that lie around it on the clock; held behind the last."""
    other = scene.at(rate, first)
    start, end = span_at(scene.frames, first, 30.0, rate)
    exact = Fraction(str(rate))
    assert other.frames == end - start and other.fps == rate
    assert (start - 1) / exact < Fraction(first, 30) <= start / exact
    assert (end - 1) / exact < Fraction(first + scene.frames, 30) <= end / exact
    clock = first + np.arange(scene.frames)
    moments = np.arange(start, end) / rate * 30
    for ours, theirs in [(other.head_T3, scene.head_T3)] + [
        (one.position_T3, two.position_T3) for one, two in zip(other.entities, scene.entities, strict=True)
    ]:
        for axis in range(3):
            np.testing.assert_allclose(ours[:, axis], np.interp(moments, clock, theirs[:, axis]), atol=1e-4)
    shown = np.floor(moments + 1e-9).astype(int) - first
    for one, two in zip(other.entities, scene.entities, strict=True):
        assert (one.code_T == two.code_T[shown]).all() and (one.size_T == two.size_T[shown]).all()


def test_frames_of_a_double_rate_that_lie_on_the_clock_are_the_same(scene):
    double = scene.at(60.0, 1)
    for one, two in zip(double.entities, scene.entities, strict=True):
        assert (one.position_T3[::2] == two.position_T3).all() and (one.pitch_T[::2] == two.pitch_T).all()
    assert scene.at(30.0, 1) is scene


@pytest.mark.parametrize("rate", [12.0, 20.0, 50.0])
def test_features_lie_on_one_clock(rate):
    """Features of a slow or quick view, taken at the nearest frame, go with those of the usual rate, at no lag."""
    config = replace(SMALL, dim=64, pace=3.0, recordings=1, views="v3")
    script, worlds = make_script(config), draw_worlds(config)
    x_TD = compute(config, script, worlds, script.timelines[0])["v3"]
    own = compute(replace(config, rates={"v3": rate}), script, worlds, script.timelines[0])["v3"]
    start, end = span_at(len(x_TD), 1, 30.0, rate)
    assert len(own) == end - start
    nearest = np.rint(np.arange(1, len(x_TD) + 1) / 30 * rate).astype(int)
    on_clock = own[np.clip(nearest - start, 0, len(own) - 1)]

    def together(lag: int) -> float:
        changes = [np.diff(x[10::3], axis=0).ravel() for x in (x_TD, np.roll(on_clock, lag, axis=0))]
        return float(np.corrcoef(*changes)[0, 1])

    found = {lag: together(lag) for lag in range(-8, 9)}
    assert abs(max(found, key=found.get)) <= 1, found
    assert np.corrcoef(x_TD.ravel(), on_clock.ravel())[0, 1] > 0.95
    for ours, theirs in ((own.mean(), x_TD.mean()), (own.std(), x_TD.std())):
        assert ours == pytest.approx(theirs, rel=0.05)


def test_both_layouts_write_native_frames_and_say_so(tmp_path):
    settings = {"dims": {"e4": 12}, "rates": {"e4": 20.0}, "recordings": 2}
    frames = [timeline.frames for timeline in make_script(replace(SMALL, recordings=2)).timelines]
    one, other = simulated(tmp_path / "a", **settings), simulated(tmp_path / "b", layout="npy", **settings)
    for root in (one, other):
        table = json.loads((root / "views.yaml").read_text())["views"]
        assert table == {
            "v3": {"kind": "exo", "cameras": ["C10118_rgb"]},
            "e4": {"kind": "ego", "cameras": [E4, "HMC_84358933_mono10bit"], "fps": 20.0, "dim": 12},
        }
        facts = json.loads((root / "simulation.json").read_text())
        assert (facts["settings"]["dims"], facts["settings"]["rates"]) == ({"e4": 12}, {"e4": 20.0})
        assert facts["world_hashes"]["v3"] == facts["world_hash"] != facts["world_hashes"]["e4"]
    native, clock = stored(one / "TSM_features" / E4), stored(one / "TSM_features" / "C10118_rgb")
    labels = {path.name: path.read_bytes() for path in (one / "coarse_labels").iterdir()}
    plain = simulated(tmp_path / "plain", recordings=2)
    assert labels == {path.name: path.read_bytes() for path in (plain / "coarse_labels").iterdir()}
    assert (other / "labels.csv").read_bytes() == (
        simulated(tmp_path / "npy", recordings=2, layout="npy") / "labels.csv"
    ).read_bytes()
    for number, count in enumerate(frames, 1):
        name = f"sim_{number:04d}_person{number:02d}"
        keys = [int(key[-14:-4]) for key in native if key.startswith(name)]
        # From the first frame on the clock, 1 / 30 s, to before the end of the last one.
        assert keys == [n for n in range(count) if Fraction(1, 30) <= Fraction(n, 20) < Fraction(count + 1, 30)]
        assert len([key for key in clock if key.startswith(name)]) == count
        x_DT = np.load(other / "features" / name / E4 / "features.npy")
        assert x_DT.shape == (12, -(-count * 20 // 30)) and np.isfinite(x_DT).all()
        assert np.load(other / "features" / name / "C10118_rgb" / "features.npy").shape == (8, count)


def test_text_and_table_and_workers_give_the_same(tmp_path):
    one = simulated(tmp_path / "one", dims="v3=8,e4=12", rates="e4=20")
    other = simulated(tmp_path / "other", dims={"v3": 8, "e4": 12}, rates={"e4": 20}, workers=2)
    assert content(one) == content(other)
    line = ["simulate", "--out", str(tmp_path / "line"), "--recordings", "4", "--dim", "8", "--pace", "12"]
    assert main([*line, "--people", "2", "--dims", "v3=8,e4=12", "--rates", "e4=20"]) == 0
    assert content(tmp_path / "line") == content(one)


@pytest.mark.parametrize("layout", ["assembly101", "npy"])
def test_faults_are_in_frames_of_the_view(tmp_path, layout):
    """Asked for in frames at 30 fps: 6 frames late are 4 at 20, and up to 30 short are up to 20."""
    faults = FaultConfig(offset_frames=6, dropped_share=0.2, unequal_frames=30, missing_ego=1)
    config = replace(SMALL, faults=faults, rates={"e4": 20.0}, pace=4.0, layout=layout)
    root = simulated(tmp_path, **{name: getattr(config, name) for name in ("faults", "rates", "pace", "layout")})
    injected = json.loads((root / "simulation.json").read_text())["injected_faults"]
    clean = replace(config, faults=FaultConfig())
    script, worlds = make_script(clean), draw_worlds(clean)
    assert sum("e4" not in views for views in injected.values()) == 1
    cut = []
    for timeline in script.timelines:
        facts = injected[timeline.recording].get("e4")
        if facts is None:
            continue
        x_TD = compute(clean, script, worlds, timeline)["e4"]
        assert (facts["first"], facts["offset_frames"], facts["fps"]) == (1, 4, 20.0)
        cut.append(len(x_TD) + 1 - facts["end"])
        dropped = {frame - 1 for start, end in facts["dropped"] for frame in range(start, end)}
        assert all(end - start <= 20 for start, end in facts["dropped"])
        assert 0.1 < len(dropped) / len(x_TD) < 0.3
        found = rows_of(root, layout, timeline.recording)
        assert sorted(found) == [row for row in range(facts["end"] - 1) if row not in dropped]
        assert all((value == x_TD[max(0, row - 4)]).all() for row, value in found.items())
    assert max(cut) <= 20 and len(set(cut)) > 1


def rows_of(root: Path, layout: str, recording: str) -> dict[int, np.ndarray]:
    """What is stored of e4, by row from 0."""
    if layout == "npy":
        x_TD = np.load(root / "features" / recording / E4 / "features.npy").T
        return {row: x for row, x in enumerate(x_TD) if np.isfinite(x).all()}
    store = stored(root / "TSM_features" / E4)
    return {int(key[-14:-4]) - 1: value for key, value in store.items() if key.startswith(f"{recording}/")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dims": "v9=64"}, "'v9' is not among --views v3, e4"),
        ({"rates": {"v1": 20}}, "'v1' is not among --views"),
        ({"dims": "e4"}, "--dims 'e4'"),
        ({"dims": "e4=64,"}, "--dims 'e4=64,'"),
        ({"dims": "e4=6.5"}, "must be a view and its number"),
        ({"dims": {"e4": 0}}, "from 4 to 16,384"),
        ({"dims": "e4=-8"}, "from 4 to 16,384"),
        ({"rates": "e4=0"}, "from 1 to 1,000"),
        ({"rates": "e4=nan"}, "from 1 to 1,000"),
        ({"rates": "e4=20,e4=25"}, "each view once"),
        ({"rates": "e4=fast"}, "'e4=fast' must be a view and its number"),
    ],
)
def test_wrong_sizes_and_rates_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        SimulateConfig(out="x", **settings)


def test_plan_counts_each_view_at_its_size_and_rate(tmp_path, capsys):
    line = ["simulate", "--out", str(tmp_path / "x"), "--plan", "true", "--layout", "npy", "--views", "v3,e4"]

    def gib(*more: str) -> float:
        assert main([*line, *more]) == 0
        return float(capsys.readouterr().out.split("about ")[1].split(" ")[0])

    usual = gib("--dim", "512")
    assert gib("--dim", "512", "--rates", "e4=15", "--dims", "e4=256") == pytest.approx(
        usual * (1 + 0.25) / 2, abs=0.01
    )
