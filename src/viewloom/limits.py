"""The most that a file may ask for, where a few bytes could ask for more than a machine has.

Far above what recordings hold; a message of who refuses says the limit.
"""

LONGEST_FRAMES = 20_000_000
"""Frames of a recording in one view, or of an item: a week at 30 a second is 18 million."""
MOST_FRAMES = 60_000_000
"""Frames of all items of a file that are looked at together."""
LARGEST_DIM = 1 << 20
"""Feature size of a view; the largest networks give some ten thousand."""
