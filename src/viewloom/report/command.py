"""`viewloom report`: one page about one or several runs."""

import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.errors import ConfigError
from viewloom.files import write_text
from viewloom.names import names_in
from viewloom.outputs import refuse_file
from viewloom.report.settings import ReportConfig

if TYPE_CHECKING:
    from viewloom.report.player import Videos
    from viewloom.report.runs import Run


def run_report(config: ReportConfig) -> Path:
    """Write the page (or the picture), and return its path.

    Raises:
        ConfigError: runs or settings that can't be used, or a file that is there already.
        DataError: a file of a run that can't be used.
    """
    from viewloom.report.runs import load_runs

    target = Path(config.picture or config.burn or config.out)
    option = "--picture" if config.picture else "--burn" if config.burn else "--out"
    refuse_file(target, config.overwrite, option)
    if config.difference_csv is not None:
        refuse_file(config.difference_csv, config.overwrite, "--difference_csv")
    if config.compare is not None:
        return _comparison(config, target)
    runs = load_runs(names_in(config.runs))
    if config.picture is not None:
        return _picture(config, runs, target)
    if config.burn is not None:
        return _burn(config, runs, target)
    from viewloom.report.difference import two_runs
    from viewloom.report.multilabel_table import is_multi
    from viewloom.report.page import page
    from viewloom.report.tables import score_rows

    scored = any(run.metrics is not None for run in runs) and not is_multi(runs)
    rows = score_rows(runs, config.naive, config.oracle, config.reference) if scored else []
    reference = config.reference or config.naive or "naive"
    pair = two_runs(runs, config.difference)
    if config.difference_csv:
        _write_difference(Path(config.difference_csv), pair)
    videos = _videos(config, runs, target)
    write_text(target, page(runs, rows, config.title, config.timelines, reference, command_line(config), pair, videos))
    return target


def _write_difference(path: Path, pair: "tuple[Run, Run] | None") -> None:
    """Every stretch in which two runs differ, or are both wrong, as CSV."""
    from viewloom.report.difference import differences, write_differences

    if pair is None:
        raise ConfigError("--difference_csv needs two runs with scores. Name them: --difference A,B.")
    write_differences(path, *pair, differences(*pair))


def _videos(config: ReportConfig, runs: "list[Run]", target: Path) -> "Videos":
    """The videos of the page: files that it refers to, or previews in it."""
    from viewloom.report.multilabel import RANKED_BY
    from viewloom.report.multilabel_table import is_multi
    from viewloom.report.picking import pick
    from viewloom.report.player import Videos
    from viewloom.report.strips import Card, item_strips
    from viewloom.report.videos import library, say_which

    known = library(runs, config.videos)
    scored = [run for run in runs if run.metrics is not None]
    if known.where is not None and scored:
        say_which(known, scored)
    if config.embed == "no" or known.where is None or not scored:
        return Videos(known, target)
    from viewloom.report.previews import Room, previews

    picked = pick(scored, config.timelines, RANKED_BY if is_multi(scored) else "f1_50")
    cards = [Card(one, item_strips(scored, one.item), scored[0].scored.fps) for one in picked]
    return Videos(known, target, *previews(cards, known, Room(config.embed_s, config.embed_mib)))


def _burn(config: ReportConfig, runs: "list[Run]", target: Path) -> Path:
    """A video of one item with bars."""
    from viewloom.report.burning import burn
    from viewloom.report.videos import library

    return burn(runs, library(runs, config.videos), target, config.item, list(names_in(config.views)) or None)


def _picture(config: ReportConfig, runs: "list[Run]", target: Path) -> Path:
    """A picture of one item, or of confidence."""
    from viewloom.report.picture import save_picture
    from viewloom.report.reliability_picture import save_reliability

    views = list(names_in(config.views)) or None
    if config.picture_of == "confidence":
        return save_reliability(runs, target, views)
    return save_picture(runs, target, config.item, views)


def _comparison(config: ReportConfig, target: Path) -> Path:
    """The page, or the picture, of a comparison."""
    from viewloom.report.comparison import read_comparison
    from viewloom.report.comparison_page import save_page
    from viewloom.report.comparison_picture import save_comparison

    folder = Path(str(config.compare))
    if config.picture is not None:
        return save_comparison(read_comparison(folder)[0], target)
    return save_page(folder, target, config.title)


def command_line(config: ReportConfig) -> str:
    """The command that writes the page again: every setting that isn't at its default."""
    words = ["viewloom", "report"]
    for entry in fields(config):
        value = getattr(config, entry.name)
        if entry.name != "overwrite" and (value != entry.default or entry.name in ("runs", "out")):
            words += [f"--{entry.name}", str(value)]
    return shlex.join(words)
