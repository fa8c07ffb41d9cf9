"""What every backbone offers, and opening one by its name."""

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from viewloom.errors import ConfigError, DataError, UserError
from viewloom.extract.preprocessing import Preprocessing
from viewloom.extract.settings import ExtractConfig
from viewloom.features.rows import hash_file
from viewloom.regular import regular
from viewloom.requirements import require
from viewloom.torch_archive import load_torch

KINDS = {"timm": "timm", "hf": "hf", "onnx": "onnx", "py": "python"}
"""{what a backbone's name begins with: module of this folder that opens it}"""
TOGETHER_ON_GPU = 32
"""On a GPU single frames leave most of it idle; on a CPU they are as fast as any number together."""


class Model(Protocol):
    """A network as opened: pictures in, features out."""

    preprocessing: Preprocessing
    weights_sha256: str
    device: str
    precision: str
    fixed_together: int | None
    """Frames that a call must have, where the network's file fixes it."""

    def __call__(self, pictures_NTHWC: NDArray[np.uint8], how: Preprocessing) -> NDArray[np.float32]:
        """Features (N, D) of N clips of T pictures; T is 1 for image backbones."""
        ...


@dataclass(frozen=True)
class Request:
    """What a backbone is opened with.

    Attributes:
        name: what follows the colon.
        weights: file or folder of weights, or None.
        device: ``cpu`` or ``cuda``.
        precision: ``float32``, ``float16`` or ``bfloat16``.
    """

    name: str
    weights: Path | None
    device: str
    precision: str


@dataclass(frozen=True)
class Backbone:
    """A network with the way it is used.

    Every call computes the same number of frames, the last one filled up with black, and frame i always lies at
    the same place in its call. Which frames happen to be decoded together, in which process, then changes nothing;
    networks do round otherwise for another number of frames.

    Attributes:
        spec: the backbone as the user named it, without folders.
        model: the network.
        preprocessing: how its pictures are made.
        clip: frames that give one feature.
        together: features that one call computes.
    """

    spec: str
    model: Model
    preprocessing: Preprocessing
    clip: int
    together: int

    def __call__(self, pictures_NTHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N, D), computed ``together`` at a time."""
        blocks = []
        for start in range(0, len(pictures_NTHWC), self.together):
            block = pictures_NTHWC[start : start + self.together]
            kept = len(block)
            if kept < self.together:
                block = np.concatenate([block, np.zeros((self.together - kept, *block.shape[1:]), np.uint8)])
            blocks.append(self._features(block)[:kept])
        return np.concatenate(blocks)

    def _features(self, block_NTHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = self.model(block_NTHWC, self.preprocessing)
        if found.ndim != 2 or len(found) != len(block_NTHWC):
            raise ConfigError(
                f"{self.spec} gives an output of shape {found.shape} for {len(block_NTHWC)} frames; features must be "
                "(N, D), (N, tokens, D), (N, D, H, W) or (N, D, T, H, W)."
            )
        return found

    def dim(self) -> int:
        """Feature size D, by computing one black frame; `ConfigError` where the network can't."""
        size = self.preprocessing.size
        try:
            return int(self(np.zeros((1, self.clip, size, size, 3), np.uint8)).shape[1])
        except UserError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{self.spec} can't compute a clip of {self.clip} frames of {size} x {size} pixels: "
                f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            ) from error

    def identity(self) -> dict[str, str]:
        """What features depend on, for their provenance."""
        return {
            "name": self.spec,
            "weights_sha256": self.model.weights_sha256,
            "preprocessing": self.preprocessing.describe(self.clip),
            "clip": str(self.clip),
            "computed": f"{self.model.precision} on {self.model.device}, {self.together} together",
        }


def open_backbone(config: ExtractConfig) -> Backbone:
    """The backbone that the settings name.

    Raises:
        ConfigError: for an unknown kind, a missing package, weights that don't fit, or an impossible setting.
    """
    kind, colon, name = config.backbone.partition(":")
    if kind not in KINDS or not colon or not name:
        raise ConfigError(
            f"--backbone is {config.backbone!r}, but must be timm:NAME, hf:NAME, onnx:FILE or py:module:factory."
        )
    weights = Path(config.weights) if config.weights is not None else None
    if weights is not None and not weights.exists():
        raise ConfigError(f"--weights {weights} is not there.")
    device, precision = _place(config)
    model: Model = importlib.import_module(f"viewloom.extract.backbones.{KINDS[kind]}").open_model(
        Request(name, weights, device, precision)
    )
    if config.decoder == "torchcodec":
        require("torchcodec.decoders")
    how = model.preprocessing.with_settings(config)
    together = config.together or model.fixed_together or (1 if model.device == "cpu" else TOGETHER_ON_GPU)
    if model.fixed_together not in (None, together):
        raise ConfigError(f"{config.backbone} takes {model.fixed_together} frames a call, so --together must be that.")
    spec = f"onnx:{Path(name).name}" if kind == "onnx" else config.backbone
    return Backbone(spec, model, how, config.clip, together)


