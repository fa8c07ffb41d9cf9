"""What is particular to ASFormer: its published names, sizes and cost, its windows, looking back only."""

import json
import os
from pathlib import Path

import pytest
import torch

from tests.heads.counted import largest_tensor, operations
from tests.heads.published_names import asformer_shapes
from viewloom.errors import ConfigError
from viewloom.heads.asformer import ASFormer
from viewloom.nn.window_attention import attend_blocks

PUBLISHED = ASFormer.Config(masks="released", standardise=False)


def on_meta(dim, classes, config=PUBLISHED):
    with torch.device("meta"):
        return ASFormer(dim, classes, config)


@pytest.mark.parametrize(("dim", "classes"), [(2048, 202), (16, 7)])
def test_names_and_shapes_are_the_published_ones(dim, classes):
    head = on_meta(dim, classes)
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == asformer_shapes(dim, classes)
    assert {name for name, _ in head.named_parameters()} == set(asformer_shapes(dim, classes))


def test_names_are_those_of_a_real_checkpoint(assembly101):
    path = Path(os.path.normpath(assembly101 / ".." / "legacy" / "state_dict_keys.json"))
    if not path.is_file():
        pytest.skip(f"{path.name} with the published names isn't beside the annotations")
    found = {name: tuple(shape) for name, shape in json.loads(path.read_text())["asformer"].items()}
    assert found == asformer_shapes(2048, 202)


def test_published_size_has_1217192_parameters_and_4_4_gigaflops():
    head = on_meta(2048, 202)
    assert sum(parameter.numel() for parameter in head.parameters()) == 1_217_192
    assert operations(head, 1200) == pytest.approx(4.4e9, rel=0.05)


def test_memory_of_50000_steps_grows_with_their_number():
    for causal in (False, True):
        head = on_meta(16, 7, ASFormer.Config(causal=causal))
        few, many = (largest_tensor(head, steps) for steps in (50_000, 100_000))
        assert many == pytest.approx(2 * few, rel=0.02)
        assert few < 50_000 * 1100


def test_50000_steps_pass():
    torch.manual_seed(0)
    head = ASFormer(3, 4, ASFormer.Config(width=4, layers=6, decoders=1)).eval()
    with torch.inference_mode():
        levels = head(torch.randn(1, 50_000, 3), torch.ones(1, 50_000, dtype=torch.bool))
    assert all(level.shape == (1, 50_000, 4) and level.isfinite().all() for level in levels)


def looked_at(width, **options):
    """Bool (T, T) over 40 steps: which steps (second axis) each step looks at."""
    steps = 40
    same_1CT = torch.zeros(1, 1, steps)
    valid_1T = torch.ones(1, steps, dtype=torch.bool)
    one_by_one = torch.eye(steps)[:, None]
    seen = [attend_blocks(same_1CT, same_1CT, value[None], valid_1T, width, **options) for value in one_by_one]
    return torch.cat(seen)[:, 0].T > 0


@pytest.mark.parametrize("width", [1, 2, 8, 16])
def test_a_block_sees_itself_and_half_as_many_steps_on_either_side(width):
    for step, row in enumerate(looked_at(width)):
        start = step // width * width
        expected = range(max(0, start - width // 2), min(40, start + width + width // 2))
        assert row.nonzero().flatten().tolist() == list(expected)


@pytest.mark.parametrize("width", [1, 2, 8, 16])
def test_causal_attention_sees_a_window_before_its_block_and_up_to_itself(width):
    for step, row in enumerate(looked_at(width, causal=True)):
        expected = range(max(0, step // width * width - width), step + 1)
        assert row.nonzero().flatten().tolist() == list(expected)


def test_the_released_window_lacks_its_last_step():
    exact, released = looked_at(8), looked_at(8, released=True)
    assert (exact & ~released).nonzero().tolist() == [[step, step // 8 * 8 + 11] for step in range(32)]
    assert torch.equal(looked_at(1), looked_at(1, released=True))


@pytest.mark.parametrize("step", [1, 31, 64, 97])
def test_a_causal_head_never_looks_ahead(step):
    """Bit for bit, in training mode too; the step itself does count."""
    torch.manual_seed(0)
    config = ASFormer.Config(width=8, layers=7, causal=True, dropout=0.0, channel_dropout=0.0)
    head, mask_BT = ASFormer(5, 4, config), torch.ones(2, 100, dtype=torch.bool)
    x_BTD = torch.randn(2, 100, 5)
    changed_BTD = x_BTD.clone()
    changed_BTD[:, step:] = 50 * torch.randn(2, 100 - step, 5)
    shorter_BT = mask_BT.clone()
    shorter_BT[:, step:] = False
    for training in (False, True):
        head.train(training)
        levels = head(x_BTD, mask_BT)
        for other in (head(changed_BTD, mask_BT), head(x_BTD, shorter_BT)):
            for level, changed in zip(levels, other, strict=True):
                assert torch.equal(level[:, :step], changed[:, :step])
                assert not torch.allclose(level[:, step], changed[:, step])


def test_a_head_that_is_not_causal_does_look_ahead():
    torch.manual_seed(0)
    head, mask_BT = ASFormer(5, 4, ASFormer.Config(width=8)).eval(), torch.ones(1, 40, dtype=torch.bool)
    x_BTD = torch.randn(1, 40, 5)
    changed_BTD = x_BTD.clone()
    changed_BTD[:, 39] += 1.0
    assert not torch.allclose(head(x_BTD, mask_BT)[0][:, 38], head(changed_BTD, mask_BT)[0][:, 38])


def test_later_decoders_trust_their_attention_less():
    weights = [layer.alpha for stage in on_meta(4, 3).decoders for layer in stage.layers]
    assert weights == pytest.approx([1.0] * 10 + [0.049787] * 10 + [0.0024788] * 10, abs=1e-6)


def test_training_drops_whole_features_and_values():
    torch.manual_seed(0)
    x_BTD, mask_BT = torch.randn(1, 30, 40), torch.ones(1, 30, dtype=torch.bool)
    seen = []
    for options in ({"dropout": 0.0}, {"channel_dropout": 0.0}, {"dropout": 0.0, "channel_dropout": 0.0}):
        head = ASFormer(40, 4, ASFormer.Config(width=8, layers=2, decoders=0, **options)).train()
        head.encoder.conv_1x1.register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
        first, second = (head(x_BTD, mask_BT)[0] for _ in range(2))
        assert torch.equal(first, second) == (len(options) == 2)
    dropped = ~seen[0].any(dim=1)
    assert 4 < dropped.sum() < 22
    torch.testing.assert_close(seen[0][~dropped] * 0.7, x_BTD[0].T[~dropped])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 0}, "layers is 0: it has to be from 1 to 16"),
        ({"decoders": -1}, "decoders is -1"),
        ({"width": 0}, "width is 0"),
        ({"width": 6, "reduction": 4}, "reduction is 4; it must divide width 6"),
        ({"dropout": 1.0}, "dropout is 1.0: it has to be 0 or more and below 1"),
        ({"channel_dropout": -0.1}, "channel_dropout is -0.1"),
        ({"smoothing": -0.1}, "smoothing is -0.1"),
        ({"masks": "none"}, "masks is 'none'; it can be exact or released"),
        ({"masks": "released", "causal": True}, "look ahead; with causal true set masks to exact"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=f"^(Head asformer: .*)?{message}"):
        ASFormer.Config(**settings)
