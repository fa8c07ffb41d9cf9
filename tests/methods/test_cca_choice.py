"""CCA on few steps: what is left open is chosen by what correlations exceed chance; what is set is obeyed."""

import pytest
import torch

from tests.methods.made import VIEWS, make_method, put, select_rows, stacked, view_batch, x_of
from viewloom.methods.cca_choice import STRENGTHS, Block, choose
from viewloom.methods.pair_moments import out_of_step
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.metrics.invariance import retrieval_accuracy
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window

CCA = METHODS.get("cca")


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
    eye_DD = torch.eye(4, dtype=torch.float64)
    block = Block(eye_DD, eye_DD, torch.diag(torch.tensor([0.9, 0.5, 0.1, 0.1]).double()), 0.2 * eye_DD)
    assert choose([block], 200, None, 0) == (1e-2, 2)
    assert choose([block], 199, None, 0)[0] in STRENGTHS
    assert choose([block], 50, 3.0, 0) == (3.0, 2) and choose([block], 50, None, 3)[1] == 3


def test_out_of_step_moves_the_valid_steps_alone():
    x_BTD = torch.arange(24.0).view(2, 6, 2)
    both_BT = torch.tensor([[True, True, False, True, True, False], [False, False, True, False, False, False]])
    first_ND, second_ND = out_of_step(x_BTD, -x_BTD, both_BT)
    assert first_ND[:, 0].tolist() == [0, 2, 6, 8] and second_ND[:, 0].tolist() == [-6, -8, 0, -2]


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
