"""Settings of the pre-training methods, apart from what they compute.

A method of another package, or in a file of its own, nests its settings as ``Config`` instead: nothing here names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from viewloom.errors import ConfigError
from viewloom.identity import added
from viewloom.nn.settings import Context, EncoderKind, Standardise
from viewloom.ranges import DROPPED, LAYERS, SEED, WIDTH, Settings, bounded, ranged

AUTO = "auto"
"""What stands for a method where one shall be chosen; it is none itself."""
Choice = Literal["retrieval", "agreement", "loss", "last"]
"""What can choose the checkpoint of a run: a measure on held-out pairs, or nothing (the last epoch)."""
Mark = Literal["none", "fixed", "learned"]
"""What tells views apart: nothing, a fixed mark, or a learned one."""


def by_stem(published: Any, behind_stem: Any, **bounds: float) -> Any:
    """A dataclass field whose default depends on the setting ``stem``; what is saved is the value itself.

    Args:
        published: default with stem=none.
        behind_stem: default with a stem.
        bounds: of a number, as `viewloom.ranges.Range` takes them.
    """
    return field(default=None, **bounded({"by_stem": (published, behind_stem)}, bounds))


@dataclass(frozen=True, kw_only=True)
class MethodConfig(Settings, called="method_options"):
    """Settings that every method has."""

    standardise: Standardise = "none"
    """Bring features to mean 0 and deviation 1 before anything else: none, pooled (one mean and deviation over
    all views) or view (each view its own). Takes one pass over the pairs, and goes into the saved refiner."""


@dataclass(frozen=True, kw_only=True)
class AutoConfig(MethodConfig):
    """Settings of the choice among methods, ``--method auto``."""

    standardise: Standardise = "view"
    """What every candidate does before anything else: none, pooled or view."""
    candidates: str = ""
    """Candidates to compare, comma-separated, in the order of preference where they can't be told apart: their names,
    or those of any methods, which then have their default settings; empty takes none, cca, delay_cca, contrast,
    two_stream, ey and rff_cca."""
    labelled: str = ""
    """Views that labels are of, comma-separated: candidates are then compared by what carries over from these to the
    others (`viewloom transfer` sets its ``--from`` here); empty: from every view to every other."""
    minutes: float = ranged(3.0, at_least=0)
    """Time for candidates that are fitted by gradient, in minutes, the quickest first: one begins only if a timing of
    its steps says that it will be done by then. Those in closed form always run, before."""
    causal: bool = added(False)
    """Candidates that can look ahead look back only, for segmenting a live stream."""


@dataclass(frozen=True, kw_only=True)
class CCAConfig(MethodConfig):
    """Settings of canonical correlation."""

    out_dim: int = ranged(0, at_least=0)
    """Number of canonical components kept, the most correlated first; 0 keeps those that correlate more on held-out
    pairs than chance has it, 256 at most."""
    strength: float | None = ranged(None, above=0)
    """Ridge within each view, as a share of the view's mean variance. None takes 0.01 from 50 steps a feature on, and
    with fewer the one of 0.0001 to 10 whose squared correlations on held-out pairs have the largest sum."""
    scale: Literal["correlation", "unit"] = "correlation"
    """Deviation of each component: its correlation between views on held-out pairs, so that what the views don't
    share fades out (Kakade, Foster: Multi-view Regression via Canonical Correlation Analysis, COLT 2007), or 1 for
    all."""


@dataclass(frozen=True, kw_only=True)
class RidgeConfig(MethodConfig):
    """Settings of ridge regression."""

    teacher: str = ""
    """View that is predicted, from each of the others; empty takes the last (ego, where exo views come first)."""
    strength: float = ranged(1e-2, above=0)
    """Penalty, as a share of the mean variance of the student's features. To choose it, compare the held-out
    retrieval of runs with 1e-4 to 1."""


@dataclass(frozen=True, kw_only=True)
class RandomPathConfig(MethodConfig):
    """Settings of the random projections, a control."""

    out_dim: int = ranged(0, at_least=0)
    """Features given; 0 takes 64. Never more than the smallest view has."""
    seed: int = ranged(0, **SEED)
    """Seed of the projections."""


@dataclass(frozen=True, kw_only=True)
class ResidualConfig(MethodConfig):
    """Settings of the residual refiner.

    Without a stem the defaults are those of the report and its release. Behind a stem, which makes features small and
    alike already, they are those that were found to keep what the stem gives, and to train in minutes.
    """

    standardise: Standardise = by_stem("none", "view")  # noqa: RUF009
    """Bring features to mean 0 and deviation 1 before anything else: none, pooled (one mean and deviation over
    all views) or view (each view its own). Takes one pass over the pairs, and goes into the saved refiner. Default:
    none, or view with a stem."""
    stem: Literal["none", "pca", "cca"] = added("none")
    """Linear map of each view to ``width`` features before the network that all views share, so that views may have
    any feature sizes, and large ones cost less: none, or one that starts from each view's principal components (pca)
    or from the canonical components of all views (cca). Takes one pass over the pairs."""
    width: int = added(0, at_least=0, at_most=65_536)
    """Features behind the stem; 0 takes the smallest view's number, 128 at most."""
    stem_frozen: bool = added(False)
    """Leave the stem as it starts, instead of training it with the network."""
    context: Context = "frame"
    """What a step may look at: frame (itself alone), time (the valid steps of its row), or batch (other rows at
    the same place in time, as the released code does by mistake; results then depend on batch mates)."""
    layers: int = by_stem(6, 1, **LAYERS)
    """Encoder layers of the refiner. Default: 6, or 1 with a stem."""
    feed_forward: int = ranged(0, at_least=0, at_most=65_536)
    """Width of the feed-forward parts of all encoders; 0 takes the feature size."""
    dropout: float = by_stem(0.1, 0.0, **DROPPED)
    """Dropout of all encoders, in training. Default: 0.1, or 0 with a stem."""
    residual_start: float = by_stem(1.0, 0.1, at_least=0)
    """Weight of the refiner's last normalisation at the start: 1 as in the release; 0.1 starts near the
    identity. Default: 1, or 0.1 with a stem."""

    loss_mean: Literal["valid", "all"] = "valid"
    """Losses over valid steps, or over all steps of a window filled with zeros to window_steps: padding is then data,
    in encoders and losses, as in the released code (74 % of the steps on its pair list)."""
    window_steps: int = ranged(1200, at_least=1, at_most=1_000_000)
    """Steps of a window with loss_mean=all, the same for every window; 1200 as released."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            if getattr(self, entry.name) is None and "by_stem" in entry.metadata:
                object.__setattr__(self, entry.name, entry.metadata["by_stem"][self.stem != "none"])
        if self.width and self.stem == "none":
            raise ConfigError(f"width goes with stem=pca or stem=cca, but is {self.width} with none.")

    @property
    def whole_window(self) -> bool:
        """Whether padding counts as data."""
        return self.loss_mean == "all"

    def alike(self, training: bool) -> bool:
        """Whether all padded steps come out the same: each is computed alone, and draws no dropout of its own."""
        return self.context == "frame" and not (training and self.dropout > 0)


@dataclass(frozen=True, kw_only=True)
class SyncKDConfig(ResidualConfig):
    """Settings of feature distillation."""

    teacher: str = ""
    """View whose features are the target; empty takes the last view (ego, where exo views come first)."""
    students: str = ""
    """Views that are transformed towards it, comma-separated; empty takes all others."""
    teacher_path: Literal["network", "identity"] = by_stem("network", "identity")
    """What the teacher's own view goes through when it is encoded: the network like every view, as in the report,
    or nothing, since its features are the target already. Default: network, or identity with a stem."""


@dataclass(frozen=True, kw_only=True)
class SyncKDHeadConfig(MethodConfig):
    """Settings of head distillation."""

    teacher: str = ""
    """View that the teacher head sees, the one it was trained on; empty takes the first (exo)."""
    students: str = ""
    """Views that the student head sees, comma-separated; empty takes all others."""
    start: Literal["teacher", "random"] = "teacher"
    """Weights of the student at the start: the teacher's, or fresh ones."""


