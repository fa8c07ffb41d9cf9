"""Roles, feature distillation and head distillation."""

import copy

import pytest
import torch

from tests.methods.made import VIEWS, make_method, put, select_rows, stacked, view_batch, x_of
from tests.side_by_side import average, in_two_processes, together
from viewloom.errors import ConfigError
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.heads.linear import LinearHead
from viewloom.methods.roles import assign_roles
from viewloom.registry import METHODS

SyncKD, SyncKDHead = METHODS.get("sync_kd"), METHODS.get("sync_kd_head")


def test_roles_by_default_and_by_name():
    views = ("v3", "v4", "e4")
    roles = assign_roles(views, "", "", default=-1)
    assert (roles.teacher, roles.students) == ("e4", ("v3", "v4"))
    assert (roles.teacher_place, roles.student_places) == (2, [0, 1])
    assert assign_roles(views, "", "", default=0).teacher == "v3"
    roles = assign_roles(views, "v4", " e4 , v3", default=0)
    assert (roles.teacher, roles.students) == ("v4", ("v3", "e4"))
    assert assign_roles(views, "v4", "e4", default=0).student_places == [2]


@pytest.mark.parametrize(
    ("teacher", "students", "message"),
    [("v9", "", "'v9'|v9"), ("", "e4,v7", "v7"), ("v3", "v3", "teacher and student at once")],
)
def test_roles_that_make_no_sense_are_refused(teacher, students, message):
    with pytest.raises(ConfigError, match=message):
        assign_roles(("v3", "v4", "e4"), teacher, students, default=0)


def test_the_teacher_is_a_target_and_gets_no_gradient():
    method, batch = make_method("sync_kd", SyncKD.Config(layers=1)), view_batch()
    put(batch, stacked(batch).masked_fill(~batch.mask_BVT[..., None], 0))
    seen = []
    method.refiner.layers[0].register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    method(batch)
    assert seen == [int(batch.mask_BVT[:, view].sum()) for view in (0, 1)]


def test_the_teacher_s_own_view_can_pass_unchanged():
    method = make_method("sync_kd", SyncKD.Config(layers=1, teacher_path="identity", teacher="v4"))
    batch = view_batch()
    for view, name in enumerate(VIEWS[:3]):
        x_BTD, mask_BT = x_of(batch, view), batch.mask_BVT[:, view]
        same = torch.equal(method.encode(x_BTD, mask_BT, name), x_BTD.masked_fill(~mask_BT[..., None], 0))
        assert same == (name == "v4")


def test_students_only_of_those_named():
    method, batch = make_method("sync_kd", SyncKD.Config(layers=1, students="v4")), view_batch()
    one = method(batch).total.item()
    both = make_method("sync_kd", SyncKD.Config(layers=1))(batch).total.item()
    other = make_method("sync_kd", SyncKD.Config(layers=1, students="v3"))(batch).total.item()
    assert both == pytest.approx(one + other)


def distilled(start="teacher", head=None, dim=7, views=2):
    torch.manual_seed(0)
    head = C2FTCN(dim, 3, C2FTCN.Config(width=8)) if head is None else head
    return SyncKDHead(dim, VIEWS[:views], SyncKDHead.Config(start=start)).with_teacher(head), head


def test_student_starts_as_the_teacher_or_fresh():
    method, head = distilled()
    assert all(torch.equal(a, b) for a, b in zip(method.student.parameters(), head.parameters(), strict=True))
    fresh, _ = distilled("random")
    assert not torch.equal(fresh.student.inc.conv.conv[0].weight, fresh.teacher.inc.conv.conv[0].weight)
    assert fresh.student.config == head.config


def test_only_the_student_moves():
    method, head = distilled(head=None)
    given, teacher = copy.deepcopy(head.state_dict()), copy.deepcopy(method.teacher.state_dict())
    method.train()
    assert method.student.training and not method.teacher.training
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], 0.1)
    method(view_batch(views=2)).total.backward()
    optimiser.step()
    for name, value in teacher.items():
        assert torch.equal(value, method.teacher.state_dict()[name]) and torch.equal(value, given[name]), name
        assert torch.equal(value, head.state_dict()[name])
    assert not torch.equal(method.student.inc.conv.conv[0].weight, head.inc.conv.conv[0].weight)


