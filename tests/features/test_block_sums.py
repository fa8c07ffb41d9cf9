"""Checksums of packed stores: whatever changes in them is noticed where it is read, or changes nothing."""

import json
import multiprocessing
import shutil
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from tests.features.stores import random_recordings, write_npy
from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.dataset.packing import run_pack
from viewloom.errors import DataError
from viewloom.features import rows
from viewloom.features.block_sums import BlockSums, SumWriter
from viewloom.features.opening import open_source
from viewloom.features.settings import PackConfig

BLOCK = 256  # some ten rows


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=900), st.binary(max_size=40), st.lists(st.integers(0, 900), max_size=5), st.integers(1, 300))
def test_sums_are_those_of_the_blocks_however_they_come(data, header, cuts, size):
    writer = SumWriter(header, size)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in zip(places, places[1:], strict=False):
        writer.update(memoryview(data)[start:end])
    found = BlockSums.from_text(writer.sums().to_text())
    assert found.header == xxh3_64_intdigest(header) and found.block_bytes == size
    blocks = [xxh3_64_intdigest(data[start : start + size]) for start in range(0, len(data), size)]
    assert found.blocks.tolist() == blocks and found.count(len(data)) == len(blocks)


@pytest.mark.parametrize("text", ["", "xxh3", "xxh3:0:AAAAAAAAAAA=", "md5:9:AAAAAAAAAAA=", "xxh3:9:A", "xxh3:9:"])
def test_text_that_holds_no_sums(text):
    with pytest.raises(ValueError):
        BlockSums.from_text(text)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A store of two recordings and two views, in blocks of ten rows."""
    root = tmp_path_factory.mktemp("packed")
    write_npy(root / "npy", random_recordings(first=0), axes="td")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "SumWriter", partial(SumWriter, block_bytes=BLOCK))
        run_pack(PackConfig(data=str(root / "npy"), out=str(root / "store"), workers=0, axes="td", fps=30))
    return root


@pytest.fixture
def store(packed, tmp_path):
    return shutil.copytree(packed / "store", tmp_path / "store")


def everything(root, verify=True):
    """All features of a store, by recording and view, and what it says of itself."""
    source = open_source(root)
    source.verify = verify
    pairs = [(name, view) for name in source.recordings for view in source.views(name)]
    values = {(n, v): (source.span(n, v), source.read(n, v, *source.span(n, v)).tobytes()) for n, v in pairs}
    holes = {(n, v): source.missing_runs(n, source.camera(n, v)) for n, v in pairs}
    return values, holes, source.fps, source.backbone


def flip(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_named_or_changes_nothing(packed, tmp_path_factory, data):
    store = packed / "flipped"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(packed / "store", store)
    files = sorted(path for path in store.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    flip(path, data.draw(st.integers(0, path.stat().st_size - 1)), data.draw(st.integers(0, 7)))
    try:
        found = everything(store)
    except DataError as error:
        assert str(store) in str(error) and "\n" not in str(error)
    else:
        assert found == everything(packed / "store")


def first_file(store):
    return store / open_source(store).entry("rec_a", "v3").file


def test_the_message_names_file_recording_view_and_frame(store):
    path = first_file(store)
    flip(path, path.stat().st_size - 1, 0)
    with pytest.raises(DataError, match=r"recording rec_a, view v3, from about frame \d+ .*pack again") as caught:
        everything(store)
    assert str(path) in str(caught.value) and "--verify_features false" in str(caught.value)
    everything(store, verify=False)  # reads it as it is


def test_a_window_is_compared_alone(store):
    path = first_file(store)
    flip(path, path.stat().st_size - 1, 0)
    source = open_source(store)
    source.read("rec_a", "v3", 0, 10)
    source.read_pooled("rec_a", "v3", 0, 10, 5)
    for read in (source.read, lambda *span: source.read_pooled(*span, 5)):
        with pytest.raises(DataError):
            read("rec_a", "v3", 30, 40)
        with pytest.raises(DataError):
            read("rec_a", "v3", -5, 50)  # beyond the span on both sides


@pytest.mark.parametrize("across", ["recordings", "views"])
def test_files_that_were_exchanged(store, across):
    source = open_source(store)
    other = ("rec_a", "e4") if across == "views" else ("rec_b", "v3")
    one, two = (store / source.entry(*names).file for names in (("rec_a", "v3"), other))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    with pytest.raises(DataError):
        everything(store)


def rewritten(store, change, sums=True):
    path = store / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    if not sums:
        del manifest["sum"]
    path.write_text(json.dumps(manifest))


def name_round(manifest):
    one, two = (
        next(e for e in manifest["entries"] if e["recording"] == "rec_a" and e["view"] == v) for v in ("v3", "e4")
    )
    for name in ("file", "sums", "sha256", "gaps", "bytes"):
        one[name], two[name] = two[name], one[name]


def test_a_manifest_that_names_files_the_other_way_round(store):
    """With its own checksum, and, by the files' headers, as earlier versions wrote it."""
    rewritten(store, name_round)
    with pytest.raises(DataError, match="doesn't agree with its checksum"):
        open_source(store)
    rewritten(store, lambda manifest: None, sums=False)
    with pytest.raises(DataError, match="files were exchanged, or manifest.json was changed"):
        everything(store)


