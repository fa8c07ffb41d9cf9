"""What every registered head must hold to; a new head is covered by being registered."""

import copy
import functools
import itertools
import json
from dataclasses import asdict, fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.documented import undocumented
from tests.side_by_side import average, in_two_processes, together
from viewloom.errors import ConfigError
from viewloom.heads.base import ANY_VIEW, LIMIT
from viewloom.metrics.segments import IGNORE
from viewloom.nn.standardise import Standardiser
from viewloom.registry import HEADS
from viewloom.training.checkpoints import SavedHead, read_head, save_head

DIM, CLASSES = 6, 5
SMALL = {"width": 8, "window_steps": 450, "layers": 3, "decoders": 1, "stages": 2, "window": 8, "stride": 16}
SMALL |= {"reduction": 1, "dropout": 0.0, "channel_dropout": 0.0}
"""Sizes that make the tests quick, where a head has such a setting; nothing is drawn at random."""
LENGTHS = (430, 395, 5)


def variants(name):
    """Configs of a head: every combination of its choices and switches that it accepts, at small sizes."""
    config_class = HEADS.get(name).Config
    hints = get_type_hints(config_class)
    known = {field.name for field in fields(config_class)}
    small = {key: value for key, value in SMALL.items() if key in known}
    if "inner" in known:
        yield from wrapped(name, config_class, small)
        return
    choices = {key: get_args(hints[key]) for key in sorted(known) if get_origin(hints[key]) is Literal}
    choices |= {key: (False, True) for key in sorted(known) if hints[key] is bool and key != "standardise"}
    for chosen in itertools.product(*choices.values()):
        changes = dict(zip(choices, chosen, strict=True))
        words = [value if isinstance(value, str) else f"{key}={value}" for key, value in changes.items()]
        try:
            yield "-".join((name, *words)), config_class(**small, **changes)
        except ConfigError:
            continue


def wrapped(name, config_class, small):
    """Configs of a head around each other one, in its first variant, and with each of its own choices around one."""
    for inner in HEADS.names():
        if inner != name:
            options = asdict(next(config for _, config in variants(inner))) | {"standardise": False}
            yield f"{name}-{inner}", config_class(inner=inner, inner_options=options, **small)
    for vote in get_args(get_type_hints(config_class)["vote"])[1:]:
        yield f"{name}-{vote}", config_class(inner="linear", vote=vote, **small)


CASES = [pytest.param(name, config, id=label) for name in HEADS.names() for label, config in variants(name)]
every_head = pytest.mark.parametrize(("name", "config"), CASES)
every_name = pytest.mark.parametrize("name", HEADS.names())


def make(name, config, dtype=torch.float32):
    """A head in evaluation mode, its running statistics those of a batch, so that signals pass every level."""
    return copy.deepcopy(_made(name, config)).to(dtype)


