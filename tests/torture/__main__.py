"""`python -m tests.torture`: a campaign against the project, until its time is out.

Each part (`kills`, `fuzz`, `faults`) prepares once and then makes trials, each drawn from a seed of its own, in worker
processes. A table says what came of them; each failure has the one line that makes it again. Exit status 1 when any
trial wasn't fine.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.torture.campaign import PARTS, Campaign
from tests.torture.tables import as_lines, as_markdown, failures, into_page, is_fine, write_results

DOCS = __doc__ or ""
FOLDER = Path(tempfile.gettempdir()) / "viewloom-torture"
"""A short path: sockets of processes can't have a long one."""


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parsed(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parts = [part for part in PARTS if part in chosen.part] if "all" not in chosen.part else list(PARTS)
    fine = True
    for part in parts:
        campaign = Campaign(part, chosen.folder.resolve() / part, chosen.seed, chosen.jobs, chosen.limit, chosen.reuse)
        minutes = chosen.minutes / len(parts)
        began, command = time.monotonic(), reproduced(chosen, part, minutes)
        done = campaign.run(60 * minutes, chosen.trials)
        seconds = time.monotonic() - began
        write_results(chosen.folder / f"{part}.json", part, command, seconds, done)
        say(*as_lines(part, done, seconds))
        say(*failures(part, done))
        if chosen.page is not None:
            into_page(chosen.page, part, as_markdown(part, command, done, seconds))
        fine = fine and is_fine(done)
    say(f"results: {chosen.folder}")
    return 0 if fine else 1


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=DOCS.partition("\n")[0])
    parser.add_argument("--part", default="all", help=f"{', '.join(PARTS)} or all; several with commas (default: all)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long all parts may take (default: 10)")
    parser.add_argument("--trials", type=int, help="so many trials a part, however long they take")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first trial (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds until a trial is a hang (default: 300)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"where it works, and keeps results (default: {FOLDER})"
    )
    parser.add_argument("--reuse", action="store_true", help="go on with what an earlier campaign there prepared")
    parser.add_argument("--page", type=Path, help="Markdown page that takes the tables, between their marks")
    chosen = parser.parse_args(arguments)
    chosen.part = [part.strip() for part in chosen.part.split(",")]
    if unknown := [part for part in chosen.part if part not in (*PARTS, "all")]:
        parser.error(f"there is no part {unknown[0]!r}; there are: {', '.join((*PARTS, 'all'))}")
    return chosen


def reproduced(chosen: argparse.Namespace, part: str, minutes: float) -> str:
    """The command that makes a part's table again."""
    amount = f"--trials {chosen.trials}" if chosen.trials is not None else f"--minutes {minutes:g}"
    return f"python -m tests.torture --part {part} {amount} --seed {chosen.seed} --jobs {chosen.jobs}"


def say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
