"""`viewloom measure`: identical views agree wholly, unrelated ones by chance, and nothing learned from goes unsaid."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError
from viewloom.metrics.invariance import retrieval_accuracy
from viewloom.training.steps import kept_places, read_steps
from viewloom.windows.sampling import Sampling

SPLITS = {"pairs": ["r0", "r1", "r2"], "train": ["r3", "r4", "r5"], "test": ["r6", "r7", "r8", "r9"]}
FRAMES = {"sampling": {"chunk_frames": 1}}
ACTIONS = 4


def scenes(see, frames=120, recordings=10):
    """Features of each recording by ``see(scene (T, D), rng)``, and its actions, in an order of its own."""
    features, labels = {}, {}
    for number in range(recordings):
        rng = np.random.default_rng(number)
        actions = np.repeat(rng.permutation(ACTIONS), frames // ACTIONS)
        scene = np.c_[3 * np.eye(ACTIONS)[actions], np.cumsum(rng.normal(0, 0.3, (frames, 3)), axis=0)]
        scene += rng.normal(0, 0.3, scene.shape)
        features[f"r{number}"] = {view: x.astype(np.float32) for view, x in see(scene, rng).items()}
        labels[f"r{number}"] = [f"act{a}" for a in actions]
    return features, labels


def opened(see, **kwargs):
    features, labels = scenes(see)
    return vl.from_arrays(features, labels, splits=kwargs.pop("splits", SPLITS), fps=10, **kwargs)


@pytest.fixture(scope="module")
def same():
    return opened(lambda scene, rng: {"v1": scene, "v2": scene})


@pytest.fixture(scope="module")
def mixed():
    """Two views of one scene, each through a map of its own, of one size; and one that sees something else."""
    maps = np.random.default_rng(5).normal(size=(2, 7, 7))

    def see(scene, rng):
        views = {f"v{i + 1}": scene @ m + 5 * i + rng.normal(0, 0.05, scene.shape) for i, m in enumerate(maps)}
        return views | {"blind": rng.normal(size=scene.shape)}

    return opened(see)


@pytest.fixture(scope="module")
def refiner(mixed):
    return vl.pretrain(mixed, "v1,v2", "cca", standardise="view", out_dim=5, **FRAMES)


def test_the_same_view_twice_agrees_wholly(same):
    found = vl.measure(same, **FRAMES)
    assert found.kinds == ("plain",)
    for pair in ("v1>v2", "v2>v1"):
        values = found.facts["features"]["plain"]["pairs"][pair]
        assert (values["retrieval"], values["moment_recall_1"], values["view_probe"]) == (100, 100, 50)
        assert values["tau"] == pytest.approx(1) and values["cka"] == pytest.approx(1)
        assert values["error_mean_frames"] == values["warping_mean_frames"] == 0
        assert values["error_chance_frames"] == pytest.approx(120 / 3, rel=0.01)
        assert values["recall_1"] > 95 and values["map_10"] > 95
        assert values["recall_chance"] == pytest.approx(25)
    matrix = found.matrix("accuracy")
    assert matrix.loc["v1", "v1"] == matrix.loc["v1", "v2"] == matrix.loc["v2", "v2"] > 95
    assert found.facts["features"]["plain"]["view_probe"] == 50


def test_a_view_of_something_else_agrees_by_chance(mixed):
    values = vl.measure(mixed, views="v1,blind", **FRAMES).facts["features"]["plain"]["pairs"]["v1>blind"]
    assert values["retrieval"] == pytest.approx(values["retrieval_chance"], abs=5)
    assert values["recall_1"] == pytest.approx(values["recall_chance"], abs=12)
    assert abs(values["tau"]) < 0.2 and abs(values["cka"]) < 0.1
    assert values["view_probe"] > 70 and values["warping_mean_frames"] > 10


def test_a_refiner_brings_views_together(mixed, refiner):
    found = vl.measure(mixed, refiner, **FRAMES)
    assert found.facts["views"] == ["v1", "v2"], "the refiner knows no other"
    plain, refined = (found.facts["features"][kind]["pairs"]["v1>v2"] for kind in ("plain", "refined"))
    assert refined["retrieval"] > plain["retrieval"] + 20 and refined["recall_1"] > plain["recall_1"] + 30
    assert refined["error_mean_frames"] < plain["error_mean_frames"]
    assert refined["view_probe"] < 65 < plain["view_probe"]
    assert found.matrix("accuracy", "plain").loc["v1", "v2"] < 60 < 90 < found.matrix("accuracy").loc["v1", "v2"]
    assert found.matrix("item_progress").shape == (2, 2)
    assert set(found.table().index) == {(k, p) for k in ("plain", "refined") for p in ("v1>v2", "v2>v1")}


def test_figures_are_those_of_the_refined_features_written_out(mixed, refiner):
    values = vl.measure(mixed, refiner, views="v1,v2", **FRAMES).facts["features"]["refined"]["pairs"]
    z = [[refiner(mixed.features(name, view), view) for view in ("v1", "v2")] for name in SPLITS["test"]]
    both = np.mean([retrieval_accuracy(np.stack(of), 2) for of in z])
    assert (values["v1>v2"]["retrieval"] + values["v2>v1"]["retrieval"]) / 2 == pytest.approx(100 * both)
    errors = [np.abs(np.square(one[:, None] - two).sum(-1).argmin(1) - np.arange(120)) for one, two in z]
    assert values["v1>v2"]["error_mean_frames"] == pytest.approx(np.mean(errors))


def test_errors_are_in_frames_whatever_the_chunk(same):
    short = opened(lambda scene, rng: {"v1": scene, "v2": np.roll(scene, 12, axis=0)})
    values = vl.measure(short, sampling={"chunk_frames": 4, "pooling": "mean"}).facts["features"]["plain"]["pairs"]
    assert values["v1>v2"]["error_median_frames"] == 12


def test_the_probe_never_trains_on_what_is_measured(mixed):
    """Lists that share recordings can be asked for (--allow_overlap)."""

    def accuracies(*train):
        shared = replace(mixed, splits=replace(mixed.splits, train=train))
        found = vl.measure(shared, views="v1,v2", **FRAMES).facts["features"]["plain"]["probe"]
        return found and found["accuracy"]

    assert accuracies("r3", "r4", "r6") == accuracies("r3", "r4") != accuracies("r3", "r5")
    assert not accuracies("r6", "r7")


def test_what_the_refiner_learned_from_is_refused_or_marked(mixed, refiner):
    seen = vl.from_arrays(
        {n: {v: mixed.features(n, v) for v in ("v1", "v2")} for n in ("r0", "r6", "r7")},
        {n: ["act0"] * 60 + ["act1"] * 60 for n in ("r0", "r6", "r7")},
        splits={"train": ["r7"], "test": ["r0", "r6"]},
        fps=10,
    )
    with pytest.raises(ConfigError, match="learned from recordings"):
        vl.measure(seen, refiner, **FRAMES)
    found = vl.measure(seen, refiner, allow_learned="pairs", **FRAMES)
    assert found.facts["learned"] == {"pairs": ["r0"]} and "learned from 1" in repr(found)
    pairs = vl.measure(mixed, refiner, split="pairs", **FRAMES)
    assert pairs.facts["learned"] == {"pairs": ["r0", "r1", "r2"]}
    assert "recall_1" in pairs.facts["features"]["refined"]["pairs"]["v1>v2"] and not pairs.facts["heads"]


def test_views_of_unequal_sizes_are_compared_refined_alone(capfd):
    data = opened(lambda scene, rng: {"v1": scene, "v2": scene[:, :5]})
    refiner = vl.pretrain(data, "v1,v2", "cca", out_dim=3, standardise="view", **FRAMES)
    found = vl.measure(data, refiner, **FRAMES)
    assert found.kinds == ("refined",) and found.facts["features"]["refined"]["pairs"]["v1>v2"]["retrieval"] > 60
    assert "sizes of their own (v1 7, v2 5)" in capfd.readouterr().err
    with pytest.raises(DataError, match="Pass --refiner"):
        vl.measure(data, **FRAMES)


def test_views_and_frames_that_are_lacking(mixed):
    features, labels = scenes(lambda scene, rng: {"v1": scene, "v2": scene.copy()})
    del features["r6"]["v2"]
    features["r7"]["v2"][30:60] = np.nan
    data = vl.from_arrays(features, labels, splits=SPLITS, fps=10)
    found = vl.measure(data, **FRAMES)
    assert found.facts["steps"] == {"v1": 480, "v2": 330}
    values = found.facts["features"]["plain"]["pairs"]["v1>v2"]
    assert values["moment_recall_1"] == 100 and values["error_mean_frames"] == 0
    with pytest.raises(DataError, match="can be compared"):
        vl.measure(data, views="v1", **FRAMES)
    with pytest.raises(DataError, match="v9"):
        vl.measure(data, views="v1,v9", **FRAMES)


def test_steps_are_thinned_evenly_and_alike_in_all_views(same):
    assert kept_places(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert kept_places(101, 5).tolist() == [0, 25, 50, 75, 100]
    one = Sampling(chunk_frames=1)
    items = same.items("test")
    few = read_steps(same, items, ["v1", "v2"], one, None, torch.device("cpu"), 100, "test")
    assert [len(item.frames_S) for item in few] == [25] * 4
    item = few[0]
    np.testing.assert_array_equal(item.features["plain"]["v1"], same.features("r6", "v1")[item.frames_S])
    np.testing.assert_array_equal(item.labels_S, same.frame_labels("r6", 0, 120)[item.frames_S])
    assert item.progress_S2[:, 1] == pytest.approx((item.frames_S + 0.5) / 120)
    found = vl.measure(same, max_steps=100, **FRAMES)
    assert found.facts["steps"] == {"v1": 100, "v2": 100}
    with pytest.raises(ConfigError, match="max_steps"):
        vl.measure(same, max_steps=99)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("measured")
    write_tiny(root / "data")
    common = ["--data", str(root / "data"), "--fps", "30"]
    learn = ["--views", "v3,e4", "--method", "cca", "--method_options.out_dim", "3", "--run", str(root / "cca")]
    assert main(["pretrain", *common, *learn]) == 0
    for view in ("v3", "e4"):
        head = ["--views", view, "--head", "linear", "--epochs", "3", "--run", str(root / f"from_{view}")]
        quiet = ["--trainer.logger", "none", "--trainer.progress", "false"]
        assert main(["train", *common, *head, *quiet, "--refiner", str(root / "cca" / "refiner.safetensors")]) == 0
    return root


def test_the_verb_writes_once_and_shows_tables(folder, capfd):
    command = ["measure", "--data", str(folder / "data"), "--fps", "30", "--refiner", str(folder / "cca")]
    runs = ["--runs", f"{folder / 'from_v3'},{folder / 'from_e4'}"]
    assert main([*command, *runs]) == 0
    shown = capfd.readouterr().out
    for text in ("Agreement of views, test items", "v3 > e4", "Linear probe, balanced", "Heads, F1@50", "from e4"):
        assert text in shown
    written = json.loads((folder / "cca" / "measures.json").read_text())
    assert set(written["features"]) == {"plain", "refined"} and written["name"] == "cca"
    assert [head["from"] for head in written["heads"]] == [["v3"], ["e4"]]
    assert set(written["heads"][0]["scores"]) == {"v3", "e4"} and written["heads"][0]["scores"]["e4"]["f1_50"] >= 0
    assert main(command) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert main([*command, "--overwrite", "true"]) == 0
    report = ["report", "--runs", str(folder / "cca"), "--out", str(folder / "page.html")]
    assert main(report) == 0
    page = (folder / "page.html").read_text()
    assert "Agreement of views" in page and "v3 &gt; e4" in page and "Linear probe, balanced accuracy" in page


def test_the_verb_needs_a_place_to_write_and_labels_for_heads(folder, capfd):
    assert main(["measure", "--data", str(folder / "data")]) == 2
    assert "--out" in capfd.readouterr().err
    assert main(["measure", "--data", str(folder / "data"), "--runs", "x", "--split", "pairs"]) == 2
    assert "labels" in capfd.readouterr().err
    assert main(["measure", "--data", str(folder / "data"), "--out", str(folder / "plain")]) == 0
    written = json.loads((folder / "plain" / "measures.json").read_text())
    assert written["refiner"] is None and set(written["features"]) == {"plain"}


def test_measures_are_the_same_again(mixed, refiner):
    one, other = (vl.measure(mixed, refiner, **FRAMES).facts for _ in range(2))
    assert one == other
