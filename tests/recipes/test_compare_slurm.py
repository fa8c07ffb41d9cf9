"""`viewloom compare --launch slurm`: by submitit's local executor, and by an sbatch that runs what it gets."""

import json
import os
import sys
from pathlib import Path

import pytest

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.errors import ConfigError

SBATCH = r"""#!/bin/bash
# Keeps the file, and runs it at once, each place of the array with Slurm's variables; says what sbatch says.
here=$(dirname "$0")
number=$(( $(ls "$here" | grep -c '^job-.*sh$') + 100 ))
cp "$1" "$here/job-$number.sh"
last=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\)%.*/\1/p' "$1")
run() {
  ( export SLURM_JOB_ID=$number SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
    export SLURM_JOB_NODELIST=here
    if [ -n "$1" ]; then export SLURM_ARRAY_JOB_ID=$number SLURM_ARRAY_TASK_ID=$1; fi
    bash "$here/job-$number.sh" ) >> "$here/job-$number.log" 2>&1
}
( if [ -n "$last" ]; then for place in $(seq 0 "$last"); do run "$place"; done; else run ""; fi ) \
  < /dev/null > /dev/null 2>&1 &
echo "Submitted batch job $number"
"""
SRUN = """#!/bin/bash
while [ "${1#-}" != "$1" ]; do if [ "$1" = "--output" ] || [ "$1" = "--error" ]; then shift; fi; shift; done
exec "$@"
"""
SACCT = """#!/bin/bash
echo 'JobID|State|NodeList'
"""
SETTINGS = {
    "labelled": "v3",
    "unlabelled": "e4",
    "methods": ["none"],
    "heads": [{"head": "linear", "epochs": 1}],
    "seeds": [0],
    "sampling": {"chunk_frames": 20, "test_chunks": 17},
    "trainer": {"accelerator": "cpu"},
    "controls": ["clock"],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=8))


pytestmark = pytest.mark.slow  # each job is a process that imports torch


@pytest.fixture(scope="module")
def local(data, tmp_path_factory):
    """The same, without Slurm."""
    return vl.compare(**SETTINGS, data=data, out=str(tmp_path_factory.mktemp("local")), jobs=2)


def test_without_submitit_the_message_says_what_to_install(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"pip install .*viewloom\[slurm\]"):
        vl.compare(**SETTINGS, data=data, out=str(tmp_path), launch="slurm")


def test_submitit_s_local_executor_gives_the_same(data, local, tmp_path):
    pytest.importorskip("submitit")
    slurm = {"cluster": "local", "time_min": 5, "mem_gib": 2}
    found = vl.compare(**SETTINGS, data=data, out=str(tmp_path), launch="slurm", slurm=slurm)
    assert found.results == local.results and not found.failed


def test_an_array_is_handed_to_sbatch_with_what_was_asked_for(data, local, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path or str(Path.cwd()) for path in sys.path))
    slurm = {"partition": "short", "time_min": 7, "mem_gib": 3, "cpus": 1, "account": "lab", "at_once": 1}
    slurm |= {"setup": ["echo ready"], "more": {"qos": "high"}}
    found = vl.compare(**SETTINGS, data=data, out=str(tmp_path / "out"), launch="slurm", slurm=slurm)
    assert found.results == local.results and not found.failed
    jobs = [path.read_text() for path in sorted(tools.glob("job-*.sh"))]
    assert len(jobs) == 2, "the head and the clock in one array, then the scores"
    wanted = ("--array=0-1%1", "--partition=short", "--time=7", "--mem=3GB", "--account=lab", "--cpus-per-task=1")
    for line in (*wanted, "--qos=high"):
        assert f"#SBATCH {line}" in jobs[0], line
    assert "--array" not in jobs[1] and "echo ready" in jobs[0] and "export OMP_NUM_THREADS=1" in jobs[0]
    handed = json.loads((tmp_path / "out" / "slurm" / "handed_out.json").read_text())
    assert len(handed) == 3 and {job.partition("_")[0] for job in handed.values()} == {"100", "101"}
    again = vl.compare(**SETTINGS, data=data, out=str(tmp_path / "out"), launch="slurm", slurm=slurm)
    assert again.results == found.results and len(list(tools.glob("job-*.sh"))) == 2


def test_a_job_that_dies_is_said_with_its_last_words(data, tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    tools = tmp_path / "tools"
    tools.mkdir()
    dying = SBATCH.replace('bash "$here/job-$number.sh"', "true")
    for name, text in (("sbatch", dying), ("srun", SRUN), ("sacct", SACCT + "echo '100_0|TIMEOUT|here'\n")):
        (tools / name).write_text(text + ("echo '100_1|TIMEOUT|here'\n" if name == "sacct" else ""))
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ConfigError, match=r"job 100_0 ended without a result \(TIMEOUT\)"):
        vl.compare(**SETTINGS, data=data, out=str(tmp_path / "out"), launch="slurm")
