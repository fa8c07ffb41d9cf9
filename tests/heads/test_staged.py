"""What is particular to heads of dilated stages: looking back only, reach, length, dropout, settings."""

import pytest
import torch

from viewloom.errors import ConfigError
from viewloom.recipes.counting import head_costs
from viewloom.registry import HEADS

STAGED = {"tcn": {"layers": 6}, "ms_tcn2": {"layers": 6, "refinements": 2, "refinement_layers": 5}}
every = pytest.mark.parametrize("name", STAGED)
DIM, CLASSES = 4, 3


def make(name, **options):
    torch.manual_seed(0)
    cls = HEADS.get(name)
    return cls(DIM, CLASSES, cls.Config(**({"width": 8} | STAGED[name] | options))).eval()


def row(steps=90):
    return torch.randn(1, steps, DIM, generator=torch.Generator().manual_seed(2)), torch.ones(
        1, steps, dtype=torch.bool
    )


@every
@pytest.mark.parametrize("at", [1, 40, 89])
def test_a_causal_head_knows_nothing_of_the_future(name, at):
    """Bit for bit; the step itself counts, and without `causal` the future does."""
    x_BTD, mask_BT = row()
    other_BTD = x_BTD.clone()
    other_BTD[:, at:] = 7 * torch.randn_like(other_BTD[:, at:])
    causal, both = make(name, causal=True), make(name)
    for one, other in zip(causal(x_BTD, mask_BT), causal(other_BTD, mask_BT), strict=True):
        assert torch.equal(one[:, :at], other[:, :at])
        assert not torch.equal(one[:, at], other[:, at])
    assert not torch.equal(both(x_BTD, mask_BT)[0][:, :at], both(other_BTD, mask_BT)[0][:, :at])


@every
def test_a_causal_head_says_the_same_before_the_rest_has_come(name):
    causal, (x_BTD, mask_BT) = make(name, causal=True), row()
    whole, part = causal(x_BTD, mask_BT)[0], causal(x_BTD[:, :50], mask_BT[:, :50])[0]
    torch.testing.assert_close(whole[:, :50], part, atol=1e-6, rtol=0)


def test_reach_of_a_tcn_is_what_its_layers_give():
    """Six layers see 63 steps to each side; looking back only, 126 and none."""
    for causal, back, ahead in ((False, 63, 63), (True, 126, 0)):
        head = make("tcn", causal=causal).double()
        x_BTD = torch.randn(1, 300, DIM, dtype=torch.float64, requires_grad=True)
        level_BTK = head(x_BTD, torch.ones(1, 300, dtype=torch.bool))[0]
        level_BTK[0, 150].sum().backward()
        seen = x_BTD.grad[0].abs().sum(dim=-1).nonzero()[:, 0]
        assert (150 - back, 150 + ahead) == (seen.min(), seen.max())


@every
@torch.no_grad()
def test_long_rows_pass(name):
    head, (x_BTD, mask_BT) = make(name), row(50_000)
    levels = head(x_BTD, mask_BT)
    assert head.decode(levels, mask_BT).isfinite().all()


@every
def test_costs_grow_with_the_length_alone(name):
    """Twenty thousand steps cost ten times what two thousand do, in operations and in memory."""
    few, many = head_costs(make(name), 2_000), head_costs(make(name), 20_000)
    assert many[0] == pytest.approx(10 * few[0], rel=0.01)
    assert many[1] == pytest.approx(10 * few[1], rel=0.05)


@every
def test_dropout_is_on_in_training_only(name):
    x_BTD, mask_BT = row()
    head, without = make(name), make(name, dropout=0.0)
    assert head.config.dropout == 0.5
    plain, again = head(x_BTD, mask_BT), head(x_BTD, mask_BT)
    for one, same, other in zip(plain, again, without.train()(x_BTD, mask_BT), strict=True):
        assert torch.equal(one, same) and torch.equal(one, other)
    assert not [one for one, other in zip(plain, head.train()(x_BTD, mask_BT), strict=True) if torch.equal(one, other)]


@every
def test_what_is_dropped_is_what_layers_add(name):
    """All of it dropped leaves the two 1x1 convolutions of the first stage."""
    (x_BTD, mask_BT), head = row(), make(name, dropout=1 - 1e-12, standardise=False).train()
    first, last = (
        (head.PG.conv_1x1_in, head.PG.conv_out) if name == "ms_tcn2" else (head.stage.conv_1x1, head.stage.conv_out)
    )
    torch.testing.assert_close(head(x_BTD, mask_BT)[-1], last(first(x_BTD.mT)).mT)


@every
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width is 0"),
        ({"layers": 0}, "layers is 0"),
        ({"layers": 17}, "layers is 17: it has to be from 1 to 16"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"smoothing": -1.0}, "smoothing is -1.0"),
        ({"smoothing_limit": 0.0}, "smoothing_limit is 0.0"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, settings, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        HEADS.get(name).Config(**settings)
