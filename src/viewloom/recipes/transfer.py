"""`viewloom transfer`: labels of one view, unlabelled pairs, and a head that works in the other view.

The steps are ordinary runs in the run folder: a refiner (`pretrain`), a head taught on the pairs behind it (`train`),
its scores in every view (`evaluate`), and a page about them (`report`). Nothing here learns by itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from viewloom.console import err
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.splits import ROLES
from viewloom.files import write_json
from viewloom.methods.settings import AUTO
from viewloom.names import names_in
from viewloom.outputs import being_filled
from viewloom.recipes.chain import filled, of_head, of_run, options_of
from viewloom.recipes.label_controls import run_label_control
from viewloom.recipes.planned import data_settings
from viewloom.recipes.settings import LabelControlConfig, TransferConfig
from viewloom.recipes.transfer_notes import CLOCK, ORACLE, REFINER, SCORES, notes_of
from viewloom.recipes.transferable import refuse_broken, refuse_untransferable, unscored
from viewloom.recipes.without_refiner import CHOICE, HEAD, NAIVE, PLAIN, keep_better, put_in_place
from viewloom.training.evaluate import run_evaluate
from viewloom.training.learn import learn_refiner
from viewloom.training.learned import show
from viewloom.training.run_identity import RunContent
from viewloom.training.runs import CONFIG, alone_in_run, prepare_run, read_json
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig
from viewloom.training.timing import seconds_to_train
from viewloom.training.trained import HEAD_FILE, REFINER_FILE

PAGE, DONE = "report.html", "transfer.json"


@dataclass(frozen=True)
class Step:
    """A step of a transfer.

    Attributes:
        title: what it does, in words.
        result: the file that says that it is finished.
        run: does it, going on where it was stopped.
        seconds: about how long it takes, to be asked for behind the refiner; None: not long.
    """

    title: str
    result: Path
    run: Callable[[], Any]
    seconds: Callable[[], float] | None = None

    @property
    def finished(self) -> bool:
        """Whether its result is there, and whole."""
        return self.result.exists() and not being_filled(self.result.parent)


@dataclass(frozen=True)
class TransferResult:
    """What a transfer left behind.

    Attributes:
        folder: its run folder.
        scored: run folders with scores, the transferred head first; none where no test recording has labels.
        notes: what one needs to know to read the scores, a line each.
    """

    folder: Path
    scored: tuple[Path, ...]
    notes: tuple[str, ...]


def run_transfer(config: TransferConfig, dataset: MultiViewDataset | None = None) -> TransferResult | str:
    """Do all that is not finished; with ``plan``, only the plan's text.

    Args:
        config: settings.
        dataset: what to learn from and to score on; None opens what the settings name.

    Raises:
        DataError: data that can't be used.
        ConfigError: settings that can't work, or a run folder of other settings or data.
    """
    config = filled(config)
    dataset = dataset or open_dataset(config)
    refuse_untransferable(config, dataset)
    steps, folder = _steps(config, dataset), Path(config.run)
    begun = (folder / CONFIG).exists()
    if not begun:
        refuse_broken(config, dataset)
    if begun or not config.plan:  # what other settings finished is not finished
        prepare_run(replace(config, resume=begun), _content(config, dataset))
    if config.plan:
        return _plan(steps)
    with alone_in_run(folder, "viewloom transfer"):
        return _do(config, dataset, steps)


def _do(config: TransferConfig, dataset: MultiViewDataset, steps: list[Step]) -> TransferResult:
    """Do the steps that aren't finished, in a folder that is this transfer's own."""
    folder = Path(config.run)
    put_in_place(folder)
    started, needed = time.monotonic(), dict[str, float]()
    wary = unscored(config, dataset)
    show(wary)
    for number, step in enumerate(steps, 1):
        begin = f"[{number}/{len(steps)}] {step.title}"
        if step.finished:
            err.print(f"{begin}: finished before", markup=False)
            continue
        left = _left(config, steps[number - 1 :], needed)
        err.print(f"{begin} ({_clock(time.monotonic() - started)} so far{left})", markup=False)
        step.run()
    scored = tuple(folder / name for name in (HEAD, NAIVE, ORACLE, CLOCK) if (folder / name / SCORES).exists())
    notes = wary + notes_of(config, folder)
    write_json(folder / DONE, {"seconds": round(time.monotonic() - started, 1), "notes": notes})
    return TransferResult(folder, scored, tuple(notes))


def _content(config: TransferConfig, dataset: MultiViewDataset) -> RunContent:
    """What a transfer rests on: the items of all roles in its views."""
    views = config.views
    roles = [role for role in ROLES if getattr(dataset.splits, role)]
    items: dict[str, tuple[Item, ...]] = {role: dataset.items(role, views) for role in roles}
    return RunContent(dataset, items, views, compare=config.compare_features)


def _steps(config: TransferConfig, dataset: MultiViewDataset) -> list[Step]:
    """The steps, in order."""
    folder, scoring = Path(config.run), bool(dataset.splits is not None and dataset.splits.test)
    refiner = folder / REFINER / REFINER_FILE
    words = "choose a refiner" if config.method == AUTO else f"learn a refiner by {config.method}"
    steps = [Step(f"{words} on pairs", refiner, lambda: learn_refiner(_pretraining(config), dataset))]
    student, *scored = _head_steps(config, dataset, HEAD, scoring)
    steps.append(student)
    doubted, references = _may_doubt(config, dataset), names_in(config.references)
    if doubted:
        naive, *of_naive = _head_steps(config, dataset, NAIVE, scoring)
        keep = partial(keep_better, folder, names_in(config.to_views), partial(_teach_plain, config, dataset))
        steps += [naive, Step("look whether the refiner costs more than it gives", folder / CHOICE, keep), *of_naive]
    steps += scored
    for name in (NAIVE, ORACLE):
        if name in references and not (doubted and name == NAIVE):
            steps += _head_steps(config, dataset, name, scoring)
    if scoring and not _multi(dataset):
        steps.append(
            Step(
                "score the clock, which sees no feature", folder / CLOCK / SCORES, lambda: _score_clock(config, dataset)
            )
        )
    if scoring:
        steps.append(Step("write the report", folder / PAGE, lambda: _report(config)))
    return steps


def _may_doubt(config: TransferConfig, dataset: MultiViewDataset) -> bool:
    """Whether a student without the refiner may be better: nobody asked for this refiner, validation can tell, and a
    head can take all views as they are."""
    validated = dataset.splits is not None and bool(dataset.splits.val)
    alike = len({dataset.source.dim(view) for view in config.views}) == 1
    return config.method == AUTO and config.student and validated and alike


def _teach_plain(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """Train a student without the refiner."""
    if not (Path(config.run) / PLAIN / HEAD_FILE).exists():
        run_train(_training(config, PLAIN, dataset), dataset)


def _multi(dataset: MultiViewDataset) -> bool:
    """Whether a frame may have several labels: then there is no commonest one, and no clock."""
    return dataset.labels is not None and dataset.labels.mode == "multi"


def _left(config: TransferConfig, steps: list[Step], needed: dict[str, float]) -> str:
    """How long the steps that are left take, in words.

    Args:
        config: settings.
        steps: those left; the refiner comes first, and how long heads take is known only behind it.
        needed: seconds of each, by title; what was found out is kept here.
    """
    if steps[0].result.name == REFINER_FILE:
        rest = "the rest is estimated next"
        if config.method != AUTO:
            return f"; {rest}"
        return f"; learned candidates take {config.method_options.minutes:g} min at most, {rest}"
    long = [step for step in steps if step.seconds is not None and not step.result.exists()]
    needed |= {step.title: step.seconds() for step in long if step.seconds is not None and step.title not in needed}
    return f", about {_clock(sum(needed[step.title] for step in long))} left" if long else ""


def _head_steps(config: TransferConfig, dataset: MultiViewDataset, name: str, scoring: bool) -> list[Step]:
    """Training and scores of a head."""
    folder = Path(config.run) / name
    taught = ", taught on pairs" if name == HEAD and config.student else ""
    views = config.to_views if name == ORACLE else config.from_views
    title = f"train the {name if name == HEAD else name + ' head'} on labels of {views}{taught}"
    steps = [
        Step(
            title,
            folder / HEAD_FILE,
            lambda: run_train(_training(config, name, dataset), dataset),
            lambda: seconds_to_train(_training(config, name, dataset), dataset),
        )
    ]
    if scoring:
        steps.append(Step(f"score {name} in every view", folder / SCORES, lambda: _score(config, name, dataset)))
    return steps


def _pretraining(config: TransferConfig) -> PretrainConfig:
    """Settings of the refiner's run."""
    folder = Path(config.run) / REFINER
    return PretrainConfig(
        **_shared(config, folder),
        views=",".join(config.views),
        method=config.method,
        method_options=options_of(config, names_in(config.from_views)),
        epochs=config.pretrain_epochs,
    )


