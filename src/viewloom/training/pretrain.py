"""`viewloom pretrain`: learn a refiner from unlabelled synchronised views, by gradient or in closed form."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from viewloom.console import err, track
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, listed
from viewloom.files import write_json
from viewloom.heads.base import Head
from viewloom.methods.base import Method
from viewloom.methods.refiner_file import save_refiner
from viewloom.methods.settings import Choice
from viewloom.nn.encoder import EncoderLayer
from viewloom.registry import METHODS
from viewloom.training.checkpoints import SavedHead, read_head, save_head
from viewloom.training.learned import against_first_epoch, on_held_out, show
from viewloom.training.length import with_length
from viewloom.training.loggers import refuse_missing
from viewloom.training.missing import MissingFrames
from viewloom.training.pairs import Pairs, held_out_measures, split_pairs
from viewloom.training.plan_memory import check_room, pretrain_needs
from viewloom.training.provenance import learned_from, together
from viewloom.training.resuming import going_on, read_checkpoint
from viewloom.training.run_identity import RunContent
from viewloom.training.runs import is_main_process, prepare_run, refuse_taken, say, write_environment
from viewloom.training.sampling import kept
from viewloom.training.segmenter import pick_device
from viewloom.training.settings import PretrainConfig
from viewloom.training.threads import choose_threads, using_threads
from viewloom.training.trainer import at_epoch, build_trainer, rows_in_batch
from viewloom.windows.batch import ViewBatch
from viewloom.windows.pairs import ViewRow, ViewWindows, make_view_loader
from viewloom.windows.resident import ResidentViews, resident
from viewloom.windows.segments import EpochBatches


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
        loader = make_view_loader(self.pairs.learn, config.batch_size, config.seed, config.workers, rank, world)
        return at_epoch(self.trainer, loader)  # type: ignore[no-any-return]

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
            self.missing.say(self.pairs.learn.sampling.missing_frames)
        if self.pairs.held_out is None or (self.current_epoch + 1) % (self.trainer.check_val_every_n_epoch or 1):
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


@dataclass(frozen=True)
class Begun:
    """A pre-training whose folder was made or re-entered: settings with every choice made, data, and what learns."""

    config: PretrainConfig
    dataset: MultiViewDataset
    pairs: Pairs
    method: Method
    teacher: SavedHead | None
    folder: Path
    checkpoint: Path | None


def begin_pretrain(config: PretrainConfig, dataset: MultiViewDataset | None = None) -> Begun:
    """Make or re-enter the run folder of a pre-training."""
    refuse_taken(Path(config.run), config.resume)
    refuse_missing(config.trainer.logger)
    config, dataset, pairs, method, teacher = plan_pretrain(config, dataset)
    folder, checkpoint = prepare_run(config, run_content(config, dataset, pairs))
    return Begun(config, dataset, pairs, method, teacher, folder, checkpoint)


def plan_pretrain(
    config: PretrainConfig, dataset: MultiViewDataset | None
) -> tuple[PretrainConfig, MultiViewDataset, Pairs, Method, SavedHead | None]:
    """Settings with every choice made, the data, and what learns; nothing is written."""
    cls = METHODS.get(config.method)
    asked, select = config.select, chosen_by(config.method, config.select)
    config = complete(replace(config, method_options=config.method_options or cls.Config(), select=select))
    dataset = dataset or open_dataset(config)
    pairs = split_pairs(config, dataset)
    if pairs.held_out is None:
        config = replace(config, select=_unmeasured(asked))
    config = replace(config, sampling=pairs.learn.sampling.as_request())
    check_room(pretrain_needs(config, pairs, every=False), config)
    torch.manual_seed(config.seed)
    method: Method = cls(tuple(pairs.learn.dims.values()), pairs.learn.views, config.method_options)
    method.set_clock(dataset.source.fps, pairs.learn.sampling.chunk_frames)
    teacher = _give_teacher(config, method)
    return with_epochs(config, method, pairs), dataset, pairs, method, teacher


def run_pretrain(config: PretrainConfig, dataset: MultiViewDataset | None = None) -> Path:
    """Learn a refiner and write its run folder; returns the path of ``refiner.safetensors``.

    Args:
        config: settings.
        dataset: what to learn from; None opens what the settings name.
    """
    begun = begin_pretrain(config, dataset)
    config, method, views = begun.config, begun.method, begun.pairs.learn.views
    threads = choose_threads(config.trainer, method, max(method.dims), begun.folder, config.resume)
    facts = {"name": config.name or config.method, "trained_on": views, "method": config.method, "threads": threads}
    write_environment(begun.folder, begun.dataset, config.seed, **facts)
    with using_threads(threads):
        return _learn(begun)


def _learn(begun: Begun) -> Path:
    """Fit the method, and write what it leaves behind; returns the path of that."""
    config, dataset, pairs, method, folder = begun.config, begun.dataset, begun.pairs, begun.method, begun.folder
    if method.needs_pass:
        _show_all_pairs(method, pairs, config.batch_size)
    if config.compile:
        compile_layers(method)
    chosen, warnings = "closed form" if method.fit == "closed_form" else "features as they are", list[str]()
    if method.fit == "gradient":
        chosen, warnings = _fit_by_gradient(config, method, pairs, folder, begun.checkpoint)
    teacher = begun.teacher
    path = folder / ("refiner.safetensors" if teacher is None else "head.safetensors")
    if not is_main_process():
        return path  # the first process writes it
    _finish(begun, chosen, warnings)
    if teacher is None:
        return path
    # A method that distils a head leaves the student behind, beside a refiner that changes nothing.
    assert isinstance(method.student, Head)
    learned = together(teacher.extra.get("learned_from", {}), method.refiner.extra["learned_from"])
    extra = teacher.extra | kept(pairs.learn.sampling, dataset, pairs.learn.views) | {"learned_from": learned}
    student = replace(teacher, head=method.student.cpu(), views=method.views, fps=dataset.source.fps, extra=extra)
    save_head(path, student)
    return path


def run_content(config: PretrainConfig, dataset: MultiViewDataset, pairs: Pairs) -> RunContent:
    """What a pre-training rests on."""
    items = {"pairs": pairs.learn.items, "held-out": pairs.held_out.items if pairs.held_out is not None else ()}
    files = {} if config.teacher is None else {"teacher": Path(config.teacher) / "head.safetensors"}
    compare = config.compare_features
    labelled = pairs.learn.labels is not None
    return RunContent(dataset, items, pairs.learn.views, labelled=labelled, files=files, compare=compare)


def chosen_by(method: str, select: Choice | None) -> Choice:
    """What chooses a method's checkpoint: what was asked for, or what fits it best.

    Raises:
        ConfigError: it doesn't change while this method learns.
    """
    possible: tuple[Choice, ...] = METHODS.get(method).chosen_by
    if select is not None and select not in possible:
        raise ConfigError(
            f"--select {select} says nothing about the method {method!r}: it is not what changes while it learns. "
            f"Choose one of {listed(possible)}, or leave --select out for {possible[0]}."
        )
    return select or possible[0]


def _unmeasured(select: Choice | None) -> Choice:
    """What chooses the checkpoint where nothing is held out: nothing; `ConfigError` where something was asked for."""
    if select not in (None, "last"):
        raise ConfigError(
            f"--select {select} needs a pair recording with all of the views, held out, and there is none. Leave it "
            "out: the last epoch is kept."
        )
    return "last"


def with_epochs(config: PretrainConfig, method: Method, pairs: Pairs) -> PretrainConfig:
    """The settings with a number of epochs that gives the method enough steps, where none was set."""
    if method.fit != "gradient":
        config = replace(config, epochs=config.epochs or 1)
    return with_length(config, len(pairs.learn), "method", 60, method.least_steps, 100)


def _give_teacher(config: PretrainConfig, method: Method) -> SavedHead | None:
    """Hand a distilling method the head it follows; others need none, and refuse one."""
    needs = method.requires == "teacher_head"
    if needs != (config.teacher is not None):
        does = "needs --teacher RUN, the folder of a head trained on its first view" if needs else "takes no --teacher"
        raise ConfigError(f"Method {config.method!r} {does}.")
    if config.teacher is None:
        return None
    saved = read_head(Path(config.teacher) / "head.safetensors")
    method.with_teacher(saved.head)  # type: ignore[operator]  # what requires="teacher_head" promises
    return saved


def _fit_by_gradient(
    config: PretrainConfig, method: Method, pairs: Pairs, folder: Path, checkpoint: Path | None
) -> tuple[str, list[str]]:
    """Train, and load the chosen epoch's weights into the method; returns which was kept, and what to be wary of."""
    monitor = None if config.select == "last" else f"val/{config.select}"
    mode: Literal["min", "max"] = "min" if config.select in ("loss", "last") else "max"
    module = PretrainingModule(method, pairs, config)
    assert config.epochs is not None
    start = Start.of(config, method, pairs) if method.keeps_start and monitor is not None else None
    trainer = build_trainer(config.trainer, folder, config.epochs, config.seed, monitor, mode)
    with going_on(checkpoint, module, trainer):
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    name = "last" if monitor is None else "best"
    state = read_checkpoint(folder / "checkpoints" / f"{name}.ckpt", module)
    module.load_state_dict(state["state_dict"])
    if start is not None and start.no_worse_than(config, method, pairs):
        method.load_state_dict(start.state)
        return f"start (none of {config.epochs} epochs was better)", []
    warnings, every = [], trainer.check_val_every_n_epoch or 1
    if name == "best":
        warnings = against_first_epoch(config.method, state["epoch"] + 1, every, config.epochs)
    return f"{name} epoch ({state['epoch'] + 1} of {config.epochs})", warnings


