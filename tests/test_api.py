"""The front door: the code of the README and of its page as it is written, arrays instead of files, and what is
refused."""

import inspect
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError
from viewloom.keywords import settings_on
from viewloom.methods import CCA, Ridge
from viewloom.training.settings import TrainConfig

QUIET = {"trainer": {"progress": False, "logger": "none", "accelerator": "cpu"}}
ROOT = Path(__file__).parent.parent
DIMS = {"exo": 12, "ego": 7}


def walk(seed, frames, steps=6):
    """Actions that follow each other, and a scene (T, 4) in which each looks different."""
    rng = np.random.default_rng(seed)
    actions = np.repeat(rng.permutation(np.arange(steps) % 3), frames // steps)
    scene = np.c_[3 * np.eye(3)[actions], rng.normal(size=len(actions))] + rng.normal(0, 0.3, (len(actions), 4))
    return np.array(["reach", "turn", "place"])[actions], scene


def arrays(recordings=10, frames=300):
    """{recording: {view: (T, D)}} and labels: two views of one scene, each with a look of its own."""
    looks = np.random.default_rng(9)
    mix = {view: looks.normal(size=(4, dim)) for view, dim in DIMS.items()}
    features, labels = {}, {}
    for number in range(recordings):
        names, scene = walk(number, frames)
        rng = np.random.default_rng(100 + number)
        features[f"r{number}"] = {
            view: (scene @ mix[view] + rng.normal(0, 0.1, (frames, dim))).astype(np.float32)
            for view, dim in DIMS.items()
        }
        labels[f"r{number}"] = names.tolist()
    return features, labels


SPLITS = {
    "pairs": [f"r{i}" for i in range(4)],
    "train": [f"r{i}" for i in range(4, 7)],
    "val": ["r7"],
    "test": ["r8", "r9"],
}


@pytest.fixture(scope="module")
def data():
    features, labels = arrays()
    return vl.from_arrays(features, labels, SPLITS, fps=30)


def test_every_public_name_is_shown_and_documented():
    assert set(vl.__all__) <= set(dir(vl))
    for name in set(vl.__all__) - {"__version__"}:
        function = getattr(vl, name)
        assert "Raises:" in function.__doc__ or name.startswith("list_")
        called = function.__init__ if inspect.isclass(function) else function
        assert set(called.__annotations__) == {*inspect.signature(function).parameters, "return"}
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = vl.fit


def test_the_python_of_readme_and_page_runs_as_it_is_written(tmp_path, monkeypatch):
    """Every line of the blocks, on a data set and on arrays that are there."""
    monkeypatch.chdir(tmp_path)
    simulate = "simulate --out demo/data --recordings 6 --classes 6 --dim 32 --seed 1"
    assert main(simulate.split()) == 0
    features, labels = arrays(4)
    known = {"x1": features["r0"]["exo"], "e1": features["r0"]["ego"], "actions": labels["r0"]}
    exo_ND, ego_ND = (np.concatenate([features[r][view] for r in features]) for view in ("exo", "ego"))
    scope = known | {"exo_ND": exo_ND, "ego_ND": ego_ND}
    first, second, *_ = blocks("docs/python.md")
    run(first.replace("epochs=40", "epochs=2, trainer={'progress': False}"), scope)
    assert scope["z"].shape == (len(ego_ND), 4)
    assert scope["scores"].table().index.tolist() == ["v3", "e4"]
    run(second, scope)
    assert scope["head"].head.config.bias is False
    (short,) = blocks("README.md")
    run(short.replace("epochs=40", "head='linear', epochs=2, trainer={'progress': False}"), scope)
    assert list(scope["segments"]) == ["recording", "view", "start", "end", "start_s", "end_s", "label", "confidence"]
    assert Path("segments.csv").exists()


def blocks(page):
    """The Python of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def run(block, scope):
    """Run the Python of a page."""
    exec(compile(block, "a page", "exec"), scope)  # noqa: S102


def test_arrays_go_all_the_way(data, tmp_path):
    """Two views of different sizes, one labelled: what is learned in one works in the other."""
    refiner = vl.pretrain(data, views=["exo", "ego"], method="cca", out_dim=3)
    x = data.features("r8", "ego")
    z = refiner(x, view="ego")
    assert isinstance(z, np.ndarray) and z.shape == (300, 3) and z.dtype == np.float32
    head = vl.train(data, views=["exo"], refiner=refiner, head="linear", **QUIET)
    scores = vl.evaluate(head, data)
    assert set(scores.views) == {"exo", "ego"} and scores["ego"]["mof"] > 80
    table = scores.table()
    assert isinstance(table, pd.DataFrame) and table.loc["ego", "MoF"] == scores["ego"]["mof"]
    assert "MoF" in repr(scores) and "<table" in scores._repr_html_()
    segments = vl.predict(head, data, view="ego", recordings=["r8"])
    alone = vl.predict(head, x, view="ego")
    assert (segments[["start", "end", "label"]] == alone[["start", "end", "label"]]).all(axis=None)
    assert segments["confidence"].between(0, 1).all() and segments["end"].iloc[-1] == 300
    frames = np.repeat(segments["label"], segments["end"] - segments["start"])
    truth = np.array(data.labels.actions)[data.frame_labels("r8", 0, 300)]
    assert vl.score(frames.tolist(), truth.tolist()).mof == pytest.approx(100 * (frames.to_numpy() == truth).mean())
    scores.write(tmp_path / "out")
    assert (tmp_path / "out" / "predictions" / "ego.json").exists()


def test_a_run_folder_gives_the_same_as_memory(data, tmp_path):
    settings = {"views": ["exo", "ego"], "method": "ridge"}
    kept, gone = vl.pretrain(data, run=tmp_path / "ridge", **settings), vl.pretrain(data, **settings)
    assert all(torch.equal(a, b) for a, b in zip(kept.state_dict().values(), gone.state_dict().values(), strict=True))
    more = {"views": ["exo"], "head": "linear", "epochs": 3, **QUIET}
    one = vl.train(data, refiner=tmp_path / "ridge", run=tmp_path / "head", **more)
    other = vl.train(data, refiner=gone, **more)
    again = vl.load_head(tmp_path / "head")
    assert one.run == again.run == tmp_path / "head" and other.run is None
    assert (
        repr(vl.evaluate(one, data).table())
        == repr(vl.evaluate(other, data).table())
        == repr(vl.evaluate(tmp_path / "head", data).table())
    )
    assert vl.load_refiner(tmp_path / "head").method == "ridge"


def test_the_command_line_and_python_do_the_same(tmp_path):
    """One run each way: weights equal to the bit, and either reads the other's folder."""
    root = write_tiny(tmp_path / "data")
    line = f"train --data {root} --fps 30 --views v3 --head linear --epochs 2 --run {tmp_path / 'line'}"
    assert main([*line.split(), "--trainer.progress", "false", "--trainer.accelerator", "cpu"]) == 0
    dataset = vl.open_dataset(root, fps=30)
    trained = vl.train(dataset, ["v3"], head="linear", epochs=2, run=tmp_path / "python", **QUIET)
    found = vl.load_head(tmp_path / "line").head.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in trained.head.state_dict().items())
    assert main(["evaluate", "--data", str(root), "--fps", "30", "--run", str(tmp_path / "python")]) == 0
    scores = vl.evaluate(tmp_path / "line", dataset)
    assert scores.metrics["views"] == vl.evaluate(trained, dataset).metrics["views"]


