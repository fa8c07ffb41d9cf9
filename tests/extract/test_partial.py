"""Rows kept on the way: whatever a kill leaves of the file, only whole blocks are believed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.extract.partial import PartialRows

ROWS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), max_size=4), kept=st.floats(0, 1), flipped=st.booleans())
def test_after_any_damage_the_rows_are_a_true_beginning(tmp_path_factory, sizes, kept, flipped):
    path = tmp_path_factory.mktemp("partial") / "a" / "b.rows"
    partial = PartialRows(path, {"bytes": 5}, 3)
    for size in sizes:
        partial.add(ROWS[partial.count : partial.count + size][:size])
    whole = path.read_bytes()
    damaged = bytearray(whole[: int(len(whole) * kept)])
    if flipped and damaged:
        damaged[-1] ^= 0xFF
    path.write_bytes(damaged)
    again = PartialRows(path, {"bytes": 5}, 3)
    assert again.count in np.cumsum([0, *sizes])
    assert not (kept == 1 and not flipped) or again.count == sum(sizes)
    again.add(ROWS[again.count : 20])
    np.testing.assert_array_equal(PartialRows(path, {"bytes": 5}, 3).rows(), ROWS)


@pytest.mark.parametrize("other", [{"bytes": 6}, {"bytes": 55}, {}])
def test_rows_of_another_clip_are_not_taken(tmp_path, other):
    PartialRows(tmp_path / "r", {"bytes": 5}, 3).add(ROWS)
    partial = PartialRows(tmp_path / "r", other, 3)
    assert partial.count == 0
    partial.add(ROWS[:2])
    np.testing.assert_array_equal(PartialRows(tmp_path / "r", other, 3).rows(), ROWS[:2])
