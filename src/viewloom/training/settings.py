"""Settings of the commands that train, score and use models."""

from dataclasses import dataclass, field
from typing import Any, Literal

from viewloom.dataset.settings import DataConfig, PairSpans, SamplingConfig
from viewloom.errors import ConfigError, listed
from viewloom.heads.settings import HeadConfig
from viewloom.identity import added, free
from viewloom.methods.settings import Choice
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.ranges import DROPPED, FRAMES, PROCESSES, RATE, SECONDS, SEED, SHARE, Settings, ranged
from viewloom.training.decoding_settings import DecodedConfig
from viewloom.training.optim_settings import OptimConfig as OptimConfig  # offered from here too
from viewloom.windows.settings import DeviceData


@dataclass(frozen=True, kw_only=True)
class TrainerConfig(Settings, called="trainer"):
    """Where and how a run computes."""

    accelerator: str = free(default="auto")
    """Device kind: auto, cpu, cuda, mps."""
    devices: str = free(default="auto")
    """Number of devices, or auto. Several start one process each (or use torchrun, Slurm)."""
    num_nodes: int = free(default=1, at_least=1)
    """Machines taking part."""
    precision: str = "32-true"
    """Arithmetic: 32-true, bf16-mixed, 16-mixed, 64-true."""
    threads: int | None = free(default=None, at_least=1, at_most=1024)
    """Processor threads on a CPU. None takes OMP_NUM_THREADS where that is set; else 1 for models of under a million
    weights, and for larger ones all, if a short timing finds them 1.3 times as fast as one. A resumed run keeps its
    number."""
    accumulate: int = ranged(1, at_least=1)
    """Batches whose gradients are added up before a step."""
    gradient_clip: float | None = ranged(None, above=0)
    """Largest gradient norm; None leaves gradients alone."""
    logger: Literal["tensorboard", "csv", "wandb", "mlflow", "trackio", "none"] = free(default="tensorboard")
    """Log besides metrics.csv, into the run folder. wandb, mlflow and trackio are packages of their own; none asks for
    a login, and nothing is sent unless you set that up (docs/howto/loggers.md)."""
    progress: bool = free(default=True)
    """Show a progress bar."""
    validate_every_epochs: int | None = ranged(None, at_least=1)
    """Epochs between two validations; None validates after every epoch of up to 100, and 100 times in longer runs."""
    checkpoint_every_epochs: int = free(default=1, at_least=1)
    """Epochs between two checkpoints to resume from, last.ckpt (18 GB for the report's model with AdamW); the last
    epoch has one always."""
    device_data: DeviceData = free(default="auto")
    """Keep all training features on the device, and cut windows there: auto (on a GPU, if they fit into half of its
    free memory), always, never. Nothing is read while training then, so workers have nothing to do."""

    check_memory: bool = free(default=True)
    """Refuse a run, before it starts, whose memory or checkpoints can't fit; false only warns."""

    @property
    def device_kind(self) -> str:
        """The device as torch calls it, which says cuda where Lightning says gpu."""
        return {"gpu": "cuda"}.get(self.accelerator, self.accelerator)

    @property
    def fused_optimiser(self) -> bool:
        """Whether an optimiser may step in one pass over the weights: not where Lightning has to scale gradients."""
        return not str(self.precision).startswith("16")


@dataclass(frozen=True, kw_only=True)
class LearnConfig(DataConfig):
    """What every training has."""

    run: str = free()
    """Run folder to write (new, unless --resume true)."""
    views: str
    """Views to learn from, comma-separated: v3,e4."""
    batch_size: int = ranged(8, at_least=1)
    """Windows in a step, over all processes."""
    resume: bool = free(default=False)
    """Go on with the run in the folder."""
    overwrite: bool = free(default=False)
    """Write into a folder that holds other files, but no run; one that has the name of a run's file is replaced."""
    workers: int = free(default=0, **PROCESSES)
    """Processes that read windows; 0 reads in the training process."""
    plan: bool = free(default=False)
    """Say what memory and disk the run needs, against what is free, and what to change; write nothing."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows and chunks."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Devices, precision, logs."""


