"""What a check says of features: views and spans, frames that are missing or broken, views out of step."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from viewloom.check.findings import CheckReport, Offset, Spans, by_pair, duration
from viewloom.check.sync import NO_OFFSET, change_curve, offset_of_curves
from viewloom.console import track
from viewloom.errors import DataError, listed
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, all_cameras, default_views
from viewloom.features.clock import Clock, on_clock
from viewloom.features.index import Index
from viewloom.features.views import ViewTable

BLOCK_BYTES = 32 << 20
"""Features read at once with depth=full."""
SAMPLE_FRAMES = 20
"""Frames read at the beginning, in the middle and at the end of each recording and view with depth=sample."""
SYNC_FRAMES = 3000
"""Frames of a recording over which views are compared: 100 s at 30 fps."""
OUT_OF_STEP_FRAMES = 3.0
"""Smaller offsets of one recording are within what its estimate is good for: a frame or two."""
PAIR_OUT_OF_STEP_FRAMES = 1.5
"""The same for the median of a pair of views over `LEAST_RECORDINGS` or more."""
LEAST_RECORDINGS = 3
FEW_FEATURES = 64
"""No backbone gives so few features of a picture."""
UNEQUAL_S = 1.0
"""Views whose ends or beginnings differ by more are worth a warning."""


def describe_store(report: CheckReport, source: CatalogSource, simulated: bool) -> None:
    """What kind of store it is, feature size, frame rate."""
    report.facts["Features"] = {
        "store": f"{source.kind}, {source.where}",
        "recordings": len(source.recordings),
        "feature size": _sizes(source),
        "fps": f"{source.fps:g}" + ("" if source.fps_known else " (assumed: nobody says; pass --fps)"),
        **_rates(source),
        "simulated": "yes" if simulated else "no",
    }
    there = {view for recording in source.recordings for view in source.views(recording)}
    empty = [f"{view.name} ({listed(view.cameras)})" for view in source.view_table.views if view.name not in there]
    hint = f" These views have no camera here: {listed(empty)}." if empty and source.unnamed_cameras else ""
    remedy = f"Name them in a view file (--views_file) to use them.{hint}"
    report.add("note", "Cameras that no view names", source.unnamed_cameras, remedy)


def _sizes(source: CatalogSource) -> int | str:
    """The feature size of all views, or each view's own."""
    used = dict.fromkeys(view for recording in source.recordings for view in source.views(recording))
    sizes = {view: source.dim(view) for view in used}
    return next(iter(sizes.values())) if len(set(sizes.values())) == 1 else _of_each(sizes)


def _rates(source: CatalogSource) -> dict[str, str]:
    """Views that are stored at a rate or from a start of their own."""
    timings = {name: source.timing(name) for name in source.view_table.names}
    own = {name: f"{t[0]:g} fps" + (f" from {t[1]:g} s" if t[1] else "") for name, t in timings.items() if t}
    return {"stored at": f"{_of_each(own)}; read at the nearest frame"} if own else {}


def _of_each(values: Mapping[str, object]) -> str:
    return ", ".join(f"{view} {value}" for view, value in values.items())


def source_spans(report: CheckReport, source: CatalogSource) -> Spans:
    """Frame ranges of a store; views that come from two cameras of one recording are noted and left out."""
    found: dict[str, dict[str, Span]] = {recording: {} for recording in source.recordings}
    doubled: list[str] = []
    for recording, there in found.items():
        for view in source.views(recording):
            try:
                there[view] = source.span(recording, view)
            except DataError as error:
                doubled.append(str(error))
    report.add("error", "Views that come twice", doubled, "No command can tell which to read.")
    return found


def index_spans(report: CheckReport, index: Index, views: ViewTable | None, fps: float) -> Spans:
    """Frame ranges of an index, by view, on the clock of the data set's ``fps``."""
    table = views or default_views(all_cameras(index.spans))
    found: dict[str, dict[str, Span]] = {recording: {} for recording in index.spans}
    doubled: list[str] = []
    for recording, cameras in index.spans.items():
        for camera, span in cameras.items():
            view = table.of_camera(camera)
            if view is not None and view.name in found[recording]:
                doubled.append(f"{recording} {view.name}")
            elif view is not None:
                found[recording][view.name] = on_clock(span, Clock.of(view.fps or fps, view.start_s, fps))
    report.add("error", "Views that come twice", doubled, "Remove one camera, or name it apart in a view file.")
    unnamed = [camera for camera in all_cameras(index.spans) if table.of_camera(camera) is None]
    report.add("note", "Cameras that no view names", unnamed, "Name them in a view file (--views_file).")
    report.facts["Index"] = {"file": index.where, "recordings": len(index.spans)}
    return {recording: {n: there[n] for n in table.names if n in there} for recording, there in found.items()}


