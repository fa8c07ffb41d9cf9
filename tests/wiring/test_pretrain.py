"""`viewloom pretrain` against training written out plainly: the same weights after every epoch."""

from dataclasses import replace

import pytest
from safetensors.torch import load_file

from tests.tiny import write_tiny
from tests.wiring.plain import PUBLISHED, QUIET, learned_from, options_of, plain_pretrain, read_names
from tests.wiring.watching import Crash, assert_equal_epochs, furthest, recorded
from viewloom.dataset.opening import open_dataset
from viewloom.registry import METHODS
from viewloom.training import pairs
from viewloom.training.pretrain import run_pretrain, split_pairs
from viewloom.training.settings import PretrainConfig, PretrainOptimConfig

CUT = replace(PUBLISHED, max_chunks=12, augment_probability=0.0)
ADAMW = PretrainOptimConfig(name="adamw", lr=0.01, weight_decay=0.0, momentum=0.0, lr_step_epochs=100, lr_factor=0.5)
SGD = replace(ADAMW, name="sgd", lr=0.02)
BASE = {"sampling": CUT, "optim": ADAMW, "batch_size": 4}
CASES = {
    "batches that do not divide": {"batch_size": 3},  # 8 windows
    "plain descent": {"optim": SGD},
    "momentum": {"optim": replace(SGD, momentum=0.9)},
    "descent with weight decay": {"optim": replace(SGD, weight_decay=0.1)},
    "weight decay": {"optim": replace(ADAMW, weight_decay=0.5)},
    "a lower rate each epoch": {"optim": replace(ADAMW, lr_step_epochs=1, lr_factor=0.3)},
    "accumulated gradients": {"trainer": replace(QUIET, accumulate=2), "batch_size": 3},  # a step of 2 and one of 1
    "clipped gradients": {"trainer": replace(QUIET, gradient_clip=0.02), "optim": SGD},
    "augmentation": {"sampling": replace(CUT, augment_probability=0.7)},
    "dropout": {"dropout": 0.4},
    "dropout by another seed": {"dropout": 0.4, "seed": 5},
    "another seed": {"seed": 5},
}
WITHOUT = {
    "momentum": "plain descent",
    "descent with weight decay": "plain descent",
    "clipped gradients": "plain descent",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=16))


def config(data, run, method="two_stream", dropout=0.0, **changes):
    options = options_of(METHODS.get(method).Config, layers=1, joint_depth=0.1, dropout=dropout)
    published = {"sampling": PUBLISHED, "optim": replace(ADAMW, lr=3e-4), "batch_size": 8, "trainer": QUIET}
    settings = {"method": method, "method_options": options, "views": "v3,e4", "held_out": 0.3}
    return PretrainConfig(data=data, run=str(run), **(published | settings | {"epochs": 3} | changes))


def run_and_record(settings):
    with recorded("method") as recorder:
        path = run_pretrain(settings)
    return recorder.weights, load_file(path)


@pytest.mark.parametrize("method", ["two_stream", "sync_kd"])
def test_published_settings(data, tmp_path, method):
    settings = config(data, tmp_path / "run", method, dropout=0.1)
    weights, _ = run_and_record(settings)
    assert_equal_epochs(weights, plain_pretrain(settings))


@pytest.mark.parametrize("method", ["two_stream", "sync_kd"])
@pytest.mark.parametrize("case", CASES)
def test_every_setting_does_what_it_says(data, tmp_path, method, case):
    settings = config(data, tmp_path / "run", method, **(BASE | CASES[case]))
    weights, _ = run_and_record(settings)
    plain = plain_pretrain(settings)
    assert_equal_epochs(weights, plain)
    usual = CASES[WITHOUT[case]] if case in WITHOUT else {}
    without = plain_pretrain(config(data, tmp_path / "run", method, **(BASE | usual)))
    assert furthest(plain[-1], without[-1]) > 1e-4, "the setting must matter, or the test says nothing"


def test_what_is_held_out_is_not_learned_from_and_measured_as_it_is(data, tmp_path):
    settings = config(data, tmp_path / "run", **(BASE | CASES["augmentation"]))
    split = split_pairs(settings, open_dataset(settings))
    learned, held = ({window.recording for window in windows.rows} for windows in (split.learn, split.held_out))
    assert learned == set(learned_from(settings)) and held == set(read_names(data, "pairs")) - learned and held
    drawn = [split.held_out[epoch, row].window for epoch in range(5) for row in range(len(split.held_out))]
    assert {window.chunk_frames for window in drawn} == {20}


def test_the_schedule_of_the_invariance_term_follows_the_epoch(data, tmp_path):
    """From epoch 2 on its weight is below 1."""
    settings = config(data, tmp_path / "run", **(BASE | {"epochs": 8, "optim": SGD}))
    weights, _ = run_and_record(settings)
    assert_equal_epochs(weights, plain_pretrain(settings))
    constant = replace(settings, method_options=replace(settings.method_options, schedule="constant"))
    assert furthest(plain_pretrain(constant)[-1], weights[7]) > 1e-4


@pytest.mark.parametrize("optim", [replace(SGD, momentum=0.9, lr_step_epochs=1), ADAMW])
def test_a_run_stopped_between_epochs_goes_on_as_if_it_had_not(data, tmp_path, optim):
    augmented = replace(CUT, augment_probability=0.7)
    changes = BASE | {"optim": optim, "dropout": 0.3, "sampling": augmented, "epochs": 4}
    settings = config(data, tmp_path / "run", **changes)
    with recorded("method", stop=2) as before, pytest.raises(Crash):
        run_pretrain(settings)
    with recorded("method") as after:
        run_pretrain(replace(settings, resume=True))
    assert (set(before.weights), set(after.weights)) == ({0, 1}, {2, 3})
    assert_equal_epochs(before.weights | after.weights, plain_pretrain(settings))


@pytest.mark.parametrize(("select", "kept"), [("retrieval", 1), ("loss", 2), ("last", 3)])
def test_the_weights_kept_are_those_of_the_chosen_epoch(data, tmp_path, select, kept, monkeypatch):
    """Measures are scripted: the best retrieval and the least loss are in different epochs, in the middle."""
    script = iter([(50.0, 0.9), (90.0, 0.8), (20.0, 0.1), (60.0, 0.5), (60.0, 0.5)])
    measured = pairs.measure

    def scripted(*arguments):
        held, (retrieval, loss) = measured(*arguments), next(script)
        return replace(held, values=held.values | {"retrieval": retrieval, "loss": loss})

    monkeypatch.setattr(pairs, "measure", scripted)
    weights, saved = run_and_record(config(data, tmp_path / "run", epochs=4, select=select, **BASE))
    refiners = {
        epoch: {name.removeprefix("refiner."): value for name, value in state.items() if name.startswith("refiner.")}
        for epoch, state in weights.items()
    }
    assert [epoch for epoch, state in refiners.items() if furthest(state, saved) == 0] == [kept]