def _training(config: TransferConfig, name: str, dataset: MultiViewDataset) -> TrainConfig:
    """Settings of a head's run; references differ in what they learn from, and in nothing else."""
    folder, own = Path(config.run) / name, name in (HEAD, PLAIN)
    return TrainConfig(
        **_shared(config, folder),
        **of_head(config, taught=own and config.student),
        views=config.to_views if name == ORACLE else config.from_views,
        refiner=str(Path(config.run) / REFINER / REFINER_FILE) if name == HEAD else None,
        name=name if not own else "transfer",
        epochs=config.epochs,
        lookahead_s=config.lookahead_s,
    )


def _shared(config: TransferConfig, folder: Path) -> dict[str, Any]:
    """Settings that all runs have."""
    resume = (folder / CONFIG).exists()
    return of_run(config, run=str(folder), resume=resume, batch_size=config.batch_size, seed=config.seed)


def _score(config: TransferConfig, name: str, dataset: MultiViewDataset) -> None:
    """Score a head in every view that it takes."""
    settings = EvaluateConfig(
        **data_settings(config),
        run=str(Path(config.run) / name),
        accelerator=config.trainer.device_kind,
        decoding=config.decoding,
        durations=config.durations,
        overwrite=True,
    )
    run_evaluate(settings, dataset)


