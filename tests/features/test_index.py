"""`viewloom index`, and the old statistics pickles."""

import json
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.stores import random_recordings, write_lmdb, write_npy
from viewloom.dataset.indexing import run_index
from viewloom.dataset.packing import run_pack
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import Span
from viewloom.features.catalog import consecutive_runs
from viewloom.features.index import load_index, make_index
from viewloom.features.opening import open_source
from viewloom.features.settings import IndexConfig, PackConfig
from viewloom.features.statistics_file import read_statistics

V3, E4 = "C10118_rgb", "HMC_84358933_mono10bit"


@pytest.fixture
def lmdb_root(tmp_path):
    recordings = random_recordings()
    first, x_TD, _ = recordings["rec_b"][E4]
    recordings["rec_b"][E4] = (first + 9, x_TD[:40], (11, 12, 20))
    return write_lmdb(tmp_path / "lmdb", recordings)


def test_spans_and_gaps(lmdb_root, tmp_path):
    out = tmp_path / "deep" / "index.json"
    index = run_index(IndexConfig(data=str(lmdb_root), out=str(out), gaps=True))
    value = json.loads(out.read_text())
    assert value["recordings"]["rec_b"] == {
        V3: {"view": "v3", "first": 1, "end": 58, "gaps": []},
        E4: {"view": "e4", "first": 10, "end": 50, "gaps": [[11, 13], [20, 21]]},
    }
    assert (value["dim"], value["fps"], value["scanned"], value["entries"]) == (6, 30.0, True, {V3: 97, E4: 77})
    assert load_index(out).to_json() == index.to_json() == value
    assert "rec_b HMC_84358933_mono10bit [11, 13)" in str(index) and "3 missing in 2 gaps" in str(index)


def test_without_gaps_says_nothing_of_them(lmdb_root):
    index = run_index(IndexConfig(data=str(lmdb_root)))
    assert not index.scanned and "gaps" not in index.to_json()["recordings"]["rec_b"][E4]
    assert "missing" not in str(index)


def test_never_reads_a_value(lmdb_root, monkeypatch):
    source = open_source(lmdb_root)
    monkeypatch.setattr("viewloom.features.lmdb.Environment.read_run", lambda *a: pytest.fail("read"))
    monkeypatch.setattr("viewloom.features.lmdb.Environment._copy_values", lambda *a: pytest.fail("read"))
    assert make_index(source, gaps=True).gaps == {"rec_b": {E4: ((11, 13), (20, 21))}}


def test_same_for_every_store(lmdb_root, tmp_path):
    run_pack(PackConfig(data=str(lmdb_root), out=str(tmp_path / "store"), workers=0))
    of_lmdb = make_index(open_source(lmdb_root), gaps=True)
    of_store = make_index(open_source(tmp_path / "store"), gaps=True)
    assert of_store.spans == of_lmdb.spans and of_store.gaps == of_lmdb.gaps
    assert of_store.fingerprint == of_lmdb.fingerprint
    write_npy(tmp_path / "npy", random_recordings(first=0))
    assert run_index(IndexConfig(data=str(tmp_path / "npy"))).spans["rec_a"][V3] == Span(0, 40)


def test_of_a_data_set(tmp_path):
    """The folder of a data set will do; its labels and lists may be broken."""
    write_npy(tmp_path / "features", random_recordings(first=0))
    (tmp_path / "labels.csv").write_text("not,a,label,file\n")
    assert run_index(IndexConfig(data=str(tmp_path), axes="dt")).dim == 6
    write_npy(tmp_path / "mstcn" / "features", random_recordings(first=0, cameras=("one",)), "flat")
    (tmp_path / "mstcn" / "groundTruth").mkdir()
    (tmp_path / "mstcn" / "mapping.txt").write_text("0 a\n")
    index = run_index(IndexConfig(data=str(tmp_path / "mstcn"), fps=15))
    assert sorted(index.spans) == ["rec_a", "rec_b"] and index.fps == 15
    with pytest.raises(DataError, match="none of the known layouts"):
        run_index(IndexConfig(data=str(tmp_path / "mstcn" / "groundTruth")))


def test_opens_with_its_index(lmdb_root, tmp_path):
    run_index(IndexConfig(data=str(lmdb_root), out=str(tmp_path / "index.json")))
    source = open_source(lmdb_root, index=load_index(tmp_path / "index.json"))
    assert source.fingerprint() == open_source(lmdb_root).fingerprint()


def test_overwrites_only_when_asked(lmdb_root, tmp_path):
    out = tmp_path / "index.json"
    out.write_text("mine")
    with pytest.raises(ConfigError, match=r"index\.json is there already"):
        run_index(IndexConfig(data=str(lmdb_root), out=str(out)))
    assert out.read_text() == "mine"
    run_index(IndexConfig(data=str(lmdb_root), out=str(out), overwrite=True))
    assert load_index(out).dim == 6


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "viewloom-index", "version": 9}', "\x00"])
def test_not_an_index(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(DataError, match=r"index\.json(, line 1: a NUL| is not (an index|JSON))"):
        load_index(tmp_path / "index.json")
    with pytest.raises(DataError, match="is not there"):
        load_index(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": 0.9}, "'0.9' is no whole number"),
        ({"end": "41"}, "'41' is no whole number"),
        ({"gaps": [[1, 2.5]]}, "'2.5' is no whole number"),
        ({"dim": 7}, f"camera {V3} has two feature sizes, 7 and 6"),
        ({"view": "v4"}, f"camera {V3} has two views, v4 and v3"),
    ],
)
def test_an_index_that_contradicts_itself(lmdb_root, tmp_path, change, message):
    out = tmp_path / "index.json"
    run_index(IndexConfig(data=str(lmdb_root), out=str(out)))
    value = json.loads(out.read_text())
    value["recordings"]["rec_a"][V3].update(change)
    out.write_text(json.dumps(value))
    with pytest.raises(DataError, match=rf"index\.json is not an index \({message}\)"):
        load_index(out)


