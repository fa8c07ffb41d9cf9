"""Marks of an axis, over all floats."""

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from viewloom.report.curves import BOTTOM, HEIGHT, LARGEST, LEFT, RIGHT, TOP, WIDTH, plot, round_marks

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(one=finite, other=finite, about=st.integers(3, 8))
@example(one=5e-324, other=5e-324, about=4)
@example(one=0.0, other=5e-324, about=4)
@example(one=-1.7e308, other=1.7e308, about=4)
@example(one=1.7976931348623157e308, other=1.7976931348623157e308, about=5)
@example(one=1e16, other=1e16 + 2, about=4)
@example(one=2.5e-310, other=3.1e-310, about=4)
@example(one=0.0, other=0.0, about=4)
def test_marks_of_any_finite_range_enclose_it_and_can_be_drawn(one, other, about):
    low, high = sorted((one, other))
    marks = round_marks(low, high, about)
    assert 2 <= len(marks) <= about + (2 if about in (4, 5) else 3)  # 4 and 5 are what the page asks for
    assert all(map(math.isfinite, marks)) and marks == sorted(set(marks))
    slack = (marks[1] - marks[0]) / 10**8
    low, high = (min(max(end, -LARGEST), LARGEST) for end in (low, high))
    assert marks[0] - slack <= low and high <= marks[-1] + slack
    drawn = plot("loss", {"a": [(1.0, low), (2.0, high)]})
    ((left, bottom), (right, top)) = drawn.lines["a"][0]
    assert left < right and HEIGHT - BOTTOM >= bottom >= top >= TOP - 1e-9
    assert [place for place, _ in (drawn.y_marks[0], drawn.y_marks[-1])] == [HEIGHT - BOTTOM, TOP]


@given(offset=st.floats(-100, 100), span=st.floats(1e-6, 1e6), about=st.integers(3, 8))
def test_marks_are_multiples_of_one_two_or_five_times_a_power_of_ten(offset, span, about):
    low = offset * span
    marks = round_marks(low, low + span, about)
    steps = [b - a for a, b in itertools.pairwise(marks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)
    digit = f"{steps[0]:.1e}"[0]
    assert digit in "125" and marks[0] / steps[0] == pytest.approx(round(marks[0] / steps[0]), abs=1e-3)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [(0, 1, [0, 0.5, 1]), (0, 0.1 + 0.2, [0, 0.1, 0.2, 0.3]), (5, 5, [4, 4.5, 5, 5.5, 6]), (-3, 97, [-50, 0, 50, 100])],
)
def test_marks_that_one_would_draw_by_hand(low, high, marks):
    assert round_marks(low, high, 4) == pytest.approx(marks)


def test_lines_are_drawn_to_scale():
    values = [0.0, 1.0, 2.5, 5.0, 10.0]
    drawn = plot("loss", {"a": list(enumerate(values, 1))})
    (low, first), (high, last) = drawn.y_marks[0], drawn.y_marks[-1]
    (line,) = drawn.lines["a"]
    assert [x for x, _ in line] == pytest.approx([LEFT + share * (WIDTH - RIGHT - LEFT) / 4 for share in range(5)])
    assert [y for _, y in line] == pytest.approx([low + (v - first) / (last - first) * (high - low) for v in values])


def test_marks_of_epochs_are_whole():
    assert [epoch for _, epoch in plot("loss", {"a": [(1, 2.0), (2, 1.0)]}).x_marks] == [1, 2]
    assert [epoch for _, epoch in plot("loss", {"a": [(1, 2.0), (40, 1.0)]}).x_marks] == [10, 20, 30, 40]


def test_values_that_hardly_differ_get_marks_that_do():
    texts = [f"{value:.6g}" for _, value in plot("loss", {"a": [(1, 2.0), (2, 2.0 + 1e-9)]}).y_marks]
    assert len(set(texts)) == len(texts) > 1
