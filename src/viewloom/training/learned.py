"""Has a run learned anything? A refiner is held against plain features, a head against the commonest action."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from viewloom.console import err
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.files import write_json
from viewloom.logged import read_logged
from viewloom.methods.none import IdentityRefiner
from viewloom.methods.refiner import Refiner
from viewloom.metrics.segmentation import score
from viewloom.training.evaluate import true_labels
from viewloom.training.invariance import HeldOut
from viewloom.training.multilabel import always_commonest
from viewloom.training.runs import read_json

MARK = "LEARNED NOTHING"
"""First words of every warning about a run that is no better than none."""


def on_held_out(method: str, refiner: Refiner, held: HeldOut) -> list[str]:
    """What to be wary of, by what was measured on held-out pairs; nothing where nothing was to be learned.

    Args:
        method: name of the method.
        refiner: what it learned.
        held: the measures, those of plain features and of chance among them.
    """
    if held.collapse:
        return [f"COLLAPSE of {method}: {held.collapse}"]
    if isinstance(refiner, IdentityRefiner):
        return []
    values = held.values
    return against_plain(method, values["retrieval"], values.get("plain_retrieval"), values["chance"])


def against_plain(method: str, retrieval: float, plain: float | None, chance: float) -> list[str]:
    """A warning where refined features are found no more often than plain ones, or than by chance.

    Args:
        method: name of the method.
        retrieval: percent of held-out steps that are found again in another view.
        plain: the same of plain features; None where views have feature sizes of their own.
        chance: the same of blind guesses.
    """
    if retrieval > max(plain or 0.0, chance):
        return []
    others = " or ".join(name for name in ("cca", "ridge") if name != method)
    of_plain = f"plain features {plain:.1f} %, and " if plain is not None else ""
    return [
        f"{MARK}: {method} finds {retrieval:.1f} % of held-out steps again in another view, {of_plain}"
        f"chance {chance:.1f} %. Try method {others}, more pairs, more epochs, or another learning "
        "rate (--optim.lr)."
    ]


def against_first_epoch(method: str, kept: int, interval: int, epochs: int) -> list[str]:
    """A warning where, of several validated epochs, the first was the best.

    Args:
        method: name of the method.
        kept: the epoch kept, counted from 1.
        interval: epochs between two validations.
        epochs: epochs trained.
    """
    if kept > interval or epochs < 2 * interval:
        return []
    return [
        f"{MARK} after epoch {kept} of {epochs}: {method} was best when it was first measured, and then got worse. Try "
        "a lower learning rate (--optim.lr), method cca or ridge, or more pairs."
    ]


def against_majority(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], folder: Path, epoch: int
) -> list[str]:
    """A warning where a head's kept epoch gets no more validation frames right than the commonest action does.

    Args:
        dataset: opened data set, with labels.
        items: validation items.
        views: views they were scored in.
        folder: the run folder, whose metrics.csv has the head's scores.
        epoch: the epoch kept, counted from 0.
    """
    assert dataset.labels is not None
    if dataset.labels.mode == "multi":
        return against_commonest(dataset, items, views, _value(folder / "metrics.csv", epoch, "val/f1_micro"))
    right = _value(folder / "metrics.csv", epoch, "val/mof")
    truths = [
        true_labels(dataset, item) for view in views for item in items if view in dataset.source.views(item.recording)
    ]
    if right is None or not truths:
        return []
    common = commonest(dataset)
    alone = score([np.full_like(truth, common) for truth in truths], truths).mof
    if right > alone:
        return []
    if alone == 100:
        return [
            f"{MARK}: the validation frames show one action alone, {dataset.labels.actions[common]}, so there is "
            "nothing to tell apart. Label more actions, or add recordings that show them to the val list."
        ]
    return [
        f"{MARK}: the head kept gets {right:.1f} % of the validation frames right, and the commonest training action "
        f"alone, {dataset.labels.actions[common]}, {alone:.1f} %. Try more --epochs, smaller steps "
        "(--sampling.chunk_frames), another learning rate (--optim.lr), or see `viewloom check`."
    ]


def against_commonest(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], f1: float | None
) -> list[str]:
    """As `against_majority`, where a frame may have several labels; ``f1`` is the kept epoch's micro F1 of frames."""
    alone, what = always_commonest(dataset, items, views) if items else (0.0, "")
    if f1 is None or f1 > alone:
        return []
    return [
        f"{MARK}: the head kept has {f1:.1f} % micro F1 on the validation frames, and {what} {alone:.1f} %. Try more "
        "--epochs, another learning rate (--optim.lr), or see `viewloom check`."
    ]


def commonest(dataset: MultiViewDataset) -> int:
    """Class with the most labelled frames in the training items."""
    assert dataset.labels is not None
    counts_K = np.zeros(len(dataset.labels.actions), np.int64)
    for item in dataset.items("train"):
        labels_T = true_labels(dataset, item)
        counts_K += np.bincount(labels_T[labels_T >= 0], minlength=len(counts_K))
    return int(counts_K.argmax())


def warn(folder: Path, warnings: Sequence[str]) -> None:
    """Say warnings out loud, and keep them in the run's environment.json, where reports look for them."""
    if not warnings:
        return
    path = folder / "environment.json"
    facts = read_json(path)
    write_json(path, facts | {"warnings": list(dict.fromkeys([*facts.get("warnings", []), *warnings]))})
    show(warnings)


def show(warnings: Sequence[str]) -> None:
    """Say warnings out loud."""
    for warning in warnings:
        err.print(warning, style="bold red", markup=False)


def _value(path: Path, epoch: int, name: str) -> float | None:
    """A value that was logged in an epoch; None if it wasn't."""
    found = [row.get(name) for row in read_logged(path) if int(row["epoch"]) == epoch]
    return float(found[-1]) if found and found[-1] else None