@given(st.sets(st.integers(0, 60)))
@settings(deadline=None)
def test_runs(frames):
    runs = consecutive_runs(np.array(sorted(frames), np.int64))
    assert [frame for start, end in runs for frame in range(start, end)] == sorted(frames)
    assert all(a[1] < b[0] for a, b in zip(runs, runs[1:], strict=False))


def test_real_statistics(assembly101):
    index = load_index(assembly101 / "statistic_input_all.pkl")
    assert len(index.spans) == 362
    counts = {camera: len(index.spans_of(camera)) for camera in ("C10118_rgb", "C10119_rgb")}
    assert counts == {"C10118_rgb": 362, "C10119_rgb": 362}
    old, new = index.spans_of("HMC_21179183_mono10bit"), index.spans_of("HMC_84358933_mono10bit")
    assert (len(old), len(new), 362 - len({*old, *new})) == (181, 176, 5)
    assert {span.first for span in index.spans_of("C10118_rgb").values()} == {1}
    assert index.spans["nusar-2021_action_both_9016-c10b_9016_user_id_2021-02-17_143201"]["C10118_rgb"].end > 101


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=9),
        st.dictionaries(st.text(max_size=9), st.tuples(st.integers(0, 2**40), st.integers(1, 9)), max_size=3),
        max_size=4,
    ),
    st.integers(0, 5),
    st.sampled_from([list, tuple]),
)
@settings(deadline=None, max_examples=30)
def test_statistics_of_every_protocol(tmp_path_factory, spans, protocol, pair):
    value = {r: {c: pair((first, first + n)) for c, (first, n) in cameras.items()} for r, cameras in spans.items()}
    path = tmp_path_factory.mktemp("pickle") / "s.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert read_statistics(path) == {r: {c: tuple(x) for c, x in cameras.items()} for r, cameras in value.items()}


class Boom:
    def __reduce__(self):
        return (print, ("a pickle ran",))


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_that_would_run_code(tmp_path, capsys, protocol):
    path = tmp_path / "s.pkl"
    path.write_bytes(pickle.dumps({"rec": {"cam": Boom()}}, protocol))
    with pytest.raises(
        DataError, match=r"s\.pkl was not read: it asks for (__builtin__|builtins)\.print.*can run code"
    ):
        load_index(path)
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps([1]), "holds a list"),
        (pickle.dumps({"r": [1, 2]}), "'r' is not a recording"),
        (pickle.dumps({"r": {"c": [1]}}), r"camera 'c' has \[1\]"),
        (pickle.dumps({"r": {"c": [5, 5]}}), r"camera 'c' has \[5, 5\]"),
        (pickle.dumps({"r": {"c": ["1", 2]}}), "camera 'c' has"),
        (pickle.dumps({"r": {"c": [True, 2]}}), "asks for the instruction NEWTRUE"),
        (pickle.dumps({1: {}}), "1 is not a recording"),
        (pickle.dumps({"r": {"c": [1.5, 2]}}), "asks for the instruction BINFLOAT"),
        (pickle.dumps({"r": {"c": b"x"}}), "asks for the instruction"),
        (pickle.dumps({"r": {"c": [1, 2]}})[:-3], "is not a whole pickle"),
        (b"", "is not a whole pickle"),
        (b"\x00\x01hello", "is not a whole pickle"),
        (b"\x80\x04]r\xff\xff\xff\x7f.", "memo number"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x0f.", "is larger than the"),
        (b"P5\n.", "asks for the instruction PERSID"),
        (b"\x80\x02\x82\x01.", "asks for the instruction EXT1"),
        (b"}(a.", "is not a whole pickle"),
    ],
)
def test_pickle_of_another_form(tmp_path, data, message):
    path = tmp_path / "s.pkl"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_statistics(path)
    assert str(path) in str(caught.value)


def test_pickle_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("viewloom.features.statistics_file.MAX_BYTES", 10)
    (tmp_path / "s.pkl").write_bytes(pickle.dumps({"recording": {}}))
    with pytest.raises(DataError, match="more than the 10"):
        read_statistics(tmp_path / "s.pkl")


def test_only_plain_values_pass():
    """The list of instructions holds none that can call, look up or build an object."""
    from viewloom.features import statistics_file as legacy_pickle

    known = {opcode.name for opcode in pickletools.opcodes}
    assert known >= legacy_pickle._ALLOWED
    running = {
        "GLOBAL",
        "STACK_GLOBAL",
        "INST",
        "OBJ",
        "NEWOBJ",
        "NEWOBJ_EX",
        "REDUCE",
        "BUILD",
        "PERSID",
        "BINPERSID",
    }
    assert not legacy_pickle._ALLOWED & (running | {"EXT1", "EXT2", "EXT4"})
