"""Recordings that one view alone saw: methods that need no synchrony learn from them, others say that they can't."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from tests.continued import begun_with
from tests.tiny import write_tiny
from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, DataError
from viewloom.methods.aligned_settings import SoftDTWConfig, TCCConfig
from viewloom.methods.refiner_file import load_refiner
from viewloom.recipes.settings import TransferConfig
from viewloom.recipes.transfer import run_transfer
from viewloom.registry import METHODS
from viewloom.report.command import run_report
from viewloom.report.settings import ReportConfig
from viewloom.training.learn import learn_refiner
from viewloom.training.pairs import split_pairs
from viewloom.training.pretrain import _show_all_pairs, begin_pretrain, run_pretrain
from viewloom.training.settings import OptimConfig, PretrainConfig, PretrainOptimConfig, TrainerConfig
from viewloom.windows.pairs import make_view_loader
from viewloom.windows.resident import ResidentViews
from viewloom.windows.segments import EpochBatches

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=1)
SMALL = {"hidden": 8, "layers": 1, "max_steps": 16}
OPTIONS = {"tcc": TCCConfig(**SMALL), "soft_dtw": SoftDTWConfig(**SMALL)}


def without(root, views):
    """Take views away: {recording: view}."""
    for name, view in views.items():
        shutil.rmtree(root / "features" / name / view)
    return str(root)


def pair_names(root):
    return (root / "splits" / "pairs.txt").read_text().split()


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    """Every recording was seen by v3 or by e4, none by both."""
    root = write_tiny(tmp_path_factory.mktemp("lone") / "data", recordings=16)
    every = [
        name
        for role in ("pairs", "train", "val", "test")
        for name in (root / "splits" / f"{role}.txt").read_text().split()
    ]
    return without(root, {name: ("v3", "e4")[place % 2] for place, name in enumerate(every)})


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Of the pairs two were seen by both views, the others by one."""
    root = write_tiny(tmp_path_factory.mktemp("mixed") / "data", recordings=24)
    names = pair_names(root)
    assert len(names) == 6
    return without(root, {name: ("v3", "e4")[place % 2] for place, name in enumerate(names[2:])}), names


def config(data, run, method="tcc", epochs=2, **changes):
    options = OPTIONS.get(method) or METHODS.get(method).Config() if method != "auto" else None
    settings = {"views": "v3,e4", "method_options": options, "batch_size": 4, "trainer": QUIET}
    settings |= {"optim": PretrainOptimConfig(lr=3e-3, lr_step_epochs=100)}
    return PretrainConfig(data=data, run=str(run), method=method, epochs=epochs, **(settings | changes))


@pytest.mark.parametrize("method", ["tcc", "soft_dtw"])
def test_a_refiner_is_learned_where_no_recording_has_two_views(lone, tmp_path, method, capfd):
    path = run_pretrain(config(lone, tmp_path / "run", method))
    said = " ".join(capfd.readouterr().err.split())
    assert "note: no pair recording with all of the views v3, e4 can be held out" in said
    assert "Kept the last epoch (2 of 2); nothing was held out to measure it on." in said
    assert "are left out" not in said
    begun = begin_pretrain(config(lone, tmp_path / "start", method))
    assert len(begun.pairs.learn.items) == 4 and begun.pairs.held_out is None
    _show_all_pairs(begun.method, begun.pairs, 4)
    refiner, start = load_refiner(path), begun.method.eval().refiner
    (batch,) = make_view_loader(begun.pairs.learn, len(begun.pairs.learn))
    for view in ("v3", "e4"):
        x_BTD, mask_BT = batch.features[view], batch.mask_of(view)
        assert mask_BT.any(dim=1).sum() == len(mask_BT) / 2
        z_BTZ, z0_BTZ = (each.encode(x_BTD, mask_BT, view) for each in (refiner, start))
        assert z_BTZ.isfinite().all() and (z_BTZ - z0_BTZ)[mask_BT].abs().mean() > 1e-3
    assert refiner.extra["kept"] == "last epoch (2 of 2)"
    assert set(refiner.extra["learned_from"]["pairs"]) == {item.recording for item in begun.pairs.learn.items}
    found = json.loads((tmp_path / "run" / "invariance.json").read_text())
    assert found["held_out"] == {} and found["select"] == "last" and found["warnings"] == []


def test_a_run_on_such_recordings_goes_on_to_the_same_weights(lone, tmp_path):
    whole = run_pretrain(config(lone, tmp_path / "whole", epochs=3))
    run_pretrain(config(lone, tmp_path / "cut", epochs=2))
    for name in ("refiner.safetensors", "invariance.json"):
        (tmp_path / "cut" / name).unlink()
    begun_with(tmp_path / "cut", epochs=3)
    again = run_pretrain(config(lone, tmp_path / "cut", epochs=3, resume=True))
    one, other = load_file(whole), load_file(again)
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("method", ["cca", "coral", "contrast", "auto", "tcc"])
def test_other_methods_say_in_one_line_what_they_need(lone, tmp_path, method):
    changes = {"method_options": TCCConfig(pairs="views", path="cca")} if method == "tcc" else {}
    with pytest.raises(DataError, match=f"No pair recording has two of the views v3, e4, and {method} learns") as error:
        learn_refiner(config(lone, tmp_path / "run", method, **changes))
    assert "set by default: soft_dtw, tcc." in str(error.value) and not (tmp_path / "run").exists()


