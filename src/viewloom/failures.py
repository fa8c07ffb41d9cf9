"""What the machine refuses, in words: a full disk, a blocked folder, memory that isn't there, a lost process.

Such errors come in many dresses: `OSError` with and without a path, safetensors', torch's and HDF5's own errors that
hold its number in their text, what a process that reads windows passes on. `explained` knows them; what it doesn't know
is a fault of this project, and keeps its traceback.
"""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from viewloom.amounts import amount, free_on_disk
from viewloom.errors import UserError

STDOUT = "the standard output"
AGAIN = "What was finished is kept."


class WriteError(OSError):
    """A file that couldn't be written; `filename` is the one that was meant, `needed_bytes` its size where known."""

    needed_bytes: int | None = None


@contextmanager
def writing(path: Path | str, needed_bytes: int | None = None) -> Iterator[None]:
    """Say of an error of the system meanwhile which file it is about: `WriteError`.

    Args:
        path: what is written.
        needed_bytes: its size, where it is known before.
    """
    try:
        yield
    except (UserError, BrokenPipeError):
        raise
    except WriteError as error:
        error.needed_bytes = error.needed_bytes or needed_bytes
        raise
    except Exception as error:
        number = number_of(error)
        own = getattr(error, "filename", None)
        if number is None or (own is not None and Path(os.fsdecode(own)).parent != Path(path).parent):
            raise
        _raise_write_error(number, path, needed_bytes, error)


def _raise_write_error(number: int, path: Path | str, needed_bytes: int | None, error: Exception) -> NoReturn:
    failed = WriteError(number, os.strerror(number), str(path))
    failed.needed_bytes = needed_bytes
    raise failed from error


NUMBERS = (
    *(re.compile(r"\[Errno (\d+)\]"), re.compile(r"\(?os error (\d+)\)?"), re.compile(r"errno ?[=:]? ?(\d+)")),
    re.compile(r"No space left on device \((\d+)\)"),
)
"""How Python, Rust and HDF5 spell the system's number of an error inside a text."""
HALF_WRITTEN = ("PytorchStreamWriter failed writing", "file write failed", "unexpected pos ")
"""What torch says of a file that it couldn't write, whatever the reason."""
FOREIGN = ("safetensors", "safetensors_rust", "lmdb", "h5py", "pyarrow", "torch", "fsspec", "builtins")
"""Packages, by their modules, whose errors' texts are looked into."""


def number_of(error: BaseException) -> int | None:
    """The system's number of an error (`errno`), also where another package put it into words; None: it has none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, UserError) or type(error).__module__.split(".")[0] not in FOREIGN:
        return None
    text = str(error)
    found = next((match for pattern in NUMBERS if (match := pattern.search(text))), None)
    if (found and isinstance(error, OSError | RuntimeError | MemoryError)) or (found and _is_foreign(error)):
        return int(found[1])
    if any(mark in text for mark in HALF_WRITTEN):
        behind = error.__context__ or error.__cause__
        return (number_of(behind) if behind is not None else None) or errno.EIO
    return errno.ENOSPC if _is_foreign(error) and "No space left" in text else None


def _is_foreign(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] != "builtins"


def explained(error: BaseException) -> str | None:
    """What happened, where, and what to do, in one line; None where it isn't the machine's doing."""
    if isinstance(error, UserError):
        return passed_on(_text(error))
    told = next((text for tell in (_lost_process, _no_memory, _no_threads) if (text := tell(error)) is not None), None)
    if told is not None:
        return told
    inner = passed_on(_text(error))
    number = number_of(error)
    if number is None:
        return None if error.__cause__ is None else explained(error.__cause__)
    path = getattr(error, "filename", None)
    path = (
        os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else _path_in(inner) or _path_by_frames(error)
    )
    return ADVICE.get(number, _other)(path, error)


def _text(error: BaseException) -> str:
    """Of an error, with its line breaks."""
    return str(error.args[0]) if isinstance(error, UserError) and error.args else str(error)


def passed_on(text: str) -> str:
    """The message of an error; of one that came from a process that reads windows, without that one's traceback."""
    if not (text.startswith("Caught ") and "worker process" in text.splitlines()[0]):
        return text
    *_, last = re.split(r"^[\w.]+(?:Error|Exception): ", text, flags=re.MULTILINE)
    return last.strip()


def _path_in(text: str) -> str | None:
    """The path at the end of an error's text."""
    found = re.search(r": '([^']+)'$", text)
    return found[1] if found else None


def _path_by_frames(error: BaseException) -> str | None:
    """The path that the code was at when a write to an open file failed: Python doesn't say which file that was."""
    frames, traced = [], error.__traceback__
    while traced is not None:
        frames.append(traced.tb_frame.f_locals)
        traced = traced.tb_next
    for found in (names.get(name) for names in reversed(frames) for name in PATH_NAMES):
        path = found if isinstance(found, str | Path) else getattr(found, "name", None)
        if isinstance(path, str | Path) and os.path.lexists(path):
            return str(path)
    return None


PATH_NAMES = ("path", "filename", "file", "file_obj", "target")
"""What code calls the path, or the file, that it writes."""

Tell = Callable[[str | None, BaseException], str]


def _full(path: str | None, error: BaseException) -> str:
    free = free_on_disk(path) if path and path != STDOUT else None
    needed = getattr(error, "needed_bytes", None)
    room = "" if free is None else f" ({amount(free)} free{f', {amount(needed)} needed' if needed else ''})"
    what = "the quota is used up" if number_of(error) == errno.EDQUOT else f"the disk is full{room}"
    which = path or "A file"
    return f"{which} can't be written: {what}. Make room or name another place, and run the command again. {AGAIN}"


