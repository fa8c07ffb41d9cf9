"""`viewloom report`: one page about one or several runs."""

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.errors import ConfigError
from viewloom.files import write_text

if TYPE_CHECKING:
    from viewloom.report.runs import Run


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Write one HTML page about runs."""

    runs: str
    """Run folders, comma-separated, or a folder of runs; those without scores show their curves and settings."""
    out: str = "report.html"
    """HTML file to write; it holds everything and needs no network."""
    title: str = "Segmentation across views"
    """Title of the page."""
    timelines: int = 12
    """Number of items whose timelines are shown: a third of the best, of those in the middle, of the worst."""
    naive: str | None = None
    """Row name of the baseline that closes none of the gap; default: naive."""
    oracle: str | None = None
    """Row name of the head trained on labels of the tested view; default: a row with oracle in its name."""
    reference: str | None = None
    """Row name of the run that the others are compared with, recording by recording; default: the naive one."""
    picture: str | None = None
    """Picture file (.png or .svg) of truth and prediction of one item, to write instead of the page."""
    item: str | None = None
    """Item in that picture; default: the one of median F1@50."""
    views: str | None = None
    """Views in that picture, comma-separated; default: all."""
    overwrite: bool = False
    """Replace a file that is already there."""

    def __post_init__(self) -> None:
        if self.timelines < 0:
            raise ConfigError(f"--timelines must be 0 or more, but is {self.timelines}.")


def run_report(config: ReportConfig) -> Path:
    """Write the page (or the picture), and return its path.

    Raises:
        ConfigError: runs or settings that can't be used, or a file that is there already.
        DataError: a file of a run that can't be used.
    """
    from viewloom.report.runs import load_runs

    target = Path(config.picture or config.out)
    if target.is_dir():
        raise ConfigError(f"{target} is a folder. Name a file in it, such as {target / 'report.html'}.")
    if target.exists() and not config.overwrite:
        raise ConfigError(f"{target} is there already. Pass --overwrite true or another file.")
    runs = load_runs(split_names(config.runs))
    if config.picture is not None:
        from viewloom.report.timelines import save_picture

        return save_picture(runs, target, config.item, split_names(config.views or "") or None)
    write_text(target, _page(config, runs))
    return target


def split_names(text: str) -> list[str]:
    """Comma-separated names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _page(config: ReportConfig, runs: "list[Run]") -> str:
    from viewloom.report.page import Contents, page
    from viewloom.report.tables import score_rows

    scored = any(run.metrics is not None for run in runs)
    rows = score_rows(runs, config.naive, config.oracle, config.reference) if scored else []
    reference = config.reference or config.naive or "naive"
    return page(Contents(runs, rows, config.title, config.timelines, reference, command_line(config)))


def command_line(config: ReportConfig) -> str:
    """The command that makes the page again: every setting that isn't at its default."""
    words = ["viewloom", "report"]
    for entry in fields(config):
        value = getattr(config, entry.name)
        if entry.name != "overwrite" and (value != entry.default or entry.name in ("runs", "out")):
            words += [f"--{entry.name}", str(value)]
    return shlex.join(words)
