"""`timm:NAME`: any model of PyTorch Image Models, without its classifier."""

from typing import Any

from viewloom.errors import ConfigError
from viewloom.extract.backbones.base import Model, Request, TorchModel, fill
from viewloom.extract.preprocessing import Preprocessing
from viewloom.requirements import require


def open_model(request: Request) -> Model:
    """Pooled features before the classifier, the pictures made as the model's own settings say.

    Raises:
        ConfigError: without timm, for a name it doesn't know, or weights that don't fit.
    """
    timm = require("timm")
    try:
        model = timm.create_model(request.name, pretrained=request.weights is None, num_classes=0)
    except RuntimeError as error:
        raise ConfigError(f"--backbone timm:{request.name}: {error}") from error
    if request.weights is not None:
        classifier = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
        fill(model, request.weights, (classifier,) if isinstance(classifier, str) else tuple(classifier))
    return TorchModel(model, preprocessing(timm.data.resolve_model_data_config(model)), request)


def preprocessing(config: dict[str, Any]) -> Preprocessing:
    """From timm's data settings: the share ``crop_pct`` of the resized picture is what the model sees."""
    size = int(config["input_size"][-1])
    interpolation = config.get("interpolation", "bicubic")
    return Preprocessing(
        size=size,
        resize=max(size, int(size / float(config.get("crop_pct") or 1))),
        fit="squash" if config.get("crop_mode") == "squash" else "crop",
        interpolation=interpolation if interpolation in ("bilinear", "bicubic") else "bicubic",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
