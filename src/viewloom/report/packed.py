"""Strips as short text: pages of very many segments hold these, and draw a card when it comes into view."""

from collections.abc import Iterable, Sequence

MANY = 20_000
"""Segments of a page from which on they are packed: so many rectangles take a browser about a second."""


def packed(rows: Iterable[Sequence[int]], start: int) -> str:
    """Rows of first frame, end, and any numbers behind: "gap length number ...", rows apart by commas.

    A gap counts from the end of the row before, and from ``start`` in the first; it is negative where rows overlap.
    """
    found, before = [], start
    for first, end, *others in rows:
        found.append(" ".join(map(str, (first - before, end - first, *others))))
        before = end
    return ",".join(found)
