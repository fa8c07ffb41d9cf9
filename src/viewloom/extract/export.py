"""A PyTorch backbone as an ONNX file, which ONNX Runtime computes about twice as fast on a CPU."""

import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path

import torch

from viewloom.errors import ConfigError
from viewloom.extract.backbones.base import TorchModel, open_backbone, pooled
from viewloom.extract.backbones.onnx import METADATA
from viewloom.extract.settings import ExtractConfig
from viewloom.files import atomic_path
from viewloom.outputs import NOWHERE
from viewloom.requirements import require


class Pooled(torch.nn.Module):
    """A network and the averaging after it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, D)."""
        return pooled(self.network(x))


def export_onnx(backbone: str, path: Path | str, weights: str | None = None, clip: int = 1) -> Path:
    """Write a ``timm:``, ``hf:`` or ``py:`` backbone as one ONNX file that knows its preprocessing.

    Args:
        backbone: as for ``viewloom extract --backbone``.
        path: file to write; replaced where it is there.
        weights: as for ``--weights``.
        clip: frames that give one feature.

    Returns:
        The file.

    Raises:
        ConfigError: for a backbone that is no PyTorch module, or without the package `onnx`.
    """
    onnx = require("onnx")
    opened = open_backbone(
        ExtractConfig(videos="", out=NOWHERE, fps=1, backbone=backbone, weights=weights, clip=clip, device="cpu")
    )
    if not isinstance(opened.model, TorchModel) or not isinstance(opened.model.call, torch.nn.Module):
        raise ConfigError(f"{backbone} is no PyTorch module, so it can't be exported.")
    how = opened.preprocessing
    frames = {"NTCHW": (clip, 3), "NCTHW": (3, clip)}[how.axes] if clip > 1 else (3,)
    example = torch.zeros(2, *frames, how.size, how.size)
    with atomic_path(path) as temporary:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(
                Pooled(opened.model.call).eval(),
                (example,),
                str(temporary),
                input_names=["pictures"],
                output_names=["features"],
                dynamic_axes={"pictures": {0: "frames"}, "features": {0: "frames"}},
                dynamo=False,
            )
        model = onnx.load(str(temporary))
        onnx.helper.set_model_props(model, {METADATA: json.dumps(asdict(how))})
        onnx.save(model, str(temporary))
    return Path(path)