def test_a_distilled_head_comes_back_as_a_head():
    features, labels = arrays()
    same = {name: {"exo": views["exo"], "ego": views["exo"][:, ::-1].copy()} for name, views in features.items()}
    data = vl.from_arrays(same, labels, SPLITS, fps=30)
    teacher = vl.train(data, ["exo"], head="linear", epochs=2, **QUIET)
    student = vl.pretrain(data, ["exo", "ego"], method="sync_kd_head", teacher=teacher, epochs=2, **QUIET)
    assert student.actions == teacher.actions and set(vl.evaluate(student, data).views) == {"exo", "ego"}


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda d: vl.train(d, ["exo"], epoch=3), "no setting 'epoch'.*Did you mean epochs"),
        (lambda d: vl.train(d, ["exo"], epochs="many"), "'epochs' must be int | None, but is 'many'"),
        (lambda d: vl.train(d, ["exo"], optim={"rate": 1}), "no setting 'rate'"),
        (lambda d: vl.train(d, ["exo", "ego"]), "A head takes views of one feature size, but they have: exo 12, ego 7"),
        (lambda d: vl.train(d, ["v9"]), "has view v9"),
        (lambda d: vl.train(d, ["exo"], head="nothing"), "no head 'nothing'"),
        (lambda d: vl.pretrain(d, ["exo", "ego"], method="none"), "must have one feature size"),
        (lambda d: vl.pretrain(d, ["exo", "ego"], method="two_stream"), "method_options.stem cca"),
        (lambda d: vl.pretrain(d, ["exo"], method="cca"), "two views or more"),
        (lambda d: vl.load_head("nowhere"), "no head at nowhere"),
        (lambda d: vl.score(["a"], ["a", "b"]), "length|frames"),
        (lambda d: vl.score(["a"], ["a"], protocol="mine"), "protocol"),
        (lambda d: vl.open_dataset("nowhere"), "not there"),
        (lambda d: d.features("r0", "v9"), "no view 'v9'"),
        (lambda d: d.features("r99", "ego"), "no recording 'r99'"),
        (lambda d: vl.train({"r": {}}, ["exo"]), "from_arrays"),
        (lambda d: vl.train(d, ["exo"], splits="generate"), "the data set is open"),
        (lambda d: vl.score(["a"], [0]), "all names or all class ids"),
        (lambda d: vl.score([], []), "one at least"),
        (lambda d: CCA().fit({"exo": 1, "ego": 2}), "a list of two views"),
        (lambda d: CCA().fit([np.zeros((4, 2))]), "a list of two views"),
    ],
)
def test_one_clear_message(data, act, message):
    with pytest.raises((ConfigError, DataError), match=message):
        act(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": {}}, "not one array"),
        ({"features": {"r": {"v": np.zeros(4)}}}, r"expected an array \(T, D\)"),
        ({"features": {"r": {"v": np.zeros((4, 2))}, "s": {"v": np.zeros((4, 3))}}}, "have 2 in that view"),
        ({"labels": {"q": ["a"]}}, "of which there are no arrays"),
        ({"labels": {"r": ["a"] * 3}}, "3 frames are labelled, but its views have 4"),
        ({"labels": {"r": [(0, 2)]}}, r"\(start, end, action\)"),
        ({"labels": {"r": [(0, 3, "a"), (2, 4, "b")]}}, "overlaps"),
        ({"labels": {"r": ["a"] * 4}, "actions": ["b"]}, "name a, which `actions` doesn't have"),
        ({"splits": {"trian": ["r"]}}, "roles trian"),
        ({"splits": {"train": ["q"]}}, "without arrays: q"),
        ({"splits": {"train": ["r"], "test": ["r"]}}, "both in"),
        ({"features": {"r": {"v": ["a", "b"]}}}, "an array of real numbers"),
        ({"views": {"v": 10}}, "`views` must be"),
        ({"labels": {"r": [0, 1, -1, 2]}}, "-1 is no class id"),
        ({"views": {"w": {}}}, "names w, but the arrays are of: v"),
    ],
)
def test_arrays_that_make_no_data_set(change, message):
    settings = {"features": {"r": {"v": np.zeros((4, 2))}}} | change
    with pytest.raises((ConfigError, DataError), match=message):
        vl.from_arrays(**settings)


