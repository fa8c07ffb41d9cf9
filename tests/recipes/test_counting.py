"""Costs of a plan: the published parameter counts, and operations and memory against measurements."""

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.methods.made import VIEWS, view_batch
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.methods.settings import TwoStreamConfig
from viewloom.methods.two_stream import TwoStream
from viewloom.nn.encoder import EncoderLayer
from viewloom.recipes.counting import head_costs, method_parameters, step_memory, step_operations
from viewloom.recipes.plan import Reading, pretraining_cost
from viewloom.training.settings import PretrainConfig


def test_parameters_at_2048_are_the_reports():
    assert method_parameters("two_stream", 2048, ("v3", "e4")) == {"refiner": 151_117_824, "joint": 1_372_026_880}
    assert method_parameters("two_stream_simple", 2048, ("v3", "e4"))["joint"] == 847_640_576
    assert method_parameters("sync_kd", 2048, ("v3", "e4")) == {"refiner": 151_117_824}
    assert method_parameters("cca", 16, ("v3", "e4")) == {}


@pytest.mark.parametrize("context", ["frame", "time"])
def test_operations_are_those_counted_while_it_runs(context):
    config = TwoStreamConfig(layers=2, joint_depth=0.3, context=context, dropout=0.0)
    method = TwoStream(32, VIEWS[:2], config).eval()
    batch = torch.randn(1, 2, 20, 32), torch.ones(1, 2, 20, dtype=torch.bool)
    # The plain kernel, since the counter doesn't know the fused one of the CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        method.encode(batch[0][:, 0], batch[1][:, 0], "v3")
    assert 20 * step_operations(method.refiner, context, 20) == pytest.approx(counter.get_total_flops(), rel=0.02)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        method.joint(batch[0], batch[1].any(dim=1))
    assert 20 * step_operations(method.joint, context, 20) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_memory_is_about_what_a_forward_pass_keeps():
    method = TwoStream(64, VIEWS[:2], TwoStreamConfig(layers=3, dropout=0.1)).train()
    x_BTD, mask_BT = torch.randn(1, 400, 64), torch.ones(1, 400, dtype=torch.bool)
    weights = {p.untyped_storage().data_ptr() for p in method.parameters()}
    kept = {}

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = method.encode(x_BTD, mask_BT, "v3")
    assert result.requires_grad
    assert 400 * step_memory(method.refiner, "frame") == pytest.approx(sum(kept.values()), rel=0.35)


def test_costs_of_a_head_grow_with_its_steps():
    torch.manual_seed(0)
    head = C2FTCN(8, 4, C2FTCN.Config(width=8))
    few, many = head_costs(head, 400), head_costs(head, 800)
    assert many[0] == pytest.approx(2 * few[0], rel=0.1)
    assert many[1] == pytest.approx(2 * few[1], rel=0.1)


@pytest.mark.parametrize("context", ["frame", "time", "batch"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("method", ["two_stream", "sync_kd"])
def test_a_plan_counts_the_steps_that_are_computed_of_a_whole_window(method, dropout, context, monkeypatch):
    """Four windows of ten steps in two views, filled to 30: what the plan says is what the layers see."""
    from viewloom.registry import METHODS

    changes = {"layers": 2, "dropout": dropout, "context": context, "loss_mean": "all", "window_steps": 30}
    config = METHODS.get(method).Config(**changes)
    seen = []
    monkeypatch.setattr(EncoderLayer, "forward", lambda self, x, sequences: (seen.append(x[..., 0].numel()), x)[1])
    METHODS.get(method)(32, VIEWS[:2], config).train()(view_batch((10,) * 4, 32, 2, holes=False))
    part = PretrainConfig(data="", run="r", views="v3,e4", method=method, method_options=config, batch_size=4, epochs=1)
    read = Reading(recordings=4, windows=8, frames=8 * 200, steps=80, longest=10, gib=0.0)
    found = [pretraining_cost(replace(part, method_options=c), read, 32, VIEWS[:2]) for c in (config, valid(config))]
    computed = max(seen) / 4
    assert computed == (11 if dropout == 0 and context == "frame" else 30)
    looking = {"frame": 1.0, "time": None, "batch": 1.0}[context]
    if looking:  # with context time each step also looks at more others
        assert found[0].operations / found[1].operations == pytest.approx(computed / 10)
    else:
        assert found[0].operations / found[1].operations > computed / 10
    assert found[0].memory_gib > found[1].memory_gib


def valid(config):
    """The same, over valid steps."""
    return replace(config, loss_mean="valid")
