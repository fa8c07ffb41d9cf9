"""Truth and predictions as coloured strips: one card an item, one strip a run and view, one colour an action."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from viewloom.metrics.segmentation import IGNORE, segments
from viewloom.report.colours import ink, palette
from viewloom.report.markup import Html, clock, fixed, join, tag
from viewloom.report.picking import RULE, Pick, pick
from viewloom.report.reading import ItemResult, Segments
from viewloom.report.runs import Run
from viewloom.report.tables import view_names

NAMED_SHARE = 0.06
"""Segments of the truth at least this share of the strip carry their action's name."""

FOLD_KEY = 40
"""With more actions than this, the key of colours is folded away at first."""

LAST_MARK = 0.96
"""Marks behind this share of a time axis would stick out."""

TICKS = 7
"""At most this many marks on a time axis."""

GROUPS = {"all": "", "best": "Best", "median": "In the middle", "worst": "Worst"}


@dataclass(frozen=True)
class Strip:
    """A run's result on an item in one view."""

    run: Run
    view: str
    result: ItemResult


def item_strips(runs: Sequence[Run], item: str) -> list[Strip]:
    """All results on one item, view by view."""
    return [
        Strip(run, view, run.views[view].items[item])
        for view in view_names(runs)
        for run in runs
        if view in run.views and item in run.views[view].items
    ]


def action_order(runs: Sequence[Run]) -> list[int]:
    """Class ids that occur, by the frames they truly fill, then by id: the first get the clearest colours.

    Ranked by the truth of the longest view of each item, so that pages about one test set agree on colours.
    """
    frames: dict[int, int] = {}
    predicted: set[int] = set()
    for item in dict.fromkeys(item for run in runs for view in run.views.values() for item in view.items):
        strips = item_strips(runs, item)
        for start, end, label in longest(strips).truth.rows_S3.tolist():
            frames[label] = frames.get(label, 0) + end - start
        predicted.update(int(label) for strip in strips for label in strip.result.prediction.rows_S3[:, 2])
    return sorted(frames, key=lambda label: (-frames[label], label)) + sorted(predicted - set(frames))


def action_colours(runs: Sequence[Run]) -> dict[int, str]:
    """Colour of each class id that occurs, in the order of `action_order`."""
    order = action_order(runs)
    return dict(zip(order, palette(len(order)), strict=True))


def longest(strips: Sequence[Strip]) -> ItemResult:
    """The result over most frames, whose truth is shown; the first of several."""
    return max((strip.result for strip in strips), key=lambda result: result.end - result.start)


def colour_rules(colours: Mapping[int, str]) -> str:
    """CSS: one class an action."""
    return "".join(f".k{a}{{fill:{c};background-color:{c};color:{ink(c)}}}" for a, c in colours.items())


def timelines(runs: Sequence[Run], colours: Mapping[int, str], most: int) -> Html | None:
    """Cards of the items picked, under a key of the colours; None where no run has predictions."""
    picked = pick(runs, most)
    if not picked:
        return None
    actions, fps = runs[0].scored.actions, runs[0].scored.fps
    cards, group = [], "all"
    for one in picked:
        if one.group != group:
            cards.append(tag("h3", GROUPS[one.group], class_="group"))
        group = one.group
        cards.append(card(runs, one, actions, fps))
    shown = {label for one in picked for label in _labels(item_strips(runs, one.item))}
    return join(
        tag("p", _rule(runs, picked), class_="note"),
        colour_key([label for label in colours if label in shown], actions),
        tag("div", *cards, data_fps=f"{fps:g}", id="cards"),
    )


def _rule(runs: Sequence[Run], picked: Sequence[Pick]) -> str:
    total = len({item for run in runs for view in run.views.values() for item in view.items})
    if picked[0].group == "all":
        which = f"All {total} are shown, best first."
    else:
        count = {name: sum(one.group == name for one in picked) for name in ("best", "median", "worst")}
        which = (
            f"Of {total}, the {count['best']} best, {count['median']} in the middle and the {count['worst']} worst "
            "are shown."
        )
    return f"{RULE} {which} The thin line under a prediction marks the frames it gets wrong."


def _labels(strips: Iterable[Strip]) -> set[int]:
    """Class ids in some strips."""
    return {
        int(label)
        for strip in strips
        for rows_S3 in (strip.result.truth.rows_S3, strip.result.prediction.rows_S3)
        for label in rows_S3[:, 2]
    }


def colour_key(labels: Sequence[int], actions: Sequence[str]) -> Html:
    """A button an action; pressed, it dims all other actions on the page."""
    keys = [
        tag(
            "button",
            tag("i", class_=f"k{label}"),
            tag("span", actions[label]),
            type="button",
            id=f"key{label}",
            aria_pressed="false",
        )
        for label in labels
    ]
    count = f"{len(labels)} actions, longest first; press one to see it alone"
    return tag(
        "details", tag("summary", count), tag("div", *keys, class_="key"), open=len(labels) <= FOLD_KEY, id="key"
    )