def test_nothing_to_distil_when_views_and_heads_are_equal():
    method, _ = distilled(head=LinearHead(7, 3))
    batch = view_batch(views=2, holes=False)
    x_of(batch, 1)[:] = x_of(batch, 0)
    assert method(batch).total == 0


def test_student_learns_what_the_teacher_says_of_the_other_view():
    """After distillation the student's decisions on its view are the teacher's on the teacher's view."""
    torch.manual_seed(0)
    head = LinearHead(16, 3)
    torch.nn.init.normal_(head.linear.weight)
    method, _ = distilled(head=head, dim=16)
    learn, held = view_batch((300, 250), 16, 2, holes=False), view_batch((280,), 16, 2, holes=False)

    def agreement():
        first, second = (x_of(held, v) for v in range(2))
        mask = held.mask_BVT[:, 0]
        wanted = method.teacher(first, mask)[0].argmax(-1)
        return (method.student(second, mask)[0].argmax(-1) == wanted).float().mean().item()

    before = agreement()
    adam = torch.optim.Adam(method.student.parameters(), 0.05)
    for _ in range(150):
        adam.zero_grad()
        method(learn).total.backward()
        adam.step()
    assert before < 0.6 < 0.8 < agreement()


def test_a_missing_or_unfit_teacher_is_named():
    with pytest.raises(ConfigError, match="with_teacher"):
        SyncKDHead(7, VIEWS[:2])(view_batch(views=2))
    with pytest.raises(ConfigError, match=r"size 5.*have 7"):
        SyncKDHead(7, ("v3", "e4")).with_teacher(LinearHead(5, 3))


def test_a_batch_without_the_student_s_view_costs_nothing():
    method, _ = distilled()
    loss = method.train()(view_batch(views=2, lacking=[(0, 1), (1, 1), (2, 1)]))
    loss.total.backward()
    assert loss.total == 0 and not any(p.grad.any() for p in method.student.parameters())


def _one_of_two(rank, folder):
    """One process has no student view at all: all must still take part in the head's batch statistics."""
    with together(rank, folder):
        gradients = _head_gradients([0] if rank == 0 else [1, 2])
        average(gradients)
    torch.save(gradients, folder / f"{rank}.pt")


def _head_gradients(rows):
    torch.manual_seed(0)
    head = C2FTCN(7, 3, C2FTCN.Config(width=4)).double()
    method = SyncKDHead(7, VIEWS[:2]).with_teacher(head).double().train()
    batch = view_batch((9, 12, 5), views=2, dtype=torch.float64, lacking=[(0, 1)])
    method(select_rows(batch, rows)).total.backward()
    return [p.grad for p in method.student.parameters()]


def test_two_processes_equal_one_when_one_lacks_the_student_s_view(tmp_path):
    in_two_processes(_one_of_two, tmp_path)
    whole = _head_gradients([0, 1, 2])
    assert any(gradient.any() for gradient in whole)
    for rank in range(2):
        shared = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for one, other in zip(shared, whole, strict=True):
            torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6)


def test_released_mean_of_feature_distillation_counts_padding():
    """Over all steps, padding included: zeros that the network turns into something, against a target of zeros."""
    batch = view_batch((9, 5), views=2, holes=False)
    method = make_method("sync_kd", SyncKD.Config(layers=1, loss_mean="all", window_steps=12), views=2)
    exo, ego = (x_of(batch, v).masked_fill(~batch.mask_BVT[:, v, :, None], 0) for v in range(2))
    exo, ego = (torch.nn.functional.pad(part, (0, 0, 0, 3)) for part in (exo, ego))  # nine steps to twelve
    everything = torch.ones(2, 12, dtype=torch.bool)
    wanted = torch.nn.functional.mse_loss(method.encode(exo, everything, "v3"), ego)
    torch.testing.assert_close(method(batch).total, wanted)
    valid = make_method("sync_kd", SyncKD.Config(layers=1), views=2)
    assert not torch.isclose(valid(batch).total, wanted)


