"""What went wrong: kinds of errors of every run in every view, by action, verb, noun, head and tail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

from viewloom.errors import DataError
from viewloom.metrics.action_groups import HEAD_SHARE, words_in_names
from viewloom.metrics.error_figures import ActionFacts, figures, item_errors, true_frames
from viewloom.metrics.error_kinds import KINDS, TITLES, WRONG_ACTION, Errors
from viewloom.report.confusion import Confusion, confusion
from viewloom.report.reading import AGAIN, ViewResult, read_json
from viewloom.report.runs import Run
from viewloom.report.views import view_names

FILE = "errors.json"
SHOWN = 15
"""Actions, verbs and nouns in a table, those that lose most seconds."""
DETAILED = 24
"""Runs in a view whose tables are on the page; all are in the runs' ``errors.json``."""
GROUPS = {"action": "Actions", "verb": "Verbs", "noun": "Nouns"}
"""What errors are told by, and the heading."""


@dataclass(frozen=True)
class Wrong:
    """What went wrong in one run and view.

    Attributes:
        run: the run.
        view: name of the view.
        figures: as `viewloom.metrics.error_figures.figures` gives them.
        facts: what is known of the actions.
    """

    run: Run
    view: str
    figures: dict[str, Any]
    facts: ActionFacts

    @cached_property
    def confusions(self) -> dict[str, list[Confusion]]:
        """Of verbs and of nouns, where actions have them and a frame has one action."""
        if self.run.scored.labels_mode == "multi":
            return {}
        groups, view = self.facts.groups, self.run.views[self.view]
        return {what: [confusion(self.run, view, *groups[what])] for what in ("verb", "noun") if what in groups}

    @property
    def shares(self) -> list[tuple[str, float, float]]:
        """Kind, first place and width of its part of the bar, percent of what is labelled."""
        whole, at, found = max(self.figures["seconds"], 1e-9), 0.0, []
        for kind in KINDS:
            width = 100.0 * self.figures["kinds"][kind]["seconds"] / whole
            found.append((kind, at, width))
            at += width
        return found

    @property
    def wrong_share(self) -> float:
        """Wrong seconds, percent of what is labelled."""
        return 100.0 * float(self.figures["wrong"]) / max(float(self.figures["seconds"]), 1e-9)

    @property
    def parts(self) -> dict[str, float | None]:
        """Percent of the seconds of head and of tail actions that are wrong; None where there are none."""
        rows = {row["name"]: row for row in self.figures["by"].get("part", ())}
        return {
            name: 100.0 * rows[name]["wrong"] / rows[name]["seconds"]
            if name in rows and rows[name]["seconds"]
            else None
            for name in ("head", "tail")
        }


def went_wrong(runs: Sequence[Run]) -> dict[str, Any]:
    """The section on errors; empty where no run has predictions.

    Raises:
        DataError: an ``errors.json`` that can't be used.
    """
    if not any(view.items for run in runs for view in run.views.values()):
        return {}
    facts, known = action_facts(runs)
    multi = runs[0].scored.labels_mode == "multi"
    found = [
        _wrong(run, run.views[view], facts)
        for view in view_names(runs)
        for run in runs
        if view in run.views and run.views[view].items
    ]
    of_views = {name: [one for one in found if one.view == name] for name in dict.fromkeys(one.view for one in found)}
    return {
        "views": of_views,
        "kinds": {kind: title for kind, title in TITLES.items() if not multi or kind != KINDS[WRONG_ACTION]},
        "detailed": found[:DETAILED],
        "all": len(found),
        "facts": facts,
        "trained": known,
        "head": _head(facts),
        "groups": {what: title for what, title in GROUPS.items() if what in facts.groups},
        "runs": len({one.run.name for one in found}),
        "multi": multi,
        "share": HEAD_SHARE,
        "top": min(100.0, 10.0 * ceil(max(one.wrong_share for one in found) / 10) or 10.0),
    }


def _head(facts: ActionFacts) -> tuple[int, int] | None:
    """Number of head actions, and of all that occur."""
    head_K = facts.head_K
    return None if head_K is None else (int(head_K.sum()), sum(map(bool, facts.train_frames or ())))


def action_facts(runs: Sequence[Run]) -> tuple[ActionFacts, bool]:
    """What is known of the runs' actions, and whether training frames are: else scored ones stand for them."""
    scored = [run for run in runs if run.metrics is not None]
    actions = tuple(scored[0].scored.actions)
    read = [facts for run in scored if (facts := read_facts(run)) is not None and facts.actions == actions]
    known = next((facts for facts in read if facts.train_frames is not None), None)
    if known is not None:
        return known, True
    longest = max((view for run in scored for view in run.views.values()), key=lambda view: len(view.items))
    frames = tuple(true_frames(list(longest.items.values()), len(actions)).tolist())
    if read:
        return ActionFacts(actions, read[0].words, read[0].words_from, frames), False
    words = words_in_names(actions)
    return ActionFacts(actions, words, "names" if words else "", frames), False


def read_facts(run: Run) -> ActionFacts | None:
    """What ``errors.json`` of a run says of its actions; None where there is no such file.

    Raises:
        DataError: it can't be used.
    """
    path = run.folder / FILE
    if not path.exists():
        return None
    try:
        return ActionFacts.from_json(read_json(path)["facts"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(f"{path} is not as `viewloom evaluate` writes it ({error!r}). {AGAIN}") from None


def view_errors(run: Run, view: ViewResult) -> Errors:
    """All errors of a run in a view, its items as sequences in order."""
    scored = run.scored
    background = [scored.actions.index(name) for name in scored.background if name in scored.actions]
    return item_errors(list(view.items.values()), scored.labels_mode == "multi", background)


def _wrong(run: Run, view: ViewResult, facts: ActionFacts) -> Wrong:
    items, errors = list(view.items.values()), view_errors(run, view)
    found = figures(errors, true_frames(items, len(facts.actions)), facts, run.scored.fps)
    return Wrong(run, view.name, found, facts)


def rows_shown(found: Wrong, what: str) -> list[Mapping[str, Any]]:
    """The groups that lose most, for a table."""
    return [row for row in found.figures["by"][what] if row["wrong"] or row["said"]][:SHOWN]
