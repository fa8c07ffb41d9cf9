"""Masked batch norm, pooling of masks and resizing by row, against torch on each row alone."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from viewloom.nn.masked import (
    Canvas,
    MaskedBatchNorm1d,
    fit_steps,
    instance_norm,
    pool_valid,
    resize_linear,
    step_norm,
    valid_lengths,
)

row_lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 90)), min_size=1, max_size=5)
quick = settings(max_examples=40, deadline=None, derandomize=True)


def random_mask(rows, steps, share=0.6, seed=0):
    return torch.rand(rows, steps, generator=torch.Generator().manual_seed(seed)) < share


@quick
@given(pairs=row_lengths, extra=st.integers(0, 9))
def test_resize_equals_interpolation_of_each_row_alone(pairs, extra):
    from_B, to_B = torch.tensor(pairs).T
    x_BCN = torch.randn(len(pairs), 3, int(from_B.max()), dtype=torch.float64)
    for row, length in enumerate(from_B):
        x_BCN[row, :, length:] = torch.nan
    steps = int(to_B.max()) + extra
    resized = resize_linear(x_BCN, from_B, to_B, steps)
    for row, (source, target) in enumerate(pairs):
        alone = F.interpolate(x_BCN[row : row + 1, :, :source], size=target, mode="linear", align_corners=True)
        torch.testing.assert_close(resized[row, :, :target], alone[0], atol=1e-12, rtol=0)
        assert not resized[row, :, target:].any()


def test_resize_is_exact_where_single_precision_places_are_not():
    x_BCN = torch.randn(1, 1, 600)
    lengths = torch.tensor([600]), torch.tensor([1200])
    wide = F.interpolate(x_BCN.double(), size=1200, mode="linear", align_corners=True)
    torch.testing.assert_close(resize_linear(x_BCN, *lengths, 1200), wide.float(), atol=1e-6, rtol=0)


def test_resize_may_be_cut_short():
    x_BCN, from_B, to_B = torch.randn(2, 3, 20), torch.tensor([20, 13]), torch.tensor([50, 31])
    torch.testing.assert_close(resize_linear(x_BCN, from_B, to_B, 25), resize_linear(x_BCN, from_B, to_B, 50)[..., :25])


def test_gradient_of_resize():
    x_BCN = torch.randn(2, 2, 7, dtype=torch.float64, requires_grad=True)
    from_B, to_B = torch.tensor([7, 4]), torch.tensor([9, 11])
    assert torch.autograd.gradcheck(lambda x: resize_linear(x, from_B, to_B, 12), x_BCN)


@quick
@given(
    lengths=st.lists(st.integers(6, 40), min_size=1, max_size=4),
    size=st.integers(2, 6),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_pooled_steps_hold_something_if_one_of_theirs_does(lengths, size, share, seed):
    steps = max(lengths)
    valid_BT = random_mask(len(lengths), steps, share, seed)
    valid_BT &= torch.arange(steps) < torch.tensor(lengths)[:, None]
    pooled = pool_valid(valid_BT, torch.tensor(lengths) // size, size).tolist()
    for row, length in enumerate(lengths):
        values, groups = valid_BT[row, :length].tolist(), length // size
        ends = [size * (group + 1) for group in range(groups - 1)] + [length]
        expected = [any(values[size * group : end]) for group, end in enumerate(ends)]
        assert pooled[row] == expected + [False] * (steps // size - groups)
        assert any(pooled[row]) == any(values)


def test_canvas_clears_what_holds_nothing_at_every_level():
    lengths_B = torch.tensor([13, 9])
    valid_BT = torch.arange(13) < lengths_B[:, None]
    canvas = Canvas(lengths_B, 13, valid_BT).pooled(2)
    assert canvas.steps == 6 and canvas.lengths_B.tolist() == [6, 4]
    cleared = canvas.clear(torch.ones(2, 1, 6))
    assert cleared[:, 0].tolist() == [[1.0] * 6, [1.0] * 4 + [0.0] * 2]
    whole = Canvas(lengths_B, 13)
    x = torch.ones(2, 1, 13)
    assert whole.clear(x) is x and whole.pooled(3).valid_BT is None


def test_lengths_end_at_the_last_valid_step():
    mask_BT = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0]], dtype=torch.bool)
    assert valid_lengths(mask_BT).tolist() == [3, 0, 4, 2]


def test_fit_steps_cuts_and_fills():
    x_BCT = torch.arange(4.0)[None, None]
    assert fit_steps(x_BCT, 3).tolist() == [[[0, 1, 2]]]
    assert fit_steps(x_BCT, 6).tolist() == [[[0, 1, 2, 3, 0, 0]]]


def norms(channels=4, dtype=torch.float64):
    """Torch's batch norm and ours with the same weights."""
    torch.manual_seed(1)
    theirs, ours = nn.BatchNorm1d(channels).to(dtype), MaskedBatchNorm1d(channels).to(dtype)
    for value in (theirs.weight, theirs.bias, theirs.running_mean, theirs.running_var):
        nn.init.uniform_(value, 0.5, 2.0)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def test_statistics_and_gradients_are_those_of_the_valid_steps_alone():
    theirs, ours = norms()
    x_BCT = torch.randn(3, 4, 20, dtype=torch.float64) * 2 + 5
    valid_BT = random_mask(3, 20)
    packed = x_BCT.transpose(1, 2)[valid_BT].requires_grad_()
    x_BCT.requires_grad_()
    expected, found = theirs(packed), ours(x_BCT, valid_BT).transpose(1, 2)[valid_BT]
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(x_BCT.grad.transpose(1, 2)[valid_BT], packed.grad, atol=1e-12, rtol=0)
    assert not x_BCT.grad.transpose(1, 2)[~valid_BT].any()
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, atol=1e-12, rtol=0)
    for one, other in zip(theirs.buffers(), ours.buffers(), strict=True):
        torch.testing.assert_close(other, one, atol=1e-12, rtol=0)


