"""Windows from the pooled cache: the store's bits, never those of other features, and no more than was allowed."""

import os
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windows.reading import pooled_window
from tests.windows.test_segments import items_of
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, DataError
from viewloom.features.cache import CachedSource
from viewloom.features.opening import open_source
from viewloom.windows.batch import Window
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows, make_loader

from .stores import lacks, write_npy
from .test_pooling import CAMERA, KINDS, POOLINGS, VIEW, features, write_store

MASK = Sampling(test_chunks=(1, 7, 8, 10))


class Unreadable:
    """Stands for a store whose features must not be looked at."""

    def __init__(self, source):
        self.source = source

    def __getattr__(self, name):
        assert name not in ("read", "read_pooled"), "read from the store"
        return getattr(self.source, name)


def only_cache(cached):
    """The same cache before a store that can't be read."""
    return CachedSource(Unreadable(cached.source), cached.folder, cached.limit_gib)


def window_of(source, frames, chunk, offset=0):
    first = source.span("r", VIEW).first + offset
    return Window("r", "r", first, first + frames, chunk)


def same(found, expected):
    assert found[0].tobytes() == expected[0].tobytes()
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[2] == expected[2]


@pytest.fixture(scope="module")
def holed(tmp_path_factory):
    """{kind: source} of 120 frames in which frames are missing."""
    missing = (3, 40, 41, *range(60, 85))
    return {kind: write_store(kind, tmp_path_factory.mktemp(kind), features(120, 5, 0), missing) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@given(
    offset=st.integers(-9, 100),
    frames=st.integers(1, 130),
    chunk=st.integers(1, 30),
    policy=st.sampled_from(["mask", "nearest", "error"]),
    pooling=st.sampled_from(POOLINGS),
)
@settings(max_examples=25, deadline=None)
def test_what_was_kept_equals_the_store(holed, tmp_path_factory, kind, offset, frames, chunk, policy, pooling):
    source = holed[kind]
    config = Sampling(chunk_frames=chunk, missing_frames=policy, nearest_within_frames=20, pooling=pooling)
    window = window_of(source, frames, chunk, offset)
    cached = CachedSource(source, tmp_path_factory.getbasetemp() / f"cache_{kind}", 1)
    assert not lacks(cached)
    try:
        expected = pooled_window(source, window, VIEW, config)
    except DataError as error:
        for _ in range(2):
            with pytest.raises(DataError) as caught:
                pooled_window(cached, window, VIEW, config)
            assert str(caught.value) == str(error)
        return
    for _ in range(2):
        same(pooled_window(cached, window, VIEW, config), expected)
    if policy == "mask":
        same(pooled_window(only_cache(cached), window, VIEW, config), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_features_that_change_are_never_served_stale(tmp_path, kind):
    old, new = features(60, 5, 1), features(60, 5, 2)
    source = write_store(kind, tmp_path / "old", old)
    window = window_of(source, 60, 7)
    before = pooled_window(CachedSource(source, tmp_path / "cache", 1), window, VIEW, MASK)[0]
    if kind == "npy":  # the same file, written over in place, its time of change set back
        path = tmp_path / "old" / kind / "r" / CAMERA / "features.npy"
        kept = path.stat()
        write_npy(tmp_path / "old" / kind, {"r": {CAMERA: (0, new, ())}})
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        changed = open_source(tmp_path / "old" / kind, axes="dt", fps=30)
    else:
        changed = write_store(kind, tmp_path / "new", new)
    assert changed.fingerprint() == source.fingerprint()
    after = pooled_window(CachedSource(changed, tmp_path / "cache", 1), window, VIEW, MASK)
    same(after, pooled_window(changed, window, VIEW, MASK))
    assert (after[0] != before).any()


def test_an_environment_replaced_while_open_is_not_taken_for_the_new_one(tmp_path):
    source = write_store("lmdb", tmp_path / "old", features(60, 5, 1))
    other = write_store("lmdb", tmp_path / "new", features(60, 5, 2))
    window = window_of(source, 60, 7)
    expected = pooled_window(other, window, VIEW, MASK)
    file = f"lmdb/{CAMERA}/data.mdb"
    (tmp_path / "new" / file).replace(tmp_path / "old" / file)
    pooled_window(CachedSource(source, tmp_path / "cache", 1), window, VIEW, MASK)  # still the old features
    del source, other
    again = CachedSource(open_source(tmp_path / "old" / "lmdb"), tmp_path / "cache", 1)
    same(pooled_window(again, window, VIEW, MASK), expected)


def test_each_frame_range_chunk_size_and_view_is_kept_apart(tmp_path):
    x_TD = features(80, 4, 3)
    root = write_npy(tmp_path / "npy", {n: {"a": (0, x_TD + i, ()), "b": (0, -x_TD, ())} for i, n in enumerate("pq")})
    source = open_source(root, axes="dt", fps=30)
    cached = CachedSource(source, tmp_path / "cache", 1)
    wanted = [
        (Window(recording, recording, start, end, chunk), view)
        for recording in "pq"
        for view in "ab"
        for start, end in ((0, 80), (1, 80), (0, 79))
        for chunk in (1, 7, 8)
    ]
    for window, view in wanted:
        pooled_window(cached, window, view, MASK)
    assert len(list((tmp_path / "cache").iterdir())) == len(wanted)
    for window, view in wanted:
        same(pooled_window(only_cache(cached), window, view, MASK), pooled_window(source, window, view, MASK))


def test_a_packed_store_that_was_copied_finds_its_windows(tmp_path):
    source = write_store("float16", tmp_path, features(60, 5, 1))
    window = window_of(source, 60, 7)
    cached = CachedSource(source, tmp_path / "cache", 1)
    expected = pooled_window(cached, window, VIEW, MASK)
    shutil.copytree(tmp_path / "float16", tmp_path / "elsewhere")
    cached = CachedSource(open_source(tmp_path / "elsewhere"), tmp_path / "cache", 1)
    same(pooled_window(only_cache(cached), window, VIEW, MASK), expected)


@pytest.mark.parametrize("damage", ["cut", "empty", "header", "other"])
def test_a_damaged_file_is_read_from_the_store_and_mended(tmp_path, damage):
    source = write_store("npy", tmp_path, features(60, 5, 1))
    window = window_of(source, 60, 7)
    cached = CachedSource(source, tmp_path / "cache", 1)
    expected = pooled_window(cached, window, VIEW, MASK)
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    other = whole.replace(b"viewloom-pooled 1", b"viewloom-pooled 2")
    path.write_bytes({"cut": whole[:-3], "empty": b"", "header": b"{" * len(whole), "other": other}[damage])
    same(pooled_window(cached, window, VIEW, MASK), expected)
    assert path.read_bytes() == whole


def test_room_is_bounded_and_said_once(tmp_path, capsys, monkeypatch):
    source = write_store("npy", tmp_path, features(400, 5, 1))
    monkeypatch.setattr("viewloom.features.cache._COUNT_AGAIN", 3)
    limit = 5000  # about ten windows of two steps
    cached = CachedSource(source, tmp_path / "cache", limit / 2**30)
    windows = [window_of(source, 20, 10, offset) for offset in range(0, 400, 20)]
    expected = [pooled_window(source, window, VIEW, MASK) for window in windows]
    for _ in range(2):
        for window, wanted in zip(windows, expected, strict=True):
            same(pooled_window(cached, window, VIEW, MASK), wanted)
    sizes = [path.stat().st_size for path in (tmp_path / "cache").iterdir()]
    assert limit - 1000 < sum(sizes) <= limit
    told = capsys.readouterr().err
    assert told.count("has reached --pool_cache_gib") == 1
    again = CachedSource(source, tmp_path / "cache", 0)
    pooled_window(again, windows[0], VIEW, MASK)
    assert len(list((tmp_path / "cache").iterdir())) == len(sizes)


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, capsys, monkeypatch):
    source = write_store("npy", tmp_path, features(60, 5, 1))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("viewloom.features.cache.write_rows", full)
    cached, window = CachedSource(source, tmp_path / "cache", 1), window_of(source, 60, 7)
    for _ in range(2):
        same(pooled_window(cached, window, VIEW, MASK), pooled_window(source, window, VIEW, MASK))
    assert capsys.readouterr().err.count("No space left") == 1
    assert not list((tmp_path / "cache").iterdir())


def test_folders_and_limits_that_cannot_be_meant_are_refused(tmp_path):
    source = write_store("npy", tmp_path, features(20, 5, 1))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        CachedSource(source, tmp_path / "file", 1)
    for limit in (-1.0, float("nan")):
        with pytest.raises(ConfigError, match="pool_cache_gib"):
            CachedSource(source, tmp_path / "cache", limit)


def test_sizes_drawn_for_one_epoch_take_no_room(tmp_path):
    source = write_store("npy", tmp_path, features(100, 5, 1))
    cached = CachedSource(source, tmp_path / "cache", 1)
    config = Sampling(chunk_frames=20, test_chunks=(10, 17))
    for chunk in (9, 10, 17, 18, 20, 21):
        window = window_of(source, 100, chunk)
        same(pooled_window(cached, window, VIEW, config), pooled_window(source, window, VIEW, config))
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_pickled_cache_goes_on_with_the_same_folder(tmp_path):
    source = write_store("lmdb", tmp_path, features(200, 5, 1))
    cached, window = CachedSource(source, tmp_path / "cache", 1), window_of(source, 50, 7)
    expected = pooled_window(cached, window, VIEW, MASK)
    copied = pickle.loads(pickle.dumps(cached))
    same(pooled_window(copied, window, VIEW, MASK), expected)
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_with_a_cache_are_the_epochs_without(tmp_path, workers):
    x_TD = features(300, 5, 1)
    root = write_npy(tmp_path / "npy", {f"r{i}": {CAMERA: (0, x_TD[i:], (4, 9 + i))} for i in range(4)})
    plain = open_dataset(DataConfig(data=str(root), fps=30.0)).source
    cached = open_dataset(DataConfig(data=str(root), fps=30.0, pool_cache=str(tmp_path / "cache"))).source
    sampling = Sampling(chunk_frames=10, max_chunks=12)
    loaders = [
        make_loader(SegmentWindows(source, None, items_of(source), (VIEW,), sampling, 3), 2, 3, workers)
        for source in (plain, cached)
    ]
    for epoch in range(3):
        for loader in loaders:
            loader.batch_sampler.set_epoch(epoch)
        for a, b in zip(*loaders, strict=True):
            assert a.windows == b.windows and a.missing_frames == b.missing_frames
            assert a.features_BTD.numpy().tobytes() == b.features_BTD.numpy().tobytes()
            assert a.mask_BT.equal(b.mask_BT)
    assert list((tmp_path / "cache").iterdir())


def test_a_relative_cache_in_dataset_yaml_is_beside_it(tmp_path):
    from viewloom.dataset.dataset_file import with_dataset_file

    (tmp_path / "dataset.yaml").write_text("pool_cache: pooled\npool_cache_gib: 3\n")
    config = with_dataset_file(DataConfig(data=str(tmp_path)))[0]
    assert config == replace(config, pool_cache=str(tmp_path / "pooled"), pool_cache_gib=3)


@pytest.mark.parametrize(
    "runs", ["[[0, 100000000000]]", "[[-5, 3]]", "[[3, 1]]", '[["a", 2]]', "[[1]]", "7", "[" * 100_000]
)
def test_a_kept_window_with_impossible_missing_frames_is_written_again(tmp_path, runs):
    import numpy as np

    from viewloom.features.cache import _load
    from viewloom.features.rows import encode_header, write_rows

    path = tmp_path / "w.safetensors"
    rows = np.zeros((3, 4), np.float32)
    write_rows(path, encode_header("float32", rows.shape, {"key": "k", "missing": runs}), [rows])
    assert _load(path, "k", 0, 30, 3, verify=False) is None
    write_rows(path, encode_header("float32", rows.shape, {"key": "k", "missing": "[[0, 10], [20, 25]]"}), [rows])
    found = _load(path, "k", 0, 30, 3, verify=False)
    assert found is not None and found[1].tolist() == [*range(10), *range(20, 25)]
    assert _load(path, "k", 0, 40, 4, verify=False) is None
