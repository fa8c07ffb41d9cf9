"""Runs as a report sees them: scores, predictions, curves, settings, environment, and what to be wary of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from viewloom.errors import ConfigError, DataError, listed
from viewloom.metrics.segmentation import Counts, count, pooled_scores
from viewloom.names import predictions_file
from viewloom.reading import read_text
from viewloom.report import measures
from viewloom.report.reading import (
    AGAIN,
    Metrics,
    Points,
    ViewResult,
    finite,
    read_curves,
    read_environment,
    read_metrics,
    read_predictions,
)
from viewloom.report.taught import Taught, load_taught

MARKS = ("metrics.json", "metrics.csv", "config.yaml", "environment.json", "invariance.json", measures.FILE)
"""A folder with one of these is a run."""

TRANSFER = ("refiner", "head", "naive", "oracle", "clock")
"""Runs of a transfer in its folder; the first two are always there."""

OLD_NAMES = {"none": "naive", "none3": "naive3"}
"""What experiments of viewloom 0.1 called the baseline, in their own folders."""

TOLERANCE = 0.05
"""Percentage points by which scores of the predictions may differ from those written beside them."""


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: where it is.
        name: in tables, unlike that of any other run in the report.
        metrics: what was measured; None for a run without scores.
        views: results by view; none for a run without scores.
        environment: what ``environment.json`` holds.
        config: text of ``config.yaml``.
        curves: what was logged while training, by name.
        notes: what a reader should know of the run, in words.
        taught: what a teacher labelled for it, and how far they agree; None where it had none.
        measures: what ``measures.json`` holds; empty for a run whose views weren't compared.
    """

    folder: Path
    name: str
    metrics: Metrics | None
    views: dict[str, ViewResult]
    environment: dict[str, Any]
    config: str
    curves: dict[str, Points]
    notes: tuple[str, ...]
    taught: Taught | None = None
    measures: dict[str, Any] = field(default_factory=dict)

    @property
    def scored(self) -> Metrics:
        """What was measured, of a run that has scores."""
        assert self.metrics is not None, f"{self.folder} has no scores"
        return self.metrics

    @property
    def learned(self) -> str:
        """What of the scored recordings it learned from, in words; empty for nothing."""
        found = self.metrics.learned if self.metrics is not None else {}
        ways = "; ".join(f"{role}: {listed(names, 3)}" for role, names in found.items() if names)
        return f"it learned from recordings that are scored here ({ways})" if ways else ""

    @property
    def simulated(self) -> bool:
        """Whether its features are simulated."""
        said = (self.environment, self.measures)
        return any(of.get("simulated") for of in said) or (self.metrics is not None and self.metrics.simulated)


def load_runs(folders: Sequence[str | Path]) -> list[Run]:
    """The runs among folders; a folder that is no run stands for the runs in it, in order of name.

    That of a transfer stands for its refiner, head and references.

    Raises:
        ConfigError: a folder that isn't there, holds no run, or is named twice.
        DataError: a file that can't be read, or runs of which no common page can be made.
    """
    paths = [path for folder in folders for path in _runs_in(Path(folder))]
    twice = [path for path, times in Counter(path.resolve() for path in paths).items() if times > 1]
    if twice:
        raise ConfigError(f"{listed(twice)} is named twice. Pass each run folder once.")
    if not paths:
        raise ConfigError("No run folder was named. Pass the --run folders of `viewloom train`.")
    runs = _distinct([load_run(path) for path in paths])
    _check_common(runs)
    return runs


def decodings(runs: Sequence[Run]) -> list[str]:
    """The ways in which probabilities became segments; of controls, which learned from no view, there are none."""
    return list(dict.fromkeys(run.scored.decoding for run in runs if run.scored.trained_on)) or ["argmax"]


def evaluated(runs: Sequence[Run]) -> list[Run]:
    """Those that have scores; `ConfigError` when none has."""
    found = [run for run in runs if run.metrics is not None]
    if not found:
        folders = listed(run.folder for run in runs)
        raise ConfigError(f"No evaluated run in {folders}. Run `viewloom evaluate --run FOLDER` first.")
    return found


def _runs_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a run folder. Pass the --run folders of `viewloom train`.")
    if _is_run(folder) and all(_is_run(folder / name) for name in TRANSFER[:2]):
        return [folder / name for name in TRANSFER if _is_run(folder / name)]
    if _is_run(folder):
        return [folder]
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and _is_run(path)]
    if not inside:
        raise ConfigError(f"There is no run in {folder}. Pass run folders of `viewloom train`, or a folder of them.")
    return inside


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in MARKS)


