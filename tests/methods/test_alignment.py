"""Procrustes and coral: against plain references, with views missing, and what each may not use."""

import numpy as np
import pytest
import torch

from tests.methods.made import VIEWS, make_method, put, stacked, view_batch, x_of
from tests.methods.reference_closed import coral, gower
from viewloom.errors import ConfigError, DataError
from viewloom.methods.closed_settings import CoralConfig, ProcrustesConfig
from viewloom.methods.procrustes import turns
from viewloom.registry import METHODS


def principal(x_ND, size):
    """Principal scores (N, size) of mean variance 1."""
    centred = x_ND - x_ND.mean(0)
    scores = centred @ np.linalg.svd(centred, full_matrices=False)[2][:size].T
    return scores / np.sqrt(scores.var(0).mean())


def refined(method, batch, place):
    mask_BT = batch.mask_BVT[:, place]
    return method.encode(x_of(batch, place), mask_BT, VIEWS[place])[mask_BT].double().numpy()


@pytest.mark.parametrize("dims", [(7, 5), (7, 5, 9), (6, 6, 6, 6)])
def test_views_are_turned_as_by_gower(dims):
    """The shared space's axes are free: what is compared are all inner products of steps, within and between views."""
    batch = view_batch((90, 70), dims, len(dims), holes=False, dtype=torch.float64)
    method = make_method("procrustes", ProcrustesConfig(standardise="none"), dims, len(dims), batch).double()
    size = method.refiner.out_dim
    assert size == min(dims)
    mask_BT = batch.mask_BVT[:, 0]
    scores = [principal(x_of(batch, v)[mask_BT].numpy(), size) for v in range(len(dims))]
    wanted, found = gower(scores), [refined(method, batch, v) for v in range(len(dims))]
    for v in range(len(dims)):
        for w in range(len(dims)):
            np.testing.assert_allclose(found[v] @ found[w].T, wanted[v] @ wanted[w].T, atol=2e-3)


def test_maps_keep_angles_and_axes_are_in_order():
    batch = view_batch((90, 70), 6, 2, holes=False, dtype=torch.float64)
    method = make_method("procrustes", ProcrustesConfig(standardise="none"), 6, 2, batch).double()
    agreement = (refined(method, batch, 0) * refined(method, batch, 1)).mean(0)
    assert (np.diff(agreement) <= 1e-6).all() and agreement[0] > 0.5
    for weight_DZ in method.refiner.weight_VDZ:
        gram_ZZ = weight_DZ.mT @ weight_DZ
        torch.testing.assert_close(gram_ZZ / gram_ZZ[0, 0], torch.eye(6, dtype=torch.float64), atol=1e-5, rtol=0)


def test_a_view_that_was_turned_is_turned_back():
    generator = torch.Generator().manual_seed(1)
    turn_DD = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
    batch = view_batch((90, 70), 6, 3, holes=False, dtype=torch.float64)
    x_BVTD = stacked(batch)
    x_BVTD[:, 1] = 3.0 * x_BVTD[:, 0] @ turn_DD + 2.0
    put(batch, x_BVTD)
    method = make_method("procrustes", ProcrustesConfig(standardise="none"), 6, 3, batch).double()
    np.testing.assert_allclose(refined(method, batch, 0), refined(method, batch, 1), atol=1e-3)


def test_no_better_turns_are_near():
    generator = torch.Generator().manual_seed(3)
    between = {(a, b): torch.randn(4, 4, generator=generator, dtype=torch.float64) for a, b in ((0, 1), (0, 2), (1, 2))}
    found = turns(between, 3)

    def agreement(each):
        return sum(float((each[a] * (cross @ each[b])).sum()) for (a, b), cross in between.items())

    best = agreement(found)
    eye_ZZ = torch.eye(4, dtype=torch.float64)
    for _ in range(200):
        noise_VZZ = 0.05 * torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
        near = [torch.linalg.matrix_exp(noise_ZZ - noise_ZZ.mT) for noise_ZZ in noise_VZZ]
        assert not torch.allclose(near[0], eye_ZZ, atol=1e-3)
        bent = [turn_ZZ @ near_ZZ for turn_ZZ, near_ZZ in zip(found, near, strict=True)]
        assert agreement(bent) <= best + 1e-9


