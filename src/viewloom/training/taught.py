"""What a teacher says of the pair recordings: class probabilities of their frames, kept in the student's run folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from viewloom.console import track
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.errors import DataError, listed
from viewloom.features.base import FeatureSource
from viewloom.features.rows import hash_file
from viewloom.saved import COUNT, NAMES, OBJECT, RATE, TEXT, Kind, read_saved, write_tensors
from viewloom.training.segmenter import Segmenter
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows
from viewloom.windows.taught import SoftLabels

FILE = "taught.safetensors"
TAUGHT = Kind(
    "taught labels",
    {
        "teacher_sha256": TEXT,
        "actions": NAMES,
        "views": NAMES,
        "fps": RATE,
        "classes": COUNT,
        "recordings": OBJECT,
        "sampling": OBJECT,
    },
    "a run folder of `viewloom train --teach_on_pairs true`",
)
"""What the file holds: for each recording the first frame of each run of equal probabilities (``NAME/starts``) and
these (``NAME/probs``, zeros where no labelled view sees the frames); in the metadata spans, rate, the teacher, and the
views and chunk sizes it labelled by."""

Soft = Mapping[str, SoftLabels]


def label_recordings(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], segmenter: Segmenter
) -> dict[str, SoftLabels]:
    """What a teacher says of recordings: at each frame the mean over the labelled views that see it.

    Args:
        dataset: where they are.
        items: the recordings.
        views: the labelled views.
        segmenter: the teacher's chain.
    """
    return dict(track(_labelled(dataset, items, views, segmenter), "Labelling the pairs", len(items)))


def _labelled(
    dataset: MultiViewDataset, items: Sequence[Item], views: Sequence[str], segmenter: Segmenter
) -> Iterator[tuple[str, SoftLabels]]:
    for item in items:
        total_TK = np.zeros((item.end - item.start, segmenter.head.classes), np.float32)
        seen_T = np.zeros(len(total_TK), np.int64)
        for view in (view for view in views if view in dataset.source.views(item.recording)):
            sees_T = sees(dataset.source, item, view, segmenter.sampling)
            for _, probs_TK in segmenter.each(dataset.source, [item], view):
                total_TK += probs_TK * sees_T[:, None]
            seen_T += sees_T
        total_TK /= np.maximum(seen_T, 1, dtype=np.float32)[:, None]
        yield item.recording, SoftLabels.of_frames(total_TK, item.start)


def sees(source: FeatureSource, item: Item, view: str, sampling: Sampling) -> NDArray[np.bool_]:
    """Whether a view has features of each frame of an item; a frame that the policy for missing ones fills counts."""
    sees_T = np.ones(item.end - item.start, np.bool_)
    windows = SegmentWindows(source, None, [item], [view], sampling)
    for row in range(len(windows)) if sampling.missing_frames == "mask" else ():
        pooled = windows[0, row].pooled
        assert pooled is not None
        sees_T[pooled.missing - item.start] = False
    return sees_T


def write_taught(path: Path, soft: Soft, teacher: Path, facts: Mapping[str, Any]) -> None:
    """Write a teacher's labels, atomically.

    Args:
        path: file to write.
        soft: what it says, by recording.
        teacher: its head's file.
        facts: actions, views, fps and sampling.
    """
    spans = {name: [int(labels.starts_R[0]), labels.end] for name, labels in soft.items()}
    metadata = {"teacher_sha256": hash_file(teacher), "recordings": spans, "classes": len(facts["actions"]), **facts}
    tensors = {}
    for name, labels in soft.items():
        tensors[f"{name}/starts"] = torch.from_numpy(labels.starts_R)
        tensors[f"{name}/probs"] = torch.from_numpy(labels.probs_RK)
    write_tensors(path, TAUGHT, metadata, tensors)


def read_taught(path: Path, teacher: Path | None = None) -> dict[str, SoftLabels]:
    """Read labels that `write_taught` wrote, by recording.

    Args:
        path: the file.
        teacher: file of the head that must have given them; None: any.

    Raises:
        DataError: there is no such file, it is broken, or another teacher gave them.
        ConfigError: it is something else, or was written by a later version.
    """
    metadata, tensors = read_saved(path, TAUGHT)
    if teacher is not None and metadata["teacher_sha256"] != hash_file(teacher):
        raise DataError(f"{path} holds labels of another teacher than {teacher}. Delete it, and go on with the run.")
    lacking = [name for name in metadata["recordings"] if not {f"{name}/starts", f"{name}/probs"} <= set(tensors)]
    if lacking:
        raise DataError(f"{path} has no labels of {listed(lacking)}. Delete it, and go on with the run.")
    return {
        name: SoftLabels(_array(tensors, f"{name}/starts"), end, _array(tensors, f"{name}/probs"))
        for name, (_, end) in metadata["recordings"].items()
    }


def _array(tensors: Mapping[str, Any], name: str) -> NDArray[Any]:
    found: NDArray[Any] = tensors[name].numpy()
    return found
