"""Arrays as a store: frames by their numbers, sizes that must agree, and content that tells arrays apart."""

import numpy as np
import pytest

from viewloom.errors import DataError
from viewloom.features import content
from viewloom.features.arrays import ArraySource
from viewloom.features.views import View, ViewTable


def test_frames_are_counted_from_the_first_one_stated():
    x_TD, y_TD = np.arange(12.0).reshape(6, 2), np.arange(12.0, 22.0).reshape(5, 2)
    source = ArraySource({"r": {"v3": x_TD, "e4": (100, y_TD)}}, fps=10.0)
    assert (source.span("r", "v3"), source.span("r", "e4")) == ((0, 6), (100, 105))
    np.testing.assert_array_equal(source.read("r", "v3", 2, 5), x_TD[2:5])
    found_TD = source.read("r", "e4", 103, 107)
    np.testing.assert_array_equal(found_TD[:2], y_TD[3:])
    assert np.isnan(found_TD[2:]).all()
    assert np.isnan(source.read("r", "e4", 97, 101)).all(axis=1).tolist() == [True, True, True, False]


def test_each_view_has_its_own_size():
    source = ArraySource({"r": {"v3": np.zeros((4, 2)), "e4": np.zeros((4, 3))}})
    assert (source.dim("v3"), source.dim("e4")) == (2, 3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"r": {"v3": np.zeros(4)}}, r"'r', view 'v3': expected an array \(T, D\), but got shape \(4,\)"),
        ({"r": {"v3": np.zeros((0, 2))}}, r"but got shape \(0, 2\)"),
        ({"r": {"v3": np.zeros((4, 2))}, "s": {"v3": np.zeros((4, 3))}}, "'s', view 'v3' has features of size 3"),
        ({}, "not one array"),
        ({"r": {}}, "not one array"),
    ],
)
def test_arrays_that_are_no_features_are_refused(arrays, message):
    with pytest.raises(DataError, match=message):
        ArraySource(arrays)


def test_views_are_assembly101_s_where_all_are_its_own():
    named = ArraySource({"r": {"v3": np.zeros((4, 2)), "e4": np.zeros((4, 2))}})
    assert [named.view_table[view].kind for view in ("v3", "e4")] == ["exo", "ego"]
    other = ArraySource({"r": {"v3": np.zeros((4, 2)), "left": np.zeros((4, 2))}})
    assert set(other.view_table.names) == {"v3", "left"}


def test_arrays_are_told_apart_by_their_content():
    one, same, other = (ArraySource({"r": {"v3": np.full((4, 2), value)}}) for value in (1, 1, 2))
    assert one.content("r", one.camera("r", "v3")) == same.content("r", same.camera("r", "v3"))
    assert one.content("r", one.camera("r", "v3")) != other.content("r", other.camera("r", "v3"))
    assert one.written("r", "v3") == same.written("r", "v3") != other.written("r", "v3")


@pytest.mark.parametrize("stated", [None, 5])
def test_cameras_of_a_view_have_one_size(stated):
    views = ViewTable((View("e", "ego", ("one", "two"), dim=stated),))
    second = 3 if stated is None else 2
    with pytest.raises(DataError, match="view 'e' must have one feature size"):
        ArraySource({"r": {"one": np.zeros((4, 2))}, "s": {"two": np.zeros((4, second))}}, views=views)
    sound = ViewTable((View("e", "ego", ("one", "two"), dim=2),))
    assert ArraySource({"r": {"one": np.zeros((4, 2))}, "s": {"two": np.zeros((4, 2))}}, views=sound).dim("e") == 2


def test_the_fastest_view_is_the_clock_where_all_have_rates():
    arrays = {"r": {"one": np.zeros((4, 2)), "two": np.zeros((9, 2))}}

    def source(*rates):
        table = ViewTable(tuple(View(n, "exo", (n,), fps) for n, fps in zip(arrays["r"], rates, strict=True)))
        return ArraySource(arrays, views=table)

    assert (source(20.0, 50.0).fps, source(20.0, 50.0).fps_known) == (50.0, True)
    assert not source(20.0, None).fps_known
    assert source(20.0, 50.0).fingerprint() == source(20.0, 50.0).fingerprint() != source(25.0, 50.0).fingerprint()


def test_features_are_identified_as_they_are_stored_and_by_their_times(monkeypatch):
    arrays = {"r": {"v3": np.random.default_rng(0).normal(size=(40, 2))}}

    def facts(rate):
        monkeypatch.setattr(content, "_hashes", {})  # nothing worked out for the other rate is found again
        source = ArraySource(arrays, 30.0, ViewTable((View("v3", "exo", ("v3",), rate),)))
        return content.features_facts(source, [("r", "v3")], "full")

    own, slow, slower = facts(None), facts(20.0), facts(10.0)
    assert own["v3 of r"] == slow["v3 of r"] == slower["v3 of r"]
    assert own != slow != slower != own
