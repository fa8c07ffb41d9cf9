"""`viewloom download`: a public data set from the Hugging Face hub, a part at a time.

``<out>/.download/`` holds what has come of files that aren't whole; ``<out>/download.json`` says from which commit each
file is, and which archives were unpacked. A command that was stopped goes on with the same command.
"""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from viewloom.console import note, track
from viewloom.download.catalog import Part, chosen_views, source_of
from viewloom.download.hub import SMALL_BYTES, HubFile, Repository
from viewloom.download.room import check_room, free_bytes, shown
from viewloom.download.settings import DownloadConfig
from viewloom.download.unpack import unpack
from viewloom.durable import flush, make_folder, rename
from viewloom.errors import DataError
from viewloom.files import write_json
from viewloom.locks import alone
from viewloom.names import names_in
from viewloom.outputs import refuse_file, refuse_folder
from viewloom.reading import once

RECORD, PARTIAL = "download.json", ".download"


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Attributes:
        part: what it belongs to.
        file: in the repository.
        target: its place in the data set's folder; of an archive, of the folder it is unpacked into.
    """

    part: Part
    file: HubFile
    target: str

    @property
    def archive(self) -> bool:
        """Whether it is to be unpacked."""
        return bool(self.part.key) and self.file.path.endswith(".zip")


def run_download(config: DownloadConfig) -> str:
    """Download (or plan to) the parts of a data set that are asked for; returns what to show."""
    source = source_of(config.dataset)
    views = chosen_views(config.dataset, names_in(config.views))
    out = Path(config.out or config.dataset)
    repository = Repository(source.repo, config.revision)
    record = _read_record(out, source.repo)
    wanted = [one for part in source.parts(views, config.annotations) for one in _wanted(repository, part)]
    left = [one for one in wanted if not _is_there(out, one, record)]
    lines = _plan(config, out, repository, wanted, left)
    if config.plan:
        return "\n".join(lines)
    own = [RECORD, PARTIAL, *(one.target for one in wanted if one.target and one not in left)]
    refuse_folder(out, config.overwrite, own=own)
    for one in left:
        if not one.archive and one.file.path not in record["files"]:
            refuse_file(out / one.target, config.overwrite)
    note(f"{source.repo}: {source.licence}.")
    with alone(out, "viewloom download"):
        record = _read_record(out, source.repo)  # as it is now
        _bring_all(config, repository, out, [one for one in wanted if not _is_there(out, one, record)], record)
    return "\n".join([*lines[:1], f"{out} is complete. Next: viewloom check --data {out}"])


def _bring_all(
    config: DownloadConfig, repository: Repository, out: Path, left: list[Wanted], record: dict[str, Any]
) -> None:
    """Download what is left, into a folder that this process holds."""
    source = source_of(config.dataset)
    check_room(out, _needed(left, out), f"download {len(left)} files of {source.repo}")
    small = all(one.file.size < SMALL_BYTES for one in left)  # larger ones have a bar of their own
    for one in track(left, "files", len(left)) if small else left:
        _bring(repository, one, out, record, config.keep_archives)
    _tidy(out)


def _wanted(repository: Repository, part: Part) -> list[Wanted]:
    """The files of a part; `DataError` where the repository has none of them."""
    found = []
    for file in repository.files(part.path):
        target = part.target(file.path)
        if target is not None:
            archive = bool(part.key) and target.endswith(".zip")
            folder = "" if archive and "/" not in target else target.removesuffix(".zip")
            found.append(Wanted(part, file, _inside(folder if archive else target)))
    if not found:
        where = f"{part.path}/" if part.path else "its top folder"
        raise DataError(
            f"{repository.repo} has no files of {part.name} in {where} at commit {repository.commit[:8]}: it is "
            "arranged otherwise now. Look at its page, and pass --revision with an earlier commit."
        )
    return found


def _inside(target: str) -> str:
    """A place inside the data set's folder; `DataError` for one that leads out of it."""
    path = PurePosixPath(target)
    if path.is_absolute() or ".." in path.parts or "\\" in target:
        raise DataError(f"The repository names {target!r}, which leads out of the folder. Don't use it.")
    return target


