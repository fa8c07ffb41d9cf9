"""`python -m tests.mutants`: which faults do the tests notice?

First the tests concerned are run as they are, and must pass. Then each mutant is put into a copy of the sources, one
by one, and the tests that concern it are run against the copy, up to the first failure. The working tree is never
written to. Exit status 1 if fewer than 95 % are killed, if one is stale (its old text doesn't stand in its file
exactly once), or if the tests fail without any fault.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from tests.mutants.mutant import Mutant, all_mutants
from tests.mutants.running import Outcome, copy_source, distinct_tests, imported_from, run_pytest, stop_all, try_mutant

ENOUGH = 0.95


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", metavar="TEXT", help="mutants whose name or file holds this text")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tried at once (default: 2)")
    parser.add_argument("--no-baseline", action="store_true", help="do not run the tests without a fault first")
    chosen = parser.parse_args(arguments)
    mutants = [m for m in all_mutants() if not chosen.only or any(t in m.name or t in m.file for t in chosen.only)]
    if not mutants:
        say("No mutant has that in its name or file.")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pool, began = ThreadPoolExecutor(chosen.jobs), time.monotonic()
    try:
        if not chosen.no_baseline and not baseline_passes(mutants, chosen.jobs, pool):
            return 1
        say(f"{'mutant':<42}{'file':<34}{'':<10}{'s':>6}  first failing test")
        outcomes = []
        for outcome in pool.map(try_mutant, mutants):
            say(line_of(outcome))
            outcomes.append(outcome)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()
    return conclude(outcomes, time.monotonic() - began)


def baseline_passes(mutants: Sequence[Mutant], jobs: int, pool: Executor) -> bool:
    """Whether all tests concerned pass against an unchanged copy of the sources; tells those that don't."""
    tests = [test for test in distinct_tests(mutants) if Path(test.partition("::")[0]).is_file()]
    shares = [tests[number::jobs] for number in range(jobs) if tests[number::jobs]]
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        source = copy_source(Path(folder))
        assert imported_from(source.parent) == source, "tests would not be run against the copy"
        done = list(pool.map(lambda share: run_pytest(share, source.parent, None, first=False), shares))
    for code, output in done:
        if code:
            say(f"Without any fault the tests must pass, but:\n{output}")
    return not any(code for code, _ in done)


def line_of(outcome: Outcome) -> str:
    """An outcome as a line of the table."""
    mutant = outcome.mutant
    return f"{mutant.name:<42}{mutant.file:<34}{outcome.word:<10}{outcome.seconds:>6.1f}  {outcome.told}"


def conclude(outcomes: Sequence[Outcome], seconds: float) -> int:
    """Say what survived, and what that makes."""
    for word in ("survived", "STALE"):
        for outcome in (o for o in outcomes if o.word == word):
            say(f"{word}: {outcome.mutant.name} in {outcome.mutant.file} {outcome.told}")
    counts = {word: sum(o.word == word for o in outcomes) for word in ("killed", "survived", "STALE")}
    share, timeouts = counts["killed"] / len(outcomes), sum(o.told == "timeout" for o in outcomes)
    say(
        f"{len(outcomes)} mutants: {counts['killed']} killed ({100 * share:.1f} %, {timeouts} by timeout), "
        f"{counts['survived']} survived, {counts['STALE']} stale; {seconds / 60:.1f} minutes"
    )
    return 0 if share >= ENOUGH and not counts["STALE"] else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
