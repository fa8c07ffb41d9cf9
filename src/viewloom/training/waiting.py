"""The look-ahead of a causal head, from seconds to the steps that it waits."""

from dataclasses import replace
from typing import Any

from viewloom.errors import ConfigError
from viewloom.training.runs import say
from viewloom.training.settings import TrainConfig
from viewloom.windows.sampling import Sampling


def with_lookahead(config: TrainConfig, sampling: Sampling, fps: float) -> TrainConfig:
    """The settings with ``lookahead_s`` as the head's ``lookahead_steps``: as many whole steps as fit into it.

    A step is as long as the longest chunk that is averaged at evaluation, so that at no chunk size a head sees further
    behind the end of a step than is stated. The number is the same at all chunk sizes, since a head can't tell these
    apart.

    Args:
        config: settings of the training.
        sampling: its chunks.
        fps: frames per second.

    Raises:
        ConfigError: the head has no look-ahead, it is shorter than a step, or another number of steps is set.
    """
    if not config.lookahead_s:
        return config
    options: Any = config.head_options
    if not hasattr(options, "lookahead_steps"):
        raise ConfigError(
            f"--lookahead_s is for heads that look back only, and {config.head} has no such setting. Train tcn with "
            "--head_options.causal true, or leave it out."
        )
    longest_s = max(sampling.test_chunks) / fps
    steps = int(config.lookahead_s / longest_s + 1e-9)
    if not steps:
        raise ConfigError(
            f"--lookahead_s {config.lookahead_s:g} is less than a step, which lasts {longest_s:g} s at the longest "
            "chunk that is averaged. Raise it, or shorten chunks by --sampling.test_chunks_s."
        )
    if options.lookahead_steps not in (0, steps):
        raise ConfigError(
            f"--lookahead_s {config.lookahead_s:g} makes {steps} steps, but --head_options.lookahead_steps is "
            f"{options.lookahead_steps}. Leave one of them out."
        )
    say(f"note: the head waits {steps} steps, {steps * longest_s:.2f} s at the longest chunk that is averaged.")
    return replace(config, head_options=replace(options, lookahead_steps=steps))
