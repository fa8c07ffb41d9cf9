"""What a check finds: facts, and problems with a count, the offenders by name, and what to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from viewloom.errors import UserError
from viewloom.features.base import Span

Spans = Mapping[str, Mapping[str, Span]]
"""{recording: {view: frame range}}"""
Offset = dict[str, Any]
"""Estimated offset of a pair of views in a recording, as in the JSON file."""

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
SHOWN = 5
"""Offenders that are shown; the JSON file has them all."""
MOST_COLUMNS = 16
"""Views in the table of pairs; a wider one can't be read."""


def duration(seconds: float) -> str:
    """A length of time in seconds below two minutes, in minutes below an hour, else in hours."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Finding:
    """One kind of problem.

    Attributes:
        severity: error: a command would stop, or should; warning: usable with care; note: good to know.
        title: what is wrong.
        offenders: all of them by name, the worst or the first one first.
        remedy: what to do.
    """

    severity: Severity
    title: str
    offenders: tuple[str, ...]
    remedy: str

    @property
    def count(self) -> int:
        """How often."""
        return len(self.offenders)


@dataclass
class CheckReport:
    """Everything a check found.

    Attributes:
        data: the folder.
        facts: sections of plain facts: {section: {fact: value}}.
        pairs: recordings that have both views, {view: {other view: count}}; a view with itself: that have it.
        values: statistics of the features that were read, {view: {name: value}}.
        offsets: estimated offsets, a pair of views of a recording each.
        findings: problems.
        command: the command to run next, where the folder is usable.
    """

    data: str
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: dict[str, dict[str, int]] = field(default_factory=dict)
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    offsets: list[Offset] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    command: str = ""

    @property
    def usable(self) -> bool:
        """Whether nothing found is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One line for the end."""
        counts = {kind: sum(f.severity == kind for f in self.findings) for kind in SEVERITIES}
        if counts["error"]:
            return f"not usable yet: {counts['error']} error(s), {counts['warning']} warning(s)"
        return f"usable with care: {counts['warning']} warning(s)" if counts["warning"] else "usable"

    @property
    def first(self) -> str:
        """The first thing to do: what the gravest finding asks for; without errors, the command to run next too."""
        grave = next((finding for finding in self._sorted() if finding.severity != "note"), None)
        if grave is None:
            return self.command
        asked = f"{grave.title}: {grave.remedy or grave.offenders[0]}"
        return f"{asked} Then: {self.command}" if self.usable and self.command else asked

    def add(self, severity: Severity, title: str, offenders: Iterable[object], remedy: str) -> None:
        """Note a problem, if there are offenders."""
        names = tuple(str(offender) for offender in offenders)
        if names:
            self.findings.append(Finding(severity, title, names, remedy))

    @contextmanager
    def catching(self, what: str) -> Iterator[None]:
        """Turn an error for users inside the block into a finding, so that the rest is checked too."""
        try:
            yield
        except UserError as error:
            self.findings.append(Finding("error", f"{what} can't be used", (str(error),), ""))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {
            "verdict": self.verdict,
            "usable": self.usable,
            "first": self.first,
            "findings": [asdict(finding) | {"count": finding.count} for finding in self._sorted()],
        }

    def _sorted(self) -> list[Finding]:
        """Findings, the gravest first."""
        return sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))


MARKS = {"error": "[bold red]error  [/]", "warning": "[yellow]warning[/]", "note": "[cyan]note   [/]"}


def render(report: CheckReport) -> Iterator[Any]:
    """The report as rich tables and lines."""
    for section, facts in report.facts.items():
        yield _table(section, (), ((name, str(value)) for name, value in facts.items()))
    if 1 < len(report.pairs) <= MOST_COLUMNS:
        rows = ((one, *(str(n) for n in counts.values())) for one, counts in report.pairs.items())
        yield _table("Recordings with both views", ("", *report.pairs), rows)
    if report.values:
        names = list(next(iter(report.values.values())))
        rows = ((view, *(f"{values[n]:.4g}" for n in names)) for view, values in report.values.items())
        yield _table("Feature values, as far as read", ("view", *names), rows)
    if report.offsets:
        columns = ("first", "second", "late by (median)", "measured in", "of", "farthest", "in recording")
        yield _table("Estimated offsets between views, in frames", columns, offset_rows(report.offsets))
    for finding in report._sorted():
        yield from _lines(finding)
    from rich.markup import escape

    yield f"[bold]{escape(report.data)}: {report.verdict}[/]"
    if report.first:
        yield f"First: {escape(report.first)}"


def _lines(finding: Finding) -> Iterator[str]:
    """A finding: title, the first offenders, remedy."""
    from rich.markup import escape

    yield f"{MARKS[finding.severity]} {escape(finding.title)}: {finding.count}"
    yield from (f"          {escape(name)}" for name in finding.offenders[:SHOWN])
    if finding.count > SHOWN:
        yield f"          and {finding.count - SHOWN} more"
    if finding.remedy:
        yield f"        → {escape(finding.remedy)}"


def offset_rows(offsets: Sequence[Offset]) -> Iterator[tuple[str, ...]]:
    """One row for each pair of views: median of what could be measured, and the recording that is farthest off."""
    import numpy as np

    for pair, of_pair in by_pair(offsets).items():
        sure = [offset for offset in of_pair if offset["reliable"]]
        shown = "?", "0", str(len(of_pair)), "", ""
        if sure:
            middle = float(np.median([offset["exact_frames"] for offset in sure]))
            worst = max(sure, key=lambda offset: abs(offset["exact_frames"]))
            numbers = f"{middle:+.1f}", str(len(sure)), str(len(of_pair))
            shown = (*numbers, f"{worst['exact_frames']:+.1f}", worst["recording"])
        yield (*pair, *shown)


def by_pair(offsets: Iterable[Offset]) -> dict[tuple[str, str], list[Offset]]:
    """Offsets by (first, second) view."""
    found: dict[tuple[str, str], list[Offset]] = {}
    for offset in offsets:
        found.setdefault((offset["first"], offset["second"]), []).append(offset)
    return found


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Any:
    """A plain rich table; without columns, of names and values."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=bool(columns))
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
