"""A small data set in every layout, in the format its authors describe; the tests of every layout go over `MADE`.

Each is made of one script: recordings, views, and for each frame an action, of which features tell with some noise.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from tests.features.stores import write_lmdb
from tests.mstcn import write_mstcn
from tests.tiny import write_tiny
from viewloom.features.views import ViewTable

ACTIONS = ("rest", "take", "open", "pour")
DIM = 8


@dataclass
class Script:
    """What happens, and how cameras see it."""

    seed: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.means = {camera: 4 * self.rng.normal(size=(len(ACTIONS), DIM)) for camera in range(4)}

    def labels(self, least: int = 30, most: int = 60) -> np.ndarray:
        """An action a frame."""
        order = self.rng.permutation(len(ACTIONS))
        return np.repeat([*order, order[0]], self.rng.integers(least, most, len(order) + 1))

    def features(self, labels_T: np.ndarray, camera: int = 0) -> np.ndarray:
        """(T, D) float32."""
        noise = 0.1 * self.rng.normal(size=(len(labels_T), DIM))
        return np.maximum(self.means[camera][labels_T] + noise, 0).astype(np.float32)


def segments(labels_T: np.ndarray) -> list[tuple[int, int, str]]:
    """(start, end, action), end exclusive."""
    ends = [0, *(np.flatnonzero(np.diff(labels_T)) + 1).tolist(), len(labels_T)]
    return [(start, end, ACTIONS[labels_T[start]]) for start, end in pairwise(ends)]


@dataclass(frozen=True)
class Made:
    """A data set that was made, and what must be found in it.

    Attributes:
        views: with their kinds.
        recordings: their number.
        fps: frames per second that the layout fixes; None: it doesn't.
        actions: their number.
        trained: settings by which a head is trained on its lists.
    """

    views: Mapping[str, str]
    recordings: int
    fps: float | None
    actions: int
    trained: Mapping[str, object]


def text(path: Path, lines) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def as_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def npy(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def tensor(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torch.from_numpy(array), path)


def assembly101(root: Path) -> Made:
    script, stored, lists = Script(1), {}, {"train": [], "val": [], "test": []}
    cameras = ("C10118_rgb", "HMC_84358933_mono10bit")
    for number, role in enumerate(("train", "train", "val", "test")):
        sequence = f"nusar-{number}"
        labels_T = script.labels()
        stored[sequence] = {c: (1, script.features(labels_T, i), ()) for i, c in enumerate(cameras)}
        rows = [f"{start + 1:07d}\t{end + 1:07d}\t{action}\t" for start, end, action in segments(labels_T)]
        text(root / "coarse_labels" / f"assembly_{sequence}.txt", rows)
        lists[role].append(f"assembly_{sequence}.txt\t0\t")
    for role, names in lists.items():
        text(root / "coarse_splits" / f"{role}_coarse_assembly.txt", names)
        text(root / "coarse_splits" / f"{role}_coarse_disassembly.txt", [f"disassembly_{role}.txt"])
    text(root / "actions.csv", ["action_id,action_cls", *(f"{i},{a}" for i, a in enumerate(ACTIONS))])
    write_lmdb(root / "TSM_features", stored)
    kinds = {view.name: view.kind for view in ViewTable.assembly101().views if view.name in ("v3", "e4")}
    return Made(kinds, 4, 30.0, len(ACTIONS), {"views": "v3", "missing": "skip"})


def mstcn(root: Path) -> Made:
    write_mstcn(root, dim=DIM)
    return Made({"v1": "other"}, 8, None, 5, {"views": "v1", "fold": 1})


def table(root: Path) -> Made:
    write_tiny(root)
    return Made({"v3": "exo", "e4": "ego"}, 8, None, 4, {"views": "v3"})


def _videos(root: Path, videos: Mapping[str, np.ndarray], folds: list[list[str]]) -> None:
    """MS-TCN's files of videos: an action a line, (D, T) arrays, bundles of which each leaves some out."""
    text(root / "mapping.txt", [f"{i} {action}" for i, action in enumerate(ACTIONS)])
    for number, tested in enumerate(folds, 1):
        for role, names in (("train", sorted(set(videos) - set(tested))), ("test", tested)):
            text(root / "splits" / f"{role}.split{number}.bundle", [f"{name}.txt" for name in names])


