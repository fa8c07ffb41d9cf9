"""How far a student agrees with its teacher in each view, and whether the teacher had much to say. No label of the pair
recordings is looked at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.metrics.class_segments import segments_of_classes
from viewloom.metrics.segments import IGNORE, Segments
from viewloom.training.agreed_classes import THRESHOLD, alike, sureness, taught_frames
from viewloom.training.evaluate import true_labels
from viewloom.training.lesson import Lesson
from viewloom.training.multilabel import true_classes
from viewloom.training.predicted import predict_items
from viewloom.training.segmenter import Segmenter
from viewloom.training.taught import sees
from viewloom.windows.taught import SoftLabels

FILE = "taught.json"
MARK = "TAUGHT LITTLE"
"""First words of every warning about a student that had little to learn from."""

SURE = 0.75
"""On pairs a teacher should be this much as sure, above chance, as on validation windows."""
LEAST_USED = 0.2
"""Share of the frames on which the teacher should be as sure as is asked for."""
LEAST_COVERED = 0.5
"""Share of the training frames whose actions the teacher should find in the pairs."""
LEAST_SHARE = 0.1
"""An action counts as found where its share of the pairs is at least this much of its share of the training labels."""

Soft = Mapping[str, SoftLabels]


def says(soft: Soft, confidence: float, multi: bool = False) -> dict[str, float]:
    """How much a teacher said of the pairs, and how surely; ``multi``: frames may have several classes.

    Returns:
        ``frames`` that it sees, ``mean_confidence`` (mean over these of its largest probability), and ``used``, percent
        of these that reach a confidence.
    """
    frames_N = np.concatenate([labels.frames_R[labels.seen_R] for labels in soft.values()])
    sure_NX = np.concatenate([sureness(labels.probs_RK[labels.seen_R], multi) for labels in soft.values()])
    total = max(int(frames_N.sum()), 1)
    return {
        "frames": int(frames_N.sum()),
        "mean_confidence": float((frames_N * sure_NX.astype(np.float64).mean(axis=1)).sum() / total),
        "used": 100.0 * float((frames_N * (sure_NX >= confidence).mean(axis=1)).sum() / total),
    }


def mean_confidence(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], segmenter: Segmenter
) -> float | None:
    """Mean over the frames of items in some views of the largest probability; None where there is no item."""
    predicted = (p_TK for view in views for _, p_TK in predict_items(dataset, items, view, segmenter))
    found = [sureness(p_TK, segmenter.head.multi).mean(axis=1) for p_TK in predicted]
    return float(np.concatenate(found).mean(dtype=np.float64)) if found else None


def class_shares(dataset: MultiViewDataset, soft: Soft) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of each class (K,) in the training labels, and among what the teacher finds likeliest in the pairs."""
    assert dataset.labels is not None
    classes = len(dataset.labels.actions)
    trained_K, taught_K = np.zeros(classes), np.zeros(classes)
    multi = dataset.labels.mode == "multi"
    for item in dataset.items("train"):
        labels_T = np.nonzero(true_classes(dataset, item) == 1)[1] if multi else true_labels(dataset, item)
        trained_K += np.bincount(labels_T[labels_T != IGNORE], minlength=classes)
    if multi:
        taught_K = sum(map(taught_frames, soft.values()), taught_K)
    for labels in () if multi else soft.values():
        likeliest_R = labels.probs_RK[labels.seen_R].argmax(axis=1)
        taught_K += np.bincount(likeliest_R, weights=labels.frames_R[labels.seen_R], minlength=classes)
    return trained_K / max(trained_K.sum(), 1), taught_K / max(taught_K.sum(), 1)


def little_to_learn(
    said: Mapping[str, float],
    on_validation: float | None,
    trained_K: NDArray[np.float64],
    taught_K: NDArray[np.float64],
    chance: float | None = None,
) -> list[str]:
    """Warnings of a student that has little to learn from: an unsure teacher, or pairs that show other actions.

    Args:
        said: what `says` gave.
        on_validation: the teacher's mean confidence on validation items; None where there are none.
        trained_K: share of each class in the training labels.
        taught_K: the same in the teacher's labels.
        chance: confidence of a teacher that knows nothing; None: one over the number of classes.
    """
    found, remedy = [], "Add pairs that show the labelled actions, or leave --teach_on_pairs out."
    chance = 1 / len(trained_K) if chance is None else chance
    sure = said["mean_confidence"]
    if on_validation is not None and sure - chance < SURE * (on_validation - chance):
        found.append(
            f"{MARK}: the teacher is {100 * sure:.0f} % sure of its labels of the pairs on average, but "
            f"{100 * on_validation:.0f} % on validation items. {remedy}"
        )
    if said["used"] < 100 * LEAST_USED:
        found.append(
            f"{MARK}: the teacher is as sure as --teach.confidence asks in {said['used']:.0f} % of the pairs' frames "
            "alone. Lower it, or add pairs that show the labelled actions."
        )
    trained, met = trained_K > 0, taught_K >= LEAST_SHARE * trained_K
    covered = float(trained_K[trained & met].sum())
    if covered < LEAST_COVERED:
        found.append(
            f"{MARK}: the pairs seem to show other actions: the teacher finds {int((trained & met).sum())} of "
            f"{int(trained.sum())} trained actions in them, with {100 * covered:.0f} % of the training frames. {remedy}"
        )
    return found


