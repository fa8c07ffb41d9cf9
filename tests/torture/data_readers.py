"""Readers of data sets: layouts, splits, views, feature stores, indexes."""

import json
import pickle
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.features.stores import random_recordings, write_lmdb
from tests.made_layouts import MADE
from tests.made_stores import WRITERS
from tests.tiny import write_tiny
from tests.torture.readers import Facts, Reader, bad_segments, examples
from viewloom.registry import LAYOUTS, STORES

TEXTS = ("**/*.txt", "**/*.csv", "**/*.json", "**/*.yaml", "**/*.bundle")
FPS = 30.0
EGOEMS = "Annotations/aaai26_main_annotation_segmentation.json"
VIEWS = ("ego", "exo")


def readers() -> list[Reader]:
    """All readers of this file."""
    layouts = examples("layouts", LAYOUTS.names(), MADE)
    stores = examples("stores", STORES.names(), WRITERS)
    own = [
        ("views and settings", _table, ("data/views.yaml", "data/dataset.yaml", "data/actions.txt"), {}),
        ("labels.csv", _table, ("data/labels.csv",), {}),
        ("labels of several at once", _multi, ("data/labels.csv",), {"labels_mode": "multi"}),
        ("split lists", _table, ("data/splits/*.txt",), {}),
        ("fold folders", _folds, ("data/splits/**/*.txt",), {"fold": 1}),
    ]
    return [
        *(Reader(f"layout {name}", partial(_layout, name), TEXTS, _open_made, _wrong_data) for name in layouts),
        *(Reader(name, make, files, partial(_open, **more), _wrong_data) for name, make, files, more in own),
        *(_of_store(name) for name in stores),
        Reader(
            "manifest", partial(_store, "packed"), ("store/*.json",), partial(_read_store, "packed"), _wrong_manifest
        ),
        Reader("index", _index, ("i.json",), partial(_read_index, "i.json")),
        Reader("statistics pickle", _statistics, ("s.pkl",), partial(_read_index, "s.pkl"), binary=True),
        Reader("pool cache", _cached, ("cache/*",), _read_cached, binary=True),
    ]


def _of_store(name: str) -> Reader:
    files = (f"store/**/{_mark(name)}",)
    return Reader(f"store {name}", partial(_store, name), files, partial(_read_store, name), binary=name != "csv")


def _mark(store: str) -> str:
    """Files of a store."""
    return {"packed": "*.safetensors", "lmdb": "data.mdb"}.get(store, "*.*")


def _layout(name: str, folder: Path) -> None:
    made = MADE[name](folder / "data")
    settings = {key: value for key, value in made.trained.items() if key != "views"}
    (folder / "settings.pkl").write_bytes(pickle.dumps(settings))


def _table(folder: Path) -> None:
    write_tiny(folder / "data", recordings=4, segments=3)
    (folder / "data" / "dataset.yaml").write_text(
        "name: tiny\nfps: 30\nmissing: error\nsampling: {chunk_s: 0.5, test_chunks: [3, 5]}\n"
    )


def _multi(folder: Path) -> None:
    _table(folder)
    path = folder / "data" / "labels.csv"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([*lines, *(line.replace(",act0", ",act1") for line in lines[1:] if "act0" in line)]) + "\n"
    )


def _folds(folder: Path) -> None:
    _table(folder)
    lists = {path.name: path.read_text() for path in (folder / "data" / "splits").iterdir()}
    for number in range(2):
        (folder / "data" / "splits" / f"fold{number}").mkdir()
        for name, text in lists.items():
            (folder / "data" / "splits" / f"fold{number}" / name).write_text(text)
    for name in lists:
        (folder / "data" / "splits" / name).unlink()


def _open_made(folder: Path) -> Facts:
    return _open(folder, **pickle.loads((folder / "settings.pkl").read_bytes()))


def _open(folder: Path, **settings: Any) -> Facts:
    """As `check` looks at a folder, and as `train` opens it: labels, lists, views, and all features."""
    from viewloom.check.command import run_check
    from viewloom.check.settings import CheckConfig
    from viewloom.dataset.opening import open_dataset
    from viewloom.dataset.settings import DataConfig
    from viewloom.dataset.splits import ROLES
    from viewloom.errors import UserError

    with suppress(UserError):  # opening says so too
        run_check(CheckConfig(data="data", depth="sampled", **settings))
    data = open_dataset(DataConfig(data="data", **settings))
    roles = {role: [i.name for i in data.items(role)] for role in ROLES if data.splits and getattr(data.splits, role)}
    spans = {
        f"{name} {view}": list(data.source.span(name, view)) for name in data.recordings for view in data.views_of(name)
    }
    sums = [float(np.nansum(data.features(name, data.views_of(name)[0]))) for name in data.recordings]
    labels = {} if data.labels is None else {name: one.facts for name, one in data.labels.annotations.items()}
    actions = [] if data.labels is None else list(data.labels.actions)
    return {"roles": roles, "spans": spans, "sums": sums, "labels": labels, "actions": actions, "fps": data.source.fps}


