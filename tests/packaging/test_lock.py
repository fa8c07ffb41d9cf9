"""requirements.lock and constraints.txt say the same, and hold what pyproject.toml asks for, for every Python."""

import re
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.lock import CONSTRAINTS, LOCK, ROOT, pins

if sys.version_info >= (3, 11):
    import tomllib
else:  # what pytest brings there
    import tomli as tomllib

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SYSTEMS = (
    {"sys_platform": "linux", "platform_system": "Linux"},
    {"sys_platform": "darwin", "platform_system": "Darwin"},
)


def held(python, system):
    """{name: version} of a Python and a system; a name twice is a fault."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "implementation_name": "cpython"}
    environment |= {"platform_python_implementation": "CPython", "platform_machine": "x86_64", "extra": "", **system}
    found = {}
    for one in map(Requirement, pins(LOCK.read_text())):
        if one.marker is None or one.marker.evaluate(environment):
            assert canonicalize_name(one.name) not in found, f"{one.name} twice for Python {python}"
            found[canonicalize_name(one.name)] = next(iter(one.specifier)).version
    return found


def asked():
    """Every requirement of pyproject.toml that `make test` installs: its own and those of the extras in `dev`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    own = next(word for word in optional["dev"] if word.startswith("viewloom["))
    words = [
        *project["dependencies"],
        *optional["dev"],
        *(w for name in Requirement(own).extras for w in optional[name]),
    ]
    return [Requirement(word) for word in words if word != own]


def test_constraints_are_the_lock_without_its_hashes():
    assert pins(CONSTRAINTS.read_text()) == pins(LOCK.read_text())


def test_every_pin_of_the_lock_has_hashes():
    for block in re.split(r"\n(?=\w)", LOCK.read_text().split("\n", 1)[1]):
        assert re.match(r"[\w.-]+==\S+", block) and len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block)) >= 1, block


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_what_the_project_asks_for(python):
    assert len(asked()) > 40
    for system in SYSTEMS:
        found = held(python, system)
        for one in asked():
            version = found.get(canonicalize_name(one.name))
            assert version is not None and one.specifier.contains(version, prereleases=True), f"{one}: {version}"


def test_bounds_that_guard_what_the_project_promises():
    """torch before 2.6 can run code in spite of weights_only (CVE-2025-32434)."""
    (torch,) = [one for one in asked() if one.name == "torch"]
    assert not torch.specifier.contains("2.5.1") and torch.specifier.contains("2.6.0")
