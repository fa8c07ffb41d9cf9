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
TIMES, SRT_TIMES, SURE = "00:00.000 --> 00:01.000", "00:00:00,000 --> 00:00:01,000", "NOTE confidence 0.9"
TWO_CUES = f"WEBVTT\n\nc1\n{TIMES}\ntake\n"
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
        ("r.vtt", f"{TWO_CUES}c2\n00:01.000 --> 00:02.000\nput", "line 7: times in the text of another subtitle"),
        ("r.vtt", f"WEBVTT\n\nNOTE gone\nc1\n{TIMES}\na", "line 5: times in a comment, style or region"),
        ("r.vtt", f"WEBVTT\n\n{SURE}\n\n{SURE}\n\n{TIMES}\na", "line 3: 'NOTE confidence 0.9' has no cue right behind"),
        ("r.vtt", f"WEBVTT\n\n{TIMES}\na\n\nNOTE confidence 7", "line 6: 'NOTE confidence 7' has no cue right behind"),
        ("r.srt", f"1\n{SRT_TIMES}\ntake\n2\n{SRT_TIMES}\nput", "line 5: times in the text of another subtitle"),
        ("r.srt", f"{SRT_TIMES}\ntake\n0,7 --> 00:00:02,000\nput", "line 3: times in the text of another subtitle"),
        ("r.srt", f"{SRT_TIMES}\n{SRT_TIMES}\nput", "line 2: times in the text of another subtitle"),
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


def choice(name, options, kind=4, anchor="FILE1_Z2_XY0"):
    return {"aname": name, "anchor_id": anchor, "type": kind, "options": options}


def marked(values, start=0.0, vid="1"):
    return {"vid": vid, "flg": 0, "z": [start, start + 1], "xy": [], "av": values}


def named(name, vid="1"):
    return {"vid": vid, "flg": 0, "z": [], "xy": [], "av": {"8": name}}


WHOLE = choice("recording", {}, 1, "FILE1_Z0_XY0")
TICKED = {"1": choice("v3", {"0": "take", "1": "put"}, 2)}


def test_via_3_values_are_options_or_typed_and_checkboxes_several(tmp_path):
    """VIA's time line takes names that are no options; ticked options are one value, with commas."""
    found = of_text(tmp_path, "p.json", via({}, attribute=TICKED, metadata={"a": marked({"1": "0,1"})}))
    assert found == [("r1", "v3", 0, 10, "put"), ("r1", "v3", 0, 10, "take")]
    for options in ({}, None, ["a"], {"default": "Default"}):
        attribute = {"1": choice("v3", options)}
        found = of_text(tmp_path, "p.json", via({}, attribute=attribute, metadata={"a": marked({"1": "7"})}))
        assert found == [("r1", "v3", 0, 10, "7")]
    found = of_text(tmp_path, "p.json", via({"1": "a, b"}))
    assert found == [("r1", "Activity", 10, 25, "a, b")]


def test_via_3_has_one_confidence_a_segment(tmp_path):
    attributes = {"1": choice("v3", {}), "2": choice("confidence", {"0": "0.2", "1": "0.9"}, 2)}
    with pytest.raises(DataError, match="'0.2,0.9' is not a confidence"):
        of_text(tmp_path, "p.json", via({}, attribute=attributes, metadata={"a": marked({"1": "take", "2": "0,1"})}))


def test_via_3_labels_that_are_numbers_and_not_among_the_actions_come_back(tmp_path):
    (path,) = write(tmp_path, "via3", ("r1", "", 0, 10, "7"), actions=("1", "2"))
    assert read(path) == [("r1", "", 0, 10, "7")]


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"metadata": {"a": marked({"1": "7"})}}, "'Activity' has no option '7'"),
        ({"attribute": TICKED, "metadata": {"a": marked({"1": "0,7"})}}, "'v3' has no option '7'"),
        ({"metadata": {"a": marked({"9": "1"})}}, "the project has no attribute '9'"),
        ({"attribute": {"1": choice("v3", {}), "2": choice("v3", {})}}, "two attributes are called 'v3'"),
        (
            {"attribute": {"8": WHOLE}, "metadata": {"a": named("r1"), "b": named("r2")}},
            "one file is the recording 'r1' and 'r2'",
        ),
    ],
)
def test_via_3_what_says_two_things_or_leads_nowhere_is_refused(tables, reason, tmp_path):
    with pytest.raises(DataError, match=rf"p\.json, line \d+: {reason}"):
        of_text(tmp_path, "p.json", via({"1": "2"}, **tables))


