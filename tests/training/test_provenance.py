"""A run remembers what it learned from; such recordings are scored only when asked for by name, and marked."""

import json
import shutil

import numpy as np
import pytest

from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.packing import run_pack
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, DataError
from viewloom.features.settings import PackConfig
from viewloom.training.checkpoints import read_head
from viewloom.training.evaluate import run_evaluate
from viewloom.training.predict import run_predict
from viewloom.training.pretrain import run_pretrain
from viewloom.training.provenance import scored_again
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PredictConfig, PretrainConfig, TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="module")
def run(data):
    """A head behind a refiner of v3 and e4."""
    cca = PretrainConfig(data=str(data), run=str(data.parent / "cca"), method="cca", views="v3,e4", trainer=QUIET)
    refiner = run_pretrain(cca)
    settings = {"head": "linear", "epochs": 2, "trainer": QUIET, "refiner": str(refiner)}
    run_train(TrainConfig(data=str(data), run=str(data.parent / "run"), views="v3", **settings))
    return data.parent / "run"


def lists(data, tmp_path, **roles):
    """The lists with other names in some roles."""
    folder = shutil.copytree(data / "splits", tmp_path / "splits")
    for role, names in roles.items():
        (folder / f"{role}.txt").write_text("".join(f"{name}\n" for name in names))
    return str(folder)


def names(data, role):
    return (data / "splits" / f"{role}.txt").read_text().split()


def score(data, run, tmp_path, **changes):
    run_evaluate(EvaluateConfig(data=str(data), run=str(run), out=str(tmp_path / "out"), overwrite=True, **changes))
    return json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_the_lists_are_remembered_with_the_weights(data, run):
    learned = read_head(run / "head.safetensors").extra["learned_from"]
    assert {role: set(found) for role, found in learned.items()} == {
        role: set(names(data, role)) for role in ("train", "val")
    }


def test_recordings_of_the_test_split_are_scored_without_a_mark(data, run, tmp_path):
    assert score(data, run, tmp_path)["learned"] == {}


@pytest.mark.parametrize("role", ["train", "val", "pairs"])
def test_a_recording_that_was_learned_from_is_refused(data, run, tmp_path, role):
    """As with another fold's lists: what trained the head is now in test."""
    (seen, *_), (fresh, *_) = names(data, role), names(data, "test")
    splits = lists(data, tmp_path, test=[seen, fresh], **{role: []})
    (tmp_path / "splits" / f"{role}.txt").unlink()
    with pytest.raises(ConfigError, match=rf"learned from recordings.*{seen} \(1\).*--allow_learned {role}"):
        score(data, run, tmp_path, splits=splits)
    assert not (tmp_path / "out").exists()
    assert score(data, run, tmp_path, splits=splits, allow_learned=role)["learned"] == {role: [seen]}


def test_a_split_asked_for_by_name_is_allowed_and_marked(data, run, tmp_path):
    assert score(data, run, tmp_path, split="train")["learned"] == {"train": names(data, "train")}
    with pytest.raises(ConfigError, match="--allow_learned names tset"):
        score(data, run, tmp_path, allow_learned="tset")


def test_another_data_set_with_the_same_names_is_no_repetition(data, run, tmp_path):
    other = write_tiny(tmp_path / "other", seed=7)
    swapped = lists(other, tmp_path, test=names(data, "train"), train=names(other, "val"))
    (tmp_path / "splits" / "val.txt").unlink()
    (tmp_path / "splits" / "pairs.txt").unlink()
    assert score(other, run, tmp_path, splits=swapped)["learned"] == {}


def under_other_names(data, folder):
    """The same data with every recording called otherwise."""
    root = shutil.copytree(data, folder)
    for path in root.glob("features/*"):
        path.rename(path.with_name(path.name.replace("p", "q")))
    for path in (root / "labels.csv", *root.glob("splits/*.txt")):
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{'q' + line[1:] if line.startswith('p') else line}\n" for line in lines))
    return root


