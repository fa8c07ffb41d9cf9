"""`viewloom init`: what it writes for folders that say much or little, and that it overwrites nothing."""

import re

import numpy as np
import pytest
import yaml

from tests.tiny import write_tiny
from viewloom.check.command import check
from viewloom.check.init import run_init
from viewloom.check.settings import CheckConfig, InitConfig
from viewloom.errors import ConfigError, DataError


def init(root, **settings):
    return run_init(InitConfig(data=str(root), **settings))


def in_force_and_not(path):
    """The settings that hold, and those that stand as comments."""
    text = path.read_text()
    offered = [line[2:] for line in text.splitlines() if re.match(r"# [a-z_]+: ?\S", line)]
    return yaml.safe_load(text), yaml.safe_load("\n".join(offered))


def test_a_folder_that_says_all_but_the_rate(tmp_path):
    root = write_tiny(tmp_path / "lab_5")
    said = init(root)
    found, offered = in_force_and_not(root / "dataset.yaml")
    assert found == {"name": "lab_5", "layout": "table", "axes": "td"}
    assert offered["fps"] == 30 and set(offered) == {"fps", "sampling"}
    assert "NOBODY SAYS: 30 is assumed" in (root / "dataset.yaml").read_text()
    assert "features: store npy" in said and "recordings 8" in said and "48" in said
    assert said.splitlines()[-1].startswith("Next: Frame rate assumed to be 30 fps")
    assert "viewloom transfer --data" in said.splitlines()[-1]
    assert str(tmp_path) not in (root / "dataset.yaml").read_text(), "a folder can be moved"


def test_what_is_written_holds(tmp_path):
    root = write_tiny(tmp_path / "lab")
    before = check(CheckConfig(data=str(root), depth="spans"))
    init(root)
    text = (root / "dataset.yaml").read_text().replace("# fps: 30", "fps: 25").replace("# sampling:", "sampling:")
    (root / "dataset.yaml").write_text(text)
    after = check(CheckConfig(data=str(root), depth="spans"))
    assert after.facts["Features"]["fps"] == "25" and after.facts["Splits"] == before.facts["Splits"]


def test_nothing_is_overwritten(tmp_path):
    root = write_tiny(tmp_path / "lab")
    (root / "dataset.yaml").write_text("fps: 12\n")
    with pytest.raises(ConfigError, match=r"dataset.yaml is already there and is left as it is"):
        init(root)
    assert (root / "dataset.yaml").read_text() == "fps: 12\n"
    with pytest.raises(DataError, match="is not there; pass the data set's folder"):
        init(tmp_path / "nowhere")


def test_a_plan_shows_the_file_and_writes_nothing(tmp_path):
    root = write_tiny(tmp_path / "lab")
    assert yaml.safe_load(init(root, plan=True))["layout"] == "table"
    assert not (root / "dataset.yaml").exists()


def test_axes_and_views_that_nobody_tells(tmp_path):
    for view in ("left", "right"):
        (tmp_path / "features" / view).mkdir(parents=True)
        for name in ("a", "b"):
            np.save(tmp_path / "features" / view / f"{name}.npy", np.zeros((20, 20), np.float32))
    init(tmp_path)
    _, offered = in_force_and_not(tmp_path / "dataset.yaml")
    assert offered["axes"] == "td" and offered["splits"] == "generate" and offered["labels"] == "labels.csv"
    (tmp_path / "dataset.yaml").write_text("axes: td\n")
    kept = (tmp_path / "dataset.yaml").rename(tmp_path / "kept.yaml")
    np.save(tmp_path / "features" / "left" / "a.npy", np.zeros((30, 20), np.float32))
    init(tmp_path)
    text = (tmp_path / "dataset.yaml").read_text()
    assert "#     left: {kind: exo, cameras: [left]}" in text and "axes: td" in text and kept.exists()


def test_overlapping_labels_and_folds(tmp_path):
    root = write_tiny(tmp_path / "lab")
    with (root / "labels.csv").open("a") as file:
        file.write("p00,0,30,act0\n")
    for number in (2, 3):
        (root / "splits" / f"fold{number}").mkdir()
        (root / "splits" / f"fold{number}" / "train.txt").write_text("p00\n")
    for role in ("pairs", "train", "val", "test"):
        (root / "splits" / f"{role}.txt").unlink()
    init(root)
    _, offered = in_force_and_not(root / "dataset.yaml")
    assert offered["labels_mode"] == "multi" and offered["fold"] == 2


def test_a_folder_that_nothing_recognises(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    said = init(tmp_path)
    assert "no layout recognises it" in said and "own-data-files.md" in said
    found, offered = in_force_and_not(tmp_path / "dataset.yaml")
    assert found == {"name": tmp_path.name} and offered["layout"] == "table"
