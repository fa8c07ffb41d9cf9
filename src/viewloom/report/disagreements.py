"""Where an item's predictions differ: between the views of a run, and between the runs in a view."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.metrics.segments import Flags, Segments
from viewloom.report.strips import Card, Strip

NOWHERE = -1
"""Code of frames that a result doesn't cover."""
SHOWN = 20
"""The longest of them are listed."""


@dataclass(frozen=True)
class Disagreement:
    """Frames [start, end) in which predictions differ.

    Attributes:
        start: first frame.
        end: frame after the last.
        runs: runs whose views differ there.
        views: views on which runs differ there.
    """

    start: int
    end: int
    runs: tuple[str, ...]
    views: tuple[str, ...]


def disagreements(card: Card) -> list[Disagreement]:
    """Every longest stretch in which the same runs disagree between views, and the same views between runs."""
    codes_ST = np.stack(_codes(card))
    runs, views = [strip.run.name for strip in card.strips], [strip.view for strip in card.strips]
    names, of_views = list(dict.fromkeys(runs)), list(dict.fromkeys(views))
    apart_NT = np.stack(
        [_differ(codes_ST, [run == name for run in runs]) for name in names]
        + [_differ(codes_ST, [view == name for view in views]) for name in of_views]
    )
    breaks = 1 + np.flatnonzero((apart_NT[:, 1:] != apart_NT[:, :-1]).any(axis=0))
    found = Segments.of_frames(apart_NT.any(axis=0), 0, breaks)
    return [
        Disagreement(
            start + card.start,
            end + card.start,
            tuple(name for name, apart in zip(names, apart_NT[:, start], strict=False) if apart),
            tuple(name for name, apart in zip(of_views, apart_NT[len(names) :, start], strict=True) if apart),
        )
        for start, end, _ in found.select(found.labels == 1).rows
    ]


def longest_first(found: Sequence[Disagreement], most: int = SHOWN) -> list[Disagreement]:
    """The longest ``most``, in order of time."""
    kept = sorted(found, key=lambda one: (one.start - one.end, one.start))[:most]
    return sorted(kept, key=lambda one: one.start)


def _differ(codes_ST: NDArray[np.int64], chosen_S: list[bool]) -> Flags:
    """(T,) whether those of the chosen results that cover a frame differ in it."""
    own = codes_ST[np.array(chosen_S)]
    there = own != NOWHERE
    least = np.where(there, own, np.iinfo(np.int64).max).min(axis=0)
    most = np.where(there, own, np.iinfo(np.int64).min).max(axis=0)
    return np.asarray(most > least)


def _codes(card: Card) -> list[NDArray[np.int64]]:
    """(T,) of each result: a number for what it says of a frame, the same in all results."""
    predictions = [strip.result.prediction for strip in card.strips]
    if any((of.starts[1:] < of.ends[:-1]).any() for of in predictions):
        found = _codes_of_sets(card)
    else:
        found = [of.frame_labels(card.start, card.start + card.frames) for of in predictions]
    for code_T, strip in zip(found, card.strips, strict=True):
        code_T[: strip.result.start - card.start] = NOWHERE
        code_T[strip.result.end - card.start :] = NOWHERE
    return found


def _codes_of_sets(card: Card) -> list[NDArray[np.int64]]:
    """The same where a frame may have several classes: a number for each set of them."""
    labels = sorted({label for strip in card.strips for label in strip.result.prediction.labels.tolist()})
    sets = [_said(card, strip, labels) for strip in card.strips]
    _, codes = np.unique(np.concatenate(sets), axis=0, return_inverse=True)
    return list(codes.reshape(len(sets), -1).astype(np.int64))


def _said(card: Card, strip: Strip, labels: list[int]) -> NDArray[np.uint8]:
    """(T, K / 8) the classes that a result has in each frame of the card, a bit each."""
    there_TK = np.zeros((card.frames, len(labels)), np.bool_)
    for start, end, label in strip.result.prediction.rows:
        there_TK[start - card.start : end - card.start, labels.index(label)] = True
    return np.packbits(there_TK, axis=1)
