"""One self-contained page: no network, no scripts from elsewhere, readable in print, in the dark and on a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from viewloom import __version__
from viewloom.report import sections
from viewloom.report.confusion import confusion_section
from viewloom.report.curves import curves
from viewloom.report.markup import Html, clock, join, tag
from viewloom.report.picking import pick
from viewloom.report.runs import Run
from viewloom.report.strips import action_colours, colour_rules, timelines
from viewloom.report.tables import ScoreRow

SIMULATED = "Simulated features"


@dataclass(frozen=True)
class Contents:
    """What goes on a page.

    Attributes:
        runs: all runs.
        rows: rows of the table of scores; none when no run has scores.
        title: of the page.
        timelines: how many items to show.
        reference: row that the others are compared with.
        command: that makes the page again.
    """

    runs: Sequence[Run]
    rows: Sequence[ScoreRow]
    title: str
    timelines: int
    reference: str | None
    command: str


def page(contents: Contents) -> str:
    """The whole page as HTML; the same bytes for the same input."""
    scored = [run for run in contents.runs if run.metrics is not None]
    colours = action_colours(scored)
    parts = [(title, made) for title, made in _parts(contents, scored, colours) if made is not None]
    links = [tag("a", title, href=f"#{_anchor(title)}") for title, _ in parts]
    body = tag(
        "main",
        header(contents.runs, contents.title),
        sections.cautions(contents.runs),
        tag("nav", *links, aria_label="parts of this page"),
        *(tag("section", tag("h2", title), made, id=_anchor(title)) for title, made in parts),
        footer(contents.command),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", contents.title),
        tag("style", Html(_asset("page.css")), Html(colour_rules(colours))),
    )
    tip = tag("div", id="tip", role="status", hidden=True)
    html = tag("html", head, tag("body", body, tip, tag("script", Html(_asset("page.js")))), lang="en")
    return f"<!doctype html>\n{html}\n"


def _parts(contents: Contents, scored: Sequence[Run], colours: dict[int, str]) -> list[tuple[str, Html | None]]:
    """Titles and contents of the sections, in order."""
    runs = contents.runs
    provenance = join(*(sections.provenance(run) for run in runs))
    if not scored:
        return [("Training curves", curves(runs)), ("Settings and environment", provenance)]
    return [
        ("Scores", sections.scores(contents.rows, contents.reference)),
        ("Timelines", timelines(scored, colours, contents.timelines)),
        ("Training curves", curves(runs)),
        ("Confusions", confusion_section(scored)),
        ("Actions", sections.classes(scored)),
        ("Items", sections.items(scored, pick(scored, contents.timelines))),
        ("Settings and environment", provenance),
    ]


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _asset(name: str) -> str:
    """Text of a file beside this one."""
    return (files("viewloom.report") / name).read_text(encoding="utf-8")


def header(runs: Sequence[Run], title: str) -> Html:
    """Title, what was scored, and the badge no reader may miss."""
    badge = None
    if any(run.simulated for run in runs):
        text = " These figures say nothing about real recordings."
        badge = tag("p", tag("strong", SIMULATED), text, class_="badge", role="note")
    return tag("header", badge, tag("h1", title), tag("p", " · ".join(facts(runs)), class_="note"), class_="top")


def facts(runs: Sequence[Run]) -> list[str]:
    """Data set, split, protocol, and how much was scored."""
    data = list(dict.fromkeys(str(run.environment["data"]) for run in runs if "data" in run.environment))
    found = [f"data set {', '.join(data)}"] if data else []
    scored = [run for run in runs if run.metrics is not None]
    for what in ("split", "protocol"):
        values = dict.fromkeys(str(getattr(run.scored, what)) for run in scored)
        found += [f"{', '.join(values)} {what}"] if values else []
    frames = {row["item"]: row["frames"] for run in scored for view in run.views.values() for row in view.per_item}
    if scored:
        hours = clock(sum(frames.values()) / scored[0].scored.fps)
        found += [f"{len(frames)} items, {hours} in all", f"{len(scored[0].scored.actions)} actions"]
    return [*found, f"{len(runs)} run" + "s" * (len(runs) != 1)]


def footer(command: str) -> Html:
    """How to make the page again."""
    return tag("footer", tag("p", f"Made by viewloom {__version__} with"), tag("pre", command, tabindex="0"))
