"""Checkpoints published by others: read without running their code, and checked name by name.

Segmentation heads come as bare state dicts or wrapped as ``model_state_dict``; refiners often carry the prefix
``module.`` that `torch.nn.DataParallel` puts before every name.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from viewloom.errors import DataError, listed
from viewloom.heads.asformer import ASFormer
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.heads.ms_tcn2 import MSTCN2
from viewloom.heads.settings import ASFormerConfig, C2FTCNConfig, MSTCN2Config
from viewloom.methods.refiner import Refiner
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig
from viewloom.nn.settings import Context
from viewloom.registry import METHODS
from viewloom.regular import regular
from viewloom.saved import differences
from viewloom.torch_archive import load_torch

WRAPPERS = ("model_state_dict", "state_dict")
PREFIX = "module."
ENDS = {
    "c2f_tcn": ("inc.conv.conv.0.weight", "outcc.conv.weight"),
    "ms_tcn2": ("PG.conv_1x1_in.weight", "PG.conv_out.weight"),
    "asformer": ("encoder.conv_1x1.weight", "encoder.conv_out.weight"),
}
"""First and last weight of each head whose published checkpoints are known: they tell feature size and classes."""


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Names and tensors of a checkpoint: safetensors by that suffix, else a file of `torch.save`.

    Wrappers and the prefix ``module.`` are taken off. Files that hold anything but tensors and plain values are
    refused, since unpickling them could run code.

    Raises:
        DataError: the file is missing, broken, unsafe, holds no state dict, or holds values that aren't finite.
    """
    path = regular(path, "Pass the file of a checkpoint.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else load_torch(path)
    weights = _without_prefix(_unwrapped(content, path))
    broken = [name for name, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise DataError(f"{path}: values that aren't finite in {listed(broken, 4)}. Get the file again.")
    return weights


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], origin: Path | str) -> None:
    """Put ``weights`` into ``module``: every name and shape must agree.

    Args:
        module: takes the weights; unchanged after an error.
        weights: as `read_weights` returns them.
        origin: where they come from, for the message.

    Raises:
        DataError: names are missing or unexpected, or shapes differ; all of it in one message.
    """
    misfits = differences(module, weights)
    if misfits:
        raise DataError(
            f"{origin} doesn't fit {type(module).__name__}: {misfits}. "
            "Pass the checkpoint of such a network, and the sizes it was trained with."
        )
    module.load_state_dict(dict(weights))


def load_published_head(path: Path | str, config: C2FTCNConfig | None = None) -> C2FTCN:
    """A published C2F-TCN checkpoint as a head in evaluation mode; feature size and classes are its own.

    Args:
        path: the checkpoint.
        config: settings; by default the published canvas of 1200 steps, which its outputs depend on. Levels vote by
            these settings: what a checkpoint holds as ``weights`` is not what the released code lets them vote by.
            Published heads took features as they are, so ``standardise`` is False whatever stands here.
    """
    weights = read_weights(path)
    dim, classes = head_size(weights, path, "c2f_tcn")
    config = config if config is not None else C2FTCNConfig(canvas="window")
    head = C2FTCN(dim, classes, replace(config, standardise=False))
    load_weights(head, weights, path)
    head.weights.copy_(torch.tensor(head.config.level_weights))
    return head.eval()


def load_published_ms_tcn2(path: Path | str) -> MSTCN2:
    """A published MS-TCN++ checkpoint as a head in evaluation mode; all sizes are its own.

    Published heads took features as they are, so ``standardise`` is False.
    """
    weights = read_weights(path)
    dim, classes = head_size(weights, path, "ms_tcn2")
    config = MSTCN2Config(
        width=weights["PG.conv_1x1_in.weight"].shape[0],
        layers=max(1, _entries(weights, "PG.conv_fusion.")),
        refinements=_entries(weights, "Rs."),
        refinement_layers=max(1, _entries(weights, "Rs.0.layers.")),
        standardise=False,
    )
    head = MSTCN2(dim, classes, config)
    load_weights(head, weights, path)
    return head.eval()


