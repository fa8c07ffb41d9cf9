"""Settings of the heads, apart from their networks.

A head of another package, or in a file of its own, nests its settings as ``Config`` instead: nothing here names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_type_hints

from viewloom.errors import ConfigError
from viewloom.identity import added, has_type
from viewloom.registry import HEADS

POOLS = (2, 3, 5, 6)
LEVEL_WEIGHTS = {"c2f_tcn": (1.0, 1.0, 1.0, 1.0, 0.0, 0.0), "view_invariance": (1.0,) * 6}
"""How decoder levels vote, finest first, by the release: that of C2F-TCN itself, whose two coarsest levels have no
say, and that of the view-invariance report, where all have the same, as in Assembly101's baseline."""
MIN_STEPS = 2**6 * max(POOLS)
"""Shortest canvas: six halvings must leave enough steps for the widest pool of the pyramid."""
MAX_LAYERS = 16
"""Most layers of a stage: dilation doubles with each, and so does the padding that is computed."""


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Settings of a head; each head nests its own as ``Config``."""

    standardise: bool = True
    """Bring each input feature to mean 0 and deviation 1 over the training windows' steps, and cut it off at 10
    deviations; the statistics are saved with the head. False takes features as they are, as published heads do."""


@dataclass(frozen=True, kw_only=True)
class C2FTCNConfig(HeadConfig):
    """Settings of C2F-TCN."""

    canvas: Literal["length", "window"] = "length"
    """Steps a row is computed at: length (its own, at least 384), or window (window_steps, as published)."""
    window_steps: int = 1200
    """Steps of the canvas with canvas=window, whose padding is computed, and counted in batch norm, too."""
    width: int = 128
    """Channels of the decoder and of the deep encoder levels; the first three have twice as many."""
    level_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    """Say of each decoder level in the vote, finest first."""
    smoothing: float = 0.17
    """Weight of the smoothing term beside the cross-entropy."""
    smoothing_mean: Literal["valid", "all"] = "valid"
    """Smoothing is averaged over valid steps, or over the whole window with its padding (released code)."""
    probability_floor: float = 0.0
    """Added to probabilities before the logarithm of the loss; the released code has 1e-10."""

    def __post_init__(self) -> None:
        # A tuple also after a round trip through JSON or YAML, which only know lists.
        object.__setattr__(self, "level_weights", tuple(self.level_weights))
        _check(self)


def _check(config: C2FTCNConfig) -> None:
    """Refuse settings that can't work."""
    weights = config.level_weights
    faults = (
        (config.canvas not in ("length", "window"), f"canvas is {config.canvas!r}; it can be length or window"),
        (
            config.window_steps < MIN_STEPS,
            f"window_steps is {config.window_steps}; the net needs at least {MIN_STEPS}",
        ),
        _too_small(config, "width"),
        (
            len(weights) != 6 or min(weights) < 0 or not sum(weights),
            f"level_weights is {weights}; it takes six, none negative, not all zero",
        ),
        _negative(config, "smoothing"),
        (
            config.smoothing_mean not in ("valid", "all"),
            f"smoothing_mean is {config.smoothing_mean!r}; it can be valid or all",
        ),
        (
            config.smoothing_mean == "all" and config.canvas != "window",
            "smoothing_mean 'all' counts padding, whose amount is only fixed with canvas 'window'; "
            "set canvas to window, or smoothing_mean to valid",
        ),
        _negative(config, "probability_floor"),
    )
    _refuse("c2f_tcn", faults)


def _refuse(head: str, faults: Iterable[tuple[bool, str]]) -> None:
    """`ConfigError` of the first fault that is there."""
    for found, fault in faults:
        if found:
            raise ConfigError(f"Head {head}: {fault}.")


def _too_small(config: HeadConfig, name: str, least: int = 1) -> tuple[bool, str]:
    value = getattr(config, name)
    return value < least, f"{name} is {value}; it must be at least {least}"


def _negative(config: HeadConfig, name: str) -> tuple[bool, str]:
    value = getattr(config, name)
    return value < 0, f"{name} is {value}; it can't be negative"


@dataclass(frozen=True, kw_only=True)
class SmoothedConfig(HeadConfig):
    """Settings of heads in one stage or several, each with the loss of MS-TCN."""

    smoothing: float = 0.15
    """Weight of the smoothing term beside the cross-entropy."""
    smoothing_limit: float = 4.0
    """Changes of a log-probability from step to step are smoothed up to this size."""


