"""Heads and refiners as single safetensors files: tensors, and as metadata a JSON object that says what they are.

Both kinds of file are written and read here, so that each fault of a file is refused in one way: with one message
that names the file, what is wrong in it, and what to do.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from viewloom.errors import ConfigError, DataError, UserError, listed
from viewloom.files import atomic_path
from viewloom.identity import has_type
from viewloom.network_limits import no_larger_than
from viewloom.reading import once
from viewloom.regular import regular
from viewloom.sums import SUM, sum_of

KEY = "viewloom"
"""Name of the metadata inside the file."""


@dataclass(frozen=True)
class Value:
    """What a key of the metadata must hold: words for a message, and the test."""

    words: str
    fits: Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_names(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
    return texts and len(set(value)) == len(value)


def _is_sizes(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, list) and bool(value) and all(map(_is_count, value)))


TEXT = Value("a text", lambda value: isinstance(value, str))
COUNT = Value("a whole number above 0", _is_count)
SIZES = Value("a whole number above 0, or a list of such", _is_sizes)
NAMES = Value("a list of different names", _is_names)
OBJECT = Value("an object", lambda value: isinstance(value, dict))
RATE = Value("a number above 0", lambda value: type(value) in (int, float) and math.isfinite(value) and value > 0)


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: what it holds, for messages ("head").
        keys: what its metadata must hold, besides format and version.
        origin: which file to pass, for messages.
        version: format version that is written, and the latest that can be read.
    """

    name: str
    keys: Mapping[str, Value]
    origin: str
    version: int = 1

    @property
    def format(self) -> str:
        """What the metadata's ``format`` says."""
        return f"viewloom-{self.name}"


def write_saved(path: Path | str, kind: Kind, metadata: Mapping[str, Any], module: nn.Module) -> None:
    """Write a module's tensors with their metadata, atomically.

    Args:
        path: file to write, ``.safetensors``.
        kind: what it is.
        metadata: plain values of every key of the kind.
        module: its state dict is stored.

    Raises:
        ValueError: a number that isn't finite, which JSON doesn't know.
    """
    write_tensors(path, kind, metadata, module.state_dict())


def write_tensors(path: Path | str, kind: Kind, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """`write_saved` of tensors by name."""
    assert set(metadata) == set(kind.keys), f"a {kind.name} stores {set(kind.keys)}"
    described = {"format": kind.format, "version": kind.version, **metadata}
    json.dumps(described, allow_nan=False)
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path, sum(tensor.nbytes for tensor in kept.values())) as temporary:
        _write(temporary, kept, {KEY: json.dumps({**described, SUM: _sum(described, kept)})})


