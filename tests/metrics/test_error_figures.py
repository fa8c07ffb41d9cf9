"""Errors in figures: every grouping adds up to the same seconds, and words that are right all the same are told."""

import numpy as np
import pytest

from tests.metrics.made import frames, random_pairs
from viewloom.metrics.error_figures import ActionFacts, figures, item_errors, true_frames
from viewloom.metrics.error_kinds import KINDS
from viewloom.metrics.per_class import confusion_matrix
from viewloom.metrics.segments import Segments
from viewloom.training.error_figures import JudgedItem

ACTIONS = ("attach cabin", "detach cabin", "attach wheel", "detach wheel", "inspect wheel", "inspect cabin")
WORDS = [tuple(name.split()) for name in ACTIONS]
FPS = 10.0


def judged(predicted, true, start=100):
    rows = [Segments.of_frames(of, start).labelled for of in (true, predicted)]
    return JudgedItem(start, start + len(true), *rows)


@pytest.fixture(scope="module")
def pairs():
    return random_pairs(5, items=8, classes=len(ACTIONS))


@pytest.fixture(scope="module")
def found(pairs):
    items = [judged(p, t) for p, t in zip(*pairs, strict=True)]
    facts = ActionFacts(ACTIONS, WORDS, "names", (50, 5, 40, 3, 2, 1))
    return figures(item_errors(items), true_frames(items, len(ACTIONS)), facts, FPS)


def test_every_grouping_adds_up(pairs, found):
    predictions, truths = (np.concatenate(of) for of in pairs)
    wrong = (predictions != truths).sum() / FPS
    assert found["wrong"] == pytest.approx(wrong)
    assert found["seconds"] == pytest.approx(len(truths) / FPS)
    for rows in found["by"].values():
        for name in ("wrong", "said"):
            assert sum(row[name] for row in rows) == pytest.approx(wrong)
        for kind in KINDS:
            for what in ("seconds", "errors"):
                whole = found["kinds"][kind][what]
                assert sum(row["kinds"][kind][what] for row in rows) == pytest.approx(whole)
        lost = [row["wrong"] for row in rows]
        assert lost == sorted(lost, reverse=True)
    assert sum(found["words"].values()) == pytest.approx(wrong)


def test_confusion_of_verbs_is_that_of_the_frames(pairs, found):
    predictions, truths = pairs
    verbs = sorted({verb for verb, _ in WORDS})
    of_K = np.array([verbs.index(verb) for verb, _ in WORDS])
    confusion = confusion_matrix([of_K[p] for p in predictions], [of_K[t] for t in truths], len(verbs))
    shown = {(true, said): seconds for true, said, seconds in found["confused"]["verb"]}
    for i, true in enumerate(verbs):
        for j, said in enumerate(verbs):
            assert shown.get((true, said), 0.0) == pytest.approx(confusion[i, j] / FPS if i != j else 0.0)
    assert all(true != said for true, said, _ in found["confused"]["noun"])


def test_head_and_tail_are_by_training_frames(found):
    by_action = {row["name"]: row["wrong"] for row in found["by"]["action"]}
    parts = {row["name"]: row["wrong"] for row in found["by"]["part"]}
    assert parts["head"] == pytest.approx(by_action["attach cabin"] + by_action["attach wheel"])


def test_what_is_right_of_a_wrong_action():
    items = [judged(frames((1, 10), (2, 20), (4, 30)), frames((0, 10), (0, 20), (0, 30)))]
    found = figures(item_errors(items), true_frames(items, 6), ActionFacts(ACTIONS, WORDS), FPS)
    assert found["words"] == {"verb alone": 2.0, "noun alone": 1.0, "neither": 3.0}
    plain = figures(item_errors(items), true_frames(items, 6), ActionFacts(ACTIONS), FPS)
    assert plain["words"] == plain["confused"] == {} and list(plain["by"]) == ["action"]


def test_facts_survive_being_written():
    facts = ActionFacts(ACTIONS, WORDS, "verbs.csv", (50, 5, 40, 3, 2, 1))
    assert ActionFacts.from_json(facts.to_json()) == facts
    assert ActionFacts.from_json(ActionFacts(ACTIONS).to_json()) == ActionFacts(ACTIONS)
    with pytest.raises(ValueError, match="as many as actions"):
        ActionFacts.from_json(facts.to_json() | {"train_frames": [1]})
    with pytest.raises(ValueError, match="train_frames must be 0 or more"):
        ActionFacts.from_json(facts.to_json() | {"train_frames": [-5] * len(facts.actions)})


def test_several_classes_a_frame_and_frames_that_nobody_labelled():
    truth = Segments.of_rows([[0, 10, 0], [5, 20, 1]])
    said = Segments.of_rows([[0, 8, 0], [0, 20, 2]])
    found = item_errors([JudgedItem(0, 20, truth, said, ((8, 10),))], multi=True)
    assert sorted(zip(found.labels, found.durations, [KINDS[k] for k in found.kinds], strict=True)) == [
        (1, 3, "missed"),
        (1, 10, "missed"),
        (2, 8, "inserted"),
        (2, 10, "inserted"),
    ]
