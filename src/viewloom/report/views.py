"""The views of a report, in order."""

from collections.abc import Sequence

from viewloom.report.runs import Run

KINDS = ("exo", "other", "ego")
"""Order of views on the page: fixed cameras first."""


def view_names(runs: Sequence[Run]) -> list[str]:
    """All views that some run was scored on, exo before ego, then by name."""
    kinds = {name: view.kind for run in runs for name, view in run.views.items()}
    return sorted(kinds, key=lambda name: (KINDS.index(kinds[name]) if kinds[name] in KINDS else 1, name))