def test_views_that_meet_only_through_a_third():
    apart = view_batch((90, 80), lacking=[(0, 2), (1, 1)], holes=False)  # v3+v4, v3+e4
    method = make_method("procrustes", batch=apart)
    batch = view_batch((60,), holes=False)
    z = [refined(method, batch, v) for v in range(3)]
    assert np.corrcoef(z[1][:, 0], z[2][:, 0])[0, 1] > 0.5
    alone = view_batch((60, 50), lacking=[(0, 2), (1, 0), (1, 1)], holes=False)
    with pytest.raises(DataError, match="'e4' has no step in common"):
        make_method("procrustes", batch=alone)


@pytest.mark.parametrize("reference", ["", "e4"])
def test_coral_is_its_formula(reference):
    batch = view_batch((90, 70), 5, 3, dtype=torch.float64)
    config = CoralConfig(reference=reference, strength=0.1, standardise="none")
    method = make_method("coral", config, 5, 3, batch).double()
    place = VIEWS.index(reference) if reference else 0
    own = [x_of(batch, v)[batch.mask_BVT[:, v]].numpy() for v in range(3)]
    for v in range(3):
        wanted = own[v] if v == place else coral(own[v], own[place], 0.1)
        np.testing.assert_allclose(refined(method, batch, v), wanted, atol=1e-4)


@pytest.mark.parametrize("standardise", ["none", "view"])
def test_coral_does_not_know_what_is_synchronised(standardise):
    """Steps of a view in any order, each view in its own, even those of one view and another never together."""
    batch, shuffled = view_batch((60, 50), 5, 3), view_batch((60, 50), 5, 3)
    generator = torch.Generator().manual_seed(0)
    for v in range(3):
        for row in range(2):
            order = torch.randperm(60, generator=generator)
            x_of(shuffled, v)[row] = x_of(batch, v)[row, order]
            shuffled.mask_BVT[row, v] = batch.mask_BVT[row, v, order]
    config = CoralConfig(standardise=standardise)
    one, other = (make_method("coral", config, 5, 3, each) for each in (batch, shuffled))
    torch.testing.assert_close(one.refiner.weight_VDZ, other.refiner.weight_VDZ, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(one.refiner.mean_VD, other.refiner.mean_VD, atol=1e-5, rtol=1e-5)
    apart = view_batch((60, 50), lacking=[(0, 0), (1, 1), (1, 2)], holes=False)  # v4+e4, then v3 alone
    assert make_method("coral", CoralConfig(), 7, 3, apart).refiner.weight_VDZ.isfinite().all()


@pytest.mark.parametrize("name", ["procrustes", "coral"])
def test_constant_features_and_views_stay_finite(name):
    for standardise in ("none", "pooled", "view"):
        batch = view_batch((60, 50))
        for x_BTD in batch.features.values():
            x_BTD[..., 3] = 5.0
        x_of(batch, 1)[:] = 2.0
        method = make_method(name, METHODS.get(name).Config(standardise=standardise), batch=batch)
        assert method.refiner.weight_VDZ.isfinite().all() and np.isfinite(refined(method, batch, 1)).all()


def test_what_can_not_be_is_refused():
    with pytest.raises(ConfigError, match="smallest view has only 5"):
        METHODS.get("procrustes")((7, 5), VIEWS[:2], ProcrustesConfig(out_dim=6))
    with pytest.raises(ConfigError, match="out_dim"):
        ProcrustesConfig(out_dim=-1)
    with pytest.raises(ConfigError, match="strength"):
        CoralConfig(strength=0.0)
    with pytest.raises(ConfigError, match="no view e9"):
        METHODS.get("coral")(5, VIEWS[:2], CoralConfig(reference="e9"))
    with pytest.raises(ConfigError, match="compares views feature by feature.*procrustes or cca"):
        METHODS.get("coral")((5, 4), VIEWS[:2])
    with pytest.raises(DataError, match="No valid step was seen of v4"):
        make_method("coral", CoralConfig(standardise="none"), batch=view_batch((60,), lacking=[(0, 1)]))
