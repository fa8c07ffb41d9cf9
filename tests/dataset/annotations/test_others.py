"""Files as other programs write them: subtitles, Audacity, VIA 3, CVAT, text and CSV."""

import json
from xml.etree import ElementTree as ET

import pytest

from tests.dataset.annotations.reading import of_text, read, write
from viewloom.errors import DataError

VTT = """WEBVTT - made by hand
Kind: captions

STYLE
::cue { color: red }

NOTE a comment
of two lines

intro
00:01.000 --> 00:02.500 align:start position:0%
<v.loud Ann &amp; Bob>take &lt;it&gt; <i>now</i></v>

01:00:00.000 --> 01:00:01.000
<c.red>put</c>
down
"""
SRT = """1
00:00:01,000 --> 00:00:02,500  X1:1 X2:2 Y1:1 Y2:2
{\\an8}<i>take it</i>


2
00:00:03.000 --> 00:00:04.000
<font color="#ff0000"><b>put</b></font>
down
"""
AUDACITY = "0.500000\t2.000000\ttake\n\\\t0.000000\t440.000000\n2,0\t3,5\tput\tdown\n"


def test_webvtt_of_others(tmp_path):
    found = of_text(tmp_path, "r.vtt", VTT)
    assert found == [("r", "", 36000, 36010, "put down"), ("r", "Ann & Bob", 10, 25, "take <it> now")]
    assert of_text(tmp_path, "r.vtt", "WEBVTT\n00:01.000 --> 00:02.000\na") == [("r", "", 10, 20, "a")]
    assert of_text(tmp_path, "r.vtt", "WEBVTT\n") == []


def test_srt_of_others(tmp_path):
    assert of_text(tmp_path, "r.srt", SRT) == [("r", "", 10, 25, "take it"), ("r", "", 30, 40, "put down")]
    assert of_text(tmp_path, "r.srt", "") == []


def test_audacity_of_others(tmp_path):
    assert of_text(tmp_path, "r.txt", AUDACITY) == [("r", "", 5, 20, "take"), ("r", "", 20, 35, "put down")]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("r.vtt", "00:01.000 --> 00:02.000\na", "line 1: WebVTT begins with the line WEBVTT"),
        ("r.vtt", "WEBVTT\n\n00:01.000 -> 00:02.000\na", "line 3: expected times"),
        ("r.vtt", "WEBVTT\n\n00:61.000 --> 00:02.000\na", "line 3: times that can't be read"),
        ("r.srt", "1\n00:00:01,000 --> 00:00:01,000\na", "line 2: from 1 s to 1 s there is no frame"),
        ("r.srt", "1\n00:00:05,000 --> 00:00:01,000\na", "line 2: a segment can't run from 5 s to 1 s"),
        ("r.srt", "1\n" + "9" * 5000 + ":00:05,000 --> 00:00:01,000\na", "line 2: times that can't be read"),
        ("r.txt", "0.5\t0.5\tpoint", "line 1: from 0.5 s to 0.5 s there is no frame"),
        ("r.txt", "0.5\t1.5\ta\n0.7\n", "line 2: expected `start<tab>end<tab>label`"),
        ("r.txt", "0.5\t1.5\ta\nx\t2\tb\n", "line 2: 'x' is not a number of seconds"),
        ("r.txt", "0\t10\ta\n10\tx\tb\n", "line 2: 'x' is not a frame number"),
        ("r.txt", "0\t10\ta\n10\t5\tb\n", "line 2: the segment runs from 10 to 5"),
        ("r.txt", "a\tb\n", "is none of: "),
        ("r.xml", "<annotation/>", "is none of: CVAT"),
        ("r.json", '{"a": 1}', "is none of: "),
        ("r.json", "[1, \n NaN]", "no JSON that can be read"),
        ("r.json", "[1, \n 2,]", "line 2: no JSON"),
        ("r.mp4", "", "an ending that no annotation format has"),
        ("r.zip", "", "Unpack it first"),
    ],
)
def test_faults_are_named_with_their_line(name, text, reason, tmp_path):
    with pytest.raises(DataError, match=rf"{name}.*{reason}"):
        of_text(tmp_path, name, text)


def via(values, **tables):
    attribute = {
        "aname": "Activity",
        "anchor_id": "FILE1_Z2_XY0",
        "type": 4,
        "options": {"1": "Break Egg", "2": "Pour"},
    }
    entry = {"vid": "1", "flg": 0, "z": [1.0, 2.5], "xy": [], "av": values}
    file = {"fid": 1, "fname": "https://host/r1.mp4", "type": 4, "loc": 2, "src": ""}
    moment, region = entry | {"z": [1.0]}, entry | {"xy": [2, 0, 0, 5, 5]}
    found = {"project": {}, "config": {}, "attribute": {"1": attribute}, "file": {"1": file}}
    found |= {"metadata": {"1_a": entry, "1_b": moment, "1_c": region}, "view": {"1": {"fid_list": ["1"]}}}
    return json.dumps(found | tables, indent=1)


