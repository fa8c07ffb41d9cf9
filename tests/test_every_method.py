"""What every registered pre-training method must hold to; a new method is covered by being registered."""

import copy
import itertools
import json
from dataclasses import asdict, fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.documented import undocumented
from tests.methods.made import VIEWS, make_method, select_rows, view_batch, x_of
from tests.side_by_side import average, in_two_processes, together
from viewloom.errors import ConfigError, DataError
from viewloom.methods.base import Method
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.registry import METHODS

SMALL = {"layers": 2, "joint_depth": 0.2, "features": 24, "hidden": 8}
"""Sizes that make the tests quick, where a method has such a setting."""
USED = {"variance_weight": 0.5, "covariance_weight": 0.2, "decode_weight": 1.0}
"""Weights that switch every optional term on."""


SHARED = {"ey", "vicreg", "barlow_twins"}
"""Methods that state a loss alone: what comes before it is that of `contrast`, whose choices are all tried."""


def variants(name):
    """Configs of a method: each named choice on its own, the optional terms all on."""
    config_class = METHODS.get(name).Config
    hints = get_type_hints(config_class)
    known = {field.name for field in fields(config_class)}
    base = config_class(**{key: value for key, value in SMALL.items() if key in known})
    terms = {key: value for key, value in USED.items() if key in known}
    named = () if name in SHARED else sorted(known)
    choices = {key: get_args(hints[key]) for key in named if get_origin(hints[key]) is Literal}
    singles = [{key: choice} for key, options in choices.items() for choice in options]
    marked = [
        {"view_mark": mark, "mark_at": place}
        for mark, place in itertools.product(choices.get("view_mark", ()), choices.get("mark_at", ()))
        if mark != "none"
    ]
    singles = [change for change in singles if "mark_at" not in change]
    changes = [{}, terms, *singles, *marked]
    if name == "contrast":
        changes += [
            {"per_view": False},
            {"path_frozen": True},
            {"noise": 0.1},
            {"causal": True},
            {"encoder": "transformer", "per_view": False},
        ]
    if "context" in known:
        changes += [{"context": "time", **change} for change in (terms, *marked[-1:])]
    seen = set()
    for change in changes:
        extra = terms if change.get("stop_gradient") == "joint" else {}
        if change.get("path") == "cca" and "pairs" in choices:
            extra = {"pairs": "both"}
        config = replace(base, **extra, **change)
        if config not in seen:
            seen.add(config)
            yield "-".join((name, *(f"{key}={value}" for key, value in change.items()))), config


OWN_SIZES = ((7, 5, 9), (7, 5, 5))
"""Feature sizes of three views, of their own; the second where those that learn together share one."""
STEMS = [{"stem": kind, "stem_frozen": frozen} for kind in ("pca", "cca") for frozen in (False, True)]


def takes(name, config, dims):
    """Whether a method takes views of these sizes."""
    try:
        make_method(name, config, dims)
    except ConfigError:
        return False
    return True


def with_own_sizes(name):
    """Configs of a method that take views of sizes of their own, and the sizes; behind stems, if it has such."""
    seen = set()
    for label, config in variants(name):
        stems = [{}]
        if hasattr(config, "stem"):
            alike = any(word in label for word in ("schedule", "stop_gradient", "mark_at=joint"))
            stems = STEMS if label == name else STEMS[2:3] if not alike else []
        for stem in stems:
            changed = replace(config, **stem)
            dims = next((dims for dims in OWN_SIZES if takes(name, changed, dims)), None)
            if dims is not None and changed not in seen:
                seen.add(changed)
                yield "-".join((label, *(f"{key}={value}" for key, value in stem.items()), "own sizes")), changed, dims


def case(label, name, config, dim):
    return pytest.param(name, config, dim, id=label)


CASES = [case(label, name, config, 7) for name in METHODS.names() for label, config in variants(name)]
CASES += [case(label, name, config, dim) for name in METHODS.names() for label, config, dim in with_own_sizes(name)]
every_name = pytest.mark.parametrize("name", METHODS.names())


def cases(holds=lambda method, config: True):
    kept = [case for case in CASES if holds(METHODS.get(case.values[0]), case.values[1])]
    return pytest.mark.parametrize(("name", "config", "dim"), kept)


def sound(_, config):
    """A result is not meant to depend on the batch."""
    return getattr(config, "context", "frame") != "batch"


