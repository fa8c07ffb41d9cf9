"""`viewloom train --teach_on_pairs` against a student written out plainly: the same weights after every epoch."""

from dataclasses import replace

import pytest

from tests.tiny import write_tiny
from tests.wiring.plain import QUIET, plain_student
from tests.wiring.test_train import BASE, CUT, OPTIM, config
from tests.wiring.watching import assert_equal_epochs, furthest, recorded
from viewloom.training.checkpoints import read_head
from viewloom.training.segment import run_train
from viewloom.training.settings import TeachConfig

TEACH = TeachConfig(views="v3,e4", epochs=2)
TAUGHT = BASE | {"teach_on_pairs": True, "teach": TEACH, "epochs": 2}
CASES = {
    "augmentation": {"sampling": replace(CUT, augment_probability=0.7)},
    "a temperature": {"teach": replace(TEACH, temperature=0.4)},
    "a weight": {"teach": replace(TEACH, weight=0.2)},
    "a confidence": {"teach": replace(TEACH, confidence=0.4)},
    "one view": {"teach": replace(TEACH, views="e4")},
    "more held out": {"teach": replace(TEACH, held_out=0.5)},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six pair recordings, so that one is held out."""
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=24))


@pytest.mark.parametrize("head", ["linear", "c2f_tcn"])
def test_the_student_is_the_plain_one(data, tmp_path, head):
    """In double precision: what one thread rounds in one order, and another in another, Adam makes steps of."""
    exact = {"trainer": replace(QUIET, precision="64-true"), "optim": replace(OPTIM, lr=1e-3)}
    settings = config(data, tmp_path / "run", head, **(TAUGHT | exact | CASES["augmentation"]))
    assert_equal_epochs(*both(settings), tolerance=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_every_setting_does_what_it_says(data, tmp_path, case):
    settings = config(data, tmp_path / "run", **(TAUGHT | CASES[case]))
    weights, plain = both(settings)
    assert_equal_epochs(weights, plain)
    teacher = read_head(tmp_path / "run" / "teacher" / "head.safetensors").head
    without = plain_student(config(data, tmp_path / "run", **TAUGHT), teacher)
    assert furthest(plain[-1], without[-1]) > 1e-4, "the setting must matter, or the test says nothing"


def both(settings):
    """Weights of a student's epochs, and those of the plain one behind the same teacher."""
    with recorded("head") as recorder:
        run_train(settings)
    return recorder.weights, plain_student(settings, read_head(f"{settings.run}/teacher/head.safetensors").head)
