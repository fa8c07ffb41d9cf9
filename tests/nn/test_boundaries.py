"""Peaks of a probability, and means over what lies between them."""

import torch

from viewloom.nn.boundaries import peaks, segment_means


def steps_of(found_BT):
    return found_BT[0].nonzero()[:, 0].tolist()


def found(values, mask=None, threshold=0.5):
    logits_BT = torch.tensor([values])
    mask_BT = torch.ones_like(logits_BT, dtype=torch.bool) if mask is None else torch.tensor([mask])
    return steps_of(peaks(logits_BT, mask_BT, threshold))


def test_peaks_are_local_maxima_that_reach_the_threshold():
    assert found([-1.0, 2.0, 1.0, 3.0, 2.9, -0.1, -0.05, -2.0]) == [1, 3]
    assert found([-1.0, 2.0, 1.0, 3.0, 2.9], threshold=0.95) == [3]
    assert found([-3.0, -2.0, -3.0], threshold=0.1) == [1]


def test_ends_and_flat_tops():
    assert found([1.0, 0.5, 2.0]) == [0, 2]
    assert found([0.5, 2.0, 2.0, 2.0, 0.5]) == [1]


def test_steps_that_are_not_valid_are_none_and_hide_nothing():
    assert found([1.0, 9.0, 0.5, 9.0], mask=[True, False, True, False]) == [0, 2]


def test_means_are_those_of_a_segment_s_valid_steps():
    values_BTK = torch.arange(12.0).reshape(2, 6, 1)
    begins_BT = torch.tensor([[True, False, False, True, False, False], [False, False, True, False, False, False]])
    mask_BT = torch.ones(2, 6, dtype=torch.bool)
    mask_BT[0, 4], values_BTK[0, 4] = False, torch.nan
    means_BTK = segment_means(values_BTK, begins_BT, mask_BT)[..., 0]
    torch.testing.assert_close(means_BTK[0], torch.tensor([1, 1, 1, 4, torch.nan, 4]), equal_nan=True)
    torch.testing.assert_close(means_BTK[1], torch.tensor([6.5, 6.5, 9.5, 9.5, 9.5, 9.5]))


def test_a_segment_for_each_step_changes_nothing():
    values_BTK = torch.rand(3, 50, 4, generator=torch.Generator().manual_seed(0))
    every_BT = torch.ones(3, 50, dtype=torch.bool)
    torch.testing.assert_close(segment_means(values_BTK, every_BT, every_BT), values_BTK)
