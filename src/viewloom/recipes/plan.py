"""What an experiment would take: data, parameters, operations, memory and hours, without running it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.splits import Role
from viewloom.features.base import pooled_dim
from viewloom.heads.settings import HeadConfig
from viewloom.methods.base import Method
from viewloom.methods.settings import ResidualConfig
from viewloom.recipes.counting import (
    BYTES,
    head_costs,
    method_on_meta,
    method_parameters,
    parameters,
    step_memory,
    step_operations,
)
from viewloom.recipes.planned import PlannedRun
from viewloom.recipes.settings import ExperimentConfig
from viewloom.registry import HEADS
from viewloom.training.evaluate import select_views
from viewloom.training.length import validation_interval
from viewloom.training.settings import PretrainConfig, TrainConfig
from viewloom.windows.plan import plan_windows
from viewloom.windows.sampling import resolve_sampling

GIB = 2**30


@dataclass(frozen=True)
class Reading:
    """What a run reads in one pass.

    Attributes:
        recordings: distinct recordings.
        windows: windows, each in one view.
        frames: frames, each in one view.
        steps: steps (chunks), each in one view.
        longest: steps of the longest window.
        gib: features in float32.
    """

    recordings: int
    windows: int
    frames: int
    steps: int
    longest: int
    gib: float


@dataclass(frozen=True)
class Cost:
    """What a run takes: parameters by name, operations, and memory on the device in GiB."""

    parameters: dict[str, int]
    operations: float
    memory_gib: float


def reading(
    dataset: MultiViewDataset, role: Role, views: Sequence[str], config: ExperimentConfig | TrainConfig
) -> Reading:
    """What one pass over the items of a role reads in some views, at the plain chunk size."""
    items = dataset.items(role, views, "labelled")  # as the recipes have it
    sampling = resolve_sampling(config.sampling, dataset.source.fps)
    windows = [
        window
        for item in items
        for view in views
        if view in dataset.source.views(item.recording)
        for window in plan_windows(item, sampling.chunk_frames, sampling.max_chunks)
    ]
    frames = sum(window.frames for window in windows)
    return Reading(
        len({item.recording for item in items}),
        len(windows),
        frames,
        sum(window.steps for window in windows),
        max((window.steps for window in windows), default=0),
        frames * max(map(dataset.source.dim, views)) * BYTES / GIB,
    )


def pretraining_cost(run: PretrainConfig, read: Reading, dim: int, views: Sequence[str]) -> Cost:
    """Cost of a pre-training run."""
    counts = method_parameters(run.method, dim, views, run.method_options)
    method = method_on_meta(run.method, dim, views, run.method_options)
    if not isinstance(run.method_options, ResidualConfig):
        pairs = len(views) * (len(views) + 1) / 2
        solving = 30.0 * (len(views) * dim) ** 3
        sums = 2.0 * dim * dim * pairs * read.steps / len(views)
        return Cost(counts, sums + solving, 6 * 8 * (len(views) * dim) ** 2 / GIB)  # float64, a few copies
    assert run.epochs is not None, "recipes set it"
    steps, per_step = _steps(run, read, len(views)), _moment_operations(method, run, read, len(views))
    weights = sum(counts.values())
    states = 2 if run.optim.name == "sgd" and run.optim.momentum == 0 else 4
    kept = len(views) * step_memory(method.refiner, run.method_options.context)
    joint = getattr(method, "joint", None)
    kept += step_memory(joint, run.method_options.context) if joint is not None else 0
    memory = BYTES * states * weights + kept * run.batch_size * _filled_steps(run, read)
    return Cost(counts, 3.0 * run.epochs * steps * per_step, memory / GIB)


def _steps(run: PretrainConfig, read: Reading, views: int) -> float:
    """Moments that are computed in one pass: all of the padded windows where padding counts."""
    valid = run.method_options.context == "frame" and not run.method_options.whole_window
    return read.steps / views if valid else read.windows / views * _filled_steps(run, read)


def _filled_steps(run: PretrainConfig, read: Reading) -> int:
    """Steps that a window is filled to in a batch: those of the longest one, or the fixed ones of the released code."""
    options = run.method_options
    if not options.whole_window:
        return read.longest
    alike = min(options.window_steps, read.longest + 1)  # one step stands for padded ones that are all the same
    return alike if options.alike(training=True) else int(options.window_steps)


def _moment_operations(method: Method, run: PretrainConfig, read: Reading, views: int) -> float:
    """Operations of one moment, seen by all views, forward."""
    context = run.method_options.context
    attended = run.batch_size if context == "batch" else _filled_steps(run, read)
    total = views * step_operations(method.refiner, context, attended)
    joint = getattr(method, "joint", None)
    return total + (step_operations(joint, context, attended) if joint is not None else 0.0)


def training_cost(run: TrainConfig, read: Reading, checked: Reading, dim: int, classes: int) -> Cost:
    """Cost of a head's training; a refiner before it counts little beside, and is left out."""
    weights, operations, kept = _head_facts(run.head, run.head_options, dim, classes, read.longest)
    assert run.epochs is not None, "recipes set it"
    validated = checked.steps / (run.trainer.validate_every_epochs or validation_interval(run.epochs))
    passes = run.epochs * (3.0 * read.steps + validated) / read.longest
    memory = BYTES * 4 * weights + kept * run.batch_size
    return Cost({run.head: weights}, operations * passes, memory / GIB)


