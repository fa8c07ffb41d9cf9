"""Trained heads as single safetensors files: weights, and in the metadata all that is needed to use them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import DataError
from viewloom.heads.base import Head
from viewloom.heads.multilabel import for_classes
from viewloom.registry import HEADS
from viewloom.saved import (
    COUNT,
    NAMES,
    OBJECT,
    RATE,
    TEXT,
    Kind,
    building,
    fill,
    read_saved,
    read_settings,
    write_saved,
)

HEAD = Kind(
    "head",
    {
        "head": TEXT,
        "dim": COUNT,
        "classes": COUNT,
        "config": OBJECT,
        "actions": NAMES,
        "views": NAMES,
        "fps": RATE,
        "extra": OBJECT,
    },
    "a finished run; `viewloom train --resume true` goes on with one that was stopped",
)
"""What a head's file holds."""


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
        "head": HEADS.name_of(type(head)),
        "dim": head.dim,
        "classes": head.classes,
        "config": asdict(head.config),
        "actions": saved.actions,
        "views": saved.views,
        "fps": saved.fps,
        "extra": saved.extra | ({"labels_mode": "multi"} if head.multi else {}),
    }
    write_saved(path, HEAD, metadata, head)


def read_head(path: Path | str) -> SavedHead:
    """Read a head written by `save_head`.

    Raises:
        DataError: there is no such file, it is broken, or its tensors or actions are not those it tells of.
        ConfigError: it is something else, was written by a later version, or has settings that can't work.
    """
    path = Path(path)
    metadata, weights = read_saved(path, HEAD)
    if len(metadata["actions"]) != metadata["classes"]:
        raise DataError(
            f"{path} has {metadata['classes']} outputs ('classes'), but names {len(metadata['actions'])} actions. "
            "Write it again."
        )
    with building(path, weights):
        cls = HEADS.get(metadata["head"])
        # Heads saved before they could standardise took features as they are.
        config = read_settings(path, cls.Config, {"standardise": False} | metadata["config"])
        head: Head = cls(metadata["dim"], metadata["classes"], config)
        fill(path, head, weights)
        head = for_classes(head) if metadata["extra"].get("labels_mode") == "multi" else head
    views, actions = tuple(metadata["views"]), tuple(metadata["actions"])
    return SavedHead(head.eval(), actions, views, metadata["fps"], metadata["extra"])