def _score_clock(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """Score the commonest action at the same relative time of the training items, in the views that the head takes."""
    folder = Path(config.run)
    settings = LabelControlConfig(
        **data_settings(config),
        control="clock",
        run=str(folder / CLOCK),
        views=",".join(read_json(folder / HEAD / SCORES)["views"]),
    )
    run_label_control(settings, dataset)


def _report(config: TransferConfig) -> None:
    """Write the page."""
    from viewloom.report.command import run_report
    from viewloom.report.settings import ReportConfig

    folder = Path(config.run)
    runs = [folder / REFINER, *(folder / name for name in (NAIVE, HEAD, ORACLE, CLOCK) if (folder / name).exists())]
    title, paths = f"From {config.from_views} to {config.to_views}", ",".join(map(str, runs))
    pair = f"{NAIVE},transfer" if (folder / NAIVE / SCORES).exists() else None
    settings = ReportConfig(runs=paths, out=str(folder / PAGE), title=title, difference=pair, overwrite=True)
    run_report(settings)


def _plan(steps: list[Step]) -> str:
    """The steps, and which are finished."""
    states = ("finished" if step.finished else "to do" for step in steps)
    return "\n".join(f"{state:<9} {step.title} -> {step.result}" for state, step in zip(states, steps, strict=True))


def _clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
