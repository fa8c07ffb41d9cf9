"""Frames that a view lacks, counted while they are read, and said once: never silently left out."""

from viewloom.console import err
from viewloom.errors import listed
from viewloom.windows.batch import ViewBatch


class MissingFrames:
    """Counts by item and view."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}

    def note(self, item: str, view: str, frames: int) -> None:
        """Add what a window lacks."""
        if frames:
            self.counts[item, view] = self.counts.get((item, view), 0) + frames

    def note_views(self, batch: ViewBatch) -> None:
        """Add what the views of each window of a batch lack."""
        for window, lacking in zip(batch.windows, batch.missing_frames, strict=True):
            for view, frames in lacking:
                self.note(window.item, view, frames)

    def say(self, policy: str) -> None:
        """One line on standard error about what was missing, if anything was."""
        if self.counts:
            done = {"mask": "left out", "nearest": "filled from the nearest frame"}[policy]
            where = [f"{item} in {view} ({frames})" for (item, view), frames in sorted(self.counts.items())]
            err.print(
                f"{sum(self.counts.values())} frame(s) are missing and were {done} "
                f"(--sampling.missing_frames {policy}): {listed(where, 3)}.",
                markup=False,
            )
