"""`viewloom pretrain`: learn a refiner from unlabelled synchronised views, by gradient or in closed form."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from viewloom.console import err, track
from viewloom.data.batch import ViewBatch
from viewloom.data.dataset import DataConfig, Item, MultiViewDataset, open_dataset
from viewloom.data.module import EpochBatches
from viewloom.data.multiview import ViewRow, ViewWindows, make_view_loader
from viewloom.data.windows import SamplingConfig
from viewloom.errors import ConfigError, listed
from viewloom.files import write_json
from viewloom.heads.base import Head
from viewloom.methods.base import Method
from viewloom.methods.none import IdentityRefiner
from viewloom.nn.encoder import EncoderLayer
from viewloom.registry import METHODS
from viewloom.training.checkpoints import SavedHead, load_head, save_head
from viewloom.training.evaluate import select_views
from viewloom.training.invariance import HeldOut, hold_out, measure, measure_plain
from viewloom.training.learned import against_first_epoch, against_plain, show
from viewloom.training.length import Usual, with_length
from viewloom.training.missing import MissingFrames
from viewloom.training.resident import ResidentViews, resident
from viewloom.training.runs import is_main_process, prepare_run, refuse_other_data, write_environment
from viewloom.training.segmenter import pick_device
from viewloom.training.threads import choose_threads, using_threads
from viewloom.training.trainer import TrainerConfig, build_trainer, rows_in_batch


@dataclass(frozen=True, kw_only=True)
class PretrainOptimConfig:
    """Optimiser of pre-training."""

    name: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or plain SGD as in the report."""
    lr: float = 3e-4
    """Learning rate at the start."""
    weight_decay: float = 0.0
    """Weight decay."""
    momentum: float = 0.0
    """Momentum (sgd only)."""
    lr_step_epochs: int | None = None
    """Epochs between two reductions of the learning rate; None takes 40 % of the epochs, and 100 at least."""
    lr_factor: float = 0.5
    """Factor of each reduction."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(DataConfig):
    """Learn a refiner from unlabelled synchronised views."""

    run: str
    """Run folder to write (new, unless --resume true)."""
    views: str
    """Views to learn from, comma-separated: v3,e4."""
    method: str = "two_stream"
    """Registered pre-training method."""
    method_options: Any = None
    """Settings of the method (see the end of --help)."""
    teacher: str | None = None
    """Run folder of the trained head that a distilling method (sync_kd_head) follows."""
    epochs: int | None = None
    """Passes over the pair windows (closed-form methods need one); None takes 60, or more where windows are so few
    that the method would take fewer optimiser steps than it needs (400)."""
    batch_size: int = 8
    """Windows in a step, over all processes."""
    held_out: float = 0.1
    """Share of the pair recordings kept apart, to choose the checkpoint and to measure invariance on."""
    select: Literal["retrieval", "loss", "last"] = "retrieval"
    """What chooses the checkpoint, on held-out pairs: how often a step finds itself in the other view, the
    method's own loss, or nothing (the last epoch)."""
    seed: int = 0
    """Seed of weights, order, dropout, augmentation and of the held-out recordings."""
    row: str | None = None
    """Name of this run in tables; default: the method's name."""
    resume: bool = False
    """Go on with the run in the folder."""
    workers: int = 0
    """Processes that read windows; 0 reads in the training process."""
    compile: bool = False
    """Compile the encoder layers with torch.compile (context frame only; the first step then takes minutes on a
    CPU, where little is gained)."""
    optim: PretrainOptimConfig = field(default_factory=PretrainOptimConfig)
    """Optimiser."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows and chunks."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Devices, precision, logs."""

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(f"--held_out must lie between 0 and 1, but is {self.held_out}.")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"--{name} must be 1 or more, but is {getattr(self, name)}.")


@dataclass(frozen=True)
class Pairs:
    """Windows to learn from, and those held out."""

    learn: ViewWindows
    held_out: ViewWindows


