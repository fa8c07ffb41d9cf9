"""Loaders: nothing but (seed, epoch, row) decides what a row holds; processes share global batches."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from tests.features.arrays import ArraySource, random_arrays, random_source
from viewloom.dataset.dataset import Item
from viewloom.errors import DataError
from viewloom.metrics.segments import IGNORE
from viewloom.windows.pairs import ViewWindows, make_view_loader
from viewloom.windows.plan import FILLER
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches, SegmentWindows, collate, make_loader

SAMPLING = Sampling(chunk_frames=10, max_chunks=16)


def items_of(source):
    return [Item(name, name, *source.span(name, source.views(name)[0])) for name in source.recordings]


def windows_of(source, seed=None, views=("v3", "e4")):
    return SegmentWindows(source, None, items_of(source), views, SAMPLING, seed)


def epoch_of(loader, epoch):
    loader.batch_sampler.set_epoch(epoch)
    return list(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_worker_count_changes_nothing(workers):
    plain = epoch_of(make_loader(windows_of(random_source(), 3), 4, 3), 1)
    other = epoch_of(make_loader(windows_of(random_source(), 3), 4, 3, workers), 1)
    assert len(plain) == len(other)
    for a, b in zip(plain, other, strict=True):
        assert a.windows == b.windows
        assert torch.equal(a.features_BTD, b.features_BTD)
        assert torch.equal(a.mask_BT, b.mask_BT)


def test_epochs_differ_in_order_and_augmentation_and_repeat_by_seed():
    loader = make_loader(windows_of(random_source(), 3), 4, 3)
    first, again, second = (
        [window for batch in epoch_of(loader, epoch) for window in batch.windows] for epoch in (0, 0, 1)
    )
    assert first == again
    assert [w.start for w in first] != [w.start for w in second]
    key = lambda w: (w.item, w.start)  # noqa: E731
    assert [w.chunk_frames for w in sorted(first, key=key)] != [w.chunk_frames for w in sorted(second, key=key)]


def test_persistent_workers_follow_the_epoch():
    loader = make_loader(windows_of(random_source(), 3), 4, 3, workers=1)
    assert [b.windows for b in epoch_of(loader, 0)] != [b.windows for b in epoch_of(loader, 1)]


@pytest.mark.parametrize(("rows", "batch", "world"), [(12, 4, 2), (10, 4, 2), (9, 6, 3), (1, 2, 2)])
def test_processes_together_see_each_row_of_every_global_batch(rows, batch, world):
    alone = list(EpochBatches(rows, batch, 5))
    shares = [list(EpochBatches(rows, batch, 5, rank, world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    for step, whole in enumerate(alone):
        together = [key for share in shares for key in share[step]]
        assert sorted(key for key in together if key[1] != FILLER) == sorted(whole)
        assert len(together) - len(whole) == -len(whole) % world
        assert len({len(share[step]) for share in shares}) == 1
        assert shares[0][step] and EpochBatches(rows, batch, 5).rows_in(step) == len(whole)
    assert {key for whole in alone for key in whole} == {(0, row) for row in range(rows)}


def test_a_filler_weighs_nothing():
    windows = windows_of(random_source(), 3)
    for rows in ([2, FILLER], [FILLER]):
        batch = collate([windows[4, row] for row in rows])
        assert not batch.mask_BT[-1].any() and (batch.labels_BT[-1] == IGNORE).all()
        assert batch.windows[-1].steps == 0 and batch.features_BTD.shape[1] >= 1


def test_padding_is_masked_zero_and_ignored():
    windows = windows_of(random_source())
    batch = collate([windows[0, row] for row in range(len(windows))])
    assert batch.mask_BT.sum(1).tolist() == [w.steps for w in batch.windows]
    assert not batch.features_BTD[~batch.mask_BT].any()
    assert (batch.labels_BT[~batch.mask_BT] == IGNORE).all()


def test_file_order_does_not_change_rows():
    arrays = random_arrays()
    source, shuffled = ArraySource(arrays), ArraySource(dict(reversed(arrays.items())))
    a, b = windows_of(source, 3), windows_of(shuffled, 3)
    assert a.rows == b.rows
    np.testing.assert_array_equal(a[0, 1].pooled.features_SZ, b[0, 1].pooled.features_SZ)


def test_views_of_a_window_are_pooled_alike_and_absent_ones_masked():
    arrays = random_arrays()
    del arrays["r1"]["e4"]
    arrays["r1"]["v4"] = arrays["r1"]["v3"]
    source = ArraySource(arrays)
    windows = ViewWindows(source, items_of(source), ("v3", "v4", "e4"), SAMPLING, seed=1)
    singles = SegmentWindows(source, None, items_of(source), ("v3",), SAMPLING)
    for batch in make_view_loader(windows, 3):
        assert batch.views == ("v3", "v4", "e4")
        for row, window in enumerate(batch.windows):
            steps = batch.mask_BVT[row].any(dim=0).sum()
            assert steps == window.steps
            assert batch.mask_BVT[row].any(dim=1).tolist() == [
                True,
                window.recording == "r1",
                window.recording != "r1",
            ]
    still = ViewWindows(source, items_of(source), ("v3", "v4", "e4"), SAMPLING)
    np.testing.assert_array_equal(still[0, 0].pooled["v3"].features_SZ, singles[0, 0].pooled.features_SZ)


def test_items_without_a_pair_are_left_out_by_name():
    arrays = random_arrays()
    del arrays["r2"]["e4"]
    source = ArraySource(arrays)
    assert ViewWindows(source, items_of(source), ("v3", "e4"), SAMPLING).skipped == ("r2",)
    for name in ("r0", "r1"):
        del arrays[name]["e4"]
    arrays["r9"] = {"e4": arrays["r0"]["v3"]}
    source = ArraySource(arrays)
    with pytest.raises(DataError, match="None of 4 items has two of the views v3, e4"):
        ViewWindows(source, items_of(source), ("v3", "e4"), SAMPLING)
    lone = ViewWindows(source, items_of(source), ("v3", "e4"), SAMPLING, least_views=1)
    assert not lone.skipped and {item.recording for item in lone.items} == set(arrays)
    (batch,) = make_view_loader(lone, len(lone))
    seen = {w.recording: mask_VT.any(dim=1).tolist() for w, mask_VT in zip(batch.windows, batch.mask_BVT, strict=True)}
    assert seen == {name: [name != "r9", name == "r9"] for name in arrays}
    with pytest.raises(DataError, match="None of 3 items has one of the views e4, e1"):
        ViewWindows(
            source, [item for item in items_of(source) if item.recording != "r9"], ("e4", "e1"), SAMPLING, None, None, 1
        )


def test_no_window_at_all_is_an_error():
    with pytest.raises(DataError, match="not one window"):
        make_loader(windows_of(random_source(), views=("v8",)), 2)


def test_frames_that_views_lack_are_counted_in_batches_of_views():
    arrays = random_arrays()
    arrays["r0"]["e4"][1][5:8] = np.nan
    source = ArraySource(arrays)
    windows = ViewWindows(source, items_of(source), ("v3", "e4"), SAMPLING)
    (batch,) = make_view_loader(windows, len(windows))
    lacking = {
        (w.item, view): n for w, row in zip(batch.windows, batch.missing_frames, strict=True) for view, n in row if n
    }
    assert lacking == {("r0", "e4"): 3}


def test_windows_of_smaller_views_are_filled_up_with_zeros():
    source = random_source(views=("v3", "e4"), dim=(3, 5))
    windows = windows_of(source)
    assert windows.dims == {"v3": 3, "e4": 5}
    rows = [windows[0, row] for row in range(len(windows))]
    assert rows[0].view == "v3"
    batch = collate(rows)
    assert batch.features_BTD.shape[2] == 5
    for x_TD, row in zip(batch.features_BTD, rows, strict=True):
        size = windows.dims[row.view]
        np.testing.assert_array_equal(x_TD[: row.window.steps, :size], row.pooled.features_SZ)
        assert not x_TD[:, size:].any()


def test_pairs_keep_the_size_of_each_view():
    source = random_source(views=("v3", "e4"), dim=(3, 5))
    windows = ViewWindows(source, items_of(source), ("v3", "e4"), SAMPLING)
    for batch in make_view_loader(windows, 2):
        assert {view: x_BTD.shape[2] for view, x_BTD in batch.features.items()} == {"v3": 3, "e4": 5}
        assert batch.to(torch.float64).features["e4"].dtype == torch.float64


@pytest.mark.parametrize("kind", ["segments", "pairs"])
@pytest.mark.parametrize(("policy", "stops"), [("mask", False), ("error", True)])
def test_windows_obey_the_policy_for_missing_frames(kind, policy, stops):
    arrays = random_arrays(recordings=1)
    arrays["r0"]["e4"][1][40:60] = np.nan
    source = ArraySource(arrays)
    sampling = Sampling(chunk_frames=10, missing_frames=policy)
    if kind == "segments":
        windows = SegmentWindows(source, None, items_of(source), ("e4",), sampling)
    else:
        windows = ViewWindows(source, items_of(source), ("v3", "e4"), sampling)
    with pytest.raises(DataError, match=r"20 frame\(s\) are missing") if stops else nullcontext():
        for row in range(len(windows)):
            windows[0, row]


@pytest.mark.parametrize("kind", ["segments", "pairs"])
def test_only_windows_whose_size_comes_back_are_read_through_the_cache(kind):
    source = random_source()
    reads = []

    class Kept:
        """Stands for kept windows before the store."""

        uncached = source

        def __getattr__(self, name):
            return getattr(source, name)

        def read_pooled(self, recording, view, start, end, chunk_frames, pooling="max"):
            reads.append(chunk_frames)
            return source.read_pooled(recording, view, start, end, chunk_frames, pooling)

    sampling = Sampling(chunk_frames=10, max_chunks=5, test_chunks=(10,), augment_probability=0.7)
    if kind == "segments":
        windows = SegmentWindows(Kept(), None, items_of(source), ("v3",), sampling, 3)
    else:
        windows = ViewWindows(Kept(), items_of(source), ("v3", "e4"), sampling, 3)
    drawn = [windows[0, row].window.chunk_frames for row in range(len(windows))]
    assert set(reads) == {10} and len(set(drawn)) > 2
