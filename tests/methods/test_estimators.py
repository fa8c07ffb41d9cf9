"""Estimators on plain arrays: recordings apart, rows that a view lacks left out, maps those of the method."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from tests.methods.made import VIEWS, make_method, view_batch, x_of
from viewloom.errors import DataError
from viewloom.methods.closed_settings import DelayCCAConfig
from viewloom.methods.estimators import CCA, RFFCCA, Coral, DelayCCA, Procrustes, Ridge
from viewloom.registry import METHODS


def rows(batch, view):
    """Rows (N, D) of all recordings in order, NaN where the view lacks them."""
    mask_BT = batch.mask_BVT[:, view]
    x_BTD = x_of(batch, view).masked_fill(~mask_BT[..., None], torch.nan)
    inside = [x_TD[: window.frames] for x_TD, window in zip(x_BTD, batch.windows, strict=True)]
    return torch.cat(inside).numpy()


def test_maps_are_those_of_the_method_on_recordings_apart(monkeypatch):
    batch = view_batch((60, 50, 41), (7, 4), 2)
    arrays, groups = [rows(batch, view) for view in range(2)], np.repeat(["a", "b", "c"], (60, 50, 41))
    lengths, accumulate = [], METHODS.get("cca").accumulate
    monkeypatch.setattr(
        METHODS.get("cca"), "accumulate", lambda *args: lengths.append(args[1].mask_BVT.shape[2]) or accumulate(*args)
    )
    maps = CCA().fit(arrays, groups=groups)
    assert lengths == [60, 50, 41]
    method = make_method("cca", None, (7, 4), 2, batch)
    torch.testing.assert_close(maps.refiner_.weight_VDZ, method.refiner.weight_VDZ)
    for view in range(2):
        mask_BT = batch.mask_BVT[:, view]
        wanted_NZ = method.encode(x_of(batch, view), mask_BT, VIEWS[view])[mask_BT]
        found_NZ = maps.transform(arrays[view], view)
        np.testing.assert_allclose(found_NZ[~np.isnan(arrays[view][:, 0])], wanted_NZ, atol=1e-5)


def test_rows_that_a_view_lacks_are_not_scored():
    rng = np.random.default_rng(0)
    scene_NL = rng.normal(size=(200, 3))
    arrays = [(scene_NL @ rng.normal(size=(3, dim)) + rng.normal(0, 0.4, (200, dim))) for dim in (6, 5)]
    maps = CCA(out_dim=3).fit(arrays)
    holed = [x_ND.copy() for x_ND in arrays]
    holed[0][::4] = np.nan
    there = np.arange(200) % 4 != 0
    assert maps.score(holed) == maps.score([x_ND[there] for x_ND in arrays]) > 0.1


def test_rows_broken_in_part_and_flat_arrays_are_refused():
    x_ND = np.random.default_rng(0).normal(size=(20, 3))
    broken = x_ND.copy()
    broken[4, 1] = np.nan
    with pytest.raises(DataError, match="view 1: features of 1 frame"):
        Ridge().fit([x_ND, broken])
    with pytest.raises(DataError, match=r"View 0: expected an array \(N, D\)"):
        Ridge().fit([x_ND[:, 0], x_ND])


def test_delays_follow_the_rate_of_the_rows():
    batch = view_batch((60, 50, 41), (7, 4), 2)
    arrays, groups = [rows(batch, view) for view in range(2)], np.repeat(["a", "b", "c"], (60, 50, 41))
    maps = DelayCCA(fps=4, taps=3, out_dim=3, strength=0.1).fit(arrays, groups=groups)
    method = METHODS.get("delay_cca")((7, 4), VIEWS[:2], DelayCCAConfig(taps=3, out_dim=3, strength=0.1))
    method.set_clock(4, 1)
    method.show_all(lambda: [batch])
    assert method.refiner.delays(0.25).tolist() == [[-2, 0, 2]]
    torch.testing.assert_close(maps.refiner_.weight_VDZ, method.refiner.weight_VDZ, atol=1e-5, rtol=1e-5)
    wanted = method.encode(x_of(batch, 0)[:1, :60], batch.mask_BVT[:1, 0, :60], "v3")[0]
    found = maps.transform(arrays[0][:60], 0)
    there = ~np.isnan(arrays[0][:60, 0])
    np.testing.assert_allclose(found[there], wanted[torch.from_numpy(there)], atol=1e-5)


@pytest.mark.parametrize("kind", [DelayCCA(fps=1, taps=3), RFFCCA(features=60), Procrustes(), CCA()])
def test_each_finds_what_views_share(kind):
    rng = np.random.default_rng(0)
    scene_NL = rng.normal(size=(400, 3))
    mixes = [rng.normal(size=(3, 6)) for _ in range(2)]
    learn, held = ([x @ mix + rng.normal(0, 0.3, (200, 6)) for mix in mixes] for x in (scene_NL[:200], scene_NL[200:]))
    groups = np.repeat(range(4), 50)
    maps = clone(kind).fit(learn, groups=groups)
    assert (
        maps.score(held) > (0.05 if isinstance(kind, Procrustes) else 0.15) and maps.get_params() == kind.get_params()
    )


def test_coral_gives_views_of_one_size_the_same_spread():
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4)) + 3 for _ in range(2))
    maps = Coral(strength=1e-6, standardise="none").fit([first, second])
    np.testing.assert_allclose(np.cov(maps.transform(second, 1).T), np.cov(first.T), atol=1e-2)
    np.testing.assert_allclose(maps.transform(first, 0), first, atol=1e-5)