def _place(config: ExtractConfig) -> tuple[str, str]:
    """Device and precision; `ConfigError` where there is no GPU, or 16 bits on a CPU."""
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: PyTorch finds no GPU here. Leave --device out, or install PyTorch with CUDA.")
    precision = config.precision
    if precision == "auto":
        precision = "float16" if device == "cuda" else "float32"
    if device == "cpu" and precision != "float32":
        raise ConfigError(f"--precision {precision} needs a GPU; on a CPU it is float32.")
    return device, precision


class TorchModel:
    """A PyTorch network, or any callable that takes and gives tensors.

    Args:
        call: takes normalised float32 pictures (N, 3, H, W), or clips in ``preprocessing.axes``, and returns
            features as a tensor or an array; anything but (N, D) is averaged over its other axes.
        preprocessing: how its pictures are made.
        request: device and precision.
        weights_sha256: hash of the weights; None: of the module's own state.
    """

    fixed_together: int | None = None

    def __init__(
        self, call: Any, preprocessing: Preprocessing, request: Request, weights_sha256: str | None = None
    ) -> None:
        self.call = call
        if isinstance(call, torch.nn.Module):
            weights_sha256 = weights_sha256 or hash_state(call.state_dict())
            self.call = call.eval().to(request.device)
            torch.backends.cudnn.benchmark = False  # it would choose other algorithms each time
        self.preprocessing = preprocessing
        self.weights_sha256 = weights_sha256 or "none"
        self.device, self.precision = request.device, request.precision

    def __call__(self, pictures_NTHWC: NDArray[np.uint8], how: Preprocessing) -> NDArray[np.float32]:
        x = torch.from_numpy(np.ascontiguousarray(pictures_NTHWC)).to(self.device).float()
        x = (x / 255 - x.new_tensor(how.mean)) / x.new_tensor(how.std)
        order = (0, 1, 4, 2, 3) if how.axes == "NTCHW" else (0, 4, 1, 2, 3)
        x = x.permute(order) if x.shape[1] > 1 else x[:, 0].permute(0, 3, 1, 2)
        half = self.precision != "float32"
        dtype = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(self.precision)
        with torch.inference_mode(), torch.autocast(self.device, dtype, enabled=half):
            found = self.call(x.contiguous())
        array: NDArray[np.float32] = pooled(torch.as_tensor(found)).float().cpu().numpy()
        return array


def pooled(found: torch.Tensor) -> torch.Tensor:
    """Features (N, D): tokens (N, L, D) averaged over L, maps (N, D, H, W) or (N, D, T, H, W) over all places."""
    if found.ndim == 3:
        return found.float().mean(1)
    if found.ndim in (4, 5):
        return found.float().flatten(2).mean(2)
    return found


def hash_state(state: Mapping[str, Any]) -> str:
    """SHA-256 over the names, types, shapes and values of all weights, whichever file they came from."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = torch.as_tensor(state[name]).detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_state(path: Path) -> dict[str, Any]:
    """Weights from a safetensors file, or from a PyTorch file without running its code.

    Raises:
        ConfigError: for another kind of file.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(regular(path)))
        state = load_torch(path)
    except (SafetensorError, DataError, OSError) as error:
        raise ConfigError(f"{path} holds no weights that can be read safely ({str(error).splitlines()[0]}).") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise ConfigError(f"{path} holds {type(state).__name__}, not a table of weights.")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def fill(model: Any, path: Path, ignored: tuple[str, ...]) -> None:
    """Load a file's weights into a module; ``ignored`` are prefixes of layers that give no features.

    Raises:
        ConfigError: where weights are missing or too many.
    """
    state = load_state(path)
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"The weights of {path} don't fit: {str(error).splitlines()[-1].strip()}") from error
    wrong = [name for name in (*missing, *unexpected) if not name.startswith(ignored)]
    if wrong:
        raise ConfigError(f"The weights of {path} don't fit: {len(wrong)} names differ, such as {wrong[0]}.")


def hash_files(path: Path) -> str:
    """SHA-256 of a file of weights, and of the ones beside it that hold the rest (``FILE.data``)."""
    rest = path.with_name(path.name + ".data")
    if not rest.is_file():
        return hash_file(path)
    return hashlib.sha256(f"{hash_file(path)} {hash_file(rest)}".encode()).hexdigest()
