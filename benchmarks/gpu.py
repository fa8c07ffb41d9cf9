"""The report's model on a GPU: share of the card's matrix rate, the loader's share, and 250 epochs. JSON out.

The data set is the report's in size: 90 recordings of 12,000 frames in two views, D = 2048, float16, all of it on
the card; windows are cut and pooled there, with drawn chunk sizes. The model is the default two_stream (six-layer
refiner, pseudo-3D joint stream) in bfloat16 autocast with AdamW, a batch of 8 windows. Measured are: the card's
matrix rate (the best of several bfloat16 products of 8192 x 8192), then twenty whole steps, each synchronised, and
within them the loader. Arithmetic is counted by torch itself over one step; what is counted is what is computed, so
neither padding nor unused projections flatter the share. 250 epochs are extrapolated from the steps' median, without
validation. With --compile the encoder layers are compiled, and what that costs is told.

Without a GPU everything is "not measured"; --dry-run goes through all of it on a CPU at a small size, to see
that it works: those figures mean nothing.

    python benchmarks/gpu.py
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from timing import figure, show
from torch.utils.flop_counter import FlopCounterMode

from viewloom.dataset.dataset import Item
from viewloom.features.base import Span
from viewloom.methods.settings import TwoStreamConfig
from viewloom.methods.two_stream import TwoStream
from viewloom.training.pretrain import compile_layers
from viewloom.windows.batch import ViewBatch
from viewloom.windows.pairs import ViewWindows
from viewloom.windows.resident import ResidentViews
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches

VIEWS = ("v3", "e4")
EPOCHS = 250
PATHS = (
    "share of the card's matrix rate, report's model in bfloat16",
    "loader's share of a step",
    "250 epochs of the report, extrapolated from 20 steps",
)


@dataclass(frozen=True)
class Size:
    """How much there is to do; the defaults are the report's."""

    dim: int = 2048
    recordings: int = 90
    frames: int = 12_000
    batch: int = 8
    steps: int = 20
    product: int = 8192


