"""The gap closed by a run on a view, with its interval; and why there is none where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from viewloom.errors import DataError
from viewloom.metrics.statistics import Interval
from viewloom.metrics.statistics import gap_closed as gap_interval
from viewloom.report.reading import ViewResult
from viewloom.report.runs import Run

SCORE = "f1_50"
"""The score whose gap it is."""

NOT_BETTER = "the oracle is no better than naive here: there is no gap to close"
UNCLEAR = "no interval of the gap: the oracle is not clearly better than naive on these recordings"
ONE_RECORDING = "no interval: it takes two test recordings or more, and there is one"
NO_PREDICTIONS = "no interval: predictions were not kept, or are not those that were scored"
OTHER_ITEMS = "no interval of the gap: naive, the oracle and the run were not scored on the same items in the same way"

DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Gap:
    """Share of the way from naive to the oracle in F1@50.

    Attributes:
        closed: percent; None where it has no meaning.
        interval: over recordings; None where it can't be had, and for the ends themselves.
        why: why something is missing; empty where nothing is, or where the runs have no naive or no oracle.
    """

    closed: float | None
    interval: Interval | None = None
    why: str = ""

    def __str__(self) -> str:
        """``104 % (88 to 121)``, without the interval where there is none, or a dash."""
        return "–" if self.closed is None else f"{_whole(self.closed)} %{self._ends(' to ')}"

    @property
    def short(self) -> str:
        """The same as ``104 (88–121)``, for a narrow column."""
        return "–" if self.closed is None else f"{_whole(self.closed)}{self._ends('–')}"

    def _ends(self, between: str) -> str:
        if self.interval is None:
            return ""
        between = " to " if self.interval.low < 0 else between  # a dash would look like another minus
        return f" ({_whole(self.interval.low)}{between}{_whole(self.interval.high)})"


def _whole(value: float) -> str:
    """A whole number, without a minus before zero."""
    return f"{value:.0f}".replace("-0", "0") if abs(value) < 0.5 else f"{value:.0f}"


@dataclass
class Footnotes:
    """Reasons below a table, and the marks that refer to them."""

    reasons: list[str] = field(default_factory=list)

    def mark(self, why: str) -> str:
        """The mark of a reason: a raised number; nothing for no reason."""
        if not why:
            return ""
        if why not in self.reasons:
            self.reasons.append(why)
        return str(self.reasons.index(why) + 1).translate(DIGITS)

    def lines(self) -> list[str]:
        """The reasons, each behind its mark."""
        return [f"{self.mark(why)} {why}." for why in self.reasons]


def called(runs: Sequence[Run], name: str) -> list[Run]:
    """Runs of that name; several seeds of one have their folders behind it."""
    return [run for run in runs if run.name == name or run.name.startswith(f"{name} (")]


def why_no_interval(view: ViewResult) -> str:
    """Why a view's scores have no interval; empty where they have one."""
    if len(set(view.clusters) or {row["recording"] for row in view.per_item}) == 1:
        return ONE_RECORDING
    return NO_PREDICTIONS if view.counts is None else ""


def gap_closed(
    runs: Sequence[Run], ours: Sequence[Run], view: str, naive: str | None = None, oracle: str | None = None
) -> Gap:
    """(ours - naive) / (oracle - naive) of F1@50 on a view, the seeds of each by their mean.

    It has no meaning on a view whose labels the naive run learned from, nor where the oracle is no better than it.

    Args:
        runs: all runs that were scored.
        ours: the seeds of one among them.
        view: one that ours were scored on.
        naive: name of the baseline; default: ``naive``.
        oracle: name of the oracle; default: runs with ``oracle`` in their name that learned from the view.
    """
    bases = [run for run in called(runs, naive or "naive") if view in run.views]
    best = [run for run in (called(runs, oracle) if oracle else _oracles(runs, view)) if view in run.views]
    blind = [run for run in bases if view not in run.scored.trained_on]
    if bases and not blind:
        return Gap(None, why=f"no gap: {naive or 'naive'} has labels of {view} itself")
    if not blind or not best:
        return Gap(None)
    low, high, own = (fmean(run.views[view].scores[SCORE] for run in role) for role in (blind, best, ours))
    if high - low <= 1e-9:
        return Gap(None, why=NOT_BETTER)
    closed = 100.0 * (own - low) / (high - low)
    if list(ours) in (blind, best):  # 0 and 100 in every draw
        return Gap(closed)
    interval, why = _interval(ours, blind, best, view)
    return Gap(closed, interval, why)


def _oracles(runs: Sequence[Run], view: str) -> list[Run]:
    """Runs called an oracle that were trained on the view's own labels."""
    return [run for run in runs if "oracle" in run.name.lower() and view in run.scored.trained_on]


def _interval(
    ours: Sequence[Run], naive: Sequence[Run], oracle: Sequence[Run], view: str
) -> tuple[Interval | None, str]:
    """Interval of the gap closed; else None and why."""
    every = [run.views[view] for run in (*ours, *naive, *oracle)]
    missing = next(filter(None, map(why_no_interval, every)), "")
    if missing:
        return None, missing
    protocols = {run.scored.protocol for run in (*ours, *naive, *oracle)}
    if len(protocols) > 1 or not all(same_items(result, every[0]) for result in every):
        return None, OTHER_ITEMS
    own, low, high = ([c for run in role if (c := run.views[view].counts)] for role in (ours, naive, oracle))
    try:
        return gap_interval(own, low, high, every[0].clusters, SCORE, protocols.pop()), ""
    except DataError:
        return None, UNCLEAR


def same_items(one: ViewResult, other: ViewResult) -> bool:
    """Whether two results are of the same items, frame for frame."""
    assert one.counts is not None and other.counts is not None
    same = list(one.items) == list(other.items) and one.clusters == other.clusters
    return same and np.array_equal(one.counts.frames, other.counts.frames)
