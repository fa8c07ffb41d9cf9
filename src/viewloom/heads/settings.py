"""Settings of the heads, apart from their networks.

A head of another package, or in a file of its own, nests its settings as ``Config`` instead: nothing here names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_type_hints

from viewloom.errors import ConfigError
from viewloom.identity import added, has_type
from viewloom.ranges import DROPPED, LAYERS, SHARE, WIDTH, Settings, ranged
from viewloom.registry import HEADS

POOLS = (2, 3, 5, 6)
LEVEL_WEIGHTS = {"c2f_tcn": (1.0, 1.0, 1.0, 1.0, 0.0, 0.0), "view_invariance": (1.0,) * 6}
"""How decoder levels vote, finest first, by the release: that of C2F-TCN itself, whose two coarsest levels have no
say, and that of the view-invariance report, where all have the same, as in Assembly101's baseline."""
MIN_STEPS = 2**6 * max(POOLS)
"""Shortest canvas: six halvings must leave enough steps for the widest pool of the pyramid."""
MAX_LAYERS = 16
"""Most layers of a stage: dilation doubles with each, and so does the padding that is computed."""
DILATED: Mapping[str, float] = {"at_least": 1, "at_most": MAX_LAYERS}
"""Bounds of dilated layers: the last of 16 looks 32,768 steps far already."""


@dataclass(frozen=True, kw_only=True)
class HeadConfig(Settings, called="head_options"):
    """Settings of a head; each head nests its own as ``Config``."""

    standardise: bool = True
    """Bring each input feature to mean 0 and deviation 1 over the training windows' steps, and cut it off at 10
    deviations; the statistics are saved with the head. False takes features as they are, as published heads do."""


@dataclass(frozen=True, kw_only=True)
class C2FTCNConfig(HeadConfig):
    """Settings of C2F-TCN."""

    canvas: Literal["length", "window"] = "length"
    """Steps a row is computed at: length (its own, at least 384), or window (window_steps, as published)."""
    window_steps: int = ranged(1200, at_least=MIN_STEPS, at_most=1_000_000)
    """Steps of the canvas with canvas=window, whose padding is computed, and counted in batch norm, too."""
    width: int = ranged(128, **WIDTH)
    """Channels of the decoder and of the deep encoder levels; the first three have twice as many."""
    level_weights: tuple[float, ...] = ranged((1.0, 1.0, 1.0, 1.0, 1.0, 1.0), at_least=0)
    """Say of each decoder level in the vote, finest first."""
    smoothing: float = ranged(0.17, at_least=0)
    """Weight of the smoothing term beside the cross-entropy."""
    smoothing_mean: Literal["valid", "all"] = "valid"
    """Smoothing is averaged over valid steps, or over the whole window with its padding (released code)."""
    probability_floor: float = ranged(0.0, **SHARE)
    """Added to probabilities before the logarithm of the loss; the released code has 1e-10."""

    def __post_init__(self) -> None:
        # A tuple also after a round trip through JSON or YAML, which only know lists.
        self._settle(level_weights=tuple(self.level_weights))
        _check(self)


def _check(config: C2FTCNConfig) -> None:
    """Refuse settings that can't work."""
    weights = config.level_weights
    faults = (
        (config.canvas not in ("length", "window"), f"canvas is {config.canvas!r}; it can be length or window"),
        (
            len(weights) != 6 or not sum(weights),
            f"level_weights is {weights}; it takes six, not all zero",
        ),
        (
            config.smoothing_mean not in ("valid", "all"),
            f"smoothing_mean is {config.smoothing_mean!r}; it can be valid or all",
        ),
        (
            config.smoothing_mean == "all" and config.canvas != "window",
            "smoothing_mean 'all' counts padding, whose amount is only fixed with canvas 'window'; "
            "set canvas to window, or smoothing_mean to valid",
        ),
    )
    _refuse("c2f_tcn", faults)


def _refuse(head: str, faults: Iterable[tuple[bool, str]]) -> None:
    """`ConfigError` of the first fault that is there."""
    for found, fault in faults:
        if found:
            raise ConfigError(f"Head {head}: {fault}.")


@dataclass(frozen=True, kw_only=True)
class SmoothedConfig(HeadConfig):
    """Settings of heads in one stage or several, each with the loss of MS-TCN."""

    smoothing: float = ranged(0.15, at_least=0)
    """Weight of the smoothing term beside the cross-entropy."""
    smoothing_limit: float = ranged(4.0, above=0)
    """Changes of a log-probability from step to step are smoothed up to this size."""


