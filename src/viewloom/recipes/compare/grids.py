"""Values that tuning tries of each method's settings, where its settings class states none (``TUNING``) itself.

Names are settings of the method, or of `viewloom pretrain` where the method has none of that name (``optim.lr``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from viewloom.recipes.compare.settings import MethodEntry, TuningConfig
from viewloom.registry import METHODS

Grid = Mapping[str, Sequence[Any]]

_STREAMS: Grid = {"optim.lr": (1e-4, 3e-4, 1e-3), "layers": (1, 2, 6), "stem": ("none", "pca", "cca")}
GRIDS: Mapping[str, Grid] = {
    "none": {"standardise": ("none", "pooled", "view")},
    "random_path": {},
    "cca": {"out_dim": (0, 8, 16, 32, 64), "strength": (None, 1e-3, 1e-2, 1e-1, 1.0), "scale": ("correlation", "unit")},
    "ridge": {"strength": (1e-4, 1e-3, 1e-2, 1e-1, 1.0), "standardise": ("none", "view")},
    "sync_kd": _STREAMS,
    "two_stream": _STREAMS,
    "two_stream_simple": _STREAMS,
}


def grid_of(entry: MethodEntry, tuning: TuningConfig) -> Grid:
    """What is tried of a method: by the file under the entry's name or the method's, else its own, else ours.

    The naive row has nothing to tune: features stay as they are.
    """
    if entry.naive:
        return {}
    for name in (entry.name, entry.method):
        if name in tuning.grids:
            return {key: _values(value) for key, value in tuning.grids[name].items()}
    own: Grid | None = getattr(METHODS.settings(entry.method), "TUNING", None)
    return own if own is not None else GRIDS.get(entry.method, {})


def _values(value: Any) -> Sequence[Any]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
