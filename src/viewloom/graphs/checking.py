"""An exported file compared with viewloom's own way, on inputs of many lengths: the file as it lies on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item
from viewloom.dataset.memory import from_arrays
from viewloom.graphs.formats import Array, Compute, Traced
from viewloom.graphs.networks import StepGraph
from viewloom.graphs.plan import ANY, Source, step_chunk
from viewloom.graphs.settings import ExportConfig
from viewloom.heads.multilabel import probabilities
from viewloom.metrics.temperature import at_temperature
from viewloom.nn.standardise import Standardiser
from viewloom.online.chunks import ChunkStream
from viewloom.training.streamed import Chain, StepStream

Frames = NDArray[np.float32]

LENGTHS = (67, 1, 2, 512, 3, 5, 31, 200, 8, 13, 32, 64, 21, 128, 33, 89, 100, 144, 233, 377)
"""Lengths of the inputs, the first ones where fewer are asked for; that of the example is among them, longest and
shortest too."""
HOLES = 0.1
"""Share of rows that are missing in every other input."""


@dataclass(frozen=True)
class Checked:
    """What a comparison found.

    Attributes:
        difference: the largest one; of refined features as a share of the largest of these.
        lengths: how many lengths were compared.
    """

    difference: float
    lengths: int


def check(compute: Compute, traced: Traced, source: Source, view: str, config: ExportConfig) -> Checked:
    """The largest difference between what a file computes and what viewloom does.

    Args:
        compute: what the file computes.
        traced: what was written.
        source: head and refiner.
        view: the view it is for.
        config: settings of the export.
    """
    view = source.views[0] if view == ANY else view
    reference = REFERENCES[config.what](source, view, config)
    ours = in_steps(compute, traced) if isinstance(traced.network, StepGraph) else in_rows(compute)
    worst, lengths = 0.0, _fitting(traced)[: config.lengths]
    for place, length in enumerate(lengths):
        x_TD = example(traced, length, seed=place, holes=HOLES * (place % 2))
        wanted_TZ, found_TZ = reference(x_TD), ours(x_TD)
        scale = max(1e-6, float(np.nanmax(np.abs(wanted_TZ), initial=0.0))) if config.what == "refiner" else 1.0
        there_T = ~np.isnan(wanted_TZ).all(axis=1)
        if found_TZ.shape != wanted_TZ.shape or np.isnan(found_TZ[there_T]).any():
            return Checked(float("inf"), len(lengths))
        if there_T.any():
            worst = max(worst, float(np.abs(found_TZ - wanted_TZ)[there_T].max()) / scale)
    return Checked(worst, len(lengths))


def _fitting(traced: Traced) -> tuple[int, ...]:
    """The lengths that a head with a longest row can take."""
    longest, facts = traced.facts.get("longest_row_steps"), traced.facts
    if longest is None or facts.get("windows") == "cut":
        return LENGTHS
    rows = longest * (min(facts["test_chunks"]) if facts["input"] == "frames" else 1)
    return tuple(length for length in LENGTHS if length <= rows)


def example(traced: Traced, length: int, seed: int, holes: float) -> Frames:
    """Features (T, D) as those the network learned from, if it knows their statistics; some rows of NaN."""
    rng, dim = np.random.default_rng(seed), traced.facts["dim"]
    mean_D, deviation_D = np.zeros(dim), np.ones(dim)
    for module in traced.network.modules():
        if isinstance(module, Standardiser) and module.mode != "none" and module.ready:
            mean_D, deviation_D = (
                np.resize(value.numpy(), dim) for value in (module.mean_GD[0], module.deviation_GD[0])
            )
            break
    x_TD = mean_D + deviation_D * rng.normal(size=(length, dim))
    x_TD[rng.random(length) < holes] = np.nan
    return x_TD.astype(np.float32)


def in_rows(compute: Compute) -> Callable[[Frames], Array]:
    """A file that takes rows, on one: beside it a second one, shorter, filled up with NaN, which has no say in it."""

    def run(x_TD: Frames) -> Array:
        other_TD = x_TD[::-1].copy()
        other_TD[len(x_TD) // 2 + 1 :] = np.nan
        rows_BTD = np.stack([x_TD, other_TD]) if len(x_TD) > 1 else x_TD[None]
        found: Array = compute([rows_BTD])[0][0]
        return found

    return run


def in_steps(compute: Compute, traced: Traced) -> Callable[[Frames], Array]:
    """A file of one step, chunk by chunk over a recording, to class probabilities of its frames."""
    chunk, lookahead = traced.facts["chunk_frames"], traced.facts["lookahead_steps"]

    def run(x_FD: Frames) -> Array:
        state: list[Array] = [value.numpy() for value in traced.examples[1:]]
        found = []
        for frames_CD in _chunks(x_FD, chunk, lookahead):
            probs_K, *state = compute([frames_CD, *state])
            found.append(probs_K)
        return np.repeat(np.stack(found[lookahead:]), chunk, axis=0)[: len(x_FD)]

    return run


def _chunks(x_FD: Frames, chunk: int, lookahead: int) -> Iterator[Frames]:
    """A recording's frames chunk by chunk, and behind its end as many empty steps as the look-ahead has."""
    for start in range(0, len(x_FD), chunk):
        yield x_FD[start : start + chunk]
    for _ in range(lookahead):
        yield np.full((1, x_FD.shape[1]), np.nan, np.float32)


