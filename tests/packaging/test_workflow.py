"""The file for a public host: it parses, calls only what the Makefile has, and covers the Pythons that are promised."""

import re

import pytest
import yaml

from tests.packaging.archives import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
WORKFLOW = yaml.safe_load(TEXT)
MAKEFILE = (ROOT / "Makefile").read_text()


def commands():
    """Every line that some step runs."""
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_is_a_target_of_the_makefile(line):
    verb, target, *settings = line.split()
    assert verb == "make" and re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), line
    for name, _ in (setting.split("=") for setting in settings):
        assert re.search(rf"^{name} \?=", MAKEFILE, re.MULTILINE), f"the Makefile has no {name}"


def test_what_ci_runs_here_is_run_there_too():
    lines = [line.split() for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    targets = {word for line in lines for word in line[1:] if word.isalpha()}
    assert {"check", "docs", "test"} <= targets <= {line.split()[1] for line in commands()}


def test_the_matrix_has_every_python_that_is_promised():
    promised = re.search(r"Python (3\.\d+) to (3\.\d+)", (ROOT / "README.md").read_text()).groups()
    first, last = (int(version.split(".")[1]) for version in promised)
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{minor}" for minor in range(first, last + 1)]
    assert f'requires-python = ">={promised[0]}"' in (ROOT / "pyproject.toml").read_text()
    assert WORKFLOW["jobs"]["lowest"]["strategy"]["matrix"]["python"][0] == promised[0]


def test_actions_are_pinned_and_nothing_may_be_written():
    used = re.findall(r"uses: (\S+)( # v[\d.]+)?$", TEXT, re.MULTILINE)
    assert len(used) == TEXT.count("uses:")
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name) and version for name, version in used)
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "secrets." not in TEXT and "pull_request_target" not in TEXT


def test_every_job_ends():
    assert all(0 < job["timeout-minutes"] <= 240 for job in WORKFLOW["jobs"].values())