def card(runs: Sequence[Run], one: Pick, actions: Sequence[str], fps: float) -> Html:
    """One item: the truth on top, then each view's predictions, then the time axis."""
    strips = item_strips(runs, one.item)
    whole = longest(strips)
    start, end = min(s.result.start for s in strips), max(s.result.end for s in strips)
    facts = (
        f"rank {one.rank} · mean F1@50 {fixed(one.f1_50)} · {clock((end - start) / fps)} · {end - start} frames · "
        f"{len(whole.truth.rows_S3)} segments"
    )
    recording = f"recording {whole.recording} · " if whole.recording != one.item else ""
    rows = [truth_row(whole, start, end, actions)]
    for view in dict.fromkeys(strip.view for strip in strips):
        kind = next(strip.run.views[view].kind for strip in strips if strip.view == view)
        rows.append(tag("h5", "seen by ", tag("b", view), tag("small", f" {kind}")))
        rows += [prediction_row(strip, start, end) for strip in strips if strip.view == view]
    title = tag("header", tag("h4", one.item), tag("p", recording + facts, class_="note"))
    axis = tag("div", *time_marks(end - start, fps), class_="axis", aria_hidden="true")
    return tag("article", title, tag("div", *rows, axis, class_="strips"), id=f"item-{one.rank}", data_start=start)


def truth_row(whole: ItemResult, start: int, end: int, actions: Sequence[str]) -> Html:
    """The truth, with names where they fit."""
    scale = 100 / (end - start)
    words = [
        tag(
            "span",
            actions[label],
            class_=f"k{label}",
            style=f"left:{scale * (first - start):.3f}%;width:{scale * (last - first):.3f}%",
        )
        for first, last, label in whole.truth.rows_S3.tolist()
        if last - first >= NAMED_SHARE * (end - start)
    ]
    listed = ", ".join(actions[label] for label in whole.truth.rows_S3[:, 2].tolist())
    svg = strip_svg(whole.truth, start, end, 10, "truth", f"truth: {listed}")
    return join(tag("b", "truth", class_="who"), tag("span", class_="score"), tag("div", svg, *words, class_="named"))


def prediction_row(strip: Strip, start: int, end: int) -> Html:
    """A run's name, its strip, its scores on the item."""
    scores = strip.run.views[strip.view].item_scores(strip.result.name) or {}
    f1, mof = fixed(scores.get("f1_50")), fixed(scores.get("mof"))
    count = len(strip.result.prediction.rows_S3)
    label = f"{strip.run.row} on {strip.view}: {count} segments, F1@50 {f1}, MoF {mof}"
    svg = strip_svg(strip.result.prediction, start, end, 8, "prediction", label, wrong(strip.result))
    numbers = tag("span", "F1 ", tag("b", f1), " MoF ", tag("b", mof), class_="score", title="F1@50 and MoF, percent")
    return join(tag("span", strip.run.row, class_="who", title=strip.run.row), numbers, svg)


def wrong(result: ItemResult) -> Segments:
    """Stretches of labelled frames where the prediction isn't the truth; all get class id 1."""
    truth = result.truth.frame_labels(result.start, result.end)
    off = (truth != IGNORE) & (truth != result.prediction.frame_labels(result.start, result.end))
    starts, ends, flags = segments(off.astype(np.int64))
    rows_S3 = np.stack([starts + result.start, ends + result.start, flags], axis=1)
    return Segments(rows_S3[flags == 1])


def strip_svg(
    shown: Segments, start: int, end: int, height: int, kind: str, label: str, errors: Segments | None = None
) -> Html:
    """Segments as rectangles in frames, on a canvas ten high that is stretched to the column's width."""
    parts = [
        tag("rect", class_=f"k{label}", x=first, width=last - first, height=height)
        for first, last, label in shown.rows_S3.tolist()
    ]
    if errors is not None:
        parts += [
            tag("rect", class_="off", x=first, width=last - first, y=8.7, height=1.3)
            for first, last, _ in errors.rows_S3.tolist()
        ]
    return tag(
        "svg",
        *parts,
        viewBox=f"{start} 0 {end - start} 10",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        class_=f"strip {kind}",
    )


def time_step(seconds: float) -> int:
    """Seconds between the marks of a time axis."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if seconds / step <= TICKS), 7200)


def time_marks(frames: int, fps: float) -> list[Html]:
    """Marks at round times."""
    seconds = frames / fps
    places = range(0, math.floor(LAST_MARK * seconds) + 1, time_step(seconds))
    return [tag("span", clock(at), style=f"left:{100 * at / seconds:.3f}%") for at in places]
