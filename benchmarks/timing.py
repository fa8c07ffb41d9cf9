"""What all benchmarks share: timing ways in turn, and the form of a result.

A result is a dict with ``settings`` and any of

- ``ratios``: list of `ratio`, one path each, two sides measured in one run;
- ``growth``: list of `growth`, seconds at 1, 4 and 16 times the work;
- ``figures``: list of `figure`, what is no ratio (seconds to start, GiB);
- ``not_measured``: list of {path, reason}.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Seconds = dict[str, list[float]]


def in_turn(
    ways: Mapping[str, Callable[[], Any]],
    repeats: int,
    check: Callable[[str, Any], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Seconds:
    """Seconds of each round of each way, the ways in turn, after one warm-up round.

    Args:
        ways: what to time, by name.
        repeats: rounds that count.
        check: called with the name and the value of every call, outside the time; raises where it is wrong.
        clock: what tells the time (s); `time.process_time` for what waits for nothing.
    """
    seconds: Seconds = {name: [] for name in ways}
    for round_ in range(repeats + 1):
        for name, way in ways.items():
            start = clock()
            value = way()
            elapsed = clock() - start
            if check is not None:
                check(name, value)
            if round_:
                seconds[name].append(elapsed)
    return seconds


def ratio(path: str, seconds: Seconds, slow: str, fast: str, target: float | None = None) -> dict[str, Any]:
    """How many times faster ``fast`` is than ``slow``: medians, and the smallest and largest ratio of a round.

    Args:
        path: what is measured, for the table.
        seconds: rounds of both sides, as `in_turn` gives them.
        slow: name of the baseline side.
        fast: name of our side.
        target: ratio to reach at least, or None.
    """
    by_round = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    medians = statistics.median(seconds[slow]), statistics.median(seconds[fast])
    return {
        "path": path,
        "sides": [slow, fast],
        "median_s": list(medians),
        "times_faster": medians[0] / medians[1],
        "lowest": min(by_round),
        "highest": max(by_round),
        "rounds": len(by_round),
        "target": target,
    }


def growth(
    what: str, over: str, work: Sequence[float], seconds: Sequence[float], allowed: float = 1.15
) -> dict[str, Any]:
    """Seconds at growing work, and the exponent between the two largest (1: linear), where fixed costs count least.

    Args:
        what: what is timed.
        over: the quantity that grows.
        work: multiples of the smallest amount, ascending.
        seconds: median seconds of each.
        allowed: exponent that still counts as linear; 2 for attention over time.
    """
    exponent = math.log(seconds[-1] / seconds[-2]) / math.log(work[-1] / work[-2])
    return {
        "what": what,
        "over": over,
        "work": list(work),
        "seconds": list(seconds),
        "exponent": exponent,
        "allowed": allowed,
    }


def figure(path: str, value: float, unit: str, at_most: float | None = None) -> dict[str, Any]:
    """A value that is no ratio, and what it may be at most.

    Args:
        path: what is measured.
        value: the figure.
        unit: its unit, behind the figure in the table.
        at_most: what it is to stay under, or None.
    """
    return {
        "path": path,
        "value": f"{value:.3g} {unit}",
        "target": "" if at_most is None else f"at most {at_most:g} {unit}",
        "met": at_most is None or value <= at_most,
    }


def median_s(call: Callable[[], Any], repeats: int) -> float:
    """Median seconds of a call, after one warm-up."""
    return statistics.median(in_turn({"it": call}, repeats)["it"])


def show(result: Mapping[str, Any]) -> None:
    """Print a result as JSON."""
    print(json.dumps(result, indent=1))
