"""Settings of the commands that do several runs."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError, listed
from viewloom.heads.settings import HeadConfig
from viewloom.identity import added, free
from viewloom.methods.settings import AUTO
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.names import names_in
from viewloom.ranges import DROPPED, PROCESSES, SECONDS, SEED, WIDTH, Range, Settings, ranged, refuse
from viewloom.recipes.benchmarks.tables import BENCHMARKS, check_rows
from viewloom.recipes.values import Setting
from viewloom.training.decoding_settings import DecodedConfig, DurationsConfig, refuse_idle_bounds
from viewloom.training.settings import (
    OptimConfig,
    PretrainOptimConfig,
    TeachConfig,
    TrainConfig,
    TrainerConfig,
)


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig(DataConfig):
    """Run one of the report's tables, or heads on a data set with folds, and show the published figures beside ours."""

    table: str
    """table1 to table5 of the report; or 50salads, breakfast, gtea: heads as published, on folds of that data set."""
    out: str = free()
    """Folder for runs and results. What is finished there is used again, also by other tables; a stopped
    experiment goes on when started again."""
    setting: Setting = "report"
    """Values as the report prints them (open ones from the released code), or those of the released code."""
    seeds: str = "0,1,2"
    """Seeds, comma-separated; the table gives mean and deviation over them."""
    scale: float = ranged(1.0, above=0, at_most=1)
    """Factor on epochs and on layer counts of pre-training networks; the table states it."""
    rows: str | None = None
    """Rows to run, comma-separated; default: all of the table. Of a data set with folds they are heads."""
    folds: str | None = added(None)
    """Folds to run of a data set that has some, comma-separated numbers; default: all."""
    plan: bool = free(default=False)
    """Show what would run (data, parameters, FLOPs, memory in GiB, GPU-hours), and run nothing."""
    tflops: float = free(default=10.0, above=0)
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
    head_epochs: int | None = ranged(None, at_least=1)
    """Epochs of every head, instead of the recipe's (scaled) ones; the table states it."""
    head_batch_size: int | None = ranged(None, at_least=1)
    """Windows in a step of every head's training, instead of the recipe's 64; the table states it. With few
    recordings 64 windows may be all there are, and an epoch one step."""
    head_width: int | None = ranged(None, **WIDTH)
    """Width of the head's layers (a head that has this setting), instead of the recipe's 128; the table states it."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows and chunks, the same for every row. Default: the report's chunks of 20 frames, pooled by their maximum,
    and 10, 17 and 24 frames at evaluation."""
    workers: int = free(default=0, **PROCESSES)
    """Processes that read windows; 0 reads in the training process."""
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(devices="1"))
    """Device, precision, logs. One device: several rows or seeds side by side are several commands."""

    def __post_init__(self) -> None:
        if self.trainer.devices not in ("1", "auto"):
            raise ConfigError(
                f"--trainer.devices must be 1 here, but is {self.trainer.devices}. Start several commands with "
                "different --rows or --seeds on the same --out, or train a refiner with `viewloom pretrain`."
            )
        check_rows(self.table, self.rows)
        parse_numbers("seeds", self.seeds)
        if self.folds is not None:
            parse_numbers("folds", self.folds)
        unused = OF_VIEWS if self.table in BENCHMARKS else ("folds",)
        for entry in (entry for entry in fields(self) if entry.name in unused):
            value = getattr(self, entry.name)
            if value != (entry.default if entry.default is not MISSING else None):
                raise ConfigError(f"--{entry.name} {value} has no say in {self.table}. Leave it out.")


OF_VIEWS = ("setting", "exo", "ego", "second_exo", "head", "head_epochs", "head_batch_size", "head_width")
"""Settings of the report's tables, whose rows share a head; rows of a data set with folds each have their own."""


