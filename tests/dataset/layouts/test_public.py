"""Public data sets' own ways: where their files say things that others don't, and files that can't be used."""

import copy
import json

import numpy as np
import pytest
import torch

from tests.made_layouts import MADE, take_uid
from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.dataset.chosen_splits import folds_of
from viewloom.dataset.layouts.breakfast import recording_and_camera
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import DataError
from viewloom.recipes.benchmarks.command import with_facts
from viewloom.recipes.settings import ExperimentConfig
from viewloom.registry import LAYOUTS


def opened(root, **settings):
    return open_dataset(DataConfig(data=str(root), **settings))


def changed(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.fixture
def make(tmp_path):
    return lambda name: (MADE[name](tmp_path / name), tmp_path / name)[1]


def segments(data, name):
    one = data.labels.annotations[name]
    return [(int(s), int(e), data.labels.actions[k]) for s, e, k in zip(one.starts, one.ends, one.labels, strict=True)]


# Breakfast


@pytest.mark.parametrize(
    ("video", "found"),
    [
        ("P03_cam01_P03_cereals", ("P03_cereals", "cam01")),
        ("P52_stereo01_P52_scrambledegg", ("P52_scrambledegg", "stereo01")),
        ("P03_cam01_P04_cereals", ("P03_cam01_P04_cereals", "cam01")),
        ("P03_cereals", ("P03_cereals", "cam01")),
    ],
)
def test_a_video_s_name_tells_person_camera_and_dish(video, found):
    assert recording_and_camera(video) == found


def test_bundles_of_videos_become_recordings_once(make):
    config, files = find_files(DataConfig(data=str(make("breakfast"))))
    folds = folds_of(config, files, (), None)
    assert [len(fold.splits.test) for fold in folds] == [2, 2, 2] and len(folds[0].splits.train) == 4
    assert folds[0].splits.test == ("P03_cereals", "P03_friedegg")


def test_labels_of_the_first_camera_count_and_others_are_compared(make, capsys):
    root = make("breakfast")
    truth = root / "groundTruth"
    lines = (truth / "P03_webcam01_P03_cereals.txt").read_text().splitlines()
    (truth / "P03_webcam01_P03_cereals.txt").write_text("take\n" * len(lines))
    data = opened(root, fold=1)
    first = (truth / "P03_cam01_P03_cereals.txt").read_text().splitlines()
    assert [action for start, end, action in segments(data, "P03_cereals") for _ in range(start, end)] == first
    noted = capsys.readouterr().err
    assert "1 label files differ" in noted and "P03_webcam01_P03_cereals.txt" in noted


def test_each_video_for_itself_as_published(make):
    data = opened(make("breakfast"), fold=1, layout="mstcn")
    assert len(data.recordings) == 14 and data.views_of("P03_cam01_P03_cereals") == ("v1",)


def test_the_published_tables_take_each_video_for_itself_unless_told_otherwise(make):
    root = make("breakfast")
    config = ExperimentConfig(table="breakfast", data=str(root), out="out")
    assert with_facts(config).layout == "mstcn"
    (root / "dataset.yaml").write_text("layout: breakfast\n")
    assert with_facts(config).layout == "breakfast"


def test_names_of_other_videos_are_the_plain_layout(make):
    root = make("gtea")
    (root / "groundTruth" / "S1_Cheese_C1.txt").rename(root / "groundTruth" / "holiday.txt")
    found = next(layout for layout in LAYOUTS.ordered() if layout.matches(root))
    assert LAYOUTS.name_of(found) == "mstcn"


# IKEA ASM


def test_the_last_frame_of_a_segment_belongs_to_it_unless_the_next_begins_there(make):
    root = make("ikea_asm")
    name = "Lack_TV_Bench/0001_black_table_02_01"
    parts = [("NA", 0, 9), ("take", 10, 19), ("pour", 19, 29), ("open", 40, 49)]

    def change(value):
        value["database"][name]["annotation"] = [{"label": a, "segment": [s, e]} for a, s, e in parts]

    changed(root / "annotations" / "gt_segments.json", change)
    found = segments(opened(root), name.replace("/", "__"))
    assert found == [(0, 10, "NA"), (10, 19, "take"), (19, 30, "pour"), (40, 50, "open")]
    assert opened(root).labels.actions == ("NA", "open", "pour", "take")


def test_scans_of_one_name_are_told_apart_by_the_furniture(make):
    data = opened(make("ikea_asm"))
    assert len({name.split("__")[1] for name in data.recordings}) == 2 and len(data.recordings) == 4
    assert data.splits.train == tuple(name for name in data.splits.train if "0001" in name)
    assert not set(data.splits.pairs) & set(data.splits.test) and data.splits.pairs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("database"), "the file must have 'database', a dict, but has nothing"),
        (lambda v: v["database"].update({"../../etc/x": {}}), r"names '\.\.', which can't be a file's"),
        (lambda v: v["database"]["a/b"].pop("annotation"), "a__b must have 'annotation', a list"),
        (
            lambda v: v["database"]["a/b"]["annotation"][0].update(segment=["x", 3]),
            "segment 1, must have 0, a int or float",
        ),
        (lambda v: v["database"]["a/b"]["annotation"][0].update(label="fly"), "segment 1: action 'fly' is not in the"),
        (
            lambda v: v["database"]["a/b"]["annotation"].append({"label": "take", "segment": [3, 9]}),
            "segment 2: .*overlaps",
        ),
        (
            lambda v: v["database"].update(a__b=v["database"]["a/b"]),
            "has the recording a__b twice: a/b and a__b. Keep one of them, or rename it",
        ),
        (lambda v: v["database"]["a/b"].update(subset="tset"), "a__b must be of the subset training or testing, but"),
        (
            lambda v: v["database"]["a/b"]["annotation"][0].update(segment=[0, 5, 9]),
            r"segment 1, must be of two whole frames, but has \[0, 5, 9\]",
        ),
        (
            lambda v: v["database"]["a/b"]["annotation"][0].update(segment=[0.9, 5]),
            r"segment 1, must be of two whole frames, but has \[0.9, 5\]",
        ),
    ],
)
def test_jsons_that_cannot_be_used_name_file_and_place(tmp_path, change, message):
    value = {"database": {"a/b": {"subset": "training", "annotation": [{"label": "take", "segment": [0, 5]}]}}}
    (tmp_path / "indexing_files").mkdir()
    (tmp_path / "indexing_files" / "atomic_action_list.txt").write_text("take\n")
    (tmp_path / "features" / "a" / "b").mkdir(parents=True)
    np.save(tmp_path / "features" / "a" / "b" / "dev1.npy", np.zeros((30, 4), np.float32))
    change(value)
    (tmp_path / "gt_segments.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match=message) as caught:
        opened(tmp_path, axes="td")
    assert "gt_segments.json" in str(caught.value)


def test_no_json_at_all(make):
    root = make("ikea_asm")
    (root / "annotations" / "gt_segments.json").write_text('{"database": ')
    with pytest.raises(DataError, match=r"gt_segments.json is not JSON"):
        opened(root)
    report = check(CheckConfig(data=str(root), depth="spans"))
    assert not report.usable and "gt_segments.json is not JSON" in report.first


# EgoEMS


def test_paths_of_another_machine_give_the_file_s_name_alone(make):
    root = make("egoems")

    def change(value):
        streams = value["subjects"][0]["scenarios"][0]["trials"][0]["streams"]
        streams["clip_ego"]["file_path"] = "/scratch/../../" + streams["clip_ego"]["file_path"].split("/")[-1]

    changed(root / "Annotations" / "aaai26_main_annotation_segmentation.json", change)
    assert opened(root).views_of("P0_cardiac_arrest_s2") == ("clip_ego", "clip_exo")

    def lead_out(value):
        value["subjects"][0]["subject_id"] = ".."

    changed(root / "Annotations" / "aaai26_main_annotation_segmentation.json", lead_out)
    with pytest.raises(DataError, match=r"names '..', which can't be a file's or folder's name"):
        opened(root)


def test_classes_are_in_the_order_of_their_ids_and_pairs_are_not_tested(make):
    data = opened(make("egoems"), missing="skip")
    assert data.labels.actions == ("rest", "take", "open", "pour")
    assert data.splits.val == ("P2_cardiac_arrest_s2",) and data.splits.test == ("P3_cardiac_arrest_s2",)
    assert data.splits.pairs == data.splits.train == ("P0_cardiac_arrest_s2", "P1_cardiac_arrest_s2")


def label_of_two(keysteps):
    keysteps[0]["class_id"] = 99


def labels_of_one(keysteps):
    for keystep in keysteps:
        keystep["class_id"] = 3


@pytest.mark.parametrize("change", [label_of_two, labels_of_one])
def test_labels_without_an_id_of_their_own_are_said(make, capsys, change):
    root = make("egoems")

    def everywhere(value):
        change(value["subjects"][0]["scenarios"][0]["trials"][0]["keysteps"])

    changed(root / "Annotations" / "aaai26_main_annotation_segmentation.json", everywhere)
    assert sorted(opened(root, missing="skip").labels.actions) == ["open", "pour", "rest", "take"]
    assert "these labels don't have one class_id each: " in capsys.readouterr().err


def test_pauses_shorter_than_a_frame_fall_away_and_that_is_said(make, capsys):
    """The published file has many, such as no_action from 35.13885 to 35.139 s."""
    root = make("egoems")

    def change(value):
        keysteps = value["subjects"][0]["scenarios"][0]["trials"][0]["keysteps"]
        end = keysteps[-1]["end_t"]
        keysteps.append(keysteps[0] | {"start_t": end, "end_t": end + 0.0001})

    before = len(segments(opened(root, missing="skip"), "P0_cardiac_arrest_s2"))
    changed(root / "Annotations" / "aaai26_main_annotation_segmentation.json", change)
    assert len(segments(opened(root, missing="skip"), "P0_cardiac_arrest_s2")) == before
    assert "1 keysteps are shorter than a frame at 29.97 a second, and left out" in capsys.readouterr().err


def again(subjects):
    """The trial of the first subject a second time, with fewer keysteps."""
    subjects[0]["scenarios"][0]["trials"].append(copy.deepcopy(subjects[0]["scenarios"][0]["trials"][0]))
    subjects[0]["scenarios"][0]["trials"][1]["keysteps"].pop()


def joined(subjects):
    """Another subject, scenario and trial, whose joined names are those of the first."""
    subjects.append(copy.deepcopy(subjects[0]) | {"subject_id": "P0_cardiac"})
    subjects[-1]["scenarios"][0]["scenario_id"] = "arrest"


@pytest.mark.parametrize(
    ("change", "places"),
    [
        (again, "P0/cardiac_arrest/s2"),
        (lambda subjects: subjects.append(copy.deepcopy(subjects[0])), "P0/cardiac_arrest/s2"),
        (joined, "P0/cardiac_arrest/s2 and P0_cardiac/arrest/s2"),
    ],
)
def test_trials_of_one_name_are_refused(make, change, places):
    root = make("egoems")
    changed(root / "Annotations" / "aaai26_main_annotation_segmentation.json", lambda v: change(v["subjects"]))
    with pytest.raises(DataError, match=f"has the recording P0_cardiac_arrest_s2 twice: {places}. Keep one"):
        opened(root, missing="skip")


def test_a_subject_may_stand_there_for_each_of_its_trials(make):
    root = make("egoems")

    def change(value):
        value["subjects"].append(copy.deepcopy(value["subjects"][0]))
        value["subjects"][-1]["scenarios"][0]["trials"][0]["trial_id"] = "s3"

    changed(root / "Annotations" / "aaai26_main_annotation_segmentation.json", change)
    assert "P0_cardiac_arrest_s3" in opened(root, missing="skip").labels.annotations


# Ego-Exo4D


def test_rows_are_where_their_windows_are(make):
    """Row 0 of Omnivore's is of the first 32/30 s: its middle is frame 1 of a clock of 1.875 frames a second."""
    data = opened(make("egoexo4d"))
    source = data.source
    span, stored = source.span(take_uid(0), "ego"), source.stored_span(take_uid(0), "ego")
    assert (span.first, span.frames) == (1, stored.frames)
    finer = opened(data.root, fps=30)
    assert finer.source.span(take_uid(0), "ego").frames >= 16 * (stored.frames - 1)
    start, end, _ = segments(finer, take_uid(0))[0]
    assert (start, end % 16) == (16, 0)


def test_rigs_whose_cameras_are_called_otherwise_are_one_view(make):
    data = opened(make("egoexo4d"))
    assert data.views["exo1"].cameras == ("cam01_0", "gp01_0") and data.views["ego"].kind == "ego"
    assert data.labels.actions == ("pour", "rest", "take", "open"), "in the order of their unique ids"


def test_takes_of_test_are_withheld_and_those_of_val_are_tested(make):
    splits = opened(make("egoexo4d")).splits
    assert splits.pairs == (take_uid(0), take_uid(1), take_uid(2)) and splits.train == (take_uid(0), take_uid(1))
    assert (splits.val, splits.test) == ((), (take_uid(3), take_uid(4)))


def test_keysteps_shorter_than_a_row_fall_away_and_that_is_said(make, capsys):
    root = make("egoexo4d")

    def change(value):
        found = value["annotations"][take_uid(0)]["segments"]
        found[0]["end_time"] = found[0]["start_time"] + 0.01

    changed(root / "annotations" / "keystep_train.json", change)
    assert len(segments(opened(root), take_uid(0))) == 4
    assert "1 keysteps are shorter than a row of features at 1.875 a second" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"segment 1: the segment runs from"):
        changed(
            root / "annotations" / "keystep_train.json",
            lambda v: v["annotations"][take_uid(0)]["segments"][0].update(end_time=0),
        )
        opened(root)


