"""Packed steps against the padded batch: the same loss and the same gradients of every method with encoder layers.

The reference computes every step of the padded batch, attention written out with all its scores, and masks at the
end; nothing of `Sequences` is in it. Tolerances: 1e-9 in float64, 1e-4 in float32, relative to the largest value.
"""

import copy

import pytest
import torch
import torch.nn.functional as F

from tests.methods.made import make_method, view_batch, x_of
from viewloom.methods import residual
from viewloom.nn import encoder, joint
from viewloom.nn.positions import rotation
from viewloom.registry import METHODS

WITH_LAYERS = [name for name in METHODS.names() if "context" in METHODS.get(name).Config.__dataclass_fields__]


class PaddedSequences:
    """Stands for `Sequences`: everything stays padded."""

    def __init__(self, context, mask_BT):
        self.context, self.mask_BT = context, mask_BT

    def pack(self, x_BTD):
        return x_BTD.masked_fill(~self.mask_BT[..., None], 0.0)

    def unpack(self, y_BTD):
        return y_BTD.masked_fill(~self.mask_BT[..., None], 0.0)


def turned(x_BHTW):
    pairs = x_BHTW.shape[-1] // 2
    cos, sin = rotation(x_BHTW.shape[2], x_BHTW.shape[3], x_BHTW)
    first, second, rest = x_BHTW[..., :pairs], x_BHTW[..., pairs : 2 * pairs], x_BHTW[..., 2 * pairs :]
    return torch.cat([first * cos - second * sin, first * sin + second * cos, rest], dim=-1)


def padded_attention(self, x_BTD, sequences):
    rows, steps, dim = x_BTD.shape
    qkv = F.linear(x_BTD, self.in_proj_weight, self.in_proj_bias).view(rows, steps, 3, self.heads, -1)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    if sequences.context == "time":
        q, k = turned(q), turned(k)
        seen_BTT = sequences.mask_BT[:, None, :].expand(rows, steps, steps) | torch.eye(steps, dtype=torch.bool)
    else:
        seen_BTT = torch.eye(steps, dtype=torch.bool).expand(rows, steps, steps)
    scores_BHTT = (q @ k.mT / (dim / self.heads) ** 0.5).masked_fill(~seen_BTT[:, None], -torch.inf)
    return self.out_proj((scores_BHTT.softmax(-1) @ v).transpose(1, 2).reshape(rows, steps, dim))


def outcome(method, batch):
    """Loss, its parts, gradients of parameters, and refined features."""
    method = copy.deepcopy(method)
    loss = method(batch)
    loss.total.backward()
    refined = [method.encode(x_of(batch, v), batch.mask_BVT[:, v], n) for v, n in enumerate(batch.views)]
    gradients = {name: p.grad for name, p in method.named_parameters()}
    return {"total": loss.total, "refined": torch.stack(refined)} | loss.parts | gradients


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("context", ["frame", "time"])
@pytest.mark.parametrize("name", WITH_LAYERS)
def test_packed_steps_give_what_the_padded_batch_gives(name, context, dtype, monkeypatch):
    known = METHODS.get(name).Config.__dataclass_fields__
    sizes = {"layers": 2, "joint_depth": 0.4, "dropout": 0.0, "decode_weight": 1.0, "variance_weight": 0.5}
    config = METHODS.get(name).Config(context=context, **{key: v for key, v in sizes.items() if key in known})
    method = make_method(name, config, dim=32).to(dtype).train()
    batch = view_batch((40, 3, 23, 11), 32, dtype=dtype, lacking=[(1, 0), (3, 2)])
    packed = outcome(method, batch)
    with monkeypatch.context() as patch:
        patch.setattr(encoder.SelfAttention, "forward", padded_attention)
        patch.setattr(residual, "Sequences", PaddedSequences)
        patch.setattr(joint, "Sequences", PaddedSequences)
        padded = outcome(method, batch)
    assert packed.keys() == padded.keys()
    gradients = [value for key, value in padded.items() if key in dict(method.named_parameters())]
    scale = max(float(value.abs().max()) for value in gradients)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-4
    for key, value in padded.items():
        atol = tolerance * (scale if value.ndim and key != "refined" else 1.0)
        torch.testing.assert_close(packed[key], value, atol=atol, rtol=tolerance, msg=lambda m, key=key: f"{key}: {m}")


def test_the_reference_is_in_the_way(monkeypatch):
    """That the patches above act: a broken reference must not agree."""
    method = make_method("two_stream", METHODS.get("two_stream").Config(layers=1, joint_depth=0.1), dim=32)
    batch = view_batch((9, 5), 32)
    right = outcome(method, batch)["total"]
    monkeypatch.setattr(
        encoder.SelfAttention, "forward", lambda self, x, sequences: 2 * padded_attention(self, x, sequences)
    )
    monkeypatch.setattr(residual, "Sequences", PaddedSequences)
    monkeypatch.setattr(joint, "Sequences", PaddedSequences)
    assert (outcome(method, batch)["total"] - right).abs() > 1e-3