@dataclass
class Compared:
    """Pair recordings in some views, and what the teacher says of each frame that the view has.

    Attributes:
        dataset: where they are.
        items: the recordings.
        views: the views.
        soft: what the teacher says.
    """

    dataset: MultiViewDataset
    items: Sequence[Item]
    views: Sequence[str]
    soft: Soft
    _targets: dict[tuple[str, str], NDArray[Any]] = field(default_factory=dict)

    def counts(self, segmenter: Segmenter) -> dict[str, tuple[int, int]]:
        """In each view the frames in which a student finds likeliest what the teacher does, and the frames compared;
        where frames may have several classes, numerator and denominator of F1."""
        return {view: self._counts_of(view, segmenter) for view in self.views}

    def _counts_of(self, view: str, segmenter: Segmenter) -> tuple[int, int]:
        hits = frames = 0
        for item, probs_TK in predict_items(self.dataset, self.items, view, segmenter):
            target_T = self._target(item, view, segmenter)
            if segmenter.head.multi:
                right, all_of_both = alike(probs_TK, target_T)
                hits, frames = hits + right, frames + all_of_both
                continue
            hits += int((probs_TK.argmax(axis=1) == target_T).sum())
            frames += int((target_T != IGNORE).sum())
        return hits, frames

    def _target(self, item: Item, view: str, segmenter: Segmenter) -> NDArray[Any]:
        """The teacher's class (T,) of each frame of an item, or classes (T, K); `IGNORE` where it, or the student, sees
        nothing."""
        if (item.name, view) not in self._targets:
            there_T = sees(self.dataset.source, item, view, segmenter.sampling)
            labels_T = _said(self.soft[item.recording], item, segmenter.head.multi)
            labels_T[~there_T] = IGNORE
            self._targets[item.name, view] = labels_T
        return self._targets[item.name, view]


def percent(counts: Iterable[tuple[int, int]]) -> float | None:
    """Percent of the frames, of all counts together; None where none was compared."""
    pairs = list(counts)
    frames = sum(total for _, total in pairs)
    return 100.0 * sum(hits for hits, _ in pairs) / frames if frames else None


def by_view(dataset: MultiViewDataset, lesson: Lesson, soft: Soft, segmenter: Segmenter) -> dict[str, Any]:
    """A student's agreement with its teacher in each view, percent of frames; None where none was compared.

    Returns:
        {view: {"learned": on what it was taught, "held_out": on what it wasn't, "labelled": whether the teacher knows
        the view}}
    """
    roles = {"learned": lesson.learn, "held_out": lesson.held_out}
    counts = {role: Compared(dataset, items, lesson.views, soft).counts(segmenter) for role, items in roles.items()}
    return {
        view: {role: percent([of_role[view]]) for role, of_role in counts.items()}
        | {"labelled": view in lesson.labelled}
        for view in lesson.views
    }


def strips(dataset: MultiViewDataset, lesson: Lesson, soft: Soft, segmenter: Segmenter) -> dict[str, Any]:
    """One recording for the report, a held-out one if there is any, of those the one with the most views.

    Returns:
        Its name and frames; what the teacher says, and what the student says in each view, as segments (start, end,
        class).
    """
    source, items = dataset.source, lesson.held_out or lesson.learn
    item = max(items, key=lambda item: len(set(source.views(item.recording)) & set(lesson.views)))
    multi = segmenter.head.multi
    teacher = _said(soft[item.recording], item, multi)
    views = {
        view: _rows((probs_TK >= THRESHOLD).astype(np.int8) if multi else probs_TK.argmax(axis=1), item)
        for view in lesson.views
        for _, probs_TK in predict_items(dataset, [item], view, segmenter)
    }
    facts = {"recording": item.recording, "start": item.start, "end": item.end, "held_out": bool(lesson.held_out)}
    return facts | {"teacher": _rows(teacher, item), "views": views}


def _said(labels: SoftLabels, item: Item, multi: bool) -> NDArray[Any]:
    """What a teacher says of an item: the class (T,) of each frame, or its classes (T, K)."""
    if multi:
        return labels.frame_classes(item.start, item.end, THRESHOLD)
    return labels.frame_labels(item.start, item.end)


def _rows(labels_T: NDArray[Any], item: Item) -> list[list[int]]:
    if labels_T.ndim == 2:
        return segments_of_classes(labels_T == 1, item.start).rows
    return Segments.of_frames(labels_T, item.start).labelled.rows
