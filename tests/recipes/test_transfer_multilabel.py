"""`viewloom transfer` where a frame may have several labels."""

import json

import pytest

import viewloom as vl
from tests.rigs import SENSORS, write_rig
from viewloom import cli
from viewloom.errors import ConfigError


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    splits = {"pairs": 3, "train": 2, "val": 1, "test": 2}
    root = tmp_path_factory.mktemp("transfer") / "data"
    write_rig(root, SENSORS, parallel=2, splits=splits, seconds=(30, 35), segment_s=(4, 8))
    return root


def test_labels_that_overlap_are_carried_over(rig, tmp_path, capsys):
    line = f"transfer --data {rig} --labels_mode multi --from wrist --to chest --method cca --head linear --epochs 3"
    line += f" --references naive --run {tmp_path / 'run'} --trainer.progress false"
    assert cli.main(line.split()) == 0
    assert "multi-label (threshold 0.5)" in capsys.readouterr().out
    for name in ("head", "naive"):
        metrics = json.loads((tmp_path / "run" / name / "metrics.json").read_text())
        assert metrics["labels_mode"] == "multi" and "f1_micro" in metrics["views"]["chest"]["scores"]
    assert not (tmp_path / "run" / "clock").exists()
    assert "up to 2 at once" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("--head boundary", "Head boundary can't learn from several"),
        ("--decoding durations", "one action, but the lab"),
    ],
)
def test_what_gives_one_action_is_refused_before_anything_is_learned(rig, tmp_path, capsys, settings, message):
    line = f"transfer --data {rig} --labels_mode multi --from wrist --to chest --method cca {settings}"
    assert cli.main(f"{line} --run {tmp_path / 'run'}".split()) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_a_head_of_several_labels_is_not_distilled(rig, tmp_path):
    options = {"epochs": 1, "trainer": {"progress": False, "logger": "none"}, "sampling": {"chunk_frames": 5}}
    data = vl.open_dataset(rig, labels_mode="multi")
    head = vl.train(data, "wrist", head="linear", run=tmp_path / "head", **options)
    with pytest.raises(ConfigError, match="--labels_mode multi, which sync_kd_head doesn't know"):
        vl.pretrain(data, ["wrist", "chest"], method="sync_kd_head", teacher=head, **options)
