"""`viewloom check`: is this folder usable, and what is to be mended before it is?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from viewloom.console import out, progress
from viewloom.data.dataset import DataConfig, MultiViewDataset, find_parts, open_dataset
from viewloom.data.findings import CheckReport, render
from viewloom.data.index import load_index
from viewloom.data.labels import LabelSet, stop
from viewloom.data.layout import Parts
from viewloom.data.sources.base import FeatureSource
from viewloom.data.sources.catalog import Spans
from viewloom.data.splits import ROLES, load_splits
from viewloom.data.sync import estimate_offset
from viewloom.errors import UserError, listed
from viewloom.files import write_json

BLOCK_FRAMES = 1000
SAMPLE_FRAMES = 200
SYNC_FRAMES = 3000


@dataclass(frozen=True, kw_only=True)
class CheckConfig(DataConfig):
    """Tell whether a folder is usable."""

    depth: Literal["spans", "sample", "full"] = "sample"
    """How much is read: no features, a stretch of each recording and view, or every frame."""
    sync_recordings: int = 8
    """Recordings whose views are compared for an offset (0: none; depth=full takes all)."""
    max_offset_frames: int = 60
    """Largest offset between views that is looked for, in frames."""
    index: str | None = None
    """Index or old statistics pickle to take frame spans from, where the features themselves aren't here."""
    out: str | None = None
    """JSON file to write the findings to."""


def run_check(config: CheckConfig) -> CheckReport:
    """Check a folder, show what was found, and return it."""
    report = check(config)
    for line in render(report):
        out.print(line)
    if config.out:
        write_json(config.out, report.as_dict())
    return report


def check(config: CheckConfig) -> CheckReport:
    """Everything that can be told about a folder; errors become findings, so that all of it is looked at."""
    report = CheckReport(config.data)
    with report.catching("The folder"):
        _check_parts(report, config)
    return report


def _check_parts(report: CheckReport, config: CheckConfig) -> None:
    """Labels and splits by themselves, then features with both."""
    completed, parts = find_parts(config)
    labels = None
    if parts.labels is not None:
        with report.catching("Labels"):
            labels = parts.labels(config.fps or parts.fps or 30.0, stop)
            describe_labels(report, labels, config.fps or parts.fps or 30.0)
    if config.index is not None:
        with report.catching("The index"):
            describe_spans(report, load_index(config.index).spans)
    folder = Path(completed.splits) if completed.splits not in (None, "generate") else parts.splits
    if folder is not None:
        with report.catching("Split lists"):
            describe_splits(report, folder, config.split_variant, labels)
    if parts.features is None:
        _note_missing_features(report, parts)
    else:
        with report.catching("Features"):
            _check_features(report, config, folder is not None)


def _note_missing_features(report: CheckReport, parts: Parts) -> None:
    severity: Literal["error", "note"] = "note" if parts.labels is not None else "error"
    report.add(severity, "No features here", [report.data], "Pass --features FOLDER to check them too.")


def _check_features(report: CheckReport, config: CheckConfig, splits: bool) -> None:
    """What the features hold, and whether labels and splits fit them."""
    from dataclasses import replace

    # Faults of the lists and labels are findings of their own by now; they must not hide the features'.
    plain = replace(config, splits="generate" if not splits else config.splits, missing="skip")
    try:
        dataset = open_dataset(plain)
    except UserError:
        dataset = open_dataset(replace(plain, splits="generate"))
    source = dataset.source
    describe_features(report, dataset)
    check_fit(report, dataset, splits)
    if config.depth != "spans":
        check_frames(report, source, config.depth)
        check_offsets(report, source, config)


def describe_labels(report: CheckReport, labels: LabelSet, fps: float) -> None:
    """Counts, hours and durations; unlabelled gaps."""
    annotations = list(labels.annotations.values())
    lengths = np.concatenate([a.ends - a.starts for a in annotations])
    used = {int(label) for a in annotations for label in a.labels}
    report.facts["Labels"] = {
        "label files": len(annotations),
        "recordings": len({a.recording for a in annotations}),
        "segments": len(lengths),
        "actions": f"{len(used)} of {len(labels.actions)} occur",
        "hours": f"{lengths.sum() / fps / 3600:.1f} at {fps:g} fps",
        "segment frames": "10 %, 50 %, 90 %: "
        + ", ".join(f"{q:.0f}" for q in np.percentile(lengths, (10, 50, 90))),
    }
    gaps = [a.name for a in annotations if (a.starts[1:] != a.ends[:-1]).any()]
    report.add("note", "Label files with unlabelled gaps", gaps, "Such frames take no part in losses or scores.")