def describe_spans(report: CheckReport, spans: Spans, fps: float) -> None:
    """Views, frames, pairs of views; recordings that lack a view; views of unequal length."""
    per_view = Counter(view for there in spans.values() for view in there)
    order = list(dict.fromkeys(view for there in sorted(spans.values(), key=len, reverse=True) for view in there))
    frames = np.array([span.frames for there in spans.values() for span in there.values()])
    report.facts["Frames"] = {
        "recordings": len(spans),
        "views": ", ".join(f"{view} ({per_view[view]})" for view in order),
        "in all": f"{frames.sum():,} ({duration(frames.sum() / fps)} over all views at {fps:g} fps)",
        "per view and recording": f"median {np.median(frames):.0f}, from {frames.min()} to {frames.max()}",
    }
    report.pairs = {a: {b: sum(a in there and b in there for there in spans.values()) for b in order} for a in order}
    lacking = [
        f"{recording} ({listed([view for view in order if view not in there])})"
        for recording, there in spans.items()
        if len(there) < len(order)
    ]
    report.add("note", "Recordings that lack a view", lacking, "They are left out wherever that view is asked for.")
    single = [recording for recording, there in spans.items() if len(there) == 1]
    if len(order) > 1:
        report.add(
            "note",
            "Recordings with one view only",
            single,
            "They can serve as pairs for the methods soft_dtw and tcc alone, which need no synchrony.",
        )
    _note_unequal(report, spans, fps)


def _note_unequal(report: CheckReport, spans: Spans, fps: float) -> None:
    """Views of one recording that begin or end at different frames, the worst first."""
    apart: dict[str, int] = {}
    for recording, there in spans.items():
        ends, firsts = [span.end for span in there.values()], [span.first for span in there.values()]
        apart[recording] = max(max(ends) - min(ends), max(firsts) - min(firsts)) if there else 0
    worst = sorted((name for name in apart if apart[name]), key=lambda name: -apart[name])
    shown = {name: f"{name}: {apart[name]} frames apart ({_ends(spans[name])})" for name in worst}
    far = [shown[name] for name in worst if apart[name] > UNEQUAL_S * fps]
    remedy = "Frames that a view lacks count as missing in it."
    report.add("warning", f"Views whose lengths differ by more than {UNEQUAL_S:g} s", far, remedy)
    near = [shown[name] for name in worst if apart[name] <= UNEQUAL_S * fps]
    report.add("note", "Views whose lengths differ a little", near, remedy)


def _ends(there: Mapping[str, Span]) -> str:
    return listed((f"{view} {span.first} to {span.end}" for view, span in there.items()), 4)


@dataclass
class _Faults:
    """What reading one recording and view showed.

    Attributes:
        missing: frames that aren't there.
        broken: frames that are NaN or infinite in part.
        blank: frames that are zero throughout.
        first_broken: frame number, or None.
        low: smallest value of each feature.
        high: largest value of each feature.
    """

    missing: int = 0
    broken: int = 0
    blank: int = 0
    first_broken: int | None = None
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None

    @property
    def still(self) -> bool:
        """Whether all frames are the same, but not blank."""
        return self.low is not None and self.high is not None and bool((self.low == self.high).all())


def check_frames(report: CheckReport, source: CatalogSource, depth: Literal["sample", "full"]) -> None:
    """Missing, broken, blank and frozen frames; statistics of the values, by view."""
    places = [(name, view) for name in source.recordings for view in _readable(source, name)]
    found: dict[str, _Faults] = {}
    sums: dict[str, NDArray[np.float64]] = {}
    refused: list[DataError] = []
    for recording, view in track(places, "Reading features", len(places)):
        faults = found[f"{recording} {view}"] = _Faults()
        try:
            for first, x_TD in _stretches(source, recording, view, depth):
                sums[view] = sums.get(view, 0.0) + _sums(_sound_rows(x_TD, first, faults))
        except DataError as error:
            refused.append(error)
        if depth == "sample":
            holes = source.missing_runs(recording, source.camera(recording, view))
            faults.missing = max(faults.missing, sum(end - start for start, end in holes))
    report.add("error", "Features that can't be read", refused, "")
    order = [view for view in source.view_table.names if view in sums]
    report.values = {view: _statistics(*sums[view].tolist()) for view in order if sums[view].any()}
    tail = "" if depth == "full" else " (in a sample; --depth full reads all)"
    _report_faults(report, found, tail, tail if source.kind == "npy" else "", maybe_sensors(source))


