"""The section on what students were taught: its figures are those of ``taught.json``, and no text becomes markup."""

import json
import re

import pytest

from tests.report.make_runs import NASTY, write, write_run
from tests.report.make_runs import taught_facts as facts
from tests.report.test_report import Tables, page_of
from viewloom.errors import DataError
from viewloom.report.command import ReportConfig, run_report


@pytest.fixture
def run(tmp_path):
    folder = write_run(tmp_path / "runs" / "student", "the student")
    write(folder / "taught.json", facts())
    return folder


def test_agreement_and_confidence_are_those_of_the_file(run, tmp_path):
    page = page_of(run, tmp_path)
    rows = Tables(page).rows["taught-on-pairs"]
    assert rows[1:] == [
        ["v3", "teacher and student", "97.3", "95.0"],
        ["e4", "student alone", "88.9", "–"],
    ]
    section = page[page.index('<section id="taught-on-pairs"') :]
    assert "7 recordings, 3.0 minutes" in section
    assert "87 % sure on average (93 % on validation items); 81 % of the frames" in section
    assert NASTY[0] not in section and "&lt;script&gt;" in section


def test_strips_have_a_colour_for_each_class_and_lie_in_the_recording(run, tmp_path):
    page = page_of(run, tmp_path)
    section = page[page.index('<section id="taught-on-pairs"') : page.index('<section id="settings')]
    assert re.findall(r'viewBox="(\d+) 0 (\d+) 10"', section) == [("30", "300")] * 3
    found = re.findall(r'<rect class="k(\d+)" x="(\d+)" width="(\d+)"', section)
    expected = [(2, 30, 100), (23, 130, 200), (2, 30, 300), (1, 30, 170), (23, 200, 130)]
    assert [tuple(map(int, one)) for one in found] == expected
    for label in (1, 2, 23):
        assert f".k{label}{{fill:#" in page


def test_runs_without_a_teacher_have_no_such_section(tmp_path):
    other = write_run(tmp_path / "runs" / "naive")
    assert 'id="taught-on-pairs"' not in page_of(other, tmp_path, overwrite=True)
    unfinished = {name: value for name, value in facts().items() if name not in ("agreement", "strips")}
    write(other / "taught.json", unfinished)
    assert 'id="taught-on-pairs"' not in page_of(other, tmp_path, overwrite=True)


def test_a_student_without_scores_is_shown_with_its_curves(run, tmp_path):
    (run / "metrics.json").unlink()
    page = page_of(run, tmp_path)
    assert 'id="taught-on-pairs"' in page and ".k23{fill:#" in page


@pytest.mark.parametrize("gone", ["strips", "mean_confidence", "frames"])
def test_a_damaged_file_is_named(run, tmp_path, gone):
    broken = facts()
    del broken[gone]
    (run / "taught.json").write_text(json.dumps(broken))
    with pytest.raises(DataError, match=r"taught.json is not as `viewloom train` writes it"):
        run_report(ReportConfig(runs=str(run), out=str(tmp_path / "r.html")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(mean_confidence=7.5), "mean_confidence must be a number from 0 to 1, but is 7.5"),
        (lambda v: v.update(validation_confidence="0.9"), "validation_confidence must be a number from 0 to 1"),
        (lambda v: v.update(recordings=-3), "recordings must be a whole number, 0 or more, but is -3"),
        (lambda v: v.update(used=300), "used must be a number from 0 to 100"),
        (lambda v: v.update(labels_mode="many"), "labels_mode must be single or multi"),
        (lambda v: v["agreement"]["v3"].update(learned="x"), "agreement.v3.learned must be a number from 0 to 100"),
        (lambda v: v["actions"].append(v["actions"][0]), "actions has .* twice"),
        (lambda v: v["strips"].update(end=30), r"strips has no frames \(start 30, end 30\)"),
        (lambda v: v["strips"].update(teacher=[[30, 130, 99]]), "'teacher': segment .* class id that is not below 24"),
        (lambda v: v["strips"].update(teacher=[[30, 130, -1]]), "'teacher': segment .* class id"),
        (lambda v: v["strips"].update(teacher=[[30, 500, 2]]), "'teacher': segment .* outside of the frames 30 to 330"),
        (lambda v: v["strips"].update(teacher=[[80, 42, 1]]), "'teacher': segment .* has no frames"),
        (lambda v: v["strips"].update(teacher=[[30, 130, 2], [100, 200, 3]]), "'teacher': segment .* overlaps"),
        (lambda v: v["strips"]["views"].update(v3=["x"]), "'student, v3' is not a list of"),
        (lambda v: v["strips"]["views"].update(v9=[]), "strips.views has v9, of which agreement says nothing"),
    ],
)
def test_what_can_not_be_is_refused(run, tmp_path, change, message):
    broken = json.loads(json.dumps(facts()))
    change(broken)
    write(run / "taught.json", broken)
    with pytest.raises(DataError, match=rf"taught\.json.*{message}.* Train the run again\.$"):
        page_of(run, tmp_path)


def test_several_labels_a_frame_may_overlap(run, tmp_path):
    many = facts(labels_mode="multi")
    many["strips"] = many["strips"] | {"teacher": [[30, 130, 2], [100, 200, 3]]}
    write(run / "taught.json", many)
    assert 'id="taught-on-pairs"' in page_of(run, tmp_path)
