"""`viewloom train`: a segmentation head on labelled windows of any views, with or without a frozen refiner.

With ``teach_on_pairs`` it is a student: its teacher is trained first, as a run of its own inside, and labels the pairs.
"""

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from viewloom.console import err
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import common_dim, pooled_dim
from viewloom.heads.base import Head
from viewloom.heads.multilabel import for_classes
from viewloom.metrics.multilabel import SUMMED
from viewloom.registry import HEADS
from viewloom.training.agreement import Compared, percent
from viewloom.training.calibrate import fit_calibration
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.confidence import KEY as CALIBRATION
from viewloom.training.durations import KEY, training_durations
from viewloom.training.evaluate import item_scores, select_views
from viewloom.training.learned import against_majority, warn
from viewloom.training.length import with_length
from viewloom.training.lesson import Lesson, plan_lesson
from viewloom.training.loggers import refuse_missing
from viewloom.training.missing import MissingFrames
from viewloom.training.plan_memory import check_room, train_needs
from viewloom.training.provenance import learned_from
from viewloom.training.refined import FrozenRefiner
from viewloom.training.resuming import going_on, read_checkpoint
from viewloom.training.run_identity import RunContent
from viewloom.training.runs import (
    alone_in_run,
    is_main_process,
    keep_copy,
    prepare_run,
    refuse_other_features,
    refuse_taken,
    say,
    wait_for,
    write_environment,
)
from viewloom.training.sampling import kept, own_pooling, run_sampling, segment_frames
from viewloom.training.scaling import take_statistics
from viewloom.training.schedules import lr_schedule, schedule_callbacks
from viewloom.training.segmenter import Segmenter
from viewloom.training.settings import TrainConfig
from viewloom.training.step_loss import loss_on
from viewloom.training.taught import Soft
from viewloom.training.teach import (
    FOLDER,
    accelerator_of,
    keep_agreement,
    taught_labels,
    teacher_config,
    teaching_of,
)
from viewloom.training.threads import choose_threads, using_threads
from viewloom.training.trained import TrainedHead
from viewloom.training.trainer import at_epoch, build_trainer, rows_in_batch
from viewloom.training.waiting import with_lookahead
from viewloom.windows.batch import SegmentBatch
from viewloom.windows.resident import ResidentSegments, resident
from viewloom.windows.sampling import resolve_sampling
from viewloom.windows.segments import EpochBatches, SegmentRow, SegmentWindows, dataset_windows, make_loader
from viewloom.windows.taught import TaughtWindows

SCORES = 5
"""Scores that a total is the sum of."""


