"""What `viewloom evaluate` writes of errors (``errors.json``): kinds, by action, verb, noun, head and tail."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.text_files import CsvTable, read_csv
from viewloom.errors import DataError, listed
from viewloom.metrics.action_groups import Words, words_in_names
from viewloom.metrics.error_figures import ActionFacts, figures, item_errors, true_frames
from viewloom.metrics.error_kinds import KINDS
from viewloom.metrics.segments import IGNORE, Segments
from viewloom.training.multilabel import true_classes

FILE = "errors.json"
WORD_FILES = {"verbs.csv": ("action", "verb", "noun"), "actions.csv": ("action_cls", "verb_cls", "noun_cls")}
"""Files of a data set that may say verb and noun of each action, and their columns; the first that does counts."""


@dataclass(frozen=True)
class JudgedItem:
    """Truth and prediction of one item, as ``predictions/<view>.json`` has them."""

    start: int
    end: int
    truth: Segments
    prediction: Segments
    ignored: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> "JudgedItem":
        """From an item of ``predictions/<view>.json``."""
        truth, prediction = (Segments.of_rows(value[kind]) for kind in ("truth", "prediction"))
        ignored = tuple((first, last) for first, last in value.get("ignored", ()))
        return cls(value["start"], value["end"], truth, prediction, ignored)


def action_facts(dataset: MultiViewDataset) -> ActionFacts:
    """Verbs, nouns and training frames of a data set's actions.

    Raises:
        DataError: ``verbs.csv`` in the data set's folder lacks an action.
    """
    assert dataset.labels is not None
    actions = dataset.labels.actions
    words, source = _words(dataset.root, actions)
    return ActionFacts(actions, words, source, _train_frames(dataset))


def _words(root: Path, actions: tuple[str, ...]) -> tuple[Words | None, str]:
    """Verb and noun of each action, and where that stands; read from the names where no file says."""
    for name, columns in WORD_FILES.items():
        path = root / name
        table = read_csv(path) if path.is_file() else None
        if table is None or not set(columns) <= set(table.columns):
            continue
        found = _read_words(path, table, columns)
        missing = [action for action in actions if not found.get(action, ("", ""))[0]]
        if not missing:
            return [found[action] for action in actions], name
        if name == next(iter(WORD_FILES)):
            raise DataError(
                f"{path} has no verb for {listed(missing)}. Add a line (action, verb, noun) for each action."
            )
    words = words_in_names(actions)
    return words, "names" if words is not None else ""


def _read_words(path: Path, table: CsvTable, columns: tuple[str, str, str]) -> dict[str, tuple[str, str]]:
    """Verb and noun by action; `DataError` for a line of other fields, or one that contradicts an earlier one."""
    found: dict[str, tuple[str, str]] = {}
    for line, fields in table.rows:
        where = f"{path}, line {line}"
        table.check_length(where, fields, columns[:2])  # there may be no noun
        action, *words = (fields.get(column, "") for column in columns)
        if found.setdefault(action, (words[0], words[1])) != tuple(words):
            raise DataError(f"{where}: the action {action[:80]!r} has other words on an earlier line. Remove one line.")
    return found


def _train_frames(dataset: MultiViewDataset) -> tuple[int, ...] | None:
    """Training frames of each action; None where there are no training items."""
    assert dataset.labels is not None
    if dataset.splits is None or not dataset.splits.train:
        return None
    counts_K = np.zeros(len(dataset.labels.actions), np.int64)
    for item in dataset.items("train"):
        if dataset.labels.mode == "multi":
            counts_K += (true_classes(dataset, item) == 1).sum(axis=0)
            continue
        labels_T = dataset.labels.annotations[item.name].frame_labels(item.start, item.end)
        counts_K += np.bincount(labels_T[labels_T != IGNORE], minlength=len(counts_K))
    return tuple(counts_K.tolist())


def errors_json(
    metrics: Mapping[str, Any], predictions: Mapping[str, Mapping[str, Any]], facts: ActionFacts
) -> dict[str, Any]:
    """What ``errors.json`` holds.

    Args:
        metrics: as in ``metrics.json``.
        predictions: by view, as in ``predictions/<view>.json``.
        facts: of the actions.
    """
    background = [facts.actions.index(name) for name in metrics["background"]]
    views = {}
    for view, found in predictions.items():
        items = [JudgedItem.of_json(value) for value in found["items"].values()]
        errors = item_errors(items, metrics.get("labels_mode") == "multi", background)
        views[view] = figures(errors, true_frames(items, len(facts.actions)), facts, metrics["fps"])
    return {"kinds": list(KINDS), "facts": facts.to_json(), "views": views}


def tidy_rows(errors: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``errors.json`` as lines: view, by (all, action, verb, noun, part), name, kind, seconds, errors."""
    found = []
    for view, of in errors.get("views", {}).items():
        groups = [("all", "", of["kinds"])]
        groups += [(what, row["name"], row["kinds"]) for what, rows in of["by"].items() for row in rows]
        found += [
            {"view": view, "by": what, "name": name, "kind": kind, **values}
            for what, name, kinds in groups
            for kind, values in kinds.items()
        ]
    return found
