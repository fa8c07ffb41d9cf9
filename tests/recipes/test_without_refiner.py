"""A transfer doubts its refiner where validation labels say so, and keeps the student that promises more."""

import json

import pytest

from tests.recipes.test_transfer import config, scores
from tests.tiny import write_tiny
from viewloom.recipes import without_refiner
from viewloom.recipes.transfer import run_transfer
from viewloom.recipes.without_refiner import keep_better, promise, put_in_place, validated
from viewloom.training.trained import load_head


def write_run(run, totals):
    """A head's run, as far as it is looked at: mean validation scores of its epochs."""
    run.mkdir(parents=True)
    lines = [f"{epoch},{5 * value}" for epoch, value in enumerate(totals)]
    (run / "metrics.csv").write_text("\n".join(["epoch,val/total", *lines, ""]))


def write_student(run, teacher, held_out, learned=50.0):
    """A student's: its teacher's validation scores, and its agreement with it."""
    write_run(run / "teacher", teacher)
    agreement = {"v3": {"held_out": 99.0, "learned": 99.0}, "e4": {"held_out": held_out, "learned": learned}}
    (run / "taught.json").write_text(json.dumps({"agreement": agreement}))


def transfer(tmp_path, naive, refined):
    write_run(tmp_path / "naive", naive)
    write_student(tmp_path / "head", refined, 80.0)
    (tmp_path / "head" / "which").write_text("refined")


def teach(tmp_path, teacher, held_out):
    def taught():
        write_student(tmp_path / "plain", teacher, held_out)
        (tmp_path / "plain" / "which").write_text("plain")

    return taught


def test_what_a_student_promises(tmp_path):
    write_student(tmp_path / "one", [40.0, 90.0, 70.0], 80.0)
    assert validated(tmp_path / "one" / "teacher") == 90 and promise(tmp_path / "one", ["e4"]) == pytest.approx(72)
    write_student(tmp_path / "none_held_out", [90.0], None, learned=60.0)
    assert promise(tmp_path / "none_held_out", ["e4"]) == pytest.approx(54)
    (tmp_path / "one" / "teacher" / "metrics.csv").write_text("epoch,train/loss\n0,1.0\n")
    assert promise(tmp_path / "one", ["e4"]) is None


def test_a_total_of_other_scores_is_a_mean_of_those(tmp_path):
    columns = ["epoch", *(f"val/{name}" for name in ("f1_micro", "f1_macro", "frame_map", "map", "total"))]
    (tmp_path / "metrics.csv").write_text(f"{','.join(columns)}\n0,90,80,70,60,300\n")
    assert validated(tmp_path) == 75


def test_a_refiner_that_costs_little_is_not_doubted(tmp_path):
    transfer(tmp_path, naive=[74.0], refined=[70.0])
    keep_better(tmp_path, ["e4"], lambda: pytest.fail("taught without need"))
    assert (tmp_path / "head" / "which").read_text() == "refined" and without_refiner.why_kept(tmp_path) == []


@pytest.mark.parametrize(("held_out", "kept"), [(90.0, "plain"), (50.0, "refined")])
def test_the_student_that_promises_more_is_kept(tmp_path, held_out, kept):
    transfer(tmp_path, naive=[95.0], refined=[70.0])  # 70 * 80 % = 56
    keep_better(tmp_path, ["e4"], teach(tmp_path, [95.0], held_out))
    assert (tmp_path / "head" / "which").read_text() == kept
    (note,) = without_refiner.why_kept(tmp_path)
    assert f"the one {'without' if kept == 'plain' else 'with'} is kept" in note
    assert (tmp_path / "refined").exists() == (kept == "plain")


def test_no_agreement_at_all_is_no_agreement_that_is_missing(tmp_path):
    write_student(tmp_path / "one", [90.0], 0.0, learned=60.0)
    assert promise(tmp_path / "one", ["e4"]) == 0


def test_a_student_that_was_not_taught_in_the_other_view_promises_nothing_and_is_not_preferred(tmp_path):
    transfer(tmp_path, naive=[95.0], refined=[70.0])
    keep_better(tmp_path, ["v9"], teach(tmp_path, [95.0], 90.0))
    assert (tmp_path / "head" / "which").read_text() == "refined"
    assert "none without the refiner, none with it; the one with is kept" in without_refiner.why_kept(tmp_path)[0]


def test_a_swap_that_was_stopped_is_finished(tmp_path, monkeypatch):
    transfer(tmp_path, naive=[95.0], refined=[70.0])
    monkeypatch.setattr(without_refiner, "put_in_place", lambda folder: None)
    keep_better(tmp_path, ["e4"], teach(tmp_path, [95.0], 90.0))
    (tmp_path / "head").rename(tmp_path / "refined")  # stopped here
    put_in_place(tmp_path)
    assert (tmp_path / "head" / "which").read_text() == "plain" and (tmp_path / "refined" / "which").exists()
    put_in_place(tmp_path)  # a second time changes nothing
    assert (tmp_path / "head" / "which").read_text() == "plain"


def test_a_transfer_whose_refiner_is_worthless_keeps_the_student_without(tmp_path, monkeypatch):
    data = write_tiny(tmp_path / "data", recordings=12)
    monkeypatch.setattr(without_refiner, "COSTS", -1000.0)
    monkeypatch.setattr(without_refiner, "promise", lambda run, views: 9.0 if run.name == "plain" else 1.0)
    result = run_transfer(config(data, tmp_path / "run"))
    assert load_head(tmp_path / "run" / "head").refiner is None
    assert load_head(tmp_path / "run" / "refined").refiner is not None
    assert [folder.name for folder in result.scored] == ["head", "naive", "clock"]  # naive is there, so it is scored
    assert any("the one without is kept" in note for note in result.notes)
    before = scores(result.scored[0], "e4")
    again = run_transfer(config(data, tmp_path / "run"))
    assert scores(again.scored[0], "e4") == before and load_head(tmp_path / "run" / "head").refiner is None


def test_a_refiner_that_was_asked_for_is_not_doubted(tmp_path):
    data = write_tiny(tmp_path / "data", recordings=12)
    run_transfer(config(data, tmp_path / "run", method="cca", epochs=1))
    assert not (tmp_path / "run" / "naive").exists() and not (tmp_path / "run" / "student.json").exists()
