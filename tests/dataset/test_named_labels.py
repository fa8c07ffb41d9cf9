"""Labels of a data set in files of annotation tools: what layouts find, and what several tiers say."""

import numpy as np
import pytest

from tests.dataset.annotations.reading import write
from tests.tiny import write_tiny
from viewloom.dataset.label_files import read_table
from viewloom.dataset.named_labels import agreeing, read_labels
from viewloom.dataset.named_segments import NamedSegment
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, DataError, UserError
from viewloom.registry import FORMATS


def labels_of(found):
    rows = {
        name: list(zip(a.starts.tolist(), a.ends.tolist(), a.labels.tolist(), strict=True)) for name, a in found.items()
    }
    return {name: [(start, end, label) for start, end, label in own] for name, own in rows.items()}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture
def rows(tiny):
    labels = read_table(tiny / "labels.csv", None)
    return [
        (name, "", s, e, labels.actions[k]) for name, own in labels_of(labels.annotations).items() for s, e, k in own
    ]


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_format_serves_as_labels(name, tiny, rows, tmp_path):
    if name == "frames":  # neighbours of one action come to one segment there
        rows = [row for row in rows if row[0] == "p00"]
    write(tmp_path / "l", name, *rows, fps=30.0)
    own = open_dataset(DataConfig(data=str(tiny)), with_splits=False).labels
    read = open_dataset(DataConfig(data=str(tiny), labels=str(tmp_path / "l"), fps=30.0), with_splits=False).labels
    wanted = labels_of(own.annotations)
    assert labels_of(read.annotations) == {key: wanted[key] for key in read.annotations}
    assert len(read.annotations) == len({row[0] for row in rows})
    assert read.actions == own.actions


def moved(tiny, root, name, *places):
    """A copy of the data set without its labels."""
    root.mkdir()
    (root / "features").symlink_to(tiny / "features")
    for place in places:
        (root / place).symlink_to(tiny / place)
    return root


def test_labels_lie_beside_features_in_a_folder_or_a_file(tiny, rows, tmp_path):
    data = moved(tiny, tmp_path / "folder", "elan")
    write(data / "labels", "elan", *rows, fps=30.0)
    assert len(open_dataset(DataConfig(data=str(data), fps=30.0), with_splits=False).labels.annotations) == 8
    with pytest.raises(DataError, match=r"p00\.eaf, line \d+ gives times, but nobody says.*Pass --fps"):
        open_dataset(DataConfig(data=str(data)), with_splits=False)
    data = moved(tiny, tmp_path / "file", "boris")
    write(data, "boris", *rows, fps=30.0)
    assert (data / "labels.boris").is_file()
    assert len(open_dataset(DataConfig(data=str(data), fps=30.0), with_splits=False).labels.annotations) == 8
    write(data, "via3", *rows, fps=30.0)
    with pytest.raises(DataError, match=r"several files of labels: labels\.boris, labels\.json\. Pass --labels"):
        open_dataset(DataConfig(data=str(data), fps=30.0), with_splits=False)


def test_labels_beside_labels_csv_are_not_read_and_said(tiny, rows, tmp_path, capsys):
    data = moved(tiny, tmp_path / "both", "csv", "labels.csv")
    write(data, "boris", *rows[:1], fps=30.0)
    assert len(open_dataset(DataConfig(data=str(data)), with_splits=False).labels.annotations) == 8
    assert "labels.boris" in capsys.readouterr().err


def write_tiers(folder):
    write(
        folder,
        "elan",
        ("r", "Ann", 0, 10, "a"),
        ("r", "Ann", 10, 20, "b"),
        ("r", "Bob", 0, 10, "a"),
        ("r", "Bob", 12, 20, "c"),
    )


def test_tiers_must_agree_unless_one_is_chosen_or_several_labels_are_asked_for(tmp_path):
    write_tiers(tmp_path)
    with pytest.raises(
        DataError, match="of frame 12 of r, Bob says 'c', but Ann says 'b'.*of: Ann, Bob; or --labels_mode"
    ):
        read_labels(tmp_path, 10.0)
    assert labels_of(read_labels(tmp_path, 10.0, tier="Bob").annotations) == {"r": [(0, 10, 0), (12, 20, 1)]}
    found = read_labels(tmp_path, 10.0, mode="multi")
    assert found.annotations["r"].frame_classes(0, 20, 3).sum(axis=0).tolist() == [10, 10, 8]
    with pytest.raises(ConfigError, match="no tier 'Eve'; it has: Ann, Bob"):
        read_labels(tmp_path, 10.0, tier="Eve")


def test_the_views_of_predicted_segments_are_tiers_of_a_csv_too(tmp_path):
    path = tmp_path / "segments.csv"
    path.write_text("recording,view,start,end,label\nr,v3,0,10,a\nr,e4,0,10,b\n")
    assert read_labels(path, None, tier="e4").actions == ("b",)


def test_what_tiers_say_alike_counts_once(tmp_path):
    write(tmp_path, "elan", ("r", "Ann", 0, 10, "a"), ("r", "Bob", 0, 10, "a"), ("r", "Bob", 10, 20, "b"))
    assert labels_of(read_labels(tmp_path, 10.0).annotations) == {"r": [(0, 10, 0), (10, 20, 1)]}


