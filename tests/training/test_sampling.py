"""The sampling of runs: chosen on their data, kept with their weights, used again by evaluate and predict."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from tests.tiny import DIM, all_items, write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError
from viewloom.methods.refiner_file import load_refiner
from viewloom.training.checkpoints import read_head, save_head
from viewloom.training.evaluate import run_evaluate
from viewloom.training.predict import run_predict
from viewloom.training.pretrain import run_pretrain
from viewloom.training.sampling import natural_pooling, used_sampling
from viewloom.training.segment import run_train
from viewloom.training.segmenter import Segmenter
from viewloom.training.settings import EvaluateConfig, PredictConfig, PretrainConfig, TrainConfig, TrainerConfig
from viewloom.windows.sampling import Sampling

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
ASSUMED = "frames per second are not known; 30 is assumed. Pass --fps or set fps in dataset.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Tiny recordings at 10 fps."""
    root = write_tiny(tmp_path_factory.mktemp("tiny") / "data")
    (root / "dataset.yaml").write_text("fps: 10\n")
    return root


@pytest.fixture
def own(data, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(data, tmp_path / "own")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A head of chunks of 4 frames, averaged over 3 and 5 at evaluation, on means."""
    run = tmp_path_factory.mktemp("runs") / "four"
    train(data, run, chunk_frames=4, test_chunks=(3, 5), pooling="mean")
    return run


def train(data, run, refiner=None, views="v3", more=None, **sampling):
    request = SamplingConfig(**sampling)
    settings = {"head": "linear", "epochs": 1, "batch_size": 2, "trainer": QUIET, **(more or {})}
    run_train(TrainConfig(data=str(data), run=str(run), views=views, refiner=refiner, sampling=request, **settings))
    return read_head(run / "head.safetensors")


def pretrain(data, run, method="cca", more=None, **sampling):
    request, more = SamplingConfig(**sampling), more or {}
    config = PretrainConfig(data=str(data), run=str(run), views="v3,e4", method=method, trainer=QUIET, **more)
    return run_pretrain(replace(config, sampling=request))


def evaluate(data, run, out, more=None, **sampling):
    """The sampling that a run was scored with."""
    request = SamplingConfig(**sampling)
    config = EvaluateConfig(data=str(data), run=str(run), out=str(out), accelerator="cpu", sampling=request)
    run_evaluate(replace(config, **(more or {})))
    return json.loads((out / "metrics.json").read_text())["sampling"]


def shift(root, by):
    """Move all features, so that a share of them is negative."""
    for path in root.rglob("features.npy"):
        np.save(path, np.load(path) + np.float32(by))
    return root


def test_a_run_keeps_the_sampling_it_took(data, tmp_path, capfd):
    saved = train(data, tmp_path / "run")
    message = capfd.readouterr().err
    dataset = open_dataset(DataConfig(data=str(data)))
    names = [item.name for item in dataset.items("train")]
    lengths = np.concatenate([dataset.labels.annotations[n].ends - dataset.labels.annotations[n].starts for n in names])
    assert np.percentile(lengths, 10) / 5 > 20 / 3, "2/3 s at 10 fps are less than a fifth"
    assert saved.extra["sampling"]["chunk_frames"] == 7
    assert saved.extra["sampling"]["test_chunks"] == [3, 6, 8]
    assert message.count("note: chunk of 7 frames (0.70 s at 10 fps)") == 1
    assert "pooling max: none of the features' values" in message
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert {k: v for k, v in written["sampling"].items() if v is not None} == saved.extra["sampling"]
    assert (written["fps"], written["missing"]) == (10, "error")


def test_short_segments_take_shorter_chunks(own, tmp_path, capfd):
    """Segments of the training items alone count: they are of a second, those of the others longer."""
    head, *rows = (own / "labels.csv").read_text().splitlines()
    of_train = (own / "splits" / "train.txt").read_text().split()
    for place, (name, start, _, label) in enumerate(row.split(",") for row in rows):
        if name in of_train:
            rows[place] = f"{name},{start},{int(start) + 10},{label}"
    (own / "labels.csv").write_text("\n".join([head, *rows]) + "\n")
    saved = train(own, tmp_path / "run")
    assert saved.extra["sampling"]["chunk_frames"] == 2
    assert "a fifth of the shortest segments (10th percentile 1.0 s)" in capfd.readouterr().err


def test_evaluate_and_predict_take_the_sampling_of_the_head(data, trained, tmp_path, monkeypatch):
    used = []
    init = Segmenter.__init__

    def noted(self, head, refiner, sampling, *more, **named):
        used.append(sampling)
        init(self, head, refiner, sampling, *more, **named)

    monkeypatch.setattr(Segmenter, "__init__", noted)
    found = evaluate(data, trained, tmp_path / "scores")
    assert (found["chunk_frames"], found["test_chunks"], found["pooling"]) == (4, [3, 5], "mean")
    run_predict(PredictConfig(data=str(data), run=str(trained), out=str(tmp_path / "p"), accelerator="cpu"))
    assert used == [Sampling(chunk_frames=4, test_chunks=(3, 5), pooling="mean")] * 2


def test_what_is_set_overrides_the_head_field_by_field(own, trained, tmp_path, capfd):
    found = evaluate(own, trained, tmp_path / "a", test_chunks=9)
    assert (found["chunk_frames"], found["test_chunks"], found["pooling"]) == (4, [9], "mean")
    assert "differs from that of the head: test_chunks 9 instead of 3, 5" in capfd.readouterr().err
    with (own / "dataset.yaml").open("a") as file:
        file.write("sampling: {chunk_s: 2.0, pooling: max}\n")
    found = evaluate(own, trained, tmp_path / "b")
    assert (found["chunk_frames"], found["test_chunks"], found["pooling"]) == (20, [10, 17, 24], "max")
    found = evaluate(own, trained, tmp_path / "c", pooling="mean", test_chunks=(3, 5))
    assert (found["chunk_frames"], found["test_chunks"], found["pooling"]) == (20, [3, 5], "mean")


def test_heads_of_before_have_the_published_sampling(data, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "old")
    saved = read_head(run / "head.safetensors")
    extra = {name: value for name, value in saved.extra.items() if name not in ("sampling", "fps_known")}
    save_head(run / "head.safetensors", replace(saved, extra=extra))
    found = evaluate(data, run, tmp_path / "scores")
    assert (found["chunk_frames"], found["test_chunks"], found["pooling"]) == (20, [10, 17, 24], "max")


def test_chunks_keep_their_seconds_on_another_frame_rate(data, own, trained, tmp_path, capfd):
    assert evaluate(data, trained, tmp_path / "same")["test_chunks"] == [3, 5]
    assert "was trained at" not in capfd.readouterr().err
    (own / "dataset.yaml").write_text("fps: 20\n")
    found = evaluate(own, trained, tmp_path / "double")
    assert (found["chunk_frames"], found["test_chunks"]) == (8, [6, 10])
    assert (
        "note: the head was trained at 10 frames per second, these features have 20: chunks of 3, 5 frames become 6, 10"
        in capfd.readouterr().err
    )
    (own / "dataset.yaml").unlink()
    found = evaluate(own, trained, tmp_path / "unknown")  # nothing is reckoned from a guess
    assert (found["chunk_frames"], found["test_chunks"]) == (4, [3, 5])


@pytest.mark.parametrize("verb", ["train", "pretrain", "evaluate", "predict"])
def test_an_assumed_frame_rate_is_reported_where_something_depends_on_it(own, trained, tmp_path, capfd, verb):
    def run(name, **sampling):
        if verb == "train":
            assert train(own, tmp_path / name, **sampling).extra["fps_known"] == sure
        elif verb == "pretrain":
            pretrain(own, tmp_path / name, **sampling)
        elif verb == "evaluate":
            evaluate(own, trained, tmp_path / name, **sampling)
        else:
            run_predict(PredictConfig(data=str(own), run=str(trained), out=str(tmp_path / name), accelerator="cpu"))
        return capfd.readouterr().err.count(ASSUMED)

    sure = True
    assert run("said") == 0
    (own / "dataset.yaml").unlink()
    sure = False
    assert run("assumed") == 1
    if verb in ("train", "pretrain"):
        assert run("frames", chunk_frames=4) == 0
        assert run("seconds", chunk_s=0.5) == 1


def test_signed_features_are_pooled_by_their_mean(own, tmp_path, capfd):
    shift(own, -2.0)
    saved = train(own, tmp_path / "run")
    assert saved.extra["sampling"]["pooling"] == "mean"
    assert "% of the features' values looked at are negative" in capfd.readouterr().err
    path = pretrain(own, tmp_path / "cca")
    assert load_refiner(path).extra["sampling"]["pooling"] == "mean"
    assert train(own, tmp_path / "max", pooling="max").extra["sampling"]["pooling"] == "max"


def test_only_items_and_views_in_use_decide_on_the_pooling(own, tmp_path):
    dataset = open_dataset(DataConfig(data=str(own)))
    items = dataset.items("train")
    used = {item.recording for item in items}
    for path in own.rglob("features.npy"):
        if path.parts[-3] not in used or path.parts[-2] != "v3":
            np.save(path, np.load(path) - np.float32(5))
    dataset = open_dataset(DataConfig(data=str(own)))
    assert natural_pooling(dataset.source, items, ("v3",))[0] == "max"
    assert natural_pooling(dataset.source, items[::-1], ("v3",)) == natural_pooling(dataset.source, items, ("v3",))
    assert natural_pooling(dataset.source, items, ("v3", "e4"))[0] == "mean"
    assert natural_pooling(dataset.source, all_items(dataset), ("v3",))[0] == "mean"


def test_a_hundredth_of_negative_values_decides(own):
    dataset = open_dataset(DataConfig(data=str(own)))
    items = dataset.items("train")
    for share, pooling in ((0.005, "max"), (0.03, "mean")):
        rng = np.random.default_rng(0)
        for path in own.rglob("features.npy"):
            x_TD = np.abs(np.load(path))
            x_TD[rng.random(x_TD.shape) < share] = -1.0
            np.save(path, x_TD)
        assert natural_pooling(open_dataset(DataConfig(data=str(own))).source, items, ("v3",))[0] == pooling


def test_pretraining_looks_at_no_label(data, own, tmp_path):
    with_labels = pretrain(data, tmp_path / "a")
    rows = (own / "labels.csv").read_text().splitlines()
    ends = [f"{name},{int(s)},{int(s) + 2},{label}" for name, s, _, label in (row.split(",") for row in rows[1:])]
    (own / "labels.csv").write_text("\n".join([rows[0], *ends]) + "\n")
    other_labels = pretrain(own, tmp_path / "b")
    for path in (with_labels, other_labels):
        assert load_refiner(path).extra["sampling"]["chunk_frames"] == 7  # 2/3 s at 10 fps


def test_a_head_behind_a_refiner_takes_its_pooling(data, own, tmp_path):
    refiner = str(pretrain(data, tmp_path / "cca", pooling="both", more={"method_options": None}))
    assert load_refiner(refiner).dim == 2 * DIM
    saved = train(data, tmp_path / "run", refiner=refiner)
    assert saved.extra["sampling"]["pooling"] == "both"
    assert evaluate(data, tmp_path / "run", tmp_path / "scores")["pooling"] == "both"
    with pytest.raises(ConfigError, match=r"refiner\.safetensors learned from features pooled by both, .*pooling mean"):
        train(data, tmp_path / "other", refiner=refiner, pooling="mean")
    with pytest.raises(ConfigError, match="learned from features pooled by both"):
        evaluate(data, tmp_path / "run", tmp_path / "wrong", pooling="max")
    plain = train(data, tmp_path / "plain", pooling="max")
    assert plain.head.dim == DIM
    with pytest.raises(ConfigError, match="learned from features pooled by both"):
        evaluate(data, tmp_path / "plain", tmp_path / "front", {"refiner": refiner})


@pytest.mark.parametrize("device_data", ["never", "always"])
@pytest.mark.parametrize("pooling", ["mean", "both"])
def test_poolings_train_alike_from_device_cache_and_store(data, tmp_path, pooling, device_data):
    trainer = replace(QUIET, device_data=device_data)
    plain = train(data, tmp_path / "a", pooling=pooling, more={"epochs": 2})
    cache = {"epochs": 2, "pool_cache": str(tmp_path / "cache"), "trainer": trainer}
    heads = [train(data, tmp_path / name, pooling=pooling, more=cache).head for name in ("b", "c")]
    assert plain.head.dim == DIM * (2 if pooling == "both" else 1)
    for head in heads:
        for name, value in head.state_dict().items():
            assert torch.equal(value, plain.head.state_dict()[name]), name
    found = evaluate(data, tmp_path / "a", tmp_path / "scores")
    assert found["pooling"] == pooling


def test_validation_has_the_chunk_of_training_and_the_temperature_those_of_evaluation(data, tmp_path, monkeypatch):
    chunks = []
    each = Segmenter.each

    def noted(self, *args):
        chunks.append((self.sampling.chunk_frames, self.sampling.test_chunks))
        return each(self, *args)

    monkeypatch.setattr(Segmenter, "each", noted)
    train(data, tmp_path / "run", chunk_s=0.3)
    assert set(chunks[:-1]) == {(3, (3,))}
    assert chunks[-1] == (3, (1, 3, 4))


def test_a_student_works_at_its_teacher_s_chunks(data, trained, tmp_path):
    run = tmp_path / "student"
    pretrain(data, run, "sync_kd_head", {"teacher": str(trained), "epochs": 1})
    for extra in (read_head(run / "head.safetensors").extra, load_refiner(run / "refiner.safetensors").extra):
        assert extra["sampling"]["chunk_frames"] == 4
        assert (extra["sampling"]["pooling"], extra["sampling"]["test_chunks"]) == ("mean", [3, 5])
    with pytest.raises(ConfigError, match="learned from features pooled by mean"):
        pretrain(data, tmp_path / "no", "sync_kd_head", {"teacher": str(trained), "epochs": 1}, pooling="max")


def test_a_resumed_run_goes_on_with_the_sampling_it_took(data, tmp_path):
    first = train(data, tmp_path / "run")
    again = train(data, tmp_path / "run", more={"resume": True})
    assert again.extra["sampling"] == first.extra["sampling"]


def test_used_sampling_of_an_assumed_rate_is_left_as_it_is(data):
    dataset = open_dataset(DataConfig(data=str(data)))
    extra = {"sampling": {"chunk_frames": 6, "test_chunks": [6]}, "fps_known": False}
    assert used_sampling(SamplingConfig(), extra, 30.0, dataset).test_chunks == (6,)
    assert used_sampling(SamplingConfig(), extra | {"fps_known": True}, 30.0, dataset).test_chunks == (2,)
