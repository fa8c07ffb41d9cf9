"""Pre-training methods, a file each; closed forms on plain arrays, with scikit-learn's habits: `CCA` and others."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viewloom.methods.estimators import CCA, RFFCCA, Coral, DelayCCA, Procrustes, Ridge

__all__ = ["CCA", "RFFCCA", "Coral", "DelayCCA", "Procrustes", "Ridge"]


def __getattr__(name: str) -> Any:
    """Import the estimators when they are asked for: torch and scikit-learn take seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'viewloom.methods' has no attribute {name!r}")
    from viewloom.methods import estimators

    return getattr(estimators, name)


def __dir__() -> list[str]:
    """The estimators, imported or not."""
    return sorted(__all__)
