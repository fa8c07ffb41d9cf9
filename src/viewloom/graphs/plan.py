"""What an export writes: which network for which view, what goes in and comes out, and what the file says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.base import frame_dim
from viewloom.graphs.formats import Traced
from viewloom.graphs.networks import FramesGraph, HeadGraph, RefinerGraph, StepGraph
from viewloom.graphs.settings import ExportConfig
from viewloom.methods.refiner import Refiner
from viewloom.methods.refiner_file import load_refiner
from viewloom.names import names_in
from viewloom.training.runs import environment_of
from viewloom.training.streamed import Chain, refuse_looking_ahead
from viewloom.training.trained import HEAD_FILE, REFINER_FILE, TrainedHead, load_head
from viewloom.version import __version__
from viewloom.windows.sampling import Sampling, stored_sampling

EXAMPLE_STEPS = 67
"""Rows of the examples; no number that anything is made of."""
ANY = "any view"
"""The view of a file that is for all alike."""


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        trained: the head with its refiner; None of a run that has a refiner alone.
        refiner: the refiner; None where there is none.
        sampling: chunk sizes and pooling.
        fps: frames per second of the training features; None where nobody said.
        run: the run folder.
    """

    trained: TrainedHead | None
    refiner: Refiner | None
    sampling: Sampling
    fps: float | None
    run: Path

    @property
    def views(self) -> tuple[str, ...]:
        """The views that head or refiner learned from."""
        own = () if self.refiner is None else self.refiner.views
        return tuple(dict.fromkeys([*own, *(() if self.trained is None else self.trained.views)]))

    @property
    def alike(self) -> bool:
        """Whether all views are computed alike, and one file is for all."""
        if self.refiner is None:
            return True
        return self.refiner.accepts("\0") and not getattr(self.refiner, "identity_views", ())

    def step_s(self, chunk_frames: int) -> float | None:
        """Seconds of a step of so many frames."""
        return None if self.fps is None else chunk_frames / self.fps

    @property
    def head(self) -> TrainedHead:
        """The head; `ConfigError` where there is none."""
        if self.trained is None:
            raise ConfigError(
                f"{self.run} has a refiner, but no head. Pass --what refiner, or a run of `viewloom train`."
            )
        return self.trained


def read_source(run: str) -> Source:
    """Head and refiner of a run folder.

    Raises:
        DataError: there is neither.
    """
    folder = Path(run)
    folder = folder.parent if folder.is_file() else folder
    if (folder / HEAD_FILE).exists():
        trained = load_head(folder)
        return Source(trained, trained.refiner, stored_sampling(trained.extra), trained.fps, folder)
    if not (folder / REFINER_FILE).exists():
        raise DataError(f"{folder} has neither a {HEAD_FILE} nor a {REFINER_FILE}. Pass the folder of a finished run.")
    refiner = load_refiner(folder / REFINER_FILE)
    fps = refiner.extra.get("fps")
    return Source(None, refiner, stored_sampling(refiner.extra), None if fps is None else float(fps), folder)


def planned_views(source: Source, config: ExportConfig) -> tuple[str, ...]:
    """The views to write a file for; one that stands for all where they are computed alike."""
    views = names_in(config.views) or source.views
    refiner = source.refiner if config.what != "head" else None
    unknown = [view for view in views if refiner is not None and not refiner.accepts(view)]
    if unknown and config.views:
        raise ConfigError(
            f"The refiner of {source.run} has no map for {listed(unknown)}. Pass --views of these: "
            f"{listed(filter(refiner.accepts, refiner.views))}."  # type: ignore[union-attr]
        )
    views = tuple(view for view in views if view not in unknown)
    if config.what == "head" or source.alike:
        return (ANY,)
    return views


def refuse_batch(refiner: Refiner | None) -> None:
    """`ConfigError` for a refiner whose results depend on what else is in a batch."""
    if refiner is not None and refiner.needs_whole_batch:
        raise ConfigError(
            f"This {refiner.method} refiner has context batch: what it gives of a row depends on the other rows of the "
            "batch, which a file can't know. Pre-train it with --method_options.context frame or time."
        )


def plan(source: Source, view: str, config: ExportConfig) -> Traced:
    """The network of one view, with names, examples and facts."""
    if config.what != "head":
        refuse_batch(source.refiner)
    return PLANS[config.what](source, view, config)


def _refiner(source: Source, view: str, config: ExportConfig) -> Traced:
    if source.refiner is None:
        raise ConfigError(f"{source.run} has no refiner. Pass --what head, or both.")
    refiner = source.refiner
    chunk = step_chunk(source, config)
    network = RefinerGraph(refiner, view, source.step_s(chunk))
    return _rows(network, source, view, config, refiner.dim_of(view), "refined", {"chunk_frames": chunk})


