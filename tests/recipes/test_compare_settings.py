"""What a comparison's file may hold, what its controls do, and how methods are tuned."""

import json

import numpy as np
import pytest

import viewloom as vl
from tests.tiny import DIM, write_tiny
from viewloom.errors import ConfigError, DataError
from viewloom.keywords import built
from viewloom.recipes.compare.build import Bench, Builder
from viewloom.recipes.compare.command import compare, run_compare
from viewloom.recipes.compare.grids import GRIDS
from viewloom.recipes.compare.reading import _refuse_no_setting, comparison
from viewloom.recipes.compare.settings import CompareConfig, MethodEntry
from viewloom.recipes.compare.tuning import Trial, choose, trials, with_changes
from viewloom.recipes.mismatch import Mismatch
from viewloom.registry import METHODS
from viewloom.training.settings import EvaluateConfig, PretrainConfig

BASE = {"labelled": "v3", "unlabelled": "e4", "methods": ["none", "cca"], "heads": ["linear"], "out": "out"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=12))


def made(data, **changes):
    return comparison(BASE | {"data": data} | changes)


def builder_of(data, **changes):
    what = made(data, **changes)
    return Builder(what, Bench.of(what.data[0]))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"methdos": ["cca"]}, "Did you mean methods"),
        ({"methods": ["ccaa"]}, "no method 'ccaa'"),
        ({"methods": ["cca", "cca"]}, "names cca twice"),
        ({"methods": [{"options": 1}]}, "a method is a name"),
        ({"methods": [{"method": "cca", "seed": 3}]}, "sets seed"),
        ({"heads": [{"head": "linear", "views": "e4"}]}, "sets views"),
        ({"heads": []}, "has no heads"),
        ({"train": {"name": "x"}}, "sets name"),
        ({"unlabelled": "v3"}, "labelled or unlabelled, once"),
        ({"students": "yes"}, "true, false or both"),
        ({"students": [{}]}, "true, false or both"),
        ({"methods": [{"method": "cca", "students": "yes"}]}, "true, false or both"),
        ({"controls": ["clocks"]}, "can be majority, clock"),
        ({"controls": [{"control": "offset_pairs", "offset_s": 0}]}, "offset_s is 0.0: it has to be above 0"),
        ({"controls": [{"control": "offset_pairs", "methods": ["ridge"]}]}, "isn't among the methods"),
        ({"controls": [{"control": "offset_pairs", "methods": ["none"]}]}, "isn't among the methods that learn"),
        ({"controls": ["majority", "majority"]}, "`controls` names majority twice"),
        ({"controls": ["shuffled_pairs", {"control": "shuffled_pairs", "methods": ["cca"]}]}, r"\(cca\) twice"),
        ({"tuning": {"trials": 0}}, "trials is .* has to be"),
        ({"tuning": {"grids": {"cca": {"out_dim": [8]}}}}, "'trials' is missing here"),
        ({"tuning": {"trials": 2, "grids": {"ccaa": {"out_dim": [8]}}}}, "names 'ccaa', which is no method"),
        (
            {"tuning": {"trials": 2, "grids": {"cca": {"strenght": [8]}}}},
            r"names 'strenght', .*Did you mean strength\?",
        ),
        (
            {"tuning": {"trials": 2, "grids": {"two_stream": {"optim.rl": [8]}}}},
            r"names 'optim\.rl', .*Did you mean optim\.lr\?",
        ),
        ({"tuning": {"trials": 2, "grids": {"cca": {"out_dim": [8, 4, 8]}}}}, r"has 8 of cca\.out_dim twice"),
        ({"tuning": {"trials": 2, "choose": "test"}}, "choose"),
        ({"jobs": 0}, "jobs"),
        ({"launch": "cloud"}, "local, slurm"),
        ({"slurm": {"partitions": "x"}}, "Did you mean partition"),
        ({"slurm": {"gpus": 4}}, "gpus is 4: it has to be from 0 to 1"),
        ({"trainer": {"devices": "2"}}, "devices must be 1"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"sampling": {"chunk": 3}}, "no setting 'chunk'"),
    ],
)
def test_settings_that_can_t_be_are_refused_by_name(changes, told):
    with pytest.raises(ConfigError, match=told):
        comparison(BASE | {"data": "data"} | changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"methods": [{"method": "cca", "method_options": {"out_dims": 3}}]}, "Did you mean out_dim"),
        ({"methods": ["sync_kd_head"]}, "needs a trained head first"),
        ({"train": {"epoch": 3}}, "no setting 'epoch'"),
        ({"unlabelled": "e9"}, "No recording of .* has view e9"),
    ],
)
def test_before_anything_runs_all_runs_are_made_up(data, tmp_path, changes, told):
    with pytest.raises((ConfigError, DataError), match=told):
        compare(made(data, out=str(tmp_path / "out"), **changes))
    assert not (tmp_path / "out").exists()


