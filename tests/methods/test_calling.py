"""A refiner is a function: features of a view in, refined ones out, of any kind and shape, with or without a mask."""

import numpy as np
import pytest
import torch

from tests.methods.made import VIEWS, make_method, view_batch, x_of
from viewloom.errors import DataError
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.methods.settings import CCAConfig, MethodConfig, RidgeConfig, TwoStreamConfig

SIZES = (7, 5, 9)
NETWORK = {"layers": 1, "joint_depth": 0.1}
CASES = {
    "cca": ("cca", CCAConfig(out_dim=4), SIZES),
    "ridge": ("ridge", RidgeConfig(standardise="view"), SIZES),
    "stem": ("two_stream", TwoStreamConfig(stem="pca", width=6, **NETWORK), SIZES),
    "over time": ("two_stream", TwoStreamConfig(stem="cca", context="time", **NETWORK), SIZES),
    "no stem": ("two_stream", TwoStreamConfig(**NETWORK), 7),
    "none": ("none", MethodConfig(standardise="view"), 7),
    "plain": ("none", MethodConfig(), 7),
}


@pytest.fixture(params=CASES)
def refiner(request, tmp_path):
    """As it is loaded from its file."""
    name, config, dim = CASES[request.param]
    save_refiner(make_method(name, config, dim).refiner, tmp_path / "refiner.safetensors")
    return load_refiner(tmp_path / "refiner.safetensors")


def features(refiner, view, steps=12):
    """(T, D) of a view, some steps NaN; and which aren't."""
    x_TD = x_of(view_batch((steps,), refiner.dims, 3, holes=False), VIEWS.index(view))[0]
    there_T = torch.ones(steps, dtype=torch.bool)
    there_T[[3, 4, steps - 1]] = False
    return x_TD.masked_fill(~there_T[:, None], torch.nan), there_T


def encoded(refiner, x_TD, there_T, view):
    """What `encode` makes of one row, NaN where there is nothing."""
    with torch.no_grad():
        z_TZ = refiner.encode(x_TD.nan_to_num()[None], there_T[None], view)[0]
    return z_TZ.masked_fill(~there_T[:, None], torch.nan)


def same(one, other):
    torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("view", VIEWS[:3])
def test_arrays_and_tensors_of_one_sequence(refiner, view):
    x_TD, there_T = features(refiner, view)
    wanted = encoded(refiner, x_TD, there_T, view)
    assert wanted.shape == (12, refiner.out_dim) and there_T.any()
    assert wanted[there_T].isfinite().all() and wanted[~there_T].isnan().all()
    same(refiner(x_TD, view=view).detach(), wanted)
    array = refiner(x_TD.numpy(), view=view)
    assert isinstance(array, np.ndarray) and array.dtype == np.float32
    same(array, wanted)
    same(refiner(x_TD.numpy().astype(np.float64), view=view), wanted)
    same(refiner(x_TD.tolist(), view=view), wanted)


def test_what_is_passed_stays_as_it_is(refiner):
    x_TD, _ = features(refiner, "v3")
    array = x_TD.numpy().copy()
    array.flags.writeable = False
    before = x_TD.clone()
    refiner(array, view="v3")
    refiner(x_TD, view="v3")
    same(x_TD, before)
    same(array, before)


def test_a_batch_is_its_rows(refiner):
    x_TD, there_T = features(refiner, "v4")
    x_BTD = torch.stack([x_TD, x_TD.flip(0), torch.full_like(x_TD, torch.nan)])
    rows = [refiner(x, view="v4") for x in x_BTD]
    for found in (refiner(x_BTD, view="v4"), torch.from_numpy(refiner(x_BTD.numpy(), view="v4"))):
        assert found.shape == (3, 12, refiner.out_dim) and found[2].isnan().all()
        torch.testing.assert_close(found, torch.stack(rows), atol=1e-5, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("kind", ["array", "tensor", "batch of arrays", "batch of tensors"])
def test_a_mask_says_what_counts(refiner, kind):
    """Whatever stands at the other steps, be it NaN."""
    x_TD, there_T = features(refiner, "e4")
    mask_T = there_T.clone()
    mask_T[7] = False
    x_TD[8, 0], mask_T[8] = torch.inf, False
    wanted = encoded(refiner, x_TD.masked_fill(~mask_T[:, None], 0), mask_T, "e4")
    x, mask = (x_TD[None], mask_T[None]) if "batch" in kind else (x_TD, mask_T)
    x, mask = (x.numpy(), mask.numpy()) if "array" in kind else (x, mask)
    found = torch.as_tensor(refiner(x, view="e4", mask=mask)).detach()
    same(found[0] if "batch" in kind else found, wanted)


def test_gradients_pass_through_tensors():
    refiner = make_method("two_stream", CASES["stem"][1], SIZES).refiner.freeze()
    x_TD = features(refiner, "v3")[0].nan_to_num().requires_grad_()
    refiner(x_TD, view="v3").sum().backward()
    assert x_TD.grad.any() and all(p.grad is None for p in refiner.parameters())


def test_an_empty_sequence_gives_one(refiner):
    assert refiner(np.empty((0, refiner.dims[0]), np.float32), view="v3").shape == (0, refiner.out_dim)
    assert refiner(torch.empty(0, refiner.dims[0]), view="v3").shape == (0, refiner.out_dim)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_wrong_sizes_shapes_and_views_are_named(refiner, kind):
    dim = refiner.dims[0]
    x_TD = kind(np.ones((4, dim), np.float32))
    with pytest.raises(DataError, match=rf"features of size {dim} of view 'v3', but these have {dim + 1}"):
        refiner(kind(np.ones((4, dim + 1), np.float32)), view="v3")
    for shape in ((dim,), (1, 1, 4, dim)):
        with pytest.raises(DataError, match=r"Expected features \(T, D\) or \(B, T, D\)"):
            refiner(kind(np.ones(shape, np.float32)), view="v3")
    with pytest.raises(DataError, match=r"Expected a mask \(4,\)"):
        refiner(x_TD, view="v3", mask=kind(np.ones(5, bool)))
    if refiner.accepts("e9"):
        assert refiner(x_TD, view="e9").shape == (4, refiner.out_dim)
    else:
        with pytest.raises(DataError, match="v3, v4, e4.*'e9'"):
            refiner(x_TD, view="e9")


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_a_step_that_is_nan_in_part_is_no_step(refiner, kind):
    """With a mask the caller has the say."""
    x_TD, there_T = features(refiner, "v3")
    x_TD[0, 2] = torch.nan
    with pytest.raises(DataError, match="1 of 12 steps are NaN or infinite in part"):
        refiner(kind(x_TD.numpy()), view="v3")
    there_T[0] = False
    same(
        torch.as_tensor(refiner(kind(x_TD.numpy()), view="v3", mask=kind(there_T.numpy()))).detach()[0].isnan().all(),
        True,
    )


def test_whole_numbers_are_features_as_arrays_only():
    refiner = make_method("none", MethodConfig()).refiner
    assert (refiner(np.arange(14).reshape(2, 7), view="v3") == np.arange(14).reshape(2, 7)).all()
    with pytest.raises(DataError, match="floating"):
        refiner(torch.arange(14).view(2, 7), view="v3")


def test_a_refiner_in_double_precision_takes_arrays():
    refiner = make_method("cca", CCAConfig(out_dim=4), SIZES).refiner.double()
    x_TD, _ = features(refiner, "v3")
    found = refiner(x_TD.numpy(), view="v3")
    assert found.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(found), refiner(x_TD.double(), view="v3").float(), equal_nan=True)
