"""From a head's probabilities of frames to one action a frame, in the ways that ``--decoding`` names."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError
from viewloom.metrics.segments import Ints
from viewloom.training.decoding_settings import DecodedConfig
from viewloom.training.durations import bounds_of, within
from viewloom.training.trained import TrainedHead
from viewloom.windows.sampling import Sampling

Decide = Callable[[NDArray[np.float32]], Ints]
"""Class of each frame, (T,), of the class probabilities of an item's frames, (T, K)."""


def likeliest(probs_TK: NDArray[np.float32]) -> Ints:
    """The likeliest class of each frame, whatever its neighbours."""
    labels_T: Ints = probs_TK.argmax(axis=1).astype(np.int64)
    return labels_T


def decision(config: DecodedConfig, trained: TrainedHead, fps: float, sampling: Sampling) -> Decide:
    """What decides on a data set.

    Args:
        config: settings.
        trained: the head, with what was stored with it.
        fps: frames a second of the data set.
        sampling: chunks of the head.

    Raises:
        ConfigError: the head doesn't know what the decision needs, or decides on each class by itself.
    """
    if trained.head.multi:
        refuse_one_action(config.decoding, f"{trained.where} was trained with")
    return DECISIONS[config.decoding](config, trained, fps, sampling)


def refuse_one_action(decoding: str, what: str) -> None:
    """`ConfigError` for a decision on one action a frame, where ``what`` has ``--labels_mode multi``."""
    if decoding != "argmax":
        raise ConfigError(
            f"--decoding {decoding} gives each frame one action, but {what} --labels_mode multi. Leave it out."
        )


def _likeliest(config: DecodedConfig, trained: TrainedHead, fps: float, sampling: Sampling) -> Decide:
    return likeliest


def _within_durations(config: DecodedConfig, trained: TrainedHead, fps: float, sampling: Sampling) -> Decide:
    """In steps of half the shortest chunk: a head tells nothing of much shorter ones."""
    bounds = bounds_of(trained.extra, config.durations, trained.where)
    step_frames = max(1, min(sampling.test_chunks) // 2)
    return lambda probs_TK: within(bounds, probs_TK, fps, step_frames)


DECISIONS: Mapping[str, Callable[[DecodedConfig, TrainedHead, float, Sampling], Decide]] = {
    "argmax": _likeliest,
    "durations": _within_durations,
}
"""By the names that the setting has."""
