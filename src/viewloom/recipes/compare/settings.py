"""Settings of `viewloom compare`: those of the command, and what its file holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError, listed
from viewloom.identity import free
from viewloom.ranges import SECONDS, SEED, Settings, ranged
from viewloom.training.settings import TrainerConfig

Launch = Literal["local", "slurm"]
Choose = Literal["validation", "retrieval"]
Control = Literal["majority", "clock", "oracle", "random_path", "shuffled_pairs", "offset_pairs"]
CONTROLS: tuple[Control, ...] = ("majority", "clock", "oracle", "random_path", "shuffled_pairs", "offset_pairs")
USUAL: tuple[Control, ...] = ("majority", "clock", "oracle")
"""Controls that every comparison has, unless its file says otherwise."""
WRONG_PAIRS: tuple[Control, ...] = ("shuffled_pairs", "offset_pairs")
"""Controls of every method that learns from pairs, or of some."""
JOBS: Mapping[str, float] = {"at_least": 1, "at_most": 1024}
"""Bounds of runs at once."""


@dataclass(frozen=True, kw_only=True)
class CompareConfig(Settings):
    """Compare methods, heads and students over views, seeds and data sets, in one table."""

    file: str
    """YAML file of the comparison: data, labelled, unlabelled, methods, heads ... (docs/howto/compare-methods.md)."""
    out: str | None = free(default=None)
    """Folder for runs and results; default: the file's. What is finished there is used again."""
    jobs: int | None = free(default=None, **JOBS)
    """Runs at once, a process of one thread each; default: the file's, else the number of cores."""
    launch: Launch | None = free(default=None)
    """Where runs are started: local, or slurm (arrays of jobs, through submitit); default: the file's, else local."""
    seeds: str | None = None
    """Seeds, comma-separated, instead of the file's."""
    plan: bool = free(default=False)
    """Show the rows and runs, what is finished, and how long the rest may take, and run nothing."""
    docs: str | None = free(default=None)
    """Markdown page to write the table to, besides the folder."""


@dataclass(frozen=True, kw_only=True)
class TuningConfig(Settings, called="tuning"):
    """How methods are tuned: all with the same budget, and never on test items."""

    trials: int = ranged(at_least=1)
    """Settings tried of each method, its stated ones first; fewer where its grid has no more."""
    choose: Choose = "validation"
    """What chooses: validation (F1@50 of the first head on validation items of the labelled views), or retrieval (how
    often a step of a held-out pair finds itself in the other view; no label is looked at)."""
    grids: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Values to try of each setting, by method and setting, instead of the method's own grid."""


@dataclass(frozen=True, kw_only=True)
class SlurmConfig(Settings, called="slurm"):
    """What each run asks of Slurm."""

    cluster: Literal["slurm", "local"] = free(default="slurm")
    """Executor of submitit; local starts processes here, to try a file out."""
    partition: str | None = free(default=None)
    """Partition."""
    account: str | None = free(default=None)
    """Account."""
    time_min: int = free(default=240, at_least=1)
    """Minutes a run may take; one that is cut goes on when the command is repeated."""
    mem_gib: float = free(default=16.0, above=0)
    """Memory (GiB)."""
    gpus: int = free(default=0, at_least=0, at_most=1)
    """GPUs: 0 or 1, since a run takes one device."""
    cpus: int = free(default=1, at_least=1)
    """Processor cores."""
    at_once: int = free(default=256, at_least=1)
    """Jobs of an array that may run at once."""
    gather_s: float = free(default=20.0, **SECONDS)
    """Seconds that runs which became ready are gathered for one array, while others still run."""
    setup: tuple[str, ...] = free(default=())
    """Shell lines before the run (module load ...)."""
    more: Mapping[str, Any] = free(default_factory=dict)
    """Other options of sbatch, by their name there: {qos: high}."""

    def __post_init__(self) -> None:
        self._settle(setup=tuple(self.setup))


