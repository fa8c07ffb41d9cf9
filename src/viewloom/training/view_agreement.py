"""What is measured on steps that several views see: of every ordered pair of views, and of probes from view to view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from viewloom.console import track
from viewloom.metrics.alignment import blind_error, neighbour_errors, warping_errors
from viewloom.metrics.cka import CKA
from viewloom.metrics.frame_retrieval import LabelledSteps, label_retrieval
from viewloom.metrics.invariance import retrieval_chance
from viewloom.metrics.kendall import kendall_tau, sequence_tau
from viewloom.metrics.linear_probe import Probe, accuracy, balanced_accuracy, fit_probes, one_hot, r_squared
from viewloom.metrics.neighbours import nearest
from viewloom.metrics.segments import IGNORE, Floats, Ints
from viewloom.metrics.view_probe import view_probe
from viewloom.training.invariance import RETRIEVAL_TOLERANCE_STEPS
from viewloom.training.steps import Features, ItemSteps, Kind
from viewloom.training.steps import kept_places as evenly

QUERIES = 2000
"""Steps whose nearest labelled neighbours are looked for, at most, evenly over all."""
WARPED = 1000
"""Steps of an item that the middle half of its steps in another view is placed in by warping, at most."""
OTHERS = 5
"""Items of other recordings that each is held against for tau, at most, the next ones in order."""
ORDERED = 1000
"""Steps of an item that are held against those of another recording for tau, at most, evenly over it."""
RANKS = (5, 10, 15)

Values = dict[str, float]


@dataclass(frozen=True)
class Moments:
    """One item's steps as two views see them at the same time: features (S, Z) and first frames (S,)."""

    recording: str
    one_SZ: Features
    other_SZ: Features
    frames_S: Ints

    @property
    def turned(self) -> "Moments":
        """The same with the other view as the first."""
        return Moments(self.recording, self.other_SZ, self.one_SZ, self.frames_S)


