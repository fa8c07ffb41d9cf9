"""The Lightning trainer every run uses: devices, precision, checkpoints, logs, progress."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, RichProgressBar
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.plugins.precision import DoublePrecision

from viewloom.errors import ConfigError
from viewloom.files import atomic_path, write_csv
from viewloom.logged import read_logged
from viewloom.training.csv_logger import ResumedCSV
from viewloom.training.length import validation_interval
from viewloom.training.loggers import make_logger
from viewloom.training.resuming import read_whole
from viewloom.training.settings import TrainerConfig


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are whole or not there, so that a run killed while saving can still resume."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write beside ``path``, then take its place; straight to the disk, since Lightning's own way holds a whole
        copy in memory, and what a killed one wrote in the system's folder for temporary files."""
        with atomic_path(path, bytes_in(checkpoint)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read one that holds all that a run goes on from, on the CPU."""
        return read_whole(Path(path))


def bytes_in(value: Any) -> int:
    """Bytes of all tensors in tables and lists."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(map(bytes_in, inside))


class DoubleBatches(DoublePrecision):
    """Float64 arithmetic on our batches, whose frozen parts Lightning's own conversion refuses."""

    def convert_input(self, data: Any) -> Any:
        """The batch with its features in float64."""
        return data.with_numbers(torch.float64)


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt``, from which a stopped run goes on, every so many epochs and at the end.

    What a run that stopped did after its last checkpoint is done again, with the same result.
    """

    def __init__(self, path: Path, every_epochs: int) -> None:
        self.path = path
        self.every_epochs = every_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save where it is due; all processes take part."""
        done = trainer.current_epoch + 1
        if done % self.every_epochs == 0 or done == trainer.max_epochs:
            step = trainer.fit_loop.epoch_loop._batches_that_stepped - 1  # as Lightning logs it in a moment
            for logger in (one for one in trainer.loggers if isinstance(one, ResumedCSV)):
                logger.save_with(trainer.logged_metrics | {"epoch": trainer.current_epoch}, step)
            trainer.save_checkpoint(self.path)


class MetricsFile(Checkpoint):
    """Keeps ``metrics.csv``: one row an epoch, all logged values; a resumed run goes on in the same file.

    A `Checkpoint` because Lightning calls these after the module's own ``on_train_epoch_end``, where the
    validation scores are logged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the rows of the epochs before a resumption."""
        if self.path.exists():
            self.rows = [row for row in read_logged(self.path) if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add this epoch's row."""
        # Lightning keeps the last validation's values; an epoch without one gets blanks, not a repetition.
        stale = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) != 0
        logged = {n: v for n, v in trainer.callback_metrics.items() if not (stale and n.startswith("val/"))}
        values = {name: f"{float(value):.6g}" for name, value in logged.items()}
        row = {"epoch": str(trainer.current_epoch), "step": str(trainer.global_step)} | values
        self.rows.append(row)
        if trainer.is_global_zero:
            columns = list(dict.fromkeys(name for row in self.rows for name in row))
            write_csv(self.path, columns, ([row.get(name, "") for name in columns] for row in self.rows))


class EpochSeed(Callback):
    """Seeds torch anew at each epoch from (seed, epoch, process), so that a resumed run draws the same."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed at the first batch: until there, a run that begins and one in its course draw differently often."""
        if batch_idx == 0:
            torch.manual_seed(self.seed * 1_000_003 + trainer.current_epoch * 1_009 + trainer.global_rank)


class FiniteLoss(Callback):
    """Stops a run before the step that a loss which is not a number would spoil."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Look at the gradients' norm: it is finite only where loss and gradients are."""
        norms = [p.grad.norm() for p in pl_module.parameters() if p.grad is not None]
        if norms and not torch.stack(norms).sum().isfinite() and not trainer.precision.startswith("16"):
            raise ConfigError(
                f"The loss or its gradient is not finite in epoch {trainer.current_epoch}. Lower --optim.lr, set "
                "--trainer.gradient_clip 1, or look for odd features with `viewloom check`."
            )


def build_trainer(
    config: TrainerConfig,
    folder: Path,
    epochs: int,
    seed: int,
    monitor: str | None,
    mode: Literal["min", "max"],
) -> Trainer:
    """A trainer that writes into a run folder.

    Args:
        config: devices and the like.
        folder: the run folder.
        epochs: epochs to train.
        seed: seed of everything that is drawn.
        monitor: logged value that chooses the best checkpoint; None keeps only the last.
        mode: whether the best value is the smallest or the largest.

    Raises:
        ConfigError: not one epoch would be validated, so there would be no best one.
    """
    validate_every = config.validate_every_epochs or validation_interval(epochs)
    if monitor is not None and validate_every > epochs:
        raise ConfigError(
            f"--trainer.validate_every_epochs {validate_every} is more than --epochs {epochs}, so no "
            "epoch could be chosen. Lower it."
        )
    quieten()
    seed_everything(seed, workers=False, verbose=False)
    callbacks: list[Callback] = [
        # First the rows, then what a resumed run goes on from: one that is killed in between loses no epoch's row.
        MetricsFile(folder / "metrics.csv"),
        *make_checkpoints(folder / "checkpoints", monitor, mode, replace(config, validate_every_epochs=validate_every)),
        EpochSeed(seed),
        FiniteLoss(),
    ]
    double = config.precision in ("64", "64-true", 64)
    if config.progress:
        callbacks.append(ProgressBar(leave=False))
    return Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        precision=None if double else config.precision,  # type: ignore[arg-type]
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.gradient_clip,
        check_val_every_n_epoch=validate_every,
        max_epochs=epochs,
        logger=make_logger(config.logger, folder) or False,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), *([DoubleBatches()] if double else [])],
        enable_model_summary=False,
        enable_progress_bar=config.progress,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
        default_root_dir=folder,
    )


