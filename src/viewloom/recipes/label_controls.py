"""Runs of controls that see no feature: they leave what an evaluation does, so that tables and report take them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.multilabel import refuse_multi
from viewloom.dataset.opening import open_dataset
from viewloom.errors import DataError
from viewloom.identity import settings_of
from viewloom.metrics.controls import clock_labels, majority_label
from viewloom.metrics.segments import Ints
from viewloom.recipes.settings import LabelControlConfig
from viewloom.training.error_figures import action_facts, errors_json
from viewloom.training.evaluate import Scored, predictions, select_views, summary, true_labels
from viewloom.training.scores import Scores


def run_label_control(config: LabelControlConfig, dataset: MultiViewDataset | None = None) -> Path:
    """Score the control on the test items of every view; returns the folder with ``metrics.json``.

    Raises:
        DataError: data without labels, or no test item with one of the views.
    """
    dataset = dataset or open_dataset(config)
    refuse_multi(dataset.labels, f"The control {config.control}")
    if dataset.labels is None:
        raise DataError(f"{dataset.root} has no labels, and the control {config.control} is made of them.")
    actions, items = dataset.labels.actions, dataset.items("test")
    metrics: dict[str, Any] = {
        "protocol": "canonical",
        "split": "test",
        "background": [],
        "fps": dataset.source.fps,
        "actions": actions,
        "trained_on": [],
        "simulated": dataset.simulated,
        "row": config.name or config.control,
        "scored_with": settings_of(config),
        "learned": {},
        "views": {},
    }
    scores, guesses = Scores(metrics, {}), control_labels(config, dataset, items)
    for view in select_views(config.views, dataset):
        having = [item for item in items if view in dataset.source.views(item.recording)]
        if not having:
            raise DataError(f"No test item of {dataset.root} has view {view}. Pass --views with some that they have.")
        scored = [Scored(item, guesses[item.name], true_labels(dataset, item)) for item in having]
        kind = {"kind": dataset.views[view].kind}
        metrics["views"][view] = summary(scored, actions, "canonical", ()) | kind
        scores.predictions[view] = predictions(scored, actions, dataset.source.fps)
    replace(scores, what_went_wrong=errors_json(metrics, scores.predictions, action_facts(dataset))).write(config.run)
    return Path(config.run)


def control_labels(config: LabelControlConfig, dataset: MultiViewDataset, items: tuple[Item, ...]) -> dict[str, Ints]:
    """The control's label of each frame of each item, by name."""
    train = [true_labels(dataset, item) for item in dataset.items("train")]
    if config.control == "clock":
        return {item.name: clock_labels(train, item.end - item.start) for item in items}
    label = majority_label(train)
    return {item.name: np.full(item.end - item.start, label, np.int64) for item in items}
