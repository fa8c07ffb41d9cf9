"""Zip archives into a folder: only names that stay inside it, each file whole or not at all."""

import lzma
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from viewloom.download.room import check_room
from viewloom.errors import DataError
from viewloom.files import atomic_path
from viewloom.limits import FREE_BYTES, MOST_TIMES
from viewloom.regular import regular

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
        with zipfile.ZipFile(regular(archive, "Download it again.")) as opened:
            members = _members(archive, opened, key)
            left = {target: one for target, one in members.items() if not _is_same(folder / target, one)}
            if any(one.header_offset < 0 for one in left.values()):
                raise zipfile.BadZipFile("a file in it begins before it")
            check_room(folder, sum(one.file_size for one in left.values()), f"unpack {archive.name}")
            for target, one in left.items():
                with atomic_path(folder / target) as temporary, opened.open(one) as inside, temporary.open("wb") as out:
                    shutil.copyfileobj(inside, out, BLOCK_BYTES)
            return sum(one.file_size for one in members.values())
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError) as error:
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
    if not all(one.filename for one in opened.infolist()):
        raise zipfile.BadZipFile("a file in it has no name")
    infos = [one for one in opened.infolist() if not one.is_dir()]
    _refuse_bomb(archive, infos)
    files = {one.filename: one for one in infos}
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
    _refuse_colliding(archive, list(found))
    return found


def _refuse_bomb(archive: Path, infos: list[zipfile.ZipInfo]) -> None:
    """`DataError` for names that are there twice, links, and more bytes than an honest archive of its size holds."""
    names = [one.filename for one in infos]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{archive} holds {twice[:200]!r} twice. Don't use this archive.")
    odd = next((one for one in infos if stat.S_IFMT(one.external_attr >> 16) not in (0, stat.S_IFREG)), None)
    if odd is not None:
        raise DataError(f"{archive}: {odd.filename[:200]!r} is a link or a device, not a file. Don't use this archive.")
    size, total = archive.stat().st_size, sum(one.file_size for one in infos)
    if total > FREE_BYTES + MOST_TIMES * size:
        raise DataError(
            f"{archive} has {size:,} bytes and says that it holds {total:,}; at most {MOST_TIMES:,} times its size is "
            "unpacked. Don't use this archive."
        )


def _refuse_colliding(archive: Path, names: list[str]) -> None:
    """`DataError` for members that can't both be written: one of them the folder of another, or, on disks that take
    upper and lower case for one, of the same name."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            what = f"{other[:200]!r} and {name[:200]!r}, which are one on some disks"
            raise DataError(f"{archive} holds {what}. Unpack it yourself.")
    for name in names:
        above = next((str(one) for one in PurePosixPath(name).parents if str(one).casefold() in seen), None)
        if above is not None:
            raise DataError(f"{archive} holds {above[:200]!r} as a file and as a folder. Don't use this archive.")