class ProgressBar(RichProgressBar):
    """Without the logger's version number, which says nothing about a run that has a folder of its own."""

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What is shown beside the bar."""
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


def at_epoch(trainer: Trainer, loader: Any) -> Any:
    """A loader whose batches begin with the epoch that comes.

    Lightning lets workers read ahead as soon as a loader is there, before it tells the epoch; a resumed run would
    draw those of epoch 0 again. ``current_epoch`` is one behind until the run has begun.
    """
    progress: Any = trainer.fit_loop.epoch_progress.current
    loader.batch_sampler.set_epoch(progress.processed)
    return loader


def rows_in_batch(trainer: Trainer, place: int) -> int:
    """Rows of all processes in a batch, by its place in the epoch: its weight in an epoch's mean."""
    loader: Any = trainer.train_dataloader
    return int(loader.batch_sampler.rows_in(place))


def quieten() -> None:
    """Keep Lightning's hints and known false alarms away from users; its real warnings stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    frozen = ".*in eval mode at the start of training.*"  # a frozen refiner is meant to be
    for message in (".*does not have many workers.*", ".*LeafSpec.*", ".*Checkpoint directory.*not empty.*", frozen):
        warnings.filterwarnings("ignore", message)


class BestCheckpoint(ModelCheckpoint):
    """`ModelCheckpoint` that still knows its best epoch after the run's folder was moved."""

    @property
    def state_key(self) -> str:
        """Lightning's own key, under which earlier versions kept the state in their checkpoints."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take all paths as being in the folder where the run is now; Lightning forgets the best score otherwise."""
        assert self.dirpath is not None
        here = Path(self.dirpath)
        moved = dict(state_dict, dirpath=self.dirpath)
        for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
            moved[name] = str(here / Path(moved[name]).name) if moved.get(name) else ""
        moved["best_k_models"] = {str(here / Path(path).name): score for path, score in moved["best_k_models"].items()}
        super().load_state_dict(moved)
        self.current_score = state_dict.get("current_score")  # Lightning keeps it, and doesn't take it up again


def make_checkpoints(
    folder: Path, monitor: str | None, mode: Literal["min", "max"], config: TrainerConfig
) -> list[Callback]:
    """``best.ckpt``, the weights of the epoch with the best monitored value (if any), and ``last.ckpt``."""
    where = folder.resolve()
    last = LastCheckpoint(where / "last.ckpt", config.checkpoint_every_epochs)
    if monitor is None:
        return [last]
    best = BestCheckpoint(
        where,
        "best",
        monitor=monitor,
        mode=mode,
        every_n_epochs=config.validate_every_epochs or 1,
        save_on_train_epoch_end=True,
        save_weights_only=True,
        enable_version_counter=False,
    )
    return [best, last]
