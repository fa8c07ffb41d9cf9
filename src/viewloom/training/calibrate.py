"""Fitting the temperature of a trained head on validation items, through its whole chain."""

from collections.abc import Sequence

from viewloom.console import track
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.metrics.temperature import LabelledRuns, fit_temperature
from viewloom.training.confidence import Calibration
from viewloom.training.evaluate import true_labels
from viewloom.training.predicted import predict_items
from viewloom.training.segmenter import Segmenter


def fit_calibration(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], segmenter: Segmenter
) -> Calibration:
    """The temperature under which labels of items are likeliest, over all their labelled frames in some views.

    What is scaled are the probabilities that `evaluate` and `predict` see: averaged over levels and chunk sizes. The
    order of items and views changes nothing. Nothing is fitted where a frame may have several labels.

    Args:
        dataset: where the items are.
        items: validation items; with none, or without a labelled frame, nothing is fitted.
        views: labelled views.
        segmenter: the head's chain.
    """
    if segmenter.head.multi:
        return Calibration()
    there = dataset.source.views
    wanted = [(view, item) for view in sorted(views) for item in sorted(items, key=lambda item: item.name)]
    wanted = [(view, item) for view, item in wanted if view in there(item.recording)]
    by_view = (
        (view, item, probs_TK)
        for view in sorted(views)
        for item, probs_TK in predict_items(dataset, [item for of, item in wanted if of == view], view, segmenter)
    )
    runs, used = list[LabelledRuns](), set[str]()
    for view, item, probs_TK in track(by_view, "Fitting the temperature", len(wanted)):
        runs.append(LabelledRuns.of_frames(probs_TK, true_labels(dataset, item)))
        used |= {view} if runs[-1].frames else set()
    if not used:
        return Calibration()
    every = LabelledRuns.joined(runs)
    temperature = fit_temperature(every)
    losses = every.log_loss(1.0), every.log_loss(temperature)
    return Calibration(temperature, tuple(view for view in views if view in used), every.frames, *losses)
