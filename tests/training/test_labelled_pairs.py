"""A method that learns from labels of the pairs says so, everywhere; without labels it refuses."""

import json

import numpy as np
import pytest
import torch

from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.methods.aligned_settings import UnseenViewsConfig
from viewloom.methods.refiner_file import load_refiner
from viewloom.metrics.segments import IGNORE
from viewloom.training.evaluate import run_evaluate
from viewloom.training.pretrain import run_pretrain, split_pairs
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig, TrainerConfig
from viewloom.windows.pairs import make_view_loader
from viewloom.windows.plan import pool_labels
from viewloom.windows.resident import ResidentViews
from viewloom.windows.segments import EpochBatches

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
SMALL = UnseenViewsConfig(hidden=8, layers=1)


def pretrain(data, run, method="unseen_views", **changes):
    settings = {"views": "v3,e4", "trainer": QUIET, "epochs": 1, "held_out": 0.4}
    return PretrainConfig(data=str(data), run=str(run), method=method, **(settings | changes))


@pytest.fixture
def data(tmp_path):
    return write_tiny(tmp_path / "data", recordings=12)


def test_labels_of_pairs_are_used_marked_and_never_scored_unseen(data, tmp_path, capfd):
    refiner = run_pretrain(pretrain(data, tmp_path / "refiner", method_options=SMALL))
    assert "unseen_views learns from the labels of 2 of 2 pair recordings" in capfd.readouterr().err
    extra = load_refiner(refiner).extra
    assert extra["labels"] == "pairs" and set(extra["learned_from"]) == {"labelled_pairs"}
    run = tmp_path / "run"
    run_train(
        TrainConfig(
            data=str(data), run=str(run), views="v3", head="linear", epochs=1, trainer=QUIET, refiner=str(refiner)
        )
    )
    run_evaluate(EvaluateConfig(data=str(data), run=str(run)))
    assert json.loads((run / "metrics.json").read_text())["row"] == "run (labels of pairs)"
    pairs = (data / "splits" / "pairs.txt").read_text()
    (data / "splits" / "test.txt").write_text(pairs)
    with pytest.raises(ConfigError, match="by the labels of the refiner's pairs.*labelled_pairs"):
        run_evaluate(EvaluateConfig(data=str(data), run=str(run), overwrite=True, allow_overlap="own"))


def test_other_labels_are_another_run(data, tmp_path):
    first = run_pretrain(pretrain(data, tmp_path / "a", method_options=SMALL, select="last"))
    text = (data / "labels.csv").read_text().splitlines()
    (data / "labels.csv").write_text("\n".join([text[0], *text[1::2]]) + "\n")
    second = run_pretrain(pretrain(data, tmp_path / "b", method_options=SMALL, select="last"))
    keys = [json.loads((tmp_path / name / "identity.json").read_text())["key"] for name in "ab"]
    assert keys[0] != keys[1] and first.read_bytes() != second.read_bytes()


def test_pairs_without_labels_are_refused_with_what_to_do(data, tmp_path):
    pairs = (data / "splits" / "pairs.txt").read_text().split()
    rows = (data / "labels.csv").read_text().splitlines()
    (data / "labels.csv").write_text("\n".join(row for row in rows if row.split(",")[0] not in pairs) + "\n")
    with pytest.raises(ConfigError, match="none of the 2 pair recordings.*contrast"):
        run_pretrain(pretrain(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("augmented", [False, True])
def test_batches_hold_the_labels_of_the_recording(data, augmented):
    dataset = open_dataset(DataConfig(data=str(data)))
    windows = split_pairs(pretrain(data, "unused"), dataset).learn
    windows = windows if augmented else split_pairs(pretrain(data, "unused"), dataset).held_out
    held = ResidentViews(windows, EpochBatches(len(windows), 2, 1), torch.device("cpu"))
    for batch, other in zip(make_view_loader(windows, 2, 1), held, strict=True):
        assert torch.equal(batch.labels_BT, other.labels_BT) and batch.labels_BT.shape == batch.mask_BVT[:, 0].shape
        for window, labels_T in zip(batch.windows, batch.labels_BT.numpy(), strict=True):
            (annotation,) = dataset.labels.of_recording(window.recording)
            expected = pool_labels(annotation.frame_labels(window.start, window.end), window.chunk_frames)
            assert np.array_equal(labels_T[: window.steps], expected) and (labels_T[window.steps :] == IGNORE).all()
    plain = split_pairs(pretrain(data, "unused", method="cca"), dataset).learn
    assert next(iter(make_view_loader(plain, 2))).labels_BT is None