class SegmentationModule(LightningModule):
    """The head's training steps; the refiner before it, if any, is frozen and in evaluation mode.

    Args:
        head: what is trained.
        refiner: what stands before it, or None.
        dataset: opened data set.
        config: the run's settings; its sampling is resolved.
        lesson: what a student is taught on; None where there is no teacher.

    Attributes:
        asked: the settings before its length was filled in.
        soft: what the teacher says of the pairs, once it did.
    """

    def __init__(
        self,
        head: Head,
        refiner: Any | None,
        dataset: MultiViewDataset,
        config: TrainConfig,
        lesson: Lesson | None = None,
    ) -> None:
        super().__init__()
        self.head = head
        self.refiner = refiner
        self.frozen = None if refiner is None else FrozenRefiner(refiner, config.refined_cache_gib, dataset.source.fps)
        self.dataset = dataset
        self.config = config
        self.sampling = resolve_sampling(config.sampling, dataset.source.fps)
        self.views = select_views(config.views, dataset)
        self.val_views = select_views(config.val_views or config.views, dataset)
        self.val_items = validation_items(dataset)
        self.missing = MissingFrames()
        self.asked = config
        self.lesson = lesson
        self.soft: Soft = {}
        self.compared: Compared | None = None

    def windows(self, seed: int | None = None) -> SegmentWindows:
        """The windows of an epoch, labelled and taught ones; without augmentation where ``seed`` is None."""
        dataset, items = self.dataset, self.dataset.items("train")
        refined = self.frozen.kept if self.frozen is not None else ()
        if self.lesson is None:
            return dataset_windows(dataset, items, self.views, self.sampling, seed, refined)
        teaching = teaching_of(self.config, dataset, self.lesson, self.soft)
        return TaughtWindows(dataset, items, self.views, self.sampling, seed, refined, teaching)

    def on_fit_start(self) -> None:
        """Take the statistics of the head's input; a resumed run has them from its checkpoint."""
        if self.head.needs_statistics:
            take_statistics(self.head, self.frozen, self.windows(), self.device, self.config.workers)

    def train_dataloader(self) -> DataLoader[SegmentRow] | ResidentSegments:
        """Shuffled, augmented windows; this process's share of each global batch."""
        config, windows = self.config, self.windows(self.config.seed)
        rank, world = self.trainer.global_rank, self.trainer.world_size
        sampler = EpochBatches(len(windows), config.batch_size, config.seed, rank, world)
        held = resident(ResidentSegments, windows, sampler, self.device, config.trainer.device_data)
        if held is not None:
            return held
        loader = make_loader(windows, config.batch_size, config.seed, config.workers, rank, world)
        return at_epoch(self.trainer, loader)  # type: ignore[no-any-return]

    def training_step(self, batch: SegmentBatch, place: int) -> Tensor:
        """One batch: refine, segment, loss; the parts are logged as epoch means."""
        if self.current_epoch == 0:
            for window, view, frames in zip(batch.windows, batch.views, batch.missing_frames, strict=True):
                self.missing.note(window.item, view, frames)
        if self.frozen is not None:
            batch = self.frozen.refine(batch)
        levels = self.head(batch.features_BTD, batch.mask_BT)
        loss = loss_on(self.head, levels, batch, self.config.teach.weight)
        values = {"train/loss": loss.total} | {f"train/{name}": part for name, part in loss.parts.items()}
        rows = rows_in_batch(self.trainer, place)
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        return loss.total

    def on_train_epoch_end(self) -> None:
        """Score the validation items, and log them; the checkpoint is chosen by ``val/total``.

        A student's by ``val/choice``: the mean of the five scores behind ``val/total`` and of ``val/taught``, its
        agreement with the teacher in the views that the teacher never saw, on held-out pairs. Validation labels alone
        are of the labelled views, where a student is good long before it is in others, and often as good as can be:
        the first such epoch would be kept. No label of another view is used.
        """
        if self.current_epoch == 0:
            self.missing.say(self.sampling.missing_frames)
        if not self.val_items or (self.current_epoch + 1) % (self.trainer.check_val_every_n_epoch or 1):
            return
        self.head.eval()
        scores = item_scores(self.dataset, self.val_items, self.val_views, self._validator())
        summed = len(SUMMED) if self.head.multi else SCORES
        scores |= self._agreement(scores["total"] / summed)
        self.head.train()
        # Every process scores all items, so the values agree without being synchronised.
        self.log_dict({f"val/{name}": value for name, value in scores.items()}, rank_zero_only=False)

    def _agreement(self, labelled: float) -> dict[str, float]:
        """A student's ``taught`` and ``choice``, percent; ``labelled`` is its mean score on validation items."""
        if self.lesson is None:
            return {}
        if self.compared is None:
            items = self.lesson.held_out or self.lesson.learn
            self.compared = Compared(self.dataset, items, self.lesson.others, self.soft)
        taught = percent(self.compared.counts(self._validator()).values())
        return {"choice": labelled} if taught is None else {"taught": taught, "choice": (labelled + taught) / 2}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the frozen refiner out: it is in the run folder, and would be written anew at every epoch."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: value for name, value in state.items() if not name.startswith("refiner.")}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put it back."""
        own = {name: value for name, value in self.state_dict().items() if name.startswith("refiner.")}
        checkpoint["state_dict"] = own | checkpoint["state_dict"]

    def _validator(self) -> Segmenter:
        """The chain for validation: no averaging over chunk sizes, which would cost three times as much."""
        sampling = replace(self.sampling, test_chunks=(self.sampling.chunk_frames,))
        return Segmenter(self.head, self.frozen, sampling, self.device, self.config.batch_size)

    def configure_optimizers(self) -> Any:
        """Adam, and a learning rate that falls as the settings say: step by step, as published for C2F-TCN."""
        optim = self.config.optim
        fused = self.config.trainer.fused_optimiser
        adam = torch.optim.Adam(self.head.parameters(), lr=optim.lr, weight_decay=optim.weight_decay, fused=fused)
        assert self.config.epochs is not None, "run_train fills it in"
        return {"optimizer": adam, **lr_schedule(adam, optim, self.config.epochs)}


