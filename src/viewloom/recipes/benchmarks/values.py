"""What a head's training fixes on 50Salads, Breakfast and GTEA, value by value, and where each value is from.

`released`: main program or configuration of the head's released code (`HeadRow.code`); `ours`: they tell nothing.
All but C2F-TCN see every frame of whole videos, of 50Salads every second one, one video a step.
"""

from collections.abc import Callable, Mapping
from typing import Any

from viewloom.recipes.values import Sourced

Values = dict[str, Sourced]


def _values(source: Any, **values: Any) -> Values:
    return {name.replace("__", "."): Sourced(value, source) for name, value in values.items()}


def _whole_videos(table: str) -> Values:
    """Single frames of whole videos, one a step."""
    every = 2 if table == "50salads" else 1
    return _values(
        "released",
        batch_size=1,
        sampling__pooling="first",
        sampling__chunk_frames=every,
        sampling__test_chunks=(every,),
        sampling__max_chunks=100_000,
        sampling__augment_probability=0.0,
    )


def _as_they_are() -> Values:
    """The features unscaled; the last epoch, since the layout has no validation list."""
    return _values("released", head_options__standardise=False) | _values("ours", keep="last")


def _ms_tcn2(table: str) -> Values:
    return _whole_videos(table) | _values(
        "released",
        epochs=100,
        optim__lr=5e-4,
        optim__weight_decay=0.0,
        optim__lr_factor=1.0,
        head_options__layers=11,
        head_options__refinements=3,
        head_options__refinement_layers=10,
        head_options__width=64,
        head_options__dropout=0.5,
        head_options__smoothing=0.15,
        head_options__smoothing_limit=4.0,
    )


def _asformer(table: str) -> Values:
    return _whole_videos(table) | _values(
        "released",
        epochs=120,
        optim__lr=1e-4 if table == "breakfast" else 5e-4,
        optim__weight_decay=1e-5,
        optim__lr_schedule="plateau",
        optim__lr_factor=0.5,
        optim__lr_patience_epochs=3,
        head_options__layers=10,
        head_options__decoders=3,
        head_options__width=64,
        head_options__reduction=2,
        head_options__channel_dropout=0.5 if table == "gtea" else 0.3,
        head_options__dropout=0.5,
        head_options__masks="released",
        head_options__smoothing=0.15,
        head_options__smoothing_limit=4.0,
    )


def _ltcontext(table: str) -> Values:
    """The configuration of Breakfast; that of 50Salads was not released."""
    source = "released" if table == "breakfast" else "ours"
    return _whole_videos(table) | _values(
        source,
        epochs=150,
        optim__lr=2.5e-4,
        optim__weight_decay=1e-3,
        optim__lr_schedule="cosine",
        optim__lr_hold_epochs=15,
        optim__lr_cosine_epochs=180,
        optim__lr_least=5e-5,
        head_options__stages=4,
        head_options__layers=9,
        head_options__width=64,
        head_options__shrink=2,
        head_options__window=64,
        head_options__stride=8,
        head_options__channel_dropout=0.3,
        head_options__dropout=0.2,
        head_options__smoothing=0.17,
        head_options__smoothing_limit=4.0,
    )


_CHUNKS: Mapping[str, Mapping[str, Any]] = {
    # GTEA's chunk sizes weigh 1, 3, 1 at evaluation.
    "50salads": {"chunk": 20, "tests": tuple(range(20, 40)), "steps": 960, "batch": 20, "lr": 3e-4, "decay": 1e-3},
    "breakfast": {"chunk": 10, "tests": tuple(range(6, 13)), "steps": 1200, "batch": 100, "lr": 1e-4, "decay": 3e-3},
    "gtea": {"chunk": 4, "tests": (3, 4, 4, 4, 5), "steps": 600, "batch": 11, "lr": 5e-4, "decay": 3e-4},
}


def _c2f_tcn(table: str) -> Values:
    own = _CHUNKS[table]
    return _values(
        "released",
        epochs=500,
        batch_size=own["batch"],
        sampling__pooling="max",
        sampling__chunk_frames=own["chunk"],
        sampling__test_chunks=own["tests"],
        sampling__max_chunks=own["steps"],
        sampling__augment_probability=0.5,
        sampling__augment_factor=2.0,
        optim__lr=own["lr"],
        optim__weight_decay=own["decay"],
        optim__lr_step_epochs=500,
        optim__lr_factor=0.5,
        head_options__canvas="window",
        head_options__window_steps=own["steps"],
        head_options__width=128,
        head_options__level_weights=(1.0, 1.0, 1.0, 1.0, 0.0, 0.0),
        head_options__smoothing=0.15,
        head_options__smoothing_mean="all",
        head_options__probability_floor=1e-10,
    )


_OF_HEADS: Mapping[str, Callable[[str], Values]] = {
    "ms_tcn2": _ms_tcn2,
    "asformer": _asformer,
    "ltcontext": _ltcontext,
    "c2f_tcn": _c2f_tcn,
}


def training_values(table: str, head: str) -> Values:
    """Dotted names of a training's settings, and their values, for a head on a data set."""
    return _OF_HEADS[head](table) | _as_they_are()