@functools.cache
def _made(name, config):
    torch.manual_seed(0)
    head = HEADS.get(name)(DIM, CLASSES, config)
    norms = [module for module in head.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = 1.0
    x_BTD, _, mask_BT = batch(hole=False)
    head.observe(x_BTD, mask_BT)
    head.solve_scaling()
    head.train()(x_BTD, mask_BT)
    for norm in norms:
        norm.momentum = 0.1
    return head.eval()


def batch(lengths=LENGTHS, steps=None, dtype=torch.float32, hole=True):
    """Features, labels and mask of rows of given lengths; garbage, not zeros, where the mask is False."""
    steps = max(lengths) if steps is None else steps
    x_BTD = torch.full((len(lengths), steps, DIM), 1e4, dtype=dtype)
    labels_BT = torch.full((len(lengths), steps), 1)
    for row, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(length)
        x_BTD[row, :length] = torch.randn(length, DIM, generator=generator, dtype=torch.float64).to(dtype)
        labels_BT[row, :length] = torch.randint(CLASSES, (length,), generator=generator)
    mask_BT = torch.arange(steps) < torch.tensor(lengths)[:, None]
    if hole:
        for row, length in enumerate(lengths):
            mask_BT[row, length // 2 : length // 2 + length // 20] = False
    labels_BT[:, 3:4] = IGNORE
    return x_BTD, labels_BT, mask_BT


def run(head, x_BTD, labels_BT, mask_BT):
    """Loss, gradients and state after one pass in the head's present mode."""
    head = copy.deepcopy(head)
    loss = head.loss(head(x_BTD, mask_BT), labels_BT, mask_BT)
    loss.total.backward()
    gradients = {key: value.grad for key, value in head.named_parameters()}
    return loss.total.detach(), gradients, head.state_dict()


def assert_same(first, second, tolerance):
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


@every_head
def test_gives_logits_and_probabilities_at_the_batch_length(name, config):
    head = make(name, config)
    x_BTD, _, mask_BT = batch(steps=470)
    levels = head(x_BTD, mask_BT)
    assert levels and {level.shape for level in levels} == {(3, 470, CLASSES)}
    assert levels[0][0, :430].std(dim=0).min() > 1e-3
    probs_BTK = head.decode(levels, mask_BT)
    assert probs_BTK.shape == (3, 470, CLASSES) and probs_BTK.min() >= 0
    torch.testing.assert_close(probs_BTK.sum(dim=-1), torch.ones(3, 470))


@every_name
def test_default_settings_and_other_sizes_work(name):
    cls = HEADS.get(name)
    head = cls(3, 2)
    assert head.config == cls.Config() and (head.dim, head.classes) == (3, 2)
    mask_BT = torch.ones(1, 20, dtype=torch.bool)
    levels = head.eval()(torch.randn(1, 20, 3), mask_BT)
    assert head.decode(levels, mask_BT).shape == (1, 20, 2)


@every_head
def test_gradient_reaches_every_parameter(name, config):
    head = make(name, config)
    _, gradients, _ = run(head, *batch())
    assert head.idle <= gradients.keys() and all(gradient is not None for gradient in gradients.values())
    largest = {key: gradient.abs().max() for key, gradient in gradients.items()}
    assert not [key for key, gradient in largest.items() if not gradient > 0 and key not in head.idle]
    assert all(largest[key] < 1e-5 for key in head.idle)


@every_head
@settings(max_examples=5, deadline=None, derandomize=True)
@given(lengths=st.lists(st.integers(1, 445), min_size=2, max_size=4), padding=st.integers(0, 60))
def test_result_of_a_row_is_its_own(name, config, lengths, padding):
    """Alone or in any batch, padded little or much, with anything in the padding."""
    head = make(name, config, torch.float64)
    x_BTD, _, mask_BT = batch(lengths, max(lengths) + padding, torch.float64)
    with torch.inference_mode():
        together = head(x_BTD, mask_BT)
        probs_BTK = head.decode(together, mask_BT)
        for row, length in enumerate(lengths):
            x_1TD, _, mask_1T = batch((length,), dtype=torch.float64)
            alone = head(x_1TD, mask_1T)
            assert_same([level[row, :length] for level in together], [a[0] for a in alone], 1e-9)
            assert_same([probs_BTK[row, :length]], head.decode(alone, mask_1T), 1e-9)


@every_head
def test_one_by_one_equals_one_batch_in_single_precision(name, config):
    head = make(name, config)
    x_BTD, _, mask_BT = batch((445, 300, 120, 440))
    together = head.decode(head(x_BTD, mask_BT), mask_BT)
    for row in range(len(x_BTD)):
        x_1TD, mask_1T = x_BTD[row : row + 1], mask_BT[row : row + 1]
        alone = head.decode(head(x_1TD, mask_1T), mask_1T)
        torch.testing.assert_close(together[row][mask_BT[row]], alone[0][mask_BT[row]], atol=1e-5, rtol=0)


@every_head
def test_masked_steps_change_neither_loss_nor_gradients_nor_statistics(name, config):
    head = make(name, config, torch.float64).train()
    loss, gradients, state = run(head, *batch(dtype=torch.float64))
    x_BTD, labels_BT, mask_BT = batch(steps=463, dtype=torch.float64)
    x_BTD[~mask_BT], labels_BT[~mask_BT] = -7.0, 2
    other_loss, other_gradients, other_state = run(head, x_BTD, labels_BT, mask_BT)
    assert_same([loss], [other_loss], 1e-10)
    assert_same(gradients.values(), other_gradients.values(), 1e-8)
    assert_same(state.values(), other_state.values(), 1e-10)


@every_head
@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "all-ignore"])
@pytest.mark.parametrize("steps", [1, 2, 400])
def test_finite_on_little_data(name, config, steps, labelled):
    x_BTD, labels_BT, mask_BT = batch((steps,), steps + 2, hole=False)
    labels_BT[:] = 1 if labelled else IGNORE
    loss, gradients, state = run(make(name, config).train(), x_BTD, labels_BT, mask_BT)
    for value in (loss, *gradients.values(), *state.values()):
        assert value.isfinite().all()


