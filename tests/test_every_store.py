"""What holds for every registered feature store: the same rows, whichever of them they are read from."""

import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.features.arrays import ArraySource
from tests.made_stores import WRITERS
from viewloom.dataset.packing import run_pack
from viewloom.errors import DataError
from viewloom.features.base import FeatureSource, Span
from viewloom.features.content import rows_hash
from viewloom.features.opening import open_source, recognise
from viewloom.features.settings import PackConfig
from viewloom.features.views import View, ViewTable
from viewloom.registry import STORES

TABLE = ViewTable((View("cam", "exo", ("c",)), View("wrist", "ego", ("w",), 20.0, 0.25)))
HOLES = {("a", "c"): (5, 6, 17), ("a", "w"): (3, 9, 10), ("b", "c"): (1,)}
FPS = 30.0


def recordings():
    """Two views of their own sizes and rates, with frames missing; b has no wrist."""
    rng = np.random.default_rng(3)
    sizes = {"a": {"c": (61, 5), "w": (40, 3)}, "b": {"c": (23, 5)}, "d": {"c": (31, 5), "w": (20, 3)}}
    return {
        name: {c: (0, rng.normal(size=size).astype(np.float32), HOLES.get((name, c), ())) for c, size in of.items()}
        for name, of in sizes.items()
    }


@pytest.fixture(scope="module")
def truth():
    arrays = {}
    for name, cameras in recordings().items():
        for camera, (_, rows, missing) in cameras.items():
            rows[list(missing)] = np.nan
            arrays.setdefault(name, {})[camera] = rows
    return ArraySource(arrays, FPS, TABLE)


@pytest.fixture(scope="module", params=STORES.names())
def store(request, tmp_path_factory):
    """A folder of each store, and how it is opened."""
    assert request.param in WRITERS, "a store needs a writer in tests/made_stores.py"
    root = tmp_path_factory.mktemp("every") / request.param
    WRITERS[request.param](root, recordings())
    return request.param, root


def opened(store, **settings):
    axes = "td" if store[0] in ("npy", "hdf5") else "auto"
    return open_source(
        store[1], **{"views": TABLE, "fps": None if store[0] == "packed" else FPS, "axes": axes, **settings}
    )


def test_it_is_recognised_by_its_files(store):
    assert STORES.name_of(recognise(store[1])) == store[0]
    assert store[0] in str(STORES.get(store[0]).kind) or store[0] == "packed"


def test_it_says_what_there_is(store, truth):
    source = opened(store)
    assert isinstance(source, FeatureSource) and source.recordings == ("a", "b", "d")
    assert [source.views(name) for name in source.recordings] == [("cam", "wrist"), ("cam",), ("cam", "wrist")]
    assert (source.dim("cam"), source.dim("wrist"), source.fps) == (5, 3, 30.0)
    assert source.span("a", "cam") == Span(0, 61) and source.stored_span("a", "wrist") == Span(0, 40)
    assert source.fingerprint() == truth.fingerprint()
    with pytest.raises(DataError, match="b has no view 'wrist'; it has: cam"):
        source.read("b", "wrist", 0, 4)


@pytest.mark.parametrize("window", [(0, 61), (-3, 9), (4, 8), (12, 12), (20, 45), (55, 70)], ids=str)
def test_windows_are_what_was_written(store, truth, window):
    source = opened(store)
    for name in source.recordings:
        for view in source.views(name):
            found = source.read(name, view, *window)
            np.testing.assert_array_equal(found, truth.read(name, view, *window))
            assert found.dtype == np.float32 and found.flags.writeable and found.flags.c_contiguous


@pytest.mark.parametrize(("chunk", "pooling"), [(1, "mean"), (4, "max"), (7, "both")])
def test_pooled_windows_are_what_was_written(store, truth, chunk, pooling):
    source = opened(store)
    for view in ("cam", "wrist"):
        found, wanted = (one.read_pooled("a", view, -2, 66, chunk, pooling) for one in (source, truth))
        for part, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(part, other)


def test_its_features_are_the_same_by_content(store, truth):
    source = opened(store)
    for name, view in (("a", "cam"), ("a", "wrist"), ("d", "cam")):
        assert rows_hash(source, name, view, "full") == rows_hash(truth, name, view, "full")


def test_frames_that_it_knows_to_lack_are_missing(store, truth):
    source = opened(store)
    for (name, camera), missing in HOLES.items():
        runs = source.missing_runs(name, camera)
        assert {frame for start, end in runs for frame in range(start, end)} <= set(missing)
        assert bool(runs) == (store[0] in ("lmdb", "csv", "parquet", "packed"))


def test_packed_it_is_the_same(store, truth, tmp_path):
    settings = {} if store[0] == "packed" else {"fps": FPS}
    views = tmp_path / "views.yaml"
    views.write_text(
        "views: {cam: {kind: exo, cameras: [c]}, wrist: {kind: ego, cameras: [w], fps: 20, start_s: 0.25}}"
    )
    axes = "td" if store[0] in ("npy", "hdf5") else None
    out = tmp_path / "packed"
    run_pack(
        PackConfig(
            data=str(store[1]), out=str(out), dtype="float32", workers=0, views_file=str(views), axes=axes, **settings
        )
    )
    source = open_source(out)
    for view in ("cam", "wrist"):
        np.testing.assert_array_equal(source.read("a", view, 0, 61), truth.read("a", view, 0, 61))


def read_in_process(source, start):
    return source.read("a", "cam", start, start + 9), os.getpid()


@pytest.mark.parametrize("method", ["fork"])
def test_worker_processes_read_the_same(store, truth, method):
    """After the parent has read: no handle may be shared."""
    source = opened(store)
    source.read("a", "cam", 0, 30)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap(read_in_process, [(source, start) for start in (0, 10, 20, 30)])
    assert os.getpid() not in {pid for _, pid in found}
    for (rows, _), start in zip(found, (0, 10, 20, 30), strict=True):
        np.testing.assert_array_equal(rows, truth.read("a", "cam", start, start + 9))
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read("d", "wrist", 2, 12), truth.read("d", "wrist", 2, 12))


def test_content_tells_files_apart(store, tmp_path):
    source = opened(store)
    assert store[0] == "lmdb" or source.content("a", "c") != source.content("d", "c")  # one file for all
    assert source.content("a", "c") == opened(store).content("a", "c")
    path, size, changed, number = source.written("a", "cam")
    assert size > 0 and changed > 0 and number == Path(path).stat().st_ino


def test_a_file_that_is_something_else_is_named(store, tmp_path):
    if store[0] in ("packed", "lmdb"):
        pytest.skip("has tests of its own")
    root = tmp_path / "spoilt"
    WRITERS[store[0]](root, recordings())
    path = opened((store[0], root)).file("d", "c")
    path.write_bytes(b"nothing of the kind" * 40)
    with pytest.raises(DataError) as caught:
        opened((store[0], root)).read("d", "cam", 0, 9)
    assert path.name in str(caught.value) and len(str(caught.value)) < 600


def test_sizes_that_differ_are_refused(store, tmp_path):
    if store[0] in ("packed", "lmdb"):
        pytest.skip("has tests of its own")
    odd = recordings()
    odd["d"]["c"] = (0, np.ones((31, 6), np.float32), ())
    if store[0] == "parquet":  # tables that are written together would differ in columns
        with pytest.raises(Exception, match="[Ss]chema"):
            WRITERS[store[0]](tmp_path / "odd", odd)
        return
    WRITERS[store[0]](tmp_path / "odd", odd)
    with pytest.raises(DataError):
        opened((store[0], tmp_path / "odd"))
