"""Processes of a run over several ones: without their launcher they end too, rather than hold the run's folder."""

import os
import threading
import time
from collections.abc import Mapping

from viewloom.parent import PARENT

LOOK_S = 0.5
_watching = threading.Event()


def end_with_launcher() -> None:
    """End this process, wherever it is, once the one that launched it has ended: it would wait for the others of its
    run, for half an hour.

    The launcher may have ended while this one was still importing, so what counts is who was there first. A process
    that nobody launched as one of several, such as a shell's, is left alone.
    """
    if is_launched(os.environ) and not _watching.is_set():
        _watching.set()
        threading.Thread(target=_watch, args=(PARENT,), daemon=True).start()


def is_launched(environment: Mapping[str, str]) -> bool:
    """Whether torchrun started this process, or Lightning did as a second, third ... one of a run."""
    return "TORCHELASTIC_RUN_ID" in environment or environment.get("LOCAL_RANK", "0") != "0"


def _watch(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(LOOK_S)
    os._exit(1)  # files are written whole or not at all, so that this may come at any moment
