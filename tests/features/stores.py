"""Tiny feature stores for tests, written the slow and plain way."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import lmdb
import numpy as np
from numpy.typing import NDArray

from viewloom.features.base import FeatureSource

Recordings = Mapping[str, Mapping[str, tuple[int, NDArray[np.floating], Collection[int]]]]
"""{recording: {camera: (first frame, features (T, D), frames to leave out)}}"""


def lmdb_key(recording: str, camera: str, frame: int) -> bytes:
    """Key of one frame, as Assembly101's features have it."""
    return f"{recording}/{camera}/{camera}_{frame:010d}.jpg".encode()


def write_lmdb(root: Path | str, recordings: Recordings) -> Path:
    """One LMDB environment for each camera under ``root``, in Assembly101's layout."""
    root = Path(root)
    for camera in sorted({camera for cameras in recordings.values() for camera in cameras}):
        (root / camera).mkdir(parents=True, exist_ok=True)
        environment = lmdb.open(str(root / camera), map_size=1 << 28, lock=False)
        with environment.begin(write=True) as transaction:
            for recording, cameras in recordings.items():
                if camera not in cameras:
                    continue
                first, x_TD, missing = cameras[camera]
                for frame, row in enumerate(x_TD, start=first):
                    if frame not in missing:
                        transaction.put(lmdb_key(recording, camera, frame), row.astype("<f4").tobytes())
        environment.close()
    return root


def write_npy(
    root: Path | str,
    recordings: Recordings,
    layout: Literal["recording/camera", "camera/recording", "flat"] = "recording/camera",
    axes: Literal["dt", "td"] = "dt",
) -> Path:
    """One npy file for each recording and camera; frames to leave out become rows of NaN, first must be 0."""
    root = Path(root)
    for recording, cameras in recordings.items():
        for camera, (first, x_TD, missing) in cameras.items():
            assert first == 0, "npy files count frames from 0"
            rows = x_TD.copy()
            rows[list(missing)] = np.nan
            path = {
                "recording/camera": root / recording / camera / "features.npy",
                "camera/recording": root / camera / f"{recording}.npy",
                "flat": root / f"{recording}.npy",
            }[layout]
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, rows.T if axes == "dt" else rows)
    return root


def random_recordings(
    dim: int = 6,
    lengths: Mapping[str, int] | None = None,
    cameras: Collection[str] = ("C10118_rgb", "HMC_84358933_mono10bit"),
    first: int = 1,
    seed: int = 0,
) -> dict[str, dict[str, tuple[int, NDArray[np.float32], tuple[int, ...]]]]:
    """Recordings of random non-negative features, ready for `write_lmdb` or (with ``first=0``) `write_npy`."""
    rng = np.random.default_rng(seed)
    lengths = lengths or {"rec_a": 40, "rec_b": 57}
    return {
        recording: {camera: (first, rng.gamma(1.0, 0.4, (frames, dim)).astype(np.float32), ()) for camera in cameras}
        for recording, frames in lengths.items()
    }


def lacks(source):
    """What a feature source has not of `FeatureSource`. `isinstance` would not see what it passes on to another one
    from Python 3.12 on."""
    return [name for name in dir(FeatureSource) if not name.startswith("_") and not hasattr(source, name)]
