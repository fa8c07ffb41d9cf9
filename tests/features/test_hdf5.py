"""HDF5 files of features: three layouts, two axis orders, and files that would make others be read."""

import h5py
import numpy as np
import pytest

from viewloom.errors import ConfigError, DataError
from viewloom.features.hdf5 import Hdf5Source
from viewloom.features.opening import open_source
from viewloom.features.views import View, ViewTable

RNG = np.random.default_rng(0)
ROWS = {
    (r, v): RNG.normal(size=(n, 4)).astype(np.float16) for r, v, n in (("a", "l", 9), ("a", "r", 9), ("b", "l", 12))
}


def write(root, layout, axes="td"):
    for (recording, view), rows in ROWS.items():
        path, name = {
            "one file": (root / "all.h5", f"{recording}/{view}"),
            "a file each recording": (root / f"{recording}.h5", view),
            "a folder each view": (root / view / f"{recording}.hdf5", "features"),
            "a folder each recording": (root / recording / view / "features.h5", "features"),
        }[layout]
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "a") as file:
            file[name] = rows if axes == "td" else rows.T


@pytest.mark.parametrize("axes", ["td", "dt"])
@pytest.mark.parametrize(
    "layout", ["one file", "a file each recording", "a folder each view", "a folder each recording"]
)
def test_every_layout(tmp_path, layout, axes):
    write(tmp_path, layout, axes)
    source = open_source(tmp_path)
    assert isinstance(source, Hdf5Source) and source.axes == axes and source.views("a") == ("l", "r")
    for (recording, view), rows in ROWS.items():
        np.testing.assert_array_equal(source.read(recording, view, 2, 8), rows[2:8].astype(np.float32))


def test_flat_files_of_one_view(tmp_path):
    for name in ("a", "b"):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["features"] = ROWS[name, "l"]
    source = open_source(tmp_path, views=ViewTable((View("top", "exo", ("cam",)),)))
    np.testing.assert_array_equal(source.read("b", "top", 0, 12), ROWS["b", "l"].astype(np.float32))
    with pytest.raises(ConfigError, match="names 2 cameras"):
        open_source(tmp_path, views=ViewTable.identity(["l", "r"]))


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda f: f.__setitem__("a/x", h5py.ExternalLink("other.h5", "/secret")), "/a/x is a link"),
        (lambda f: f.__setitem__("a/x", h5py.SoftLink("/a/l")), "/a/x is a link"),
        (lambda f: f.create_dataset("a/x", (3, 4), "f4", external="other.bin"), "keeps its numbers in another file"),
        (lambda f: f.__setitem__("a/x", np.zeros((3, 4), np.int32)), r"/a/x holds int32 of shape \(3, 4\)"),
        (lambda f: f.__setitem__("a/x", np.zeros(3, np.float32)), r"of shape \(3,\)"),
        (lambda f: f.__setitem__("a/b/c", np.zeros((3, 4), np.float32)), "/a/b/c is not where features"),
        (lambda f: f.__setitem__("a/x", np.zeros((0, 4), np.float32)), "/a/x is empty"),
        (lambda f: f.__setitem__("c/l", np.zeros((3, 5), np.float32)), "features? (of )?sizes? "),
    ],
)
def test_files_that_cannot_be_used(tmp_path, add, message):
    write(tmp_path, "one file")
    with h5py.File(tmp_path / "all.h5", "a") as file:
        add(file)
    with pytest.raises(DataError, match=message) as caught:
        open_source(tmp_path, axes="td")
    assert "all.h5" in str(caught.value)


def test_virtual_data_sets_are_refused(tmp_path):
    write(tmp_path, "one file")
    layout = h5py.VirtualLayout((9, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (9, 4))
    with h5py.File(tmp_path / "all.h5", "a") as file:
        file.create_virtual_dataset("a/x", layout)
    with pytest.raises(DataError, match="keeps its numbers in another file"):
        open_source(tmp_path, axes="td")


def test_the_same_recording_twice(tmp_path):
    write(tmp_path, "one file")
    (tmp_path / "again.h5").write_bytes((tmp_path / "all.h5").read_bytes())
    with pytest.raises(DataError, match=r"holds a, l twice, also in .*again.h5"):
        open_source(tmp_path)


def test_a_file_that_changes_later(tmp_path):
    write(tmp_path, "one file")
    source = open_source(tmp_path)
    with h5py.File(tmp_path / "all.h5", "a") as file:
        del file["a/l"]
    with pytest.raises(DataError, match=r"all.h5: /a/l was changed after opening"):
        source.read("a", "l", 0, 3)
