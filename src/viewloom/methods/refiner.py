"""Refiners as single safetensors files: weights, statistics, and in the metadata all that is needed to use them.

`load_refiner(path)` needs nothing else: neither the data nor the run it came from.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from viewloom.errors import DataError, listed
from viewloom.methods.base import Refiner
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig
from viewloom.nn.settings import Context
from viewloom.registry import METHODS
from viewloom.saved import (
    COUNT,
    NAMES,
    OBJECT,
    SIZES,
    TEXT,
    Kind,
    building,
    fill,
    read_saved,
    read_settings,
    write_saved,
)

REFINER = Kind(
    "refiner",
    {
        "method": TEXT,
        "dim": SIZES,
        "out_dim": COUNT,
        "views": NAMES,
        "config": OBJECT,
        "statistics": OBJECT,
        "extra": OBJECT,
    },
    "the refiner.safetensors of a pre-training run (`viewloom pretrain`)",
)
"""What a refiner's file holds."""


def save_refiner(refiner: Refiner, path: Path | str, extra: Mapping[str, Any] | None = None) -> None:
    """Write a refiner with its metadata, atomically.

    Args:
        refiner: fitted; one that lacks its statistics or maps is refused with `ConfigError`.
        path: file to write, ``.safetensors``.
        extra: plain values to store with it (seed, data, kept epoch).
    """
    refiner.check_ready()
    metadata = {
        "method": refiner.method,
        "dim": refiner.dims[0] if len(set(refiner.dims)) == 1 else list(refiner.dims),
        "out_dim": refiner.out_dim,
        "views": refiner.views,
        "config": asdict(refiner.config),
        "statistics": refiner.standardiser.info(),
        "extra": dict(extra or {}),
    }
    write_saved(path, REFINER, metadata, refiner)


def load_refiner(path: Path | str) -> Refiner:
    """Read a refiner written by `save_refiner`: on the CPU, in evaluation mode.

    Raises:
        DataError: there is no such file, it is broken, or its tensors are not those it tells of.
        ConfigError: it is something else, was written by a later version, or has settings that can't work.
    """
    path = Path(path)
    metadata, weights = read_saved(path, REFINER)
    with building(path):
        cls = METHODS.get(metadata["method"])
        config = read_settings(path, cls.Config, metadata["config"])
        refiner: Refiner = cls.build_refiner(metadata["dim"], tuple(metadata["views"]), config)
        refiner.resize(metadata["out_dim"])  # it may have been chosen from the data
        fill(path, refiner, weights)
    if refiner.out_dim != metadata["out_dim"]:
        raise DataError(
            f"{path} says that it gives features of size {metadata['out_dim']} ('out_dim'), but its network gives "
            f"{refiner.out_dim}. Write it again."
        )
    refiner.extra = metadata["extra"]
    return refiner.eval()


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
    config, dim = _published_config(weights, METHODS.get(method).Config, context)
    refiner = ResidualRefiner(method, dim, views, config)
    wanted = {name: tuple(tensor.shape) for name, tensor in refiner.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise DataError(f"These weights are not a refiner's: names or shapes differ at {listed(differing, 4)}.")
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
