"""Training a head: resuming, repeating, choosing the epoch; scores and predictions from what it leaves."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.continued import begun_with
from tests.forked import begin, kill_when
from tests.tiny import write_tiny
from viewloom.dataset.dataset import Item
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.heads.linear import LinearHead
from viewloom.training.checkpoints import read_head
from viewloom.training.evaluate import run_evaluate
from viewloom.training.predict import run_predict
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.segmenter import Segmenter
from viewloom.training.settings import (
    EvaluateConfig,
    OptimConfig,
    PredictConfig,
    PretrainConfig,
    TrainConfig,
    TrainerConfig,
)
from viewloom.training.trainer import make_checkpoints
from viewloom.windows.sampling import Sampling

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=1)
STEADY = OptimConfig(lr_step_epochs=40)
FAST = OptimConfig(lr=0.05, lr_step_epochs=40)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


def config(data, run, **changes):
    defaults = {"head": "linear", "epochs": 4, "batch_size": 2, "views": "v3", "trainer": QUIET, "optim": STEADY}
    return TrainConfig(data=data, run=str(run), **(defaults | changes))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "exo"
    run_train(config(data, run, epochs=12, optim=FAST))
    return run


def same_weights(a, b):
    one, other = load_file(a / "head.safetensors"), load_file(b / "head.safetensors")
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(data, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_train(config(data, tmp_path / name, epochs=2, seed=seed))
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert not same_weights(tmp_path / "a", tmp_path / "c")


def test_workers_change_nothing(data, tmp_path):
    run_train(config(data, tmp_path / "a", epochs=2))
    run_train(config(data, tmp_path / "b", epochs=2, workers=2))
    assert same_weights(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(("head", "workers"), [("linear", 0), ("linear", 1), ("c2f_tcn", 0)])
def test_a_killed_run_resumes_to_the_same_weights(data, tmp_path, head, workers):
    many = 400 if head == "linear" else 30
    killed = tmp_path / "killed"
    last = killed / "checkpoints" / "last.ckpt"
    kill_when(last.exists, begin(run_train, config(data, killed, head=head, epochs=many)), after_s=0.3)
    done = torch.load(last, weights_only=True)["epoch"] + 1
    epochs = done + 3
    # What is compared is the run of `epochs` epochs, alone and from the kill on.
    begun_with(killed, epochs=epochs)
    assert not (killed / "head.safetensors").exists()
    run_train(config(data, killed, head=head, epochs=epochs, resume=True, workers=workers))
    run_train(config(data, tmp_path / "alone", head=head, epochs=epochs))
    assert same_weights(killed, tmp_path / "alone")
    rows = [list(csv.DictReader((run / "metrics.csv").open())) for run in (killed, tmp_path / "alone")]
    assert [row["epoch"] for row in rows[0]] == [str(i) for i in range(epochs)]
    assert rows[0] == rows[1]


def test_the_kept_epoch_is_the_best_on_validation(trained):
    rows = list(csv.DictReader((trained / "metrics.csv").open()))
    totals = [float(row["val/total"]) for row in rows]
    assert read_head(trained / "head.safetensors").extra["epoch"] == int(np.argmax(totals))


def test_a_run_is_not_overwritten_nor_mixed(data, trained):
    with pytest.raises(ConfigError, match="already holds a run"):
        run_train(config(data, trained, epochs=12, optim=FAST))
    with pytest.raises(ConfigError, match="head.safetensors is a file"):
        run_train(config(data, trained / "head.safetensors"))
    with pytest.raises(ConfigError, match="seed 3 instead of 0"):
        run_train(config(data, trained, epochs=12, seed=3, optim=FAST, resume=True))


def test_a_resumed_run_refuses_other_features_and_takes_a_copy(data, tmp_path):
    run = tmp_path / "run"
    run_train(config(data, run, head="linear", epochs=2))
    other = write_tiny(tmp_path / "other", recordings=5)
    with pytest.raises(ConfigError, match="begun with other settings or data.*the train items"):
        run_train(config(str(other), run, head="linear", epochs=2, resume=True))
    facts = json.loads((run / "environment.json").read_text())
    copy = shutil.copytree(data, tmp_path / "copy")
    run_train(config(str(copy), run, head="linear", epochs=2, resume=True))
    again = json.loads((run / "environment.json").read_text())
    assert again["data_fingerprint"] == facts["data_fingerprint"]


def test_a_resumed_run_takes_the_same_refiner_from_elsewhere(data, tmp_path):
    run = tmp_path / "run"
    cca = PretrainConfig(data=data, run=str(tmp_path / "cca"), method="cca", views="v3,e4", trainer=QUIET)
    first = run_pretrain(cca)
    settings = {"head": "linear", "epochs": 2}
    run_train(config(data, run, refiner=str(first), **settings))
    copy = shutil.copytree(first.parent, tmp_path / "copy") / first.name
    run_train(config(data, run, refiner=str(copy), resume=True, **settings))
    copy.write_bytes(copy.read_bytes() + b" ")
    with pytest.raises(ConfigError, match="files of refiner"):
        run_train(config(data, run, refiner=str(copy), resume=True, **settings))


def test_a_moved_run_still_knows_its_best_epoch(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "moved") / "checkpoints"
    best, _ = make_checkpoints(folder, "val/total", "max", QUIET)
    assert best.state_key.startswith("ModelCheckpoint{"), "checkpoints of earlier versions have this key"
    kept = torch.load(folder / "last.ckpt", weights_only=True)["callbacks"][best.state_key]
    best.load_state_dict(kept)
    totals = [float(row["val/total"]) for row in csv.DictReader((trained / "metrics.csv").open())]
    assert best.best_model_score == pytest.approx(max(totals))
    assert best.best_model_path == str(folder.resolve() / "best.ckpt")


def test_scores_files_agree_and_learning_happened(data, trained):
    out = run_evaluate(EvaluateConfig(data=data, run=str(trained), accelerator="cpu"))
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["views"]) == {"v3", "e4"}
    # The two views' features have nothing in common, so only the trained one can be segmented.
    assert metrics["views"]["v3"]["scores"]["mof"] > 80
    assert metrics["views"]["v3"]["scores"]["mof"] > metrics["views"]["e4"]["scores"]["mof"] + 20
    found = json.loads((out / "predictions" / "v3.json").read_text())["items"]
    truth = open_dataset(DataConfig(data=data)).labels.annotations
    for name, item in found.items():
        assert item["truth"] == np.stack([truth[name].starts, truth[name].ends, truth[name].labels], 1).tolist()
        assert item["prediction"][0][0] == item["start"]
        assert item["prediction"][-1][1] == item["end"]
    assert metrics["views"]["v3"]["per_item"][0]["item"] in found
    with pytest.raises(ConfigError, match="there already"):
        run_evaluate(EvaluateConfig(data=data, run=str(trained), accelerator="cpu"))


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_batch_size_and_order_at_evaluation_change_nothing(data, trained, batch_size):
    dataset = open_dataset(DataConfig(data=data))
    head = read_head(trained / "head.safetensors").head
    sampling = Sampling(max_chunks=7)  # several windows of each item, the last one short
    reference = Segmenter(head, None, sampling, torch.device("cpu"), 4)
    other = Segmenter(head, None, sampling, torch.device("cpu"), batch_size)
    for item in dataset.items("test"):
        expected = next(reference.each(dataset.source, [item], "v3"))[1]
        np.testing.assert_allclose(next(other.each(dataset.source, [item], "v3"))[1], expected, atol=1e-6)
        np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)


def test_probabilities_are_the_mean_over_chunk_sizes(data):
    dataset = open_dataset(DataConfig(data=data))
    torch.manual_seed(0)
    head = LinearHead(dataset.source.dim("v3"), 4).eval()
    item: Item = dataset.items("test")[0]
    cpu = torch.device("cpu")
    each = [
        next(Segmenter(head, None, Sampling(test_chunks=(c,)), cpu).each(dataset.source, [item], "e4"))[1]
        for c in (10, 17, 24)
    ]
    together = next(Segmenter(head, None, Sampling(), cpu).each(dataset.source, [item], "e4"))[1]
    np.testing.assert_allclose(together, np.mean(each, axis=0), atol=1e-6)
    x_TD = dataset.source.read(item.recording, "e4", item.start, item.end)
    with torch.no_grad():
        by_hand = torch.softmax(head.linear(torch.from_numpy(x_TD[:17].max(axis=0))), -1).numpy()
    np.testing.assert_allclose(each[1][:17], np.repeat(by_hand[None], 17, axis=0), atol=1e-6)


def test_predictions_of_new_recordings_need_no_labels(data, trained, tmp_path):
    run_predict(PredictConfig(data=f"{data}/features", run=str(trained), out=str(tmp_path), views="v3"))
    rows = list(csv.DictReader((tmp_path / "segments.csv").open()))
    assert len({row["recording"] for row in rows}) == 8
    for name in {row["recording"] for row in rows}:
        own = [row for row in rows if row["recording"] == name]
        assert all(a["end"] == b["start"] for a, b in zip(own, own[1:], strict=False))
        assert all(a["label"] != b["label"] for a, b in zip(own, own[1:], strict=False))
        lines = (tmp_path / "v3" / f"{name}.txt").read_text().splitlines()
        assert [line.split("\t")[2] for line in lines] == [row["label"] for row in own]
    assert float(rows[0]["end_s"]) == pytest.approx(int(rows[0]["end"]) / 30, abs=1e-3)


def test_frame_text_files_have_a_line_a_frame(data, trained, tmp_path):
    settings = PredictConfig(
        data=data, run=str(trained), out=str(tmp_path), views="e4", recordings="p00", text="frames"
    )
    run_predict(settings)
    source = open_dataset(DataConfig(data=data)).source
    lines = (tmp_path / "e4" / "p00.txt").read_text().splitlines()
    assert len(lines) == source.span("p00", "e4").frames


def test_missing_frames_are_told_in_training_and_evaluation(tmp_path, capfd):
    root = write_tiny(tmp_path / "data")
    for name in (root / "splits" / "train.txt").read_text().split() + (
        root / "splits" / "test.txt"
    ).read_text().split():
        path = root / "features" / name / "v3" / "features.npy"
        x_TD = np.load(path)
        x_TD[10:13] = np.nan
        np.save(path, x_TD)
    run_train(config(str(root), tmp_path / "run", epochs=1))
    assert "6 frame(s) are missing and were left out" in capfd.readouterr().err
    run_evaluate(EvaluateConfig(data=str(root), run=str(tmp_path / "run"), accelerator="cpu", views="v3"))
    assert "6 frame(s) are missing and were left out" in capfd.readouterr().err
