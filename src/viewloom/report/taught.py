"""What a student was taught on pairs (``taught.json``): how sure its teacher was, and where the two agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import DataError
from viewloom.metrics.segments import Segments
from viewloom.report.reading import read_json

FILE = "taught.json"


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
        DataError: a file that can't be read.
    """
    path = folder / FILE
    facts = read_json(path) if path.exists() else {}
    if "agreement" not in facts:
        return None
    try:
        return _taught(facts)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(f"{path} is not as `viewloom train` writes it ({error!r}). Train the run again.") from None


def _taught(facts: Mapping[str, Any]) -> Taught:
    shown, validation = facts["strips"], facts["validation_confidence"]
    rows = {"teacher": shown["teacher"]} | {f"student, {view}": rows for view, rows in shown["views"].items()}
    return Taught(
        minutes=facts["frames"] / facts["fps"] / 60,
        recordings=int(facts["recordings"]),
        sure=100.0 * facts["mean_confidence"],
        sure_on_validation=None if validation is None else 100.0 * validation,
        used=float(facts["used"]),
        views=[
            Agreement(view, bool(of["labelled"]), of["learned"], of["held_out"])
            for view, of in facts["agreement"].items()
        ],
        recording=str(shown["recording"]),
        start=int(shown["start"]),
        frames=int(shown["end"]) - int(shown["start"]),
        was_held_out=bool(shown["held_out"]),
        strips={who: Segments.of_rows(segments) for who, segments in rows.items()},
        actions=[str(action) for action in facts["actions"]],
        multi=facts.get("labels_mode") == "multi",
    )
