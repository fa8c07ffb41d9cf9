"""What a check says of labels and split lists, by themselves and against the frames there are."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from viewloom.check.findings import CheckReport, Severity, Spans, duration
from viewloom.check.multilabel import describe_multi
from viewloom.dataset.label_files import recording_in
from viewloom.dataset.labels import Annotation, LabelSet, UnknownAction
from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.multilabel import in_mode
from viewloom.dataset.settings import DataConfig, LabelsMode
from viewloom.dataset.splits import ROLES, Role, Splits, variant_of, wrong_overlaps
from viewloom.errors import DataError
from viewloom.features.base import Span


def read_labels(
    report: CheckReport, files: LayoutFiles, fps: float | None, mode: LabelsMode = "single"
) -> LabelSet | None:
    """The labels that can be read; every fault of a line or file is noted. None where there are none at all."""
    if files.labels is None:
        remedy = "Without labels, recordings serve as pairs and for `viewloom predict`. Pass --labels to add some."
        report.add("note", "No labels", [report.data], remedy)
        return None
    faults: list[DataError] = []
    labels = None
    with report.catching("Labels"):
        labels = in_mode(files.labels(fps, faults.append), mode)
    strange: dict[str, list[str]] = {}
    for fault in faults:
        if isinstance(fault, UnknownAction):
            place = str(fault).partition(": action")[0]  # a message begins with file and line
            strange.setdefault(fault.action, []).append(place)
    often = sorted(strange, key=lambda action: -len(strange[action]))
    named = [f"{action!r}, {len(strange[action])} time(s), first: {strange[action][0]}" for action in often]
    report.add("error", "Unknown actions", named, "Add them to the action list, or correct their spelling.")
    others = [fault for fault in faults if not isinstance(fault, UnknownAction)]
    report.add("error", "Faults in label files", others, "Fix them; no command reads such files.")
    return labels if labels is not None and labels.annotations else None


def describe_labels(report: CheckReport, labels: LabelSet, fps: float) -> None:
    """Counts, hours and durations; classes that never occur; unlabelled gaps; annotations that overlap."""
    if labels.mode == "multi":
        describe_multi(report, labels, fps)
        return
    annotations = list(labels.annotations.values())
    lengths = np.concatenate([a.durations for a in annotations])
    used = np.unique(np.concatenate([a.labels for a in annotations]))
    low, middle, high = np.percentile(lengths, (10, 50, 90))
    report.facts["Labels"] = {
        "label files": len(annotations),
        "recordings": len(labels.recordings),
        "segments": len(lengths),
        "actions": f"{len(used)} of {len(labels.actions)} occur",
        "labelled": f"{duration(lengths.sum() / fps)} at {fps:g} fps",
        "segment frames": f"10 %: {low:.0f}, median {middle:.0f}, 90 %: {high:.0f}",
    }
    never = [labels.actions[i] for i in np.setdiff1d(np.arange(len(labels.actions)), used)]
    report.add("note", "Actions that never occur", never, "A head can't learn or meet them.")
    gaps = [a.name for a in annotations if (a.starts[1:] != a.ends[:-1]).any()]
    report.add("note", "Label files with unlabelled gaps", gaps, "Such frames take no part in losses or scores.")
    neighbours = (pair for name in labels.recordings for pair in pairwise(labels.of_recording(name)))
    crossing = [f"{one.name}, {other.name}" for one, other in neighbours if one.end > other.start]
    report.add("note", "Label files that share frames of a recording", crossing, "Each is trained and scored on.")


def fit_labels(report: CheckReport, labels: LabelSet, spans: Spans, past_end: Literal["error", "cut"]) -> None:
    """Labels against the frames that views have."""
    annotations = [a for a in labels.annotations.values() if spans.get(a.recording)]
    without = [name for name in labels.recordings if not spans.get(name)]
    report.add("warning", "Labelled recordings without features", without, "Bring them, or pass --missing skip.")
    outside = {a.name: _outside(a, spans[a.recording]) for a in annotations}
    remedy = f"{_rate_hint(annotations, spans)}Check that both count frames alike (--fps), or pass --past_end cut."
    severity: Severity = "error" if past_end == "error" else "warning"
    title = "Labels past the end of the features, or before their first frame"
    report.add(severity, title, [where for where in outside.values() if where], remedy)
    lacking = {a.name: _shortfall(a, spans[a.recording]) for a in annotations if not outside[a.name]}
    short = [f"{name}: {views}" for name, views in lacking.items() if views]
    report.add("note", "Labels outside the frames of some view", short, "There its frames count as missing.")
    unlabelled = sorted(set(spans) - set(labels.recordings))
    report.add("note", "Recordings without labels", unlabelled, "They can serve as pairs, and be predicted.")
    if annotations:
        report.facts["Labels"] |= {
            "recordings labelled": f"{len({a.recording for a in annotations})} of {len(spans)} that have frames",
            "frames labelled": f"{labelled_share(annotations, spans):.0%} of theirs",
        }


def _outside(annotation: Annotation, views: Mapping[str, Span]) -> str:
    """Where labels reach beyond the frames of all views, in words; empty where they don't."""
    first, end = min(span.first for span in views.values()), max(span.end for span in views.values())
    early = [f"label from {annotation.start}, features from {first}"] if annotation.start < first else []
    late = [f"label to {annotation.end}, features to {end}"] if annotation.end > end else []
    return f"{annotation.name} ({'; '.join(early + late)})" if early or late else ""