def by_gradient(method, _):
    return method.fit == "gradient"


def with_pass(method, config):
    starts = getattr(config, "stem", "none") != "none" or hasattr(config, "path")
    return method.fit == "closed_form" or config.standardise != "none" or starts


def run(method, batch):
    """Loss, parts and gradients of the trained parameters, in the method's present mode."""
    method = copy.deepcopy(method)
    loss = method(batch)
    loss.total.backward()
    gradients = {key: p.grad for key, p in method.named_parameters() if p.requires_grad}
    return loss.total.detach(), loss.parts, gradients


def assert_same(first, second, tolerance):
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


def places(method, batch):
    """Places of the views that a method's refiner takes: all, but for a teacher's of another size."""
    refiner = getattr(method, "refiner", method)
    return [place for place, view in enumerate(batch.views) if refiner.accepts(view)]


def encoded(method, batch):
    """What a method, or a refiner, makes of each view of a batch that it takes, (B, V, T, Z)."""
    views = [(place, batch.views[place]) for place in places(method, batch)]
    return torch.stack([method.encode(x_of(batch, v), batch.mask_BVT[:, v], name) for v, name in views], dim=1)


@cases()
def test_every_view_is_taken_but_a_teacher_s_of_another_size(name, config, dim):
    method, batch = make_method(name, config, dim), view_batch(dim=dim)
    apart = name == "sync_kd_head" and dim != 7
    assert places(method, batch) == [place for place in range(3) if not apart or method.dims[place] == dim[-1]]


@cases()
def test_encodes_to_its_size_with_zeros_at_masked_steps(name, config, dim):
    method, batch = make_method(name, config, dim), view_batch(steps=14, dim=dim)
    z_BVTZ, mask_BVT = encoded(method, batch), batch.mask_BVT[:, places(method, batch)]
    assert z_BVTZ.shape == (*mask_BVT.shape, method.refiner.out_dim) and z_BVTZ.isfinite().all()
    assert not z_BVTZ[~mask_BVT].any()
    assert z_BVTZ[mask_BVT].std(dim=0).min() > 1e-3


@every_name
@pytest.mark.parametrize(("dim", "views"), [(2, 2), (5, 3), (16, 4), (33, 2)])
def test_any_feature_size_and_number_of_views(name, dim, views):
    known = {field.name for field in fields(METHODS.get(name).Config)}
    config = METHODS.get(name).Config(**{key: value for key, value in SMALL.items() if key in known})
    batch = view_batch(dim=dim, views=views)
    method = make_method(name, config, dim, views, batch)
    assert (method.dim, method.views) == (dim, VIEWS[:views]) == (method.refiner.dim, method.refiner.views)
    assert encoded(method, batch).isfinite().all()
    if method.fit == "gradient":
        assert run(method, batch)[0] > 0


def test_every_method_takes_views_of_their_own_sizes_or_says_what_to_do():
    taking = {case.values[0] for case in CASES if case.values[2] != 7}
    assert taking >= {"cca", "ridge", "sync_kd", "sync_kd_head", "two_stream", "two_stream_simple"}
    behind = {case.id for case in CASES}
    for name, stem in itertools.product(("sync_kd", "two_stream", "two_stream_simple"), STEMS):
        assert "-".join((name, *(f"{key}={value}" for key, value in stem.items()), "own sizes")) in behind
    for name in METHODS.names():
        if METHODS.get(name).any_sizes:
            assert METHODS.get(name)(OWN_SIZES[0], VIEWS[:3]).dims == OWN_SIZES[0]
        else:
            with pytest.raises(ConfigError, match=f"method {name} .*one feature size.*v3 7, v4 5, e4 9.*cca"):
                METHODS.get(name)(OWN_SIZES[0], VIEWS[:3])


@pytest.mark.parametrize(
    ("name", "config", "dim"), [case for case in CASES if case.values[2] != 7 and case.values[1].standardise == "none"]
)
def test_one_mean_over_views_of_their_own_sizes_is_refused(name, config, dim):
    with pytest.raises(ConfigError, match="standardise=pooled.*v3 7, v4 5, e4.*Set standardise to view"):
        METHODS.get(name)(dim, VIEWS[:3], replace(config, standardise="pooled"))


@every_name
def test_default_settings_are_made_when_none_are_given(name):
    assert METHODS.get(name)(4, ("a", "b")).config == METHODS.get(name).Config()