def test_labels_as_segments_or_frames_and_views_at_their_own_rate():
    x_TD = np.arange(60, dtype=np.float32)[:, None]
    frames = vl.from_arrays({"r": {"v": x_TD}}, {"r": [None] * 10 + ["b"] * 20 + ["a"] * 30}, fps=30)
    segments = vl.from_arrays({"r": {"v": torch.from_numpy(x_TD)}}, {"r": [(30, 60, "a"), (10, 30, "b")]}, fps=30)
    for data in (frames, segments):
        assert data.labels.actions == ("a", "b")
        assert data.frame_labels("r", 8, 32).tolist() == [-100] * 2 + [1] * 20 + [0] * 2
    slow = vl.from_arrays({"r": {"v": x_TD, "w": x_TD[::3]}}, fps=30, views={"w": {"fps": 10, "kind": "ego"}})
    assert slow.views["w"].kind == "ego"
    assert slow.features("r", "w")[:4, 0].tolist() == [0, 0, 3, 3]
    assert "2 recordings" not in str(slow) and "1 recordings at 30 fps" in str(slow)


def test_a_sensor_s_rate_goes_with_the_head(capsys):
    """An array of a view that was stored at 10 fps is taken as such, and ends when it ended."""
    features, labels = arrays()
    slow = {name: {"exo": views["exo"], "wrist": views["ego"][::3]} for name, views in features.items()}
    data = vl.from_arrays(slow, labels, SPLITS, fps=30, views={"wrist": {"fps": 10}})
    refiner = vl.pretrain(data, ["exo", "wrist"], method="cca", out_dim=3)
    head = vl.train(data, ["exo"], refiner=refiner, head="linear", epochs=5, **QUIET)
    whole = vl.predict(head, data, view="wrist", recordings=["r8"])
    alone = vl.predict(head, slow["r8"]["wrist"], view="wrist")
    assert whole["end_s"].iloc[-1] == alone["end_s"].iloc[-1] == pytest.approx(10, abs=0.05)
    assert (whole[["start", "end", "label"]] == alone[["start", "end", "label"]]).all(axis=None)
    capsys.readouterr()
    undeclared = vl.from_arrays(slow, labels, SPLITS, fps=30)
    vl.predict(head, undeclared, view="wrist", recordings=["r8"])
    said = capsys.readouterr().err
    assert 'views={"wrist": {"fps": 10}}' in said and "wrist had 10 stored frames a second" in said


