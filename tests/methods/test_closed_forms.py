"""Ridge, CCA and the statistics under them: views that are missing, constant, or never meet."""

import itertools

import pytest
import torch

from tests.methods.made import VIEWS, make_method, put, select_rows, stacked, synchronised, view_batch, x_of
from viewloom.errors import ConfigError, DataError
from viewloom.methods.canonical import _by_products, _of_many_views, _of_two_views, canonical_maps, unit_maps
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.nn.moments import Moments
from viewloom.registry import METHODS

CCA, Ridge = METHODS.get("cca"), METHODS.get("ridge")


def test_moments_are_the_usual_ones_in_any_pieces():
    x_ND, y_NE = torch.randn(50, 3) + 100, torch.randn(50, 2)
    whole, parts, rest = Moments(3, 2), Moments(3, 2), Moments(3, 2)
    whole.add(x_ND, y_NE)
    parts.add(x_ND[30:], y_NE[30:])
    rest.add(x_ND[:30], y_NE[:30])
    parts.merge(rest)
    joint = torch.cat([x_ND, y_NE], dim=1).double()
    expected = torch.cov(joint.mT, correction=0)[:3, 3:]
    for moments in (whole, parts, whole.over_processes()):
        torch.testing.assert_close(moments.covariance_DE, expected)
        torch.testing.assert_close(moments.means[0], joint[:, :3].mean(0))
        torch.testing.assert_close(moments.means[1], joint[:, 3:].mean(0))
    assert whole.count == 50
    own, copied = Moments(3, 3), Moments(3, 3)
    own.add(x_ND, x_ND)
    copied.add(x_ND, x_ND.clone())
    torch.testing.assert_close(own.sums, copied.sums)
    torch.testing.assert_close(own.covariance_DE, torch.cov(x_ND.double().mT, correction=0))
    assert not Moments(3, 2).covariance_DE.any()


def test_ridge_uses_the_steps_that_student_and_teacher_share():
    batch = view_batch((60, 50), views=2, lacking=[(1, 1)])
    both = batch.mask_BVT[:, 0] & batch.mask_BVT[:, 1]
    method = make_method("ridge", batch=batch, views=2)
    only = select_rows(batch, [0])
    only.mask_BVT[:] = both[:1, None]
    again = make_method("ridge", batch=only, views=2)
    torch.testing.assert_close(method.refiner.weight_VDZ, again.refiner.weight_VDZ)


def test_cca_takes_every_pair_of_views_where_it_occurs():
    """Three views, of which a recording has any two: all covariances are known, though no step has all three."""
    lacking = [(0, 0), (1, 1), (2, 2)]
    method = make_method("cca", batch=view_batch((200, 210, 190), lacking=lacking))
    full = make_method("cca", batch=view_batch((200, 210, 190)))
    batch = view_batch((150,), holes=False)
    for view, name in enumerate(VIEWS[:3]):
        found, wanted = (m.encode(x_of(batch, view), batch.mask_BVT[:, view], name)[0, :, :3] for m in (method, full))
        alike = [torch.corrcoef(torch.stack([found[:, z], wanted[:, z]]))[0, 1].abs().item() for z in range(3)]
        assert min(alike) > 0.7


def test_views_that_never_meet():
    apart = view_batch((60, 50), lacking=[(0, 2), (1, 1)], holes=False)  # v3+v4, v3+e4
    method = make_method("cca", batch=apart)
    assert method.refiner.weight_VDZ.isfinite().all()
    alone = view_batch((60, 50), lacking=[(0, 2), (1, 0), (1, 1)], holes=False)  # v3+v4, e4 alone
    with pytest.raises(DataError, match="'e4' has no step in common with any other"):
        make_method("cca", batch=alone)
    with pytest.raises(DataError, match="'v3' and 'e4' have no step in common"):
        make_method("ridge", batch=alone)


