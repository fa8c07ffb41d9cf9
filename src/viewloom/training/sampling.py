"""The sampling of a run: resolved on its data, kept with its weights, and taken up again where they are used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.settings import SamplingConfig, filled
from viewloom.errors import ConfigError
from viewloom.features.base import FeatureSource
from viewloom.features.settings import Pooling
from viewloom.training.runs import say
from viewloom.windows.sampling import Sampling, Segments, choices, over_saved, resolve_sampling, stored_sampling

NEGATIVE_SHARE = 0.01
"""Features with more negative values than this are signed: their maximum would show positive values alone."""
LOOK_ITEMS, LOOK_FRAMES = 8, 64
"""Items, spread over all, and frames in the middle of each that are looked at for negative values."""


def run_sampling(
    request: SamplingConfig,
    dataset: MultiViewDataset,
    items: Sequence[Item],
    views: Sequence[str],
    segments: Segments | None = None,
    fixed: tuple[Pooling, str] | None = None,
) -> Sampling:
    """The sampling of a run that learns from items in some views; what nobody set is chosen, and said once.

    Args:
        request: what is set.
        dataset: where the items are.
        items: what is learned from; features of these alone are looked at.
        views: in which views.
        segments: lengths (frames) of the items' labelled segments; None where labels may not be looked at.
        fixed: pooling that something else asks for, and why.
    """
    if request.chunk_frames is None or request.test_chunks_s is not None:
        warn_assumed_fps(dataset)
    pooling, reason = (request.pooling, "") if request.pooling is not None else (None, "")
    if pooling is None:
        pooling, reason = fixed or natural_pooling(dataset.source, items, views)
    fps = dataset.source.fps
    sampling = resolve_sampling(filled(request, SamplingConfig(pooling=pooling)), fps, segments)
    line = choices(request, sampling, fps, segments, reason)
    if line is not None:
        say(f"note: {line}")
    return sampling


def segment_frames(dataset: MultiViewDataset, items: Sequence[Item]) -> Segments:
    """Lengths (frames) of the labelled segments of items, as far as they lie inside."""
    assert dataset.labels is not None
    lengths = [np.empty(0, np.int64)]
    for item in items:
        segments = dataset.labels.annotations[item.name]
        lengths.append(np.clip(segments.ends, item.start, item.end) - np.clip(segments.starts, item.start, item.end))
    found = np.concatenate(lengths)
    return found[found > 0]


def natural_pooling(source: FeatureSource, items: Sequence[Item], views: Sequence[str]) -> tuple[Pooling, str]:
    """What suits the features, by some frames of some items: the mean of signed ones, else the maximum; and why."""
    ordered = sorted(items, key=lambda item: (item.recording, item.start, item.name))
    places = np.linspace(0, len(ordered) - 1, min(LOOK_ITEMS, len(ordered))).round().astype(int)
    negative = values = 0
    for item in (ordered[place] for place in places):
        start = max(item.start, (item.start + item.end - LOOK_FRAMES) // 2)
        for view in set(views) & set(source.views(item.recording)):
            x_TD = source.read(item.recording, view, start, min(start + LOOK_FRAMES, item.end))
            negative += int((x_TD < 0).sum())
            values += int(np.isfinite(x_TD).sum())
    share = negative / values if values else 0.0
    amount = "none" if not negative else f"{100 * share:.2g} %"
    return "mean" if share > NEGATIVE_SHARE else "max", f"{amount} of the features' values looked at are negative"


def own_pooling(extra: Mapping[str, Any], request: SamplingConfig, where: str) -> tuple[Pooling, str]:
    """The pooling of the features that a refiner or a teacher learned from, and why it is taken.

    Args:
        extra: what was stored with its weights.
        request: what is set.
        where: its path, for the message.

    Raises:
        ConfigError: another one is asked for.
    """
    own = stored_sampling(extra).pooling
    if request.pooling not in (None, own):
        raise ConfigError(
            f"{where} learned from features pooled by {own}, so --sampling.pooling {request.pooling} doesn't fit it. "
            "Leave that out (on the line and in dataset.yaml), or train anew with it what stands there."
        )
    return own, "as the refiner learned"


def kept(sampling: Sampling, dataset: MultiViewDataset, views: Sequence[str]) -> dict[str, Any]:
    """What is stored with weights, for `stored_sampling`, `used_sampling` and `stored_rate`."""
    timings = {view: timing for view in views if (timing := dataset.source.timing(view)) is not None}
    rates = {"rates": {view: rate for view, (rate, _) in timings.items()}} if timings else {}
    return {"sampling": asdict(sampling), "fps_known": dataset.fps_known, **rates}


def stored_rate(extras: Iterable[Mapping[str, Any]], view: str) -> float | None:
    """Stored frames per second that a view had where weights were learned; None where it had the data set's."""
    return next((float(extra["rates"][view]) for extra in extras if view in extra.get("rates", {})), None)


def note_other_rates(extras: Sequence[Mapping[str, Any]], dataset: MultiViewDataset, views: Sequence[str]) -> None:
    """Say of which views the rate differs from that in training: a data set without its ``views.yaml``, most likely."""
    for view in views:
        rate, timing = stored_rate(extras, view), dataset.source.timing(view)
        here = dataset.source.fps if timing is None else timing[0]
        if rate is not None and rate != here:
            say(
                f"note: view {view} had {rate:g} stored frames a second in training, and has {here:g} here. If that is "
                f"not so, say it in views.yaml (`{view}: {{fps: {rate:g}}}`)."
            )


def used_sampling(
    request: SamplingConfig, extra: Mapping[str, Any], fps: float, dataset: MultiViewDataset, what: str = "head"
) -> Sampling:
    """The sampling to use trained weights with: theirs, in seconds, but for what is set; differences are said.

    Args:
        request: what is set.
        extra: what was stored with the weights.
        fps: frames per second of the features they were trained on.
        dataset: what they are used on.
        what: what they are called in messages.
    """
    own, here = stored_sampling(extra), dataset.source.fps
    moved = own
    if dataset.fps_known and extra.get("fps_known", True):
        moved = own.at_fps(fps, here)
    if moved != own:
        sizes = f"chunks of {_list(own.test_chunks)} frames become {_list(moved.test_chunks)}"
        say(f"note: the {what} was trained at {fps:g} frames per second, these features have {here:g}: {sizes}.")
    sampling = resolve_sampling(over_saved(request, moved, here), here)
    names = ("max_chunks", "test_chunks", "pooling", "missing_frames", "nearest_within_frames")
    pairs = {name: (getattr(sampling, name), getattr(moved, name)) for name in names}
    other = [f"{name} {_list(new)} instead of {_list(old)}" for name, (new, old) in pairs.items() if new != old]
    if other:
        say(f"note: by your settings the sampling differs from that of the {what}: {', '.join(other)}.")
    return sampling


def warn_assumed_fps(dataset: MultiViewDataset) -> None:
    """Say that nobody said the frame rate, where something depends on it."""
    if not dataset.fps_known:
        rate = f"{dataset.source.fps:g} is assumed"
        say(f"warning: frames per second are not known; {rate}. Pass --fps or set fps in dataset.yaml.")


def _list(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
