"""Refiners as single safetensors files: weights, statistics, and in the metadata all that is needed to use them.

`load_refiner(path)` needs nothing else: neither the data nor the run it came from.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from viewloom.errors import DataError
from viewloom.methods.refiner import Refiner
from viewloom.registry import METHODS
from viewloom.remote import local_file
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
        extra: plain values to store with it (seed, data, kept epoch) instead of its own.
    """
    refiner.check_ready()
    metadata = {
        "method": refiner.method,
        "dim": refiner.dims[0] if len(set(refiner.dims)) == 1 else list(refiner.dims),
        "out_dim": refiner.out_dim,
        "views": refiner.views,
        "config": asdict(refiner.config),
        "statistics": refiner.standardiser.info(),
        "extra": dict(refiner.extra if extra is None else extra),
    }
    write_saved(path, REFINER, metadata, refiner)


def load_refiner(path: Path | str) -> Refiner:
    """Read a refiner written by `save_refiner`, or one on the Hub (``hf://user/name``): on the CPU, in evaluation mode.

    Raises:
        DataError: there is no such file, it is broken, or its tensors are not those it tells of.
        ConfigError: it is something else, was written by a later version, or has settings that can't work.
    """
    path = local_file(path, "refiner.safetensors")
    metadata, weights = read_saved(path, REFINER)
    with building(path, weights):
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
