"""What a stream keeps, as one safetensors file: written whole or not at all, and only taken up by what wrote it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError, listed
from viewloom.identity import digest
from viewloom.saved import OBJECT, Kind, read_saved, write_tensors

if TYPE_CHECKING:
    from viewloom.online.segmenter import OnlineSegmenter

STATE = Kind(
    "online-state",
    {"of": OBJECT, "counts": OBJECT, "extra": OBJECT},
    "a file that OnlineSegmenter.save_state or `viewloom predict --online --state FILE` wrote",
)
"""What a state's file holds: of which stream, numbers, and what else was stored with it."""


def write_state(path: Path, online: OnlineSegmenter, extra: dict[str, Any] | None = None) -> None:
    """Write what a stream keeps; ``extra``: JSON values to store with it."""
    closing = online.closing
    counts = {
        "come": online.clock.come,
        "segments": online.segments,
        "ended": online.ended,
        "frames": closing.frames,
        "start": closing.start,
        "label": closing.label,
        "total": closing.total,
        "streams": [
            {"frames": one.frames, "decided": one.decided, "steps": one.steps.steps, "start": one.steps.stream.start}
            for one in online.streams
        ],
    }
    write_tensors(path, STATE, {"of": identity_of(online), "counts": counts, "extra": extra or {}}, tensors_of(online))


def tensors_of(online: OnlineSegmenter) -> dict[str, Tensor]:
    """All that a stream keeps, by name."""
    found: dict[str, Tensor] = {}
    for place, (one, ahead_TK) in enumerate(zip(online.streams, online.ahead, strict=True)):
        pending_TD = np.concatenate([np.empty((0, online.dim), np.float32), *one.pending])
        found |= {
            f"{place}/pending": torch.from_numpy(pending_TD),
            f"{place}/ahead": torch.from_numpy(ahead_TK),
            f"{place}/features": one.steps.features_SD,
            f"{place}/there": one.steps.there_J,
        }
        found |= {f"{place}/past/{name}": past for name, past in one.steps.stream.past.items()}
    return found


def read_state(path: Path, online: OnlineSegmenter) -> dict[str, Any]:
    """Put what was kept into a stream with the same head and settings; returns what else was stored."""
    metadata, tensors = read_saved(path, STATE)
    own, counts = identity_of(online), metadata["counts"]
    if differing := [name for name in own if metadata["of"].get(name) != own[name]]:
        raise ConfigError(
            f"{path} is the state of another stream: {listed(differing)} differ. Go on with the same head, view and "
            "settings, or begin with another state file."
        )
    for place, (one, numbers) in enumerate(zip(online.streams, counts["streams"], strict=True)):
        one.frames, one.decided, one.steps.steps = (numbers[name] for name in ("frames", "decided", "steps"))
        pending_TD, online.ahead[place] = (tensors[f"{place}/{name}"].numpy() for name in ("pending", "ahead"))
        one.pending = [pending_TD] if len(pending_TD) else []
        one.steps.features_SD, one.steps.there_J = tensors[f"{place}/features"], tensors[f"{place}/there"]
        before = f"{place}/past/"
        past = {name.removeprefix(before): value for name, value in tensors.items() if name.startswith(before)}
        one.steps.stream.start = numbers["start"]
        one.steps.stream.past = {name: value.to(online.chain.device) for name, value in past.items()}
    online.clock.come, online.segments, online.ended = (counts[name] for name in ("come", "segments", "ended"))
    closing = online.closing
    closing.frames, closing.start, closing.label = (counts[name] for name in ("frames", "start", "label"))
    closing.total = counts["total"]
    extra: dict[str, Any] = metadata["extra"]
    return extra


def identity_of(online: OnlineSegmenter) -> dict[str, Any]:
    """What a stream's results depend on: weights by their content, settings, view and rate."""
    chain, clock = online.chain, online.clock.clock
    return {
        "head": _content(chain.head),
        "refiner": "" if chain.refiner is None else _content(chain.refiner),
        "view": online.view,
        "chunks": digest(asdict(online.sampling)),
        "rate": "" if clock is None else f"{clock.steps} {clock.start}",
        "fps": online.trained.fps,
    }


def _content(network: nn.Module) -> str:
    hashed = hashlib.sha256(repr(getattr(network, "config", "")).encode())
    for name, value in network.state_dict().items():
        hashed.update(name.encode())
        hashed.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()[:40]


def state_bytes(online: OnlineSegmenter) -> int:
    """Size of all that a stream keeps."""
    return sum(value.nbytes for value in tensors_of(online).values())
