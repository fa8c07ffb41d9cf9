"""One run of a comparison, done in a process of its own: here, or wherever Slurm puts it.

What comes of it besides its folder is an outcome file: seconds taken, and why it failed if it did. A process that is
killed leaves none.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import UserError
from viewloom.files import write_json
from viewloom.locks import alone

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
        with alone(work.out / "held" / work.run.folder.name, f"viewloom compare on {work.run.label}", WAIT_S):
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


def environment() -> dict[str, str]:
    """Environment of a process that runs: one thread, and the modules that this one finds."""
    import sys

    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": paths}