def load_run(folder: Path) -> Run:
    """Read all there is of one run, and say what isn't; its name may be that of others.

    Raises:
        DataError: a file that can't be read.
    """
    path = folder / "metrics.json"
    metrics = read_metrics(path) if path.exists() else None
    environment = read_environment(folder / "environment.json")
    compared = folder / measures.FILE
    agreement = measures.read_measures(compared) if compared.exists() else {}
    config = folder / "config.yaml"
    curves = read_curves(folder / "metrics.csv")
    views, notes = _load_views(folder, metrics) if metrics else ({}, [_why_no_scores(folder)])
    warnings = [
        *(metrics.warnings if metrics else []),
        *environment.get("warnings", []),
        *read_environment(folder / "invariance.json").get("warnings", []),
        *(measures.notes(agreement) if agreement else []),
        *(f"{name} was not finite in some epochs" for name, points in curves.items() if not finite(points)),
    ]
    name = str((metrics.run if metrics else None) or environment.get("name") or environment.get("row") or folder.name)
    return Run(
        folder,
        OLD_NAMES.get(name, name) if folder.name.startswith(f"{name}-seed") else name,
        metrics,
        views,
        environment,
        read_text(config, "Restore it, or remove it.") if config.exists() else "",
        curves,
        tuple(dict.fromkeys(map(str, [*warnings, *notes]))),
        load_taught(folder),
        measures=agreement,
    )


def _why_no_scores(folder: Path) -> str:
    if (folder / "refiner.safetensors").exists() and not (folder / "head.safetensors").exists():
        return "a pre-training run, which has no scores of its own"
    return "no scores: metrics.json is not there yet; `viewloom evaluate` writes it"


def _load_views(folder: Path, metrics: Metrics) -> tuple[dict[str, ViewResult], list[str]]:
    """Results of every view, and notes on what is missing or doesn't fit together."""
    found, notes = {}, []
    for name, scored in metrics.views.items():
        path = predictions_file(folder, name)
        view = replace(scored, items=read_predictions(path, metrics) if path.exists() else {})
        counts, note = None, f"no timelines, confusions or intervals for {name}: {path} is not there"
        if view.items and metrics.labels_mode == "multi":
            note = ""
        elif view.items:
            counts, note = _checked_counts(view, metrics)
        found[name] = replace(view, counts=counts)
        notes += [note] if note else []
    return found, notes


def _checked_counts(view: ViewResult, metrics: Metrics) -> tuple[Counts | None, str]:
    """What the scores are made of, if the predictions are those that were scored; else None and why not."""
    scored = {row["item"]: row["recording"] for row in view.per_item}
    if set(scored) != set(view.items):
        odd = listed(sorted(set(scored) ^ set(view.items)), 3)
        return None, f"scores and predictions of {view.name} are not of the same items ({odd}): one is stale. {AGAIN}"
    moved = [name for name, item in view.items.items() if item.recording != scored[name]]
    if moved:
        odd = listed(moved, 3)
        return None, f"scores and predictions of {view.name} have {odd} in other recordings: one is stale. {AGAIN}"
    try:
        background = [metrics.actions.index(name) for name in metrics.background]
        counts = count(view.predictions(), view.truths(), metrics.protocol, background)
    except ValueError as error:
        raise DataError(f"The predictions of {view.name} can't be scored again: {error}") from None
    again = pooled_scores(counts, metrics.protocol).as_dict()
    off = [name for name, value in again.items() if abs(value - view.scores[name]) > TOLERANCE]
    if off:
        name = off[0]
        return None, (
            f"the predictions of {view.name} don't give the scores written beside them ({name} {again[name]:.1f}, "
            f"written {view.scores[name]:.1f}), so no interval is shown: one of the files is stale, or background "
            f"classes were left out. {AGAIN}"
        )
    return counts, ""


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """The runs, those of one name under different ones, by their folders."""
    for place in (lambda path: path.name, str):
        times = Counter(run.name for run in runs)
        runs = [replace(run, name=f"{run.name} ({place(run.folder)})") if times[run.name] > 1 else run for run in runs]
    return list(runs)


def _check_common(runs: Sequence[Run]) -> None:
    """Refuse runs of which no common page can be made."""
    scored = [run for run in runs if run.metrics is not None]
    for run in scored[1:]:
        for what in ("actions", "fps", "labels_mode"):
            if getattr(run.scored, what) != getattr(scored[0].scored, what):
                raise DataError(
                    f"{scored[0].folder} and {run.folder} were scored with different {what}, so they are of "
                    "different data sets. Make one report of each."
                )
    if not scored and not any(run.curves or run.measures for run in runs):
        folders = listed(run.folder for run in runs)
        raise ConfigError(
            f"No evaluated run in {folders}, and no training curves either. Run `viewloom evaluate --run FOLDER` first."
        )
