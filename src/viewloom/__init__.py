"""viewloom: view-invariant features from unlabelled synchronised cameras, for temporal action segmentation."""

from typing import TYPE_CHECKING, Any

from viewloom.parent import PARENT as PARENT
from viewloom.version import __version__

if TYPE_CHECKING:
    from viewloom.api import (
        compare,
        evaluate,
        list_heads,
        list_layouts,
        list_methods,
        list_protocols,
        load_head,
        load_refiner,
        measure,
        open_dataset,
        predict,
        pretrain,
        score,
        train,
        transfer,
    )
    from viewloom.dataset.label_tables import read_labels, write_labels
    from viewloom.dataset.memory import from_arrays
    from viewloom.graphs.run import export
    from viewloom.hub.push import push
    from viewloom.listing import list_formats
    from viewloom.online.segmenter import OnlineSegmenter
    from viewloom.report.difference import difference

__all__ = [
    "OnlineSegmenter",
    "__version__",
    "compare",
    "difference",
    "evaluate",
    "export",
    "from_arrays",
    "list_formats",
    "list_heads",
    "list_layouts",
    "list_methods",
    "list_protocols",
    "load_head",
    "load_refiner",
    "measure",
    "open_dataset",
    "predict",
    "pretrain",
    "push",
    "read_labels",
    "score",
    "train",
    "transfer",
    "write_labels",
]

ELSEWHERE = {
    "OnlineSegmenter": "viewloom.online.segmenter",
    "difference": "viewloom.report.difference",
    "list_formats": "viewloom.listing",
    "read_labels": "viewloom.dataset.label_tables",
    "write_labels": "viewloom.dataset.label_tables",
    "export": "viewloom.graphs.run",
    "push": "viewloom.hub.push",
}
"""Modules of what `viewloom.api` doesn't have."""


def __getattr__(name: str) -> Any:
    """Import the public functions when they are asked for: torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'viewloom' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(ELSEWHERE.get(name, "viewloom.api")), name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted(__all__)
