"""A hub to download from, in a process of its own, while a trial runs."""

import io
import os
import signal
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.features.stores import write_lmdb
from tests.hub_server import hub_server

REPO, COARSE = "cvml-nus/assembly101", "annotations/coarse-annotations"
CAMERAS = ("C10118_rgb", "HMC_84358933_mono10bit")


def hub_files() -> dict[str, bytes]:
    """A small Assembly101: two archives of features, labels and splits."""
    files = {
        f"{COARSE}/actions.csv": b"action_id,action_cls\n0,take\n1,put\n",
        f"{COARSE}/coarse_labels/assembly_nusar-1.txt": b"0000001\t0000021\ttake\t\n0000021\t0000041\tput\t\n",
        f"{COARSE}/coarse_splits/train_coarse_assembly.txt": b"assembly_nusar-1.txt\t1\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        for camera in CAMERAS:
            rows = np.random.default_rng(len(camera)).random((40, 60)).astype(np.float32)
            write_lmdb(folder, {"nusar-1": {camera: (1, rows, ())}})
            target = io.BytesIO()
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo("data.mdb"), (Path(folder) / camera / "data.mdb").read_bytes())
            files[f"TSM_features/{camera}.zip"] = target.getvalue()
    return files


class _Served:
    """Gives the environment that leads to the hub; empty where none is wanted."""

    def __init__(self) -> None:
        self.processes: set[int] = set()

    @contextmanager
    def __call__(self, wanted: bool) -> Iterator[dict[str, str]]:
        if not wanted:
            yield {}
            return
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            _serve(write)
        os.close(write)
        self.processes.add(process)
        try:
            yield {"HF_ENDPOINT": os.read(read, 200).decode(), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": ""}
        finally:
            os.close(read)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            self.processes.discard(process)


served_hub = _Served()


def _serve(write: int) -> None:
    try:
        with hub_server() as hub:
            hub.files[REPO] = hub_files()
            os.write(write, hub.url.encode())
            parent = os.getppid()
            while os.getppid() == parent:
                time.sleep(1)
    finally:
        os._exit(0)
