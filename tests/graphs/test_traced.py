"""Every head and refiner gives the same when it takes the ways that a graph can have: no export, so all of them."""

import pytest
import torch

from tests.online.made import DIM as ONLINE_DIM
from tests.online.made import causal_heads, causal_methods, frames, make_refiner, make_trained
from tests.test_every_head import CASES as HEAD_CASES
from tests.test_every_head import DIM, make
from tests.test_every_method import CASES as METHOD_CASES
from tests.test_every_method import make_method, sound
from viewloom.graphs.networks import StepGraph, pooled, valid_rows
from viewloom.heads.multilabel import probabilities
from viewloom.nn.tracing import LONGEST, as_graph, running_max, tracing
from viewloom.training.streamed import Chain, StepStream, whole

PLAIN = [case for case in METHOD_CASES if case.values[2] == 7 and sound(*case.values[:2])]


def rows(lengths, dim, steps):
    """Rows of NaN behind their lengths, and holes."""
    x_BTD = torch.randn(len(lengths), steps, dim, generator=torch.Generator().manual_seed(steps))
    for row, length in enumerate(lengths):
        x_BTD[row, length:] = torch.nan
        x_BTD[row, length // 2 : length // 2 + length // 10] = torch.nan
    return valid_rows(x_BTD)


@pytest.mark.parametrize(("name", "config"), HEAD_CASES)
def test_heads(name, config):
    head = make(name, config)
    for lengths, steps in (((1,), 1), ((65, 40, 0), 65), ((430, 2), 440)):
        x_BTD, mask_BT = rows(lengths, DIM, steps)
        with torch.no_grad():
            wanted = probabilities(head, head(x_BTD, mask_BT), mask_BT)
            with as_graph():
                found = probabilities(head, head(x_BTD, mask_BT), mask_BT)
        torch.testing.assert_close(found[mask_BT], wanted[mask_BT], atol=2e-5, rtol=0)


@pytest.mark.parametrize(("name", "config", "dim"), PLAIN)
def test_refiners(name, config, dim):
    refiner = make_method(name, config, dim).refiner.eval()
    for lengths, steps in (((1,), 1), ((33, 20, 0), 33)):
        x_BTD, mask_BT = rows(lengths, dim, steps)
        with torch.no_grad():
            wanted = refiner.encode(x_BTD, mask_BT, "v3")
            with as_graph():
                found = refiner.encode(x_BTD, mask_BT, "v3")
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


STEPS = [pytest.param(None, *head, id=f"{head[0]}-{getattr(head[1], 'lookahead_steps', 0)}") for head in causal_heads()]
STEPS += [pytest.param(method, "linear", None, id=method[0]) for method in causal_methods()]


@pytest.mark.parametrize(("method", "head", "config"), STEPS)
def test_one_step_after_the_other_is_the_stream(method, head, config):
    refiner = None if method is None else make_refiner(*method)
    trained = make_trained(head, config, refiner)
    chain = Chain(trained.head, refiner, "v3", torch.device("cpu"))
    x_TD = frames(70, holes=0.2, dim=ONLINE_DIM)
    x_SD, there_S = (value.numpy() for value in valid_rows(torch.from_numpy(x_TD)))
    wanted_SK = whole(StepStream(chain, 0.3), [(x_SD, there_S)])
    graph = StepGraph(chain, "max", 0.3, 1.0).eval()
    ends = torch.full((trained.head.lookahead, ONLINE_DIM), torch.nan)
    with torch.no_grad():
        state, found = graph.start(), []
        for x_D in torch.cat([torch.from_numpy(x_TD), ends]):
            with as_graph():
                probs_K, *state = graph(x_D[None], *state)
            found.append(probs_K)
    torch.testing.assert_close(
        torch.stack(found[trained.head.lookahead :]), torch.from_numpy(wanted_SK), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("pooling", ["max", "mean", "both", "first"])
def test_chunks_are_pooled_as_everywhere(pooling):
    from viewloom.features.pooling import pool
    from viewloom.graphs.networks import in_chunks

    x_1TD, there_1T = valid_rows(torch.from_numpy(frames(23, holes=0.4, dim=3))[None] - 0.5)
    wanted_SZ, wanted_S = pool(x_1TD[0], 5, pooling, there_1T[0])
    found_1SZ, found_1S = in_chunks(x_1TD, there_1T, 5, pooling)
    assert found_1S[0].tolist() == [*wanted_S.tolist(), False] and not found_1SZ[0, -1].any()
    torch.testing.assert_close(found_1SZ[0, :-1], wanted_SZ)
    alone_Z = pooled(x_1TD[0, :5], there_1T[0, :5], pooling)
    torch.testing.assert_close(alone_Z, wanted_SZ[0])


def test_a_running_maximum_is_one(monkeypatch):
    x_BT = torch.randint(-1, 50, (3, 200))
    with as_graph():
        assert tracing() and torch.equal(running_max(x_BT), x_BT.cummax(dim=1)[0])
    assert not tracing() and LONGEST >= 100_000
