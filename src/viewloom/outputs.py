"""One rule for everything that a command writes: nothing of anyone else's is written into or replaced unasked.

A file that is there is not replaced, and a folder that holds what the command did not put there is not written into,
unless ``--overwrite true`` says so. What a killed command left in a folder of its own is its own.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from viewloom.errors import ConfigError, listed
from viewloom.files import write_text
from viewloom.owned import TEMPORARY

BEGUN = ".begun-"
"""What the name of a file begins with that stands in a folder while a command fills it, and ends in the command's."""
NOWHERE = "(nowhere)"
"""What stands for a folder where a caller takes the result itself, and nothing is written."""
RUNS = ("runs", "held", "slurm", "outcomes")
"""Folders by which commands of many runs know a folder of their own; what lies in them bears its settings' hash."""
PLACES = frozenset(("out", "run", "docs", "state", "picture", "burn", "difference_csv", "pool_cache"))
"""Settings that name a file or folder, and whose empty text would be the current folder."""


def refuse_blank(name: str, value: object, place: str) -> None:
    """`ConfigError` for a file or folder without a name.

    Args:
        name: a setting.
        value: what it is; only that of one in `PLACES` is looked at.
        place: what it is a setting of.
    """
    if name in PLACES and isinstance(value, str) and not value.strip():
        raise ConfigError(f"{name} is empty: it has to name a file or folder ({place}.{name}).")


def refuse_file(path: Path | str, overwrite: bool, option: str = "--out") -> None:
    """`ConfigError` for a file to write that is a folder, or is there already.

    Args:
        path: the file.
        overwrite: whether it may be replaced.
        option: what names it.
    """
    if Path(path).is_dir():
        raise ConfigError(f"{path} is a folder. Pass {option} FILE, a file in it.")
    if Path(path).exists() and not overwrite:
        raise ConfigError(f"{path} is there already. Pass --overwrite true, or another {option}.")


def refuse_folder(
    path: Path | str,
    overwrite: bool | None,
    option: str = "--out",
    own: Collection[str] = (),
    only: Collection[str] | None = None,
) -> None:
    """`ConfigError` for a folder to write that is a file, or holds what a command didn't put there.

    Args:
        path: the folder.
        overwrite: whether files in it may be replaced; None: the command has no such setting.
        option: what names it.
        own: names, or patterns of these, by which a command knows a folder of its own; it compares the rest itself.
        only: the names that would be replaced, where a folder is shared with other commands; None: it is not.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{path} is a file. Pass {option} FOLDER.")
    if overwrite or not folder.is_dir() or any(next(folder.glob(name), None) for name in own):
        return
    there = sorted(inside.name for inside in folder.iterdir() if not inside.name.startswith(TEMPORARY))
    there = there if only is None else [name for name in there if name in only]
    if there:
        more = "" if overwrite is None else ", or --overwrite true to write here all the same"
        raise ConfigError(
            f"{path} holds {listed(there, 3)}, which this command did not write. Pass another {option}{more}."
        )


def being_filled(path: Path | str) -> bool:
    """Whether a command began to write a folder and has not finished, so what lies in it may be its own."""
    return any(Path(path).glob(f"{BEGUN}*"))


@contextmanager
def filling(
    path: Path | str, overwrite: bool, verb: str, option: str = "--out", only: Collection[str] | None = None
) -> Iterator[None]:
    """Write a folder that is new, empty, or was begun by the same command and not finished; see `refuse_folder`."""
    folder = Path(path)
    mark = folder / f"{BEGUN}{verb}"
    refuse_folder(folder, overwrite, option, own=(mark.name,), only=only)
    before = _inside(folder)
    if before is None or mark.name not in before:
        write_text(mark, f"viewloom {verb} began to write here, and has not finished.\n")
    try:
        yield
    except BaseException:
        if _inside(folder) == {*(before or ()), mark.name}:  # nothing was written
            mark.unlink(missing_ok=True)
            if before is None:
                with suppress(OSError):
                    folder.rmdir()
        raise
    mark.unlink(missing_ok=True)


def _inside(folder: Path) -> set[str] | None:
    """Names in a folder; None where it isn't there."""
    return {path.name for path in folder.iterdir()} if folder.is_dir() else None
