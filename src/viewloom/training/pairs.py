"""The pairs of a pre-training: windows to learn from, windows held out, and what is measured on those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.multilabel import refuse_multi
from viewloom.errors import ConfigError, DataError, listed
from viewloom.methods.base import Method
from viewloom.methods.settings import AUTO
from viewloom.registry import METHODS
from viewloom.training.checkpoints import read_head
from viewloom.training.evaluate import select_views
from viewloom.training.invariance import HeldOut, hold_out, measure
from viewloom.training.runs import say
from viewloom.training.sampling import own_pooling, run_sampling, used_sampling
from viewloom.windows.pairs import ViewWindows, make_view_loader
from viewloom.windows.sampling import Sampling

if TYPE_CHECKING:
    from viewloom.training.settings import PretrainConfig


@dataclass(frozen=True)
class Pairs:
    """Windows to learn from, and those held out; None where no recording with all views can be."""

    learn: ViewWindows
    held_out: ViewWindows | None


def held_out_measures(
    method: Method, windows: ViewWindows, batch_size: int, device: torch.device, with_plain: bool = False
) -> HeldOut:
    """`measure` on held-out windows, in evaluation mode."""
    training = method.training
    method.eval()
    held = measure(method, make_view_loader(windows, batch_size), device, with_plain)
    method.train(training)
    return held


def split_pairs(config: PretrainConfig, dataset: MultiViewDataset) -> Pairs:
    """The pair recordings, a seeded share of them held out; all windows of a recording stay together.

    Raises:
        ConfigError: fewer than two views; no labels, for a method that learns from them.
        DataError: no pair recording that the method can learn from, or none to hold out, which most must have.
    """
    views = select_views(config.views, dataset)
    items: tuple[Item, ...] = dataset.items("pairs", views, config.pairs)
    if len(views) < 2:
        raise ConfigError(f"--views must name two views or more to learn from, but is {config.views!r}.")
    refuse_no_pairs(config.method, config.method_options, dataset, items, views)
    lone = takes_lone_views(config.method, config.method_options)
    learn, held = _divided(config, dataset, items, views, lone)
    sampling = _pair_sampling(config, dataset, learn, views)
    still, labels = replace(sampling, augment_probability=0.0), _pair_labels(config, dataset, learn)
    pairs = Pairs(
        ViewWindows(dataset.source, learn, views, sampling, config.seed, labels, 1 if lone else 2),
        ViewWindows(dataset.source, held, views, still, labels=labels) if held else None,
    )
    if pairs.held_out is None and config.held_out:
        say(
            f"note: no pair recording with all of the views {listed(views)} can be held out, so neither retrieval nor "
            "collapse is measured, and the last epoch is kept."
        )
    if pairs.learn.skipped:
        few = "none" if lone else "fewer than two"
        text = f"{len(pairs.learn.skipped)} of {len(items)} items have {few} of the views {listed(views)}"
        say(f"note: {text} and are left out: {listed(pairs.learn.skipped, 3)}.")
    return pairs


def takes_lone_views(method: str, options: Any) -> bool:
    """Whether a method, so set, learns from recordings that one of the views alone saw too."""
    return method != AUTO and bool(METHODS.get(method).takes_lone_views(options))


def refuse_no_pairs(
    method: str, options: Any, dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str]
) -> None:
    """`DataError` where a method can learn nothing from any pair recording, by the views these have.

    Args:
        method: name of the method.
        options: its settings.
        dataset: opened data set.
        items: the pairs.
        views: the views to learn from.
    """
    there = [set(views) & set(dataset.source.views(item.recording)) for item in items]
    if takes_lone_views(method, options):
        absent = [view for view in views if not any(view in seen for seen in there)]
        if absent:
            raise DataError(
                f"No pair recording has view {listed(absent)}. Leave it out, or add some to the pairs list."
            )
    elif max(map(len, there), default=0) < 2:
        others = [name for name in METHODS.names() if takes_lone_views(name, METHODS.settings(name)())]
        raise DataError(
            f"No pair recording has two of the views {listed(views)}, and {method} learns from such recordings alone. "
            f"Add some to the pairs list, or take a method that needs none as it is set by default: {listed(others)}. "
            "`viewloom check` shows which views each recording has."
        )


def _divided(
    config: PretrainConfig, dataset: MultiViewDataset, items: tuple[Item, ...], views: Sequence[str], lone: bool
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The pairs to learn from and those held out, which have all views.

    None is held out where none shall be, or where there is none with all views, or a view would be seen by no other
    recording, and the method can do without (``lone``).
    """
    if not config.held_out:
        return items, ()
    source = dataset.source
    complete = {name for name in source.recordings if set(views) <= set(source.views(name))}
    if lone and not any(item.recording in complete for item in items):
        return items, ()
    learn, held = hold_out(items, config.held_out, config.seed, complete)
    left = {view for item in learn for view in source.views(item.recording)}
    return (learn, held) if not lone or set(views) <= left else (items, ())


def _requires(method: str) -> str:
    """What a method must be handed; a choice among several is made on pairs alone."""
    return "pairs" if method == AUTO else str(METHODS.get(method).requires)


def _pair_labels(config: PretrainConfig, dataset: MultiViewDataset, learn: Sequence[Item]) -> LabelSet | None:
    """The labels, for a method that learns from those of the pairs, which is said out loud; None for others."""
    if _requires(config.method) != "labels":
        return None
    refuse_multi(dataset.labels, f"The method {config.method!r}")
    labelled = () if dataset.labels is None else dataset.labels.recordings
    recordings = {item.recording for item in learn}
    count = len(recordings.intersection(labelled))
    if not count:
        raise ConfigError(
            f"The method {config.method!r} learns from labels of pairs, but none of the {len(recordings)} pair "
            "recordings to learn from has any. List labelled recordings that several views see in the split's pairs, "
            "or take a method that needs no labels, such as contrast."
        )
    say(
        f"note: {config.method} learns from the labels of {count} of {len(recordings)} pair recordings. Methods that "
        "learn from pairs alone have no such help; tables mark its runs."
    )
    return dataset.labels


def _pair_sampling(
    config: PretrainConfig, dataset: MultiViewDataset, learn: Sequence[Item], views: Sequence[str]
) -> Sampling:
    """Windows as the teacher's were, where one is followed; else as suits the features, for no label is looked at."""
    if config.teacher is None or _requires(config.method) != "teacher_head":
        return run_sampling(config.sampling, dataset, learn, views)
    saved = read_head(Path(config.teacher) / "head.safetensors")
    own_pooling(saved.extra, config.sampling, config.teacher)
    return used_sampling(config.sampling, saved.extra, saved.fps, dataset, "teacher")
