"""From a head to scores and segments: what is scored, with which rules, and through which refiner."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.tiny import ACTIONS, DIM, write_tiny
from viewloom.dataset.dataset import Item
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError
from viewloom.heads.linear import LinearHead
from viewloom.methods.refiner_file import save_refiner
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig
from viewloom.metrics.segmentation import score
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.evaluate import (
    Scored,
    item_scores,
    predictions,
    run_evaluate,
    shared_actions,
    true_labels,
)
from viewloom.training.predict import table_rows, to_segments
from viewloom.training.refined import FrozenRefiner
from viewloom.training.segmenter import Segmenter
from viewloom.training.settings import EvaluateConfig
from viewloom.windows.sampling import Sampling

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


def some_head():
    torch.manual_seed(1)
    return LinearHead(DIM, ACTIONS).eval()


def some_refiner():
    torch.manual_seed(2)
    return ResidualRefiner("two_stream", DIM, ("v3", "e4"), ResidualConfig(layers=1))


@pytest.fixture
def run(data, tmp_path):
    """A run folder with a head that knows nothing."""
    actions = open_dataset(DataConfig(data=data)).labels.actions
    folder = tmp_path / "run"
    folder.mkdir()
    save_head(folder / "head.safetensors", SavedHead(some_head(), actions, ("v3",), 30.0, {}))
    (folder / "environment.json").write_text('{"row": "none"}')
    return folder


def frames_of(segments, start, end):
    labels_T = np.full(end - start, -100)
    for first, last, label in segments:
        labels_T[first - start : last - start] = label
    return labels_T


@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize(
    ("protocol", "background"), [("canonical", ""), ("mean_f1", "act1"), ("canonical", "act0,act2")]
)
def test_scores_are_those_of_the_predictions_under_the_rules_asked_for(data, run, split, protocol, background):
    settings = EvaluateConfig(data=data, run=str(run), split=split, protocol=protocol, background=background)
    metrics = json.loads((run_evaluate(settings) / "metrics.json").read_text())
    dropped = [int(name.removeprefix("act")) for name in background.split(",") if name]
    for view in ("v3", "e4"):
        items = json.loads((run / "predictions" / f"{view}.json").read_text())["items"]
        assert set(items) == set((Path(data) / "splits" / f"{split}.txt").read_text().split())
        sides = [
            [frames_of(item[side], item["start"], item["end"]) for item in items.values()]
            for side in ("prediction", "truth")
        ]
        wanted = score(*sides, protocol, dropped)
        found = metrics["views"][view]["scores"]
        assert found == pytest.approx({**wanted.as_dict(), "total": wanted.total})
        assert len({len(side) for side in sides[0]} - {0}) > 1  # items of different lengths


def test_one_that_was_killed_when_all_was_written_is_done_again(data, run):
    """Its mark says that nobody knows; scores without a mark are not replaced."""
    settings = EvaluateConfig(data=data, run=str(run))
    whole = (run_evaluate(settings) / "metrics.json").read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        run_evaluate(settings)
    (run / ".begun-evaluate").touch()
    assert (run_evaluate(settings) / "metrics.json").read_bytes() == whole
    assert not (run / ".begun-evaluate").exists()


def test_a_setting_that_would_change_nothing_is_refused(data, run):
    with pytest.raises(ConfigError, match="gives a frame one action: --threshold 0.9 would change nothing"):
        run_evaluate(EvaluateConfig(data=data, run=str(run), threshold=0.9))
    assert not (run / "metrics.json").exists()


@pytest.mark.parametrize("where", ["own", "in front"])
def test_the_refiner_stands_before_the_head(data, run, where):
    refiner = some_refiner()
    path = run / ("refiner.safetensors" if where == "own" else "other.safetensors")
    save_refiner(refiner, path)
    if where == "in front":
        torch.manual_seed(9)
        save_refiner(
            ResidualRefiner("two_stream", DIM, ("v3", "e4"), ResidualConfig(layers=1)), run / "refiner.safetensors"
        )
    sampling = SamplingConfig(test_chunks=(17,))
    front = str(path) if where == "in front" else None
    run_evaluate(EvaluateConfig(data=data, run=str(run), refiner=front, sampling=sampling))
    source = open_dataset(DataConfig(data=data)).source
    for view in ("v3", "e4"):
        for name, item in json.loads((run / "predictions" / f"{view}.json").read_text())["items"].items():
            x_TD = source.read(name, view, item["start"], item["end"])
            pooled = np.stack([x_TD[at : at + 17].max(axis=0) for at in range(0, len(x_TD), 17)])[None]
            with torch.no_grad():
                z_1SD = refiner.eval().encode(torch.from_numpy(pooled), torch.ones(pooled.shape[:2]).bool(), view)
                labels_S = some_head().linear(z_1SD)[0].argmax(-1).numpy()
            found = frames_of(item["prediction"], item["start"], item["end"])
            assert (found == np.repeat(labels_S, 17)[: len(x_TD)]).all()


def test_validation_pools_the_items_of_all_views(data):
    dataset = open_dataset(DataConfig(data=data))
    segmenter = Segmenter(some_head(), FrozenRefiner(some_refiner().freeze()), Sampling(), CPU)
    items = dataset.items("val")
    pairs = [
        (next(segmenter.each(dataset.source, [item], view))[1].argmax(axis=1), true_labels(dataset, item))
        for view in ("v3", "e4")
        for item in items
    ]
    wanted = score(*zip(*pairs, strict=True))
    found = item_scores(dataset, items, ("v3", "e4"), segmenter)
    assert found == pytest.approx({**wanted.as_dict(), "total": wanted.total})
    assert found != item_scores(dataset, items, ("v3",), segmenter)


def test_segments_are_in_absolute_frames_and_only_where_labels_are():
    labels_T = np.array([1, 1, -100, -100, 2])
    scored = Scored(Item("i", "r", 100, 105), np.zeros(5, np.int64), labels_T)
    entry = predictions([scored], ("a", "b", "c"), 30.0)["items"]["i"]
    assert entry["truth"] == [[100, 102, 1], [104, 105, 2]]
    assert entry["prediction"] == [[100, 105, 0]]


def test_actions_must_be_in_the_same_order():
    dataset = SimpleNamespace(labels=SimpleNamespace(actions=("a", "b")), root="data")
    assert shared_actions(dataset, SimpleNamespace(actions=("a", "b"), where="run")) == ("a", "b")
    for other in (("b", "a"), ("a", "b", "c")):
        with pytest.raises(ConfigError, match="same action list"):
            shared_actions(dataset, SimpleNamespace(actions=other, where="run"))


def test_predicted_segments_have_absolute_frames_seconds_and_a_mean_confidence():
    probs_TK = np.array([[0.9, 0.1], [0.5, 0.4], [0.2, 0.6], [0.8, 0.2]], np.float32)
    found = to_segments(probs_TK, 50)
    assert found.rows == [[50, 52, 0], [52, 53, 1], [53, 54, 0]]
    assert found.confidences.tolist() == pytest.approx([0.7, 0.6, 0.8])
    rows = list(table_rows("r", "v3", found, ("a", "b"), 25.0))
    assert rows[0] == ("r", "v3", 50, 52, 2.0, 2.08, "a", 0.7)
