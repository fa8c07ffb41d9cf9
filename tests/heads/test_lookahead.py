"""Heads that wait: what a step is, is read later, and no later step than that has a say in it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.errors import ConfigError
from viewloom.heads.lookahead import ahead, behind
from viewloom.nn.dilated import delays
from viewloom.registry import HEADS

SMALL = {"width": 8, "layers": 4, "decoders": 1, "refinements": 1, "refinement_layers": 3}
WAITING = [name for name in HEADS.names() if hasattr(HEADS.settings(name)(), "lookahead_steps")]
each = pytest.mark.parametrize("name", WAITING)


def make(name, **options):
    cls = HEADS.get(name)
    torch.manual_seed(1)
    known = {key: value for key, value in SMALL.items() if hasattr(cls.Config(), key)}
    head = cls(4, 3, cls.Config(**known, causal=True, **options))
    x_BTD = torch.randn(1, 300, 4)
    head.observe(x_BTD, torch.ones(1, 300, dtype=torch.bool))
    head.solve_scaling()
    return head.eval()


def test_heads_that_stream_by_what_they_keep_can_wait():
    assert {"tcn", "ms_tcn2", "asformer"} <= set(WAITING)


@each
@settings(max_examples=15, deadline=None)
@given(lookahead=st.integers(0, 40), at=st.integers(0, 140), seed=st.integers(0, 999), holes=st.booleans())
@torch.inference_mode()
def test_nothing_later_than_the_lookahead_changes_a_step(name, lookahead, at, seed, holes):
    """Bit for bit, of features and of which steps have some; and those that may, do."""
    head, generator = make(name, lookahead_steps=lookahead), torch.Generator().manual_seed(seed)
    x_BTD = torch.randn(1, 200, 4, generator=generator)
    mask_BT = torch.rand(1, 200, generator=generator) > (0.2 if holes else 0)
    mask_BT[0, at], mask_BT[0, -1] = True, True
    other_BTD, other_BT = x_BTD.clone(), mask_BT.clone()
    other_BTD[:, at + lookahead + 1 :] = torch.randn(other_BTD[:, at + lookahead + 1 :].shape, generator=generator)
    other_BT[:, at + lookahead + 1 : -1] ^= True
    for one, same in zip(head(x_BTD, mask_BT), head(other_BTD, other_BT), strict=True):
        assert torch.equal(one[:, : at + 1], same[:, : at + 1])
    if mask_BT[0, at + 1 : at + lookahead + 1].any():
        other_BTD, other_BT = x_BTD.clone(), mask_BT
        other_BTD[:, at + 1 : at + lookahead + 1] += 3 * torch.randn(4, generator=generator)
        assert not torch.equal(head(x_BTD, mask_BT)[0][:, at], head(other_BTD, other_BT)[0][:, at])


@torch.inference_mode()
def test_a_tcn_whose_layers_all_wait_looks_ahead_and_back_alike():
    """The same weights without causal give the same, where neither sees the row's ends."""
    cls = HEADS.get("tcn")
    waiting, both = make("tcn", lookahead_steps=15), cls(4, 3, cls.Config(width=8, layers=4)).eval()
    both.load_state_dict(waiting.state_dict())
    x_BTD, mask_BT = torch.randn(2, 90, 4), torch.ones(2, 90, dtype=torch.bool)
    one, other = (head(x_BTD, mask_BT)[0][:, 15:-15] for head in (waiting, both))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@given(lookahead=st.integers(0, 300), layers=st.integers(1, 8))
def test_delays_are_dilations_and_the_lookahead_together(lookahead, layers):
    found = delays(lookahead, layers)
    assert all(wait in (0, 2**layer) for layer, wait in enumerate(found))
    assert sum(found) == min(lookahead, 2**layers - 1)


@each
@torch.inference_mode()
def test_what_is_added_to_waits_as_long_as_the_head(name):
    """A head whose layers add nothing says at once what it would say without waiting."""
    waiting, plain = make(name, lookahead_steps=7), make(name)
    for head in (waiting, plain):
        for key, value in head.named_parameters():
            if "layers" in key or "conv_fusion" in key or "conv_dilated" in key or "Rs." in key or "decoders." in key:
                value.zero_()
    x_BTD, mask_BT = torch.randn(2, 90, 4), torch.ones(2, 90, dtype=torch.bool)
    one, other = (head(x_BTD, mask_BT)[-1] for head in (waiting, plain))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert one.std(dim=1).min() > 1e-3


def test_rows_are_read_behind_their_own_end():
    mask_BT = torch.tensor([[True, False, True, False, False], [True] * 5, [False] * 5])
    x_BTD, inner_BT = ahead(torch.full((3, 5, 2), 9.0), mask_BT, 2)
    assert inner_BT.sum(dim=1).tolist() == [5, 7, 2] and inner_BT[0, :5].all()
    assert x_BTD[..., 0].sum(dim=1).tolist() == [18.0, 45.0, 0.0]
    level_BTK = torch.arange(7.0)[None, :, None].expand(3, 7, 1)
    assert behind(level_BTK, mask_BT, 2)[..., 0].tolist() == [[2, 0, 4, 0, 0], [2, 3, 4, 5, 6], [0] * 5]


@each
def test_a_lookahead_goes_with_causal(name):
    with pytest.raises(ConfigError, match="looks ahead anyway; set causal to true"):
        HEADS.settings(name)(lookahead_steps=3)
    with pytest.raises(ConfigError, match="lookahead_steps is -1"):
        HEADS.settings(name)(causal=True, lookahead_steps=-1)
