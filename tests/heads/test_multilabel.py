"""Every registered head with several labels a step: what it must hold to, and what its loss is."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from tests.test_every_head import CLASSES, DIM, LENGTHS, assert_same, batch, make, variants
from viewloom.errors import ConfigError
from viewloom.heads.multilabel import for_classes, loss_of_classes, loss_with_taught_classes, probabilities
from viewloom.metrics.segments import IGNORE
from viewloom.registry import HEADS
from viewloom.training.checkpoints import SavedHead, read_head, save_head
from viewloom.training.step_loss import loss_on
from viewloom.windows.batch import SegmentBatch

ABLE = [name for name in HEADS.names() if HEADS.get(name).knows_multi]
CASES = [pytest.param(name, *next(iter(variants(name)))[1:], id=name) for name in ABLE]
every_head = pytest.mark.parametrize(("name", "config"), CASES)


def multi(name, config, dtype=torch.float64):
    return for_classes(make(name, config, dtype))


def several(lengths=LENGTHS, steps=None, dtype=torch.float64, hole=True):
    """A batch whose steps have any number of classes."""
    x_BTD, labels_BT, mask_BT = batch(lengths, steps, dtype, hole)
    classes_BTK = torch.full((*labels_BT.shape, CLASSES), 1, dtype=torch.int8)
    for row, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(length)
        classes_BTK[row, :length] = (torch.rand(length, CLASSES, generator=generator) < 0.3).to(torch.int8)
    classes_BTK[:, 3:4] = IGNORE
    return x_BTD, classes_BTK, mask_BT


def run(head, x_BTD, classes_BTK, mask_BT):
    head = copy.deepcopy(head)
    loss = loss_of_classes(head, head(x_BTD, mask_BT), classes_BTK, mask_BT)
    loss.total.backward()
    return loss.total.detach(), {key: value.grad for key, value in head.named_parameters()}, head.state_dict()


def test_binary_cross_entropy_and_smoothing_by_hand():
    """Of one stage, and of a linear map: step by step and class by class."""
    x_BTD, classes_BTK, mask_BT = several((12, 7), dtype=torch.float64, hole=False)
    for name, weight in (("linear", 0.0), ("tcn", 0.15)):
        head = multi(name, next(iter(variants(name)))[1])
        (logits_BTK,) = head(x_BTD, mask_BT)
        z, y = logits_BTK.detach().numpy(), classes_BTK.numpy()
        entropy, smoothing, steps, pairs = 0.0, 0.0, 0, 0
        for b in range(2):
            for k in range(CLASSES):
                for t in range((12, 7)[b]):
                    p = 1 / (1 + np.exp(-z[b, t, k]))
                    if y[b, t, k] != IGNORE:
                        entropy -= np.log(p) if y[b, t, k] else np.log(1 - p)
                        steps += 1
                    if t:
                        before = 1 / (1 + np.exp(-z[b, t - 1, k]))
                        for one, other in ((p, before), (1 - p, 1 - before)):
                            smoothing += min((np.log(one) - np.log(other)) ** 2, 16) / 2
                        pairs += 1
        loss = loss_of_classes(head, [logits_BTK], classes_BTK, mask_BT)
        wanted = entropy / steps + weight * smoothing / pairs
        torch.testing.assert_close(loss.total.item(), wanted, rtol=1e-9, atol=0)
        torch.testing.assert_close(loss.parts["cross_entropy"].item(), entropy / steps, rtol=1e-9, atol=0)


@every_head
def test_cross_entropy_is_binary_and_probabilities_are_of_each_class_alone(name, config):
    head = multi(name, config)
    x_BTD, classes_BTK, mask_BT = several()
    levels = head(x_BTD, mask_BT)
    probs_BTK = probabilities(head, levels, mask_BT)
    assert probs_BTK.shape == classes_BTK.shape and probs_BTK.min() >= 0 and probs_BTK.max() <= 1
    assert (probs_BTK.sum(-1)[mask_BT] - 1).abs().max() > 0.01
    if not hasattr(head, "weights"):  # the first level decides
        torch.testing.assert_close(probs_BTK[mask_BT], levels[0].sigmoid()[mask_BT])
    else:  # levels vote, with their weights
        shares = head.weights / head.weights.sum()
        voted_BTK = sum(share * level.sigmoid() for share, level in zip(shares, levels, strict=True))
        torch.testing.assert_close(probs_BTK[mask_BT], voted_BTK[mask_BT])
    assert (probs_BTK[~mask_BT] == 0).all()  # a step that isn't valid has no class
    voting = [probs_BTK] if hasattr(head, "weights") else [level.sigmoid() for level in levels]
    known = mask_BT[..., None] & (classes_BTK != IGNORE)
    wanted = sum(F.binary_cross_entropy(p[known], classes_BTK[known].double()) for p in voting)
    found = loss_of_classes(head, levels, classes_BTK, mask_BT).parts["cross_entropy"]
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=0)


@every_head
def test_gradient_reaches_every_parameter(name, config):
    head = multi(name, config)
    _, gradients, _ = run(head, *several())
    largest = {key: gradient.abs().max() for key, gradient in gradients.items()}
    assert not [key for key, gradient in largest.items() if not gradient > 0 and key not in head.idle]


@every_head
@settings(max_examples=4, deadline=None, derandomize=True)
@given(lengths=st.lists(st.integers(1, 445), min_size=2, max_size=3), padding=st.integers(0, 60))
def test_result_of_a_row_is_its_own(name, config, lengths, padding):
    """Alone or in any batch, padded little or much, with anything in the padding."""
    head = multi(name, config)
    x_BTD, _, mask_BT = several(lengths, max(lengths) + padding)
    with torch.inference_mode():
        probs_BTK = probabilities(head, head(x_BTD, mask_BT), mask_BT)
        for row, length in enumerate(lengths):
            x_1TD, _, mask_1T = several((length,))
            alone = probabilities(head, head(x_1TD, mask_1T), mask_1T)
            assert_same([probs_BTK[row, :length]], alone, 1e-9)


@every_head
def test_masked_steps_and_what_nobody_says_change_nothing(name, config):
    head = multi(name, config).train()
    loss, gradients, state = run(head, *several())
    x_BTD, classes_BTK, mask_BT = several(steps=463)
    x_BTD[~mask_BT], classes_BTK[~mask_BT] = -7.0, 0
    other, others, other_state = run(head, x_BTD, classes_BTK, mask_BT)
    assert_same([loss], [other], 1e-10)
    assert_same(gradients.values(), others.values(), 1e-8)
    assert_same(state.values(), other_state.values(), 1e-10)
    classes_BTK[:, 100:110, 2] = IGNORE  # of one class alone, in some steps
    changed, _, _ = run(head, x_BTD, classes_BTK, mask_BT)
    assert changed != other


@every_head
@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "all-ignore"])
@pytest.mark.parametrize("steps", [1, 2])
def test_finite_on_little_data(name, config, steps, labelled):
    x_BTD, classes_BTK, mask_BT = several((steps,), steps + 2, hole=False)
    classes_BTK[:] = 0 if labelled else IGNORE
    loss, gradients, state = run(multi(name, config).train(), x_BTD, classes_BTK, mask_BT)
    for value in (loss, *gradients.values(), *state.values()):
        assert value.isfinite().all()


@every_head
def test_a_certain_teacher_is_a_label_and_one_that_says_nothing_is_none(name, config):
    head = multi(name, config).train()
    x_BTD, classes_BTK, mask_BT = several()
    levels = head(x_BTD, mask_BT)
    wanted = loss_of_classes(head, levels, classes_BTK, mask_BT).total
    taught_BT1 = (torch.arange(mask_BT.shape[1]) % 2 == 0)[None, :, None]
    soft_BTK = classes_BTK.double().masked_fill((classes_BTK == IGNORE) | ~taught_BT1, torch.nan)
    left_BTK = classes_BTK.masked_fill(taught_BT1, IGNORE)
    taught = loss_with_taught_classes(head, levels, left_BTK, soft_BTK, mask_BT, 1.0)
    assert_same([wanted], [taught.total], 1e-10)
    silent = loss_with_taught_classes(head, levels, classes_BTK, soft_BTK.fill_(torch.nan), mask_BT, 0.3)
    assert_same([wanted], [silent.total], 1e-10)


@every_head
def test_learns_classes_that_overlap(name, config):
    head = multi(name, config, torch.float32).train()
    generator = torch.Generator().manual_seed(3)
    classes_BTK = (torch.rand(2, 16, CLASSES, generator=generator) < 0.35).repeat_interleave(25, dim=1)
    assert set(classes_BTK.sum(-1).flatten().tolist()) > {0, 1, 2}
    x_BTD = torch.randn(2, 400, DIM, generator=generator) * 0.3
    x_BTD[..., :CLASSES] += 2 * classes_BTK
    mask_BT = torch.ones(2, 400, dtype=torch.bool)
    adam = torch.optim.Adam(head.parameters(), lr=0.03)
    for _ in range(60):
        adam.zero_grad()
        levels = head(x_BTD, mask_BT)
        loss_of_classes(head, levels, classes_BTK.to(torch.int8), mask_BT).total.backward()
        adam.step()
    said_BTK = probabilities(head, levels, mask_BT) >= 0.5
    assert (said_BTK == classes_BTK).float().mean() > 0.9


@every_head
def test_the_mode_is_saved_with_the_head(name, config, tmp_path):
    head, path = multi(name, config, torch.float32), tmp_path / "head.safetensors"
    save_head(path, SavedHead(head, tuple("abcde"), ("v3",), 30.0, {}))
    read = read_head(path).head
    x_BTD, _, mask_BT = several(dtype=torch.float32)
    assert read.multi
    assert_same(
        [probabilities(head, head(x_BTD, mask_BT), mask_BT)], [probabilities(read, read(x_BTD, mask_BT), mask_BT)], 0
    )
    save_head(path, SavedHead(make(name, config), tuple("abcde"), ("v3",), 30.0, {}))
    with safe_open(path, "pt") as file:
        assert "labels_mode" not in json.loads(file.metadata()["viewloom"])["extra"]
    assert not read_head(path).head.multi


@every_head
def test_one_label_a_step_has_the_loss_and_the_probabilities_it_had(name, config):
    """To the bit: what decides about the mode changes nothing in the other one."""
    head = make(name, config)
    x_BTD, labels_BT, mask_BT = batch()
    levels = head(x_BTD, mask_BT)
    one = SegmentBatch(x_BTD, mask_BT, labels_BT, (), ())
    assert torch.equal(loss_on(head, levels, one, 0.5).total, head.loss(levels, labels_BT, mask_BT).total)
    assert torch.equal(probabilities(head, levels, mask_BT), head.decode(levels, mask_BT))
    logits_BKT = levels[0].mT
    assert torch.equal(head.shares(logits_BKT), logits_BKT.softmax(dim=1))
    soft_BTK = torch.full_like(levels[0], 1 / CLASSES)
    taught = SegmentBatch(x_BTD, mask_BT, torch.full_like(labels_BT, IGNORE), (), (), taught_BTK=soft_BTK)
    wanted = head.loss_with_taught(levels, taught.labels_BT, soft_BTK, mask_BT, 0.5).total
    assert torch.equal(loss_on(head, levels, taught, 0.5).total, wanted)


@pytest.mark.parametrize("name", ["ms_tcn2", "asformer", "ltcontext"])
def test_later_stages_see_each_class_by_itself(name):
    """What refines gets independent probabilities: raising all logits of a stage alike changes what it sees."""
    head = make(name, next(iter(variants(name)))[1])
    logits_BKT = torch.randn(1, CLASSES, 9)
    assert torch.allclose(head.shares(logits_BKT), head.shares(logits_BKT + 3))
    x_BTD, _, mask_BT = batch()
    single = head(x_BTD, mask_BT)
    assert torch.equal(for_classes(head).shares(logits_BKT), logits_BKT.sigmoid())
    assert not torch.allclose(head(x_BTD, mask_BT)[0], single[0])


def test_a_head_that_cannot_is_refused(monkeypatch):
    cls = HEADS.get("linear")
    monkeypatch.setattr(cls, "knows_multi", False)
    with pytest.raises(ConfigError, match="Head linear can't learn from several labels a frame"):
        for_classes(cls(2, 3))


def test_all_but_the_one_that_finds_boundaries_can():
    assert set(HEADS.names()) - set(ABLE) == {"boundary"}
