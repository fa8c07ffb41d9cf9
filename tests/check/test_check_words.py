"""What the check says of sensors, of short recordings, of a frame rate nobody gave, and of what to do first."""

import json
import shlex

import numpy as np
import pytest

from tests.check.test_check import V3, checked, finding, make, parts  # noqa: F401  # fixtures
from tests.tiny import write_tiny
from viewloom.check.command import run_check
from viewloom.check.findings import CheckReport, duration
from viewloom.check.settings import CheckConfig
from viewloom.cli import main


@pytest.fixture
def tiny(tmp_path):
    return write_tiny(tmp_path / "data")


def spoil(root):
    """A view that never changes, one with blank frames, and one with a broken frame."""
    for name, change in (("p00", "still"), ("p01", "blank"), ("p02", "broken")):
        path = root / "features" / name / "v3" / "features.npy"
        x_TD = np.load(path)
        if change == "still":
            x_TD[:] = x_TD[0]
        elif change == "blank":
            x_TD[:5] = 0
        else:
            x_TD[3, 2] = np.inf
        np.save(path, x_TD)
    return root


def remedies(report):
    return [
        finding(report, start).remedy for start in ("Blank frames", "Features that never change", "NaN or infinite")
    ]


def test_few_features_may_be_a_sensor_s(tiny):
    """Eight features are no picture's, whatever kind of view they are called."""
    for text in remedies(checked(spoil(tiny))):
        assert "sensor" in text


def test_views_of_no_camera_are_spoken_of_as_sensors(make, parts, tmp_path):  # noqa: F811
    parts["r0"][V3][1][:5] = 0
    views = tmp_path / "views.yaml"
    views.write_text(f"views: {{v3: {{kind: other, cameras: [{V3}]}}}}\n")
    assert "sensor" in finding(checked(make(parts), views_file=str(views)), "Blank frames").remedy


def test_pictures_are_spoken_of_as_pictures(make, parts):  # noqa: F811
    parts["r0"][V3][1][:5] = 0
    remedy = finding(checked(make(parts)), "Blank frames").remedy
    assert "black picture" in remedy and "sensor" not in remedy


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (3.26, "3.3 s"),
        (70, "70 s"),
        (119.9, "120 s"),
        (120, "2.0 min"),
        (1398, "23.3 min"),
        (3599, "60.0 min"),
    ]
    + [(3600, "1.0 h"), (108_000, "30.0 h")],
)
def test_durations_are_in_the_unit_that_fits(seconds, shown):
    assert duration(seconds) == shown


def test_short_labels_and_features_are_not_zero_hours(tiny):
    report = checked(tiny, fps=30.0)
    labels, frames = report.facts["Labels"]["labelled"], report.facts["Frames"]["in all"]
    assert labels.split()[1] in ("s", "min") and not labels.startswith("0") and labels.endswith("at 30 fps")
    assert " h " not in frames and (" min over all views" in frames or " s over all views" in frames)


def test_an_assumed_frame_rate_is_a_warning(tiny):
    found = finding(checked(tiny), "Frame rate assumed")
    assert found.severity == "warning" and "30" in found.title and "--fps" in found.remedy
    assert not checked(tiny).verdict.startswith("not usable")
    assert all("assumed" not in f.title for f in checked(tiny, fps=25.0).findings)


def test_a_frame_rate_of_the_layout_is_not_assumed(make, parts):  # noqa: F811
    assert all("assumed" not in f.title for f in checked(make(parts)).findings)


def first_of(report):
    return report.as_dict()["first"]


def test_the_gravest_finding_s_remedy_comes_first(make, parts, capsys, tmp_path):  # noqa: F811
    parts["r0"][V3][1][1, 5] = np.nan
    root = make(parts, {"assembly_x": "1\t9\tattach\n"})
    report = run_check(CheckConfig(data=str(root), out=str(tmp_path / "found.json")))
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert last.startswith("First: NaN or infinite features") and "again" in last
    assert last == f"First: {first_of(report)}"
    assert json.loads((tmp_path / "found.json").read_text())["first"] == first_of(report)
    assert "viewloom train" not in last


def test_a_part_that_can_not_be_read_is_its_own_remedy(tiny):
    (tiny / "splits" / "train.txt").write_bytes(b"\xff\xfe\x00")
    assert "train.txt" in first_of(checked(tiny, fps=30.0))


def test_a_warning_comes_before_the_next_command(tiny):
    text = first_of(checked(tiny))
    assert text.startswith("Frame rate assumed") and "--fps" in text and "Then: viewloom transfer" in text


def run_line(line, tmp_path):
    """Run the command that a check ends with, as it stands, for one epoch."""
    words = shlex.split(line)
    assert words[0] == "viewloom"
    words[words.index("--run") + 1] = str(tmp_path / "run")
    quiet = ["--epochs", "1", "--trainer.logger", "none", "--trainer.progress", "false", "--trainer.accelerator", "cpu"]
    return main([*words[1:], *quiet])


def test_a_sound_folder_s_first_thing_is_to_transfer_and_the_command_works(tiny, tmp_path, capsys):
    assert main(["check", "--data", str(tiny), "--fps", "30"]) == 0
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert last.startswith(f"First: viewloom transfer --data {tiny} --fps 30 --from v3 --to e4 ")  # the fixed camera's
    assert run_line(f"{last.removeprefix('First: ')} --head linear --method cca", tmp_path) == 0


def test_without_pairs_the_first_thing_is_to_train(tiny, tmp_path, capsys):
    (tiny / "splits" / "pairs.txt").unlink()
    assert main(["check", "--data", str(tiny), "--fps", "30"]) == 0
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert last.startswith(f"First: viewloom train --data {tiny} --fps 30") and " --views v3 " in last
    assert run_line(f"{last.removeprefix('First: ')} --head linear", tmp_path) == 0


def test_without_lists_they_are_drawn_and_without_labels_pairs_are_learned(tiny, tmp_path):
    for path in (tiny / "splits").iterdir():
        path.unlink()
    (tiny / "splits").rmdir()
    text = first_of(checked(tiny, fps=30.0))
    assert "No split lists" in text
    command = text.partition("Then: ")[2]
    assert "--splits generate" in command
    assert run_line(f"{command} --head linear", tmp_path / "one") == 0
    (tiny / "labels.csv").unlink()
    text = first_of(checked(tiny, fps=30.0))
    command = text.partition("Then: ")[2]
    assert command.startswith("viewloom pretrain") and "--views v3,e4" in command
    assert run_line(f"{command} --method cca", tmp_path / "two") == 0


def test_a_report_without_anything_has_no_first_thing():
    assert CheckReport("x").first == ""