def _read_record(out: Path, repo: str) -> dict[str, Any]:
    """What was downloaded before: {"repository", "files": {path: {"commit", "size", "unpacked"}}}."""
    path = out / RECORD
    if not path.is_file():
        return {"repository": repo, "files": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
        before, files = str(found["repository"]), dict(found["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} can't be read ({error!r}). Remove it, and run the same command again.") from None
    if before != repo:
        raise DataError(f"{out} holds what was downloaded from {before}. Choose another --out.")
    return {"repository": repo, "files": files}


def _is_there(out: Path, one: Wanted, record: dict[str, Any]) -> bool:
    """Whether a file is whole: unpacked, as the record says, or at its place with its size."""
    if one.archive:
        before = record["files"].get(one.file.path, {})
        same = before.get("hash") == (one.file.sha256 or one.file.blob)
        return same and _unpacked(out / one.target) >= int(before.get("unpacked", 0))
    path = out / one.target
    return path.is_file() and path.stat().st_size == one.file.size


def _unpacked(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and PARTIAL not in path.parts)


def _needed(left: list[Wanted], out: Path) -> int:
    """Room for what is left; an archive takes about its size again while it is unpacked."""
    partial = sum(path.stat().st_size for path in (out / PARTIAL).glob("*")) if (out / PARTIAL).is_dir() else 0
    most = max((one.file.size for one in left if one.archive), default=0)
    return max(sum(one.file.size for one in left) + most - partial, 0)


def _plan(
    config: DownloadConfig, out: Path, repository: Repository, wanted: list[Wanted], left: list[Wanted]
) -> list[str]:
    """What is downloaded, part by part."""
    lines = [f"{repository.repo} at commit {repository.commit[:8]} into {out}"]
    for name in dict.fromkeys(one.part.name for one in wanted):
        own = [one for one in wanted if one.part.name == name]
        rest = [one for one in own if one in left]
        size, more = sum(one.file.size for one in own), sum(one.file.size for one in rest)
        lines.append(f"  {name}: {len(own)} files, {shown(size)}" + ("" if rest else ", there already"))
        if rest and more < size:
            lines[-1] += f", {shown(more)} of it left"
    room = f"to download {shown(sum(one.file.size for one in left))}, room for it {shown(_needed(left, out))}"
    return [*lines, f"{room}; free {shown(free_bytes(out))}" + ("" if repository.token else "; no token (HF_TOKEN)")]


def _bring(repository: Repository, one: Wanted, out: Path, record: dict[str, Any], keep: bool) -> None:
    """Download one file, and unpack it if it is an archive."""
    key = one.file.sha256 or one.file.blob
    partial = out / PARTIAL / key
    repository.fetch(one.file, partial)
    facts: dict[str, Any] = {"commit": repository.commit, "size": one.file.size, "hash": key}
    if one.archive:
        facts["unpacked"] = unpack(partial, out / one.target, one.part.key)
    if not one.archive:  # before it takes its name: a file that is there is not looked at again
        _record(record, one, facts, out)
    if not one.archive or keep:
        place = out / (one.file.path if one.archive else one.target)
        make_folder(place.parent)
        flush(partial)
        rename(partial, place)
    partial.unlink(missing_ok=True)
    if one.archive:
        _record(record, one, facts, out)


def _record(record: dict[str, Any], one: Wanted, facts: dict[str, Any], out: Path) -> None:
    """Write down where a file is from."""
    record["files"][one.file.path] = facts
    write_json(out / RECORD, record)


def _tidy(out: Path) -> None:
    """Remove the folder of partial files once it is empty."""
    folder = out / PARTIAL
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
