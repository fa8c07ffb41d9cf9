"""The way of a window, from a packed store to a batch: few functions, which docs/architecture.md names."""

import sys
from pathlib import Path

import pytest

from tests.tiny import all_items, write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.packing import run_pack
from viewloom.dataset.settings import DataConfig
from viewloom.features.settings import PackConfig
from viewloom.windows.pairs import CollateViews, ViewWindows
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows, collate

LABELS = {"targets_of", "labels_of", "frame_labels", "pool_labels"}
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def functions(act):
    """Names of viewloom's functions that run while ``act`` does; expressions without a name are not counted."""
    found = set()

    def note(frame, event, _):
        code = frame.f_code
        if event == "call" and "viewloom" in Path(code.co_filename).parts and not code.co_name.startswith("<"):
            found.add(code.co_name)

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return found


@pytest.fixture
def packed(tmp_path):
    data = write_tiny(tmp_path / "data")
    run_pack(PackConfig(data=str(data), out=str(tmp_path / "store"), fps=30, workers=0))
    return open_dataset(DataConfig(data=str(data), features=str(tmp_path / "store"), fps=30))


def test_a_window_passes_few_functions_each_named_in_the_docs(packed):
    items = all_items(packed)
    windows = SegmentWindows(packed.source, packed.labels, items, ("v3", "e4"), Sampling(), 0)
    collate([windows[0, 0]])  # files are opened once
    passed = functions(lambda: collate([windows[0, 0]]))
    assert passed > LABELS and len(passed - LABELS) <= 10, passed
    assert all(name in PAGE.read_text() for name in passed)


def test_a_window_in_two_views_too(packed):
    windows = ViewWindows(packed.source, all_items(packed), ("v3", "e4"), Sampling(), 0)
    join = CollateViews(windows.dims)
    join([windows[0, 0]])
    assert len(functions(lambda: join([windows[0, 0]]))) <= 12
