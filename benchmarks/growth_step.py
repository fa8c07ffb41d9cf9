"""How the cost of a pre-training step grows: with steps, rows and views, at 1x, 4x and 16x. JSON on standard output.

Windows are full, so that all work counts. ``exponent`` is the slope between the 4x and the 16x point on logarithmic
axes: 1 is linear. Linear are rows, and steps where each stands alone (context frame). Over time (context time) the
attention is quadratic in the window's steps, and bounded by the window (`sampling.max_chunks`). With more views the
report's joint stream gets wider itself (its first stage is V * D wide): that is more of a network, not more work for
the same one, so the refiner's share is measured beside it.

    python benchmarks/growth_step.py --dim 64
"""

import argparse
from collections.abc import Callable

import torch
from step import make_batch
from timing import growth, median_s, show

from viewloom.methods.settings import TwoStreamConfig
from viewloom.methods.two_stream import TwoStream


def step_of(rows: int, steps: int, views: int, dim: int, context: str, joint: bool = True) -> Callable[[], None]:
    """Forward and backward of the whole method, or of the refiner alone."""
    torch.manual_seed(0)
    batch = make_batch([steps] * rows, dim, views)
    config = TwoStreamConfig(context=context, dropout=0.0, layers=3, joint_depth=0.4)
    method = TwoStream(dim, batch.views, config).train()

    def whole() -> None:
        method(batch).total.backward()

    def refiner() -> None:
        for view, x_BTD in batch.features.items():
            z_BTD = method.encode(x_BTD, batch.mask_of(view), view)
            z_BTD.square().sum().backward()

    return whole if joint else refiner


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    dim = args.dim
    series: dict[str, Callable[[int], Callable[[], None]]] = {
        "steps, context frame": lambda n: step_of(4, 75 * n, 2, dim, "frame"),
        "steps, context time": lambda n: step_of(4, 75 * n, 2, dim, "time"),
        "rows": lambda n: step_of(2 * n, 200, 2, dim, "frame"),
        "views, whole method": lambda n: step_of(4, 150, n, dim, "frame"),
        "views, refiner alone": lambda n: step_of(4, 150, n, dim, "frame", joint=False),
    }
    found = []
    for name, make in series.items():
        sizes = (2, 8, 32) if name == "views, refiner alone" else (2, 4, 8) if name.startswith("views") else (1, 4, 16)
        seconds = [median_s(make(size), args.repeats) for size in sizes]
        allowed = 2.15 if name in ("steps, context time", "views, whole method") else 1.15
        found.append(growth("pre-training step", name, [size // sizes[0] for size in sizes], seconds, allowed))
    show({"settings": vars(args) | {"threads": torch.get_num_threads()}, "growth": found})


if __name__ == "__main__":
    main()