@every_name
def test_views_that_make_no_sense_are_refused(name):
    least = METHODS.get(name).min_views
    for views in (("a",) * max(2, least), ("a",)[: least - 1]):
        with pytest.raises(ConfigError, match="views"):
            METHODS.get(name)(4, views)


@every_name
def test_a_batch_of_other_views_is_refused(name):
    method, batch = make_method(name), view_batch()
    batch.features = dict(reversed(batch.features.items()))
    with pytest.raises(ConfigError, match="e4, v4, v3"):
        method(batch) if method.fit == "gradient" else method.accumulate(batch)


@cases(by_gradient)
def test_gradient_reaches_every_trained_parameter(name, config, dim):
    method = make_method(name, config, dim).train()
    _, _, gradients = run(method, view_batch(dim=dim))
    assert gradients
    assert not [key for key, gradient in gradients.items() if gradient is None or not gradient.abs().max() > 0]


@cases(sound)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), padding=st.integers(0, 9))
def test_an_encoded_row_is_its_own(name, config, dim, lengths, padding):
    """Alone or in any batch, padded little or much, with anything in the padding."""
    method = make_method(name, config, dim)
    with torch.inference_mode():
        together = encoded(method, view_batch(lengths, steps=max(lengths) + padding, dim=dim))
        for row, length in enumerate(lengths):
            assert_same(together[row, :, :length], encoded(method, view_batch((length,), dim=dim))[0], 1e-5)


@cases(lambda method, config: getattr(config, "context", "frame") == "batch")
def test_context_batch_repeats_the_trap_of_the_released_code(name, config, dim):
    method, batch = make_method(name, config, dim), view_batch((9, 12, 5), holes=False, dim=dim)
    alone = encoded(method, select_rows(batch, [0]))
    assert (encoded(method, batch)[0] - alone[0]).norm() > 0.05 * alone[0].norm()


@cases(lambda method, config: sound(method, config) and method.fit == "gradient")
def test_masked_steps_change_neither_loss_nor_gradients(name, config, dim):
    method = make_method(name, config, dim).double()
    loss, parts, gradients = run(method, view_batch(dtype=torch.float64, dim=dim))
    wider = view_batch(steps=17, dtype=torch.float64, dim=dim)
    for view, x_BTD in wider.features.items():
        x_BTD.masked_fill_(~wider.mask_of(view)[..., None], -7.0)
    other_loss, other_parts, other_gradients = run(method, wider)
    assert_same([loss, *parts.values()], [other_loss, *other_parts.values()], 1e-10)
    assert_same(gradients.values(), other_gradients.values(), 1e-10)


@cases(lambda method, config: sound(method, config) and method.fit == "gradient")
def test_order_of_rows_changes_nothing(name, config, dim):
    method, batch = make_method(name, config, dim).double(), view_batch(dtype=torch.float64, dim=dim)
    loss, _, gradients = run(method, batch)
    other_loss, _, other_gradients = run(method, select_rows(batch, [2, 0, 1]))
    assert_same([loss, *gradients.values()], [other_loss, *other_gradients.values()], 1e-10)


@cases(with_pass)
def test_what_is_fitted_in_a_pass_depends_on_neither_order_nor_batches(name, config, dim):
    whole = view_batch((60, 50, 41, 7), lacking=[(1, 0), (3, 2)], dim=dim)
    method = make_method(name, config, dim, batch=whole)
    torch.manual_seed(0)  # of marks that are learned later
    again = METHODS.get(name)(dim, VIEWS[:3], config)
    again.show_all(lambda: (select_rows(whole, rows) for rows in ([3, 1], [2], [0])))
    state = {key: v for key, v in again.refiner.state_dict().items() if "_V" in key or "standardiser" in key}
    assert state
    for key, value in state.items():
        torch.testing.assert_close(value, method.refiner.state_dict()[key], atol=1e-5, rtol=1e-5)


@cases(by_gradient)
@pytest.mark.parametrize("steps", [1, 6])
def test_finite_when_views_are_missing(name, config, dim, steps):
    """A row without one view, one with a single view, one with nothing at all; then nothing in the whole batch."""
    method = make_method(name, config, dim).train()
    batch = view_batch((steps,) * 3, holes=False, lacking=[(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)], dim=dim)
    for rows in ([0, 1, 2], [1], [2]):
        loss, parts, gradients = run(method, select_rows(batch, rows))
        for value in (loss, *parts.values(), *gradients.values()):
            assert value is not None and value.isfinite().all()
        if rows != [0, 1, 2] and sound(method, config):
            apart = {"variance", "covariance"} if method.takes_lone_views(config) else {"variance"}
            assert parts and all(parts[key] == 0 for key in parts.keys() - apart)