@dataclass(frozen=True)
class Agreement:
    """Measures of one kind of features.

    Attributes:
        steps: the items measured.
        train: labelled items that probes are trained on; empty where there are none.
        kind: plain or refined.
        views: views of one size.
        classes: number of actions.
    """

    steps: Sequence[ItemSteps]
    train: Sequence[ItemSteps]
    kind: Kind
    views: Sequence[str]
    classes: int

    def pairs(self) -> dict[str, Values]:
        """Measures of every ordered pair of views that some item has, by ``a>b``."""
        found: dict[str, Values] = {}
        both = list(combinations(self.views, 2))
        for a, b in track(both, f"Comparing views, {self.kind}", len(both)):
            moments = [moments for item in self.steps if (moments := self._moments(item, a, b)) is not None]
            if moments:
                alike = self._symmetric(moments)
                found[f"{a}>{b}"] = self._ordered(moments, a, b) | alike
                found[f"{b}>{a}"] = self._ordered([m.turned for m in moments], b, a) | alike
        return found

    def _ordered(self, moments: Sequence[Moments], a: str, b: str) -> Values:
        """Measures of queries of view ``a`` in view ``b``."""
        measured = _synchronised(moments) | {"tau_other": _tau_over_recordings(moments)}
        labelled = label_retrieval(self.labelled(a, QUERIES), self.labelled(b), RANKS)
        if labelled is not None:
            measured |= {f"map_{k}": 100 * value for k, value in labelled.mean_ap.items()}
            measured |= {"recall_1": 100 * labelled.recall_1, "recall_chance": 100 * labelled.chance}
        return measured

    def _symmetric(self, moments: Sequence[Moments]) -> Values:
        """Measures that don't know which view asks."""
        sides = ([m.one_SZ for m in moments], [m.other_SZ for m in moments])
        numbers_N = _numbered([m.recording for m in moments], [len(m.frames_S) for m in moments])
        told = view_probe([np.concatenate(side) for side in sides], [numbers_N, numbers_N])
        return {"cka": _cka(moments), "view_probe": 100 * told}

    def all_views(self, pairs: Mapping[str, Values]) -> float:
        """Balanced accuracy (percent) of telling all views apart; chance is 100 / V. Of two it is in ``pairs``."""
        if len(self.views) == 2 and pairs:
            return next(iter(pairs.values()))["view_probe"]
        both = [self.labelled(view) for view in self.views]
        return 100 * view_probe([one.z_NZ for one in both], [one.recordings_N for one in both])

    def labelled(self, view: str, most: int | None = None) -> LabelledSteps:
        """All steps of a view, ``most`` of them at most; labels as they are."""
        return _gather(self.steps, self.kind, view, self._recordings, most)

    @cached_property
    def _recordings(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(sorted({steps.item.recording for steps in self.steps}))}

    def _moments(self, item: ItemSteps, a: str, b: str) -> Moments | None:
        both_S = item.common((a, b))
        if both_S is None or both_S.sum() < 2:
            return None
        features = item.features[self.kind]
        return Moments(item.item.recording, features[a][both_S], features[b][both_S], item.frames_S[both_S])

    def probes(self) -> dict[str, dict[str, dict[str, float]]]:
        """What a linear map trained in one view reads in every view: {score: {train view: {test view: value}}}.

        accuracy, balanced_accuracy and majority (the commonest training action for every step) in percent, and R^2 of
        segment_progress and item_progress.
        """
        found: dict[str, dict[str, dict[str, float]]] = {}
        for train_view in track(list(self.views), f"Probing, {self.kind}", len(self.views)):
            fitted = self._fit(train_view)
            for test_view in self.views if fitted else ():
                assert fitted is not None
                for name, value in self._read(fitted, test_view).items():
                    found.setdefault(name, {}).setdefault(train_view, {})[test_view] = value
        return found

    def _fit(self, view: str) -> tuple[Probe, Probe, int] | None:
        """Probes of label and of progress, and the commonest label; None where no labelled step has the view."""
        numbers = {name: place for place, name in enumerate(sorted({item.item.recording for item in self.train}))}
        z, progress_N2 = _gather(self.train, self.kind, view, numbers), _progress(self.train, view)
        z, progress_N2 = z.select(z.labels_N != IGNORE), progress_N2[z.labels_N != IGNORE]
        if not len(z.labels_N):
            return None
        targets = [one_hot(z.labels_N, self.classes), progress_N2]
        of_label, of_progress = fit_probes(z.z_NZ, targets, z.recordings_N)
        return of_label, of_progress, int(np.bincount(z.labels_N).argmax())

    def _read(self, fitted: tuple[Probe, Probe, int], view: str) -> Values:
        of_label, of_progress, commonest = fitted
        z, progress_N2 = self.labelled(view), _progress(self.steps, view)
        z, progress_N2 = z.select(z.labels_N != IGNORE), progress_N2[z.labels_N != IGNORE]
        if not len(z.labels_N):
            return {}
        predicted_N, come_N2 = of_label(z.z_NZ).argmax(axis=1), of_progress(z.z_NZ)
        return {
            "accuracy": 100 * accuracy(predicted_N, z.labels_N),
            "balanced_accuracy": 100 * balanced_accuracy(predicted_N, z.labels_N),
            "majority": 100 * accuracy(np.full_like(z.labels_N, commonest), z.labels_N),
            "balanced_chance": 100 / len(np.unique(z.labels_N)),
            "segment_progress": r_squared(come_N2[:, 0], progress_N2[:, 0]),
            "item_progress": r_squared(come_N2[:, 1], progress_N2[:, 1]),
        }


