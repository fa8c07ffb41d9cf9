"""Encoder layers, positions, sizes: what the parity tests don't say."""

import math

import pytest
import torch
from torch import nn

from viewloom.nn.encoder import SelfAttention, Sequences, encoder_layers
from viewloom.nn.joint import JointStream
from viewloom.nn.positions import rotate, rotation
from viewloom.nn.sizes import Stage, head_count, pseudo_3d_stages, refiner_stage, simple_stages


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_sizes_come_out_exactly_at_2048():
    with torch.device("meta"):
        assert parameters(encoder_layers(refiner_stage(2048), 0.1)) == 151_117_824
        assert parameters(JointStream(pseudo_3d_stages(2048), 2048, 0.1, "frame")) == 1_372_026_880
        assert parameters(JointStream(simple_stages(2048), 2048, 0.1, "frame")) == 847_640_576


def test_published_heads_and_widths_at_2048():
    assert refiner_stage(2048) == Stage(2048, 6, 32, 2048)
    stages = pseudo_3d_stages(2048)
    assert stages == (Stage(4096, 3, 8, 2048), Stage(6144, 6, 16, 2048), Stage(2048, 1, 32, 2048))
    assert simple_stages(2048) == (Stage(4096, 10, 32, 2048),)


def test_more_views_widen_the_first_stage_alone():
    assert [stage.width for stage in pseudo_3d_stages(64, 3)] == [192, 192, 64]
    assert [stage.width for stage in simple_stages(64, 4)] == [256]


@pytest.mark.parametrize("width", [1, 7, 16, 31, 32, 48, 96, 100, 1408, 1536])
@pytest.mark.parametrize("published", [1, 8, 16, 32])
def test_heads_divide_any_width_and_stay_wide(width, published):
    heads = head_count(width, published)
    assert 1 <= heads <= published and width % heads == 0
    assert heads == 1 or width // heads >= 16
    better = range(heads + 1, published + 1)
    assert not [more for more in better if width % more == 0 and width // more >= 16]


def test_names_shapes_and_start_are_those_of_torch():
    torch.manual_seed(0)
    ours = encoder_layers(Stage(48, 2, 4, 24), 0.1)
    layer = nn.TransformerEncoderLayer(48, 4, 24)
    theirs = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    shapes = {f"layers.{name}": value.shape for name, value in ours.state_dict().items()}
    assert shapes == {name: value.shape for name, value in theirs.state_dict().items()}
    for name, value in layer.state_dict().items():
        mine = ours[0].state_dict()[name]
        assert mine.std().item() == pytest.approx(value.std().item(), rel=0.15), name
        assert mine.abs().max().item() == pytest.approx(value.abs().max().item(), rel=0.15), name
    assert not torch.equal(ours[0].linear1.weight, ours[1].linear1.weight)


def encode(layers, x_BTD, mask_BT, context):
    sequences = Sequences(context, mask_BT)
    y_PD = sequences.pack(x_BTD)
    for layer in layers:
        y_PD = layer(y_PD, sequences)
    return sequences.unpack(y_PD)


@pytest.mark.parametrize("context", ["frame", "time", "batch"])
def test_packing_puts_every_step_back(context):
    x_BTD, mask_BT = torch.randn(3, 5, 4), torch.rand(3, 5) > 0.4
    sequences = Sequences(context, mask_BT)
    expected = x_BTD.masked_fill(~mask_BT[..., None], 0)
    assert torch.equal(sequences.unpack(sequences.pack(x_BTD)), expected)


@pytest.mark.parametrize(
    ("context", "seen"), [("frame", {(1, 2)}), ("time", {(1, 0), (1, 2), (1, 3)}), ("batch", None)]
)
def test_a_step_sees_what_its_context_says(context, seen):
    torch.manual_seed(0)
    layers = encoder_layers(Stage(16, 2, 1, 16), 0.0).eval()
    x_BTD = torch.randn(3, 4, 16, requires_grad=True)
    mask_BT = torch.tensor([[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1]]).bool()
    encode(layers, x_BTD, mask_BT, context)[1, 2].square().sum().backward()
    touched = {tuple(place) for place in (x_BTD.grad.abs().sum(-1) > 0).nonzero().tolist()}
    assert touched == (seen if seen is not None else {(0, 2), (1, 2), (2, 2)})


def test_time_context_knows_order_and_distance_but_not_the_start():
    torch.manual_seed(0)
    layers = encoder_layers(Stage(32, 2, 2, 16), 0.0).double().eval()
    for parameter in layers.parameters():
        parameter.data.mul_(2)
    x_1TD, mask_1T = torch.randn(1, 6, 32).double(), torch.ones(1, 6, dtype=torch.bool)
    plain = encode(layers, x_1TD, mask_1T, "time")
    turned = encode(layers, x_1TD.flip(1), mask_1T, "time").flip(1)
    assert (plain - turned).abs().max() > 1e-3
    late = encode(layers, nn.functional.pad(x_1TD, (0, 0, 700, 0)), nn.functional.pad(mask_1T, (700, 0)), "time")
    torch.testing.assert_close(late[:, 700:], plain)


@pytest.mark.parametrize("width", [1, 2, 7, 64])
def test_rotation_keeps_lengths_and_makes_products_relative(width):
    q_NHSW, k_NHSW = torch.randn(1, 2, 1, width).double(), torch.randn(1, 2, 1, width).double()
    cos, sin = rotation(1200, width, q_NHSW)
    turned_q, turned_k = (rotate(x.expand(1, 2, 1200, width), cos, sin) for x in (q_NHSW, k_NHSW))
    torch.testing.assert_close(turned_q.norm(dim=-1), q_NHSW.norm(dim=-1).expand(1, 2, 1200))
    products = turned_q @ turned_k.mT
    torch.testing.assert_close(products[..., 5, 2], products[..., 1190, 1187])
    if width > 1:
        assert (products[..., 5, 2] - products[..., 5, 3]).abs().max() > 1e-6


def test_rotation_is_exact_in_single_precision_over_a_long_window():
    cos, _ = rotation(100_000, 8, torch.zeros(1))
    assert cos[99_999, 0].item() == pytest.approx(math.cos(99_999), abs=1e-6)


def test_a_row_without_any_step_leaves_all_gradients_finite():
    torch.manual_seed(0)
    layers = encoder_layers(Stage(16, 2, 1, 16), 0.0)
    x_BTD = torch.full((2, 5, 16), float("nan"))
    x_BTD[0] = 1.0
    mask_BT = torch.tensor([[True] * 5, [False] * 5])
    x_BTD.requires_grad_()
    for context in ("frame", "time"):
        y_BTD = encode(layers, x_BTD, mask_BT, context)
        assert y_BTD.isfinite().all() and not y_BTD[1].any()
        y_BTD.square().sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in layers.parameters())
        assert x_BTD.grad.isfinite().all()


