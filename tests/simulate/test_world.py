"""The extractor's statistics are those of real features, and the numbers never change by accident."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from tests.simulate.sample_statistics import REAL, feature_statistics
from viewloom.simulate.run import compute, draw_worlds, make_script
from viewloom.simulate.settings import SimulateConfig
from viewloom.simulate.world import make_worlds

TOLERANCE = {
    "mean": 0.05,
    "sd": 0.06,
    "zeros": 0.025,
    "rms": 0.08,
    "moving": 0.005,
    "lag_1": 0.03,
    "lag_2": 0.04,
    "lag_5": 0.09,
    "lag_10": 0.11,
    "lag_20": 0.09,
    "cosine_1": 0.002,
    "cosine_50": 0.02,
    "pc_50": 1.0,
    "pc_90": 2.0,
    "pc_99": 8.0,
}
"""How far the mean over fixed cameras may be from the real sample, which is one stretch of one camera."""

VIEWS = ("v1", "v3", "v5", "v7", "e4")


def features(config: SimulateConfig, count: int = 2) -> dict[str, np.ndarray]:
    """Features of each view, the first recordings end to end."""
    script, worlds = make_script(config), draw_worlds(config)
    found = [compute(config, script, worlds, timeline) for timeline in script.timelines[:count]]
    return {view: np.concatenate([one[view] for one in found]) for view in worlds}


@pytest.fixture(scope="module")
def simulated() -> dict[str, np.ndarray]:
    return features(SimulateConfig(out="unused", recordings=2, views=",".join(VIEWS)))


def test_statistics_are_those_of_the_real_sample(simulated):
    rows = [asdict(feature_statistics(x)) for view, x in simulated.items() if view[0] == "v"]
    missed = {
        name: (round(float(np.mean([row[name] for row in rows])), 4), real)
        for name, real in asdict(REAL).items()
        if abs(np.mean([row[name] for row in rows]) - real) > TOLERANCE[name]
    }
    assert not missed


@pytest.mark.parametrize(("dim", "world"), [(16, 0), (512, 3)])
def test_sizes_of_features_hold_at_any_dimension_and_world(dim, world):
    found = features(SimulateConfig(out="unused", recordings=1, views="v2,v3,v6,v8", dim=dim, world=world), 1)
    rows = [feature_statistics(x) for x in found.values()]
    # Sixteen features are few draws of a heavy-tailed profile; the bounds are wide for them.
    slack = 2.5 if dim == 16 else 1.5
    for name in ("mean", "sd", "zeros", "rms"):
        value = np.mean([getattr(row, name) for row in rows])
        assert value == pytest.approx(getattr(REAL, name), abs=slack * TOLERANCE[name]), name


def test_real_figures_are_those_of_the_real_sample(assembly101):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(assembly101 / "TSM_sample/C10118_rgb"), readonly=True, lock=False) as store, store.begin() as t:
        x_TD = np.stack([np.frombuffer(value, "<f4") for _, value in t.cursor()])
    for name, value in asdict(feature_statistics(x_TD)).items():
        assert value == pytest.approx(asdict(REAL)[name], abs=0.0006), name


def test_features_are_finite_and_never_negative(simulated):
    for view, x_TD in simulated.items():
        assert x_TD.dtype == np.float32, view
        assert np.isfinite(x_TD).all() and (x_TD >= 0).all(), view


def test_ego_is_noisier():
    """The part that changes from frame to frame beyond the smooth course, as differences of second order."""
    found = features(SimulateConfig(out="unused", recordings=1), 1)
    rough = {view: np.diff(x, 2, axis=0).std() / x.std(axis=0).mean() for view, x in found.items()}
    assert rough["e4"] > rough["v3"]


def test_world_is_its_seed():
    one, same, other = make_worlds(5, [16])[16], make_worlds(5, [16])[16], make_worlds(6, [16])[16]
    assert one.hash == same.hash != other.hash
    np.testing.assert_array_equal(one.out, same.out)


def test_hash_sees_every_array():
    world = make_worlds(0, [8])[8]
    for name in ("mix", "mix_bias", "out", "offset", "rounding", "noise"):
        assert replace(world, **{name: 1.1 * getattr(world, name)}).hash != world.hash, name
    optics = {**world.optics, "e4": world.optics["v3"]}
    assert replace(world, optics=optics).hash != world.hash


def test_views_share_their_moments_but_not_their_level():
    """Changes of two synchronised views go together; their mean pictures differ by more than they move."""
    found = features(SimulateConfig(out="unused", recordings=1, views="v3,v4,e4"), 1)
    speed = {view: np.linalg.norm(np.diff(x[::5], axis=0), axis=1) for view, x in found.items()}
    for other in ("v4", "e4"):
        together = np.corrcoef(speed["v3"], speed[other])[0, 1]
        apart = np.corrcoef(speed["v3"], np.roll(speed[other], 100))[0, 1]
        assert together > apart + 0.2, other
        level = np.linalg.norm(found["v3"].mean(axis=0) - found[other].mean(axis=0))
        assert level > np.sqrt(found["v3"].var(axis=0).sum()), other


def test_views_have_noise_of_their_own(monkeypatch):
    """Shared noise would tell a method learning from pairs what no two real cameras share."""
    from viewloom.simulate import world as module

    drawn, draw = [], module._noise
    monkeypatch.setattr(module, "_noise", lambda *args: drawn.append(draw(*args)) or drawn[-1])
    features(SimulateConfig(out="unused", recordings=1, dim=8, pace=10.0), 1)
    one, other = drawn
    assert one.std() == pytest.approx(1, abs=0.1)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05
