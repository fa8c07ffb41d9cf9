"""A process of several ends with its launcher; one that a shell started doesn't end with the shell."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from viewloom.training.launched import is_launched

RANK = """
import sys, time, pathlib
from viewloom.training import launched
launched.LOOK_S = 0.02
launched.end_with_launcher()
pathlib.Path(sys.argv[1]).touch()
time.sleep(float(sys.argv[2]))
pathlib.Path(sys.argv[1]).with_suffix(".ended").touch()
"""
LAUNCHER = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]); time.sleep(60)"


@pytest.mark.parametrize("launched", [True, False], ids=["torchrun", "shell"])
def test_ends_with_its_launcher(tmp_path, monkeypatch, launched):
    for name in ("TORCHELASTIC_RUN_ID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    if launched:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    begun = tmp_path / "begun"
    with subprocess.Popen([sys.executable, "-c", LAUNCHER, RANK, str(begun), "1.0"]) as launcher:
        wait_for(begun, 60)
        launcher.kill()
    assert wait_for(begun.with_suffix(".ended"), 1.5 if launched else 60) is not launched


def test_ends_where_its_launcher_has_ended_before_it_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    gone = tmp_path / "gone"
    late = f"import viewloom, time, pathlib; pathlib.Path({str(tmp_path / 'in')!r}).touch()\n"
    late += f"while not pathlib.Path({str(gone)!r}).exists(): time.sleep(0.02)\n"
    with subprocess.Popen([sys.executable, "-c", LAUNCHER, late + RANK, str(tmp_path / "begun"), "1.5"]) as launcher:
        assert wait_for(tmp_path / "in", 60)
        launcher.kill()
    gone.touch()
    assert not wait_for(tmp_path / "begun.ended", 3)


def wait_for(path: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    return path.exists()


def test_who_was_launched():
    assert is_launched({"TORCHELASTIC_RUN_ID": "none", "LOCAL_RANK": "0"}) and is_launched({"LOCAL_RANK": "1"})
    assert not is_launched({}) and not is_launched({"LOCAL_RANK": "0"})