@pytest.mark.parametrize("context", ["frame", "time"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_batch_without_any_step_gives_zeros_and_zero_gradients(context, dropout):
    layers = encoder_layers(Stage(16, 2, 2, 16), dropout)
    y_BTD = encode(layers, torch.randn(2, 5, 16), torch.zeros(2, 5, dtype=torch.bool), context)
    assert y_BTD.shape == (2, 5, 16) and not y_BTD.any()
    y_BTD.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in layers.parameters())


def test_dropped_attention_of_a_single_step_drops_whole_heads():
    """As torch does: the weight of the only key is dropped, or scaled up."""
    torch.manual_seed(0)
    attention = SelfAttention(8, 4, 0.5)
    nn.init.eye_(attention.out_proj.weight)
    x_ND = torch.randn(2000, 8)
    with torch.no_grad():
        calm = attention.eval()(x_ND, Sequences("frame", torch.ones(2000, 1).bool()))
        wild = attention.train()(x_ND, Sequences("frame", torch.ones(2000, 1).bool()))
    share = (wild / calm).view(2000, 4, 2)
    assert torch.isclose(share[..., 0], share[..., 1], atol=1e-3).all()
    dropped = share[..., 0].abs() < 1e-3
    assert torch.isclose(share[..., 0][~dropped], torch.tensor(2.0), atol=1e-3).all()
    assert dropped.float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_heads_of_a_single_step_are_dropped_apart():
    torch.manual_seed(0)
    attention = SelfAttention(8, 4, 0.5).train()
    nn.init.eye_(attention.out_proj.weight)
    with torch.no_grad():
        y_ND = attention(torch.randn(4000, 8) + 3, Sequences("frame", torch.ones(4000, 1).bool()))
    left_N = (y_ND.view(4000, 4, 2) != 0).any(dim=-1).sum(dim=1)
    shares = [(left_N == heads).float().mean().item() for heads in range(5)]
    assert shares == pytest.approx([1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16], abs=0.03)


def test_attention_in_time_is_dropped_in_training_only():
    torch.manual_seed(0)
    attention, sequences = SelfAttention(8, 2, 0.5), Sequences("time", torch.ones(1, 50).bool())
    x_ND = torch.randn(50, 8)
    with torch.no_grad():
        wild, calm = ([attention.train(mode)(x_ND, sequences) for _ in range(2)] for mode in (True, False))
    assert torch.equal(*calm) and (wild[0] - wild[1]).abs().max() > 1e-3
