"""What `viewloom transfer` is worth, and why its defaults are what they are: `make bench-evidence`.

Data sets are made or found, `viewloom compare` runs every row on each, and pages are written to docs/results/evidence.
All features are simulated or rendered, and the pages say so. ``SMALL=1`` takes two of them, three seeds, three methods,
less time for what `auto` learns and short training, about 20 minutes on two cores; the whole takes hours. What is
finished is used again.
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import yaml
from scipy.stats import spearmanr

from tests.rigs import PEOPLE, SENSORS, write_rig
from viewloom.console import out
from viewloom.files import atomic_path, write_text
from viewloom.heads.settings import C2FTCNConfig
from viewloom.methods.settings import AutoConfig
from viewloom.recipes.compare.command import ComparisonResult, run_compare
from viewloom.recipes.compare.settings import CompareConfig
from viewloom.recipes.curve import run_curve
from viewloom.recipes.results import command as line_as_typed
from viewloom.recipes.settings import CurveConfig
from viewloom.recipes.without_refiner import better_without, doubtful
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import SimulateConfig
from viewloom.training.settings import TrainerConfig

PAGES = Path("docs/results/evidence")
MARK = "<!-- written by benchmarks/evidence.py -->\n"
DEFAULT = """
## What the default is, and why

`viewloom transfer` takes the simplest refiner that the best one can't be told from, by how well clusters carry over on
held-out pairs (`auto`, see [how the method is chosen](../../transfer.md#how-the-method-is-chosen)), and teaches a
student on pairs (`+ student`). No single refiner wins everywhere, and which one does can't be known beforehand; the
table *What tells without labels* and its picture are why the choice goes by `transfer` and not by retrieval. The
student is the default because it helps in most rows here, in the labelled view too, and needs nothing more. Where the
naive head does better on validation items than a head behind the refiner, a student without refiner is taught too, and
the one kept whose teacher's validation score times its agreement with it is larger; of the data sets here that happens
on `people`, whose 1,280 features and 824 pair steps leave a refiner little of what the labelled view shows.

## Where it fails

- On the rendered benchmark it closes the smallest share of the gap. Few recordings are held out there, candidates can
  hardly be told apart, and the labelled view itself sees the actions badly.
- Where the pairs show other actions (`strangers`) curved refiners go astray, whatever held-out pairs say of them
  ([log](../../log.md)); this is why simple ones are preferred.
- Five to eight test recordings tell only large differences apart: read the intervals.
""".strip().splitlines()
CANDIDATES = ("cca", "delay_cca", "rff_cca", "contrast")
METHODS: tuple[Any, ...] = (
    "none",
    {"name": "standardised", "method": "none", "method_options": {"standardise": "view"}},
    *({"name": name, "method": name, "method_options": {"standardise": "view"}} for name in CANDIDATES),
    {"name": "two_stream", "method": "two_stream", "method_options": {"standardise": "view", "stem": "cca"}},
    {"name": "auto", "method": "auto"},
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
        Case(
            "strangers",
            "wrist",
            "chest",
            "the same sensors, but the pairs show seven other actions and none of the labelled ones",
        ),
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
RIGS = {"sensors": SENSORS, "strangers": replace(SENSORS, others=7), "people": PEOPLE}
CURVE = replace(SENSORS, splits=SENSORS.splits | {"pairs": 20})
"""Sensors with so many pairs that a twentieth of them is a recording."""
POINTS = "5,20,100"
SMALL = ("generated", "sensors")
SMALL_ROWS = ("none", "cca", "auto")
SMALL_MINUTES = 1.0
"""Time for learned candidates of `auto` in the small version."""


def main(
    root: Path,
    names: Sequence[str],
    seeds: Sequence[int],
    jobs: int | None,
    small: bool,
    pages: Path,
    rows: Sequence[str] = (),
    minutes: float | None = None,
) -> None:
    """Compare on each data set, and write the pages."""
    for name in names:
        started, case = time.monotonic(), CASES[name]
        if not prepare(root, case):
            continue
        file = write_file(root, case, seeds, jobs, small, rows, minutes)
        result = run_compare(CompareConfig(file=str(file), docs=str(pages / f"{name}.md")))
        assert isinstance(result, ComparisonResult)
        write_case(pages, case, result)
        write_summary(pages)
        out.print(f"{name}: {time.monotonic() - started:.0f} s")


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
    elif case.name in RIGS:
        mark_simulated(write_rig(folder, RIGS[case.name]))
    else:
        hint = "set VIEWLOOM_ASSEMBLY101" if case.name == "real_timelines" else f"make bench-pixels, linked as {folder}"
        out.print(f"{case.name} is left out: it is not here ({hint}).")
        return False
    return True


def mark_simulated(folder: Path) -> None:
    """Say in a data set that nothing in it is real, so that every table says so too."""
    write_text(folder / "simulation.json", json.dumps({"made_by": "tests/rigs.py"}) + "\n")


def write_file(
    root: Path,
    case: Case,
    seeds: Sequence[int],
    jobs: int | None,
    small: bool,
    rows: Sequence[str] = (),
    minutes: float | None = None,
) -> Path:
    """The comparison of a data set, for `viewloom compare`."""
    data: dict[str, Any] = {"data": str(root / case.name / case.data), "name": case.name}
    if case.features is not None:
        data["features"] = str(root / case.name / case.features)
    auto = {} if minutes is None else {"method_options": {"minutes": minutes}}
    epochs = case.epochs if not small or case.epochs is None else case.epochs // 2
    comparison = {
        "data": [data],
        "labelled": case.labelled,
        "unlabelled": case.unlabelled,
        "methods": [
            {**entry, **auto} if named(entry) == "auto" else entry
            for entry in METHODS
            if not rows or named(entry) in rows
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


def draw_curve(root: Path, pages: Path, seeds: Sequence[int], minutes: float | None) -> None:
    """What `transfer` does with a share of the pairs: the page and picture ``pairs``."""
    started, folder = time.monotonic(), root / "many_pairs"
    if not folder.exists():
        mark_simulated(write_rig(folder, CURVE))
    config = CurveConfig(
        data=str(folder),
        kind="pairs",
        views="wrist,chest",
        points=POINTS,
        seeds=",".join(map(str, seeds)),
        out=str(root / "curves"),
        docs=str(pages / "pairs.md"),
        head_options=C2FTCNConfig(width=64),
        method_options=AutoConfig() if minutes is None else AutoConfig(minutes=minutes),
        trainer=TrainerConfig(devices="1", logger="none", progress=False, validate_every_epochs=5),
    )
    out.print(run_curve(config), markup=False)
    out.print(f"curve over pairs: {time.monotonic() - started:.0f} s")


def write_case(pages: Path, case: Case, result: ComparisonResult) -> None:
    """Keep what the summary says of a data set, so that data sets may be run one by one."""
    pages.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(result.folder / "picture.png", pages / f"{case.name}.png")
    (table,) = result.results["tables"]
    kept = kept_students(case, result)
    aims = [
        _aim(case, view["view"], {row["title"]: row for row in view["rows"]}, kept.values()) for view in table["views"]
    ]
    costs = {title.partition(",")[0]: took for title, took in result.made["seconds"][case.name].items()}
    minutes = round(result.made["all_seconds"] / 60)
    facts = {"about": case.about, "command": line_as_typed(), "minutes": minutes, "aims": aims}
    facts |= {"without_refiner": sum(path.name.startswith("none-") for path in kept.values()), "seeds": len(kept)}
    facts |= {"costs": {name: round(costs[name]) for name in (*COSTS, "oracle") if name in costs}}
    write_text(pages / f"{case.name}.json", json.dumps(facts | {"points": _points(case, result)}, indent=1) + "\n")


def kept_students(case: Case, result: ComparisonResult) -> dict[int, Path]:
    """The student that `viewloom transfer` keeps of each seed: behind what auto took, or without refiner."""
    runs, found = result.folder / "runs", dict[int, Path]()
    for seed in result.results["seeds"]:
        each = [
            next(runs.glob(f"{row}-c2f_tcn-seed{seed}-*"), None) for row in ("none", "none-student", "auto-student")
        ]
        if None not in each:
            naive, plain, refined = (Path(str(path)) for path in each)
            without = doubtful(naive, refined) and better_without(plain, refined, [case.unlabelled])
            found[seed] = plain if without else refined
    return found


COSTS = ("none", "cca", "contrast", "two_stream", "auto", "auto + student")
"""Rows whose cost is told."""


def write_summary(pages: Path) -> None:
    """Aims on every data set that was run, and how well what `auto` goes by agrees with what is wanted."""
    kept = {name: pages / f"{name}.json" for name in CASES}
    found = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in kept.items() if path.exists()}
    telling = [facts["points"] for facts in found.values() if len({point["name"] for point in facts["points"]}) > 2]
    points = [point for of_one in telling for point in of_one]
    about = """
Written by `make bench-evidence`, data set by data set. All features are simulated or rendered: no figure here is of
real video. F1@50, percent, mean over seeds; the gap is that from naive to oracle. `transfer` is what the command
keeps of each seed: `auto + student`, or the student without refiner where validation and agreement say so.
""".strip()
    columns = [
        "data",
        "view",
        "naive",
        "auto",
        "auto + student",
        "transfer",
        "oracle",
        "gap closed",
        "by auto + student",
        "by two_stream + student",
        "clock",
    ]
    lines = [MARK, "# Evidence", "", about, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(aim)} |" for facts in found.values() for aim in facts["aims"]]
    lines += ["", "| data | what | by | minutes of computing, one core |", "|---|---|---|---|"]
    lines += [
        f"| [{name}]({name}.md) | {facts['about']} | `{facts['command']}` | {facts['minutes']} |"
        for name, facts in found.items()
    ]
    lines += ["", *DEFAULT]
    costs = [name for name in COSTS if any(name in facts.get("costs", {}) for facts in found.values())]
    lines += [
        "",
        "## What it costs",
        "",
        "Seconds a seed on one core, refiner, teacher, head and student together; of a run that went on with what an "
        "earlier one had finished (candidates of `auto`), from there on.",
        "",
    ]
    lines += [f"| data | {' | '.join(costs)} |", "|---" * (len(costs) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(str(facts.get('costs', {}).get(cost, '–')) for cost in costs)} |"
        for name, facts in found.items()
    ]
    if (pages / "pairs.md").exists():
        lines += ["", "## With few pairs", "", "![F1@50 by the share of pairs](pairs.png)", "", "[Table](pairs.md)."]
    pictures = [f"![{name}: every row](" + f"{name}.png)" for name in found if (pages / f"{name}.png").exists()]
    lines += ["", "## Every row", "", *pictures, "", *criterion_lines(points)]
    write_text(pages / "README.md", "\n".join(lines) + "\n")
    draw_criterion(points, pages / "criterion.png")


def _aim(case: Case, view: str, rows: Mapping[str, Any], kept: Collection[Path]) -> list[str]:
    """One line of the table of aims."""
    scores = [
        json.loads((run / "metrics.json").read_text(encoding="utf-8"))["views"][view]["scores"]["f1_50"] for run in kept
    ]
    transfer = fmean(scores) if scores else None

    def figure(name: str) -> str:
        row = rows.get(name)
        return "–" if row is None else f"{row['mean']['f1_50']:.1f}"

    def gap(name: str) -> str:
        closed = rows[name]["gap_closed"] if name in rows else None
        return "–" if closed is None or closed["closed"] is None else f"{closed['closed']:.0f} %"

    oracle = next((name for name, row in rows.items() if row["role"] == "oracle"), "oracle")
    own, shown = figure(oracle) if view == case.unlabelled else "–", "–" if transfer is None else f"{transfer:.1f}"
    closed = "–"
    if transfer is not None and own != "–":
        naive, best = (rows[name]["mean"]["f1_50"] for name in ("none", oracle))
        closed = f"{100 * (transfer - naive) / (best - naive):.0f} %"
    first = [case.name, view, *map(figure, ("none", "auto", "auto + student")), shown, own]
    return [*first, closed, gap("auto + student"), gap("two_stream + student"), figure("clock")]


def _points(case: Case, result: ComparisonResult) -> list[dict[str, Any]]:
    """Each candidate of each choice: what it was measured by, and what a head behind that method scored."""
    (table,) = result.results["tables"]
    view = next(each for each in table["views"] if each["view"] == case.unlabelled)
    rows = {row["title"]: row for row in view["rows"]} | {"none": None}
    rows["none"] = next((row for row in view["rows"] if row["title"] == "standardised"), None)
    found = []
    for path in sorted(result.folder.rglob("auto.json")):
        seed = json.loads((path.parent / "environment.json").read_text(encoding="utf-8"))["seed"]
        for entry in json.loads(path.read_text(encoding="utf-8"))["candidates"]:
            row = rows.get(entry["name"])
            if entry["measured"] is not None and row is not None and str(seed) in row["seeds"]:
                scores = {"f1_50": row["seeds"][str(seed)]["f1_50"], "mof": row["seeds"][str(seed)]["mof"]}
                measured = {name: entry["measured"][name] for name in ("transfer", "own", "retrieval", "spread")}
                found.append({"data": case.name, "seed": seed, "name": entry["name"], **measured, **scores})
    return found


def criterion_lines(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rank correlation, on each data set, of what is measured without labels with scores in the unlabelled view."""
    about = (
        "Spearman's correlation, over methods and seeds, with the score of a head in the unlabelled view (no student). "
    )
    about += "`transfer` is what `--method auto` goes by; `own` is the same in the view itself."
    pairs = [("transfer", "f1_50"), ("retrieval", "f1_50"), ("own", "f1_50"), ("transfer", "mof"), ("retrieval", "mof")]
    columns = ["data", "points", *(f"{one}, {'F1@50' if other == 'f1_50' else 'MoF'}" for one, other in pairs)]
    lines = ["## What tells without labels", "", about, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for data in dict.fromkeys(point["data"] for point in points):
        mine = [point for point in points if point["data"] == data]
        cells = [
            f"{spearmanr([p[one] for p in mine], [p[other] for p in mine])[0]:.2f}" if len(mine) > 2 else "–"
            for one, other in pairs
        ]
        lines.append(f"| {data} | {len(mine)} | {' | '.join(cells)} |")
    return [*lines, "", "![Each method on each data set, by what is measured and by what it scores](criterion.png)"]


def draw_criterion(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """What is measured without labels against the score, a panel a data set and measure."""
    from matplotlib.figure import Figure

    names, sets = list(dict.fromkeys(p["name"] for p in points)), list(dict.fromkeys(p["data"] for p in points))
    figure = Figure(figsize=(3.4 * max(1, len(sets)), 6), layout="constrained")
    panels = np.atleast_2d(figure.subplots(2, max(1, len(sets)), squeeze=False))
    for column, data in enumerate(sets):
        for line, measure in enumerate(("transfer", "retrieval")):
            panel = panels[line, column]
            for place, name in enumerate(names):
                mine = [p for p in points if (p["data"], p["name"]) == (data, name)]
                panel.plot([p[measure] for p in mine], [p["f1_50"] for p in mine], "o", color=f"C{place}", label=name)
            panel.set(xlabel=f"{measure}, held-out pairs (%)", ylabel="F1@50, unlabelled view")
            panel.set_title(data if line == 0 else "")
    if sets:
        panels[0, 0].legend(fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


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
    parser.add_argument("--rows", default=None, help="comma-separated; default: all, with --small three")
    parser.add_argument("--minutes", type=float, default=None, help="for learned candidates of auto; default: its own")
    parser.add_argument("--small", action="store_true", help="two data sets, three methods, half the epochs")
    parser.add_argument("--curve", action="store_true", help="only draw the curve over the share of pairs")
    parser.add_argument("--pages", default=str(PAGES), help="folder of the pages")
    args = parser.parse_args()
    names = args.cases.split(",") if args.cases else SMALL if args.small else tuple(CASES)
    rows = args.rows.split(",") if args.rows else SMALL_ROWS if args.small else ()
    minutes = SMALL_MINUTES if args.small and args.minutes is None else args.minutes
    seeds = [int(seed) for seed in (args.seeds or ("0,1,2" if args.small else "0,1,2,3,4")).split(",")]
    if args.curve or not (args.small or args.cases):
        draw_curve(Path(args.root), Path(args.pages), seeds, minutes)
    if args.curve:
        write_summary(Path(args.pages))
        return
    main(Path(args.root), names, seeds, args.jobs, args.small, Path(args.pages), rows, minutes)


if __name__ == "__main__":
    main_from_line()
