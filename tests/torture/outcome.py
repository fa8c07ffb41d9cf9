"""What one trial of the campaign came to."""

from dataclasses import dataclass

FINE = "fine"
"""The promise was kept: an equal end, a clear message, or a right result."""


@dataclass(frozen=True)
class Outcome:
    """One trial.

    kind: what was done to what, a row of the campaign's table, as "pretrain, workers 1".
    result: `FINE`, or in one or two words what went wrong: "traceback", "hang", "memory", "crash", "differs",
        "wrong success", "wrote outside", "left over".
    detail: what to know to mend it; the last lines of a traceback, the files that differ.
    events: how many kills, inputs or faults the trial held.
    """

    kind: str
    result: str
    detail: str = ""
    events: int = 1
