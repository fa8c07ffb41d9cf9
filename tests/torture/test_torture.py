"""The campaign itself: what dies, hangs, breaks or leaves processes is told; a few kills, each with an equal end."""

import json
import random
from importlib import import_module
from pathlib import Path

import pytest

from tests.tiny import write_tiny
from tests.torture import __main__ as command
from tests.torture import campaign, commands, kills
from tests.torture.campaign import Campaign, Done
from tests.torture.equal import differences
from tests.torture.outcome import FINE, Outcome
from tests.torture.tables import as_lines, failures, into_page, is_fine
from tests.torture.worker import descendants


@pytest.fixture(scope="module")
def pretended(tmp_path_factory):
    """Eight trials, each odd one with a fault of its own."""
    return Campaign("pretended", tmp_path_factory.mktemp("torture") / "x", seed=0, jobs=2, limit_s=3).run(60, trials=8)


def test_whatever_happens_to_a_trial_is_told_and_the_others_go_on(pretended):
    found = {done.seed: [outcome.result for outcome in done.outcomes] for done in pretended}
    assert list(found) == list(range(8))
    assert {seed: found[seed] for seed in (1, 3, 5, 7)} == {
        1: ["crash"],
        3: ["trial broke"],
        5: [FINE, "left over"],
        7: ["hang"],
    }
    assert all(found[seed] == [FINE] for seed in (0, 2, 4, 6)) and not is_fine(pretended)
    assert "a fault of the trial's own" in pretended[3].outcomes[0].detail


def test_the_table_counts_and_each_failure_has_its_line(pretended):
    lines = as_lines("pretended", pretended, 3.0)
    assert lines[-1].split() == ["all", "9", "13", "5", "1", "1", "1", "1"]
    told = failures("pretended", pretended)
    line = "    python -m tests.torture --part pretended --seed {} --trials 1"
    assert sorted(text for text in told if "python -m" in text) == [line.format(seed) for seed in (1, 3, 5, 7)]


def test_a_page_takes_the_tables_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nabove\n\n<!-- torture a -->\nold\n<!-- torture a ends -->\n\nbelow\n")
    into_page(page, "a", "new | table")
    into_page(page, "b", "another")
    text = page.read_text()
    assert "above\n\n<!-- torture a -->\nnew | table\n<!-- torture a ends -->\n\nbelow" in text and "old" not in text
    assert text.endswith("<!-- torture b -->\nanother\n<!-- torture b ends -->\n")


def test_the_command_says_whether_all_was_fine(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "PARTS", ("pretended",))
    line = ["--part", "pretended", "--trials", "1", "--folder", str(tmp_path / "f"), "--page", str(tmp_path / "p.md")]
    assert command.main([*line, "--seed", "4"]) == 0
    kept = json.loads((tmp_path / "f" / "pretended.json").read_text())
    assert kept["trials"][0]["outcomes"][0] == {"kind": "well", "result": FINE, "detail": "", "events": 2}
    assert "| well | 1 | 2 | 1 |" in (tmp_path / "p.md").read_text()
    assert command.main([*line, "--seed", "3"]) == 1
    assert "python -m tests.torture --part pretended --seed 3 --trials 1" in capsys.readouterr().out
    (tmp_path / "g" / "pretended").mkdir(parents=True)
    (tmp_path / "g" / "pretended" / "mine.txt").touch()
    with pytest.raises(SystemExit, match="no campaign's"):
        command.main([*line[:-3], str(tmp_path / "g")])
    assert (tmp_path / "g" / "pretended" / "mine.txt").exists()


def test_trials_that_did_not_happen_are_no_success():
    assert not is_fine([]) and is_fine([Done(0, 1.0, [Outcome("a", FINE)])])


def test_parts_are_those_of_the_issue():
    assert campaign.PARTS == ("kills", "fuzz", "faults")


NEEDED = ("cli", "dataset.packing", "dataset.indexing", "dataset.convert_labels", "check.init")
"""What these commands import."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Data alone: enough for commands that train nothing, and need little."""
    for name in NEEDED:
        import_module(f"viewloom.{name}")
    root = tmp_path_factory.mktemp("prepared")
    write_tiny(root / "in" / "data", recordings=4)
    (root / "references").mkdir()
    (root / "in.txt").write_text(kills._listing(root / "in"))
    return root


QUICK = [one for one in commands.COMMANDS if one.name in ("pack", "index", "init", "convert-labels")]


@pytest.mark.parametrize("seed", range(4))
def test_killed_commands_end_as_if_nothing_had_happened(prepared, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(kills, "warm_up", lambda: None)
    monkeypatch.setattr(kills, "available", lambda: QUICK)
    monkeypatch.setattr(kills, "OWN", 0.0)
    (outcome,) = kills.trial(seed, prepared, tmp_path)
    assert outcome.result == FINE, outcome


def test_a_kill_at_an_operation_is_before_it(prepared, tmp_path, monkeypatch):
    """Before its first operation a command has written nothing; and what then differs is seen."""
    (pack,) = (one for one in QUICK if one.name == "pack")
    others = set(descendants())
    reference = kills._reference(pack, prepared, {})
    assert reference.operations > 10
    kills._new_place(tmp_path, prepared, pack)
    killed = kills.start(tmp_path, pack.argv, "fork", {}, kills.Moment(1, group=False))
    assert killed.wait(killed.began + 60) == -9
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["in"]
    assert all(line.startswith("missing") for line in differences(reference.folder / "work", tmp_path / "work"))
    half = kills.start(tmp_path, pack.argv, "fork", {}, kills.Moment(6, group=True))
    assert half.wait(half.began + 60) == -9
    assert kills._what_is_wrong(reference, prepared, tmp_path, others) is not None
    hits, wrong = kills._killed(pack, reference, tmp_path, {}, random.Random(0))
    assert wrong is None and kills._what_is_wrong(reference, prepared, tmp_path, others) is None and hits >= 0


def test_a_changed_byte_is_a_difference(prepared, tmp_path):
    assert differences(prepared / "in", prepared / "in") == []
    one, other = tmp_path / "one", tmp_path / "other"
    for root, value in ((one, b"a"), (other, b"b")):
        Path(root).mkdir()
        (root / "x.bin").write_bytes(b"same" + value)
        (root / "environment.json").write_text(json.dumps({"created": str(value), "torch": "2"}))
    (line,) = differences(one, other)
    assert line.startswith("x.bin") and "from byte 4" in line