@dataclass(frozen=True, kw_only=True)
class CausalConfig(SmoothedConfig):
    """Settings of heads that can look back only."""

    causal: bool = False
    """Look back only: a step's result then depends on no later one, for segmenting a live stream."""
    lookahead_steps: int = added(0, at_least=0, at_most=10_000_000)
    """With causal: steps after its own that are seen before it is said what a step is. `viewloom train --lookahead_s`
    sets it in seconds."""


def _check_causal(head: str, config: CausalConfig) -> None:
    """Refuse a look-ahead that can't work."""
    needless = (
        config.lookahead_steps > 0 and not config.causal,
        f"lookahead_steps is {config.lookahead_steps}, but without causal it looks ahead anyway; set causal to true",
    )
    _refuse(head, [needless])


@dataclass(frozen=True, kw_only=True)
class StagedConfig(CausalConfig):
    """Settings of heads of dilated temporal convolutions in one stage or several, as in MS-TCN."""

    width: int = ranged(64, **WIDTH)
    """Channels of every layer."""
    dropout: float = ranged(0.5, **DROPPED)
    """Share of each layer's output that is dropped in training."""


@dataclass(frozen=True, kw_only=True)
class TCNConfig(StagedConfig):
    """Settings of the single-stage TCN."""

    layers: int = ranged(10, **DILATED)
    """Dilated layers; the last looks 2^(layers - 1) steps to each side, so ten see 1,023."""

    def __post_init__(self) -> None:
        _check_causal("tcn", self)


@dataclass(frozen=True, kw_only=True)
class MSTCN2Config(StagedConfig):
    """Settings of MS-TCN++; the defaults are the released network."""

    layers: int = ranged(11, **DILATED)
    """Dual dilated layers of the first stage; each of their two convolutions looks up to 2^(layers - 1) steps far."""
    refinements: int = ranged(3, at_least=0, at_most=1000)
    """Refinement stages after it, each with parameters of its own; 0 leaves them out."""
    refinement_layers: int = ranged(10, **DILATED)
    """Dilated layers of a refinement stage."""

    def __post_init__(self) -> None:
        _check_causal("ms_tcn2", self)


@dataclass(frozen=True, kw_only=True)
class LinearConfig(HeadConfig):
    """Settings of the linear probe."""

    bias: bool = True
    """Add a learned constant to each class's logit."""


@dataclass(frozen=True, kw_only=True)
class ASFormerConfig(CausalConfig):
    """Settings of ASFormer."""

    layers: int = ranged(10, **DILATED)
    """Layers of the encoder and of each decoder; from 1 step on, dilation and window double with each."""
    decoders: int = ranged(3, at_least=0, at_most=1000)
    """Decoders behind the encoder; 0 leaves it alone."""
    width: int = ranged(64, **WIDTH)
    """Channels."""
    reduction: int = ranged(2, **WIDTH)
    """Queries, keys and values have the channels divided by this (r1 and r2 of the paper)."""
    channel_dropout: float = ranged(0.3, **DROPPED)
    """Share of input features that a row loses in training, all their steps at once."""
    dropout: float = ranged(0.5, **DROPPED)
    """Share of values that a layer loses in training before they are added to its input."""
    masks: Literal["exact", "released"] = "exact"
    """Attention weights over exactly the valid steps of a window (exact), or with what the released code does: a
    window lacks its last step, and 1e-6 of a share goes to each that isn't valid (released, for its checkpoints)."""
    causal: bool = False
    """Look back only, for use while a recording still runs: convolutions, attention (at a window before the block,
    and in it up to oneself), and instead of instance norm over the row one over the channels of each step."""

    def __post_init__(self) -> None:
        _check_causal("asformer", self)
        if self.width % self.reduction:
            raise ConfigError(f"Head asformer: reduction is {self.reduction}; it must divide width {self.width}.")
        if self.masks not in ("exact", "released"):
            raise ConfigError(f"Head asformer: masks is {self.masks!r}; it can be exact or released.")
        if self.causal and self.masks == "released":
            raise ConfigError("Head asformer: masks 'released' look ahead; with causal true set masks to exact.")


