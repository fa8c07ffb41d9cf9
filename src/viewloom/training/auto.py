"""`--method auto`: fit several methods on most of the pairs, and take the one that does best on the others.

No label is looked at. What is compared is how well stand-ins for labels carry over from view to view
(`viewloom.metrics.surrogate`); a simpler candidate is given up only for one that leads by more than chance has it (the
one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984, with two). Retrieval is shown
beside. Every candidate is an ordinary run in ``candidates/``. One in closed form is fitted again, once it is chosen, on
all pairs: of few, those held out are a large share.
"""

import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from viewloom.console import err, quiet
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, UserError, listed
from viewloom.files import atomic_path, write_json
from viewloom.methods.refiner_file import load_refiner
from viewloom.methods.settings import AUTO, AutoConfig
from viewloom.names import names_in
from viewloom.registry import METHODS
from viewloom.training.candidates import Candidate, candidates_of
from viewloom.training.criterion import Measured, measure_transfer, take_sample
from viewloom.training.learned import MARK, show
from viewloom.training.pairs import Pairs, split_pairs
from viewloom.training.pretrain import run_content, run_pretrain
from viewloom.training.runs import prepare_run, read_json, refuse_taken, write_environment
from viewloom.training.settings import PretrainConfig
from viewloom.training.timing import seconds_to_learn
from viewloom.training.trained import REFINER_FILE

FILE = "auto.json"
ON_ALL = "on_all_pairs"
"""Run folder of the chosen candidate's fit on all pairs."""
CRITERION = "transfer on held-out pairs: the first candidate whose lag behind the best is within two standard errors"
TOLD_BY = 2.0
"""Standard errors by which the best candidate must lead to be told from one that is preferred."""


@dataclass(frozen=True)
class Tried:
    """A candidate and what came of it: measures, or why it was left out."""

    candidate: Candidate
    measured: Measured | None
    seconds: float
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data for ``auto.json``."""
        measures = None if self.measured is None else asdict(self.measured) | {"spread": self.measured.spread}
        return {
            "name": self.candidate.name,
            "method": self.candidate.method,
            "options": dict(self.candidate.options),
            "measured": measures,
            "seconds": round(self.seconds, 1),
            "left_out": self.reason,
        }


def begin_auto(config: PretrainConfig, dataset: MultiViewDataset | None = None) -> tuple[PretrainConfig, Any, Pairs]:
    """Make or re-enter the run folder of a choice; settings with every choice made, the data set, its pairs."""
    refuse_taken(Path(config.run), config.resume)
    config = complete(replace(config, method_options=config.method_options or AutoConfig()))
    if config.teacher is not None or config.select is not None:
        raise ConfigError("--method auto takes neither --teacher nor --select: name the method that shall have them.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 or config.trainer.num_nodes > 1:
        raise ConfigError(
            "--method auto compares candidates in one process, since their time is limited. Run it in one, and what it "
            "takes (auto.json) with --method in several."
        )
    if not config.held_out:
        raise ConfigError("--method auto compares candidates on held-out pairs, and --held_out is 0. Leave it out.")
    candidates_of(config.method_options)
    _refuse_labelled(config)
    dataset = dataset or open_dataset(config)
    pairs = split_pairs(config, dataset)
    config = replace(config, sampling=pairs.learn.sampling.as_request())
    prepare_run(config, run_content(config, dataset, pairs))
    return config, dataset, pairs


def _refuse_labelled(config: PretrainConfig) -> None:
    """`ConfigError` where labelled views leave no view to judge candidates by."""
    labelled, views = names_in(config.method_options.labelled), names_in(config.views)
    if labelled and (set(labelled) - set(views) or set(labelled) >= set(views)):
        raise ConfigError(f"labelled must name some of the views {listed(views)}, not all, but is {listed(labelled)}.")


def run_auto(config: PretrainConfig, dataset: MultiViewDataset | None = None) -> Path:
    """Compare candidates and keep the best; returns the path of its ``refiner.safetensors`` in the run folder.

    Args:
        config: settings.
        dataset: what to learn from; None opens what the settings name.
    """
    config, dataset, pairs = begin_auto(config, dataset)
    folder = Path(config.run)
    if (folder / REFINER_FILE).exists():
        return folder / REFINER_FILE  # finished before
    facts = {"name": config.name or AUTO, "trained_on": pairs.learn.views, "method": AUTO}
    write_environment(folder, dataset, config.seed, **facts)
    tried = _try_all(config, dataset, pairs)
    chosen = best(tried)
    text = in_words(chosen, tried)
    _write(folder, tried, chosen=chosen.candidate.name, why=text)
    _keep(folder, chosen, text, _final(config, dataset, chosen))
    return folder / REFINER_FILE


def _final(config: PretrainConfig, dataset: MultiViewDataset, chosen: Tried) -> Path:
    """The run folder of the chosen candidate; where it has a closed form, of a fit on all pairs."""
    settings = _settings(config, chosen.candidate)
    if METHODS.get(chosen.candidate.method).fit == "gradient":
        return Path(settings.run)  # which epoch to keep is chosen on held-out pairs
    folder = Path(config.run) / ON_ALL
    again = replace(settings, run=str(folder), held_out=0.0, resume=(folder / "config.yaml").exists())
    left_out = _fit(again, dataset)
    assert not left_out, left_out
    return folder


def best(tried: Sequence[Tried]) -> Tried:
    """The candidate to take, of candidates in the order of preference: the first that the best can't be told from, its
    lead being within `TOLD_BY` standard errors. Where the best does no better than blind guesses, nothing can be told,
    and the first is taken that learns at all.

    Raises:
        ConfigError: no candidate could be fitted.
    """
    measured = [entry for entry in tried if entry.measured is not None and math.isfinite(entry.measured.transfer)]
    if not measured:
        raise ConfigError(f"None of the candidates can learn from these pairs. {_reasons(tried)}")
    top = max(measured, key=_transfer)
    if not _tells(top):
        return next((entry for entry in measured if entry.candidate.method != "none"), top)
    return next(entry for entry in measured if _as_good(entry, top))


def _tells(entry: Tried) -> bool:
    """Whether a candidate does better on held-out pairs than blind guesses."""
    assert entry.measured is not None
    return entry.measured.transfer > entry.measured.chance + entry.measured.spread


def _reasons(tried: Sequence[Tried]) -> str:
    """Why each candidate was left out; what all have in common once."""
    if len({entry.reason for entry in tried}) == 1:
        return tried[0].reason
    return " ".join(f"{entry.candidate.name}: {entry.reason.rstrip('.')}." for entry in tried)


def _as_good(entry: Tried, top: Tried) -> bool:
    """Whether held-out pairs can't tell a candidate from the best."""
    assert entry.measured is not None and top.measured is not None
    ahead, error = top.measured.ahead_of(entry.measured)
    return ahead <= TOLD_BY * error