def test_settings_of_method_and_head_may_stand_among_the_others(data):
    refiner = vl.pretrain(data, ["exo", "ego"], method="two_stream", stem="pca", layers=1, width=4, epochs=1, **QUIET)
    assert (refiner.config.stem, refiner.out_dim) == ("pca", 4)
    assert repr(refiner) == "two_stream refiner of exo 12, ego 7 to 4"
    head = vl.train(data, ["exo"], head="linear", bias=False, epochs=1, **QUIET)
    assert head.head.config.bias is False


def test_frames_without_a_label_and_ids_by_number():
    x_TD = np.zeros((12, 2), np.float32)
    ids = vl.from_arrays({"r": {"v": x_TD}}, {"r": [float("nan"), None, -100, *range(2, 11)]}, fps=30)
    assert ids.labels.actions == tuple(map(str, range(2, 11)))
    assert ids.frame_labels("r", 0, 4).tolist() == [-100, -100, -100, 0]
    alone = vl.from_arrays({"r": {"exo1": torch.zeros(4, 2, requires_grad=True)}}, splits={"train": ["r"]}, fps=30)
    assert alone.splits.pairs == ("r",) and alone.views["exo1"].kind == "exo"


def test_cca_on_plain_arrays_has_scikit_learn_s_habits():
    features, _ = arrays(6)
    exo_ND, ego_ND = (np.concatenate([features[r][view] for r in features]) for view in ("exo", "ego"))
    maps = CCA(out_dim=3).fit([exo_ND, ego_ND])
    z_NZ = maps.transform(ego_ND, view=1)
    both = maps.transform([exo_ND, ego_ND])
    assert z_NZ.shape == (len(ego_ND), 3) and (both[1] == z_NZ).all()
    assert maps.score([exo_ND, ego_ND]) > 5 / len(ego_ND)
    assert maps.get_params() == {"out_dim": 3, "strength": None, "scale": "correlation", "standardise": "none"}
    again = clone(maps).set_params(scale="unit", strength=1e-3)  # a strong ridge makes components smaller
    with pytest.raises(NotFittedError, match="call fit"):
        again.transform(ego_ND, view=1)
    unit = np.concatenate(again.fit_transform([exo_ND, ego_ND], groups=np.repeat(range(6), 300)))
    assert unit.var(axis=0) == pytest.approx(1, abs=0.1)
    holed = ego_ND.copy()
    holed[5] = np.nan
    assert np.isnan(CCA(out_dim=2).fit([exo_ND, holed]).transform(holed, view=1)[5]).all()
    with pytest.raises(DataError, match="rows"):
        CCA().fit([exo_ND, ego_ND[:-1]])
    assert Ridge().fit([exo_ND, ego_ND]).transform(exo_ND, view=0).shape == ego_ND.shape


