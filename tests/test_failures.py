"""What the machine refuses is said in one line that names what, where and what to do, whoever raised it."""

import errno
import os
import pickle
import re

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from viewloom import failures
from viewloom.errors import DataError
from viewloom.failures import ADVICE, WriteError, explained, number_of, passed_on, writing
from viewloom.file_sets import together, write_together
from viewloom.files import atomic_path, write_json

FULL = "/dev/full"
has_full = pytest.mark.skipif(not os.path.exists(FULL), reason="this system has no /dev/full")  # noqa: PTH110


@pytest.mark.parametrize("number", sorted(ADVICE))
def test_every_refusal_names_the_place_and_what_to_do(number, tmp_path):
    place = str(tmp_path / "a" / "b.json")
    text = explained(OSError(number, os.strerror(number), place))
    if number not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        assert place in text
    assert "\n" not in text and re.search(r"\. (Make|Name|Change|Check|Move|Raise|Take|Look)", text)


def to_text(path):
    path.write_text("x" * 10)


def to_numpy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(9000))


def to_torch(path):
    torch.save({"a": torch.zeros(9000)}, path)


def to_safetensors(path):
    save_file({"a": torch.zeros(9000)}, path)


@has_full
@pytest.mark.parametrize("write", [to_text, to_numpy, to_torch])
def test_a_full_disk_is_recognised_in_every_dress(write, tmp_path):
    with pytest.raises(WriteError) as raised, atomic_path(tmp_path / "x" / "a.bin", 3 * 2**20) as temporary:
        temporary.unlink()
        temporary.symlink_to(FULL)
        write(temporary)
    assert raised.value.errno in (errno.ENOSPC, errno.EIO)
    text = explained(raised.value)
    assert str(tmp_path / "x" / "a.bin") in text and "Make room" in text
    assert raised.value.errno == errno.EIO or "3.0 MiB needed" in text
    assert list((tmp_path / "x").iterdir()) == []


FOREIGN = [
    (RuntimeError("[enforce fail at inline_container.cc:858] . PytorchStreamWriter failed writing file data/2: x"), 5),
    (OSError("Can't write data (errno = 28, error message = 'No space left on device', buf = 0x0)"), errno.ENOSPC),
    (RuntimeError("Unable to create dataset (errno = 30, error message = 'Read-only file system')"), errno.EROFS),
    (type("SafetensorError", (Exception,), {"__module__": "safetensors_rust"})("I/O error: (os error 28)"), 28),
    (type("DiskError", (Exception,), {"__module__": "lmdb"})("mdb_txn_commit: No space left on device"), 28),
    (ValueError("errno = 28"), None),
    (KeyError("[Errno 28]"), None),
    (DataError("x [Errno 28]"), None),
]


@pytest.mark.parametrize(("error", "number"), FOREIGN, ids=[type(error).__name__ for error, _ in FOREIGN])
def test_the_number_is_found_in_what_packages_say(error, number):
    assert number_of(error) == number


