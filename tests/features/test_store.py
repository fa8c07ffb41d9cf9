"""The packed store's files and manifest, and opening whichever store a folder holds."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from tests.features.stores import random_recordings, write_lmdb, write_npy
from viewloom.dataset.packing import run_pack
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import FeatureSource
from viewloom.features.block_sums import BlockSums
from viewloom.features.lmdb import LmdbSource
from viewloom.features.npy import NpySource
from viewloom.features.opening import open_source, recognise
from viewloom.features.rows import STORED, RowFile, block_sums, encode_header, hash_file, write_rows
from viewloom.features.settings import PackConfig
from viewloom.features.store import PackedSource, file_of, read_manifest
from viewloom.features.views import View, ViewTable
from viewloom.registry import STORES
from viewloom.sums import with_sum

V3, E4 = "C10118_rgb", "HMC_84358933_mono10bit"


def packed(root, recordings, **settings):
    write_lmdb(root / "lmdb", recordings)
    run_pack(PackConfig(data=str(root / "lmdb"), out=str(root / "store"), workers=0, **settings))
    return root / "store"


@pytest.fixture
def store(tmp_path):
    recordings = random_recordings(dim=6)
    first, x_TD, _ = recordings["rec_b"][E4]
    recordings["rec_b"][E4] = (first + 4, x_TD[:50], (9, 10, 40))
    return packed(tmp_path, recordings, dtype="float32")


@settings(max_examples=50, deadline=None)
@given(st.data(), st.sampled_from(["float16", "float32"]))
def test_rows_round_trip(tmp_path_factory, data, dtype):
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 5)))
    width = 16 if dtype == "float16" else 32
    numbers = st.floats(width=width, allow_infinity=False)
    x_TD = data.draw(hnp.arrays(np.dtype(dtype), shape, elements=numbers))
    path = tmp_path_factory.mktemp("rows") / "x.safetensors"
    cut = data.draw(st.integers(0, shape[0]))
    blocks = [block.astype(STORED[dtype]) for block in (x_TD[:cut], x_TD[cut:])]
    digest, sums = write_rows(path, encode_header(dtype, shape, {"first": "é"}), blocks)
    assert digest == hash_file(path) == hash_file(path, from_disk=True)
    assert sums.to_text() == block_sums(path).to_text() == BlockSums.from_text(sums.to_text()).to_text()
    np.testing.assert_array_equal(load_file(path)["features"], x_TD)  # the library reads what we write
    rows = RowFile.open(path)
    assert (rows.shape, rows.dtype, rows.metadata) == (shape, dtype, {"first": "é"})
    start, end = sorted(data.draw(st.tuples(st.integers(0, shape[0]), st.integers(0, shape[0]))))
    np.testing.assert_array_equal(rows.map()[start:end], x_TD[start:end])


def test_rows_that_the_library_wrote(tmp_path):
    x_TD = np.arange(12, dtype=np.float16).reshape(4, 3)
    save_file({"features": x_TD}, tmp_path / "x.safetensors", {"a": "b"})
    np.testing.assert_array_equal(RowFile.open(tmp_path / "x.safetensors").map()[1:3], x_TD[1:3])


def test_a_header_with_a_key_twice_is_refused(tmp_path):
    header = encode_header("float32", (2, 1), {"first": "5"})[8:].replace(b'"first"', b'"first":"0","first"')
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(DataError, match=r"x\.safetensors is not a feature file .*'first' is there twice"):
        RowFile.open(tmp_path / "x.safetensors")


def test_reads_what_the_lmdb_reads(store):
    source, original = open_source(store), open_source(store.parent / "lmdb")
    assert isinstance(source, FeatureSource) and isinstance(source, PackedSource)
    assert source.fingerprint() == original.fingerprint()
    assert (source.fps, source.fps_known, source.dim("v3")) == (30.0, True, 6)
    for recording in original.recordings:
        assert source.views(recording) == original.views(recording)
        for view in original.views(recording):
            assert source.span(recording, view) == original.span(recording, view)
            camera = original.camera(recording, view)
            assert source.missing_runs(recording, camera) == original.missing_runs(recording, camera)
            for start, end in ((-2, 70), (8, 12), (5, 5), (60, 65)):
                x_TD = source.read(recording, view, start, end)
                np.testing.assert_array_equal(x_TD, original.read(recording, view, start, end))
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read("rec_a", "v3", 1, 9), source.read("rec_a", "v3", 1, 9))
    with pytest.raises(DataError, match=r"rec_a has no view 'v4'; it has: v3, e4"):
        source.span("rec_a", "v4")


def test_metadata_in_each_file(store):
    entry = open_source(store).entry("rec_b", "e4")
    metadata = RowFile.open(store / entry.file).metadata
    assert metadata["recording"] == "rec_b" and metadata["view"] == "e4" and metadata["camera"] == E4
    assert (metadata["first"], metadata["end"], metadata["fps"], metadata["dtype"]) == (
        "5",
        "55",
        "30.0",
        "float32",
    )
    assert entry.gaps == ((9, 11), (40, 41)) and entry.sha256 == hash_file(store / entry.file)
    assert entry.bytes == (store / entry.file).stat().st_size


def test_own_view_names(store):
    source = open_source(store, views=ViewTable((View("head", "ego", (E4,)),)))
    assert source.views("rec_a") == ("head",) and source.read("rec_a", "head", 1, 5).shape == (4, 6)


def test_fps_that_contradicts(store):
    assert open_source(store, fps=30).fps == 30
    with pytest.raises(ConfigError, match="packed at 30 frames per second, but fps is 25"):
        open_source(store, fps=25)


def test_fps_unknown_when_packed(tmp_path):
    write_npy(tmp_path / "npy", random_recordings(first=0))
    run_pack(PackConfig(data=str(tmp_path / "npy"), out=str(tmp_path / "store"), workers=0))
    source = open_source(tmp_path / "store")
    assert not source.fps_known and source.fps == 30
    assert open_source(tmp_path / "store", fps=25).fps == 25


@pytest.mark.parametrize("name", ["..", "a/b", "a b", "ä", ".hidden", "c:d", "x.y"])
def test_odd_names_stay_inside(name):
    path = file_of(name, name)
    assert path.count("/") == 2 and ".." not in path.split("/") and not path.split("/")[1].startswith(".")


def damage_file(store, change):
    path = store / open_source(store).entry("rec_a", "v3").file
    change(path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.unlink(), "is missing from the store"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "cut short"),
        (lambda p: p.write_bytes(p.read_bytes()[:5]), "is not a feature file"),
        (lambda p: p.write_bytes(p.read_bytes() + b"x"), "damaged"),
        (lambda p: p.write_bytes(b"\xff" * 800), "is not a feature file"),
        (lambda p: save_file({"features": np.zeros((40, 5), np.float32)}, p), r"holds \(40, 5\) float32, but"),
        (lambda p: save_file({"features": np.zeros((40, 6), np.int8)}, p), "is not a feature file"),
        (lambda p: save_file({"other": np.zeros((40, 6), np.float32)}, p), "is not a feature file"),
    ],
)
def test_damaged_file(store, change, message):
    path = damage_file(store, change)
    with pytest.raises(DataError, match=message) as caught:
        open_source(store).read("rec_a", "v3", 1, 9)
    assert str(path) in str(caught.value)
    assert open_source(store).read("rec_b", "v3", 1, 9).shape == (8, 6), "the others stay readable"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(version=2), "store version 2"),
        (lambda m: m.update(format="other"), "not the manifest"),
        (lambda m: m.pop("entries"), "not the manifest"),
        (lambda m: m["entries"][0].pop("sha256"), "not the manifest"),
        (lambda m: m["entries"][0].update(file="../../etc/passwd"), "not the manifest"),
        (lambda m: m["entries"][0].update(file="/etc/passwd"), "not the manifest"),
        (lambda m: m["entries"][0].update(first=99), "not the manifest"),
    ],
)
def test_manifest_of_another_kind(store, change, message):
    manifest = json.loads((store / "manifest.json").read_text())
    change(manifest)
    (store / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=message):
        open_source(store)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["entries"].append(m["entries"][0] | {"gaps": []}), "two entries of rec_a, C10118_rgb"),
        (lambda m: m["entries"][1].update(file=m["entries"][0]["file"]), "two entries of features/rec_a/"),
    ],
)
@pytest.mark.parametrize("sealed", [with_sum, dict])
def test_entries_there_twice_are_refused_with_and_without_a_checksum(store, change, message, sealed):
    manifest = json.loads((store / "manifest.json").read_text())
    del manifest["sum"]
    change(manifest)
    (store / "manifest.json").write_text(json.dumps(sealed(manifest)))
    with pytest.raises(DataError, match=rf"manifest.json is not the manifest of a packed store \({message}"):
        open_source(store)


def test_manifest_cut_short(store):
    path = store / "manifest.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(DataError, match=r"manifest\.json is not JSON"):
        open_source(store)
    path.write_text("[1, 2]")
    with pytest.raises(DataError, match=r"manifest\.json is not the manifest"):
        read_manifest(store)


def test_recognises_each(tmp_path, store):
    write_npy(tmp_path / "npy", random_recordings(first=0))
    folders = (store, store.parent / "lmdb", tmp_path / "npy")
    assert [recognise(folder) for folder in folders] == [PackedSource, LmdbSource, NpySource]
    assert isinstance(open_source(store.parent / "lmdb"), LmdbSource)
    assert isinstance(open_source(tmp_path / "npy"), NpySource)


def test_a_packed_store_is_one_whatever_lies_beside_it(tmp_path, store):
    """Stores are asked in a fixed order, the laxest last."""
    assert [STORES.name_of(cls) for cls in STORES.ordered()] == [
        "packed",
        "lmdb",
        "hdf5",
        "npy",
        "parquet",
        "torch",
        "csv",
    ]
    write_npy(store, random_recordings(first=0))
    assert recognise(store) is PackedSource


def test_none_of_them(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"Looked for manifest\.json .*<camera>/data\.mdb .*features\.npy"):
        open_source(tmp_path / "empty")
    write_npy(tmp_path / "set" / "TSM", random_recordings(first=0))
    with pytest.raises(DataError, match="Its folder 'TSM' is one: pass"):
        open_source(tmp_path / "set")
    with pytest.raises(DataError, match="is not there"):
        open_source(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        open_source(tmp_path / "file")


def test_a_data_set_is_no_npy_folder(tmp_path):
    """features/<video>.npy must not pass for <camera>/<recording>.npy with a camera called "features"."""
    write_npy(tmp_path / "features", random_recordings(first=0, cameras=("one",)), "flat")
    assert recognise(tmp_path) is None and recognise(tmp_path / "features") is NpySource


def test_views_by_default(tmp_path):
    write_npy(tmp_path, random_recordings(first=0, cameras=("left", V3)))
    assert open_source(tmp_path).views("rec_a") == (V3, "left"), "not all are Assembly101's: each is its own view"
    with pytest.raises(ConfigError, match="fps is .*: it has to be from"):
        open_source(tmp_path, fps=-1)
