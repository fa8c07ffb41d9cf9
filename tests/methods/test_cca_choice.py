"""CCA on few steps: what is left open is chosen by correlations on held-out pairs; what is set is obeyed."""

import numpy as np
import pytest
import torch

from tests.methods.made import VIEWS, make_method, put, select_rows, stacked, view_batch, x_of
from viewloom.methods.canonical import canonical_maps
from viewloom.methods.cca_choice import LEAST, STRENGTHS, choose, strengths_to_try
from viewloom.methods.fold_moments import Fold, FoldMoments
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.metrics.invariance import retrieval_accuracy
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window

CCA = METHODS.get("cca")
PAIRS = ((0, 0), (0, 1), (1, 1))


def few_steps(rows, steps=37, dim=300, latent=6, noise=0.7, seed=0):
    """Two views of slow latent steps, each through a mixing of its own, with many more features than steps."""
    looks, world = (torch.Generator().manual_seed(value) for value in (0, 1 + seed))
    mix_VLD = torch.randn(2, latent, dim, generator=looks, dtype=torch.float64)
    noise_BVTL = torch.randn(rows, 2, steps, latent, generator=world, dtype=torch.float64) * noise
    latent_BTL = torch.randn(rows, steps + 2, latent, generator=world, dtype=torch.float64)
    latent_BTL = (latent_BTL[:, 2:] + latent_BTL[:, 1:-1] + latent_BTL[:, :-2]) / 3**0.5
    x_BVTD = torch.einsum("bvtl,vld->bvtd", latent_BTL[:, None] + noise_BVTL, mix_VLD)
    x_BVTD = x_BVTD + 0.5 * torch.randn(x_BVTD.shape, generator=world, dtype=torch.float64)
    mask_BVT = torch.ones(rows, 2, steps, dtype=torch.bool)
    windows = tuple(Window(f"r{row}", f"r{row}", 0, steps, 1) for row in range(rows))
    return ViewBatch.stacked(x_BVTD.float(), mask_BVT, windows, VIEWS[:2])


def retrieval(method, batch):
    views = [method.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v]) for v in range(2)]
    return sum(retrieval_accuracy(z.numpy(), 1) for z in torch.stack(views, dim=1)) / len(batch.windows)


def test_with_fewer_steps_than_features_it_finds_more_than_all_components_do():
    batch, held = few_steps(5), few_steps(4, seed=7)
    plain = make_method("none", views=2, dim=300)
    all_of_them = make_method("cca", CCA.Config(out_dim=300, strength=1e-2), 300, 2, batch)
    method = make_method("cca", None, 300, 2, batch)
    assert method.refiner.out_dim < 60 and "of 300 components" in method.chosen and "185 steps" in method.chosen
    assert retrieval(method, held) > retrieval(all_of_them, held) + 0.1
    assert retrieval(method, held) > retrieval(plain, held) + 0.2


def test_views_with_nothing_in_common_keep_hardly_any():
    batch, other = few_steps(5), few_steps(5, seed=3)
    x_of(batch, 1)[:] = x_of(other, 1)
    shared = make_method("cca", None, 300, 2, few_steps(5)).refiner.out_dim
    assert make_method("cca", None, 300, 2, batch).refiner.out_dim < shared


@pytest.mark.parametrize("settings", [{"out_dim": 5}, {"strength": 0.3}, {"out_dim": 7, "strength": 0.01}])
def test_what_is_set_is_obeyed(settings):
    batch = view_batch((60, 50), views=2)
    method = make_method("cca", CCA.Config(**settings), 7, 2, batch)
    assert method.refiner.out_dim == settings.get("out_dim", method.refiner.out_dim)
    assert (method.chosen == "") == (len(settings) == 2)
    if "strength" in settings:
        assert settings["strength"] == 0.01 or "ridge of 0.3 times" in method.chosen
    assert method.config == CCA.Config(**settings)


def test_much_data_takes_the_usual_ridge():
    assert strengths_to_try(None, 200, 4) == (1e-2,)
    assert strengths_to_try(None, 199, 4) == STRENGTHS
    assert strengths_to_try(3.0, 50, 4) == strengths_to_try(3.0, 500, 4) == (3.0,)