def parse_numbers(name: str, text: str) -> tuple[int, ...]:
    """A setting's comma-separated numbers; `ConfigError` for anything but different whole ones that can be seeds."""
    try:
        values = tuple(int(number) for number in text.split(",") if number.strip())
    except ValueError:
        values = ()
    refuse(name, values, Range(**SEED), "recipes")
    if not values or len(set(values)) < len(values):
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
class FoldPretrainConfig(Settings, called="pretrain"):
    """Pre-training of each fold's refiner; what is left out is as `viewloom pretrain` has it."""

    epochs: int | None = ranged(None, at_least=1)
    """Passes over the pair windows; default: that of `viewloom pretrain`."""
    batch_size: int | None = ranged(None, at_least=1)
    """Windows in a step; default: that of `viewloom pretrain`."""
    held_out: float | None = ranged(None, **DROPPED)
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
    fold: int | None = free(default=None, at_least=0)
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
    decoding: Literal["argmax", "durations"] = free(default="argmax")
    """How probabilities become segments, as `viewloom evaluate` has it: argmax or durations."""
    durations: DurationsConfig = free(default_factory=DurationsConfig)
    """How long segments may be, with --decoding durations."""
    allow_learned: str | None = free(default=None)
    """Ways in which a fold may have learned from what it is scored on, as `viewloom evaluate` has it: a --refiner for
    all folds may have seen their pairs. Such scores are marked."""
    plan: bool = free(default=False)
    """Show the folds, how many items they have in each role and what is finished, and run nothing."""
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(devices="1"))
    """Device, precision, logs. One device: several folds side by side are several commands with other --folds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_idle_bounds(self.decoding, self.durations)
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


@dataclass(frozen=True, kw_only=True)
class ChainConfig(DataConfig):
    """What labels of some views and unlabelled pairs are made into: a refiner, a head behind it, its student."""

    method: str = "auto"
    """Registered pre-training method, or auto: the one that does best on held-out pairs."""
    method_options: Any = None
    """Settings of the method (see the end of --help)."""
    head: str = "c2f_tcn"
    """Registered head."""
    head_options: HeadConfig | None = None
    """Settings of the head (see the end of --help)."""
    student: bool = True
    """Teach the head on the pairs, by one that learned from labels alone (`viewloom train --teach_on_pairs`)."""
    teach: TeachConfig = field(default_factory=TeachConfig)
    """How it is taught."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimiser of the heads."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows and chunks."""
    workers: int = free(default=0, **PROCESSES)
    """Processes that read windows; 0 reads in the training process."""
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(devices="1"))
    """Device, precision, logs."""
    plan: bool = free(default=False)
    """Show what would run and what is finished, and run nothing."""


@dataclass(frozen=True, kw_only=True)
class TransferConfig(ChainConfig, DecodedConfig):
    """Learn in the labelled views, segment in the others: refiner, head, student, scores and report."""

    from_views: str
    """Labelled views to learn from, comma-separated: v3."""
    to_views: str
    """Views to segment, comma-separated: e4. Their labels are never used, but to score."""
    run: str = free()
    """Run folder: refiner/, head/, report.html, transfer.json, naive/ and, where asked for, oracle/ in it. What is
    finished there is used again, and a stopped run goes on, when the command is repeated."""
    resume: bool = free(default=True)
    """Nothing to set: a run of the same settings and data always goes on, and one of others is refused."""
    overwrite: bool = free(default=False)
    """Write into a folder that holds other files, but no run; one that has the name of a run's file is replaced."""
    references: str = free(default="")
    """Heads to train beside, comma-separated, of equal settings: naive (no refiner, no student) and oracle (labels of
    the views to segment)."""
    epochs: int | None = ranged(None, at_least=1)
    """Passes of the head over its windows; default: that of `viewloom train`."""
    pretrain_epochs: int | None = ranged(None, at_least=1)
    """Passes of a learned refiner over the pairs; default: that of `viewloom pretrain`."""
    lookahead_s: float = added(0.0, **SECONDS)
    """With a causal head: seconds after a step's end that heads may see before they say what the step was, as that of
    `viewloom train`."""
    batch_size: int = ranged(8, at_least=1)
    """Windows in a step."""
    seed: int = ranged(0, **SEED)
    """Seed of everything."""

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(names_in(self.references)) - {"naive", "oracle"})
        if unknown:
            raise ConfigError(f"--references can be naive and oracle, but names {listed(unknown)}.")
        known, wanted = names_in(self.from_views), names_in(self.to_views)
        if set(known) & set(wanted) or not known or not wanted:
            raise ConfigError(
                f"--from and --to must name different views, one each at least, but are {self.from_views!r} and "
                f"{self.to_views!r}."
            )

    @property
    def views(self) -> tuple[str, ...]:
        """All views, the labelled ones first."""
        return names_in(self.from_views) + names_in(self.to_views)


CurveKind = Literal["pairs", "labels", "offset", "views"]
CURVE_POINTS: Mapping[str, str] = {"pairs": "5,10,25,50,100", "labels": "5,10,25,50,100", "offset": "0,1,2,3,5,7,10"}
"""Points of a curve that nobody set; of ``views`` every number from 2 on."""


