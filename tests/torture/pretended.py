"""A part of the campaign that goes wrong in every way that a part can, by its seed; for `test_torture`."""

import os
import subprocess
import time
from pathlib import Path

from tests.torture.outcome import FINE, Outcome


def prepare(folder: Path) -> None:
    """Something that trials find again."""
    (folder / "shared.txt").write_text("shared")


def trial(seed: int, prepared: Path, folder: Path) -> list[Outcome]:
    """Even seeds are well; of the odd ones each has a fault of its own."""
    assert (prepared / "shared.txt").read_text() == "shared" and not any(folder.iterdir())
    if seed == 1:
        os._exit(7)
    if seed == 3:
        raise ValueError("a fault of the trial's own")
    if seed == 5:
        subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60"])
    if seed == 7:
        time.sleep(60)
    return [Outcome("well" if seed % 2 == 0 else "ill", FINE, events=2)]
