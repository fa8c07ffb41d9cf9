"""Losses over the whole window, padding included, as in the released code: against the slow plain reference."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tests.parity.reference_streams as plain
from tests.methods.made import VIEWS, select_rows, stacked, view_batch
from tests.parity.test_streams import randomised, reference_loss, weights_of
from viewloom.errors import ConfigError
from viewloom.methods.settings import SyncKDConfig, TwoStreamConfig
from viewloom.methods.sync_kd import SyncKD
from viewloom.methods.two_stream import TwoStream
from viewloom.methods.two_stream_simple import TwoStreamSimple
from viewloom.nn.encoder import EncoderLayer

WINDOW = 9
LENGTHS = (4, 6, 2)
SMALL = {"layers": 1, "dropout": 0.0, "loss_mean": "all", "window_steps": WINDOW}
CLASSES = {"two_stream": TwoStream, "two_stream_simple": TwoStreamSimple, "sync_kd": SyncKD}


def made(name, views=2, dim=5, **changes):
    own = {} if name == "sync_kd" else {"joint_depth": 0.2}
    return randomised(CLASSES[name](dim, VIEWS[:views], CLASSES[name].Config(**{**SMALL, **own, **changes})))


def double(lengths=LENGTHS, views=2, **options):
    return view_batch(lengths, 5, views, dtype=torch.float64, holes=False, **options)


def window_of(batch, steps=WINDOW):
    """The window as the release fills it: zeros wherever there is nothing, and every step of a present view counts."""
    x_BVTD = stacked(batch).masked_fill(~batch.mask_BVT[..., None], 0).numpy()
    rows, views, found, dim = x_BVTD.shape
    filled = np.zeros((rows, views, steps, dim))
    filled[:, :, :found] = x_BVTD
    mask = np.repeat(batch.mask_BVT.any(dim=2).numpy()[..., None], steps, axis=2)
    return filled, mask


@pytest.mark.parametrize("lacking", [(), [(1, 0)]], ids=["all views", "one lacks a view"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("context", ["frame", "time", "batch"])
@pytest.mark.parametrize("name", ["two_stream", "two_stream_simple"])
def test_two_streams_over_the_whole_window(name, context, training, lacking):
    method = made(name, 2, context=context).train(training)
    method.set_epoch(37)
    batch = double(lacking=lacking)
    total, reconstruction, invariance = reference_loss(method, *window_of(batch))
    loss = method(batch)
    assert loss.total.item() == pytest.approx(total, rel=1e-9)
    assert loss.parts["reconstruction"].item() == pytest.approx(reconstruction, rel=1e-9)
    assert loss.parts["invariance"].item() == pytest.approx(invariance, rel=1e-9)


@pytest.mark.parametrize("context", ["frame", "time", "batch"])
def test_distillation_over_the_whole_window(context):
    method = made("sync_kd", 3, context=context, teacher="v4")
    batch = double(views=3, lacking=[(0, 2)])
    x, mask = window_of(batch)
    wanted = 0.0
    for view in (0, 2):
        refined = plain.refiner(weights_of(method.refiner), x[:, view], mask[:, view], context, 1, 1)
        wanted += plain.squared_error(refined, x[:, 1], mask[:, view] & mask[:, 1])
    assert method(batch).total.item() == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("mark", ["none", "fixed"])
def test_marked_padding_is_a_constant_of_each_view(mark):
    """With the release's mark every padded step is (-1, +1), and its two streams see that."""
    method = made("two_stream", context="frame", view_mark=mark).train()
    batch = double()
    x, mask_BVT = window_of(batch)
    z = [plain.refiner(weights_of(method.refiner), x[:, v], mask_BVT[:, v], "frame", 1, 1) for v in range(2)]
    seen = x + np.array([-1.0, 1.0])[None, :, None, None] * (mark == "fixed")
    stages = [(size.layers, size.heads) for size in method.stages(5, 2, 0.2, 0)]
    joint = plain.joint(weights_of(method.joint), stages, seen, mask_BVT.any(axis=1), "frame")
    reconstruction, invariance = plain.two_stream_terms(np.stack(z, axis=1), joint, mask_BVT)
    assert method(batch).total.item() == pytest.approx(reconstruction + invariance, rel=1e-9)


