"""A pre-training step against a straightforward padded float32 one of the same model. JSON on standard output.

The plain side is written as one would at first: the padded batch goes through `torch.nn.TransformerEncoderLayer`
(context frame: every step a sequence of one) or explicit masked attention with rotary positions (context time), and
the losses are means over what the mask leaves. Both sides have the same weights, the same batch of eight windows of
100 to 1200 steps, two views each, and the same optimiser; before the clock starts, their losses and all their
gradients are compared without dropout, to 1e-4 of the largest gradient. A step is forward, backward and AdamW.

    python benchmarks/step.py --dim 128
"""

import argparse
import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from timing import in_turn, ratio, show
from torch import Tensor, nn

from viewloom.methods.settings import TwoStreamConfig
from viewloom.methods.two_stream import TwoStream
from viewloom.nn.positions import rotation
from viewloom.windows.batch import ViewBatch, Window

LENGTHS = (100, 180, 260, 340, 420, 520, 760, 1200)
"""Steps of the windows: 61 % of the padded batch is padding; of the published windows, at least 49 % is."""


def make_batch(lengths: list[int], dim: int, views: int = 2) -> ViewBatch:
    """Random features, zeros behind the shorter windows."""
    mask_BVT = torch.zeros(len(lengths), views, max(lengths), dtype=torch.bool)
    for row, length in enumerate(lengths):
        mask_BVT[row, :, :length] = True
    x_BVTD = torch.randn(*mask_BVT.shape, dim).relu() * mask_BVT[..., None]
    windows = tuple(Window(f"r{row}", f"r{row}", 0, 20 * n, 20) for row, n in enumerate(lengths))
    return ViewBatch.stacked(x_BVTD, mask_BVT, windows, tuple(f"v{view}" for view in range(views)))