def _refiner(source: Source, view: str, config: ExportConfig) -> Callable[[Frames], Array]:
    refiner, chunk = source.refiner, step_chunk(source, config)
    assert refiner is not None

    def run(x_TD: Frames) -> Array:
        found: Array = refiner(x_TD, view, step_s=source.step_s(chunk))
        return found

    return run


def _head(source: Source, view: str, config: ExportConfig) -> Callable[[Frames], Array]:
    return _steps(source, view, config, refined=True)


def _steps(source: Source, view: str, config: ExportConfig, refined: bool) -> Callable[[Frames], Array]:
    """The head, behind the refiner unless features are ``refined`` already, on one row without padding."""
    trained, step_s = source.head, source.step_s(step_chunk(source, config))

    @torch.inference_mode()
    def run(x_TD: Frames) -> Array:
        x_1TD = torch.from_numpy(x_TD)[None]
        mask_1T = ~x_1TD.isnan().all(dim=-1)
        x_1TD = x_1TD.nan_to_num(0.0)
        if trained.refiner is not None and not refined:
            x_1TD = trained.refiner.encode(x_1TD, mask_1T, view, step_s)
        probs_TK = probabilities(trained.head, trained.head(x_1TD, mask_1T), mask_1T)[0].numpy()
        return _tempered(probs_TK, source, True)

    return run


def _both(source: Source, view: str, config: ExportConfig) -> Callable[[Frames], Array]:
    """`viewloom predict`, of a data set in memory; or of steps the head behind the refiner."""
    if config.input == "steps":
        return _steps(source, view, config, refined=False)
    trained = source.head
    sampling = replace(source.sampling, missing_frames="mask")
    if config.windows == "whole":  # as one window, however long
        sampling = replace(sampling, max_chunks=max(LENGTHS))
    segmenter = trained.segmenter(sampling, "cpu", fps=trained.fps)

    def run(x_FD: Frames) -> Array:
        data = from_arrays({"array": {view: x_FD}}, fps=trained.fps)
        item = Item("array", "array", 0, len(x_FD))
        ((_, probs_FK),) = segmenter.each(data.source, [item], view)
        return _tempered(probs_FK, source, True)

    return run


def _online(source: Source, view: str, config: ExportConfig) -> Callable[[Frames], Array]:
    """What `viewloom.OnlineSegmenter` computes at one chunk size."""
    trained, sampling, chunk = source.head, source.sampling, step_chunk(source, config)
    chain = Chain(trained.head, source.refiner, view, torch.device("cpu"))

    def run(x_FD: Frames) -> Array:
        steps = StepStream(chain, source.step_s(chunk))
        stream = ChunkStream(steps, chunk, sampling.pooling, True, view)
        return _tempered(np.concatenate([stream.put(x_FD), stream.end()]), source, len(sampling.test_chunks) == 1)

    return run


def _tempered(probs_TK: Array, source: Source, tempered: bool) -> Array:
    """Class probabilities at the head's temperature, or as they are."""
    found: Array = at_temperature(probs_TK, source.head.calibration.temperature if tempered else 1.0)
    return found.astype(np.float32)


REFERENCES: Mapping[str, Callable[[Source, str, ExportConfig], Callable[[Frames], Array]]]
REFERENCES = {"refiner": _refiner, "head": _head, "both": _both, "online": _online}
