"""Evil files, each before what reads it: a message, in little time and memory, and nothing of theirs is run.

All attacks run in one child process (`tests.torture.attacks`); a test looks at what came of those of its fault.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_S, MOST_MIB = 5.0, 600
FAULTS = {
    "statistics pickles": ("statistics: hash bomb", "statistics: text bomb"),
    "checkpoints that inflate": tuple(f"{what}: inflating pickle" for what in ("checkpoint", "features", "backbone")),
    "tensors that expand": tuple(f"{what}: expanded tensor" for what in ("checkpoint", "features", "backbone")),
    "tensors beyond their record": ("checkpoint: beyond its record", "features: beyond its record"),
    "calls that take memory": ("checkpoint: bytearray of 2^40", "features: bytearray of 2^40"),
    "checkpoints that run code": ("checkpoint: code", "features: code", "backbone: code"),
    "headers of npy": ("giant.npy", "negative.npy"),
    "hdf5": ("bomb.h5", "chunk.h5", "loop.h5"),
    "parquet": ("bomb.parquet",),
    "an endless recording": ("endless manifest",),
    "lmdb of zeros": ("lmdb: only zeros",),
    "predictions": ("report: predictions/e4.json", "report: predictions/v3.json", "report: deep JSON"),
    "scores that are no numbers": ("report: metrics.json",),
    "archives": tuple(
        f"zip: {what}" for what in ("bomb", "twice", "file and folder", "case", "link", "out of it", "absolute")
    ),
    "pictures": ("picture: bomb",),
}
TOLD = {
    "statistics: hash bomb": "more than 20,000,000 values",
    "checkpoint: inflating pickle": "a/data.pkl compressed, 134,217,7",
    "features: expanded tensor": "take 17,179,869,184 bytes, while the file has",
    "checkpoint: bytearray of 2^40": "calls builtins.bytearray",
    "giant.npy": "cut short",
    "bomb.h5": "is said to have 274,877,906,944 bytes",
    "chunk.h5": "chunks of 1,228,800,000 bytes, and 1,073,741,824 is the most",
    "loop.h5": "a group that stands in several places",
    "bomb.parquet": "row group 0 takes",
    "endless manifest": "20,000,000 frames are the most",
    "report: predictions/v3.json": "60,000,000 is the most",
    "report: predictions/e4.json": "must be a whole number",
    "zip: bomb": "says that it holds 83,886,081",
    "zip: file and folder": "as a file and as a folder",
    "picture: bomb": "12000 x 12000; 134,217,728 pixels are read at most",
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """{attack: what came of it}"""
    for name in ("h5py", "pyarrow", "av"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("evil")
    command = [sys.executable, "-m", "tests.torture.attacks", str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), str(ROOT)]))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, f"ended by {done.returncode} after {found[-1:]}: {done.stderr[-2000:]}"
    return {one["name"]: one for one in found}


def is_message(one):
    """One line, in time, without taking memory."""
    assert one["result"] == "message", one
    assert "\n" not in one["text"] and one["s"] < MOST_S and one["mib"] < MOST_MIB, one
    assert TOLD.get(one["name"], "") in one["text"], one


@pytest.mark.parametrize("fault", FAULTS)
def test_bombs_and_code_are_a_message(attacked, fault):
    for name in FAULTS[fault]:
        is_message(attacked[name])


def test_no_code_of_a_checkpoint_ran(attacked):
    assert attacked["nothing ran"]["text"] == "False"


def test_a_page_of_zeros_does_not_end_the_process(attacked):
    pages = [one for name, one in attacked.items() if name.startswith("lmdb: page")]
    assert len(pages) > 10
    # Pages of an older state, which nothing leads to, may hold anything.
    assert all(one["result"] == "message" or one["text"] == "[(300, 16), (300, 16)]" for one in pages), pages
    assert sum(one["result"] == "message" for one in pages) > 10
    assert all("data.mdb" in one["text"] for one in pages if one["result"] == "message")
    assert attacked["lmdb: sound"]["result"] == "read"
    assert attacked["lmdb: giant map"]["result"] in ("message", "read")


@pytest.mark.parametrize("what", ["pipe", "folder", "NUL", "long name", "device"])
def test_what_is_no_file_is_refused_before_it_is_opened(attacked, what):
    of_kind = [one for name, one in attacked.items() if name.endswith(f": {what}")]
    assert len(of_kind) == 9
    for one in of_kind:
        is_message(one)


def test_stores_of_pipes_are_refused(attacked):
    found = [one for name, one in attacked.items() if name.startswith("store: pipe")]
    assert len(found) == 4
    for one in found:
        assert one["result"] == "message" and "pipe" in one["text"], one
