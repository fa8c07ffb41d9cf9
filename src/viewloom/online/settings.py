"""Settings of `viewloom predict --online`."""

from dataclasses import asdict, dataclass, field
from typing import Literal

from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError
from viewloom.extract.settings import BackboneConfig, ExtractConfig
from viewloom.outputs import NOWHERE
from viewloom.ranges import SECONDS, Settings, ranged


@dataclass(frozen=True, kw_only=True)
class CameraConfig(BackboneConfig, called="camera"):
    """How frames of a video become features; as in `viewloom extract`, and as the training features were made."""

    backbone: str | None = None
    """What computes the features: timm:NAME, hf:NAME, onnx:FILE or py:module:factory. With it the input is a video;
    half of a clip, and all frames of a call, are waited for."""

    def as_extract(self, video: str, fps: float) -> ExtractConfig:
        """The settings of `viewloom extract` that make the same features; `ConfigError` where they can't work."""
        return ExtractConfig(videos=video, out=NOWHERE, fps=fps, **asdict(self))


@dataclass(frozen=True, kw_only=True)
class OnlineConfig(Settings):
    """Segment one view of a recording while it runs: features or a video in, a line of JSON a segment out."""

    run: str
    """Run folder of `viewloom train`, whose head and refiner look back only (--head_options.causal true)."""
    input: str = "-"
    """Features: - reads standard input, a path follows a file that may still grow. Both hold npy (T, D), in C order, or
    bare float32, little endian, D to a frame, and are told apart by their first bytes; an npy header's T isn't looked
    at. With --camera.backbone: a video file or a folder of images."""
    out: str = "-"
    """File for the segments, a JSON object a line, each written as soon as its segment has closed; - is standard
    output."""
    view: str | None = None
    """View that the frames are of; default: any, where head and refiner tell none apart."""
    fps: float | None = ranged(None, at_least=0.01, at_most=1000)
    """Frames per second of the input; default: as the view had in training."""
    lookahead_s: float | None = ranged(None, at_least=0, at_most=3600)
    """Refuse a head that looks further than so many seconds behind the end of a step. How far it does is said at the
    start, and set in training (viewloom train --lookahead_s)."""
    state: str | None = None
    """File (safetensors) that keeps the state: written every --save_every_s and where the stream is stopped; if it is
    there, the stream goes on from it. A file as input is then read from the frame it stopped at; what comes through
    standard input is taken as the next frames."""
    save_every_s: float = ranged(60.0, **SECONDS)
    """Seconds between two writings of the state."""
    at_end: Literal["close", "keep"] = "close"
    """At the end of the input: the recording is over, and its last segments are written (close), or it goes on later
    from --state (keep). Ctrl-C, SIGTERM and --stop_file stop the stream: with --state it is kept, else closed."""
    idle_s: float = ranged(10.0, **SECONDS)
    """A file that hasn't grown for so many seconds has ended."""
    stop_file: str | None = None
    """Stop as soon as there is a file of this name."""
    accelerator: str = "cpu"
    """Device of refiner and head: cpu, cuda, auto. For a stream's small blocks a CPU is mostly faster."""
    overwrite: bool = False
    """Replace segments and state of an earlier stream."""
    camera: CameraConfig = field(default_factory=CameraConfig)
    """How frames of a video become features."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Chunks; by default as the head was trained. One of --sampling.test_chunks decides sooner than three."""

    def __post_init__(self) -> None:
        if self.at_end == "keep" and self.state is None:
            raise ConfigError("--at_end keep keeps the stream's state, which needs a file. Pass --state FILE.")
        if self.camera.backbone is not None and self.input == "-":
            raise ConfigError("--camera.backbone computes features of a video. Pass its path as --input.")
