"""Linear centred kernel alignment of two views' features, unbiased, from sums of one pass.

Kornblith et al., "Similarity of Neural Network Representations Revisited" (ICML 2019): CKA = HSIC(K, L) /
sqrt(HSIC(K, K) HSIC(L, L)), with K = X X' and L = Y Y'. The plain estimate of HSIC is biased upwards, the more so the
more features there are for the moments seen; here it is the unbiased one (Song et al., "Feature Selection via
Dependence Maximization", JMLR 13, 2012, equation 5), as Nguyen, Raghu, Kornblith (ICLR 2021) take it for batches. For
linear kernels all its terms are sums over moments, so no kernel matrix is formed and batches simply add up.
"""

from dataclasses import dataclass

import numpy as np

from viewloom.metrics.invariance import Features
from viewloom.metrics.segments import Floats


@dataclass
class CrossSums:
    """Sums over N moments for HSIC of X (N, D) with Y (N, E)."""

    products_DE: Floats
    """Sum of x y'."""
    x_scaled_D: Floats
    """Sum of |y|^2 x."""
    y_scaled_E: Floats
    """Sum of |x|^2 y."""
    squares: float
    """Sum of |x|^2 |y|^2."""

    @classmethod
    def of(cls, x_ND: Floats, y_NE: Floats) -> "CrossSums":
        """The sums of some moments."""
        x_N, y_N = np.square(x_ND).sum(axis=1), np.square(y_NE).sum(axis=1)
        return cls(x_ND.T @ y_NE, y_N @ x_ND, x_N @ y_NE, float(x_N @ y_N))

    def add(self, other: "CrossSums") -> None:
        """Take in what others have seen."""
        self.products_DE = self.products_DE + other.products_DE
        self.x_scaled_D = self.x_scaled_D + other.x_scaled_D
        self.y_scaled_E = self.y_scaled_E + other.y_scaled_E
        self.squares += other.squares

    def hsic(self, count: int, x_D: Floats, y_E: Floats, x_square: float, y_square: float) -> float:
        """Unbiased HSIC of linear kernels.

        Args:
            count: moments N, 4 or more.
            x_D: sum of x.
            y_E: sum of y.
            x_square: sum of |x|^2, the trace of K.
            y_square: sum of |y|^2.
        """
        # K and L without their diagonals: tr(K L), 1'K1, 1'L1 and 1'K L1.
        trace = float(np.square(self.products_DE).sum()) - self.squares
        whole = (float(x_D @ x_D) - x_square) * (float(y_E @ y_E) - y_square)
        chained = float(x_D @ self.products_DE @ y_E - self.x_scaled_D @ x_D - self.y_scaled_E @ y_E) + self.squares
        found = trace + whole / ((count - 1) * (count - 2)) - 2 * chained / (count - 2)
        return found / (count * (count - 3))


class CKA:
    """Unbiased linear CKA of two views, batch by batch; memory is (D + E)^2 floats, whatever the number of moments.

    It knows neither the scale of features nor rotations of them, and may be a little below 0 where there is nothing
    in common.
    """

    def __init__(self) -> None:
        self.moments = 0
        self._origins: tuple[Floats, Floats] | None = None
        self._linear: list[Floats] = []
        self._squares = np.zeros(2)
        self._cross: dict[tuple[int, int], CrossSums] = {}

    def add(self, x_ND: Features, y_NE: Features) -> None:
        """Take in N moments as both views see them."""
        pair = np.asarray(x_ND, np.float64), np.asarray(y_NE, np.float64)
        if not len(pair[0]):
            return
        if self._origins is None:  # HSIC doesn't change with the origin; near it less is lost to rounding
            self._origins = pair[0].mean(axis=0), pair[1].mean(axis=0)
            self._linear = [np.zeros_like(origin) for origin in self._origins]
        pair = pair[0] - self._origins[0], pair[1] - self._origins[1]
        self.moments += len(pair[0])
        for place, one in enumerate(pair):
            self._linear[place] = self._linear[place] + one.sum(axis=0)
            self._squares[place] += float(np.square(one).sum())
        for key in ((0, 1), (0, 0), (1, 1)):
            sums = CrossSums.of(pair[key[0]], pair[key[1]])
            if key in self._cross:
                self._cross[key].add(sums)
            else:
                self._cross[key] = sums

    @property
    def value(self) -> float:
        """CKA; NaN for fewer than 4 moments, or where a view doesn't vary."""
        if self.moments < 4:
            return np.nan
        both, one, other = (self._hsic(*key) for key in ((0, 1), (0, 0), (1, 1)))
        return both / float(np.sqrt(one * other)) if one > 0 and other > 0 else np.nan

    def _hsic(self, a: int, b: int) -> float:
        sums = self._linear[a], self._linear[b]
        return self._cross[a, b].hsic(self.moments, *sums, float(self._squares[a]), float(self._squares[b]))
