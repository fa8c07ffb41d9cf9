"""Training written out: numpy and torch alone, from the files of the tiny data set to the weights of every epoch.

Of the project only losses, heads and methods are used, which have references of their own. Windows, chunks, labels,
batches, seeds, optimisers and schedules are written here a second time, plainly, as the documentation says them:

- a labelled span is cut into windows, item by item, in each view, window by window;
- a window draws its chunk size from (seed, epoch, row), with two numbers: whether, and where;
- the order of rows is the permutation drawn from (seed, epoch); torch is seeded for each epoch;
- gradients of ``accumulate`` batches are averaged, clipped by norm, and then a step is taken; the last batches of an
  epoch make a step of their own; the learning rate falls by epochs.
"""

import csv
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tests.tiny import ACTIONS, DIM
from viewloom.dataset.settings import SamplingConfig
from viewloom.heads.settings import HeadConfig
from viewloom.registry import HEADS, METHODS
from viewloom.training.settings import TrainerConfig
from viewloom.windows.batch import ViewBatch, Window

# Every setting that matters is written out, so that the tests don't rest on what is chosen where nothing is set.
PUBLISHED = SamplingConfig(
    chunk_frames=20,
    max_chunks=1200,
    augment_probability=0.5,
    augment_factor=2.0,
    test_chunks=(10, 17, 24),
    pooling="max",
)
QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=1)


@dataclass(frozen=True)
class Cut:
    """A window of one item: recording, first frame, frame after the last."""

    name: str
    start: int
    end: int


def options_of(config, **wanted):
    """Options of a head or method: those of the wanted ones that it has, and its input as it is."""
    wanted = {"standardise": False if issubclass(config, HeadConfig) else "none"} | wanted
    return config(**{name: value for name, value in wanted.items() if name in config.__dataclass_fields__})


def read_names(root, role):
    return (Path(root) / "splits" / f"{role}.txt").read_text().split()


def read_labels(root):
    """{recording: class id of each frame}."""
    labels = {}
    for row in csv.DictReader((Path(root) / "labels.csv").open()):
        frames = int(row["end"]) - int(row["start"])
        labels.setdefault(row["recording"], []).extend([int(row["label"].removeprefix("act"))] * frames)
    return labels


def read_features(root, name, view):
    return np.load(Path(root) / "features" / name / view / "features.npy")


def cuts_of(root, names, sampling):
    size, labels = sampling.chunk_frames * sampling.max_chunks, read_labels(root)
    ends = [(name, len(labels[name])) for name in names]
    return [[Cut(name, at, min(at + size, end)) for at in range(0, end, size)] for name, end in ends]


def chunk_of(cut, sampling, seed, epoch, row):
    """Chunk size of a window in an epoch."""
    whether, where = np.random.default_rng([seed, epoch, row]).random(2)
    if whether >= sampling.augment_probability:
        return sampling.chunk_frames
    low = max(sampling.chunk_frames / sampling.augment_factor, math.ceil((cut.end - cut.start) / sampling.max_chunks))
    high = max(low, sampling.chunk_frames * sampling.augment_factor)
    return math.floor(low * (high / low) ** where + 1e-9)


def pooled(x_TD, chunk):
    return np.stack([x_TD[at : at + chunk].max(axis=0) for at in range(0, len(x_TD), chunk)])


def voted(labels, chunk):
    votes = [Counter(labels[at : at + chunk]) for at in range(0, len(labels), chunk)]
    return np.array([min(vote, key=lambda label: (-vote[label], label)) for vote in votes])


def padded(arrays, fill):
    longest = max(map(len, arrays))
    return torch.from_numpy(
        np.stack([np.pad(a, [(0, longest - len(a))] + [(0, 0)] * (a.ndim - 1), constant_values=fill) for a in arrays])
    )


