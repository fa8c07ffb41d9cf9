"""What a student was taught on pairs (``taught.json``): how sure its teacher was, and where the two agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import DataError, listed
from viewloom.metrics.segments import Segments
from viewloom.report.expected import COUNT, FLAG, PERCENT, RATE, SHARE, TEXT, TEXTS, Kind, Maybe, misfit, refuse_twice
from viewloom.report.reading import MODE, read_json, segments_in

FILE = "taught.json"
AGAIN = "Train the run again."


@dataclass(frozen=True)
class Agreement:
    """One view of the pairs.

    Attributes:
        view: its name.
        labelled: whether the teacher knows it.
        learned: percent of the frames that were taught in which the student says what the teacher does, or None.
        held_out: the same of the recordings held out.
    """

    view: str
    labelled: bool
    learned: float | None
    held_out: float | None


@dataclass(frozen=True)
class Taught:
    """What ``taught.json`` holds.

    Attributes:
        minutes: of the pairs that the teacher labelled.
        recordings: how many.
        sure: mean of its largest probability, percent.
        sure_on_validation: the same on validation items, or None.
        used: percent of the frames that it is sure enough of.
        views: agreement by view.
        recording: the one whose strips are shown, ``start`` and ``frames`` of it, and whether it was held out.
        strips: who says what, as segments; the teacher first.
        actions: names of the classes.
        multi: whether frames may have several classes; agreement is an F1 then.
    """

    minutes: float
    recordings: int
    sure: float
    sure_on_validation: float | None
    used: float
    views: list[Agreement]
    recording: str
    start: int
    frames: int
    was_held_out: bool
    strips: dict[str, Segments]
    actions: list[str]
    multi: bool = False


def load_taught(folder: Path) -> Taught | None:
    """What a run was taught; None where it was not, or its student isn't finished.

    Raises:
        DataError: a file that can't be read, or says what can't be.
    """
    path = folder / FILE
    facts = read_json(path) if path.exists() else {}
    if "agreement" not in facts:
        return None
    found = misfit(facts, _SHAPE, "")
    if found:
        raise DataError(f"{path} is not as `viewloom train` writes it: {found}. {AGAIN}")
    refuse_twice(facts["actions"], "actions", path, AGAIN)
    shown, validation = facts["strips"], facts["validation_confidence"]
    return Taught(
        minutes=facts["frames"] / facts["fps"] / 60,
        recordings=facts["recordings"],
        sure=100.0 * facts["mean_confidence"],
        sure_on_validation=None if validation is None else 100.0 * validation,
        used=float(facts["used"]),
        views=[
            Agreement(view, of["labelled"], of["learned"], of["held_out"]) for view, of in facts["agreement"].items()
        ],
        recording=shown["recording"],
        start=shown["start"],
        frames=shown["end"] - shown["start"],
        was_held_out=shown["held_out"],
        strips=_strips(facts, path),
        actions=facts["actions"],
        multi=_is_multi(facts),
    )


_LIST = Kind("a list", lambda value: isinstance(value, list))
_SHAPE = {
    **{"actions": TEXTS, "fps": RATE, "recordings": COUNT, "frames": COUNT, "used": PERCENT, "labels_mode?": MODE},
    **{"mean_confidence": SHARE, "validation_confidence": Maybe(SHARE)},
    "agreement": {"*": {"labelled": FLAG, "learned": Maybe(PERCENT), "held_out": Maybe(PERCENT)}},
    "strips": {
        **{"recording": TEXT, "start": COUNT, "end": COUNT, "held_out": FLAG},
        **{"teacher": _LIST, "views": {"*": _LIST}},
    },
}


def _is_multi(facts: Mapping[str, Any]) -> bool:
    return facts.get("labels_mode") == "multi"


def _strips(facts: Mapping[str, Any], path: Path) -> dict[str, Segments]:
    """Who says what, the teacher first; `DataError` for segments that the recording or the data set can't have."""
    shown = facts["strips"]
    span = shown["start"], shown["end"]
    if not span[0] < span[1]:
        raise DataError(f"{path}: strips has no frames (start {span[0]}, end {span[1]}). {AGAIN}")
    unknown = [view for view in shown["views"] if view not in facts["agreement"]]
    if unknown:
        raise DataError(f"{path}: strips.views has {listed(unknown, 3)}, of which agreement says nothing. {AGAIN}")
    rows = {"teacher": shown["teacher"]} | {f"student, {view}": rows for view, rows in shown["views"].items()}
    classes, overlap = len(facts["actions"]), _is_multi(facts)
    return {
        who: segments_in(of, span, classes, f"{path}: the strip {who!r}", overlap, AGAIN) for who, of in rows.items()
    }
