"""Writing is whole or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.dataset.text_files import read_csv
from viewloom.files import atomic_path, from_cell, in_cell, write_csv, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_json_refuses_what_is_not_a_number(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"score": float("nan")})
    assert not list(tmp_path.iterdir())


def test_folders_are_made_and_files_are_readable_by_others(tmp_path):
    write_json(tmp_path / "a" / "b.json", [1])
    assert (tmp_path / "a" / "b.json").stat().st_mode & 0o777 == 0o644


CELLS = ["=1+1", "-5", "+3e2", "@SUM(A1)", "-", "'=x", "=", "\tx", "'-", "''@b", "'5"]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=8), st.sampled_from(CELLS)))
def test_no_cell_is_a_formula_and_each_is_read_as_it_was_written(text):
    cell = in_cell(text)
    assert from_cell(cell) == text
    if cell.startswith(("=", "+", "-", "@")):
        float(cell)  # a number is none
    assert in_cell(3.5) == 3.5 and in_cell("put lid") == "put lid"


def test_written_tables_compute_nothing(tmp_path):
    write_csv(tmp_path / "a.csv", ("label", "start_s"), [("=cmd|' /C calc'!A0", -1.5), ("reach", 2)])
    assert (tmp_path / "a.csv").read_text() == "label,start_s\n'=cmd|' /C calc'!A0,-1.5\nreach,2\n"
    rows = read_csv(tmp_path / "a.csv").rows
    assert [fields["label"] for _, fields in rows] == ["=cmd|' /C calc'!A0", "reach"]
