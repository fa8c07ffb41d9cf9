"""Streams, losses and closed forms against slow plain references, and against torch's own layers, in float64."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import tests.parity.reference_streams as plain
from tests.methods.made import VIEWS, make_method, put, stacked, synchronised, view_batch, x_of
from viewloom.losses.collapse import covariance_term, masked_covariance, variance_term
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig, TwoStreamConfig
from viewloom.methods.two_stream import TwoStream
from viewloom.methods.two_stream_simple import TwoStreamSimple
from viewloom.nn.encoder import Sequences, encoder_layers
from viewloom.nn.joint import JointStream
from viewloom.nn.sizes import Stage, pseudo_3d_stages, refiner_stage, simple_stages
from viewloom.registry import METHODS
from viewloom.training.published import load_published_refiner

CONTEXTS = ("frame", "time", "batch")
every_context = pytest.mark.parametrize("context", CONTEXTS)


def randomised(module):
    """Float64, every weight drawn at random, so that nothing is zero or one by its start; dropout off."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.double().parameters():
        parameter.data = 0.4 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module.eval()


def weights_of(module, prefix=""):
    state = module.state_dict()
    return {key.removeprefix(prefix): value.numpy() for key, value in state.items() if key.startswith(prefix)}


def double_batch(**options):
    batch = view_batch((4, 6, 2), dtype=torch.float64, **options)
    return batch, stacked(batch).masked_fill(~batch.mask_BVT[..., None], 0).numpy(), batch.mask_BVT.numpy()


def heads_of(stages):
    return [(size.layers, size.heads) for size in stages]


@every_context
def test_encoder_layer_with_heads(context):
    size = Stage(width=12, layers=1, heads=3, feed_forward=5)
    layer = randomised(encoder_layers(size, 0.1)[0])
    batch, x, mask = double_batch(dim=12)
    sequences = Sequences(context, batch.mask_BVT[:, 0])
    ours = sequences.unpack(layer(sequences.pack(x_of(batch, 0)), sequences)).detach()
    if context == "batch":  # garbage at masked steps takes part there
        x = stacked(batch).numpy()
    weights = {f"layer.0.{key}": value for key, value in weights_of(layer).items()}
    theirs = plain.through_stages(weights, [("layer.", 1, 3, None)], x[:, 0], mask[:, 0], context, 12)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


@every_context
@pytest.mark.parametrize("dim", [7, 32])
def test_refiner(context, dim):
    refiner = randomised(ResidualRefiner("two_stream", dim, VIEWS[:3], ResidualConfig(layers=2, context=context)))
    batch, x, mask = double_batch(dim=dim)
    for view in range(3):
        ours = refiner.encode(x_of(batch, view), batch.mask_BVT[:, view], VIEWS[view]).detach()
        heads = refiner_stage(dim).heads
        theirs = plain.refiner(weights_of(refiner), x[:, view], mask[:, view], context, 2, heads)
        np.testing.assert_allclose(ours, np.where(mask[:, view, :, None], theirs, 0), rtol=1e-9, atol=1e-10)


@every_context
@pytest.mark.parametrize("stages", [pseudo_3d_stages, simple_stages])
@pytest.mark.parametrize("views", [2, 3])
def test_joint_stream(context, stages, views):
    sizes = stages(5, views, depth=0.4, feed_forward=6)
    stream = randomised(JointStream(sizes, 5, 0.1, context))
    batch, x, mask = double_batch(dim=5, views=views)
    mask_BT = mask.sum(axis=1) >= 2
    ours = stream(torch.from_numpy(x), torch.from_numpy(mask_BT)).detach()
    theirs = plain.joint(weights_of(stream), heads_of(sizes), x, mask_BT, context)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)
    assert torch.any(ours != 0)


def reference_loss(method, x, mask, weights=None):
    """The two streams' loss, worked out by the reference from end to end."""
    config, views, dim = method.config, x.shape[1], x.shape[3]
    weights = weights_of(method) if weights is None else weights
    parts = {
        part: {key.removeprefix(part): value for key, value in weights.items() if key.startswith(part)}
        for part in ("refiner.", "joint.")
    }
    heads = refiner_stage(dim).heads
    refined = [
        plain.refiner(parts["refiner."], x[:, v], mask[:, v], config.context, config.layers, heads)
        for v in range(views)
    ]
    z_BVTD = np.stack(refined, axis=1)
    paired_BT = plain.paired(mask).any(axis=1)
    stages = type(method).stages(dim, views, config.joint_depth, config.feed_forward)
    joint_BTD = plain.joint(parts["joint."], heads_of(stages), x, paired_BT, config.context)
    reconstruction, invariance = plain.two_stream_terms(z_BVTD, joint_BTD, mask)
    weight = (100 + method.epoch) / (100 + method.epoch**1.18) if method.training else 1.0
    return reconstruction + weight * invariance, reconstruction, invariance


