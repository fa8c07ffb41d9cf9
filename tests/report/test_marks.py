"""Marks of an axis, over all floats."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from viewloom.report.curves import Axis, nice_marks, plot

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(one=finite, other=finite, about=st.integers(1, 8))
@example(one=5e-324, other=5e-324, about=4)
@example(one=0.0, other=5e-324, about=4)
@example(one=-1.7e308, other=1.7e308, about=4)
@example(one=1.7976931348623157e308, other=1.7976931348623157e308, about=5)
@example(one=1e16, other=1e16 + 2, about=4)
@example(one=2.5e-310, other=3.1e-310, about=4)
@example(one=0.0, other=0.0, about=4)
def test_marks_of_any_finite_range_enclose_it_and_can_be_drawn(one, other, about):
    low, high = sorted((one, other))
    marks = nice_marks(low, high, about)
    assert 2 <= len(marks) <= about + 2
    assert all(map(math.isfinite, marks)) and marks == sorted(set(marks))
    slack = Fraction(marks[1]) - Fraction(marks[0])
    assert Fraction(marks[0]) - slack / 10**8 <= Fraction(low) and Fraction(high) <= Fraction(marks[-1]) + slack / 10**8
    axis = Axis(marks[0], marks[-1], 0.0, 100.0)
    assert axis.at(marks[0]) == 0 and axis.at(marks[-1]) == pytest.approx(100)
    assert -1e-3 <= axis.at(low) <= axis.at(high) <= 100.001
    assert "<svg" in str(plot({"a": [(1.0, low), (2.0, high)]}, {"a": "line0"}, "loss"))


@given(offset=st.floats(-100, 100), span=st.floats(1e-6, 1e6), about=st.integers(2, 8))
def test_marks_are_multiples_of_one_two_or_five_times_a_power_of_ten(offset, span, about):
    low = offset * span
    marks = nice_marks(low, low + span, about)
    steps = [b - a for a, b in itertools.pairwise(marks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)
    digit = f"{steps[0]:.1e}"[0]
    assert digit in "125" and marks[0] / steps[0] == pytest.approx(round(marks[0] / steps[0]), abs=1e-3)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [(0, 1, [0, 0.5, 1]), (0, 0.1 + 0.2, [0, 0.1, 0.2, 0.3]), (5, 5, [4, 6]), (-3, 97, [-50, 0, 50, 100])],
)
def test_marks_that_one_would_draw_by_hand(low, high, marks):
    assert nice_marks(low, high, 4) == pytest.approx(marks)