@dataclass(frozen=True, kw_only=True)
class CausalConfig(SmoothedConfig):
    """Settings of heads that can look back only."""

    causal: bool = False
    """Look back only: a step's result then depends on no later one, for segmenting a live stream."""
    lookahead_steps: int = added(0)
    """With causal: steps after its own that are seen before it is said what a step is. `viewloom train --lookahead_s`
    sets it in seconds."""


def _check_causal(head: str, config: CausalConfig) -> None:
    """Refuse a look-ahead that can't work."""
    needless = (
        config.lookahead_steps > 0 and not config.causal,
        f"lookahead_steps is {config.lookahead_steps}, but without causal it looks ahead anyway; set causal to true",
    )
    _refuse(head, [_negative(config, "lookahead_steps"), needless])


@dataclass(frozen=True, kw_only=True)
class StagedConfig(CausalConfig):
    """Settings of heads of dilated temporal convolutions in one stage or several, as in MS-TCN."""

    width: int = 64
    """Channels of every layer."""
    dropout: float = 0.5
    """Share of each layer's output that is dropped in training."""


def _check_staged(head: str, config: StagedConfig, *depths: str) -> None:
    """Refuse settings that can't work; ``depths`` are those that say how many layers a stage has."""
    deepest = max(depths, key=lambda name: getattr(config, name))
    too_deep = (
        getattr(config, deepest) > MAX_LAYERS,
        f"{deepest} is {getattr(config, deepest)}; the last of {MAX_LAYERS} layers already looks "
        f"{2 ** (MAX_LAYERS - 1)} steps far",
    )
    _refuse(head, [*(_too_small(config, name) for name in ("width", *depths)), too_deep])
    _check_trained(head, config, "dropout")
    _check_causal(head, config)


def _check_trained(head: str, config: SmoothedConfig, *shares: str) -> None:
    """Refuse shares that aren't from 0 to below 1, and a smoothing that there isn't."""
    faults = [
        (not 0 <= getattr(config, name) < 1, f"{name} is {getattr(config, name)}; it must be at least 0 and below 1")
        for name in shares
    ]
    limit = (config.smoothing_limit <= 0, f"smoothing_limit is {config.smoothing_limit}; it must be above 0")
    _refuse(head, [*faults, _negative(config, "smoothing"), limit])


@dataclass(frozen=True, kw_only=True)
class TCNConfig(StagedConfig):
    """Settings of the single-stage TCN."""

    layers: int = 10
    """Dilated layers; the last looks 2^(layers - 1) steps to each side, so ten see 1,023."""

    def __post_init__(self) -> None:
        _check_staged("tcn", self, "layers")


@dataclass(frozen=True, kw_only=True)
class MSTCN2Config(StagedConfig):
    """Settings of MS-TCN++; the defaults are the released network."""

    layers: int = 11
    """Dual dilated layers of the first stage; each of their two convolutions looks up to 2^(layers - 1) steps far."""
    refinements: int = 3
    """Refinement stages after it, each with parameters of its own; 0 leaves them out."""
    refinement_layers: int = 10
    """Dilated layers of a refinement stage."""

    def __post_init__(self) -> None:
        _check_staged("ms_tcn2", self, "layers", "refinement_layers")
        _refuse("ms_tcn2", [_negative(self, "refinements")])


@dataclass(frozen=True, kw_only=True)
class LinearConfig(HeadConfig):
    """Settings of the linear probe."""

    bias: bool = True
    """Add a learned constant to each class's logit."""


