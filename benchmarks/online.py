"""A stream: latency a frame, frames a second, what is kept over ten hours, and the score that a look-ahead gives back.

    python benchmarks/online.py                                          # speed and memory, and one seed of scores
    python benchmarks/online.py --parts speed,memory
    python benchmarks/online.py --parts scores --seeds 3 --picture docs/img/lookahead.png

**speed** pushes frames one by one into causal heads of usual size, at the usual three chunk sizes. **memory** sends ten
hours of frames through one of them, in blocks of half a minute; what is kept, and the memory of the process, are noted
every hour. **scores** trains a head that sees the whole recording, and causal ones with each look-ahead, on the same
simulated recordings, and scores all on the same held-out ones. JSON out.
"""

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import figure, show

import viewloom as vl
from viewloom.online.state import state_bytes
from viewloom.registry import HEADS
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import SimulateConfig
from viewloom.training.trained import TrainedHead
from viewloom.windows.sampling import Sampling

CLASSES, FPS = 202, 30.0
BLOCK_S = 30
LOOKAHEADS_S = (0.0, 1.0, 2.0, 5.0, 10.0)
SCORES = ("mof", "edit", "f1_10", "f1_50")


def causal_head(name: str, dim: int) -> TrainedHead:
    """A head of usual size that isn't trained, which takes the same time."""
    torch.manual_seed(0)
    options = {"causal": True} if hasattr(HEADS.settings(name)(), "causal") else {}
    head = HEADS.get(name)(dim, CLASSES, HEADS.settings(name)(**options)).eval()
    extra = {"sampling": asdict(Sampling())}
    return TrainedHead(head, tuple(f"action {place}" for place in range(CLASSES)), ("v3",), FPS, extra)


def some_frames(count: int, dim: int) -> np.ndarray:
    """Features as a ReLU leaves them."""
    return np.maximum(np.random.default_rng(0).standard_normal((count, dim), np.float32), 0)


def speed(dim: int, frames: int) -> list[dict[str, Any]]:
    """Milliseconds of a push of one frame (p50, p99, largest), and frames a second, of each kind of head.

    Processor time tells what it takes where other programs don't share the machine.
    """
    figures = []
    for name in (name for name in HEADS.names() if HEADS.get(name).streams):
        online, x_TD = vl.OnlineSegmenter(causal_head(name, dim), "v3"), some_frames(frames, dim)
        for x_D in x_TD[:100]:  # warm-up
            online.push(x_D)
        taken_s, computed_s = [], []
        for x_D in x_TD[100:]:
            started, began = time.perf_counter(), time.process_time()
            online.push(x_D)
            taken_s.append(time.perf_counter() - started)
            computed_s.append(time.process_time() - began)
        p50, p99, most = (1000 * np.quantile(taken_s, (0.5, 0.99, 1.0))).tolist()
        figures += [
            figure(f"{name}: latency of a frame, p50", p50, "ms"),
            figure(f"{name}: latency of a frame, p99", p99, "ms", at_most=1000 / FPS if name == "tcn" else None),
            figure(f"{name}: latency of a frame, largest", most, "ms"),
            figure(f"{name}: processor time of a frame, p99", 1000 * float(np.quantile(computed_s, 0.99)), "ms"),
            figure(f"{name}: frames a second, one by one", 1 / float(np.mean(taken_s)), "fps"),
            figure(f"{name}: frames a second of processor time", 1 / float(np.mean(computed_s)), "fps"),
            figure(f"{name}: kept between frames", state_bytes(online.stream) / 2**20, "MiB"),
        ]
    return figures