def _head(source: Source, view: str, config: ExportConfig) -> Traced:
    trained = source.head
    network = HeadGraph(trained.head, None, view, None, trained.calibration.temperature)
    return _rows(network, source, view, config, trained.head.dim, "probabilities", {})


def _both(source: Source, view: str, config: ExportConfig) -> Traced:
    trained, sampling, chunk = source.head, source.sampling, step_chunk(source, config)
    dim = trained.head.dim if source.refiner is None else source.refiner.dim_of(view)
    chain = HeadGraph(trained.head, source.refiner, view, source.step_s(chunk), trained.calibration.temperature)
    if config.input == "steps":
        return _rows(chain, source, view, config, dim, "probabilities", {"chunk_frames": chunk})
    cut = sampling.max_chunks if config.windows == "cut" else None
    chunks = {size: source.step_s(size) for size in sampling.test_chunks}
    network = FramesGraph(chain, chunks, sampling.pooling, cut)
    facts = {"windows": config.windows, "max_chunks": sampling.max_chunks}
    return _rows(network, source, view, config, frame_dim(dim, sampling.pooling), "probabilities", facts)


def _online(source: Source, view: str, config: ExportConfig) -> Traced:
    trained, sampling, chunk = source.head, source.sampling, step_chunk(source, config)
    refuse_looking_ahead(trained.head, source.refiner)
    several = len(sampling.test_chunks) > 1
    chain = Chain(trained.head, source.refiner, view, torch.device("cpu"))
    # Over several chunk sizes probabilities are averaged before they are brought to a temperature.
    temperature = 1.0 if several else trained.calibration.temperature
    network = StepGraph(chain, sampling.pooling, source.step_s(chunk), temperature)
    with torch.no_grad():
        state = network.start()
    inputs = ("frames", "step", *(f"past_{place}" for place in range(len(state) - 1)))
    outputs = ("probabilities", "next_step", *(name.replace("past", "next") for name in inputs[2:]))
    own = {
        "input": "frames",
        "chunk_frames": chunk,
        "lookahead_steps": trained.head.lookahead,
        "state": [
            {"input": into, "output": out, "shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
            for into, out, value in zip(inputs[1:], outputs[1:], state, strict=True)
        ],
    }
    facts = _facts(source, view, config, network.dim) | own | {"at_temperature": not several}
    free = ({0: "frames"}, *({} for _ in state))
    return Traced(network, (example_of(5, network.dim), *state), free, inputs, outputs, facts)


PLANS: Mapping[str, Callable[[Source, str, ExportConfig], Traced]]
PLANS = {"refiner": _refiner, "head": _head, "both": _both, "online": _online}


def example_of(*shape: int) -> torch.Tensor:
    """Numbers to trace with: always the same, since PyTorch's own format keeps them in the file."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def step_chunk(source: Source, config: ExportConfig) -> int:
    """Frames of a step of what takes steps of one chunk size."""
    sampling = source.sampling
    only = sampling.test_chunks[0] if len(sampling.test_chunks) == 1 else sampling.chunk_frames
    return config.chunk_frames or only


def _rows(
    network: torch.nn.Module,
    source: Source,
    view: str,
    config: ExportConfig,
    dim: int,
    output: str,
    facts: Mapping[str, Any],
) -> Traced:
    """What takes rows of any number and length."""
    own = _facts(source, view, config, dim) | {"input": "frames" if isinstance(network, FramesGraph) else "steps"}
    length = own["input"]
    example = example_of(2, EXAMPLE_STEPS, dim)
    return Traced(network.eval(), (example,), ({0: "rows", 1: length},), ("features",), (output,), own | dict(facts))


def _facts(source: Source, view: str, config: ExportConfig, dim: int) -> dict[str, Any]:
    """What every file knows of itself."""
    sampling, refiner, trained = source.sampling, source.refiner, source.trained
    facts: dict[str, Any] = {
        "viewloom": __version__,
        "what": config.what,
        "view": view,
        "views": list(source.views),
        "dim": dim,
        "fps": source.fps,
        "pooling": sampling.pooling,
        "test_chunks": list(sampling.test_chunks),
        "identity": identity_key(source.run),
        "simulated": environment_of(source.run).get("simulated"),
    }
    if refiner is not None:
        facts["refiner"] = {"method": refiner.method, "config": asdict(refiner.config), "out_dim": refiner.out_dim}
    if trained is not None and config.what != "refiner":
        calibration = trained.calibration
        facts |= {
            "actions": list(trained.actions),
            "several_labels": trained.head.multi,
            "longest_row_steps": trained.head.longest_row,
            "temperature": calibration.temperature,
            "temperature_views": list(calibration.views),
            "at_temperature": True,
        }
    return facts


def identity_key(run: Path) -> str | None:
    """The key of a run's identity; None where its folder has none."""
    from viewloom.training.run_identity import FILE
    from viewloom.training.runs import read_json

    path = run / FILE
    return read_json(path).get("key") if path.exists() else None