@cases(lambda method, config: sound(method, config) and method.fit == "gradient")
def test_a_recording_with_one_view_adds_nothing_unless_the_method_says_so(name, config, dim):
    method = make_method(name, config, dim).double()
    batch = view_batch((9, 12, 5), dtype=torch.float64, lacking=[(1, 0), (1, 1)], dim=dim)
    loss, _, gradients = run(method, batch)
    other_loss, _, other_gradients = run(method, select_rows(batch, [0, 2]))
    if method.takes_lone_views(config):
        assert not torch.isclose(loss, other_loss)
    else:
        assert_same([loss, *gradients.values()], [other_loss, *other_gradients.values()], 1e-10)


@cases()
def test_refiner_survives_its_file_to_the_bit(name, config, dim, tmp_path):
    method, batch, path = make_method(name, config, dim), view_batch(dim=dim), tmp_path / "refiner.safetensors"
    save_refiner(method.refiner, path, {"seed": 3, "kept": "last"})
    torch.manual_seed(9)
    loaded = load_refiner(path)
    assert torch.equal(encoded(loaded, batch), encoded(method, batch))
    assert (loaded.method, loaded.dims, loaded.views) == (name, method.dims, VIEWS[:3])
    assert (loaded.config, loaded.extra) == (config, {"seed": 3, "kept": "last"})
    save_refiner(loaded, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


@cases()
def test_frozen_means_frozen(name, config, dim):
    """Dropout off, nothing moves, no gradients, also inside a module that is being trained."""
    refiner, batch = make_method(name, config, dim).refiner.freeze(), view_batch(dim=dim)
    calm, before = encoded(refiner, batch), copy.deepcopy(refiner.state_dict())
    outer = torch.nn.ModuleDict({"refiner": refiner, "head": torch.nn.Linear(refiner.out_dim, 2)}).train()
    assert outer.training and not any(module.training for module in refiner.modules())
    outer["head"](encoded(refiner, batch)).sum().backward()
    assert torch.equal(encoded(refiner, batch), calm)
    assert all(p.grad is None and not p.requires_grad for p in refiner.parameters())
    assert_same(before.values(), refiner.state_dict().values(), 0)


@cases(lambda method, config: getattr(config, "dropout", 0) > 0)
def test_dropout_is_on_in_training_only(name, config, dim):
    method, batch = make_method(name, config, dim), view_batch(dim=dim)
    assert torch.equal(encoded(method, batch), encoded(method, batch))
    method.train()
    assert not torch.equal(encoded(method, batch), encoded(method, batch))


@cases(with_pass)
def test_nothing_is_encoded_or_saved_before_the_pass(name, config, dim, tmp_path):
    method, batch = METHODS.get(name)(dim, VIEWS[:3], config), view_batch(dim=dim)
    assert method.needs_pass
    with pytest.raises(ConfigError, match=r"solve\(\)"):
        encoded(method, batch)
    with pytest.raises(ConfigError, match=r"solve\(\)"):
        save_refiner(method.refiner, tmp_path / "refiner.safetensors")
    assert not list(tmp_path.iterdir())


@cases()
def test_a_view_never_seen_is_encoded_or_refused_by_name(name, config, dim):
    method, batch = make_method(name, config, dim), view_batch(dim=dim)
    x_BTD, mask_BT = x_of(batch, 0), batch.mask_BVT[:, 0]
    if method.refiner.accepts("e9"):
        assert method.encode(x_BTD, mask_BT, "e9").isfinite().all()
    else:
        known = ", ".join(batch.views[place] for place in places(method, batch))
        with pytest.raises(DataError, match=f"{known}.*'e9'"):
            method.refiner.encode(x_BTD, mask_BT, "e9")


@cases()
def test_config_survives_json(name, config, dim):
    assert METHODS.get(name).Config(**json.loads(json.dumps(asdict(config)))) == config


@cases(by_gradient)
def test_training_state_survives_a_state_dict(name, config, dim):
    """What a checkpoint holds is enough to go on: statistics included, no pass needed again."""
    method, batch = make_method(name, config, dim), view_batch(dim=dim)
    fresh = METHODS.get(name)(dim, VIEWS[:3], config)
    if fresh.requires == "teacher_head":
        fresh.with_teacher(copy.deepcopy(method.teacher))
    fresh.load_state_dict(method.state_dict())
    assert torch.equal(fresh.eval()(batch).total, method(batch).total)


@cases(lambda method, config: by_gradient(method, config) and sound(method, config))
def test_mixed_precision_stays_close(name, config, dim):
    method, batch = make_method(name, config, dim), view_batch((40, 30, 20), dim=dim)
    exact, _, _ = run(method, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = method(batch).total
        assert encoded(method, batch).isfinite().all()
    total.backward()
    torch.testing.assert_close(total.float(), exact, rtol=0.05, atol=0)


@cases(lambda method, config: method.takes_lone_views(config))
def test_no_recording_needs_two_views_where_the_method_says_so(name, config, dim):
    """From the pass to the loss; canonical components alone are of steps that two views have."""
    lone = view_batch(
        (60, 50, 41, 33), lacking=[(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (3, 0), (3, 1)], dim=dim
    )
    if getattr(config, "path", "") == "cca":
        with pytest.raises(DataError, match="no step in common"):
            make_method(name, config, dim, batch=lone)
        return
    method = make_method(name, config, dim, batch=lone).train()
    loss, parts, gradients = run(method, lone)
    assert loss.isfinite() and all(gradients[key].abs().max() > 0 for key in gradients)
    assert all(parts[key] > 0 for key in parts.keys() & {"cycle", "alignment"})
    assert encoded(method.eval(), lone).isfinite().all()


@every_name
def test_every_setting_is_documented(name):
    assert not undocumented(METHODS.get(name).Config)


@every_name
def test_registered_classes_are_methods_of_that_name(name):
    cls = METHODS.get(name)
    assert issubclass(cls, Method) and cls.registered_name() == name == cls(4, ("a", "b")).refiner.method


def _without_dropout(config):
    return replace(config, **{name: 0.0 for name in ("dropout", "noise") if hasattr(config, name)})


def _share(name, config, dim, rows):
    """Loss, gradients, statistics and encoded features of some rows, as one process of a run has them."""
    batch = view_batch((40, 31, 17), dim, dtype=torch.float64, lacking=[(1, 0)])
    method = make_method(name, _without_dropout(config), dim).double()
    if method.needs_pass:
        method = METHODS.get(name)(dim, VIEWS[:3], method.config).double()
        if method.requires == "teacher_head":
            torch.manual_seed(0)
            method.with_teacher(make_method(name, method.config, dim).teacher.double())
        torch.manual_seed(0)
        for parameter in method.parameters():
            parameter.data.normal_(0, 0.3)
        method.show_all(lambda: [select_rows(batch, rows)])
    values = {"encoded": encoded(method.eval(), batch)}
    if method.fit == "gradient":
        loss, _, gradients = run(method.train(), select_rows(batch, rows))
        values |= {"loss": loss} | gradients
    return values


def _one_of_two(rank, folder):
    found = []
    with together(rank, folder):
        for case in DISTRIBUTED:
            values = _share(*case.values, [0] if rank == 0 else [1, 2])
            average([values[key] for key in sorted(values.keys() - {"encoded"})])
            found.append(values)
    torch.save(found, folder / f"{rank}.pt")


LOCAL = ("mark", "schedule", "stop_gradient", "context")
"""Settings that act within a row: they have no part in what processes tell each other."""
DISTRIBUTED = [case for case in CASES if sound(None, case.values[1]) and not any(word in case.id for word in LOCAL)]


@pytest.mark.slow
def test_two_processes_equal_one_at_the_same_global_batch(tmp_path):
    in_two_processes(_one_of_two, tmp_path)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert len(DISTRIBUTED) == len(found[0]) == len(found[1])
    for case, *both in zip(DISTRIBUTED, *found, strict=True):
        whole = _share(*case.values, [0, 1, 2])
        for shared in both:
            assert whole.keys() == shared.keys()
            for key, value in whole.items():
                torch.testing.assert_close(shared[key], value, atol=1e-8, rtol=1e-6, msg=f"{case.id}: {key}")