def test_a_frame_that_two_segments_share_goes_to_the_later_one(tmp_path, capsys):
    """As where Label Studio's ranges end with the frame that the next one begins with."""
    found = agreeing(tmp_path, [NamedSegment("r", 60, 121, "b"), NamedSegment("r", 0, 61, "a")])
    assert [(s.start, s.end, s.label) for s in found] == [(0, 60, "a"), (60, 121, "b")]
    assert "share their last frame" in capsys.readouterr().err
    once = [NamedSegment("r", 0, 1, "a"), NamedSegment("r", 0, 5, "b")]
    assert agreeing(tmp_path, once) == once, "a segment of one frame has none to give"


def test_segments_that_overlap_by_more_are_refused(tmp_path):
    write(tmp_path, "webvtt", ("r", "", 0, 12, "a"), ("r", "", 10, 20, "b"))
    with pytest.raises(DataError, match=r"r\.vtt, line \d+: the segment from 10 overlaps.*--labels_mode multi"):
        read_labels(tmp_path, 10.0)


def test_two_files_of_one_recording_are_refused(tmp_path):
    write(tmp_path, "webvtt", ("r", "", 0, 12, "a"))
    write(tmp_path, "srt", ("r", "", 20, 30, "a"))
    with pytest.raises(DataError, match=r"r\.srt and .*r\.vtt both label r\. Remove one"):
        read_labels(tmp_path, 10.0)


def test_what_is_not_in_the_action_list_or_nameless_is_noted(tmp_path):
    (path,) = write(tmp_path, "srt", ("r", "", 0, 12, "a"), ("r", "", 20, 30, "b"), ("r", "", 30, 40, "c"))
    path.write_text(path.read_text().replace("\nc\n", "\n\n"))
    faults = []
    found = read_labels(tmp_path, 10.0, ("a",), faults.append)
    assert labels_of(found.annotations) == {"r": [(0, 12, 0)]}
    assert [str(fault).partition(": ")[2][:18] for fault in faults] == ["the action has no ", "action 'b' is not "]


@pytest.mark.parametrize("files", [{}, {"readme.md": ""}, {"r.srt": ""}, {".r.srt": "x"}])
def test_folders_without_a_segment(files, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"holds no (annotation file|segment)"):
        read_labels(tmp_path, 10.0)


def test_files_of_tools_that_are_no_labels_are_passed_over(tmp_path):
    """ELAN's preferences, videos, and the labelling interface."""
    write(tmp_path, "elan", ("r", "", 0, 12, "a"))
    for name in ("r.pfsx", "r.mp4", "label_studio.config", "r.eaf.001"):
        (tmp_path / name).write_text("x")
    assert list(read_labels(tmp_path, 10.0).annotations) == ["r"]


@pytest.mark.parametrize("name", ["elan", "webvtt", "cvat"])
def test_assembly101_takes_them_by_its_annotations_names(name, tmp_path):
    (tmp_path / "coarse_labels").mkdir()
    (tmp_path / "actions.csv").write_text("action_id,action_cls\n0,attach\n1,detach\n")
    write(
        tmp_path / "own", name, ("assembly_x", "", 0, 30, "attach"), ("disassembly_x", "", 30, 60, "detach"), fps=30.0
    )
    from viewloom.dataset.layouts.assembly101 import Assembly101

    config = DataConfig(data=str(tmp_path), labels=str(tmp_path / "own"), labels_mode="single")
    actions = tmp_path / "own" / "actions.csv"
    actions.unlink(missing_ok=True)
    found = Assembly101.find(tmp_path, config).labels(30.0, lambda error: (_ for _ in ()).throw(error))
    assert {a.recording for a in found.annotations.values()} == {"x"}
    assert found.actions == ("attach", "detach")


def test_milliseconds_of_a_csv(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("recording,start_ms,end_ms,label\nr,0,1033.3,a\nr,1033.3,2000,b\n")
    assert labels_of(read_table(path, 30.0).annotations) == {"r": [(0, 31, 0), (31, 60, 1)]}
    path.write_text("recording;start;end;unit;label\nr;0;1033,3;ms;a\nr;31;60;frames;b\nr;2;3;s;b\n")
    assert labels_of(read_table(path, 30.0).annotations) == {"r": [(0, 31, 0), (31, 60, 1), (60, 90, 1)]}
    with pytest.raises(UserError, match="line 2 gives milliseconds, but nobody says"):
        read_table(path, None)
    path.write_text("recording,start_ms,end_ms,label\nr,x,1,a\n")
    with pytest.raises(UserError, match="line 2: 'x' is not a number of milliseconds"):
        read_table(path, 30.0)


def test_the_labels_of_a_run_are_compared_by_content_whatever_their_format(tiny, rows, tmp_path):
    from viewloom.dataset.content import labels_facts

    write(tmp_path, "elan", *rows, fps=30.0)
    found = []
    for labels in (None, str(tmp_path)):
        data = open_dataset(DataConfig(data=str(tiny), labels=labels, fps=30.0))
        found.append(labels_facts(data.labels, data.items("train")))
    assert found[0] == found[1]
    assert np.all([len(value) == 40 for value in found[0].values()])
