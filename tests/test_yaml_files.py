"""YAML files: the same values as the plain reader's, and faults that it lets through."""

import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.yaml_files import load_yaml

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_values_are_those_of_the_plain_reader(value):
    text = yaml.safe_dump(value, allow_unicode=True)
    assert load_yaml(text) == yaml.safe_load(text)


def test_merged_and_aliased_tables_are_read_as_ever():
    twice = "b: &b {x: 1}\na:\n  deep:\n    d: &d {<<: *b, x: 2}\ne: {<<: *d, y: 3}\n"
    assert load_yaml(twice) == yaml.safe_load(twice)
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n"
    assert (
        load_yaml(text)
        == yaml.safe_load(text)
        == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}] * 2}
    )
    assert load_yaml("") is None and load_yaml("1: a\n'1': b\n") == {1: "a", "1": "b"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("fps: 25\nlayout: table\nfps: 30\n", "line 3: 'fps' is there twice, before in line 1"),
        ("views:\n  e4: {kind: ego}\n  v1: {kind: exo}\n  e4: {kind: exo}\n", "line 4: 'e4' is there twice"),
        ("a: {b: 1, b: 1}\n", "'b' is there twice"),
        ("a: &a [*a]\n", "an alias of what it stands in"),
        ("[" * 5000, "deep"),
        ("[" * 300 + "]" * 300, "deep"),
        ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("day: 2026-02-31\n", "day"),
        ("a: [1\n", "expected"),
        ("epochs: !!bool x\n", "can't be what it is said to be"),
        ("epochs: !!map [1]\n", "expected a mapping|can't be"),
        ("day: !!timestamp x\n", "can't be what it is said to be"),
        ('a: "\\0"\n', "line 1: a text with NUL or half of a character"),
        ('a: "\\ud800"\n', "line 1: a text with NUL or half of a character"),
        ("n: !!int ''\n", "can't be what it is said to be"),
    ],
)
def test_faults_are_said(text, fault):
    with pytest.raises(yaml.YAMLError, match=fault):
        load_yaml(text)


def test_aliases_that_stand_for_a_machine_full_of_values_are_refused_at_once():
    """306 bytes that would be 10^9 values."""
    lines = ["a0: &a0 [" + ",".join(["x"] * 9) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 10)]
    started = time.monotonic()
    with pytest.raises(yaml.YAMLError, match="line 7: aliases that stand for more than 1,000,000 values"):
        load_yaml("\n".join(lines))
    assert time.monotonic() - started < 5
    with pytest.raises(yaml.YAMLError, match="characters"):
        load_yaml("a" * (16 * 1024 * 1024 + 1))