def _transfer(entry: Tried) -> float:
    assert entry.measured is not None
    return entry.measured.transfer


def in_words(chosen: Tried, tried: Sequence[Tried]) -> str:
    """What was chosen and why, in a line."""
    measured = [entry for entry in tried if entry.measured is not None and math.isfinite(entry.measured.transfer)]
    assert chosen.measured is not None
    text = (
        f"auto took {chosen.candidate.name} of {len(measured)} candidates: on held-out pairs "
        f"{chosen.measured.transfer:.1f} % of clusters carry over to another view ({chosen.measured.own:.1f} % in the "
        f"own one, {chosen.measured.chance:.1f} % by chance)"
    )
    top = max(measured, key=_transfer)
    if top is chosen or top.measured is None:
        return text
    ahead, error = top.measured.ahead_of(chosen.measured)
    if not _tells(top):
        return f"{text}; none does better than by chance, and {chosen.candidate.name} is the first that learns"
    return (
        f"{text}; {top.candidate.name} leads by {ahead:.1f} ± {error:.1f} (standard error), too little to tell, and "
        f"{chosen.candidate.name} is preferred"
    )


def nothing_carries_over(chosen: Tried) -> list[str]:
    """A warning where the candidate taken does no better on held-out pairs than blind guesses."""
    measured = chosen.measured
    assert measured is not None
    if _tells(chosen):
        return []
    return [
        f"{MARK}: on held-out pairs {measured.transfer:.0f} % of clusters carry over to another view, and by chance "
        f"{measured.chance:.0f} %. Either too little is held out to tell (add pairs, or longer ones), or the views "
        "share little that these features show, or one of them is constant (`viewloom check`)."
    ]