@dataclass(frozen=True, kw_only=True)
class CurveConfig(ChainConfig):
    """Pre-train, train and score with ever more pairs, labels or views, or ever more out of step; draw the curve."""

    kind: CurveKind
    """What changes: pairs (share of the pair recordings), labels (share of the training recordings), offset (frames by
    which the second view of the pairs is late), or views (number of views in the pairs)."""
    out: str = free()
    """Folder for runs and results. What is finished there is used again; a stopped curve goes on when started again."""
    views: str
    """Views, comma-separated: the labelled one, the one to score, and for --kind views those that join: v3,e4,v4."""
    method: str = "auto"
    """Registered pre-training method, or auto: at each point the one that does best on its own held-out pairs."""
    student: bool = True
    """Teach the head of each point on the pairs that the point has, by one that learned from labels alone (`viewloom
    train --teach_on_pairs`). Naive heads and oracles have no student."""
    teach: TeachConfig = field(default_factory=TeachConfig)
    """How it is taught, where teach.views isn't set in the views of the point."""
    points: str | None = None
    """Points, comma-separated: percent, frames, or numbers of views; default: 5,10,25,50,100 percent, 0,1,2,3,5,7,10
    frames, or all numbers of views from 2 on."""
    seeds: str = "0,1,2"
    """Seeds, comma-separated, of the draw of recordings and of all training."""
    baselines: bool = free(default=True)
    """Also train naive heads (labels of the first view, no refiner) and oracles (labels of the second), for lines."""
    score: Literal["edit", "f1_10", "f1_25", "f1_50", "mof"] = free(default="f1_50")
    """Score in table and picture; results.json has all."""
    docs: str | None = free(default=None)
    """Markdown page (FILE.md) to write the table to, besides the results folder, with the picture beside it
    (FILE.png)."""
    pretrain: FoldPretrainConfig = field(default_factory=FoldPretrainConfig)
    """How the refiners learn."""
    head_epochs: int | None = ranged(None, at_least=1)
    """Passes over the training windows; default: that of `viewloom train`, more where there are few windows."""
    head_batch_size: int = ranged(8, at_least=1)
    """Windows in a step of a head's training."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows and chunks; what isn't set is chosen once, on all pairs and labels, and is the same for every point."""

    def __post_init__(self) -> None:
        parse_numbers("seeds", self.seeds)
        names = names_in(self.views)
        least = 3 if self.kind == "views" else 2
        if len(names) < least or len(set(names)) < len(names):
            raise ConfigError(f"--views must name {least} different views at least, but is {self.views!r}.")
        low, high = {"offset": (0, 10**6), "views": (2, len(names))}.get(self.kind, (0.01, 100))
        if not all(low <= point <= high for point in self.values):
            raise ConfigError(f"--points must lie between {low:g} and {high:g} for {self.kind}, but are {self.points}.")
        if self.method == AUTO and self.pretrain.select is not None:
            raise ConfigError("--method auto takes no --pretrain.select: name the method that shall have it.")
        if self.method == AUTO and self.pretrain.held_out == 0:
            raise ConfigError("--method auto compares candidates on held-out pairs, and --pretrain.held_out is 0.")
        if self.docs is not None and not self.docs.endswith(".md"):
            raise ConfigError(f"--docs must name a Markdown file, page.md, but is {self.docs!r}.")

    @property
    def title(self) -> str:
        """The method and its student, as tables call them."""
        return f"{self.method} + student" if self.student else self.method

    @property
    def names(self) -> tuple[str, ...]:
        """The views; but for --kind views the first two alone."""
        names = names_in(self.views)
        return names if self.kind == "views" else names[:2]

    @property
    def values(self) -> tuple[float, ...]:
        """The points, ascending."""
        every = ",".join(str(count) for count in range(2, 1 + len(self.views.split(","))))
        text = self.points or CURVE_POINTS.get(self.kind, every)
        whole = self.kind in ("offset", "views")
        try:
            found = sorted({float(int(point) if whole else float(point)) for point in text.split(",") if point.strip()})
        except ValueError:
            found = []
        if not found:
            raise ConfigError(
                f"--points must be numbers such as {CURVE_POINTS.get(self.kind, every)}, but is {text!r}."
            )
        return tuple(found)
