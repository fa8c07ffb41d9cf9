"""What a transfer says beside its scores: how the head came about, and what to be wary of."""

from collections.abc import Mapping
from pathlib import Path

from viewloom.metrics.statistics import differences
from viewloom.names import names_in
from viewloom.recipes.settings import TransferConfig
from viewloom.recipes.without_refiner import HEAD, NAIVE, why_kept
from viewloom.training.runs import read_json

REFINER, ORACLE, CLOCK = "refiner", "oracle", "clock"
"""Folders of a transfer's other runs."""
SCORES = "metrics.json"
NEAR = 0.8
"""Share of the head's F1@50 from which the clock's is worth a warning."""


def notes_of(config: TransferConfig, folder: Path) -> list[str]:
    """How the head came about, what its runs warn of, and what its scores must be read beside.

    Args:
        config: settings.
        folder: the run folder, whose runs are finished.
    """
    chosen = read_json(folder / REFINER / "invariance.json")
    notes = [chosen["chosen"]] if chosen["chosen"] else []
    notes += why_kept(folder) + chosen["warnings"] + read_json(folder / HEAD / "environment.json").get("warnings", [])
    scores = {
        name: {
            view: of["scores"].get("f1_50", of["scores"].get("f1_micro"))
            for view, of in read_json(folder / name / SCORES)["views"].items()
        }
        for name in (HEAD, NAIVE, CLOCK)
        if (folder / name / SCORES).exists()
    }
    for view in names_in(config.to_views) if scores else ():
        notes += beside(view, {name: of[view] for name, of in scores.items() if view in of}, NAIVE in scores)
    return notes + (lost(names_in(config.from_views), folder) if {HEAD, NAIVE} <= set(scores) else [])


def beside(view: str, f1_50: Mapping[str, float], naive: bool) -> list[str]:
    """What the score in a view must be read beside."""
    found = []
    if naive and HEAD in f1_50 and NAIVE not in f1_50:
        found.append(
            f"The naive head can't take {view}, whose features are of another size, so no gap is told there: read the "
            "score between the clock's and the oracle's."
        )
    if HEAD in f1_50 and CLOCK in f1_50 and f1_50[CLOCK] >= NEAR * f1_50[HEAD]:
        found.append(
            f"The clock alone, which sees no feature, scores F1@50 {f1_50[CLOCK]:.1f} on {view}, and the head "
            f"{f1_50[HEAD]:.1f}: actions come in nearly the same order, or the head tells little."
        )
    return found


def lost(labelled: tuple[str, ...], folder: Path) -> list[str]:
    """The labelled views in which the head is clearly worse than the naive one: the price of learning for others."""
    from viewloom.report.gaps import same_items, why_no_interval
    from viewloom.report.runs import load_run

    head, naive = (load_run(folder / name) for name in (HEAD, NAIVE))
    found = []
    for view in (view for view in labelled if view in head.views and view in naive.views):
        own, other = head.views[view], naive.views[view]
        if why_no_interval(own) or why_no_interval(other) or not same_items(own, other):
            continue
        assert own.counts is not None and other.counts is not None
        less = differences(own.counts, other.counts, own.clusters)["f1_50"]
        if less.high < 0:
            interval = f"{less.estimate:+.1f}, 95 % interval {less.low:+.1f} to {less.high:+.1f}"
            found.append(
                f"In {view}, which is labelled, the head scores F1@50 {own.scores['f1_50']:.1f}, and the naive one "
                f"{other.scores['f1_50']:.1f} ({interval}): segment {view} with {folder / NAIVE}. More pairs, or "
                "another --method, may help."
            )
    return found