@dataclass(frozen=True)
class DataEntry:
    """A data set of a comparison.

    Attributes:
        name: in tables.
        config: where it is.
        labelled: views whose labels are learned from.
        unlabelled: views that are to be segmented.
    """

    name: str
    config: DataConfig
    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]

    @property
    def views(self) -> tuple[str, ...]:
        """All views, the labelled ones first."""
        return (*self.labelled, *self.unlabelled)


@dataclass(frozen=True)
class MethodEntry:
    """A pre-training method with its settings.

    Attributes:
        name: in tables.
        method: registered name.
        options: settings of the method.
        pretrain: settings of `viewloom pretrain` that differ from the shared ones.
        students: whether its students are rows, where that differs from the comparison's; None: as there.
    """

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pretrain: Mapping[str, Any] = field(default_factory=dict)
    students: tuple[bool, ...] | None = None

    @property
    def naive(self) -> bool:
        """Whether features stay as they are, so that no refiner is needed."""
        return self.method == "none" and not self.options

    @property
    def learns(self) -> bool:
        """Whether it learns from pairs."""
        return self.method != "none"


@dataclass(frozen=True)
class HeadEntry:
    """A head with its settings.

    Attributes:
        name: in tables.
        head: registered name.
        options: settings of the head.
        train: settings of `viewloom train` that differ from the shared ones.
    """

    name: str
    head: str
    options: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlEntry(Settings, called="controls"):
    """A control.

    Attributes:
        control: which.
        offset_s: seconds that views are put out of step, of offset_pairs.
        methods: names of the methods that learn from wrong pairs; empty: all that learn from pairs.
    """

    control: Control
    offset_s: float = ranged(10.0, above=0, at_most=86_400)
    methods: tuple[str, ...] = ()

    def rows(self, methods: Sequence[MethodEntry]) -> list[str]:
        """What it stands for in a comparison of some methods, in words: each may be there once."""
        if self.control not in WRONG_PAIRS:
            return [self.control]
        apart = f" of {self.offset_s:g} s" if self.control == "offset_pairs" else ""
        named = self.methods or [entry.name for entry in methods if entry.learns]
        return [f"{self.control}{apart} ({name})" for name in named]


@dataclass(frozen=True, kw_only=True)
class Comparison(Settings):
    """What a comparison's file holds, checked.

    Attributes:
        data: the data sets.
        methods: pre-training methods.
        heads: heads.
        students: whether a student is taught on the pairs, each way a row; a method may have its own.
        seeds: of every row.
        controls: rows that show what a score is worth.
        tuning: how methods are tuned; None: not at all.
        pretrain: shared settings of `viewloom pretrain`.
        train: shared settings of `viewloom train`.
        teach: settings of the student.
        sampling: windows and chunks, the same for every row.
        trainer: device and arithmetic.
        out: folder for runs and results.
        jobs: runs at once; None: as many as cores.
        launch: where runs are started.
        slurm: what each run asks of Slurm.
        values: the file's settings as they are, those that change a result.
        evaluate: settings of `viewloom evaluate` that say how probabilities become segments, the same for every row.
    """

    data: tuple[DataEntry, ...]
    methods: tuple[MethodEntry, ...]
    heads: tuple[HeadEntry, ...]
    students: tuple[bool, ...]
    seeds: tuple[int, ...] = ranged(**SEED)
    controls: tuple[ControlEntry, ...]
    tuning: TuningConfig | None
    pretrain: Mapping[str, Any]
    train: Mapping[str, Any]
    teach: Mapping[str, Any]
    sampling: SamplingConfig
    trainer: TrainerConfig
    out: str
    jobs: int | None = ranged(**JOBS)
    launch: Launch
    slurm: SlurmConfig
    values: Mapping[str, Any]
    evaluate: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, entries in (("data", self.data), ("methods", self.methods), ("heads", self.heads)):
            names = [entry.name for entry in entries]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice or not names:
                fault = f"names {listed(twice)} twice" if twice else "is empty"
                raise ConfigError(f"`{what}` {fault}. List one entry or more, each with a `name` of its own.")
        rows = [row for control in self.controls for row in control.rows(self.methods)]
        twice = sorted({row for row in rows if rows.count(row) > 1})
        if twice:
            raise ConfigError(f"`controls` names {listed(twice)} twice. List each once.")
