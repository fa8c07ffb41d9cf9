"""How sure a head may be of what it says: its temperature, saved with it, and what `evaluate` says of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError, listed
from viewloom.metrics.calibration import (
    bin_sums,
    brier,
    calibration_error,
    equal_mass_error,
    error_interval,
    log_loss,
)
from viewloom.metrics.segments import IGNORE, Flags, Floats, Ints, Segments
from viewloom.metrics.temperature import HIGHEST, LOWEST, Probs, at_temperature

KEY = "calibration"
"""Where it is kept: in what is saved with a head, and in ``metrics.json``."""


@dataclass(frozen=True)
class Calibration:
    """The temperature of a head, and what it was fitted on; by default none was.

    Attributes:
        temperature: that its probabilities are brought to; 1 as they are.
        views: of the validation items; in others confidence is extrapolated. None where none was fitted.
        frames: labelled frames that it was fitted on, in all views.
        log_loss_before: mean negative log-likelihood (nats) of these at temperature 1; None where none was fitted.
        log_loss_after: the same at the temperature.
    """

    temperature: float = 1.0
    views: tuple[str, ...] = ()
    frames: int = 0
    log_loss_before: float | None = None
    log_loss_after: float | None = None

    @property
    def fitted(self) -> bool:
        """Whether there was something to fit it on."""
        return bool(self.frames)

    @property
    def words(self) -> str:
        """What was fitted, in a line."""
        if not self.fitted:
            return "no temperature, which takes validation items of one label a frame: confidences are as they come."
        limit = f" (the limit: {self.at_limit})" if self.at_limit else ""
        return (
            f"temperature {self.temperature:g}{limit}, by {self.frames} validation frames in {', '.join(self.views)}: "
            f"negative log-likelihood {self.log_loss_before:.3f} to {self.log_loss_after:.3f}."
        )

    @property
    def at_limit(self) -> str:
        """Why it lies at the end of what is looked at; empty where it doesn't."""
        if self.temperature <= LOWEST:
            return "validation items are hardly ever wrong, and tell little of how sure to be elsewhere"
        return "probabilities tell hardly anything of the labels" if self.temperature >= HIGHEST else ""

    def caution(self, views: Sequence[str]) -> str:
        """What to know of confidences in some views, in a line; empty where the temperature was fitted in all."""
        elsewhere = [view for view in views if view not in self.views]
        if not self.fitted:
            return "no temperature was fitted for this head: confidences are as it gives them."
        if not elsewhere:
            return ""
        return (
            f"confidences in {listed(elsewhere)} are extrapolated: the head's temperature was fitted in "
            f"{listed(self.views)}."
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values by name."""
        return asdict(self) | {"views": list(self.views)}


def calibration_of(extra: Mapping[str, Any], where: str) -> Calibration:
    """The calibration among what was saved with a head; temperature 1 of heads that have none.

    Args:
        extra: what was saved with it.
        where: its file or folder, for messages.

    Raises:
        DataError: a calibration that can't be used.
    """
    value = extra.get(KEY)
    if value is None:
        return Calibration()
    try:
        found = Calibration(**value | {"views": tuple(value["views"])})
        usable = math.isfinite(found.temperature) and found.temperature > 0
    except (TypeError, KeyError):
        usable = False
    if not usable:
        raise DataError(f"{where}: the head's {KEY} can't be used: {str(value)[:80]}. Train it again.")
    return found


@dataclass(frozen=True, eq=False)
class Sure:
    """How sure predictions of one item are, and which of them are right.

    Attributes:
        confidences_N: of each labelled frame, the probability of its predicted class.
        right_N: whether that is its label.
        segment_confidences_S: of each predicted segment with a labelled frame, the mean over its frames.
        segment_right_S: share of its labelled frames that have its class.
        log_loss: sum over the labelled frames, nats.
        brier: sum over the labelled frames.
    """

    confidences_N: Floats
    right_N: Flags
    segment_confidences_S: Floats
    segment_right_S: Floats
    log_loss: float
    brier: float

    @classmethod
    def of_item(cls, probs_TK: Probs, predicted_T: Ints, truth_T: Ints) -> Sure:
        """From probabilities (T, K), predicted classes (T,) and labels (T,), `IGNORE` where there is none."""
        there_T = truth_T != IGNORE
        sure_T = probs_TK[np.arange(len(predicted_T)), predicted_T].astype(np.float64)
        right_T = there_T & (predicted_T == truth_T)
        found = Segments.of_frames(predicted_T)
        labelled_S = np.add.reduceat(there_T.astype(np.int64), found.starts)
        right_S = np.add.reduceat(right_T.astype(np.int64), found.starts) / np.maximum(labelled_S, 1)
        means_S = np.add.reduceat(sure_T, found.starts) / found.durations
        some_S = labelled_S > 0
        probs_NK, labels_N = probs_TK[there_T], truth_T[there_T]
        sums = log_loss(probs_NK, labels_N), brier(probs_NK, labels_N)
        return cls(sure_T[there_T], right_T[there_T], means_S[some_S], right_S[some_S], *sums)


@dataclass(frozen=True, eq=False)
class ItemConfidence:
    """`Sure` of one item as the head gives its probabilities, and at its temperature."""

    before: Sure
    after: Sure

    @classmethod
    def of_item(
        cls, probs_TK: NDArray[np.float32], predicted_T: Ints, truth_T: Ints, temperature: float
    ) -> ItemConfidence:
        """From what the head says; arguments as `Sure.of_item`, and its temperature."""
        sides = (at_temperature(probs_TK, at) for at in (1.0, temperature))
        return cls(*(Sure.of_item(side_TK, predicted_T, truth_T) for side_TK in sides))


def view_confidence(items: Sequence[ItemConfidence], recordings: Sequence[str]) -> dict[str, Any]:
    """What ``metrics.json`` says of confidence in one view: ``before`` and ``after`` temperature, frames and segments.

    Args:
        items: of each item.
        recordings: the recording of each.

    Returns:
        Percent, but for counts, ``log_loss`` (nats a frame) and ``brier``; empty where no frame has a label.
    """
    if not sum(len(item.after.right_N) for item in items):
        return {}
    sides = {"before": [item.before for item in items], "after": [item.after for item in items]}
    return {name: {"frames": _frames(side, recordings), "segments": _segments(side)} for name, side in sides.items()}


def _frames(items: Sequence[Sure], recordings: Sequence[str]) -> dict[str, Any]:
    """Reliability of frames, with its interval over recordings."""
    sums = [bin_sums(item.confidences_N, item.right_N) for item in items]
    confidences_N = np.concatenate([item.confidences_N for item in items])
    right_N = np.concatenate([item.right_N for item in items])
    ends = error_interval(sums, recordings)
    return _bins(np.sum(sums, axis=0)) | {
        "interval": None if ends is None else list(ends),
        "ece_equal_mass": equal_mass_error(confidences_N, right_N),
        "log_loss": sum(item.log_loss for item in items) / len(right_N),
        "brier": sum(item.brier for item in items) / len(right_N),
    }


def _segments(items: Sequence[Sure]) -> dict[str, Any]:
    """Reliability of predicted segments, each of which counts once."""
    return _bins(np.sum([bin_sums(item.segment_confidences_S, item.segment_right_S) for item in items], axis=0))


def _bins(sums: Floats) -> dict[str, Any]:
    """Calibration error, means, and bins; None for the means of empty bins."""
    counts, *both = sums
    total = max(counts.sum(), 1)
    means = [[100 * s / n if n else None for s, n in zip(of.tolist(), counts.tolist(), strict=True)] for of in both]
    return {
        "ece": float(calibration_error(sums)),
        "count": int(counts.sum()),
        "confidence": float(100 * both[0].sum() / total),
        "right": float(100 * both[1].sum() / total),
        "bins": {"counts": counts.astype(int).tolist(), "confidence": means[0], "right": means[1]},
    }


def pooled_confidence(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `view_confidence` said of one view in several folds, as of all their items; empty where one said nothing.

    Each fold has a temperature of its own. Intervals draw whole folds anew; bins of equal mass can't be had of sums.
    """
    if not folds or not all(folds):
        return {}
    return {
        side: {
            "frames": _pooled_frames([fold[side]["frames"] for fold in folds]),
            "segments": _bins(np.sum([_sums_of(fold[side]["segments"]) for fold in folds], axis=0)),
        }
        for side in ("before", "after")
    }


def _pooled_frames(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Reliability of the frames of several folds."""
    sums, counts = [_sums_of(fold) for fold in folds], [fold["count"] for fold in folds]
    ends = error_interval(sums, [str(place) for place in range(len(folds))])
    means = {name: float(np.average([fold[name] for fold in folds], weights=counts)) for name in ("log_loss", "brier")}
    interval = None if ends is None else list(ends)
    return _bins(np.sum(sums, axis=0)) | {"interval": interval, "ece_equal_mass": None} | means


def _sums_of(reliability: Mapping[str, Any]) -> Floats:
    """The sums that `_bins` was made of, (3, bins)."""
    counts = np.array(reliability["bins"]["counts"], np.float64)
    means = (np.array([mean or 0.0 for mean in reliability["bins"][name]]) / 100 for name in ("confidence", "right"))
    return np.stack([counts, *(counts * of for of in means)])
