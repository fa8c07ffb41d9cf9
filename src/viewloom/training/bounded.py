"""The most probable segmentation among those whose segments are neither shorter nor longer than they may be.

An explicit-duration (semi-Markov) Viterbi search as in Yu: "Hidden semi-Markov models" (Artificial Intelligence 174,
2010), whose durations are all alike within each class's bounds, and without probabilities of transitions: any class may
follow any other. The first and the last segment may be shorter than their bound, since a recording may be cut there;
so a segmentation exists for any length as soon as there are two classes.

One step at a time, all classes at once; time and memory grow with steps times classes, whatever the bounds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.metrics.segments import Floats, Ints


def bounded_labels(logp_SK: NDArray[np.floating], shortest_K: Ints, longest_K: Ints) -> Ints:
    """Class of each step, (S,), with the highest sum of log-probabilities that the bounds allow.

    Args:
        logp_SK: finite log-probabilities of S steps and K classes.
        shortest_K: fewest steps of a class's segment, 1 or more.
        longest_K: most steps, not below the fewest.
    """
    steps, classes = logp_SK.shape
    if not steps or classes == 1:  # one class has no other to follow it, however long it lasts
        return np.zeros(steps, np.int64)
    # By width of their windows, so that classes whose windows are of a like width stand together.
    order_K: Ints = np.argsort(_powers(shortest_K, longest_K), kind="stable")
    search = _Search.of(logp_SK[:, order_K], *(np.minimum(each[order_K], steps) for each in (shortest_K, longest_K)))
    search.run()
    return order_K[search.trace()]


def _powers(shortest_K: Ints, longest_K: Ints) -> Ints:
    """Exponent of the largest power of two that isn't above the number of starts that a segment's end leaves open."""
    exponent_K: Ints = np.frexp(longest_K - shortest_K + 1)[1].astype(np.int64)
    return exponent_K - 1


@dataclass
class _Trailing:
    """Largest of each class's last 2^p values, appended row by row (van Herk, Pattern Recognition Letters 13, 1992).

    Rows come in blocks of 2^p: those of the block that a window begins in have their maxima to its end, those of the
    present one have the maximum from its beginning.

    Attributes:
        span_K: 2^p of each class, ascending.
        values_RK: what was appended.
        largest_RK: at each row the largest of the last 2^p values.
    """

    span_K: Ints
    values_RK: Floats
    largest_RK: Floats
    _to_end_RK: Floats
    _from_begin_K: Floats
    _groups: list[tuple[int, slice]]
    _place_K: Ints

    @classmethod
    def of(cls, rows: int, span_K: Ints) -> "_Trailing":
        """Room for a number of rows, all minus infinity."""
        values_RK, largest_RK, to_end_RK = (np.full((rows, len(span_K)), -np.inf) for _ in range(3))
        spans, first = np.unique(span_K, return_index=True)
        ends = [*first[1:].tolist(), len(span_K)]
        groups = [(s, slice(b, e)) for s, b, e in zip(spans.tolist(), first.tolist(), ends, strict=True)]
        begin_K, place_K = np.full(len(span_K), -np.inf), np.arange(len(span_K))
        return cls(span_K, values_RK, largest_RK, to_end_RK, begin_K, groups, place_K)

    def append(self, row: int, value_K: Floats) -> None:
        """Set the next row."""
        self.values_RK[row] = value_K
        begins_K = row % self.span_K == 0
        self._from_begin_K = np.where(begins_K, value_K, np.maximum(self._from_begin_K, value_K))
        np.maximum(self._from_begin_K, self._at(self._to_end_RK, row - self.span_K + 1), out=self.largest_RK[row])
        for span, group in self._groups:
            if (row + 1) % span == 0:
                block = slice(row + 1 - span, row + 1)
                backwards = self.values_RK[block, group][::-1]
                self._to_end_RK[block, group] = np.maximum.accumulate(backwards, axis=0)[::-1]

    def window(self, last_K: Ints, width_K: Ints) -> Floats:
        """Largest value of the rows from ``last - width + 1`` to ``last``, of a width from 2^p to below twice that."""
        ends = self._at(self.largest_RK, last_K), self._at(self.largest_RK, last_K - width_K + self.span_K)
        return np.maximum(*ends)

    def _at(self, values_RK: Floats, row_K: Ints) -> Floats:
        """A row's value of each class; the first row's before it."""
        found: Floats = values_RK.ravel().take(np.maximum(row_K, 0) * len(self.span_K) + self._place_K)
        return found


@dataclass
class _Search:
    """Best scores of beginnings, by the step at which they end.

    Attributes:
        shortest_K: fewest steps of a segment.
        longest_K: most steps of a segment.
        total_RK: log-probabilities summed up to each step, (S + 1, K).
        best_R2: of the beginnings that end at a step the classes of the best one, and of the best of another class.
        starts: at each step, what a segment that starts there finds: the best beginning of another class, less
            ``total_RK``; minus infinity at step 0, where the first segment starts.
    """

    shortest_K: Ints
    longest_K: Ints
    total_RK: Floats
    best_R2: Ints
    starts: _Trailing

    @classmethod
    def of(cls, logp_SK: NDArray[np.floating], shortest_K: Ints, longest_K: Ints) -> "_Search":
        """A search that hasn't begun; classes in ascending order of `_powers`."""
        total_RK = np.zeros((len(logp_SK) + 1, len(shortest_K)))
        np.cumsum(logp_SK, axis=0, dtype=np.float64, out=total_RK[1:])
        starts = _Trailing.of(len(total_RK), 2 ** _powers(shortest_K, longest_K))
        return cls(shortest_K, longest_K, total_RK, np.zeros((len(total_RK), 2), np.int64), starts)

    def run(self) -> None:
        """Work out every step but the last, at which the last segment ends."""
        starts, width_K = self.starts, self.longest_K - self.shortest_K + 1
        starts.append(0, starts.values_RK[0])
        for step in range(1, len(self.total_RK) - 1):
            total_K = self.total_RK[step]
            found_K = starts.window(step - self.shortest_K, width_K)
            found_K = np.where(step <= self.longest_K, np.maximum(found_K, 0.0), found_K)  # as the first segment
            score_K = total_K + found_K
            best = score_K.argmax()
            value_K = score_K[best] - total_K
            score_K[best] = -np.inf
            second = score_K.argmax()
            value_K[best] = score_K[second] - total_K[best]
            self.best_R2[step] = best, second
            starts.append(step, value_K)

    def trace(self) -> Ints:
        """Class of each step of the best segmentation."""
        end = len(self.total_RK) - 1
        labels_S = np.empty(end, np.int64)
        places_K = [self._start(end, label, 1) for label in range(len(self.shortest_K))]
        label = int(np.argmax([value + self.total_RK[end, k] for k, (_, value) in enumerate(places_K)]))
        start = places_K[label][0]
        while True:
            labels_S[start:end] = label
            if start == 0:
                return labels_S
            end, (best, second) = start, self.best_R2[start]
            label = int(second if best == label else best)
            start, _ = self._start(end, label, int(self.shortest_K[label]))

    def _start(self, end: int, label: int, shortest: int) -> tuple[int, float]:
        """Where the segment that ends at a step starts, and what it finds there."""
        first = max(0, end - int(self.longest_K[label]))
        found_W = self.starts.values_RK[first : max(first, end - shortest + 1), label]
        place = int(found_W.argmax()) if len(found_W) else 0
        value = float(found_W[place]) if len(found_W) else -np.inf
        return (0, 0.0) if first == 0 and value <= 0.0 else (first + place, value)
