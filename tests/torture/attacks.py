"""Every evil file before its reader, in one process with little memory: ``python -m tests.torture.attacks FOLDER``.

Prints a line of JSON for each attack: its name, what came of it ("message", "read", "traceback"), the text, seconds of
processor time and MiB that the process grew by. A hang is ended by an alarm and is a traceback.
"""

import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.torture import evil

MEMORY_GIB = 8
"""Address space, most of which is torch's libraries and maps of files."""
PATIENCE_S = 60
Attack = tuple[str, Callable[[], Any]]


def main(folder: Path) -> None:
    """Run all attacks in a folder."""
    import torch  # noqa: F401 - its libraries are not an attack's memory

    from viewloom.errors import UserError

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_GIB << 30, MEMORY_GIB << 30))
    signal.signal(signal.SIGALRM, _hang)
    for name, run in attacks(folder):
        peak, began = _peak(anew=True), time.process_time()
        signal.alarm(PATIENCE_S)
        try:
            result, text = "read", repr(run())[:300]
        except UserError as error:
            result, text = "message", str(error)
        except BaseException:  # noqa: BLE001 - whatever it is, it is told
            result, text = "traceback", traceback.format_exc()[-1500:]
        signal.alarm(0)
        grown = _peak() - peak
        line = {"name": name, "result": result, "text": text, "s": time.process_time() - began, "mib": grown}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _hang(*_: Any) -> None:
    raise TimeoutError("a hang")


