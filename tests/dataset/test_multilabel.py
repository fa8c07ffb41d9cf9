"""Labels of which a frame may have several: read, from arrays, by frames, by content."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import viewloom as vl
from tests.rigs import SENSORS, write_rig
from viewloom.dataset.content import labels_facts
from viewloom.dataset.dataset import Item
from viewloom.dataset.label_files import read_segment_folder, read_table
from viewloom.dataset.labels import build_annotation
from viewloom.dataset.multilabel import ABSENT, build_multi_annotation, frame_classes, in_mode, refuse_multi
from viewloom.errors import DataError
from viewloom.metrics.segments import IGNORE

CLASSES = 4
row = st.tuples(st.integers(0, 40), st.integers(1, 15), st.sampled_from([0, 1, 2, 3, IGNORE, ABSENT]))


def built(rows, tmp_path=None):
    return build_multi_annotation("labels.csv", "r", "r", [(s, s + n, k, line) for line, (s, n, k) in enumerate(rows)])


def by_hand(rows, start, end):
    """Frame by frame, as the docs say it."""
    first, last = min(s for s, _, _ in rows), max(s + n for s, n, _ in rows)
    found = []
    for frame in range(start, end):
        here = [k for s, n, k in rows if s <= frame < s + n]
        if IGNORE in here or not first <= frame < last:
            found.append([IGNORE] * CLASSES)
        else:
            found.append([int(k in here) for k in range(CLASSES)])
    return np.array(found, np.int8).reshape(-1, CLASSES)


@given(rows=st.lists(row, min_size=1, max_size=12), start=st.integers(0, 60), frames=st.integers(0, 40))
def test_classes_of_frames_are_those_of_the_rows_over_them(rows, start, frames):
    if not any(k >= 0 for _, _, k in rows):
        with pytest.raises(DataError, match="holds no segment"):
            built(rows)
        return
    annotation = built(rows)
    found = annotation.frame_classes(start, start + frames, CLASSES)
    np.testing.assert_array_equal(found, by_hand(rows, start, start + frames))
    assert (annotation.start, annotation.end) == (min(s for s, _, _ in rows), max(s + n for s, n, _ in rows))


def test_the_order_of_rows_makes_no_difference():
    rows = [(5, 10, 1), (0, 8, 2), (9, 4, IGNORE), (3, 10, 2)]
    assert built(rows).facts == built(rows[::-1]).facts


def test_one_label_of_a_frame_is_refused():
    with pytest.raises(DataError, match="--labels_mode multi, but what was asked for needs one label a frame"):
        built([(0, 5, 1)]).frame_labels(0, 5)


def write(tmp_path, *lines):
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["recording,start,end,label", *lines]) + "\n")
    return path


def test_rows_of_a_table_may_overlap_only_where_that_is_asked_for(tmp_path):
    path = write(tmp_path, "r,0,10,hold", "r,5,20,turn", "r,20,30,hold", "q,0,4,turn")
    with pytest.raises(DataError, match=r"line 3.*overlaps the one in line 2.*pass --labels_mode multi"):
        read_table(path, None)
    labels = read_table(path, None, mode="multi")
    assert labels.mode == "multi" and labels.actions == ("hold", "turn")
    assert labels.annotations["r"].rows == [[0, 10, 0], [5, 20, 1], [20, 30, 0]]
    there_TK = labels.annotations["r"].frame_classes(4, 6, 2)
    assert there_TK.tolist() == [[1, 0], [1, 1]]


def test_two_words_stand_for_no_action_unless_the_list_has_them(tmp_path):
    path = write(tmp_path, "r,0,30,none", "r,5,10,turn", "r,20,25,ignore")
    labels = read_table(path, None, mode="multi")
    one = labels.annotations["r"]
    assert labels.actions == ("turn",) and (one.start, one.end) == (0, 30)
    assert one.frame_classes(0, 30, 1)[:, 0].tolist() == [0] * 5 + [1] * 5 + [0] * 10 + [IGNORE] * 5 + [0] * 5
    named = read_table(path, None, ["none", "turn"], mode="multi")
    assert named.annotations["r"].frame_classes(0, 6, 2).tolist() == [[1, 0]] * 5 + [[1, 1]]
    assert read_table(write(tmp_path, "r,0,5,none", "r,5,9,ignore"), None).actions == ("ignore", "none")


def test_faulty_rows_are_refused_in_both_modes(tmp_path):
    for line, reason in (("r,9,9,turn", "runs from 9 to 9"), ("r,1,9,", "the action is missing")):
        with pytest.raises(DataError, match=reason):
            read_table(write(tmp_path, line), None, ["turn"], mode="multi")


def test_frames_without_end_are_refused(tmp_path):
    """Each is looked at, so two numbers of a file could ask for any memory."""
    rows = [(0, 10, 0, 1), (2**31 - 10, 2**31, 1, 2)]
    for build in (build_annotation, build_multi_annotation):
        with pytest.raises(DataError, match=r"labels\.csv: the labels of r run over 2,147,483,648 frames"):
            build(tmp_path / "labels.csv", "r", "r", rows)


def test_label_files_may_overlap_too(tmp_path):
    (tmp_path / "assembly_r.txt").write_text("0\t10\tturn\t\n5\t12\thold\t\n")
    with pytest.raises(DataError, match="pass --labels_mode multi"):
        read_segment_folder(tmp_path, ["hold", "turn"])
    labels = read_segment_folder(tmp_path, ["hold", "turn"], mode="multi")
    assert labels.annotations["assembly_r"].recording == "r" and labels.mode == "multi"


def test_labels_that_do_not_overlap_are_sets_of_one(tmp_path):
    single = read_table(write(tmp_path, "r,2,10,hold", "r,12,20,turn"), None)
    lifted = in_mode(single, "multi")
    assert lifted.mode == "multi" and in_mode(single, "single") is single
    read = read_table(write(tmp_path, "r,2,10,hold", "r,12,20,turn"), None, mode="multi")
    assert lifted.annotations["r"].facts == read.annotations["r"].facts
    found_TK = frame_classes(lifted, "r", 0, 22)
    assert found_TK[[0, 20, 21]].tolist() == [[IGNORE] * 2] * 3  # outside of what somebody looked at
    assert found_TK[[2, 10, 12]].tolist() == [[1, 0], [0, 0], [0, 1]]  # between segments nothing happens
    assert (frame_classes(lifted, "other", 0, 3) == IGNORE).all()


def test_what_a_run_rests_on_tells_the_modes_and_the_words_apart(tmp_path):
    items = [Item("r", "r", 0, 30)]
    lines = ["r,0,30,turn"]
    as_single = labels_facts(read_table(write(tmp_path, *lines), None), items)
    as_multi = labels_facts(read_table(write(tmp_path, *lines), None, mode="multi"), items)
    with_words = labels_facts(read_table(write(tmp_path, *lines, "r,3,9,ignore"), None, mode="multi"), items)
    assert as_single != as_multi and "the labels_mode" in as_multi and "the labels_mode" not in as_single
    assert as_multi != with_words and set(as_multi) == set(with_words)


@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy])
def test_arrays_of_classes_are_labels(wrap):
    rng = np.random.default_rng(0)
    there_TK = rng.random((50, 3)) < 0.4
    data = vl.from_arrays(
        {"r": {"v": rng.normal(size=(50, 2))}}, labels={"r": wrap(there_TK)}, actions=["a", "b", "c"], fps=10
    )
    assert data.labels.mode == data.config.labels_mode == "multi"
    np.testing.assert_array_equal(frame_classes(data.labels, "r", 0, 50), there_TK)
    assert data.labels.annotations["r"].start == 0 and data.labels.annotations["r"].end == 50


def test_rows_of_nan_in_an_array_are_ignored_and_segments_may_overlap():
    x_TD = np.zeros((20, 2))
    values_TK = np.zeros((20, 2))
    values_TK[3:9, 1], values_TK[12:15] = 1, np.nan
    data = vl.from_arrays({"r": {"v": x_TD}}, labels={"r": values_TK}, fps=10)
    found_TK = frame_classes(data.labels, "r", 0, 20)
    assert data.labels.actions == ("0", "1") and (found_TK[12:15] == IGNORE).all()
    assert (np.delete(found_TK, [12, 13, 14], 0) == np.delete(values_TK, [12, 13, 14], 0)).all()
    segments = vl.from_arrays(
        {"r": {"v": x_TD}}, labels={"r": [(0, 9, "a"), (4, 20, "b")]}, fps=10, labels_mode="multi"
    )
    assert frame_classes(segments.labels, "r", 3, 5).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("labels", "options", "reason"),
    [
        (np.full((20, 2), 0.5), {}, "it holds other values"),
        (np.zeros((19, 2)), {}, "19 frames and 2 classes"),
        (np.zeros((20, 2)), {}, "not one label"),
        (np.ones((20, 2)), {"labels_mode": "single"}, "labels_mode is single"),
        (np.ones((20, 2)), {"actions": ["a", "b", "c"]}, "there are 3 actions"),
        ([(0, 9, "a"), (4, 20, "b")], {}, "--labels_mode multi"),
    ],
)
def test_arrays_that_cannot_be_labels_are_refused(labels, options, reason):
    with pytest.raises(DataError, match=reason):
        vl.from_arrays({"r": {"v": np.zeros((20, 2))}}, labels={"r": labels}, fps=10, **options)


def test_a_folder_says_its_mode_in_dataset_yaml(tmp_path):
    root = write_rig(tmp_path / "rig", SENSORS, parallel=2, splits={"train": 2, "test": 1})
    with pytest.raises(DataError, match="pass --labels_mode multi"):
        vl.open_dataset(root)
    assert vl.open_dataset(root, labels_mode="multi").labels.mode == "multi"
    with (root / "dataset.yaml").open("a") as file:
        file.write("labels_mode: multi\n")
    data = vl.open_dataset(root)
    assert data.labels.mode == "multi"
    there_TK = frame_classes(data.labels, "train00", 0, 400)
    assert {1, 2} <= set((there_TK == 1).sum(axis=1).tolist())
    with pytest.raises(DataError, match="viewloom compare needs one label a frame"):
        refuse_multi(data.labels, "viewloom compare")
