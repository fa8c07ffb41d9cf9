"""Hypothesis draws the same examples every time where CI is set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

drawn: list[int] = []


@given(st.integers())
def test_examples_are_drawn(number):
    drawn.append(number)


@pytest.mark.skipif(not os.environ.get("CI"), reason="CI is not set")
def test_the_profile_is_in_force():
    profile = settings.default
    assert (profile.derandomize, profile.deadline, profile.print_blob) == (True, None, True)
    assert settings(max_examples=7).derandomize, "settings of one test are built on the profile"
    sys.stdout.write(f"drawn {drawn}\n")


def test_with_ci_set_two_runs_draw_the_same():
    command = [sys.executable, "-m", "pytest", "-s", __file__, "-k", "examples or in_force"]
    where, environment = Path(__file__).parents[2], {**os.environ, "CI": "true"}
    lines = []
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, cwd=where, env=environment, check=False)
        assert done.returncode == 0, done.stdout
        lines += [line for line in done.stdout.splitlines() if "drawn [" in line]
    assert len(lines) == 2 and lines[0] == lines[1] and lines[0].count(",") > 50