def _shortfall(annotation: Annotation, views: Mapping[str, Span]) -> str:
    """Views that lack labelled frames at an end, with how many; empty where none does."""
    lacks = {
        view: max(span.first - annotation.start, 0) + max(annotation.end - span.end, 0) for view, span in views.items()
    }
    return ", ".join(f"{view} lacks {frames}" for view, frames in lacks.items() if frames)


def _rate_hint(annotations: Sequence[Annotation], spans: Spans) -> str:
    """A guess at two frame rates where labels end, most of the time, far beyond the features."""
    ratios = [a.end / max(span.end for span in spans[a.recording].values()) for a in annotations]
    middle = float(np.median(ratios)) if ratios else 0.0
    hint = f"Labels end at {middle:.2f} times the features' frame numbers: two frame rates? "
    return hint if 1.2 < middle < 8 else ""


def labelled_share(annotations: Sequence[Annotation], spans: Spans) -> float:
    """Of the frames that some view of a labelled recording has, the share that has a label; each counts once."""
    labelled = there = 0
    for name in {a.recording for a in annotations}:
        own = [a.labelled_N2 for a in annotations if a.recording == name]
        views = np.array([(span.first, span.end) for span in spans[name].values()])
        frames = _covered(views)
        there += frames
        labelled += _covered(np.concatenate(own)) + frames - _covered(np.concatenate([*own, views]))
    return labelled / max(there, 1)


def _covered(ranges_N2: NDArray[np.int64]) -> int:
    """Number of frames in one or more of the ranges [start, end)."""
    starts_N, ends_N = ranges_N2[ranges_N2[:, 0].argsort()].T
    before_N = np.append(starts_N[:1], np.maximum.accumulate(ends_N)[:-1])
    return int(np.maximum(ends_N - np.maximum(starts_N, before_N), 0).sum())


def check_splits(
    report: CheckReport,
    config: DataConfig,
    splits: Splits,
    variant: str,
    labels: LabelSet | None,
    spans: Spans,
) -> None:
    """Sizes of the roles; what is listed without labels or features; recordings in two roles; unseen actions."""
    recording = recording_in(labels)
    items = {role: getattr(splits, role) for role in ROLES}
    report.facts["Splits"] = {"lists": f"{variant} ({variant_of(variant).source})"} | {
        role: f"{len(names)} items of {len({recording(name) for name in names})} recordings"
        for role, names in items.items()
    }
    for role, (severity, consequence) in _EMPTY.items():
        report.add(severity, "Empty split", [] if items[role] else [role], consequence)
    weight: Severity = "warning" if config.allow_overlap == variant else "error"
    for one, other, names, remedy in wrong_overlaps(splits, recording, variant, config.allow_overlap):
        report.add(weight, f"Recordings both in {one} and in {other}", names, remedy)
    severity = "error" if config.missing == "error" else "warning"
    listed = [(name, role) for role in ROLES for name in items[role]]
    if labels is not None:
        there = {*labels.annotations, *labels.recordings}
        lost = [f"{name} ({role})" for name, role in listed if role != "pairs" and name not in there]
        report.add(severity, "Listed items without labels", lost, "Bring the labels, or pass --missing skip.")
        train, test = (_classes(items[role], labels) for role in ("train", "test"))
        unseen = [labels.actions[i] for i in sorted(test - train)] if train else []
        remedy = "No head can get them right; say so with scores."
        report.add("note", "Actions in test that train lacks", unseen, remedy)
    if spans:
        lost = [f"{name} ({role})" for name, role in listed if name not in spans and recording(name) not in spans]
        report.add(severity, "Listed items without features", lost, "Bring them, or pass --missing skip.")


_EMPTY: dict[Role, tuple[Severity, str]] = {
    "pairs": ("note", "Pre-training on pairs needs them; a head does not."),
    "train": ("warning", "No head can be trained."),
    "val": ("note", "Training keeps the last epoch."),
    "test": ("warning", "Score another role with --split."),
}


def _classes(items: Sequence[str], labels: LabelSet) -> set[int]:
    """Ids of the classes that listed items have."""
    named = {name: labels.annotations.get(name) for name in items}
    found = [a for name, one in named.items() for a in ((one,) if one else labels.of_recording(name))]
    return {int(label) for a in found for label in a.labels}