def _wrong_data(folder: Path, facts: Any) -> str | None:
    if why := _contradiction(folder / "data"):
        return why
    if len(set(facts["actions"])) < len(facts["actions"]) or not all(map(str.strip, facts["actions"])):
        return "an action twice, or without a name"
    if not 0 < facts["fps"] < 1e6:
        return f"{facts['fps']} frames a second"
    for starts, ends, classes, *more in facts["labels"].values():
        why = bad_segments(zip(starts, ends, strict=True), overlap=bool(more))
        if why or not all(-1 <= k < len(facts["actions"]) for k in classes):
            return why or "a class that isn't in the list"
    return None


def _contradiction(data: Path) -> str | None:
    """What a public data set's own files say of one thing in two ways; each is JSON, since it was read."""
    scans, trials, views = data / "annotations/gt_segments.json", data / EGOEMS, data / "tas_annotation/splits"
    takes = [data / f"annotations/keystep_{role}.json" for role in ("train", "val")]
    if scans.is_file():
        subsets = {scan["subset"] for scan in json.loads(scans.read_text("utf-8-sig"))["database"].values()}
        return None if subsets <= {"training", "testing"} else "a scan of no known subset"
    if all(path.is_file() for path in takes):
        train, val = (json.loads(path.read_text("utf-8-sig"))["annotations"] for path in takes)
        return "a take that two files annotate" if train.keys() & val.keys() else None
    if trials.is_file():
        found = [
            (subject["subject_id"], scenario["scenario_id"], trial["trial_id"])
            for subject in json.loads(trials.read_text("utf-8-sig"))["subjects"]
            for scenario in subject["scenarios"]
            for trial in scenario["trials"]
        ]
        return "a trial is there twice" if len(set(map("_".join, found))) < len(found) else None
    bundles = {view: [path for path in views.glob(f"{view}_*.bundle") if path.is_file()] for view in VIEWS}
    ego, exo = ({name for path in bundles[view] for name in path.read_text("utf-8-sig").split()} for view in VIEWS)
    return "a video of two views" if ego & exo else None


def _wrong_manifest(folder: Path, facts: Any) -> str | None:
    value = json.loads((folder / "store/manifest.json").read_text("utf-8-sig"))
    found = [(entry["recording"], entry["camera"]) for entry in value["entries"]]
    return "an entry is there twice" if len(set(found)) < len(found) else None


def _store(name: str, folder: Path) -> None:
    from tests.test_every_store import recordings

    WRITERS[name](folder / "store", recordings())


def _read_store(name: str, folder: Path) -> Facts:
    from viewloom.features.opening import open_source

    axes: Any = "td" if name in ("npy", "hdf5") else "auto"
    source = open_source(folder / "store", fps=None if name == "packed" else FPS, axes=axes)
    rows = {}
    for recording in source.recordings:
        for view in source.views(recording):
            span = source.span(recording, view)
            x_TD = source.read(recording, view, *span)
            rows[f"{recording} {view}"] = [
                *span,
                *x_TD.shape,
                float(np.nansum(x_TD)),
                source.missing_runs(recording, view),
            ]
            source.read_pooled(recording, view, *span, 4, "mean")
    return rows


def _index(folder: Path) -> None:
    from viewloom.dataset.indexing import run_index
    from viewloom.features.settings import IndexConfig

    write_lmdb(folder / "lmdb", random_recordings())
    run_index(IndexConfig(data=str(folder / "lmdb"), out=str(folder / "i.json")))


def _statistics(folder: Path) -> None:
    write_lmdb(folder / "lmdb", random_recordings())
    spans = {"rec_a": [1, 41], "rec_b": [1, 58]}
    value = {name: dict.fromkeys(("C10118_rgb", "HMC_84358933_mono10bit"), span) for name, span in spans.items()}
    (folder / "s.pkl").write_bytes(pickle.dumps(value))


def _read_index(name: str, folder: Path) -> Facts:
    """As `pack --index` takes spans from it."""
    from viewloom.features.index import load_index
    from viewloom.features.opening import open_source

    index = load_index(name)
    source = open_source(folder / "lmdb", index=index)
    spans = {f"{r} {v}": list(source.span(r, v)) for r in source.recordings for v in source.views(r)}
    few = {key: span for key, span in spans.items() if span[1] - span[0] < 10000}
    sums = [float(np.nansum(source.read(*key.split(" "), *span))) for key, span in few.items()]
    return [spans, sums]


def _cached(folder: Path) -> None:
    """Kept windows of a data set, and the keys by which they are found."""
    import json

    from safetensors import safe_open

    from viewloom.dataset.opening import open_dataset
    from viewloom.dataset.settings import DataConfig

    _table(folder)
    data = open_dataset(DataConfig(data=str(folder / "data"), pool_cache=str(folder / "cache")))
    keys: dict[str, Any] = {}
    for name in data.recordings:
        start, end = data.source.span(name, "v3")
        data.source.read_pooled(name, "v3", start, end, 5, "max")
        for path in (folder / "cache").iterdir():
            with safe_open(path, "np") as file:
                keys.setdefault(path.name, [file.metadata()["key"], start, end, -(-(end - start) // 5)])
    (folder / "keys.json").write_text(json.dumps(keys))


def _read_cached(folder: Path) -> Facts:
    import json

    from viewloom.features import cache

    found = []
    for name, asked in json.loads((folder / "keys.json").read_text()).items():
        kept = cache._load(folder / "cache" / name, *asked, verify=True)
        found.append(None if kept is None else [float(np.nansum(kept[0])), kept[1].tolist()])
    return found
