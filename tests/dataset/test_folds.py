"""Folds: from folders, from bundles, and by leaving a group out; which one is used, and what is refused."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import write_tiny
from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.cli import main
from viewloom.dataset.chosen_splits import folds_of
from viewloom.dataset.folds import leave_out, natural, read_folds
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.dataset.splits import Splits, overlaps, write_splits
from viewloom.errors import ConfigError, DataError

NAMES = [f"p{i:02d}" for i in range(8)]


def data_with(root, splits=None, **folders):
    """Tiny data whose split folder holds what is passed: {fold folder: splits}."""
    write_tiny(root)
    for path in (root / "splits").iterdir():
        path.unlink()
    if splits is not None:
        write_splits(splits, root / "splits")
    for name, lists in folders.items():
        write_splits(lists, root / "splits" / name)
    return root


def thirds(start=0):
    """Three folds of 8 recordings, numbered from ``start``."""
    tests = [NAMES[:3], NAMES[3:6], NAMES[6:]]
    return {
        f"fold{start + i}": Splits(train=tuple(n for n in NAMES if n not in test), test=tuple(test))
        for i, test in enumerate(tests)
    }


def opened(root, **settings):
    return open_dataset(DataConfig(data=str(root), **settings))


def names(data, role):
    return [item.name for item in data.items(role)]


def folds(root, **settings):
    config, parts = find_files(DataConfig(data=str(root), **settings))
    data = open_dataset(config, with_splits=False)
    return folds_of(config, parts, data.source.recordings, data.labels)


@pytest.mark.parametrize("start", [0, 1, 9])
def test_a_fold_folder_is_chosen_by_its_number(tmp_path, start):
    root = data_with(tmp_path / "data", **thirds(start))
    data = opened(root, fold=start + 1)
    assert names(data, "test") == NAMES[3:6] and set(names(data, "train")) == {*NAMES[:3], *NAMES[6:]}
    assert [fold.number for fold in folds(root)] == [start, start + 1, start + 2]


def test_folds_without_a_choice_are_refused_and_named(tmp_path):
    root = data_with(tmp_path / "data", **thirds(1))
    with pytest.raises(ConfigError, match=r"3 folds: 1, 2, 3\. Pass --fold .*`viewloom crossval`"):
        opened(root)
    with pytest.raises(ConfigError, match=r"no fold 0; its folds are: 1, 2, 3"):
        opened(root, fold=0)
    assert opened_without_splits(root).splits is None


def opened_without_splits(root):
    return open_dataset(DataConfig(data=str(root)), with_splits=False)


def test_a_fold_of_plain_lists_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"--fold 1 .*has no folds.*--splits loso"):
        opened(write_tiny(tmp_path / "data"), fold=1)
    with pytest.raises(ConfigError, match=r"--fold 1 .*--splits generate has no folds"):
        opened(tmp_path / "data", fold=1, splits="generate")


def test_plain_lists_beside_folds_are_used_and_said(tmp_path, capfd):
    root = data_with(tmp_path / "data", Splits(train=("p00",), test=("p01",)), **thirds())
    assert names(opened(root), "test") == ["p01"]
    assert "lists and 3 folds; the lists are used" in capfd.readouterr().err
    assert names(opened(root, fold=2), "test") == NAMES[6:]


def test_a_recording_in_two_roles_of_a_fold_is_refused_by_its_place(tmp_path):
    lists = thirds() | {"fold1": Splits(train=("p00", "p01"), test=("p01",))}
    root = data_with(tmp_path / "data", **lists)
    with pytest.raises(DataError, match=r"fold1: 1 recording\(s\) are both in train and in test: p01"):
        opened(root, fold=1)
    assert names(opened(root, fold=0), "test") == NAMES[:3]
    assert names(opened(root, fold=1, allow_overlap="own"), "test") == ["p01"]


def test_two_folders_of_one_number_are_refused(tmp_path):
    root = data_with(tmp_path / "data", fold1=thirds()["fold0"], fold01=thirds()["fold1"])
    with pytest.raises(DataError, match="two folds of number 1: fold01, fold1"):
        opened(root, fold=1)


def bundles(folder, numbers):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        test = NAMES[(number - 1) % len(NAMES)]
        (folder / f"test.split{number}.bundle").write_text(f"{test}.txt\n")
        (folder / f"train.split{number}.bundle").write_text("".join(f"{n}.txt\n" for n in NAMES if n != test))


def test_bundles_are_folds_in_order_of_number_also_beyond_nine(tmp_path):
    bundles(tmp_path / "b", range(1, 13))
    found = read_folds(tmp_path / "b")
    assert [fold.number for fold in found] == list(range(1, 13))
    root = data_with(tmp_path / "data")
    bundles(root / "splits", range(1, 8))
    assert names(opened(root, fold=7), "test") == ["p06"]
    with pytest.raises(ConfigError, match=r"7 folds: 1, 2, 3, 4, 5, 6, 7"):
        opened(root)
    assert names(opened(root, split_variant="mstcn2"), "test") == ["p01"]


def test_two_bundles_of_one_number_are_refused(tmp_path):
    root = data_with(tmp_path / "data")
    bundles(root / "splits", [1, 2])
    (root / "splits" / "train.split_all.bundle").write_text("p00.txt\n")
    assert len(read_folds(root / "splits")) == 2
    (root / "splits" / "train.split01.bundle").write_text("p05.txt\n")
    with pytest.raises(DataError, match=r"two folds of number 1: train.split01.bundle, train.split1.bundle. Rename"):
        opened(root, fold=1)


def test_one_bundle_needs_no_choice_and_half_a_one_is_refused(tmp_path):
    root = data_with(tmp_path / "data")
    bundles(root / "splits", [1])
    assert names(opened(root), "test") == names(opened(root, fold=1), "test") == ["p00"]
    bundles(root / "splits", [2])
    (root / "splits" / "test.split2.bundle").unlink()
    with pytest.raises(DataError, match=r"holds train\.split2\.bundle but no test\.split2\.bundle"):
        opened(root)


def test_natural_order():
    assert sorted(["P10", "P2", "P1b", "p1", "P01"], key=natural) == ["P01", "P1b", "P2", "P10", "p1"]


def test_leaving_one_recording_out(tmp_path):
    root = write_tiny(tmp_path / "data")
    found = folds(root, splits="loso")
    assert [fold.group for fold in found] == NAMES and [fold.number for fold in found] == list(range(8))
    data = opened(root, splits="loso", fold=3)
    assert names(data, "test") == ["p03"] and data.splits.val == ()
    assert names(data, "train") == names(data, "pairs") == [name for name in NAMES if name != "p03"]


@pytest.fixture
def people(tmp_path):
    """Recordings of persons 1, 2, 10 and 11; of 11 and one of 10's there are no labels."""
    root = write_tiny(tmp_path / "data", recordings=7)
    new = ["P10_a", "P2_a", "P1_a", "P1_b", "P2_b", "P10_b", "P11_a"]
    for i, name in enumerate(new):
        (root / "features" / f"p{i:02d}").rename(root / "features" / name)
    lines = (root / "labels.csv").read_text().splitlines()
    for i, name in enumerate(new):
        lines = [line.replace(f"p{i:02d},", f"{name},") for line in lines]
    kept = [line for line in lines if not line.startswith(("P10_b", "P11_a"))]
    (root / "labels.csv").write_text("\n".join(kept) + "\n")
    return root