def test_plain_labels_are_scored_without_background_and_where_there_is_truth():
    truth, predicted = ["a"] * 4 + ["no"] * 4 + ["b"] * 4, ["a"] * 4 + ["b"] * 2 + ["no"] * 2 + ["b"] * 4
    assert vl.score(predicted, truth).edit < vl.score(truth, truth).edit == 100
    assert vl.score(truth, truth, background=["no"]).f1_50 == 100
    shown = vl.score(["a"] * 4 + ["no"] * 4, ["a"] * 8)
    assert vl.score(["a"] * 4 + ["no"] * 4, ["a"] * 8, background=["no"]).f1_10 > shown.f1_10
    for nothing in (None, -100):
        assert vl.score(["a", "a", "b", "b"], ["a", "a", nothing, nothing]).mof == 100
    ids = {"a": 0, "no": 1, "b": 2}
    numbers = [torch.tensor([ids[name] for name in names]) for names in (predicted, truth)]
    assert vl.score(*numbers) == vl.score(predicted, truth)


def test_scores_are_written_over_only_when_asked(data, tmp_path):
    head = vl.train(data, ["exo"], head="linear", epochs=1, **QUIET)
    vl.evaluate(head, data, views="exo", out=tmp_path)
    with pytest.raises(ConfigError, match="metrics.json is there already"):
        vl.evaluate(head, data, views="exo", out=tmp_path)
    vl.evaluate(head, data, views="exo", out=tmp_path, overwrite=True)


def test_a_kind_that_is_stated_wins_over_that_of_the_name():
    x_TD = np.zeros((4, 2))
    data = vl.from_arrays({"r": {"v3": x_TD, "e4": x_TD}}, views={"v3": {"kind": "other"}})
    assert (data.views["v3"].kind, data.views["e4"].kind) == ("other", "ego")