def fit(model, optimiser, config, rows, loss_of):
    """Weights after every epoch; ``loss_of`` takes the epoch and the numbers of a batch's rows."""
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, config.optim.lr_step_epochs, config.optim.lr_factor)
    weights, several = [], config.trainer.accumulate
    for epoch in range(config.epochs):
        torch.manual_seed(config.seed * 1_000_003 + epoch * 1_009)
        order = np.random.default_rng([config.seed, epoch]).permutation(rows).tolist()
        batches = [order[at : at + config.batch_size] for at in range(0, rows, config.batch_size)]
        for number, batch in enumerate(batches, 1):
            (loss_of(epoch, batch) / several).backward()
            if number % several == 0 or number == len(batches):
                if config.trainer.gradient_clip is not None:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), config.trainer.gradient_clip)
                optimiser.step()
                optimiser.zero_grad()
        schedule.step()
        weights.append({name: value.clone() for name, value in model.state_dict().items()})
    return weights


def plain_train(config, refiner=None):
    """What `run_train` should do, with settings that it takes: the head's weights after every epoch."""
    root, sampling, labels = config.data, config.sampling, read_labels(config.data)
    views = config.views.split(",")
    rows = [(c, view) for cuts in cuts_of(root, read_names(root, "train"), sampling) for view in views for c in cuts]
    torch.manual_seed(config.seed)
    head = HEADS.get(config.head)(DIM, ACTIONS, config.head_options).train()
    # The fused form of Adam, as in a run: without it, weights whose true gradient is zero (biases before a batch
    # norm) drift by what rounding makes of that zero.
    adam = torch.optim.Adam(head.parameters(), config.optim.lr, weight_decay=config.optim.weight_decay, fused=True)

    def loss_of(epoch, batch):
        features, targets = [], []
        for row in batch:
            cut, view = rows[row]
            chunk = chunk_of(cut, sampling, config.seed, epoch, row)
            x_SD = pooled(read_features(root, cut.name, view)[cut.start : cut.end], chunk)
            if refiner is not None:
                whole = torch.ones(1, len(x_SD), dtype=torch.bool)
                x_SD = refiner.encode(torch.from_numpy(x_SD[None]), whole, view)[0].detach().numpy()
            features.append(x_SD)
            targets.append(voted(labels[cut.name][cut.start : cut.end], chunk))
        mask_BT = padded([np.ones(len(x_SD), bool) for x_SD in features], False)
        return head.loss(head(padded(features, 0), mask_BT), padded(targets, -100), mask_BT).total

    return fit(head, adam, config, len(rows), loss_of)


def frame_probabilities(config, head, name, views):
    """What a finished teacher says of each frame: mean over labelled views, chunk by chunk, over chunk sizes."""
    found = []
    for view in views:
        x_TD = read_features(config.data, name, view)
        for chunk in config.sampling.test_chunks:
            size = chunk * config.sampling.max_chunks
            stretches = [pooled(x_TD[at : at + size], chunk) for at in range(0, len(x_TD), size)]
            with torch.no_grad():
                steps = [as_probabilities(head, x_SD) for x_SD in stretches]
            ends = [len(x_TD[at : at + size]) for at in range(0, len(x_TD), size)]
            found.append(np.concatenate([np.repeat(p, chunk, 0)[:end] for p, end in zip(steps, ends, strict=True)]))
    return np.mean(found, axis=0)


def as_probabilities(head, x_SD):
    mask_1S = torch.ones(1, len(x_SD), dtype=torch.bool)
    return head.decode(head(torch.from_numpy(x_SD[None]), mask_1S), mask_1S)[0].numpy()


def soft_target(probs_TK, teach, chunk):
    """Mean over each chunk's frames, at a temperature; zeros where the teacher isn't sure enough."""
    steps = []
    for at in range(0, len(probs_TK), chunk):
        mean_K = probs_TK[at : at + chunk].mean(axis=0, dtype=np.float64)
        sharp_K = mean_K ** (1 / teach.temperature)
        steps.append(sharp_K / sharp_K.sum() * (mean_K.max() >= teach.confidence))
    return np.array(steps, np.float32)


