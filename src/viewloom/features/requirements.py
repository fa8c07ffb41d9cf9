"""Packages that only some stores need, imported when they are used."""

import importlib
from typing import Any

from viewloom.errors import ConfigError


def load(module: str, extra: str) -> Any:
    """Import a module; `ConfigError` that names the extra to install where it isn't there or can't be loaded."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:  # torchcodec raises the latter without FFmpeg's libraries
        package = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        why = "isn't installed" if missing else f"can't be imported ({(str(error).splitlines() or [''])[0]})"
        raise ConfigError(f"The package {package!r} {why}. Install it: pip install 'viewloom[{extra}]'.") from None