@pytest.mark.parametrize("name", ["ridge", "cca"])
@pytest.mark.parametrize("standardise", ["none", "pooled", "view"])
def test_constant_features_and_views_stay_finite(name, standardise):
    batch = view_batch((60, 50))
    for x_BTD in batch.features.values():
        x_BTD[..., 3] = 5.0
    x_of(batch, 1)[:] = 2.0
    config = METHODS.get(name).Config(standardise=standardise)
    method = make_method(name, config, batch=batch)
    assert method.refiner.weight_VDZ.isfinite().all() and method.refiner.weight_VDZ[0].any()
    z_BTZ = method.encode(x_of(batch, 1), batch.mask_BVT[:, 1], "v4")
    assert z_BTZ.isfinite().all() and z_BTZ[batch.mask_BVT[:, 1]].std(0).max() < 1e-4


def test_fewer_steps_than_features():
    for name in ("ridge", "cca"):
        method = make_method(name, dim=16, views=2, batch=view_batch((6,), 16, 2))
        assert method.refiner.weight_VDZ.isfinite().all()


def test_cca_components_are_the_most_correlated_first():
    batch = view_batch((400, 300), dim=8, views=2, holes=False)
    method = make_method("cca", CCA.Config(out_dim=5, scale="unit", strength=1e-6), 8, 2, batch)
    assert method.refiner.out_dim == 5
    z_VNZ = [method.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v]) for v in range(2)]
    z_VNZ = [z[batch.mask_BVT[:, 0]] for z in z_VNZ]
    correlations = [torch.corrcoef(torch.stack([z_VNZ[0][:, z], z_VNZ[1][:, z]]))[0, 1].item() for z in range(5)]
    assert correlations == sorted(correlations, reverse=True) and correlations[0] > 0.8
    for z_NZ in z_VNZ:
        torch.testing.assert_close(torch.cov(z_NZ.mT, correction=0), torch.eye(5), atol=1e-3, rtol=0)
    weighted = make_method("cca", CCA.Config(out_dim=5, strength=1e-6), 8, 2, batch)
    shares = weighted.refiner.weight_VDZ.norm(dim=1) / method.refiner.weight_VDZ.norm(dim=1)
    torch.testing.assert_close(shares[0], shares[1])
    # On held-out pairs they are a little less, and what is not shared (the fifth of four) next to nothing.
    torch.testing.assert_close(shares[0, :4], torch.tensor(correlations[:4]), atol=0.03, rtol=0)
    assert shares[0, 4] < 0.06 < correlations[4]
    totals = method.moments.totals(torch.device("cpu"))
    covariances = method.moments.covariances(totals, method.refiner.standardiser)
    by_fit = canonical_maps(covariances, 1e-6, 5, "correlation")[0].norm(dim=0).float()
    torch.testing.assert_close(by_fit / method.refiner.weight_VDZ[0].norm(dim=0), torch.tensor(correlations))


