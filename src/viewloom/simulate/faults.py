"""Faults to inject into a recording, drawn by seed, so that a check can be held to what is really there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.simulate.seeds import stream
from viewloom.simulate.settings import FaultConfig


@dataclass(frozen=True)
class InjectedFault:
    """What is wrong with one view of one recording; all in the view's own frames, counted from 0.

    Attributes:
        end: frame after the last one kept.
        offset: frames by which the view is late.
        dropped: bursts [start, end) of frames that are left out.
    """

    end: int
    offset: int
    dropped: tuple[tuple[int, int], ...]

    def shift(self, x_TD: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features as the late camera gives them: its frame t shows moment t - offset; the ends stand still."""
        moments = np.clip(np.arange(len(x_TD)) - self.offset, 0, len(x_TD) - 1)
        return x_TD[moments] if self.offset else x_TD

    def kept(self) -> NDArray[np.int64]:
        """Frames that are stored."""
        keep = np.ones(self.end, np.bool_)
        for start, end in self.dropped:
            keep[start:end] = False
        return np.flatnonzero(keep)


def draw_fault(
    faults: FaultConfig, recording: str, view: str, late: bool, frames: int, fps: float, rate: float, seed: int
) -> InjectedFault:
    """Draw the faults of one view.

    Args:
        faults: what is wanted, in frames at ``fps``.
        recording: its name.
        view: of it.
        late: whether this view is the one that lags.
        frames: length of the view in its own frames.
        fps: frames per second of the data set.
        rate: frames per second of the view; a burst lasts up to a second.
        seed: of the data set.
    """
    rng = stream("faults", seed, recording, view)
    cut = round(int(rng.integers(0, faults.unequal_frames + 1)) * rate / fps)
    end = max(1, frames - cut)
    offset = round(faults.offset_frames * rate / fps) if late else 0
    return InjectedFault(end, offset, _bursts(faults.dropped_share, end, rate, rng))


def _bursts(share: float, frames: int, fps: float, rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """Bursts of dropped frames that make up about a share of a view; first and last frame are kept."""
    wanted = share * frames
    found: list[tuple[int, int]] = []
    longest = max(1, round(fps))
    slots = rng.permutation(np.arange(1, max(2, frames - longest - 1), longest + 1))
    for start in slots:
        if wanted < 0.5:
            break
        length = min(int(rng.integers(1, longest + 1)), max(1, round(wanted)))
        found.append((int(start), int(start) + length))
        wanted -= length
    return tuple(sorted(found))


def without_ego(faults: FaultConfig, recordings: list[str], seed: int) -> frozenset[str]:
    """Recordings that get no ego view."""
    order = stream("missing ego", seed).permutation(len(recordings))
    return frozenset(recordings[index] for index in order[: faults.missing_ego])