def fold_of(learn_r, held_r, dim=4, steps=100):
    """Views of unit variance; correlations by feature on either side, and .2 between others on the held-out one."""
    eye_DD = torch.eye(dim, dtype=torch.float64)
    learn, held = (torch.diag(torch.tensor(values).double()) for values in (learn_r, held_r))
    held = held + 0.2 * (1 - eye_DD)
    return Fold({(0, 0): eye_DD, (1, 1): eye_DD, (0, 1): learn}, {(0, 0): eye_DD, (1, 1): eye_DD, (0, 1): held}, {
        (0, 0): steps, (1, 1): steps, (0, 1): steps
    })  # fmt: skip


def test_components_are_kept_that_exceed_chance_on_held_out_pairs():
    """Chance is .2: a correlation of .5 exceeds it clearly, one of .35 doesn't, whatever it was in what was fitted."""
    choice = choose([fold_of([0.9, 0.8, 0.7, 0.6], [0.9, 0.5, 0.35, 0.6])], (1e-9,), 0, 4)
    torch.testing.assert_close(
        choice.correlations_Z, torch.tensor([0.9, 0.5, 0.475, 0.475]).double(), atol=1e-6, rtol=0
    )
    choice = choose([fold_of([0.9, 0.8, 0.7, 0.6], [0.9, 0.5, 0.35, 0.3])], (1e-9,), 0, 4)
    assert choice.size == 2 == len(choice.correlations_Z)
    choice = choose([fold_of([0.9, 0.8, 0.7, 0.6], [-0.5, -0.3, -0.2, -0.1])], (1e-9,), 0, 4)
    assert choice.size == 1 and choice.correlations_Z.tolist() == [LEAST]
    choice = choose([fold_of([0.9, 0.8, 0.7, 0.6], [0.9, 0.5, 0.0, -0.4])], (1e-9,), 3, 4)
    assert choice.size == 3 and choice.correlations_Z[2] == LEAST
    assert choose([], (1.0,), 0, 4) is None


def test_folds_count_by_their_steps():
    one, other = fold_of([0.9] * 4, [0.8] * 4, steps=30), fold_of([0.9] * 4, [0.4] * 4, steps=10)
    choice = choose([one, other], (1e-9,), 0, 4)
    torch.testing.assert_close(choice.correlations_Z, torch.full((4,), 0.7).double(), atol=1e-6, rtol=0)


def test_correlations_are_those_of_numpy_on_held_out_recordings():
    """Fitted on two recordings, measured on the third, each in turn: the slow way, from the features themselves."""
    batch = view_batch((80, 70, 60), (7, 5), 2, holes=False, dtype=torch.float64)
    method = make_method("cca", CCA.Config(strength=0.1, out_dim=3), (7, 5), 2, batch)
    found, rows = np.zeros(3), [[x_of(batch, v)[r, :n].numpy() for v in range(2)] for r, n in enumerate((80, 70, 60))]
    for out in range(3):
        learn = [np.concatenate([rows[r][v] for r in range(3) if r != out]) for v in range(2)]
        learn = [x_ND - x_ND.mean(0) for x_ND in learn]
        covariances = {(a, b): torch.from_numpy(learn[a].T @ learn[b] / len(learn[0])) for a, b in PAIRS}
        maps = [map_DZ.numpy() for map_DZ in canonical_maps(covariances, 0.1, 3, "unit")]
        z = [rows[out][v] @ maps[v] for v in range(2)]
        found += len(z[0]) / 210 * np.array([np.corrcoef(z[0][:, i], z[1][:, i])[0, 1] for i in range(3)])
    unit = make_method("cca", CCA.Config(strength=0.1, out_dim=3, scale="unit"), (7, 5), 2, batch)
    shares = method.refiner.weight_VDZ.norm(dim=1) / unit.refiner.weight_VDZ.norm(dim=1)
    assert (np.diff(found) < 0).all()  # so that nothing is smoothed
    np.testing.assert_allclose(shares.numpy(), np.stack([found] * 2), atol=1e-5)


