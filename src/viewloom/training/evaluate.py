"""`viewloom evaluate`: frame-level scores of a trained head on every view, per class and per recording."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.console import err, track
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.base import FeatureSource
from viewloom.features.rows import hash_file
from viewloom.identity import added_settings, settings_of
from viewloom.metrics.per_class import score_per_class
from viewloom.metrics.segmentation import score, score_per_item
from viewloom.metrics.segments import Segments
from viewloom.names import names_in
from viewloom.outputs import being_filled, filling, refuse_file
from viewloom.training.confidence import KEY as CALIBRATION
from viewloom.training.confidence import Calibration, ItemConfidence, view_confidence
from viewloom.training.decoding import Decide, decision, likeliest
from viewloom.training.error_figures import action_facts, errors_json
from viewloom.training.multilabel import (
    class_predictions,
    class_results,
    class_summary,
    item_class_scores,
    refuse_other_mode,
)
from viewloom.training.predicted import predict_items
from viewloom.training.provenance import allowed_roles, refuse_learned, scored_again
from viewloom.training.runs import alone_in_run
from viewloom.training.sampling import note_other_rates
from viewloom.training.scores import Scores
from viewloom.training.segmenter import Segmenter
from viewloom.training.settings import EvaluateConfig
from viewloom.training.trained import TrainedHead, load_head

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """One item in one view: what was predicted and what is true, a label a frame; how sure the head was, if known."""

    item: Item
    prediction: Labels
    truth: Labels
    confidence: ItemConfidence | None = None


def select_views(views: str | None, dataset: MultiViewDataset, option: str = "--views") -> tuple[str, ...]:
    """The views a comma-separated list names (None: all there are), each present somewhere; ``option`` named them."""
    present = dict.fromkeys(v for name in dataset.source.recordings for v in dataset.source.views(name))
    if views is None:
        return tuple(present)
    names = tuple(dict.fromkeys(names_in(views)))
    absent = [name for name in names if name not in present]
    if absent or not names:
        raise DataError(
            f"No recording of {dataset.root} has view {listed(absent) if absent else '(none named)'}; "
            f"its views are: {listed(present, 20)}. Pass {option} with some of these."
        )
    return names


def true_labels(dataset: MultiViewDataset, item: Item) -> Labels:
    """The label of each frame of an item."""
    assert dataset.labels is not None
    return dataset.labels.annotations[item.name].frame_labels(item.start, item.end)


def item_scores(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], segmenter: Segmenter
) -> dict[str, float]:
    """Canonical scores of items, all views pooled, with the total; for validation.

    Those of `viewloom.metrics.multilabel` where a frame may have several labels."""
    if segmenter.head.multi:
        return item_class_scores(dataset, items, views, segmenter)
    pairs = [
        (probs.argmax(axis=1), true_labels(dataset, item))
        for view in views
        for item, probs in predict_items(dataset, items, view, segmenter)
    ]
    result = score([prediction for prediction, _ in pairs], [truth for _, truth in pairs])
    return {**result.as_dict(), "total": result.total}


def run_evaluate(config: EvaluateConfig, dataset: MultiViewDataset | None = None) -> Path:
    """Score a run; returns the folder with ``metrics.json`` and ``predictions/<view>.json``.

    Args:
        config: settings.
        dataset: what to score on; None opens what the settings name.
    """
    out = Path(config.out) if config.out else Path(config.run)
    with into_folder(config, out):
        scores = evaluate_head(load_head(config.run), config, dataset)
        scores.write(out)
    return out


RESULTS = ("metrics.json", "predictions")
"""What is written into a run's folder."""


@contextmanager
def into_folder(config: EvaluateConfig, out: Path | str) -> Iterator[None]:
    """Hold a folder to write scores into: the run's own, or one for them alone; `ConfigError` where it can't be."""
    refuse_file(Path(out, "metrics.json"), config.overwrite or being_filled(out))
    shared = RESULTS if Path(out).absolute() == Path(config.run).absolute() else None
    with alone_in_run(out, "viewloom evaluate"), filling(out, config.overwrite, "evaluate", only=shared):
        yield


