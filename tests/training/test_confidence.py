"""The temperature of a head: fitted on validation, saved, used for how sure it is, and never for what it says."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from tests.tiny import write_tiny
from viewloom import api
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import DataError
from viewloom.metrics.calibration import bin_sums, calibration_error
from viewloom.metrics.segments import IGNORE
from viewloom.training.calibrate import fit_calibration
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.confidence import (
    Calibration,
    ItemConfidence,
    Sure,
    calibration_of,
    pooled_confidence,
    view_confidence,
)
from viewloom.training.evaluate import predict_items, run_evaluate, true_labels
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, OptimConfig, PretrainConfig, TrainConfig, TrainerConfig
from viewloom.training.trained import load_head

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


def train(data, run, **changes):
    optim = OptimConfig(lr=0.05, lr_step_epochs=40)
    settings = {"head": "linear", "epochs": 6, "batch_size": 2, "views": "v3", "trainer": QUIET, "optim": optim}
    run_train(TrainConfig(data=data, run=str(run), **(settings | changes)))
    return run


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("runs") / "exo")


def at(run, temperature, folder):
    """A copy of a run whose head has another temperature."""
    shutil.copytree(run, folder)
    head = load_head(run)
    extra = head.extra | {"calibration": head.calibration.to_json() | {"temperature": temperature}}
    save_head(folder / "head.safetensors", SavedHead(head.head, head.actions, head.views, head.fps, extra))
    return folder


def plain_loss(probs, labels, temperature):
    """Mean negative log-likelihood of the labelled frames, by hand."""
    powers = [np.asarray(p, np.float64) ** (1 / temperature) for p in probs]
    scaled = [p / p.sum(axis=1, keepdims=True) for p in powers]
    losses = [-np.log(p[t != IGNORE, t[t != IGNORE]]) for p, t in zip(scaled, labels, strict=True)]
    return np.concatenate(losses).mean()


def test_the_temperature_is_the_likeliest_of_validation_frames_through_the_whole_chain(data, trained):
    head, dataset = load_head(trained), open_dataset(DataConfig(data=data))
    segmenter = head.segmenter_on(dataset, EvaluateConfig(data=data, run=str(trained), accelerator="cpu"))
    assert len(segmenter.sampling.test_chunks) > 1
    found = list(predict_items(dataset, dataset.items("val"), "v3", segmenter))
    sides = [p for _, p in found], [true_labels(dataset, item) for item, _ in found]
    saved = head.calibration
    assert saved.views == ("v3",)
    assert saved.frames == sum((labels != IGNORE).sum() for labels in sides[1])
    assert saved.temperature != 1
    assert saved.log_loss_before == pytest.approx(plain_loss(*sides, 1.0), rel=1e-5)
    assert saved.log_loss_after == pytest.approx(plain_loss(*sides, saved.temperature), rel=1e-5)
    assert saved.log_loss_after < saved.log_loss_before
    for factor in (0.9, 1.1):
        assert plain_loss(*sides, saved.temperature * factor) > saved.log_loss_after


def test_neither_batches_nor_order_change_it(data, trained):
    dataset = open_dataset(DataConfig(data=data))
    items, chain = dataset.items("val"), load_head(trained)
    sampling = chain.segmenter_on(dataset, EvaluateConfig(data=data, run=str(trained), accelerator="cpu")).sampling
    first = fit_calibration(dataset, items, ("v3", "e4"), chain.segmenter(sampling, "cpu", 8))
    for batch, order in ((1, 1), (3, -1)):
        again = fit_calibration(dataset, items[::order], ("v3", "e4"), chain.segmenter(sampling, "cpu", batch))
        assert again.temperature == first.temperature
        assert again.frames == first.frames > 0
        assert again.log_loss_after == pytest.approx(first.log_loss_after, rel=1e-6)


@pytest.mark.parametrize("temperature", [0.2, 5.0])
def test_the_temperature_never_changes_a_label(data, trained, tmp_path, temperature):
    other = at(trained, temperature, tmp_path / "other")
    plain = at(trained, 1.0, tmp_path / "plain")
    tables = [api.predict(run, data, out=tmp_path / f"{run.name}-p") for run in (plain, other)]
    columns = [name for name in tables[0] if name != "confidence"]
    assert tables[0][columns].equals(tables[1][columns])
    sign = np.sign(tables[1]["confidence"] - tables[0]["confidence"])
    assert set(sign.unique()) - {0.0} == {1.0 if temperature < 1 else -1.0}
    for path in (tmp_path / "plain-p").glob("*3/*.txt"):
        assert path.read_bytes() == (tmp_path / "other-p" / path.parent.name / path.name).read_bytes()
    for run in (plain, other):
        run_evaluate(EvaluateConfig(data=data, run=str(run), accelerator="cpu"))
    found = [json.loads((run / "metrics.json").read_text()) for run in (plain, other)]
    for view in ("v3", "e4"):
        path = f"predictions/{view}.json"
        assert (plain / path).read_bytes() == (other / path).read_bytes()
        for key in ("scores", "per_class", "per_item"):
            assert found[0]["views"][view][key] == found[1]["views"][view][key]
        sides = [of["views"][view]["reliability"] for of in found]
        assert sides[0]["before"] == sides[0]["after"] == sides[1]["before"] != sides[1]["after"]


def test_without_validation_items_and_in_older_heads_it_is_one(data, trained, tmp_path):
    splits = shutil.copytree(data, tmp_path / "data") / "splits"
    (splits / "val.txt").unlink()
    run = train(str(tmp_path / "data"), tmp_path / "run", epochs=1)
    assert load_head(run).calibration == Calibration()
    assert not Calibration().fitted
    head = load_head(trained)
    extra = {name: value for name, value in head.extra.items() if name != "calibration"}
    assert calibration_of(extra, "x") == Calibration()
    run_evaluate(EvaluateConfig(data=str(data), run=str(run), accelerator="cpu", views="v3"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["calibration"]["temperature"] == 1
    assert metrics["calibration"]["views"] == []


@pytest.mark.parametrize("value", ["hot", {"temperature": 0.0, "views": []}, {"temperature": "a", "views": []}, {}])
def test_a_broken_temperature_is_refused(value):
    with pytest.raises(DataError, match="somewhere: the head's calibration can't be used"):
        calibration_of({"calibration": value}, "somewhere")


def test_behind_another_refiner_there_is_no_temperature(data, trained, tmp_path):
    path = run_pretrain(
        PretrainConfig(data=data, run=str(tmp_path / "none"), method="none", views="v3,e4", trainer=QUIET)
    )
    run_evaluate(
        EvaluateConfig(data=data, run=str(trained), refiner=str(path), accelerator="cpu", out=str(tmp_path / "s"))
    )
    metrics = json.loads((tmp_path / "s" / "metrics.json").read_text())
    assert metrics["calibration"]["temperature"] == 1
    assert load_head(trained).calibration.temperature != 1


def test_over_confidence_falls_at_the_fitted_temperature():
    """Labels are drawn with the probabilities of a temperature of 3: the head is three times too sure."""
    from viewloom.metrics.temperature import LabelledRuns, at_temperature, fit_temperature

    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(8000, 6))
    labels = (softmax(logits / 3, axis=1).cumsum(axis=1) < rng.random(8000)[:, None]).sum(axis=1).clip(0, 5)
    probs = softmax(logits, axis=1).astype(np.float32)
    fitted, kept = slice(0, 4000), slice(4000, None)
    temperature = fit_temperature(LabelledRuns.of_frames(probs[fitted], labels[fitted]))
    errors = []
    for side in (probs[kept], at_temperature(probs[kept], temperature)):
        errors.append(float(calibration_error(bin_sums(side.max(axis=1), side.argmax(axis=1) == labels[kept]))))
    assert errors[0] > 20
    assert errors[1] < 4


def test_segments_are_as_sure_as_their_frames_on_average_and_right_by_their_labelled_share():
    probs = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9]])
    found = Sure.of_item(probs, np.array([0, 0, 0, 1, 1]), np.array([0, 1, IGNORE, IGNORE, IGNORE]))
    assert found.confidences_N.tolist() == [0.9, 0.7]
    assert found.right_N.tolist() == [True, False]
    assert found.segment_confidences_S.tolist() == pytest.approx([2.2 / 3])  # the other one has no labelled frame
    assert found.segment_right_S.tolist() == [0.5]
    assert found.log_loss == pytest.approx(-np.log(0.9) - np.log(0.3))
    assert found.brier == pytest.approx(2 * 0.1**2 + 2 * 0.7**2)


def test_views_say_by_bin_how_often_they_are_right_in_any_order():
    rng = np.random.default_rng(1)
    items = []
    for frames in (60, 80, 100):
        probs = rng.dirichlet(np.ones(3), frames).astype(np.float32)
        items.append(ItemConfidence.of_item(probs, probs.argmax(axis=1), rng.integers(0, 3, frames), 0.5))
    found = view_confidence(items, ["a", "b", "c"])
    for side in ("before", "after"):
        frames = found[side]["frames"]
        assert sum(frames["bins"]["counts"]) == frames["count"] == 240
        of = [getattr(item, side) for item in items]
        confidences, right = (
            np.concatenate([getattr(one, name) for one in of]) for name in ("confidences_N", "right_N")
        )
        assert frames["confidence"] == pytest.approx(100 * confidences.mean())
        assert frames["right"] == pytest.approx(100 * right.mean())
        assert frames["ece"] == pytest.approx(float(calibration_error(bin_sums(confidences, right))))
        empty = [n == 0 for n in frames["bins"]["counts"]]
        assert [value is None for value in frames["bins"]["right"]] == empty
        assert frames["interval"][0] < frames["interval"][1]
    assert found["after"]["frames"]["confidence"] > found["before"]["frames"]["confidence"]
    again = view_confidence(items[::-1], ["c", "b", "a"])
    assert json.dumps(again["after"]["frames"]["bins"]["counts"]) == json.dumps(
        found["after"]["frames"]["bins"]["counts"]
    )
    assert again["after"]["frames"]["interval"] == pytest.approx(found["after"]["frames"]["interval"])
    assert view_confidence([], []) == {}


def test_a_head_that_is_hardly_ever_wrong_says_so():
    assert "hardly ever wrong" in Calibration(0.1, ("v3",), 10, 0.5, 0.1).words
    assert "limit" not in Calibration(0.5, ("v3",), 10, 0.5, 0.1).words
    assert "no temperature" in Calibration().words


def test_folds_are_pooled_as_if_all_items_had_been_scored_at_once():
    rng = np.random.default_rng(4)
    folds = []
    for _ in range(3):
        probs = rng.dirichlet(np.ones(3), int(rng.integers(40, 90))).astype(np.float32)
        folds.append([ItemConfidence.of_item(probs, probs.argmax(axis=1), rng.integers(0, 3, len(probs)), 0.6)])
    whole = view_confidence([item for fold in folds for item in fold], ["0", "1", "2"])
    found = pooled_confidence([view_confidence(fold, ["r"]) for fold in folds])
    for side in ("before", "after"):
        for what in ("frames", "segments"):
            one, other = found[side][what], whole[side][what]
            for name in ("ece", "count", "confidence", "right", "log_loss", "brier", "interval"):
                assert one.get(name) == pytest.approx(other.get(name)), name
            assert one["bins"]["counts"] == other["bins"]["counts"]
            for name in ("confidence", "right"):
                pairs = zip(one["bins"][name], other["bins"][name], strict=True)
                assert all(a == b or a == pytest.approx(b) for a, b in pairs)
        assert found[side]["frames"]["ece_equal_mass"] is None
    assert pooled_confidence([whole, {}]) == {}
    assert pooled_confidence([]) == {}


@pytest.mark.parametrize("views", [("v3",), ("v3", "e4"), ("e4",)])
def test_a_caution_names_the_views_where_confidence_is_extrapolated(views):
    text = Calibration(0.5, ("v3",), 10, 0.5, 0.1).caution(views)
    assert ("confidences in e4 are extrapolated" in text) == ("e4" in views)
    assert text == "" or "fitted in v3" in text
    assert "no temperature" in Calibration().caution(views)


def test_a_table_of_confidence_has_the_figures_of_every_view(data, trained):
    scores = api.evaluate(trained, data, accelerator="cpu")
    table = scores.confidence()
    assert list(table.index) == ["v3", "e4"]
    for view in table.index:
        sides = scores.metrics["views"][view]["reliability"]
        for side in ("before", "after"):
            for name in ("ece", "log_loss"):
                assert table.loc[view, f"{name}_{side}"] == sides[side]["frames"][name]
        assert table.loc[view, "right"] == pytest.approx(scores[view]["mof"])
    older = replace(scores, metrics=scores.metrics | {"views": {"v3": {}}})
    assert older.confidence().empty


def test_the_page_in_the_docs_runs_in_python(data, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "confidence.md").read_text()
    code = re.findall(r"```python\n(.*?)```", page, re.S)[0].replace("demo/data", data)
    scope: dict = {}
    exec(compile(code, "docs/confidence.md", "exec"), scope)  # noqa: S102
    assert len(scope["first"]) > 0
    assert scope["head"].calibration.fitted
