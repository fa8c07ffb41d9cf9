"""Views of their own sizes: closed forms and stems against plain references in numpy, scipy and scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from sklearn.decomposition import PCA

from tests.methods.made import VIEWS, make_method, view_batch, x_of
from viewloom.methods.settings import CCAConfig, RidgeConfig, SyncKDConfig, TwoStreamConfig
from viewloom.methods.two_stream import TwoStream

SIZES = (7, 5, 9)
LENGTHS = (120, 90, 70)
STANDARDISE = pytest.mark.parametrize("standardise", ["none", "view"])


def batch_of(dims=SIZES, **options):
    return view_batch(LENGTHS, dims, len(dims), dtype=torch.float64, **options)


def shared(batch, *places):
    """Rows (N, D) of some views at the steps that all of these have."""
    both_BT = batch.mask_BVT[:, list(places)].all(dim=1)
    return [x_of(batch, place)[both_BT].numpy() for place in places]


def scaled(batch, place, standardise):
    """What a method sees of a view at every step it has: (x - mean) / deviation, or x."""
    (own,) = shared(batch, place)
    mean, deviation = (own.mean(0), own.std(0)) if standardise == "view" else (0.0, 1.0)
    return lambda x: (x - mean) / deviation


def refined(method, batch, place):
    """What a method makes of a view, at the steps it has."""
    mask_BT = batch.mask_BVT[:, place]
    with torch.no_grad():
        return method.double().encode(x_of(batch, place), mask_BT, VIEWS[place])[mask_BT].numpy()


@STANDARDISE
@pytest.mark.parametrize("teacher", ["", "v4", "v3"])
def test_ridge_is_least_squares_with_a_penalty(standardise, teacher):
    """Solved as an ordinary regression on rows to which the penalty is added as further rows."""
    batch, strength = batch_of(), 0.05
    method = make_method(
        "ridge", RidgeConfig(standardise=standardise, teacher=teacher, strength=strength), SIZES, 3, batch
    )
    target = VIEWS.index(teacher) if teacher else 2
    assert method.refiner.out_dim == SIZES[target]
    to_target = scaled(batch, target, standardise)
    for place in range(3):
        to_own = scaled(batch, place, standardise)
        wanted = to_own(shared(batch, place)[0])
        if place != target:
            x, y = shared(batch, place, target)
            x, y = to_own(x), to_target(y)
            centred = x - x.mean(0)
            penalty = np.sqrt(strength * len(x) * centred.var(0).mean()) * np.eye(SIZES[place])
            rows, values = (
                np.vstack([centred, penalty]),
                np.vstack([y - y.mean(0), np.zeros((SIZES[place], y.shape[1]))]),
            )
            weight = np.linalg.lstsq(rows, values, rcond=None)[0]
            wanted = (wanted - x.mean(0)) @ weight + y.mean(0)
        np.testing.assert_allclose(refined(method, batch, place), wanted, atol=2e-5)


@STANDARDISE
@pytest.mark.parametrize("dims", [(7, 5), (4, 11), SIZES, (6, 6, 3)])
def test_cca_is_the_generalised_eigenproblem_of_all_covariances(standardise, dims):
    """MAXVAR written out: C w = lambda D w, with C of all views and D of each alone, over the steps that there are."""
    batch, strength, components, views = batch_of(dims), 0.02, 3, len(dims)
    config = CCAConfig(standardise=standardise, strength=strength, out_dim=components, scale="unit")
    method = make_method("cca", config, dims, views, batch)
    ends = np.cumsum((0, *dims))
    together = np.zeros((ends[-1], ends[-1]))
    for a in range(views):
        for b in range(views):
            x, y = shared(batch, a, b)
            x, y = scaled(batch, a, standardise)(x), scaled(batch, b, standardise)(y)
            block = (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)
            if a == b:
                block += strength * block.diagonal().mean() * np.eye(dims[a])
            together[ends[a] : ends[a + 1], ends[b] : ends[b + 1]] = block
    apart = np.zeros_like(together)
    for a in range(views):
        own = slice(ends[a], ends[a + 1])
        apart[own, own] = together[own, own]
    values, vectors = eigh(together, apart)
    for place in range(views):
        own = slice(ends[place], ends[place + 1])
        (x,) = shared(batch, place)
        x = scaled(batch, place, standardise)(x)
        maps = vectors[own, ::-1][:, :components] * np.sqrt(views)
        wanted, found = (x - x.mean(0)) @ maps, refined(method, batch, place)
        signs = np.sign((wanted * found).sum(0))
        np.testing.assert_allclose(found, signs * wanted, atol=2e-4)
    assert (values[::-1][:components] > 1).all(), "views that share something"


def stem_of(kind, dims=SIZES, batch=None, **changes):
    config = TwoStreamConfig(stem=kind, layers=1, joint_depth=0.1, dropout=0.0, **changes)
    return make_method("two_stream", config, dims, len(dims), batch if batch is not None else batch_of(dims))


def behind(method, batch, place):
    """A view behind the stem, at the steps it has."""
    with torch.no_grad():
        z_BTW = method.double().refiner.prepare(batch.valid(VIEWS[place]), VIEWS[place])
    return z_BTW[batch.mask_BVT[:, place]].numpy()


@STANDARDISE
def test_a_pca_stem_starts_from_scikit_learn_s_components(standardise):
    """The same subspace, in the same order, up to signs and one scale for a view."""
    batch = batch_of()
    method = stem_of("pca", batch=batch, standardise=standardise, width=4)
    for place in range(3):
        (x,) = shared(batch, place)
        wanted = PCA(4).fit_transform(scaled(batch, place, standardise)(x))
        wanted /= np.sqrt(wanted.var(0).mean())
        found = behind(method, batch, place)
        np.testing.assert_allclose(found, np.sign((found * wanted).sum(0)) * wanted, atol=1e-4)
        assert np.square(found).mean() == pytest.approx(1.0, abs=1e-4), "views of equal size together"


def test_a_pca_stem_wider_than_a_view_leaves_the_rest_empty():
    batch = batch_of()
    method = stem_of("pca", batch=batch, width=8)
    ranks = [np.linalg.matrix_rank(behind(method, batch, place), tol=1e-6) for place in range(3)]
    assert method.width == 8 and ranks == [7, 5, 8]


@STANDARDISE
@pytest.mark.parametrize("dims", [(7, 5), SIZES])
def test_a_cca_stem_starts_from_the_most_correlated_directions(standardise, dims):
    """As `cca` has them; and more correlated than what PCA starts from, or any other directions."""
    batch = batch_of(dims)
    method = stem_of("cca", dims, batch, standardise=standardise, width=3)
    cca = make_method("cca", CCAConfig(out_dim=3, standardise=standardise), dims, len(dims), batch)
    for place in range(len(dims)):
        np.testing.assert_allclose(behind(method, batch, place), refined(cca, batch, place), atol=1e-4)

    def together(maps):
        x, y = (values @ weight for values, weight in zip(shared(batch, 0, 1), maps, strict=True))
        return np.corrcoef(x[:, 0], y[:, 0])[0, 1]

    weights = method.refiner.stem.weight_VDW.detach().numpy()
    maps = [weights[place, : dims[place]] for place in range(2)]
    if standardise == "view":
        maps = [m / shared(batch, place)[0].std(0)[:, None] for place, m in enumerate(maps)]
    rng = np.random.default_rng(0)
    others = [abs(together([rng.normal(size=(dims[p], 1)) for p in range(2)])) for _ in range(200)]
    assert together(maps) > 0.9 and together(maps) > max(others)
    if len(dims) == 2:
        pca = stem_of("pca", dims, batch, width=3).refiner.stem.weight_VDW.detach().double().numpy()
        assert together(maps) > abs(together([pca[place, : dims[place]] for place in range(2)]))


@pytest.mark.parametrize("method", ["two_stream", "sync_kd"])
@pytest.mark.parametrize("kind", ["pca", "cca"])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_frozen_stem_stays_where_it_starts(method, kind, frozen):
    config = TwoStreamConfig(joint_depth=0.1) if method == "two_stream" else SyncKDConfig()
    config = replace(config, stem=kind, stem_frozen=frozen, layers=1)
    made = make_method(method, config, SIZES).train()
    stem, layer = made.refiner.stem, made.refiner.layers[0].linear1.weight
    before, moved = {name: value.clone() for name, value in stem.state_dict().items()}, layer.detach().clone()
    adam = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], 1e-2)
    for _ in range(3):
        adam.zero_grad()
        made(view_batch(dim=SIZES)).total.backward()
        adam.step()
    assert not torch.equal(layer, moved)
    same = {name: torch.equal(value, before[name]) for name, value in stem.state_dict().items()}
    assert same == {"weight_VDW": frozen, "offset_VW": frozen, "ready": True}


def test_the_rest_behind_a_smaller_view_is_never_used():
    """Zeros stand there, get no gradient, and could be anything."""
    method, batch = stem_of("cca").float().train(), view_batch(dim=SIZES)
    loss = method(batch).total
    loss.backward()
    stem = method.refiner.stem
    for place, dim in enumerate(SIZES):
        assert not stem.weight_VDW.grad[place, dim:].any() and stem.weight_VDW.grad[place, :dim].any()
        stem.weight_VDW.data[place, dim:] = torch.nan
    assert torch.equal(method(batch).total, loss)


def parameters(method):
    return sum(p.numel() for p in method.parameters())


def test_a_stem_makes_two_streams_at_1280_features_small():
    """Without one the joint stream alone has more than 500 million weights there."""
    with torch.device("meta"):
        large = parameters(TwoStream(1280, VIEWS[:2], TwoStreamConfig()))
    assert large > 500e6
    for dims in ((1280, 1280), (2048, 1024), (19, 1280)):
        small = TwoStream(dims, VIEWS[:2], TwoStreamConfig(stem="cca"))
        assert parameters(small) < 10e6, parameters(small)
        assert small.width == min(*dims, 128)