def test_via_3_files_of_one_name_in_two_folders_are_two_recordings_that_need_names(tmp_path):
    files = {place: {"fname": "cam.mp4", "loc": 2, "src": f"http://x/{place}/cam.mp4"} for place in "12"}
    spans = {place: marked({"1": place}, float(place), place) for place in "12"}
    views = {place: {"fid_list": [place]} for place in "12"}
    with pytest.raises(DataError, match="'http://x/1/cam' are two videos, and both would be the recording 'cam'"):
        of_text(tmp_path, "p.json", via({}, file=files, metadata=spans, view=views))
    attribute = {"1": choice("v3", {"1": "take", "2": "put"}), "8": WHOLE}
    whole = {f"n{place}": named(f"r{place}", place) for place in "12"}
    found = of_text(tmp_path, "p.json", via({}, attribute=attribute, file=files, metadata=spans | whole, view=views))
    assert found == [("r1", "v3", 10, 20, "take"), ("r2", "v3", 20, 30, "put")]
    files["2"]["src"] = "http://x/1/cam.wav?token=2"
    found = of_text(tmp_path, "p.json", via({}, file=files, metadata=spans, view=views))
    assert [row[0] for row in found] == ["cam", "cam"], "one place, with and without sound"


def test_via_3_projects_of_ours_name_recordings_whatever_videos_are_called(tmp_path):
    rows = [("r1", "e4", 0, 10, "a"), ("r2", "e4", 0, 10, "b")]
    (path,) = write(tmp_path, "via3", *rows, videos="films/{recording}/{view}.mp4")
    found = json.loads(path.read_text())
    assert [file["fname"] for file in found["file"].values()] == ["films/r1/e4.mp4", "films/r2/e4.mp4"]
    assert found["project"]["vid_list"] == list(found["view"]) == ["1", "2"]
    assert read(path) == rows


def box(frame, outside=0):
    return f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="0" ytl="0" xbr="5" ybr="5"/>'


def image(frame, labels):
    tags = "".join(f'<tag label="{label}" source="manual"/>' for label in labels)
    return f'<image id="{frame}" name="frame_{frame}">{tags}</image>'


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
    frames = {3: "a", 4: "ab", 5: "b", 8: "a", 9: "a"}
    images = "\n".join(image(n, labels) for n, labels in frames.items())
    found = of_text(tmp_path, "r.xml", f"<annotations>{images}</annotations>")
    assert found == [("r", "", 3, 5, "a"), ("r", "", 4, 6, "b"), ("r", "", 8, 10, "a")]
    twice = f"<annotations>{images}\n{image(4, 'a')}</annotations>"
    with pytest.raises(DataError, match=r"r\.xml, lines 2 and 6: frame 4 is there twice, and each says something else"):
        of_text(tmp_path, "r.xml", twice)


def test_a_frame_twice_in_a_cvat_track_says_the_same_or_is_refused(tmp_path):
    """Exports of several jobs were seen with the last box of a track doubled (cvat-ai/cvat, issue 8411)."""

    def track(*boxes):
        rows = "\n".join(boxes)
        return f'<annotations>\n<track id="0" label="take">\n{rows}\n</track></annotations>'

    doubled = track(box(0), box(10), box(10), box(20, 1), box(20, 1))
    assert of_text(tmp_path, "r.xml", doubled) == [("r", "", 0, 20, "take")]
    for pair in ((box(10), box(10, 1)), (box(10, 1), box(10))):
        with pytest.raises(DataError, match=r"r\.xml, lines 4 and 5: frame 10 is there twice, and each"):
            of_text(tmp_path, "r.xml", track(box(0), *pair, box(20, 1)))
    with pytest.raises(DataError, match=r"r\.xml, line 4: outside='true' is neither 0 nor 1"):
        of_text(tmp_path, "r.xml", track(box(0), box(10, "true")))


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
