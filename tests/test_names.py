"""Names as file names: themselves where they can be, one file each, and never anywhere else."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from viewloom.names import LONGEST, file_name


@pytest.mark.parametrize(
    "name", ["e4", "nusar-2021_action_both_9011-a01", "Küche 2 (links)", "a.b", "P03_cam01", "日本"]
)
def test_ordinary_names_stay(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../x", "%2E.%2F..%2Fx"),
        ("/etc/passwd", "%2Fetc%2Fpasswd"),
        ("..", "%2E%2E"),
        ("C:\\x", "C%3A%5Cx"),
        ("a\0b\n", "a%00b%0A"),
        (".hidden", "%2Ehidden"),
        ("dot.", "dot%2E"),
        ("100%", "100%25"),
        ("", "%"),
    ],
)
def test_others_become_one_file_name(name, expected):
    assert file_name(name) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
@example("a" * 300, "a" * 299 + "b")
@example("a/b", "a%2Fb")
@example("\ud800", "x")
def test_no_two_names_share_a_file_and_none_leaves_the_folder(one, other):
    made = file_name(one)
    assert Path("/folder", made).parent == Path("/folder") and Path("/folder", f"{made}.txt").name == f"{made}.txt"
    assert made not in ("", ".", "..") and "/" not in made and "\0" not in made
    assert len(made.encode("utf-8", "surrogatepass")) <= LONGEST
    assert (made == file_name(other)) == (one == other)
