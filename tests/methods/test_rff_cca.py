"""Random Fourier features: the kernel they stand for, their width, and curved relations that lines don't follow."""

import numpy as np
import pytest
import torch

from tests.methods.made import VIEWS, make_method, select_rows, view_batch, x_of
from tests.methods.reference_closed import canonical, fourier
from viewloom.errors import ConfigError
from viewloom.methods.closed_settings import RFFCCAConfig
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.methods.rff_cca import median_distance
from viewloom.methods.sample import HashedSample
from viewloom.methods.settings import CCAConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window

PLAIN = {"standardise": "none", "strength": 0.01, "scale": "unit"}


def test_products_of_features_are_the_kernel():
    refiner = METHODS.get("rff_cca")(5, VIEWS[:2], RFFCCAConfig(features=20_000)).refiner
    width = 1.7
    refiner.set_width(0, width)
    x_ND = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    phi_NM = refiner.expand(x_ND[None], torch.ones(1, 30, dtype=torch.bool), 0, None)[0]
    wanted = torch.exp(-torch.cdist(x_ND, x_ND).square() / (2 * width**2))
    torch.testing.assert_close(phi_NM @ phi_NM.mT, wanted, atol=0.03, rtol=0)


@pytest.mark.parametrize("dims", [(5, 4), (4, 3, 5)])
def test_components_are_those_of_random_features(dims):
    batch = view_batch((90, 70), dims, len(dims), holes=False, dtype=torch.float64)
    config = RFFCCAConfig(**PLAIN, features=8, out_dim=3)
    method = make_method("rff_cca", config, dims, len(dims), batch).double()
    refiner, mask_BT = method.refiner, batch.mask_BVT[:, 0]
    stacked = [
        fourier(x_of(batch, v)[mask_BT].numpy(), refiner.frequency_VKM[v, :dim].numpy(), refiner.phase_VM[v].numpy())
        for v, dim in enumerate(dims)
    ]
    maps, _ = canonical(stacked, 0.01, 3)
    for v, view in enumerate(VIEWS[: len(dims)]):
        found = method.encode(x_of(batch, v), mask_BT, view)[mask_BT].numpy()
        wanted = (stacked[v] - stacked[v].mean(0)) @ maps[v]
        np.testing.assert_allclose(found, wanted * np.sign((found * wanted).sum(0)), atol=1e-4)


def test_width_is_the_median_distance_of_standardised_components():
    batch = view_batch((90, 70), (12, 9), 2, holes=False, dtype=torch.float64)
    x_of(batch, 0)[..., 3] *= 100
    widths = []
    for seed in (0, 1):
        config = RFFCCAConfig(features=200, pca_dim=4, bandwidth=2.0, seed=seed, strength=0.1, out_dim=2)
        method = make_method("rff_cca", config, (12, 9), 2, batch).double()
        x_ND = x_of(batch, 0)[batch.mask_BVT[:, 0]].numpy()
        x_ND = (x_ND - x_ND.mean(0)) / x_ND.std(0)
        scores = x_ND @ np.linalg.svd(x_ND, full_matrices=False)[2][:4].T
        gaps = np.linalg.norm(scores[:, None] - scores[None], axis=-1)[np.triu_indices(len(scores), 1)]
        drawn = METHODS.get("rff_cca")((12, 9), VIEWS[:2], config).refiner.frequency_VKM
        widths.append((drawn[0] / method.refiner.frequency_VKM[0]).mean().item())
        assert widths[-1] == pytest.approx(2 * np.sort(gaps)[(len(gaps) - 1) // 2], rel=1e-3)
    assert widths[0] == pytest.approx(widths[1], rel=1e-6)
    one, other = (
        METHODS.get("rff_cca")(9, VIEWS[:2], RFFCCAConfig(features=200, seed=seed)).refiner for seed in (0, 1)
    )
    for drawn in (one.frequency_VKM, one.phase_VM):
        assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(one.frequency_VKM, other.frequency_VKM)


def test_a_sample_depends_on_the_steps_alone():
    whole = view_batch((60, 50, 41), 3, 2)
    one, other = HashedSample(3, 40), HashedSample(3, 40)
    one.add(whole, "v3")
    for rows in ([2], [0], [1]):
        other.add(select_rows(view_batch((60, 50, 41), 3, 2, steps=80), rows), "v3")
    assert torch.equal(one.over_processes(), other.over_processes()) and len(one.over_processes()) == 40
    every = HashedSample(3, 4000)
    every.add(whole, "v3")
    valid_ND = x_of(whole, 0)[whole.mask_BVT[:, 0]].double()
    assert torch.equal(every.over_processes().sort(0)[0], valid_ND.sort(0)[0])
    shares = np.mean(
        [(x_of(whole, 0)[0, :60, 0] == value).any().item() for value in one.over_processes()[:, 0].float()]
    )
    assert 0.2 < shares < 0.6  # a third of the steps are of the first recording


def test_curves_that_no_line_follows_are_found():
    """One view sees an angle's cosine and sine, the other those of its double: linearly they have nothing in common."""
    generator = torch.Generator().manual_seed(0)
    angle_T = 2 * np.pi * torch.rand(800, generator=generator)
    first, second = (torch.stack([torch.cos(k * angle_T), torch.sin(k * angle_T)], -1) for k in (1, 2))
    x_VTD = torch.stack([first, second]) + 0.05 * torch.randn(2, 800, 2, generator=generator)
    windows = tuple(Window(f"r{row}", "x", 0, 200, 1) for row in range(4))
    batch = ViewBatch.stacked(
        x_VTD.view(2, 4, 200, 2).transpose(0, 1), torch.ones(4, 2, 200, dtype=torch.bool), windows, VIEWS[:2]
    )
    found = {}
    for name, config in (("rff_cca", RFFCCAConfig(features=100, out_dim=2)), ("cca", CCAConfig(out_dim=2))):
        method = make_method(name, config, 2, 2, batch)
        z = [method.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v]).flatten(0, 1) for v in range(2)]
        found[name] = np.mean([np.corrcoef(z[0][:, i], z[1][:, i])[0, 1] for i in range(2)])
    assert found["rff_cca"] > 0.9 and found["cca"] < 0.3


def test_its_file_needs_no_seed(tmp_path, monkeypatch):
    batch = view_batch((90, 70), (7, 4), 2)
    method = make_method("rff_cca", RFFCCAConfig(features=30), (7, 4), 2, batch)
    save_refiner(method.refiner, tmp_path / "refiner.safetensors")
    monkeypatch.setattr(torch, "randn", lambda *size, **_: torch.zeros(*size))
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.zeros(*size))
    loaded = load_refiner(tmp_path / "refiner.safetensors")
    for v in range(2):
        found = loaded.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v])
        assert torch.equal(found, method.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v]))


def test_steps_that_are_all_the_same_have_a_width():
    assert median_distance(torch.ones(5, 3)) == 1.0 == median_distance(torch.ones(1, 3))
    batch = view_batch((60, 50), views=2)
    x_of(batch, 1)[:] = 2.0
    method = make_method("rff_cca", RFFCCAConfig(features=20), views=2, batch=batch)
    assert method.refiner.weight_VDZ.isfinite().all()


@pytest.mark.parametrize("wrong", [{"features": 0}, {"bandwidth": 0.0}, {"pca_dim": -1}, {"strength": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        RFFCCAConfig(**wrong)
