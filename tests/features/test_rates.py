"""A sensor at 20 Hz beside a camera at 30 fps, of other sizes, through every store and on to batches, bit for bit."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.features.arrays import ArraySource
from tests.features.stores import write_lmdb, write_npy
from tests.windows.reading import assert_same_bits, pool_valid
from viewloom.dataset.dataset import Item
from viewloom.dataset.packing import run_pack
from viewloom.errors import DataError
from viewloom.features.cache import CachedSource
from viewloom.features.index import load_index, make_index
from viewloom.features.missing import with_policy
from viewloom.features.opening import open_source
from viewloom.features.rows import RowFile
from viewloom.features.settings import PackConfig
from viewloom.features.views import View, ViewTable
from viewloom.windows.batch import Window
from viewloom.windows.pairs import ViewWindows, make_view_loader
from viewloom.windows.resident import ResidentSegments, ResidentViews
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches, SegmentWindows, make_loader

FPS, RATE, START_S = 30.0, 20.0, 0.25
TABLE = ViewTable((View("cam", "exo", ("c",)), View("wrist", "ego", ("w",), RATE, START_S, 4)))
SIZES = {"c": 7, "w": 4}
LENGTHS = {"a": 200, "b": 131, "no_wrist": 90}
HOLES = {("a", "c"): (5, 6, 150), ("a", "w"): (0, 17, *range(40, 75), 119), ("b", "w"): (50, 51)}
KINDS = ("arrays", "npy", "lmdb", "packed", "packed again")


def stored(first):
    """{recording: {camera: (first frame, rows, missing)}}, two thirds of the frames in the sensor."""
    rng = np.random.default_rng(4)
    found = {}
    for name, frames in LENGTHS.items():
        sizes = {"c": (frames, 7)} | ({} if name == "no_wrist" else {"w": (frames * 2 // 3, 4)})
        found[name] = {
            camera: (first, rng.normal(size=size).astype(np.float32), HOLES.get((name, camera), ()))
            for camera, size in sizes.items()
        }
    return found


def with_holes(recordings):
    """Rows of NaN where frames are missing."""
    found = {}
    for name, cameras in recordings.items():
        for camera, (first, x_TD, missing) in cameras.items():
            rows = x_TD.copy()
            rows[[frame - first if first else frame for frame in missing if frame - first >= 0]] = np.nan
            found[name, camera] = first, rows
    return found


@pytest.fixture(scope="module", params=KINDS)
def opened(request, tmp_path_factory):
    """A source, and the rows it was written from: {(recording, camera): (first frame, rows)}."""
    root, kind = tmp_path_factory.mktemp("rates"), request.param
    first = 0 if kind in ("npy", "packed again") else 1
    recordings = stored(first)
    rows = with_holes(recordings)
    if kind == "arrays":
        arrays = {name: {camera: rows[name, camera] for camera in cameras} for name, cameras in recordings.items()}
        return ArraySource(arrays, FPS, TABLE), rows
    write = write_npy if first == 0 else write_lmdb
    (root / "views.yaml").write_text(json.dumps({"views": {v.name: v.to_json() for v in TABLE.views}}))
    write(root / "features", recordings)
    if not kind.startswith("packed"):
        return open_source(root / "features", views=TABLE, fps=FPS), rows
    for out in ("one", "two")[: 2 if kind == "packed again" else 1]:
        data = root / "features" if out == "one" else root / "one"
        run_pack(PackConfig(data=str(data), out=str(root / out), dtype="float32", fps=FPS, workers=0))
    return open_source(root / out), rows


def brute(rows, recording, view, start, end):
    """Frame by frame the row that is nearest in time, by fractions; NaN where there is none."""
    camera = TABLE[view].cameras[0]
    first, x_TD = rows[recording, camera]
    found = np.full((end - start, x_TD.shape[1]), np.nan, np.float32)
    for place, frame in enumerate(range(start, end)):
        near = frame
        if view == "wrist":
            moment = (Fraction(frame, 30) - Fraction(1, 4)) * 20
            near = min((math.floor(moment), math.floor(moment) + 1), key=lambda n: (abs(n - moment), n))
        if 0 <= near - first < len(x_TD):
            found[place] = x_TD[near - first]
    return found


def same_bits(one, other):
    assert one.dtype == other.dtype and one.shape == other.shape
    there = ~np.isnan(other)
    assert (np.isnan(one) == ~there).all() and one[there].tobytes() == other[there].tobytes()


PLACES = [(name, view) for name in LENGTHS for view in ("cam", "wrist") if (name, view) != ("no_wrist", "wrist")]


def test_spans_sizes_and_rates(opened):
    source, rows = opened
    assert source.fps == FPS and source.timing("cam") is None and source.timing("wrist") == (RATE, START_S)
    assert (source.dim("cam"), source.dim("wrist")) == (7, 4)
    for name, view in PLACES:
        first, x_TD = rows[name, TABLE[view].cameras[0]]
        assert source.stored_span(name, view) == (first, first + len(x_TD))
        start, end = source.span(name, view)
        if view == "wrist":
            shown = [(Fraction(f, 30) - Fraction(1, 4)) * 20 for f in (start - 1, start, end - 1, end)]
            nearest = [math.ceil(x - Fraction(1, 2)) for x in shown]
            assert nearest[0] < first <= nearest[1] and nearest[2] < first + len(x_TD) <= nearest[3]
        else:
            assert (start, end) == (first, first + len(x_TD))


@pytest.mark.parametrize(("name", "view"), PLACES)
def test_any_stretch_is_the_nearest_frames(opened, name, view):
    source, rows = opened
    for start, end in ((0, 230), (-20, 4), (40, 41), (60, 60), (100, 137), (190, 400), (-9, -3)):
        same_bits(source.read(name, view, start, end), brute(rows, name, view, start, end))
        first, x_TD = rows[name, TABLE[view].cameras[0]]
    same_bits(source.read_stored(name, view, first, first + len(x_TD)), x_TD)


@pytest.mark.parametrize("pooling", ["max", "mean", "both", "first"])
@pytest.mark.parametrize("chunk", [1, 4, 20, 500])
def test_pooled_windows_and_those_kept(opened, tmp_path, chunk, pooling):
    source, rows = opened
    cached = CachedSource(source, tmp_path / "kept", 1.0)
    for name, view in PLACES:
        for start, end in ((0, 220), (13, 94)):
            x_TD = brute(rows, name, view, start, end)
            wanted, mask = pool_valid(x_TD, chunk, pooling)
            missing = np.flatnonzero(np.isnan(x_TD).all(axis=1)) + start
            for reader in (source, cached, cached):
                found = reader.read_pooled(name, view, start, end, chunk, pooling)
                assert found.features_SZ.tobytes() == wanted.tobytes() and (found.mask_S == mask).all()
                assert (found.missing == missing).all()


def test_small_blocks_change_nothing(opened, monkeypatch):
    source, _ = opened
    whole = [source.read_pooled(*place, 0, 220, 7, "mean") for place in PLACES]
    monkeypatch.setattr(type(source), "block_bytes", 300)
    for one, place in zip(whole, PLACES, strict=True):
        other = source.read_pooled(*place, 0, 220, 7, "mean")
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_kept_windows_of_another_rate_are_not_found(opened, tmp_path):
    """The same file, said to be at another rate, shows other frames."""
    source, _ = opened
    if source.kind != "npy":
        pytest.skip("a table may be changed beside files alone")
    moved = [View("wrist", "ego", ("w",), fps, start) for fps, start in ((RATE, START_S), (25.0, START_S), (RATE, 0.0))]
    found = set()
    for view in moved:
        other = CachedSource(open_source(source.root, views=ViewTable((view,)), fps=FPS), tmp_path, 1.0)
        found.add(other.read_pooled("a", "wrist", 20, 120, 3).features_SZ.tobytes())
        fresh = other.source.read_pooled("a", "wrist", 20, 120, 3)
        assert other.read_pooled("a", "wrist", 20, 120, 3).features_SZ.tobytes() == fresh.features_SZ.tobytes()
    assert len(found) == 3


def test_filling_from_the_nearest_frame_is_on_the_clock(opened):
    """Missing frames are filled after resampling; what lies farther away than allowed is refused."""
    source, rows = opened
    pooled = with_policy(source, "nearest", 60).read_pooled("a", "wrist", 0, 180, 1)
    filled, x_TD = pooled.features_SZ, brute(rows, "a", "wrist", -60, 240)
    there = np.flatnonzero(~np.isnan(x_TD[:, 0])) - 60
    for frame in range(180):
        near = min(there, key=lambda f: (abs(f - frame), f))
        assert (filled[frame] == x_TD[near + 60]).all()
    with pytest.raises(DataError, match="no neighbour within|not one frame is there"):
        with_policy(source, "nearest", 2).read_pooled("a", "wrist", 0, 180, 1)


def items():
    return [Item("a", "a", 3, 190), Item("b", "b", 0, 131), Item("no_wrist", "no_wrist", 1, 90)]


@pytest.mark.parametrize("probability", [0.0, 0.8])
@pytest.mark.parametrize("pooling", ["max", "both"])
def test_batches_of_windows_and_of_what_a_device_holds(opened, probability, pooling):
    source, rows = opened
    sampling = Sampling(chunk_frames=6, max_chunks=12, augment_probability=probability, pooling=pooling)
    pairs = ViewWindows(source, items(), ("cam", "wrist"), sampling, 3)
    single = SegmentWindows(source, None, items(), ("cam", "wrist"), sampling, 3)
    width = 2 if pooling == "both" else 1
    assert pairs.dims == single.dims == {"cam": 7 * width, "wrist": 4 * width}
    assert pairs.skipped == ("no_wrist",)
    for windows, make, kind in ((pairs, make_view_loader, ResidentViews), (single, make_loader, ResidentSegments)):
        loader = make(windows, 3, seed=1)
        held = kind(windows, EpochBatches(len(windows), 3, 1), torch.device("cpu"))
        for epoch in range(2):
            loader.batch_sampler.set_epoch(epoch)
            held.sampler.set_epoch(epoch)
            for batch, other in zip(loader, held, strict=True):
                assert_same_bits(batch, other)
                for place, window in enumerate(batch.windows):
                    for view in pairs.views if windows is pairs else (batch.views[place],):
                        check_row(rows, batch, place, window, view, pooling)


def check_row(rows, batch, place, window: Window, view, pooling):
    """One row of a batch against pooling of brute force."""
    x_TD = brute(rows, window.recording, view, window.start, window.end)
    wanted, mask = pool_valid(x_TD, window.chunk_frames, pooling)
    if hasattr(batch, "features"):
        found, valid = batch.features[view][place], batch.mask_of(view)[place]
        assert dict(batch.missing_frames[place])[view] == np.isnan(x_TD[:, 0]).sum()
    else:
        found, valid = batch.features_BTD[place], batch.mask_BT[place]
        assert not found[:, wanted.shape[1] :].any(), "zeros behind the features of the smaller view"
        found = found[:, : wanted.shape[1]]
    assert (valid[: window.steps].numpy() == mask).all() and not valid[window.steps :].any()
    assert found[: window.steps].contiguous().numpy().tobytes() == wanted.tobytes()
    assert not found[window.steps :].any()


def test_packing_keeps_frames_as_they_are(opened):
    source, rows = opened
    if not hasattr(source, "manifest"):
        pytest.skip("of packed stores")
    assert source.manifest.views["wrist"] == View("wrist", "ego", ("w",), RATE, START_S, 4)
    for name, view in PLACES:
        _, x_TD = rows[name, TABLE[view].cameras[0]]
        file = RowFile.open(source.file(name, source.camera(name, view)))
        assert file.shape == x_TD.shape and file.metadata["fps"] == repr(RATE if view == "wrist" else FPS)
        same_bits(np.array(file.map()), x_TD)
        runs = source.missing_runs(name, source.camera(name, view))
        first = source.stored_span(name, view).first
        missing = [frame - first for start, end in runs for frame in range(start, end)]
        assert missing == np.flatnonzero(np.isnan(x_TD).all(axis=1)).tolist()


def test_an_index_is_of_frames_as_they_are_stored(opened, tmp_path):
    source, rows = opened
    if source.kind == "arrays":
        pytest.skip("there is nothing to index")
    index = make_index(source, gaps=True)
    (tmp_path / "index.json").write_text(json.dumps(index.to_json()))
    read = load_index(tmp_path / "index.json")
    assert read.dims == {"c": 7, "w": 4} and read.dim is None
    assert read.spans == {name: dict(cameras) for name, cameras in source.spans.items()}
    assert read.gaps == index.gaps and "w (wrist), D = 4" in str(read)
    if source.kind == "lmdb":
        again = open_source(source.root, views=TABLE, fps=FPS, index=read)
        same_bits(again.read("a", "wrist", 0, 220), brute(rows, "a", "wrist", 0, 220))
