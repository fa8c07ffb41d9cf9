"""`viewloom measure`: how far views agree, in refined features and in plain ones, on recordings not learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.multilabel import refuse_multi
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import DataError, listed
from viewloom.features.rows import hash_file
from viewloom.identity import settings_of
from viewloom.methods.refiner import Refiner
from viewloom.methods.refiner_file import load_refiner
from viewloom.names import names_in
from viewloom.outputs import refuse_file
from viewloom.training.evaluate import evaluate_head, select_views
from viewloom.training.measures import FILE, Measures, plain_values
from viewloom.training.provenance import allowed_roles, refuse_learned, scored_again
from viewloom.training.runs import refuse_other_backbone, say
from viewloom.training.sampling import note_other_rates, run_sampling, used_sampling, warn_assumed_fps
from viewloom.training.segmenter import pick_device
from viewloom.training.settings import EvaluateConfig, MeasureConfig
from viewloom.training.steps import ItemSteps, Kind, fitting, read_steps
from viewloom.training.trained import load_head
from viewloom.training.view_agreement import Agreement
from viewloom.windows.sampling import Sampling


def run_measure(
    config: MeasureConfig, dataset: MultiViewDataset | None = None, refiner: Refiner | None = None
) -> Measures:
    """Measure, and write ``measures.json`` where a folder is named; it is refused before anything is read.

    Args:
        config: settings.
        dataset: what to measure on; None opens what the settings name.
        refiner: what to measure; None reads what the settings name, if they name one.
    """
    out = out_folder(config)
    if out is not None:
        refuse_file(out / FILE, config.overwrite)
    config = complete(config)
    dataset = dataset or open_dataset(config)
    refuse_multi(dataset.labels, "viewloom measure")
    if refiner is None and config.refiner is not None:
        refiner = load_refiner(_refiner_file(config.refiner))
    measures = measure_views(config, dataset, refiner)
    if out is not None:
        measures.write(out)
    return measures


def _refiner_file(path: str) -> Path:
    return Path(path) / "refiner.safetensors" if Path(path).is_dir() else Path(path)


def out_folder(config: MeasureConfig) -> Path | None:
    """Where the measures go: the folder named, else that of the refiner; None where neither is."""
    if config.out is not None:
        return Path(config.out)
    return None if config.refiner is None else _refiner_file(config.refiner).parent


def measure_views(config: MeasureConfig, dataset: MultiViewDataset, refiner: Refiner | None) -> Measures:
    """All measures, of plain features and of refined ones."""
    items = measured_items(config, dataset)
    extra: Mapping[str, Any] = {} if refiner is None else refiner.extra
    learned = scored_again(dataset, items, extra.get("learned_from", {}))
    refuse_learned(learned, allowed_roles(config.allow_learned, config.split))
    named, sampling = select_views(config.views, dataset), sampling_of(config, dataset, items, refiner)
    there = {view for item in items for view in dataset.source.views(item.recording)}
    if config.views is not None and (absent := [view for view in named if view not in there]):
        raise DataError(f"None of the {len(items)} items to measure has view {listed(absent)}. Pass other --views.")
    views = fitting(dataset, [v for v in named if v in there], config.views is not None, sampling, refiner)
    note_other_rates((extra,), dataset, views)
    steps, train = steps_of(config, dataset, items, views, sampling, refiner)
    classes = 0 if dataset.labels is None else len(dataset.labels.actions)
    features = {}
    for kind, same in kinds(dataset, views, refiner).items():
        agreement = Agreement(steps, train, kind, same, classes)
        pairs, probe = agreement.pairs(), agreement.probes() if train else {}
        told = {"view_probe": agreement.all_views(pairs), "view_chance": 100 / len(same)}
        features[kind] = {"views": list(same), "pairs": pairs, "probe": probe} | told
    facts = facts_of(config, dataset, items, views, sampling, refiner) | {"learned": learned}
    facts |= {"steps": {view: int(sum(s.there[view].sum() for s in steps if view in s.there)) for view in views}}
    facts |= {"features": plain_values(features), "heads": head_scores(config, dataset, items, views)}
    return Measures(facts)


def measured_items(config: MeasureConfig, dataset: MultiViewDataset) -> tuple[Item, ...]:
    """The items of the split; whole recordings where they are pairs."""
    views = None if config.views is None else select_views(config.views, dataset)
    return dataset.items(config.split, views)


def sampling_of(
    config: MeasureConfig, dataset: MultiViewDataset, items: Sequence[Item], refiner: Refiner | None
) -> Sampling:
    """The sampling that the refiner learned with, but for what is set; without one as pre-training chooses it."""
    if refiner is None or "sampling" not in refiner.extra:
        return run_sampling(config.sampling, dataset, items, select_views(config.views, dataset))
    warn_assumed_fps(dataset)
    refuse_other_backbone(refiner.extra.get("backbone", {}), "the refiner", dataset)
    fps = float(refiner.extra.get("fps", dataset.source.fps))
    return used_sampling(config.sampling, refiner.extra, fps, dataset, "refiner")


def steps_of(
    config: MeasureConfig,
    dataset: MultiViewDataset,
    items: Sequence[Item],
    views: Sequence[str],
    sampling: Sampling,
    refiner: Refiner | None,
) -> tuple[list[ItemSteps], list[ItemSteps]]:
    """The steps that are measured, and labelled ones of the training items, none of which are measured."""
    device = pick_device(config.accelerator)
    refiner = None if refiner is None else deepcopy(refiner).freeze().to(device)
    rest = (views, sampling, refiner, device, config.max_steps)
    steps = read_steps(dataset, items, *rest, config.split)
    if config.split == "pairs" or dataset.labels is None or dataset.splits is None or not dataset.splits.train:
        say("note: no linear probe and no progress: that takes labelled training items and labelled items to measure.")
        return steps, []
    measured = {item.recording for item in items}
    train = [item for item in dataset.items("train", views) if item.recording not in measured]
    return steps, read_steps(dataset, train, *rest, "train")


def kinds(dataset: MultiViewDataset, views: Sequence[str], refiner: Refiner | None) -> dict[Kind, tuple[str, ...]]:
    """The kinds of features, and the views that can be compared in each: plain ones have to be of one size."""
    dims = [dataset.source.dim(view) for view in views]
    same = max((tuple(v for v, d in zip(views, dims, strict=True) if d == dim) for dim in dict.fromkeys(dims)), key=len)
    found: dict[Kind, tuple[str, ...]] = {"plain": same} if len(same) > 1 else {}
    if len(same) < len(views):
        sizes = ", ".join(f"{view} {dim}" for view, dim in zip(views, dims, strict=True))
        compared = f"those of {listed(same)} alone are compared" if found else "so they aren't compared"
        say(f"note: plain features have sizes of their own ({sizes}): {compared}.")
    if refiner is not None:
        found["refined"] = tuple(views)
    if not found:
        raise DataError("No two views have features of one size. Pass --refiner with a refiner of these views.")
    return found


def facts_of(
    config: MeasureConfig,
    dataset: MultiViewDataset,
    items: Sequence[Item],
    views: Sequence[str],
    sampling: Sampling,
    refiner: Refiner | None,
) -> dict[str, Any]:
    """What was measured, for ``measures.json``."""
    name = config.name or ("plain" if refiner is None else refiner.method)
    file = None if config.refiner is None else hash_file(_refiner_file(config.refiner))
    return {
        "name": name,
        "data": dataset.name,
        "simulated": dataset.simulated,
        "split": config.split,
        "items": len(items),
        "recordings": len({item.recording for item in items}),
        "views": list(views),
        "fps": dataset.source.fps,
        "refiner": None if refiner is None else {"method": refiner.method, "size": refiner.out_dim, "hash": file},
        "settings": settings_of(config),
        "sampling": asdict(sampling),
    }


def head_scores(
    config: MeasureConfig, dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str]
) -> list[dict[str, Any]]:
    """Scores of the heads that were named, on every view that each takes: their name, views, and scores by view."""
    found = []
    for run in names_in(config.runs):
        trained = load_head(run)
        shared = {entry.name: getattr(config, entry.name) for entry in fields(DataConfig)}
        own = {"run": run, "split": config.split, "allow_learned": config.allow_learned}
        evaluation = EvaluateConfig(**shared | own, accelerator=config.accelerator)
        segmenter = trained.segmenter_on(dataset, evaluation)
        fit = [view for view in views if segmenter.misfit(dataset.source, view) is None]
        scores = evaluate_head(trained, replace(evaluation, views=",".join(fit)), dataset)
        of_views = {"scores": {view: scores[view] for view in fit}, "learned": scores.metrics["learned"]}
        found.append({"name": trained.name, "from": list(trained.views), **of_views})
    return [dict(plain_values(head)) for head in found]
