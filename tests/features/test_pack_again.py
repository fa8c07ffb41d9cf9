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
