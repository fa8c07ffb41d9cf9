"""What is in memory, as the files that commands take: written for the while, where no folder is kept."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from viewloom.errors import ConfigError
from viewloom.methods.refiner import Refiner
from viewloom.methods.refiner_file import save_refiner
from viewloom.remote import local_file
from viewloom.training.checkpoints import save_head
from viewloom.training.trained import TrainedHead


@contextmanager
def run_folder(run: str | Path | None) -> Iterator[Path]:
    """The run folder to write; a temporary one where none is kept."""
    if run is not None:
        yield Path(run)
        return
    with tempfile.TemporaryDirectory(prefix="viewloom-") as folder:
        yield Path(folder) / "run"


@contextmanager
def refiner_file(refiner: Refiner | str | Path | None) -> Iterator[str | None]:
    """The file of a refiner, written for the while where it is in memory."""
    if not isinstance(refiner, Refiner | str | Path | None):
        raise ConfigError(f"Expected a refiner or its file, but got a {type(refiner).__name__}.")
    if refiner is None or isinstance(refiner, str | Path):
        folder = None if refiner is None else local_file(refiner, "refiner.safetensors")
        yield None if folder is None else str(folder / "refiner.safetensors" if folder.is_dir() else folder)
        return
    with tempfile.TemporaryDirectory(prefix="viewloom-") as temporary:
        save_refiner(refiner, Path(temporary) / "refiner.safetensors")
        yield str(Path(temporary) / "refiner.safetensors")


@contextmanager
def head_folder(head: TrainedHead | str | Path | None) -> Iterator[str | None]:
    """The run folder of a head, written for the while where it is in memory."""
    if head is None or isinstance(head, str | Path) or head.run is not None:
        yield None if head is None else str(head if isinstance(head, str | Path) else head.run)
        return
    with tempfile.TemporaryDirectory(prefix="viewloom-") as temporary:
        save_head(Path(temporary) / "head.safetensors", head)
        yield temporary
