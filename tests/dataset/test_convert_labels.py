"""`viewloom convert-labels`, and the same from Python."""

import pandas as pd
import pytest

import viewloom as vl
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError
from viewloom.registry import FORMATS

TABLE = "recording,view,start,end,label,confidence\nr1,e4,0,10,a,0.5\nr1,e4,10,25,b,0.75\nr2,e4,0,30,a,0.25\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "segments.csv"
    path.write_text(TABLE)
    return path


def convert(*args):
    return main(["convert-labels", *map(str, args)])


@pytest.mark.parametrize("name", FORMATS.names())
def test_there_and_back_by_the_command_line(name, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert convert("--labels", table, "--out", out, "--format", name, "--fps", 25) == 0
    assert "3 segments of 2 recording(s) in e4" in capsys.readouterr().out
    assert convert("--labels", out, "--out", tmp_path / "back.csv", "--fps", 25) == 0
    wanted = pd.read_csv(table) if FORMATS.get(name).confidences else pd.read_csv(table).drop(columns="confidence")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "back.csv"), wanted)


def test_a_recording_in_two_files_is_refused(tmp_path, capsys):
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "r1.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\ntake\n")
    (labels / "r1.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.500\nput\n")
    assert convert("--labels", labels, "--out", tmp_path / "x.csv", "--fps", 10) == 2
    assert "both label r1. Remove one of them" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x.csv").exists()
    with pytest.raises(DataError, match=r"r1\.srt and .*r1\.vtt both label r1\. Remove one of them"):
        vl.read_labels(labels, fps=10)


def test_a_plan_writes_nothing(table, tmp_path, capsys):
    assert convert("--labels", table, "--out", tmp_path / "x", "--format", "srt", "--fps", 25, "--plan", "true") == 0
    said = "".join(capsys.readouterr().out.split())
    assert "wouldwrite" in said
    assert f"{tmp_path}/x/e4/r1.srt,{tmp_path}/x/e4/r2.srt" in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--format", "elan"], "nobody says the frame rate of the labels. Pass --fps"),
        (["--format", "elan", "--fps", "2000"], "which tell frames apart up to 500 fps, but the rate is 2000"),
        (["--format", "elan", "--fps", "600"], "which tell frames apart up to 500 fps, but the rate is 600"),
        (["--format", "elam", "--fps", "25"], "There is no annotation format 'elam'; there are: audacity, boris"),
        (["--format", "elan", "--fps", "25", "--unit", "seconds"], "--unit and --delimiter are of --format csv"),
        (["--labels_tier", "v3"], "has no tier 'v3'; it has: e4"),
        (["--actions", "nowhere.txt"], "nowhere.txt is not there"),
    ],
)
def test_what_cant_be_is_one_message(args, reason, table, tmp_path, capsys):
    assert convert("--labels", table, "--out", tmp_path / "x", *args) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x").exists()


def test_nothing_is_overwritten_unasked(table, tmp_path, capsys):
    args = ("--labels", table, "--out", tmp_path / "x.json", "--format", "via3", "--fps", 25)
    assert convert(*args) == 0
    assert convert(*args) == 2
    assert "is there already. Pass --overwrite true" in " ".join(capsys.readouterr().err.split())
    assert convert(*args, "--overwrite", "true") == 0


def test_several_files_need_a_folder(table, tmp_path, capsys):
    assert convert("--labels", table, "--out", tmp_path / "x.eaf", "--format", "elan", "--fps", 25) == 2
    assert "is a file, but this format needs several" in " ".join(capsys.readouterr().err.split())


def test_one_recording_goes_to_a_file_of_its_name(table, tmp_path, capsys):
    table.write_text(TABLE.replace("r2", "r1").replace("r1,e4,0,30", "r1,e4,30,40"))
    args = ("--labels", table, "--format", "elan", "--fps", 25, "--out")
    assert convert(*args, tmp_path / "r2.eaf") == 2
    assert "one that is called as its recording" in " ".join(capsys.readouterr().err.split())
    assert convert(*args, tmp_path / "r1.eaf") == 0
    assert vl.read_labels(tmp_path / "r1.eaf", 25)["end"].tolist() == [10, 25, 40]


def test_a_segment_without_an_action_is_named(table, tmp_path, capsys):
    table.write_text(TABLE.replace(",b,", ",,"))
    assert convert("--labels", table, "--out", tmp_path / "x", "--format", "elan", "--fps", 25) == 2
    assert "segments.csv, line 3: the action has no name" in capsys.readouterr().err.replace("\n", "")


def test_tables_in_python(table, tmp_path):
    found = vl.read_labels(table)
    assert list(found.columns) == ["recording", "view", "start", "end", "label", "confidence"]
    written = vl.write_labels(found, tmp_path / "elan", "elan", fps=25, actions=["a", "b", "c"])
    assert [path.name for path in written] == ["r1.eaf", "r2.eaf"]
    pd.testing.assert_frame_equal(vl.read_labels(tmp_path / "elan", fps=25), found)
    assert vl.read_labels(tmp_path / "elan", fps=25, tier="e4").equals(found)
    bare = pd.DataFrame({"recording": ["r"], "start": [0], "end": [5], "label": ["a"]})
    vl.write_labels(bare, tmp_path / "bare.csv", "csv")
    assert (tmp_path / "bare.csv").read_text() == "recording,start,end,label\nr,0,5,a\n"
    assert "elan" in vl.list_formats()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"end": [0]}, r"row 0 of the table: a segment needs an action, and an end behind its start \(0 to 0\)"),
        ({"label": [" "]}, "row 0 of the table: a segment needs an action"),
        ({"start": [0.5]}, "row 0 of the table: '0.5' is not a frame number"),
        ({"start": None}, "has no column 'start'; it has: recording, end, label"),
    ],
)
def test_tables_that_are_none(change, reason, tmp_path):
    columns = {"recording": ["r"], "start": [0], "end": [5], "label": ["a"]} | change
    rows = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    with pytest.raises(DataError, match=reason):
        vl.write_labels(rows, tmp_path / "x", "csv")
    with pytest.raises(ConfigError, match="no annotation format"):
        vl.write_labels(pd.DataFrame({"recording": ["r"], "start": [0], "end": [5], "label": ["a"]}), tmp_path, "x")