@dataclass(frozen=True, kw_only=True)
class LTContextConfig(SmoothedConfig):
    """Settings of LTContext."""

    stages: int = ranged(4, **LAYERS)
    """Stages, each but the first refining the classes of the one before it."""
    layers: int = ranged(9, **DILATED)
    """Layers of each stage; from 1 step on, dilation doubles with each."""
    width: int = ranged(64, **WIDTH)
    """Channels of the first stage."""
    shrink: int = ranged(2, **WIDTH)
    """Later stages have the first one's channels divided by this."""
    reduction: int = ranged(2, **WIDTH)
    """Queries, keys and values have the channels of their stage divided by this."""
    window: int = ranged(64, at_least=1, at_most=1_000_000)
    """Steps of a block, which also sees half as many on either side of it (W of the paper)."""
    stride: int = ranged(64, at_least=1, at_most=1_000_000)
    """Each step also sees every step of the row that is a multiple of this away (G of the paper); 1 is full attention,
    and memory grows with the square of the steps divided by this."""
    channel_dropout: float = ranged(0.3, **DROPPED)
    """Share of input features that a row loses in training, all their steps at once."""
    dropout: float = ranged(0.2, **DROPPED)
    """Share of values that a layer loses in training before they are added to its input."""

    def __post_init__(self) -> None:
        if self.width % (self.shrink * self.reduction):
            raise ConfigError(
                f"Head ltcontext: width is {self.width}; shrink {self.shrink} times reduction {self.reduction} must "
                "divide it."
            )


@dataclass(frozen=True, kw_only=True)
class BoundaryConfig(HeadConfig):
    """Settings of the boundary head: what finds boundaries, and the head whose actions they cut into segments."""

    inner: str = "ms_tcn2"
    """Registered head that finds the actions; any but boundary itself."""
    inner_options: dict[str, Any] | HeadConfig | None = None
    """Its settings, as `viewloom train --head INNER --help` lists them: --head_options.inner_options.width 32. It can't
    be causal, since a segment takes one action over its whole length, and what standardises is the boundary head."""
    stages: int = ranged(4, **LAYERS)
    """Stages that find boundaries: one of the features, and others that each refine the boundaries found so far."""
    layers: int = ranged(10, **DILATED)
    """Dilated layers of each; the last looks 2^(layers - 1) steps to each side."""
    width: int = ranged(64, **WIDTH)
    """Their channels."""
    dropout: float = ranged(0.5, **DROPPED)
    """Share of each layer's output that is dropped in training."""
    loss_weight: float = ranged(0.1, at_least=0)
    """Weight of the boundaries' loss beside the inner head's."""
    positive_weight: float | None = ranged(None, above=0)
    """Weight of a boundary step in that loss, where another step has 1; default: as many as there are other steps for
    each boundary step in the batch, so that both kinds weigh the same."""
    threshold: float = ranged(0.5, above=0, below=1)
    """Probability from which a local maximum is a boundary."""
    vote: Literal["mean", "majority"] = "mean"
    """How the steps of a segment agree on its action: the mean of their probabilities, or, as published, the share of
    steps in which each action is the likeliest."""

    def __post_init__(self) -> None:
        if self.vote not in ("mean", "majority"):
            raise ConfigError(f"Head boundary: vote is {self.vote!r}; it can be mean or majority.")
        object.__setattr__(self, "inner_options", _inner_settings(self.inner, self.inner_options))

    @property
    def inner_config(self) -> HeadConfig:
        """Settings of the inner head."""
        assert isinstance(self.inner_options, HeadConfig)
        return self.inner_options


def _inner_settings(name: str, options: dict[str, Any] | HeadConfig | None) -> HeadConfig:
    """The settings of an inner head, all of them, from those that are set."""
    if name == "boundary":
        raise ConfigError("Head boundary: inner is 'boundary', but it can't stand in itself. Name another head.")
    cls: type[HeadConfig] = HEADS.settings(name)
    values = asdict(options) if isinstance(options, HeadConfig) else dict(options or {})
    hints, faults = get_type_hints(cls), []
    for key, value in values.items():
        there = key in hints
        wrong = f"{key!r} must be {hints[key]}, but is {value!r}" if there else f"{name} has no setting {key!r}"
        faults.append((not there or not has_type(value, hints[key]), f"inner_options: {wrong}"))
    faults.append((values.get("standardise") is True, "inner_options: standardise belongs to the boundary head"))
    faults.append((values.get("causal") is True, "inner_options: causal is true, but a segment's action looks ahead"))
    _refuse("boundary", faults)
    return cls(**values | {"standardise": False})


SETTINGS: Mapping[str, type[HeadConfig]] = {
    "boundary": BoundaryConfig,
    "c2f_tcn": C2FTCNConfig,
    "linear": LinearConfig,
    "tcn": TCNConfig,
    "ms_tcn2": MSTCN2Config,
    "asformer": ASFormerConfig,
    "ltcontext": LTContextConfig,
}
"""Registered names, and the settings that can be shown without importing their networks."""