@dataclass(frozen=True, kw_only=True)
class ASFormerConfig(CausalConfig):
    """Settings of ASFormer."""

    layers: int = 10
    """Layers of the encoder and of each decoder; from 1 step on, dilation and window double with each."""
    decoders: int = 3
    """Decoders behind the encoder; 0 leaves it alone."""
    width: int = 64
    """Channels."""
    reduction: int = 2
    """Queries, keys and values have the channels divided by this (r1 and r2 of the paper)."""
    channel_dropout: float = 0.3
    """Share of input features that a row loses in training, all their steps at once."""
    dropout: float = 0.5
    """Share of values that a layer loses in training before they are added to its input."""
    masks: Literal["exact", "released"] = "exact"
    """Attention weights over exactly the valid steps of a window (exact), or with what the released code does: a
    window lacks its last step, and 1e-6 of a share goes to each that isn't valid (released, for its checkpoints)."""
    causal: bool = False
    """Look back only, for use while a recording still runs: convolutions, attention (at a window before the block,
    and in it up to oneself), and instead of instance norm over the row one over the channels of each step."""

    def __post_init__(self) -> None:
        _check_causal("asformer", self)
        sizes = (_too_small(self, name) for name in ("layers", "width", "reduction"))
        _refuse("asformer", [*sizes, _too_small(self, "decoders", 0)])
        _check_trained("asformer", self, "channel_dropout", "dropout")
        if self.width % self.reduction:
            raise ConfigError(f"Head asformer: reduction is {self.reduction}; it must divide width {self.width}.")
        if self.masks not in ("exact", "released"):
            raise ConfigError(f"Head asformer: masks is {self.masks!r}; it can be exact or released.")
        if self.causal and self.masks == "released":
            raise ConfigError("Head asformer: masks 'released' look ahead; with causal true set masks to exact.")


@dataclass(frozen=True, kw_only=True)
class LTContextConfig(SmoothedConfig):
    """Settings of LTContext."""

    stages: int = 4
    """Stages, each but the first refining the classes of the one before it."""
    layers: int = 9
    """Layers of each stage; from 1 step on, dilation doubles with each."""
    width: int = 64
    """Channels of the first stage."""
    shrink: int = 2
    """Later stages have the first one's channels divided by this."""
    reduction: int = 2
    """Queries, keys and values have the channels of their stage divided by this."""
    window: int = 64
    """Steps of a block, which also sees half as many on either side of it (W of the paper)."""
    stride: int = 64
    """Each step also sees every step of the row that is a multiple of this away (G of the paper); 1 is full attention,
    and memory grows with the square of the steps divided by this."""
    channel_dropout: float = 0.3
    """Share of input features that a row loses in training, all their steps at once."""
    dropout: float = 0.2
    """Share of values that a layer loses in training before they are added to its input."""

    def __post_init__(self) -> None:
        sizes = ("stages", "layers", "width", "shrink", "reduction", "window", "stride")
        _refuse("ltcontext", (_too_small(self, name) for name in sizes))
        _check_trained("ltcontext", self, "channel_dropout", "dropout")
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
    stages: int = 4
    """Stages that find boundaries: one of the features, and others that each refine the boundaries found so far."""
    layers: int = 10
    """Dilated layers of each; the last looks 2^(layers - 1) steps to each side."""
    width: int = 64
    """Their channels."""
    dropout: float = 0.5
    """Share of each layer's output that is dropped in training."""
    loss_weight: float = 0.1
    """Weight of the boundaries' loss beside the inner head's."""
    positive_weight: float | None = None
    """Weight of a boundary step in that loss, where another step has 1; default: as many as there are other steps for
    each boundary step in the batch, so that both kinds weigh the same."""
    threshold: float = 0.5
    """Probability, above 0 and below 1, from which a local maximum is a boundary."""
    vote: Literal["mean", "majority"] = "mean"
    """How the steps of a segment agree on its action: the mean of their probabilities, or, as published, the share of
    steps in which each action is the likeliest."""

    def __post_init__(self) -> None:
        _check_trained_stages(self)
        object.__setattr__(self, "inner_options", _inner_settings(self.inner, self.inner_options))

    @property
    def inner_config(self) -> HeadConfig:
        """Settings of the inner head."""
        assert isinstance(self.inner_options, HeadConfig)
        return self.inner_options


def _check_trained_stages(config: BoundaryConfig) -> None:
    """Refuse settings that can't work."""
    faults = [_too_small(config, name) for name in ("stages", "layers", "width")]
    faults += [
        (config.layers > MAX_LAYERS, f"layers is {config.layers}; it must be {MAX_LAYERS} at most"),
        (not 0 <= config.dropout < 1, f"dropout is {config.dropout}; it must be at least 0 and below 1"),
        _negative(config, "loss_weight"),
        (
            config.positive_weight is not None and config.positive_weight <= 0,
            f"positive_weight is {config.positive_weight}; it must be above 0",
        ),
        (not 0 < config.threshold < 1, f"threshold is {config.threshold}; it must be above 0 and below 1"),
        (config.vote not in ("mean", "majority"), f"vote is {config.vote!r}; it can be mean or majority"),
    ]
    _refuse("boundary", faults)


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