def _denied(path: str | None, error: BaseException) -> str:
    what = path or "A file"
    return f"{what}: permission denied. Change its permissions or its owner, or name another place."


def _read_only(path: str | None, error: BaseException) -> str:
    return f"{path or 'A file'} can't be written: the file system is read-only. Name another place."


def _folder(path: str | None, error: BaseException) -> str:
    return f"{path or 'A file'} is a folder, where a file was expected. Name a file, or move the folder away."


def _file(path: str | None, error: BaseException) -> str:
    taken = (
        next((p for p in (Path(path), *Path(path).parents) if p.exists() and not p.is_dir()), None) if path else None
    )
    return f"{taken or path or 'A part of a path'} is a file, where a folder was expected. Name another folder."


def _long(path: str | None, error: BaseException) -> str:
    shown = "/".join(f"{part[:60]}..." if len(part) > 100 else part for part in (path or "A name").split("/"))
    return f"{shown} is too long a name for this file system. Name a shorter one."


def _large(path: str | None, error: BaseException) -> str:
    return (
        f"{path or 'A file'} can't be written: larger than this file system or `ulimit -f` allows. Raise the limit or "
        f"name another place, and run the command again. {AGAIN}"
    )


def _absent(path: str | None, error: BaseException) -> str:
    return f"{path or 'A file'} is not there (any more). Check the path, and that no other command moves its folder."


def _there(path: str | None, error: BaseException) -> str:
    if path and Path(path).exists() and not Path(path).is_dir():
        return _file(path, error)
    return f"{path or 'A file'} is there already. Move it away, or name another place."


def _open_files(path: str | None, error: BaseException) -> str:
    return "Too many files are open. Raise `ulimit -n`, or take fewer --workers."


def _memory(path: str | None, error: BaseException) -> str:
    return out_of_memory("")


def _failed(path: str | None, error: BaseException) -> str:
    free = free_on_disk(path) if path else None
    room = "" if free is None else f"; the disk has {amount(free)} free"
    return (
        f"{path or 'A file'} couldn't be read or written whole (input/output error{room}). Make room, or look after "
        f"the disk, and run the command again. {AGAIN}"
    )


def _other(path: str | None, error: BaseException) -> str:
    number = number_of(error)
    reason = os.strerror(number) if number else passed_on(_text(error))
    return f"{f'{path}: ' if path else ''}{reason}. Look after it, and run the command again. {AGAIN}"


ADVICE: dict[int, Tell] = {
    errno.ENOSPC: _full,
    errno.EDQUOT: _full,
    errno.EACCES: _denied,
    errno.EPERM: _denied,
    errno.EROFS: _read_only,
    errno.EISDIR: _folder,
    errno.ENOTDIR: _file,
    errno.ENAMETOOLONG: _long,
    errno.EFBIG: _large,
    errno.ENOENT: _absent,
    errno.EEXIST: _there,
    errno.EMFILE: _open_files,
    errno.ENFILE: _open_files,
    errno.ENOMEM: _memory,
    errno.EIO: _failed,
}
"""What is said of an error, by the system's number of it."""

ONEDNN = ("could not create a primitive", "could not create a memory")
"""What torch says where oneDNN finds no memory for its own."""
NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "bad allocation",
    "std::bad_alloc",
    "Cannot allocate memory",
    "failed to map segment from shared object",
    *ONEDNN,
)


def _no_memory(error: BaseException) -> str | None:
    """What is said where memory ran out, in this process or on a device."""
    text = str(error)
    if type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and "out of memory" in text and "shared memory" not in text
    ):
        return out_of_memory(" of the device")
    short = isinstance(error, RuntimeError | ImportError) and any(mark in text for mark in NO_MEMORY)
    if not (short or isinstance(error, MemoryError)):
        return None
    asked = re.search(r"tried to allocate (\d+) bytes|Unable to allocate ([\d.]+ \w+)", text)
    size = "" if asked is None else amount(int(asked[1])) if asked[1] else asked[2]
    return out_of_memory("", size)


def out_of_memory(of: str, asked: str = "") -> str:
    """What to do where memory is out.

    Args:
        of: whose, in words.
        asked: what was asked for last.
    """
    more = f" (asked for {asked} more)" if asked else ""
    return (
        f"Out of memory{of}{more}. Take a smaller --batch_size (with --trainer.accumulate where that trains), shorter "
        f"windows (--sampling.max_chunks), fewer --workers or a smaller model; `--plan true` of pretrain and train "
        f"says what is needed. {AGAIN}"
    )


def _lost_process(error: BaseException) -> str | None:
    """What is said where a process that works for this one was killed."""
    text = str(error)
    if isinstance(error, RuntimeError | OSError) and ("shared memory" in text or "Bus error" in text):
        return (
            "A process that reads windows has no shared memory (/dev/shm) left. Take --workers 0, or give the "
            f"container more (docker run --shm-size 8g). {AGAIN}"
        )
    worker = isinstance(error, RuntimeError) and "DataLoader worker" in text and ("killed" in text or "exited" in text)
    if not (worker or type(error).__name__ == "BrokenProcessPool"):
        return None
    return (
        "A process that works for this one was killed, most likely for want of memory. Take fewer --workers, and run "
        f"the command again. {AGAIN}"
    )


def _no_threads(error: BaseException) -> str | None:
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return f"No more threads or processes can be started. Raise `ulimit -u`, or take fewer --workers. {AGAIN}"
    return None
