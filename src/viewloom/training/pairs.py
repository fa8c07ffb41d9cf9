"""The pairs of a pre-training: windows to learn from, windows held out, and what is measured on those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.labels import LabelSet
from viewloom.errors import ConfigError, listed
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
    """Windows to learn from, and those held out."""

    learn: ViewWindows
    held_out: ViewWindows


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
    """The pair recordings, a seeded share of them held out; all windows of a recording stay together."""
    views = select_views(config.views, dataset)
    items: tuple[Item, ...] = dataset.items("pairs", views, config.pairs)
    if len(views) < 2:
        raise ConfigError(f"--views must name two views or more to learn from, but is {config.views!r}.")
    complete = {name for name in dataset.source.recordings if set(views) <= set(dataset.source.views(name))}
    learn, held = hold_out(items, config.held_out, config.seed, complete)
    sampling = _pair_sampling(config, dataset, learn, views)
    still, labels = replace(sampling, augment_probability=0.0), _pair_labels(config, dataset, learn)
    pairs = Pairs(
        ViewWindows(dataset.source, learn, views, sampling, config.seed, labels),
        ViewWindows(dataset.source, held, views, still, labels=labels),
    )
    if pairs.learn.skipped:
        text = f"{len(pairs.learn.skipped)} of {len(items)} items have fewer than two of the views {listed(views)}"
        say(f"note: {text} and are left out: {listed(pairs.learn.skipped, 3)}.")
    return pairs


def _requires(method: str) -> str:
    """What a method must be handed; a choice among several is made on pairs alone."""
    return "pairs" if method == AUTO else str(METHODS.get(method).requires)


def _pair_labels(config: PretrainConfig, dataset: MultiViewDataset, learn: Sequence[Item]) -> LabelSet | None:
    """The labels, for a method that learns from those of the pairs, which is said out loud; None for others."""
    if _requires(config.method) != "labels":
        return None
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
