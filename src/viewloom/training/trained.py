"""A trained head with all that it needs: the refiner before it, its sampling, and what it learned from."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError
from viewloom.methods.refiner import Refiner
from viewloom.methods.refiner_file import load_refiner
from viewloom.remote import local_folder
from viewloom.training.checkpoints import SavedHead, read_head
from viewloom.training.confidence import Calibration, calibration_of
from viewloom.training.refined import FrozenRefiner
from viewloom.training.runs import environment_of, refuse_other_backbone
from viewloom.training.sampling import own_pooling, used_sampling, warn_assumed_fps
from viewloom.training.segmenter import Segmenter, pick_device
from viewloom.training.settings import EvaluateConfig, PredictConfig
from viewloom.training.streamed import streams
from viewloom.windows.sampling import Sampling

HEAD_FILE, REFINER_FILE = "head.safetensors", "refiner.safetensors"


@dataclass(frozen=True, repr=False)
class TrainedHead(SavedHead):
    """What `viewloom.train` gives and `viewloom.load_head` reads: enough to score and to predict anywhere.

    What `SavedHead` holds, and beside it:

    Attributes:
        refiner: what stands before it, or None.
        run: its run folder, or None where none was kept.
        environment: where it was trained (versions, seed, data).
    """

    refiner: Refiner | None = None
    run: Path | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in tables; older runs kept it as ``row``."""
        where = self.run.name if self.run is not None else "head"
        return str(self.environment.get("name", self.environment.get("row", where)))

    @property
    def where(self) -> str:
        """Its run folder, for messages."""
        return str(self.run) if self.run is not None else f"the head {self.name}"

    @property
    def extras(self) -> tuple[Mapping[str, Any], ...]:
        """What was stored with the head, and with the refiner before it."""
        return self.extra, {} if self.refiner is None else self.refiner.extra

    @property
    def calibration(self) -> Calibration:
        """The temperature of its probabilities, 1 unless one was fitted; `DataError` for one that can't be used."""
        return calibration_of(self.extra, self.where)

    def behind(self, path: str | None) -> TrainedHead:
        """The same head behind another refiner's file; None: as it is."""
        return self if path is None else replace(self, refiner=load_refiner(path))

    def segmenter_on(self, dataset: MultiViewDataset, config: EvaluateConfig | PredictConfig) -> Segmenter:
        """The chain on a data set, with its sampling in seconds as it was trained, but for what is set.

        Raises:
            ConfigError: features made otherwise than those it was trained on, where both are known; see `segmenter`.
        """
        warn_assumed_fps(dataset)
        refuse_other_backbone(self.environment.get("backbone", {}), self.where, dataset)
        sampling = used_sampling(config.sampling, self.extra, self.fps, dataset)
        return self.segmenter(sampling, config.accelerator, config.batch_size, dataset.source.fps)

    def segmenter(
        self, sampling: Sampling, accelerator: str = "auto", batch_size: int = 8, fps: float | None = None
    ) -> Segmenter:
        """The chain of refiner and head, ready to compute: copies, so that nothing happens to its own.

        Args:
            sampling: windows and chunks.
            accelerator: device.
            batch_size: windows computed at once.
            fps: frames a second of the features; None: those of the training.

        Raises:
            ConfigError: the refiner's features don't fit the head, or a device that isn't there.
        """
        device = pick_device(accelerator)
        frozen = None
        if self.refiner is not None:
            own_pooling(self.refiner.extra, SamplingConfig(pooling=sampling.pooling), "The refiner")
            if self.refiner.out_dim != self.head.dim:
                raise ConfigError(
                    f"The refiner gives features of size {self.refiner.out_dim}, but the head of {self.where} takes "
                    f"{self.head.dim}."
                )
            frozen = FrozenRefiner(deepcopy(self.refiner).freeze().to(device), fps=fps or self.fps)
        head, streamed = deepcopy(self.head).eval().to(device), streams(self.head, self.refiner)
        return Segmenter(head, frozen, sampling, device, batch_size, streamed=streamed)

    def __repr__(self) -> str:
        behind = f" behind a {self.refiner.method} refiner" if self.refiner is not None else ""
        return (
            f"{type(self.head).__name__}{behind}: {len(self.actions)} actions, trained on {', '.join(self.views)} at "
            f"{self.fps:g} fps"
        )


def load_head(path: Path | str) -> TrainedHead:
    """Read a trained head, with the refiner before it if it has one.

    Args:
        path: a run folder of `viewloom train` (or its ``head.safetensors``), or one on the Hub (``hf://user/name``).

    Raises:
        DataError: there is no such file, or it is broken.
        ConfigError: it is something else, or was written by a later version.
    """
    path = local_folder(path)
    run = Path(path)
    run = run.parent if run.is_file() else run
    saved = read_head(run / HEAD_FILE if run.is_dir() or not Path(path).suffix else Path(path))
    refiner = load_refiner(run / REFINER_FILE) if (run / REFINER_FILE).exists() else None
    return TrainedHead(**vars(saved), refiner=refiner, run=run, environment=environment_of(run))