@pytest.mark.parametrize("cls", [TwoStream, TwoStreamSimple])
@pytest.mark.parametrize("context", ["frame", "time"])
@pytest.mark.parametrize("views", [2, 3])
def test_two_stream_loss(cls, context, views):
    config = TwoStreamConfig(layers=1, joint_depth=0.2, dropout=0.0, context=context)
    method = randomised(cls(5, VIEWS[:views], config)).train()
    method.set_epoch(37)
    batch, x, mask = double_batch(dim=5, views=views, lacking=[(1, 0)])
    loss = method(batch)
    total, reconstruction, invariance = reference_loss(method, x, mask)
    assert loss.total.item() == pytest.approx(total, rel=1e-9)
    assert loss.parts["reconstruction"].item() == pytest.approx(reconstruction, rel=1e-9)
    assert loss.parts["invariance"].item() == pytest.approx(invariance, rel=1e-9)


@pytest.mark.parametrize("context", ["frame", "time"])
def test_gradients_are_the_slopes_of_the_reference(context):
    """Central differences of the reference, along one random direction a parameter."""
    config = TwoStreamConfig(layers=1, joint_depth=0.2, dropout=0.0, context=context)
    method = randomised(TwoStream(4, VIEWS[:2], config))
    batch, x, mask = double_batch(dim=4, views=2)
    method(batch).total.backward()
    rng, weights = np.random.default_rng(0), weights_of(method)
    for name, parameter in method.named_parameters():
        if parameter.ndim == 2 or "norm1.bias" in name:
            direction, values = rng.normal(size=parameter.shape), []
            for sign in (1, -1):
                moved = weights | {name: weights[name] + sign * 1e-6 * direction}
                values.append(reference_loss(method, x, mask, moved)[0])
            slope = (values[0] - values[1]) / 2e-6
            assert (parameter.grad.numpy() * direction).sum() == pytest.approx(slope, rel=1e-4, abs=1e-6), name


@every_context
def test_gradcheck_of_streams(context):
    config = TwoStreamConfig(
        layers=1,
        joint_depth=0.2,
        dropout=0.0,
        context=context,
        view_mark="learned",
        mark_at="encoding",
        decode_weight=1.0,
        variance_weight=1.0,
        variance_target=3.0,
        covariance_weight=1.0,
    )
    method = randomised(TwoStream(3, VIEWS[:2], config))
    batch, _, _ = double_batch(dim=3, views=2)

    def loss(x_BVTD):
        put(batch, x_BVTD)
        return method(batch).total

    x_BVTD = stacked(batch).masked_fill(~batch.mask_BVT[..., None], 0)
    assert torch.autograd.gradcheck(loss, (x_BVTD.requires_grad_(),))


@pytest.mark.parametrize("target", [0.4, 2.0])
def test_terms_against_collapse(target):
    batch, x, mask = double_batch(dim=5)
    for view in range(3):
        covariance = masked_covariance(x_of(batch, view), batch.mask_BVT[:, view])
        ours = variance_term(covariance, target), covariance_term(covariance)
        assert [v.item() for v in ours] == pytest.approx(plain.spread_terms(x[:, view], mask[:, view], target))


@pytest.mark.parametrize("cls", ["two_stream", "two_stream_simple"])
def test_optional_terms_of_the_two_streams(cls):
    config = TwoStreamConfig(
        layers=1,
        joint_depth=0.2,
        variance_weight=0.3,
        variance_target=3.0,
        covariance_weight=0.2,
        decode_weight=0.7,
    )
    method = randomised(METHODS.get(cls)(5, VIEWS[:3], config))
    batch, x, mask = double_batch(dim=5, lacking=[(0, 2)])
    loss = method(batch)
    weights = weights_of(method)
    stages = method.stages(5, 3, 0.2, 0)
    kept = plain.paired(mask)
    joint_BTD = plain.joint(weights_of(method.joint), heads_of(stages), x, kept.any(axis=1), "frame")
    flat = joint_BTD @ weights["decoder.weight"].T + weights["decoder.bias"]
    decoding = sum(plain.squared_error(flat[..., 5 * v : 5 * v + 5], x[:, v], kept[:, v]) for v in range(3))
    refined = [plain.refiner(weights_of(method.refiner), x[:, v], mask[:, v], "frame", 1, 1) for v in range(3)]
    spread = [plain.spread_terms(refined[v], kept[:, v], 3.0) for v in range(3)]
    variance, covariance = np.mean(spread, axis=0)
    total = reference_loss(method, x, mask)[0] + 0.7 * decoding + 0.3 * variance + 0.2 * covariance
    assert loss.parts["decoding"].item() == pytest.approx(decoding)
    assert loss.parts["variance"].item() == pytest.approx(variance)
    assert loss.parts["covariance"].item() == pytest.approx(covariance)
    assert loss.total.item() == pytest.approx(total)