@pytest.mark.parametrize("settings", [{"out_dim": -1}, {"strength": 0.0}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigError):
        CCA.Config(**settings)


def test_more_components_than_features_are_refused():
    with pytest.raises(ConfigError, match="only 7 features"):
        CCA(7, VIEWS[:2], CCA.Config(out_dim=8))


def test_ridge_strength_must_be_positive():
    with pytest.raises(ConfigError, match="strength"):
        Ridge.Config(strength=-1)


def test_two_views_are_a_case_of_many():
    """The quick way for two views solves the eigenproblem that more views need."""
    x_VND = synchronised(300, 6, 2, seed=4)
    sizes = (6, 5)  # views need not be of one size
    first_ND, second_NE = (
        torch.linalg.qr(x_ND[:, :size] - x_ND[:, :size].mean(0))[0] for x_ND, size in zip(x_VND, sizes, strict=True)
    )
    whitened = {(0, 1): first_ND.mT @ second_NE}
    quick, slow = _of_two_views(whitened, sizes, 4), _of_many_views(whitened, sizes, 4)
    torch.testing.assert_close(quick[0], slow[0])
    turned = [[part * vectors[0][0].sign() for part in vectors] for _, vectors in (quick, slow)]
    torch.testing.assert_close(*turned)


def covariances_of(x_VND):
    pairs = itertools.combinations_with_replacement(range(len(x_VND)), 2)
    return {(a, b): x_VND[a].mT @ x_VND[b] / len(x_VND[a]) for a, b in pairs}


@pytest.mark.parametrize("views", [2, 3])
def test_rough_components_are_nearly_the_exact_ones(views, monkeypatch):
    monkeypatch.setattr("viewloom.methods.canonical.LARGE", 10)
    covariances, ridges = covariances_of(synchronised(500, 80, views, seed=4)), [0.1] * views
    exact, rough = unit_maps(covariances, ridges, 3), unit_maps(covariances, ridges, 3, rough=True)
    torch.testing.assert_close(rough[1], exact[1], atol=1e-3, rtol=0)
    for one, other in zip(rough[0], exact[0], strict=True):
        alike_Z = torch.nn.functional.cosine_similarity(one, other, dim=0)
        assert alike_Z.min() > 0.99 and not torch.equal(one, other)


def test_products_alone_find_the_eigenvectors_of_many_views(monkeypatch):
    covariances = covariances_of(synchronised(500, 80, 3, seed=4))
    exact = unit_maps(covariances, [0.1] * 3, 4)
    monkeypatch.setattr("viewloom.methods.canonical.DENSE", 50)
    called = []
    monkeypatch.setattr(
        "viewloom.methods.canonical._by_products", lambda *args: called.append(1) or _by_products(*args)
    )
    sparse = unit_maps(covariances, [0.1] * 3, 4)
    assert called
    torch.testing.assert_close(sparse[1], exact[1], atol=1e-9, rtol=0)
    torch.testing.assert_close(sparse[0], exact[0], atol=1e-5, rtol=1e-4)


def test_signs_are_ours_and_not_the_solver_s(monkeypatch):
    batch = view_batch((60, 50), views=2)
    plain = make_method("cca", views=2, batch=batch).refiner.weight_VDZ
    svd = torch.linalg.svd

    def turned(matrix, **settings):
        left, values, right = svd(matrix, **settings)
        signs = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)[: len(values)]
        return left * signs, values, signs[:, None] * right

    monkeypatch.setattr(torch.linalg, "svd", turned)
    torch.testing.assert_close(make_method("cca", views=2, batch=batch).refiner.weight_VDZ, plain)


