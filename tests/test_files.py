"""Writing is whole or not at all."""

import pytest

from viewloom.files import atomic_path, write_json, write_text


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
