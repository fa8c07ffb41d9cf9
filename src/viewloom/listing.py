"""Names of what there is, built in and from other packages."""

from viewloom.metrics.protocols import PROTOCOLS
from viewloom.registry import FORMATS, HEADS, LAYOUTS, METHODS


def list_methods() -> tuple[str, ...]:
    """Names of the pre-training methods, those of other packages included; auto is none of them, but may stand for
    one."""
    return METHODS.names()


def list_heads() -> tuple[str, ...]:
    """Names of the segmentation heads, those of other packages included."""
    return HEADS.names()


def list_layouts() -> tuple[str, ...]:
    """Names of the data-set layouts, those of other packages included."""
    return LAYOUTS.names()


def list_formats() -> tuple[str, ...]:
    """Names of the formats of annotation tools, those of other packages included."""
    return FORMATS.names()


def list_protocols() -> tuple[str, ...]:
    """Names of the score protocols."""
    return tuple(PROTOCOLS)
