"""Settings of the commands that do several runs."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError, listed
from viewloom.identity import free
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.recipes.tables import table_rows
from viewloom.recipes.values import Setting
from viewloom.training.settings import PretrainOptimConfig, TrainConfig, TrainerConfig, refuse_below_one


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig(DataConfig):
    """Run one of the report's tables: pre-training, heads, scores, and the published figures beside ours."""

    table: str
    """table1 to table5."""
    out: str = free()
    """Folder for runs and results. What is finished there is used again, also by other tables; a stopped
    experiment goes on when started again."""
    setting: Setting = "report"
    """Values as the report prints them (open ones from the released code), or those of the released code."""
    seeds: str = "0,1,2"
    """Seeds, comma-separated; the table gives mean and deviation over them."""
    scale: float = 1.0
    """Factor on epochs and on layer counts of pre-training networks, above 0 and up to 1; the table states it."""
    rows: str | None = None
    """Rows to run, comma-separated; default: all of the table."""
    plan: bool = free(default=False)
    """Show what would run (data, parameters, FLOPs, memory in GiB, GPU-hours), and run nothing."""
    tflops: float = free(default=10.0)
    """With --plan: arithmetic the device really achieves, in 10^12 operations a second."""
    docs: str | None = free(default=None)
    """Markdown page to write the table to, besides the results folder."""
    exo: str = "v3"
    """View that has labels."""
    ego: str = "e4"
    """View without labels."""
    second_exo: str = "v4"
    """Third view, of Table 5."""
    head: str | None = None
    """Another registered head than the recipe's, with its default options; the table states it."""
    head_epochs: int | None = None
    """Epochs of every head, instead of the recipe's (scaled) ones; the table states it."""
    head_batch_size: int | None = None
    """Windows in a step of every head's training, instead of the recipe's 64; the table states it. With few
    recordings 64 windows may be all there are, and an epoch one step."""
    head_width: int | None = None
    """Width of the head's layers (a head that has this setting), instead of the recipe's 128; the table states it."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows and chunks, the same for every row. Default: the report's chunks of 20 frames, pooled by their maximum,
    and 10, 17 and 24 frames at evaluation."""
    workers: int = free(default=0)
    """Processes that read windows; 0 reads in the training process."""
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(devices="1"))
    """Device, precision, logs. One device: several rows or seeds side by side are several commands."""

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 1:
            raise ConfigError(f"--scale must be above 0 and at most 1, but is {self.scale}.")
        refuse_below_one(self, "head_epochs", "head_batch_size", "head_width")
        if not self.tflops > 0:
            raise ConfigError(f"--tflops must be above 0, but is {self.tflops}.")
        if self.trainer.devices not in ("1", "auto"):
            raise ConfigError(
                f"--trainer.devices must be 1 here, but is {self.trainer.devices}. Start several commands with "
                "different --rows or --seeds on the same --out, or train a refiner with `viewloom pretrain`."
            )
        table_rows(self.table, self.rows)
        parse_numbers("seeds", self.seeds)


def parse_numbers(name: str, text: str) -> tuple[int, ...]:
    """A setting's comma-separated numbers; `ConfigError` for anything but different whole ones from 0."""
    try:
        values = tuple(int(number) for number in text.split(",") if number.strip())
    except ValueError:
        values = ()
    if not values or len(set(values)) < len(values) or min(values) < 0:
        raise ConfigError(f"--{name} must be different whole numbers such as 0,1,2, but is {text!r}.")
    return values


@dataclass(frozen=True, kw_only=True)
class LabelControlConfig(DataConfig):
    """Score a prediction that looks at labels alone."""

    control: Literal["majority", "clock"]
    """The commonest training action everywhere, or the commonest one at the same relative time of an item."""
    run: str = free()
    """Folder to write metrics.json and predictions/ into."""
    views: str = free()
    """Views to score, comma-separated; all that are there get the same prediction."""
    name: str | None = free(default=None)
    """Name in tables; default: the control's."""


@dataclass(frozen=True, kw_only=True)
class FoldPretrainConfig:
    """Pre-training of each fold's refiner; what is left out is as `viewloom pretrain` has it."""

    epochs: int | None = None
    """Passes over the pair windows; default: that of `viewloom pretrain`."""
    batch_size: int | None = None
    """Windows in a step; default: that of `viewloom pretrain`."""
    held_out: float | None = None
    """Share of the pair recordings kept apart, to choose the checkpoint; default: that of `viewloom pretrain`."""
    select: Literal["retrieval", "loss", "last"] | None = None
    """What chooses the checkpoint; default: that of `viewloom pretrain`."""
    optim: PretrainOptimConfig = field(default_factory=PretrainOptimConfig)
    """Optimiser."""

    def chosen(self) -> dict[str, Any]:
        """The settings that were made."""
        return {
            entry.name: getattr(self, entry.name) for entry in fields(self) if getattr(self, entry.name) is not None
        }


@dataclass(frozen=True, kw_only=True)
class CrossvalConfig(TrainConfig):
    """Train and score a head on every fold, and pool the scores."""

    run: str = free()
    """Run folder: one run in it for each fold (fold0, fold1, ...), and the pooled result. What is finished there is
    used again, and a stopped fold goes on, when the command is repeated."""
    resume: bool = free(default=True)
    """Nothing to set: a run of the same settings and data always goes on, and one of others is refused."""
    fold: int | None = free(default=None)
    """Not used here: see folds."""
    folds: str | None = free(default=None)
    """Folds to run, comma-separated numbers; default: all."""
    method: str | None = None
    """Registered pre-training method: each fold learns a refiner on its own pairs; default: no refiner."""
    method_options: Any = None
    """Settings of the method (see the end of --help)."""
    pair_views: str | None = None
    """Views that the refiner learns from, comma-separated: v3,e4; needed with --method."""
    pretrain: FoldPretrainConfig = field(default_factory=FoldPretrainConfig)
    """How the refiner learns."""
    score_views: str | None = free(default=None)
    """Views to score, comma-separated; default: all that a test recording has."""
    protocol: str = free(default="canonical")
    """Named score protocol."""
    background: str = free(default="")
    """Actions that don't count as segments, comma-separated."""
    allow_learned: str | None = free(default=None)
    """Ways in which a fold may have learned from what it is scored on, as `viewloom evaluate` has it: a --refiner for
    all folds may have seen their pairs. Such scores are marked."""
    plan: bool = free(default=False)
    """Show the folds, how many items they have in each role and what is finished, and run nothing."""
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(devices="1"))
    """Device, precision, logs. One device: several folds side by side are several commands with other --folds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold is not None:
            raise ConfigError(f"--fold {self.fold} chooses one fold of other commands. Pass --folds {self.fold} here.")
        if self.protocol not in PROTOCOLS:
            raise ConfigError(f"There is no protocol {self.protocol!r}; there are: {listed(PROTOCOLS)}.")
        if self.trainer.devices not in ("1", "auto"):
            raise ConfigError(
                f"--trainer.devices must be 1 here, but is {self.trainer.devices}. Start several commands with "
                "different --folds on the same --run, and one without --folds at the end."
            )
        if (self.method is None) != (self.pair_views is None):
            raise ConfigError("--method and --pair_views go together: pass both for a refiner, or none of them.")
        if self.method is not None and self.refiner is not None:
            raise ConfigError("--refiner is the same for all folds, --method learns one for each: pass one of them.")
