"""The two streams: published sizes, schedule, marks, roles of the terms, absent views."""

from dataclasses import replace

import pytest
import torch

from tests.methods.made import VIEWS, make_method, select_rows, view_batch, x_of
from viewloom.errors import ConfigError
from viewloom.methods.settings import TwoStreamConfig
from viewloom.methods.two_stream import TwoStream, paired_steps
from viewloom.registry import METHODS

SMALL = TwoStreamConfig(layers=1, joint_depth=0.2, dropout=0.0)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("name", "joint"), [("two_stream", 1_372_026_880), ("two_stream_simple", 847_640_576)])
def test_published_sizes(name, joint):
    with torch.device("meta"):
        method = METHODS.get(name)(2048, ("v3", "e4"))
    assert parameters(method.refiner) == 151_117_824
    assert parameters(method.joint) == joint
    assert parameters(method) == 151_117_824 + joint
    first = {name: tuple(value.shape) for name, value in method.refiner.state_dict().items() if "layers.0" in name}
    assert first == {
        "layers.0.self_attn.in_proj_weight": (6144, 2048),
        "layers.0.self_attn.in_proj_bias": (6144,),
        "layers.0.self_attn.out_proj.weight": (2048, 2048),
        "layers.0.self_attn.out_proj.bias": (2048,),
        "layers.0.linear1.weight": (2048, 2048),
        "layers.0.linear1.bias": (2048,),
        "layers.0.linear2.weight": (2048, 2048),
        "layers.0.linear2.bias": (2048,),
        "layers.0.norm1.weight": (2048,),
        "layers.0.norm1.bias": (2048,),
        "layers.0.norm2.weight": (2048,),
        "layers.0.norm2.bias": (2048,),
    }
    assert len(method.refiner.state_dict()) == 72 and "layers.5.norm2.bias" in method.refiner.state_dict()


def test_names_of_the_published_refiner(assembly101):
    """The list of names and shapes that came with the published checkpoints, where it stands beside the data."""
    listing = assembly101.parent / "legacy" / "state_dict_keys.json"
    if not listing.exists():
        pytest.skip("no list of published names here")
    import json

    published = {name: tuple(shape) for name, shape in json.loads(listing.read_text())["refiner"].items()}
    with torch.device("meta"):
        refiner = METHODS.get("two_stream")(2048, ("v3", "e4")).refiner
    assert {name: tuple(value.shape) for name, value in refiner.state_dict().items()} == published


def test_schedule_weighs_invariance_in_training_only():
    method, batch = make_method("two_stream", SMALL, views=2), view_batch(views=2)
    parts = method(batch).parts
    for epoch, weight in ((0, 1.0), (100, 200 / (100 + 100**1.18))):
        method.set_epoch(epoch)
        loss = method.train()(batch)
        assert loss.total.item() == pytest.approx((parts["reconstruction"] + weight * parts["invariance"]).item())
        assert method.eval()(batch).total.item() == pytest.approx(sum(parts.values()).item())
    constant = make_method("two_stream", replace(SMALL, schedule="constant", invariance_weight=3.0), views=2).train()
    constant.set_epoch(100)
    assert constant(batch).total.item() == pytest.approx((parts["reconstruction"] + 3 * parts["invariance"]).item())


def test_paired_steps_are_those_of_two_views_or_more():
    mask_BVT = torch.tensor([[[1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 1, 0]]]).bool()
    assert paired_steps(mask_BVT).int().tolist() == [[[1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]]]


def test_released_mean_counts_padding():
    """A wider window: over valid steps nothing changes, over all steps it does, as released. Batches are not."""
    for mean, changes in (("valid", False), ("all", True)):
        narrow, wide = (
            make_method("two_stream", replace(SMALL, loss_mean=mean, window_steps=steps), views=2) for steps in (20, 40)
        )
        totals = [
            method(view_batch((9,), views=2, steps=steps)).total for method in (narrow, wide) for steps in (9, 20)
        ]
        assert torch.isclose(totals[0], totals[2], rtol=1e-5) != changes
        assert torch.isclose(totals[0], totals[1], rtol=1e-5) and torch.isclose(totals[2], totals[3], rtol=1e-5)


def test_fixed_marks_run_from_the_first_view_to_the_last():
    marks = make_method("two_stream", replace(SMALL, view_mark="fixed")).marks
    assert [marks(view).unique().item() for view in range(3)] == [-1, 0, 1]
    assert not list(marks.parameters()) and not marks.state_dict()


def joint_inputs(method, batch):
    """What the joint stream is given."""
    seen = []
    handle = method.joint.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    method(batch)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("mark_at", ["joint_training", "joint", "encoding"])
def test_marks_are_added_where_the_setting_says(mark_at):
    batch = view_batch(views=2, lacking=[(1, 0)])
    plain = make_method("two_stream", SMALL, views=2)
    marked = make_method("two_stream", replace(SMALL, view_mark="fixed", mark_at=mark_at), views=2)
    unmarked = joint_inputs(plain, batch)
    for training in (True, False):
        added = joint_inputs(marked.train(training), batch) - unmarked
        expected = batch.mask_BVT[..., None] * torch.tensor([-1.0, 1.0])[:, None, None]
        present = training or mark_at != "joint_training"
        torch.testing.assert_close(added, expected.expand_as(added) * present, atol=1e-6, rtol=0)
    x_BTD, mask_BT = x_of(batch, 1), batch.mask_BVT[:, 1]
    same = torch.equal(plain.encode(x_BTD, mask_BT, "v4"), marked.eval().encode(x_BTD, mask_BT, "v4"))
    assert same == (mark_at != "encoding")
    assert marked.refiner.accepts("e9") == (mark_at != "encoding")