def load_published_asformer(path: Path | str) -> ASFormer:
    """A published ASFormer checkpoint as a head in evaluation mode; all sizes are its own.

    Published heads took features as they are, so ``standardise`` is False, and were trained with the released code's
    masks of attention windows, so ``masks`` is ``released``.
    """
    weights = read_weights(path)
    dim, classes = head_size(weights, path, "asformer")
    width = weights["encoder.conv_1x1.weight"].shape[0]
    keys = weights.get("encoder.layers.0.att_layer.key_conv.bias")
    config = ASFormerConfig(
        layers=max(1, _entries(weights, "encoder.layers.")),
        decoders=_entries(weights, "decoders."),
        width=width,
        reduction=1 if keys is None else max(1, width // max(1, len(keys))),
        masks="released",
        standardise=False,
    )
    head = ASFormer(dim, classes, config)
    load_weights(head, weights, path)
    return head.eval()


def _entries(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many modules stand in a list of modules."""
    return len({name.removeprefix(prefix).partition(".")[0] for name in weights if name.startswith(prefix)})


def head_size(weights: Mapping[str, Tensor], origin: Path | str, head: str) -> tuple[int, int]:
    """Feature size and number of classes of a head's weights.

    Raises:
        DataError: they are not that head's; says whose they are, where that is known.
    """
    first, last = ENDS[head]
    for name in (first, last):
        if name not in weights or weights[name].ndim != 3:
            others = [f"--head {other}" for other, ends in ENDS.items() if other != head and set(ends) <= set(weights)]
            raise DataError(
                f"{origin} isn't a {head} head: it has no {name} of 3 axes. Its names start with "
                f"{listed(weights, 4)}. Pass {listed(others) if others else f'a checkpoint of a {head} head'}."
            )
    return weights[first].shape[1], weights[last].shape[0]


def load_published_refiner(
    state: Mapping[str, Tensor],
    method: str = "two_stream",
    context: Context = "frame",
    views: tuple[str, ...] = (),
) -> Refiner:
    """A refiner from published weights, in evaluation mode; feature size and depth are the weights' own.

    Args:
        state: names (``layers.0.self_attn.in_proj_weight`` ...; a prefix ``module.`` is taken off) and tensors.
        method: the method it was trained with: two_stream, two_stream_simple or sync_kd.
        context: published weights were trained with ``batch``, where a result depends on its batch mates; the
            other contexts give every recording a result of its own.
        views: views it was trained on, for the record; any view can be encoded.

    Raises:
        DataError: other names or shapes than those of `torch.nn.TransformerEncoder` layers.
    """
    weights = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    config, dim = _published_config(weights, METHODS.settings(method), context)
    refiner = ResidualRefiner(method, dim, views, config)
    misfits = differences(refiner, weights)
    if misfits:
        raise DataError(f"These weights are not a refiner's: names or shapes differ: {misfits}.")
    refiner.load_state_dict(weights)
    return refiner.eval()


def _published_config(
    weights: Mapping[str, Tensor], config: type[ResidualConfig], context: Context
) -> tuple[ResidualConfig, int]:
    """Settings and feature size that the weights' own shapes tell."""
    first = weights.get("layers.0.linear1.weight")
    if first is None or first.ndim != 2:
        raise DataError(
            "These weights are not a refiner's: layers.0.linear1.weight is missing; "
            f"they hold {listed(weights, 4)}. Pass those of the transformer encoder."
        )
    layers = {name.split(".")[1] for name in weights if name.startswith("layers.")}
    feed_forward, dim = first.shape
    return config(layers=len(layers), feed_forward=feed_forward, context=context), dim


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f"{path} is not a whole safetensors file ({error}). Get the file again.") from None


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in ``content``, whatever it is wrapped in."""
    while isinstance(content, Mapping) and (inner := [name for name in WRAPPERS if name in content]):
        content = content[inner[0]]
    tensors = isinstance(content, Mapping) and all(isinstance(value, Tensor) for value in content.values())
    if not tensors or not content:
        held = listed(content, 6) if isinstance(content, Mapping) else type(content).__name__
        raise DataError(
            f"{path} holds no state dict (names to tensors), but: {held}. "
            f"Save the network's state_dict() alone, or under {' or '.join(WRAPPERS)}."
        )
    return dict(content)


def _without_prefix(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    while all(name.startswith(PREFIX) for name in weights):
        weights = {name[len(PREFIX) :]: value for name, value in weights.items()}
    return weights
