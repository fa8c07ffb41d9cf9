"""Comparisons of these tests run in forks; how workers really start is part of `test_a_stopped_comparison_...`."""

import pytest

from tests.forked import CAN_FORK, begin_worker
from viewloom.recipes.compare.launching import Worker


@pytest.fixture(scope="package", autouse=True)
def forked_workers():
    """Workers that need not import torch."""
    with pytest.MonkeyPatch.context() as patch:
        if CAN_FORK:
            patch.setattr(Worker, "begin", staticmethod(begin_worker))
        yield