@every_head
def test_a_row_without_any_step_is_finite_at_evaluation(name, config):
    head = make(name, config)
    mask_BT = torch.zeros(2, 30, dtype=torch.bool)
    mask_BT[0] = True
    levels = head(torch.randn(2, 30, DIM), mask_BT)
    assert head.decode(levels, mask_BT).isfinite().all()


def taught_batch(lengths=LENGTHS, dtype=torch.float32):
    """A batch whose second half of each row has a teacher's probabilities instead of labels."""
    x_BTD, labels_BT, mask_BT = batch(lengths, dtype=dtype)
    generator = torch.Generator().manual_seed(9)
    soft_BTK = torch.randn(*labels_BT.shape, CLASSES, generator=generator).to(dtype).softmax(dim=-1)
    taught_BT = torch.arange(labels_BT.shape[1]) % 3 == 1
    soft_BTK = soft_BTK * taught_BT[None, :, None]
    return x_BTD, labels_BT.masked_fill(taught_BT, IGNORE), soft_BTK, mask_BT


def run_taught(head, x_BTD, labels_BT, soft_BTK, mask_BT, weight=0.5):
    """As `run`, with a teacher."""
    head = copy.deepcopy(head)
    loss = head.loss_with_taught(head(x_BTD, mask_BT), labels_BT, soft_BTK, mask_BT, weight)
    loss.total.backward()
    return loss.total.detach(), {key: value.grad for key, value in head.named_parameters()}, head.state_dict()


@every_head
def test_a_certain_teacher_is_a_label(name, config):
    """Of all steps, or of some beside labelled ones."""
    head = make(name, config, torch.float64).train()
    x_BTD, labels_BT, mask_BT = batch(dtype=torch.float64)
    wanted, gradients, _ = run(head, x_BTD, labels_BT, mask_BT)
    for taught_BT in (torch.ones_like(mask_BT), torch.arange(mask_BT.shape[1])[None] % 2 == 0):
        certain_BTK = torch.nn.functional.one_hot(labels_BT.clamp(min=0), CLASSES).double()
        certain_BTK = certain_BTK * (taught_BT & (labels_BT != IGNORE))[..., None]
        left_BT = labels_BT.masked_fill(taught_BT, IGNORE)
        loss, others, _ = run_taught(head, x_BTD, left_BT, certain_BTK, mask_BT, weight=1.0)
        assert_same([wanted], [loss], 1e-10)
        assert_same(gradients.values(), others.values(), 1e-8)


@every_head
def test_a_taught_step_weighs_what_is_asked_whatever_the_mix(name, config):
    """The loss is a line in the weight, without labels too; without taught steps it is `loss`."""
    head = make(name, config, torch.float64)
    x_BTD, labels_BT, soft_BTK, mask_BT = taught_batch(dtype=torch.float64)
    levels = head(x_BTD, mask_BT)
    at = {
        weight: head.loss_with_taught(levels, labels_BT, soft_BTK, mask_BT, weight).total for weight in (0.0, 0.25, 1.0)
    }
    assert_same([at[0.25]], [0.75 * at[0.0] + 0.25 * at[1.0]], 1e-10)
    none_BT = torch.full_like(labels_BT, IGNORE)
    alone = {weight: head.loss_with_taught(levels, none_BT, soft_BTK, mask_BT, weight) for weight in (0.0, 0.25)}
    taught = (mask_BT & (soft_BTK.sum(-1) > 0)).sum()
    expected = sum(-(soft_BTK * logp_BTK)[mask_BT].sum() / taught for logp_BTK in head.voted(levels))
    beside = alone[0.25].parts.get("boundary_taught", 0.0)
    assert_same([alone[0.25].total - alone[0.0].total], [0.25 * (expected + beside)], 1e-10)
    assert_same([alone[0.25].parts["taught"]], [expected], 1e-10)
    without = head.loss_with_taught(levels, labels_BT, torch.zeros_like(soft_BTK), mask_BT, 0.25)
    assert_same([without.total], [head.loss(levels, labels_BT, mask_BT).total], 1e-10)


@every_head
def test_a_teacher_of_masked_steps_changes_nothing(name, config):
    head = make(name, config, torch.float64).train()
    x_BTD, labels_BT, soft_BTK, mask_BT = taught_batch(dtype=torch.float64)
    loss, gradients, _ = run_taught(head, x_BTD, labels_BT, soft_BTK, mask_BT)
    soft_BTK = soft_BTK.masked_fill(~mask_BT[..., None], 0.7)
    other, others, _ = run_taught(head, x_BTD, labels_BT, soft_BTK, mask_BT)
    assert_same([loss, *gradients.values()], [other, *others.values()], 1e-10)
    for key, gradient in gradients.items():
        assert gradient.isfinite().all() and (gradient.abs().max() > 0 or key in head.idle)