@every_context
def test_feature_distillation(context):
    config = METHODS.get("sync_kd").Config(layers=2, context=context, teacher="v4")
    method = randomised(METHODS.get("sync_kd")(5, VIEWS[:3], config))
    batch, x, mask = double_batch(dim=5, lacking=[(0, 2)])
    wanted = 0.0
    for view in (0, 2):
        refined = plain.refiner(weights_of(method.refiner), x[:, view], mask[:, view], context, 2, 1)
        wanted += plain.squared_error(refined, x[:, 1], mask[:, view] & mask[:, 1])
    assert method(batch).total.item() == pytest.approx(wanted)


def test_head_distillation():
    method = make_method("sync_kd_head", dim=5, views=3).double()
    torch.manual_seed(5)
    for parameter in method.student.parameters():
        parameter.data.normal_()
    batch, x, mask = double_batch(dim=5, lacking=[(0, 2)])
    levels = [
        x @ weights["linear.weight"].T + weights["linear.bias"]
        for weights in (weights_of(method.student), weights_of(method.teacher))
    ]
    wanted = sum(plain.squared_error(levels[0][:, v], levels[1][:, 0], mask[:, v] & mask[:, 0]) for v in (1, 2))
    assert method(batch).total.item() == pytest.approx(wanted)


def torch_encoder(width, heads, feed_forward, layers):
    """As the released code builds its encoders: without ``batch_first``."""
    layer = nn.TransformerEncoderLayer(width, heads, feed_forward, dropout=0.0)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).double()


def test_context_batch_is_the_torch_encoder_without_batch_first():
    theirs = randomised(torch_encoder(32, 2, 32, 3))
    state = {f"module.{name}": value for name, value in theirs.state_dict().items()}
    ours = load_published_refiner(state, context="batch").double()
    x_BTD = torch.randn(4, 6, 32, dtype=torch.float64)
    refined = ours.encode(x_BTD, torch.ones(4, 6, dtype=torch.bool), "v3")
    torch.testing.assert_close(refined, x_BTD + theirs(x_BTD))


def test_context_frame_is_torch_attention_over_single_steps():
    theirs = randomised(torch_encoder(32, 2, 32, 3))
    ours = load_published_refiner(theirs.state_dict(), context="frame").double()
    x_BTD = torch.randn(4, 6, 32, dtype=torch.float64)
    refined = ours.encode(x_BTD, torch.ones(4, 6, dtype=torch.bool), "v3")
    single = theirs(x_BTD.reshape(1, 24, 32)).reshape(4, 6, 32)
    torch.testing.assert_close(refined, x_BTD + single)


@pytest.mark.parametrize(("views", "simple"), [(2, False), (3, False), (2, True)])
def test_released_arithmetic_from_end_to_end(views, simple):
    """Torch's own encoders and mean squared errors, put together as the released code does."""
    dim, epoch = 32, 120
    config = TwoStreamConfig(
        dropout=0.0, context="batch", loss_mean="all", window_steps=8, view_mark="fixed", mark_at="joint_training"
    )
    cls = TwoStreamSimple if simple else TwoStream
    method = randomised(cls(dim, VIEWS[:views], config)).train()
    method.set_epoch(epoch)
    batch = view_batch((5, 3), dim, views, holes=False, dtype=torch.float64)

    refiner = torch_encoder(dim, 2, dim, 6)
    refiner.load_state_dict(method.refiner.state_dict())
    widths = (views * dim,) if simple else (views * dim, 3 * dim, dim)
    stages = []
    for width, layers, ours in zip(widths, (10,) if simple else (3, 6, 1), method.joint.stages, strict=True):
        stages.append(torch_encoder(width, ours[0].self_attn.heads, dim, layers))
        stages[-1].load_state_dict({f"layers.{key}": value for key, value in ours.state_dict().items()})
    x = [x_of(batch, v).masked_fill(~batch.mask_BVT[:, v, :, None], 0) for v in range(views)]
    x = [nn.functional.pad(part, (0, 0, 0, 3)) for part in x]  # five steps to the window's eight
    marks = (-1.0, 1.0) if views == 2 else (-1.0, 0.0, 1.0)
    joint = torch.cat([part + mark for part, mark in zip(x, marks, strict=True)], dim=-1)
    for stage, link in zip(stages, method.joint.links, strict=True):
        joint = link(stage(joint))
    refined = [part + refiner(part) for part in x]
    mse = nn.MSELoss()
    wanted = sum(mse(z, joint) for z in refined)
    wanted += sum(mse(a, b) for a, b in itertools.combinations(refined, 2)) * (100 + epoch) / (100 + epoch**1.18)
    torch.testing.assert_close(method(batch).total, wanted)


