"""How large the published networks are, and how their sizes follow the feature size D: all in one place.

At D = 2048 the numbers are those of the report: feed-forward parts 2048 wide throughout, the refiner 6 layers of
32 heads, the pseudo-3D joint stream 3, 6 and 1 layers of 8, 16 and 32 heads, the simple one 10 layers of 32.
"""

from dataclasses import dataclass

MIN_HEAD_WIDTH = 16
"""Heads narrower than this are not made: a small D gets fewer heads instead."""


@dataclass(frozen=True)
class Stage:
    """A stack of equal transformer encoder layers.

    Attributes:
        width: model width.
        layers: number of layers.
        heads: number of attention heads; divides ``width``.
        feed_forward: hidden width of the feed-forward part.
    """

    width: int
    layers: int
    heads: int
    feed_forward: int


def head_count(width: int, published: int) -> int:
    """The largest number of heads up to ``published`` that divides ``width`` and leaves none too narrow."""
    fits = (heads for heads in range(published, 1, -1) if width % heads == 0 and width // heads >= MIN_HEAD_WIDTH)
    return next(fits, 1)


def stage(width: int, layers: int, heads: int, feed_forward: int) -> Stage:
    """A stage with as many of the published ``heads`` as its width allows."""
    return Stage(width, layers, head_count(width, heads), feed_forward)


def refiner_stage(dim: int, layers: int = 6, feed_forward: int | None = None) -> Stage:
    """The refiner's transformer; 151,117,824 parameters at D = 2048."""
    return stage(dim, layers, 32, feed_forward or dim)


def pseudo_3d_stages(
    dim: int, views: int = 2, depth: float = 1.0, feed_forward: int | None = None
) -> tuple[Stage, ...]:
    """The pseudo-3D joint stream; 1,372,026,880 parameters at D = 2048 with two views.

    The first stage is as wide as the views side by side (V * D); the middle one is 3 * D wide whatever V is.

    Args:
        dim: feature size D.
        views: number of views V.
        depth: factor on the number of layers of each stage, which keeps one layer at least.
        feed_forward: hidden width of the feed-forward parts; D by default.
    """
    hidden = feed_forward or dim
    return (
        stage(views * dim, scaled(3, depth), 8, hidden),
        stage(3 * dim, scaled(6, depth), 16, hidden),
        stage(dim, scaled(1, depth), 32, hidden),
    )


def simple_stages(dim: int, views: int = 2, depth: float = 1.0, feed_forward: int | None = None) -> tuple[Stage, ...]:
    """The simple joint stream; 847,640,576 parameters at D = 2048 with two views. Arguments as above."""
    return (stage(views * dim, scaled(10, depth), 32, feed_forward or dim),)


def scaled(layers: int, depth: float) -> int:
    """``layers`` times ``depth``, rounded, and one at least."""
    return max(1, round(layers * depth))