def describe_spans(report: CheckReport, spans: Spans) -> None:
    """Recordings and cameras of an index."""
    cameras = Counter(camera for found in spans.values() for camera in found)
    frames = [span.frames for found in spans.values() for span in found.values()]
    report.facts["Index"] = {
        "recordings": len(spans),
        "cameras": ", ".join(f"{camera} ({count})" for camera, count in sorted(cameras.items())),
        "frames": f"median {np.median(frames):.0f}, longest {max(frames)}" if frames else "none",
    }


def describe_splits(report: CheckReport, folder: Path, variant: str, labels: LabelSet | None) -> None:
    """Sizes of the roles, and listed items without labels."""
    splits, name = load_splits(folder, variant)
    report.facts["Splits"] = {"lists": name} | {role: len(getattr(splits, role)) for role in ROLES}
    if labels is not None:
        known = set(labels.annotations) | {a.recording for a in labels.annotations.values()}
        lost = [item for role in ROLES if role != "pairs" for item in getattr(splits, role) if item not in known]
        report.add("error", "Listed items without labels", lost, "Add the label files, or pass --missing skip.")


def describe_features(report: CheckReport, dataset: MultiViewDataset) -> None:
    """Recordings, views, spans; the matrix of pairs; views of unequal length."""
    source = dataset.source
    views = {name: source.views(name) for name in source.recordings}
    per_view = Counter(view for found in views.values() for view in found)
    names = [view for view in dataset.views.names if per_view[view]]
    spans = {(r, v): source.span(r, v) for r, found in views.items() for v in found}
    frames = np.array([span.frames for span in spans.values()])
    report.facts["Features"] = {
        "recordings": len(views),
        "views": ", ".join(f"{view} {dataset.views[view].kind} ({per_view[view]})" for view in names),
        "feature size": source.dim,
        "fps": f"{source.fps:g}" + ("" if getattr(source, "fps_known", True) else " (assumed; pass --fps)"),
        "frames": f"{frames.sum()} in all; median {np.median(frames):.0f}, longest {frames.max()}",
        "simulated": "yes" if dataset.simulated else "no",
    }
    report.pairs = {a: {b: sum(a in f and b in f for f in views.values()) for b in names} for a in names}
    full = max((len(found) for found in views.values()), default=0)
    lacking = [f"{r} ({listed(set(names) - set(found))})" for r, found in views.items() if len(found) < full]
    report.add(
        "warning", "Recordings that lack a view", lacking, "They are left out wherever that view is asked for."
    )
    uneven = [r for r, found in views.items() if len({spans[r, v] for v in found}) > 1]
    report.add("note", "Views of unequal length", uneven, "Frames past a view's end count as missing in it.")
    cameras = getattr(source, "unnamed_cameras", ())
    report.add(
        "note", "Cameras that no view names", cameras, "Name them in a view file (--views_file) to use them."
    )


def check_fit(report: CheckReport, dataset: MultiViewDataset, splits: bool) -> None:
    """Labels against spans, and listed items against features."""
    source, known = dataset.source, set(dataset.source.recordings)
    if dataset.labels is not None:
        annotations = list(dataset.labels.annotations.values())
        without = sorted({a.recording for a in annotations} - known)
        report.add("warning", "Labelled recordings without features", without, "Get them, or pass --missing skip.")
        past, short = [], []
        for a in (a for a in annotations if a.recording in known):
            spans = [source.span(a.recording, view) for view in source.views(a.recording)]
            if a.end > max(span.end for span in spans):
                past.append(f"{a.name} (label to {a.end}, features to {max(span.end for span in spans)})")
            elif any(a.end > span.end or a.start < span.first for span in spans):
                short.append(a.name)
        report.add("error", "Labels past the end of all features", past, "Check that fps and frame numbers agree.")
        report.add("note", "Labels past the end of some view", short, "There the view's frames count as missing.")
        unlabelled = sorted(known - {a.recording for a in annotations})
        report.add("note", "Recordings without labels", unlabelled, "They can serve as pairs, and be predicted.")
    if splits and dataset.splits is not None:
        listed_items = {item for role in ROLES for item in getattr(dataset.splits, role)}
        lost = [item for item in sorted(listed_items) if not dataset.items_of(item, labelled=False)]
        report.add("warning", "Listed items without features", lost, "Get them, or pass --missing skip.")