def test_times_that_no_recording_has_are_refused(make):
    """Times the rate they would be infinite, which is no frame."""
    root = make("egoexo4d")
    path = root / "annotations" / "keystep_train.json"
    changed(path, lambda v: v["annotations"][take_uid(0)]["segments"][0].update(end_time=1e308))
    with pytest.raises(DataError, match=r"must have 'end_time', a int or float, but has 1e\+308"):
        opened(root)


def of_train(root):
    return json.loads((root / "annotations" / "keystep_train.json").read_text())["annotations"][take_uid(0)]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "keystep_val",
            lambda v, take: v["annotations"].update({take_uid(0): take}),
            f"keystep_val.json annotates the take {take_uid(0)}, and keystep_train.json does so too",
        ),
        (
            "keystep_val",
            lambda v, take: v["annotations"][take_uid(3)].update(take_uid=take_uid(1)),
            f"the take {take_uid(3)} has take_uid '{take_uid(1)}', another one",
        ),
        (
            "keystep_val",
            lambda v, take: v["vocabulary"].update({"7": "fly"}),
            "step 7 has two names in these files, 'rest' and 'fly'",
        ),
        (
            "keystep_train",
            lambda v, take: v["annotations"][take_uid(0)]["segments"][1].update(step_unique_id=4242),
            "segment 2, has step_unique_id 4242, which isn't in the vocabulary",
        ),
        (
            "splits",
            lambda v, take: v["split_to_take_uids"]["train"].append(take_uid(0)),
            f"names {take_uid(0)} twice in train",
        ),
        (
            "splits",
            lambda v, take: v["take_uid_to_split"].update({take_uid(0): "test"}),
            f"the take {take_uid(0)} is in the list train, but take_uid_to_split says 'test'",
        ),
    ],
)
def test_files_that_contradict_themselves_are_refused(make, name, change, message):
    root = make("egoexo4d")
    take = of_train(root)
    changed(root / "annotations" / f"{name}.json", lambda value: change(value, take))
    with pytest.raises(DataError, match=message):
        opened(root)


