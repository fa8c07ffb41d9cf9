"""Layers that look back, in blocks: the same as in one go, whatever comes at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.nn.dilated import DilatedConv1d
from viewloom.nn.stream import BLOCK, Stream, flowing, looking_back
from viewloom.nn.window_attention import attend_behind, attend_blocks, steps_behind


def in_blocks(layer, x_BCT):
    """The layer's output over whole blocks of a row."""
    stream, layers, found = Stream(), looking_back(layer), []
    for x_BCS in x_BCT.split(BLOCK, dim=-1):
        with flowing(layers, stream):
            found.append(layer(x_BCS))
        stream.advance()
    return torch.cat(found, dim=-1), stream


@pytest.mark.parametrize("dilation", [1, 4, 100])
def test_blocks_of_a_convolution_are_those_of_the_row(dilation):
    layer, x_BCT = DilatedConv1d(3, dilation, causal=True).double(), torch.randn(1, 3, 8 * BLOCK, dtype=torch.float64)
    found, stream = in_blocks(layer, x_BCT)
    torch.testing.assert_close(found, layer(x_BCT), atol=1e-12, rtol=0)
    assert stream.start == 8 * BLOCK
    assert {name: tuple(past.shape) for name, past in stream.past.items()} == {"0.": (1, 3, 2 * dilation)}


def test_a_layer_is_outside_of_a_stream_again_afterwards_also_after_an_error():
    layer = DilatedConv1d(2, 1, causal=True)
    with pytest.raises(ZeroDivisionError), flowing(looking_back(layer), Stream()):
        assert layer.stream is not None
        raise ZeroDivisionError
    assert layer.stream is None and "stream" not in vars(layer)


def test_two_networks_keep_their_layers_apart():
    first, second = DilatedConv1d(2, 1, causal=True), DilatedConv1d(2, 1, causal=True)
    assert list(looking_back(first, second)) == ["0.", "1."]


@settings(max_examples=30, deadline=None)
@given(
    power=st.integers(0, 8),
    blocks=st.integers(1, 5),
    holes=st.floats(0, 0.9),
    seed=st.integers(0, 2**16),
)
def test_attention_behind_is_causal_attention_of_blocks(power, blocks, holes, seed):
    """Of any block of the row, for windows narrower and wider than a block."""
    width, generator = 2**power, torch.Generator().manual_seed(seed)
    q, k, v = torch.randn(3, 1, 2, blocks * BLOCK, generator=generator, dtype=torch.float64)
    valid = torch.rand(1, blocks * BLOCK, generator=generator) >= holes
    wanted = attend_blocks(q, k, v, valid, width, causal=True)
    behind = steps_behind(width, BLOCK)
    padded = [torch.nn.functional.pad(part, (behind, 0)) for part in (k, v, valid)]
    for start in range(0, blocks * BLOCK, BLOCK):
        end = start + BLOCK
        seen = [part[..., start : end + behind] for part in padded]
        found = attend_behind(q[..., start:end], *seen, width, start)
        for step in valid[0, start:end].nonzero()[:, 0].tolist():
            torch.testing.assert_close(found[..., step], wanted[..., start + step], atol=1e-12, rtol=0)
