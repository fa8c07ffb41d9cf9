"""Epochs of a head behind a frozen refiner, its features kept in memory or refined at every epoch. JSON out.

Both sides are `viewloom train` itself on the same made-up recordings, whole epochs: reading, refining, head, steps,
validation, checkpoints, logs. They differ in `--refined_cache_gib` alone, and must end with the same weights to the
bit. The first epoch, in which everything is refined on both sides, is given apart. Runs of the two alternate.

    python benchmarks/refined.py --dim 512 --layers 6
"""

import argparse
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Callback
from timing import ratio, show

from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.dataset.splits import generate_splits, write_splits
from viewloom.methods.refiner_file import save_refiner
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig
from viewloom.registry import HEADS
from viewloom.training.segment import build_module
from viewloom.training.settings import TrainConfig, TrainerConfig
from viewloom.training.trainer import build_trainer

ACTIONS = 20


def write_data(root: Path, recordings: int, frames: int, dim: int) -> None:
    """Recordings of one view with labels and splits: half to train on, an eighth to validate."""
    rng = np.random.default_rng(0)
    names = [f"p{place:02d}" for place in range(recordings)]
    rows = ["recording,start,end,label"]
    for name in names:
        cuts = np.linspace(0, frames, 31).astype(int)
        rows += [f"{name},{a},{b},act{rng.integers(ACTIONS)}" for a, b in pairwise(cuts)]
        (root / "features" / name / "v3").mkdir(parents=True)
        x_TD = np.maximum(rng.standard_normal((frames, dim), np.float32), 0)
        np.save(root / "features" / name / "v3" / "features.npy", x_TD)
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "actions.txt").write_text("".join(f"act{action}\n" for action in range(ACTIONS)))
    (root / "views.yaml").write_text("views: {v3: {kind: exo}}\n")
    write_splits(generate_splits(names, {"train": 0.75, "val": 0.125, "test": 0.125}), root / "splits")


class EpochClock(Callback):
    """When each epoch began, and the last one ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, *_: object) -> None:
        self.times.append(time.perf_counter())

    def on_train_end(self, *_: object) -> None:
        self.times.append(time.perf_counter())


def fit(config: TrainConfig, folder: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Seconds of each epoch, and the weights at the end."""
    module = build_module(config, open_dataset(config))
    trainer = build_trainer(config.trainer, folder, config.epochs, config.seed, "val/total", "max")
    clock = EpochClock()
    trainer.callbacks.append(clock)
    trainer.fit(module)
    return np.diff(clock.times).tolist(), module.head.state_dict()


def compare(root: Path, refiner: Path, head: str, probability: float, epochs: int, rounds: int) -> dict:
    """One kind of head, with and without the cache."""
    seconds: dict[str, list[list[float]]] = {"refine_each_epoch": [], "viewloom": []}
    weights = []
    for _ in range(rounds):
        for side, gib in zip(seconds, (0.0, 4.0), strict=True):
            config = TrainConfig(
                data=str(root),
                axes="td",
                run="unused",
                views="v3",
                refiner=str(refiner),
                head=head,
                head_options=HEADS.get(head).Config(),
                epochs=epochs,
                refined_cache_gib=gib,
                sampling=SamplingConfig(chunk_frames=20, pooling="max", augment_probability=probability),
                trainer=TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False),
            )
            with tempfile.TemporaryDirectory() as folder:
                epoch_s, state = fit(config, Path(folder))
            seconds[side].append(epoch_s)
            weights.append(state)
    for state in weights[1:]:
        assert all(torch.equal(value, state[name]) for name, value in weights[0].items()), "the sides differ"
    what = "without augmentation" if probability == 0 else "half the windows augmented"
    later = {side: [s for run in runs for s in run[1:]] for side, runs in seconds.items()}
    first = {side: statistics.median(run[0] for run in runs) for side, runs in seconds.items()}
    aim = 5 if probability == 0 and head == "linear" else None
    return ratio(f"epoch behind a frozen refiner, head {head}, {what}", later, *seconds, aim) | {"first_epoch_s": first}


def main() -> None:
    """Make data and a refiner, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--recordings", type=int, default=16)
    parser.add_argument("--frames", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root, refiner = Path(folder) / "data", Path(folder) / "refiner.safetensors"
        write_data(root, args.recordings, args.frames, args.dim)
        save_refiner(ResidualRefiner("two_stream", args.dim, ("v3", "e4"), ResidualConfig(layers=args.layers)), refiner)
        runs = [
            compare(root, refiner, "linear", 0.0, 4, args.rounds),
            compare(root, refiner, "linear", 0.5, 16, 1),
            compare(root, refiner, "c2f_tcn", 0.0, 3, 1),
        ]
    show({"settings": vars(args) | {"threads": torch.get_num_threads()}, "ratios": runs})


if __name__ == "__main__":
    main()