@cache
def _head_facts(name: str, options: HeadConfig, dim: int, classes: int, steps: int) -> tuple[int, float, float]:
    """Parameters of a head, and its costs as `head_costs` measures them; seeds and rows share them."""
    head = HEADS.get(name)(dim, classes, options)
    return parameters(head), *head_costs(head, steps)


def plan_text(config: ExperimentConfig, dataset: MultiViewDataset, runs: Sequence[PlannedRun]) -> str:
    """The plan as text."""
    sizes = {dataset.source.dim(view) for name in dataset.source.recordings for view in dataset.source.views(name)}
    scale = "full size" if config.scale == 1 else f"scale {config.scale:g} (epochs and layers shrunk)"
    lines = [
        f"{config.table}, setting {config.setting}, {scale}, seeds {config.seeds}, on {dataset.name}"
        + (" (simulated)" if dataset.simulated else ""),
        f"features of size {', '.join(map(str, sorted(sizes)))}, {dataset.source.fps:g} frames a second",
        "",
    ]
    total, costs = 0.0, {}
    for run in runs:
        if not isinstance(run.config, PretrainConfig | TrainConfig):
            continue
        name = run.label.partition(",")[0] + (" refiner" if run.kind == "pretrain" else " head")
        if name not in costs:  # other seeds take the same
            cost, read = run_cost(config, dataset, run.config)
            costs[name] = cost.operations / config.tflops / 1e12 / 3600
            lines += run_lines(name, run.config, cost, read, costs[name])
        total += 0.0 if run.finished else costs[name]
    todo = [run for run in runs if not run.finished]
    seeds = f"{len(runs)} runs, {len(runs) - len(todo)} of them finished"
    rate = f"about {total:,.3g} GPU-hours at {config.tflops:g} TFLOP/s"
    lines += [f"{seeds}: {rate}, reading and evaluation not counted."]
    lines += [f"  {run.label} -> {run.folder}" for run in todo]
    return "\n".join(lines)


def run_cost(
    config: ExperimentConfig, dataset: MultiViewDataset, run: PretrainConfig | TrainConfig
) -> tuple[Cost, Reading]:
    """Cost of a run, and what it reads a pass."""
    views = select_views(run.views, dataset)
    dim = pooled_dim(max(map(dataset.source.dim, views)), resolve_sampling(run.sampling, dataset.source.fps).pooling)
    if isinstance(run, PretrainConfig):
        read = reading(dataset, "pairs", views, config)
        return pretraining_cost(run, read, dim, views), read
    assert dataset.labels is not None and dataset.splits is not None
    read = reading(dataset, "train", views, config)
    checked = reading(dataset, "val", views, config) if dataset.splits.val else Reading(0, 0, 0, 0, 0, 0.0)
    return training_cost(run, read, checked, dim, len(dataset.labels.actions)), read


def run_lines(name: str, run: PretrainConfig | TrainConfig, cost: Cost, read: Reading, hours: float) -> list[str]:
    """One run's lines."""
    weights = ", ".join(f"{key} {count:,}" for key, count in cost.parameters.items()) or "none trained by gradient"
    return [
        name,
        f"  data        {read.recordings} recordings, {read.windows} windows, {read.frames:,} frames over views, "
        f"{read.gib:.2f} GiB a pass",
        f"  parameters  {weights}",
        f"  operations  {cost.operations:.3g} in {run.epochs} epochs; {hours:.3g} GPU-hours a seed",
        f"  memory      about {cost.memory_gib:.2f} GiB in float32 at batch size {run.batch_size}",
        "",
    ]
