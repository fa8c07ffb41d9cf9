"""What is drawn: chunk sizes by (seed, epoch, row), held-out recordings, and the order of batches."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wiring.plain import PUBLISHED
from viewloom.dataset.dataset import Item
from viewloom.training.invariance import hold_out
from viewloom.windows.batch import Window
from viewloom.windows.plan import augmented_chunk, drawn_window
from viewloom.windows.segments import EpochBatches

ALWAYS = replace(PUBLISHED, augment_probability=1.0)
WINDOW = Window("r", "i", 0, 3000, 20)


def chunks(seed, epoch, rows=40, config=ALWAYS):
    return [drawn_window(WINDOW, config, seed, epoch, row).chunk_frames for row in range(rows)]


def test_chunk_sizes_differ_by_seed_epoch_and_row_and_repeat():
    drawn = chunks(0, 0)
    assert drawn == chunks(0, 0) and len(set(drawn)) > 5
    assert drawn != chunks(0, 1) and drawn != chunks(1, 0)
    assert set(chunks(None, 0)) == {20}
    assert set(chunks(0, 0, config=replace(PUBLISHED, augment_probability=0.0))) == {20}


class Scripted:
    """A generator that always augments, at a place of our choice between the smallest and the largest size."""

    def __init__(self, place):
        self.place = place

    def random(self, count):
        assert count == 2
        return np.array([0.0, self.place])


@given(
    chunk=st.integers(1, 60),
    most=st.integers(1, 1200),
    factor=st.floats(1, 8),
    share=st.floats(0, 1, exclude_min=True),
    place=st.floats(0, 1, exclude_max=True),
)
@example(chunk=20, most=1200, factor=2.0, share=23_999 / 24_000, place=0.0)
@example(chunk=20, most=1200, factor=2.0, share=12_001 / 24_000, place=0.0)
@example(chunk=7, most=3, factor=3.0, share=1.0, place=0.0)
def test_no_drawn_size_gives_more_steps_than_a_window_may_have(chunk, most, factor, share, place):
    config = replace(ALWAYS, chunk_frames=chunk, max_chunks=most, augment_factor=factor)
    frames = max(1, round(share * chunk * most))
    size = augmented_chunk(frames, config, Scripted(place))
    assert -(-frames // size) <= most
    assert max(1, int(chunk / factor)) <= size <= chunk * factor + 1e-6


@given(
    start=st.integers(0, 10_000), frames=st.integers(1, 24_000), seed=st.integers(0, 2**31), epoch=st.integers(0, 999)
)
def test_no_window_is_longer_than_the_most_chunks_in_any_epoch(start, frames, seed, epoch):
    window = Window("r", "i", start, start + frames, 20)
    drawn = [drawn_window(window, ALWAYS, seed, epoch, row) for row in range(8)]
    assert all(1 <= w.steps <= 1200 and (w.start, w.end) == (start, start + frames) for w in drawn)


def items(recordings=10, each=3):
    return [Item(f"part{k}_r{i:02d}", f"r{i:02d}", 0, 100) for k in range(each) for i in range(recordings)]


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.3, 3), (0.5, 5), (0.99, 9)])
def test_items_of_a_recording_are_held_out_together(share, count):
    names = {f"r{i:02d}" for i in range(10)}
    for seed in range(6):
        learn, held = hold_out(items(), share, seed, names)
        ours, theirs = ({item.recording for item in side} for side in (learn, held))
        assert ours.isdisjoint(theirs) and ours | theirs == names and len(theirs) == count
        assert len(held) == 3 * count and [i for i in items() if i in learn] == list(learn)


def test_held_out_recordings_depend_on_the_seed_and_not_on_the_order_of_items():
    names = {f"r{i:02d}" for i in range(10)}
    held = [{item.recording for item in hold_out(items(), 0.3, seed, names)[1]} for seed in range(6)]
    assert len(set(map(frozenset, held))) > 1
    assert {item.recording for item in hold_out(items()[::-1], 0.3, 0, names)[1]} == held[0]


def test_recordings_that_lack_a_view_are_never_held_out():
    complete = {"r01", "r04", "r05", "r08"}
    for seed in range(6):
        learned, held = ({item.recording for item in side} for side in hold_out(items(), 0.3, seed, complete))
        assert len(held) == 3 and held < complete and learned == {item.recording for item in items()} - held


def test_batches_are_the_documented_permutation():
    batches = EpochBatches(11, 4, seed=3)
    for epoch in (0, 7):
        batches.set_epoch(epoch)
        order = np.random.default_rng([3, epoch]).permutation(11).tolist()
        assert list(batches) == [[(epoch, row) for row in order[at : at + 4]] for at in (0, 4, 8)]
    assert list(EpochBatches(5, 2, seed=None)) == [[(0, 0), (0, 1)], [(0, 2), (0, 3)], [(0, 4)]]
