"""What a check finds: problems with a count, the first offenders by name, and what to do."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from viewloom.errors import UserError, listed

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One kind of problem.

    Attributes:
        severity: error: the folder can't be used so; warning: it can, with care; note: good to know.
        title: what is wrong.
        count: how often.
        first: the first offenders by name.
        remedy: what to do.
    """

    severity: Severity
    title: str
    count: int
    first: tuple[str, ...]
    remedy: str


@dataclass
class CheckReport:
    """Everything a check found.

    Attributes:
        data: the folder.
        facts: sections of plain facts: {section: {fact: value}}.
        pairs: recordings that have both views, {view: {other view: count}}.
        findings: problems.
    """

    data: str
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether nothing found is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One line for the end."""
        counts = {kind: sum(f.severity == kind for f in self.findings) for kind in ("error", "warning")}
        if counts["error"]:
            return f"not usable yet: {counts['error']} error(s), {counts['warning']} warning(s)"
        return f"usable with care: {counts['warning']} warning(s)" if counts["warning"] else "usable"

    def add(self, severity: Severity, title: str, offenders: Iterable[object], remedy: str) -> None:
        """Note a problem, if there are offenders."""
        names = [str(offender) for offender in offenders]
        if names:
            self.findings.append(Finding(severity, title, len(names), tuple(names[:5]), remedy))

    @contextmanager
    def catching(self, what: str) -> Iterator[None]:
        """Turn an error for users inside the block into a finding, so that the rest is checked too."""
        try:
            yield
        except UserError as error:
            self.findings.append(Finding("error", f"{what} can't be read", 1, (), str(error)))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "data": self.data,
            "verdict": self.verdict,
            "usable": self.usable,
            "facts": self.facts,
            "pairs": self.pairs,
            "findings": [asdict(finding) for finding in self.findings],
        }


MARKS = {"error": "[bold red]error[/]", "warning": "[yellow]warning[/]", "note": "[cyan]note[/]"}


def render(report: CheckReport) -> Iterator[Any]:
    """The report as rich tables and lines."""
    from rich.markup import escape
    from rich.table import Table

    for section, facts in report.facts.items():
        table = Table(title=section, show_header=False, title_justify="left", title_style="bold", box=None)
        for name, value in facts.items():
            table.add_row(name, escape(str(value)))
        yield table
    if len(report.pairs) > 1:
        yield _pair_table(report.pairs)
    for finding in report.findings:
        first = f": {escape(listed(finding.first, 5))}" if finding.first else ""
        more = f" and {finding.count - len(finding.first)} more" if 0 < len(finding.first) < finding.count else ""
        yield f"{MARKS[finding.severity]} {escape(finding.title)} ({finding.count}){first}{more}"
        yield f"      {escape(finding.remedy)}"
    yield f"[bold]{escape(report.data)}: {report.verdict}[/]"


def _pair_table(pairs: dict[str, dict[str, int]]) -> Any:
    """Recordings that have both views of a pair."""
    from rich.table import Table

    table = Table(title="Recordings with both views", title_justify="left", title_style="bold", box=None)
    table.add_column("")
    names: Sequence[str] = list(pairs)
    for name in names:
        table.add_column(name, justify="right")
    for name in names:
        table.add_row(name, *(str(pairs[name][other]) for other in names))
    return table
