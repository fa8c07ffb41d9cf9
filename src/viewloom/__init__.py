"""viewloom: view-invariant features from unlabelled synchronised cameras, for temporal action segmentation."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viewloom.dataset.opening import open_dataset
    from viewloom.methods.refiner_file import load_refiner
    from viewloom.training.checkpoints import load_head

__version__ = "0.1.0"
__all__ = ["__version__", "load_head", "load_refiner", "open_dataset"]

_LAZY = {
    "load_head": "viewloom.training.checkpoints",
    "load_refiner": "viewloom.methods.refiner_file",
    "open_dataset": "viewloom.dataset.opening",
}


def __getattr__(name: str) -> Any:
    """Import the public functions when they are asked for: torch takes seconds."""
    if name not in _LAZY:
        raise AttributeError(f"module 'viewloom' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
