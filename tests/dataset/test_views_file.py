"""`views.yaml` is read by itself where it lies in a data set's folder, or in or beside that of the features."""

from pathlib import Path

import numpy as np
import pytest

from tests.features.stores import write_npy
from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.dataset.indexing import run_index
from viewloom.dataset.opening import open_dataset, open_features
from viewloom.dataset.packing import run_pack
from viewloom.dataset.settings import DataConfig
from viewloom.features.settings import IndexConfig, PackConfig
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import SimulateConfig

TABLE = "views: {left: {kind: exo, cameras: [a]}, hand: {kind: ego, cameras: [b], fps: 20, start_s: 0.5, dim: 4}}\n"
OTHER = "views: {links: {cameras: [a]}, rechts: {cameras: [b], fps: 10}}\n"
LEFT_AND_HAND = {"left": None, "hand": (20.0, 0.5)}


def write_features(folder: Path) -> Path:
    """One recording of 60 frames in a and 40 in b, of other sizes."""
    rng = np.random.default_rng(0)
    sizes = {"a": (60, 6), "b": (40, 4)}
    rows = {camera: (0, rng.normal(size=size).astype(np.float32), ()) for camera, size in sizes.items()}
    return write_npy(folder, {"r": rows})


def timings(source) -> dict:
    return {view: source.timing(view) for view in source.views("r")}


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    write_features(root / "features")
    (root / "dataset.yaml").write_text("fps: 30\naxes: dt\n")
    return root


@pytest.mark.parametrize("opened", ["the data set", "a plain folder"])
@pytest.mark.parametrize("place", ["views.yaml", "features/views.yaml"])
def test_the_table_is_found(data, place, opened):
    (data / place).write_text(TABLE)
    where = str(data / "features" if opened == "a plain folder" else data)
    source = open_features(where, fps=30, axes="dt")
    assert timings(source) == LEFT_AND_HAND
    assert source.span("r", "hand") == (15, 75)
    again = open_dataset(DataConfig(data=where, fps=30, axes="dt"), with_splits=False).source
    assert again.fingerprint() == source.fingerprint()


def test_a_file_that_is_named_wins(data):
    (data / "views.yaml").write_text(TABLE)
    (data / "other.yaml").write_text(OTHER)
    named = {"links": None, "rechts": (10.0, 0.0)}
    assert timings(open_features(str(data), views_file=str(data / "other.yaml"))) == named
    (data / "dataset.yaml").write_text("fps: 30\naxes: dt\nviews_file: other.yaml\n")
    assert timings(open_features(str(data))) == named
    assert timings(open_features(str(data), views_file=str(data / "views.yaml"))) == LEFT_AND_HAND


def test_features_named_apart_bring_their_own(data, tmp_path):
    """Their rates are those of other files; without a table of theirs, the data set's holds."""
    (data / "views.yaml").write_text(TABLE)
    other = write_features(tmp_path / "other" / "features")
    config = DataConfig(data=str(data), features=str(other))
    assert timings(open_dataset(config, with_splits=False).source) == LEFT_AND_HAND
    (tmp_path / "other" / "views.yaml").write_text(OTHER)
    assert timings(open_dataset(config, with_splits=False).source) == {"links": None, "rechts": (10.0, 0.0)}


def test_a_packed_store_knows_by_itself(data, tmp_path):
    (data / "views.yaml").write_text(TABLE)
    store = tmp_path / "packs" / "store"
    run_pack(PackConfig(data=str(data), out=str(store), dtype="float32"))
    assert timings(open_features(str(store))) == LEFT_AND_HAND
    (store.parent / "views.yaml").write_text(OTHER)
    assert timings(open_features(str(store))) == LEFT_AND_HAND
    (data / "views.yaml").write_text("views: {one: {cameras: [a]}, two: {cameras: [b]}}\n")
    named = open_dataset(DataConfig(data=str(data), features=str(store)), with_splits=False).source
    assert timings(named) == {"one": None, "two": (20.0, 0.5)}, "a new name leaves the rate as it was packed"


def test_index_and_check_read_it(data):
    (data / "views.yaml").write_text(TABLE)
    index = run_index(IndexConfig(data=str(data), out=str(data / "index.json")))
    assert (index.views, index.dims) == ({"a": "left", "b": "hand"}, {"a": 6, "b": 4})
    facts = check(CheckConfig(data=str(data))).facts["Features"]
    assert facts["feature size"] == "left 6, hand 4"
    assert facts["stored at"] == "hand 20 fps from 0.5 s; read at the nearest frame"


def test_check_puts_the_spans_of_an_index_on_the_clock(data):
    """With the features there, and where only their index is."""
    (data / "views.yaml").write_text(TABLE)
    run_index(IndexConfig(data=str(data), out=str(data / "index.json")))
    (data / "labels.csv").write_text("recording,start,end,label\nr,0,75,x\n")
    for _ in range(2):
        report = check(CheckConfig(data=str(data), layout="table", index=str(data / "index.json")))
        assert not [f for f in report.findings if f.title.startswith("Labels past the end")]
        lacking = next(f for f in report.findings if f.title.startswith("Labels outside the frames of some view"))
        assert lacking.offenders == ("r: left lacks 15, hand lacks 15",)
        for path in (data / "features").rglob("*.npy"):
            path.unlink()


@pytest.mark.parametrize("layout", ["assembly101", "npy"])
def test_what_the_simulator_says_is_read(tmp_path, layout):
    config = SimulateConfig(
        out=str(tmp_path / "s"), layout=layout, recordings=2, pace=12.0, dims="v3=12,e4=8", rates="e4=20"
    )
    run_simulate(config)
    source = open_dataset(DataConfig(data=str(tmp_path / "s")), with_splits=False).source
    assert (source.fps, source.timing("v3"), source.timing("e4")) == (30.0, None, (20.0, 0.0))
    assert (source.dim("v3"), source.dim("e4")) == (12, 8)
    for name in source.recordings:
        spans = {view: source.span(name, view) for view in ("v3", "e4")}
        assert spans["v3"].first == spans["e4"].first
        assert abs(spans["v3"].end - spans["e4"].end) <= 1, "both run to the recording's end"