@dataclass(frozen=True, kw_only=True)
class TeachConfig(Settings, called="teach"):
    """How a student is taught on pairs (--teach_on_pairs true)."""

    views: str | None = added(None)
    """Views to teach on, comma-separated; default: all that the pair recordings have and the refiner, if any, takes,
    the labelled ones included."""
    temperature: float = added(1.0, above=0, at_most=1000)
    """Temperature of the teacher's class probabilities: 1 as they are, below 1 surer, above 1 less sure."""
    weight: float = added(1.0, above=0)
    """Weight in the loss of a step that the teacher labelled; a labelled step has 1."""
    confidence: float = added(0.0, **SHARE)
    """Least probability of the teacher's likeliest action: steps of which it is less sure don't count."""
    rounds: int = added(1, at_least=1)
    """Students to train, each taught by the one before, the first by a head that has labels alone."""
    epochs: int | None = added(None, at_least=1)
    """Epochs of the teacher and of the students of earlier rounds; default: as the student's."""
    held_out: float = added(0.1, **DROPPED)
    """Share of the pair recordings on which the student isn't taught: on these its agreement with
    the teacher in other views is measured, which has a say in the choice of the epoch. With fewer than five pair
    recordings, or with 0, none is held out."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LearnConfig):
    """Train a segmentation head."""

    views: str
    """Labelled views to train on, comma-separated: v3 or e1,e4."""
    val_views: str | None = None
    """Views that choose the best epoch, on the validation split; default: the training views."""
    refiner: str | None = free(default=None)
    """Pre-trained refiner (safetensors) put before the head, frozen."""
    refined_cache_gib: float = free(default=2.0, at_least=0)
    """Memory (GiB, of the device that trains) for refined features, so that the refiner sees a window once for each
    chunk size; 0 refines anew at every epoch, with the same result. Nothing is kept of a refiner with context batch."""
    head: str = "c2f_tcn"
    """Registered head."""
    head_options: HeadConfig | None = None
    """Settings of the head (see the end of --help)."""
    epochs: int | None = ranged(None, at_least=1)
    """Passes over the training windows; None takes 100, or more where windows are so few that the head would take
    fewer optimiser steps than it needs (linear 600, ms_tcn2 400, tcn and c2f_tcn 200)."""
    lookahead_s: float = added(0.0, **SECONDS)
    """With --head_options.causal true: seconds after a step's end that the head may see before it says what the step
    was: 0, or one step and more; see docs/online.md."""
    seed: int = ranged(0, **SEED)
    """Seed of weights, order and augmentation."""
    keep: str = "best"
    """Weights saved as head.safetensors: best (on the validation split) or last."""
    name: str | None = free(default=None)
    """Name of this run in tables; default: the run folder's name."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimiser."""
    teach_on_pairs: bool = added(False)
    """Train a teacher on the labelled views, let it label the pair recordings wherever a labelled view sees them, and
    train the head on labelled windows and on those of all views of the pairs. Labels of other views are never used."""
    teach: TeachConfig = field(default_factory=TeachConfig)
    """Teaching on pairs."""

    def __post_init__(self) -> None:
        if self.keep not in ("best", "last"):
            raise ConfigError(f"--keep must be best or last, but is {self.keep!r}.")


