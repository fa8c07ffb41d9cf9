"""Methods over sequences, hidden stretches and labelled segments: what is drawn, hidden and held together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.methods.made import VIEWS, make_method, put, select_rows, stacked, view_batch
from viewloom.errors import ConfigError
from viewloom.methods.aligned_settings import MaskedConfig, SoftDTWConfig, TCCConfig, UnseenViewsConfig
from viewloom.methods.masked_crossview import hidden_stretches
from viewloom.methods.sequences import as_sequences, pair_up, sampled_places
from viewloom.metrics.kendall import sequence_tau
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window

SEQUENCE = [("tcc", TCCConfig), ("soft_dtw", SoftDTWConfig)]
BOTH = pytest.mark.parametrize(("name", "config"), SEQUENCE)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(there=st.lists(st.booleans(), min_size=1, max_size=40), most=st.integers(2, 12), phase=st.floats(0, 0.99))
def test_sampled_steps_are_there_in_order_and_evenly_spaced(there, most, phase):
    there_RT = torch.tensor([there])
    place_RN, exist_RN = sampled_places(there_RT, most, torch.tensor([phase]))
    places, count = place_RN[0, exist_RN[0]].tolist(), sum(there)
    assert len(places) == min(count, most) and places == sorted(set(places)) and all(there[p] for p in places)
    ranks = np.flatnonzero(there).searchsorted(places)
    if count > most:
        assert np.diff(ranks).max() - np.diff(ranks).min() <= 1
    padded = torch.cat([there_RT, torch.zeros(1, 5, dtype=torch.bool)], dim=1)
    assert torch.equal(sampled_places(padded, most, torch.tensor([phase]))[0][exist_RN], place_RN[exist_RN])


def four_windows():
    """Two windows of one recording, and one each of two others."""
    batch = view_batch((9, 12, 5, 7), holes=False)
    names = ("a", "a", "b", "c")
    batch.windows = tuple(Window(name, name, place, place + 9, 1) for place, name in enumerate(names))
    return batch


@pytest.mark.parametrize("pairs", ["recordings", "views", "both"])
def test_pairs_are_of_different_views_and_by_their_rule(pairs):
    batch = four_windows()
    found = as_sequences(stacked(batch), batch.mask_BVT, batch.windows, 6, None)
    first_P, second_P = pair_up(found, pairs, 50, (0, 0))
    same_window = found.window_S[first_P] == found.window_S[second_P]
    same_recording = found.recording_S[first_P] == found.recording_S[second_P]
    assert (found.view_S[first_P] != found.view_S[second_P]).all()
    counts = {"views": 4 * 6, "recordings": 6 * 12 - 12, "both": 4 * 6 + 6 * 12 - 12}
    assert len(first_P) == counts[pairs]
    if pairs == "views":
        assert same_window.all()
    elif pairs == "recordings":
        assert not same_recording.any()
    else:
        assert (same_window | ~same_recording).all() and same_window.any() and not same_recording.all()
    few = pair_up(found, pairs, 2, (0, 0))[0]
    assert torch.bincount(few).tolist() == [2] * 12
    drawn = [pair_up(found, pairs, 1, (0, epoch))[1].tolist() for epoch in range(3)]
    assert len(set(map(tuple, drawn))) > 1


PAIRWISE = {"tcc": ["cycle"], "soft_dtw": ["alignment"]}
"""Terms over pairs of sequences."""


@BOTH
def test_pairs_of_recordings_know_nothing_of_synchrony(name, config):
    """Shifting one view of every recording in time, or giving its recordings other names, changes no loss."""
    method = make_method(name, config(encoder="frame", max_steps=4)).double()
    batch = view_batch((9, 12, 5), holes=False, dtype=torch.float64)
    x_BVTD = stacked(batch)
    shifted = view_batch((9, 12, 5), steps=15, holes=False, dtype=torch.float64)
    moved_BVTD, mask_BVT = torch.zeros_like(stacked(shifted)), torch.zeros_like(shifted.mask_BVT)
    for place, by in enumerate((0, 3, 1)):
        moved_BVTD[:, place, by : by + 12] = x_BVTD[:, place]
        mask_BVT[:, place, by : by + 12] = batch.mask_BVT[:, place]
    put(shifted, moved_BVTD)
    shifted.mask_BVT = mask_BVT
    torch.testing.assert_close(method(shifted).total, method(batch).total)
    alone = [float(method(select_rows(batch, [row])).parts[key]) for row in range(3) for key in PAIRWISE[name]]
    assert not any(alone)


@BOTH
def test_canonical_paths_are_refused_where_synchrony_is(name, config):
    with pytest.raises(ConfigError, match="path=cca.*pairs to both"):
        config(path="cca")
    assert METHODS.get(name)(4, ("a", "b")).config.pairs == "recordings"


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (TCCConfig, {"max_steps": 1}, "max_steps"),
        (TCCConfig, {"partners": 0}, "partners"),
        (TCCConfig, {"temperature": 0.0}, "temperature"),
        (SoftDTWConfig, {"gamma": 0.0}, "gamma"),
        (SoftDTWConfig, {"covariance_weight": -1.0}, "covariance_weight"),
        (MaskedConfig, {"stretch_s": 0.0}, "stretch_s"),
        (MaskedConfig, {"hidden_share": 0.0}, "hidden_share"),
        (MaskedConfig, {"whole_share": 1.5}, "whole_share"),
        (MaskedConfig, {"predictor_layers": 0}, "predictor_layers"),
        (UnseenViewsConfig, {"sequence_weight": 0.0, "segment_weight": 0.0}, "sequence_weight"),
        (UnseenViewsConfig, {"temperature": 0.0}, "temperature"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def activity(recordings=6, steps=40, dim=6, seed=0, mixed=0.3, beside=0):
    """Recordings of one activity, each at a pace of its own; two views that see much the same, and noise beside it."""
    rng = np.random.default_rng(seed)
    knots = np.random.default_rng(9).normal(size=(8, dim))
    x_BVTD = np.zeros((recordings, 2, steps, dim + beside))
    for row in range(recordings):
        pace = np.sort(rng.random(steps)) * 7
        shared = np.stack([np.interp(pace, np.arange(8), knots[:, d]) for d in range(dim)], axis=1)
        for view in range(2):
            seen = shared + mixed * view * np.roll(shared, 1, axis=1) + 0.2 * rng.normal(size=shared.shape)
            x_BVTD[row, view] = np.concatenate([seen, rng.normal(size=(steps, beside))], axis=1)
    windows = tuple(Window(f"r{row}", f"r{row}", 0, steps, 1) for row in range(recordings))
    mask_BVT = torch.ones(recordings, 2, steps, dtype=torch.bool)
    return ViewBatch.stacked(torch.tensor(x_BVTD, dtype=torch.float32), mask_BVT, windows, VIEWS[:2])


def begun(name, config, batch, seed=0):
    """A method that has seen all pairs, before its first step."""
    torch.manual_seed(seed)
    method = METHODS.get(name)(batch.features[VIEWS[0]].shape[-1], VIEWS[:2], config)
    method.show_all(lambda: [batch])
    return method


def teach(method, batch, steps):
    optimiser = torch.optim.Adam(method.parameters(), 0.01)
    for step in range(steps):
        method.set_epoch(step)
        optimiser.zero_grad()
        method.train()(batch).total.backward()
        optimiser.step()


def encoded(method, batch):
    with torch.no_grad():
        return method.eval().encoded(batch)


def missed(method, batch):
    """How many steps of its own recording the nearest step of the other view is off, on average."""
    a, b = encoded(method, batch).unbind(1)
    nearest = (a[:, :, None] - b[:, None]).square().sum(-1).argmin(-1)
    return float((nearest - torch.arange(nearest.shape[1])).abs().float().mean())


def order_kept(method, batch):
    """Kendall's tau of each recording's steps and their nearest ones in the other view of the next recording."""
    a, b = encoded(method, batch).unbind(1)
    return np.mean([sequence_tau(a[row].numpy(), b[row - 1].numpy()) for row in range(len(a))])


def test_soft_dtw_brings_views_together_without_synchrony():
    batch = activity()
    method = begun("soft_dtw", SoftDTWConfig(hidden=16, layers=2, dropout=0.0), batch)
    before = missed(method, batch)
    teach(method, batch, 25)
    assert missed(method, batch) < 0.6 * before


def test_tcc_brings_views_together_without_synchrony():
    """It finds what the views share among as many features that are noise, which the principal components don't.

    Seeds 0 to 5 bring the error to 27 to 40 % of the start's, and raise tau by 0.4 to 0.7.
    """
    batch = activity(mixed=0.0, beside=6)
    method = begun("tcc", TCCConfig(hidden=16, layers=2, dropout=0.0, standardise="none"), batch)
    before, order = missed(method, batch), order_kept(method, batch)
    teach(method, batch, 100)
    assert missed(method, batch) < 0.6 * before
    assert order_kept(method, batch) > order + 0.25


def hide(config, draw=(0, 0), views=3, there=None, stretches=40, each=3, name="r"):
    window = Window(name, name, 0, stretches * each, 1)
    there_V = np.ones(views, np.bool_) if there is None else np.array(there)
    return hidden_stretches(window, there_V, np.arange(stretches * each) // each, config, draw)


def test_stretches_hide_some_views_and_never_all():
    config = MaskedConfig(whole_share=0.0)
    hidden_VT = np.concatenate([hide(config, name=f"r{i}") for i in range(20)], axis=1)
    assert set(hidden_VT.sum(axis=0)) == {0, 1, 2}
    assert hidden_VT.any(axis=0).mean() == pytest.approx(0.5, abs=0.08)
    assert np.ptp(hidden_VT.mean(axis=1)) < 0.08
    assert not np.diff(hidden_VT.reshape(3, -1, 3), axis=2).any()


def test_whole_windows_hide_views_from_beginning_to_end():
    hidden = [hide(MaskedConfig(whole_share=0.5), name=f"r{i}") for i in range(60)]
    whole = [h for h in hidden if (h.all(axis=1) | ~h.any(axis=1)).all()]
    assert 15 <= len(whole) <= 45 and all(1 <= h[:, 0].sum() <= 2 for h in whole)


def test_what_is_not_there_is_not_hidden():
    config = MaskedConfig(hidden_share=1.0, whole_share=0.0)
    assert not hide(config, there=[True, False, False]).any()
    two = hide(config, there=[True, False, True])
    assert (two[[0, 2]].sum(axis=0) == 1).all() and not two[1].any()


def test_what_is_hidden_depends_on_window_and_epoch_alone():
    config = MaskedConfig(whole_share=0.0)
    assert np.array_equal(hide(config, stretches=40)[:, :30], hide(config, stretches=10))
    assert not np.array_equal(hide(config), hide(config, name="q"))
    assert not np.array_equal(hide(config), hide(config, draw=(0, 1)))
    assert not np.array_equal(hide(config), hide(config, draw=(1, 0)))


def test_hidden_steps_are_not_seen():
    method = make_method("masked_crossview", MaskedConfig(hidden=8, layers=2, stretch_s=3.0)).train()
    batch = view_batch((30, 20), holes=False)
    hidden_BVT = method.hidden(batch)
    assert hidden_BVT.any() and not hidden_BVT.all(dim=1).any()
    torch.manual_seed(0)
    z_BVTZ = method.encoded(batch)
    assert not z_BVTZ[hidden_BVT].any() and (z_BVTZ[batch.mask_BVT & ~hidden_BVT].abs().sum(-1) > 0).all()
    other = replace(batch, features={v: x.clone() for v, x in batch.features.items()})
    put(other, stacked(batch).masked_fill(hidden_BVT[..., None], 9.0))
    torch.manual_seed(0)
    assert torch.equal(method.encoded(other), z_BVTZ)


def test_hidden_features_are_what_is_asked_for():
    """Only at hidden steps, of the views named, do features act as targets."""
    method = make_method("masked_crossview", MaskedConfig(hidden=8, layers=2, targets="hidden", stretch_s=3.0))
    batch = view_batch((30, 20), holes=False)
    hidden_BVT = method.hidden(batch)
    loss = method(batch).total
    put(batch, stacked(batch) + 5.0 * hidden_BVT[..., None])
    assert method(batch).total > 2 * loss


def test_draws_differ_by_epoch_in_training_alone():
    method, batch = make_method("masked_crossview", MaskedConfig(hidden=8)), view_batch((30, 20))
    calm = method.hidden(batch)
    method.set_epoch(1)
    assert torch.equal(method.hidden(batch), calm)
    method.train()
    first = method.hidden(batch)
    method.set_epoch(2)
    assert not torch.equal(method.hidden(batch), first)


def test_labels_are_what_the_segment_loss_learns_from():
    method, batch = make_method("unseen_views", UnseenViewsConfig(hidden=8, layers=2)), view_batch()
    parts = method(batch).parts
    other = replace(batch, labels_BT=batch.labels_BT.roll(1, dims=1))
    assert method(other).parts["sequence"] == parts["sequence"] and method(other).parts["segment"] != parts["segment"]
    assert method(replace(batch, labels_BT=None)).parts.keys() == {"sequence"}
    assert not method(replace(batch, labels_BT=torch.full_like(batch.labels_BT, -100))).parts["segment"]