@pytest.mark.parametrize("valid", [None, torch.ones(2, 9, dtype=torch.bool)], ids=["none", "all"])
def test_without_masked_steps_it_is_batch_norm(valid):
    theirs, ours = norms()
    x_BCT = torch.randn(2, 4, 9, dtype=torch.float64)
    torch.testing.assert_close(ours(x_BCT, valid), theirs(x_BCT), atol=1e-12, rtol=0)
    torch.testing.assert_close(ours.running_var, theirs.running_var, atol=1e-12, rtol=0)
    theirs.eval(), ours.eval()
    torch.testing.assert_close(ours(x_BCT, valid), theirs(x_BCT), atol=1e-12, rtol=0)


def test_masked_steps_are_normalised_too_and_change_nothing_else():
    _, ours = norms()
    valid_BT = random_mask(2, 9)
    x_BCT = torch.randn(2, 4, 9, dtype=torch.float64)
    other = torch.where(valid_BT[:, None], x_BCT, 1e6)
    first, second = ours(x_BCT, valid_BT).mT, ours(other, valid_BT).mT
    assert torch.equal(first[valid_BT], second[valid_BT])
    assert (second[~valid_BT] > 1e4).all()


def test_gradient_of_masked_batch_norm():
    """Also through the steps that don't count: they are scaled by statistics of those that do."""
    _, ours = norms(3)
    valid_BT = random_mask(2, 6)
    x_BCT = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)

    def normalise(x, weight, bias):
        return torch.func.functional_call(ours, {"weight": weight, "bias": bias}, (x, valid_BT))

    assert torch.autograd.gradcheck(normalise, (x_BCT, ours.weight, ours.bias))


def test_one_step_gives_the_bias_and_none_is_refused():
    _, ours = norms()
    valid_BT = torch.zeros(1, 5, dtype=torch.bool)
    with pytest.raises(AssertionError, match="at least one valid step"):
        ours(torch.randn(1, 4, 5, dtype=torch.float64), valid_BT)
    valid_BT[0, 2] = True
    normalised = ours(torch.randn(1, 4, 5, dtype=torch.float64), valid_BT)
    torch.testing.assert_close(normalised[0, :, 2], ours.bias.detach())
    assert ours.running_var.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_is_summed_in_single(dtype):
    _, ours = norms(dtype=torch.float32)
    x_BCT = (torch.randn(4, 4, 2000) + 30).to(dtype)
    valid_BT = random_mask(4, 2000)
    normalised = ours(x_BCT, valid_BT)
    assert normalised.dtype == dtype and ours.running_mean.dtype == torch.float32
    exact = norms(dtype=torch.float32)[1](x_BCT.float(), valid_BT)
    torch.testing.assert_close(normalised, exact.to(dtype))


def test_instance_norm_of_whole_rows_is_that_of_torch():
    torch.manual_seed(0)
    x_BCT = 3 + 2 * torch.randn(2, 4, 30, dtype=torch.float64)
    mask_BT = torch.ones(2, 30, dtype=torch.bool)
    torch.testing.assert_close(instance_norm(x_BCT, mask_BT), torch.nn.InstanceNorm1d(4)(x_BCT))


def test_instance_norm_takes_valid_steps_alone():
    torch.manual_seed(0)
    x_BCT, mask_BT = torch.randn(3, 4, 30, dtype=torch.float64), torch.rand(3, 30) > 0.4
    mask_BT[2] = False
    found_BCT = instance_norm(x_BCT, mask_BT)
    for row in range(2):
        kept = x_BCT[row : row + 1, :, mask_BT[row]]
        torch.testing.assert_close(found_BCT[row : row + 1, :, mask_BT[row]], torch.nn.InstanceNorm1d(4)(kept))
    assert not found_BCT.mT[~mask_BT].any()


def test_step_norm_is_over_the_channels_of_each_step():
    torch.manual_seed(0)
    x_BCT = torch.randn(2, 6, 5, dtype=torch.float64)
    deviation_B1T = (x_BCT.var(dim=1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(step_norm(x_BCT), (x_BCT - x_BCT.mean(dim=1, keepdim=True)) / deviation_B1T)