def test_a_file_cut_short(store):
    path = first_file(store)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="cut short"):
        everything(store)


def as_before(store):
    """The store as versions without checksums wrote it."""
    rewritten(store, lambda manifest: [entry.pop("sums") for entry in manifest["entries"]], sums=False)


def findings(store, depth):
    return {finding.title: finding for finding in check(CheckConfig(data=str(store), depth=depth)).findings}


def test_an_old_store_opens_and_is_compared_on_request(packed, store):
    as_before(store)
    assert everything(store) == everything(packed / "store")
    assert findings(store, "sample")["Stores whose whole files alone have checksums"].severity == "note"
    assert "Files that aren't what was written" not in findings(store, "full")
    path = first_file(store)
    flip(path, path.stat().st_size - 1, 0)
    everything(store)  # nobody can tell
    assert [str(path) in text for text in findings(store, "full")["Files that aren't what was written"].offenders] == [
        True
    ]


def test_packing_again_adds_the_sums(packed, store):
    as_before(store)
    again = PackConfig(data=str(packed / "npy"), out=str(store), workers=0, axes="td", fps=30)
    assert run_pack(again).packed == 0
    assert open_source(store).summed == "blocks"
    assert everything(store) == everything(packed / "store")


@pytest.mark.parametrize("verify", [True, False])
def test_a_full_check_names_all_that_is_damaged_and_looks_at_the_rest(packed, store, verify):
    source = open_source(store)
    paths = [store / source.entry("rec_a", view).file for view in ("v3", "e4")]
    flip(paths[0], paths[0].stat().st_size - 1, 1)
    paths[1].write_bytes(paths[1].read_bytes()[:-3])
    report = check(CheckConfig(data=str(store), depth="full", verify_features=verify))
    found = {finding.title: finding.offenders for finding in report.findings}
    assert not report.usable
    assert [any(str(path) in text for text in found["Files that aren't what was written"]) for path in paths] == [
        True
    ] * 2
    assert len(found["Features that can't be read"]) == 1 and str(paths[1]) in found["Features that can't be read"][0]
    assert set(report.values) == {"v3", "e4"}


def test_a_sampled_check_goes_on_behind_what_it_meets(store):
    path = first_file(store)
    flip(path, path.stat().st_size - 1, 1)
    report = check(CheckConfig(data=str(store), depth="sample"))
    assert [str(path) in text for f in report.findings if "can't be read" in f.title for text in f.offenders] == [True]
    assert set(report.values) == {"v3", "e4"}


def _read_first(source):
    source.read("rec_a", "v3", 0, 10)


def test_forked_workers_share_what_was_seen(store):
    source = open_source(store)
    worker = multiprocessing.get_context("fork").Process(target=_read_first, args=(source,))
    worker.start()
    worker.join()
    assert int(source._seen._seen.sum()) == int(np.ceil(10 * 6 * 2 / BLOCK))
