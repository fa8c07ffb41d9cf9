"""The npy source: three layouts, two axis orders, and files that are something else."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.features.stores import random_recordings, write_npy
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import FeatureSource, Span
from viewloom.features.npy import NpySource
from viewloom.features.opening import open_source
from viewloom.features.views import View, ViewTable

V3, E4 = "C10118_rgb", "HMC_84358933_mono10bit"


@pytest.fixture
def recordings():
    return random_recordings(dim=6, first=0)


@pytest.mark.parametrize("axes", ["dt", "td"])
@pytest.mark.parametrize("layout", ["recording/camera", "camera/recording"])
@pytest.mark.parametrize("declared", [True, False])
def test_layouts_and_axes(tmp_path, recordings, layout, axes, declared):
    write_npy(tmp_path, recordings, layout, axes)
    source = open_source(tmp_path, axes=axes if declared else "auto")
    assert isinstance(source, FeatureSource) and source.axes == axes
    assert source.recordings == ("rec_a", "rec_b") and source.views("rec_a") == ("v3", "e4")
    used = {view for name in source.recordings for view in source.views(name)}
    assert ({source.dim(view) for view in used}, source.fps, source.fps_known) == ({6}, 30.0, False)
    assert source.span("rec_b", "e4") == Span(0, 57)
    found = source.read("rec_b", "e4", -2, 60)
    np.testing.assert_array_equal(found[2:59], recordings["rec_b"][E4][1])
    assert np.isnan(found[:2]).all() and np.isnan(found[59:]).all()
    assert found.flags.c_contiguous and found.flags.writeable
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read("rec_a", "v3", 3, 9), recordings["rec_a"][V3][1][3:9])


def test_flat_layout(tmp_path):
    recordings = random_recordings(first=0, cameras=("cam",))
    write_npy(tmp_path, recordings, "flat")
    source = open_source(tmp_path, fps=15)
    assert source.views("rec_a") == ("v1",) and source.fps == 15 and source.fps_known
    named = open_source(tmp_path, views=ViewTable((View("top", "exo", ("cam",)),)))
    assert named.views("rec_a") == ("top",) and named.camera("rec_a", "top") == "cam"
    np.testing.assert_array_equal(named.read("rec_b", "top", 0, 57), recordings["rec_b"]["cam"][1])
    with pytest.raises(ConfigError, match="names 16 cameras"):
        open_source(tmp_path, views=ViewTable.assembly101())


@settings(max_examples=30, deadline=None)
@given(
    st.data(),
    st.sampled_from([np.float16, np.float32, np.float64, ">f4"]),
    st.sampled_from(["dt", "td"]),
    st.booleans(),
)
def test_round_trip(tmp_path_factory, data, dtype, axes, fortran):
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 5)))
    numbers = st.floats(-1000, 1000, width=16)
    x_TD = data.draw(hnp.arrays(np.float32, shape, elements=numbers)).astype(dtype)
    root = tmp_path_factory.mktemp("npy")
    stored = x_TD.T if axes == "dt" else x_TD
    np.save(root / "rec.npy", np.asfortranarray(stored) if fortran else np.ascontiguousarray(stored))
    source = NpySource(root, axes=axes)
    start, end = sorted(data.draw(st.tuples(st.integers(-2, 11), st.integers(-2, 11))))
    expected = np.full((end - start, shape[1]), np.nan, np.float32)
    for frame in range(max(start, 0), min(end, shape[0])):
        expected[frame - start] = x_TD[frame]
    np.testing.assert_array_equal(source.read("rec", "v1", start, end), expected)


@pytest.mark.parametrize("shapes", [[(4, 9)], [(4, 9), (4, 9)], [(5, 5)]], ids=["one file", "equal lengths", "square"])
def test_axes_that_cannot_be_told(tmp_path, shapes):
    for i, shape in enumerate(shapes):
        np.save(tmp_path / f"rec{i}.npy", np.zeros(shape, np.float32))
    with pytest.raises(ConfigError, match=r"either axis could be the feature size. Pass --axes"):
        open_source(tmp_path)
    assert open_source(tmp_path, axes="dt").dim("v1") == shapes[0][0]
    assert open_source(tmp_path, axes="td").dim("v1") == shapes[0][1]


def test_cameras_of_own_sizes_and_recordings_of_one_length_are_not_guessed(tmp_path):
    """(600, 18) and (600, 40) may be 600 features, or 600 frames."""
    for name in ("a", "b"):
        for camera, dim in (("wrist", 18), ("chest", 40)):
            (tmp_path / name / camera).mkdir(parents=True)
            np.save(tmp_path / name / camera / "features.npy", np.zeros((600, dim), np.float32))
    with pytest.raises(
        ConfigError, match=r"shapes of their own, so either axis could be the feature size. Pass --axes"
    ):
        open_source(tmp_path)
    assert open_source(tmp_path, axes="td").dim("chest") == 40
    np.save(tmp_path / "b" / "wrist" / "features.npy", np.zeros((610, 18), np.float32))
    assert open_source(tmp_path).axes == "td"


@pytest.mark.parametrize("axes", ["dt", "td", "auto"])
def test_other_dim_names_the_first_offender(tmp_path, axes):
    for name, shape in {"a": (6, 10), "b": (6, 11), "c": (7, 12), "d": (6, 13)}.items():
        np.save(tmp_path / f"{name}.npy", np.zeros(shape[::-1] if axes == "td" else shape, np.float32))
    with pytest.raises(DataError, match=r"c\.npy has shape .* feature size is 7, but 3 of 4 files have 6"):
        open_source(tmp_path, axes=axes)


def test_declared_axes_that_cannot_be(tmp_path, recordings):
    write_npy(tmp_path, recordings, axes="td")
    with pytest.raises(DataError, match="other --axes"):
        open_source(tmp_path, axes="dt")


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("a pickle ran",))


def save(path, array):
    np.save(path, array, allow_pickle=True)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: save(p, np.array([[Boom(), 1]], object)), "pickled Python objects"),
        (lambda p: save(p, np.zeros((3, 4), np.int64)), "holds int64 numbers"),
        (lambda p: save(p, np.zeros((3, 4), np.complex64)), "holds complex64 numbers"),
        (lambda p: save(p, np.zeros(12, np.float32)), r"shape \(12,\), but must have two axes"),
        (lambda p: save(p, np.zeros((2, 3, 4), np.float32)), r"shape \(2, 3, 4\)"),
        (lambda p: save(p, np.zeros((0, 4), np.float32)), "is empty"),
        (lambda p: p.write_bytes(pickle.dumps({"a": Boom()})), "is not an npy file"),
        (lambda p: p.write_bytes(b""), "is not an npy file"),
        (lambda p: p.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': "), "is not an npy file"),
        (lambda p: (save(p, np.zeros((9, 4), np.float32)), p.write_bytes(p.read_bytes()[:-5])), "cut short"),
    ],
)
def test_not_features(tmp_path, write, message):
    write(tmp_path / "bad.npy")
    with pytest.raises(DataError, match=message) as caught:
        open_source(tmp_path, axes="td")
    assert "bad.npy" in str(caught.value)


def test_file_that_shrinks_later(tmp_path):
    path = tmp_path / "rec.npy"
    np.save(path, np.zeros((9, 4), np.float32))
    source = open_source(tmp_path, axes="td")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"rec\.npy.*changed after opening"):
        source.read("rec", "v1", 0, 9)


def test_mixed_layouts(tmp_path, recordings):
    write_npy(tmp_path, recordings)
    np.save(tmp_path / "rec_c.npy", np.zeros((6, 9), np.float32))
    with pytest.raises(DataError, match="mixes layouts"):
        open_source(tmp_path)


def test_names_in_the_wrong_place(tmp_path):
    for name in ("rec_a", "rec_b"):
        (tmp_path / "one" / name).mkdir(parents=True)
        np.save(tmp_path / "one" / name / "features.npy", np.zeros((6, 9), np.float32))
        (tmp_path / "two" / name).mkdir(parents=True)
        np.save(tmp_path / "two" / name / f"{V3}.npy", np.zeros((6, 9), np.float32))
    with pytest.raises(DataError, match="whether <name> is a recording or a camera"):
        open_source(tmp_path / "one", axes="dt")
    with pytest.raises(DataError, match=rf"<recording>/<camera>\.npy, such as rec_a/{V3}\.npy"):
        open_source(tmp_path / "two", axes="dt")
