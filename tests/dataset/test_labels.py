"""Labels: segments to frames and back, the three kinds of files, and what each message names."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewloom.dataset.actions import read_action_list, read_actions, read_mapping
from viewloom.dataset.label_files import (
    read_frame_folder,
    read_frames,
    read_segment_folder,
    read_segments,
    read_table,
    recording_of,
)
from viewloom.dataset.labels import LabelSet, UnknownAction, build_annotation
from viewloom.errors import DataError
from viewloom.metrics.segments import IGNORE

ACTIONS = ("attach wheel", "detach wheel", "inspect toy")


def slow_frame_labels(rows, start, end):
    """The class of each frame, one by one."""
    labels = []
    for frame in range(start, end):
        found = [label for first, last, label in rows if first <= frame < last]
        labels.append(found[0] if found else IGNORE)
    return labels


@st.composite
def segment_rows(draw):
    """Segments in order, with gaps of 0 or more frames between them."""
    rows, frame = [], draw(st.integers(0, 20))
    for _ in range(draw(st.integers(1, 8))):
        length = draw(st.integers(1, 12))
        rows.append((frame, frame + length, draw(st.integers(0, 4))))
        frame += length + draw(st.sampled_from([0, 0, 1, 5]))
    return rows


@given(segment_rows(), st.integers(-5, 60), st.integers(0, 90), st.randoms())
def test_frame_labels_equal_the_slow_way(rows, start, length, random):
    shuffled = random.sample(rows, len(rows))
    annotation = build_annotation(Path("f"), "f", "f", [(*row, line) for line, row in enumerate(shuffled)])
    found = annotation.frame_labels(start, start + length)
    assert found.dtype == np.int64
    assert found.tolist() == slow_frame_labels(rows, start, start + length)
    assert (annotation.start, annotation.end) == (rows[0][0], rows[-1][1])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=12))
def test_frame_files_come_back_as_the_segments_that_wrote_them(tmp_path_factory, runs):
    path = tmp_path_factory.mktemp("frames") / "video.txt"
    frames = [label for label, length in runs for _ in range(length)]
    path.write_text("".join(f"{ACTIONS[label]}\n" for label in frames))
    annotation = read_frames(path, ACTIONS)["video"]
    assert annotation.frame_labels(0, len(frames)).tolist() == frames
    assert (annotation.labels[1:] != annotation.labels[:-1]).all()
    assert (annotation.starts[1:] == annotation.ends[:-1]).all()


@given(segment_rows())
def test_segment_files_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("segments") / "assembly_rec.txt"
    names = [f"action {i}" for i in range(5)]
    path.write_text("".join(f"{a:09d}\t{b:09d}\t{names[c]}\t\n" for a, b, c in rows))
    annotation = read_segments(path, names)["assembly_rec"]
    assert [tuple(row) for row in annotation.rows] == rows


@given(segment_rows(), st.sampled_from([25.0, 29.97, 30.0, 59.94]))
def test_seconds_come_back_as_the_frames_they_were(tmp_path_factory, rows, fps):
    path = tmp_path_factory.mktemp("seconds") / "labels.csv"
    lines = [f"r,{a / fps!r},{b / fps!r},a{c}" for a, b, c in rows]
    path.write_text("\n".join(["recording,start_s,end_s,label", *lines]))
    annotation = read_table(path, fps, [f"a{i}" for i in range(5)]).annotations["r"]
    assert annotation.starts.tolist() == [a for a, _, _ in rows]
    assert annotation.ends.tolist() == [b for _, b, _ in rows]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tail", ["", "\t", "\t\t  "])
def test_line_ends_and_trailing_tabs_do_not_matter(tmp_path, newline, tail):
    path = tmp_path / "disassembly_rec_1.txt"
    lines = [f"0000000005\t0000000009\tinspect toy{tail}", "", f"9\t12\tattach wheel{tail}"]
    path.write_bytes(("\ufeff" + newline.join(lines) + newline).encode())
    annotation = read_segments(path, ACTIONS)["disassembly_rec_1"]
    assert (annotation.name, annotation.recording) == ("disassembly_rec_1", "rec_1")
    assert annotation.starts.tolist() == [5, 9]
    assert annotation.ends.tolist() == [9, 12]
    assert annotation.labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("name", "recording"), [("assembly_x", "x"), ("disassembly_x", "x"), ("reassembly_x", "reassembly_x"), ("x", "x")]
)
def test_recordings_of_label_files(name, recording):
    assert recording_of(name) == recording


def test_annotations_of_a_recording_in_time_order():
    late = build_annotation(Path("a"), "assembly_x", "x", [(50, 60, 0, 1)])
    early = build_annotation(Path("d"), "disassembly_x", "x", [(5, 9, 1, 1)])
    labels = LabelSet(ACTIONS, {a.name: a for a in (late, early)})
    assert labels.of_recording("x") == (early, late)
    assert labels.of_recording("y") == ()
    assert labels.recordings == ("x",)


BAD_SEGMENTS = {
    "0\t10\tjuggle\n": r"line 1: action 'juggle' is not in the action list \(3 actions\)",
    "0\t10\tinspect toy\n5\t20\tattach wheel\n": "line 2: the segment from 5 overlaps the one in line 1, which ends",
    "5\t20\tinspect toy\n0\t10\tattach wheel\n": "line 1: the segment from 5 overlaps the one in line 2",
    "0\t10\tinspect toy\n0\t10\tinspect toy\n": "line 2 says the same as line 1",
    "0\t10\tinspect toy\n9\t20\tattach wheel\n": "line 2: the segment from 9 overlaps",
    "10\t5\tinspect toy\n": "line 1: the segment runs from 10 to 5",
    "5\t5\tinspect toy\n": "line 1: the segment runs from 5 to 5",
    "\n0\tten\tinspect toy\n": "line 2: expected `start<tab>end<tab>action`",
    "0\t10\n": "line 1: expected",
    "0 10 inspect toy\n": "line 1: expected",
    "0\t²\tinspect toy\n": "line 1: expected",
    "-4\t5\tinspect toy\n": "line 1: expected",
    "0\t99999999999999999999\tinspect toy\n": "line 1: expected",
    "0\t9999999999999\tinspect toy\n": "beyond belief",
    "": "holds no segment",
    "\n\r\n": "holds no segment",
}


@pytest.mark.parametrize("text", BAD_SEGMENTS)
def test_bad_segment_files_are_told(tmp_path, text):
    path = tmp_path / "assembly_rec.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"assembly_rec\.txt.*{BAD_SEGMENTS[text]}"):
        read_segments(path, ACTIONS)


def test_files_that_are_no_text_are_told(tmp_path):
    latin = tmp_path / "latin.txt"
    latin.write_bytes("0\t9\tlöten\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt is not UTF-8 text \(byte 5\)"):
        read_segments(latin, ACTIONS)
    with pytest.raises(DataError, match=r"gone\.txt is not there"):
        read_segments(tmp_path / "gone.txt", ACTIONS)
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_segments(tmp_path, ACTIONS)


def test_a_reader_can_note_every_fault_and_go_on(tmp_path):
    (tmp_path / "a.txt").write_text("0\t5\tjuggle\n5\t9\tinspect toy\n9\tx\tinspect toy\n")
    (tmp_path / "b.txt").write_text("0\t5\tinspect toy\n2\t9\tinspect toy\n")
    (tmp_path / "c.txt").write_text("0\t5\tinspect toy\n")
    (tmp_path / "._c.txt").write_bytes(b"\x00\x05\x16\x07\xff")
    faults = []
    labels = read_segment_folder(tmp_path, ACTIONS, faults.append)
    assert sorted(labels.annotations) == ["a", "c"]
    assert labels.annotations["a"].starts.tolist() == [5]
    assert [fault.action for fault in faults if isinstance(fault, UnknownAction)] == ["juggle"]
    assert [str(fault).split(":")[0].removeprefix(f"{tmp_path}/") for fault in faults] == [
        "a.txt, line 1",
        "a.txt, line 3",
        "b.txt, line 2",
    ]
    with pytest.raises(DataError, match=r"a\.txt, line 1"):
        read_segment_folder(tmp_path, ACTIONS)


def test_folders_without_label_files_are_told(tmp_path):
    with pytest.raises(DataError, match="holds no label file"):
        read_segment_folder(tmp_path, ACTIONS)
    with pytest.raises(DataError, match="not there; pass a folder"):
        read_frame_folder(tmp_path / "gone", ACTIONS)


def test_frame_files_name_an_unknown_action_once_a_stretch(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("inspect toy\njuggle\njuggle\n\ninspect toy\n\n\n")
    faults = []
    annotation = read_frames(path, ACTIONS, faults.append)["v"]
    assert annotation.frame_labels(0, 6).tolist() == [2, IGNORE, IGNORE, IGNORE, 2, IGNORE]
    assert len(faults) == 2
    assert "line 2: action 'juggle'" in str(faults[0])
    assert "line 4: the action is missing" in str(faults[1])
    path.write_text("juggle\njuggle\ninspect toy\njuggle\n")
    faults = []
    assert read_frames(path, ACTIONS, faults.append)["v"].rows == [[2, 3, 2]]
    assert [str(fault).split(":")[0][-6:] for fault in faults] == ["line 1", "line 4"]  # once a stretch, not a frame
    path.write_text("")
    with pytest.raises(DataError, match="holds no segment"):
        read_frames(path, ACTIONS)


def test_action_lists(tmp_path):
    (tmp_path / "actions.csv").write_text("action_id,verb_id,action_cls\n1,0,b c\n0,0,a\n\n")
    assert read_actions(tmp_path / "actions.csv") == ("a", "b c")
    (tmp_path / "mapping.txt").write_text("0 a\r\n2 c d\r\n1 b\r\n")
    assert read_mapping(tmp_path / "mapping.txt") == ("a", "b", "c d")
    (tmp_path / "actions.txt").write_text("a\n\n b c \n")
    assert read_action_list(tmp_path / "actions.txt") == ("a", "b c")


@pytest.mark.parametrize(
    ("reader", "text", "told"),
    [
        (read_actions, "id,name\n0,a\n", "columns action_id and action_cls"),
        (read_actions, "action_id,action_cls\n", "columns action_id and action_cls"),
        (read_actions, "action_id,action_cls\n0,a\n1\n", "line 3: 1 fields are too few, expected 2"),
        (read_actions, "action_id,action_cls\n0,a\n\n0,b\n", "line 4: id '0' with name 'b'"),
        (read_actions, "action_id,action_cls\n0,a\n1,a\n", "line 3: id '1' with name 'a'.*not repeat"),
        (read_actions, "action_id,action_cls\nzero,a\n", "line 2: id 'zero'"),
        (read_actions, "action_id,action_cls\n0,a\n2,b\n", "from 0 to 1, but 1 are not there"),
        (read_mapping, "0 a\n0 b\n", "line 2: id '0'"),
        (read_mapping, "1 a\n2 b\n", "from 0 to 1, but 0 are not there"),
        (read_mapping, "0 a\n1\n", "line 2, must hold an id and a name"),
        (read_mapping, "", "is empty"),
        (read_action_list, "\n", "is empty"),
        (read_action_list, "a\nb\na\n", "line 3.*not repeat"),
    ],
)
def test_bad_action_lists_are_told(tmp_path, reader, text, told):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"list\.txt.*{told}"):
        reader(path)


def table(tmp_path, text, fps=30.0, actions=None, **options):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return read_table(path, fps, actions, **options)


def test_tables_in_frames_and_seconds(tmp_path):
    frames = table(tmp_path, 'label,end,recording,start\n"b, c",9,r2,4\na,4,r2,0\nb,7.0,r1,1\n')
    assert frames.actions == ("a", "b", "b, c")
    assert frames.annotations["r2"].labels.tolist() == [0, 2]
    assert frames.annotations["r1"].ends.tolist() == [7]
    seconds = table(tmp_path, "recording,start_s,end_s,label\nr,0.1,0.5,a\nr,0.5,1.0,b\n", fps=25.0)
    assert seconds.annotations["r"].starts.tolist() == [2, 12]
    mixed = table(tmp_path, "recording,start,end,unit,label\nr,0,1.5,seconds,a\nr,45,60,frames,b\n")
    assert mixed.annotations["r"].ends.tolist() == [45, 60]
    both = table(tmp_path, "recording,start,end,start_s,end_s,label\nr,3,6,0.1,0.2,a\n", fps=None)
    assert both.annotations["r"].ends.tolist() == [6]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "columns are: none"),
        ("recording,start,end,label\n", "and hold segments"),
        ("recording:start:end:label\nr:0:5:a\n", "columns are: recording:start:end:label"),
        ("recording,start,end,label\n\nr,0,x,a\n", "line 3: 'x' is not a whole number of frames"),
        ("recording,start,end,label\nr,0,4.5,a\n", "line 2: '4.5' is not a whole number"),
        ("recording,start,end,label\nr,0,nan,a\n", "line 2: 'nan' is not a whole number"),
        ("recording,start,end,label\nr,0,inf,a\n", "line 2: 'inf' is not a whole number"),
        ("recording,start_s,end_s,label\nr,0,inf,a\n", "line 2: 'inf' is not a number of seconds"),
        ("recording,start,end,label\nr,0,5\n", "line 2: 3 fields are too few"),
        ("recording,start,end,label\n,0,5,a\n", "line 2: the recording is missing"),
        ("recording,start,end,label\nr,0,5,\n", "line 2: the action is missing"),
        ("recording,start,end,label\nr,0,5,a\nq,0,5,a\nr,0,5,a\n", "line 4 says the same as line 2"),
        ("recording,start,end,label\nr,0,5,a\nr,3,9,b\n", "line 3: the segment from 3 overlaps"),
        ("recording,start,end,label\nr,9,5,a\n", "line 2: the segment runs from 9 to 5"),
        ("recording,start,end,unit,label\nr,0,5,hours,a\n", "line 2: the unit 'hours' is unknown"),
        ('recording,start,end,label\nr,0,5,"a\n', "line 2: a quote .* is opened and never closed"),
        ('recording,start,end,label\nr,0,5,a\nr,5,9,"b\nr,9,12,a\n', "lines 3 to 4: a quote .* is opened and never"),
        ('recording,start,end,label\nr,0,5,"a"b\n', "line 2: ',' expected after"),
        ("recording,start,end,label,start\nr,0,5,a,1\n", "line 1: the column 'start' is there twice"),
        ("recording,start,end,label\nr,0,5,a, b\n", "line 2: 'b' stands beyond the last of 4 columns"),
        ("recording,start,end,label\nr,0,5,a\0\n", "line 2: a NUL character"),
    ],
)
def test_bad_tables_are_told(tmp_path, text, told):
    with pytest.raises(DataError, match=rf"labels\.csv.*{told}"):
        table(tmp_path, text)


def test_seconds_need_a_frame_rate(tmp_path):
    with pytest.raises(DataError, match=r"line 2 gives seconds.*Pass --fps"):
        table(tmp_path, "recording,start_s,end_s,label\nr,0,1,a\n", fps=None)


def test_a_given_action_list_is_binding(tmp_path):
    with pytest.raises(UnknownAction, match="line 2: action 'b' is not in the action list"):
        table(tmp_path, "recording,start,end,label\nr,0,5,b\n", actions=["a"])
    faults = []
    labels = table(tmp_path, "recording,start,end,label\nr,0,5,b\nr,5,9,a\n", actions=["a"], fault=faults.append)
    assert len(faults) == 1
    assert labels.annotations["r"].starts.tolist() == [5]


def test_the_real_annotations(assembly101):
    labels = read_segment_folder(assembly101 / "coarse_labels", read_actions(assembly101 / "actions.csv"))
    found = list(labels.annotations.values())
    assert len(labels.actions) == 202
    assert labels.actions[0] == "inspect toy"
    assert len(found) == 513
    assert sum(len(a.labels) for a in found) == 6409
    assert len({int(label) for a in found for label in a.labels}) == 199
    assert len(labels.recordings) == 265
    assert sum(int((a.ends - a.starts).sum()) for a in found) / 30 / 3600 == pytest.approx(30.0, abs=0.05)
    assert all((a.starts[1:] == a.ends[:-1]).all() for a in found)
    assert min(a.start for a in found) >= 1
