"""Counting tensors without values gives what the same computation takes with them."""

import gc

import pytest
import torch
from torch import nn

from viewloom.nn.live import META, Live, valueless


def work(device):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 8)).to(device)
    x_ND = torch.ones(3, 10, 16, device=device)[torch.ones(3, 10, dtype=torch.bool, device=device)]
    parts = torch.split(net(x_ND), torch.full((3,), 10, device=device).tolist())
    net, torch.cat(parts).square().mean().backward()


def test_the_peak_is_that_of_a_real_run():
    gc.collect()
    with Live() as real:
        work("cpu")
    with valueless(10) as counted:
        work(META)
    assert counted.peak == pytest.approx(real.peak, rel=0.1) and counted.peak > 4 * 30 * 64
    gc.collect()
    assert counted.now < counted.peak


def test_nothing_is_left_behind():
    before = torch.autocast
    with pytest.raises(ZeroDivisionError), valueless(4):
        assert int(torch.ones(2).sum().long()) == 4 and bool(torch.zeros(1) > 1)
        raise ZeroDivisionError
    assert torch.autocast is before and torch.ones(1).device.type == "cpu"