def test_a_recording_under_another_name_is_the_same(data, run, tmp_path):
    renamed = under_other_names(data, tmp_path / "renamed")
    seen, fresh = names(renamed, "train")[0], names(renamed, "test")[0]
    splits = lists(renamed, tmp_path, test=[seen, fresh], train=[])
    (tmp_path / "splits" / "train.txt").unlink()
    with pytest.raises(ConfigError, match=rf"learned from recordings.*{seen} \(1\)"):
        score(renamed, run, tmp_path, splits=splits)
    assert score(renamed, run, tmp_path, splits=splits, allow_learned="train")["learned"] == {"train": [seen]}
    assert score(renamed, run, tmp_path)["learned"] == {}


def test_features_that_are_all_alike_say_nothing(data, run, tmp_path):
    """Those of a sensor that was off are the same in every recording."""
    dead = shutil.copytree(data, tmp_path / "dead")
    for path in dead.glob("features/*/e4/features.npy"):
        np.save(path, np.zeros((700, 8), np.float32))
    cut = {"past_end": "cut", "trainer": QUIET}
    run_train(TrainConfig(data=str(dead), run=str(tmp_path / "run"), views="e4", head="linear", epochs=1, **cut))
    assert score(dead, tmp_path / "run", tmp_path, past_end="cut")["learned"] == {}


def test_a_head_of_before_knows_names_and_frames_alone(data, run):
    dataset = open_dataset(DataConfig(data=str(data)))
    learned = {
        role: {name: {view: mark[:2] for view, mark in views.items()} for name, views in found.items()}
        for role, found in read_head(run / "head.safetensors").extra["learned_from"].items()
    }
    assert scored_again(dataset, dataset.items("train"), learned) == {"train": names(data, "train")}


@pytest.mark.parametrize("verify", [True, False])
def test_a_flipped_bit_of_a_packed_store_is_not_scored(data, run, tmp_path, verify):
    run_pack(PackConfig(data=str(data), out=str(tmp_path / "store"), dtype="float32", fps=30, workers=0))
    (path,) = (tmp_path / "store").glob(f"features/{names(data, 'test')[0]}/e4.safetensors")
    content = bytearray(path.read_bytes())
    content[-3] ^= 0x40
    path.write_bytes(content)
    packed = {"features": str(tmp_path / "store"), "verify_features": verify}
    if verify:
        with pytest.raises(DataError, match=r"e4\.safetensors: the rows of recording"):
            score(data, run, tmp_path, **packed)
        predict = PredictConfig(data=str(data), run=str(run), views="e4", out=str(tmp_path / "predicted"), **packed)
        with pytest.raises(DataError, match="their checksum differs"):
            run_predict(predict)
    else:
        assert score(data, run, tmp_path, **packed)["learned"] == {}


@pytest.fixture
def wider(data, tmp_path):
    """The same data with two more views, which the refiner never saw."""
    root = shutil.copytree(data, tmp_path / "wider")
    for folder in root.glob("features/*"):
        for view in ("v4", "v5"):
            shutil.copytree(folder / "v3", folder / view)
    (root / "views.yaml").write_text("views: {v3: {kind: exo}, v4: {kind: exo}, v5: {}, e4: {kind: ego}}\n")
    return root


def test_views_that_the_refiner_does_not_know_are_left_out_and_said(wider, run, tmp_path, capfd):
    assert set(score(wider, run, tmp_path)["views"]) == {"v3", "e4"}
    assert "v4, v5 left out" in capfd.readouterr().err
    with pytest.raises(DataError, match="none for 'v4'"):
        score(wider, run, tmp_path, views="v3,v4")
    out = tmp_path / "segments"
    run_predict(PredictConfig(data=str(wider), run=str(run), out=str(out)))
    assert {path.name for path in out.iterdir()} == {"segments.csv", "v3", "e4", "confidences"}


def test_a_view_that_no_item_has_is_an_error(data, run, tmp_path):
    """It was an empty result and success."""
    root = shutil.copytree(data, tmp_path / "lacking")
    for name in names(data, "test"):
        shutil.rmtree(root / "features" / name / "e4")
    with pytest.raises(DataError, match=r"None of the \d items to score has view e4; they have: v3"):
        score(root, run, tmp_path, views="e4")
    assert not (tmp_path / "out").exists()
    assert set(score(root, run, tmp_path)["views"]) == {"v3"}
