"""Pooling while reading, from every store, against reading all frames and pooling them: the same bits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windows.reading import pool_valid, pooled_window, read_window
from viewloom.dataset.packing import run_pack
from viewloom.errors import DataError
from viewloom.features import pooling as pooling_module
from viewloom.features.base import frame_dim, pooled_dim
from viewloom.features.opening import open_source
from viewloom.features.pooling import pool_rows
from viewloom.features.settings import PackConfig
from viewloom.windows.batch import Window
from viewloom.windows.sampling import Sampling

from .stores import write_lmdb, write_npy

CAMERA = "C10118_rgb"
VIEW = "v3"
POOLINGS = ("max", "mean", "both", "first")
KINDS = ("npy", "lmdb", "float16", "float32")


def features(frames, dim, seed, sign=1.0):
    """Numbers that float16 holds, ``sign`` < 0 with some negative, a fifth of them zeros of either sign."""
    rng = np.random.default_rng(seed)
    x_TD = rng.gamma(1.0, 0.4, (frames, dim)) * np.where(rng.random((frames, dim)) < 0.5, 1.0, sign)
    x_TD[rng.random((frames, dim)) < 0.1] = 0.0
    x_TD[rng.random((frames, dim)) < 0.1] = -0.0
    x_TD[rng.random((frames, dim)) < 0.05] *= 2.0**-20  # subnormal as float16
    return x_TD.astype(np.float16).astype(np.float32)


def write_store(kind, root, x_TD, missing=()):
    """A store of one recording ``r`` in one view."""
    if kind == "npy":
        return open_source(write_npy(root / kind, {"r": {CAMERA: (0, x_TD, missing)}}), axes="dt", fps=30)
    lmdb = write_lmdb(root / "lmdb", {"r": {CAMERA: (1, x_TD, missing)}})
    if kind != "lmdb":
        run_pack(PackConfig(data=str(lmdb), out=str(root / kind), dtype=kind, workers=0, verify=False))
    return open_source(root / kind)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """{(kind, sign): source}: 331 frames with holes at both ends, at a chunk's edge, and over whole chunks."""
    missing = (1, 2, 57, 58, 120, *range(200, 231), 329)
    return {
        (kind, sign): write_store(
            kind, tmp_path_factory.mktemp(f"{kind}{int(sign)}"), features(331, 7, 0, sign), missing
        )
        for kind in KINDS
        for sign in (1.0, -1.0)
    }


def assert_same(found, expected):
    (features_SD, mask_S, lacking), (x_TD, expected_lacking, chunk, pooling) = found, expected
    pooled_SD, expected_mask_S = pool_valid(x_TD, chunk, pooling)
    assert features_SD.tobytes() == pooled_SD.tobytes()
    np.testing.assert_array_equal(mask_S, expected_mask_S)
    assert lacking == expected_lacking


def check(source, window, config):
    """`pooled_window` against the slow way: the same bits, or an error from both."""
    try:
        x_TD, lacking = read_window(source, window, VIEW, config)
    except DataError as error:
        with pytest.raises(DataError) as caught:
            pooled_window(source, window, VIEW, config)
        return str(error), str(caught.value)
    expected = x_TD, lacking, window.chunk_frames, config.pooling
    assert_same(pooled_window(source, window, VIEW, config), expected)
    return None


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("kind", KINDS)
@given(
    start=st.integers(-30, 340),
    frames=st.integers(1, 400),
    chunk=st.integers(1, 45),
    policy=st.sampled_from(["mask", "nearest", "error"]),
    within=st.integers(0, 20),
    block=st.sampled_from([1, 2000, 1 << 20]),
    pooling=st.sampled_from(POOLINGS),
)
@settings(max_examples=60, deadline=None)
def test_pooling_while_reading_equals_reading_and_pooling(
    stores, kind, sign, start, frames, chunk, policy, within, block, pooling
):
    config = Sampling(missing_frames=policy, nearest_within_frames=within, pooling=pooling)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stores[kind, sign]), "block_bytes", block)
        check(stores[kind, sign], Window("r", "r", start, start + frames, chunk), config)


def test_zeros_come_out_positive_whichever_frame_comes_first():
    for x_TD in ([[-0.0], [0.0]], [[0.0], [-0.0]], [[-0.0], [-0.0]], [[-1.0], [-0.0]]):
        for kind in (np.float32, np.float16):
            for pooling in ("max", "mean"):
                x_SD, _ = pool(torch.tensor(x_TD * 3).numpy().astype(kind), 2, pooling)
                assert not np.signbit(x_SD[x_SD == 0]).any()
                assert (x_SD == 0).all() or pooling == "mean"


def pool(x_TD, chunk, pooling="max"):
    return tuple(found.numpy() for found in pooling_module.pool(torch.from_numpy(x_TD), chunk, pooling))


@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_every_float16_is_ordered_and_widened_right(chunk, steps, seed):
    finite = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = finite[np.isfinite(finite)]
    x_TD = np.random.default_rng(seed).choice(finite, (chunk * steps, 64))
    for rows in (x_TD, np.abs(x_TD)):
        assert pool(rows, chunk)[0].tobytes() == pool_valid(rows.astype(np.float32), chunk)[0].tobytes()


