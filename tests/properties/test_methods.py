"""Properties of methods over random masks, sizes and features."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.methods.made import VIEWS, make_method, select_rows, stacked, synchronised, view_batch, x_of
from viewloom.methods.settings import TwoStreamConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch

quick = settings(max_examples=12, deadline=None, derandomize=True)
SMALL = TwoStreamConfig(layers=1, joint_depth=0.1, dropout=0.0)


def random_batch(seed, rows=3, views=3, steps=6, dim=4):
    """Any mask at all, garbage outside."""
    generator = torch.Generator().manual_seed(seed)
    x_BVTD = torch.randn(rows, views, steps, dim, generator=generator, dtype=torch.float64)
    mask_BVT = torch.rand(rows, views, steps, generator=generator) < torch.rand(1, generator=generator)
    x_BVTD[~mask_BVT] = float("nan")
    return ViewBatch.stacked(x_BVTD, mask_BVT, view_batch((steps,) * rows).windows, VIEWS[:views])


@quick
@given(seed=st.integers(0, 10_000), context=st.sampled_from(["frame", "time"]))
def test_any_mask_gives_finite_losses_and_untouched_garbage(seed, context):
    """Masked steps hold NaN: had one of them been read, it would show."""
    for name, config in (
        ("two_stream", replace(SMALL, context=context, decode_weight=1.0, variance_weight=1.0)),
        ("sync_kd", METHODS.get("sync_kd").Config(layers=1, context=context)),
        ("sync_kd_head", None),
    ):
        method = make_method(name, config, dim=4).double().train()
        loss = method(random_batch(seed))
        loss.total.backward()
        assert loss.total.isfinite()
        assert all(p.grad.isfinite().all() for p in method.parameters() if p.requires_grad)


@quick
@given(seed=st.integers(0, 10_000), order=st.permutations(range(3)))
def test_views_play_equal_parts_in_the_refiner_s_terms(seed, order):
    """Invariance doesn't know the order of the views."""
    method, batch = make_method("two_stream", SMALL, dim=4).double(), random_batch(seed)
    turned = ViewBatch.stacked(stacked(batch)[:, order], batch.mask_BVT[:, order], batch.windows, batch.views)
    first, second = (method(b).parts["invariance"] for b in (batch, turned))
    torch.testing.assert_close(first, second)


@quick
@given(cut=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_frame_context_is_the_same_for_any_cut_of_a_recording(cut, seed):
    method, batch = make_method("two_stream", SMALL, dim=4).double(), random_batch(seed)
    x_BTD, mask_BT = x_of(batch, 0), batch.mask_BVT[:, 0]
    whole = method.encode(x_BTD, mask_BT, "v3")
    pieces = [method.encode(x_BTD[:, part], mask_BT[:, part], "v3") for part in (slice(0, cut), slice(cut, 6))]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)


@quick
@given(scale=st.floats(0.1, 10), shift=st.floats(-20, 20), name=st.sampled_from(["none", "ridge", "cca", "two_stream"]))
def test_standardised_views_forget_their_units(scale, shift, name):
    """A view measured in other units, with another origin, ends in the same refined features."""
    known = {"layers": 1, "joint_depth": 0.1} if name == "two_stream" else {}
    config = METHODS.get(name).Config(standardise="view", **known)
    plain, other = view_batch((60, 50), views=2), view_batch((60, 50), views=2)
    x_of(other, 0)[:] = scale * x_of(other, 0) + shift
    refined = [
        make_method(name, config, views=2, batch=batch).encode(x_of(batch, 0), batch.mask_BVT[:, 0], "v3")
        for batch in (plain, other)
    ]
    torch.testing.assert_close(*refined, atol=2e-3, rtol=2e-3)