def plain_student(config, teacher):
    """What `run_train` should do with ``teach_on_pairs`` and a finished teacher: weights after every epoch."""
    root, sampling, labels, teach = config.data, config.sampling, read_labels(config.data), config.teach
    views, taught_views, size = (
        config.views.split(","),
        teach.views.split(","),
        sampling.chunk_frames * sampling.max_chunks,
    )
    names = learned_from(config, teach.held_out)
    probs = {name: frame_probabilities(config, teacher, name, views) for name in names}
    rows = [
        (c, view, False) for cuts in cuts_of(root, read_names(root, "train"), sampling) for view in views for c in cuts
    ] + [
        (Cut(name, at, min(at + size, len(probs[name]))), view, True)
        for name in names
        for view in taught_views
        for at in range(0, len(probs[name]), size)
    ]
    torch.manual_seed(config.seed)
    head = HEADS.get(config.head)(DIM, ACTIONS, config.head_options).train()
    kind = torch.float64 if config.trainer.precision == "64-true" else torch.float32
    head = head.to(kind)
    adam = torch.optim.Adam(head.parameters(), config.optim.lr, weight_decay=config.optim.weight_decay, fused=True)

    def loss_of(epoch, batch):
        features, targets, soft = [], [], []
        for row in batch:
            cut, view, taught = rows[row]
            chunk = chunk_of(cut, sampling, config.seed, epoch, row)
            stretch = slice(cut.start, cut.end)
            features.append(pooled(read_features(root, cut.name, view)[stretch], chunk))
            none = np.zeros((len(features[-1]), ACTIONS), np.float32)
            soft.append(soft_target(probs[cut.name][stretch], teach, chunk) if taught else none)
            steps = np.full(len(none), -100)
            targets.append(steps if taught else voted(labels[cut.name][stretch], chunk))
        mask_BT = padded([np.ones(len(x_SD), bool) for x_SD in features], False)
        levels = head(padded(features, 0).to(kind), mask_BT)
        targets = padded(targets, -100), padded(soft, 0).to(kind), mask_BT
        return head.loss_with_taught(levels, *targets, teach.weight).total

    return fit(head, adam, config, len(rows), loss_of)


def learned_from(config, share=None):
    """Pair recordings that are not held out."""
    names = sorted(read_names(config.data, "pairs"))
    share = config.held_out if share is None else share
    count = min(max(1, round(share * len(names))), len(names) - 1)
    held = np.random.default_rng([config.seed, 1]).permutation(names)[:count]
    return [name for name in read_names(config.data, "pairs") if name not in held]


def plain_pretrain(config):
    """What `run_pretrain` should do: the method's weights after every epoch."""
    root, sampling, views = config.data, config.sampling, tuple(config.views.split(","))
    rows = [cut for cuts in cuts_of(root, learned_from(config), sampling) for cut in cuts]
    torch.manual_seed(config.seed)
    method, optim = METHODS.get(config.method)(DIM, views, config.method_options).train(), config.optim
    if optim.name == "sgd":
        momentum, decay = optim.momentum, optim.weight_decay
        optimiser = torch.optim.SGD(method.parameters(), optim.lr, momentum, weight_decay=decay, fused=True)
    else:
        optimiser = torch.optim.AdamW(method.parameters(), optim.lr, weight_decay=optim.weight_decay, fused=True)

    def loss_of(epoch, batch):
        method.set_epoch(epoch)
        features = []
        for row in batch:
            cut, chunk = rows[row], chunk_of(rows[row], sampling, config.seed, epoch, row)
            stretch = slice(cut.start, cut.end)
            each = [pooled(read_features(root, cut.name, view)[stretch], chunk) for view in views]
            features.append(np.stack(each, axis=1))
        x_BTVD = padded(features, 0)
        mask_BTV = padded([np.ones(x_SVD.shape[:2], bool) for x_SVD in features], False)
        windows = tuple(Window(rows[row].name, rows[row].name, 0, 1, 1) for row in batch)
        return method(
            ViewBatch.stacked(x_BTVD.transpose(1, 2).contiguous(), mask_BTV.transpose(1, 2), windows, views)
        ).total

    return fit(method, optimiser, config, len(rows), loss_of)