def test_the_ridge_is_the_one_that_correlates_most_on_held_out_pairs():
    """Of all ridges, the choice finds as much on recordings never seen as the best, or nearly."""
    batch, held = few_steps(5), few_steps(4, seed=7)
    chosen = make_method("cca", None, 300, 2, batch)
    each = [make_method("cca", CCA.Config(strength=s), 300, 2, batch) for s in STRENGTHS]
    assert retrieval(chosen, held) >= max(retrieval(method, held) for method in each) - 0.03
    assert retrieval(chosen, held) > min(retrieval(method, held) for method in each) + 0.03


@pytest.mark.parametrize("most", [1, 2, 3, 4, 9, 40])
def test_folds_follow_from_the_set_of_recordings(most):
    """In any order and batches; up to four recordings are a fold each, more share them, one is divided by time."""
    windows = [Window(f"r{i}", "x", 0, 8, 1) for i in range(most)]
    generator = torch.Generator().manual_seed(0)
    x_BVTD, mask_BVT = torch.randn(most, 2, 8, 3, generator=generator), torch.ones(most, 2, 8, dtype=torch.bool)
    whole = ViewBatch.stacked(x_BVTD, mask_BVT, windows, VIEWS[:2])
    one, other = FoldMoments((3, 3), VIEWS[:2]), FoldMoments((3, 3), VIEWS[:2])
    one.add(whole)
    for row in torch.randperm(most, generator=generator).tolist():
        other.add(select_rows(whole, [row]))
    cpu = torch.device("cpu")
    totals = one.totals(cpu)
    torch.testing.assert_close(other.totals(cpu)[0, 1].covariance_DE, totals[0, 1].covariance_DE)
    assert totals[0, 1].count == 8 * most and sorted(one.folds) == sorted(other.folds)
    for key, fold in one.folds.items():
        torch.testing.assert_close(fold.moments[0, 1].sums, other.folds[key].moments[0, 1].sums)
    counts = [int(fold.moments[0, 1].count) for fold in one.folds.values()]
    assert len(counts) == 4 if most in (1, 4) else len(counts) in (most, 2, 3, 4)
    assert counts == [2] * 4 if most == 1 else not any(count % 8 for count in counts)
    assert max(counts) < 8 * most or most == 1
    for fold in one.held_out(totals, make_method("cca", dim=3, views=2, batch=whole).refiner.standardiser, cpu):
        assert 0 < fold.steps[0, 1] < 8 * most


def test_fewer_folds_where_they_take_much_memory():
    assert FoldMoments((2000,) * 4, VIEWS).most == 2 and FoldMoments((2048,) * 2, VIEWS[:2]).most == 4


def test_neither_padding_nor_batches_change_the_choice():
    batch = view_batch((60, 50, 41))
    whole = make_method("cca", batch=batch).refiner
    pieces = METHODS.get("cca")(7, VIEWS[:3])
    for row in (2, 0, 1):
        pieces.accumulate(select_rows(view_batch((60, 50, 41), steps=75), [row]))
    pieces.solve()
    assert pieces.refiner.out_dim == whole.out_dim
    torch.testing.assert_close(pieces.refiner.weight_VDZ, whole.weight_VDZ)


def test_windows_of_a_single_step_leave_a_bound():
    batch = view_batch((1,) * 40, views=2, holes=False)
    put(batch, torch.randn(stacked(batch).shape, generator=torch.Generator().manual_seed(0)))
    assert make_method("cca", batch=batch, views=2).refiner.out_dim == 4


def test_the_number_chosen_survives_the_file(tmp_path):
    method = make_method("cca", None, 300, 2, few_steps(5))
    save_refiner(method.refiner, tmp_path / "refiner.safetensors")
    loaded, batch = load_refiner(tmp_path / "refiner.safetensors"), few_steps(2, seed=9)
    assert loaded.out_dim == method.refiner.out_dim < 300
    assert retrieval(loaded, batch) == retrieval(method, batch)