def paired_samples(views=2, dim=6, steps=300):
    x_VND = synchronised(steps, dim, views, seed=4)
    batch = view_batch((steps,), dim, views, dtype=torch.float64, holes=False)
    put(batch, x_VND[None])
    batch.mask_BVT[0] = True
    return batch, x_VND.numpy()


@pytest.mark.parametrize("strength", [1e-4, 0.01, 1.0])
def test_ridge_is_least_squares(strength):
    batch, x_VND = paired_samples(views=3)
    config = METHODS.get("ridge").Config(strength=strength, teacher="v4")
    method = make_method("ridge", config, 6, 3, batch).double()
    for view in (0, 2):
        mean_x, mean_y, weight = plain.ridge(x_VND[view], x_VND[1], strength)
        wanted = (x_VND[view] - mean_x) @ weight + mean_y
        found = method.encode(x_of(batch, view), batch.mask_BVT[:, view], VIEWS[view])[0]
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    same = method.encode(x_of(batch, 1), batch.mask_BVT[:, 1], "v4")
    assert torch.equal(same, x_of(batch, 1))


@pytest.mark.parametrize("scale", ["unit", "correlation"])
@pytest.mark.parametrize("strength", [1e-4, 0.01, 1.0])
def test_cca_of_two_views(strength, scale):
    batch, x_VND = paired_samples()
    config = METHODS.get("cca").Config(strength=strength, scale=scale, out_dim=4)
    method = make_method("cca", config, 6, 2, batch).double()
    correlations, *components = plain.cca_pair(*x_VND, strength)
    found = [method.encode(x_of(batch, view), batch.mask_BVT[:, view], VIEWS[view])[0].numpy() for view in range(2)]
    assert np.all((found[0] * found[1]).sum(axis=0) > 0), "components of two views point the same way"
    sizes = np.ones(4)
    if scale == "correlation":  # as measured on held-out pairs: the same in both views, never rising
        sizes = found[0].std(axis=0) / components[0][:, :4].std(axis=0)
        assert np.all(sizes <= 1) and np.all(np.diff(sizes) < 1e-6) and np.all(sizes > 0.005)
    for ours, theirs in zip(found, components, strict=True):
        wanted = theirs[:, :4] * sizes
        signs = np.sign((ours * wanted).sum(axis=0))
        np.testing.assert_allclose(ours, signs * wanted, atol=1e-4)


def test_cca_of_three_views_solves_the_eigenproblem():
    from scipy.linalg import block_diag, eigh

    batch, x_VND = paired_samples(views=3)
    config = METHODS.get("cca").Config(out_dim=2, strength=0.01, scale="unit")
    method = make_method("cca", config, 6, 3, batch).double()
    wide = np.concatenate([x - x.mean(axis=0) for x in x_VND], axis=1)
    between = wide.T @ wide / len(wide)
    within = [between[6 * v : 6 * v + 6, 6 * v : 6 * v + 6] for v in range(3)]
    ridged = block_diag(*[c + 0.01 * np.trace(c) / 6 * np.eye(6) for c in within])
    values, vectors = eigh(between - block_diag(*within) + ridged, ridged)
    for z in range(2):
        wanted = vectors[:, -1 - z].reshape(3, 6) * 3**0.5
        found = method.refiner.weight_VDZ[..., z].numpy()
        np.testing.assert_allclose(found, np.sign((found * wanted).sum()) * wanted, atol=1e-5)
    assert values[-1] > values[-2] > 1
