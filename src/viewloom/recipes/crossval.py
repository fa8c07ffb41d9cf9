"""`viewloom crossval`: one head a fold, each scored on the recordings its fold left out, and all of them pooled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewloom.console import err
from viewloom.dataset.chosen_splits import folds_of
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.folds import Fold, choose, tested
from viewloom.dataset.label_files import recording_in
from viewloom.dataset.multilabel import refuse_multi
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.splits import ROLES, overlaps, refuse_overlap
from viewloom.errors import ConfigError, DataError, UserError, listed
from viewloom.recipes.fold_run import FoldRun
from viewloom.recipes.pooled import write_pooled
from viewloom.recipes.settings import CrossvalConfig, parse_numbers
from viewloom.registry import HEADS, METHODS
from viewloom.training.evaluate import select_views
from viewloom.training.learn import needs_teacher
from viewloom.training.run_identity import RunContent
from viewloom.training.runs import CONFIG, alone_in_run, prepare_run, read_json, write_environment


@dataclass(frozen=True)
class CrossvalResult:
    """What a cross-validation left behind.

    Attributes:
        folder: its run folder, with the pooled result.
        missing: folds that did not finish, by title, and why.
    """

    folder: Path
    missing: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        """Of the command: 2 where a fold is missing."""
        return 2 if self.missing else 0


def run_crossval(config: CrossvalConfig) -> CrossvalResult | str:
    """Run all folds and pool them; with ``plan``, only the plan's text.

    Raises:
        ConfigError: settings that can't work, a run folder of other settings or data, or no fold that finished.
        DataError: data without folds, or folds that can't be pooled.
    """
    config = with_options(complete(config))
    dataset = open_dataset(config, with_splits=False)
    refuse_multi(dataset.labels, "viewloom crossval")
    if dataset.labels is None:
        raise DataError(f"{dataset.root} has no labels, and a head can't be trained without. Pass --labels.")
    all_folds = folds_of(*find_files(config), dataset.source.recordings, dataset.labels)
    folds = chosen_folds(config, dataset, all_folds)
    check_folds(config, dataset, folds)
    if config.plan:
        if (Path(config.run) / "config.yaml").exists():
            enter(config, dataset, all_folds)  # what other settings finished is not finished
        return plan_text(config, dataset, folds)
    folder = enter(config, dataset, all_folds)
    if config.refiner is not None:
        text = (
            "is put before the head of every fold; one that learned from what a fold tests needs --allow_learned pairs"
        )
        err.print(f"note: {config.refiner} {text}.", markup=False)
    with alone_in_run(folder, "viewloom crossval"):
        missing = run_folds(config, dataset, folds)
        done = [fold for fold in folds if fold.title not in missing]
        if not done:
            raise ConfigError(f"No fold finished. {_reasons(missing)}")
        write_pooled(folder, done, len(all_folds), missing, config.name or folder.name)
    if missing:
        err.print(f"{len(missing)} of {len(folds)} folds did not finish, and the scores lack them. {_reasons(missing)}")
    return CrossvalResult(folder, missing)


def _reasons(missing: Mapping[str, str]) -> str:
    return "; ".join(f"{title}: {reason}" for title, reason in missing.items())


def with_options(config: CrossvalConfig) -> CrossvalConfig:
    """The settings with those of head and method filled in."""
    trainer = replace(config.trainer, devices="1")
    config = replace(config, trainer=trainer, head_options=config.head_options or HEADS.settings(config.head)())
    if config.method is None:
        return config
    if needs_teacher(config.method):
        raise ConfigError(
            f"Method {config.method!r} needs a trained head as teacher, another one for each fold. Run its "
            "stages by hand with `viewloom pretrain --fold` and `viewloom train --fold`."
        )
    return replace(config, method_options=config.method_options or METHODS.settings(config.method)())


def chosen_folds(config: CrossvalConfig, dataset: MultiViewDataset, all_folds: Sequence[Fold]) -> list[Fold]:
    """The folds to run; they test no recording twice."""
    if not all_folds:
        raise DataError(
            f"{dataset.root} has no folds: no split folder with fold0/, fold1/, ..., and no MS-TCN bundles. Pass "
            "--splits FOLDER with some, or --splits loso (with --split_by REGEX to leave out groups)."
        )
    numbers = () if config.folds is None else parse_numbers("folds", config.folds)
    folds = [choose(all_folds, number, str(dataset.root)) for number in sorted(numbers)] if numbers else list(all_folds)
    twice = [name for name, times in sorted(tested(folds, recording_in(dataset.labels)).items()) if times > 1]
    if twice:
        raise DataError(
            f"{len(twice)} recording(s) are tested in several folds, so their scores can't be pooled: "
            f"{listed(twice, 3)}. Choose --folds that share none, or run each with `viewloom train --fold`."
        )
    return folds


def check_folds(config: CrossvalConfig, dataset: MultiViewDataset, folds: Sequence[Fold]) -> None:
    """Refuse, before anything runs, views that aren't there and folds that can't be trained or scored."""
    for views in (config.views, config.val_views, config.pair_views, config.score_views, config.teach.views):
        select_views(views, dataset)
    recording = recording_in(dataset.labels)
    for fold in folds:
        refuse_overlap(fold.splits, recording, fold.variant, fold.where, config.allow_overlap)
        seen = overlaps(fold.splits, recording).get(("train", "test"))
        if seen:
            raise DataError(f"{fold.where}: the test recordings {listed(seen, 3)} are trained on. Remove them there.")
        of_fold = replace(dataset, splits=fold.splits)
        needed = {"train", "test"} | ({"pairs"} if config.method or config.teach_on_pairs else set())
        for role in ROLES:
            if role in needed or (role == "val" and fold.splits.val):
                with_place(of_fold, fold, role)
    untested = set(dataset.labels.recordings if dataset.labels else ()) - set(tested(folds, recording))
    if untested and config.folds is None:
        text = f"{len(untested)} labelled recording(s) are tested in no fold, and the pooled scores lack them"
        err.print(f"note: {text}: {listed(sorted(untested), 3)}.", markup=False)


def with_place(dataset: MultiViewDataset, fold: Fold, role: Any) -> None:
    """Refuse a role without usable items, and say of which fold."""
    try:
        dataset.items(role)
    except DataError as error:
        raise DataError(f"{fold.title} ({fold.where}): {error}") from None


def enter(config: CrossvalConfig, dataset: MultiViewDataset, all_folds: Sequence[Fold]) -> Path:
    """Make or re-enter the run folder; `ConfigError` for one of other settings, features, labels or lists."""
    folder = Path(config.run)
    path = folder / "metrics.json"
    if path.exists() and "folds" not in read_json(path):
        raise ConfigError(f"{folder} holds a run that is no cross-validation. Choose another --run folder.")
    prepare_run(replace(config, resume=(folder / CONFIG).exists()), fold_content(config, dataset, all_folds))
    if not (folder / "environment.json").exists():
        views = select_views(config.views, dataset)
        write_environment(folder, dataset, config.seed, name=config.name or folder.name, trained_on=views)
    return folder


def fold_content(config: CrossvalConfig, dataset: MultiViewDataset, all_folds: Sequence[Fold]) -> RunContent:
    """What a cross-validation rests on: the items of every role of every fold."""
    # A student whose views aren't named is taught in all there are.
    taught = (config.teach.views or ",".join(select_views(None, dataset))) if config.teach_on_pairs else None
    chosen = (config.views, config.val_views, config.pair_views, taught)
    views = tuple(dict.fromkeys(view for names in chosen if names for view in select_views(names, dataset)))
    items: dict[str, tuple[Item, ...]] = {}
    for fold in all_folds:
        of_fold = replace(dataset, splits=fold.splits)
        roles = [role for role in ROLES if getattr(fold.splits, role) and (role != "pairs" or config.method or taught)]
        items |= {f"{fold.title} {role}": of_fold.items(role, views) for role in roles}
    files = {} if config.refiner is None else {"refiner": Path(config.refiner)}
    return RunContent(dataset, items, views, files=files, compare=config.compare_features)


def run_folds(config: CrossvalConfig, dataset: MultiViewDataset, folds: Sequence[Fold]) -> dict[str, str]:
    """Run what is not finished; a fold that fails is said and left out. Returns those, and why."""
    missing: dict[str, str] = {}
    for number, fold in enumerate(folds, 1):
        begin = f"[{number}/{len(folds)}] {fold.title}"
        run = FoldRun(config, replace(dataset, splits=fold.splits), fold)
        try:
            if run.finished:
                run.check()
                err.print(f"{begin}: finished before", markup=False)
                continue
            sizes = ", ".join(f"{role} {len(getattr(fold.splits, role))}" for role in ROLES)
            err.print(f"{begin}: {sizes} -> {run.folder}", markup=False)
            run.run()
        except (ValueError, RuntimeError, OSError) as error:  # those of users, of the device, of the disk
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            missing[fold.title] = f"{kind}{error}"
            err.print(f"{fold.title} FAILED: {missing[fold.title]}", markup=False)
    return missing


def plan_text(config: CrossvalConfig, dataset: MultiViewDataset, folds: Sequence[Fold]) -> str:
    """Folds, their items in each role, and what is finished."""
    width = max(len(fold.title) for fold in folds)
    refiner = "no refiner" if config.method is None else f"a refiner of {config.method} for each fold"
    lines = [f"{len(folds)} folds of {dataset.name}, head {config.head}, {refiner}; items:"]
    lines += [f"{'':{width}}  " + "".join(f"{role:>8}" for role in ROLES)]
    for fold in folds:
        run = FoldRun(config, replace(dataset, splits=fold.splits), fold)
        state = "finished" if run.finished else "begun" if run.folder.exists() else "to do"
        sizes = "".join(f"{len(getattr(fold.splits, role)):>8}" for role in ROLES)
        lines.append(f"{fold.title:{width}}  {sizes}  {state}")
    return "\n".join(lines)
