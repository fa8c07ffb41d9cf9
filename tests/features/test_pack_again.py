"""Packing again after the source has changed: what changed is packed anew, and old and new are never mixed."""

import json
import os

import numpy as np
import pytest

from tests.features.stores import random_recordings, write_npy
from tests.features.test_pack import pack, tree
from viewloom.features import pack_files
from viewloom.features.opening import open_source


@pytest.fixture
def data(tmp_path):
    return write_npy(tmp_path / "npy", random_recordings(first=0), axes="td")


def files(data):
    return sorted(data.rglob("*.npy"))


def change(path, frame=None, later=True):
    """Add one to a frame or to all, and keep the file's time where ``later`` is not set."""
    stat, x = path.stat(), np.load(path)
    x[frame if frame is not None else slice(None)] += 1.0
    np.save(path, x)
    if not later:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def fresh(data, tmp_path, name="fresh"):
    pack(data, tmp_path / name)
    return tree(tmp_path / name)


@pytest.mark.parametrize("later", [True, False], ids=["newer", "of the same time"])
def test_other_values_are_packed_again(data, tmp_path, later):
    pack(data, tmp_path / "store")
    change(files(data)[1], later=later)
    result = pack(data, tmp_path / "store")
    assert result.packed == 1
    assert tree(tmp_path / "store") == fresh(data, tmp_path)
    assert pack(data, tmp_path / "store").packed == 0


@pytest.fixture
def long(tmp_path):
    """A recording whose frame 10 lies between the sampled blocks."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "long" / "v3"
    folder.mkdir(parents=True)
    np.save(folder / "r0.npy", rng.random((600, 4)).astype(np.float32))
    return tmp_path / "long"


@pytest.mark.parametrize("later", [True, False], ids=["newer", "of the same time"])
def test_one_frame_that_changed_is_noticed(long, tmp_path, later):
    pack(long, tmp_path / "store", axes="td")
    change(files(long)[0], 10, later)
    assert pack(long, tmp_path / "store", axes="td", plan=True).todo_bytes > 0
    assert pack(long, tmp_path / "store", axes="td").packed == 1


def test_one_frame_that_changed_without_a_trace_is_noticed(long, tmp_path):
    pack(long, tmp_path / "store", axes="td")
    change(files(long)[0], 10)
    for path in (tmp_path / "store").rglob("*.safetensors"):  # a store that was copied back
        os.utime(path, ns=(2**62, 2**62))
    assert pack(long, tmp_path / "store", axes="td", compare_features="sampled").packed == 0
    assert pack(long, tmp_path / "store", axes="td").packed == 1


def test_a_source_that_was_only_touched_is_not_packed_again(data, tmp_path):
    pack(data, tmp_path / "store")
    for path in files(data):
        os.utime(path)
    assert pack(data, tmp_path / "store").packed == 0


def test_a_store_begun_on_other_features_takes_none_of_them(data, tmp_path, monkeypatch):
    packing, done = pack_files.Packer.pack, []

    def stop_at_third(self, task):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task)
        return packing(self, task)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pack_files.Packer, "pack", stop_at_third)
        pack(data, tmp_path / "store")
    for path in files(data):
        change(path)
    pack(data, tmp_path / "store")
    assert tree(tmp_path / "store") == fresh(data, tmp_path)


def test_a_store_of_before_is_read_and_packed_again(data, tmp_path):
    pack(data, tmp_path / "store")
    path = tmp_path / "store" / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["entries"]:
        del entry["source_rows"], entry["source_blocks"], entry["sums"]
    del manifest["sum"]
    path.write_text(json.dumps(manifest))
    assert open_source(tmp_path / "store").recordings
    assert pack(data, tmp_path / "store").packed == len(manifest["entries"])
    assert tree(tmp_path / "store") == fresh(data, tmp_path)


@pytest.fixture
def twins(tmp_path):
    """Two recordings that differ in frame 10 alone, which lies between the sampled blocks."""
    x_TD = np.random.default_rng(0).random((600, 4)).astype(np.float32)
    for number, name in enumerate(("one", "two")):
        (tmp_path / "twins" / name / "v3").mkdir(parents=True)
        np.save(tmp_path / "twins" / name / "v3" / "features.npy", x_TD + number * (np.arange(600) == 10)[:, None])
    return tmp_path / "twins"


def exchange(one, two):
    """Exchange two folders or files by their names; neither content nor time of what is in them changes."""
    one.rename(one.with_name("aside"))
    two.rename(one)
    one.with_name("aside").rename(two)


def stopped_before_the_manifest(monkeypatch, data, out):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("viewloom.features.pack.write_json", interrupt)
        pack(data, out, axes="td")


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("what", ["folders", "files"])
def test_recordings_that_were_exchanged_behind_the_store(twins, tmp_path, monkeypatch, what, finished):
    if finished:
        pack(twins, tmp_path / "store", axes="td")
    else:
        stopped_before_the_manifest(monkeypatch, twins, tmp_path / "store")
    places = [twins / name if what == "folders" else twins / name / "v3" / "features.npy" for name in ("one", "two")]
    exchange(*places)
    result = pack(twins, tmp_path / "store", axes="td")
    pack(twins, tmp_path / "fresh", axes="td")
    assert result.packed == 2 and tree(tmp_path / "store") == tree(tmp_path / "fresh")


@pytest.mark.parametrize("finished", [True, False])
def test_another_folder_of_earlier_files_under_the_same_names(twins, tmp_path, monkeypatch, finished):
    """Such as the features before a repair: older than the store, and alike in all sampled blocks."""
    other = tmp_path / "repaired"
    for name in ("one", "two"):
        (other / name / "v3").mkdir(parents=True)
        x_TD = np.load(twins / name / "v3" / "features.npy")
        x_TD[300] = 0
        np.save(other / name / "v3" / "features.npy", x_TD)
    if finished:
        pack(twins, tmp_path / "store", axes="td")
    else:
        stopped_before_the_manifest(monkeypatch, twins, tmp_path / "store")
    pack(other, tmp_path / "store", axes="td")
    pack(other, tmp_path / "fresh", axes="td")
    assert tree(tmp_path / "store") == tree(tmp_path / "fresh")


def test_going_on_reads_blocks_alone_of_a_source_that_is_the_same(twins, tmp_path, monkeypatch):
    stopped_before_the_manifest(monkeypatch, twins, tmp_path / "store")
    modes, hashing = [], pack_files.rows_hash
    monkeypatch.setattr(pack_files, "rows_hash", lambda *names: modes.append(names[-1]) or hashing(*names))
    assert pack(twins, tmp_path / "store", axes="td").packed == 0
    assert set(modes) == {"sampled"}
    assert pack(twins, tmp_path / "store", axes="td").packed == 0
    assert "full" in modes  # a finished store has forgotten which files it was packed from


def test_a_journal_line_that_was_damaged_is_packed_again(twins, tmp_path, monkeypatch):
    stopped_before_the_manifest(monkeypatch, twins, tmp_path / "store")
    journal = tmp_path / "store" / "pack-journal.jsonl"
    journal.write_text(journal.read_text().replace('"sums": "xxh3:262144:', '"sums": "xxh3:262145:', 1))
    assert pack(twins, tmp_path / "store", axes="td").packed == 1
    pack(twins, tmp_path / "fresh", axes="td")
    assert tree(tmp_path / "store") == tree(tmp_path / "fresh")