def test_leaving_a_group_out_keeps_its_unlabelled_recordings_out_too(people):
    found = folds(people, splits="loso", split_by=r"P(\d+)_")
    assert [fold.group for fold in found] == ["1", "2", "10"]
    ten = found[2].splits
    assert ten.test == ("P10_a",)
    assert ten.train == ("P1_a", "P1_b", "P2_a", "P2_b")
    assert ten.pairs == ("P1_a", "P1_b", "P2_a", "P2_b", "P11_a")
    assert found[0].splits.pairs == ("P2_a", "P2_b", "P10_a", "P10_b", "P11_a")
    assert found[0].splits.train == ("P2_a", "P2_b", "P10_a")
    data = opened(people, splits="loso", split_by=r"P(\d+)_", fold=2)
    assert [item.recording for item in data.items("pairs")] == list(ten.pairs)


def test_the_groups_that_choose_the_epoch_are_never_tested_nor_paired(people):
    found = folds(people, splits="loso", split_by=r"P(\d+)_", val_groups=1)
    assert [fold.splits.val for fold in found] == [("P2_a", "P2_b"), ("P10_a",), ("P1_a", "P1_b")]
    for fold in found:
        assert set(overlaps(fold.splits)) == {("pairs", "train")}
    assert found[1].splits.pairs == ("P1_a", "P1_b", "P11_a"), "P10_b belongs to a group that chooses the epoch"
    with pytest.raises(DataError, match=r"needs 4 labelled groups of recordings, but there are 3: 1, 2, 10"):
        opened(people, splits="loso", split_by=r"P(\d+)_", val_groups=2, fold=0)


