"""The most that a file may ask for, where a few bytes could ask for more than a machine has.

Far above what recordings hold; a message of who refuses says the limit.
"""

LONGEST_FRAMES = 20_000_000
"""Frames of a recording in one view, or of an item: a week at 30 a second is 18 million."""
MOST_FRAMES = 60_000_000
"""Frames of all items of a file that are looked at together."""
LARGEST_DIM = 1 << 20
"""Feature size of a view; the largest networks give some ten thousand."""
FARTHEST_FRAME = 1 << 40
"""Number of a frame; cameras that never begin again at 0 count up to this in a thousand years."""
BLOCK_BYTES = 1 << 30
"""What a part of a file that can only be read as a whole (a chunk of HDF5, a row group of Parquet) may take."""
MOST_TIMES = 1100
"""How many times larger than in its file a table may be; deflate does no more than 1,032."""
FREE_BYTES = 64 << 20
"""Size that a table may have however small its file is."""
LARGEST_PICTURE = 1 << 27
"""Pixels of a picture: 16,384 x 8,192."""