def test_our_own_grids_name_settings_that_there_are():
    for method, grid in GRIDS.items():
        for setting in grid:
            _refuse_no_setting(method, setting, "ours")


def test_controls_and_grids_that_differ_may_stand_side_by_side():
    apart = [{"control": "offset_pairs", "offset_s": seconds} for seconds in (5, 10)]
    of_each = [{"control": "shuffled_pairs", "methods": [name]} for name in ("cca", "flat")]
    grids = {"flat": {"strength": [0.1, 1.0]}, "ridge": {"strength": 0.1}, "coral": {"strength": [0.1]}}
    methods = ["none", "cca", {"name": "flat", "method": "ridge"}]
    what = comparison(
        BASE
        | {"data": "a", "methods": methods, "controls": [*apart, *of_each], "tuning": {"trials": 2, "grids": grids}}
    )
    assert len(what.controls) == 4


def test_a_file_that_is_none_is_said(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "bad.yaml").write_text("a: [")
    for name, told in (("no.yaml", "is not there"), ("list.yaml", "must hold settings"), ("bad.yaml", "is not YAML")):
        with pytest.raises(ConfigError, match=told):
            run_compare(CompareConfig(file=str(tmp_path / name)))


def test_short_forms_are_written_out_and_the_naive_row_is_always_there():
    what = comparison(BASE | {"data": ["a", {"data": "b", "name": "second", "labelled": ["x", "y"]}], "methods": "cca"})
    assert [(entry.name, entry.labelled) for entry in what.data] == [("a", ("v3",)), ("second", ("x", "y"))]
    assert [(entry.name, entry.naive) for entry in what.methods] == [("none", True), ("cca", False)]
    assert [control.control for control in what.controls] == ["majority", "clock", "oracle"]
    assert what.seeds == (0, 1, 2) and what.trainer.threads == 1


def test_rows_have_one_folder_each_and_other_settings_another(data):
    controls = ["oracle", "random_path", "shuffled_pairs", {"control": "offset_pairs", "offset_s": 1}]
    cells = builder_of(data, seeds=[0, 1], controls=controls).cells()
    folders = {cell.evaluation.folder for cell in cells}
    assert len(folders) == len(cells) == 12
    again = {cell.evaluation.folder for cell in builder_of(data, seeds=[0, 1], controls=controls, jobs=7).cells()}
    assert again == folders
    for changes in ({"sampling": {"chunk_frames": 9}}, {"train": {"batch_size": 3}}):
        others = {
            cell.evaluation.folder for cell in builder_of(data, seeds=[0, 1], controls=controls, **changes).cells()
        }
        assert not others & folders
    apart = {"control": "offset_pairs", "offset_s": 2}
    new = {cell.evaluation.folder for cell in builder_of(data, seeds=[0, 1], controls=[*controls[:3], apart]).cells()}
    assert len(new - folders) == 2  # the spoilt pairs' seeds alone


