"""Closed-form methods on plain arrays, with scikit-learn's habits: ``fit``, ``transform``, ``get_params``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from viewloom.errors import DataError
from viewloom.features.arrays import as_features
from viewloom.methods.refiner import Refiner
from viewloom.metrics.invariance import retrieval_accuracy
from viewloom.nn.settings import Standardise
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window

Arrays = Sequence[Any]
"""An array (N, D) a view, numpy or torch; row n of all of them is one moment, a row of NaN one that a view lacks."""


class MultiViewTransformer(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A registered closed-form method as an estimator; its settings are the constructor's keywords.

    Attributes:
        refiner_: what was learned, for `viewloom.train` and to be saved; after `fit`.
        n_features_in_: feature size of each view; after `fit`.
    """

    method: ClassVar[str]

    def fit(self, X: Arrays, y: Any = None, groups: Sequence[Any] | None = None) -> MultiViewTransformer:
        """Learn the maps.

        Args:
            X: two views or more, (N, D_view) each.
            y: nothing; for scikit-learn's pipelines.
            groups: the recording of each row (N,), rows in order of time; None: all are of one.

        Returns:
            Itself.

        Raises:
            DataError: arrays of different lengths, or rows that are NaN or infinite only in part.
        """
        if isinstance(X, Mapping) or getattr(X, "ndim", 3) == 2 or len(X) < 2:
            raise DataError("Pass a list of two views or more, an array (N, D) each: fit([exo_ND, ego_ND]).")
        views = [_as_features(x, place) for place, x in enumerate(X)]
        if len({len(x_ND) for x_ND in views}) != 1:
            raise DataError(f"The views have {[len(x_ND) for x_ND in views]} rows, but row n of all is one moment.")
        names = tuple(map(str, range(len(views))))
        cls = METHODS.get(self.method)
        settings = {name: value for name, value in self.get_params().items() if name != "fps"}
        learner = cls([x_ND.shape[1] for x_ND in views], names, cls.Config(**settings))
        learner.set_clock(getattr(self, "fps", 1.0), 1)
        groups_N = np.zeros(len(views[0])) if groups is None else np.asarray(groups)
        if groups_N.shape != (len(views[0]),):
            raise DataError(f"Expected a group for each of the {len(views[0])} rows, but got {groups_N.shape}.")
        recordings = {group: groups_N == group for group in dict.fromkeys(groups_N.tolist())}
        learner.show_all(
            lambda: (_batch([x_ND[own_N] for x_ND in views], names, str(group)) for group, own_N in recordings.items())
        )
        self.refiner_: Refiner = learner.refiner.eval()
        self.n_features_in_ = tuple(x_ND.shape[1] for x_ND in views)
        return self

    def transform(self, X: Any, view: int | None = None) -> Any:
        """Refined features.

        Args:
            X: features (N, D) of one view, or a list of them, one for each view that was fitted.
            view: place of the view in `fit`; None: X is a list of all views.

        Returns:
            (N, Z), or a list of them; rows of NaN where X has them.

        Raises:
            NotFittedError: before `fit`.
        """
        if not hasattr(self, "refiner_"):
            raise NotFittedError(f"This {type(self).__name__} isn't fitted yet: call fit() with the views first.")
        if isinstance(X, Mapping) or (view is None and getattr(X, "ndim", 0) == 2):
            raise DataError("Say which view the array is of (view=1), or pass a list of all views.")
        if view is None and len(X) != len(self.n_features_in_):
            raise DataError(f"Expected the {len(self.n_features_in_)} views of fit, or one and its place (view=...).")
        if view is None:
            return [self.transform(x_ND, place) for place, x_ND in enumerate(X)]
        return self.refiner_(_as_features(X, view), str(view))

    def fit_transform(self, X: Arrays, y: Any = None, groups: Sequence[Any] | None = None) -> list[NDArray[np.float32]]:
        """`fit`, and `transform` of all views."""
        found: list[NDArray[np.float32]] = self.fit(X, y, groups).transform(X)
        return found

    def score(self, X: Arrays, y: Any = None) -> float:
        """How often a row's nearest neighbour among another view's rows is the same moment, from 0 to 1.

        Args:
            X: all views; rows that one of them lacks are left out.
            y: nothing.
        """
        views = self.transform(X)
        if len({len(z_NZ) for z_NZ in views}) != 1:
            raise DataError(f"The views have {[len(z) for z in views]} rows, but row n of all is one moment.")
        z_VNZ = np.stack(views)
        there_N = np.isfinite(z_VNZ).all(axis=(0, 2))
        if not there_N.any():
            raise DataError("There is not one row that all views have, so nothing can be scored.")
        return retrieval_accuracy(z_VNZ[:, there_N])


class CCA(MultiViewTransformer):
    """Regularised canonical correlation of two views or more (`viewloom.methods.cca`).

    Args:
        out_dim: number of components kept; 0 keeps those that correlate more than chance has it on held-out groups.
        strength: ridge, as a share of a view's mean variance; None chooses it.
        scale: deviation of each component: its correlation between views, or "unit".
        standardise: none, pooled or view, before anything else.

    Example:
        >>> maps = CCA(out_dim=16).fit([exo_ND, ego_ND])
        >>> z_NZ = maps.transform(ego_ND, view=1)
    """

    method = "cca"

    def __init__(
        self,
        out_dim: int = 0,
        strength: float | None = None,
        scale: Literal["correlation", "unit"] = "correlation",
        standardise: Standardise = "none",
    ) -> None:
        self.out_dim = out_dim
        self.strength = strength
        self.scale = scale
        self.standardise = standardise


