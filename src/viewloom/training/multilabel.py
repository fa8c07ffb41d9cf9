"""Scores of a head where a frame may have several classes: as `viewloom.training.evaluate` has them of one label."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from viewloom.console import track
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.multilabel import Classes, frame_classes
from viewloom.dataset.settings import LabelsMode
from viewloom.errors import ConfigError
from viewloom.metrics.multilabel import ClassResult, frame_scores, score_classes
from viewloom.metrics.segments import IGNORE, Segments
from viewloom.training.predicted import predict_items
from viewloom.training.segmenter import Segmenter
from viewloom.training.trained import TrainedHead

THRESHOLD = 0.5
"""The least probability of a class that is there, while a run is validated."""


def true_classes(dataset: MultiViewDataset, item: Item) -> Classes:
    """The classes of each frame of an item, (T, K)."""
    return frame_classes(dataset.labels, item.name, item.start, item.end)


def refuse_other_mode(labels: LabelSet | None, trained: TrainedHead) -> None:
    """`ConfigError` where a head was trained in another ``labels_mode`` than labels were opened in."""
    own: LabelsMode = "multi" if trained.head.multi else "single"
    if labels is not None and labels.mode != own:
        raise ConfigError(
            f"{trained.where} was trained with --labels_mode {own}, but these labels were opened with {labels.mode}. "
            f"Pass --labels_mode {own} (or write it into dataset.yaml), or train on these."
        )


def class_results(
    dataset: MultiViewDataset, items: Sequence[Item], view: str, segmenter: Segmenter, threshold: float
) -> list[tuple[Item, ClassResult]]:
    """What is found in every item in one view, with a progress bar."""
    predicted = track(predict_items(dataset, items, view, segmenter), f"Predicting {view}", len(items))
    return [
        (item, ClassResult.of_frames(probs_TK, true_classes(dataset, item), threshold, item.start))
        for item, probs_TK in predicted
    ]


def item_class_scores(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], segmenter: Segmenter
) -> dict[str, float]:
    """Scores of items, all views pooled, with the total; for validation."""
    assert dataset.labels is not None
    results = [
        ClassResult.of_frames(probs_TK, true_classes(dataset, item), THRESHOLD)
        for view in views
        for item, probs_TK in predict_items(dataset, items, view, segmenter)
    ]
    return score_classes(results, dataset.labels.actions, THRESHOLD).scores


def class_summary(
    found: Sequence[tuple[Item, ClassResult]], actions: Sequence[str], threshold: float
) -> dict[str, Any]:
    """Scores of one view: pooled, per class and per item."""
    scores = score_classes([result for _, result in found], actions, threshold)
    return {
        "scores": scores.scores,
        "per_class": scores.class_rows(),
        "per_item": [
            {
                "item": item.name,
                "recording": item.recording,
                "frames": item.end - item.start,
                **frame_scores(result, threshold),
            }
            for item, result in found
        ],
    }


def class_predictions(
    dataset: MultiViewDataset, found: Sequence[tuple[Item, ClassResult]], actions: Sequence[str]
) -> dict[str, Any]:
    """Truth and prediction of each item as segments that may overlap, in absolute frames; ``confidences`` is the mean
    probability of each predicted one, ``ignored`` are stretches of which nobody says anything."""
    return {
        "actions": list(actions),
        "fps": dataset.source.fps,
        "labels_mode": "multi",
        "items": {
            item.name: {
                "recording": item.recording,
                "start": item.start,
                "end": item.end,
                "truth": result.true.rows,
                "prediction": result.predicted.rows,
                "confidences": np.round(result.predicted.confidences, 4).tolist(),
                "ignored": _ignored(dataset, item),
            }
            for item, result in found
        },
    }


def _ignored(dataset: MultiViewDataset, item: Item) -> list[list[int]]:
    """Start and end of the stretches of an item without a label."""
    unknown_T = (true_classes(dataset, item) == IGNORE).any(axis=1)
    found = Segments.of_frames(unknown_T, item.start)
    return [row[:2] for row in found.select(found.labels == 1).rows]


def always_commonest(dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str]) -> tuple[float, str]:
    """Micro F1 of the best that looks at no feature: of the training frames' commonest classes, in every frame, those
    whose union scores highest on them; and its name.

    Args:
        dataset: opened data set.
        items: validation items.
        views: views they were scored in.
    """
    assert dataset.labels is not None
    actions = dataset.labels.actions
    train_K, frames = _class_frames(dataset, dataset.items("train"))
    shown = [item for view in views for item in items if view in dataset.source.views(item.recording)]
    val_K, val_frames = _class_frames(dataset, shown)
    order = np.argsort(-train_K, kind="stable")
    said = np.arange(1, len(order) + 1)
    number = 1 + int((2 * train_K[order].cumsum() / np.maximum(said * frames + train_K.sum(), 1)).argmax())
    whole = number * val_frames + int(val_K.sum())
    named = "the commonest training action" if number == 1 else f"the {number} commonest training actions"
    best = 200.0 * float(val_K[order[:number]].sum()) / max(whole, 1)
    return best, f"{named} in every frame ({', '.join(actions[k] for k in order[: min(number, 3)])})"


def _class_frames(dataset: MultiViewDataset, items: Sequence[Item]) -> tuple[Any, int]:
    """Frames of each class (K,), and labelled frames, of items."""
    assert dataset.labels is not None
    counts_K, labelled = np.zeros(len(dataset.labels.actions), np.int64), 0
    for item in items:
        classes_TK = true_classes(dataset, item)
        counts_K += (classes_TK == 1).sum(axis=0)
        labelled += int((classes_TK[:, 0] != IGNORE).sum())
    return counts_K, labelled