def test_shuffled_pairs_are_of_other_recordings_and_offset_ones_out_of_step(data):
    dataset = vl.open_dataset(data)
    pairs = sorted({item.recording for item in dataset.items("pairs")})
    spoilt = Mismatch("shuffled", seed=3).on(dataset, ("v3", "e4"))
    for name in pairs:
        assert np.array_equal(spoilt.features(name, "v3"), dataset.features(name, "v3"))
        same = [other for other in pairs if np.array_equal(spoilt.features(name, "e4"), dataset.features(other, "e4"))]
        assert len(same) == 1 and same != [name]
    fps = dataset.source.fps
    late = Mismatch("offset", offset_s=7 / fps).on(dataset, ("v3", "e4"))
    plain = dataset.source.read_pooled(pairs[0], "e4", 17, 37, 5)
    moved = late.source.read_pooled(pairs[0], "e4", 10, 30, 5)
    assert np.array_equal(moved.features_SZ, plain.features_SZ)
    assert np.array_equal(late.features(pairs[0], "e4", 10, 30), dataset.features(pairs[0], "e4", 17, 37))
    outside = late.source.read_pooled(pairs[0], "e4", -9, 1, 5)
    assert outside.missing.tolist() == [-9, -8]  # numbered as they were asked for
    others = [name for name in dataset.recordings if name not in pairs]
    assert all(np.array_equal(spoilt.features(name, "e4"), dataset.features(name, "e4")) for name in others)
    with pytest.raises(ConfigError, match="a frame or more"):
        Mismatch("offset", offset_s=0.001).on(dataset, ("v3", "e4"))


def test_every_method_has_the_same_budget_and_none_is_tried_on_test(data):
    methods = ["none", "cca", {"name": "flat", "method": "ridge"}]
    grids = {"flat": {"strength": [0.1, 1.0]}}
    for how in ("validation", "retrieval"):
        tuning = {"trials": 4, "choose": how, "grids": grids}
        builder = builder_of(data, methods=methods, tuning=tuning, seeds=[5, 6])
        found = {e.name: trials(builder, e, builder.comparison.tuning) for e in builder.comparison.methods}
        assert {name: len(of) for name, of in found.items()} == {"none": 1, "cca": 4, "flat": 3}
        for of_method in found.values():
            assert not of_method[0].changes and len({trial.run.folder for trial in of_method}) == len(of_method)
        configs = [trial.run.config for of in found.values() for trial in of if how == "validation"]
        assert all(isinstance(c, EvaluateConfig) and (c.split, c.views) == ("val", "v3") for c in configs)
        assert [t.changes for t in found["cca"]] == [
            t.changes for t in trials(builder, builder.comparison.methods[1], builder.comparison.tuning)
        ]


UNTUNED = {"random_path", "sync_kd_head"}
"""Methods with nothing to tune: a control, and one that no comparison has."""


def grid_by_name(name):
    return getattr(METHODS.settings(name), "TUNING", GRIDS.get(name))


@pytest.mark.parametrize("name", METHODS.names())
def test_every_method_has_a_grid_that_begins_with_its_defaults_and_holds_what_it_takes(name):
    grid = grid_by_name(name)
    assert grid is not None, f"{name} needs a grid in recipes/compare/grids.py, empty if there is nothing to tune"
    assert bool(grid) == (name not in UNTUNED)
    for setting, values in grid.items():
        assert len(set(values)) == len(values) >= 2
        for value in values:
            changed = with_changes(MethodEntry(name, name), {setting: value})
            given = {"method": name, "method_options": dict(changed.options), **changed.pretrain}
            config = built(PretrainConfig, {"data": "d", "run": "r", "views": "v3,e4", **given})
            if value == values[0]:
                default = built(PretrainConfig, {"data": "d", "run": "r", "views": "v3,e4", "method": name})
                stated = METHODS.settings(name)()
                assert (config.method_options, config.optim) == (stated, default.optim), setting


@pytest.mark.parametrize("name", sorted(set(METHODS.names()) - UNTUNED - {"none"}))
def test_every_method_gets_the_whole_budget_in_settings_that_the_views_allow(data, name):
    builder = builder_of(data, methods=["none", name], tuning={"trials": 8}, seeds=[5])
    (entry,) = [entry for entry in builder.comparison.methods if entry.method == name]
    found = trials(builder, entry, builder.comparison.tuning)
    assert len(found) == 8 and not found[0].changes
    assert name not in ("cca", "procrustes") or max(trial.changes.get("out_dim", 0) for trial in found) == DIM
    for trial in found:
        METHODS.get(name)(DIM, ("v3", "e4"), METHODS.settings(name)(**trial.entry.options))


