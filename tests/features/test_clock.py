"""Views of different rates on one clock: the nearest stored frame, found by whole numbers alone."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from viewloom.features.base import Span
from viewloom.features.clock import Clock, on_clock

NTSC = 30000 / 1001
RATES = (30.0, 29.97, NTSC, 20.0, 12.5, 60.0, 1.0, 1000.0, 7.3)
rates = st.sampled_from(RATES)
starts = st.one_of(
    st.just(0.0), st.integers(-(10**7), 10**7).map(lambda n: n / 10**5), st.sampled_from([1 / 3, -0.125])
)


def exact(number):
    """A rate or a start as a user means it."""
    return {NTSC: Fraction(30000, 1001), 1 / 3: Fraction(1, 3)}.get(number, Fraction(repr(number)))


def nearest(frame, rate, start, fps):
    """Among the two stored frames around a frame's moment the nearer one, the earlier of two as near."""
    moment = Fraction(frame) / exact(fps)
    before = math.floor((moment - exact(start)) * exact(rate))
    return min((before, before + 1), key=lambda n: (abs(exact(start) + n / exact(rate) - moment), n))


@settings(max_examples=300, deadline=None)
@given(rate=rates, fps=rates, start=starts, frames=st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=8))
@example(rate=29.97, fps=NTSC, start=99.99999, frames=[10**7])
def test_the_nearest_frame_is_that_of_exact_arithmetic(rate, fps, start, frames):
    clock = Clock.of(rate, start, fps)
    wanted = [nearest(frame, rate, start, fps) for frame in frames]
    if clock is None:
        assert wanted == frames, "only where stored frames are the data set's own"
    else:
        found = clock.nearest(np.array(frames))
        assert found.dtype == np.int64 and found.tolist() == wanted


@settings(max_examples=300, deadline=None)
@given(rate=rates, fps=rates, start=starts, first=st.integers(-1000, 10**7), length=st.integers(1, 10**7))
def test_a_span_is_just_the_frames_that_show_a_stored_one(rate, fps, start, first, length):
    """All before it show earlier frames, all behind it later ones: nearest frames never go back."""
    clock = Clock.of(rate, start, fps)
    if clock is None:
        return
    span = clock.span(Span(first, first + length))
    edges = clock.nearest(np.array([span.first - 1, span.first, span.end - 1, span.end]))
    assert edges[0] < first and edges[3] >= first + length
    if span.frames:
        assert first <= edges[1] <= edges[2] < first + length
    else:
        assert edges[1] >= first + length, "a view so quick that no frame of the data set falls on these"


@pytest.mark.parametrize("rate", RATES)
def test_every_frame_of_a_short_recording(rate):
    clock, stored = Clock.of(rate, 0.2, 24.0), Span(3, 90)
    inside = [f for f in range(-200, 3000) if stored.first <= nearest(f, rate, 0.2, 24.0) < stored.end]
    assert clock.span(stored) == (inside[0], inside[-1] + 1) and inside == list(range(inside[0], inside[-1] + 1))


def test_the_earlier_of_two_as_near():
    # 15 fps on 30: frame 1 is as far from stored 0 as from 1, frame 3 from 1 as from 2; before 0 likewise.
    assert Clock.of(15.0, 0.0, 30.0).nearest(np.arange(-3, 6)).tolist() == [-2, -1, -1, 0, 0, 1, 1, 2, 2]


def test_numbers_too_large_for_the_machine_are_no_less_exact():
    """Starts to the microsecond and odd rates have a common denominator beyond 10^18 frames' worth of int64."""
    rate, start, fps = 29.987643, 1234.567891, 59.940061
    frames = np.array([-(10**7), 0, 12345, 10**7])
    top = 2 * (exact(rate) / exact(fps)).denominator * (exact(start) * exact(rate)).denominator * 10**7
    assert top > 2**63
    # A rate is taken as a fraction of at most a million: compared with that.
    near = [Fraction(repr(x)).limit_denominator(10**6) for x in (rate, start, fps)]
    wanted = [math.ceil((f / near[2] - near[1]) * near[0] - Fraction(1, 2)) for f in frames.tolist()]
    assert Clock.of(rate, start, fps).nearest(frames).tolist() == wanted


@pytest.mark.parametrize("rate", RATES)
def test_a_view_at_the_data_set_s_rate_has_no_clock(rate):
    assert Clock.of(rate, 0.0, rate) is None
    assert Clock.of(rate, 0.001, rate) is not None
    assert on_clock(Span(3, 9), None) == (3, 9)


def test_a_published_rate_is_found_in_its_decimals():
    assert Clock.of(29.97002997, 0.0, NTSC) is None
    assert Clock.of(29.97, 0.0, NTSC) is not None


def test_a_very_slow_rate_stays_above_zero():
    assert Clock.of(1e-9, 0.0, 30.0).nearest(np.array([0, 10**7])).tolist() == [0, 0]
    assert Clock.of(1e-9, 0.0, 30.0).span(Span(0, 1)) == (-15 * 10**9 + 1, 15 * 10**9 + 1)


def test_the_data_set_s_frames_begin_at_zero():
    """Half an interval of a slow view lies before its first frame, and a view may have begun early."""
    slow, early = Clock.of(5.0, 0.0, 30.0), Clock.of(20.0, -2.0, 30.0)
    assert slow.span(Span(0, 10)).first < 0 and early.span(Span(0, 100)).first < -50
    assert on_clock(Span(0, 10), slow) == (0, slow.span(Span(0, 10)).end)
    assert on_clock(Span(0, 100), early).first == 0
    assert on_clock(Span(0, 10), early).frames == 0