@pytest.mark.parametrize("name", ["sync_kd", "sync_kd_head"])
def test_only_steps_that_student_and_teacher_have_count(name):
    """Each lacks steps of its own, and one row has no teacher: as if only the shared steps were there."""
    settings = {"layers": 1, "dropout": 0.0} if name == "sync_kd" else {}
    method = make_method(name, METHODS.get(name).Config(**settings), views=2)
    batch, shared = view_batch((12, 9, 7), views=2), view_batch((12, 9, 7), views=2)
    teacher = method.roles.teacher_place
    for each in (batch, shared):
        each.mask_BVT[2, teacher] = False
        each.mask_BVT[0, 1 - teacher, 1:4] = False
    both_B1T = batch.mask_BVT.all(dim=1, keepdim=True)
    assert (batch.mask_BVT & ~both_B1T).any(dim=(0, 2)).all(), "steps of one view alone, either way"
    shared.mask_BVT &= both_B1T
    torch.testing.assert_close(method(batch).total, method(shared).total)


def test_the_teacher_s_features_are_standardised_like_the_student_s():
    batch = view_batch((40, 30), views=2, holes=False)
    config = SyncKD.Config(layers=1, dropout=0.0, standardise="view")
    method = make_method("sync_kd", config, views=2, batch=batch)
    exo, ego = (method.refiner.standardiser(x_of(batch, v), VIEWS[v]) for v in range(2))
    mask_BT = batch.mask_BVT[:, 0]
    refined = method.encode(x_of(batch, 0), mask_BT, "v3")
    assert not torch.allclose(exo, x_of(batch, 0))
    torch.testing.assert_close(method(batch).total, (refined - ego)[mask_BT].square().mean())


def test_an_optimiser_is_offered_the_student_alone():
    """Weight decay would move a teacher that it got hold of, gradient or not."""
    method, _ = distilled()
    trained = [name for name, parameter in method.named_parameters() if parameter.requires_grad]
    assert trained and all(name.startswith("student.") for name in trained)


def test_a_student_of_another_size_has_statistics_of_its_own():
    """The teacher's can't be taken: the student's features are standardised by what is seen of its view."""
    method = make_method("sync_kd_head", SyncKDHead.Config(start="random"), dim=(7, 5), views=2)
    student, batch = method.student, view_batch((60, 50, 41), (7, 5), 2)
    assert (student.dim, method.teacher.dim) == (5, 7) and not method.needs_pass
    scaled_BTD = student.scaled(x_of(batch, 1), batch.mask_BVT[:, 1])
    z_ND = scaled_BTD[batch.mask_BVT[:, 1]]
    torch.testing.assert_close(z_ND.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(z_ND.std(0, correction=0), torch.ones(5))
    assert method(batch).total.isfinite()


def test_the_student_of_a_teacher_of_its_size_has_the_teacher_s_statistics():
    head = LinearHead(7, 3)
    head.observe(torch.randn(1, 40, 7) * 3 + 1, torch.ones(1, 40, dtype=torch.bool))
    head.solve_scaling()
    for start in ("teacher", "random"):
        student = distilled(start, head)[0].student
        assert torch.equal(student.scaling.deviation_GD, head.scaling.deviation_GD)


def test_a_student_of_another_size_sees_its_features_as_the_method_standardises_them():
    """Twice standardised is once: the student's own statistics are then those of standardised features."""
    config = SyncKDHead.Config(start="random", standardise="view")
    method = make_method("sync_kd_head", config, dim=(7, 5), views=2)
    assert method.student.scaling.mean_GD.abs().max() < 1e-5
    torch.testing.assert_close(method.student.scaling.deviation_GD, torch.ones(1, 5))
    batch = view_batch((60, 50), (7, 5), 2)
    assert method.refiner.accepts("v4") and not method.refiner.accepts("v3")
    assert method.encode(x_of(batch, 0), batch.mask_BVT[:, 0], "v3").shape[-1] == 7
