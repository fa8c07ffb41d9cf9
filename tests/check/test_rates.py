"""The check on views of their own sizes and rates: what it says of them, every stored frame, and views out of step."""

import json

import numpy as np
import pytest

from tests.features.stores import write_lmdb, write_npy
from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import FaultConfig, SimulateConfig

VIEWS = {"cam": {"kind": "exo"}, "fast": {"kind": "ego", "fps": 60}, "slow": {"kind": "ego", "fps": 20}}
FRAMES = {"cam": 120, "fast": 240, "slow": 80}
DIMS = {"cam": 70, "fast": 80, "slow": 90}


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return {v: rng.gamma(1.0, 0.4, (frames, DIMS[v])).astype(np.float32) for v, frames in FRAMES.items()}


def write(root, write_store, first=0, missing=(), **changed):
    """Two recordings; of ``r1`` some views are changed, and stored frames of ``slow`` left out."""
    recordings = {
        name: {v: (first, x_TD, missing if (name, v) == ("r1", "slow") else ()) for v, x_TD in rows(place).items()}
        for place, name in enumerate(("r0", "r1"))
    }
    for view, x_TD in changed.items():
        recordings["r1"][view] = first, x_TD, ()
    write_store(root / "features", recordings)
    (root / "views.yaml").write_text(json.dumps({"views": VIEWS}))
    (root / "dataset.yaml").write_text("fps: 30\naxes: dt\n")
    return str(root)


def finding(report, start):
    return next(f for f in report.findings if f.title.startswith(start))


def test_sizes_and_rates_are_among_the_facts(tmp_path):
    facts = check(CheckConfig(data=write(tmp_path, write_npy))).facts
    assert facts["Features"]["feature size"] == "cam 70, fast 80, slow 90"
    assert facts["Features"]["stored at"] == "fast 60 fps, slow 20 fps; read at the nearest frame"
    assert facts["Features"]["fps"] == "30"
    assert facts["Frames"]["recordings"] == 2


@pytest.mark.parametrize("frame", [100, 101])
def test_a_broken_frame_that_no_clock_shows_is_found(tmp_path, frame):
    """At 60 fps beside 30 every other stored frame is skipped in reading; the check reads them all."""
    x_TD = rows(1)["fast"]
    x_TD[frame, 3] = np.inf
    report = check(CheckConfig(data=write(tmp_path, write_npy, fast=x_TD), depth="full"))
    assert finding(report, "NaN or infinite").offenders == (f"r1 fast (1 frames, first {frame})",)


def test_missing_frames_count_as_stored_at_any_depth(tmp_path):
    data = write(tmp_path, write_lmdb, first=1, missing=range(30, 41))
    for depth in ("sample", "full"):
        report = check(CheckConfig(data=data, depth=depth))
        assert finding(report, "Missing frames").offenders == ("r1 slow (11 frames)",)


@pytest.mark.parametrize(("rates", "late"), [("e4=20", 6.0), ("v3=60,e4=25", 6.0), ("e4=12", 5.0), ("e4=20", 0.0)])
def test_injected_offsets_are_found_between_rates(tmp_path, rates, late):
    """Six frames at 30 fps are two and a half at 12, of which two are whole."""
    faults = FaultConfig(offset_frames=6 if late else 0)
    sizes = {"dims": "v3=48,e4=32", "rates": rates}
    run_simulate(SimulateConfig(out=str(tmp_path / "s"), recordings=3, pace=6.0, faults=faults, **sizes))
    report = check(CheckConfig(data=str(tmp_path / "s")))
    assert len(report.offsets) == 3 and all(offset["reliable"] for offset in report.offsets)
    assert all(abs(offset["exact_frames"] - late) < 1 for offset in report.offsets), report.offsets
    assert any("out of step" in f.title for f in report.findings) == bool(late)
