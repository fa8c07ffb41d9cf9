"""What a recipe fixes, value by value, and where each value is from: the report, its released code, or us.

Two settings. `report`: as printed; what the report leaves open has the released value. `released_code`: the values
and the arithmetic of the released code, as far as it can be a setting. Faults of the release that are no setting
are in neither (see docs/recipes.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError, listed

Setting = Literal["report", "released_code"]
SETTINGS: tuple[Setting, ...] = ("report", "released_code")
Source = Literal["report", "released", "ours"]
T = TypeVar("T")


@dataclass(frozen=True)
class Sourced:
    """A value and its source.

    Attributes:
        value: the setting's value.
        source: report (printed there), released (from the code; the report is silent), or ours (neither tells).
    """

    value: Any
    source: Source


Values = Mapping[str, Sourced]
"""Dotted names of settings (``optim.lr``) and their values."""


def _released(**values: Any) -> dict[str, Sourced]:
    return {name.replace("__", "."): Sourced(value, "released") for name, value in values.items()}


def _ours(**values: Any) -> dict[str, Sourced]:
    return {name.replace("__", "."): Sourced(value, "ours") for name, value in values.items()}


SAMPLING = SamplingConfig(chunk_frames=20, test_chunks=(10, 17, 24), pooling="max")
"""Sampling of every recipe, as printed in the report, so that no data set's own chunk moves a published row; what
the user sets comes first."""
_SGD = _released(
    batch_size=8, optim__name="sgd", optim__lr=1e-4, optim__lr_step_epochs=100, optim__lr_factor=0.5, select="last"
)
"""`select=last`: the release takes the checkpoint of an epoch picked by hand, which is where training ends here."""
_SPANS = _released(pairs="labelled")
"""The release cuts pairs to the spans that are labelled."""
_NETWORK = _released(method_options__layers=6, method_options__dropout=0.1)
_FRAME = {"method_options.context": Sourced("frame", "report"), **_ours(method_options__loss_mean="valid")}
_AS_RELEASED = _released(method_options__context="batch", method_options__loss_mean="all")
_AS_RELEASED |= _released(method_options__window_steps=1200)
_MARK = _released(method_options__view_mark="fixed", method_options__mark_at="joint_training")
_EPOCHS = {"two_stream": 250, "two_stream_simple": 80, "sync_kd": 200, "two_stream3": 460}
"""Epochs of the checkpoints that the release used."""


def pretrain_values(recipe: str, setting: Setting) -> dict[str, Sourced]:
    """Settings of a pre-training recipe: names of methods, and two_stream3 for the three views of Table 5."""
    closed_form = _ours(method=recipe, epochs=1, batch_size=8, held_out=0.1)
    if recipe in ("ridge", "cca"):
        return {**closed_form, **_SPANS}
    method = recipe.removesuffix("3")
    values = {"method": Sourced(method, "report"), **_SPANS, **_SGD, **_NETWORK, **_ours(held_out=0.1)}
    values |= _released(epochs=_EPOCHS[recipe])
    values |= _FRAME if setting == "report" else _AS_RELEASED
    if method.startswith("two_stream"):
        values |= {
            "method_options.schedule": Sourced("report", "report"),
            "method_options.joint_depth": Sourced(1.0, "report"),
        }
        values |= _MARK if setting == "released_code" else _ours(method_options__view_mark="none")
    if method == "sync_kd":
        values |= _released(optim__lr=1e-2)
    if recipe == "two_stream" and setting == "report":
        values |= {"optim.lr": Sourced(1e-3, "report"), "epochs": Sourced(250, "report")}
    return values


def head_values(views: int, setting: Setting) -> dict[str, Sourced]:
    """Settings of the head, the same for every row of a table.

    The release differs by row (1e-2 for KD and the simple stream, 2e-5 from a warm start for the baseline), which
    would compare learning rates; with three views it has 1e-3 for all.
    """
    values = {"head": Sourced("c2f_tcn", "report")}
    values |= _released(epochs=500, batch_size=64, keep="best", optim__weight_decay=1e-4, optim__lr_factor=0.5)
    rate, step = (1e-2, 60) if views < 3 else (1e-3, 40)
    values |= _released(optim__lr=rate, optim__lr_step_epochs=step, head_options__level_weights=(1.0,) * 6)
    if setting == "report":
        values |= _ours(head_options__canvas="length", head_options__smoothing_mean="valid")
        return values | _ours(head_options__standardise=True)
    values |= _released(head_options__canvas="window", head_options__smoothing_mean="all")
    return values | _released(head_options__probability_floor=1e-10, head_options__standardise=False)


def scaled_values(values: Values, scale: float) -> dict[str, Sourced]:
    """The same with fewer epochs and layers: each times ``scale``, rounded, one at least."""
    rates = ("optim.lr_step_epochs", "optim.lr_hold_epochs", "optim.lr_cosine_epochs")
    counts = ("epochs", *rates, "method_options.layers")
    smaller = {
        name: Sourced(max(1, round(values[name].value * scale)), values[name].source)
        for name in counts
        if name in values
    }
    depth = values.get("method_options.joint_depth")
    if depth is not None:
        smaller["method_options.joint_depth"] = Sourced(depth.value * scale, depth.source)
    return {**values, **smaller} if scale != 1 else dict(values)


def apply(config: T, values: Mapping[str, Any]) -> T:
    """A settings dataclass with dotted names replaced; nested dataclasses are replaced inside."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        head, dot, rest = name.partition(".")
        names = {entry.name for entry in fields(config)}  # type: ignore[arg-type]
        if head not in names:
            raise ConfigError(f"{type(config).__name__} has no setting {head!r}; it has: {listed(sorted(names), 40)}.")
        inner = changes.get(head, getattr(config, head))
        assert not dot or is_dataclass(inner), f"{head} has no settings of its own"
        changes[head] = apply(inner, {rest: value}) if dot else value
    return replace(config, **changes)  # type: ignore[type-var]
