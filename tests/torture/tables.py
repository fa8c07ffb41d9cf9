"""Tables of a campaign: on the screen, as Markdown for a page, as JSON to keep."""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.torture.campaign import Done
from tests.torture.outcome import FINE, Outcome

SHOWN = 30
"""How many failures are told, one of each kind and result first."""
ALIKE = 3
"""How many of one kind and result."""
DETAIL = 600


def outcomes_of(done: Sequence[Done]) -> list[Outcome]:
    """All outcomes, in order of seeds."""
    return [outcome for trial in done for outcome in trial.outcomes]


def is_fine(done: Sequence[Done]) -> bool:
    """Whether there were trials, and all went well."""
    return bool(done) and all(outcome.result == FINE for outcome in outcomes_of(done))


def rows(done: Sequence[Done]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: kind, trials, events, and how many came to each result; the last row is all of it."""
    outcomes = outcomes_of(done)
    results = sorted({outcome.result for outcome in outcomes} | {FINE}, key=lambda name: (name != FINE, name))
    kinds = sorted({outcome.kind for outcome in outcomes})
    table = []
    for kind, own in [(kind, [o for o in outcomes if o.kind == kind]) for kind in kinds] + [("all", outcomes)]:
        count = Counter(outcome.result for outcome in own)
        table.append([kind, str(len(own)), str(sum(o.events for o in own)), *(str(count[name]) for name in results)])
    return ["kind", "trials", "events", *results], table


def as_lines(part: str, done: Sequence[Done], seconds: float) -> list[str]:
    """The table as text."""
    columns, table = rows(done)
    widths = [max(len(row[column]) for row in (columns, *table)) for column in range(len(columns))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in (columns, *table)]
    return ["", f"{part}: {len(done)} trials in {seconds:.0f} s", *lines]


def as_markdown(part: str, command: str, done: Sequence[Done], seconds: float) -> str:
    """The table for a page, with the command that makes it."""
    columns, table = rows(done)
    head = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    where = f"Python {platform.python_version()}, {platform.system()}"
    about = f"`{command}`: {len(done)} trials in {seconds / 60:.1f} minutes ({where})."
    return "\n".join([about, "", *head, *(f"| {' | '.join(row)} |" for row in table)])


def failures(part: str, done: Sequence[Done]) -> list[str]:
    """Each failure: what it was, and the line that makes it again; one of each kind and result first."""
    failed = [(trial.seed, outcome) for trial in done for outcome in trial.outcomes if outcome.result != FINE]
    seen: Counter[tuple[str, str]] = Counter()
    ranked = []
    for seed, outcome in failed:
        ranked.append((seen[outcome.kind, outcome.result], seed, outcome))
        seen[outcome.kind, outcome.result] += 1
    lines = []
    told = [entry for entry in sorted(ranked, key=lambda entry: entry[:2]) if entry[0] < ALIKE][:SHOWN]
    for _, seed, outcome in told:
        detail = outcome.detail.strip()[-DETAIL:].replace("\n", "\n    ")
        lines += ["", f"{outcome.result}: {outcome.kind}", f"    {detail}", reproduction(part, seed)]
    more = [f"\nand {len(failed) - len(told)} more, in the results"] if len(failed) > len(told) else []
    return lines + more


def reproduction(part: str, seed: int) -> str:
    """The one line that makes a trial again."""
    return f"    python -m tests.torture --part {part} --seed {seed} --trials 1"


def write_results(path: Path, part: str, command: str, seconds: float, done: Sequence[Done]) -> None:
    """Keep all of it."""
    trials: list[dict[str, Any]] = [asdict(trial) for trial in done]
    value = {"part": part, "command": command, "seconds": round(seconds, 1), "trials": trials}
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def into_page(path: Path, part: str, text: str) -> None:
    """Put a part's table into a page between its marks, or behind what a page without them holds."""
    begin, end = f"<!-- torture {part} -->", f"<!-- torture {part} ends -->"
    page = path.read_text(encoding="utf-8") if path.exists() else "# A campaign\n"
    block = f"{begin}\n{text}\n{end}"
    if begin in page and end in page:
        before, _, rest = page.partition(begin)
        page = before + block + rest.partition(end)[2]
    else:
        page = f"{page.rstrip()}\n\n## {part.capitalize()}\n\n{block}\n"
    path.write_text(page, encoding="utf-8")
