"""The example that writes two hands: what it says of itself, and that a head learns from it."""

import importlib.util
from pathlib import Path

import pytest

import viewloom as vl
from viewloom.errors import DataError


@pytest.fixture
def hands(tmp_path):
    path = Path(__file__).parents[2] / "examples" / "two_hands.py"
    spec = importlib.util.spec_from_file_location("two_hands", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.SPLITS = {"pairs": 1, "train": 4, "val": 1, "test": 1}
    example.main(str(tmp_path / "data"))
    return tmp_path / "data"


def test_two_hands_overlap_and_say_where_nothing_happens(hands):
    data = vl.open_dataset(hands)
    assert data.simulated and data.labels.mode == "multi" and "none" not in data.labels.actions
    first, end = data.source.span("test00", "room")
    classes_TK = data.frame_classes("test00", first, end)
    assert set((classes_TK[:-8] == 1).sum(axis=1).tolist()) == {0, 1, 2}
    assert (classes_TK[-8:] == -100).all()
    with pytest.raises(DataError, match="--labels_mode multi"):
        vl.open_dataset(hands, labels_mode="single")


def test_a_head_learns_from_it(hands):
    options = {
        "epochs": 60,
        "optim": {"lr": 0.02},
        "trainer": {"progress": False, "logger": "none"},
        "sampling": {"chunk_frames": 5},
    }
    head = vl.train(hands, "room", head="linear", **options)
    scores = vl.evaluate(head, hands)
    assert scores["room"]["f1_micro"] > scores["head"]["f1_micro"] + 20
