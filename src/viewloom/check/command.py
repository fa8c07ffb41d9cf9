"""`viewloom check`: is this folder usable, and what is to be mended before it is?

Labels and lists are looked at by themselves, then against the frames, then the features themselves; a fault in
one of them hides nothing of the others.
"""

from pathlib import Path

from viewloom.check.features import (
    check_frames,
    check_offsets,
    describe_spans,
    describe_store,
    index_spans,
    source_spans,
)
from viewloom.check.findings import CheckReport, render
from viewloom.check.first import next_command
from viewloom.check.folds import check_folds
from viewloom.check.labels import check_splits, describe_labels, fit_labels, read_labels
from viewloom.check.settings import CheckConfig
from viewloom.console import out
from viewloom.dataset.chosen_splits import folds_of, generated, needs_fold, split_folder
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.opening import find_files, is_simulated, known_fps, open_features_of
from viewloom.dataset.settings import settled
from viewloom.dataset.splits import DRAWN, Splits, read_splits
from viewloom.errors import ConfigError
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource
from viewloom.features.index import load_index
from viewloom.files import write_json

Coverage = dict[str, dict[str, Span]]
"""{recording: {view: frame range}}"""


def run_check(config: CheckConfig) -> CheckReport:
    """Check a folder, show what was found, and return it.

    Raises:
        DataError: where the folder itself can't be made out; faults of its contents are findings instead.
        ConfigError: when the output file is already there.
    """
    target = Path(config.out) if config.out else None
    if target is not None and target.exists() and not config.overwrite:
        raise ConfigError(f"{target} is already there. Choose another --out, or pass --overwrite true.")
    report = check(config)
    for line in render(report):
        out.print(line)
    if target is not None:
        write_json(target, report.as_dict())
    return report


def check(config: CheckConfig) -> CheckReport:
    """Everything that can be told about a folder; errors become findings, so that all of it is looked at."""
    report, asked = CheckReport(config.data), config
    config, parts = find_files(config)
    source = _open_features(report, config, parts)
    if known_fps(config, parts, source) is None:
        remedy = "Pass --fps: seconds in labels, durations and offsets rest on it."
        report.add("warning", "Frame rate assumed to be 30 fps, since nobody says", [config.data], remedy)
    labels = read_labels(report, parts, known_fps(config, parts, source))
    if labels is not None:
        describe_labels(report, labels, known_fps(config, parts, source) or 30.0)
    spans = _spans(report, config, parts, source)
    if spans:
        describe_spans(report, spans, (source.fps if source else config.fps or parts.fps) or 30.0)
        if labels is not None:
            fit_labels(report, labels, spans, settled(config.past_end))
    splits, folds = _check_splits(report, config, parts, labels, spans)
    if source is not None and config.depth != "spans":
        check_frames(report, source, config.depth)
        count = None if config.depth == "full" else config.sync_recordings
        check_offsets(report, source, count, config.max_offset_frames)
    report.command = next_command(asked, source, labels, splits, spans, folds)
    return report


def _open_features(report: CheckReport, config: CheckConfig, parts: LayoutFiles) -> CatalogSource | None:
    """The feature store, described; None where there is none or it can't be opened."""
    if parts.features is None:
        remedy = "Only labels, lists and an index were looked at. Pass --features FOLDER to check them too."
        report.add("warning", "No features", [config.data], remedy)
        return None
    source = None
    with report.catching("Features"):
        source = open_features_of(config, parts)
        describe_store(report, source, is_simulated(Path(config.data), parts))
    return source


def _spans(report: CheckReport, config: CheckConfig, parts: LayoutFiles, source: CatalogSource | None) -> Coverage:
    """Frame ranges from the index where one was given, else from the features; empty where neither can say."""
    if config.index is None:
        return {} if source is None else source_spans(report, source)
    spans: Coverage = {}
    with report.catching("The index"):
        index = load_index(config.index)
        spans = index_spans(report, index, source.view_table if source is not None else parts.views)
        lacking = [] if source is None else sorted(set(spans) - set(source.recordings))
        report.add(
            "warning",
            "Recordings of the index without features",
            lacking,
            "Their spans are the index's word; nothing else of them was looked at.",
        )
    return spans


def _check_splits(
    report: CheckReport, config: CheckConfig, parts: LayoutFiles, labels: LabelSet | None, spans: Coverage
) -> tuple[Splits | None, bool]:
    """The folds there are, and the lists beside them or instead.

    Returns:
        The splits that commands would use, and whether they are folds of which none was chosen.
    """
    splits: Splits | None = None
    with report.catching("Split lists"):
        recordings = tuple(spans) or (() if labels is None else labels.recordings)
        folds = folds_of(config, parts, recordings, labels)
        folder = None if config.splits in DRAWN else split_folder(config, parts)
        chosen = config.fold is not None or needs_fold(config, folder, folds)
        if chosen or len(folds) > 1:
            check_folds(report, config, folds, labels, spans)
        if chosen:
            return next((fold.splits for fold in folds if fold.number == config.fold), None), config.fold is None
        splits, variant = _read_splits(report, config, parts, labels, tuple(spans))
        if splits is not None:
            check_splits(report, config, splits, variant, labels, spans)
    return splits, False


def _read_splits(
    report: CheckReport,
    config: CheckConfig,
    parts: LayoutFiles,
    labels: LabelSet | None,
    recordings: tuple[str, ...],
) -> tuple[Splits | None, str]:
    """The lists (or drawn splits) and their variant's name; None where there are none or they can't be read."""
    found: tuple[Splits | None, str] = (None, "")
    with report.catching("Split lists"):
        folder = None if config.splits in DRAWN else split_folder(config, parts)
        if config.splits == "generate":
            found = generated(config, recordings, labels), "generate"
        elif folder is not None:
            found = read_splits(folder, settled(config.split_variant))
        else:
            remedy = "Write pairs.txt, train.txt, val.txt and test.txt into splits/, or pass --splits generate."
            report.add("warning", "No split lists", [config.data], remedy)
    return found
