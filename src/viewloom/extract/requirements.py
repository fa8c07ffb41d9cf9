"""Packages that only extraction needs, imported when they are used."""

import importlib
from typing import Any

from viewloom.errors import ConfigError

EXTRAS = {"av": "video", "onnxruntime": "onnx", "transformers": "hf", "timm": "timm", "onnx": "onnx-export"}
"""{module: the extra that installs it}"""


def require(module: str) -> Any:
    """Import a module; `ConfigError` that names the extra to install where it isn't there or can't be loaded."""
    extra = EXTRAS[module]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module
        why = "isn't installed" if missing else f"can't be imported ({error})"
        raise ConfigError(f"The package {module!r} {why}. Install it: pip install 'viewloom[{extra}]'.") from None
