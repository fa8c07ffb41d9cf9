"""`py:module:factory`: whatever a function of the user's returns."""

import importlib
import sys
from pathlib import Path

from viewloom.errors import ConfigError
from viewloom.extract.backbones.base import Model, Request, TorchModel
from viewloom.extract.preprocessing import Preprocessing
from viewloom.features.rows import hash_file


def open_model(request: Request) -> Model:
    """Call the factory with ``weights`` (a path or None); the module is looked for in the current folder, too.

    The factory returns a `torch.nn.Module` or any callable (see `TorchModel`). Its attribute ``preprocessing``, a
    `Preprocessing`, says how the pictures are made; without one they are ImageNet's at 224 pixels.

    Raises:
        ConfigError: where there is no such module or factory, or it fails.
    """
    module_name, colon, factory_name = request.name.partition(":")
    if not colon:
        raise ConfigError(f"--backbone py:{request.name} lacks the factory: py:module:factory.")
    here = str(Path.cwd())
    if here not in sys.path:  # the command's own start, unlike python's, doesn't put it there
        sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except ImportError as error:
        raise ConfigError(f"--backbone py:{request.name}: {error}.") from error
    except AttributeError:
        raise ConfigError(f"--backbone py:{request.name}: {module_name} has no {factory_name!r}.") from None
    call = factory(weights=request.weights)
    if not callable(call):
        raise ConfigError(f"--backbone py:{request.name} gave {type(call).__name__}, which can't be called.")
    how = getattr(call, "preprocessing", None) or Preprocessing()
    model = TorchModel(call, how, request)
    if model.weights_sha256 == "none" and request.weights is not None and request.weights.is_file():
        model.weights_sha256 = hash_file(request.weights)
    return model