def _flat(root: Path, names: list[str], folds: list[list[str]]) -> None:
    script, videos = Script(2), {}
    for name in names:
        videos[name] = labels_T = script.labels()
        text(root / "groundTruth" / f"{name}.txt", [ACTIONS[k] for k in labels_T])
        npy(root / "features" / f"{name}.npy", script.features(labels_T).T)
    _videos(root, videos, folds)


def salads(root: Path) -> Made:
    names = [f"rgb-0{i}-{j}" for i in (1, 2, 3) for j in (1, 2)]
    _flat(root, names, [names[:2], names[2:4], names[4:]])
    return Made({"top": "exo"}, 6, 30.0, 4, {"views": "top", "fold": 1})


def gtea(root: Path) -> Made:
    names = [f"S{i}_{dish}_C1" for i in (1, 2, 3) for dish in ("Cheese", "CofHoney")]
    _flat(root, names, [names[:2], names[2:4], names[4:]])
    return Made({"ego": "ego"}, 6, 15.0, 4, {"views": "ego", "fold": 2})


def breakfast(root: Path) -> Made:
    """Two or three cameras of a recording, whose files differ by a few frames."""
    script, videos, tested = Script(3), {}, []
    for person in ("P03", "P04", "P05"):
        for dish in ("cereals", "friedegg"):
            labels_T = script.labels()
            for i, camera in enumerate(("cam01", "webcam01", "stereo01")[: 2 + (person == "P03")]):
                name = f"{person}_{camera}_{person}_{dish}"
                videos[name] = own_T = labels_T[: len(labels_T) - i]
                text(root / "groundTruth" / f"{name}.txt", [ACTIONS[k] for k in own_T])
                npy(root / "features" / f"{name}.npy", script.features(own_T, i).T)
        tested.append([name for name in videos if name.startswith(person)])
    _videos(root, videos, tested)
    return Made({"cam01": "exo", "stereo01": "exo", "webcam01": "exo"}, 6, 15.0, 4, {"views": "cam01", "fold": 3})


def ikea_asm(root: Path) -> Made:
    """Segments with their last frames; NA where nothing happens; furniture with two scans of one name."""
    script, database = Script(4), {}
    for furniture in ("Lack_TV_Bench", "Kallax_Shelf_Drawer"):
        for scan in ("0001_black_table_02_01", "0002_oak_floor_03_02"):
            labels_T = script.labels()
            parts = [
                {"segment": [start, end - 1], "label": "NA" if action == "rest" else action}
                for start, end, action in segments(labels_T)
            ]
            subset = "testing" if scan.startswith("0002") else "training"
            database[f"{furniture}/{scan}"] = {"subset": subset, "annotation": parts}
            for i, camera in enumerate(("dev1", "dev3")):
                npy(root / "features" / furniture / scan / f"{camera}.npy", script.features(labels_T, i))
    as_json(root / "annotations" / "gt_segments.json", {"version": "2.0.1", "database": database})
    text(root / "indexing_files" / "atomic_action_list.txt", ["pour", "take", "open"])
    return Made({"dev1": "exo", "dev3": "exo"}, 4, None, 4, {"views": "dev3"})


def egoems(root: Path) -> Made:
    """Listed paths of another machine; a trial without the fixed camera; a smart watch as CSV."""
    script, subjects, roles = Script(5), [], {"train": [], "val": [], "test": []}
    for number, role in enumerate(("train", "train", "val", "test")):
        person, trial = f"P{number}", "s2"
        labels_T = script.labels()
        streams = {"exocam_rgbd": [], "smartwatch_imu": {"file_id": "w", "file_path": "/scratch/x/w.csv"}}
        for i, stream in enumerate(("clip_ego", "clip_exo")[: 2 - (number == 1)]):
            name = f"{person}_{trial}_{stream}.npy"
            listed = f"/scratch/someone/{person}/cardiac_arrest/{trial}/{stream}/{name}"
            streams[stream] = {"file_id": name[:-4], "file_path": listed}
            npy(root / person / "cardiac_arrest" / trial / stream / name, script.features(labels_T, i))
        keysteps = [
            {
                "keystep_id": f"{i}",
                "start_t": start / 29.97,
                "end_t": end / 29.97,
                "label": action,
                "class_id": 3 * ACTIONS.index(action),
            }
            for i, (start, end, action) in enumerate(segments(labels_T))
        ]
        entry = {"trial_id": trial, "streams": streams, "keysteps": keysteps, "interventions": {}}
        scenario = {"scenario_id": "cardiac_arrest", "trials": [entry]}
        subjects.append({"subject_id": person, "expertise_level": "Not certified", "scenarios": [scenario]})
        roles[role].append(subjects[-1])
    as_json(root / "Annotations" / "aaai26_main_annotation_segmentation.json", {"subjects": subjects})
    for role, some in roles.items():
        path = root / "Annotations" / "splits" / "trials" / f"aaai26_{role}_split_segmentation.json"
        as_json(path, {"subjects": some})
    return Made({"clip_ego": "ego", "clip_exo": "exo"}, 4, 29.97, 4, {"views": "clip_exo", "missing": "skip"})