def test_via_3_of_others(tmp_path):
    assert of_text(tmp_path, "p.json", via({"1": "2"})) == [("r1", "Activity", 10, 25, "Pour")]
    named = via({"1": "typed"}).replace("Activity", "TEMPORAL-SEGMENTS")
    assert of_text(tmp_path, "p.json", named) == [("r1", "", 10, 25, "typed")]
    with pytest.raises(DataError, match=r"p\.json, line \d+: a segment of r1 without an action"):
        of_text(tmp_path, "p.json", via({}))
    with pytest.raises(DataError, match=r"p\.json, line \d+: a segment of a file that the project doesn't have"):
        of_text(tmp_path, "p.json", via({"1": "2"}, view={"1": {"fid_list": ["9"]}}))
    with pytest.raises(DataError, match="tables that VIA 3 doesn't write"):
        of_text(tmp_path, "p.json", via({"1": "2"}, metadata=[1]))


def test_via_3_projects_of_ours_name_recordings_whatever_videos_are_called(tmp_path):
    rows = [("r1", "e4", 0, 10, "a"), ("r2", "e4", 0, 10, "b")]
    (path,) = write(tmp_path, "via3", *rows, videos="films/{recording}/{view}.mp4")
    found = json.loads(path.read_text())
    assert [file["fname"] for file in found["file"].values()] == ["films/r1/e4.mp4", "films/r2/e4.mp4"]
    assert found["project"]["vid_list"] == list(found["view"]) == ["1", "2"]
    assert read(path) == rows


def box(frame, outside=0):
    return f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="0" ytl="0" xbr="5" ybr="5"/>'


def test_cvat_tracks_are_visible_from_a_box_to_one_outside(tmp_path):
    """Exports list every frame of a track; one that runs to the end of the video has no box outside."""
    first = "".join(map(box, range(3, 7))) + box(7, 1) + box(10) + box(12, 1)
    last = "".join(map(box, range(20, 30)))
    name = "<meta><task><name>r9</name></task></meta>"
    tracks = f'<track id="0" label="take">{first}</track><track id="1" label="put">{last}</track>'
    text = f"<annotations>{name}{tracks}</annotations>"
    found = [(3, 7, "take"), (10, 12, "take"), (20, 30, "put")]
    assert of_text(tmp_path, "r1.xml", text) == sorted(("r1", "", *row) for row in found)
    assert of_text(tmp_path, "annotations.xml", text) == sorted(("r9", "", *row) for row in found)


def test_cvat_tags_of_frames_come_to_runs(tmp_path):
    frames = [(3, "a"), (4, "a"), (4, "b"), (5, "b"), (8, "a"), (9, "a")]
    images = "".join(
        f'<image id="{n}" name="frame_{n}"><tag label="{label}" source="manual"/></image>' for n, label in frames
    )
    found = of_text(tmp_path, "r.xml", f"<annotations>{images}</annotations>")
    assert found == [("r", "", 3, 5, "a"), ("r", "", 4, 6, "b"), ("r", "", 8, 10, "a")]


def test_cvat_projects_are_refused(tmp_path):
    text = "<annotations><meta><project><name>p</name></project></meta></annotations>"
    with pytest.raises(DataError, match="of a whole project.*Export each task"):
        of_text(tmp_path, "r.xml", text)


def test_cvat_tracks_of_ours_end_outside_and_name_all_labels(tmp_path):
    rows = [("r1", "e4", 0, 10, "a", 0.5), ("r1", "e4", 10, 11, "b", 0.25)]
    (path,) = write(tmp_path, "cvat", *rows, actions=("a", "b", "c"))
    root = ET.parse(path).getroot()
    frames = [[(b.get("frame"), b.get("outside")) for b in track] for track in root.iter("track")]
    assert frames == [[("0", "0"), ("9", "0"), ("10", "1")], [("10", "0"), ("11", "1")]]
    assert [e.text for e in root.findall("meta/task/labels/label/name")] == ["a", "b", "c"]
    assert path == tmp_path / "e4" / "r1.xml"


def test_whole_numbers_are_frames_and_lines_without_tabs_one_each(tmp_path):
    assert of_text(tmp_path, "r.txt", "000\t010\ttake\t\n") == [("r", "", 0, 10, "take")]
    assert of_text(tmp_path, "r.txt", "a\na\nb\n\n") == [("r", "", 0, 2, "a"), ("r", "", 2, 3, "b")]


@pytest.mark.parametrize(
    ("unit", "delimiter", "header", "first"),
    [
        ("frames", ",", "recording,view,start,end,label,confidence", 'r1,e4,1,10,"a, b",0.5000'),
        ("seconds", ";", "recording;view;start_s;end_s;label;confidence", "r1;e4;0,033333;0,333333;a, b;0,5000"),
        ("milliseconds", ",", "recording,view,start_ms,end_ms,label,confidence", 'r1,e4,33.333,333.333,"a, b",0.5000'),
    ],
)
def test_tables_in_any_unit(unit, delimiter, header, first, tmp_path):
    row = ("r1", "e4", 1, 10, "a, b", 0.5)
    (path,) = write(tmp_path, "csv", row, fps=30.0, unit=unit, delimiter=delimiter)
    assert path.read_text().splitlines() == [header, first]
    assert read(path, 30.0) == [row[:5]]