EVERY = pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("two_stream", {}),
        ("two_stream", {"view_mark": "learned", "mark_at": "encoding", "decode_weight": 0.7}),
        ("two_stream_simple", {"view_mark": "fixed"}),
        ("sync_kd", {}),
    ],
)


@EVERY
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_lengths_of_batch_mates_change_nothing(name, changes, training):
    """In context frame the loss is the mean over windows of what each one's own is, however long the others are."""
    method = made(name, context="frame", **changes).train(training)
    batch = double((4, 9, 2, 6))
    alone = [method(select_rows(batch, [row])).total.item() for row in range(4)]
    assert len({round(value, 6) for value in alone}) == 4
    for rows in ([0, 1], [2, 0, 3], [0, 1, 2, 3]):
        together = method(select_rows(batch, rows)).total.item()
        assert together == pytest.approx(np.mean([alone[row] for row in rows]), rel=1e-9)
    padded = double((4, 2), steps=8), double((4, 2), steps=4)
    assert method(padded[0]).total.item() == pytest.approx(method(padded[1]).total.item(), rel=1e-9)


def gradients(method, batch):
    method.zero_grad()
    method(batch).total.backward()
    return {name: p.grad.clone() for name, p in method.named_parameters()}


@EVERY
def test_what_is_computed_once_has_the_gradient_of_what_is_computed_everywhere(name, changes):
    """A batch that fills the window already is computed step by step; zeros stand for its padding."""
    method = made(name, context="frame", variance_weight=0.5, **changes) if name != "sync_kd" else made(name)
    short, full = double(), double(steps=WINDOW)
    torch.testing.assert_close(gradients(method, short), gradients(method, full), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CLASSES)
def test_padding_that_is_all_alike_is_computed_once(name, monkeypatch):
    """Without dropout the padding of a window is one step for a layer; with dropout each step has its own."""
    rows = []
    monkeypatch.setattr(EncoderLayer, "forward", lambda self, x, sequences: (rows.append(len(x)), x)[1])
    batch = double()
    made(name, context="frame", window_steps=1200).train()(batch)
    assert max(rows) == 3 * (max(LENGTHS) + 1)
    rows.clear()
    method = made(name, context="frame", window_steps=1200, dropout=0.5)
    method.train()(batch)
    assert max(rows) == 3 * 1200
    rows.clear()
    method.eval()(batch)
    assert max(rows) == 3 * (max(LENGTHS) + 1)


def test_dropout_draws_padded_steps_one_by_one():
    """In training each padded step has a dropout of its own, so their outputs differ."""
    method = made("two_stream", context="frame", dropout=0.5).train()
    found = []
    hook = method.joint.register_forward_hook(lambda module, args, output: found.append(output))
    torch.manual_seed(0)
    method(double())
    hook.remove()
    padded = found[0][0, max(LENGTHS) :]
    assert len(padded) == WINDOW - max(LENGTHS)
    assert len({tuple(step.tolist()) for step in padded}) == len(padded)


@pytest.mark.parametrize("name", CLASSES)
def test_a_window_that_is_too_short_is_named(name):
    method = made(name, window_steps=5)
    with pytest.raises(ConfigError, match=r"6 steps.*window_steps 5.*max_chunks"):
        method(double())
    with pytest.raises(ConfigError, match="window_steps is .* has to be"):
        CLASSES[name].Config(window_steps=0)
    assert CLASSES[name].Config().window_steps == 1200


@pytest.mark.parametrize("config", [TwoStreamConfig(layers=1), SyncKDConfig(layers=1)])
def test_the_window_means_nothing_for_valid_steps(config):
    cls = TwoStream if isinstance(config, TwoStreamConfig) else SyncKD
    config = replace(config, dropout=0.0)
    method = randomised(cls(5, VIEWS[:2], config))
    other = randomised(cls(5, VIEWS[:2], replace(config, window_steps=3)))
    batch = double()
    assert method(batch).total.item() == other(batch).total.item()
