"""Curves: nested shares, points that are what they say, runs that are shared and gone on with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError
from viewloom.metrics.segmentation import count
from viewloom.metrics.statistics import intervals, mean_interval
from viewloom.recipes.curve_data import points_of
from viewloom.recipes.curve_results import gains
from viewloom.recipes.settings import CurveConfig, FoldPretrainConfig

QUICK = ["--head", "linear", "--head_epochs", "2", "--trainer.logger", "none", "--trainer.progress", "false"]


def config(kind, **kwargs):
    return CurveConfig(**{"data": "d", "out": "o", "views": "v3,e4", "kind": kind} | kwargs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("curve")
    write_tiny(root / "data", recordings=24)
    return root


@pytest.fixture(scope="module")
def data(folder):
    return vl.open_dataset(folder / "data", fps=30)


def learned(points, role):
    return [set(getattr(getattr(point, role).splits, "pairs" if role == "pairs" else "train")) for point in points]


@pytest.mark.parametrize(("kind", "role", "least"), [("pairs", "pairs", 2), ("labels", "labels", 1)])
def test_shares_are_nested_whole_recordings(data, kind, role, least):
    orders = []
    for seed in (0, 1):
        points = points_of(config(kind), data, seed, 20)
        shares = learned(points, role)
        assert [len(share) for share in shares] == sorted({least, 2, 3, 6} - {1 if least == 2 else 0} | {least})
        assert all(one < other for one, other in zip(shares[:-1], shares[1:], strict=True))
        assert points[-1].value == 100 and points[0].value == pytest.approx(100 * least / 6)
        assert [point.learned for point in points] == [(len(share), 6) for share in shares]
        orders.append(shares[0] | shares[1])
        other = "labels" if role == "pairs" else "pairs"
        assert len({frozenset(share) for share in learned(points, other)}) == 1, "the other role stays whole"
        assert all(getattr(point, role).splits.test == data.splits.test for point in points)
    assert learned(points_of(config(kind), data, 0, 20), role) == learned(points_of(config(kind), data, 0, 20), role)
    assert orders[0] != orders[1]


def test_the_smallest_share_has_a_recording_with_all_views(folder):
    features = {f"r{n}": {"v3": np.ones((50, 2)) * n, "e4": np.ones((50, 2))} for n in range(12)}
    for number in range(9):
        del features[f"r{number}"]["e4"]
    names = list(features)
    some = vl.from_arrays(features, {n: ["x"] * 50 for n in names}, {"pairs": names, "train": names[:2]}, fps=10)
    for seed in range(5):
        first = learned(points_of(config("pairs"), some, seed, 5), "pairs")[0]
        assert first & {"r9", "r10", "r11"}


def test_a_single_pair_recording_is_cut_in_time():
    x = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    features = {"long": {"v3": x, "e4": x}, "other": {"v3": x, "e4": x}}
    one = vl.from_arrays(features, {"other": ["a"] * 2000}, {"pairs": ["long"], "train": ["other"]}, fps=10)
    points = points_of(config("pairs"), one, 0, 5)
    assert [point.learned for point in points] == [(2, 40), (4, 40), (10, 40), (20, 40), (40, 40)]
    items = points[0].pairs.items("pairs")
    assert {item.recording for item in items} == set(points[0].pairs.splits.pairs)
    assert sum(item.end - item.start for item in items) == 100
    assert sum(item.end - item.start for item in points[-1].pairs.items("pairs")) == 2000
    short = vl.from_arrays(
        {"long": {"v3": x[:40], "e4": x[:40]}, "other": features["other"]}, splits={"pairs": ["long"]}, fps=10
    )
    with pytest.raises(DataError, match="too few"):
        points_of(config("pairs"), short, 0, 5)


def test_offsets_move_the_second_view_of_the_pairs_alone(data):
    points = points_of(config("offset", points="10,0"), data, 0, 20)
    assert [point.value for point in points] == [0, 10]
    assert points[0].pairs is data and points[1].labels is data
    name = data.splits.pairs[0]
    np.testing.assert_array_equal(points[1].pairs.features(name, "e4"), data.features(name, "e4"))
    assert points[1].pairs.source.span(name, "e4").first == data.source.span(name, "e4").first + 10
    assert points[1].pairs.source.span(name, "v3") == data.source.span(name, "v3")


def test_views_join_one_by_one(data):
    points = points_of(config("views", views="v3,e4,v1,v2"), data, 0, 20)
    assert [point.views for point in points] == [("v3", "e4"), ("v3", "e4", "v1"), ("v3", "e4", "v1", "v2")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pairs", "points": "0"},
        {"kind": "pairs", "points": "101"},
        {"kind": "pairs", "points": "some"},
        {"kind": "views", "views": "v3,e4"},
        {"kind": "views", "views": "v3,e4,v1", "points": "2,4"},
        {"kind": "offset", "points": "1.5"},
        {"kind": "labels", "views": "v3"},
        {"kind": "labels", "views": "v3,v3"},
        {"kind": "labels", "seeds": "a"},
        {"kind": "pairs", "docs": "page.html"},
        {"kind": "pairs", "pretrain": FoldPretrainConfig(select="loss")},
        {"kind": "pairs", "pretrain": FoldPretrainConfig(held_out=0.0)},
    ],
)
def test_settings_that_make_no_curve_are_refused(wrong):
    with pytest.raises(ConfigError):
        config(**wrong)


def curve(folder, kind, *more):
    """A curve of one method, without students: the fastest there is."""
    common = ["--data", str(folder / "data"), "--fps", "30", "--views", "v3,e4", "--seeds", "0", *QUICK]
    options = ["--method", "cca", "--method_options.out_dim", "3", "--student", "false"]
    return main(["curve", "--kind", kind, *common, *options, "--out", str(folder / "curves"), *more])


def results(folder, kind):
    [path] = (folder / "curves").glob(f"{kind}-cca-*/results.json")
    assert (path.parent / "curve.png").stat().st_size > 5000
    return json.loads(path.read_text()), (path.parent / "table.md").read_text()


def test_a_curve_is_run_once_and_kinds_share_runs(folder, capfd):
    assert curve(folder, "pairs", "--points", "50,100", "--plan", "true") == 0
    assert "10 runs" in capfd.readouterr().out and not (folder / "curves").exists()
    assert curve(folder, "pairs", "--points", "50,100") == 0
    found, text = results(folder, "pairs")
    lines = {(line["role"], line["value"], line["view"]): line for line in found["lines"]}
    assert set(lines) == {
        *(("method", value, view) for value in (50, 100) for view in ("v3", "e4")),
        ("naive", 100, "v3"),
        ("naive", 100, "e4"),
        ("oracle", 100, "e4"),
    }
    line = lines["method", 50, "e4"]
    assert line["recordings"] == [3, 6] and line["interval"]["low"] <= line["scores"]["f1_50"]["mean"]
    assert "3 of 6" in text and "oracle" in text
    runs = {path.name: path.stat().st_mtime_ns for path in (folder / "curves" / "runs").rglob("*.safetensors")}
    places = {path.name for path in (folder / "curves" / "runs").iterdir()}
    assert curve(folder, "pairs", "--points", "50,100") == 0
    assert "finished before" in capfd.readouterr().err
    assert {p.name: p.stat().st_mtime_ns for p in (folder / "curves" / "runs").rglob("*.safetensors")} == runs
    assert curve(folder, "offset", "--points", "0,9") == 0
    new = {path.name for path in (folder / "curves" / "runs").iterdir()} - places
    assert len(new) == 2, "the refiner and the head of offset 9; offset 0 and the baselines were there"


def test_the_share_changes_what_the_refiner_learned_from(folder):
    runs = list((folder / "curves" / "runs").glob("refiner-cca-*"))
    counts = sorted(len(vl.load_refiner(run).extra["learned_from"]["pairs"]) for run in runs)
    assert counts == [3, 6, 6]
    kept = {json.loads((Path(run) / "identity.json").read_text())["key"] for run in runs}
    assert len(kept) == 3


def test_labels_have_naive_heads_of_every_share(folder):
    assert curve(folder, "labels", "--points", "20,100") == 0
    found, _ = results(folder, "labels")
    naive = [line for line in found["lines"] if line["role"] == "naive" and line["view"] == "e4"]
    assert [line["recordings"] for line in naive] == [[1, 6], [6, 6]]


def test_a_run_that_fails_is_named_and_the_rest_is_kept(folder, capfd):
    assert curve(folder, "pairs", "--points", "50,100", "--method_options.out_dim", "30") == 2
    said = capfd.readouterr().err
    assert "did not finish" in said and "needs a run that failed" in said
    written = [json.loads(p.read_text()) for p in (folder / "curves").glob("pairs-cca-*/results.json")]
    assert any(
        result["failed"] and {line["role"] for line in result["lines"]} == {"naive", "oracle"} for result in written
    )


def test_gains_are_shares_of_what_all_pairs_gain():
    def line(role, value, mean):
        return {"role": role, "value": value, "view": "e4", "scores": {"f1_50": {"mean": mean}}}

    lines = [line("method", 5, 30.0), line("method", 100, 50.0), line("naive", 100, 10.0)]
    assert gains(lines, "e4", "f1_50") == {5: 50.0, 100: 100.0}
    assert gains([*lines, line("naive", 50, 5.0)], "e4", "f1_50") == {}
    assert gains([line("method", 5, 3.0), line("naive", 100, 10.0)], "e4", "f1_50") == {}


def test_the_interval_of_a_mean_over_seeds():
    rng = np.random.default_rng(0)
    truths = [np.repeat(rng.permutation(5), 20) for _ in range(12)]
    seeds = [[np.where(rng.random(100) < share, rng.integers(0, 5, 100), t) for t in truths] for share in (0.1, 0.3)]
    counts, clusters = [count(each, truths) for each in seeds], [f"r{i // 2}" for i in range(12)]
    alone = intervals(counts[0], clusters)["mof"]
    assert mean_interval(counts[:1], clusters, "mof") == alone
    both = mean_interval(counts, clusters, "mof")
    assert both.estimate == pytest.approx(np.mean([intervals(c, clusters)["mof"].estimate for c in counts]))
    assert both.low < both.estimate < both.high
    for wrong in ([], [counts[0], count(seeds[0][:11], truths[:11])]):
        with pytest.raises(DataError):
            mean_interval(wrong, clusters, "mof")
    with pytest.raises(ConfigError):
        mean_interval(counts, clusters, "best")


def test_settings_are_kept_whole(data):
    again = replace(config("pairs"), points="5")
    assert again.values == (5.0,) and again.names == ("v3", "e4")
