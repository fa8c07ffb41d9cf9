"""Trained heads as single safetensors files: weights, and in the metadata all that is needed to use them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from viewloom.errors import ConfigError
from viewloom.files import atomic_path
from viewloom.heads.base import Head
from viewloom.registry import HEADS

FORMAT = "viewloom-head"


@dataclass(frozen=True)
class SavedHead:
    """A head read back from its file.

    Attributes:
        head: in evaluation mode, on the CPU.
        actions: class names by id.
        views: views it was trained on.
        fps: frames per second of its training features.
        extra: what else was stored (sampling, data, seed).
    """

    head: Head
    actions: tuple[str, ...]
    views: tuple[str, ...]
    fps: float
    extra: dict[str, Any]


def save_head(path: Path, saved: SavedHead) -> None:
    """Write a head with its metadata, atomically."""
    head = saved.head
    metadata = {
        "format": FORMAT,
        "version": 1,
        "head": HEADS.name_of(type(head)),
        "dim": head.dim,
        "classes": head.classes,
        "config": asdict(head.config),
        "actions": saved.actions,
        "views": saved.views,
        "fps": saved.fps,
        "extra": saved.extra,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(weights, temporary, {"viewloom": json.dumps(metadata)})


def load_head(path: Path | str) -> SavedHead:
    """Read a head written by `save_head`; `ConfigError` when the file is something else."""
    path = Path(path)
    metadata, weights = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise ConfigError(f"{path} is not a viewloom head, but {metadata.get('format', 'an unknown file')}.")
    cls = HEADS.get(metadata["head"])
    # Heads saved before they could standardise took features as they are.
    config = {"standardise": False} | metadata["config"]
    head: Head = cls(metadata["dim"], metadata["classes"], cls.Config(**config))
    head.load_state_dict(weights)
    return SavedHead(
        head.eval(),
        tuple(metadata["actions"]),
        tuple(metadata["views"]),
        metadata["fps"],
        metadata["extra"],
    )


def read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Metadata and tensors of a viewloom safetensors file; `ConfigError` when it can't be read."""
    if not path.is_file():
        raise ConfigError(f"{path} is not there. Has the run finished? `viewloom train --resume true` goes on.")
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get("viewloom", "{}"))
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} is not a whole safetensors file ({error}). Copy or train it again.") from None
