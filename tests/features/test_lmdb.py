"""The LMDB source: the real sample, gaps, workers, and damaged environments."""

import multiprocessing
import pickle
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.stores import lmdb_key, random_recordings, write_lmdb
from viewloom.errors import DataError
from viewloom.features.base import FeatureSource, Span
from viewloom.features.index import Index, make_index
from viewloom.features.lmdb import LmdbSource, open_environment
from viewloom.features.opening import open_source
from viewloom.features.views import View, ViewTable

V3, E4 = "C10118_rgb", "HMC_84358933_mono10bit"


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Two cameras; the ego one starts later, ends earlier and lacks frames."""
    recordings = random_recordings(dim=5, lengths={"rec_a": 40, "rec": 57, "rec_b": 8})
    first, x_TD, _ = recordings["rec"][E4]
    recordings["rec"][E4] = (first + 3, x_TD[:50], (7, 8, 30))
    del recordings["rec_b"][E4]
    return write_lmdb(tmp_path_factory.mktemp("lmdb"), recordings), recordings


def plain_read(root, recording, camera, start, end, dim):
    """One look-up a frame: the reference."""
    rows = np.full((end - start, dim), np.nan, np.float32)
    environment = lmdb.open(str(root / camera), readonly=True, lock=False)
    with environment.begin() as transaction:
        for frame in range(start, end):
            value = transaction.get(lmdb_key(recording, camera, frame))
            if value is not None:
                rows[frame - start] = np.frombuffer(value, "<f4")
    environment.close()
    return rows


def test_what_it_holds(features):
    source = open_source(features[0])
    assert isinstance(source, FeatureSource)
    assert source.recordings == ("rec", "rec_a", "rec_b")
    assert source.views("rec") == ("v3", "e4")
    assert source.views("rec_b") == ("v3",)
    used = {view for name in source.recordings for view in source.views(name)}
    assert ({source.dim(view) for view in used}, source.fps, source.fps_known) == ({5}, 30.0, True)
    assert source.span("rec_a", "v3") == Span(1, 41)
    assert source.span("rec", "e4") == Span(4, 54)
    assert source.missing_runs("rec", E4) == ((7, 9), (30, 31))
    assert source.missing_runs("rec", V3) == ()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([("rec", "e4"), ("rec", "v3"), ("rec_b", "v3")]), st.integers(-3, 70), st.integers(0, 70))
def test_reads_what_single_look_ups_read(features, which, start, frames):
    root, _ = features
    recording, view = which
    source = LmdbSource(root)
    camera = source.camera(recording, view)
    found = source.read(recording, view, start, start + frames)
    del source  # LMDB allows one handle a process; the reference opens its own
    inside = max(start, 0)
    expected = np.full((frames, 5), np.nan, np.float32)
    if inside < start + frames:
        expected[inside - start :] = plain_read(root, recording, camera, inside, start + frames, 5)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32 and found.flags.writeable and found.flags.c_contiguous


def test_real_sample(assembly101):
    source = open_source(assembly101 / "TSM_sample")
    (recording,) = source.recordings
    assert source.views(recording) == ("v3",)
    assert source.span(recording, "v3") == Span(1, 101)
    x_TD = source.read(recording, "v3", 1, 101)
    assert x_TD.shape == (100, 2048)
    assert x_TD.mean() == pytest.approx(0.363, abs=5e-4)
    assert x_TD.std() == pytest.approx(0.549, abs=5e-4)
    assert (x_TD == 0).mean() == pytest.approx(0.090, abs=5e-4)
    lags = source.read(recording, "v3", 50, 120)
    np.testing.assert_array_equal(lags[:51], x_TD[49:])
    assert np.isnan(lags[51:]).all()


def test_opens_read_only_media(features, tmp_path, monkeypatch):
    root = shutil.copytree(features[0], tmp_path / "copy")
    opened = []
    real = lmdb.open

    def spy(*args, **kwargs):
        opened.append(kwargs)
        return real(*args, **kwargs)

    for path in root.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setattr(lmdb, "open", spy)
    source = LmdbSource(root)
    source.read("rec", "v3", 1, 20)
    # Whoever runs as root may write anywhere: that nothing was written is what can be seen.
    assert sorted(path.name for path in root.rglob("*.mdb")) == ["data.mdb", "data.mdb"]
    assert all(o["readonly"] and not o["lock"] and not o["create"] and not o["readahead"] for o in opened)
    assert "map_size" not in opened[0]
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_padded_file(features, tmp_path):
    """A file may be longer than its pages reach, as the published ones are."""
    root = shutil.copytree(features[0], tmp_path / "copy")
    with (root / V3 / "data.mdb").open("ab") as file:
        file.write(bytes(1_234_567))
    np.testing.assert_array_equal(LmdbSource(root).read("rec", "v3", 1, 58), features[1]["rec"][V3][1])


_shared: list[LmdbSource] = []


def _read_in_worker(source, recording, view, start, end):
    return source.read(recording, view, start, end)


def _read_inherited(recording, view, start, end):
    return _shared[0].read(recording, view, start, end)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_the_same(features, method):
    source = LmdbSource(features[0])
    expected = source.read("rec", "e4", 0, 60)
    _shared[:] = [source]
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.starmap(_read_in_worker, [(source, "rec", "e4", 0, 60)] * 4):
            np.testing.assert_array_equal(found, expected)
        if method == "fork":
            for found in pool.starmap(_read_inherited, [("rec", "e4", 0, 60)] * 4):
                np.testing.assert_array_equal(found, expected)
    _shared.clear()
    np.testing.assert_array_equal(source.read("rec", "e4", 0, 60), expected)


def test_pickle_drops_handles(features):
    source = LmdbSource(features[0])
    copy = pickle.loads(pickle.dumps(source))
    assert source._environments and not copy._environments
    np.testing.assert_array_equal(copy.read("rec", "v3", 1, 9), source.read("rec", "v3", 1, 9))
    assert copy.environment(V3) is source.environment(V3), "LMDB forbids opening one environment twice"


def test_two_sources_then_a_new_file(features, tmp_path):
    root = write_lmdb(tmp_path / "a", random_recordings(dim=3))
    first, second = LmdbSource(root), LmdbSource(root)
    assert first.environment(V3) is second.environment(V3)
    del first, second
    shutil.rmtree(root)
    write_lmdb(root, random_recordings(dim=4))
    assert LmdbSource(root).dim("v3") == 4


def test_opened_elsewhere(features):
    handle = lmdb.open(str(features[0] / V3), readonly=True, lock=False)
    with pytest.raises(DataError, match=r"already open in this process.*close"):
        LmdbSource(features[0])
    handle.close()
    assert LmdbSource(features[0]).dim("v3") == 5


def test_unknown_names(features):
    source = LmdbSource(features[0])
    with pytest.raises(DataError, match=r"rec_b has no view 'e4'; it has: v3"):
        source.read("rec_b", "e4", 0, 3)
    with pytest.raises(DataError, match=r"no recording 'nope'; it has 3: rec, rec_a, rec_b"):
        source.views("nope")
    with pytest.raises(ValueError, match="start <= end"):
        source.read("rec", "v3", 5, 2)


def test_view_table(features):
    table = ViewTable((View("head", "ego", (E4, "other")),))
    source = LmdbSource(features[0], table, fps=15.0)
    assert source.recordings == ("rec", "rec_a") and source.views("rec") == ("head",)
    assert source.unnamed_cameras == (V3,) and source.fps == 15.0
    with pytest.raises(DataError, match="names none of them"):
        LmdbSource(features[0], ViewTable((View("x", "exo", ("nowhere",)),)))


def test_one_view_under_two_cameras(tmp_path):
    cameras = ("HMC_21179183_mono10bit", "HMC_84358933_mono10bit")
    root = write_lmdb(tmp_path, random_recordings(cameras=cameras, lengths={"both": 5}))
    source = LmdbSource(root)
    assert source.views("both") == ("e4",)
    with pytest.raises(DataError, match="twice"):
        source.span("both", "e4")


def test_fingerprint_tells_layouts_apart(features, tmp_path):
    source = LmdbSource(features[0])
    assert source.fingerprint() == LmdbSource(features[0]).fingerprint()
    others = [
        write_lmdb(tmp_path / "dim", random_recordings(dim=6, lengths={"rec": 5})),
        write_lmdb(tmp_path / "span", random_recordings(dim=5, lengths={"rec": 6})),
        write_lmdb(tmp_path / "name", random_recordings(dim=5, lengths={"red": 5})),
        write_lmdb(tmp_path / "start", random_recordings(dim=5, lengths={"rec": 5}, first=2)),
        write_lmdb(tmp_path / "base", random_recordings(dim=5, lengths={"rec": 5})),
    ]
    assert len({LmdbSource(root).fingerprint() for root in others}) == len(others)


def test_truncated_at_every_page(features, tmp_path):
    root = shutil.copytree(features[0], tmp_path / "copy")
    path = root / V3 / "data.mdb"
    whole = path.read_bytes()
    for size in {*range(0, len(whole), 4096), 1, 17, 4097, len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"data\.mdb.*(cut short|damaged)") as caught:
            LmdbSource(root)
        assert str(path) in str(caught.value)


def test_garbage_is_no_environment(tmp_path):
    (tmp_path / V3).mkdir()
    (tmp_path / V3 / "data.mdb").write_bytes(b"PK\x03\x04" * 5000)
    with pytest.raises(DataError, match=r"data\.mdb can't be read as an LMDB environment"):
        LmdbSource(tmp_path)


def test_page_of_zeros(features, tmp_path):
    """A sparse download: the root page is a hole."""
    root = shutil.copytree(features[0], tmp_path / "copy")
    path = root / V3 / "data.mdb"
    pages = bytearray(path.read_bytes())
    for page in range(2, len(pages) // 4096):
        pages[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(pages)
    with pytest.raises(DataError, match=r"data\.mdb can't be read"):
        LmdbSource(root)


def put(root, camera, pairs):
    environment = lmdb.open(str(root / camera), map_size=1 << 24, lock=False)
    with environment.begin(write=True) as transaction:
        for key, value in pairs:
            transaction.put(key, value)
    environment.close()


@pytest.mark.parametrize("value", [b"", bytes(7), bytes(16), bytes(24)])
def test_value_of_another_size(tmp_path, value):
    root = write_lmdb(tmp_path, random_recordings(dim=5, lengths={"rec": 9}, cameras=(V3,)))
    put(root, V3, [(lmdb_key("rec", V3, 4), value)])
    source = LmdbSource(root)
    source.read("rec", "v3", 5, 10)
    with pytest.raises(DataError, match=rf"C10118_rgb_0000000004\.jpg' has {len(value)} bytes.* D = 5 "):
        source.read("rec", "v3", 1, 10)


def test_first_value_is_no_row(tmp_path):
    put(write_lmdb(tmp_path, random_recordings(cameras=(V3,))), V3, [(lmdb_key("rec_a", V3, 1), bytes(6))])
    with pytest.raises(DataError, match="has 6 bytes, which is no row of float32"):
        LmdbSource(tmp_path)


def test_cameras_of_unequal_dim(tmp_path):
    write_lmdb(tmp_path, random_recordings(dim=5, cameras=(V3,)))
    write_lmdb(tmp_path, random_recordings(dim=6, cameras=(E4,)))
    source = LmdbSource(tmp_path)
    assert {view: source.dim(view) for view in source.views("rec_a")} == {"v3": 5, "e4": 6}
    assert source.read("rec_a", "e4", 1, 9).shape == (8, 6) and source.read("rec_a", "v3", 1, 9).shape == (8, 5)


def test_two_cameras_of_a_view_share_its_size(tmp_path):
    write_lmdb(tmp_path, random_recordings(dim=5, cameras=(E4,)))
    write_lmdb(tmp_path, random_recordings(dim=6, cameras=("HMC_21179183_mono10bit",)))
    with pytest.raises(DataError, match=r"view 'e4' must have one feature size, but its cameras have .*6.*5"):
        LmdbSource(tmp_path)


@pytest.mark.parametrize(
    "key",
    [
        b"readme",
        b"rec/C10118_rgb/C10118_rgb_12.jpg",
        b"rec/OTHER/OTHER_0000000001.jpg",
        lmdb_key("rec", V3, 1)[:-3] + b"png",
    ],
)
def test_key_of_another_form(tmp_path, key):
    root = write_lmdb(tmp_path, random_recordings(cameras=(V3,), lengths={"rec": 3}))
    put(root, V3, [(key, bytes(24))])
    with pytest.raises(DataError, match=key.decode().replace(".", r"\.")):
        source = LmdbSource(root)
        source.missing_runs("rec", V3)


def test_empty_environment(tmp_path):
    (tmp_path / V3).mkdir()
    put(tmp_path, V3, [])
    with pytest.raises(DataError, match="holds no keys"):
        LmdbSource(tmp_path)


@pytest.mark.parametrize("span", [Span(1, 59), Span(0, 58), Span(1, 57), Span(2, 58), Span(20, 21)])
def test_spans_of_an_index_are_compared_with_the_keys(features, span):
    source = LmdbSource(features[0])
    right = make_index(source)
    assert open_source(features[0], index=right).fingerprint() == source.fingerprint()
    wrong = replace(right, where="old.json", spans={**right.spans, "rec": {**right.spans["rec"], V3: span}})
    message = rf"old\.json says that recording rec has frames \[{span.first}, {span.end}\) in {V3}, but .* \[1, 58\)"
    with pytest.raises(DataError, match=message):
        open_source(features[0], index=wrong)
    with pytest.raises(DataError, match=message):
        open_source(features[0], index=Index(where="old.json", kind="statistics", spans={"rec": {V3: span}}))


def test_an_index_without_a_recording_is_refused_and_an_old_pickle_is_not(features):
    right = make_index(LmdbSource(features[0]))
    less = replace(right, where="less.json", spans={**right.spans, "gone": {V3: Span(0, 9)}})
    with pytest.raises(DataError, match=r"gone has frames \[0, 9\) in .*, but .* has no frames"):
        open_source(features[0], index=less)
    assert open_source(features[0], index=replace(right, kind="statistics", entries={}))


def test_index_that_no_longer_fits(features):
    index = Index(where="old.json", kind="lmdb", spans={"rec": {V3: Span(1, 5)}}, entries={V3: 4})
    with pytest.raises(DataError, match=r"old\.json was made when it had 4.*viewloom index"):
        open_source(features[0], index=index)


def test_frames_by_keys_alone(features):
    environment = open_environment(features[0] / E4)
    np.testing.assert_array_equal(environment.frames("rec", 0, 12), [4, 5, 6, 9, 10, 11])
    np.testing.assert_array_equal(environment.frames("rec", 54, 90), [])
    np.testing.assert_array_equal(environment.frames("zzz", 0, 90), [])


def resident_mib(path):
    """Resident memory of the file's mappings in this process."""
    text = Path("/proc/self/smaps").read_text()
    mapping = re.compile(rf"{re.escape(str(path))}\n(?:\w+: .*\n)*?Rss: +(\d+) kB")
    return sum(int(kib) for kib in mapping.findall(text)) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is given back on Linux only")
