"""The list of mutants fits the sources, and the runner says what it should of faults that are known."""

import pytest

from tests.mutants.__main__ import conclude
from tests.mutants.mutant import Mutant, Stale, all_mutants
from tests.mutants.running import Outcome, distinct_tests, judge, try_mutant

FILE, TEST = "losses/schedule.py", ("tests/losses/test_view_losses.py::test_schedule_is_the_report_s",)


def test_no_mutant_is_stale():
    """If this fails, the text that a mutant replaces was changed: put the new one into its list."""
    stale = {}
    for mutant in all_mutants():
        try:
            mutant.mutated()
        except Stale as error:
            stale[mutant.name] = str(error)
    assert not stale


def test_there_are_enough():
    assert len(all_mutants()) >= 70


@pytest.mark.parametrize(
    ("old", "new", "word", "told"),
    [
        ("epoch**1.18", "epoch**2", "killed", TEST[0]),
        ("counted from 0", "counted from zero", "survived", ""),
        ("no such text", "", "STALE", "stands 0 times"),
        ("100", "200", "STALE", "stands"),
        ("return float(", "return float((", "STALE", "no Python"),
    ],
)
def test_a_fault_is_killed_survives_or_is_stale(old, new, word, told):
    outcome = try_mutant(Mutant("x", FILE, old, new, TEST))
    assert outcome.word == word and told in outcome.told


def test_a_test_that_never_ends_kills():
    loop = Mutant("x", FILE, "    return float(", "    while True:\n        pass\n    return float(", TEST)
    outcome = try_mutant(loop, timeout_s=8)
    assert (outcome.word, outcome.told) == ("killed", "timeout")


def test_a_test_that_is_not_there_is_stale():
    with pytest.raises(Stale, match="is not there"):
        Mutant("x", FILE, "epoch**1.18", "epoch", ("tests/losses/test_nothing.py",)).mutated()
    assert judge(4, "ERROR: not found: x::y\n\nno tests ran")[0] == "STALE"


def test_tests_are_run_once():
    mutants = [Mutant("x", FILE, "", "", tests) for tests in (("a.py::t", "b.py"), ("a.py", "c.py::t"), ("c.py::t",))]
    assert distinct_tests(mutants) == ["b.py", "a.py", "c.py::t"]


@pytest.mark.parametrize(
    ("words", "status"),
    [(["killed"] * 19 + ["survived"], 0), (["killed"] * 18 + ["survived"], 1), (["killed"] * 30 + ["STALE"], 1)],
)
def test_survivors_and_stale_ones_make_the_status(words, status):
    mutant = Mutant("x", FILE, "", "", TEST)
    assert conclude([Outcome(mutant, word, 1.0, "") for word in words], 60.0) == status
