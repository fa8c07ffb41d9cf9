"""What is measured on held-out pairs, against the same written out window by window."""

import numpy as np
import pytest
import torch

from tests.methods.made import VIEWS, make_method, stacked, view_batch, x_of
from viewloom.errors import DataError
from viewloom.methods.settings import TwoStreamConfig
from viewloom.metrics.invariance import InvarianceState, retrieval_accuracy
from viewloom.training.invariance import measure

CPU = torch.device("cpu")
CONFIG = TwoStreamConfig(layers=1, joint_depth=0.1)


def test_measures_are_those_of_each_window_where_all_views_are():
    """Batches of different sizes, with holes in single views."""
    method = make_method("two_stream", CONFIG, views=2)
    batches = [view_batch((40, 25, 33), views=2), view_batch((90,), views=2)]
    losses, weights, shares, plain, refined = [], [], [], InvarianceState(), InvarianceState()
    for batch in batches:
        with torch.no_grad():
            losses.append(method(batch).total.item())
            z = [method.encode(x_of(batch, v), batch.mask_BVT[:, v], VIEWS[v]) for v in range(2)]
        weights.append(batch.mask_BVT.sum().item())
        for row in range(len(batch.windows)):
            both = batch.mask_BVT[row].all(dim=0)
            z_VTZ = torch.stack([view[row, both] for view in z]).numpy()
            shares.append(retrieval_accuracy(z_VTZ, 2))
            plain.add(stacked(batch)[row][:, both].numpy())
            refined.add(z_VTZ)
    found = measure(method, batches, CPU).values
    wanted = {
        "loss": np.average(losses, weights=weights),
        "retrieval": 100 * np.mean(shares),
        "effective_rank": refined.effective_rank,
        "input_rank": plain.effective_rank,
        "deviation": refined.deviation_Z.mean(),
        "view_share": refined.view_share,
        "input_view_share": plain.view_share,
    }
    assert found == pytest.approx(wanted, rel=1e-6)
    assert found["loss"] != pytest.approx(np.mean(losses), rel=1e-4)
    assert found["effective_rank"] != pytest.approx(found["input_rank"], rel=1e-3)


def test_nothing_to_measure_is_an_error():
    method = make_method("two_stream", CONFIG, views=2)
    with pytest.raises(DataError, match="nothing can be measured"):
        measure(method, [view_batch((9,), views=2, lacking=[(0, 1)])], CPU)
