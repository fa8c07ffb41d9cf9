"""Files that belong together, written so that a reader sees all of them, those of before, or that there are none."""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from viewloom.durable import flush_names
from viewloom.files import atomic_path


@contextmanager
def together(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Temporary paths, which take the places of ``paths`` when all are written; after an error none does.

    The first path is what says that the others are whole: it goes before they change, and comes after them. So a kill
    between leaves a folder that says of itself that nothing is finished.
    """
    with ExitStack() as stack:
        temporary = [stack.enter_context(atomic_path(path)) for path in paths]
        yield temporary
        for path in paths:  # what can't be replaced must be found out before anything is
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if paths[0].exists():
            paths[0].unlink()
            flush_names(paths[0].parent)


def write_together(texts: Mapping[Path, str]) -> None:
    """Write texts (UTF-8) to files that belong together, the one that says so first; see `together`."""
    with together(list(texts)) as temporary:
        for path, text in zip(temporary, texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
