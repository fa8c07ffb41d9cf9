"""The front door: the code of the README as it is written, arrays instead of files, and what is refused."""

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
README = Path(__file__).parent.parent / "README.md"
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
        assert (
            all(kind is not None for kind in function.__annotations__.values()) and "return" in function.__annotations__
        )
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = vl.fit


def test_the_readme_s_python_runs_as_it_is_written(tmp_path, monkeypatch):
    """Every line of the block, on a data set and on arrays that are there."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    written = next(code for code in blocks if "vl.from_arrays" in code)
    monkeypatch.chdir(tmp_path)
    simulate = "simulate --out demo/data --recordings 6 --classes 6 --dim 32 --seed 1"
    assert main(simulate.split()) == 0
    features, labels = arrays(4)
    known = {"x1": features["r0"]["exo"], "e1": features["r0"]["ego"], "actions": labels["r0"]}
    exo_ND, ego_ND = (np.concatenate([features[r][view] for r in features]) for view in ("exo", "ego"))
    block = written.replace("epochs=40", "epochs=2, trainer={'progress': False}")
    scope = known | {"exo_ND": exo_ND, "ego_ND": ego_ND}
    exec(compile(block, "README.md", "exec"), scope)  # noqa: S102
    assert scope["z"].shape == (len(ego_ND), 4)
    assert scope["scores"].table().index.tolist() == ["v3", "e4"]
    page = (README.parent / "docs" / "python.md").read_text()
    assert written in page
    exec(compile(re.findall(r"```python\n(.*?)```", page, re.S)[1], "docs/python.md", "exec"), scope)  # noqa: S102
    assert scope["head"].head.config.bias is False
    assert list(scope["segments"]) == ["recording", "view", "start", "end", "start_s", "end_s", "label", "confidence"]


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
        (lambda d: vl.pretrain(d, ["exo", "ego"], method="two_stream"), "stem"),
        (lambda d: vl.pretrain(d, ["exo"], method="cca"), "two views or more"),
        (lambda d: vl.load_head("nowhere"), "no head at nowhere"),
        (lambda d: vl.score(["a"], ["a", "b"]), "length|frames"),
        (lambda d: vl.score(["a"], ["a"], protocol="mine"), "protocol"),
        (lambda d: vl.open_dataset("nowhere"), "not there"),
        (lambda d: d.features("r0", "v9"), "no view 'v9'"),
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


def test_cca_on_plain_arrays_has_scikit_learn_s_habits():
    features, _ = arrays(6)
    exo_ND, ego_ND = (np.concatenate([features[r][view] for r in features]) for view in ("exo", "ego"))
    maps = CCA(out_dim=3).fit([exo_ND, ego_ND])
    z_NZ = maps.transform(ego_ND, view=1)
    both = maps.transform([exo_ND, ego_ND])
    assert z_NZ.shape == (len(ego_ND), 3) and (both[1] == z_NZ).all()
    assert maps.score([exo_ND, ego_ND]) > 5 / len(ego_ND)
    assert maps.get_params() == {"out_dim": 3, "strength": None, "scale": "correlation", "standardise": "none"}
    again = clone(maps).set_params(scale="unit")
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
    with pytest.raises(ConfigError, match="Pass overwrite=True"):
        vl.evaluate(head, data, views="exo", out=tmp_path)
    vl.evaluate(head, data, views="exo", out=tmp_path, overwrite=True)


def test_a_kind_that_is_stated_wins_over_that_of_the_name():
    x_TD = np.zeros((4, 2))
    data = vl.from_arrays({"r": {"v3": x_TD, "e4": x_TD}}, views={"v3": {"kind": "other"}})
    assert (data.views["v3"].kind, data.views["e4"].kind) == ("other", "ego")


def test_labels_of_frames_begin_where_the_views_do():
    data = vl.from_arrays({"r": {"v": (100, np.zeros((4, 2)))}}, {"r": ["a", None, "b", "b"]}, fps=30)
    assert data.frame_labels("r", 99, 105).tolist() == [-100, 0, -100, 1, 1, -100]


def test_a_command_is_run_with_the_settings_its_data_set_was_opened_with(tmp_path):
    dataset = vl.open_dataset(write_tiny(tmp_path), fps=25, missing="skip", split_seed=3)
    config = settings_on(TrainConfig, dataset, {"views": ["v3", "e4"], "run": tmp_path / "run", "epochs": 2})
    assert (config.data, config.fps, config.missing, config.split_seed) == (str(tmp_path), 25, "skip", 3)
    assert (config.views, config.run, config.epochs) == ("v3,e4", str(tmp_path / "run"), 2)
