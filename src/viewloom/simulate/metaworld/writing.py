"""The table layout around the videos: labels.csv, views.yaml, splits/, dataset.yaml; and what they count to."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viewloom.dataset.splits import ROLES
from viewloom.files import write_text
from viewloom.simulate.metaworld.looks import FIXED
from viewloom.simulate.metaworld.recording import Timeline


def read_timelines(root: Path, names: Sequence[str]) -> list[Timeline]:
    """The timelines of finished recordings."""
    folder = root / "timelines"
    return [Timeline(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))) for name in names]


def kind_of(view: str) -> str:
    """Kind of a view: the wrist's is ego, the fixed ones are exo, the one behind the hand is neither."""
    return "exo" if view in FIXED else "ego" if view == "gripperPOV" else "other"


def write_lists(root: Path, timelines: Sequence[Timeline], views: Sequence[str], fps: float) -> dict[str, Any]:
    """Write labels, views and lists; returns counts for ``simulation.json``.

    Labels stand in seconds, so that they hold for features of any frame rate.
    """
    for name, word in (("labels.csv", slice(None)), ("verbs.csv", slice(1))):
        rows = [
            f"{timeline.recording},{start / fps:.6f},{end / fps:.6f},{' '.join(label.split()[word])}"
            for timeline in timelines
            for start, end, label in timeline.segments
        ]
        write_text(root / name, "\n".join(["recording,start_s,end_s,label", *rows]) + "\n")
    for role in ROLES:
        names = [timeline.recording for timeline in timelines if timeline.role == role]
        write_text(root / "splits" / f"{role}.txt", "".join(f"{name}\n" for name in names))
    table = json.dumps({"views": {view: {"kind": kind_of(view)} for view in views}})  # JSON is YAML
    write_text(root / "views.yaml", table + "\n")
    write_text(root / "dataset.yaml", "name: metaworld\nlayout: table\n")
    return counts(timelines)


def counts(timelines: Sequence[Timeline]) -> dict[str, Any]:
    """Frames, tasks and their success, in all and by task, and frames and segments of each label."""
    frames: Counter[str] = Counter()
    segments: Counter[str] = Counter()
    for timeline in timelines:
        for start, end, label in timeline.segments:
            frames[label] += end - start
            segments[label] += 1
    tasks = [task for timeline in timelines for task in timeline.tasks]
    by_task = {
        name: {
            "acted": len(acted),
            "succeeded": sum(task["succeeded"] for task in acted),
            "frames": sum(task["end"] - task["start"] for task in acted),
        }
        for name in sorted({task["task"] for task in tasks})
        for acted in [[task for task in tasks if task["task"] == name]]
    }
    learned = {label for timeline in timelines if timeline.role == "train" for _, _, label in timeline.segments}
    return {
        "frames": sum(timeline.frames for timeline in timelines),
        "labelled_frames": frames.total(),
        "tasks": len(tasks),
        "succeeded": sum(task["succeeded"] for task in tasks),
        "failed_tries": sum(task["failed_tries"] for task in tasks),
        "by_task": by_task,
        "labels": {label: {"frames": frames[label], "segments": segments[label]} for label in sorted(frames)},
        "labels_not_in_train": sorted(set(frames) - learned),
    }