class MadeSource:
    """Random features that float16 holds: one block, begun elsewhere for every recording and view."""

    fps = 30.0
    backbone: ClassVar[dict[str, str]] = {}

    def __init__(self, size: Size) -> None:
        self.size, self.frames = size.dim, size.frames
        self.recordings = tuple(f"r{place:03d}" for place in range(size.recordings))
        block_TD = np.random.default_rng(0).standard_normal((size.frames, size.dim), np.float32)
        self.block_TD = np.maximum(block_TD, 0).astype(np.float16).astype(np.float32)

    def views(self, recording: str) -> tuple[str, ...]:
        return VIEWS

    def span(self, recording: str, view: str) -> Span:
        return Span(0, self.frames)

    def read(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        shift = 97 * self.recordings.index(recording) + 31 * VIEWS.index(view)
        return np.roll(self.block_TD, shift, axis=0)[start:end]

    @property
    def uncached(self) -> "MadeSource":
        return self

    def dim(self, view: str) -> int:
        return self.size


def synchronise(device: torch.device) -> None:
    """Wait until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of a piece of work, to its last kernel."""
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


def matrix_rate(device: torch.device, side: int) -> float:
    """Floating-point operations a second of a large bfloat16 product, the best of several rounds."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(a)
    rounds = [timed(lambda: [torch.mm(a, b, out=out) for _ in range(5)], device) for _ in range(6)]
    return 5 * 2 * side**3 / min(rounds[1:])


def make_loader(size: Size, device: torch.device) -> ResidentViews:
    """All frames on the device; batches drawn as in pre-training."""
    source = MadeSource(size)
    items = [Item(name, name, 0, size.frames) for name in source.recordings]
    windows = ViewWindows(source, items, VIEWS, Sampling(), seed=0)
    return ResidentViews(windows, EpochBatches(len(windows), size.batch, 0), device)


def measure(size: Size, device: torch.device, loader: ResidentViews, compiled: bool) -> dict:
    """Whole steps: loader, forward, backward, optimiser."""
    torch.manual_seed(0)
    method = TwoStream(size.dim, VIEWS, TwoStreamConfig()).to(device).train()
    if compiled:
        compile_layers(method)
    optimiser = torch.optim.AdamW(method.parameters(), 3e-4, weight_decay=0.0, fused=True)

    def step(batch: ViewBatch) -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16):
            loss = method(batch).total
        loss.backward()
        optimiser.step()

    batches = [keys for epoch in range(size.steps) for keys in epoch_keys(loader, epoch)][: size.steps + 3]
    first_s = timed(lambda: step(loader.batch(batches[0])), device)
    for keys in batches[1:3]:
        step(loader.batch(keys))
    per_valid_step = operations_per_valid_step(method, loader.batch(batches[0]), device)
    operations, seconds, loading = [], [], []
    for keys in batches[3:]:
        loading.append(timed(lambda keys=keys: loader.batch(keys), device))
        batch = loader.batch(keys)
        seconds.append(timed(lambda batch=batch: step(batch), device) + loading[-1])
        operations.append(per_valid_step * int(batch.mask_BVT.sum()))
    step_s, rate = statistics.median(seconds), sum(operations) / sum(seconds)
    steps_an_epoch = math.ceil(len(loader.windows) / size.batch)
    return {
        "compiled": compiled,
        "first_step_s": first_s,
        "median_step_s": step_s,
        "spread_step_s": [min(seconds), max(seconds)],
        "loader_share": statistics.median(loading) / step_s,
        "operations_a_second": rate,
        "epochs_250_minutes": EPOCHS * steps_an_epoch * step_s / 60,
        "peak_memory_gib": torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None,
    }


def epoch_keys(loader: ResidentViews, epoch: int) -> list[list[tuple[int, int]]]:
    """The batches of an epoch."""
    loader.sampler.set_epoch(epoch)
    return list(loader.sampler)


def operations_per_valid_step(method: TwoStream, batch: ViewBatch, device: torch.device) -> float:
    """Operations of matrix products in forward and backward, as torch counts them, without compilation.

    With context frame they are in proportion to the valid steps of a batch.
    """
    torch.compiler.set_stance("force_eager")
    with FlopCounterMode(display=False) as counter, torch.autocast(device.type, torch.bfloat16):
        method(batch).total.backward()
    torch.compiler.set_stance("default")
    method.zero_grad()
    return counter.get_total_flops() / int(batch.mask_BVT.sum())


def main() -> None:
    """Measure if there is something to measure on, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true", help="also with compiled encoder layers")
    parser.add_argument("--dry-run", action="store_true", help="small, on a CPU, to see that it works")
    args = parser.parse_args()
    if not torch.cuda.is_available() and not args.dry_run:
        reason = f"torch {torch.__version__} finds no GPU (torch.cuda.is_available() is False)"
        show({"settings": vars(args), "not_measured": [{"path": path, "reason": reason} for path in PATHS]})
        return
    small = Size(dim=64, recordings=6, frames=900, batch=2, steps=4, product=256)
    device, size = (torch.device("cpu"), small) if args.dry_run else (torch.device("cuda"), Size())
    card = "dry run on a CPU: no figure means anything" if args.dry_run else torch.cuda.get_device_name()
    peak = matrix_rate(device, size.product)
    start = time.perf_counter()
    loader = make_loader(size, device)
    loading_s = time.perf_counter() - start
    runs = [measure(size, device, loader, compiled) for compiled in ((False, True) if args.compile else (False,))]
    for run in runs:
        run["share_of_matrix_rate"] = run["operations_a_second"] / peak
    figures = [figure(f"{card}: bfloat16 products", peak / 1e12, "Tflop/s")]
    figures.append(figure(f"{card}: loading the training set onto it", loading_s, "s"))
    for run in runs:
        figures += run_figures(run, card)
    show({"settings": vars(args) | {"torch": torch.__version__} | vars(size), "figures": figures, "runs": runs})


def run_figures(run: dict, card: str) -> list[dict]:
    """A run's rows of the table."""
    where = f"{card}{', compiled' if run['compiled'] else ''}"
    rate, loader, minutes = run["share_of_matrix_rate"], run["loader_share"], run["epochs_250_minutes"]
    of_rate = figure(f"{where}: {PATHS[0]}", 100 * rate, "%")
    return [
        of_rate | {"target": "at least 45 %", "met": rate >= 0.45},
        figure(f"{where}: {PATHS[1]}", 100 * loader, "%", 2),
        figure(f"{where}: {PATHS[2]}", minutes, "min", 10),
    ]


if __name__ == "__main__":
    main()