def test_learned_marks_are_shared_by_both_streams_at_encoding():
    config = replace(SMALL, view_mark="learned", mark_at="encoding")
    method = make_method("two_stream", config)
    assert [name for name, _ in method.named_parameters() if "marks" in name] == ["refiner.marks.marks_VD"]
    at_joint = make_method("two_stream", replace(config, mark_at="joint"))
    assert [name for name, _ in at_joint.named_parameters() if "marks" in name] == ["marks.marks_VD"]
    assert at_joint.refiner.state_dict().keys() == make_method("two_stream", SMALL).refiner.state_dict().keys()


def gradients_of_reconstruction(config):
    """Whether reconstruction alone reaches the refiner and the joint stream."""
    method = make_method("two_stream", replace(config, invariance_weight=0.0))
    method(view_batch()).total.backward()
    return tuple(
        any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())
        for part in (method.refiner, method.joint)
    )


def test_stop_gradient_takes_one_side_as_given():
    assert gradients_of_reconstruction(SMALL) == (True, True)
    assert gradients_of_reconstruction(replace(SMALL, stop_gradient="views")) == (False, True)
    with_decoder = replace(SMALL, stop_gradient="joint", decode_weight=1e-30)
    assert gradients_of_reconstruction(with_decoder)[0]
    with pytest.raises(ConfigError, match="decode_weight"):
        TwoStreamConfig(stop_gradient="joint")


def test_an_absent_view_leaves_its_terms_out():
    """Three views, one absent everywhere: invariance is that of the two others, and J sees zeros for it."""
    batch = view_batch(lacking=[(0, 2), (1, 2), (2, 2)], holes=False)
    method = make_method("two_stream", SMALL)
    parts = method(batch).parts
    pair = make_method("two_stream", SMALL, views=2)
    pair.refiner.load_state_dict(method.refiner.state_dict())
    two = view_batch(views=2, holes=False)
    two.features = {view: batch.features[view] for view in batch.views[:2]}
    assert parts["invariance"].item() == pytest.approx(pair(two).parts["invariance"].item())
    assert not joint_inputs(method, batch)[:, 2].any()


def test_a_row_weighs_by_its_steps():
    """Means are over valid steps of the whole batch, so a long row counts for more than a short one."""
    method, batch = make_method("two_stream", SMALL, views=2), view_batch((20, 4), views=2, holes=False)
    parts = [method(select_rows(batch, rows)).parts["invariance"].item() for rows in ([0, 1], [0], [1])]
    assert parts[0] == pytest.approx((20 * parts[1] + 4 * parts[2]) / 24)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"layers": 0}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"joint_depth": 0.0}, "joint_depth"),
        ({"feed_forward": -1}, "feed_forward"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, word):
    with pytest.raises(ConfigError, match=word):
        TwoStreamConfig(**settings)


def test_depth_shrinks_every_stage_and_keeps_a_layer():
    method = TwoStream(8, VIEWS[:2], TwoStreamConfig(joint_depth=0.5, layers=2))
    assert [len(stage) for stage in method.joint.stages] == [2, 3, 1]
    method = TwoStream(8, VIEWS[:2], TwoStreamConfig(joint_depth=0.01, feed_forward=5))
    assert [len(stage) for stage in method.joint.stages] == [1, 1, 1]
    assert method.refiner.layers[0].linear1.out_features == 5 == method.joint.stages[0][0].linear1.out_features


def test_each_view_has_its_own_statistics():
    """With statistics of each view, the loss is that of views standardised beforehand."""
    batch, sizes = view_batch(views=2), {"layers": 1, "joint_depth": 0.1, "dropout": 0.0}
    method = make_method("two_stream", TwoStreamConfig(standardise="view", **sizes), views=2, batch=batch)
    plain = make_method("two_stream", TwoStreamConfig(**sizes), views=2)
    plain.load_state_dict({name: v for name, v in method.state_dict().items() if "standardiser" not in name})
    ready = view_batch(views=2)
    for view, mask_BT in enumerate(ready.mask_BVT.unbind(1)):
        x_ND = x_of(ready, view)[mask_BT]
        standardised_ND = (x_ND - x_ND.mean(0)) / x_ND.std(0, correction=0)
        x_of(ready, view)[mask_BT] = standardised_ND
    torch.testing.assert_close(method(batch).total, plain(ready).total)


@pytest.mark.parametrize("name", ["two_stream", "sync_kd"])
def test_views_of_unequal_sizes_need_a_stem(name):
    with pytest.raises(ConfigError, match=r"one feature size, but have: v3 7, v4 4. Set --method_options.stem"):
        METHODS.get(name)((7, 4), VIEWS[:2])