def _synchronised(moments: Sequence[Moments]) -> Values:
    """What needs nothing but that both views see the same moments."""
    near, exact, errors, warped, taus, chances, blind = ([] for _ in range(7))
    for m in moments:
        steps = len(m.frames_S)
        found_S = nearest(m.one_SZ, m.other_SZ)[:, 0]
        apart_S = np.abs(found_S - np.arange(steps))
        near.append(apart_S <= RETRIEVAL_TOLERANCE_STEPS)
        exact.append(apart_S == 0)
        errors.append(neighbour_errors(found_S, m.frames_S, m.frames_S))
        taus.append(kendall_tau(found_S))
        chances.append(np.full(steps, retrieval_chance(steps, RETRIEVAL_TOLERANCE_STEPS)))
        blind.append(np.full(steps, blind_error(m.frames_S, m.frames_S)))
        some = evenly(steps, WARPED)
        middle = some[len(some) // 4 : len(some) - len(some) // 4]
        warped.append(warping_errors(m.one_SZ[middle], m.other_SZ[some], m.frames_S[middle], m.frames_S[some]))
    pooled: list[Floats] = [np.concatenate(each) for each in (near, exact, errors, warped, chances, blind)]
    near_N, exact_N, errors_N, warped_P, chances_N, blind_N = pooled
    return {
        "retrieval": 100 * float(near_N.mean()),
        "retrieval_chance": 100 * float(chances_N.mean()),
        "moment_recall_1": 100 * float(exact_N.mean()),
        "tau": float(np.mean(taus)),
        "error_median_frames": float(np.median(errors_N)),
        "error_mean_frames": float(errors_N.mean()),
        "error_chance_frames": float(blind_N.mean()),
        "warping_median_frames": float(np.median(warped_P)),
        "warping_mean_frames": float(warped_P.mean()),
    }


def _tau_over_recordings(moments: Sequence[Moments]) -> float:
    """Mean tau of each item's steps of one view in the other view of items of other recordings; NaN without any."""
    found = []
    for place, m in enumerate(moments):
        turned = [*moments[place + 1 :], *moments[:place]]
        others = [other for other in turned if other.recording != m.recording][:OTHERS]
        found += [sequence_tau(_thin(m.one_SZ), _thin(other.other_SZ)) for other in others]
    return float(np.mean(found)) if found else np.nan


def _thin(z_SZ: Features) -> Features:
    """At most `ORDERED` steps, evenly."""
    return z_SZ[evenly(len(z_SZ), ORDERED)]


def _cka(moments: Sequence[Moments]) -> float:
    state = CKA()
    for m in moments:
        state.add(m.one_SZ, m.other_SZ)
    return state.value


def _numbered(names: Sequence[str], lengths: Sequence[int]) -> Ints:
    """The number of each item's recording, once a step."""
    numbers = {name: place for place, name in enumerate(sorted(set(names)))}
    found_N: Ints = np.repeat([numbers[name] for name in names], lengths)
    return found_N


def _each(items: Sequence[ItemSteps], view: str, take: Callable[[ItemSteps], np.ndarray]) -> np.ndarray:
    """Something of every step that a view has, item by item."""
    parts = [take(item)[item.there[view]] for item in items if view in item.there]
    return np.concatenate(parts) if parts else np.empty(0)


def _progress(items: Sequence[ItemSteps], view: str) -> Floats:
    return _each(items, view, lambda item: item.progress_S2).reshape(-1, 2)


def _gather(
    items: Sequence[ItemSteps], kind: Kind, view: str, numbers: dict[str, int], most: int | None = None
) -> LabelledSteps:
    """A view's steps of all items, ``most`` of them at most, evenly over all."""
    z_NZ = _each(items, view, lambda item: item.features[kind][view])
    labels_N = _each(items, view, lambda item: item.labels_S).astype(np.int64)
    recordings_N = _each(items, view, lambda item: np.full(len(item.frames_S), numbers[item.item.recording]))
    kept_N = slice(None) if most is None else evenly(len(labels_N), most)
    return LabelledSteps(z_NZ[kept_N], labels_N[kept_N], recordings_N[kept_N].astype(np.int64))
