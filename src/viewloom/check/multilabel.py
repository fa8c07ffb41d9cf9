"""What a check says of labels of which a frame may have several."""

import numpy as np

from viewloom.check.findings import CheckReport, duration
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.multilabel import MultiAnnotation
from viewloom.metrics.segments import IGNORE


def describe_multi(report: CheckReport, labels: LabelSet, fps: float) -> None:
    """Counts, hours and durations; how many actions happen at once; classes that never occur."""
    annotations = [one for one in labels.annotations.values() if isinstance(one, MultiAnnotation)]
    lengths = np.concatenate([one.durations for one in annotations])
    frames_K, at_once = np.zeros(len(labels.actions), np.int64), np.zeros(len(labels.actions) + 1, np.int64)
    for one in annotations:
        classes_TK = one.frame_classes(one.start, one.end, len(labels.actions))
        there_TK = classes_TK[(classes_TK != IGNORE).all(axis=1)] == 1
        frames_K += there_TK.sum(axis=0)
        at_once += np.bincount(there_TK.sum(axis=1), minlength=len(at_once))
    low, middle, high = np.percentile(lengths, (10, 50, 90))
    shares = 100 * at_once / max(at_once.sum(), 1)
    ignored = sum(one.end - one.start for one in annotations) - int(at_once.sum())
    report.facts["Labels"] = {
        "label files": len(annotations),
        "recordings": len(labels.recordings),
        "segments": len(lengths),
        "actions": f"{int((frames_K > 0).sum())} of {len(labels.actions)} occur",
        "labelled": f"{duration(int(at_once.sum()) / fps)} at {fps:g} fps",
        "actions at once": ", ".join(f"{count}: {shares[count]:.0f} %" for count in np.flatnonzero(at_once)),
        "segment frames": f"10 %: {low:.0f}, median {middle:.0f}, 90 %: {high:.0f}",
    } | ({"ignored": duration(ignored / fps)} if ignored else {})
    never = [labels.actions[k] for k in np.flatnonzero(frames_K == 0)]
    report.add("note", "Actions that never occur", never, "A head can't learn or meet them.")
    single = [] if at_once[2:].any() else [report.data]
    remedy = "Where no frame has several actions, --labels_mode single gives scores that compare with others'."
    report.add("note", "No two actions ever happen at once", single, remedy)
