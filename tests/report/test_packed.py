"""Strips as text, and back."""

from hypothesis import given
from hypothesis import strategies as st

from viewloom.report.packed import packed

ROWS = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 90), st.integers(0, 30), st.integers(0, 3)), max_size=8)


@given(drawn=ROWS, start=st.integers(0, 50))
def test_rows_come_back_also_where_they_overlap(drawn, start):
    rows = sorted((first, first + length, *others) for first, length, *others in drawn)
    found, before = [], start
    for text in packed(rows, start).split(",") if rows else []:
        gap, length, *others = map(int, text.split())
        found.append((before + gap, before + gap + length, *others))
        before += gap + length
    assert found == rows
    assert packed([], start) == ""