def test_pages_that_were_read_are_given_back(tmp_path, monkeypatch):
    recordings = random_recordings(dim=2048, lengths={"rec": 900}, cameras=("C10118_rgb",))
    source = LmdbSource(write_lmdb(tmp_path, recordings))
    first, x_TD, _ = recordings["rec"]["C10118_rgb"]
    np.testing.assert_array_equal(source.read("rec", "v3", first, first + 900), x_TD)
    file = (tmp_path / "C10118_rgb" / "data.mdb").resolve()
    assert resident_mib(file) > 7  # 7 MiB of values
    monkeypatch.setattr("viewloom.features.lmdb.RESIDENT_BYTES", 3 << 20)
    np.testing.assert_array_equal(source.read("rec", "v3", first, first + 900), x_TD)
    assert resident_mib(file) < 1
    np.testing.assert_array_equal(source.read("rec", "v3", first, first + 900), x_TD)


def test_a_key_that_went_away_while_reading_is_an_error(tmp_path):
    recordings = random_recordings(lengths={"rec": 30}, cameras=("C10118_rgb",))
    source = LmdbSource(write_lmdb(tmp_path, recordings))
    environment = source.environment("C10118_rgb")
    row = np.empty((5, 6), np.float32)
    for start in (0, 27, 31):
        with pytest.raises(DataError, match=rf"not every frame in \[{start}, {start + 5}\) of rec has a key"):
            environment.read_run("rec", start, row)