def test_folds_do_not_depend_on_the_order_of_labels(people):
    before = folds(people, splits="loso", split_by=r"P(\d+)_")
    lines = (people / "labels.csv").read_text().splitlines()
    shuffled = np.random.default_rng(0).permutation(lines[1:]).tolist()
    (people / "labels.csv").write_text("\n".join([lines[0], *shuffled]) + "\n")
    assert folds(people, splits="loso", split_by=r"P(\d+)_") == before


def test_folds_do_not_depend_on_the_order_of_recordings_or_annotations(people):
    data = open_dataset(DataConfig(data=str(people)), with_splits=False)
    backwards = replace(data.labels, annotations=dict(reversed(data.labels.annotations.items())))
    names = data.source.recordings
    assert leave_out(names[::-1], backwards, person, 1) == leave_out(names, data.labels, person, 1)


def person(recording):
    return recording.split("_")[0]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"splits": "loso"}, r"with --splits loso holds 5 folds: 0 \(P1_a\), 1 \(P1_b\)"),
        ({"splits": "loso", "fold": 5}, r"no fold 5; its folds are: 0 \(P1_a\)"),
        ({"splits": "loso", "split_by": "user", "fold": 0}, "matches nothing in the recording's name 'P10_a'|'P1_a'"),
        ({"splits": "loso", "split_by": "P", "fold": 0}, "needs 2 labelled groups of recordings, but there are 1: P"),
        ({"splits": "loso", "val_groups": -1, "fold": 0}, "val_groups is .* has to be"),
        ({"splits": "generate", "val_groups": 1}, "goes with --splits loso only"),
    ],
)
def test_bad_choices_are_told(people, settings, told):
    with pytest.raises((ConfigError, DataError), match=told):
        opened(people, **settings)


def test_leaving_out_needs_labels(people):
    (people / "labels.csv").unlink()
    with pytest.raises(DataError, match="has no labels"):
        opened(people, splits="loso", fold=0)


def checked(root, **settings):
    return check(CheckConfig(data=str(root), depth="spans", **settings))


def found(report, title):
    return [f for f in report.findings if f.title.startswith(title)]


def test_the_check_lists_folds_and_who_is_tested(tmp_path):
    root = data_with(tmp_path / "data", **thirds())
    report = checked(root)
    assert report.usable
    assert report.facts["Folds"]["fold1"] == "pairs 0, train 5, val 0, test 3"
    assert report.facts["Folds"]["tested once"] == "8 of 8 labelled recordings"
    assert not found(report, "Labelled recordings that no fold") and not found(report, "Recordings that several")


def test_the_check_finds_faults_of_each_fold(tmp_path):
    lists = thirds() | {"fold1": Splits(train=("p00", "p03", "gone"), test=("p02", "p03", "p04"))}
    report = checked(data_with(tmp_path / "data", **lists))
    assert not report.usable
    (overlap,) = found(report, "Recordings both in train and in test")
    assert overlap.offenders == ("p03 in fold1",)
    assert found(report, "Listed items without labels")[0].offenders == ("gone (train) in fold1",)
    assert found(report, "Labelled recordings that no fold")[0].offenders == ("p05",)
    assert found(report, "Recordings that several folds")[0].offenders == ("p02 (2 folds)",)
    assert report.facts["Folds"]["tested once"] == "6 of 8 labelled recordings"
    assert not found(checked(tmp_path / "data", fold=0), "Recordings both in")
    assert found(checked(tmp_path / "data", fold=7), "Split lists can't be used")


def test_the_check_takes_groups(people, tmp_path):
    report = checked(people, splits="loso", split_by=r"P(\d+)_")
    assert report.usable
    assert report.facts["Folds"]["fold2 (10)"] == "pairs 5, train 4, val 0, test 1"
    assert not found(report, "Recordings both in"), "pairs use no labels, so that they may be train's"
    out = tmp_path / "found.json"
    assert main(["check", "--data", str(people), "--splits", "loso", "--out", str(out)]) == 0
    assert Counter(json.loads(out.read_text())["facts"]["Folds"])["tested once"] == "5 of 5 labelled recordings"


def test_check_says_crossval_comes_first(tmp_path):
    data = write_tiny(tmp_path / "data")
    report = check(CheckConfig(data=str(data), splits="loso", fps=30.0))
    assert report.command.startswith("viewloom crossval ") and "--splits loso" in report.command
    report = check(CheckConfig(data=str(data), splits="loso", fold=0, fps=30.0))
    assert report.command.startswith("viewloom train ") and "--fold 0" in report.command
