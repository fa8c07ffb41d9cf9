"""The command to run once a check finds a folder usable."""

import shlex
from collections import Counter
from dataclasses import fields

from viewloom.check.findings import Spans
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.settings import DataConfig
from viewloom.dataset.splits import Splits
from viewloom.features.catalog import CatalogSource

KINDS = ("exo", "other", "ego")
"""Order of views: labels are most often of fixed cameras."""


def next_command(
    config: DataConfig,
    source: CatalogSource | None,
    labels: LabelSet | None,
    splits: Splits | None,
    spans: Spans,
    folds: bool = False,
) -> str:
    """Carry labels over to the other view where there are labels and pairs, train a head where there are labels alone,
    learn from pairs where there are these alone; empty where nothing can be done.

    Args:
        config: the check's settings; those of the data set that are not at their default go into the command.
        source: the features, if they are here.
        labels: the labels, if there are any.
        splits: the lists, or None where they are to be drawn.
        spans: frames by recording and view.
        folds: whether the splits are folds of which none was chosen.
    """
    if source is None or not spans:
        return ""
    counts = Counter(view for there in spans.values() for view in there)
    kinds = {view: source.view_table[view].kind for view in counts}
    views = sorted(counts, key=lambda view: (KINDS.index(kinds[view]), -counts[view], view))
    drawn = [] if splits is not None else ["--splits", "generate"]
    together = config.fold is None and any({views[0], views[-1]} <= set(there) for there in spans.values())
    both_lists = splits is not None and bool(splits.train and splits.pairs)
    if labels is not None and both_lists and len(views) > 1 and together and not folds:
        both = ["--from", views[0], "--to", views[-1]]
        return shlex.join(["viewloom", "transfer", *_settings(config), *both, "--run", "runs/transfer"])
    if folds and labels is not None:
        verb, chosen, run = ["crossval", *_settings(config)], views[0], "runs/folds"
    elif labels is not None and (splits is None or splits.train):
        verb, chosen, run = ["train", *_settings(config), *drawn], views[0], "runs/first"
    elif len(views) > 1 and (splits is None or splits.pairs):
        lone = [] if any(len(there) > 1 for there in spans.values()) else ["--method", "soft_dtw"]
        verb, chosen, run = ["pretrain", *_settings(config), *drawn, *lone], f"{views[0]},{views[-1]}", "runs/pairs"
    else:
        return ""
    return shlex.join(["viewloom", *verb, "--views", chosen, "--run", run])


def _settings(config: DataConfig) -> list[str]:
    """The settings of the data set as they were passed to the check."""
    words: list[str] = []
    for entry in fields(DataConfig):
        value = getattr(config, entry.name)
        if value != entry.default:
            words += [f"--{entry.name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return words
