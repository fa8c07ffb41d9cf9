"""The Slurm script: whole shell, and a command that viewloom understands, run with a stand-in for srun."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from tests.tiny import write_tiny

SCRIPT = Path(__file__).parents[2] / "examples" / "slurm.sh"


def test_the_command_is_one_that_viewloom_parses(tmp_path):
    data = write_tiny(tmp_path / "data")
    stand_in = tmp_path / "srun"
    stand_in.write_text(f'#!/bin/bash\nshift\nexec {sys.executable} -m tests.ddp.run_verb "$@" --print_config\n')
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IEXEC)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(SCRIPT.parents[1]),
        "SLURM_NTASKS_PER_NODE": "4",
        "SLURM_NNODES": "1",
    }
    argv = ["bash", str(SCRIPT), str(data), str(tmp_path / "run")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "method: two_stream" in done.stdout and "num_nodes: 1" in done.stdout and "resume: false" in done.stdout
    assert subprocess.run(["bash", str(SCRIPT)], capture_output=True, check=False).returncode != 0
