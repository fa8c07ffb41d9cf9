"""`viewloom train` against training written out plainly: the same weights after every epoch."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny import DIM, write_tiny
from tests.wiring.plain import PUBLISHED, QUIET, options_of, plain_train
from tests.wiring.watching import Crash, assert_equal_epochs, furthest, recorded
from viewloom.methods.refiner_file import save_refiner
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig
from viewloom.registry import HEADS
from viewloom.training.segment import run_train
from viewloom.training.settings import OptimConfig, TrainConfig

CUT = replace(PUBLISHED, max_chunks=12, augment_probability=0.0)
OPTIM = OptimConfig(lr=0.05, weight_decay=1e-4, lr_step_epochs=40, lr_factor=0.5)
BASE = {"sampling": CUT, "optim": OPTIM, "batch_size": 4}
CASES = {
    "batches that divide evenly": {"batch_size": 3},  # 9 windows
    "weight decay": {"optim": replace(OPTIM, weight_decay=0.5)},
    "a lower rate each epoch": {"optim": replace(OPTIM, lr_step_epochs=1, lr_factor=0.3)},
    "accumulated gradients": {"trainer": replace(QUIET, accumulate=2)},
    "clipped gradients": {"trainer": replace(QUIET, gradient_clip=0.02)},
    "augmentation": {"sampling": replace(CUT, augment_probability=0.7)},
    "two views": {"views": "v3,e4"},
    "another seed": {"seed": 5},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=12))


def config(data, run, head="linear", **changes):
    published = {"sampling": PUBLISHED, "optim": replace(OPTIM, lr=1e-3), "batch_size": 8, "trainer": QUIET}
    settings = {"head": head, "head_options": options_of(HEADS.get(head).Config, width=4), "views": "v3"}
    return TrainConfig(data=data, run=str(run), **(published | settings | {"epochs": 3} | changes))


def run_and_record(settings):
    with recorded("head") as recorder:
        path = run_train(settings)
    return recorder.weights, load_file(path)


@pytest.mark.parametrize("head", ["linear", "c2f_tcn", "ms_tcn2"])
def test_published_settings(data, tmp_path, head):
    settings = config(data, tmp_path / "run", head)
    weights, _ = run_and_record(settings)
    assert_equal_epochs(weights, plain_train(settings))


@pytest.mark.parametrize("head", ["linear", "c2f_tcn"])
@pytest.mark.parametrize("case", CASES)
def test_every_setting_does_what_it_says(data, tmp_path, head, case):
    settings = config(data, tmp_path / "run", head, **(BASE | CASES[case]))
    weights, _ = run_and_record(settings)
    plain = plain_train(settings)
    assert_equal_epochs(weights, plain)
    without = plain_train(config(data, tmp_path / "run", head, **BASE))
    assert furthest(plain[-1], without[-1]) > 1e-4, "the setting must matter, or the test says nothing"


@pytest.mark.parametrize("cache_gib", [0.0, 1.0])
def test_a_refiner_before_the_head_is_in_evaluation_mode(data, tmp_path, cache_gib):
    torch.manual_seed(3)
    refiner = ResidualRefiner("two_stream", DIM, ("v3", "e4"), ResidualConfig(layers=1, dropout=0.5))
    save_refiner(refiner, tmp_path / "refiner.safetensors")
    changes = {"refiner": str(tmp_path / "refiner.safetensors"), "refined_cache_gib": cache_gib}
    settings = config(data, tmp_path / "run", **(BASE | changes | {"sampling": replace(CUT, augment_probability=0.5)}))
    weights, _ = run_and_record(settings)
    assert_equal_epochs(weights, plain_train(settings, refiner.eval()))


def test_a_run_stopped_between_epochs_goes_on_as_if_it_had_not(data, tmp_path):
    changes = CASES["a lower rate each epoch"] | {"sampling": replace(CUT, augment_probability=0.7), "epochs": 4}
    settings = config(data, tmp_path / "run", "c2f_tcn", **(BASE | changes))
    with recorded("head", stop=2) as before, pytest.raises(Crash):
        run_train(settings)
    with recorded("head") as after:
        run_train(replace(settings, resume=True))
    assert (set(before.weights), set(after.weights)) == ({0, 1}, {2, 3})
    assert_equal_epochs(before.weights | after.weights, plain_train(settings))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_kept_are_those_of_the_chosen_epoch(data, tmp_path, keep, monkeypatch):
    """Validation is scripted, so that the best epoch is neither the first nor the last, nor the one of least score."""
    totals = iter([20.0, 90.0, 10.0, 40.0])
    scores = lambda *_: {"edit": 1.0, "total": next(totals)}  # noqa: E731
    monkeypatch.setattr("viewloom.training.segment.item_scores", scores)
    weights, kept = run_and_record(config(data, tmp_path / "run", epochs=4, keep=keep, **BASE))
    assert [epoch for epoch in weights if furthest(weights[epoch], kept) == 0] == [1 if keep == "best" else 3]


def test_validation_sees_the_views_asked_for(data, tmp_path, monkeypatch):
    seen = []

    def scores(dataset, items, views, segmenter):
        seen.append(tuple(views))
        return {"total": 1.0}

    monkeypatch.setattr("viewloom.training.segment.item_scores", scores)
    run_train(config(data, tmp_path / "a", epochs=1))
    run_train(config(data, tmp_path / "b", epochs=1, val_views="e4,v3"))
    assert seen == [("v3",), ("e4", "v3")]