def test_all_float16_numbers_survive_widening():
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = bits.view(np.float16)[np.isfinite(bits.view(np.float16))]
    for chosen in (finite, finite[finite > 0], finite[finite < 0]):
        found = pool(chosen[None], 1)[0]
        assert found[0].tobytes() == (chosen.astype(np.float32) + np.float32(0)).tobytes()


def test_widening_is_right_where_the_processor_drops_subnormal_numbers():
    tiny = np.array([[2.0**-24, -(2.0**-24), 3.0]], np.float16)
    flushed = torch.set_flush_denormal(True)
    try:
        found = pool(tiny, 1)[0]
    finally:
        torch.set_flush_denormal(False)
    if not flushed:
        pytest.skip("this processor can't drop subnormal numbers")
    assert found.tolist() == [[2.0**-24, -(2.0**-24), 3.0]]


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_float16_pooling_notices_what_a_packed_store_never_holds(bad):
    x_TD = np.full((6, 3), -1.0, np.float16)
    x_TD[4, 1] = bad
    with pytest.raises(DataError, match=r"1 frame\(s\) hold NaN or infinite"):
        pool_rows(x_TD, 3, "max", "r", 0, checked=True)


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["npy", "lmdb"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("block", [1, 1 << 20])  # bytes: each broken row in a block of its own, or both in one
def test_partly_broken_rows_are_found_while_pooling(tmp_path, monkeypatch, kind, bad, pooling, block):
    x_TD = features(50, 7, 1)
    x_TD[[30, 44], 5] = bad
    source = write_store(kind, tmp_path, x_TD)
    monkeypatch.setattr(type(source), "block_bytes", block)
    first = source.span("r", VIEW).first
    window = Window("r", "r", first, first + 50, 4)
    for policy in ("mask", "nearest", "error"):
        slow, fast = check(source, window, Sampling(missing_frames=policy, pooling=pooling))
        assert slow == fast
        assert "2 frame(s) hold NaN or infinite values" in fast
        assert f"first at frame {first + 30}" in fast


@given(st.integers(1, 40), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**32 - 1), st.sampled_from(POOLINGS))
def test_pooling_rows_tells_which_are_missing(frames, chunk, share, seed, pooling):
    rng = np.random.default_rng(seed)
    x_TD = features(frames, 4, seed, -1.0)
    holes = np.flatnonzero(rng.random(frames) < share)
    x_TD[holes] = rng.choice([np.nan, -np.nan])
    x_SZ, mask_S, missing = pool_rows(x_TD, chunk, pooling, "r", 100)
    assert missing.tolist() == (holes + 100).tolist()
    expected_SZ, expected_S = pool_valid(x_TD, chunk, pooling)
    assert x_SZ.numpy().tobytes() == expected_SZ.tobytes()
    assert mask_S.tolist() == expected_S.tolist()


@given(
    st.integers(1, 90),
    st.integers(1, 70),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_a_mean_adds_up_frame_after_frame_over_the_frames_there_are(frames, chunk, dim, share, seed, columns):
    """Whatever the shape and the order in memory, down to a single column, which numpy alone adds up in pairs."""
    rng = np.random.default_rng(seed)
    x_TD = rng.normal(size=(frames, dim)).astype(np.float32)
    x_TD[rng.random(frames) < share] = np.nan
    expected = np.zeros((-(-frames // chunk), dim), np.float32)
    for step in range(len(expected)):
        rows = [row for row in x_TD[step * chunk : (step + 1) * chunk] if not np.isnan(row[0])]
        total = np.zeros(dim, np.float32)
        for row in rows:
            total = (total + row).astype(np.float32)
        expected[step] = total / np.float32(max(1, len(rows))) + np.float32(0)
    order = np.asfortranarray(x_TD) if columns else x_TD
    x_SD, mask, _ = pool_rows(order, chunk, "mean", "r", 0)
    found, mask_S = x_SD.numpy(), mask.numpy()
    assert found.tobytes() == expected.tobytes()
    both = pool_rows(order, chunk, "both", "r", 0)[0].numpy()
    assert both.tobytes() == np.concatenate([pool_valid(x_TD, chunk)[0], found], axis=1).tobytes()
    exact = [
        np.nanmean(x_TD[at : at + chunk].astype(np.float64), axis=0)
        for at in range(0, frames, chunk)
        if mask_S[at // chunk]
    ]
    np.testing.assert_allclose(found[mask_S], np.array(exact).reshape(-1, dim), atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_no_more_than_a_block_of_frames_is_held(tmp_path, pooling):
    """The window is 4 MiB as float32; pooled at 100 frames it takes 40 KiB, and a block far less than the window."""
    import tracemalloc

    x_TD = features(2048, 512, 2)
    for kind in ("npy", "lmdb", "float16", "float32"):
        source = write_store(kind, tmp_path / kind, x_TD)
        first = source.span("r", VIEW).first
        window = Window("r", "r", first, first + 2048, 100)
        pooled_window(source, window, VIEW, Sampling(pooling=pooling))
        tracemalloc.start()
        pooled_window(source, window, VIEW, Sampling(pooling=pooling))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.7e6, kind


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_size_of_a_frame_is_found_again_in_that_of_a_step(pooling):
    x_SD, _, _ = pool_rows(np.ones((6, 5), np.float32), 3, pooling, "view v3", 0)
    assert x_SD.shape[1] == pooled_dim(5, pooling)
    assert frame_dim(x_SD.shape[1], pooling) == 5
