"""A teacher's labels as runs of frames, pooled into steps; windows that carry them among labelled ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny import ACTIONS, write_tiny
from tests.windows.reading import assert_same_bits
from viewloom.dataset.dataset import Item
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import Window
from viewloom.windows.plan import FILLER
from viewloom.windows.resident import ResidentSegments
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches, collate, dataset_windows, make_loader
from viewloom.windows.taught import SoftLabels, TaughtWindows, Teaching, as_target


def frames_of(runs, seed=0):
    """Probabilities (T, K) of frames, constant over runs of the lengths; a negative length is a run nobody sees."""
    rng = np.random.default_rng(seed)
    each = [np.repeat(rng.dirichlet(np.ones(3))[None] * (run > 0), abs(run), 0) for run in runs]
    return np.concatenate(each).astype(np.float32)


runs_of_frames = st.lists(st.integers(-9, 9).filter(bool), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(runs=runs_of_frames, start=st.integers(-5, 5), chunk=st.integers(1, 12), cut=st.data())
def test_steps_are_means_over_the_frames_that_the_teacher_sees(runs, start, chunk, cut):
    probs_TK = frames_of(runs)
    soft = SoftLabels.of_frames(probs_TK, start)
    first = cut.draw(st.integers(start, start + len(probs_TK) - 1))
    last = cut.draw(st.integers(first + 1, start + len(probs_TK)))
    found_SK = soft.pooled(Window("r", "r", first, last, chunk))
    for step, at in enumerate(range(first, last, chunk)):
        seen = [p_K for p_K in probs_TK[at - start : min(at + chunk, last) - start] if p_K.any()]
        expected_K = np.mean(seen, axis=0, dtype=np.float64) if seen else np.zeros(3)
        np.testing.assert_allclose(found_SK[step], expected_K, atol=1e-7)
    assert len(found_SK) == step + 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(runs=runs_of_frames, start=st.integers(-5, 5))
def test_runs_are_the_frames_again(runs, start):
    probs_TK = frames_of(runs)
    soft = SoftLabels.of_frames(probs_TK, start)
    assert np.array_equal(np.repeat(soft.probs_RK, soft.frames_R, axis=0), probs_TK)
    expected_T = np.where(probs_TK.any(1), probs_TK.argmax(1), IGNORE)
    beside_T = np.full(2, IGNORE)
    labels_T = soft.frame_labels(start - 2, soft.end + 2)
    assert np.array_equal(labels_T, np.concatenate([beside_T, expected_T, beside_T]))


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0])
def test_targets_by_hand(temperature, confidence):
    probs_SK = np.array([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
    found_SK = as_target(probs_SK, temperature, confidence)
    for p_K, q_K in zip(probs_SK.astype(float), found_SK, strict=True):
        expected_K = p_K ** (1 / temperature)
        sure = p_K.any() and p_K.max() >= np.float32(confidence)
        np.testing.assert_allclose(q_K, expected_K / expected_K.sum() if sure else 0 * p_K, atol=1e-6)


def test_a_very_low_temperature_is_one_label():
    assert as_target(np.array([[0.5, 0.3, 0.2]], np.float32), 1e-3, 0.0).tolist() == [[1, 0, 0]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """One recording lacks the ego view, another one frames of it."""
    root = write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=8)
    holed = root / "features" / "p01" / "e4" / "features.npy"
    x_TD = np.load(holed)
    x_TD[20:75] = np.nan
    np.save(holed, x_TD)
    (root / "features" / "p02" / "e4" / "features.npy").unlink()
    (root / "features" / "p02" / "e4").rmdir()
    return open_dataset(DataConfig(data=str(root)))


NAMES = ("p00", "p01", "p02")


def windows_of(dataset, sampling, names=NAMES, **changes):
    """Labelled windows of the train items, and taught ones of some recordings, which have labels too."""
    items = tuple(Item(name, name, *dataset.source.span(name, "v3")) for name in names)
    rng = np.random.default_rng(3)
    soft = {
        item.recording: SoftLabels.of_frames(
            rng.dirichlet(np.ones(ACTIONS), item.end - item.start).astype(np.float32), item.start
        )
        for item in items
    }
    teaching = Teaching(items, ("v3", "e4"), ACTIONS, soft, **changes)
    return TaughtWindows(dataset, dataset.items("train"), ("v3",), sampling, 4, (), teaching)


def test_labelled_rows_are_those_without_a_teacher_and_taught_ones_have_no_label(dataset):
    sampling = Sampling(max_chunks=5, augment_probability=0.7)
    windows = windows_of(dataset, sampling)
    plain = dataset_windows(dataset, dataset.items("train"), ("v3",), sampling, 4)
    assert windows.rows[: len(plain)] == plain.rows and windows.first_taught == len(plain)
    assert {(window.recording, view) for window, view in windows.rows[len(plain) :]} == {
        *(("p00", view) for view in ("v3", "e4")),
        *(("p01", view) for view in ("v3", "e4")),
        ("p02", "v3"),
    }
    for epoch in range(2):
        for row in range(len(windows)):
            found = windows[epoch, row]
            if row < len(plain):
                assert np.array_equal(found.labels_S, plain[epoch, row].labels_S) and not len(found.taught_SK)
                assert found.window == plain[epoch, row].window
            else:
                assert found.window.item in dataset.labels.annotations, "there would be labels to read"
                assert (found.labels_S == IGNORE).all() and len(found.labels_S) == found.window.steps
                expected_SK = windows.teaching.soft[found.window.recording].pooled(found.window)
                np.testing.assert_allclose(found.taught_SK, expected_SK, atol=1e-6)


@pytest.mark.parametrize("probability", [0.0, 0.7])
def test_batches_on_the_device_are_the_loader_s_to_the_bit(dataset, probability):
    windows = windows_of(dataset, Sampling(max_chunks=7, augment_probability=probability), temperature=0.5)
    loader = make_loader(windows, 4, 1)
    held = ResidentSegments(windows, EpochBatches(len(windows), 4, 1), torch.device("cpu"))
    taught = 0
    for epoch in range(2):
        loader.batch_sampler.set_epoch(epoch)
        held.sampler.set_epoch(epoch)
        for one, other in zip(loader, held, strict=True):
            assert_same_bits(one, other)
            taught += int(one.taught_BTK.sum() > 0)
    assert taught


def test_every_batch_says_whether_it_teaches(dataset):
    """All processes must compute alike: a batch of labelled rows, or of none at all, has zeros."""
    windows = windows_of(dataset, Sampling())
    for keys in ([(0, 0)], [(0, FILLER)], [(0, FILLER), (0, windows.first_taught)]):
        batch = collate([windows[key] for key in keys])
        assert batch.taught_BTK.shape == (*batch.labels_BT.shape, ACTIONS)
    assert batch.taught_BTK[0].sum() == 0 < batch.taught_BTK[1].sum()
    plain = dataset_windows(dataset, dataset.items("train"), ("v3",), Sampling(), 4)
    assert collate([plain[0, 0]]).taught_BTK is None