DTYPES = {
    **{torch.uint64: "U64", torch.int64: "I64", torch.float64: "F64", torch.float32: "F32"},
    **{torch.uint32: "U32", torch.int32: "I32", torch.bfloat16: "BF16", torch.float16: "F16", torch.uint16: "U16"},
    **{torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"},
}
"""What the format calls them, in the order in which the library writes tensors: the widest first."""


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write into a file that is there, byte for byte what `safetensors.torch.save_file` writes.

    That goes through a temporary file of its own, which a killed process leaves, of full size and by a name that tells
    nobody whose it is.
    """
    order = list(DTYPES)
    names = sorted(tensors, key=lambda name: (order.index(tensors[name].dtype), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for name in names:
        tensor, end = tensors[name], at + tensors[name].nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            file.write(_bytes_of(tensors[name]).data)


def _bytes_of(tensor: Tensor) -> NDArray[np.uint8]:
    """A tensor's bytes, not copied."""
    return tensor.reshape(-1).view(torch.uint8).numpy()


def _sum(metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Checksum of metadata and tensors, which the metadata carry."""
    parts: list[Any] = [json.dumps(metadata)]
    for name in sorted(tensors):
        tensor = tensors[name]
        parts += [f"{name} {tensor.dtype} {tuple(tensor.shape)}", _bytes_of(tensor)]
    return sum_of(*parts)


def read_saved(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Metadata, checked key by key, and tensors of a file.

    Raises:
        DataError: it isn't there, is broken, or lacks something.
        ConfigError: it is something else, or was written by a later version.
    """
    if not os.path.exists(path):  # noqa: PTH110 - False, too, for a name that no file can have
        raise DataError(f"There is no {kind.name} at {str(path)[:300]}. Pass {kind.origin}.")
    regular(path, f"Pass {kind.origin}.")
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads((file.metadata() or {}).get(KEY, "{}"), object_pairs_hook=once)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            whole = _agrees(metadata, weights)
    except (SafetensorError, ValueError, RecursionError, RuntimeError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path} is not a whole safetensors file ({error}). Copy or write it again.") from None
    _check_format(path, kind, metadata)
    if not whole:
        raise DataError(
            f"{path} is damaged: its content doesn't agree with the checksum in it. Copy it again, or write it again."
        )
    for key, value in kind.keys.items():
        if key not in metadata:
            raise DataError(f"{path} lacks {key!r}, which every {kind.name} has. Copy or write it again.")
        if not value.fits(metadata[key]):
            shown = repr(metadata[key])[:60]
            raise DataError(f"{path}: {key!r} must be {value.words}, but is {shown}. Copy or write it again.")
    return metadata, weights


def _agrees(metadata: Any, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a file holds what its checksum was made of, which is taken out; earlier versions wrote none."""
    found = metadata.pop(SUM, None) if isinstance(metadata, dict) else None
    return found is None or found == _sum(metadata, tensors)


def _check_format(path: Path, kind: Kind, metadata: Any) -> None:
    """`ConfigError` for anything but this kind in a version that can be read."""
    found = metadata.get("format", "an unknown file") if isinstance(metadata, dict) else "an unknown file"
    if found != kind.format:
        raise ConfigError(f"{path} is not a viewloom {kind.name}, but {found}. Pass {kind.origin}.")
    version = metadata.get("version")
    if not _is_count(version):
        raise DataError(f"{path}: 'version' must be a whole number above 0, but is {version!r}. Write it again.")
    if version > kind.version:
        raise ConfigError(
            f"{path} was written by a later version of viewloom (format {version}; this one reads up to "
            f"{kind.version}). Upgrade viewloom."
        )


@contextmanager
def building(path: Path, weights: Mapping[str, Tensor] | None = None) -> Iterator[None]:
    """Put the file's name before what is refused inside; sizes that no network can have are refused too, and with
    ``weights`` a network that is larger than they are."""
    try:
        with no_larger_than(weights) if weights is not None else nullcontext():
            yield
    except UserError as error:
        if str(error).startswith(str(path)):
            raise
        raise type(error)(f"{path}: {error}") from None
    except (RuntimeError, MemoryError, ArithmeticError, AssertionError, TypeError, ValueError, LookupError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: no network can be built of its settings ({reason}). Write it again.") from None


def read_settings(path: Path, cls: type, values: Mapping[str, Any]) -> Any:
    """A settings dataclass from what a file holds; what it lacks takes the default.

    Raises:
        ConfigError: settings that this version doesn't have, of another type, or out of their range.
    """
    unknown = sorted(set(values) - {entry.name for entry in fields(cls)})
    if unknown:
        raise ConfigError(f"{path}: settings this version doesn't know: {listed(unknown)}. Upgrade viewloom.")
    hints = get_type_hints(cls)
    for name, value in values.items():
        if not has_type(value, hints[name]):
            shown = getattr(hints[name], "__name__", str(hints[name])).replace("typing.", "")
            shown = str(hints[name]).replace("typing.", "") if get_origin(hints[name]) else shown
            raise ConfigError(
                f"{path}: the setting {name!r} must be of type {shown}, but is {value!r}. Write it again."
            )
    with building(path):
        return cls(**values)


def fill(path: Path, module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put a file's tensors into a module: names, shapes and kinds of number must agree.

    Raises:
        DataError: they don't; all of it in one message.
    """
    misfits = differences(module, weights)
    if misfits:
        raise DataError(f"{path} doesn't hold the weights that its settings ask for: {misfits}. Write it again.")
    spoilt = [name for name, value in weights.items() if value.is_floating_point() and value.isnan().any()]
    if spoilt:
        raise DataError(f"{path} holds values that are no numbers (NaN) in {listed(spoilt, 4)}. Write it again.")
    module.load_state_dict(dict(weights))


def differences(module: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """In what tensors don't fit a module, in words; empty where they do."""
    wanted, shapes = module.state_dict(), {name: tuple(value.shape) for name, value in weights.items()}
    both = [name for name in wanted if name in weights]
    faults = {
        "missing": [name for name in wanted if name not in weights],
        "unexpected": [name for name in weights if name not in wanted],
        "of another shape": [
            f"{name} is {shapes[name]}, not {tuple(wanted[name].shape)}"
            for name in both
            if shapes[name] != tuple(wanted[name].shape)
        ],
        "of another kind of number": [
            name for name in both if weights[name].is_floating_point() != wanted[name].is_floating_point()
        ],
    }
    return "; ".join(f"{len(names)} {kind} ({listed(names, 4)})" for kind, names in faults.items() if names)