def memory(dim: int, hours: float, name: str = "tcn") -> list[dict[str, Any]]:
    """What is kept, and the memory of the process, after the first hour and after all of them."""
    online, x_TD = vl.OnlineSegmenter(causal_head(name, dim), "v3"), some_frames(int(BLOCK_S * FPS), dim)
    noted, started = [], time.perf_counter()
    blocks = round(hours * 3600 / BLOCK_S)
    for block in range(1, blocks + 1):
        online.push(x_TD)
        if not block % max(1, blocks // 10):
            noted.append((state_bytes(online.stream), resident_bytes()))
    seconds = time.perf_counter() - started
    kept, resident = ([value / 2**20 for value in values] for values in zip(*noted, strict=True))
    return [
        figure(f"{name}: most kept in {hours:g} h", max(kept), "MiB"),
        figure(f"{name}: growth of what is kept, first to last tenth of {hours:g} h", kept[-1] - kept[0], "MiB", 0.3),
        figure(f"{name}: memory of the process after {hours:g} h", resident[-1], "MiB"),
        figure(f"{name}: its growth, first to last tenth of {hours:g} h", resident[-1] - resident[0], "MiB", 32),
        figure(f"{name}: frames a second, in blocks of {BLOCK_S} s", online.frames / seconds, "fps"),
    ]


def resident_bytes() -> int:
    """Memory of this process now; where the system doesn't say, the most it had."""
    path = Path("/proc/self/statm")
    if path.exists():
        return int(path.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def scores(root: Path, head: str, seeds: int, recordings: int, epochs: int | None, dim: int) -> list[dict[str, Any]]:
    """Scores of each seed's heads: one that sees all, and one a look-ahead."""
    found = []
    quiet = {"progress": False, "logger": "none", "validate_every_epochs": 25}
    for seed in range(seeds):
        run_simulate(SimulateConfig(out=str(root / str(seed)), recordings=recordings, dim=dim, seed=seed))
        data = vl.open_dataset(root / str(seed))
        ways: list[dict[str, Any]] = [{}, *({"causal": True, "lookahead_s": value} for value in LOOKAHEADS_S)]
        for way in ways:
            trained = vl.train(data, views=["v3"], head=head, seed=seed, epochs=epochs, trainer=quiet, **way)
            of_view = vl.evaluate(trained, data, views=["v3"])["v3"]
            waits_s = trained.head.lookahead * max(trained.extra["sampling"]["test_chunks"]) / trained.fps
            line = {name: float(of_view[name]) for name in SCORES}
            found.append({"seed": seed, "lookahead_s": way.get("lookahead_s"), "waits_s": waits_s} | line)
            print(found[-1], file=sys.stderr)
    return found


def lost(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points lost at each look-ahead against the head that sees all, means over seeds."""
    whole = {line["seed"]: line for line in found if line["lookahead_s"] is None}
    figures = []
    for lookahead_s in LOOKAHEADS_S:
        lines = [line for line in found if line["lookahead_s"] == lookahead_s]
        for name in SCORES:
            points = np.mean([whole[line["seed"]][name] - line[name] for line in lines])
            path = f"lost at a look-ahead of {lookahead_s:g} s ({lines[0]['waits_s']:.1f} s in whole steps), {name}"
            figures.append(figure(path, float(points), "points"))
    return figures


def draw(path: Path, found: list[dict[str, Any]], head: str) -> None:
    """Scores by look-ahead, points a seed, and the head that sees all as lines across."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots()
    names = {"mof": ("MoF", "#0072b2"), "edit": ("Edit", "#009e73"), "f1_50": ("F1@50", "#d55e00")}
    seeds = sorted({line["seed"] for line in found})
    for name, (label, colour) in names.items():
        lines = [[line for line in found if line["lookahead_s"] == value] for value in LOOKAHEADS_S]
        means = [np.mean([line[name] for line in of_value]) for of_value in lines]
        axes.plot(LOOKAHEADS_S, means, color=colour, marker="o", markersize=4.5, linewidth=1.8, label=label)
        if len(seeds) > 1:
            for value, of_value in zip(LOOKAHEADS_S, lines, strict=True):
                axes.plot([value] * len(of_value), [line[name] for line in of_value], ".", color=colour, alpha=0.5)
        whole = np.mean([line[name] for line in found if line["lookahead_s"] is None])
        axes.axhline(whole, color=colour, linestyle="--", linewidth=1.3, label=f"{label}, whole recording seen")
    axes.set_xticks(LOOKAHEADS_S)
    axes.set_xlabel("look-ahead (s)")
    axes.set_ylabel("score, percent")
    axes.set_title(f"{head}, SIMULATED features, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    picture.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=160, metadata={"Software": None})


def main() -> None:
    """Measure what is asked for, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="speed,memory,scores")
    parser.add_argument("--dim", type=int, default=2048, help="feature size of speed and memory")
    parser.add_argument("--frames", type=int, default=1600, help="frames pushed one by one")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--head", default="tcn", help="head of the scores")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--recordings", type=int, default=40, help="simulated recordings of a seed")
    parser.add_argument("--epochs", type=int, help="of each head; default: as viewloom train takes")
    parser.add_argument("--picture", default="build/bench/lookahead.png")
    args = parser.parse_args()
    parts, figures, found = args.parts.split(","), [], []
    if "speed" in parts:
        figures += speed(args.dim, args.frames)
    if "memory" in parts:
        figures += memory(args.dim, args.hours)
    if "scores" in parts:
        with tempfile.TemporaryDirectory() as folder:
            found = scores(Path(folder), args.head, args.seeds, args.recordings, args.epochs, 64)
        figures += lost(found)
        draw(Path(args.picture), found, args.head)
    show({"settings": vars(args) | {"threads": torch.get_num_threads()}, "figures": figures, "scores": found})


if __name__ == "__main__":
    main()
