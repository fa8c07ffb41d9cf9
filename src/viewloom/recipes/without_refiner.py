"""Whether a transfer's refiner costs more than it gives: then a student is taught without one, and the better is kept.

With few pairs and many features a refiner may lose what only the labelled view shows, and so may all that is learned
behind it. That shows on labels at hand: the naive head does better on validation items than the teacher behind the
refiner. Which student is better in the views without labels, no label says; but what a student says there is right at
least where its teacher is right and the student agrees with it. So what is compared is the teacher's validation score
times the student's agreement with it, in those views, on held-out pairs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from viewloom.durable import rename
from viewloom.files import write_json
from viewloom.metrics.multilabel import SUMMED as OF_SEVERAL
from viewloom.report.reading import read_curves
from viewloom.training.runs import read_json
from viewloom.training.segment import SCORES as OF_ONE
from viewloom.training.teach import FOLDER as TEACHER

HEAD, NAIVE, PLAIN, REFINED = "head", "naive", "plain", "refined"
"""Folders of the student that is kept, the naive head, a student without refiner, and one that was put aside."""
CHOICE = "student.json"
COSTS = 5.0
"""Points of the mean validation score by which the naive head must lead for the refiner to be doubted."""


def validated(run: Path) -> float | None:
    """The best mean validation score (percent) of a head's training; None where nothing was validated."""
    curves = read_curves(run / "metrics.csv")
    points = curves.get("val/total", [])
    # A total sums other scores where a frame may have several labels.
    summed = len(OF_SEVERAL) if all(f"val/{name}" in curves for name in OF_SEVERAL) else OF_ONE
    return max(value for _, value in points) / summed if points else None


def promise(run: Path, views: Sequence[str]) -> float | None:
    """What a student promises in views without labels (percent): its teacher's validation score times its agreement.

    Args:
        run: the student's run folder, with its teacher inside.
        views: without labels.
    """
    labelled, found = validated(run / TEACHER), read_json(run / "taught.json")["agreement"]
    # With few pairs none is held out, and agreement on those learned from says less, of both students alike.
    each = [found[view] for view in views if view in found]
    agreed = [of["learned"] if of["held_out"] is None else of["held_out"] for of in each]
    if labelled is None or not agreed:
        return None
    return float(labelled * sum(agreed) / len(agreed) / 100)


def doubtful(naive: Path, student: Path) -> bool:
    """Whether the naive head does so much better on validation items than a student's teacher that the refiner behind
    which that was trained is doubted."""
    plain, refined = validated(naive), validated(student / TEACHER)
    return plain is not None and refined is not None and plain - refined > COSTS


def better_without(plain: Path, refined: Path, views: Sequence[str]) -> bool:
    """Whether a student without refiner promises more than one behind it."""
    without, behind = promise(plain, views), promise(refined, views)
    return without is not None and behind is not None and without > behind


def keep_better(folder: Path, views: Sequence[str], teach: Callable[[], Any]) -> None:
    """Doubt the refiner, if the naive head says so, and keep the student that promises more; see the module.

    Args:
        folder: of the transfer.
        views: without labels.
        teach: trains the student without refiner.
    """
    kept, why = REFINED, ""
    if doubtful(folder / NAIVE, folder / HEAD):
        teach()
        kept = PLAIN if better_without(folder / PLAIN, folder / HEAD, views) else REFINED
        naive, refined = validated(folder / NAIVE), validated(folder / HEAD / TEACHER)
        plain, behind = (_shown(promise(folder / name, views)) for name in (PLAIN, HEAD))
        why = (
            f"On validation items of the labelled view a head without the refiner scores {naive:.1f}, and behind it "
            f"{refined:.1f}, so a student was taught without it too. Validation score times agreement with the teacher "
            f"in the other view: {plain} without the refiner, {behind} with it; the one "
            f"{'without' if kept == PLAIN else 'with'} is kept"
        )
    write_json(folder / CHOICE, {"kept": kept, "why": why})
    put_in_place(folder)


def _shown(value: float | None) -> str:
    """A promise in words; a student that wasn't taught in the other view makes none."""
    return "none" if value is None else f"{value:.1f}"


def put_in_place(folder: Path) -> None:
    """Give the folder ``head`` to the student that was chosen; goes on where it was stopped."""
    chosen = (folder / CHOICE).exists() and read_json(folder / CHOICE)["kept"] == PLAIN
    if not chosen or not (folder / PLAIN).exists():
        return
    if (folder / HEAD).exists():
        rename(folder / HEAD, folder / REFINED)
    rename(folder / PLAIN, folder / HEAD)


def why_kept(folder: Path) -> list[str]:
    """Why which student was kept, a note or none."""
    why = read_json(folder / CHOICE)["why"] if (folder / CHOICE).exists() else ""
    return [why] if why else []
