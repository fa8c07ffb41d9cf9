"""A head standardises its input by its training windows, behind the refiner, whatever the features' units."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.tiny import write_tiny
from viewloom import load_refiner
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.methods.settings import CCAConfig
from viewloom.nn.standardise import Standardiser
from viewloom.registry import HEADS
from viewloom.training.checkpoints import read_head
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import PretrainConfig, TrainConfig, TrainerConfig
from viewloom.training.trained import load_head
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import dataset_windows

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
SMALL = {"width": 8}
PUBLISHED = SamplingConfig(chunk_frames=20, test_chunks=(10, 17, 24), pooling="max")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny") / "data")


def config(data, run, head="linear", **changes):
    cls = HEADS.get(head).Config
    options = cls(**{key: value for key, value in SMALL.items() if key in {field.name for field in fields(cls)}})
    defaults = {"head": head, "head_options": options, "epochs": 3, "batch_size": 2, "views": "v3", "trainer": QUIET}
    defaults["sampling"] = PUBLISHED
    return TrainConfig(data=str(data), run=str(run), **(defaults | changes))


def steps_of(data, view="v3"):
    """All steps of the training windows, pooled without augmentation."""
    dataset = open_dataset(config(data, "unused"))
    windows = dataset_windows(dataset, dataset.items("train"), (view,), Sampling())
    return np.concatenate([windows[0, row].pooled.features_SZ for row in range(len(windows))])


@pytest.mark.parametrize("head", HEADS.names())
def test_a_head_trained_on_features_in_other_units_predicts_the_same(data, tmp_path, head):
    other = write_tiny(tmp_path / "other")
    for path in Path(other).rglob("features.npy"):
        np.save(path, (np.load(path).astype(np.float64) * 1000 + 50).astype(np.float32))
    probs = []
    for root in (data, other):
        run = tmp_path / f"run-{root.name}"
        run_train(config(root, run, head))
        dataset = open_dataset(config(root, "unused"))
        segmenter = load_head(run).segmenter(Sampling(), "cpu", 4)
        probs.append([p for _, p in segmenter.each(dataset.source, dataset.items("test"), "v3")])
    for one, two in zip(*probs, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-3)


def test_statistics_are_those_of_the_training_windows(data, tmp_path):
    run_train(config(data, tmp_path / "run"))
    scaling = read_head(tmp_path / "run" / "head.safetensors").head.scaling
    x_ND = steps_of(data).astype(np.float64)
    assert scaling.steps_G.tolist() == [len(x_ND)]
    np.testing.assert_allclose(scaling.mean_GD[0], x_ND.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scaling.deviation_GD[0], x_ND.std(0), rtol=1e-6)


def test_behind_a_refiner_they_are_of_refined_features(data, tmp_path):
    settings = PretrainConfig(
        data=str(data),
        run=str(tmp_path / "pre"),
        method="cca",
        views="v3,e4",
        trainer=QUIET,
        method_options=CCAConfig(scale="unit"),
    )
    path = run_pretrain(settings)
    run_train(config(data, tmp_path / "run", refiner=str(path)))
    scaling = read_head(tmp_path / "run" / "head.safetensors").head.scaling
    x_1TD = torch.from_numpy(steps_of(data))[None]
    z_NZ = load_refiner(path).encode(x_1TD, torch.ones(1, x_1TD.shape[1], dtype=torch.bool), "v3")[0]
    torch.testing.assert_close(scaling.mean_GD[0], z_NZ.mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scaling.deviation_GD[0], z_NZ.std(0, correction=0), atol=1e-4, rtol=1e-4)


def test_neither_batch_size_nor_seed_nor_workers_change_them(data, tmp_path):
    found = []
    for name, changes in {"a": {}, "b": {"batch_size": 1, "seed": 4}, "c": {"workers": 2}}.items():
        run_train(config(data, tmp_path / name, epochs=1, **changes))
        weights = load_file(tmp_path / name / "head.safetensors")
        found.append(torch.cat([weights["scaling.mean_GD"], weights["scaling.deviation_GD"]]))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_components_that_fade_are_not_blown_up_again(data, tmp_path):
    """CCA makes components as large as their correlation; a head divides them all by the largest deviation."""
    settings = {"data": str(data), "method": "cca", "views": "v3,e4", "trainer": QUIET}
    for scale, together in (("correlation", True), ("unit", False)):
        options = CCAConfig(out_dim=4, strength=0.1, scale=scale)
        run = tmp_path / scale
        refiner = run_pretrain(PretrainConfig(**settings, run=str(run / "cca"), method_options=options))
        run_train(config(data, run / "head", refiner=str(refiner)))
        deviation_D = read_head(run / "head" / "head.safetensors").head.scaling.deviation_GD[0]
        assert (len(deviation_D.unique()) == 1) == together


def test_one_deviation_for_all_is_the_largest():
    x_ND = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 3.0, 1.0, 0.0])
    own, shared = (Standardiser(4, ("v3",), "pooled") for _ in range(2))
    for standardiser in (own, shared):
        standardiser.add(x_ND, "v3")
    own.solve()
    shared.solve(together=True)
    torch.testing.assert_close(own.deviation_GD[0, :3], x_ND.std(dim=0, correction=0)[:3])
    assert (shared.deviation_GD == own.deviation_GD.max()).all() and torch.equal(shared.mean_GD, own.mean_GD)
