"""`onnx:FILE`: a network as an ONNX file, run by ONNX Runtime, which is the fast way on a CPU."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from viewloom.errors import ConfigError
from viewloom.extract.backbones.base import Model, Request, hash_files, pooled
from viewloom.extract.preprocessing import Preprocessing, from_mapping
from viewloom.requirements import require

METADATA = "viewloom.preprocessing"
"""Key under which `viewloom.extract.export` stores the preprocessing in a file."""
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def open_model(request: Request) -> Model:
    """One thread, so that sums are always made in the same order; several clips go to several processes.

    Raises:
        ConfigError: without ONNX Runtime, or for a file it can't use.
    """
    runtime = require("onnxruntime")
    path = request.weights or Path(request.name)
    if not path.is_file():
        raise ConfigError(f"--backbone onnx:{request.name}: {path} is not there.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    if request.device == "cuda" and "CUDAExecutionProvider" in runtime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    try:
        session = runtime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        raise ConfigError(f"{path} can't be used by ONNX Runtime: {str(error).splitlines()[0]}") from error
    return OnnxModel(session, path)


class OnnxModel:
    """A session with one input of pictures (N, 3, H, W), (N, H, W, 3) or a clip of them; its first output counts."""

    def __init__(self, session: Any, path: Path) -> None:
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES or len(inputs[0].shape) not in (4, 5):
            found = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
            raise ConfigError(f"{path} must have one input of floating pictures (N, 3, H, W), but has: {found}.")
        self.session, self.input = session, inputs[0]
        self.shape: list[Any] = list(inputs[0].shape)
        self.precision = str(np.dtype(TYPES[inputs[0].type]))
        self.device = "cuda" if session.get_providers()[0].startswith("CUDA") else "cpu"
        self.weights_sha256 = hash_files(path)
        self.fixed_together: int | None = self.shape[0] if isinstance(self.shape[0], int) else None
        self.channels_last = self.shape[-1] == 3
        self.preprocessing = self._preprocessing(path)

    def _preprocessing(self, path: Path) -> Preprocessing:
        """As the file says, else ImageNet's at the file's size."""
        stored = self.session.get_modelmeta().custom_metadata_map.get(METADATA)
        if stored:
            return from_mapping(json.loads(stored))
        height, width = self.shape[-3:-1] if self.channels_last else self.shape[-2:]
        if isinstance(height, int) and isinstance(width, int) and height != width:
            raise ConfigError(f"{path} wants pictures of {width} x {height} pixels; only squares are made.")
        size = height if isinstance(height, int) else 224
        return Preprocessing(size=size, resize=round(size * 8 / 7))

    def __call__(self, pictures_NTHWC: NDArray[np.uint8], how: Preprocessing) -> NDArray[np.float32]:
        x = pictures_NTHWC.astype(np.float32) / np.float32(255)
        x = (x - np.asarray(how.mean, np.float32)) / np.asarray(how.std, np.float32)
        if len(self.shape) == 4:
            if x.shape[1] > 1:
                raise ConfigError(f"The file takes single pictures, not clips of {x.shape[1]}. Leave --clip out.")
            x = x[:, 0]
        if not self.channels_last:
            x = np.moveaxis(x, -1, -3)
            if len(self.shape) == 5 and how.axes == "NCTHW":
                x = np.swapaxes(x, 1, 2)
        found = self.session.run(None, {self.input.name: np.ascontiguousarray(x, TYPES[self.input.type])})[0]
        array: NDArray[np.float32] = pooled(torch.from_numpy(found)).float().numpy()
        return array
