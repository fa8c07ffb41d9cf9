"""viewloom: view-invariant features from unlabelled synchronised cameras, for temporal action segmentation."""

__version__ = "0.1.0"