class ExplicitLayer(nn.TransformerEncoderLayer):
    """Masked attention over time written out: scores, softmax, weighted sum, over the padded batch."""

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:  # type: ignore[override]
        attention, (rows, steps, dim) = self.self_attn, x_BTD.shape
        heads = attention.num_heads
        qkv = F.linear(x_BTD, attention.in_proj_weight, attention.in_proj_bias)
        q, k, v = (part.view(rows, steps, heads, -1).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
        cos, sin = rotation(steps, dim // heads, q)
        q, k = (turn(part, cos, sin) for part in (q, k))
        scores_BHTT = q @ k.mT / (dim // heads) ** 0.5
        scores_BHTT = scores_BHTT.masked_fill(~mask_BT[:, None, None], float("-inf"))
        weights_BHTT = F.dropout(scores_BHTT.softmax(-1), attention.dropout, self.training)
        seen_BTD = (weights_BHTT @ v).transpose(1, 2).reshape(rows, steps, dim)
        x_BTD = self.norm1(x_BTD + self.dropout1(attention.out_proj(seen_BTD)))
        return self.norm2(x_BTD + self._ff_block(x_BTD))


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on the halves of each head."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class PlainTwoStream(nn.Module):
    """The two streams on padded batches, with the weights of ``method``."""

    def __init__(self, method: TwoStream, context: str, dropout: float) -> None:
        super().__init__()
        self.context, self.stages, self.links = context, nn.ModuleList(), copy.deepcopy(method.joint.links)
        cls = ExplicitLayer if context == "time" else nn.TransformerEncoderLayer
        for layers in (method.refiner.layers, *method.joint.stages):
            stage = nn.ModuleList()
            for ours in layers:
                width, hidden = ours.linear1.in_features, ours.linear1.out_features
                stage.append(cls(width, ours.self_attn.heads, hidden, dropout, batch_first=True))
                stage[-1].load_state_dict(ours.state_dict())
            self.stages.append(stage)

    def through(self, stage: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        shape = x_BTD.shape
        x_BTD = x_BTD.flatten(0, 1)[:, None] if self.context == "frame" else x_BTD
        for layer in stage:
            x_BTD = layer(x_BTD, mask_BT) if self.context == "time" else layer(x_BTD)
        return x_BTD.view(shape)

    def forward(self, batch: ViewBatch) -> Tensor:
        refiner, *stages = self.stages
        masks = batch.mask_BVT.unbind(1)
        views = tuple(batch.features.values())
        refined = [x + self.through(refiner, x, mask) for x, mask in zip(views, masks, strict=True)]
        joint = torch.cat(views, dim=-1)
        for stage, link in zip(stages, self.links, strict=True):
            joint = link(self.through(stage, joint, masks[0]))
        return sum(mse(z, joint, masks[0]) for z in refined) + mse(*refined, masks[0])


def mse(a: Tensor, b: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean squared difference over valid steps."""
    return ((a - b).square() * mask_BT[..., None]).sum() / (mask_BT.sum() * a.shape[-1])


def check_equal(ours: TwoStream, plain: PlainTwoStream, batch: ViewBatch) -> dict[str, float]:
    """Largest relative differences of loss and gradients; stops the benchmark where they differ."""
    losses = [ours(batch).total, plain(batch)]
    for loss in losses:
        loss.backward()
    stages = (ours.refiner.layers, *ours.joint.stages)
    pairs = [(a.grad, b.grad) for a, b in zip(parameters(stages), parameters(plain.stages), strict=True)]
    pairs += [(a.grad, b.grad) for a, b in zip(ours.joint.links.parameters(), plain.links.parameters(), strict=True)]
    loss = abs(float(losses[0].detach() - losses[1].detach())) / float(losses[1].detach())
    scale = max(float(b.abs().max()) for _, b in pairs)
    gradient = max(float((a - b).abs().max()) for a, b in pairs) / scale
    assert loss < 1e-5 and gradient < 1e-4, (loss, gradient)
    return {"loss": loss, "gradient": gradient}


def parameters(stages) -> list[nn.Parameter]:
    """All parameters of stages of layers, by stage, layer and name."""
    return [p for stage in stages for layer in stage for _, p in sorted(layer.named_parameters())]


def with_dropout(module: nn.Module, probability: float) -> nn.Module:
    """Set the dropout of every part of a module."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = probability
        elif hasattr(part, "in_proj_weight"):
            part.dropout = probability
    return module


def stepper(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """One whole training step."""
    optimiser = torch.optim.AdamW(module.parameters(), 3e-4, weight_decay=0.0)

    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return step


def compare(context: str, lengths: list[int], dim: int, dropout: float, repeats: int) -> dict:
    """Both sides at one context: differences, medians, spreads, ratio."""
    torch.manual_seed(0)
    batch = make_batch(lengths, dim)
    ours = TwoStream(dim, batch.views, TwoStreamConfig(context=context, dropout=0.0)).train()
    plain = PlainTwoStream(ours, context, 0.0).train()
    differences = check_equal(ours, plain, batch)
    with_dropout(ours, dropout), with_dropout(plain, dropout)
    ways = {
        "plain": stepper(plain, lambda: plain(batch)),
        "viewloom": stepper(ours, lambda: ours(batch).total),
    }
    name = f"pre-training step, context {context}" + ("" if dropout else ", no dropout")
    padding = 1 - float(batch.mask_BVT.float().mean())
    facts = {"lengths": lengths, "padding": padding, "relative_difference": differences}
    return ratio(name, in_turn(ways, repeats), "plain", "viewloom", 2) | facts


def main() -> None:
    """Measure both contexts, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    # Explicit attention over 8 x 1200 steps would need tens of GiB: half the rows, half as long.
    short = [length // 2 for length in LENGTHS[1::2]]
    results = [
        compare("frame", list(LENGTHS), args.dim, 0.1, args.repeats),
        compare("frame", list(LENGTHS), args.dim, 0.0, args.repeats),
        compare("time", short, args.dim, 0.0, args.repeats),
    ]
    settings = vars(args) | {"threads": torch.get_num_threads(), "torch": torch.__version__}
    result = {"settings": settings, "ratios": results}
    if not torch.cpu._is_avx512_bf16_supported():
        reason = "this processor has no bfloat16 arithmetic"
        result["not_measured"] = [{"path": "pre-training step in bfloat16", "reason": reason}]
    show(result)


if __name__ == "__main__":
    main()