def one(features=None, labels=None, splits=None, **settings):
    """A data set of one recording ``r`` with one view ``v``."""
    return vl.from_arrays({"r": {"v": np.zeros((4, 2)) if features is None else features}}, labels, splits, **settings)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: vl.from_arrays([np.zeros((4, 2))]), "{recording: {view: array"),
        (lambda: vl.from_arrays({"r": np.zeros((4, 2))}), "expected {view: array}"),
        (lambda: vl.from_arrays({1: {"v": np.zeros((4, 2))}}), "recording name 1 must be text"),
        (lambda: vl.from_arrays({"../r": {"v": np.zeros((4, 2))}}), "must not lead out"),
        (lambda: vl.from_arrays({"r": {"a,b": np.zeros((4, 2))}}), "'a,b' has a comma"),
        (lambda: vl.from_arrays({"r": {" a": np.zeros((4, 2))}}), "without blanks"),
        (lambda: one("text"), "array of real numbers"),
        (lambda: one([["a", "b"]]), "array of real numbers"),
        (lambda: one([[1, 2], [3]]), "expected an array of numbers"),
        (lambda: one(np.ones((4, 2), complex)), "complex128"),
        (lambda: one(torch.ones(4, 2, dtype=torch.complex64)), "complex64"),
        (lambda: one((1.5, np.zeros((4, 2)))), "number of the first frame"),
        (lambda: one(((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))), "number of the first frame"),
        (lambda: one(fps="30"), "fps must be a positive number"),
        (lambda: one(labels=[["a"] * 4]), "`labels` must be"),
        (lambda: one(labels={"r": [("a", "b", "c")]}), "whole numbers"),
        (lambda: one(splits="genrate"), "or {role: .*}, but is 'genrate'"),
        (lambda: one(splits={"train": "r"}), "{role: \\[recordings\\]}"),
        (lambda: one(splits={"train": None}), "{role: \\[recordings\\]}"),
        (lambda: one(views={"v": None}), "`views` must be"),
        (lambda: one().features("q", "v"), "no recording 'q'"),
        (lambda: one().features("r", "v", 3, 1), "end lies before the start"),
    ],
)
def test_wrong_kinds_of_arrays_get_one_clear_message(act, message):
    with pytest.raises((ConfigError, DataError), match=message):
        act()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda d: vl.evaluate(None, d), "trained head or its run folder, but got a NoneType"),
        (lambda d: vl.pretrain({"r": {}}, ["exo", "ego"], "cca"), "Make one of arrays by"),
        (lambda d: vl.train(d, ["exo"], refiner=3), "refiner or its file, but got a int"),
        (lambda d: vl.train(d, ["exo"], head="linear", head_options=3), "'head_options' must be a dictionary"),
        (lambda d: vl.train(d, ["exo"], trainer="cpu"), "'trainer' must be a dictionary"),
        (lambda d: vl.pretrain(d, ["exo", "ego"], "ridge", out_dim=2), "size that isn't chosen"),
        (lambda d: Ridge().fit([np.zeros((9, 2))]), "two views or more"),
        (lambda d: Ridge().fit([np.zeros((9, 2))] * 2, groups=[1]), "group for each of the 9 rows"),
    ],
)
def test_wrong_kinds_of_settings_get_one_clear_message(data, act, message):
    with pytest.raises((ConfigError, DataError), match=message):
        act(data)


def test_any_array_and_tensor_of_real_numbers_is_features():
    want = np.arange(8.0).reshape(4, 2)
    frozen = want.copy()
    frozen.setflags(write=False)
    kinds = [want.tolist(), want.astype(int), frozen, pd.DataFrame(want), np.repeat(want, 2, 0)[::2], want[::-1][::-1]]
    kinds += [torch.tensor(want, requires_grad=True), torch.tensor(want, dtype=torch.bfloat16)]
    for values in kinds:
        found = one(values).features("r", "v")
        assert found.dtype == np.float32 and (found == want).all()
    assert one(want > 3, fps=np.float32(25)).source.fps == 25


@pytest.mark.parametrize("none", [None, np.nan, pd.NA, -100, np.int64(-100), torch.tensor(-100)])
def test_what_is_no_label_is_no_action(none):
    data = one(labels={"r": ["a", "a", none, "b"]})
    assert data.labels.actions == ("a", "b")
    assert data.frame_labels("r", 0, 4).tolist() == [0, 0, -100, 1]
    assert one(labels={"r": [(0, 2, "a"), (2, 3, none)]}).labels.actions == ("a",)
    assert vl.score(["a", "b"], ["a", none]).mof == 100 == vl.score(pd.Series(["a"], index=[7]), ["a"]).mof


