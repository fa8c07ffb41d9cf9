"""Stems: what they are refused for, what they may not move, and signs that don't depend on a solver."""

import pytest
import torch

from tests.methods.made import VIEWS, make_method, view_batch, x_of
from viewloom.errors import ConfigError, DataError
from viewloom.methods.stem import WIDEST, stem_width
from viewloom.registry import METHODS

SMALL = {"layers": 1, "joint_depth": 0.1, "dropout": 0.0}
SIZES = (7, 4, 5)


def stem_of(kind, batch=None, **settings):
    config = METHODS.get("two_stream").Config(stem=kind, **SMALL, **{"standardise": "none"} | settings)
    return make_method("two_stream", config, SIZES, batch=batch)


def test_more_canonical_components_than_the_smallest_view_has_are_refused():
    with pytest.raises(ConfigError, match="width is 5, but views have only 4 canonical components"):
        stem_of("cca", width=5)
    assert stem_of("pca", width=5).width == 5 and stem_of("cca").width == 4


def test_a_stem_has_no_maps_before_the_pass():
    method, batch = METHODS.get("two_stream")(SIZES, VIEWS[:3], stem_of("cca").config), view_batch(dim=SIZES)
    assert method.needs_pass
    for use in (lambda: method.refiner.stem(x_of(batch, 0), "v3"), method.refiner.check_ready):
        with pytest.raises(ConfigError, match="stem has no maps yet"):
            use()


def test_a_view_without_a_map_is_refused():
    method, batch = stem_of("cca"), view_batch(dim=SIZES)
    assert method.refiner.accepts("e4") and not method.refiner.accepts("e9")
    with pytest.raises(DataError, match="'e9'"):
        method.encode(x_of(batch, 0), batch.mask_BVT[:, 0], "e9")


@pytest.mark.parametrize("kind", ["pca", "cca"])
@pytest.mark.parametrize("standardise", ["none", "view"])
def test_what_comes_out_has_mean_zero(kind, standardise):
    batch = view_batch((60, 50, 41), SIZES)
    method = stem_of(kind, batch, standardise=standardise)
    for place, view in enumerate(VIEWS[:3]):
        z_NW = method.refiner.prepare(batch.valid(view), view)[batch.mask_BVT[:, place]]
        torch.testing.assert_close(z_NW.mean(0), torch.zeros(4), atol=1e-4, rtol=0)


def test_signs_of_principal_components_are_ours_and_not_the_solver_s(monkeypatch):
    batch = view_batch((60, 50), SIZES)
    plain, eigh = stem_of("pca", batch).refiner.stem.weight_VDW, torch.linalg.eigh

    def turned(matrix):
        values, vectors = eigh(matrix)
        return values, vectors * torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)[: len(values)]

    monkeypatch.setattr(torch.linalg, "eigh", turned)
    torch.testing.assert_close(stem_of("pca", batch).refiner.stem.weight_VDW, plain)


def test_the_teacher_s_map_is_not_drawn_to_the_students():
    config = METHODS.get("sync_kd").Config(stem="cca", layers=1)
    method, batch = make_method("sync_kd", config, SIZES).train(), view_batch(dim=SIZES)
    method(batch).total.backward()
    moved = method.refiner.stem.weight_VDW.grad.abs().amax(dim=(1, 2))
    assert moved[2] == 0 and moved[:2].min() > 0


def test_what_a_view_lacks_stays_zero_behind_a_stem():
    """The offset of a map must not stand for a view that a recording lacks."""
    method, batch = stem_of("pca", standardise="view"), view_batch(dim=SIZES, lacking=[(1, 2)])
    x_BVTD = method.prepared(batch, batch.mask_BVT)
    assert not x_BVTD[~batch.mask_BVT].any() and x_BVTD[batch.mask_BVT].any()


def test_a_stem_is_no_wider_than_the_smallest_view_nor_than_is_learned_well():
    config = METHODS.get("two_stream").Config(stem="cca")
    assert stem_width((4096, 2048), config) == WIDEST < 2048
    assert stem_width((4096, WIDEST // 2), config) == WIDEST // 2


def test_principal_components_fall_and_have_mean_variance_one():
    batch = view_batch((160, 150), SIZES)
    method = stem_of("pca", batch, standardise="view")
    for place, view in enumerate(VIEWS[:3]):
        z_NW = method.refiner.prepare(batch.valid(view), view)[batch.mask_BVT[:, place]]
        variance_W = z_NW.var(0, correction=0)
        assert variance_W.diff().max() < 0
        torch.testing.assert_close(variance_W.mean(), torch.tensor(1.0), atol=1e-4, rtol=0)


def test_a_frozen_stem_is_offered_to_no_optimiser():
    for frozen in (True, False):
        stem = stem_of("cca", stem_frozen=frozen).refiner.stem
        assert [value.requires_grad for value in stem.parameters()] == [not frozen] * 2
