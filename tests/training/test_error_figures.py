"""``errors.json``: what `viewloom evaluate` writes of errors, and where it takes verbs, nouns and head from."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.metrics.made import random_pairs
from viewloom.dataset.memory import from_arrays
from viewloom.errors import DataError
from viewloom.training.error_figures import action_facts, errors_json, tidy_rows
from viewloom.training.scores import Scores, read_scores

NAMES = ["take cup", "take plate", "wash cup", "wash plate"]


@pytest.fixture(scope="module")
def dataset():
    features = {name: {"v3": np.zeros((40, 2), np.float32)} for name in ("a", "b")}
    labels = {"a": [(0, 30, NAMES[0]), (30, 40, NAMES[3])], "b": [(0, 40, NAMES[1])]}
    return from_arrays(features, labels | {}, {"train": ["a"], "test": ["b"]}, fps=10)


def with_root(dataset, root):
    return replace(dataset, root=root, labels=replace(dataset.labels, actions=tuple(NAMES)))


def test_words_come_from_the_file_that_says_so_else_from_names(dataset, tmp_path):
    own = with_root(dataset, tmp_path)
    facts = action_facts(own)
    assert (facts.words_from, facts.words[3]) == ("names", ("wash", "plate"))
    assert sum(facts.train_frames) == 40 and facts.head_K.sum() == 1
    (tmp_path / "actions.csv").write_text(
        "action_id,action_cls,verb_cls,noun_cls\n" + "".join(f"{i},{n},V{i},N\n" for i, n in enumerate(NAMES))
    )
    facts = action_facts(own)
    assert (facts.words_from, facts.words[3]) == ("actions.csv", ("V3", "N"))
    (tmp_path / "verbs.csv").write_text("action,verb,noun\n" + "".join(f"{n},do,{n}\n" for n in NAMES))
    assert action_facts(own).words[2] == ("do", "wash cup")
    (tmp_path / "verbs.csv").write_text("action,verb,noun\ntake cup,take,cup\n")
    with pytest.raises(DataError, match=r"verbs\.csv has no verb for take plate, wash cup, wash plate"):
        action_facts(own)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{NAMES[0]},put,cup", r"verbs\.csv, line 6: the action .* has other words on an earlier line"),
        (f"{NAMES[0]},do,{NAMES[0]}", ""),
        (f"{NAMES[0]},do,{NAMES[0]},more", r"verbs\.csv, line 6: 'more' stands beyond the last of 3 columns"),
        ("alone", r"verbs\.csv, line 6: 1 fields are too few"),
    ],
)
def test_a_table_of_verbs_that_contradicts_itself_is_refused(dataset, tmp_path, line, message):
    rows = "".join(f"{n},do,{n}\n" for n in NAMES)
    (tmp_path / "verbs.csv").write_text(f"action,verb,noun\n{rows}{line}\n")
    if not message:
        assert action_facts(with_root(dataset, tmp_path)).words[0] == ("do", NAMES[0])
        return
    with pytest.raises(DataError, match=message):
        action_facts(with_root(dataset, tmp_path))


def test_the_file_and_the_table_say_the_same(dataset, tmp_path):
    predictions, truths = random_pairs(2, items=2, classes=4)
    items = {}
    for name, p, t in zip("ab", predictions, truths, strict=True):
        rows = [[[i, i + 1, int(label)] for i, label in enumerate(of)] for of in (p, t)]
        items[name] = {"recording": name, "start": 0, "end": len(t), "prediction": rows[0], "truth": rows[1]}
    metrics = {"background": [], "fps": 10.0, "views": {"v3": {}}}
    facts = action_facts(with_root(dataset, tmp_path))
    found = errors_json(metrics, {"v3": {"items": items}}, facts)
    Scores(metrics, {"v3": {"items": items}}, found).write(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "errors.json").read_text()) == json.loads(json.dumps(found))
    table = read_scores(tmp_path / "run").errors()
    wrong = sum(int((p != t).sum()) for p, t in zip(predictions, truths, strict=True)) / 10
    for _, lines in table.groupby("by"):
        assert lines["seconds"].sum() == pytest.approx(wrong)
    assert set(table["by"]) == {"all", "action", "verb", "noun", "part"}
    assert list(Scores(metrics, {}).errors().columns) == list(table.columns) and tidy_rows({}) == []
