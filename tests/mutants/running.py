"""Puts a mutant into a copy of the sources, and runs the tests concerned against it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import ROOT, SOURCE, Mutant, Stale

TIMEOUT_S = 240.0
_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: killed, survived or stale; the first failing test, or why it is stale."""

    mutant: Mutant
    word: str
    seconds: float
    told: str


def try_mutant(mutant: Mutant, timeout_s: float = TIMEOUT_S) -> Outcome:
    """Run the tests concerned against a copy of the sources with the fault in it. The working tree is left alone."""
    began = time.monotonic()
    try:
        text = mutant.mutated()
    except Stale as error:
        return Outcome(mutant, "STALE", 0.0, str(error))
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        path = copy_source(Path(folder)) / mutant.file
        path.write_text(text, encoding="utf-8")
        code, output = run_pytest(mutant.tests, Path(folder), timeout_s)
    word, told = judge(code, output)
    return Outcome(mutant, word, time.monotonic() - began, told)


def judge(code: int | None, output: str) -> tuple[str, str]:
    """Word and reason from pytest's exit status: only a failing test kills, or a test that never ends."""
    if code is None:
        return "killed", "timeout"
    if code == 0:
        return "survived", ""
    if code == 1:
        found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", output, re.MULTILINE)
        return "killed", found[1] if found else "?"
    lines = [line for line in output.splitlines() if line.strip()]
    return "STALE", f"pytest could not run (status {code}): {' '.join(lines[-2:])}"


def copy_source(folder: Path) -> Path:
    """A copy of the package below ``folder``; returns its place."""
    copy: Path = shutil.copytree(SOURCE, folder / "viewloom", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run_pytest(
    tests: Sequence[str], source: Path, timeout_s: float | None, first: bool = True
) -> tuple[int | None, str]:
    """Exit status (None: it ran out of time) and output of pytest with the package taken from ``source``.

    Args:
        tests: files or ids.
        source: folder that holds the package.
        timeout_s: seconds until all of its processes are killed.
        first: stop at the first failure.
    """
    command = [sys.executable, "-m", "pytest", "--tb=no", "-rfE", *(["-x"] if first else []), *tests]
    path = os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])])
    # CI: hypothesis draws the same examples every time, and so the same mutants die.
    environment = {**os.environ, "PYTHONPATH": path, "CI": "true", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    _running.add(process)
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""
    finally:
        _running.discard(process)
    return process.returncode, output.decode(errors="replace")


def stop_all() -> None:
    """Kill the tests that are running, and what they started."""
    for process in list(_running):
        os.killpg(process.pid, signal.SIGKILL)


def imported_from(source: Path) -> Path:
    """Where tests that are run so take the package from."""
    code = "import viewloom; print(viewloom.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).parent


def distinct_tests(mutants: Sequence[Mutant]) -> list[str]:
    """All tests concerned, each once: ids of a file that is there as a whole are left out."""
    tests = dict.fromkeys(test for mutant in mutants for test in mutant.tests)
    return [test for test in tests if "::" not in test or not any(test.startswith(f"{t}::") for t in tests)]
