"""`hf:NAME`: image and video models of Transformers, by name on the Hub or from a folder."""

from typing import Any

import torch

from viewloom.errors import ConfigError
from viewloom.extract.backbones.base import Model, Request, TorchModel
from viewloom.extract.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from viewloom.requirements import require


def open_model(request: Request) -> Model:
    """The model's own pooled output where its weights were trained, else the mean of its tokens or places.

    Raises:
        ConfigError: without Transformers, for a model that can't be loaded, or one that lacks weights.
    """
    transformers = require("transformers")
    place = str(request.weights or request.name)
    try:
        model, loaded = transformers.AutoModel.from_pretrained(place, trust_remote_code=False, output_loading_info=True)
        settings = _processor_settings(transformers, place)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"--backbone hf:{request.name}: {str(error).splitlines()[0]}") from error
    model = getattr(model, "vision_model", model)  # of a model of text and pictures
    missing = sorted(loaded["missing_keys"])
    untrained = [name for name in missing if "pooler" in name]
    if len(untrained) < len(missing):
        raise ConfigError(f"--backbone hf:{request.name} lacks {len(missing)} weights, such as {missing[0]}.")
    if untrained:
        model.pooler = None  # its weights would be random
    return TorchModel(PooledOutput(model), preprocessing(settings), request)


def _processor_settings(transformers: Any, place: str) -> dict[str, Any]:
    """The table in preprocessor_config.json; the processor itself would need torchvision."""
    settings, _ = transformers.ImageProcessingMixin.get_image_processor_dict(place)
    return dict(settings)


class PooledOutput(torch.nn.Module):
    """A model of Transformers that gives one tensor: its pooled output, else its tokens or map."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, D), tokens (N, L, D) or a map (N, D, H, W)."""
        found = self.model(pixel_values=x)
        own: torch.Tensor | None = getattr(found, "pooler_output", None)
        last: torch.Tensor = found.last_hidden_state
        return last if own is None else own.flatten(1)


def preprocessing(settings: dict[str, Any]) -> Preprocessing:
    """From an image processor's settings."""
    size, crop = _side(settings.get("size")), _side(settings.get("crop_size"))
    cuts = bool(settings.get("do_center_crop", crop is not None and "crop_pct" in settings))
    final = (crop if cuts else size) or size or 224
    resize = size or final
    if "crop_pct" in settings and not cuts:
        resize = int(final / float(settings["crop_pct"] or 1))
    normalised = bool(settings.get("do_normalize", True))
    return Preprocessing(
        size=final,
        resize=max(resize, final),
        fit="crop" if cuts or "crop_pct" in settings else "squash",
        interpolation="bilinear" if settings.get("resample") == 2 else "bicubic",
        mean=tuple(settings.get("image_mean") or IMAGENET_MEAN) if normalised else (0.0, 0.0, 0.0),
        std=tuple(settings.get("image_std") or IMAGENET_STD) if normalised else (1.0, 1.0, 1.0),
    )


def _side(value: Any) -> int | None:
    """One side of ``224``, ``{"height": 224, "width": 224}`` or ``{"shortest_edge": 256}``."""
    if isinstance(value, dict):
        value = value.get("shortest_edge") or value.get("height")
    return int(value) if value else None