def take_uid(number: int) -> str:
    return f"{number:08x}-776e-4c88-b0c3-2fad016a6025"


def egoexo4d(root: Path) -> Made:
    """Rows every 16/30 s; rigs whose cameras are called otherwise; a take without keysteps, and a withheld one."""
    script, rate = Script(6), 30 / 16
    ids = dict(zip(ACTIONS, (7, 12, 30, 4), strict=True))
    keysteps, splits = {"train": {}, "val": {}}, {"train": [], "val": [], "test": []}
    for number, role in enumerate(("train", "train", "train", "val", "val", "test")):
        uid = take_uid(number)
        labels_T = script.labels(8, 16)
        cameras = ("aria01_rgb", "cam01_0") if number % 2 else ("aria03_rgb", "gp01_0")
        for i, camera in enumerate(cameras):
            tensor(root / "features" / "omnivore_video" / f"{uid}_{camera}.pt", script.features(labels_T, i))
        splits[role].append(uid)
        if number == 2 or role == "test":
            continue
        parts = [
            {
                "start_time": (start + 1) / rate,
                "end_time": (end + 1) / rate,
                "step_id": 1,
                "step_unique_id": ids[action],
                "step_name": action,
            }
            for start, end, action in segments(labels_T)
        ]
        keysteps[role][uid] = {"take_uid": uid, "take_name": f"lab_{number}", "scenario": "Cooking", "segments": parts}
    vocabulary = {str(number): action for action, number in ids.items()}
    for role, annotations in keysteps.items():
        path = root / "annotations" / f"keystep_{role}.json"
        as_json(path, {"annotations": annotations, "taxonomy": {}, "vocabulary": vocabulary})
    split_of = {uid: role for role, uids in splits.items() for uid in uids}
    as_json(root / "annotations" / "splits.json", {"split_to_take_uids": splits, "take_uid_to_split": split_of})
    return Made({"ego": "ego", "exo1": "exo"}, 6, 1.875, 4, {"views": "exo1"})


def egoexolearn(root: Path) -> Made:
    """Ids a frame; ego and exo videos of other moments; a tensor with a third axis."""
    script, base = Script(7), root / "tas_annotation"
    names = [f"action {i}" for i in range(1, 28)]
    as_json(base / "semantic_en.json", [{"key": name, "value": f"{i}"} for i, name in enumerate(names, 1)])
    for view in ("ego", "exo"):
        for role in ("train", "val", "test"):
            videos = []
            for _ in range(2):
                videos.append(take_uid(int(script.rng.integers(1 << 30))))
                labels_T = script.labels()
                text(base / "gts_fps25" / f"{videos[-1]}.txt", [str(k) for k in labels_T])
                x_TD = script.features(labels_T, int(view == "ego"))
                whole = x_TD if role != "val" else np.repeat(x_TD[..., None], 2, axis=2)
                tensor(root / "features" / f"{videos[-1]}.pt", whole)
            text(base / "splits" / f"{view}_{role}_annotations.bundle", [f"{video}.txt" for video in videos])
    return Made({"ego": "ego", "exo": "exo"}, 12, 25.0, 28, {"views": "exo"})


MADE: Mapping[str, Callable[[Path], Made]] = {
    "50salads": salads,
    "assembly101": assembly101,
    "breakfast": breakfast,
    "egoems": egoems,
    "egoexo4d": egoexo4d,
    "egoexolearn": egoexolearn,
    "gtea": gtea,
    "ikea_asm": ikea_asm,
    "mstcn": mstcn,
    "table": table,
}
"""How a small data set in each registered layout is made; a layout without one fails the tests of every layout."""
