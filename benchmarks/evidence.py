"""What `viewloom transfer` is worth, and why its defaults are what they are: `make bench-evidence`.

Data sets are made or found, `viewloom compare` runs every row on each, and pages are written to docs/results/evidence.
All features are simulated or rendered, and the pages say so. ``SMALL=1`` takes two of them, three seeds and short training,
about 20 minutes on two cores; the whole takes hours. What is finished is used again.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from viewloom.recipes.compare.command import ComparisonResult, run_compare
from viewloom.recipes.compare.settings import CompareConfig

from tests.rigs import PEOPLE, SENSORS, write_rig
from viewloom.console import out
from viewloom.files import write_text
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import SimulateConfig

PAGES = Path("docs/results/evidence")
MARK = "<!-- written by benchmarks/evidence.py -->\n"
CANDIDATES = ("cca", "delay_cca", "rff_cca", "contrast")
METHODS: tuple[Any, ...] = (
    "none",
    {"name": "standardised", "method": "none", "method_options": {"standardise": "view"}},
    *({"name": name, "method": name, "method_options": {"standardise": "view"}} for name in CANDIDATES),
    {"name": "two_stream", "method": "two_stream", "method_options": {"standardise": "view", "stem": "cca"}},
    "auto",
)
PUBLISHED = {"chunk_frames": 20, "test_chunks": [10, 17, 24], "pooling": "max"}


@dataclass(frozen=True)
class Case:
    """A data set and how it is compared on.

    Attributes:
        name: of the page.
        labelled: view with labels.
        unlabelled: view to be segmented.
        about: what the data are.
        sampling: windows and chunks; empty: the defaults.
        width: of the head's layers.
        epochs: of the head; None: the default.
        data: its folder, below that of all.
        features: another store.
    """

    name: str
    labelled: str
    unlabelled: str
    about: str
    sampling: Mapping[str, Any] = field(default_factory=dict)
    width: int = 64
    epochs: int | None = None
    data: str = ""
    features: str | None = None


CASES = {
    case.name: case
    for case in (
        Case(
            "generated",
            "v3",
            "e4",
            "simulated features on generated timelines, as in `make demo`",
            PUBLISHED,
            epochs=40,
        ),
        Case("sensors", "wrist", "chest", "simulated sensors, 18 values, 10 frames a second, 20 recordings of 70 s"),
        Case("people", "room", "head", "simulated features of two cameras, D = 1280, 13 recordings at 10 fps"),
        Case("real_timelines", "v3", "e4", "simulated features on Assembly101's real timelines", PUBLISHED, epochs=40),
        Case(
            "pixels",
            "corner",
            "gripperPOV",
            "rendered video of a robot hand, EfficientNet-Lite0, of `make bench-pixels`",
            {"chunk_frames": 2, "test_chunks": [1, 2, 3], "pooling": "max"},
            epochs=100,
            data="data",
            features="packed",
        ),
    )
}
SMALL = ("generated", "sensors")


def main(root: Path, names: Sequence[str], seeds: Sequence[int], jobs: int | None, small: bool, pages: Path) -> None:
    """Compare on each data set, and write the pages."""
    started, done = time.monotonic(), []
    for name in names:
        case = CASES[name]
        if not prepare(root, case):
            continue
        file = write_file(root, case, seeds, jobs, small)
        result = run_compare(CompareConfig(file=str(file), docs=str(pages / f"{name}.md")))
        assert isinstance(result, ComparisonResult)
        out.print(f"{name}: {time.monotonic() - started:.0f} s")
        done.append((case, result))
    write_summary(pages, done, small, time.monotonic() - started)


def prepare(root: Path, case: Case) -> bool:
    """Make a data set, unless it is there; False where it can't be had here."""
    folder = root / case.name
    annotations = os.environ.get("VIEWLOOM_ASSEMBLY101")
    if (folder / case.data).exists():
        return True
    if case.name == "generated":
        run_simulate(SimulateConfig(out=str(folder), recordings=40))
    elif case.name == "real_timelines" and annotations:
        run_simulate(SimulateConfig(out=str(folder), timelines=annotations, recordings=60))
    elif case.name in ("sensors", "people"):
        write_rig(folder, SENSORS if case.name == "sensors" else PEOPLE)
    else:
        hint = "set VIEWLOOM_ASSEMBLY101" if case.name == "real_timelines" else f"make bench-pixels, linked as {folder}"
        out.print(f"{case.name} is left out: it is not here ({hint}).")
        return False
    return True


def write_file(root: Path, case: Case, seeds: Sequence[int], jobs: int | None, small: bool) -> Path:
    """The comparison of a data set, for `viewloom compare`."""
    data: dict[str, Any] = {"data": str(root / case.name / case.data), "name": case.name}
    if case.features is not None:
        data["features"] = str(root / case.name / case.features)
    epochs = case.epochs if not small or case.epochs is None else case.epochs // 2
    comparison = {
        "data": [data],
        "labelled": case.labelled,
        "unlabelled": case.unlabelled,
        "methods": [
            entry for entry in METHODS if not small or named(entry) not in ("contrast", "two_stream", "people")
        ],
        "heads": [{"name": "c2f_tcn", "head": "c2f_tcn", "head_options": {"width": case.width}}],
        "students": [False, True],
        "seeds": list(seeds),
        "controls": ["majority", "clock", "oracle"],
        "train": {} if epochs is None else {"epochs": epochs},
        "sampling": dict(case.sampling),
        "trainer": {"logger": "none", "progress": False, "validate_every_epochs": 5},
        "out": str(root / "compared" / case.name),
        **({} if jobs is None else {"jobs": jobs}),
    }
    path = root / f"{case.name}.yaml"
    write_text(path, yaml.safe_dump(comparison, sort_keys=False))
    return path


def named(entry: Any) -> str:
    """Name of a method's entry."""
    return entry if isinstance(entry, str) else str(entry["name"])


def main_from_line() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--root", default="evidence", help="folder for data and runs")
    parser.add_argument(
        "--cases", default=None, help=f"comma-separated, of {', '.join(CASES)}; default: all, or with --small two"
    )
    parser.add_argument("--seeds", default=None, help="comma-separated; default: 0 to 4, with --small 0 to 2")
    parser.add_argument("--jobs", type=int, default=None, help="runs at once; default: as many as cores")
    parser.add_argument("--small", action="store_true", help="two data sets, fewer rows, half the epochs")
    parser.add_argument("--pages", default=str(PAGES), help="folder of the pages")
    args = parser.parse_args()
    names = args.cases.split(",") if args.cases else SMALL if args.small else tuple(CASES)
    seeds = [int(seed) for seed in (args.seeds or ("0,1,2" if args.small else "0,1,2,3,4")).split(",")]
    main(Path(args.root), names, seeds, args.jobs, args.small, Path(args.pages))


if __name__ == "__main__":
    main_from_line()