def validation_items(dataset: MultiViewDataset) -> tuple[Item, ...]:
    """Items of the validation split; none where the splits have no such list."""
    return dataset.items("val") if dataset.splits is not None and dataset.splits.val else ()


def begin_train(
    config: TrainConfig, dataset: MultiViewDataset | None = None
) -> tuple[SegmentationModule, Path, Path | None]:
    """Make or re-enter the run folder of a head's training.

    Returns:
        What is trained (its ``config`` has every choice made), the folder, and the checkpoint to go on from.
    """
    refuse_taken(Path(config.run), config.resume)
    refuse_missing(config.trainer.logger)
    config = complete(replace(config, head_options=config.head_options or HEADS.settings(config.head)()))
    dataset = dataset or open_dataset(config)
    if dataset.labels is None:
        raise DataError(f"{dataset.root} has no labels, and a head can't be trained without. Pass --labels.")
    module = build_module(config, dataset)
    module.asked, module.config = module.config, with_epochs(module)
    check_room(train_needs(module, every=False), module.config)
    folder, checkpoint = prepare_run(module.config, run_content(module.config, module))
    return module, folder, checkpoint


def run_train(config: TrainConfig, dataset: MultiViewDataset | None = None) -> Path:
    """Train a head and write its run folder; returns the path of ``head.safetensors``.

    Args:
        config: settings.
        dataset: what to train on; None opens what the settings name.
    """
    with alone_in_run(config.run, "viewloom train", config.resume):
        return _train(config, dataset)


def _train(config: TrainConfig, dataset: MultiViewDataset | None) -> Path:
    """What `run_train` does, in a folder that is its own."""
    module, folder, checkpoint = begin_train(config, dataset)
    config, dataset = module.config, module.dataset
    largest = max(dataset.source.dim(view) for view in module.views)
    threads = choose_threads(config.trainer, module, largest, folder, config.resume)
    facts = {"name": config.name or folder.name, "trained_on": module.views, "threads": threads}
    write_environment(folder, dataset, config.seed, **facts)
    if config.refiner is not None and is_main_process():
        keep_copy(Path(config.refiner), folder / "refiner.safetensors")
    monitor = ("val/total" if module.lesson is None else "val/choice") if module.val_items else None
    assert config.epochs is not None
    if module.lesson is not None:
        module.soft = taught(module, module.lesson, folder)
    trainer = build_trainer(config.trainer, folder, config.epochs, config.seed, monitor, "max")
    trainer.callbacks += schedule_callbacks(config.optim)  # type: ignore[attr-defined]
    with using_threads(threads), going_on(checkpoint, module, trainer):
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    if trainer.global_rank:
        return folder / "head.safetensors"  # the first process writes it
    return finish(folder, module, bool(monitor) and config.keep == "best")


def taught(module: SegmentationModule, lesson: Lesson, folder: Path) -> Soft:
    """What a student's teacher says of the pairs; it is trained, or goes on, before."""
    if not (folder / FOLDER / "head.safetensors").exists():
        say(f"First the teacher, in {folder / FOLDER}.")
        run_train(teacher_config(module.asked, folder), module.dataset)
        gc.collect()  # a trainer and its module refer to each other: what the teacher's refiner kept goes only now
    wait_for(folder / FOLDER / "head.safetensors")
    return taught_labels(module.config, module.dataset, lesson, module.sampling, folder)


def run_content(config: TrainConfig, module: SegmentationModule) -> RunContent:
    """What a head's training rests on; a resumed one whose refiner is gone goes on with its own copy."""
    items, views_of = {"train": module.dataset.items("train"), "val": module.val_items}, {}
    views = tuple(dict.fromkeys((*module.views, *module.val_views)))
    if module.lesson is not None:
        of_pairs = {"pairs": module.lesson.learn, "held-out": module.lesson.held_out}
        items, views_of = items | of_pairs, dict.fromkeys(of_pairs, module.lesson.used)
    files = {}
    if config.refiner is not None:
        path, own = Path(config.refiner), Path(config.run) / "refiner.safetensors"
        files["refiner"] = own if config.resume and not path.exists() and own.exists() else path
    return RunContent(
        module.dataset,
        items,
        views,
        unlabelled=tuple(views_of),
        views_of=views_of,
        files=files,
        compare=config.compare_features,
    )


