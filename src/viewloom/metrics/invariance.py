"""Do refined features agree over views, and have they kept anything to agree about? Measured without labels.

Features come as (V, N, Z): V synchronised views of N moments. Agreement alone is easily had, by saying the same of
everything; `InvarianceState.verdict` says so by name.
"""

from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]

MIN_DEVIATION = 0.01
"""Collapse to a constant: within a view, features deviate less than this share of what the input's do."""
MIN_CONTRAST = 0.05
"""The same, whatever the scale: deviation over root mean square, as a share of the input's."""
MIN_RANK = 0.1
"""Collapse to few dimensions: effective rank below this share of the input's (or of Z, if that is less) ..."""
LINE_RANK = 1.5
"""... or below this, hardly more than a line, where there was room for three dimensions at least."""


def retrieval_accuracy(z_VTZ: Features, tolerance: int = 0) -> float:
    """How often a step's nearest neighbour among another view's steps is the same moment, from 0 to 1.

    Mean over ordered pairs of views and over steps; Euclidean distance, the first step on a tie.

    Args:
        z_VTZ: views of one window, steps in order.
        tolerance: a neighbour this many steps away at most counts as found.
    """
    z_VTZ = np.asarray(z_VTZ, np.float64)
    steps = z_VTZ.shape[1]
    # Distances don't change with the origin; near it they lose less to rounding.
    z_VTZ = z_VTZ - z_VTZ.mean(axis=(0, 1))
    squares_VT = np.square(z_VTZ).sum(axis=2)
    found = [
        np.abs((squares_VT[b] - 2 * z_VTZ[a] @ z_VTZ[b].T).argmin(axis=1) - np.arange(steps)) <= tolerance
        for a, b in permutations(range(len(z_VTZ)), 2)
    ]
    return float(np.mean(found))


def retrieval_chance(steps: int, tolerance: int = 0) -> float:
    """What `retrieval_accuracy` gives on average where every neighbour is drawn blindly.

    Args:
        steps: steps T of the window.
        tolerance: as there.
    """
    places_T = np.arange(steps)
    within_T = np.minimum(places_T + tolerance, steps - 1) - np.maximum(places_T - tolerance, 0) + 1
    return float(within_T.mean() / steps)


@dataclass
class InvarianceState:
    """Sums from which the measures of any number of windows follow, without keeping features.

    Attributes:
        moments: number of moments N seen.
        sum_VZ: sums over moments.
        scatter_ZZ: sum over views and moments of outer products.
        square_between: sum of squared distances from the mean over views.
    """

    moments: int = 0
    sum_VZ: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    scatter_ZZ: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    square_between: float = 0.0

    @classmethod
    def of(cls, z_VNZ: Features) -> "InvarianceState":
        """The state of one set of features."""
        z_VNZ = np.asarray(z_VNZ, np.float64)
        flat_SZ = z_VNZ.reshape(-1, z_VNZ.shape[2])
        between = float(np.square(z_VNZ - z_VNZ.mean(axis=0)).sum())
        return cls(z_VNZ.shape[1], z_VNZ.sum(axis=1), flat_SZ.T @ flat_SZ, between)

    def add(self, z_VNZ: Features) -> None:
        """Take N moments in."""
        self.merge(InvarianceState.of(z_VNZ))

    def merge(self, other: "InvarianceState") -> None:
        """Add what another state has seen."""
        if self.moments == 0:
            self.sum_VZ, self.scatter_ZZ = np.zeros_like(other.sum_VZ), np.zeros_like(other.scatter_ZZ)
        self.moments += other.moments
        self.sum_VZ = self.sum_VZ + other.sum_VZ
        self.scatter_ZZ = self.scatter_ZZ + other.scatter_ZZ
        self.square_between += other.square_between

    @property
    def deviation_Z(self) -> NDArray[np.float64]:
        """Standard deviation (Z,) of each feature over the moments of a view: root of the views' mean variance."""
        views = len(self.sum_VZ)
        means_VZ = self.sum_VZ / self.moments
        variance_Z = self.scatter_ZZ.diagonal() / (views * self.moments) - np.square(means_VZ).mean(axis=0)
        return np.asarray(np.sqrt(variance_Z.clip(min=0)))

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of the singular values' shares, of all views' features, each view less its own mean.

        1 for a line, Z for a ball, 0 for features that don't vary at all. Roy, Vetterli: "The Effective Rank: A
        Measure of Effective Dimensionality" (EUSIPCO 2007).
        """
        offsets_ZZ = self.sum_VZ.T @ self.sum_VZ / self.moments
        values = np.linalg.eigvalsh(self.scatter_ZZ - offsets_ZZ)
        # What rounding leaves doesn't count as variance.
        singular = np.sqrt(values[values > 1e-14 * len(values) * float(self.scatter_ZZ.trace())])
        shares = singular / singular.sum()
        return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0

    @property
    def view_share(self) -> float:
        """Share of all variance that lies between the views of one moment, from 0 to 1.

        0: the views agree, or nothing varies, which `verdict` names. (V - 1) / V: they are unrelated. More: they differ
        by a constant besides.
        """
        count = len(self.sum_VZ) * self.moments
        mean_Z = self.sum_VZ.sum(axis=0) / count
        total = float(self.scatter_ZZ.trace() - count * np.square(mean_Z).sum())
        return min(1.0, self.square_between / total) if total > 0 else 0.0

    @property
    def magnitude(self) -> float:
        """Root mean square of all features."""
        return float(np.sqrt(self.scatter_ZZ.trace() / (len(self.sum_VZ) * self.moments * len(self.scatter_ZZ))))

    def verdict(self, plain: "InvarianceState", own_scale: bool = False) -> str | None:
        """What has collapsed against the ``plain`` features, in words, or None.

        Args:
            plain: the features they were made from.
            own_scale: refined features have a scale of their own, as those of a closed form do; that they are smaller
                than the plain ones says nothing then.
        """
        if not np.isfinite(self.scatter_ZZ).all():
            return "features that are not finite"
        kept = float(np.sqrt(np.square(self.deviation_Z).mean()))
        had = float(np.sqrt(np.square(plain.deviation_Z).mean()))
        smaller = not own_scale and kept < MIN_DEVIATION * had
        if smaller or kept * plain.magnitude < MIN_CONTRAST * had * self.magnitude:
            return (
                f"constant features: over time they deviate by {kept:.3g} at a magnitude of {self.magnitude:.3g} "
                f"(input: {had:.3g} at {plain.magnitude:.3g})"
            )
        rank, room = self.effective_rank, min(plain.effective_rank, len(self.scatter_ZZ))
        if rank < MIN_RANK * room or (rank < LINE_RANK and room >= 3):
            return f"few dimensions: effective rank {rank:.1f}, of {room:.1f} that the input leaves room for"
        return None
