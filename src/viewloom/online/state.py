"""What a stream keeps, as one safetensors file: written whole or not at all, and only taken up by what wrote it."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError, listed
from viewloom.identity import digest
from viewloom.online.running import Running
from viewloom.saved import OBJECT, Kind, read_saved, write_tensors

STATE = Kind(
    "online-state",
    {"of": OBJECT, "counts": OBJECT, "extra": OBJECT},
    "a file that OnlineSegmenter.save_state or `viewloom predict --online --state FILE` wrote",
)
"""What a state's file holds: of which stream, numbers, and what else was stored with it."""


def write_state(path: Path, stream: Running, extra: dict[str, Any] | None = None) -> None:
    """Write what a stream keeps; ``extra``: JSON values to store with it."""
    closing = stream.closing
    counts = {
        "come": stream.clock.come,
        "segments": stream.segments,
        "ended": stream.ended,
        "frames": closing.frames,
        "start": closing.start,
        "label": closing.label,
        "total": closing.total,
        "streams": [
            {"frames": one.frames, "decided": one.decided, "steps": one.steps.steps, "start": one.steps.stream.start}
            for one in stream.chunks
        ],
    }
    write_tensors(path, STATE, {"of": identity_of(stream), "counts": counts, "extra": extra or {}}, tensors_of(stream))


def tensors_of(stream: Running) -> dict[str, Tensor]:
    """All that a stream keeps, by name."""
    found: dict[str, Tensor] = {}
    for place, (one, ahead_TK) in enumerate(zip(stream.chunks, stream.ahead, strict=True)):
        pending_TD = np.concatenate([np.empty((0, one.dim), np.float32), *one.pending])
        found |= {
            f"{place}/pending": torch.from_numpy(pending_TD),
            f"{place}/ahead": torch.from_numpy(ahead_TK),
            f"{place}/features": one.steps.features_SD,
            f"{place}/there": one.steps.there_J,
        }
        found |= {f"{place}/past/{name}": past for name, past in one.steps.stream.past.items()}
    return found


def read_state(path: Path, stream: Running) -> dict[str, Any]:
    """Put what was kept into a stream with the same head and settings; returns what else was stored."""
    metadata, tensors = read_saved(path, STATE)
    own, counts = identity_of(stream), metadata["counts"]
    if differing := [name for name in own if metadata["of"].get(name) != own[name]]:
        raise ConfigError(
            f"{path} is the state of another stream: {listed(differing)} differ. Go on with the same head, view and "
            "settings, or begin with another state file."
        )
    for place, (one, numbers) in enumerate(zip(stream.chunks, counts["streams"], strict=True)):
        one.frames, one.decided, one.steps.steps = (numbers[name] for name in ("frames", "decided", "steps"))
        pending_TD, stream.ahead[place] = (tensors[f"{place}/{name}"].numpy() for name in ("pending", "ahead"))
        one.pending = [pending_TD] if len(pending_TD) else []
        one.steps.features_SD, one.steps.there_J = tensors[f"{place}/features"], tensors[f"{place}/there"]
        before = f"{place}/past/"
        past = {name.removeprefix(before): value for name, value in tensors.items() if name.startswith(before)}
        one.steps.stream.start = numbers["start"]
        one.steps.stream.past = {name: value.to(stream.chain.device) for name, value in past.items()}
    stream.clock.come, stream.segments, stream.ended = (counts[name] for name in ("come", "segments", "ended"))
    closing = stream.closing
    closing.frames, closing.start, closing.label = (counts[name] for name in ("frames", "start", "label"))
    closing.total = counts["total"]
    extra: dict[str, Any] = metadata["extra"]
    return extra


def identity_of(stream: Running) -> dict[str, Any]:
    """What a stream's results depend on: weights by their content, settings, view and rate."""
    chain, clock = stream.chain, stream.clock.clock
    return {
        "head": _content(chain.head),
        "refiner": "" if chain.refiner is None else _content(chain.refiner),
        "view": chain.view,
        "chunks": digest(asdict(stream.sampling)),
        "rate": "" if clock is None else f"{clock.steps} {clock.start}",
        "fps": stream.fps,
        "actions": digest(list(stream.closing.actions)),
        "temperature": stream.closing.temperature,
    }


def _content(network: nn.Module) -> str:
    hashed = hashlib.sha256(repr(getattr(network, "config", "")).encode())
    for name, value in network.state_dict().items():
        hashed.update(name.encode())
        hashed.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()[:40]


def state_bytes(stream: Running) -> int:
    """Size of all that a stream keeps."""
    return sum(value.nbytes for value in tensors_of(stream).values())
