"""Which video shows an item in a view: files beside the data set, or those of ``--videos``."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from viewloom.console import note
from viewloom.errors import DataError, listed
from viewloom.features.views import ViewTable
from viewloom.report.runs import Run
from viewloom.videos.clips import Clip, find_clips

PLACES = ("videos", "videos.csv", "../videos", "../videos.csv")
"""Where videos lie beside a data set, from its folder."""
VIEWS_FILE = "views.yaml"
UP = 3
"""A data folder that a run names by a relative path is looked for from here, and from so many folders above the run."""


@dataclass(frozen=True)
class Library:
    """The videos that are known.

    Attributes:
        where: folder or CSV that they come from; None: no videos are known.
        clips: by recording and camera.
        table: cameras of the views, where a file names them.
    """

    where: Path | None = None
    clips: Mapping[tuple[str, str], Clip] = field(default_factory=dict)
    table: ViewTable | None = None

    def clip(self, recording: str, view: str) -> Clip | None:
        """The clip that shows a recording in a view; None where there is none."""
        cameras = [view, *_cameras(self.table, view), *_cameras(ViewTable.assembly101(), view)]
        found = next((self.clips[recording, name] for name in cameras if (recording, name) in self.clips), None)
        return found and Clip(recording, view, found.path, found.offset_s or self._start_s(view))

    def _start_s(self, view: str) -> float:
        """When a view begins, by the file of views."""
        return self.table[view].start_s if self.table is not None and view in self.table.names else 0.0


def _cameras(table: ViewTable | None, view: str) -> tuple[str, ...]:
    return table[view].cameras if table is not None and view in table.names else ()


def library(runs: Sequence[Run], videos: str | None) -> Library:
    """The videos of ``videos``, else those beside the data set of the first run that says where it is.

    Raises:
        DataError: where ``videos`` is named and can't be used; what lies beside the data is then left out instead.
    """
    data = next((found for run in runs if (found := data_folder(run)) is not None), None)
    table = _table(runs, data)
    if videos is not None:
        return _of(Path(videos), table)
    for place in [data / place for place in PLACES] if data is not None else []:
        if place.exists():
            try:
                return _of(place, table)
            except DataError:
                continue
    return Library()


def say_which(known: Library, scored: Sequence[Run]) -> None:
    """Say of how many recordings and views on a page there are videos, where some lack."""
    asked = {(item.recording, view) for run in scored for view, of in run.views.items() for item in of.items.values()}
    lack = sorted(pair for pair in asked if known.clip(*pair) is None)
    if lack:
        note(
            f"{known.where} has videos of {len(asked) - len(lack)} of {len(asked)} recordings and views on the page: "
            f"{listed([f'{recording} in {view}' for recording, view in lack], 3)} lack one. Files are called "
            "RECORDING/VIEW.mp4, or a CSV says which is which (--videos)."
        )


def _of(where: Path, table: ViewTable | None) -> Library:
    return Library(where, {(clip.recording, clip.camera): clip for clip in find_clips(where)}, table)


def data_folder(run: Run) -> Path | None:
    """The data set's folder, as the run's settings name it; None where they don't, or where it isn't there."""
    named = settings(run).get("data")
    if not isinstance(named, str):
        return None
    above = [Path(), *list(run.folder.resolve().parents)[:UP]]
    return next((place / named for place in above if (place / named).is_dir()), None)


def settings(run: Run) -> dict[str, Any]:
    """What the run's config.yaml holds; nothing where it isn't a table."""
    import yaml

    from viewloom.yaml_files import load_yaml

    try:
        found = load_yaml(run.config)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _table(runs: Sequence[Run], data: Path | None) -> ViewTable | None:
    """Views and their cameras, by the runs' file of views, else by that in the data set's folder."""
    named = [settings(run).get("views_file") for run in runs]
    places = [Path(name) for name in named if isinstance(name, str)] + ([data / VIEWS_FILE] if data else [])
    return next((ViewTable.from_yaml(path) for path in places if path.is_file()), None)


def link(path: Path, page: Path) -> str:
    """The address of a file as the page's folder sees it, relative where that can be, with odd characters encoded."""
    try:
        return quote(Path(os.path.relpath(path, page.parent)).as_posix(), safe="/")
    except ValueError:  # on another drive
        return path.absolute().as_uri()
