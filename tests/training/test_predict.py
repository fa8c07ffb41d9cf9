"""What `viewloom predict` writes: how sure it is of each line, and which segments it is least sure of."""

import csv
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tests.holding import held
from tests.tiny import ACTIONS, DIM, write_tiny
from viewloom import api
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.heads.linear import LinearHead
from viewloom.metrics.segments import Segments
from viewloom.metrics.temperature import at_temperature
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.predict import run_predict, to_segments
from viewloom.training.settings import PredictConfig
from viewloom.training.uncertain import COLUMNS, TIE, Doubt, doubts, least_sure, second_best


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run folder with a head that knows nothing, at a temperature of its own."""
    torch.manual_seed(1)
    actions = open_dataset(DataConfig(data=data)).labels.actions
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    extra = {"calibration": {"temperature": 0.4, "views": ["v3"], "frames": 9}}
    save_head(folder / "head.safetensors", SavedHead(LinearHead(DIM, ACTIONS).eval(), actions, ("v3",), 30.0, extra))
    return folder


def predict(data, run, out, **settings):
    return run_predict(PredictConfig(data=data, run=str(run), out=str(out), accelerator="cpu", **settings))


def lines_of(path):
    return path.read_text().splitlines()


def table_of(path):
    return list(csv.DictReader(path.open()))


def test_every_line_of_every_text_file_has_its_confidence(data, run, tmp_path):
    predict(data, run, tmp_path / "s", probabilities=True)
    predict(data, run, tmp_path / "f", text="frames")
    rows = table_of(tmp_path / "s" / "segments.csv")
    texts = sorted((tmp_path / "s").glob("[ev]?/*.txt"))
    assert len(texts) == 16
    for text in texts:
        view, name = text.parent.name, text.stem
        own = [row for row in rows if (row["recording"], row["view"]) == (name, view)]
        sure = lines_of(tmp_path / "s" / "confidences" / view / f"{name}.txt")
        assert len(sure) == len(lines_of(text)) == len(own)
        assert [float(value) for value in sure] == [float(row["confidence"]) for row in own]
        framewise = np.array(lines_of(tmp_path / "f" / "confidences" / view / f"{name}.txt"), float)
        assert len(framewise) == len(lines_of(tmp_path / "f" / view / f"{name}.txt"))
        first = int(own[0]["start"])
        for row in own:
            span = slice(int(row["start"]) - first, int(row["end"]) - first)
            assert framewise[span].mean() == pytest.approx(float(row["confidence"]), abs=2e-4)
        probs = np.load(tmp_path / "s" / "probabilities" / view / f"{name}.npy")
        assert probs.dtype == np.float32
        assert probs.shape == (len(framewise), ACTIONS)
        np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(probs.max(axis=1), framewise, atol=1e-4)
    assert not (tmp_path / "f" / "probabilities").exists()


def test_confidences_are_at_the_heads_temperature(data, run, tmp_path):
    from viewloom.training.trained import load_head

    head = load_head(run)
    table = api.predict(head, data, "v3", out=None)
    plain = api.predict(replace(head, extra={}), data, "v3")
    assert table["label"].equals(plain["label"])
    assert (table["confidence"] >= plain["confidence"] - 1e-9).all()
    assert (table["confidence"] > plain["confidence"] + 0.01).any()


def test_means_and_the_class_behind_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    probs_TK = np.repeat(rng.dirichlet(np.ones(5), 40), rng.integers(1, 6, 40), axis=0).astype(np.float32)
    found = to_segments(probs_TK, 100, temperature=0.7)
    scaled_TK = at_temperature(probs_TK, 0.7)
    for place, (start, end, label) in enumerate(found.rows):
        means = [np.mean([scaled_TK[t, k] for t in range(start - 100, end - 100)]) for k in range(5)]
        others = [k for k in range(5) if k != label]
        second = max(others, key=lambda k: means[k])
        assert found.confidences[place] == pytest.approx(means[label])
        assert found.runners_up[place] == second
        assert found.runner_up_confidences[place] == pytest.approx(means[second])
    assert found.select(found.labels == 2).runners_up.shape == ((found.labels == 2).sum(),)


def test_with_one_class_there_is_none_behind():
    labels, sure = second_best(np.ones((4, 1)), np.array([0]), np.array([0]))
    assert labels.tolist() == [0]
    assert sure.tolist() == [0.0]
    found = to_segments(np.ones((4, 1), np.float32), 0)
    assert next(doubts("r", "v", found, ("a",), 10.0)).runner_up == ""


def test_the_least_certain_segments_of_all_are_listed_the_least_first(data, run, tmp_path):
    found = predict(data, run, tmp_path / "all", uncertain=10_000)
    rows = table_of(tmp_path / "all" / "uncertain.csv")
    segments = table_of(tmp_path / "all" / "segments.csv")
    names = ("recording", "view", "start", "end", "start_s", "end_s", "label", "confidence")
    key = [tuple(row[name] for name in names) for row in rows]
    assert sorted(key) == sorted(tuple(row[name] for name in names) for row in segments)
    sure = [float(row["confidence"]) for row in rows]
    assert sure == sorted(sure)
    assert {row["view"] for row in rows} == {"v3", "e4"}
    assert all(row["runner_up"] != row["label"] for row in rows)
    assert all(float(row["runner_up_confidence"]) <= 1 - float(row["confidence"]) + 1e-3 for row in rows)
    predict(data, run, tmp_path / "few", uncertain=7)
    assert table_of(tmp_path / "few" / "uncertain.csv") == rows[:7]
    assert len(found.rows) == len(rows)
    table = api.predict(run, data, uncertain=7, accelerator="cpu")
    assert list(table) == list(COLUMNS) == [field.name for field in fields(Doubt)]
    assert list(table["confidence"]) == pytest.approx(sure[:7])


def test_equal_confidences_are_in_order_of_recording_view_and_start_whatever_the_order():
    def doubt(recording, view, start, sure):
        return Doubt(recording, view, start, start + 5, 0.0, 0.0, "a", sure, "b", 0.1)

    wanted = [doubt("r0", "v3", 0, 0.2), doubt("r1", "e4", 9, 0.5), doubt("r1", "v3", 3, 0.5 + 10.0 ** -(TIE + 2))]
    wanted += [doubt("r1", "v3", 7, 0.5), doubt("r2", "e4", 0, 0.6)]
    rng = np.random.default_rng(0)
    for _ in range(10):
        mixed = [wanted[place] for place in rng.permutation(5)]
        assert least_sure(mixed, 5) == wanted
        assert least_sure([*least_sure(mixed[:3], 2), *mixed[3:]], 2) == wanted[:2]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_and_the_order_of_recordings_change_nothing(data, run, tmp_path, batch_size):
    whole = predict(data, run, tmp_path / "a", uncertain=20)
    names = ",".join(reversed(open_dataset(DataConfig(data=data)).source.recordings))
    again = predict(data, run, tmp_path / "b", uncertain=20, batch_size=batch_size, recordings=names, views="v3,e4")
    assert [doubt.place for doubt in again.uncertain] == [doubt.place for doubt in whole.uncertain]
    assert sorted(again.rows) == sorted(whole.rows)


def test_a_list_of_an_earlier_prediction_does_not_stay(data, run, tmp_path):
    predict(data, run, tmp_path, uncertain=3)
    assert (tmp_path / "uncertain.csv").exists()
    predict(data, run, tmp_path, overwrite=True)
    assert not (tmp_path / "uncertain.csv").exists()
    with pytest.raises(ConfigError, match="uncertain is .* has to be"):
        PredictConfig(data=data, run=str(run), out="x", uncertain=0)


def test_the_command_shows_the_first_of_them(data, run, tmp_path, capsys):
    out = tmp_path / "p"
    line = [
        "predict",
        "--data",
        data,
        "--run",
        str(run),
        "--out",
        str(out),
        "--uncertain",
        "12",
        "--accelerator",
        "cpu",
    ]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "10 of the 12" in shown
    rows = table_of(out / "uncertain.csv")
    assert rows[0]["confidence"] in shown
    assert shown.count(rows[0]["recording"]) >= 1
    assert str(out / "segments.csv") in shown
    found = Segments.of_rows([[int(row["start"]), int(row["end"]), 0] for row in rows])
    assert (found.durations > 0).all()


def test_a_folder_that_another_process_writes_is_left_alone(data, run, tmp_path):
    out = tmp_path / "out"
    with held(out), pytest.raises(ConfigError, match=f"Another viewloom predict is writing {out}"):
        predict(data, run, out)
    assert list(out.iterdir()) == []
    predict(data, run, out)
    assert (out / "segments.csv").exists()