@dataclass(frozen=True)
class Start:
    """What a method was before its first step, and what that is worth on held-out pairs."""

    state: dict[str, Tensor]
    value: float

    @classmethod
    def of(cls, config: PretrainConfig, method: Method, pairs: Pairs) -> "Start":
        """The method as it is now; a resumed run comes by the same."""
        state = {name: value.detach().cpu().clone() for name, value in method.state_dict().items()}
        return cls(state, _chosen_value(config, method, pairs))

    def no_worse_than(self, config: PretrainConfig, method: Method, pairs: Pairs) -> bool:
        """Whether the method as it is now is no better by what chooses its checkpoint."""
        value = _chosen_value(config, method, pairs)
        return value >= self.value if config.select == "loss" else value <= self.value


def _chosen_value(config: PretrainConfig, method: Method, pairs: Pairs) -> float:
    """What chooses the checkpoint, of the method as it is."""
    device = pick_device(config.trainer.device_kind)
    assert config.select is not None and pairs.held_out is not None, "nothing to choose by is select=last"
    return held_out_measures(method.to(device), pairs.held_out, config.batch_size, device).values[config.select]


def compile_layers(method: Method, backend: str = "inductor") -> None:
    """Compile every encoder layer in place, for any number of steps; names and weights stay as they are.

    Raises:
        ConfigError: over time or the batch, the lengths of rows would be compiled in, and every batch anew.
    """
    context = getattr(method.config, "context", None)
    if context != "frame":
        what = "has no encoder layers" if context is None else f"has context {context}"
        raise ConfigError(f"--compile true needs a method with context frame, but this one {what}. Leave it out.")
    for part in method.modules():
        if isinstance(part, EncoderLayer):
            part.compile(dynamic=True, backend=backend)


