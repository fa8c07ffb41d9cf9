"""Delays in seconds, at edges, holes and steps of any length; components of delayed copies, plainly computed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.methods.made import VIEWS, make_method, view_batch, x_of
from tests.methods.reference_closed import canonical, delayed
from viewloom.errors import ConfigError
from viewloom.methods.closed_settings import DelayCCAConfig
from viewloom.methods.delay_cca import DelayRefiner, delayed_places
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.methods.settings import CCAConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window

DelayCCA = METHODS.get("delay_cca")
PLAIN = {"standardise": "none", "strength": 0.01, "scale": "unit"}


def refiner_of(config, dim=3, step_s=1.0):
    refiner = DelayRefiner("delay_cca", dim, VIEWS[:2], config)
    refiner.set_step(step_s)
    return refiner


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    mask=st.lists(st.booleans(), min_size=1, max_size=14).filter(any),
    taps=st.integers(1, 6),
    stride_s=st.floats(0.1, 3.0),
    step_s=st.floats(0.2, 2.0),
    causal=st.booleans(),
    padding=st.integers(0, 5),
)
def test_copies_are_the_nearest_valid_steps(mask, taps, stride_s, step_s, causal, padding):
    config = DelayCCAConfig(taps=taps, stride_s=stride_s, causal=causal)
    x_TK, mask_T = np.random.default_rng(len(mask)).normal(size=(len(mask), 3)), np.array(mask)
    wanted = delayed(x_TK, mask_T, step_s, taps, stride_s, causal)
    padded_BTK = torch.zeros(1, len(mask) + padding, 3, dtype=torch.float64)
    padded_BTK[0, : len(mask)] = torch.from_numpy(x_TK)
    mask_BT = torch.zeros(1, len(mask) + padding, dtype=torch.bool)
    mask_BT[0, : len(mask)] = torch.from_numpy(mask_T)
    found = refiner_of(config).double().expand(padded_BTK, mask_BT, 0, step_s)[0, : len(mask)]
    np.testing.assert_allclose(found[mask_T].numpy(), wanted[mask_T])


def test_causal_copies_are_never_later():
    mask_BT = torch.tensor([[False, True, False, False, True, True, False, True]])
    places_BTN = delayed_places(mask_BT, torch.tensor([[-3, -2, -1, 0]]), causal=True)
    now = mask_BT[0].nonzero()[:, 0]
    assert (places_BTN[0, now] <= now[:, None]).all() and mask_BT[0, places_BTN[0, now]].all()


def test_one_view_out_of_two_is_found_later():
    """The second view lags by two steps: delays find it, single steps do not."""
    generator = torch.Generator().manual_seed(0)
    scene_TL = torch.randn(602, 3, generator=generator)
    x_VTD = torch.stack([scene_TL[2:], scene_TL[:-2]]) + 0.1 * torch.randn(2, 600, 3, generator=generator)
    windows = tuple(Window(f"r{row}", "x", 0, 150, 1) for row in range(4))
    parts = x_VTD.view(2, 4, 150, 3).transpose(0, 1)
    batch = ViewBatch.stacked(parts, torch.ones(4, 2, 150, dtype=torch.bool), windows, VIEWS[:2])
    delays = make_method("delay_cca", DelayCCAConfig(out_dim=3), 3, 2, batch)
    plain = make_method("cca", CCAConfig(out_dim=3), 3, 2, batch)
    found = {}
    for name, method in {"delays": delays, "plain": plain}.items():
        z = [method.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v])[0, 5:-5] for v in range(2)]
        found[name] = np.mean([np.corrcoef(z[0][:, i], z[1][:, i])[0, 1] for i in range(3)])
    assert found["delays"] > 0.9 and abs(found["plain"]) < 0.4


@pytest.mark.parametrize(("dims", "causal"), [((5, 4), False), ((4, 3, 5), True)])
def test_components_are_those_of_delayed_copies(dims, causal):
    batch = view_batch((90, 70), dims, len(dims), holes=False, dtype=torch.float64)
    config = DelayCCAConfig(**PLAIN, taps=3, stride_s=2.0, out_dim=4, causal=causal)
    method = make_method("delay_cca", config, dims, len(dims), batch).double()
    copies = [
        [delayed(x_of(batch, v)[row, :n].numpy(), np.ones(n), 1.0, 3, 2.0, causal) for row, n in enumerate((90, 70))]
        for v in range(len(dims))
    ]
    stacked = [np.concatenate(each) for each in copies]
    maps, _ = canonical(stacked, 0.01, 4)
    for v, view in enumerate(VIEWS[: len(dims)]):
        mask_BT = batch.mask_BVT[:, v]
        found = method.encode(x_of(batch, v), mask_BT, view)[mask_BT].numpy()
        wanted = (stacked[v] - stacked[v].mean(0)) @ maps[v]
        signs = np.sign((found * wanted).sum(0))
        np.testing.assert_allclose(found, wanted * signs, atol=1e-4)


def test_principal_components_come_first_and_are_of_each_view():
    dims = (12, 9)
    batch = view_batch((90, 70), dims, 2, holes=False, dtype=torch.float64)
    config = DelayCCAConfig(**PLAIN, taps=3, stride_s=1.0, out_dim=3, pca_dim=4)
    method = make_method("delay_cca", config, dims, 2, batch).double()
    assert method.passes == 2 and method.refiner.mapped == (12, 12)
    mask_BT, stacked = batch.mask_BVT[:, 0], []
    for v in range(2):
        x_ND = x_of(batch, v)[mask_BT].numpy()
        components = np.linalg.svd(x_ND - x_ND.mean(0), full_matrices=False)[2][:4].T
        rows = [(x_of(batch, v)[r, :n].numpy() - x_ND.mean(0)) @ components for r, n in enumerate((90, 70))]
        stacked.append(np.concatenate([delayed(row, np.ones(len(row)), 1.0, 3, 1.0) for row in rows]))
    maps, _ = canonical(stacked, 0.01, 3)
    for v in range(2):
        found = method.encode(x_of(batch, v), mask_BT, VIEWS[v])[mask_BT].numpy()
        wanted = (stacked[v] - stacked[v].mean(0)) @ maps[v]
        np.testing.assert_allclose(found, wanted * np.sign((found * wanted).sum(0)), atol=1e-3)


def test_steps_of_another_length_take_their_own_delays(tmp_path):
    """Twice as fine steps, every second one of them: what the coarse ones gave, away from the ends."""
    batch = view_batch((60, 50), 5, 2, holes=False)
    method = DelayCCA(5, VIEWS[:2], DelayCCAConfig(taps=3, stride_s=2.0, out_dim=3))
    method.set_clock(fps=10, chunk_frames=20)
    batch.windows = tuple(Window(w.recording, w.item, 0, 20 * w.end, 20) for w in batch.windows)
    method.show_all(lambda: [batch])
    save_refiner(method.refiner, tmp_path / "refiner.safetensors")
    refiner = load_refiner(tmp_path / "refiner.safetensors")
    assert refiner.step_s == 2.0 and refiner.timed
    x_1TD = x_of(batch, 0)[:1, :60]
    fine_1TD, mask_1T = x_1TD.repeat_interleave(2, dim=1), torch.ones(1, 120, dtype=torch.bool)
    coarse = refiner.encode(x_1TD, mask_1T[:, :60], "v3")
    torch.testing.assert_close(refiner.encode(fine_1TD, mask_1T, "v3", 1.0)[:, ::2], coarse)
    rows = refiner.encode(fine_1TD.repeat(2, 1, 1), mask_1T.repeat(2, 1), "v3", torch.tensor([1.0, 2.0]).double())
    torch.testing.assert_close(rows[:1], refiner.encode(fine_1TD, mask_1T, "v3", 1.0))
    torch.testing.assert_close(rows[1:], refiner.encode(fine_1TD, mask_1T, "v3"))
    assert not torch.allclose(rows[0], rows[1])


def test_windows_of_other_steps_are_learned_from_in_seconds():
    """A batch whose rows have steps of their own lengths gives what its rows give one by one."""
    batch = view_batch((60, 50), 5, 2)
    batch.windows = tuple(
        Window(w.recording, w.item, 0, chunk * w.end, chunk) for w, chunk in zip(batch.windows, (1, 3), strict=True)
    )
    method = DelayCCA(5, VIEWS[:2], DelayCCAConfig(**PLAIN, taps=3, stride_s=3.0))
    method.set_clock(fps=1.0, chunk_frames=1)
    expanded = method._expanded(batch)["v3"]
    for row, shift in enumerate((3, 1)):
        torch.testing.assert_close(expanded[row, shift, :5], batch.valid("v3")[row, 0])
        torch.testing.assert_close(expanded[row, 10, 10:], batch.valid("v3")[row, 10 + shift])


def test_stride_is_half_a_second_or_a_step():
    assert refiner_of(DelayCCAConfig(), step_s=0.1).delays(0.1).tolist() == [[-10, -5, 0, 5, 10]]
    assert refiner_of(DelayCCAConfig(), step_s=0.7).delays(0.7).tolist() == [[-2, -1, 0, 1, 2]]
    assert refiner_of(DelayCCAConfig(), step_s=0.7).delays(0.35).tolist() == [[-4, -2, 0, 2, 4]]
    assert refiner_of(DelayCCAConfig(causal=True, taps=3), step_s=0.5).delays(0.5).tolist() == [[-2, -1, 0]]
    assert refiner_of(DelayCCAConfig(taps=2, stride_s=1.0)).delays(1.0).tolist() == [[-1, 1]]
    third = 1 / 3  # half a step, however it was rounded, goes both ways alike
    assert refiner_of(DelayCCAConfig(taps=3, stride_s=0.5)).delays(third).tolist() == [[-2, 0, 2]]


@pytest.mark.parametrize("wrong", [{"taps": 0}, {"stride_s": 0.0}, {"pca_dim": -1}, {"out_dim": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        DelayCCAConfig(**wrong)


def test_nothing_to_find_beforehand_takes_one_pass():
    assert DelayCCA(5, VIEWS[:2], DelayCCAConfig(standardise="none")).passes == 1
    assert DelayCCA(65, VIEWS[:2], DelayCCAConfig(standardise="none")).passes == 2
    with pytest.raises(ConfigError, match="only 25 features"):
        DelayCCA(5, VIEWS[:2], DelayCCAConfig(out_dim=26))
