"""How a frame becomes a backbone's input: size, cut, mean and deviation."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from viewloom.errors import ConfigError
from viewloom.extract.settings import ExtractConfig

Numbers = tuple[float, float, float]
IMAGENET_MEAN: Numbers = (0.485, 0.456, 0.406)
IMAGENET_STD: Numbers = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """From a video's frame to a backbone's input.

    Attributes:
        size: width and height of the input in pixels.
        resize: shorter side in pixels before the middle square is cut out (``fit`` crop).
        fit: ``crop`` keeps proportions and cuts the middle out; ``squash`` keeps all of the picture.
        interpolation: ``bilinear``, ``bicubic`` or ``area``; all of them average when they make smaller.
        mean: of red, green and blue, on a scale from 0 to 1.
        std: likewise.
        decoder: what decodes the videos; torchcodec turns YUV into RGB before it is resized, PyAV as it is resized.
        axes: order of a clip's axes in the input of a video backbone, (N, T, C, H, W) or (N, C, T, H, W).
    """

    size: int = 224
    resize: int = 256
    fit: Literal["crop", "squash"] = "crop"
    interpolation: Literal["bilinear", "bicubic", "area"] = "bicubic"
    mean: Numbers = IMAGENET_MEAN
    std: Numbers = IMAGENET_STD
    axes: Literal["NTCHW", "NCTHW"] = "NTCHW"
    decoder: Literal["pyav", "torchcodec"] = "pyav"

    def __post_init__(self) -> None:
        if self.resize < self.size and self.fit == "crop":
            raise ConfigError(f"A square of {self.size} pixels can't be cut from a shorter side of {self.resize}.")

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height before the cut of a frame of this width and height."""
        if self.fit == "squash":
            return self.size, self.size
        scale = self.resize / min(width, height)
        return max(self.size, round(width * scale)), max(self.size, round(height * scale))

    def describe(self, clip: int) -> str:
        """All of it in one line, as a store's provenance has it."""
        skipped = ({"axes"} if clip == 1 else set()) | ({"resize"} if self.fit == "squash" else set())
        skipped |= {"decoder"} if self.decoder == "pyav" else set()
        names = (entry.name for entry in fields(self) if entry.name not in skipped)
        return ", ".join(f"{name} {getattr(self, name)}" for name in names)

    def with_settings(self, config: ExtractConfig) -> "Preprocessing":
        """With what the user wants otherwise; a new size alone keeps the share that is cut out."""
        changed: dict[str, Any] = {"decoder": config.decoder}
        if config.size is not None:
            changed |= {"size": config.size, "resize": round(config.size * self.resize / self.size)}
        wanted: dict[str, Any] = {"resize": config.resize, "fit": config.fit}
        wanted |= {name: _three(name, getattr(config, name)) for name in ("mean", "std")}
        return replace(self, **changed | {name: value for name, value in wanted.items() if value is not None})


def _three(name: str, text: str | None) -> Numbers | None:
    if text is None:
        return None
    try:
        red, green, blue = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--{name} must be three numbers, such as 0.5,0.5,0.5, but is {text!r}.") from None
    return red, green, blue


def from_mapping(values: dict[str, Any]) -> Preprocessing:
    """From JSON values, as `viewloom.extract.export.export_onnx` stores them in an ONNX file."""
    settings = {entry.name for entry in fields(Preprocessing)}
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    if not set(plain) <= settings:
        raise ConfigError(f"Unknown preprocessing {sorted(set(plain) - settings)}; there are: {sorted(settings)}.")
    return Preprocessing(**plain)
