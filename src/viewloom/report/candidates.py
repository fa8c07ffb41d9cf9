"""What `--method auto` tried (``auto.json``), as a picture too, and whether a transfer doubts its refiner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import DataError
from viewloom.report.expected import refuse_twice
from viewloom.report.reading import read_json
from viewloom.report.runs import Run

FILE, CHOICE = "auto.json", "student.json"
LEFT, RIGHT, TOP, LINE = 110, 20, 8, 24
"""Places in the picture: where its scale begins and ends (from either side), its first line, the height of a line."""
WIDTH = 620


@dataclass(frozen=True)
class Candidate:
    """A candidate, figures in percent of held-out steps.

    Attributes:
        name: what it is called.
        chosen: whether it was taken.
        transfer: clusters of one view that carry over to another; None where it was left out.
        spread: standard error of that.
        own: clusters found again in their own view.
        retrieval: steps found again in another view.
        chance: of blind guesses at clusters.
        seconds: that it took.
        left_out: why it was.
    """

    name: str
    chosen: bool
    transfer: float | None
    spread: float
    own: float
    retrieval: float
    chance: float
    seconds: float
    left_out: str


@dataclass(frozen=True)
class Choice:
    """What was tried, and what was taken.

    Attributes:
        name: of the run.
        criterion: what was compared, in words.
        why: what was taken, and why, in words.
        candidates: all, the preferred first.
        doubt: whether the refiner costs more than it gives, in words; empty where nobody asked.
    """

    name: str
    criterion: str
    why: str
    candidates: list[Candidate]
    doubt: str = ""

    @property
    def height(self) -> int:
        """Of the picture."""
        return TOP + LINE * len(self.candidates) + 24

    @staticmethod
    def x(percent: float) -> float:
        """Place of a figure on the scale, which holds 0 to 100 percent."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(100.0, max(0.0, percent)) / 100


def choices(runs: Sequence[Run]) -> list[Choice]:
    """Of all runs that chose by themselves, or stand in a transfer that doubts its refiner.

    Raises:
        DataError: a file that can't be read.
    """
    found = (read_choice(run.folder, run.name) for run in runs)
    return [choice for choice in found if choice is not None]


def read_choice(folder: Path, name: str) -> Choice | None:
    """What a run of pre-training chose; None where it had no choice and nothing was doubted.

    Raises:
        DataError: ``auto.json`` or ``student.json`` can't be read.
    """
    path, doubt = folder / FILE, _doubt(folder)
    if not path.exists() and not doubt:
        return None
    facts = read_json(path) if path.exists() else {"criterion": "", "why": "", "chosen": None, "candidates": []}
    try:
        candidates = [_candidate(entry, facts["chosen"]) for entry in facts["candidates"]]
        found = Choice(name, str(facts["criterion"]), str(facts["why"]), candidates, doubt)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path} is not as `viewloom pretrain --method auto` writes it ({error!r}). Pre-train again."
        ) from None
    refuse_twice([one.name for one in candidates], "candidates", path, "Pre-train again.")
    if facts["chosen"] is not None and not any(one.chosen for one in candidates):
        raise DataError(f"{path}: {facts['chosen']!r} was chosen, which is not among the candidates. Pre-train again.")
    return found


def _candidate(entry: Mapping[str, Any], chosen: str | None) -> Candidate:
    measured = entry["measured"] or {}
    spread, own, retrieval, chance = (
        float(measured.get(name, 0.0)) for name in ("spread", "own", "retrieval", "chance")
    )
    transfer = float(measured["transfer"]) if measured else None
    name = str(entry["name"])
    took, left_out = float(entry["seconds"]), str(entry["left_out"])
    return Candidate(name, name == chosen, transfer, spread, own, retrieval, chance, took, left_out)


def _doubt(folder: Path) -> str:
    """What a transfer found when it doubted the refiner in this folder; empty where it isn't one of a transfer."""
    path = folder.parent / CHOICE
    if folder.name != "refiner" or not path.exists():
        return ""
    facts = read_json(path)
    without = facts.get("kept") == "plain"
    kept = "the student without it is kept" if without else "the student behind it is kept"
    return str(facts.get("why") or f"The naive head is not clearly better on validation items, so {kept}.")
