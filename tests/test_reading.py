"""Text and JSON from anybody: what can't be read is one message that names the file, and nothing is passed over."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.errors import ConfigError, DataError
from viewloom.logged import read_logged
from viewloom.reading import parse_json, parsing, read_json, read_text


def text_in(value):
    """All text in a value."""
    if isinstance(value, dict):
        return "".join(key + text_in(inside) for key, inside in value.items())
    return "".join(map(text_in, value)) if isinstance(value, list) else str(value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.booleans())
def test_values_are_those_of_the_plain_reader(value, plain):
    text = json.dumps(value, ensure_ascii=plain)
    if "\0" in text_in(value):
        with pytest.raises(DataError, match="NUL or half of a character"):
            parse_json("x.json", text)
    else:
        assert parse_json("x.json", text) == value


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b'{"a": 1,\n "a": 2}', "the key 'a' is there twice in one object"),
        (b'{"a": {"b": [{"c": 1, "c": 1}]}}', "the key 'c' is there twice"),
        (b"[" * 100_000, "too deep"),
        (b'{"a": ' * 100_000, "too deep"),
        (b"[" + b"9" * 5000 + b"]", "digits"),
        (b'"\\ud800"', "half of a character"),
        (b'{"x\\udc00": 1}', "half of a character"),
        (b'["\\u0000"]', "NUL or half"),
        (b'{"a"\n: }', r"is not JSON \(line 2: Expecting value\)"),
        (b'["a\0"]', "line 1: a NUL character"),
        (b"\xff\xfe[\0]\0", r"is not UTF-8 text \(byte 0\)"),
        (b"", "is not JSON"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
    ],
)
def test_what_is_no_json_is_one_message(tmp_path, data, fault):
    path = tmp_path / "x.json"
    path.write_bytes(data)
    for kind in (DataError, ConfigError):
        with pytest.raises(kind, match=fault) as told:
            read_json(path, "Bring it again.", kind)
        assert str(path) in str(told.value) and len(str(told.value)) < 300


def test_a_pair_of_halves_and_a_backslash_are_no_fault():
    assert parse_json("x", '["\\ud83d\\udd27", "\\\\ud800", "a\\\\u0000"]') == ["🔧", "\\ud800", "a\\u0000"]


def test_what_is_no_file_is_said_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, fault in {
        "pipe": "is a pipe or a device, not a file",
        ".": "is a folder, not a file",
        "loop": "can't be read: Too many levels",
        "gone": "is not there",
        "a\0b": "can't be read: .*embedded null",
        "n" * 300: "can't be read: File name too long",
    }.items():
        with pytest.raises(DataError, match=fault):
            read_text(tmp_path / name)


def test_line_ends_and_the_mark_of_other_systems_are_left_out(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(tmp_path / "a") == "a\nb\nc\n"


@pytest.mark.parametrize("kind", [KeyError, IndexError, TypeError, OverflowError, RecursionError])
def test_what_a_parser_stumbles_over_names_the_file_and_keeps_its_cause(tmp_path, kind):
    told = pytest.raises(ConfigError, match=r"f is not a list \(.*x.*\)\. Write it again")
    with told as found, parsing(tmp_path / "f", "Write it again.", ConfigError, "a list"):
        raise kind("x")
    assert type(found.value.__cause__) is kind
    with pytest.raises(DataError, match="^mine$"), parsing(tmp_path / "f", "Write it again."):
        raise DataError("mine")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("epoch,loss\n0,1\n1,x\n", "line 3: expected an epoch and numbers"),
        ("epoch,loss\n0.5,1\n", "line 2: expected an epoch"),
        ("epoch,loss\n-1,1\n", "line 2: expected an epoch"),
        ("epoch,loss\n0,1,2\n", "line 2: expected"),
        ("epoch,loss,loss\n0,1,2\n", "a column is there twice"),
        ('epoch,loss\n0,"1\n', "expected an epoch"),
        ("loss\n1\n", "line 2: expected an epoch"),
        ("epoch,loss\n0," + "1" * 140_000 + "\n", "expected an epoch"),
    ],
)
def test_metrics_that_are_none_are_told(tmp_path, text, fault):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(DataError, match=rf"metrics\.csv.*{fault}"):
        read_logged(tmp_path / "metrics.csv")


def test_blank_and_infinite_values_are_read(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,loss\n0,\n1,inf\n2,nan\n")
    assert [row["loss"] for row in read_logged(tmp_path / "metrics.csv")] == ["", "inf", "nan"]


def test_a_message_is_one_line_that_can_be_printed():
    told = str(DataError("a \x1b[31mname\n\u202eof 9\tkinds: " + "x" * 5000 + " Rename it."))
    assert told.isprintable() and len(told) < 1600
    assert told.startswith("a \\x1b[31mname \\u202eof 9 kinds: xxx") and told.endswith("x Rename it.")
