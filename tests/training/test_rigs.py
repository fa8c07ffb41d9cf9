"""Small data as users brought it, with all defaults: heads do clearly better than chance, and methods say how they did.

The rigs are in `tests.rigs`. Figures that decide are far from what comes out, since machines round differently.
"""

import json
from pathlib import Path

import pytest

from tests.rigs import PEOPLE, SENSORS, write_rig
from viewloom.dataset.opening import open_dataset
from viewloom.methods.settings import CCAConfig, SyncKDConfig, TwoStreamConfig
from viewloom.recipes.crossval import run_crossval
from viewloom.recipes.settings import CrossvalConfig
from viewloom.training.evaluate import run_evaluate
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", logger="none", progress=False, checkpoint_every_epochs=1000)
"""Checkpoints to resume from take a fifth of the time, and change no result."""
HALF = (32, 37)
"""Seconds of a recording of sensors, where all of them would take too long."""


@pytest.fixture(scope="module")
def sensors(tmp_path_factory):
    return str(write_rig(tmp_path_factory.mktemp("rig") / "sensors", SENSORS))


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return str(write_rig(tmp_path_factory.mktemp("rig") / "people", PEOPLE))


def train(data, run, head, view):
    """Scores on the view the head was trained on, and the run's warnings."""
    run_train(TrainConfig(data=data, run=str(run), views=view, head=head, trainer=QUIET))
    run_evaluate(EvaluateConfig(data=data, run=str(run), views=view, accelerator="cpu"))
    scores = json.loads((run / "metrics.json").read_text())["views"][view]["scores"]
    return scores, json.loads((run / "environment.json").read_text()).get("warnings", [])


def pretrain(data, run, method, views, options=None):
    run_pretrain(
        PretrainConfig(data=data, run=str(run), views=views, method=method, method_options=options, trainer=QUIET)
    )
    found = json.loads((run / "invariance.json").read_text())
    return found["held_out"]["retrieval"], found["held_out"]["plain_retrieval"], found["warnings"]


@pytest.mark.slow
def test_a_linear_head_learns_from_sensors_of_unequal_units(sensors, tmp_path):
    scores, warnings = train(sensors, tmp_path / "run", "linear", "wrist")
    assert scores["mof"] > 50 and not warnings  # seven actions; 19 % before heads standardised


@pytest.mark.slow
def test_a_linear_head_learns_from_three_recordings_of_people(people, tmp_path):
    scores, warnings = train(people, tmp_path / "run", "linear", "room")
    assert scores["mof"] > 70 and scores["f1_50"] > 70 and not warnings


@pytest.mark.slow
def test_c2f_tcn_learns_from_sensors(tmp_path):
    splits = {"pairs": 1, "train": 4, "val": 1, "test": 3}
    views = {"wrist": "exo", "chest": "ego"}
    data = str(write_rig(tmp_path / "data", SENSORS, views=views, splits=splits, seconds=HALF))
    scores, warnings = train(data, tmp_path / "run", "c2f_tcn", "wrist")
    assert scores["mof"] > 35 and not warnings


@pytest.mark.slow
def test_c2f_tcn_learns_from_people(tmp_path):
    """Of fewer features, which take most of the time."""
    people = str(write_rig(tmp_path / "data", PEOPLE, dim=256))
    scores, warnings = train(people, tmp_path / "run", "c2f_tcn", "room")
    assert scores["mof"] > 60 and not warnings


@pytest.mark.parametrize("method", ["ridge", "cca"])
def test_closed_forms_beat_plain_features_on_sensors(sensors, tmp_path, method):
    retrieval, plain, warnings = pretrain(sensors, tmp_path / "run", method, "wrist,chest")
    assert (retrieval > plain and not warnings) or warnings[0].startswith("LEARNED NOTHING")
    if method == "cca":
        assert retrieval > plain + 10


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ridge", "cca"])
def test_closed_forms_beat_plain_features_on_people(people, tmp_path, method):
    retrieval, plain, warnings = pretrain(people, tmp_path / "run", method, "room,head")
    assert retrieval > plain + 30 and not warnings


@pytest.mark.slow
def test_cca_s_choice_beats_all_components_on_people(people, tmp_path):
    chosen, _, _ = pretrain(people, tmp_path / "chosen", "cca", "room,head")
    every, _, _ = pretrain(people, tmp_path / "all", "cca", "room,head", CCAConfig(out_dim=1280, strength=1e-2))
    alike = CCAConfig(out_dim=1280, strength=1e-2, scale="unit")
    of_one_size, _, _ = pretrain(people, tmp_path / "unit", "cca", "room,head", alike)
    # As large as their correlation on held-out pairs, components that mean nothing do little harm.
    assert chosen > every and chosen > of_one_size + 20


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sync_kd", "two_stream"])
def test_networks_beat_plain_features_or_say_why_not(tmp_path, method):
    """Of recordings half as long, which take most of the time."""
    sensors = str(write_rig(tmp_path / "data", SENSORS, seconds=HALF))
    retrieval, plain, warnings = pretrain(sensors, tmp_path / "run", method, "wrist,chest")
    assert retrieval > plain or any("LEARNED NOTHING" in w or "COLLAPSE" in w for w in warnings)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sync_kd", "two_stream"])
def test_networks_on_people_beat_plain_features_or_say_why_not(tmp_path, method):
    """Of 64 features and one layer, since the full network takes hours on a processor; of recordings half as long."""
    data = str(write_rig(tmp_path / "data", PEOPLE, dim=64, seconds=(30, 45)))
    small = {
        "sync_kd": SyncKDConfig(layers=1),
        "two_stream": TwoStreamConfig(layers=1, joint_depth=0.1),
    }
    retrieval, plain, warnings = pretrain(data, tmp_path / "run", method, "room,head", small[method])
    assert retrieval > plain or any("LEARNED NOTHING" in w or "COLLAPSE" in w for w in warnings)


@pytest.mark.slow
def test_people_left_out_one_by_one(tmp_path):
    """Five labelled recordings, a fold for each; those without labels are pairs of all folds. Of fewer features, since
    five folds each choose a refiner of their own."""
    people = str(write_rig(tmp_path / "data", PEOPLE, dim=128))
    labelled = [f"{role}{i:02d}" for role, count in PEOPLE.splits.items() if role != "pairs" for i in range(count)]
    root = Path(people)
    rows = (root / "labels.csv").read_text().splitlines()
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(row for row in rows if row.split(",")[0] in ("recording", *labelled)) + "\n")
    where = {"data": people, "labels": str(labels), "splits": "loso", "views": "room", "trainer": QUIET}
    result = run_crossval(
        CrossvalConfig(**where, run=str(tmp_path / "x"), head="linear", method="cca", pair_views="room,head")
    )
    metrics = json.loads((tmp_path / "x" / "metrics.json").read_text())
    items = {row["recording"] for row in metrics["views"]["head"]["per_item"]}
    assert items == set(labelled) and not result.missing and not metrics["warnings"]
    right = {view: found["scores"]["mof"] for view, found in metrics["views"].items()}
    assert right["room"] > 40 and right["head"] > 40, right  # six actions; no label of the head's view was seen


def test_rigs_open_as_users_data_does(sensors, people):
    for data, rig in ((sensors, SENSORS), (people, PEOPLE)):
        dataset = open_dataset(TrainConfig(data=data, run="unused", views="x"))
        assert ({dataset.source.dim(view) for view in rig.views}, dataset.source.fps) == ({rig.dim}, 10)
        assert {role: len(dataset.items(role)) for role in rig.splits} == dict(rig.splits)
