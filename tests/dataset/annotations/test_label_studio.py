"""Label Studio: tasks as it exports them, and what it is given to correct."""

import json
from xml.etree import ElementTree as ET

import pytest

from tests.dataset.annotations.reading import of_text, read, write
from viewloom.errors import DataError


def span(label, start, end, **rest):
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"id": "x", "from_name": "videoLabels", "to_name": "video", "type": "timelinelabels", "value": value, **rest}


def task(*results, video="/data/upload/3/1a2b3c4d-r1.mp4", **rest):
    return {"id": 7, "data": {"video": video}, "annotations": [{"id": 1, "result": list(results)}], **rest}


def of_tasks(tmp_path, *tasks, fps=10.0, **options):
    return of_text(tmp_path, "export.json", json.dumps(list(tasks)), fps, **options)


def test_frames_count_from_one_and_the_last_is_in(tmp_path):
    """HumanSignal's own back end, yolo_timeline_labels, counts a range of n frames from 1 to n."""
    assert of_tasks(tmp_path, task(span("a", 1, 5), span("b", 6, 6))) == [("r1", "", 0, 5, "a"), ("r1", "", 5, 6, "b")]
    assert of_tasks(tmp_path, task(span("a", 1, 5)), fps=None) == [("r1", "", 0, 5, "a")]
    with pytest.raises(DataError, match="task 7: a span from frame 0 to 5; frames count from 1"):
        of_tasks(tmp_path, task(span("a", 0, 5)))


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("/data/upload/3/1a2b3c4d-r1.mp4", "r1"),
        ("/data/local-files/?d=films/cam%201/r1.mp4", "r1"),
        ("https://host/films/r1.mp4?token=a/b.c#t=5", "r1"),
        ("s3://bucket/1a2b3c4d-r1.mp4", "1a2b3c4d-r1"),
        ("C:\\films\\r1.cam.mp4", "r1.cam"),
    ],
)
def test_the_recording_is_called_as_the_video(video, name, tmp_path):
    assert of_tasks(tmp_path, task(span("a", 1, 5), video=video))[0][0] == name


def test_cancelled_annotations_do_not_count_and_several_people_are_tiers(tmp_path):
    annotations = [
        {"id": 1, "completed_by": {"id": 5, "email": "a@b.c"}, "result": [span("a", 1, 5)]},
        {"id": 2, "completed_by": 6, "result": [span("b", 1, 5)]},
        {"id": 3, "completed_by": 6, "was_cancelled": True, "result": [span("c", 1, 5)]},
    ]
    found = of_tasks(tmp_path, task(annotations=annotations))
    assert found == [("r1", "6", 0, 5, "b"), ("r1", "a@b.c", 0, 5, "a")]


def test_predictions_are_read_only_where_nobody_annotated(tmp_path, capsys):
    predicted = {"predictions": [{"result": [span("guess", 1, 9, score=0.5)]}], "annotations": []}
    other = task(video="/data/upload/3/1a2b3c4d-r2.mp4") | predicted
    assert of_tasks(tmp_path, task(span("a", 1, 5)), other | {"id": 8}) == [("r1", "", 0, 5, "a")]
    assert "1 task(s) without annotations" in capsys.readouterr().err
    assert of_tasks(tmp_path, other) == [("r2", "", 0, 9, "guess")]


def test_older_and_other_kinds_of_spans(tmp_path):
    seconds = {"type": "labels", "value": {"start": 0.5, "end": 1.5, "labels": ["a"], "channel": 0}}
    boxes = [{"frame": 11, "enabled": True}, {"frame": 15, "enabled": False}, {"frame": 21, "enabled": True}]
    box = {"type": "videorectangle", "value": {"sequence": boxes, "framesCount": 30, "labels": ["b"]}}
    text = {"type": "textarea", "value": {"text": ["not a span"]}}
    found = of_tasks(tmp_path, task(seconds, box, text))
    assert found == [("r1", "", 5, 15, "a"), ("r1", "", 10, 15, "b"), ("r1", "", 20, 30, "b")]