def check_frames(report: CheckReport, source: FeatureSource, depth: str) -> None:
    """Missing and broken frames, in a stretch from the middle of each recording and view, or in all of it."""
    missing, corrupt, still = [], [], []
    places = [(recording, view) for recording in source.recordings for view in source.views(recording)]
    with progress() as bar:
        for recording, view in bar.track(places, description="Reading features"):
            gone, broken, constant = _count_faults(source, recording, view, depth)
            where = f"{recording} {view}"
            missing += [f"{where} ({gone} frames)"] if gone else []
            corrupt += [f"{where} ({broken} frames)"] if broken else []
            still += [where] if constant else []
    tail = "" if depth == "full" else " (sampled; --depth full reads all)"
    policy = "They are masked in training; see --sampling.missing_frames."
    report.add("warning", f"Missing frames{tail}", missing, policy)
    report.add("error", f"NaN or infinite features{tail}", corrupt, "Extract these frames again.")
    report.add(
        "error", f"Features that never change{tail}", still, "The camera or its extraction failed; redo it."
    )


def _count_faults(source: FeatureSource, recording: str, view: str, depth: str) -> tuple[int, int, bool]:
    """Missing frames, broken frames, and whether all frames are the same."""
    span = source.span(recording, view)
    blocks = [(start, min(start + BLOCK_FRAMES, span.end)) for start in range(span.first, span.end, BLOCK_FRAMES)]
    if depth == "sample":
        start = max(span.first, (span.first + span.end - SAMPLE_FRAMES) // 2)
        blocks = [(start, min(start + SAMPLE_FRAMES, span.end))]
    gone = broken = 0
    low = high = None
    for start, end in blocks:
        x_TD = source.read(recording, view, start, end)
        absent = np.isnan(x_TD).all(axis=1)
        broken += int((~np.isfinite(x_TD).all(axis=1) & ~absent).sum())
        gone += int(absent.sum())
        there = x_TD[~absent]
        if len(there):
            low = there.min(axis=0) if low is None else np.minimum(low, there.min(axis=0))
            high = there.max(axis=0) if high is None else np.maximum(high, there.max(axis=0))
    constant = low is not None and high is not None and span.frames > 1 and bool((low == high).all())
    return gone, broken, constant


def check_offsets(report: CheckReport, source: FeatureSource, config: CheckConfig) -> None:
    """Estimated offset between the views of each pair, in some recordings."""
    several = [name for name in source.recordings if len(source.views(name)) > 1]
    count = len(several) if config.depth == "full" else min(config.sync_recordings, len(several))
    chosen = [several[i] for i in np.linspace(0, len(several) - 1, count).round().astype(int)] if count else []
    found: dict[str, list[tuple[int, str]]] = {}
    unsure: list[str] = []
    with progress() as bar:
        for recording in bar.track(chosen, description="Comparing views"):
            for one, other in combinations(source.views(recording), 2):
                offset = _pair_offset(source, recording, (one, other), config.max_offset_frames)
                if offset is None:
                    unsure.append(f"{recording} {one}-{other}")
                else:
                    found.setdefault(f"{one}-{other}", []).append((offset, recording))
    if found:
        report.facts["Estimated offsets (frames by which the second view is late)"] = {
            pair: f"median {np.median([o for o, _ in offsets]):g} in {len(offsets)} recording(s)"
            for pair, offsets in sorted(found.items())
        }
    late = [
        f"{name} {pair}: {o:+d} frames" for pair, all_ in sorted(found.items()) for o, name in all_ if abs(o) > 1
    ]
    report.add(
        "warning", "Views out of step", late, "Shift one camera's frame numbers by the offset; extract again."
    )
    report.add("note", "Pairs whose offset could not be told", unsure, "Their features change too differently.")


def _pair_offset(source: FeatureSource, recording: str, pair: Sequence[str], most: int) -> int | None:
    """Offset of a pair from the middle of what both have; None where it can't be told."""
    spans = [source.span(recording, view) for view in pair]
    first, end = max(span.first for span in spans), min(span.end for span in spans)
    if end - first < 4 * most:
        return None
    first = max(first, (first + end - SYNC_FRAMES) // 2)
    stretches = [source.read(recording, view, first, min(first + SYNC_FRAMES, end)) for view in pair]
    offset = estimate_offset(stretches[0], stretches[1], most)
    return offset.frames if offset.reliable else None