def _sums(x_TD: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of rows without a hole: number of rows, of values and of zeros; sums of values, squares and rows' lengths."""
    squares_T = np.einsum("td,td->t", x_TD, x_TD, dtype=np.float64)
    counts = len(x_TD), x_TD.size, (x_TD == 0).sum()
    return np.array([*counts, x_TD.sum(dtype=np.float64), squares_T.sum(), np.sqrt(squares_T).sum()])


def _statistics(
    rows: float, values: float, zeros: float, total: float, squares: float, norms: float
) -> dict[str, float]:
    """Mean, deviation, share of exact zeros, mean length of a row, of `_sums`."""
    mean = total / values
    deviation = float(np.sqrt(max(squares / values - mean**2, 0.0)))
    return {"frames": int(rows), "mean": mean, "sd": deviation, "zeros": zeros / values, "norm": norms / rows}


def maybe_sensors(source: CatalogSource) -> bool:
    """Whether features may be those of sensors instead of pictures: few, or of a view that is neither exo nor ego."""
    used = {view for name in source.recordings for view in source.views(name)}
    return any(source.dim(view) <= FEW_FEATURES or source.view_table[view].kind == "other" for view in used)


def _readable(source: CatalogSource, recording: str) -> tuple[str, ...]:
    """Views that come from one camera; the others are findings already."""
    cameras = source.spans[recording]
    table = source.view_table
    return tuple(v for v in source.views(recording) if sum(c in cameras for c in table[v].cameras) == 1)


def _stretches(
    source: CatalogSource, recording: str, view: str, depth: str
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first frame, features), as stored, of what is to be read: everything in blocks, or both ends and the middle."""
    span = source.stored_span(recording, view)
    size = max(1, BLOCK_BYTES // (4 * source.dim(view))) if depth == "full" else SAMPLE_FRAMES
    starts = list(range(span.first, span.end, size))
    if depth == "sample" and len(starts) > 3:
        starts = [span.first, (span.first + span.end - size) // 2, span.end - size]
    for start in starts:
        yield start, source.read_stored(recording, view, start, min(start + size, span.end))


def _sound_rows(x_TD: NDArray[np.float32], first: int, faults: _Faults) -> NDArray[np.float32]:
    """The rows of a stretch that are whole; the faults of the others, and of these, are counted."""
    finite = np.isfinite(x_TD).all(axis=1)
    absent = np.isnan(x_TD).all(axis=1)
    broken = np.flatnonzero(~finite & ~absent)
    faults.missing += int(absent.sum())
    faults.broken += len(broken)
    if len(broken) and faults.first_broken is None:
        faults.first_broken = first + int(broken[0])
    rows = x_TD[finite]
    if len(rows):
        faults.blank += int((~rows.any(axis=1)).sum())
        low, high = rows.min(axis=0), rows.max(axis=0)
        faults.low = low if faults.low is None else np.minimum(low, faults.low)
        faults.high = high if faults.high is None else np.maximum(high, faults.high)
    return rows


def _report_faults(report: CheckReport, found: Mapping[str, _Faults], tail: str, holes: str, sensors: bool) -> None:
    """Findings from the faults of every recording and view, the worst first.

    Args:
        report: where they go.
        found: faults by place.
        tail: what to say behind a title where only a sample was read.
        holes: the same for missing frames, which most stores know without reading.
        sensors: they may be of sensors, not of pictures.
    """
    again = "Extract these frames again" + (", or export the sensor's values again." if sensors else ".")
    blank = "A black picture or a failed extraction, unless features are few and sparse."
    frozen = "The camera or its extraction failed: redo it."
    if sensors:
        blank = "A sensor at rest or switched off, a black picture, or a failed extraction or export."
        frozen = "The sensor or camera, or its extraction or export, failed: redo it."

    def worst(count: str) -> list[tuple[str, _Faults]]:
        having = [(place, faults) for place, faults in found.items() if getattr(faults, count)]
        return sorted(having, key=lambda entry: -int(getattr(entry[1], count)))

    broken = [f"{place} ({f.broken} frames, first {f.first_broken})" for place, f in worst("broken")]
    report.add("error", f"NaN or infinite features{tail}", broken, again)
    missing = [f"{place} ({f.missing} frames)" for place, f in worst("missing")]
    remedy = "They are masked, or filled from their neighbours: see --sampling.missing_frames of the other commands."
    report.add("warning", f"Missing frames{holes}", missing, remedy)
    zeros = [f"{place} ({f.blank} frames)" for place, f in worst("blank")]
    report.add("note", f"Blank frames, zero throughout{tail}", zeros, blank)
    still = [place for place, faults in found.items() if faults.still]
    report.add("error", f"Features that never change{tail}", still, frozen)


def check_offsets(report: CheckReport, source: CatalogSource, count: int | None, most_frames: int) -> None:
    """Estimated offset between the views of each pair, in ``count`` recordings (None: all)."""
    several = [name for name in source.recordings if len(_readable(source, name)) > 1]
    count = len(several) if count is None else min(count, len(several))
    chosen = [several[int(i)] for i in np.linspace(0, len(several) - 1, count).round()] if count else []
    for recording in track(chosen, "Comparing views", len(chosen)):
        curves = _curves(source, recording)
        for one, other in combinations(curves, 2):
            offset = offset_of_curves(curves[one], curves[other], most_frames) if len(curves[one]) else NO_OFFSET
            exact, correlation = round(offset.exact_frames, 2), round(offset.correlation, 3)
            place = {"recording": recording, "first": one, "second": other}
            sure = {"confidence": round(offset.confidence, 2), "reliable": offset.reliable}
            report.offsets.append({**place, "exact_frames": exact, "correlation": correlation, **sure})
    _report_offsets(report)


def _curves(source: CatalogSource, recording: str) -> dict[str, NDArray[np.float64]]:
    """Change of each view's features over the middle of a recording, on one common range of frames."""
    spans = {view: source.span(recording, view) for view in _readable(source, recording)}
    first = int(np.median([span.first for span in spans.values()]))
    end = int(np.median([span.end for span in spans.values()]))
    first = max(first, (first + end - SYNC_FRAMES) // 2)
    end = min(end, first + SYNC_FRAMES)
    return {view: change_curve(source.read(recording, view, first, max(first, end))) for view in spans}


def _report_offsets(report: CheckReport) -> None:
    """Findings from the estimated offsets: pairs of views that are out of step, then single recordings."""
    sure = by_pair(offset for offset in report.offsets if offset["reliable"])
    middles = {pair: _common_offset(offsets) for pair, offsets in sure.items()}
    remedy = (
        "Shift one view's frame numbers by that much when extracting or exporting; moments are compared one by one."
    )
    late = [
        f"{pair[1]} is {middle:+.1f} frames behind {pair[0]} (median of {len(sure[pair])} recordings)"
        for pair, middle in middles.items()
        if middle
    ]
    report.add("warning", "Pairs of views out of step in most recordings", late, remedy)
    # What all recordings share has been said; what is left is a recording's own.
    own = [(o["exact_frames"] - middles[pair], o) for pair, offsets in sure.items() for o in offsets]
    far = sorted((entry for entry in own if abs(entry[0]) >= OUT_OF_STEP_FRAMES), key=lambda entry: -abs(entry[0]))
    late = [f"{o['recording']}: {o['second']} is {o['exact_frames']:+.1f} frames behind {o['first']}" for _, o in far]
    report.add("warning", "Views out of step in a recording", late, remedy)
    unsure = [f"{o['recording']} {o['first']}-{o['second']}" for o in report.offsets if not o["reliable"]]
    report.add(
        "note", "Pairs of views whose offset can't be measured", unsure, "Their features change too differently."
    )


def _common_offset(offsets: Sequence[Offset]) -> float:
    """Median offset of a pair of views over its recordings; 0 where it may be chance."""
    middle = float(np.median([offset["exact_frames"] for offset in offsets]))
    enough = len(offsets) >= LEAST_RECORDINGS and abs(middle) >= PAIR_OUT_OF_STEP_FRAMES
    return middle if enough else 0.0
