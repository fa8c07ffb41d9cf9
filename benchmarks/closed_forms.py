"""Closed forms on many frames: seconds of reading moments and solving, memory, and what the whole would take. JSON.

Two views of synthetic float32 features in memory, one window a batch, one step a frame. ``delay_cca`` reads twice:
the first pass finds principal components, the second the moments of their delayed copies. Both grow with the number of
steps, the solution doesn't: so a sixteenth and a quarter of the steps are measured, and the time of all follows from
each, and from the difference of the two. Memory is this process's peak, over what it held before.
``--fourier`` measures the peak of rff_cca's moments and solution at 4 views of 2,000 features instead, from few steps:
it doesn't depend on their number.

    python benchmarks/closed_forms.py --steps 65536 --threads 2
    python benchmarks/closed_forms.py --fourier true
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any

import torch
from memory import status_gib
from timing import figure, show

FRAMES = 4_000_000
LIMIT_S = 3600.0
WINDOW = 1024
LATENT = 32


def batches(steps: int, views: int, dim: int) -> Iterator[Any]:
    """Windows of features that the views share in part; few are computed, and come again under other names."""
    from viewloom.windows.batch import ViewBatch, Window

    generator = torch.Generator().manual_seed(0)
    mix_VLD = torch.randn(views, LATENT, dim, generator=generator)
    kept = []
    for _ in range(4):
        latent_TL = torch.randn(WINDOW, LATENT, generator=generator)
        noise_VTD = torch.randn(views, WINDOW, dim, generator=generator)
        kept.append({f"v{v}": (latent_TL @ mix_VLD[v] + 3 * noise_VTD[v])[None] for v in range(views)})
    mask_BVT = torch.ones(1, views, WINDOW, dtype=torch.bool)
    for number in range(-(-steps // WINDOW)):
        window = Window(f"r{number}", f"r{number}", 0, WINDOW, 1)
        yield ViewBatch(kept[number % len(kept)], mask_BVT, (window,))


def seconds_of(name: str, config: Any, steps: int, views: int, dim: int) -> tuple[list[float], list[float]]:
    """Seconds of reading and of solving, in each pass of a method."""
    from viewloom.registry import METHODS

    method = METHODS.get(name)(dim, tuple(f"v{v}" for v in range(views)), config)
    method.set_clock(30.0, 1)
    read_s, solve_s = [], []
    for _ in range(method.passes):
        all_batches = list(batches(steps, views, dim))
        start = time.perf_counter()
        for batch in all_batches:
            method.accumulate(batch)
        read_s.append(time.perf_counter() - start)
        start = time.perf_counter()
        method.solve()
        solve_s.append(time.perf_counter() - start)
    return read_s, solve_s


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=65_536, help="of which a sixteenth and a quarter are measured")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--fourier", default="false", choices=["true", "false"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    show({"settings": vars(args), "figures": fourier() if args.fourier == "true" else delays(args)})


def delays(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time and memory of delay_cca and cca, and what 4 million frames would take."""
    from viewloom.methods.closed_settings import DelayCCAConfig
    from viewloom.methods.settings import CCAConfig

    figures = []
    for name, config in (("delay_cca", DelayCCAConfig()), ("cca", CCAConfig(strength=1e-2))):
        seconds_of(name, config, WINDOW, 2, 64)  # warm-up
        before_gib, reads = status_gib("VmRSS"), []
        for share in (16, 4):
            steps = -(-args.steps // share)
            read_s, solve_s = seconds_of(name, config, steps, 2, args.dim)
            reads.append((steps, sum(read_s)))
            path = f"{name}, {steps:,} steps of two views, D = {args.dim}"
            figures.append(figure(f"{path}: moments", sum(read_s), "s"))
            figures.append(figure(f"{path}: solution", sum(solve_s), "s"))
            whole_s = sum(read_s) * FRAMES / steps + sum(solve_s)
            figures.append(figure(f"{path}: {FRAMES:,} steps would take", whole_s, "s", LIMIT_S))
        (few, few_s), (many, many_s) = reads
        slope = (many_s - few_s) / (many - few)
        figures.append(figure(f"{name}: the same by the difference", slope * FRAMES + sum(solve_s), "s", LIMIT_S))
        held_gib = 4 * 2 * WINDOW * args.dim * 4 / (1 << 30)
        path = f"{name}: memory over what was there, features ({held_gib:.2f} GiB) included"
        figures.append(figure(path, status_gib("VmHWM") - before_gib, "GiB", 4.0))
    return figures


def fourier() -> list[dict[str, Any]]:
    """Memory and time of rff_cca at its largest."""
    from viewloom.methods.settings import RFFCCAConfig

    seconds_of("rff_cca", RFFCCAConfig(features=32), WINDOW, 2, 64)
    before_gib = status_gib("VmRSS")
    config = RFFCCAConfig(features=2000, strength=1e-2, out_dim=64)
    read_s, solve_s = seconds_of("rff_cca", config, 4 * WINDOW, 4, 128)
    what = "rff_cca, 4 views of 2,000 features"
    return [
        figure(f"{what}: memory over what was there", status_gib("VmHWM") - before_gib, "GiB", 4.0),
        figure(f"{what}: solution", sum(solve_s), "s"),
        figure(f"{what}: a million steps would take", sum(read_s) * 1e6 / (4 * WINDOW) + sum(solve_s), "s"),
    ]


if __name__ == "__main__":
    main()