def test_the_trial_with_the_best_value_is_chosen_and_the_first_of_equal_ones(data, monkeypatch):
    builder = builder_of(data, tuning={"trials": 4})
    found = trials(builder, builder.comparison.methods[1], builder.comparison.tuning)
    for values, place in (([1.0, 5.0, 5.0, None], 1), ([None] * 4, 0), ([3.0, None, 2.0, 3.0], 0)):
        told = dict(zip((trial.run.folder for trial in found), values, strict=True))
        monkeypatch.setattr(Trial, "value", lambda self, how, views, told=told: told[self.run.folder])
        tuned = choose(found, builder.comparison.tuning, ("v3",))
        assert tuned.entry == found[place].entry
        assert [value for _, value in tuned.values] == values


def test_tuned_settings_are_run_printed_and_kept(data, tmp_path, monkeypatch):
    settings = {"data": data, "out": str(tmp_path), "jobs": 2, "seeds": [0], "controls": ["clock"]}
    settings |= {"sampling": {"chunk_frames": 20, "test_chunks": 17}, "trainer": {"accelerator": "cpu"}}
    settings |= {"tuning": {"trials": 2, "choose": "retrieval", "grids": {"cca": {"strength": [30.0]}}}}
    settings |= {"heads": [{"head": "linear", "epochs": 1}]}
    plan = compare(comparison(BASE | settings), plan=True)
    assert "tuning of cca: 2 trials" in plan and not list(tmp_path.iterdir())
    found = vl.compare(**BASE | settings)
    (tuned,) = [one for one in found.results["tuning"]["methods"][data] if one["method"] == "cca"]
    values = [trial["value"] for trial in tuned["trials"]]
    assert len(values) == 2 and None not in values
    assert tuned["chosen"] == tuned["trials"][int(np.argmax(values))]["changes"]
    strengths = [
        json.loads(p.read_text())["groups"]["settings"]["method_options.strength"]
        for p in tmp_path.glob("runs/pretrain-*/identity.json")
    ]
    assert sorted(strengths, key=str) == [30.0, None]
    page = (tmp_path / "table.md").read_text()
    assert "2 trials of each method" in page and "never on test items" in page and "cca: 2 of 2 trials, chosen" in page


def test_a_data_set_of_fixed_order_is_called_so(tmp_path):
    """The clock scores 100 there, and the table, the page and the check all warn."""
    root = write_tiny(tmp_path / "data", recordings=12)
    rows = ["recording,start,end,label"]
    for name in sorted(path.name for path in (root / "features").iterdir()):
        frames = len(np.load(root / "features" / name / "v3" / "features.npy"))
        ends = [0, frames // 4, frames // 2, 3 * frames // 4, frames]
        rows += [f"{name},{a},{b},act{k}" for k, (a, b) in enumerate(zip(ends, ends[1:], strict=False))]
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    settings = {"data": str(root), "out": str(tmp_path / "out"), "methods": ["none"], "seeds": [0], "jobs": 2}
    settings |= {
        "heads": [{"head": "linear", "epochs": 1}],
        "trainer": {"accelerator": "cpu"},
        "controls": ["clock", "majority"],
    }
    found = vl.compare(**BASE | settings)
    view = found.results["tables"][0]["views"][0]
    scores = {row["title"]: row["mean"] for row in view["rows"]}
    assert scores["clock"]["f1_50"] == 100 and scores["clock"]["mof"] > 98 and scores["majority"]["mof"] < 30
    assert view["clock"]["near"] and "WARNING: the clock alone" in (tmp_path / "out" / "table.md").read_text()
    assert "the clock alone" in (tmp_path / "out" / "page.html").read_text()
    from viewloom.check.command import check
    from viewloom.check.settings import CheckConfig

    titles = [finding.title for finding in check(CheckConfig(data=str(root), sync_recordings=0)).findings]
    assert "The order of actions is nearly fixed, so that a clock segments well" in titles


def test_a_method_may_have_its_own_students_and_an_added_naive_row_has_none(data):
    methods = [{"name": "none"}, {"method": "cca", "students": [True]}, "coral"]
    rows = [cell.row for cell in builder_of(data, methods=methods, seeds=[0], controls=[]).cells()]
    assert [row.title for row in rows] == ["none", "cca + student", "coral"]
    rows = [cell.row for cell in builder_of(data, methods="cca", students=True, seeds=[0], controls=[]).cells()]
    assert [row.title for row in rows] == ["none", "cca + student"]
