"""Worker processes end with the command that started them, whenever that was killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.parent import end_with_parent
from viewloom.windows.pairs import ViewWindows, make_view_loader
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import dataset_windows, make_loader

SLOW = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

def begin(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(1.5)
    from viewloom.parent import end_with_parent
    end_with_parent()

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, get_context(sys.argv[2]), begin, (sys.argv[1],))
    pool.submit(time.sleep, 60)
    pool.submit(time.sleep, 60)
    while len(os.listdir(sys.argv[1])) < 2:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""A command that is killed while its workers import."""


def lives(process):
    """Whether a process is there, and not only waits to be collected."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, seconds=30):
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


@pytest.mark.parametrize("context", ["spawn", "fork"])
def test_a_worker_whose_parent_was_killed_before_it_began_ends(tmp_path, context):
    """Its parent's number would be that of another process by then, which lives."""
    (tmp_path / "script.py").write_text(SLOW)
    (tmp_path / "workers").mkdir()
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "workers"), context]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    workers = [int(path.name) for path in (tmp_path / "workers").iterdir()]
    assert len(workers) == 2
    assert wait_until(lambda: not any(map(lives, workers)))


def children(process):
    """Processes that one has started, whichever of its threads did."""
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(pid) for pid in path.read_text().split()]
    return found


def test_workers_that_simulate_end_with_a_killed_command(tmp_path):
    line = ["simulate", "--out", "out", "--recordings", "4000", "--dim", "16", "--classes", "5", "--workers", "2"]
    program = [sys.executable, "-c", "import sys; from viewloom.cli import main; sys.exit(main())", *line]
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
        half = lambda: any(tmp_path.glob(".tmp-out-*/*/*/*"))  # noqa: E731 - the first results are there
        assert wait_until(lambda: half() or command.poll() is not None, 60)
        workers = children(command.pid)
        command.kill()
    assert len(workers) >= 2
    try:
        assert wait_until(lambda: not any(map(lives, workers)))
    finally:
        for worker in filter(lives, workers):
            os.kill(worker, signal.SIGKILL)


def test_processes_that_read_windows_watch_their_parent(tmp_path):
    source = open_dataset(DataConfig(data=str(write_tiny(tmp_path / "data"))))
    items = source.items("train")
    windows = dataset_windows(source, items, ("v3",), Sampling(), seed=0)
    pairs = ViewWindows(source.source, items, ("v3", "e4"), Sampling())
    for loader in (make_loader(windows, 2, workers=2), make_view_loader(pairs, 2, workers=2)):
        assert loader.worker_init_fn is end_with_parent
