"""Extraction on one thread: EfficientNet-Lite0 by ONNX Runtime against PyTorch, and all the way from a video file.

Both sides of the ratio compute the same pictures, one in each call as `viewloom extract` does, and must find the same
features to 1e-3. The figure is the whole way of a 640 x 480 clip: decoding, resizing, network, writing the store.

    python benchmarks/extract.py --pictures 48
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from timing import figure, in_turn, ratio, show

from viewloom.errors import ConfigError
from viewloom.extract.backbones.base import open_backbone
from viewloom.extract.export import export_onnx
from viewloom.extract.run import run_extract
from viewloom.extract.settings import ExtractConfig

LITE0 = "py:viewloom.extract.efficientnet:lite0"
FPS = 30


def settings(backbone: str, videos: Path = Path(), out: Path = Path()) -> ExtractConfig:
    """One process on the CPU."""
    return ExtractConfig(videos=str(videos), out=str(out), backbone=backbone, fps=FPS, workers=0, device="cpu")


def write_video(path: Path, frames: int) -> None:
    """Smooth noise that drifts, so that the file is neither empty nor incompressible."""
    path.parent.mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(0, 256, (16, 16 + frames, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number in range(frames):
            picture = np.ascontiguousarray(coarse[:, number : number + 16])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(640, 480)))
        container.mux(stream.encode())


def main() -> None:
    """Export, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    path = "EfficientNet-Lite0 at 224 pixels, one thread"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            onnx = f"onnx:{export_onnx(LITE0, root / 'lite0.onnx')}"
            networks = {"PyTorch": open_backbone(settings(LITE0)), "ONNX Runtime": open_backbone(settings(onnx))}
        except ConfigError as error:
            show({"settings": vars(args), "not_measured": [{"path": path, "reason": str(error)}]})
            return
        pictures = np.random.default_rng(1).integers(0, 256, (args.pictures, 1, 224, 224, 3), np.uint8)
        wanted = networks["PyTorch"](pictures)

        def check(name: str, found: Any) -> None:
            assert np.abs(found - wanted).max() < 1e-3, f"{name} computes something else"

        ways = {name: partial(network, pictures) for name, network in networks.items()}
        seconds = in_turn(ways, args.repeats, check)
        write_video(root / "videos" / "recording" / "camera.mp4", args.pictures * 3)
        result = run_extract(settings(onnx, root / "videos", root / "features"))
        assert not result.failed and result.frames == args.pictures * 3
        whole = figure("extract, frames a second from mp4 to store", result.frames / result.seconds, "frames/s")
        show({"settings": vars(args), "ratios": [ratio(path, seconds, "PyTorch", "ONNX Runtime")], "figures": [whole]})


if __name__ == "__main__":
    main()
