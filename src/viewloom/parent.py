"""Which process started this one, and an end with it: a killed parent can't stop its workers."""

import os

PARENT = os.getppid()
"""Its number, as it was when the package was first imported: it may have ended since."""


def end_with_parent(*_: object) -> None:
    """End this worker process when the one that started it has ended, in whatever way.

    A worker that waits for work would wait for ever. Its parent's number doesn't tell: where the parent ended while the
    worker imported, the worker already has another, and that one lives. What `multiprocessing` connects them by does.
    """
    import threading

    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    assert parent is not None, "a process that multiprocessing started"
    parent.join()
    os._exit(1)