def _show_all_pairs(method: Method, pairs: Pairs, batch_size: int) -> None:
    """A pass over the windows, or more, without augmentation, then the solution of what depends on them all."""
    learn, missing = pairs.learn, MissingFrames()
    still = replace(learn.sampling, augment_probability=0.0)
    windows = ViewWindows(learn.source, learn.items, learn.views, still, least_views=learn.least_views)
    passes = iter(range(1, method.passes + 1))

    def batches() -> Iterator[ViewBatch]:
        number = next(passes)
        of = f", pass {number} of {method.passes}" if method.passes > 1 else ""
        for batch in track(make_view_loader(windows, batch_size), f"Reading pairs{of}"):
            if number == 1:
                missing.note_views(batch)
            yield batch

    method.show_all(batches)
    missing.say(learn.sampling.missing_frames)
    if method.chosen:
        say(f"note: {method.chosen}.")


def _finish(begun: Begun, chosen: str, warnings: list[str]) -> None:
    """Write what was measured on held-out pairs, and then the refiner; say out loud if nothing came of it."""
    config, dataset, pairs, method, folder = begun.config, begun.dataset, begun.pairs, begun.method, begun.folder
    learned = learned_from(run_content(config, dataset, pairs))
    facts = {"kept": chosen, "seed": config.seed, "data": dataset.name, "fps": dataset.source.fps}
    facts |= {} if pairs.learn.labels is None else {"labels": "pairs"}
    method.refiner.extra = facts | kept(pairs.learn.sampling, dataset, pairs.learn.views) | {"learned_from": learned}
    values, shown = dict[str, float](), "nothing was held out to measure it on"
    if pairs.held_out is not None:
        device = pick_device(config.trainer.device_kind)
        held = held_out_measures(method.to(device).eval(), pairs.held_out, config.batch_size, device, with_plain=True)
        values, shown = held.values, f"held-out {_in_words(config, method, held.values)}"
        warnings = on_held_out(config.method, method.refiner, held) or warnings
    # JSON knows no NaN: a measure that isn't finite is null there, and the warning says so.
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    write_json(
        folder / "invariance.json",
        {"kept": chosen, "select": config.select, "chosen": method.chosen, "held_out": finite, "warnings": warnings},
    )
    save_refiner(method.refiner, folder / "refiner.safetensors")
    show(warnings)
    err.print(f"Kept the {chosen}; {shown}.", markup=False)


def _in_words(config: PretrainConfig, method: Method, values: Mapping[str, float]) -> str:
    """The measure that chose the epoch, or would have, and what it is held against."""
    assert config.select is not None
    measure = type(method).chosen_by[0] if config.select == "last" else config.select
    shown = f"loss {values['loss']:.4g}" if measure == "loss" else f"{measure} {values[measure]:.1f} %"
    if measure == "retrieval":
        before = values.get("plain_retrieval")
        of_plain = f"plain features {before:.1f} %, " if before is not None else ""
        shown += f", {of_plain}chance {values['chance']:.1f} %"
    return shown