def test_class_ids_stay_what_they_are():
    ids = np.arange(12)
    for labels in (ids, torch.from_numpy(ids), pd.Series(ids)):
        data = one(np.zeros((12, 2)), {"r": labels})
        assert data.labels.actions == tuple(map(str, range(12))) and (data.frame_labels("r", 0, 12) == ids).all()
    assert one(np.zeros((12, 2)), {"r": ids}, actions=range(12)).labels.actions == data.labels.actions


def test_a_head_is_used_without_being_changed(data):
    """Training mode, which a user may have left on, doesn't reach the scores; nothing is frozen behind his back."""
    refiner = vl.pretrain(data, ["exo", "ego"], method="cca", out_dim=np.int64(3))
    head = vl.train(data, ["exo"], refiner=refiner, head="c2f_tcn", epochs=np.int64(1), **QUIET)
    before = vl.evaluate(head, data)
    head.head.train()
    head.refiner.train()
    assert vl.evaluate(head, data).metrics["views"] == before.metrics["views"]
    assert head.head.training and head.refiner.training and not head.refiner.frozen and not refiner.frozen


def test_predict_takes_a_rate_for_arrays_alone_and_some_recording(data):
    head = vl.train(data, ["exo"], head="linear", epochs=1, **QUIET)
    x = data.features("r8", "exo")
    assert vl.predict(head, x, fps=60)["end_s"].iloc[-1] == 5
    for act in (lambda: vl.predict(head, x, fps=0), lambda: vl.predict(head, data, fps=30)):
        with pytest.raises((ConfigError, DataError), match="fps"):
            act()
    with pytest.raises(DataError, match="names none"):
        vl.predict(head, data, recordings=[])


def test_a_refiner_of_other_views_is_refused_before_a_run_begins(data, tmp_path):
    features, _ = arrays(2)
    maps = CCA(out_dim=2).fit([np.concatenate([features[r][view] for r in features]) for view in ("exo", "ego")])
    with pytest.raises(ConfigError, match="map for each of the views 0, 1, but none for 'exo'"):
        vl.train(data, ["exo"], refiner=maps.refiner_, head="linear", run=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run").exists()
    x = torch.from_numpy(features["r0"]["ego"]).double()
    assert maps.refiner_(x, "1", np.arange(300) < 5).isfinite().all(dim=1).sum() == 5
    x[0] = torch.inf
    for spoilt in (x, x.numpy()):
        with pytest.raises(DataError, match="infinite in part"):
            maps.refiner_(spoilt, "1")
    with pytest.raises(DataError, match="views of fit"):
        maps.transform([x])
    with pytest.raises(DataError, match="rows, but row n"):
        maps.score([features["r0"]["exo"], features["r0"]["ego"][:5]])
    with pytest.raises(DataError, match="not one row"):
        maps.score([features["r0"]["exo"][:0], features["r0"]["ego"][:0]])


def test_labels_of_frames_begin_where_the_views_do():
    data = vl.from_arrays({"r": {"v": (100, np.zeros((4, 2)))}}, {"r": ["a", None, "b", "b"]}, fps=30)
    assert data.frame_labels("r", 99, 105).tolist() == [-100, 0, -100, 1, 1, -100]


def test_a_command_is_run_with_the_settings_its_data_set_was_opened_with(tmp_path):
    dataset = vl.open_dataset(write_tiny(tmp_path), fps=25, missing="skip", split_seed=3)
    config = settings_on(TrainConfig, dataset, {"views": ["v3", "e4"], "run": tmp_path / "run", "epochs": 2})
    assert (config.data, config.fps, config.missing, config.split_seed) == (str(tmp_path), 25, "skip", 3)
    assert (config.views, config.run, config.epochs) == ("v3,e4", str(tmp_path / "run"), 2)