def with_epochs(module: SegmentationModule) -> TrainConfig:
    """The settings with a number of epochs that gives the head enough steps, where none was set."""
    windows = max(1, len(module.windows()))
    return with_length(module.config, windows, "head", 100, type(module.head).least_steps, 40)


def build_module(config: TrainConfig, dataset: MultiViewDataset) -> SegmentationModule:
    """Head, refiner and data of a run, checked against each other before anything is written."""
    assert dataset.labels is not None
    refiner, pooling = None, None
    if config.refiner is not None:
        from viewloom.methods.refiner_file import load_refiner

        refuse_other_features(Path(config.refiner).parent, dataset)
        own = Path(config.run) / "refiner.safetensors"  # a resumed run goes on with the refiner it began with
        refiner = load_refiner(own if config.resume and own.exists() else config.refiner).freeze()
        pooling = own_pooling(refiner.extra, config.sampling, config.refiner)
    views, lesson = select_views(config.views, dataset), None
    used = tuple(dict.fromkeys((*views, *select_views(config.val_views or config.views, dataset))))
    if config.teach_on_pairs:
        lesson = plan_lesson(config, dataset, views, lambda view: misfit(dataset, refiner, pooling, view))
        config = replace(config, teach=replace(config.teach, views=",".join(lesson.views)))
    looked_at = dataset.items("train"), views
    if lesson is not None:
        looked_at, used = (looked_at[0] + lesson.items, lesson.used), tuple(dict.fromkeys((*used, *lesson.used)))
    sampling = run_sampling(
        config.sampling, dataset, *looked_at, segment_frames(dataset, dataset.items("train")), pooling
    )
    if refiner is None:
        dim = pooled_dim(common_dim(dataset.source, used, "A head"), sampling.pooling)
    else:
        for view in used:
            if (reason := misfit(dataset, refiner, pooling, view)) is not None:
                raise ConfigError(f"{config.refiner}: {reason}")
        dim = refiner.out_dim
    config, cls = with_lookahead(config, sampling, dataset.source.fps), HEADS.get(config.head)
    torch.manual_seed(config.seed)
    head = cls(dim, len(dataset.labels.actions), config.head_options)
    head = for_classes(head) if dataset.labels.mode == "multi" else head
    return SegmentationModule(head, refiner, dataset, replace(config, sampling=sampling.as_request()), lesson)


def misfit(dataset: MultiViewDataset, refiner: Any | None, pooling: Any, view: str) -> str | None:
    """Why a refiner can't take a view's features in its pooling; None where it can, or there is no refiner."""
    if refiner is None:
        return None
    reason: str | None = refiner.misfit(view, pooled_dim(dataset.source.dim(view), pooling[0]))
    return reason


def finish(folder: Path, module: SegmentationModule, best: bool) -> Path:
    """Write ``head.safetensors`` from the chosen checkpoint."""
    name = "best" if best else "last"
    checkpoint = read_checkpoint(folder / "checkpoints" / f"{name}.ckpt", module)
    weights = checkpoint["state_dict"]
    prefix = "head."
    module.head.load_state_dict({k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)})
    items, views = module.val_items, module.val_views
    # Before the head, which is what says that a run is finished.
    warn(folder, against_majority(module.dataset, items, views, folder, checkpoint["epoch"]))
    labels = module.dataset.labels
    assert labels is not None
    learned = learned_from(run_content(module.config, module))
    extra = {"epoch": checkpoint["epoch"], "kept": name, "seed": module.config.seed, "learned_from": learned}
    extra |= kept(module.sampling, module.dataset, module.views)
    if not module.head.multi:
        extra |= {KEY: training_durations(module.dataset, module.dataset.items("train"))}
    saved = SavedHead(module.head, labels.actions, module.views, module.dataset.source.fps, extra)
    chain = TrainedHead(**vars(saved), refiner=module.refiner)
    segmenter = chain.segmenter(module.sampling, accelerator_of(module.config))
    calibration = fit_calibration(module.dataset, items, views, segmenter)
    extra[CALIBRATION] = calibration.to_json()
    if module.lesson is not None:
        keep_agreement(folder, module.dataset, module.lesson, module.soft, segmenter)
    save_head(folder / "head.safetensors", saved)
    err.print(f"Kept the {name} epoch ({checkpoint['epoch'] + 1} of {module.config.epochs}).")
    err.print(f"Confidence: {calibration.words}", markup=False)
    return folder / "head.safetensors"
