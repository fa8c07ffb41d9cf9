"""Two processes (gloo, on the CPU) equal one at the same global batch, through the commands as users run them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny import write_tiny
from viewloom.cli import main

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(__file__).with_name("run_verb.py"))
COMMON = ["--epochs", "2", "--batch_size", "2", "--optim.lr", "0.01", "--trainer.accelerator", "cpu"]
# A bias before batch normalisation has no gradient but rounding, which Adam would make steps of: hence float64.
COMMON += ["--trainer.precision", "64-true", "--trainer.logger", "none", "--trainer.progress", "false"]
VERBS = {
    "pretrain": [
        *("pretrain", "--views", "v3,e4", "--method", "two_stream", "--method_options.dropout", "0"),
        *("--method_options.layers", "1", "--method_options.joint_depth", "0.1", "--held_out", "0.3"),
    ],
    # The published batch statistics, over both processes' steps, are part of what must agree.
    "train": ["train", "--views", "v3", "--head", "c2f_tcn", "--head_options.width", "8"],
    # Three trainings in each process: of a teacher, of its student, and of that one's.
    "teach": [
        *("train", "--views", "v3", "--head", "c2f_tcn", "--head_options.width", "8"),
        *("--teach_on_pairs", "true", "--teach.rounds", "2", "--teach.weight", "0.5", "--teach.epochs", "1"),
    ],
}
RESULT = {"pretrain": "refiner.safetensors", "train": "head.safetensors", "teach": "head.safetensors"}
STEPS = {"pretrain": 3, "train": 4, "teach": 10}
"""Optimiser steps of an epoch."""


LAUNCHERS = {
    "pretrain": [sys.executable],  # Lightning starts the second process
    "teach": [sys.executable],
    # "--": torchrun would take the command's --run for an option of its own.
    "train": [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--"],
}


def argv(verb, data, run, devices):
    return [*VERBS[verb], *COMMON, "--data", data, "--run", str(run), "--trainer.devices", str(devices)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """7 windows to train on and 5 pairs, in batches of 2: the second process has nothing in an epoch's last batch."""
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=28))


@pytest.fixture(scope="module")
def started(data, tmp_path_factory):
    """Both verbs with two processes each, side by side."""
    root = tmp_path_factory.mktemp("two")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    return {
        verb: subprocess.Popen(
            [*LAUNCHERS[verb], SCRIPT, *argv(verb, data, root / verb, 2)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for verb in VERBS
    }, root


def finish(process):
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
@pytest.mark.parametrize("verb", list(VERBS))
def test_two_processes_equal_one(started, data, tmp_path, verb):
    processes, root = started
    assert main(argv(verb, data, tmp_path / "one", 1)) == 0
    folders = (tmp_path / "one", root / verb)
    said = finish(processes[verb])
    # One process writes and speaks for both.
    assert said.count("Kept the") == (3 if verb == "teach" else 1), said
    weights = [load_file(folder / RESULT[verb]) for folder in folders]
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, atol=1e-5, rtol=1e-5, msg=lambda m, key=key: f"{key}: {m}")
    rows = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in folders]
    assert len(rows[0]) == len(rows[1]) == 2
    assert int(rows[0][-1]["step"]) == 2 * STEPS[verb]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    for mine, other in zip(*rows, strict=True):
        for key, value in mine.items():
            assert float(other[key]) == pytest.approx(float(value), rel=1e-4, abs=1e-5), key
