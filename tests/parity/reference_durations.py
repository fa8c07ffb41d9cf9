"""The best segmentation within bounds of durations, by trying all of them, and by a plain search of every duration.

No code is shared with the package.
"""

import math


def by_trying_all(logp, shortest, longest):
    """Score of the best labelling of a few steps; minus infinity where there is none that the bounds allow."""
    steps, classes = len(logp), len(logp[0])
    best = -math.inf
    for number in range(classes**steps):
        labels = [number // classes**step % classes for step in range(steps)]
        if allowed(labels, shortest, longest):
            best = max(best, sum(row[label] for row, label in zip(logp, labels, strict=True)))
    return best


def segments(labels):
    """(class, steps) of each maximal run."""
    found = []
    for label in labels:
        if found and found[-1][0] == label:
            found[-1][1] += 1
        else:
            found.append([label, 1])
    return found


def allowed(labels, shortest, longest):
    """Whether every segment is within its bounds; the first and the last may be shorter."""
    found = segments(labels)
    return all(
        steps <= longest[label] and (steps >= shortest[label] or place in (0, len(found) - 1))
        for place, (label, steps) in enumerate(found)
    )


def by_every_duration(logp, shortest, longest):
    """Score of the best labelling: for each end, class and duration the best beginning of another class."""
    steps, classes = len(logp), len(logp[0])
    best = [[-math.inf] * classes for _ in range(steps + 1)]
    for end in range(1, steps + 1):
        for label in range(classes):
            total = 0.0
            for duration in range(1, min(end, longest[label]) + 1):
                start = end - duration
                total += logp[start][label]
                if start == 0:
                    best[end][label] = max(best[end][label], total)
                elif duration >= shortest[label] or end == steps:
                    before = max(best[start][other] for other in range(classes) if other != label)
                    best[end][label] = max(best[end][label], before + total)
    return max(best[steps])
