"""`viewloom init`: a commented ``dataset.yaml`` for a folder that was looked at.

What the folder says by itself is written as it was found; what nobody says stands there as a comment, to be filled in.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from viewloom.check.command import check
from viewloom.check.findings import CheckReport
from viewloom.check.settings import CheckConfig, InitConfig
from viewloom.dataset.dataset_file import DATASET_FILE
from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.opening import VIEWS_FILE, find_files, open_features_of, stated_fps
from viewloom.errors import ConfigError, DataError, UserError
from viewloom.features.catalog import CatalogSource
from viewloom.features.opening import recognise
from viewloom.files import write_text
from viewloom.registry import LAYOUTS

WIDTH = 100
"""Of comments, in characters."""


@dataclass(frozen=True)
class Seen:
    """What a look at a folder found.

    Attributes:
        root: the folder.
        layout: its name, or None where none recognises it.
        files: where its files are, or None.
        source: its features, or None where they can't be opened.
        trouble: why they can't, or why there is no layout.
        report: what the check says, or None without a layout.
    """

    root: Path
    layout: str | None
    files: LayoutFiles | None
    source: CatalogSource | None
    trouble: str
    report: CheckReport | None


def run_init(config: InitConfig) -> str:
    """Look at a folder and write its ``dataset.yaml``; returns what was seen, and what to do next.

    Raises:
        DataError: no such folder.
        ConfigError: it has a ``dataset.yaml`` already.
    """
    root = Path(config.data)
    if not root.is_dir():
        raise DataError(f"{root} is {'a file' if root.exists() else 'not there'}; pass the data set's folder.")
    path = root / DATASET_FILE
    if path.exists():
        raise ConfigError(f"{path} is already there and is left as it is. Edit it, or remove it first.")
    seen = look(root)
    text = "\n".join(file_lines(seen)) + "\n"
    if config.plan:
        return text
    write_text(path, text)
    return "\n".join(
        [f"{root}: {line}" for line in summary(seen)] + [f"{path} is written.", f"Next: {next_step(seen)}"]
    )


def look(root: Path) -> Seen:
    """What a folder is, as far as it says by itself."""
    try:
        config, files = find_files(CheckConfig(data=str(root)))
    except UserError as error:
        return Seen(root, None, None, None, str(error), None)
    name = next(LAYOUTS.name_of(layout) for layout in LAYOUTS.ordered() if layout.matches(root))
    source, trouble = None, ""
    try:
        source = open_features_of(config, files) if files.features is not None else None
    except UserError as error:
        trouble = str(error)
    return Seen(root, name, files, source, trouble, check(CheckConfig(data=str(root), depth="spans")))


def summary(seen: Seen) -> Iterator[str]:
    """What was seen, a line each."""
    if seen.layout is None or seen.report is None:
        yield f"no layout recognises it. {seen.trouble}"
        return
    yield f"layout {seen.layout}"
    for section in ("Features", "Labels", "Splits", "Folds"):
        facts = seen.report.facts.get(section, {})
        if facts:
            yield f"{section.lower()}: " + "; ".join(f"{name} {value}" for name, value in facts.items())
    for finding in seen.report.findings:
        if finding.severity != "note":
            first = finding.offenders[0]
            who = "" if Path(first) == seen.root else f" ({first}{', ...' if finding.count > 1 else ''})"
            yield f"{finding.severity}: {finding.title}{who}. {finding.remedy}".strip()


def next_step(seen: Seen) -> str:
    """The command or the correction that comes next."""
    if seen.report is None:
        return "arrange the folder as docs/howto/own-data-files.md shows, then viewloom check --data " + str(seen.root)
    return seen.report.first or f"viewloom check --data {seen.root}"


def file_lines(seen: Seen) -> Iterator[str]:
    """Lines of the file."""
    yield from comment(
        "Settings of this data set, written by `viewloom init` after a look at the folder. Each holds for every "
        "command; what is passed to a command counts more. Lines that begin with # are not in force: remove the # and "
        "fill in."
    )
    yield from comment("All settings: docs/howto/own-data-files.md, or viewloom check --help. What was seen:")
    for line in summary(seen):
        yield from comment(line.replace(f"{seen.root}/", "").replace(str(seen.root), "the folder"), "#   ")
    yield ""
    yield from _setting("name", seen.root.resolve().name, "Title in tables and reports.")
    yield from _layout(seen)
    yield from _rate(seen)
    yield from _axes(seen)
    yield from _labels(seen)
    yield from _splits(seen)
    yield from _views(seen)
    yield from comment("How recordings become steps, instead of what the data suggests (docs/commands.md, Sampling):")
    yield "# sampling: {chunk_s: 0.5, pooling: mean}"


def comment(text: str, start: str = "# ") -> list[str]:
    """Text as lines of comment."""
    lines = textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"{start if not place else '#' + ' ' * (len(start) - 1)}{line}" for place, line in enumerate(lines)]


def _setting(name: str, value: object, why: str, known: bool = True) -> Iterator[str]:
    """A setting with its reason; one that nobody knows as a comment."""
    import yaml

    yield from comment(why)
    yield f"{'' if known else '# '}{yaml.safe_dump({name: value}, allow_unicode=True).strip()}"
    yield ""


def _layout(seen: Seen) -> Iterator[str]:
    if seen.layout is None:
        yield from _setting(
            "layout", "table", "No layout recognises the folder. Those there are: docs/howto/layouts.md.", False
        )
        return
    yield from _setting("layout", seen.layout, f"Recognised by: {LAYOUTS.get(seen.layout).expects}.")
    if seen.files is None or seen.files.features is None:
        yield from _setting(
            "features", "features", "No features were found. Their folder, from here or as a whole path.", False
        )


def _rate(seen: Seen) -> Iterator[str]:
    fps = None if seen.files is None else stated_fps(CheckConfig(data=str(seen.root)), seen.files, seen.source)
    if fps is not None:
        yield from _setting(
            "fps", fps, "Frames per second of the data set's clock: the layout or the store says so.", False
        )
    else:
        why = (
            "Frames per second. NOBODY SAYS: 30 is assumed; seconds in labels and durations rest on it. Fill in yours."
        )
        yield from _setting("fps", 30, why, False)


def _axes(seen: Seen) -> Iterator[str]:
    axes = getattr(seen.source, "axes", None)
    if axes is not None:
        order = {"dt": "(D, T)", "td": "(T, D)"}[axes]
        yield from _setting(
            "axes",
            axes,
            f"Arrays of features are {order}: D features of T frames, as the layout says or their shapes tell.",
        )
    elif "--axes" in seen.trouble:
        yield from _setting(
            "axes", "td", f"Say which axis is time: td for (T, D), dt for (D, T). {seen.trouble}", False
        )


def _labels(seen: Seen) -> Iterator[str]:
    if seen.files is not None and seen.files.labels is None:
        yield from _setting(
            "labels", "labels.csv", "No labels were found: a CSV with recording,start,end,label.", False
        )
    faults = [offender for finding in (seen.report.findings if seen.report else ()) for offender in finding.offenders]
    if any("--labels_mode multi" in fault for fault in faults):
        why = "Segments overlap. With multi a frame may have several labels (docs/multilabel.md)."
        yield from _setting("labels_mode", "multi", why, False)


def _splits(seen: Seen) -> Iterator[str]:
    facts = {} if seen.report is None else seen.report.facts
    if "Folds" in facts and "Splits" not in facts:
        yield from _setting(
            "fold", _first_fold(facts["Folds"]), "The splits are folds: one of them, or viewloom crossval.", False
        )
    elif "Splits" not in facts:
        why = "No split lists. generate draws them by recording; split_by keeps what belongs together, as of a person."
        yield from _setting("splits", "generate", why, False)
        yield '# split_by: "^(P[0-9]+)_"'
        yield ""


def _first_fold(facts: Mapping[str, object]) -> int:
    """Number of the first fold of those that a report lists."""
    numbers = [match[1] for name in facts if (match := re.match(r"fold(\d+)", name))]
    return int(numbers[0]) if numbers else 0


def _views(seen: Seen) -> Iterator[str]:
    """Names, kinds and rates of views belong into a file of their own; shown as it could be."""
    if seen.source is None or seen.files is None:
        return
    store = None if seen.files.features is None else recognise(seen.files.features)
    table = seen.source.view_table
    used = {view for name in seen.source.recordings for view in seen.source.views(name)}
    named = any((folder / VIEWS_FILE).is_file() for folder in (seen.root, seen.root / "features"))
    if named or (store is not None and store.names_views) or any(table[view].kind != "other" for view in used):
        return
    yield from comment(
        f"Views were named by their files. To call them otherwise, or to say which are worn (ego) and which fixed "
        f"(exo), and the rate and start of sensors, write {VIEWS_FILE} beside this file:"
    )
    yield "#   views:"
    for view in sorted(used):
        yield f"#     {view}: {{kind: exo, cameras: [{', '.join(table[view].cameras)}]}}"
    yield ""
