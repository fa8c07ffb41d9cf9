"""Packages that only some commands need, imported when they are used."""

import importlib
from typing import Any

from viewloom.errors import ConfigError

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


def load(module: str, extra: str) -> Any:
    """Import a module; `ConfigError` that names the extra to install where it isn't there or can't be loaded."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:  # torchcodec raises the latter without FFmpeg's libraries
        package = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        why = "isn't installed" if missing else f"can't be imported ({(str(error).splitlines() or [''])[0]})"
        raise ConfigError(f"The package {package!r} {why}. Install it: pip install 'viewloom[{extra}]'.") from None
