"""BORIS: projects and exported tables of several versions."""

import csv
import json

import pytest

from tests.dataset.annotations.reading import of_text, write
from viewloom.errors import DataError

OLD = """Observation id,Observation date,Description,Media file,Total length,FPS,Subject,Behavior,Behavioral category,\
Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop
obs 1,2021-12-06 13:26:24,,T:/videos/a.mp4,1381.010,29.97,No focal subject,take,hands,,STATE,0.500,2.000,1.500,,
obs 1,2021-12-06 13:26:24,,T:/videos/a.mp4,1381.010,29.97,Ann,put,hands,,STATE,1.000,3.000,2.000,"a, b",
"""
TABULAR = """Observation id\tobs 1\t\t\t
Media file(s)\t\t\t\t

Time\tSubject\tBehavior\tBehavioral category\tComment\tStatus
0.5\tNo focal subject\ttake\thands\t\tSTART
1.5\tAnn\tput\thands\t\tSTART
2\tNo focal subject\ttake\thands\t\tSTOP
2\tNo focal subject\ttake\thands\t\tSTART
2.5\tNo focal subject\ttake\thands\t\tSTOP
3\tAnn\tput\thands\t\tSTOP
"""


def project(*events, **kinds):
    behaviours = {str(n): {"code": code, "type": kind} for n, (code, kind) in enumerate(kinds.items())}
    observation = {"type": "MEDIA", "file": {"1": ["a.mp4"]}, "events": list(events)}
    return {"project_format_version": "7.0", "behaviors_conf": behaviours, "observations": {"obs 1": observation}}


def of_project(tmp_path, *events, **kinds):
    return of_text(tmp_path, "p.boris", json.dumps(project(*events, **kinds), indent=1))


def test_aggregated_events(tmp_path):
    found = [("obs 1", "", 5, 20, "take"), ("obs 1", "Ann", 10, 30, "put")]
    assert of_text(tmp_path, "a.csv", OLD) == found
    assert of_text(tmp_path, "a.csv", OLD.replace('"a, b"', "ab").replace(",", ";").replace("0.500", "0,500")) == found
    assert of_text(tmp_path, "a.tsv", OLD.replace('"a, b"', "ab").replace(",", "\t")) == found


def test_tabular_events(tmp_path):
    found = [("obs 1", "", 5, 20, "take"), ("obs 1", "", 20, 25, "take"), ("obs 1", "Ann", 15, 30, "put")]
    assert of_text(tmp_path, "x.tsv", TABULAR) == found
    without = TABULAR[TABULAR.index("Time\t") :]
    assert of_text(tmp_path, "x.tsv", without) == [("x", *row[1:]) for row in found]


def test_state_events_of_a_project_take_turns(tmp_path):
    events = [[2.0, "", "run", "", ""], [0.5, "", "run", "", ""], [1.0, "Ann", "run", "fast", "", 30]]
    events += [[1.5, "Ann", "run", "", "", 40], [2.0, "Ann", "run", "fast", "", 50], [2.5, "Ann", "run", "", ""]]
    found = of_project(tmp_path, *events, run="State event")
    assert found == [("obs 1", "", 5, 20, "run"), ("obs 1", "Ann", 10, 20, "run"), ("obs 1", "Ann", 15, 25, "run")]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([[1.0, "", "peck", "", ""]], "'peck' at 1 s is a point event"),
        ([[1.0, "", "run", "", ""]], "'run' of obs 1 at 1 s has no other end"),
        ([["x", "", "run", "", ""], [2, "", "run"]], "'x' is not a time"),
        ([{"time": 1}], "events of obs 1 that BORIS doesn't write"),
    ],
)
def test_what_is_no_segment_is_refused(events, reason, tmp_path):
    with pytest.raises(DataError, match=rf"p\.boris, line \d+.*{reason}"):
        of_project(tmp_path, *events, run="State event", peck="Point event")


@pytest.mark.parametrize("kind", ["POINT", "point"])
def test_point_events_of_tables_are_refused(kind, tmp_path):
    with pytest.raises(DataError, match=r"a\.csv, line 2: 'take' is a point event"):
        of_text(tmp_path, "a.csv", OLD.replace("STATE", kind, 1))
    with pytest.raises(DataError, match=r"x\.tsv, line 5: 'take' is a point event"):
        of_text(tmp_path, "x.tsv", TABULAR.replace("START", kind, 1))


def test_behaviours_are_in_the_ethogram_once(tmp_path):
    events = [[0.0, "", "run", "", ""], [1.0, "", "run", "", ""]]
    with pytest.raises(DataError, match=r"p\.boris, line \d+, obs 1: 'run' at 0 s is not in the ethogram"):
        of_project(tmp_path, *events, take="State event")
    twice = project(*events, run="State event")
    twice["behaviors_conf"]["7"] = {"code": "run", "type": "Point event"}
    with pytest.raises(DataError, match=r"p\.boris, line \d+: the ethogram has the behaviour 'run' twice"):
        of_text(tmp_path, "p.boris", json.dumps(twice, indent=1))


def test_a_status_that_boris_doesnt_have_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"x\.tsv, line 5: 'STRAT' is neither START nor STOP"):
        of_text(tmp_path, "x.tsv", TABULAR.replace("START", "STRAT", 1))
    found = of_text(tmp_path, "x.tsv", TABULAR.replace("START", "").replace("STOP", "state"))
    assert found == of_text(tmp_path, "x.tsv", TABULAR), "nobody says which: they take turns"


def test_an_end_without_a_beginning_is_named(tmp_path):
    with pytest.raises(DataError, match=r"line 5: 'take' of obs 1 at 0.5 s has no other end"):
        of_text(tmp_path, "x.tsv", TABULAR.replace("START", "STOP", 1))


def test_a_project_of_ours_has_what_boris_looks_for(tmp_path):
    rows = [("r1", "e4", 0, 10, "a", 0.75), ("r1", "e4", 10, 20, "a", 0.5), ("r1", "v3", 5, 20, "b", 0.25)]
    (path,) = write(tmp_path, "boris", *rows, actions=("a", "b", "c"), videos="{recording}-{view}.mp4")
    found = json.loads(path.read_text())
    assert [entry["code"] for entry in found["behaviors_conf"].values()] == ["a", "b", "c"]
    (path,) = write(tmp_path / "more", "boris", *rows, actions=("c",))
    more = json.loads(path.read_text())["behaviors_conf"].values()
    assert [entry["code"] for entry in more] == ["c", "a", "b"]
    assert {entry["type"] for entry in found["behaviors_conf"].values()} == {"State event"}
    assert [entry["name"] for entry in found["subjects_conf"].values()] == ["e4", "v3"]
    observation = found["observations"]["r1"]
    assert observation["file"]["1"] + observation["file"]["2"] == ["r1-e4.mp4", "r1-v3.mp4"]
    times = [event[0] for event in observation["events"]]
    assert times == sorted(times)
    assert len(times) == 6


def test_one_behaviour_of_one_subject_cant_overlap_itself_there(tmp_path):
    rows = [("r1", "", 0, 20, "a"), ("r1", "", 10, 30, "a")]
    with pytest.raises(DataError, match="BORIS project can't hold the segment 'a' of r1 from frame 0 to 20"):
        write(tmp_path, "boris", *rows)
    (path,) = write(tmp_path, "boris_csv", *rows)
    assert [row["Stop (s)"] for row in csv.DictReader(path.open())] == ["2.000", "3.000"]
