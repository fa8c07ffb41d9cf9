"""Zip archives into a folder: only names that stay inside it, each file whole or not at all."""

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from viewloom.download.room import check_room
from viewloom.errors import DataError
from viewloom.files import atomic_path

BLOCK_BYTES = 1 << 22
"""Copied at a time."""


def unpack(archive: Path, folder: Path, key: str) -> int:
    """Unpack the folder inside an archive that holds ``key``, and all below it, into ``folder``; gives back the bytes.

    Args:
        archive: the zip file.
        folder: where its files go; those of the right size that are there already stay.
        key: name of a file that tells which folder in the archive is meant.

    Raises:
        DataError: no such file or several, names that lead out of the folder, an archive that is damaged, no room.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(archive, opened, key)
            left = {target: one for target, one in members.items() if not _is_same(folder / target, one)}
            check_room(folder, sum(one.file_size for one in left.values()), f"unpack {archive.name}")
            for target, one in left.items():
                with atomic_path(folder / target) as temporary, opened.open(one) as inside, temporary.open("wb") as out:
                    shutil.copyfileobj(inside, out, BLOCK_BYTES)
            return sum(one.file_size for one in members.values())
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"{archive} is damaged ({error}). Remove it, and run the same command again.") from None


def _is_same(path: Path, member: zipfile.ZipInfo) -> bool:
    """Whether a file is what an archive has, by size and checksum."""
    if not path.is_file() or path.stat().st_size != member.file_size:
        return False
    checked = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            checked = zlib.crc32(block, checked)
    return checked == member.CRC


def _members(archive: Path, opened: zipfile.ZipFile, key: str) -> dict[str, zipfile.ZipInfo]:
    """{path in the folder that holds ``key``: member}."""
    files = {one.filename: one for one in opened.infolist() if not one.is_dir()}
    bases = [PurePosixPath(name).parent for name in files if PurePosixPath(name).name == key]
    bases = [base for base in bases if "__MACOSX" not in base.parts]
    if len(bases) != 1:
        raise DataError(f"{archive} holds {key} {len(bases)} times, not once. Unpack it yourself.")
    found = {}
    for name, one in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise DataError(f"{archive} holds {name!r}, which leads out of its folder. Don't use this archive.")
        if path.is_relative_to(bases[0]):
            found[str(path.relative_to(bases[0]))] = one
    return found
