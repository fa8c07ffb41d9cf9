"""One run of a comparison, done in a process of its own: here, or wherever Slurm puts it.

What comes of it besides its folder is an outcome file: seconds taken, and why it failed if it did. A process that is
killed leaves none.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import ConfigError, UserError
from viewloom.files import write_json

if TYPE_CHECKING:
    from viewloom.recipes.planned import PlannedRun

WAIT_S = 10.0
"""How long a run waits for one that is ending in the same folder."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Work:
    """A run, and where its outcome goes.

    Attributes:
        run: the run.
        out: folder of the comparison.
        modules: modules that add the methods and heads in use, where they aren't viewloom's.
    """

    run: "PlannedRun"
    out: Path
    modules: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unlike that of any other run; a head and its scores share a folder."""
        return f"{self.run.kind}-{self.run.folder.name}"

    @property
    def outcome(self) -> Path:
        """File of the outcome."""
        return self.out / "outcomes" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """File of what the run says."""
        return self.out / "logs" / f"{self.name}.log"


def execute(work: Work) -> None:
    """Do a run, and leave its outcome; one that is finished by now is let be.

    Raises:
        Exception: whatever stopped the run but an error for users, after its outcome was written.
    """
    for module in work.modules:
        import_module(module)
    began, before = time.monotonic(), seconds_of(work)
    try:
        with alone(work.out / "locks" / work.run.folder.name):
            if not work.run.finished:
                work.run.run()
        _leave(work, before, began, None)
    except UserError as error:
        _leave(work, before, began, str(error))
    except Exception as error:
        _leave(work, before, began, f"{type(error).__name__}: {error}")
        raise


def _leave(work: Work, before: float, began: float, error: str | None) -> None:
    write_json(work.outcome, {"seconds": before + time.monotonic() - began, "error": error})


def read_outcome(work: Work) -> Mapping[str, Any] | None:
    """The outcome of a run; None where it left none."""
    import json

    with suppress(FileNotFoundError, json.JSONDecodeError):
        found: Mapping[str, Any] = json.loads(work.outcome.read_text(encoding="utf-8"))
        return found
    return None


def seconds_of(work: Work) -> float:
    """Seconds that a run took, over the attempts that came to an end."""
    found = read_outcome(work)
    return 0.0 if found is None else float(found["seconds"])


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock, so that two commands on one folder never write the same run.

    Raises:
        ConfigError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise ConfigError(
                        f"{path.name} is being run by another command. Wait for it, and repeat this one."
                    ) from None
                time.sleep(0.2)
        yield


def environment() -> dict[str, str]:
    """Environment of a process that runs: one thread, and the modules that this one finds."""
    import sys

    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": paths}
