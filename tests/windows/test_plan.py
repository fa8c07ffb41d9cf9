"""Windows and chunks against slow plain references, and the policies for missing frames."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.arrays import ArraySource
from tests.windows.reading import pool_valid, read_window
from viewloom.dataset.dataset import Item
from viewloom.errors import ConfigError, DataError
from viewloom.features.pooling import pool_rows
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import Window
from viewloom.windows.plan import (
    augmented_chunk,
    plan_windows,
    pool_labels,
    unpool,
)
from viewloom.windows.sampling import Sampling


def plain_labels(labels, chunk):
    """Count votes one by one; the smallest id wins a tie."""
    pooled = []
    for start in range(0, len(labels), chunk):
        votes = Counter(int(label) for label in labels[start : start + chunk] if label != IGNORE)
        pooled.append(min(votes, key=lambda label: (-votes[label], label)) if votes else IGNORE)
    return np.array(pooled, np.int64)


def one_array(x_TD, first=0):
    return ArraySource({"r": {"v": (first, x_TD)}})


@given(st.integers(1, 70), st.integers(1, 25), st.floats(0, 0.9), st.integers(0, 2**32 - 1))
def test_pooling_features_equals_the_plain_reference(frames, chunk, missing, seed):
    rng = np.random.default_rng(seed)
    x_TD = rng.normal(size=(frames, 3)).astype(np.float32)
    x_TD[rng.random(frames) < missing] = np.nan
    expected, mask = pool_valid(x_TD, chunk)
    pooled_SD, mask_S, holes = pool_rows(x_TD, chunk, "max", "r", 0)
    np.testing.assert_array_equal(pooled_SD, expected)
    np.testing.assert_array_equal(mask_S, mask)
    np.testing.assert_array_equal(holes, np.flatnonzero(np.isnan(x_TD).all(axis=1)))


@given(st.lists(st.sampled_from([IGNORE, 0, 1, 2, 7]), max_size=80), st.integers(1, 25))
def test_pooling_labels_equals_the_plain_reference(labels, chunk):
    labels_T = np.array(labels, np.int64)
    np.testing.assert_array_equal(pool_labels(labels_T, chunk), plain_labels(labels_T, chunk))


def test_the_smallest_label_wins_a_tie_and_unlabelled_frames_do_not_vote():
    labels_T = np.array([5, 5, 2, 2, IGNORE, IGNORE, IGNORE, 9])
    assert pool_labels(labels_T, 4).tolist() == [2, 9]


@given(st.integers(0, 500), st.integers(1, 100_000), st.integers(1, 30), st.integers(1, 1200))
def test_windows_cover_a_span_once_and_in_order(start, frames, chunk, most):
    if frames / (chunk * most) > 2000:
        most = 1200
    windows = plan_windows(Item("i", "r", start, start + frames), chunk, most)
    assert windows[0].start == start
    assert windows[-1].end == start + frames
    assert all(a.end == b.start for a, b in zip(windows, windows[1:], strict=False))
    assert all(w.frames == chunk * most for w in windows[:-1])
    assert 1 <= windows[-1].steps <= most


def test_a_published_window_is_24000_frames():
    assert [w.frames for w in plan_windows(Item("i", "r", 1, 50_001), 20, 1200)] == [24_000, 24_000, 2_000]


@given(st.integers(1, 24_000), st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_augmented_chunks_stay_in_the_published_range(frames, seed):
    config = Sampling(augment_probability=1.0)
    chunk = augmented_chunk(frames, config, np.random.default_rng(seed))
    assert max(10, int(np.ceil(frames / 1200))) <= chunk <= 40
    assert -(-frames // chunk) <= 1200


def test_augmentation_is_log_uniform_and_happens_half_the_time():
    rng = np.random.default_rng(0)
    chunks = np.array([augmented_chunk(1000, Sampling(), rng) for _ in range(20_000)])
    # Half keep 20; of the other half, log-uniform on [10, 40) means a half below 20, floored.
    assert np.mean(chunks < 20) == pytest.approx(0.25, abs=0.015)
    # P(floor = 20 | drawn) = log(21/20) / log(4) = .0352
    assert np.mean(chunks == 20) == pytest.approx(0.5 + 0.5 * 0.0352, abs=0.015)


def test_unpooling_repeats_steps_and_cuts_to_the_window():
    window = Window("r", "i", 5, 12, 3)
    steps = np.array([[1.0], [2.0], [3.0]], np.float32)
    assert unpool(steps, window)[:, 0].tolist() == [1, 1, 1, 2, 2, 2, 3]


def test_masked_frames_are_left_out_and_counted():
    x_TD = np.arange(6, dtype=np.float32)[:, None]
    x_TD[3] = np.nan
    x_TD, missing = read_window(one_array(x_TD), Window("r", "i", 0, 8, 2), "v", Sampling())
    assert missing == 3  # frame 3, and two past the end
    pooled, mask = pool_valid(x_TD, 2)
    assert pooled[:, 0].tolist() == [1, 2, 5, 0]
    assert mask.tolist() == [True, True, True, False]


def test_nearest_copies_a_neighbour_even_from_the_next_window():
    x_TD = np.arange(10, dtype=np.float32)[:, None]
    x_TD[4:6] = np.nan
    config = Sampling(missing_frames="nearest", nearest_within_frames=2)
    source = one_array(x_TD)
    whole, _ = read_window(source, Window("r", "i", 0, 10, 1), "v", config)
    assert whole[:, 0].tolist() == [0, 1, 2, 3, 3, 6, 6, 7, 8, 9]
    parts = [read_window(source, Window("r", "i", a, a + 5, 1), "v", config)[0] for a in (0, 5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_nearest_refuses_what_is_too_far():
    x_TD = np.zeros((10, 1), np.float32)
    x_TD[2:8] = np.nan
    config = Sampling(missing_frames="nearest", nearest_within_frames=2)
    with pytest.raises(DataError, match=r"r, view v.*nearest_within_frames 2"):
        read_window(one_array(x_TD), Window("r", "i", 0, 10, 1), "v", config)


def test_error_policy_names_the_frames():
    x_TD = np.zeros((10, 1), np.float32)
    x_TD[7] = np.nan
    config = Sampling(missing_frames="error")
    with pytest.raises(DataError, match=r"r, view v: 1 frame\(s\) are missing: 107"):
        read_window(one_array(x_TD, 100), Window("r", "i", 100, 110, 1), "v", config)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_partly_broken_rows_are_an_error_under_every_policy(bad):
    x_TD = np.zeros((10, 2), np.float32)
    x_TD[3, 1] = bad
    for policy in ("mask", "nearest", "error"):
        with pytest.raises(DataError, match="first at frame 3"):
            read_window(one_array(x_TD), Window("r", "i", 0, 10, 1), "v", Sampling(missing_frames=policy))


@pytest.mark.parametrize(
    "wrong", [{"chunk_frames": 0}, {"max_chunks": 0}, {"augment_factor": 0.5}, {"test_chunks": ()}]
)
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(ConfigError):
        Sampling(**wrong)


def test_the_earlier_neighbour_wins_a_tie():
    x_TD = np.array([[1.0], [np.nan], [3.0], [np.nan], [np.nan], [np.nan], [7.0]], np.float32)
    filled, _ = read_window(
        one_array(x_TD),
        Window("r", "i", 0, 7, 1),
        "v",
        Sampling(missing_frames="nearest", nearest_within_frames=2),
    )
    assert filled[:, 0].tolist() == [1, 1, 3, 3, 3, 7, 7]


@pytest.mark.parametrize(("frames", "steps"), [(0, 0), (1, 1), (20, 1), (21, 2), (40, 2), (41, 3)])
def test_a_last_shorter_chunk_counts_as_a_step(frames, steps):
    assert Window("r", "i", 7, 7 + frames, 20).steps == steps
