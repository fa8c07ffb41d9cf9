"""Which videos there are: a folder of files, of image folders, or a CSV; one clip for each recording and camera."""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from viewloom.console import err
from viewloom.dataset.text_files import read_csv
from viewloom.errors import DataError, listed

VIDEO_ENDINGS = (
    *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".mxf", ".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)
IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SAMPLED_BYTES = 1 << 16
"""Of the beginning, the middle and the end of a video, to know it again."""
COLUMNS = ("recording", "view", "path", "offset_s")


@dataclass(frozen=True)
class Clip:
    """A camera's video, or folder of images, of one recording.

    Attributes:
        recording: the recording.
        camera: name of the camera: the file's, or the CSV's ``view``.
        path: video file, or folder of images.
        offset_s: seconds after the recording's zero at which the clip's first frame was taken.
    """

    recording: str
    camera: str
    path: Path
    offset_s: float = 0.0

    @property
    def name(self) -> str:
        """The clip in messages."""
        return f"{self.recording}/{self.camera}"

    @property
    def state(self) -> dict[str, str | float]:
        """What features of the clip depend on, to notice that it was replaced: the offset, and of a video its size
        and some of its bytes, which a copy has too; of images their names, sizes and times of change.
        """
        digest = hashlib.sha256()
        if self.path.is_dir():
            for path in images(self.path):
                found = path.stat()
                digest.update(f"{path.name} {found.st_size} {found.st_mtime_ns}\n".encode())
        else:
            size = self.path.stat().st_size
            digest.update(f"{size}\n".encode())
            with self.path.open("rb") as file:
                for place in (0, size // 2, max(0, size - SAMPLED_BYTES)):
                    file.seek(place)
                    digest.update(file.read(SAMPLED_BYTES))
        return {"sha256": digest.hexdigest(), "offset_s": self.offset_s}


def find_clips(videos: Path) -> tuple[Clip, ...]:
    """The clips of a folder or a CSV file, by recording and camera.

    Raises:
        DataError: where there are none, two of one name, or the CSV is wrong; names the line.
    """
    if videos.is_file():
        clips = _from_csv(videos)
    elif videos.is_dir():
        clips = _from_folder(videos)
    else:
        raise DataError(f"{videos} is not there; pass a folder of videos, or a CSV file that lists them.")
    _refuse_twins(clips)
    return tuple(sorted(clips, key=lambda clip: (clip.recording, clip.camera)))


def _from_folder(root: Path) -> list[Clip]:
    """``<recording>/<view>.<ending>`` and ``<recording>/<view>/*.jpg``; other files are named and left out."""
    clips: list[Clip] = []
    visible = sorted(
        path for pattern in ("*", "*/*") for path in root.glob(pattern) if _visible(path.relative_to(root))
    )
    others = [Path(path.name) for path in visible if path.parent == root and path.suffix.lower() in VIDEO_ENDINGS]
    for path in (path for path in visible if path.parent != root):
        if path.is_dir() and images(path):
            clips.append(Clip(path.parent.name, path.name, path))
        elif path.is_file() and path.suffix.lower() in VIDEO_ENDINGS:
            clips.append(Clip(path.parent.name, path.stem, path))
        else:
            others.append(path.relative_to(root))
    if not clips:
        raise DataError(
            f"{root} holds no videos: looked for <recording>/<view>.mp4 (or another video file) and for images in "
            "<recording>/<view>/. Other layouts: list the files in a CSV with the columns " + ",".join(COLUMNS) + "."
        )
    if others:
        err.print(f"Left out, being no <recording>/<view> of video or images: {listed(others)}", markup=False)
    return clips


def _visible(path: Path) -> bool:
    return not any(name.startswith(".") for name in path.parts)


def _from_csv(path: Path) -> list[Clip]:
    """One clip a line; paths are relative to the CSV's folder, offset_s may be left out."""
    table = read_csv(path)
    columns, rows = table.columns, table.rows
    if not set(COLUMNS[:3]) <= set(columns) <= set(COLUMNS):
        raise DataError(f"{path} must have the columns {','.join(COLUMNS)} (the last may be left out), not {columns}.")
    if not rows:
        raise DataError(f"{path} lists no videos.")
    for line, fields in rows:
        table.check_length(f"{path}, line {line}", fields, ())
    return [_from_line(path, line, fields) for line, fields in rows]


def _from_line(path: Path, line: int, fields: dict[str, str]) -> Clip:
    recording, view, video = (fields.get(column, "") for column in COLUMNS[:3])
    if not (recording and view and video):
        raise DataError(f"{path}, line {line}: recording, view and path must all be there.")
    text = fields.get("offset_s") or "0"
    try:
        offset_s = float(text)
    except ValueError:
        offset_s = math.nan
    if not math.isfinite(offset_s):
        raise DataError(f"{path}, line {line}: offset_s is {text!r}, but must be a number of seconds.")
    return Clip(recording, view, path.parent / video, offset_s)


def _refuse_twins(clips: Iterable[Clip]) -> None:
    seen: dict[str, Path] = {}
    for clip in clips:
        if clip.name in seen:
            raise DataError(f"Two clips are called {clip.name}: {seen[clip.name]} and {clip.path}. Rename one.")
        seen[clip.name] = clip.path


def images(folder: Path) -> list[Path]:
    """The images of a folder in the order of the last number in their names, else of the names."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS and _visible(Path(path.name))]
    return sorted(found, key=lambda path: (_number(path) or 0, path.name))


def image_numbers(paths: Sequence[Path]) -> list[int]:
    """Position of each image from the first on: by the number its name ends in, so that a lost image is a gap.

    Names without a number, or two of the same one, count one by one.
    """
    numbers = [_number(path) for path in paths]
    found = [number for number in numbers if number is not None]
    if len(found) < len(paths) or len(set(found)) < len(found):
        return list(range(len(paths)))
    return [number - found[0] for number in found]


def _number(path: Path) -> int | None:
    found = re.search(r"(\d+)$", path.stem)
    return int(found[1]) if found else None
