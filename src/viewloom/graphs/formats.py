"""Files of graphs: ONNX, for ONNX Runtime, and exported programs of PyTorch, for `torch.export.load`."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError
from viewloom.nn.tracing import as_graph

KEY = "viewloom"
"""Name of the facts inside a file."""
GIB = 2**30
MOST_BYTES = 2 * GIB - 2**24
"""An ONNX file can't be larger."""

Array = np.ndarray[Any, np.dtype[Any]]
Compute = Callable[[Sequence[Array]], list[Array]]
"""Arrays in, arrays out, in the order of the names."""


@dataclass(frozen=True)
class Traced:
    """A network with what is needed to trace it.

    Attributes:
        network: the network, in evaluation mode, on the CPU.
        examples: tensors in.
        free: for each of them {axis: name} of the axes that may have any length.
        inputs: their names.
        outputs: names of what comes out.
        facts: what the file knows of itself; JSON values.
    """

    network: nn.Module
    examples: tuple[Tensor, ...]
    free: tuple[Mapping[int, str], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    facts: Mapping[str, Any]


class Format(ABC):
    """A kind of file."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Modules of the extra `onnx-export`."""

    @abstractmethod
    def write(self, path: Path, traced: Traced) -> None:
        """Write a file."""

    @abstractmethod
    def open(self, path: Path) -> Compute:
        """What a file computes, by its own runtime."""

    def check(self) -> None:
        """`ConfigError` where something isn't installed, or too old."""
        for name in self.needs:
            try:
                import_module(name)
            except ImportError:
                raise ConfigError(
                    f"The package {name!r} isn't installed. Install it: pip install 'viewloom[onnx-export]'."
                ) from None
        if DEFERRED not in inspect.signature(torch.export.export).parameters:
            raise ConfigError(f"`viewloom export` needs PyTorch 2.9 or later, but this is {torch.__version__}.")


class Onnx(Format):
    """ONNX, one file; its facts stand in ``metadata_props``."""

    needs = ("onnx", "onnxscript", "onnxruntime")

    def write(self, path: Path, traced: Traced) -> None:
        """Write a file of less than 2 GiB."""
        _refuse_large(traced.network)
        program = traced_program(traced)
        with quiet():
            # Without the exporter's own simplification: ONNX Runtime does as much when it loads, and in less time.
            found = torch.onnx.export(
                program,
                dynamo=True,
                input_names=list(traced.inputs),
                output_names=list(traced.outputs),
                optimize=False,
                verbose=False,
            )
        assert found is not None
        found.model.metadata_props[KEY] = json.dumps(traced.facts)
        found.model.producer_name = KEY
        for node in found.model.graph.all_nodes():
            node.metadata_props.clear()  # stack traces, with paths of this machine
            node.doc_string = None
        found.save(str(path), external_data=False)

    def open(self, path: Path) -> Compute:
        """ONNX Runtime on the CPU."""
        onnxruntime = import_module("onnxruntime")

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        names = [entry.name for entry in session.get_inputs()]
        return lambda values: list(session.run(None, dict(zip(names, values, strict=True))))


class TorchExport(Format):
    """An exported program of PyTorch; its facts are the extra file ``viewloom.json``."""

    def write(self, path: Path, traced: Traced) -> None:
        """Write a file."""
        program = traced_program(traced)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # paths of this machine
            node.meta.pop("nn_module_stack", None)
        with path.open("wb") as file, quiet():
            torch.export.save(program, file, extra_files={f"{KEY}.json": json.dumps(traced.facts)})

    def open(self, path: Path) -> Compute:
        """PyTorch."""
        with path.open("rb") as file, quiet():
            network = torch.export.load(file).module()

        def compute(values: Sequence[Array]) -> list[Array]:
            with torch.inference_mode():
                found = network(*map(torch.from_numpy, values))
            return [value.numpy() for value in (found if isinstance(found, tuple) else (found,))]

        return compute


FORMATS: Mapping[str, Format] = {"onnx": Onnx(), "torch_export": TorchExport()}
DEFERRED = "prefer_deferred_runtime_asserts_over_guards"
"""The setting of PyTorch that leaves what it can't prove of a length to when the length is known."""


def traced_program(traced: Traced) -> torch.export.ExportedProgram:
    """The graph of a network, for any length of its free axes."""
    dims = {name: torch.export.Dim(name, min=1) for axes in traced.free for name in axes.values()}
    shapes: tuple[Any, ...] = tuple({axis: dims[name] for axis, name in axes.items()} for axes in traced.free)
    if len(shapes) > 2:  # those of a state are one argument
        shapes = (*shapes[:2], shapes[2:])
    settings: dict[str, Any] = {"dynamic_shapes": shapes, "strict": False, DEFERRED: True}
    with as_graph(), torch.no_grad(), quiet():
        return torch.export.export(traced.network, traced.examples, **settings)


def _refuse_large(network: nn.Module) -> None:
    """`ConfigError` for weights that an ONNX file can't hold."""
    size = sum(value.nbytes for value in (*network.parameters(), *network.buffers()))
    if size > MOST_BYTES:
        raise ConfigError(f"The weights are {size / GIB:.1f} GiB, and an ONNX file holds 2. Pass --to torch_export.")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the hints of PyTorch's exporters away."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    for name in ("torch.onnx", "torch.onnx._internal.exporter._registration", "torch.export", "onnxscript"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
