"""`viewloom report`: one page about one or several runs."""

from dataclasses import dataclass
from pathlib import Path

from viewloom.errors import ConfigError
from viewloom.files import write_text


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Write one HTML page about runs."""

    runs: str
    """Run folders, comma-separated, or a folder of runs; only evaluated ones are shown."""
    out: str = "report.html"
    """HTML file to write; it holds everything and needs no network."""
    title: str = "Segmentation across views"
    """Title of the page."""
    timelines: int = 12
    """Number of items whose timelines are shown: best, median, worst, then others."""
    naive: str | None = None
    """Row name of the baseline that closes none of the gap; default: naive."""
    oracle: str | None = None
    """Row name of the head trained on labels of the tested view; default: a row with oracle in its name."""
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
    """Write the page (or the picture), and return its path."""
    from viewloom.report.page import page
    from viewloom.report.runs import load_runs
    from viewloom.report.tables import score_rows
    from viewloom.report.timelines import save_picture

    folders = [folder.strip() for folder in config.runs.split(",") if folder.strip()]
    target = Path(config.picture or config.out)
    if target.exists() and not config.overwrite:
        raise ConfigError(f"{target} is there already. Pass --overwrite true or another file.")
    runs = load_runs(folders)
    if config.picture is not None:
        views = [view.strip() for view in config.views.split(",")] if config.views else None
        return save_picture(runs, target, config.item, views)
    command = f"viewloom report --runs {config.runs} --out {config.out}"
    rows = score_rows(runs, config.naive, config.oracle)
    write_text(target, page(runs, rows, config.title, config.timelines, command))
    return target
