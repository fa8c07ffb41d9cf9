"""Files that ``torch.save`` wrote, one tensor (T, D) each, as Ego-Exo4D gives its features out.

``<take>_<camera>_<stream>.pt`` where takes have UUIDs (Ego-Exo4D), else the layouts of `viewloom.features.places`. They
are read by `viewloom.torch_archive`, which builds tensors and runs nothing, and mapped into memory.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.axes import infer_axes
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, file_content
from viewloom.features.places import FeatureFile, find_files, has_files, no_files
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable
from viewloom.registry import STORES
from viewloom.torch_archive import load_torch
from viewloom.zipped import refuse_damaged

SUFFIX = ".pt"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TAKE = re.compile(rf"({UUID})_(\w+)", re.ASCII)


def find_tensors(root: Path, views: ViewTable | None = None) -> tuple[FeatureFile, ...]:
    """The tensor files under ``root``, with their recordings and cameras."""
    flat = sorted(root.glob(f"*{SUFFIX}"))
    takes = [(_TAKE.fullmatch(path.stem), path) for path in flat]
    if takes and all(match for match, _ in takes):
        return tuple(FeatureFile(match[1], match[2], path) for match, path in takes if match)
    return find_files(root, SUFFIX, views)


@STORES.register("torch")
class TorchSource(CatalogSource):
    """A folder of tensors as a `viewloom.features.base.FeatureSource`; files are mapped for each read.

    Args:
        root: the folder.
        views: names of the views.
        fps: frames per second; the files don't say.
        axes: order of the axes; ``auto`` is (T, D), as in the data sets that come so.
        files: where a data set's layout knows them itself; else they are looked for (`find_tensors`).
        mean_last: whether a third axis is allowed, of which the mean is taken.

    Raises:
        DataError: something else than one tensor of floats with two axes, or a file cut short.
    """

    kind = "torch"
    block_bytes = 1 << 24  # a file is opened for each block
    expects = f"the same with {SUFFIX}, <take uid>_<camera>{SUFFIX}"
    precedence = 3

    def __init__(
        self,
        root: Path | str,
        views: ViewTable | None = None,
        fps: float | None = None,
        axes: Axes = "auto",
        files: Sequence[FeatureFile] | None = None,
        mean_last: bool = False,
    ) -> None:
        self.root, self.mean_last = Path(root), mean_last
        files = find_tensors(self.root, views) if files is None else files
        if not files:
            raise no_files(root, SUFFIX)
        self._files = {(file.recording, file.camera): file.path for file in files}
        self._unseen: set[Path] = set()  # compared with their checksums when they are read, not when they are opened
        shapes = [tuple(self._tensor(file.path).shape) for file in files]
        self.axes = infer_axes(files, shapes, "td" if axes == "auto" else axes, views, "tensor")
        time = 1 if self.axes == "dt" else 0
        spans: dict[str, dict[str, Span]] = {}
        for file, shape in zip(files, shapes, strict=True):
            if 0 in shape:
                raise DataError(f"{file.path} is empty (shape {shape}). Remove it or extract it again.")
            spans.setdefault(file.recording, {})[file.camera] = Span(0, shape[time])
        dims = {file.camera: shape[1 - time] for file, shape in zip(files, shapes, strict=True)}
        super().__init__(str(root), spans, views, dims, fps)
        self._unseen.update(self._files.values())

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Files in one of the layouts."""
        return has_files(root, SUFFIX)

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "TorchSource":
        """With the axes as (T, D), unless the user says otherwise."""
        return cls(root, views, fps, axes)

    def _tensor(self, path: Path) -> Any:
        """The tensor in a file with two axes, mapped into memory where the file's format allows."""
        import torch

        found = load_torch(path, True, "Copy or write it again.", self.verify and path in self._unseen)
        self._unseen.discard(path)
        axes = (2, 3) if self.mean_last else (2,)
        if not isinstance(found, torch.Tensor) or not found.is_floating_point() or found.ndim not in axes:
            what = f"{found.dtype} of shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found)
            raise DataError(f"{path} holds {what}, but must hold one tensor of floats, (T, D). Save it so.")
        if found.layout is not torch.strided:
            raise DataError(f"{path} holds a {found.layout} tensor. Save it dense.")
        return found.float().mean(-1) if found.ndim == 3 else found

    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        found = self._tensor(self._files[recording, camera])
        rows = found.T if self.axes == "dt" else found
        if len(rows) < start + len(x_TD) or rows.shape[1] != x_TD.shape[1]:
            raise DataError(f"{self._files[recording, camera]} was changed after opening. Start again.")
        x_TD[:] = rows[start : start + len(x_TD)].detach().float().numpy()

    @property
    def summed(self) -> str:
        """Each record of a file has a checksum."""
        return "blocks"

    def damage(self, recording: str, camera: str) -> str | None:
        """By the checksums of the file's records."""
        try:
            refuse_damaged(self._files[recording, camera])
        except DataError as error:
            return str(error)
        return None

    def file(self, recording: str, camera: str) -> Path:
        """The file."""
        return self._files[recording, camera]

    def content(self, recording: str, camera: str) -> tuple[str | int, ...]:
        """The file, and the order its axes are read in."""
        return *file_content(self._files[recording, camera]), self.axes
