"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def assembly101() -> Path:
    """Folder with the real annotations and feature sample; skips where it isn't there."""
    folder = os.environ.get("VIEWLOOM_ASSEMBLY101")
    if not folder:
        pytest.skip("VIEWLOOM_ASSEMBLY101 is not set: the real annotations are licensed apart from this project")
    return Path(folder)
