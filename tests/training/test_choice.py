"""What chooses the checkpoint of a pre-training run: something that can change while the method learns."""

import csv
import json

import pytest
import torch

from tests.methods.made import make_method, stacked, view_batch
from tests.tiny import write_tiny
from viewloom.errors import ConfigError
from viewloom.registry import METHODS
from viewloom.training.invariance import measure
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=16))


@pytest.fixture(scope="module")
def head(data, tmp_path_factory):
    """A run folder of a linear head trained on exo."""
    run = tmp_path_factory.mktemp("runs") / "exo"
    settings = {"head": "linear", "epochs": 12, "batch_size": 2, "views": "v3", "trainer": QUIET}
    run_train(TrainConfig(data=data, run=str(run), **settings))
    return run


def distil(data, run, head, **changes):
    """A student of a linear head, over five epochs."""
    optim = PretrainOptimConfig(lr=0.05)
    defaults = {"batch_size": 2, "held_out": 0.4, "trainer": QUIET, "epochs": 5, "optim": optim, "teacher": str(head)}
    return PretrainConfig(data=data, run=str(run), views="v3,e4", method="sync_kd_head", **(defaults | changes))


def logged(run, name):
    """One column of metrics.csv, epoch by epoch."""
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    return [float(row[name]) for row in rows if row.get(name)]


def test_a_distilled_head_is_chosen_by_its_own_loss(data, head, tmp_path):
    run_pretrain(distil(data, tmp_path / "run", head))
    losses = logged(tmp_path / "run", "val/loss")
    best = losses.index(min(losses)) + 1
    found = json.loads((tmp_path / "run" / "invariance.json").read_text())
    assert best > 1, "the case must be one where learning helps"
    assert found["select"] == "loss" and found["kept"] == f"best epoch ({best} of 5)"


def test_a_distilled_head_can_be_chosen_by_its_agreement_with_the_teacher(data, head, tmp_path, capfd):
    run_pretrain(distil(data, tmp_path / "run", head, select="agreement"))
    shares = logged(tmp_path / "run", "val/agreement")
    best = shares.index(max(shares)) + 1
    found = json.loads((tmp_path / "run" / "invariance.json").read_text())
    assert found["kept"] == f"best epoch ({best} of 5)"
    assert found["held_out"]["agreement"] == pytest.approx(max(shares), abs=1e-3)
    assert f"held-out agreement {max(shares):.1f} %" in capfd.readouterr().err


@pytest.mark.parametrize(
    "method, select, reason",
    [("sync_kd_head", "retrieval", "loss, agreement, last"), ("two_stream", "agreement", "retrieval, loss, last")],
)
def test_what_a_method_can_not_be_chosen_by_is_refused_before_anything_is_written(
    data, head, tmp_path, method, select, reason
):
    settings = distil(data, tmp_path / "run", head, select=select)
    settings = PretrainConfig(
        **{**settings.__dict__, "method": method, "teacher": str(head) if method == "sync_kd_head" else None}
    )
    with pytest.raises(ConfigError, match=rf"--select {select}.*{method}.*{reason}"):
        run_pretrain(settings)
    assert not (tmp_path / "run").exists()


def test_agreement_is_the_share_of_steps_where_student_and_teacher_say_the_same():
    method = make_method("sync_kd_head", views=3, dim=7)
    torch.nn.init.normal_(method.student.linear.weight)
    batches = [view_batch((9, 12, 5)), view_batch((30, 4), steps=33)]
    same = steps = 0
    for batch in batches:
        for row in range(len(batch.windows)):
            for view in (1, 2):
                for step in torch.nonzero(batch.mask_BVT[row, view] & batch.mask_BVT[row, 0]).flatten():
                    said = [
                        one(stacked(batch)[row, place, step][None, None], torch.ones(1, 1, dtype=torch.bool))[0]
                        for one, place in ((method.student, view), (method.teacher, 0))
                    ]
                    same += int(said[0].argmax() == said[1].argmax())
                    steps += 1
    assert 0 < same < steps
    assert measure(method, batches, torch.device("cpu")).values["agreement"] == pytest.approx(100 * same / steps)


def test_every_method_fitted_by_gradient_names_measures_that_are_taken():
    for name in METHODS.names():
        method = make_method(name)
        values = measure(method, [view_batch((30, 20), holes=False)], torch.device("cpu")).values
        chosen = type(method).chosen_by
        assert chosen[-1] == "last" and set(chosen[:-1]) <= set(values)
        assert method.requires != "teacher_head" or "retrieval" not in chosen