@quick
@given(seed=st.integers(0, 10_000))
def test_canonical_components_know_no_coordinates(seed):
    """Any invertible linear map of one view leaves its unregularised components as they were, up to sign."""
    batch = view_batch((300,), dim=5, views=2, holes=False, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    turn = torch.randn(5, 5, generator=generator, dtype=torch.float64) + 3 * torch.eye(5, dtype=torch.float64)
    turned = ViewBatch.stacked(stacked(batch).clone(), batch.mask_BVT, batch.windows, batch.views)
    x_of(turned, 1)[:] = x_of(batch, 1) @ turn
    config = METHODS.get("cca").Config(strength=1e-9, out_dim=3)
    refined = [
        make_method("cca", config, 5, 2, b).double().encode(x_of(b, 1), b.mask_BVT[:, 1], "v4")[0]
        for b in (batch, turned)
    ]
    signs = (refined[0] * refined[1]).sum(0).sign()
    torch.testing.assert_close(refined[0], signs * refined[1], atol=1e-3, rtol=1e-3)


@quick
@given(rows=st.permutations(range(4)), cut=st.integers(1, 3))
def test_statistics_do_not_depend_on_order_or_batches(rows, cut):
    whole = view_batch((30, 25, 41, 7), lacking=[(1, 0), (3, 2)])
    for name in ("cca", "ridge"):
        first = make_method(name, batch=whole)
        second = METHODS.get(name)(7, VIEWS[:3])
        second.accumulate(select_rows(whole, rows[:cut]))
        second.accumulate(select_rows(whole, rows[cut:]))
        second.solve()
        torch.testing.assert_close(first.refiner.weight_VDZ, second.refiner.weight_VDZ, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["ridge", "cca", "two_stream", "two_stream_simple", "sync_kd"])
def test_views_agree_more_after_learning_and_nothing_collapses(name):
    """On recordings never learned from: the refined views are nearer to each other, and still tell moments apart."""
    from viewloom.metrics.invariance import InvarianceState

    sizes = {"layers": 2, "joint_depth": 0.2, "teacher_path": "identity"}
    known = METHODS.get(name).Config.__dataclass_fields__
    config = METHODS.get(name).Config(**{key: value for key, value in sizes.items() if key in known})
    learn = view_batch((80, 70, 60), dim=12, views=2, holes=False)
    method = make_method(name, config, 12, 2, learn)
    if method.fit == "gradient":
        adam = torch.optim.AdamW(method.parameters(), 3e-3, weight_decay=0.0)
        for _ in range(80):
            adam.zero_grad()
            method.train()(learn).total.backward()
            adam.step()
    x_VTD = synchronised(90, 12, 2, seed=1).float()
    mask_1T = torch.ones(1, 90, dtype=torch.bool)
    with torch.no_grad():
        refined = [method.eval().encode(x_VTD[[v]], mask_1T, VIEWS[v])[0] for v in range(2)]
    plain, state = InvarianceState(), InvarianceState()
    plain.add(x_VTD.numpy())
    state.add(torch.stack(refined).numpy())
    assert state.view_share < 0.75 * plain.view_share
    assert state.verdict(plain) is None


OWN_SIZES = (4, 6, 3)
STEM = {"layers": 1, "dropout": 0.0, "stem": "cca"}


@quick
@given(seed=st.integers(0, 10_000), context=st.sampled_from(["frame", "time"]))
def test_any_mask_over_views_of_their_own_sizes(seed, context):
    """NaN at masked steps, and behind the features of smaller views nothing at all."""
    batch = random_batch(seed, dim=6)
    cut = {v: x[..., :d] for (v, x), d in zip(batch.features.items(), OWN_SIZES, strict=True)}
    batch = replace(batch, features=cut)
    for name, own in (("two_stream", {"joint_depth": 0.1, "decode_weight": 1.0}), ("sync_kd", {})):
        method = make_method(name, METHODS.get(name).Config(**STEM, **own, context=context), dim=OWN_SIZES)
        method = method.double().train()
        loss = method(batch)
        loss.total.backward()
        assert loss.total.isfinite()
        assert all(p.grad.isfinite().all() for p in method.parameters() if p.requires_grad)


@quick
@given(
    scale=st.floats(0.01, 100),
    shift=st.floats(-20, 20),
    case=st.sampled_from([("cca", {"out_dim": 3}), ("ridge", {}), ("two_stream", STEM), ("sync_kd", STEM)]),
)
def test_standardised_views_of_their_own_sizes_forget_their_units(scale, shift, case):
    name, settings = case
    config = METHODS.get(name).Config(standardise="view", **settings)
    plain, other = view_batch((60, 50), (7, 5), views=2), view_batch((60, 50), (7, 5), views=2)
    x_of(other, 1)[:] = scale * x_of(other, 1) + shift
    refined = [
        make_method(name, config, (7, 5), 2, batch).encode(x_of(batch, 1), batch.mask_BVT[:, 1], "v4")
        for batch in (plain, other)
    ]
    torch.testing.assert_close(*refined, atol=5e-3, rtol=5e-3)


@quick
@given(seed=st.integers(0, 10_000), name=st.sampled_from(["cca", "ridge"]))
def test_more_features_that_repeat_others_add_nothing(seed, name):
    """A view whose features come twice, in any order, says what it said: with hardly any ridge, just that."""
    batch = view_batch((300,), dim=(5, 4), views=2, holes=False, dtype=torch.float64)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    twice = torch.cat([x_of(batch, 0)] * 2, dim=-1)[..., order]
    doubled = replace(batch, features={"v3": twice, "v4": x_of(batch, 1)})
    config = METHODS.get(name).Config(strength=1e-8, **({"out_dim": 3} if name == "cca" else {}))
    found = [
        make_method(name, config, dims, 2, b).double().encode(x_of(b, 0), b.mask_BVT[:, 0], "v3")[0]
        for b, dims in ((batch, (5, 4)), (doubled, (10, 4)))
    ]
    signs = (found[0] * found[1]).sum(0).sign() if name == "cca" else 1.0
    torch.testing.assert_close(found[0], signs * found[1], atol=2e-3, rtol=2e-3)