def test_the_short_export(tmp_path):
    entry = {"video": "/data/upload/1/1a2b3c4d-r1.mp4", "id": 3, "annotator": 1, "lead_time": 2.5}
    spans = [{"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["a", "b"]}]
    assert of_tasks(tmp_path, {**entry, "videoLabels": spans}) == [("r1", "", 0, 5, "a"), ("r1", "", 0, 5, "b")]


def test_the_short_export_has_an_entry_for_each_annotation_of_a_task(tmp_path):
    def entry(label, **rest):
        spans = [{"ranges": [{"start": 1, "end": 5}], "timelinelabels": [label]}]
        return {"video": "/data/upload/1/1a2b3c4d-r1.mp4", "id": 3, "videoLabels": spans, **rest}

    two = entry("a", annotator=1, annotation_id=5), entry("b", annotator=2, annotation_id=6)
    assert of_tasks(tmp_path, *two) == [("r1", "1", 0, 5, "a"), ("r1", "2", 0, 5, "b")]
    one = entry("a", annotator=1), entry("b", annotator=1)
    assert of_tasks(tmp_path, *one) == [("r1", "1 (#1)", 0, 5, "a"), ("r1", "1 (#2)", 0, 5, "b")]
    with pytest.raises(DataError, match="two annotations have the id 5. Remove one of them, such as the older"):
        of_tasks(tmp_path, two[0], two[0])


def test_annotations_of_one_person_are_told_apart_by_ids_or_places(tmp_path):
    def of(*ids):
        own = [{"completed_by": 1, "result": [span(label, 1, 5)]} for label in "ab"]
        return task(annotations=[entry | named for entry, named in zip(own, ids, strict=True)])

    assert of_tasks(tmp_path, of({"id": 4}, {"id": 5})) == [("r1", "1 (4)", 0, 5, "a"), ("r1", "1 (5)", 0, 5, "b")]
    assert of_tasks(tmp_path, of({}, {})) == [("r1", "1 (#1)", 0, 5, "a"), ("r1", "1 (#2)", 0, 5, "b")]
    with pytest.raises(DataError, match=r"export\.json, lines \d+ and \d+: two annotations have the id 4"):
        of_tasks(tmp_path, of({"id": 4}, {"id": 4}))


def test_a_task_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"export\.json, lines \d+ and \d+: two tasks have the id 7. Remove one"):
        of_tasks(tmp_path, task(span("a", 1, 5)), task(span("b", 6, 9)))


def test_tasks_that_only_have_predictions_are_counted_without_ids(tmp_path, capsys):
    predicted = {"data": {"video": "r2.mp4"}, "annotations": [], "predictions": [{"result": [span("guess", 1, 9)]}]}
    judged = {name: value for name, value in task(span("a", 1, 5)).items() if name != "id"}
    assert of_tasks(tmp_path, judged, predicted, predicted) == [("r1", "", 0, 5, "a")]
    assert "2 task(s) without annotations" in capsys.readouterr().err


def test_videos_of_one_name_in_two_folders_need_names(tmp_path):
    def of(place, start, number, **data):
        made = task(span("a", start, start + 4), video=f"/data/local-files/?d={place}", id=number)
        return made | {"data": made["data"] | data}

    with pytest.raises(DataError, match="task 2: 'b/cam' and 'a/cam' are two videos, and both would be the recording"):
        of_tasks(tmp_path, of("a/cam.mp4", 1, 1), of("b/cam.mp4", 6, 2))
    both = [("cam", "", 0, 5, "a"), ("cam", "", 5, 10, "a")]
    assert of_tasks(tmp_path, of("a/cam.mp4", 1, 1), of("a/cam.mp4", 6, 2)) == both
    named = [{"recording": "r1"}, {"recording": "r2"}]
    found = of_tasks(tmp_path, of("a/cam.mp4", 1, 1, **named[0]), of("b/cam.mp4", 6, 2, **named[1]))
    assert [row[0] for row in found] == ["r1", "r2"]
    found = of_tasks(tmp_path, of("e4/r1.mp4", 1, 1, view="e4"), of("v3/r1.mp4", 1, 2, view="v3"))
    assert found == [("r1", "e4", 0, 5, "a"), ("r1", "v3", 0, 5, "a")]


def test_a_box_is_not_there_and_gone_at_one_frame(tmp_path):
    def of(*frames):
        sequence = [{"frame": frame, "enabled": there} for frame, there in frames]
        return task({"type": "videorectangle", "value": {"sequence": sequence, "labels": ["b"]}})

    assert of_tasks(tmp_path, of((1, True), (10, True), (10, True), (20, False))) == [("r1", "", 0, 20, "b")]
    with pytest.raises(DataError, match="task 7: a box is there and gone at frame 10"):
        of_tasks(tmp_path, of((1, True), (10, True), (10, False), (20, False)))


def test_predictions_are_tasks_to_correct_with_an_interface(tmp_path):
    rows = [("r1", "e4", 0, 10, 'say "<hm>"', 0.75), ("r1", "e4", 10, 25, "put", 0.25)]
    path, interface = write(tmp_path, "label_studio", *rows, videos="/data/local-files/?d={recording}/{view}.mp4")
    (only,) = json.loads(path.read_text())
    assert only["data"]["video"] == "/data/local-files/?d=r1/e4.mp4"
    assert only["annotations"] == []
    (prediction,) = only["predictions"]
    assert prediction["score"] == 0.5
    first = prediction["result"][0]
    assert (first["score"], first["value"]["ranges"]) == (0.75, [{"start": 1, "end": 10}])
    view = ET.parse(interface).getroot()
    control, video = view.find("TimelineLabels"), view.find("Video")
    assert (control.get("name"), control.get("toName")) == (first["from_name"], first["to_name"])
    assert video.get("name") == first["to_name"]
    assert [label.get("value") for label in control] == ["put", 'say "<hm>"']
    assert video.get("frameRate") == "10"
    assert read(tmp_path) == sorted(row[:5] for row in rows), "the interface is no labels"


def test_labels_are_annotations(tmp_path):
    path, _ = write(tmp_path, "label_studio", ("r1", "", 0, 10, "a"))
    (only,) = json.loads(path.read_text())
    assert (len(only["annotations"]), only["predictions"]) == (1, [])


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ([task(span("a", 5, 2))], "task 7: a span from frame 5 to 2"),
        ([task({"type": "timelinelabels", "value": {"ranges": [{"start": 1, "end": 2}]}})], "a span without a label"),
        ([task({"type": "timelinelabels", "value": {"timelinelabels": ["a"]}})], "a span without ranges"),
        ([task("x")], "a result that Label Studio doesn't write"),
        ([{"data": [], "annotations": []}], "a task whose data is no table"),
        ([{"data": {"n": 3}, "annotations": [{"result": []}]}], "a task without a video"),
        ([{"data": {"video": "r"}, "annotations": {"a": 1}}], "a task that Label Studio doesn't write"),
        ([task(span("a", 1, 10**30))], "is not a frame number"),
    ],
)
def test_faults_name_the_file_and_the_line(tasks, reason, tmp_path):
    with pytest.raises(DataError, match=rf"export\.json, line \d+.*{reason}"):
        of_text(tmp_path, "export.json", json.dumps(tasks, indent=1))


def test_the_line_of_a_fault_is_that_of_its_task(tmp_path):
    text = json.dumps([task(span("a", 1, 5)), task(span("a", 0, 5)) | {"id": 8}], indent=1)
    line = next(n for n, row in enumerate(text.split("\n"), 1) if row == " {" and n > 2)
    with pytest.raises(DataError, match=f"line {line}, task 8"):
        of_text(tmp_path, "export.json", text)