def test_safetensors_says_what_is_expected_of_it(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(WriteError) as raised, writing(tmp_path / "f" / "a.safetensors"):
        to_safetensors(tmp_path / "f" / "a.safetensors")
    assert raised.value.errno == errno.ENOTDIR
    assert explained(raised.value).startswith(f"{tmp_path / 'f'} is a file, where a folder was expected.")


def test_an_absent_file_of_another_package_is_explained(tmp_path):
    with pytest.raises(OSError, match="errno") as raised:
        h5py.File(tmp_path / "a.h5", "r")
    assert "is not there" in explained(raised.value)


MEMORY = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to "
                 "allocate 4294967296 bytes. Error code 12 (Cannot allocate memory)"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    RuntimeError("could not create a primitive"),
    ImportError("x.so: failed to map segment from shared object"),
    RuntimeError("std::bad_alloc"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]  # fmt: skip


@pytest.mark.parametrize("error", MEMORY, ids=range(len(MEMORY)))
def test_memory_that_is_not_there_is_said_with_what_to_lower(error):
    text = explained(error)
    assert text.startswith("Out of memory") and "--batch_size" in text
    assert ("4.0 GiB" in text) == ("4294967296" in str(error))
    assert ("of the device" in text) == ("CUDA" in str(error) or "MPS" in str(error))


def test_real_allocations_that_fail_are_recognised():
    for allocate in (lambda: np.empty(2**58), lambda: torch.empty(2**58)):
        with pytest.raises((MemoryError, RuntimeError)) as raised:
            allocate()
        assert explained(raised.value).startswith("Out of memory")


def test_a_lost_process_and_full_shared_memory_are_told_apart():
    killed = explained(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "))
    exited = explained(RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"))
    assert killed == exited and "--workers" in killed and "memory" in killed
    shared = "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are "
    assert "/dev/shm" in explained(RuntimeError(shared + "out of shared memory. Please try to raise your limit."))


def test_what_a_reading_process_raised_is_said_without_its_traceback():
    inner = "Original Traceback (most recent call last):\n  File 'x', line 1\n"
    text = f"Caught DataError in DataLoader worker process 0.\n{inner}viewloom.errors.DataError: p1 has no view e4. Add it."  # noqa: E501
    assert explained(DataError(text)) == passed_on(text) == "p1 has no view e4. Add it."
    full = f"Caught OSError in DataLoader worker process 0.\n{inner}OSError: [Errno 28] No space left on device: '/a/b'"
    assert explained(OSError(full)).startswith("/a/b can't be written: the disk is full")


@pytest.mark.parametrize("error", [KeyError("a"), RuntimeError("size mismatch"), AssertionError(), TypeError("x")])
def test_our_own_faults_are_not_explained_away(error):
    assert explained(error) is None


def test_a_read_inside_a_write_keeps_its_own_path(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, atomic_path(tmp_path / "a") as temporary:
        temporary.write_text((tmp_path / "elsewhere" / "b").read_text())
    assert str(tmp_path / "elsewhere" / "b") in explained(raised.value)


def test_the_error_goes_from_process_to_process():
    error = WriteError(28, "No space left on device", "/a")
    error.needed_bytes = 5
    again = pickle.loads(pickle.dumps(error))
    assert (again.errno, again.filename, again.needed_bytes) == (28, "/a", 5)


def test_the_path_of_an_open_file_is_found(tmp_path):
    path = tmp_path / "log"
    path.write_text("")
    with pytest.raises(OSError, match="No space") as raised:
        _fails(path)
    assert str(path) in explained(raised.value)


def _fails(path):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_files_that_belong_together_come_together(tmp_path, monkeypatch):
    mark, other = tmp_path / "metrics.json", tmp_path / "predictions" / "e4.json"
    write_together({mark: "old", other: "old"})
    monkeypatch.setattr(failures.os, "fsync", lambda *_: None)
    with pytest.raises(WriteError), together([mark, other]) as (first, second):
        second.write_text("new")
        first.write_text("new")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert mark.read_text() == other.read_text() == "old"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["e4.json", "metrics.json", "predictions"]


def test_a_kill_between_files_that_belong_together_leaves_no_mark(tmp_path, monkeypatch):
    mark, other, last = tmp_path / "metrics.json", tmp_path / "a", tmp_path / "b"
    write_together({mark: "old", other: "old", last: "old"})
    replace, moved = type(mark).replace, []

    def die(self, target):
        if moved:
            os._exit(9)
        moved.append(target)
        return replace(self, target)

    child = os.fork()
    if not child:
        type(mark).replace = die
        write_together({mark: "new", other: "new", last: "new"})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not mark.exists() and {other.read_text(), last.read_text()} == {"old", "new"}


def test_a_folder_in_the_place_of_a_file_changes_nothing(tmp_path):
    mark, other = tmp_path / "metrics.json", tmp_path / "e4.json"
    write_together({mark: "old", other: "old"})
    other.unlink()
    other.mkdir()
    with pytest.raises(OSError, match="directory") as raised:
        write_together({mark: "new", other: "new"})
    assert mark.read_text() == "old" and f"{other} is a folder" in explained(raised.value)


def test_what_is_in_the_way_of_a_folder_is_named(tmp_path):
    write_json(tmp_path / "a", 1)
    with pytest.raises(OSError, match="a") as raised:
        write_json(tmp_path / "a" / "b" / "c.json", 1)
    assert explained(raised.value).startswith(f"{tmp_path / 'a'} is a file, where a folder was expected.")