@dataclass(frozen=True, kw_only=True)
class TwoStreamConfig(ResidualConfig):
    """Settings of the two streams."""

    joint_depth: float = by_stem(1.0, 0.1, above=0, at_most=100)
    """Factor on the number of layers of the joint stream's stages; each keeps one at least. Default: 1, or 0.1 with a
    stem."""
    schedule: Literal["report", "constant"] = "report"
    """Weight of the invariance term in training: (100 + e) / (100 + e^1.18) at epoch e, or 1. In evaluation it is
    1, so that losses of different epochs compare."""
    invariance_weight: float = by_stem(1.0, 25.0, at_least=0)
    """Factor on the invariance term, besides the schedule. Default: 1, or 25 with a stem."""
    stop_gradient: Literal["none", "joint", "views"] = "none"
    """What reconstruction takes as given: nothing, as in the report; the joint stream's output (needs
    decode_weight, or nothing would train that stream); or the refined views."""
    view_mark: Mark = "none"
    """What tells the views apart: nothing; constants from -1 (first view) to +1 (last); a learned vector each."""
    mark_at: Literal["joint_training", "joint", "encoding"] = "joint_training"
    """Where the mark is added: to what the joint stream sees, in training only, as in the released code; there in
    evaluation too; or there and to what the refiner sees, always, also when a saved refiner encodes."""
    variance_weight: float = by_stem(0.0, 25.0, at_least=0)
    """Weight of the variance term against collapse (VICReg). Default: 0, or 25 with a stem."""
    variance_target: float = ranged(1.0, at_least=0)
    """Deviation that the variance term asks of every refined feature, in the features' units."""
    covariance_weight: float = by_stem(0.0, 1.0, at_least=0)
    """Weight of the covariance term against collapse (VICReg). Default: 0, or 1 with a stem."""
    decode_weight: float = ranged(0.0, at_least=0)
    """Weight of decoding the views back from the joint stream's output by a linear map, against collapse."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stop_gradient == "joint" and self.decode_weight <= 0:
            raise ConfigError(
                "stop_gradient=joint leaves the joint stream without any gradient. Set decode_weight above 0 too, "
                "so that it learns from decoding the views."
            )


@dataclass(frozen=True, kw_only=True)
class EncodedConfig(MethodConfig):
    """Settings of refiners that add a small network to a linear path; see `viewloom.methods.encoded`."""

    standardise: Standardise = "view"
    """Bring features to mean 0 and deviation 1 before anything else: none, pooled (one mean and deviation over
    all views) or view (each view its own)."""
    encoder: EncoderKind = "conv"
    """What the network looks at: frame (each step by itself), conv (neighbours, by dilated convolutions), or
    transformer (all steps of a window)."""
    path: Literal["cca", "pca", "random"] = "cca"
    """Linear map that learning starts from: canonical components of all views, principal ones of each, or a random
    rotation."""
    path_frozen: bool = False
    """Leave that map as it starts."""
    scale: Literal["correlation", "unit"] = "correlation"
    """Deviation of the canonical components at the start: their correlation between views, or 1 for all."""
    pca_dim: int = ranged(0, at_least=0)
    """Principal components of each view that everything starts from; 0 takes 64 at most, and a tenth of the steps."""
    out_dim: int = ranged(0, at_least=0)
    """Refined features; 0 takes as many as the view with the fewest principal components has."""
    per_view: bool = True
    """A network for each view, or one for all."""
    hidden: int = ranged(144, **WIDTH)
    """Width of the network; with 3 blocks it has about 0.3 million weights."""
    layers: int = ranged(3, **LAYERS)
    """Blocks of the network: convolutions see 2^layers - 1 steps each way."""
    dropout: float = ranged(0.1, **DROPPED)
    """Dropout inside the network, in training."""
    noise: float = ranged(0.5, at_least=0)
    """Deviation of noise added to the principal components (of deviation 1) in training."""
    causal: bool = added(False)
    """Look back only: convolutions see 2 x (2^layers - 1) steps before a step, and no later one, for segmenting a live
    stream. Not with encoder=transformer, which looks at all steps."""

    def __post_init__(self) -> None:
        if self.causal and self.encoder == "transformer":
            raise ConfigError(
                "causal looks back only, and encoder=transformer looks at all steps of a window. Set encoder to conv."
            )


@dataclass(frozen=True, kw_only=True)
class ContrastConfig(EncodedConfig):
    """Settings of contrastive learning."""

    temperature: float = ranged(0.3, above=0)
    """What cosines are divided by; lower ones dwell on the nearest wrong steps."""
    exclude_s: float = ranged(1.0, at_least=0)
    """Steps of the same recording this near in time (s) are no negatives: they look alike."""
    negatives: int = ranged(1024, at_least=2)
    """Steps compared with each other, over all processes, about; of more every so-manieth is taken, from a place
    that changes with every epoch and window."""
    pairs: int = ranged(6, at_least=1)
    """Pairs of views in a step; of more as many are drawn."""


@dataclass(frozen=True, kw_only=True)
class VICRegConfig(EncodedConfig):
    """Settings of VICReg."""

    scale: Literal["correlation", "unit"] = "unit"
    """Deviation of the canonical components at the start: their correlation between views, or 1 for all."""
    invariance_weight: float = ranged(25.0, above=0)
    """Weight of the agreement of views; the paper's."""
    variance_weight: float = ranged(25.0, at_least=0)
    """Weight of the term that keeps every feature's deviation at 1; the paper's."""
    covariance_weight: float = ranged(1.0, at_least=0)
    """Weight of the term that keeps features from repeating each other; the paper's."""


@dataclass(frozen=True, kw_only=True)
class BarlowTwinsConfig(EncodedConfig):
    """Settings of Barlow Twins."""

    redundancy_weight: float = ranged(0.005, at_least=0)
    """Weight of the correlations between different features; the paper's is 0.0051, of thousands of features."""


SETTINGS: Mapping[str, type[MethodConfig]] = {
    "auto": AutoConfig,
    "barlow_twins": BarlowTwinsConfig,
    "cca": CCAConfig,
    "contrast": ContrastConfig,
    "ey": EncodedConfig,
    "none": MethodConfig,
    "random_path": RandomPathConfig,
    "ridge": RidgeConfig,
    "sync_kd": SyncKDConfig,
    "sync_kd_head": SyncKDHeadConfig,
    "two_stream": TwoStreamConfig,
    "two_stream_simple": TwoStreamConfig,
    "vicreg": VICRegConfig,
}
"""Registered names, and the settings that can be shown without importing torch."""