def evaluate_head(trained: TrainedHead, config: EvaluateConfig, dataset: MultiViewDataset | None = None) -> Scores:
    """Score a trained head on every view.

    Args:
        trained: the head; another refiner is put before it where the settings name one.
        config: settings.
        dataset: what to score on; None opens what the settings name.
    """
    config = complete(config)
    dataset = dataset or open_dataset(config)
    name, trained = config.name or default_name(trained, config.refiner), trained.behind(config.refiner)
    actions = shared_actions(dataset, trained)
    refuse_other_mode(dataset.labels, trained)
    segmenter = trained.segmenter_on(dataset, config)
    # A temperature is of the chain that it was fitted through.
    calibration = trained.calibration if config.refiner is None else Calibration()
    refuse_unused(config, trained.head.multi)
    background = background_ids(config.background, actions)
    decide = decision(config, trained, dataset.source.fps, segmenter.sampling)
    items = dataset.items(config.split)
    views = views_to_score(config.views, dataset, items, segmenter)
    note_other_rates(trained.extras, dataset, views)
    learned = scored_again(dataset, items, segmenter.learned_from(trained.extra))
    refuse_learned(learned, allowed_roles(config.allow_learned, config.split))
    metrics: dict[str, Any] = {
        **({"labels_mode": "multi", "threshold": config.threshold} if trained.head.multi else {}),
        "protocol": config.protocol,
        "split": config.split,
        "background": [actions[i] for i in background],
        "fps": dataset.source.fps,
        "actions": actions,
        "trained_on": trained.views,
        "simulated": dataset.simulated,
        "row": f"{name} (labels of pairs)" if labels_of_pairs(trained) else name,
        "scored_with": scored_with(config),
        "sampling": asdict(segmenter.sampling),
        "learned": learned,
        CALIBRATION: calibration.to_json(),
        "views": {},
    }
    if decide is not likeliest:
        metrics["decoding"] = config.decoding
    scores = Scores(metrics, {})
    for view in views:
        if segmenter.head.multi:
            found, kept = _classes_in_view(config, dataset, items, view, segmenter)
        else:
            scored = score_view(dataset, items, view, segmenter, decide, calibration.temperature)
            found = summary(scored, actions, config.protocol, background) | {"reliability": reliability(scored)}
            kept = predictions(scored, actions, dataset.source.fps)
        metrics["views"][view] = found | {"kind": dataset.views[view].kind}
        scores.predictions[view] = kept
    segmenter.missing.say(segmenter.sampling.missing_frames)
    return replace(scores, what_went_wrong=errors_json(metrics, scores.predictions, action_facts(dataset)))


def refuse_unused(config: EvaluateConfig, multi: bool) -> None:
    """`ConfigError` for settings of scores that a head of its kind doesn't have."""
    defaults = {field.name: field.default for field in fields(config)}
    kind = "any number of actions (--labels_mode multi)" if multi else "one action"
    for name in ("protocol", "background") if multi else ("threshold",):
        if (value := getattr(config, name)) != defaults[name]:
            raise ConfigError(f"This head gives a frame {kind}: --{name} {value} would change nothing. Leave it out.")


