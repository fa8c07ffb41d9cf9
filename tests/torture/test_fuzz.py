"""A few seconds of the fuzzing: readers find their examples, faults are told apart, a seed gives the same inputs."""

import os
import shutil
import time

import pytest

from tests.torture import forked, fuzz
from tests.torture.outcome import FINE
from tests.torture.readers import examples, readers
from viewloom.errors import DataError
from viewloom.registry import FORMATS, LAYOUTS, STORES

SOME = ("format csv", "format via3", "format elan", "split lists", "--config of train", "comparison")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    fuzz.prepare(folder, SOME)
    return folder


def test_every_registered_format_layout_and_store_is_fuzzed():
    known = readers()
    for kind, registry in {"format": FORMATS, "layout": LAYOUTS, "store": STORES}.items():
        assert {f"{kind} {name}" for name in registry.names()} <= set(known)
    with pytest.raises(AssertionError, match=r"\['new'\] have no small example"):
        examples("layouts", ["table", "new"], {"table": 1})


def test_a_few_inputs_are_fine(prepared, tmp_path):
    found = fuzz.trial(1, prepared, tmp_path, inputs=30)
    assert sum(one.events for one in found) == 30
    assert [one for one in found if one.result != FINE] == []
    assert {one.detail for one in found} >= {"message"}
    assert not list(tmp_path.iterdir())


def test_a_seed_gives_the_same_inputs(prepared, tmp_path):
    def drawn(place):
        place.mkdir()
        return [(one.kind, one.detail, one.events) for one in fuzz.trial(5, prepared, place, inputs=4)]

    assert drawn(tmp_path / "a") == drawn(tmp_path / "b")


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("work", "how"),
    [
        (lambda: 3, "value"),
        (lambda: _raise(DataError("labels.csv is empty.")), "message"),
        (lambda: _raise(DataError("")), "unclear"),
        (lambda: _raise(KeyError("x")), "traceback"),
        (lambda: bytearray(b"x" * (512 << 20)).find(b"y"), "memory"),
        (lambda: os.abort(), "crash"),
        (lambda: time.sleep(60), "hang"),
    ],
)
def test_how_a_call_ends_is_told(work, how, tmp_path, monkeypatch):
    monkeypatch.setattr(forked, "MOST_BYTES", 64 << 20)
    monkeypatch.setattr(forked, "WALL_S", 2 if how == "hang" else 30)
    assert forked.call(work, tmp_path).how == how


def test_a_file_written_outside_and_a_wrong_success_are_found(prepared, tmp_path):
    reader = readers()["split lists"]
    example = prepared / fuzz.EXAMPLES / fuzz._plain(reader.name)
    shutil.copytree(example, tmp_path / "case" / fuzz.INSIDE)
    (tmp_path / "case" / "x").touch()
    assert fuzz._outside(tmp_path / "case") == "x"
    ended = forked.Ended("value", value=[1, "a key twice"])
    assert fuzz._judged(reader, ended, "", "1") == ("wrong success", "a key twice")
    assert fuzz._judged(reader, forked.Ended("value", value=[1, None]), "", "1") == (FINE, "equal")
    assert fuzz._judged(reader, ended, "x", "1")[0] == "wrote outside"
