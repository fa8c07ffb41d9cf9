"""Checksums: they show what a disk, a memory or a copy has changed. xxh3 (https://xxhash.com) is as fast as memory.

They are no signatures: whoever changes a file on purpose can change its sum too.
"""

import json
from collections.abc import Mapping
from typing import Any

from xxhash import xxh3_128

SUM = "sum"
"""Name of the checksum in a JSON object that carries its own."""


def sum_of(*parts: Any) -> str:
    """Checksum of texts and buffers and where each of them ends, 32 hexadecimal digits."""
    found = xxh3_128()
    for part in parts:
        data = memoryview(part.encode() if isinstance(part, str) else part).cast("B")
        found.update(f"{len(data)}:".encode())
        found.update(data)
    return found.hexdigest()


def _of_json(value: Mapping[str, Any]) -> str:
    return sum_of(json.dumps(value, sort_keys=True))


def with_sum(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its own checksum beside what it holds."""
    plain = json.loads(json.dumps(value))
    return {**plain, SUM: _of_json(plain)}


def without_sum(value: Mapping[str, Any]) -> dict[str, Any]:
    """What an object of `with_sum` holds; one without a checksum, of an earlier version, is taken as it is.

    Raises:
        ValueError: it holds something else than what its checksum was made of.
    """
    plain = {name: entry for name, entry in value.items() if name != SUM}
    if SUM in value and value[SUM] != _of_json(plain):
        raise ValueError("its content doesn't agree with its checksum")
    return plain
