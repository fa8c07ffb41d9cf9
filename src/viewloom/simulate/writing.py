"""Writing simulated recordings in the layouts of real ones."""

import json
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

from viewloom.features.lmdb import frame_key, key_prefix
from viewloom.features.views import ViewTable
from viewloom.simulate.settings import SimulateConfig
from viewloom.simulate.timelines import Script

PAGE = 4096
"""Bytes of an LMDB page."""

KEY = 90
"""Bytes of a key, about, with what LMDB keeps beside it."""


def bytes_a_frame(layout: str, dim: int) -> int:
    """Disk space of one frame of one camera, about."""
    value = 4 * dim
    if layout == "npy":
        return value
    if value > PAGE // 2 - KEY:  # a long value has pages of its own
        return -(-(value + 16) // PAGE) * PAGE + KEY
    return PAGE // (PAGE // (value + KEY))


def view_file(root: Path, config: SimulateConfig) -> None:
    """Write ``views.yaml``: kind and cameras of each view, and rate and feature size where they are its own."""
    table: dict[str, dict[str, Any]] = {}
    for name in config.view_names:
        view = ViewTable.assembly101()[name]
        table[name] = {"kind": view.kind, "cameras": list(view.cameras)}
        table[name] |= {"fps": config.fps_of(name)} if name in config.rates else {}
        table[name] |= {"dim": config.dim_of(name)} if name in config.dims else {}
    (root / "views.yaml").write_text(json.dumps({"views": table}) + "\n", encoding="utf-8")  # JSON is YAML


class Writer(ABC):
    """Takes recordings in the order of their names, then labels and lists."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def features(
        self, recording: str, camera: str, first: int, kept: NDArray[np.int64], x_TD: NDArray[np.float32]
    ) -> None:
        """Store those rows of a camera's features (T, D) that are ``kept``; row 0 is frame ``first``."""

    @abstractmethod
    def script(self, script: Script) -> None:
        """Store labels, action list and split lists."""

    def close(self) -> None:
        """Finish what is open; nothing is, where each file is written at once."""
        return

    def facts(self, facts: dict[str, Any]) -> None:
        """Write ``simulation.json``: settings and injected faults."""
        (self.root / "simulation.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


class LmdbWriter(Writer):
    """Assembly101's layout: one LMDB environment a camera, one label file an item, published list names."""

    def __init__(self, root: Path, frames: int, dim: int) -> None:
        super().__init__(root)
        # An upper bound, not space taken: twice what is needed, for half-filled pages.
        self.map_bytes = 2 * frames * bytes_a_frame("assembly101", dim) + (64 << 20)
        self.environments: dict[str, lmdb.Environment] = {}

    def features(
        self, recording: str, camera: str, first: int, kept: NDArray[np.int64], x_TD: NDArray[np.float32]
    ) -> None:
        """Recordings come sorted, so keys only grow and can be appended."""
        prefix = key_prefix(recording, camera)
        size = x_TD.shape[1] * 4
        data = memoryview(np.ascontiguousarray(x_TD[kept], "<f4").tobytes())
        items = [
            (frame_key(prefix, frame), data[place * size : (place + 1) * size])
            for place, frame in enumerate((kept + first).tolist())
        ]
        with self._environment(camera).begin(write=True) as transaction, transaction.cursor() as cursor:
            _, added = cursor.putmulti(items, append=True)
        assert added == len(items), f"keys of {recording} don't follow those before it"

    def _environment(self, camera: str) -> lmdb.Environment:
        if camera not in self.environments:
            folder = self.root / "TSM_features" / camera
            folder.mkdir(parents=True)
            # Not synced at each recording: the whole folder counts only once it is renamed, after `close`.
            self.environments[camera] = lmdb.open(
                str(folder), map_size=self.map_bytes, sync=False, metasync=False, lock=False
            )
        return self.environments[camera]

    def close(self) -> None:
        """Bring everything to disk."""
        for environment in self.environments.values():
            environment.sync(True)
            environment.close()
        self.environments = {}

    def script(self, script: Script) -> None:
        """Label files, ``actions.csv`` and lists; those of real timelines are copied as they are."""
        labels, lists = self.root / "coarse_labels", self.root / "coarse_splits"
        labels.mkdir()
        lists.mkdir()
        for path in script.copied:
            shutil.copyfile(path, (labels if path.suffix == ".txt" else self.root) / path.name)
        for name, items in script.lists.items():
            (lists / name).write_text("".join(f"{item}\n" for item in items), encoding="utf-8")
        if script.copied:
            return
        verbs, nouns = (list(dict.fromkeys(names)) for names in zip(*script.actions, strict=True))
        rows = ["action_id,verb_id,noun_id,action_cls,verb_cls,noun_cls"]
        for number, action in enumerate(script.actions):
            ids = f"{number},{verbs.index(action.verb)},{nouns.index(action.noun)}"
            rows.append(f"{ids},{action.name},{action.verb},{action.noun}")
        (self.root / "actions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        for timeline in script.timelines:
            for item in timeline.annotations:
                lines = [
                    f"{start:09d}\t{end:09d}\t{script.actions[action].name}\t\n"
                    for start, end, action in zip(item.starts, item.ends, item.labels, strict=True)
                ]
                (labels / f"{item.name}.txt").write_text("".join(lines), encoding="utf-8")


class NpyWriter(Writer):
    """The table layout: ``features/<recording>/<camera>/features.npy`` (D, T), ``labels.csv``, ``splits/``.

    Frames count from 0 there: frame 1 of the simulation becomes 0. Frames left out are columns of NaN.
    """

    def features(
        self, recording: str, camera: str, first: int, kept: NDArray[np.int64], x_TD: NDArray[np.float32]
    ) -> None:
        """One file a camera."""
        assert first == 0, first
        stored = np.full((int(kept[-1]) + 1, x_TD.shape[1]), np.nan, np.float32)
        stored[kept] = x_TD[kept]
        folder = self.root / "features" / recording / camera
        folder.mkdir(parents=True)
        np.save(folder / "features.npy", np.ascontiguousarray(stored.T))

    def script(self, script: Script) -> None:
        """All items of a recording become segments of that recording."""
        rows = ["recording,start,end,label"]
        for timeline in script.timelines:
            for item in timeline.annotations:
                for start, end, action in zip(item.starts, item.ends, item.labels, strict=True):
                    rows.append(f"{timeline.recording},{start - 1},{end - 1},{script.actions[action].name}")
        texts = {"labels.csv": rows, "actions.txt": [action.name for action in script.actions]}
        for name, lines in texts.items():
            (self.root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        recording_of = {item.name: timeline.recording for timeline in script.timelines for item in timeline.annotations}
        (self.root / "splits").mkdir()
        for role, items in zip(("pairs", "train", "val", "test"), script.lists.values(), strict=True):
            names = dict.fromkeys(recording_of[item] for item in items)
            if names:
                (self.root / "splits" / f"{role}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
