"""Settings of `viewloom export`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError
from viewloom.ranges import FRAMES, SHARE, Settings, ranged


@dataclass(frozen=True, kw_only=True)
class ExportConfig(Settings):
    """Write a trained head, its refiner, or both, as a file that runs without viewloom."""

    run: str
    """Run folder of `viewloom train`; of `viewloom pretrain` with --what refiner."""
    out: str
    """File to write, and beside it the same name with .json behind: what goes in and comes out. Where a refiner tells
    views apart and several are exported, each has a file of its own, with the view before the ending."""
    to: Literal["onnx", "torch_export"] = "onnx"
    """Format: onnx, for ONNX Runtime, or torch_export, for `torch.export.load`."""
    what: Literal["both", "refiner", "head", "online"] = "both"
    """What is exported: both, from frames or steps to class probabilities; refiner, from steps to refined steps; head,
    from what its refiner gives (or from steps) to class probabilities of steps; online, one step of a stream, from the
    frames of a chunk and a state to class probabilities and the next state."""
    input: Literal["frames", "steps"] = "frames"
    """What both takes: frames, pooled inside at every chunk size, over which probabilities are averaged, as `viewloom
    predict` does; or steps, pooled before, at one chunk size."""
    windows: Literal["whole", "cut"] = "whole"
    """With frames: a recording is one window (whole), or cut into windows of the head's max_chunks steps, as `viewloom
    predict` does (cut). Each is then computed at full length, and a short recording takes as long as a long window."""
    views: str | None = None
    """Views to export for, comma-separated; default: all that the head or its refiner learned from."""
    chunk_frames: int | None = ranged(None, **FRAMES)
    """Frames of a step, for --what refiner, online and --input steps: it matters to refiners that look at time alone
    (delay_cca). Default: the one chunk size that the head is used with; of several, the one it was trained with."""
    lengths: int = ranged(20, at_least=1, at_most=20)
    """Inputs of different lengths on which the file is compared with PyTorch once it is written."""
    tolerance: float = ranged(1e-4, **SHARE)
    """Largest difference allowed there; of refined features, as a share of the largest of them."""
    overwrite: bool = False
    """Replace files that are there."""

    def __post_init__(self) -> None:
        if self.windows == "cut" and (self.what != "both" or self.input != "frames"):
            raise ConfigError("--windows cut is for --what both with --input frames: nothing else cuts windows.")
