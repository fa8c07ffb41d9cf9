"""Half-written files: what a killed writer left goes when the same is written again, what is being written stays."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from viewloom import owned
from viewloom.files import atomic_path, write_text
from viewloom.locks import alone
from viewloom.owned import TEMPORARY, let_go, own_folder, remove_dead
from viewloom.training.runs import alone_in_run

WRITE = """
import sys, time
from viewloom.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def a_process_that_begins(monkeypatch):
    """Folders are looked through once a process."""
    monkeypatch.setattr(owned, "_left", {})


@pytest.fixture
def writer(tmp_path):
    """Another process in the middle of writing ``a.txt``."""
    with subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path / "a.txt")], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        yield process
        process.kill()


def left(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(TEMPORARY)]


def test_what_a_killed_writer_left_goes_and_what_is_being_written_stays(tmp_path, writer):
    write_text(tmp_path / "a.txt", "whole")
    assert len(left(tmp_path)) == 1, "its writer lives"
    writer.kill()
    writer.wait()
    owned._left.clear()
    write_text(tmp_path / "b.txt", "another file")
    assert len(left(tmp_path)) == 1, "another file's is left alone"
    write_text(tmp_path / "a.txt", "again")
    assert left(tmp_path) == [] and (tmp_path / "a.txt").read_text() == "again"


def test_names_that_nobody_drew_are_nobodys(tmp_path):
    foreign = [".tmp-a.txt", ".tmp-12345678-xa.txt", ".tmp-123456789-a.txt", ".tmp-12345678-a.txt.bak", "x-a.txt"]
    for name in foreign:
        (tmp_path / name).touch()
    (tmp_path / ".tmp-12345678-a.txt").touch()
    write_text(tmp_path / "a.txt", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*foreign, "a.txt"])


@pytest.mark.parametrize("name", ["x" * 200, "[ab]*?.txt", "ä" * 40])
def test_any_name_is_found_again(tmp_path, name):
    with atomic_path(tmp_path / name) as temporary:
        kept = tmp_path / temporary.name
    kept.write_text("as a kill leaves it")
    owned._left.clear()
    write_text(tmp_path / name, "whole")
    assert left(tmp_path) == []


def test_what_was_written_into_a_temporary_file_goes_too(tmp_path):
    """Files that belong together are written to temporary names, and one of them by a writer that makes its own."""
    with atomic_path(tmp_path / "a.txt") as outer, atomic_path(outer) as inner:
        kept = [tmp_path / outer.name, tmp_path / inner.name]
    for path in kept:
        path.write_text("as a kill leaves it")
    owned._left.clear()
    write_text(tmp_path / "a.txt", "whole")
    assert left(tmp_path) == []


def test_a_folder_is_looked_through_once(tmp_path, monkeypatch):
    looked, scandir = [], owned.os.scandir
    monkeypatch.setattr(owned.os, "scandir", lambda folder: looked.append(folder) or scandir(folder))
    for number in range(5):
        write_text(tmp_path / f"{number}.txt", "")
    assert looked == [tmp_path]


def test_one_that_is_held_is_not_removed(tmp_path, writer):
    (name,) = left(tmp_path)
    assert not remove_dead(tmp_path / name) and (tmp_path / name).exists()
    writer.kill()
    writer.wait()
    assert remove_dead(tmp_path / name) and not (tmp_path / name).exists() and remove_dead(tmp_path / name)


def test_a_folder_of_a_killed_one_goes_and_one_at_work_is_told(tmp_path):
    killed = tmp_path / f"{TEMPORARY}out-12345678"
    (killed / "inside").mkdir(parents=True)
    other = tmp_path / f"{TEMPORARY}outer-12345678"
    other.mkdir()
    folder, handle = own_folder(tmp_path / "out")
    assert folder.is_dir() and not killed.exists() and other.exists()
    with pytest.raises(FileExistsError):
        own_folder(tmp_path / "out")
    let_go(handle)
    again, handle = own_folder(tmp_path / "out")
    let_go(handle)
    assert again.is_dir() and not folder.exists()


def test_locks_end_with_their_process_and_not_with_those_that_forked_off_it(tmp_path):
    """Processes that read windows outlive a killed one by seconds: whoever goes on at once isn't told to wait."""
    code = """
import os, sys, time
from viewloom.locks import alone
with alone(sys.argv[1], "it"):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "x")], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout.readline() == b"held\n"
        process.kill()
        try:
            with alone(tmp_path / "x", "it", wait_s=5):
                pass
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("make", ["mkstemp", "mkdtemp"])
def test_one_that_is_taken_for_left_over_before_it_is_held_is_not_used(tmp_path, monkeypatch, make):
    """Between its creation and its lock another process may look whether it is left over."""
    true, others = getattr(tempfile, make), []

    def slow(**how):
        made = true(**how)
        path = made[1] if make == "mkstemp" else made
        if not others:
            others.append((path, os.open(path, os.O_RDONLY)))
            assert owned.hold(others[0][1])
        return made

    monkeypatch.setattr(tempfile, make, slow)
    path, handle = (owned.own_temporary if make == "mkstemp" else own_folder)(tmp_path / "a")
    assert str(path) != others[0][0] and path.exists()
    let_go(handle)
    os.close(others[0][1])


@pytest.mark.parametrize("inside", ["", "checkpoints", "predictions", "csv"])
def test_what_a_killed_command_left_in_a_run_goes_with_the_next_one(tmp_path, inside):
    """Also where that has nothing to write there, as when a finished run is resumed."""
    (tmp_path / "run" / inside).mkdir(parents=True, exist_ok=True)
    (tmp_path / "run" / inside / f"{TEMPORARY}abcdefgh-metrics.csv").write_text("half")
    with alone_in_run(tmp_path / "run", "viewloom train"):
        pass
    assert not list((tmp_path / "run").rglob(f"{TEMPORARY}*"))