@pytest.mark.parametrize("standardise", ["pooled", "view"])
@pytest.mark.parametrize("name", ["ridge", "cca"])
def test_standardised_maps_are_those_of_features_standardised_beforehand(name, standardise):
    """Statistics are of all steps, maps of the shared ones; the views have means and holes of their own."""
    batch = view_batch((60, 50), views=2)
    x_of(batch, 0)[:] *= 3.0
    method = make_method(name, METHODS.get(name).Config(standardise=standardise), views=2, batch=batch)
    ready = view_batch((60, 50), views=2)
    for view, mask_BT in enumerate(batch.mask_BVT.unbind(1)):
        x_BTD = method.refiner.standardiser(x_of(batch, view), VIEWS[view])
        x_of(ready, view)[:] = x_BTD.masked_fill(~mask_BT[..., None], 1e3)
    plain = make_method(name, views=2, batch=ready)
    for view, mask_BT in enumerate(batch.mask_BVT.unbind(1)):
        found = method.encode(x_of(batch, view), mask_BT, VIEWS[view])
        wanted = plain.encode(x_of(ready, view), mask_BT, VIEWS[view])
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_ridge_is_the_formula_with_a_penalty_in_units_of_the_variance():
    batch = view_batch((60, 50), views=2, holes=False)
    put(batch, 5.0 * stacked(batch))
    method = make_method("ridge", Ridge.Config(strength=0.3), views=2, batch=batch)
    x_ND, y_ND = (x_of(batch, v)[batch.mask_BVT[:, v]].double() for v in range(2))
    centred_x_ND, centred_y_ND = x_ND - x_ND.mean(0), y_ND - y_ND.mean(0)
    penalty = 0.3 * x_ND.var(0, correction=0).mean() * len(x_ND)
    weight_DD = torch.linalg.solve(
        centred_x_ND.mT @ centred_x_ND + penalty * torch.eye(7), centred_x_ND.mT @ centred_y_ND
    )
    found = method.encode(x_of(batch, 0), batch.mask_BVT[:, 0], "v3")[batch.mask_BVT[:, 0]]
    torch.testing.assert_close(found, (centred_x_ND @ weight_DD + y_ND.mean(0)).float(), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("teacher", [0, 1])
def test_ridge_to_a_teacher_of_another_size_is_the_least_squares_fit(teacher):
    batch = view_batch((90, 70), (7, 4), views=2, holes=False)
    config, student = Ridge.Config(strength=1e-9, teacher=VIEWS[teacher]), 1 - teacher
    method = make_method("ridge", config, (7, 4), 2, batch)
    mask_BT = batch.mask_BVT[:, 0]
    x_ND, y_NE = (x_of(batch, view)[mask_BT].double() for view in (student, teacher))
    ones_N1 = torch.ones(len(x_ND), 1, dtype=torch.float64)
    with_one_ND = torch.cat([x_ND, ones_N1], dim=1)
    wanted_NE = with_one_ND @ torch.linalg.lstsq(with_one_ND, y_NE).solution
    found_NE = method.encode(x_of(batch, student), mask_BT, VIEWS[student])[mask_BT]
    torch.testing.assert_close(found_NE, wanted_NE.float(), atol=1e-3, rtol=1e-3)
    kept_BTE = method.encode(x_of(batch, teacher), mask_BT, VIEWS[teacher])
    torch.testing.assert_close(kept_BTE[mask_BT], x_of(batch, teacher)[mask_BT])


def test_cca_of_unequal_views_finds_their_canonical_correlations():
    batch = view_batch((200, 150), (7, 4), views=2, holes=False)
    config = CCA.Config(out_dim=3, strength=1e-6, standardise="view")
    method = make_method("cca", config, (7, 4), 2, batch)
    z_VNZ = [method.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v])[batch.mask_BVT[:, v]] for v in range(2)]
    pairs = [torch.stack([z_VNZ[0][:, z], z_VNZ[1][:, z]]) for z in range(3)]
    correlations = [torch.corrcoef(pair)[0, 1].item() for pair in pairs]
    white = [x - x.mean(0) for x in (x_of(batch, v)[batch.mask_BVT[:, v]].double() for v in range(2))]
    wanted = torch.linalg.svdvals(torch.linalg.qr(white[0])[0].mT @ torch.linalg.qr(white[1])[0])[:3]
    torch.testing.assert_close(torch.tensor(correlations), wanted.float(), atol=1e-3, rtol=0)


def test_views_of_unequal_sizes_have_no_pooled_statistics():
    with pytest.raises(ConfigError, match="v3 7, v4 4. Set standardise to view"):
        CCA((7, 4), VIEWS[:2], CCA.Config(standardise="pooled"))


@pytest.mark.parametrize("name", ["cca", "ridge"])
def test_maps_of_unequal_views_survive_their_file(name, tmp_path):
    batch = view_batch((90, 70), (7, 4), views=2)
    config = METHODS.get(name).Config(standardise="view")
    method = make_method(name, config, (7, 4), 2, batch)
    save_refiner(method.refiner, tmp_path / "refiner.safetensors")
    loaded = load_refiner(tmp_path / "refiner.safetensors")
    assert loaded.dims == (7, 4)
    for view, mask_BT in enumerate(batch.mask_BVT.unbind(1)):
        found = loaded.encode(x_of(batch, view), mask_BT, VIEWS[view])
        assert torch.equal(found, method.encode(x_of(batch, view), mask_BT, VIEWS[view]))
    with pytest.raises(DataError, match="takes features of size 4 of view 'v4', but these have 7"):
        loaded.encode(x_of(batch, 0), batch.mask_BVT[:, 0], "v4")
