"""Verbs and nouns in names, and the head of a long-tailed list."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from viewloom.metrics.action_groups import head_actions, words_in_names


def test_names_of_verb_and_noun_are_read_and_attempts_keep_their_noun():
    names = ["attach cabin", "detach cabin", "attach dump bed", "attempt to attach cabin", "attempt to scream"]
    assert words_in_names(names) == [
        ("attach", "cabin"),
        ("detach", "cabin"),
        ("attach", "dump bed"),
        ("attempt to attach", "cabin"),
        ("attempt", "to scream"),
    ]
    assert words_in_names(["pour_milk", "pour_coffee", "stir_milk", "SIL"])[-2:] == [("stir", "milk"), ("SIL", "")]


@pytest.mark.parametrize("names", [["walk", "sit", "stand"], ["a 1", "b 2", "c 3"], ["take cup", "sit", "walk"], []])
def test_names_that_are_not_of_that_form_are_left_alone(names):
    assert words_in_names(names) is None


@pytest.mark.skipif(not os.environ.get("VIEWLOOM_ASSEMBLY101"), reason="needs Assembly101's annotations")
def test_the_rule_gives_the_verbs_and_nouns_of_assembly101():
    with Path(os.environ["VIEWLOOM_ASSEMBLY101"], "actions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert words_in_names([row["action_cls"] for row in rows]) == [(row["verb_cls"], row["noun_cls"]) for row in rows]


def test_the_head_is_the_fewest_actions_that_hold_the_share():
    frames_K = np.array([5, 40, 0, 30, 20, 5])
    assert np.flatnonzero(head_actions(frames_K, 0.7)).tolist() == [1, 3]
    assert np.flatnonzero(head_actions(frames_K, 0.71)).tolist() == [1, 3, 4]
    assert np.flatnonzero(head_actions(frames_K, 1.0)).tolist() == [0, 1, 3, 4, 5]  # never what no frame has
    assert not head_actions(np.zeros(3, np.int64)).any()
