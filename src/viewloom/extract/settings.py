"""Settings of `viewloom extract`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError
from viewloom.ranges import PROCESSES, Settings, ranged


@dataclass(frozen=True, kw_only=True)
class _Clips(Settings):
    """What has features computed, and where they go; apart, so that these settings come first in --help."""

    videos: str
    """Folder with <recording>/<view>.mp4 (or any container FFmpeg reads), or image folders <recording>/<view>/,
    or a CSV file with the columns recording,view,path,offset_s."""
    out: str
    """Folder of the feature store; one begun there with the same settings is gone on with."""
    backbone: str
    """What computes the features: timm:NAME, hf:NAME, onnx:FILE or py:module:factory."""
    fps: float = ranged(at_least=0.01, at_most=1000)
    """Frames per second to take, by the videos' timestamps; image folders are read as having this rate."""


@dataclass(frozen=True, kw_only=True)
class BackboneConfig(Settings):
    """How frames of a video become features, in a store (`ExtractConfig`) and in a stream (`viewloom.online`)."""

    weights: str | None = None
    """File or folder of the backbone's weights, for machines without a network."""
    clip: int = ranged(1, at_least=1, at_most=1024)
    """Frames in a row that give one feature, for video backbones; centred on the feature's frame."""
    size: int | None = ranged(None, at_least=8, at_most=4096)
    """Width and height of the pictures in pixels; default: as the backbone says, else 224."""
    resize: int | None = ranged(None, at_least=8, at_most=8192)
    """Shorter side in pixels before the middle square is cut out; default: as the backbone says, else size x 8 / 7."""
    fit: Literal["crop", "squash"] | None = None
    """Cut the middle square out of the picture, or squash all of it into the square; default: crop."""
    mean: str | None = None
    """Mean of red, green and blue to subtract, on a scale from 0 to 1: 0.485,0.456,0.406."""
    std: str | None = None
    """Deviation of red, green and blue to divide by: 0.229,0.224,0.225."""
    decoder: Literal["pyav", "torchcodec"] = "pyav"
    """What decodes the videos. torchcodec uses the system's FFmpeg; its pictures differ by rounding in the colours."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type that features are rounded to in the packed store, and in a stream; npy and lmdb hold float32."""
    together: int | None = ranged(None, at_least=1, at_most=4096)
    """Frames that one call of the backbone computes; default: 1 on a CPU, 32 on a GPU. Rounding depends on it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the backbone runs; auto: on a GPU where there is one."""
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Arithmetic of the backbone; auto: float16 on a GPU, float32 on a CPU."""


@dataclass(frozen=True, kw_only=True)
class ExtractConfig(BackboneConfig, _Clips):
    """Features of videos: one for each frame of a common clock, from any image or video backbone."""

    store: Literal["packed", "npy", "lmdb"] = "packed"
    """Store to write: packed (safetensors), npy files (T, D), or Assembly101's LMDB layout."""
    batch: int = ranged(32, at_least=1, at_most=4096)
    """Frames decoded, computed and written at a time. Memory depends on it, the result doesn't."""
    workers: int | None = ranged(None, **PROCESSES)
    """Processes, each at a clip of its own; default: one for each core, at most 8 (on a GPU 2). 0: this one alone."""
    views_file: str | None = None
    """YAML file that names views and their cameras; the videos are then named after cameras."""
    plan: bool = False
    """Say how many files and frames there are, how large the store would be and how long it would take."""

    def __post_init__(self) -> None:
        if self.store == "lmdb" and self.fps != 30:
            raise ConfigError(
                f"The LMDB layout doesn't say its frame rate and is read as 30, but --fps is {self.fps:g}. "
                "Choose --store packed, which says it."
            )
