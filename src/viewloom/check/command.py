"""`viewloom check`: is this folder usable, and what is to be fixed before it is?

Labels and lists are looked at by themselves, then against the frames, then the features themselves; a fault in
one of them hides nothing of the others.
"""

from pathlib import Path

from viewloom.check.clock import check_clock
from viewloom.check.features import (
    check_frames,
    check_offsets,
    describe_spans,
    describe_store,
    index_spans,
    source_spans,
)
from viewloom.check.findings import CheckReport, Spans, render
from viewloom.check.first import next_command
from viewloom.check.folds import check_folds
from viewloom.check.labels import check_splits, describe_labels, fit_labels, read_labels
from viewloom.check.settings import CheckConfig
from viewloom.check.sums import compare_sums, describe_sums
from viewloom.console import out
from viewloom.dataset.chosen_splits import folds_of, generated, needs_fold, plain_splits, split_folder
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.opening import find_files, is_simulated, open_features_of, stated_fps, view_table
from viewloom.dataset.settings import settled
from viewloom.dataset.splits import DRAWN, Splits
from viewloom.features.catalog import DEFAULT_FPS, CatalogSource
from viewloom.features.index import load_index
from viewloom.files import write_json
from viewloom.outputs import refuse_file


def run_check(config: CheckConfig) -> CheckReport:
    """Check a folder, show what was found, and return it.

    Raises:
        DataError: where the folder itself can't be made out; faults of its contents are findings instead.
        ConfigError: when the output file is already there.
    """
    target = Path(config.out) if config.out else None
    if target is not None:
        refuse_file(target, config.overwrite)
    report = check(config)
    for line in render(report):
        out.print(line)
    if target is not None:
        write_json(target, report.as_dict())
    return report


def check(config: CheckConfig) -> CheckReport:
    """Everything that can be said of a folder; errors become findings, so that all of it is looked at."""
    report, asked = CheckReport(config.data), config
    config, files = find_files(config)
    source = _open_features(report, config, files)
    fps = stated_fps(config, files, source)
    if fps is None:
        remedy = "Pass --fps: seconds in labels, durations and offsets rest on it."
        report.add("warning", "Frame rate assumed to be 30 fps, since nobody says", [config.data], remedy)
    labels = read_labels(report, files, fps, settled(config.labels_mode))
    if labels is not None:
        describe_labels(report, labels, fps or 30.0)
    spans = _spans(report, config, files, source)
    if spans:
        describe_spans(report, spans, (source.fps if source else config.fps or files.fps) or 30.0)
        if labels is not None:
            fit_labels(report, labels, spans, settled(config.past_end))
    splits, folds = _check_splits(report, config, files, labels, spans)
    if labels is not None and labels.mode == "single":
        check_clock(report, labels, splits)
    if source is not None and config.depth != "spans":
        if config.depth == "full":
            compare_sums(report, source)
        check_frames(report, source, config.depth)
        count = None if config.depth == "full" else config.sync_recordings
        with report.catching("Offsets between views"):
            check_offsets(report, source, count, config.max_offset_frames)
    report.command = next_command(asked, source, labels, splits, spans, folds)
    return report


def _open_features(report: CheckReport, config: CheckConfig, files: LayoutFiles) -> CatalogSource | None:
    """The feature store, described; None where there is none or it can't be opened."""
    if files.features is None:
        remedy = "Only labels, lists and an index were looked at. Pass --features FOLDER to check them too."
        report.add("warning", "No features", [config.data], remedy)
        return None
    source = None
    with report.catching("Features"):
        source = open_features_of(config, files)
        describe_store(report, source, is_simulated(Path(config.data), files))
        describe_sums(report, source)
    return source


def _spans(report: CheckReport, config: CheckConfig, files: LayoutFiles, source: CatalogSource | None) -> Spans:
    """Frame ranges from the index where one was passed, else from the features; empty where neither can say."""
    if config.index is None:
        return {} if source is None else source_spans(report, source)
    spans: Spans = {}
    with report.catching("The index"):
        views = source.view_table if source is not None else view_table(config, files)
        fps = stated_fps(config, files, source) or DEFAULT_FPS
        spans = index_spans(report, load_index(config.index), views, fps)
        lacking = [] if source is None else sorted(set(spans) - set(source.recordings))
        found = {} if source is None else source_spans(report, source)
        other = [
            f"{recording} {view} ([{span.first}, {span.end}), in the index [{spans[recording][view].first}, "
            f"{spans[recording][view].end}))"
            for recording, there in found.items()
            for view, span in there.items()
            if spans.get(recording, {}).get(view, span) != span
        ]
        report.add("error", "Frames of other numbers than in the index", other, "Make it again (viewloom index).")
        remedy = "Their spans are the index's word; nothing else of them was looked at."
        report.add("warning", "Recordings of the index without features", lacking, remedy)
    return spans


def _check_splits(
    report: CheckReport, config: CheckConfig, files: LayoutFiles, labels: LabelSet | None, spans: Spans
) -> tuple[Splits | None, bool]:
    """The folds there are, and the lists beside them or instead.

    Returns:
        The splits that commands would use (None: there are none, or they can't be read), and whether they are folds
        of which none was chosen.
    """
    splits: Splits | None = None
    with report.catching("Split lists"):
        recordings = tuple(spans) or (() if labels is None else labels.recordings)
        folds = folds_of(config, files, recordings, labels)
        folder = None if config.splits in DRAWN else split_folder(config, files)
        one = config.fold is not None or needs_fold(config, folder, folds)
        if one or len(folds) > 1:
            check_folds(report, config, folds, labels, spans)
        if one:
            return next((fold.splits for fold in folds if fold.number == config.fold), None), config.fold is None
        if config.splits == "generate":
            splits, variant = generated(config, tuple(spans), labels), "generate"
        elif (found := plain_splits(config, files, recordings, labels)) is not None:
            splits, variant = found
        if splits is not None:
            check_splits(report, config, splits, variant, labels, spans)
        else:
            remedy = "Write pairs.txt, train.txt, val.txt and test.txt into splits/, or pass --splits generate."
            report.add("warning", "No split lists", [config.data], remedy)
    return splits, False