def _try_all(config: PretrainConfig, dataset: MultiViewDataset, pairs: Pairs) -> list[Tried]:
    """Fit and measure every candidate, a line for each: those in closed form, then the learned ones, quickest first."""
    held_out = pairs.held_out
    assert held_out is not None, "refused before"
    folder, tried = Path(config.run), list[Tried]()
    sample = cache(lambda: take_sample(pairs.learn, held_out))
    labelled, before = names_in(config.method_options.labelled), _decided(folder)
    candidates = candidates_of(config.method_options)

    def attempt(candidate: Candidate, left_out: str) -> None:
        settings, started, measured = _settings(config, candidate), time.monotonic(), None
        left_out = left_out or _fit(settings, dataset)
        if not left_out:
            measured = measure_transfer(load_refiner(Path(settings.run) / REFINER_FILE), sample(), labelled)
        tried.append(Tried(candidate, measured, time.monotonic() - started, left_out))
        _note(tried, folder)

    learned = [candidate for candidate in candidates if METHODS.get(candidate.method).fit == "gradient"]
    for candidate in (candidate for candidate in candidates if candidate not in learned):
        attempt(candidate, before.get(candidate.name, ""))
    deadline = time.monotonic() + 60 * config.method_options.minutes
    costs = [
        (0.0, before[candidate.name]) if candidate.name in before else _cost(_settings(config, candidate), dataset)
        for candidate in learned
    ]
    for (needed, left_out), candidate in sorted(zip(costs, learned, strict=True), key=lambda both: both[0][0]):
        left = max(0.0, deadline - time.monotonic())
        if needed > left:
            left_out = f"would take about {needed:.0f} s, and {left:.0f} s are left (--method_options.minutes)"
        attempt(candidate, left_out)
    return sorted(tried, key=lambda entry: candidates.index(entry.candidate))


def _cost(settings: PretrainConfig, dataset: MultiViewDataset) -> tuple[float, str]:
    """About how many seconds a learned candidate takes, 0 if it has begun; and why it can't learn here, or nothing."""
    if settings.resume:
        return 0.0, ""
    try:
        with quiet():
            return seconds_to_learn(settings, dataset), ""
    except UserError as error:
        return 0.0, str(error)


def _settings(config: PretrainConfig, candidate: Candidate) -> PretrainConfig:
    """Settings of a candidate's run."""
    folder = Path(config.run) / "candidates" / candidate.name
    return replace(
        config,
        method=candidate.method,
        method_options=candidate.config(config.method_options),
        run=str(folder),
        name=candidate.name,
        resume=(folder / "config.yaml").exists(),
        trainer=replace(config.trainer, progress=False, devices="1"),
    )


def _fit(settings: PretrainConfig, dataset: MultiViewDataset) -> str:
    """Fit a candidate, unless it is finished; returns why it was left out, or nothing."""
    if (Path(settings.run) / REFINER_FILE).exists():
        return ""
    try:
        with quiet():
            run_pretrain(settings, dataset)
    except UserError as error:
        return str(error)
    return ""


def _decided(folder: Path) -> dict[str, str]:
    """Candidates that were left out before the run was stopped, and why."""
    if not (folder / FILE).exists():
        return {}
    return {entry["name"]: entry["left_out"] for entry in read_json(folder / FILE)["candidates"] if entry["left_out"]}


def _write(folder: Path, tried: Sequence[Tried], chosen: str | None = None, why: str = "") -> None:
    """Keep the candidates, their figures and the choice."""
    candidates = [entry.as_json() for entry in tried]
    write_json(folder / FILE, {"criterion": CRITERION, "chosen": chosen, "why": why, "candidates": candidates})


def _note(tried: Sequence[Tried], folder: Path) -> None:
    """Show the last candidate, and keep what was decided so far."""
    _write(folder, tried)
    entry = tried[-1]
    if entry.measured is None:
        text = f"left out: {entry.reason}"
    else:
        measured = entry.measured
        text = (
            f"transfer {measured.transfer:5.1f} ± {measured.spread:3.1f}   own view {measured.own:5.1f}   retrieval "
            f"{measured.retrieval:5.1f}   {entry.seconds:6.1f} s"
        )
    err.print(f"  {entry.candidate.name:<12} {text}", markup=False)


def _keep(folder: Path, chosen: Tried, text: str, final: Path) -> None:
    """Put the chosen candidate's measures, and the refiner of its final fit, into the run's own folder."""
    invariance = read_json(folder / "candidates" / chosen.candidate.name / "invariance.json")
    text = f"{text}. It was fitted again on all pairs" if final.name == ON_ALL else text
    words = read_json(final / "invariance.json")["chosen"]
    before = f"{text}. {words}" if words else text
    warnings = nothing_carries_over(chosen) + invariance["warnings"]
    write_json(folder / "invariance.json", invariance | {"chosen": before, "warnings": warnings})
    err.print(f"{text}.", markup=False)
    show(warnings)
    with atomic_path(folder / REFINER_FILE) as temporary:
        shutil.copyfile(final / REFINER_FILE, temporary)