def test_what_is_not_given_is_not_missed(make):
    root = make("egoexo4d")

    def change(value):
        for take in value["annotations"].values():
            del take["take_uid"]
            for segment in take["segments"]:
                del segment["step_unique_id"]

    changed(root / "annotations" / "keystep_train.json", change)
    changed(root / "annotations" / "splits.json", lambda value: value.pop("take_uid_to_split"))
    assert len(opened(root).splits.train) == 2


def test_several_models_ask_for_one(make):
    root = make("egoexo4d")
    other = root / "features" / "maws_clip_2b"
    other.mkdir()
    torch.save(torch.zeros(60, 5), other / f"{take_uid(0)}_cam01_0.pt")
    with pytest.raises(DataError, match=r"features of several models: maws_clip_2b, omnivore_video. Pass --features"):
        opened(root)
    assert opened(root, features=str(other), missing="skip").source.fps == 30


# EgoExoLearn


def test_a_recording_has_the_view_of_its_bundle(make):
    data = opened(make("egoexolearn"))
    assert all(len(data.views_of(name)) == 1 for name in data.recordings)
    assert data.labels.actions[:2] == ("background", "action 1") and len(data.splits.train) == 4
    assert not data.splits.pairs


def test_actions_without_a_number_are_refused(make):
    root = make("egoexolearn")
    changed(root / "tas_annotation" / "semantic_en.json", lambda v: v.pop(4))
    with pytest.raises(DataError, match="must name the actions 1 to 27, each once"):
        opened(root)