@every_head
def test_weights_survive_a_safetensors_file(name, config, tmp_path):
    head, path = make(name, config), tmp_path / "head.safetensors"
    save_file(head.state_dict(), path)
    read = HEADS.get(name)(DIM, CLASSES, config)
    read.load_state_dict(load_file(path))
    x_BTD, _, mask_BT = batch()
    assert_same(head(x_BTD, mask_BT), read.eval()(x_BTD, mask_BT), 0)


@every_head
def test_config_survives_json(name, config):
    assert HEADS.get(name).Config(**json.loads(json.dumps(asdict(config)))) == config


@every_head
def test_double_precision_agrees_with_single(name, config):
    x_BTD, labels_BT, mask_BT = batch()
    single, double = make(name, config), make(name, config).double()
    levels = double(x_BTD.double(), mask_BT)
    assert {level.dtype for level in levels} == {torch.float64}
    assert double.loss(levels, labels_BT, mask_BT).total.dtype == torch.float64
    assert_same(single(x_BTD, mask_BT), [level.float() for level in levels], 1e-3)


@every_head
def test_mixed_precision_stays_close(name, config):
    head = make(name, config).train()
    x_BTD, labels_BT, mask_BT = batch()
    exact, _, _ = run(head, x_BTD, labels_BT, mask_BT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        levels = head(x_BTD, mask_BT)
        total = head.loss(levels, labels_BT, mask_BT).total
    total.backward()
    torch.testing.assert_close(total.float(), exact, rtol=0.05, atol=0)


@every_head
def test_evaluation_is_deterministic_and_leaves_the_head_alone(name, config):
    head = make(name, config)
    before = copy.deepcopy(head.state_dict())
    x_BTD, _, mask_BT = batch()
    assert_same(head(x_BTD, mask_BT), head(x_BTD, mask_BT), 0)
    assert_same(before.values(), head.state_dict().values(), 0)


@every_head
def test_learns_what_each_step_shows(name, config):
    head = make(name, config).train()
    generator = torch.Generator().manual_seed(3)
    labels_BT = torch.randint(CLASSES, (2, 16), generator=generator).repeat_interleave(25, dim=1)
    x_BTD = torch.randn(2, 400, DIM, generator=generator) * 0.3
    x_BTD[..., :CLASSES] += torch.nn.functional.one_hot(labels_BT, CLASSES)
    mask_BT = torch.ones(2, 400, dtype=torch.bool)
    adam = torch.optim.Adam(head.parameters(), lr=0.03)
    for _ in range(40):
        adam.zero_grad()
        levels = head(x_BTD, mask_BT)
        head.loss(levels, labels_BT, mask_BT).total.backward()
        adam.step()
    found_BT = head.decode(levels, mask_BT).argmax(dim=-1)
    assert (found_BT == labels_BT).float().mean() > 0.9


def in_units(x_BTD):
    """The same features in other units: each times a factor of its own, plus an offset."""
    factor_D = 10 ** torch.linspace(-4, 4, DIM, dtype=torch.float64)
    return x_BTD * factor_D + 5 * factor_D * torch.linspace(-1, 1, DIM, dtype=torch.float64)


@every_head
def test_units_of_features_make_no_difference(name, config, tmp_path):
    """The input is standardised by what was observed, and the statistics are saved with the head."""
    head = make(name, config, torch.float64)
    x_BTD, _, mask_BT = batch(dtype=torch.float64)
    other = HEADS.get(name)(DIM, CLASSES, config).double()
    state = head.state_dict()
    other.load_state_dict({key: value for key, value in state.items() if not key.startswith("scaling")}, strict=False)
    plain = other.eval()(in_units(x_BTD), mask_BT)
    for observer, features in ((head, x_BTD), (other, in_units(x_BTD))):
        observer.scaling = Standardiser(DIM, (ANY_VIEW,), "pooled").double()
        observer.observe(features, mask_BT)
        observer.solve_scaling()
    wanted = head(x_BTD, mask_BT)
    assert_same([level[mask_BT] for level in other(in_units(x_BTD), mask_BT)], [w[mask_BT] for w in wanted], 1e-7)
    alike = [torch.allclose(one, other, atol=1e-3) for one, other in zip(plain, wanted, strict=True)]
    assert not all(alike), "the statistics make no difference"
    save_head(tmp_path / "head.safetensors", SavedHead(other.float(), tuple("abcde"), ("v3",), 30.0, {}))
    loaded, x_BTD = read_head(tmp_path / "head.safetensors").head, in_units(x_BTD).float()
    assert_same(loaded(x_BTD, mask_BT), other(x_BTD, mask_BT), 0)


@every_head
def test_standardised_features_are_bounded_and_zero_at_masked_steps(name, config):
    head = make(name, config)
    x_BTD, _, mask_BT = batch()
    z_BTD = head.scaled(x_BTD, mask_BT)
    assert not z_BTD[~mask_BT].any()
    torch.testing.assert_close(z_BTD[mask_BT].std(0), torch.ones(DIM), atol=0.1, rtol=0)
    x_BTD[0, 0] = torch.tensor([1e6, -1e6] * 3)
    torch.testing.assert_close(head.scaled(x_BTD, mask_BT)[0, 0], torch.tensor([LIMIT, -LIMIT] * 3))


@every_head
def test_a_head_that_takes_features_as_they_are_has_no_statistics(name, config):
    plain = HEADS.get(name)(DIM, CLASSES, replace(config, standardise=False)).eval()
    scaling = HEADS.get(name)(DIM, CLASSES, config).eval()
    assert not plain.needs_statistics and scaling.needs_statistics
    more = scaling.state_dict().keys() - plain.state_dict().keys()
    assert {key.removeprefix("scaling.") for key in more} == {"mean_GD", "deviation_GD", "steps_G"}
    scaling.load_state_dict(plain.state_dict(), strict=False)
    x_BTD, _, mask_BT = batch()
    assert_same(plain(x_BTD, mask_BT), scaling(x_BTD, mask_BT), 0)  # until there are statistics


@every_name
def test_a_head_saved_before_there_were_statistics_loads(name, tmp_path):
    plain = HEADS.get(name)(DIM, CLASSES, HEADS.get(name).Config(standardise=False)).eval()
    path = tmp_path / "head.safetensors"
    save_head(path, SavedHead(plain, tuple("abcde"), ("v3",), 30.0, {}))
    with safe_open(path, "pt") as file:
        metadata = json.loads(file.metadata()["viewloom"])
    del metadata["config"]["standardise"], metadata["sum"]
    save_file(plain.state_dict(), path, {"viewloom": json.dumps(metadata)})
    x_BTD, _, mask_BT = batch()
    assert_same(read_head(path).head(x_BTD, mask_BT), plain(x_BTD, mask_BT), 0)


@every_name
def test_every_setting_is_documented(name):
    assert not undocumented(HEADS.get(name).Config)


def _train_share(rank, folder):
    """One of two processes: its share of each case's batch, gradients averaged as data-parallel training does."""
    heads, found = [make(*case.values, torch.float64).train() for case in CASES], []
    with together(rank, folder):
        for head in heads:
            x_BTD, labels_BT, mask_BT = batch(dtype=torch.float64)
            rows = slice(0, 1) if rank == 0 else slice(1, 3)
            # The second process has all of the taught steps.
            taught = taught_batch(dtype=torch.float64)
            taught[2][0] = 0.0
            plain = run(head, x_BTD[rows], labels_BT[rows], mask_BT[rows])
            with_taught = run_taught(head, *(value[rows] for value in taught))
            average([value for loss, gradients, _ in (plain, with_taught) for value in (loss, *gradients.values())])
            found.append((plain, with_taught))
    torch.save(found, folder / f"{rank}.pt")


@pytest.mark.slow
def test_two_processes_equal_one_at_the_same_global_batch(tmp_path):
    for case in CASES:
        make(*case.values)  # here, so that forks have it
    in_two_processes(_train_share, tmp_path)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert len(CASES) == len(found[0]) == len(found[1])
    for case, *shares in zip(CASES, *found, strict=True):
        head = make(*case.values, torch.float64).train()
        taught = taught_batch(dtype=torch.float64)
        taught[2][0] = 0.0
        wanted = run(head, *batch(dtype=torch.float64)), run_taught(head, *taught)
        for both in shares:
            for (loss, gradients, state), shared in zip(wanted, both, strict=True):
                assert_same([loss], shared[:1], 1e-10)
                assert_same(gradients.values(), shared[1].values(), 1e-8)
                assert_same(state.values(), shared[2].values(), 1e-10)
