"""Tuning with one budget for all methods: settings drawn from each one's grid, chosen without looking at test items."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice, product
from random import Random
from statistics import fmean
from typing import Any

import torch

from viewloom.errors import ConfigError, UserError
from viewloom.features.base import pooled_dim
from viewloom.methods.settings import AUTO
from viewloom.recipes.compare.build import Builder
from viewloom.recipes.compare.grids import grid_of
from viewloom.recipes.compare.settings import Choose, MethodEntry, TuningConfig
from viewloom.recipes.planned import PlannedRun
from viewloom.registry import METHODS
from viewloom.training.runs import read_json

MOST = 100_000
"""Settings of a grid that are looked at; a larger grid is cut to as many."""


@dataclass(frozen=True)
class Trial:
    """One way to set a method.

    Attributes:
        entry: the method, so set.
        changes: what differs from the stated settings; empty for these themselves.
        run: what tells its value.
    """

    entry: MethodEntry
    changes: Mapping[str, Any]
    run: PlannedRun

    def value(self, choose: Choose, views: Sequence[str]) -> float | None:
        """What it is chosen by, percent; None where its run did not finish or found no number."""
        if not self.run.finished:
            return None
        if choose == "retrieval":
            found = read_json(self.run.folder / "invariance.json")["held_out"].get("retrieval")
            return None if found is None or not math.isfinite(found) else float(found)
        scores = read_json(self.run.folder / "metrics.json")["views"]
        return fmean(scores[view]["scores"]["f1_50"] for view in views)


def trials(builder: Builder, entry: MethodEntry, tuning: TuningConfig) -> list[Trial]:
    """The settings to try of a method: its stated ones, then seeded draws from its grid, none twice.

    Raises:
        ConfigError: a stated setting that can't be; a data set without validation items to choose on.
    """
    dataset = builder.bench.dataset
    if tuning.choose == "validation" and not (dataset.splits and dataset.splits.val):
        raise ConfigError(
            f"{dataset.root} has no validation items to choose settings on. Set tuning.choose to retrieval, or name "
            "some in the splits."
        )
    found = [Trial(entry, {}, _run(builder, entry, tuning.choose))]
    for changes in _draws(grid_of(entry, tuning)):
        if len(found) >= tuning.trials:
            break
        try:
            changed = with_changes(entry, changes)
            run = _run(builder, changed, tuning.choose)
            _check_sizes(builder, changed)
        except UserError:  # settings that go neither together nor with these views
            continue
        if all(run.folder != trial.run.folder for trial in found):
            found.append(Trial(changed, changes, run))
    return found


def _draws(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of a grid, in a drawn order that is the same each time."""
    if not grid:
        return []
    every = [dict(zip(grid, values, strict=True)) for values in islice(product(*grid.values()), MOST)]
    Random(0).shuffle(every)
    return every


def with_changes(entry: MethodEntry, changes: Mapping[str, Any]) -> MethodEntry:
    """A method with some settings replaced: its own, or those of pre-training."""
    own = {setting.name for setting in fields(METHODS.settings(entry.method))}
    options = {name: value for name, value in changes.items() if name in own}
    pretrain: dict[str, Any] = dict(entry.pretrain)
    for name, value in changes.items():
        group, dot, inner = name.partition(".")
        if name not in own:
            pretrain[group] = {**pretrain.get(group, {}), inner: value} if dot else value
    return replace(entry, options={**entry.options, **options}, pretrain=pretrain)


def _run(builder: Builder, entry: MethodEntry, choose: Choose) -> PlannedRun:
    """The run that tells the value of a method's settings: its own, or its head's scores on validation items."""
    seed, head = builder.comparison.seeds[0], builder.comparison.heads[0]
    refiner = None if entry.naive else builder.pretraining(entry, seed)
    if choose == "retrieval" and refiner is not None:
        return refiner
    training = builder.head_run(entry.name, head, seed, refiner)
    return builder.validation(f"{entry.name}, {head.name}", seed, training)


def _check_sizes(builder: Builder, entry: MethodEntry) -> None:
    """`ConfigError` where a method, so set, can't be had for views of these sizes; nothing is computed."""
    if entry.method == AUTO:
        return  # its candidates are looked at in its own run
    views, source = builder.bench.entry.views, builder.bench.dataset.source
    pooling = builder.comparison.sampling.pooling or "max"
    dims = tuple(pooled_dim(source.dim(view), pooling) for view in views)
    with torch.device("meta"):
        METHODS.get(entry.method)(dims, views, METHODS.settings(entry.method)(**entry.options))


@dataclass(frozen=True)
class Tuned:
    """A method as it was tuned on a data set.

    Attributes:
        entry: the method, set as chosen.
        changes: what differs from its stated settings.
        budget: trials it was allowed.
        values: what was tried, with the value each was chosen by; None for one that failed.
    """

    entry: MethodEntry
    changes: Mapping[str, Any]
    budget: int
    values: tuple[tuple[Mapping[str, Any], float | None], ...]

    def line(self, unit: str) -> str:
        """What was chosen, of how many, in words."""
        if len(self.values) == 1:
            return f"{self.entry.name}: nothing to tune"
        chosen = ", ".join(f"{name} {value}" for name, value in self.changes.items()) or "its stated settings"
        best = max((value for _, value in self.values if value is not None), default=None)
        shown = "" if best is None else f" ({best:.1f} {unit})"
        return f"{self.entry.name}: {len(self.values)} of {self.budget} trials, chosen: {chosen}{shown}"

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        tried = [{"changes": dict(changes), "value": value} for changes, value in self.values]
        return {"method": self.entry.name, "budget": self.budget, "chosen": dict(self.changes), "trials": tried}


def choose(found: Sequence[Trial], tuning: TuningConfig, views: Sequence[str]) -> Tuned:
    """The best of the trials, the first of equal ones; the stated settings where none has a value."""
    values = [trial.value(tuning.choose, views) for trial in found]
    best = max(range(len(found)), key=lambda place: (-math.inf if values[place] is None else values[place], -place))
    kept = found[best]
    return Tuned(
        kept.entry,
        kept.changes,
        tuning.trials,
        tuple((trial.changes, value) for trial, value in zip(found, values, strict=True)),
    )
