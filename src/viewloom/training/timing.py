"""How long a training will take, by a timing of a few of its steps; nothing is kept."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from viewloom.console import quiet
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.training.pretrain import plan_pretrain
from viewloom.training.segment import SegmentationModule, build_module, with_epochs
from viewloom.training.segmenter import pick_device
from viewloom.training.settings import PretrainConfig, TrainConfig
from viewloom.training.teach import teacher_config
from viewloom.windows.pairs import make_view_loader
from viewloom.windows.segments import dataset_windows, make_loader

TIMED_STEPS = 3
"""Steps whose quickest says how long learning will take."""
MEASURED_TOO = 1.3
"""What optimiser, loader and validation, or measures on held-out pairs, add to that, as a factor."""

EPOCH_S = 0.04
"""Seconds that an epoch takes besides its steps."""


def seconds_to_train(config: TrainConfig, dataset: MultiViewDataset) -> float:
    """About how long a head, and its teachers before it, would train here; reading features for the first time is not
    counted.

    Args:
        config: settings of the run, its head's settings filled in.
        dataset: what it would learn from.
    """
    with quiet():
        modules = [build_module(replace(config, resume=False), dataset)]
        asked = replace(config, sampling=modules[0].config.sampling)
        while asked.teach_on_pairs:  # each round has a teacher of its own
            asked = replace(teacher_config(asked, Path(config.run)), refiner=config.refiner, resume=False)
            modules.append(build_module(asked, dataset))
        step_s = _seconds_a_step(modules[0])
        return sum(epochs * (steps * step_s + EPOCH_S) for epochs, steps in map(_epochs_and_steps, modules))


def _epochs_and_steps(module: SegmentationModule) -> tuple[int, int]:
    """Epochs of a training, and optimiser steps of each."""
    settings = with_epochs(module)
    assert settings.epochs is not None
    return settings.epochs, -(-len(module.windows()) // settings.batch_size)


def seconds_to_learn(config: PretrainConfig, dataset: MultiViewDataset) -> float:
    """About how long a method fitted by gradient would learn here.

    Args:
        config: settings of its run.
        dataset: what it would learn from.
    """
    config, dataset, pairs, method, _ = plan_pretrain(config, dataset)
    device = pick_device(config.trainer.device_kind)
    batch = next(iter(make_view_loader(pairs.learn, config.batch_size, config.seed))).to(device)
    method.to(device).show_all(lambda: [batch])
    assert config.epochs is not None
    # The held-out pairs cost less than the others, and are measured once an epoch at most.
    step_s, steps = _quickest(lambda: method(batch).total), -(-len(pairs.learn) // config.batch_size)
    return config.epochs * (steps * step_s + EPOCH_S)


def _seconds_a_step(module: SegmentationModule) -> float:
    """Seconds that a batch of labelled windows takes, refined already."""
    config, dataset = module.config, module.dataset
    device = pick_device(config.trainer.device_kind)
    windows = dataset_windows(dataset, dataset.items("train"), module.views, module.sampling, config.seed, ())
    batch = next(iter(make_loader(windows, config.batch_size, config.seed))).to(device)
    module.to(device)
    if module.frozen is not None:
        batch = module.frozen.refine(batch)
    features, mask, head = batch.features_BTD, batch.mask_BT, module.head
    return _quickest(lambda: head.loss(head(features, mask), batch.labels_BT, mask).total)


def _quickest(loss: Callable[[], Tensor]) -> float:
    """Seconds that an optimiser step takes, by the quickest of a few."""
    seconds = []
    for _ in range(TIMED_STEPS):
        started = time.monotonic()
        loss().backward()  # type: ignore[no-untyped-call]
        seconds.append(time.monotonic() - started)
    return min(seconds) * MEASURED_TOO