def _classes_in_view(
    config: EvaluateConfig, dataset: MultiViewDataset, items: Sequence[Item], view: str, segmenter: Segmenter
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores of one view, and truth and predictions of its items, where a frame may have several classes."""
    assert dataset.labels is not None
    actions = dataset.labels.actions
    results = class_results(dataset, items, view, segmenter, config.threshold)
    return class_summary(results, actions, config.threshold), class_predictions(dataset, results, actions)


def views_to_score(
    names: str | None, dataset: MultiViewDataset, items: Sequence[Item], segmenter: Segmenter
) -> tuple[str, ...]:
    """The views asked for, or all that some item has and the run's model takes; those left out are named.

    Raises:
        DataError: a view asked for that no item has, or that the model doesn't take; no view at all.
    """
    there = dict.fromkeys(view for item in items for view in dataset.source.views(item.recording))
    wanted = select_views(names, dataset) if names is not None else tuple(there)
    absent = [view for view in wanted if view not in there]
    if absent or not there:
        raise DataError(
            f"None of the {len(items)} items to score has view {listed(absent)}; they have: {listed(there, 20)}. Pass "
            "--views with some of these."
        )
    return fitting_views(dataset.source, wanted, names is not None, segmenter)


def fitting_views(source: FeatureSource, views: tuple[str, ...], named: bool, segmenter: Segmenter) -> tuple[str, ...]:
    """The views that a run's model takes; those left out are said.

    Args:
        source: their features.
        views: all views.
        named: whether the user named them: then none may be left out.
        segmenter: the run's chain.

    Raises:
        DataError: one that was named has no map in the refiner, or another feature size; or all have.
    """
    unfit = {view: reason for view in views if (reason := segmenter.misfit(source, view)) is not None}
    if unfit and (named or len(unfit) == len(views)):
        raise DataError(next(iter(unfit.values())))
    if unfit:
        reasons = "; ".join(reason.split(". ")[0] for reason in unfit.values())
        err.print(f"note: {listed(unfit)} left out. {reasons}.", markup=False)
    return tuple(view for view in views if view not in unfit)


def default_name(trained: TrainedHead, refiner: str | None) -> str:
    """What a run is called in tables; with another refiner before its head it isn't that run any more."""
    return trained.name if refiner is None else f"{trained.name} behind {Path(refiner).parent.name}"


def labels_of_pairs(trained: TrainedHead) -> bool:
    """Whether the refiner before a head learned from labels of the pairs, which other methods do without."""
    return trained.refiner is not None and trained.refiner.extra.get("labels") == "pairs"


def scored_with(config: EvaluateConfig) -> dict[str, Any]:
    """The settings that scores depend on besides the run, as JSON holds them; a refiner by its content."""
    refiner = None if config.refiner is None else hash_file(Path(config.refiner))
    return settings_of(config) | {"refiner": refiner}


def scored_alike(metrics: Mapping[str, Any], config: EvaluateConfig) -> bool:
    """Whether scores were made with these settings; those from before a setting was added did as its default does."""
    return added_settings(config) | dict(metrics.get("scored_with", {})) == scored_with(config)


def shared_actions(dataset: MultiViewDataset, trained: TrainedHead) -> tuple[str, ...]:
    """The head's actions, which the data set must share in the same order."""
    if dataset.labels is None:
        raise DataError(f"{dataset.root} has no labels to score against. `viewloom predict` needs none.")
    if dataset.labels.actions != trained.actions:
        raise ConfigError(
            f"{trained.where} knows {len(trained.actions)} actions and {dataset.root} has "
            f"{len(dataset.labels.actions)}, or in another order. Score it on the data set with the same action list."
        )
    return trained.actions


def background_ids(names: str, actions: tuple[str, ...]) -> tuple[int, ...]:
    """Class ids of comma-separated action names."""
    wanted = names_in(names)
    unknown = [name for name in wanted if name not in actions]
    if unknown:
        raise ConfigError(f"--background names {listed(unknown)}, but the actions are: {listed(actions, 30)}.")
    return tuple(actions.index(name) for name in wanted)


def score_view(
    dataset: MultiViewDataset,
    items: Sequence[Item],
    view: str,
    segmenter: Segmenter,
    decide: Decide = likeliest,
    temperature: float = 1.0,
) -> list[Scored]:
    """Predict every item in one view, with a progress bar.

    Args:
        dataset: opened data set.
        items: what to predict.
        view: in which view.
        segmenter: the run's chain.
        decide: makes labels of probabilities.
        temperature: the head's, which only says how sure it is.
    """
    predicted = track(predict_items(dataset, items, view, segmenter), f"Predicting {view}", len(items))
    return [
        scored_item(item, probs_TK, true_labels(dataset, item), decide, temperature) for item, probs_TK in predicted
    ]


def scored_item(
    item: Item, probs_TK: NDArray[np.float32], truth_T: Labels, decide: Decide, temperature: float
) -> Scored:
    """What is predicted of an item, and how sure the head is; the temperature has no say in what is predicted."""
    predicted_T = decide(probs_TK)
    return Scored(item, predicted_T, truth_T, ItemConfidence.of_item(probs_TK, predicted_T, truth_T, temperature))


def reliability(scored: Sequence[Scored]) -> dict[str, Any]:
    """What confidence means in one view (`view_confidence`), over the items whose confidence is known."""
    known = [(entry.confidence, entry.item.recording) for entry in scored if entry.confidence is not None]
    return view_confidence([of for of, _ in known], [recording for _, recording in known])


def summary(
    scored: Sequence[Scored], actions: Sequence[str], protocol: str, background: Sequence[int]
) -> dict[str, Any]:
    """Scores of one view: pooled, per class and per item."""
    predicted = [entry.prediction for entry in scored]
    true = [entry.truth for entry in scored]
    pooled = score(predicted, true, protocol, background)
    per_item = score_per_item(predicted, true, protocol, background)
    return {
        "scores": {**pooled.as_dict(), "total": pooled.total},
        "per_class": [row.as_dict() for row in score_per_class(predicted, true, actions)],
        "per_item": [
            {
                "item": entry.item.name,
                "recording": entry.item.recording,
                "frames": len(entry.truth),
                **row.as_dict(),
            }
            for entry, row in zip(scored, per_item, strict=True)
        ],
    }


def predictions(scored: Sequence[Scored], actions: Sequence[str], fps: float) -> dict[str, Any]:
    """Truth and prediction of each item as segments, in absolute frames."""
    return {
        "actions": list(actions),
        "fps": fps,
        "items": {
            entry.item.name: {
                "recording": entry.item.recording,
                "start": entry.item.start,
                "end": entry.item.end,
                "truth": Segments.of_frames(entry.truth, entry.item.start).labelled.rows,
                "prediction": Segments.of_frames(entry.prediction, entry.item.start).labelled.rows,
            }
            for entry in scored
        },
    }
