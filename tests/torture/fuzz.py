"""Files spoilt at random before every reader of the project: a clear message, or a right result, and nothing else.

One part of the campaign (`python -m tests.torture --part fuzz`). A trial spoils a batch of inputs; each is read by
its real entry in a child of this process, which has everything imported, with limits of time and memory, in a folder
of its own. `python -m tests.torture.fuzz --seeds 0:20` runs trials and counts how they ended, reader by reader.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.forked import Ended, call
from tests.torture.mutators import ABSOLUTE, Rng, mutated, pick
from tests.torture.outcome import FINE, Outcome
from tests.torture.readers import Reader, badly_written, readers

INPUTS = 50
"""Spoilt inputs in a trial."""
INSIDE = Path("a", "b", "inside")
"""Where an input lies in its case: what is written above it was written outside."""
EXAMPLES, VALUES = "examples", "values.json"


def prepare(folder: Path, only: Collection[str] | None = None) -> None:
    """Make the example of each reader, read it, and keep what it says.

    Args:
        folder: an empty one.
        only: names of the readers; None: all.
    """
    _warm()
    values = {}
    for name, reader in readers().items():
        if only is not None and name not in only:
            continue
        place = folder / EXAMPLES / _plain(name)
        place.mkdir(parents=True)
        ended = call(partial(_make, reader, place), place)
        assert ended.how == "value", f"the example of {name} can't be made: {ended}"
        case = folder / "case"
        ended = _read(reader, place, case, None)[0]
        shutil.rmtree(case)
        assert ended.how == "value", f"the example of {name} can't be read: {ended.how} {ended.detail}"
        values[name] = _canonical(ended.value[0])
        assert ended.value[1] is None, f"the example of {name} is wrong by its own rule: {ended.value[1]}"
    (folder / VALUES).write_text(json.dumps(values))


def trial(
    seed: int,
    prepared: Path,
    folder: Path,
    inputs: int = INPUTS,
    only: Collection[str] | None = None,
    numbers: Collection[int] | None = None,
) -> list[Outcome]:
    """Spoil and read a batch of inputs; what was fine is one outcome a reader.

    Args:
        seed: of everything that is drawn.
        prepared: what `prepare` made.
        folder: an empty one.
        inputs: how many.
        only: names of the readers; None: all that are prepared.
        numbers: of the inputs, to do some of them again; None: all.
    """
    _warm()
    values = json.loads((prepared / VALUES).read_text())
    known = {n: reader for n, reader in readers().items() if n in values and (only is None or n in only)}
    weights = np.array([reader.weight for reader in known.values()])
    fine: Counter[tuple[str, str]] = Counter()
    bad: list[Outcome] = []
    for number in range(inputs) if numbers is None else numbers:
        rng = np.random.default_rng([seed, number])
        reader = known[str(rng.choice(list(known), p=weights / weights.sum()))]
        case = folder / f"{number}"
        ended, done, outside = _read(reader, prepared / EXAMPLES / _plain(reader.name), case, rng)
        shutil.rmtree(case, ignore_errors=True)
        result, detail = _judged(reader, ended, outside, values[reader.name])
        if result == FINE:
            fine[reader.name, detail] += 1
        else:
            bad.append(Outcome(f"fuzz, {reader.name}", result, f"input {number}, {done}: {detail}"))
    return [Outcome(f"fuzz, {name}", FINE, detail, count) for (name, detail), count in fine.items()] + bad


def _warm() -> None:
    """Import what readers import, once, so that children need not."""
    import h5py  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch

    import viewloom.api
    import viewloom.check.command
    import viewloom.cli
    import viewloom.report.page
    import viewloom.training.evaluate
    import viewloom.training.segment  # noqa: F401

    torch.set_num_threads(1)


def _make(reader: Reader, place: Path) -> None:
    reader.make(place)


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _read(reader: Reader, example: Path, case: Path, rng: Rng | None) -> tuple[Ended, str, str]:
    """Read an example, spoilt where there is a generator: how it ended, what was done, what was written outside."""
    inside = case / INSIDE
    shutil.copytree(example, inside, symlinks=True)
    done, target = "nothing", None
    if rng is not None:
        files = sorted(path for pattern in reader.files for path in inside.glob(pattern) if path.is_file())
        target = pick(rng, files)
        done = mutated(target, rng)
    ended = call(partial(_looked_at, reader, target), inside)
    return ended, done, _outside(case)


def _looked_at(reader: Reader, target: Path | None) -> tuple[Any, str | None]:
    """What a reader says, and why that can't be right."""
    facts = reader.read(Path.cwd())
    why = reader.wrong(Path.cwd(), facts)
    if why is None and target is not None and reader.strict and target.is_file():
        why = badly_written(target)
    return json.loads(json.dumps(facts, default=str)), why


def _outside(case: Path) -> str:
    """What lies where nothing may be written."""
    allowed = {case.joinpath(*INSIDE.parts[:depth]) for depth in range(1, len(INSIDE.parts) + 1)}
    found = [path for depth in range(len(INSIDE.parts)) for path in case.joinpath(*INSIDE.parts[:depth]).iterdir()]
    odd = [str(path.relative_to(case)) for path in found if path not in allowed]
    return ", ".join([*odd, *([ABSOLUTE] if os.path.lexists(Path(ABSOLUTE).parent) else [])])


def _judged(reader: Reader, ended: Ended, outside: str, value: str) -> tuple[str, str]:
    """A result of the campaign, and its detail; of what is fine: a message, an equal result, or another."""
    if outside:
        return "wrote outside", outside
    if ended.how == "message":
        return FINE, "message"
    if ended.how != "value":
        return ended.how, ended.detail
    facts, why = ended.value
    if why is not None:
        return "wrong success", why
    return FINE, "equal" if _canonical(facts) == value else "another result"


def _canonical(facts: Any) -> str:
    return json.dumps(facts, sort_keys=True)


def main() -> int:
    """Run trials and show the counts; 1 when anything wasn't fine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:4", help="first:last + 1")
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--only", default="", help="readers whose names hold this")
    parser.add_argument("--input", type=int, help="the only one to do, of those of a seed")
    parser.add_argument("--text", action="store_true", help="readers of text alone")
    parser.add_argument("--prepared", help="folder to keep examples in")
    args = parser.parse_args()
    first, last = map(int, args.seeds.split(":"))
    chosen = {name for name, one in readers().items() if args.only in name and not (args.text and one.binary)}
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as room:
        prepared = Path(args.prepared or f"{room}/prepared")
        if not prepared.exists():
            prepare(prepared, chosen)
        for seed in range(first, last):
            folder = Path(room, f"trial{seed}")
            folder.mkdir()
            for one in trial(seed, prepared, folder, args.inputs, chosen, None if args.input is None else [args.input]):
                counts[one.kind, one.result if one.result != FINE else one.detail] += one.events
                if one.result != FINE:
                    _say(f"{one.result} | {one.kind} | seed {seed}, {one.detail}")
            shutil.rmtree(folder)
    totals = Counter(dict.fromkeys(("message", "equal", "another result"), 0))
    for (kind, result), count in sorted(counts.items()):
        totals[result] += count
        _say(f"{kind:40} {result:16} {count}")
    _say(str(dict(totals)))
    return int(any(result not in ("message", "equal", "another result") for result in totals))


def _say(line: str) -> None:
    sys.stdout.write(ascii(line)[1:-1] + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