def test_a_key_twice_is_refused(make):
    root = make("egoexolearn")
    changed(root / "tas_annotation" / "semantic_en.json", lambda v: v.insert(0, {"key": "action 1", "value": "5"}))
    with pytest.raises(DataError, match="must name the actions 1 to 27, each once"):
        opened(root)


def test_a_video_in_bundles_of_both_views_is_refused(make):
    root = make("egoexolearn")
    folder = root / "tas_annotation" / "splits"
    video = (folder / "ego_train_annotations.bundle").read_text().splitlines()[0]
    with (folder / "exo_train_annotations.bundle").open("a") as file:
        file.write(f"{video}\n")
    name = video.removesuffix(".txt")
    with pytest.raises(DataError, match=f"{name} is in ego_train_annotations.bundle and in exo_train_annotations.bund"):
        opened(root)


# All of them


@pytest.mark.parametrize(
    ("layout", "file", "role"),
    [
        ("egoexo4d", f"features/omnivore_video/{take_uid(0)}_*.pt", "train"),
        ("egoexolearn", "features/*.pt", "test"),
        ("ikea_asm", "features/Lack_TV_Bench/0002_oak_floor_03_02/*.npy", "test"),
    ],
)
def test_listed_recordings_without_features_are_said_or_refused(make, layout, file, role, capsys):
    root = make(layout)
    listed = opened(root).splits.role(role)
    for path in root.glob(file):
        if layout != "egoexolearn" or path.stem == listed[0]:
            path.unlink()
    with pytest.raises(DataError, match=f"1 of {len(listed)} items listed in '{role}' have no features"):
        opened(root).items(role)
    assert len(opened(root, missing="skip").items(role)) == len(listed) - 1
    assert f"1 of {len(listed)} items listed in '{role}'" in capsys.readouterr().err
