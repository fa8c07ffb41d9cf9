"""Packages that only extraction needs, imported when they are used."""

from typing import Any

from viewloom.features.requirements import load

EXTRAS = {
    "av": "video",
    "torchcodec.decoders": "torchcodec",
    "onnxruntime": "onnx",
    "onnx": "onnx-export",
    "transformers": "hf",
    "timm": "timm",
}
"""{module: the extra that installs it}"""


def require(module: str) -> Any:
    """Import a module; `ConfigError` that names the extra to install where it isn't there or can't be loaded."""
    return load(module, EXTRAS[module])
