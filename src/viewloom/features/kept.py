"""Arrays made from files, kept while they are used: decoding a table again for every window takes too long."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_BYTES = 1 << 28
"""Arrays that a store keeps in each process."""


class Kept:
    """The arrays used last, up to a size; a copy in another process begins empty.

    Args:
        limit_bytes: of all arrays together; a larger one is made each time.
    """

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._arrays: OrderedDict[Hashable, NDArray[np.floating]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], NDArray[np.floating]]) -> NDArray[np.floating]:
        """The array of that key; ``make`` makes it where it isn't kept."""
        found = self._arrays.pop(key, None)
        if found is None:
            found = make()
        if found.nbytes <= self.limit_bytes:
            self._arrays[key] = found
        while sum(array.nbytes for array in list(self._arrays.values())) > self.limit_bytes:
            self._arrays.popitem(last=False)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {"limit_bytes": self.limit_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
