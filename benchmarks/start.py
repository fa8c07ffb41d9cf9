"""How long a user waits: for `viewloom --help`, and for the first training step of a command. JSON on standard output.

Each is a new process, timed from before it is started: help to its end; `train` and `pretrain`, on simulated
recordings of the demo's feature size, until an optimiser has made its first step, where the process ends itself.
The bare import of what those verbs need (torch and Lightning for the most part) stands beside. Files are in the
page cache after a warm-up of each.

    python benchmarks/start.py --repeats 5
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from timing import figure, show

from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import SimulateConfig

UNTIL_FIRST_STEP = """
import os, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook

def stop(*_):
    os.write(1, f"{time.time() - float(sys.argv[1])}".encode())
    os._exit(0)

register_optimizer_step_post_hook(stop)
from viewloom.cli import main
sys.exit(main(sys.argv[2:]))
"""


TITLES = {
    "help": "start: viewloom --help",
    "bare_import_of_torch_and_lightning": "start: bare import of torch and Lightning",
    "first_step_of_train": "start: first step of train, demo size",
    "first_step_of_pretrain": "start: first step of pretrain, demo size",
}


def whole_process(command: Sequence[str]) -> float:
    """Seconds from the start of a process to its end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def until_first_step(arguments: Sequence[str]) -> float:
    """Seconds from the start of a viewloom command to the end of its first optimiser step."""
    command = [sys.executable, "-c", UNTIL_FIRST_STEP, str(time.time()), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, f"no step was made:\n{done.stderr}"
    return float(done.stdout)


def commands(data: str) -> dict[str, list[str]]:
    """The two training verbs, each into a run folder that doesn't exist yet."""
    shared = ["--data", data, "--trainer.logger", "none", "--trainer.progress", "false"]
    train = ["train", "--views", "v3", *shared]
    pretrain = ["pretrain", "--views", "v3,e4", *shared]
    return {"first_step_of_train": train, "first_step_of_pretrain": pretrain}


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), str(Path(name) / "data")
        run_simulate(SimulateConfig(out=data, recordings=args.recordings, dim=args.dim))
        bare = [sys.executable, "-c", "import torch, lightning.pytorch"]
        help_ = [str(Path(sys.executable).with_name("viewloom")), "--help"]
        for round_ in range(args.repeats + 1):
            found = {"help": whole_process(help_), "bare_import_of_torch_and_lightning": whole_process(bare)}
            for verb, arguments in commands(data).items():
                found[verb] = until_first_step([*arguments, "--run", str(folder / f"{verb}{round_}")])
            if round_:
                for path, value in found.items():
                    seconds.setdefault(path, []).append(value)
    aims = {"help": 0.4, "first_step_of_train": 10, "first_step_of_pretrain": 10}
    figures = [figure(TITLES[n], statistics.median(v), "s", aims.get(n)) for n, v in seconds.items()]
    spread = {path: [min(values), max(values)] for path, values in seconds.items()}
    show({"settings": vars(args), "figures": figures, "spread_s": spread})


if __name__ == "__main__":
    main()
