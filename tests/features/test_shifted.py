"""Views moved in time, and stretches of recordings: the same rows under other numbers or names."""

import pickle

import numpy as np
import pytest

from tests.features.stores import lacks
from viewloom.errors import DataError
from viewloom.features.arrays import ArraySource
from viewloom.features.base import Span
from viewloom.features.content import features_facts
from viewloom.features.shifted import ShiftedSource
from viewloom.features.stretches import StretchSource, equal_stretches
from viewloom.features.views import View, ViewTable

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def source():
    views = ViewTable.named([View("exo", "exo", ()), View("ego", "ego", (), fps=15.0)])
    one = {"exo": RNG.normal(size=(90, 3)), "ego": RNG.normal(size=(45, 2))}
    return ArraySource({"a": one, "b": {"exo": RNG.normal(size=(40, 3))}}, 30.0, views)


@pytest.mark.parametrize("frames", [-7, 4])
@pytest.mark.parametrize("view", ["exo", "ego"])
def test_a_late_view_has_its_rows_later(source, view, frames):
    late = ShiftedSource(source, {view: frames})
    assert not lacks(late)
    span = source.span("a", view)
    assert late.span("a", view) == Span(span.first + frames, span.end + frames)
    np.testing.assert_array_equal(late.read("a", view, 20, 60), source.read("a", view, 20 - frames, 60 - frames))
    pooled, own = (
        s.read_pooled("a", view, *at, 8) for s, at in ((late, (20, 60)), (source, (20 - frames, 60 - frames)))
    )
    np.testing.assert_array_equal(pooled.features_SZ, own.features_SZ)
    other = "ego" if view == "exo" else "exo"
    np.testing.assert_array_equal(late.read("a", other, 20, 60), source.read("a", other, 20, 60))
    assert late.recordings == source.recordings and late.dim(view) == source.dim(view)


def test_missing_frames_are_numbered_as_they_are_shown(source):
    late = ShiftedSource(source, {"exo": 10})
    np.testing.assert_array_equal(late.read_pooled("a", "exo", 0, 20, 5).missing, np.arange(10))
    assert np.isnan(late.read("a", "exo", 0, 10)).all()


@pytest.mark.parametrize("view", ["exo", "ego"])
def test_shifted_features_are_others(source, view):
    late = ShiftedSource(source, {view: 3})
    pairs = [("a", view)]
    assert features_facts(late, pairs, "full") != features_facts(source, pairs, "full")
    assert features_facts(ShiftedSource(source, {view: 0}), pairs, "full") == features_facts(source, pairs, "full")
    assert late.fingerprint() != source.fingerprint()
    assert late.uncached.span("a", view) == late.span("a", view)


def test_both_survive_the_way_to_a_worker(source):
    for wrapped in (ShiftedSource(source, {"exo": 2}), StretchSource(source, {"c": ("a", 10, 20)})):
        again = pickle.loads(pickle.dumps(wrapped))
        np.testing.assert_array_equal(again.read("a", "exo", 5, 9), wrapped.read("a", "exo", 5, 9))


def test_stretches_are_recordings_of_the_same_frames(source):
    cut = StretchSource(source, equal_stretches("a", 0, 90, 4))
    assert not lacks(cut)
    names = [f"a stretch {place}" for place in (1, 2, 3, 4)]
    assert cut.recordings == ("a", *names, "b")
    spans = [cut.span(name, "exo") for name in names]
    assert [tuple(span) for span in spans] == [(0, 22), (22, 45), (45, 67), (67, 90)]
    joined = np.concatenate([cut.read(name, "exo", *span) for name, span in zip(names, spans, strict=True)])
    np.testing.assert_array_equal(joined, source.read("a", "exo", 0, 90))
    pooled = cut.read_pooled(names[1], "ego", 22, 45, 5)
    np.testing.assert_array_equal(pooled.features_SZ, source.read_pooled("a", "ego", 22, 45, 5).features_SZ)
    facts = features_facts(cut, [(name, "exo") for name in names], "full")
    assert len({facts[f"exo of {name}"] for name in names}) == 4
    with pytest.raises(DataError, match="already"):
        StretchSource(source, {"b": ("a", 0, 3)})


def test_a_view_that_ends_before_a_stretch_is_not_in_it():
    source = ArraySource({"a": {"exo": np.ones((90, 3)), "ego": np.ones((30, 3))}})
    cut = StretchSource(source, equal_stretches("a", 0, 90, 3))
    assert cut.views("a stretch 1") == ("ego", "exo") and cut.views("a stretch 3") == ("exo",)
    assert set(cut.views("a")) == {"exo", "ego"}