def _peak(anew: bool = False) -> int:
    """MiB that were resident at most, on Linux since this was asked ``anew``."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    kinds = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(kinds["VmHWM"].split()[0]) >> 10


def attacks(folder: Path) -> Iterator[Attack]:
    """Name and what is to be refused; files are made just before."""
    for part in (_pickles, _torch_files, _tables, _lmdb, _runs, _archives, _no_files):
        here = folder / part.__name__.strip("_")
        here.mkdir()
        yield from part(here)


def _store(folder: Path, **more: Any) -> Any:
    """A store opened, and its first window read."""
    from viewloom.features.opening import open_source

    source = open_source(folder, **more)
    recording = source.recordings[0]
    view = source.views(recording)[0]
    first = source.span(recording, view).first
    return source.read_pooled(recording, view, first, first + 300, 10).mask_S.shape


def _pickles(folder: Path) -> Iterator[Attack]:
    from viewloom.features.index import load_index

    yield "statistics: hash bomb", lambda: load_index(evil.pickle_bomb(folder / "a.pkl"))
    yield "statistics: text bomb", lambda: load_index(evil.shared_lists(folder / "b.pkl"))


def _torch_files(folder: Path) -> Iterator[Attack]:
    from viewloom.extract.backbones.base import load_state
    from viewloom.training.published import read_weights

    made = {
        "inflating pickle": lambda path: evil.inflating_pickle(path, 1 << 27),
        "expanded tensor": evil.expanded_tensor,
        "beyond its record": evil.beyond_record,
        "bytearray of 2^40": evil.made_of_air,
        "code": lambda path: evil.code_pickle(path, folder / "ran"),
    }
    for name, make in made.items():
        (folder / name).mkdir()
        path = make(folder / name / "a.pt")
        yield f"checkpoint: {name}", lambda path=path: read_weights(path)  # type: ignore[misc]
        yield f"features: {name}", lambda path=path: _store(path.parent)  # type: ignore[misc]
        yield f"backbone: {name}", lambda path=path: load_state(path)  # type: ignore[misc]
    yield "nothing ran", lambda: (folder / "ran").exists()


def _tables(folder: Path) -> Iterator[Attack]:
    for name, make in {
        "giant.npy": evil.npy_header,
        "negative.npy": lambda path: evil.npy_header(path, (-5, 8)),
        "bomb.h5": evil.hdf5_bomb,
        "chunk.h5": evil.hdf5_chunk,
        "loop.h5": evil.hdf5_loop,
        "bomb.parquet": evil.parquet_bomb,
    }.items():
        (folder / name).mkdir()
        make(folder / name / name)
        yield name, lambda name=name: _store(folder / name)  # type: ignore[misc]
    yield "endless manifest", lambda: _store(_endless_manifest(folder / "packed"))


def _endless_manifest(folder: Path) -> Path:
    from tests.features.stores import random_recordings, write_lmdb
    from viewloom.dataset.packing import run_pack
    from viewloom.features.settings import PackConfig

    write_lmdb(folder / "lmdb", random_recordings())
    run_pack(PackConfig(data=str(folder / "lmdb"), out=str(folder / "store"), workers=0))
    path = folder / "store" / "manifest.json"
    told = json.loads(path.read_text())
    told["entries"][0]["end"] = 10**12
    told.pop("sum")
    path.write_text(json.dumps(told))
    return folder / "store"


def _lmdb(folder: Path) -> Iterator[Attack]:
    from viewloom.features.lmdb import LmdbSource

    def whole(root: Path) -> Any:
        source = LmdbSource(root)
        return [source.read(recording, "C1", *source.span(recording, "C1")).shape for recording in source.recordings]

    pages = evil.lmdb(folder / "sound").stat().st_size // evil.PAGE
    yield "lmdb: sound", lambda: whole(folder / "sound")
    for page in range(pages):
        root = folder / f"zero{page}"
        evil.zero_page(evil.lmdb(root), page)
        yield f"lmdb: page {page} of zeros", lambda root=root: whole(root)  # type: ignore[misc]
    evil.map_size(evil.lmdb(folder / "map"))
    yield "lmdb: giant map", lambda: whole(folder / "map")
    (folder / "giant" / "C1").mkdir(parents=True)
    (folder / "giant" / "C1" / "data.mdb").write_bytes(b"\x00" * 20000)
    yield "lmdb: only zeros", lambda: whole(folder / "giant")


def _runs(folder: Path) -> Iterator[Attack]:
    from tests.report.make_runs import ACTIONS, make_items, write_run
    from viewloom.report.command import run_report
    from viewloom.report.settings import ReportConfig

    items = make_items(1, ACTIONS[:4])

    def report(run: Path) -> Any:
        return run_report(ReportConfig(runs=str(run), out=str(folder / "page.html"), overwrite=True))

    for number, (file, change) in enumerate(
        {
            "predictions/e4.json": lambda value: next(iter(value["items"].values())).update(end=1e13),
            "predictions/v3.json": lambda value: next(iter(value["items"].values())).update(end=10**9),
            "metrics.json": lambda value: value.update(fps=float("nan")),
        }.items()
    ):
        run = folder / f"run{number}"
        write_run(run, "naive", {"v3": 0.9, "e4": 0.5}, ["v3"], items, ACTIONS[:4])
        value = json.loads((run / file).read_text())
        change(value)
        (run / file).write_text(json.dumps(value))
        yield f"report: {file}", lambda run=run: report(run)  # type: ignore[misc]
    evil.deep_json(folder / "run0" / "predictions" / "e4.json")
    yield "report: deep JSON", lambda: report(folder / "run0")


def _archives(folder: Path) -> Iterator[Attack]:
    from viewloom.download.unpack import unpack
    from viewloom.videos.files import video_frames

    def out(path: Path) -> Any:
        return unpack(path, folder / f"{path.stem}_out", "key.txt")

    yield "zip: bomb", lambda: out(evil.zip_bomb(folder / "bomb.zip"))
    yield "zip: twice", lambda: out(evil.zip_of(folder / "twice.zip", "a/key.txt", "a/x", "a/x"))
    yield "zip: file and folder", lambda: out(evil.zip_of(folder / "both.zip", "a/key.txt", "a/x", "a/x/y"))
    yield "zip: case", lambda: out(evil.zip_of(folder / "case.zip", "a/key.txt", "a/x", "a/X"))
    yield "zip: link", lambda: out(evil.zip_of(folder / "link.zip", "a/key.txt", "a/x", link="a/x"))
    yield "zip: out of it", lambda: out(evil.zip_of(folder / "out.zip", "a/key.txt", "a/../../x"))
    yield "zip: absolute", lambda: out(evil.zip_of(folder / "absolute.zip", "a/key.txt", "/tmp/x"))
    picture = evil.png_bomb(folder / "a.png")
    yield "picture: bomb", lambda: len(list(video_frames(picture, still=True)))


def _no_files(folder: Path) -> Iterator[Attack]:
    """Pipes, folders and names that no file can have, before everything that reads a file."""
    from viewloom.download.unpack import unpack
    from viewloom.features.npy import read_header
    from viewloom.features.rows import RowFile
    from viewloom.features.statistics_file import read_statistics
    from viewloom.methods.refiner_file import load_refiner
    from viewloom.training.checkpoints import read_head
    from viewloom.training.published import read_weights
    from viewloom.training.resuming import read_checkpoint
    from viewloom.videos.files import video_frames

    readers: dict[str, Callable[[Path], Any]] = {
        "checkpoint": read_weights,
        "ckpt": read_checkpoint,
        "statistics": read_statistics,
        "head": read_head,
        "refiner": load_refiner,
        "npy": read_header,
        "packed": RowFile.open,
        "video": lambda path: list(video_frames(path)),
        "zip": lambda path: unpack(path, folder / "out", "key"),
    }
    (folder / "folder").mkdir()
    paths = {
        "pipe": evil.pipe(folder / "pipe"),
        "folder": folder / "folder",
        "NUL": folder / "a\0b",
        "long name": folder / ("a" * 255 + ".pt"),
        "device": Path("/dev/zero"),
    }
    for what, path in paths.items():
        for reader, read in readers.items():
            yield f"{reader}: {what}", lambda read=read, path=path: read(path)  # type: ignore[misc]
    for name in ("a.npy", "a.pt", "a.h5", "a.parquet"):
        (folder / f"of {name}").mkdir()
        evil.pipe(folder / f"of {name}" / name)
        yield f"store: pipe {name}", lambda name=name: _store(folder / f"of {name}")  # type: ignore[misc]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
