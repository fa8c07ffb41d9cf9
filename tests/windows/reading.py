"""Windows read on their own, and a slow reference of pooling."""

from dataclasses import fields

import numpy as np
import torch

from viewloom.features.missing import read_filled, with_policy


def read_window(source, window, view, sampling):
    """Features (frames, D) with the policy for missing frames applied, and how many are missing."""
    policy = sampling.missing_frames, sampling.nearest_within_frames
    x_TD, missing = read_filled(source, window.recording, view, window.start, window.end, *policy)
    return x_TD, len(missing)


def pooled_window(source, window, view, sampling):
    """Pooled features (S, Z), mask (S,) and number of missing frames, as the windows of a data set read them."""
    policy = sampling.missing_frames, sampling.nearest_within_frames
    reader = with_policy(source if window.chunk_frames in sampling.fixed_chunks else source.uncached, *policy)
    span = window.start, window.end, window.chunk_frames, sampling.pooling
    pooled = reader.read_pooled(window.recording, view, *span)
    return pooled.features_SZ, pooled.mask_S, len(pooled.missing)


def pool_valid(x_TD, chunk, pooling="max"):
    """Chunk by chunk, frame by frame: maximum, mean or first of the rows that aren't NaN, zeros positive."""
    steps, mask = [], []
    for start in range(0, len(x_TD), chunk):
        rows = [row for row in x_TD[start : start + chunk] if not np.isnan(row).all()]
        mask.append(bool(rows))
        top, total = np.zeros(x_TD.shape[1], np.float32), np.zeros(x_TD.shape[1], np.float32)
        for place, row in enumerate(rows):
            top = row.copy() if place == 0 else np.maximum(top, row)
            total = (total + row).astype(np.float32)
        mean = total / np.float32(max(1, len(rows)))
        first = rows[0] if rows else top
        kept = {"max": [top], "mean": [mean], "both": [top, mean], "first": [first]}[pooling]
        steps.append(np.concatenate(kept) + np.float32(0))
    width = x_TD.shape[1] * (2 if pooling == "both" else 1)
    return np.array(steps, np.float32).reshape(-1, width), np.array(mask, bool)


def assert_same_bits(one, other):
    """Two batches hold the same: shapes, types and bits (-0.0 is not 0.0), view by view."""
    assert type(one) is type(other)
    for field in fields(one):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, dict):
            assert list(mine) == list(theirs), field.name
        pairs = [(mine[view], theirs[view]) for view in mine] if isinstance(mine, dict) else [(mine, theirs)]
        for a, b in pairs:
            if isinstance(a, torch.Tensor):
                assert (a.shape, a.dtype) == (b.shape, b.dtype), field.name
                assert a.contiguous().numpy().tobytes() == b.contiguous().numpy().tobytes(), field.name
            else:
                assert a == b, field.name
