"""Learned refiners: where they start, what their networks look at, and what contrast compares."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.methods.made import VIEWS, make_method, select_rows, view_batch, x_of
from viewloom.errors import ConfigError
from viewloom.methods.contrast import Contrast
from viewloom.methods.encoded import recording_ids
from viewloom.methods.settings import (
    BarlowTwinsConfig,
    CCAConfig,
    ContrastConfig,
    EncodedConfig,
    SyncKDConfig,
    TwoStreamConfig,
    VICRegConfig,
)
from viewloom.methods.start_map import whitening
from viewloom.nn.time_nets import build_net
from viewloom.registry import METHODS
from viewloom.windows.batch import Window

SMALL = {"hidden": 8, "layers": 2, "dropout": 0.0, "noise": 0.0}
LONG = (70, 60, 50)


def started(name="contrast", dims=7, views=3, batch=None, **settings):
    """A method as it is before its first step."""
    torch.manual_seed(0)
    method = METHODS.get(name)(dims, VIEWS[:views], METHODS.get(name).Config(**{**SMALL, **settings}))
    method.show_all(lambda: [view_batch(LONG, dims, views) if batch is None else batch])
    return method.eval()


def steps_of(method, batch, place):
    z_BTZ = method.encode(x_of(batch, place), batch.mask_BVT[:, place], batch.views[place])
    return z_BTZ[batch.mask_BVT[:, place]].detach()


@pytest.mark.parametrize("views", [2, 3])
def test_the_canonical_path_starts_as_the_method_cca(views):
    """All principal components are taken, so nothing is lost; the ridge is on whitened features, so it is small."""
    batch = view_batch((400, 300), dim=5, views=views, holes=False)
    method = started(dims=5, views=views, batch=batch)
    cca = make_method("cca", CCAConfig(out_dim=5, strength=1e-6, standardise="view"), 5, views, batch)
    for place in range(views):
        ours, theirs = steps_of(method, batch, place), steps_of(cca, batch, place)
        for component in range(3):
            found = np.corrcoef(ours[:, component], theirs[:, component])[0, 1]
            assert abs(found) > 0.999


def test_the_principal_path_keeps_sizes_and_the_random_one_lengths():
    batch = view_batch((400, 300), dim=5, holes=False)
    pca, turned = started(dims=5, batch=batch, path="pca"), started(dims=5, batch=batch, path="random")
    for place in range(3):
        x_ND = x_of(batch, place)[batch.mask_BVT[:, place]].double()
        x_ND = (x_ND - x_ND.mean(0)) / x_ND.std(0, unbiased=False)
        variances = np.sort(np.linalg.eigvalsh(np.cov(x_ND.T, bias=True)))[::-1]
        z_NZ = steps_of(pca, batch, place).double()
        np.testing.assert_allclose(z_NZ.var(0, unbiased=False), variances / variances.mean(), rtol=1e-3)
        z_NZ = steps_of(turned, batch, place).double()
        np.testing.assert_allclose(np.cov(z_NZ.T, bias=True), np.eye(5), atol=1e-4)
    assert not torch.allclose(turned.refiner.path.map_VPZ[0], turned.refiner.path.map_VPZ[1])


def test_whitened_components_have_deviation_one_and_those_without_rank_are_zero():
    generator = torch.Generator().manual_seed(0)
    x_ND = torch.randn(200, 3, generator=generator, dtype=torch.float64) @ torch.randn(
        3, 6, generator=generator, dtype=torch.float64
    )
    x_ND = x_ND - x_ND.mean(0)
    map_DP, variance_P = whitening(x_ND.mT @ x_ND / 200, used=5, room=6)
    whitened_NP = x_ND @ map_DP
    torch.testing.assert_close(whitened_NP[:, :3].mT @ whitened_NP[:, :3] / 200, torch.eye(3, dtype=torch.float64))
    assert not map_DP[:, 3:].any() and not variance_P[3:].any() and (variance_P[:2] >= variance_P[1:3]).all()
    nothing, _ = whitening(torch.zeros(4, 4, dtype=torch.float64), used=2, room=4)
    assert not nothing.any()


def test_few_steps_mean_few_components_and_are_said():
    few = started(dims=20, batch=view_batch((60, 50), dim=20, holes=False))
    assert (few.refiner.path.whiten_VDP.abs().sum(1) > 0).sum(1).tolist() == [11, 11, 11]  # of 110 steps
    assert "11 of v3, 11 of v4, 11 of e4" in few.chosen
    set_by_hand = started(dims=20, batch=view_batch((60, 50), dim=20, holes=False), pca_dim=15)
    assert (set_by_hand.refiner.path.whiten_VDP.abs().sum(1) > 0).sum(1).tolist() == [15, 15, 15]
    assert not set_by_hand.chosen and not started().chosen


@pytest.mark.parametrize("encoder", ["frame", "conv", "transformer"])
def test_networks_start_at_nothing_and_see_as_far_as_they_say(encoder):
    """Which steps an output depends on, by its gradient."""
    torch.manual_seed(0)
    net, mask_BT = build_net(encoder, 4, 8, 3, 2, 0.0).eval(), torch.ones(1, 15, dtype=torch.bool)
    x_BTP = torch.randn(1, 15, 4, requires_grad=True)
    assert not net(x_BTP, mask_BT).any()
    torch.nn.init.normal_(net.last.weight)
    net(x_BTP, mask_BT)[0, 7].sum().backward()
    seen = x_BTP.grad[0].abs().sum(-1) > 0
    expected = {"frame": [7], "conv": list(range(4, 11)), "transformer": list(range(15))}[encoder]
    assert seen.nonzero()[:, 0].tolist() == expected


def test_a_convolution_is_torch_s_own():
    torch.manual_seed(0)
    block = build_net("conv", 4, 6, 3, 2, 0.0).blocks[1]
    x_BTH = torch.randn(2, 9, 6)
    weight_OIK = block.taps.weight.unflatten(1, (3, 6)).transpose(1, 2)
    expected = torch.nn.functional.conv1d(x_BTH.mT, weight_OIK, block.taps.bias, padding=2, dilation=2).mT
    torch.testing.assert_close(block.taps(block._neighbours(x_BTH)), expected)


def test_a_gap_holds_nothing_for_a_convolution():
    torch.manual_seed(0)
    net, x_BTP = build_net("conv", 4, 8, 3, 2, 0.0).eval(), torch.randn(1, 12, 4)
    torch.nn.init.normal_(net.last.weight)
    mask_BT = torch.ones(1, 12, dtype=torch.bool)
    mask_BT[0, 5] = False
    spoilt = x_BTP.clone()
    spoilt[0, 5] = 100.0
    assert torch.equal(net(x_BTP, mask_BT), net(spoilt, mask_BT)) and not net(x_BTP, mask_BT)[0, 5].any()


def test_views_have_networks_of_their_own_unless_they_share_one():
    own, shared = started(), started(per_view=False)
    assert (len(own.refiner.encoders), len(shared.refiner.encoders)) == (3, 1)
    assert started(path_frozen=True).refiner.path.map_VPZ.requires_grad is False
    assert own.refiner.path.map_VPZ.requires_grad and own.refiner.sizes_tell
    assert not started("vicreg").refiner.sizes_tell and not started(path="pca").refiner.sizes_tell


def test_a_view_s_network_has_about_the_stated_size():
    with torch.device("meta"):
        refiner = Contrast(2048, ("a", "b")).refiner
    assert 250_000 < sum(p.numel() for p in refiner.encoders[0].parameters()) < 350_000


def test_noise_is_for_training_alone():
    method, batch = started(noise=0.5), view_batch()
    assert torch.equal(steps_of(method, batch, 0), steps_of(method, batch, 0))
    method.train()
    assert not torch.equal(steps_of(method, batch, 0), steps_of(method, batch, 0))


def test_more_canonical_components_than_there_are_are_refused():
    with pytest.raises(ConfigError, match="out_dim is 6, but there are only 5 canonical"):
        started(dims=(7, 5, 9), out_dim=6)
    assert started(dims=(7, 5, 9), out_dim=6, path="pca").refiner.out_dim == 6
    assert started(dims=(7, 5, 9)).refiner.out_dim == 5


def test_ey_starts_with_all_views_together_as_large_as_one():
    plain, ey = started(), started("ey")
    torch.testing.assert_close(ey.refiner.path.map_VPZ * 3**0.5, plain.refiner.path.map_VPZ)


def test_time_is_of_the_recording():
    method, batch = started(), view_batch((4, 3))
    windows = (Window("a", "a", 30, 38, 2), Window("b", "b", 0, 3, 1))
    batch = type(batch)(batch.features, batch.mask_BVT, windows)
    method.set_clock(10.0, 2)
    assert method.times_s(batch)[0].tolist() == pytest.approx([3.1, 3.3, 3.5, 3.7])
    assert method.times_s(batch)[1, :3].tolist() == pytest.approx([0.05, 0.15, 0.25])
    assert recording_ids(batch)[0] != recording_ids(batch)[1]


def test_of_too_many_steps_every_so_manieth_is_compared_by_epoch_and_window_alone():
    method, batch = started(negatives=20), view_batch((40, 31, 17), holes=False)
    both_BT = batch.mask_BVT[:, 0]
    kept_BT = method._thinned(both_BT, batch)
    assert not (kept_BT & ~both_BT).any() and 15 <= kept_BT.sum() <= 23
    assert all((row.nonzero()[:, 0].diff() == 5).all() for row in kept_BT)
    assert torch.equal(method._thinned(both_BT[[2, 0, 1]], select_rows(batch, [2, 0, 1])), kept_BT[[2, 0, 1]])
    found = set()
    for epoch in range(20):
        method.set_epoch(epoch)
        found |= set(method._thinned(both_BT, batch)[0].nonzero()[:, 0].tolist())
    assert found == set(range(40))
    assert torch.equal(started(negatives=88)._thinned(both_BT, batch), both_BT)


def test_pairs_of_many_views_are_drawn_alike_in_all_processes_and_anew_in_every_batch():
    method = started(views=4, pairs=2)
    assert len(method._pairs()) == 6  # in evaluation all
    method.train()
    draws = [method._pairs() for _ in range(6)]
    assert all(len(draw) == 2 for draw in draws) and len({str(draw) for draw in draws}) > 1
    method.set_epoch(0)
    assert [method._pairs() for _ in range(6)] == draws
    method.set_epoch(1)
    assert [method._pairs() for _ in range(6)] != draws


def test_contrast_leaves_out_what_is_near_in_time():
    batch = view_batch((9, 12), holes=False)
    near, far = (started(exclude_s=seconds)(batch).total for seconds in (0.0, 2.0))
    assert far < near and started(exclude_s=100.0)(select_rows(batch, [0])).total.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("config", "bad", "text"),
    [
        (EncodedConfig, {"pca_dim": -1}, "pca_dim"),
        (EncodedConfig, {"layers": 0}, "layers"),
        (EncodedConfig, {"dropout": 1.0}, "dropout"),
        (EncodedConfig, {"noise": -0.1}, "noise"),
        (ContrastConfig, {"temperature": 0.0}, "temperature"),
        (ContrastConfig, {"exclude_s": -1.0}, "exclude_s"),
        (ContrastConfig, {"negatives": 1}, "negatives"),
        (ContrastConfig, {"pairs": 0}, "pairs"),
        (VICRegConfig, {"invariance_weight": 0.0}, "invariance_weight"),
        (BarlowTwinsConfig, {"redundancy_weight": -1.0}, "redundancy_weight"),
    ],
)
def test_settings_that_can_not_work_are_refused(config, bad, text):
    with pytest.raises(ConfigError, match=text):
        config(**bad)


def test_defaults_of_the_networks_of_the_report_follow_the_stem():
    published, behind = TwoStreamConfig(), TwoStreamConfig(stem="cca")
    assert (published.layers, published.dropout, published.residual_start, published.joint_depth) == (6, 0.1, 1.0, 1.0)
    assert (published.standardise, published.variance_weight, published.invariance_weight) == ("none", 0.0, 1.0)
    assert (behind.layers, behind.dropout, behind.residual_start, behind.joint_depth) == (1, 0.0, 0.1, 0.1)
    assert (behind.standardise, behind.variance_weight, behind.invariance_weight) == ("view", 25.0, 25.0)
    assert (SyncKDConfig().teacher_path, SyncKDConfig(stem="pca").teacher_path) == ("network", "identity")
    assert TwoStreamConfig(stem="cca", layers=6, dropout=0.1).layers == 6  # as older files have it
    assert replace(behind, joint_depth=0.5).layers == 1


def test_a_start_is_worth_keeping_where_it_is_linear_alone():
    assert started().keeps_start
    for stem, kept in (("none", False), ("cca", True)):
        config = TwoStreamConfig(stem=stem, layers=1, joint_depth=0.1)
        assert METHODS.get("two_stream")(7, VIEWS[:2], config).keeps_start == kept
    assert not METHODS.get("sync_kd_head")(7, VIEWS[:2]).keeps_start