class PretrainingModule(LightningModule):
    """Gradient steps of a method, and its invariance measured on held-out pairs after each epoch.

    Args:
        method: what is trained.
        pairs: windows in several views.
        config: the run's settings.
    """

    def __init__(self, method: Method, pairs: Pairs, config: PretrainConfig) -> None:
        super().__init__()
        self.method = method
        self.pairs = pairs
        self.config = config
        self.missing = MissingFrames()

    def train_dataloader(self) -> DataLoader[ViewRow] | ResidentViews:
        """Shuffled windows; this process's share of each global batch."""
        config = self.config
        rank, world = self.trainer.global_rank, self.trainer.world_size
        sampler = EpochBatches(len(self.pairs.learn), config.batch_size, config.seed, rank, world)
        held = resident(ResidentViews, self.pairs.learn, sampler, self.device, config.trainer.device_data)
        if held is not None:
            return held
        return make_view_loader(self.pairs.learn, config.batch_size, config.seed, config.workers, rank, world)

    def on_train_epoch_start(self) -> None:
        """Schedules follow the epoch."""
        self.method.set_epoch(self.current_epoch)

    def training_step(self, batch: ViewBatch, place: int) -> Tensor:
        """One batch; the parts of the loss are logged as epoch means."""
        if self.current_epoch == 0:
            self.missing.note_views(batch)
        loss = self.method(batch)
        values = {"train/loss": loss.total} | {f"train/{name}": part for name, part in loss.parts.items()}
        rows = rows_in_batch(self.trainer, place)
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        return loss.total  # type: ignore[no-any-return]

    def on_train_epoch_end(self) -> None:
        """Measure loss, retrieval and collapse on held-out pairs."""
        if self.current_epoch == 0:
            self.missing.tell(self.config.sampling.missing_frames)
        if (self.current_epoch + 1) % (self.trainer.check_val_every_n_epoch or 1):
            return
        held = held_out_measures(self.method, self.pairs.held_out, self.config.batch_size, self.device)
        self.log_dict({f"val/{name}": value for name, value in held.values.items()})

    def configure_optimizers(self) -> Any:
        """AdamW or SGD, and a step-wise learning rate."""
        optim = self.config.optim
        parameters = [p for p in self.method.parameters() if p.requires_grad]
        fused = self.config.trainer.fused_optimiser
        optimiser: torch.optim.Optimizer
        if optim.name == "sgd":
            optimiser = torch.optim.SGD(
                parameters, optim.lr, optim.momentum, weight_decay=optim.weight_decay, fused=fused
            )
        else:
            optimiser = torch.optim.AdamW(parameters, optim.lr, weight_decay=optim.weight_decay, fused=fused)
        assert optim.lr_step_epochs is not None, "run_pretrain fills it in"
        steps = torch.optim.lr_scheduler.StepLR(optimiser, optim.lr_step_epochs, optim.lr_factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": steps, "interval": "epoch"}}


def held_out_measures(method: Method, windows: ViewWindows, batch_size: int, device: torch.device) -> HeldOut:
    """Loss, retrieval and collapse of a method on held-out windows, in evaluation mode."""
    training = method.training
    method.eval()
    loader = make_view_loader(windows, batch_size)
    held = measure(method, loader, device)
    method.train(training)
    return held


def split_pairs(config: PretrainConfig, dataset: MultiViewDataset) -> Pairs:
    """The pair recordings, a seeded share of them held out; all windows of a recording stay together."""
    items: tuple[Item, ...] = dataset.items("pairs")
    views = select_views(config.views, dataset)
    if len(views) < 2:
        raise ConfigError(f"--views must name two views or more to learn from, but is {config.views!r}.")
    complete = {name for name in dataset.source.recordings if set(views) <= set(dataset.source.views(name))}
    learn, held = hold_out(items, config.held_out, config.seed, complete)
    still = replace(config.sampling, augment_probability=0.0)
    pairs = Pairs(
        ViewWindows(dataset.source, learn, views, config.sampling, config.seed),
        ViewWindows(dataset.source, held, views, still),
    )
    if pairs.learn.skipped and is_main_process():
        told = f"{len(pairs.learn.skipped)} of {len(items)} items have fewer than two of the views {listed(views)}"
        err.print(f"note: {told} and are left out: {listed(pairs.learn.skipped, 3)}.", markup=False)
    return pairs


def run_pretrain(config: PretrainConfig) -> Path:
    """Learn a refiner and write its run folder; returns the path of ``refiner.safetensors``."""
    cls = METHODS.get(config.method)
    config = replace(config, method_options=config.method_options or cls.Config())
    dataset = open_dataset(config)
    pairs = split_pairs(config, dataset)
    torch.manual_seed(config.seed)
    method: Method = cls(dataset.source.dim, pairs.learn.views, config.method_options)
    teacher = _give_teacher(config, method)
    config = with_epochs(config, method, pairs)
    folder, checkpoint = prepare_run(config.run, config, config.resume)
    row = config.row or config.method
    if config.resume:
        refuse_other_data(folder, dataset)
    threads = choose_threads(config.trainer, method, dataset.source.dim, folder, config.resume)
    facts = {"row": row, "trained_on": pairs.learn.views, "method": config.method, "threads": threads}
    write_environment(folder, dataset, config.seed, **facts)
    with using_threads(threads):
        return _learn(config, dataset, method, pairs, folder, checkpoint, teacher)


def _learn(
    config: PretrainConfig,
    dataset: MultiViewDataset,
    method: Method,
    pairs: Pairs,
    folder: Path,
    checkpoint: Path | None,
    teacher: SavedHead | None,
) -> Path:
    """Fit the method, and write what it leaves behind; returns the path of that."""
    if method.needs_pass:
        _show_all_pairs(method, pairs, config.batch_size)
    if config.compile:
        compile_layers(method)
    kept, warnings = "closed form" if method.fit == "closed_form" else "features as they are", list[str]()
    if method.fit == "gradient":
        kept, warnings = _fit_by_gradient(config, method, pairs, folder, checkpoint)
    path = folder / ("refiner.safetensors" if teacher is None else "head.safetensors")
    if not is_main_process():
        return path  # the first process writes it
    _finish(config, dataset, method, pairs, folder, kept, warnings)
    if teacher is None:
        return path
    # A method that distils a head leaves the student behind, beside a refiner that changes nothing.
    assert isinstance(method.student, Head)
    save_head(path, replace(teacher, head=method.student.cpu(), views=method.views))
    return path


def with_epochs(config: PretrainConfig, method: Method, pairs: Pairs) -> PretrainConfig:
    """The settings with a number of epochs that gives the method enough steps, where none was set."""
    if method.fit != "gradient":
        config = replace(config, epochs=config.epochs or 1)
    return with_length(config, len(pairs.learn), Usual(60, method.least_steps, 100, "method"))


def _give_teacher(config: PretrainConfig, method: Method) -> SavedHead | None:
    """Hand a distilling method the head it follows; others need none, and refuse one."""
    needs = method.requires == "teacher_head"
    if needs != (config.teacher is not None):
        does = "needs --teacher RUN, the folder of a head trained on its first view" if needs else "takes no --teacher"
        raise ConfigError(f"Method {config.method!r} {does}.")
    if config.teacher is None:
        return None
    saved = load_head(Path(config.teacher) / "head.safetensors")
    method.with_teacher(saved.head)  # type: ignore[operator]  # what requires="teacher_head" promises
    return saved


def _fit_by_gradient(
    config: PretrainConfig, method: Method, pairs: Pairs, folder: Path, checkpoint: Path | None
) -> tuple[str, list[str]]:
    """Train, and load the chosen epoch's weights into the method; returns which was kept, and what to be wary of."""
    select = config.select
    if select == "retrieval" and isinstance(method.refiner, IdentityRefiner):
        if is_main_process():
            err.print(
                "note: what this method learns is no refiner, so the held-out loss chooses the epoch.", markup=False
            )
        select = "loss"
    monitor, mode = {
        "retrieval": ("val/retrieval", "max"),
        "loss": ("val/loss", "min"),
        "last": (None, "min"),
    }[select]
    module = PretrainingModule(method, pairs, config)
    assert config.epochs is not None
    trainer = build_trainer(config.trainer, folder, config.epochs, config.seed, monitor, mode)  # type: ignore[arg-type]
    trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    name = "last" if monitor is None else "best"
    state = torch.load(folder / "checkpoints" / f"{name}.ckpt", map_location="cpu", weights_only=True)
    module.load_state_dict(state["state_dict"])
    warnings, every = [], trainer.check_val_every_n_epoch or 1
    if name == "best":
        warnings = against_first_epoch(config.method, state["epoch"] + 1, every, config.epochs)
    return f"{name} epoch ({state['epoch'] + 1} of {config.epochs})", warnings


def compile_layers(method: Method, backend: str = "inductor") -> None:
    """Compile every encoder layer in place, for any number of steps; names and weights stay as they are.

    Raises:
        ConfigError: over time or the batch, the lengths of rows would be compiled in, and every batch anew.
    """
    context = getattr(method.config, "context", None)
    if context != "frame":
        told = "has no encoder layers" if context is None else f"has context {context}"
        raise ConfigError(f"--compile true needs a method with context frame, but this one {told}. Leave it out.")
    for part in method.modules():
        if isinstance(part, EncoderLayer):
            part.compile(dynamic=True, backend=backend)


def _show_all_pairs(method: Method, pairs: Pairs, batch_size: int) -> None:
    """One pass over the windows, without augmentation, then the solution of what depends on them all."""
    learn, missing = pairs.learn, MissingFrames()
    still = replace(learn.sampling, augment_probability=0.0)
    windows = ViewWindows(learn.source, learn.items, learn.views, still)
    for batch in track(make_view_loader(windows, batch_size), "Reading pairs"):
        method.accumulate(batch)
        missing.note_views(batch)
    missing.tell(learn.sampling.missing_frames)
    method.solve()
    if method.chosen and is_main_process():
        err.print(f"note: {method.chosen}.", markup=False)


def _finish(
    config: PretrainConfig,
    dataset: MultiViewDataset,
    method: Method,
    pairs: Pairs,
    folder: Path,
    kept: str,
    warnings: list[str],
) -> None:
    """Write what was measured on held-out pairs, and then the refiner; say out loud if nothing came of it."""
    device = pick_device({"gpu": "cuda"}.get(config.trainer.accelerator, config.trainer.accelerator))
    held = held_out_measures(method.to(device).eval(), pairs.held_out, config.batch_size, device)
    method.refiner.extra = {"kept": kept, "seed": config.seed, "data": dataset.name}
    plain = measure_plain(method, make_view_loader(pairs.held_out, config.batch_size), device)
    retrieval, before = held.values["retrieval"], plain["plain_retrieval"]
    if held.collapse:
        warnings = [f"COLLAPSE of {config.method}: {held.collapse}"]
    elif not isinstance(method.refiner, IdentityRefiner):
        warnings = against_plain(config.method, retrieval, before, plain["chance"]) or warnings
    # JSON knows no NaN: a measure that isn't finite is null there, and the warning says so.
    finite = {name: value if math.isfinite(value) else None for name, value in (held.values | plain).items()}
    write_json(
        folder / "invariance.json",
        {"kept": kept, "select": config.select, "chosen": method.chosen, "held_out": finite, "warnings": warnings},
    )
    method.refiner.save(folder / "refiner.safetensors")
    show(warnings)
    told = f"held-out retrieval {retrieval:.1f} %, plain features {before:.1f} %, chance {plain['chance']:.1f} %"
    err.print(f"Kept the {kept}; {told}.", markup=False)