@dataclass(frozen=True, kw_only=True)
class PretrainOptimConfig(Settings, called="optim"):
    """Optimiser of pre-training."""

    name: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or plain SGD as in the report."""
    lr: float = ranged(3e-4, above=0, at_most=1000)
    """Learning rate at the start."""
    weight_decay: float = ranged(0.0, at_least=0)
    """Weight decay."""
    momentum: float = ranged(0.0, **DROPPED)
    """Momentum (sgd only)."""
    lr_step_epochs: int | None = ranged(None, at_least=1)
    """Epochs between two reductions of the learning rate; None takes 40 % of the epochs, and 100 at least."""
    lr_factor: float = ranged(0.5, above=0, at_most=1)
    """Factor of each reduction."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(LearnConfig):
    """Learn a refiner from unlabelled synchronised views."""

    method: str = "auto"
    """Registered pre-training method, or auto: of several the one that does best on held-out pairs."""
    method_options: Any = None
    """Settings of the method (see the end of --help)."""
    teacher: str | None = free(default=None)
    """Run folder of the trained head that a distilling method (sync_kd_head) follows."""
    pairs: PairSpans = "recordings"
    """What the pairs are: whole recordings, or as published the labelled spans of them, which uses where labels
    begin and end."""
    epochs: int | None = ranged(None, at_least=1)
    """Passes over the pair windows (closed-form methods need one); None takes 60, or more where windows are so few
    that the method would take fewer optimiser steps than it needs (400)."""
    held_out: float = ranged(0.1, **DROPPED)
    """Share of the pair recordings kept apart to choose the checkpoint and to measure invariance
    on, one at least; with 0 all are learned from, nothing is measured, and the last epoch is kept."""
    select: Choice | None = None
    """What chooses the checkpoint, on held-out pairs: retrieval (how often a step finds itself in the other view),
    loss (the method's own), agreement (how often a distilled head says what its teacher says), or last (nothing:
    the last epoch); default: what fits the method, retrieval for a refiner and loss for a distilled head."""
    seed: int = ranged(0, **SEED)
    """Seed of weights, order, dropout, augmentation and of the held-out recordings."""
    name: str | None = free(default=None)
    """Name of this run in tables; default: the method's name."""
    compile: bool = free(default=False)
    """Compile the encoder layers with torch.compile (context frame only; the first step then takes minutes on a
    CPU, where little is gained)."""
    optim: PretrainOptimConfig = field(default_factory=PretrainOptimConfig)
    """Optimiser."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(DecodedConfig):
    """Score a trained head on the test items, in every view."""

    run: str = free()
    """Run folder of `viewloom train`; metrics.json and predictions/ are written into it."""
    views: str | None = free(default=None)
    """Views to score, comma-separated; default: all that a test recording has."""
    split: Literal["test", "val", "train"] = "test"
    """Items to score."""
    refiner: str | None = free(default=None)
    """Refiner to put before the head, instead of the run's own (Table 4 of the report)."""
    protocol: str = "canonical"
    """Named score protocol."""
    background: str = ""
    """Actions that don't count as segments, comma-separated."""
    threshold: float = added(0.5, above=0, below=1)
    """Least probability of an action that is there; with --labels_mode multi alone."""
    allow_learned: str | None = free(default=None)
    """Recordings that may be scored although the run learned from them: train, val, pairs, comma-separated. They are
    marked in every table. --split train and --split val allow their own."""
    accelerator: str = free(default="auto")
    """Device: auto, cpu, cuda."""
    batch_size: int = free(default=8, at_least=1)
    """Windows computed at once."""
    out: str | None = free(default=None)
    """Folder for metrics.json and predictions/, instead of the run folder."""
    name: str | None = free(default=None)
    """Name of these results in tables; default: the run's, and what --refiner put before its head."""
    overwrite: bool = free(default=False)
    """Replace the results of an earlier evaluation."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows, chunk sizes averaged, policy for missing frames; by default as the head was trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol not in PROTOCOLS:
            raise ConfigError(f"There is no protocol {self.protocol!r}; there are: {listed(PROTOCOLS)}.")


@dataclass(frozen=True, kw_only=True)
class MeasureConfig(DataConfig):
    """Measure how far features of different views agree, and what a linear map trained in one view reads in others."""

    refiner: str | None = free(default=None)
    """Refiner to measure (safetensors, or its run folder), beside plain features; default: plain features alone."""
    runs: str | None = free(default=None)
    """Run folders of heads trained on different views, comma-separated: their scores on every view make a matrix."""
    views: str | None = None
    """Views to compare, two or more, comma-separated; default: all that an item has and the refiner takes."""
    split: Literal["test", "val", "pairs"] = "test"
    """Items to measure on. What needs labels is left out of pairs."""
    max_steps: int = ranged(20000, at_least=100)
    """Steps (chunks) kept of each view at most, evenly over every item; bounds memory: about
    4 bytes x max_steps x (sizes of all views' features, plain and refined), twice where a probe is trained."""
    allow_learned: str | None = free(default=None)
    """Recordings that may be measured although the refiner or a head learned from them: train, val, pairs,
    comma-separated. They are marked. --split pairs and --split val allow their own."""
    accelerator: str = free(default="auto")
    """Device: auto, cpu, cuda."""
    out: str | None = free(default=None)
    """Folder for measures.json; default: the refiner's run folder."""
    name: str | None = free(default=None)
    """Name of the refined features in tables; default: the refiner's method."""
    overwrite: bool = free(default=False)
    """Replace the measures of before."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Chunks and policy for missing frames; by default as the refiner learned."""

    def __post_init__(self) -> None:
        if self.runs is not None and self.split == "pairs":
            raise ConfigError("--runs are scored against labels, which pairs need not have. Pass --split test or val.")


@dataclass(frozen=True, kw_only=True)
class PredictConfig(DecodedConfig):
    """Segment recordings with a trained head; labels are not needed."""

    run: str
    """Run folder of `viewloom train`."""
    out: str
    """Folder to write: segments.csv, one text file per recording and view, and how sure the head is of each line of
    these, in confidences/."""
    views: str | None = None
    """Views to segment, comma-separated; default: all there are."""
    recordings: str | None = None
    """Recordings to segment, comma-separated; default: those that --fold tests, or else all there are."""
    threshold: float = ranged(0.5, above=0, below=1)
    """Least probability of an action that is there; for heads of --labels_mode multi alone."""
    text: Literal["segments", "frames"] = "segments"
    """Text files: segments (start, end, action, tab-separated, as Assembly101's labels) or frames (one
    action a line, as MS-TCN's)."""
    format: str = "text"
    """What is written besides segments.csv, comma-separated: text (text files and confidences/, see text), frames, or
    formats of annotation tools (elan, label_studio, ...: `viewloom convert-labels --help`), each in a folder of its
    name; csv is nothing else."""
    videos: str | None = None
    """Where an annotation tool finds the videos, with {recording} and {view}: 'videos/{recording}_{view}.mp4'."""
    uncertain: int | None = ranged(None, at_least=1)
    """Write uncertain.csv too: this many segments, of all recordings and views, that the head is least sure of, with
    the action that it thinks likeliest after the one it says. Label these first."""
    probabilities: bool = False
    """Write the class probabilities of every frame too, (T, K) float32: probabilities/VIEW/RECORDING.npy."""
    accelerator: str = "auto"
    """Device: auto, cpu, cuda."""
    batch_size: int = ranged(8, at_least=1)
    """Windows computed at once."""
    overwrite: bool = False
    """Replace files of an earlier prediction."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Windows, chunk sizes averaged, policy for missing frames; by default as the head was trained."""


@dataclass(frozen=True, kw_only=True)
class ConvertConfig(Settings):
    """Turn a published checkpoint into a run folder that evaluate, predict and train can use."""

    checkpoint: str
    """Published file (.pth, .pt, .bin, .model or .safetensors), read without running its code."""
    kind: Literal["head", "refiner"]
    """What it holds: a head (--head says which), or a refiner of the view-invariance report."""
    run: str
    """Run folder to write: head.safetensors or refiner.safetensors."""
    head: Literal["c2f_tcn", "ms_tcn2", "asformer"] | None = None
    """Which head it holds: c2f_tcn, or ms_tcn2 (MS-TCN++) or asformer, whose sizes are the checkpoint's own; default:
    c2f_tcn."""
    actions: str | None = None
    """Action list of a head, ids as the head's outputs: Assembly101's actions.csv, or a mapping.txt of MS-TCN."""
    views: str = "v3"
    """Views it was trained on, comma-separated; for tables."""
    fps: float | None = ranged(None, **RATE)
    """Frames per second of the features a head was trained on; default: 30."""
    sample_rate: int | None = ranged(None, **FRAMES)
    """A head that was trained on single frames of whole videos: it segments every n-th one, 1 for all, 2 on 50Salads.
    Default: the report's chunks, at most 1200 in a window."""
    level_weights: str | None = None
    """How the six decoder levels of c2f_tcn vote: view_invariance (all alike, as in the release of the view-invariance
    report and in Assembly101's baseline), c2f_tcn (the four finest alike, as in the release of C2F-TCN), or six
    comma-separated weights, finest first; default: view_invariance."""
    context: Literal["frame", "time", "batch"] | None = None
    """What a refiner's attention looks at: frame, time or batch, which repeats the released code, whose results depend
    on batch mates; default: frame."""
    overwrite: bool = free(default=False)
    """Write into a folder that holds other files; those that have the name of a run's are replaced."""
