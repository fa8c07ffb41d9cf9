"""Classes of steps, where a frame may have several."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import viewloom as vl
from viewloom.dataset.multilabel import ABSENT, build_multi_annotation
from viewloom.metrics.segments import IGNORE
from viewloom.windows.multilabel import stack_classes, step_classes
from viewloom.windows.plan import FILLER
from viewloom.windows.resident import ResidentSegments
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches, SegmentWindows, collate
from viewloom.windows.taught import SoftLabels, TaughtWindows, Teaching, as_target_classes


def by_hand(classes_TK, chunk):
    found = []
    for start in range(0, len(classes_TK), chunk):
        frames = [one for one in classes_TK[start : start + chunk].tolist() if IGNORE not in one]
        if not frames:
            found.append([IGNORE] * classes_TK.shape[1])
        else:
            found.append([int(2 * sum(column) >= len(frames)) for column in zip(*frames, strict=True)])
    return np.array(found, np.int8).reshape(-1, classes_TK.shape[1])


row = st.tuples(st.integers(0, 40), st.integers(1, 15), st.sampled_from([0, 1, 2, IGNORE, ABSENT]))


@given(rows=st.lists(row, max_size=10), start=st.integers(0, 50), frames=st.integers(1, 40), chunk=st.integers(1, 12))
def test_a_chunk_has_what_half_of_its_labelled_frames_have(rows, start, frames, chunk):
    rows = [(10, 5, 1), *rows]  # with one action at least
    annotation = build_multi_annotation("labels.csv", "r", "r", [(s, s + n, k, 0) for s, n, k in rows])
    classes_TK = annotation.frame_classes(start, start + frames, 3)
    found = step_classes(annotation, start, start + frames, chunk, 3)
    np.testing.assert_array_equal(found, by_hand(classes_TK, chunk))


def test_rows_are_padded_with_what_nobody_says():
    stacked = stack_classes([np.ones((2, 3), np.int8), np.zeros((1, 3), np.int8)], 4)
    assert stacked.shape == (2, 4, 3) and (stacked[0, 2:] == IGNORE).all() and (stacked[1, 1:] == IGNORE).all()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    features = {name: {"v": rng.normal(size=(n, 4)), "w": rng.normal(size=(n, 4))} for name, n in SIZES.items()}
    labels = {name: rng.random((n, 3)) < 0.4 for name, n in SIZES.items()}
    return vl.from_arrays(features, labels=labels, splits={"train": list(SIZES)}, fps=10)


SIZES = {"a": 50, "b": 33, "c": 71}
SAMPLING = Sampling(chunk_frames=4, max_chunks=10, augment_probability=0.6, test_chunks=(4,), pooling="mean")


def test_batches_hold_the_classes_of_their_windows(data):
    windows = SegmentWindows(data.source, data.labels, data.items("train"), ("v",), SAMPLING, 3)
    rows = [windows[1, row] for row in range(len(windows))]
    batch = collate(rows)
    assert batch.classes_BTK.dtype == torch.int8 and (batch.labels_BT == IGNORE).all()
    for row, classes_TK in zip(rows, batch.classes_BTK.numpy(), strict=True):
        window = row.window
        frames_TK = data.labels.annotations[window.item].frame_classes(window.start, window.end, 3)
        np.testing.assert_array_equal(classes_TK[: window.steps], by_hand(frames_TK, window.chunk_frames))
        assert (classes_TK[window.steps :] == IGNORE).all()


def test_what_is_held_on_the_device_gives_the_same_batches(data):
    windows = SegmentWindows(data.source, data.labels, data.items("train"), ("v", "w"), SAMPLING, 3)
    sampler = EpochBatches(len(windows), 4, 5)
    held = ResidentSegments(windows, sampler, torch.device("cpu"))
    for keys in [*sampler, [(0, 0), (0, FILLER)]]:
        read, kept = collate([windows[key] for key in keys]), held.batch(keys)
        assert torch.equal(read.classes_BTK, kept.classes_BTK) and torch.equal(read.features_BTD, kept.features_BTD)
    assert (kept.classes_BTK[1] == IGNORE).all()


def test_of_taught_rows_labels_are_never_read(data):
    soft = {name: SoftLabels.of_frames(np.full((n, 3), 0.25, np.float32), 0) for name, n in SIZES.items()}
    items = data.items("train")
    teaching = Teaching(items, ("w",), 3, soft, multi=True)
    windows = TaughtWindows(data, items[:1], ("v",), SAMPLING, None, (), teaching)
    batch = collate([windows[0, row] for row in range(len(windows))])
    first = windows.first_taught
    assert (batch.classes_BTK[first:] == IGNORE).all() and (batch.classes_BTK[:first] != IGNORE).any()
    mask_BT = batch.mask_BT
    assert batch.taught_BTK[:first][mask_BT[:first]].isnan().all()  # zero would say that nothing happens there
    assert torch.equal(batch.taught_BTK[first:][mask_BT[first:]], torch.full((int(mask_BT[first:].sum()), 3), 0.25))


def test_targets_of_classes_are_sharpened_one_by_one():
    probs_SK = np.array([[0.9, 0.2], [0.0, 0.0], [0.55, 0.01]], np.float32)
    plain = as_target_classes(probs_SK, 1.0, 0.0)
    np.testing.assert_allclose(plain[[0, 2]], probs_SK[[0, 2]], rtol=1e-6)
    assert np.isnan(plain[1]).all()  # nobody sees that step
    sharp = as_target_classes(probs_SK, 0.5, 0.6)
    np.testing.assert_allclose(sharp[0], [0.81 / 0.82, 0.04 / 0.68], rtol=1e-5)
    assert np.isnan(sharp[2, 0]) and sharp[2, 1] < 0.001  # unsure of one class, sure that the other isn't there


def test_soft_labels_by_frames():
    probs_TK = np.array([[0, 0], [0.6, 0.4], [0.5, 0.49]], np.float32)
    found = SoftLabels.of_frames(probs_TK, 10).frame_classes(8, 14, 0.5)
    assert found.tolist() == [[IGNORE] * 2] * 3 + [[1, 0], [1, 0]] + [[IGNORE] * 2]
