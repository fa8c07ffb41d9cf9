"""How far time alone goes: whether actions come in nearly the same order, at nearly the same time, in every item."""

from viewloom.check.findings import CheckReport
from viewloom.dataset.labels import Annotation, LabelSet
from viewloom.dataset.splits import Splits
from viewloom.metrics.controls import clock_scores, clock_scores_left_out
from viewloom.metrics.segmentation import Scores
from viewloom.metrics.segments import Ints

NEAR = 40.0
"""F1@50 (percent) of the clock from which scores need to be read beside it."""
ENOUGH = 5
"""Items that it takes to say so: two or three may agree by chance."""


def check_clock(report: CheckReport, labels: LabelSet, splits: Splits | None) -> None:
    """Score the clock (`viewloom.metrics.controls`), and warn where it comes far without a single feature."""
    train, val = (_annotations(labels, names) for names in ((splits.train, splits.val) if splits else ((), ())))
    items = train or list(labels.annotations.values())
    scores, where = _scores(train, val, items)
    if scores is None:
        return
    found = f"F1@50 {scores.f1_50:.1f}, MoF {scores.mof:.1f}"
    report.facts["Clock"] = {"commonest action at the same relative time": found, "scored on": where}
    far = scores.f1_50 >= NEAR and len({*map(id, items), *map(id, val)}) >= ENOUGH
    remedy = "Read scores beside the clock's, a row of `viewloom compare`: only what exceeds it is recognition."
    title = "The order of actions is nearly fixed, so that a clock segments well"
    report.add("warning", title, [f"{found} without any feature"] if far else [], remedy)


def _scores(train: list[Annotation], val: list[Annotation], items: list[Annotation]) -> tuple[Scores | None, str]:
    """The clock's scores on validation items, else on each item by those of other recordings; and on what."""
    if train and val:
        return clock_scores(_labels(train), _labels(val)), f"{len(val)} validation items"
    found = clock_scores_left_out(_labels(items), [one.recording for one in items])
    return found, f"{len(items)} items, each by those of other recordings"


def _annotations(labels: LabelSet, names: tuple[str, ...]) -> list[Annotation]:
    """The annotations that listed names stand for; what has none is found missing elsewhere."""
    found = {
        one.name: one
        for name in names
        for one in ((labels.annotations[name],) if name in labels.annotations else labels.of_recording(name))
    }
    return list(found.values())


def _labels(annotations: list[Annotation]) -> list[Ints]:
    return [one.frame_labels(one.start, one.end) for one in annotations]
