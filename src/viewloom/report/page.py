"""One self-contained page: no network, no scripts from elsewhere, readable in print, in the dark and on a phone."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from viewloom.report import curves, formats, measures, sections
from viewloom.report import reliability as reliabilities
from viewloom.report.agreement_in_time import agreement_in_time
from viewloom.report.candidates import choices
from viewloom.report.colours import ink
from viewloom.report.confusion import confusions
from viewloom.report.difference import difference_section
from viewloom.report.lanes import lane_timelines, lay
from viewloom.report.multilabel import RANKED_BY, multi_actions, multi_items, multi_scores
from viewloom.report.multilabel_table import is_multi
from viewloom.report.packed import packed
from viewloom.report.picking import pick
from viewloom.report.player import NO_VIDEOS, Videos, staged, who
from viewloom.report.runs import Run
from viewloom.report.strips import action_colours, timelines
from viewloom.report.tables import FEW, ScoreRow
from viewloom.report.view_matrix import view_matrices
from viewloom.report.went_wrong import rows_shown, went_wrong
from viewloom.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> "Environment":
    """The templates beside this file; all text in them is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("viewloom.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"fixed": formats.fixed, "numeral": formats.numeral, "clock": formats.clock, "ink": ink}
    made.filters |= {"rows_shown": rows_shown}
    made.filters |= {"pair_lines": measures.pair_lines, "matrices": measures.matrices}
    made.globals |= {"COLUMNS": measures.COLUMNS, "ABOUT": measures.ABOUT}
    made.filters |= {"packed": packed, "who": who}
    made.tests["clear"] = sections.clear
    made.globals |= {
        "FEW": FEW,
        "LEVEL": sections.LEVEL,
        "canvas": curves,
        "lay": lay,
        "place": reliabilities,
        "version": __version__,
    }
    return made


def _of_classes(
    scored: Sequence[Run], colours: Mapping[int, str], most: int, pair: tuple[Run, Run] | None, videos: Videos
) -> list[tuple[str, str, Any]]:
    """Sections about scores, of runs with several labels a frame."""
    picked = pick(scored, most, RANKED_BY)
    return [
        ("Scores", "multi_scores.html", multi_scores(scored)),
        ("Timelines", "lanes.html", staged(lane_timelines(scored, colours, picked), videos)),
        ("What went wrong", "went_wrong.html", went_wrong(scored)),
        ("Difference", "difference.html", difference_section(pair, picked)),
        ("Actions", "sheet.html", multi_actions(scored)),
        ("Items", "sheet.html", multi_items(scored, picked)),
    ]


def _ranked_by(scored: Sequence[Run]) -> str:
    """Score that items are ranked by."""
    return RANKED_BY if scored and is_multi(scored) else "f1_50"


def page(
    runs: Sequence[Run],
    rows: Sequence[ScoreRow],
    title: str,
    most: int,
    reference: str,
    command: str,
    pair: tuple[Run, Run] | None = None,
    videos: Videos = NO_VIDEOS,
) -> str:
    """The whole page as HTML; the same bytes for the same input.

    Args:
        runs: all runs.
        rows: rows of the table of scores; none when no run has scores.
        title: of the page.
        most: how many items to show.
        reference: name of the run that the others are compared with.
        command: that writes the page again.
        pair: two runs whose difference is shown.
        videos: that timelines are shown beside.
    """
    scored = [run for run in runs if run.metrics is not None]
    colours = sections.with_taught(action_colours(scored), runs)
    found: list[tuple[str, str, Any]] = [
        ("Candidates", "candidates.html", choices(runs)),
        ("Train view by test view", "heat_maps.html", view_matrices(scored)),
        ("Agreement of views", "measures.html", [run for run in runs if run.measures]),
        ("Agreement over time", "agreement.html", agreement_in_time(scored, pick(scored, most, _ranked_by(scored)))),
        ("Training curves", "curves.html", curves.curves(runs)),
    ]
    if scored and is_multi(scored):
        found = [*_of_classes(scored, colours, most, pair, videos), *found]
    elif scored:
        picked = pick(scored, most)
        found = [
            ("Scores", "scores.html", sections.scores(rows, reference)),
            ("Timelines", "timelines.html", staged(timelines(scored, colours, picked), videos)),
            ("What went wrong", "went_wrong.html", went_wrong(scored)),
            ("Difference", "difference.html", difference_section(pair, picked)),
            *found,
            ("Confidence", "reliability.html", reliabilities.reliability(scored)),
            ("Confusions", "confusions.html", confusions(scored)),
            ("Actions", "sheet.html", sections.actions_sheet(scored)),
            ("Items", "sheet.html", sections.items_sheet(scored, picked)),
        ]
    found.append(("Taught on pairs", "taught.html", sections.taught_runs(runs)))
    found.append(("Settings and environment", "provenance.html", runs))
    context = {"title": title, "colours": colours, "command": command, "simulated": any(run.simulated for run in runs)}
    context |= {"facts": sections.facts(runs), "cautions": sections.cautions(runs)}
    return environment().get_template("page.html").render(context, sections=[entry for entry in found if entry[2]])