class DelayCCA(MultiViewTransformer):
    """Canonical correlation of delayed copies of each view (`viewloom.methods.delay_cca`).

    Args:
        fps: rows a second.
        taps: delayed copies.
        stride_s: seconds between two copies; None: 0.5, or the time between two rows if that is longer.
        causal: look at earlier rows alone.
        pca_dim: principal components kept of each view before that, at most; 0 keeps all features.
        out_dim: as in `CCA`.
        strength: as in `CCA`.
        scale: as in `CCA`.
        standardise: none, pooled or view, before anything else.

    Example:
        >>> maps = DelayCCA(fps=10).fit([exo_ND, ego_ND], groups=recording_N)
    """

    method = "delay_cca"

    def __init__(
        self,
        fps: float,
        taps: int = 5,
        stride_s: float | None = None,
        causal: bool = False,
        pca_dim: int = 64,
        out_dim: int = 0,
        strength: float | None = None,
        scale: Literal["correlation", "unit"] = "correlation",
        standardise: Standardise = "view",
    ) -> None:
        self.fps = fps
        self.taps = taps
        self.stride_s = stride_s
        self.causal = causal
        self.pca_dim = pca_dim
        self.out_dim = out_dim
        self.strength = strength
        self.scale = scale
        self.standardise = standardise


class RFFCCA(MultiViewTransformer):
    """Canonical correlation of random Fourier features of each view (`viewloom.methods.rff_cca`).

    Args:
        features: random features of each view.
        bandwidth: width of the kernel, as a multiple of the median distance between rows of a view.
        seed: of the random features.
        pca_dim: principal components kept of each view before that, at most; 0 keeps all features.
        out_dim: as in `CCA`.
        strength: as in `CCA`.
        scale: as in `CCA`.
        standardise: none, pooled or view, before anything else.
    """

    method = "rff_cca"

    def __init__(
        self,
        features: int = 600,
        bandwidth: float = 1.0,
        seed: int = 0,
        pca_dim: int = 64,
        out_dim: int = 0,
        strength: float | None = None,
        scale: Literal["correlation", "unit"] = "correlation",
        standardise: Standardise = "view",
    ) -> None:
        self.features = features
        self.bandwidth = bandwidth
        self.seed = seed
        self.pca_dim = pca_dim
        self.out_dim = out_dim
        self.strength = strength
        self.scale = scale
        self.standardise = standardise


class Procrustes(MultiViewTransformer):
    """Orthogonal alignment of two views or more (`viewloom.methods.procrustes`).

    Args:
        out_dim: principal components of each view that are turned; 0: the smallest view's size, 64 at most.
        standardise: none, pooled or view, before anything else.
    """

    method = "procrustes"

    def __init__(self, out_dim: int = 0, standardise: Standardise = "view") -> None:
        self.out_dim = out_dim
        self.standardise = standardise


class Coral(MultiViewTransformer):
    """Correlation alignment of views of one size (`viewloom.methods.coral`); the order of rows says nothing to it.

    Args:
        reference: place of the view that the others are made alike, as text; empty: the first.
        strength: ridge on covariances, as a share of a view's mean variance.
        standardise: none, pooled or view, before anything else.
    """

    method = "coral"

    def __init__(self, reference: str = "", strength: float = 1e-2, standardise: Standardise = "view") -> None:
        self.reference = reference
        self.strength = strength
        self.standardise = standardise


class Ridge(MultiViewTransformer):
    """Ridge regression from each view to one of them (`viewloom.methods.ridge`).

    Args:
        strength: penalty, as a share of the mean variance of a view's features.
        teacher: place of the view that is predicted, as text; empty: the last.
        standardise: none, pooled or view, before anything else.
    """

    method = "ridge"

    def __init__(self, strength: float = 1e-2, teacher: str = "", standardise: Standardise = "none") -> None:
        self.strength = strength
        self.teacher = teacher
        self.standardise = standardise


def _as_features(x: Any, place: int) -> NDArray[np.float32]:
    """Float32 (N, D); `DataError` for another shape, and for rows spoilt in part."""
    from viewloom.features.pooling import missing_rows

    x_ND = as_features(x, f"View {place}")
    if x_ND.ndim != 2:
        raise DataError(f"View {place}: expected an array (N, D), but got shape {x_ND.shape}.")
    missing_rows(x_ND, f"view {place}", 0)
    return x_ND


def _batch(views: Sequence[NDArray[np.float32]], names: tuple[str, ...], recording: str) -> ViewBatch:
    """All rows of a recording as one window."""
    masks = [torch.from_numpy(~np.isnan(x_ND).all(axis=1)) for x_ND in views]
    features = {name: torch.from_numpy(x_ND)[None] for name, x_ND in zip(names, views, strict=True)}
    return ViewBatch(features, torch.stack(masks)[None], (Window(recording, recording, 0, len(views[0]), 1),))