def test_what_can_not_be_chosen_or_seen_is_said(lone, tmp_path):
    with pytest.raises(ConfigError, match="--select retrieval needs a pair recording with all of the views"):
        run_pretrain(config(lone, tmp_path / "run", select="retrieval"))
    assert split_pairs(config(lone, "unused", select="last"), open_dataset(config(lone, "unused"))).held_out is None
    with pytest.raises(DataError, match="'v3' has no step in common"):
        run_pretrain(config(lone, tmp_path / "cca", method_options=TCCConfig(**SMALL, pairs="both", path="cca")))


def test_a_view_that_no_pair_recording_has_is_said(tmp_path):
    root = write_tiny(tmp_path / "data", recordings=8)
    data = without(root, dict.fromkeys(pair_names(root), "e4"))
    with pytest.raises(DataError, match="No pair recording has view e4"):
        run_pretrain(config(data, tmp_path / "run"))


def test_those_with_two_views_are_held_out_and_measured(mixed, tmp_path, capfd):
    data, names = mixed
    pairs = split_pairs(config(data, "unused"), open_dataset(config(data, "unused")))
    held = [item.recording for item in pairs.held_out.items]
    assert len(held) == 1 and held[0] in names[:2]
    assert {item.recording for item in pairs.learn.items} == set(names) - set(held)
    other = split_pairs(config(data, "unused", "cca"), open_dataset(config(data, "unused")))
    assert [item.recording for item in other.held_out.items] == held
    assert {item.recording for item in other.learn.items} == set(names[:2]) - set(held)
    assert "4 of 6 items have fewer than two of the views" in " ".join(capfd.readouterr().err.split())
    run_pretrain(config(data, tmp_path / "run"))
    found = json.loads((tmp_path / "run" / "invariance.json").read_text())
    assert 0 <= found["held_out"]["retrieval"] <= 100 and found["select"] == "retrieval"


def test_the_only_recording_of_a_view_is_learned_from(tmp_path):
    root = write_tiny(tmp_path / "data", recordings=16)
    data = without(root, dict.fromkeys(pair_names(root)[1:], "e4"))
    pairs = split_pairs(config(data, "unused"), open_dataset(config(data, "unused")))
    assert pairs.held_out is None and len(pairs.learn.items) == 4


def test_batches_on_the_device_are_the_loader_s(lone):
    windows = split_pairs(config(lone, "unused"), open_dataset(config(lone, "unused"))).learn
    held = ResidentViews(windows, EpochBatches(len(windows), 3, 1), torch.device("cpu"))
    for one, other in zip(make_view_loader(windows, 3, 1), held, strict=True):
        assert torch.equal(one.mask_BVT, other.mask_BVT) and one.windows == other.windows
        assert all(torch.equal(one.features[view], other.features[view]) for view in windows.views)


def test_transfer_runs_on_such_pairs_by_such_a_method_alone(lone, tmp_path):
    settings = {"data": lone, "from_views": "v3", "to_views": "e4", "head": "linear", "epochs": 2, "batch_size": 2}
    settings |= {"optim": OptimConfig(lr=0.05), "trainer": QUIET, "pretrain_epochs": 2}
    with pytest.raises(DataError, match="No pair recording has two of the views"):
        run_transfer(TransferConfig(**settings, run=str(tmp_path / "no"), method="cca"))
    done = run_transfer(
        TransferConfig(**settings, run=str(tmp_path / "run"), method="tcc", method_options=OPTIONS["tcc"])
    )
    views = json.loads((tmp_path / "run" / "head" / "metrics.json").read_text())["views"]
    assert set(views) == {"v3", "e4"} and done.scored[0].name == "head"


def test_a_page_of_such_a_run_is_written(lone, tmp_path):
    run_pretrain(config(lone, tmp_path / "run"))
    run_report(ReportConfig(runs=str(tmp_path / "run"), out=str(tmp_path / "page.html")))
    assert "tcc" in (tmp_path / "page.html").read_text()


def test_check_names_a_method_that_can_use_such_recordings(lone, tmp_path):
    shutil.copytree(lone, tmp_path / "data")
    for name in ("labels.csv", "actions.txt"):
        (tmp_path / "data" / name).unlink()
    report = check(CheckConfig(data=str(tmp_path / "data"), sync_recordings=0))
    (single,) = [one for one in report.findings if one.title == "Recordings with one view only"]
    assert len(single.offenders) == 16 and "soft_dtw and tcc" in single.remedy
    assert "--method soft_dtw" in report.command
