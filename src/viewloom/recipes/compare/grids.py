"""Values that tuning tries of each method's settings, where its settings class states none (``TUNING``) itself.

Names are settings of the method, or of `viewloom pretrain` where the method has none of that name (``optim.lr``). The
first value of each is the default. What decides which question a method answers, such as the pairs it learns from, is
not tuned; neither is what costs many times the time.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from viewloom.recipes.compare.settings import MethodEntry, TuningConfig
from viewloom.registry import METHODS

Grid = Mapping[str, Sequence[Any]]

_STREAMS: Grid = {"optim.lr": (3e-4, 1e-4, 1e-3), "layers": (6, 1, 2), "stem": ("none", "pca", "cca")}
_CANONICAL: Grid = {
    "out_dim": (0, 8, 16, 32, 64),
    "strength": (None, 1e-3, 1e-2, 1e-1, 1.0),
    "scale": ("correlation", "unit"),
}
_ENCODED: Grid = {"optim.lr": (3e-4, 1e-4, 1e-3), "noise": (0.5, 0.0, 1.0), "encoder": ("conv", "frame")}
_STRENGTHS = (1e-2, 1e-4, 1e-3, 1e-1, 1.0)
_STANDARDISED: Grid = {"standardise": ("view", "none", "pooled")}
NOTHING: Grid = {}
"""Of methods that have nothing to tune."""
GRIDS: Mapping[str, Grid] = {
    "none": {"standardise": ("none", "pooled", "view")},
    "random_path": NOTHING,  # a control: each seed draws its own
    "sync_kd_head": NOTHING,  # needs a trained head first, which no comparison has
    "cca": _CANONICAL,
    "delay_cca": {**_CANONICAL, "taps": (5, 3, 9), "stride_s": (None, 0.25, 1.0)},
    "rff_cca": {**_CANONICAL, "bandwidth": (1.0, 0.5, 2.0), "features": (600, 300)},
    "ridge": {"standardise": ("none", "view", "pooled"), "strength": _STRENGTHS},
    "procrustes": {**_STANDARDISED, "out_dim": (0, 4, 8, 16, 32)},
    "coral": {**_STANDARDISED, "strength": _STRENGTHS},
    "sync_kd": _STREAMS,
    "two_stream": _STREAMS,
    "two_stream_simple": _STREAMS,
    "contrast": {**_ENCODED, "temperature": (0.3, 0.1, 1.0), "exclude_s": (1.0, 0.0, 3.0)},
    "ey": {**_ENCODED, "layers": (3, 1, 5)},
    "vicreg": {**_ENCODED, "invariance_weight": (25.0, 5.0, 50.0), "covariance_weight": (1.0, 0.1, 10.0)},
    "barlow_twins": {**_ENCODED, "redundancy_weight": (0.005, 0.0005, 0.05)},
    "masked_crossview": {**_ENCODED, "hidden_share": (0.5, 0.3, 0.8), "stretch_s": (2.0, 1.0, 5.0)},
    "tcc": {**_ENCODED, "temperature": (0.3, 0.1, 1.0), "variance_weight": (1e-3, 1e-2, 1e-1)},
    "soft_dtw": {**_ENCODED, "gamma": (0.1, 0.01, 1.0), "covariance_weight": (0.04, 0.004, 0.4)},
    "unseen_views": {**_ENCODED, "temperature": (0.1, 0.03, 0.3), "segment_weight": (1.0, 0.3, 3.0)},
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
