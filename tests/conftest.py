"""Fixtures shared by all tests, and how hypothesis draws its examples."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A pipeline must not fail by the luck of a draw, nor by a slow machine: with CI set, the same examples every time.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session", autouse=True)
def never_wait_for_the_disk():
    """Nothing that a test writes need outlive a power cut, and disks take milliseconds for each file; what is written
    in which order is tests/test_durable.py's matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def assembly101() -> Path:
    """Folder with the real annotations and feature sample; skips where it isn't there."""
    folder = os.environ.get("VIEWLOOM_ASSEMBLY101")
    if not folder:
        pytest.skip("VIEWLOOM_ASSEMBLY101 is not set: the real annotations are licensed apart from this project")
    return Path(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes, tests marked as slow come first, so that none is left alone with one at the end."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)
