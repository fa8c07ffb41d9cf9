"""Every head behind nothing, `cca` and the default refiner, and as a student: `make bench-heads`.

Writes docs/results/heads.md: scores in the view without labels and in the labelled one, with intervals, and what each
head costs. Two data sets, simulated features (as in `make demo`) and rendered video (`make bench-pixels`); every head
has the same epochs, windows and seeds. Hours on two cores: one case, or some heads, may be run at a time, and what is
finished is used again.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from evidence import CASES, Case, prepare

from viewloom.console import out
from viewloom.files import atomic_path, write_text
from viewloom.heads.base import Head
from viewloom.recipes.compare.command import ComparisonResult, run_compare
from viewloom.recipes.compare.settings import CompareConfig
from viewloom.recipes.counting import head_costs, parameters
from viewloom.recipes.results import command as line_as_typed
from viewloom.registry import HEADS
from viewloom.training.runs import read_json

PAGE = Path("docs/results/heads.md")
MARK = "<!-- written by benchmarks/heads.py -->"
WHERE = {"demo": CASES["generated"], "rendered": CASES["pixels"]}
COSTS = "costs"
"""What stands among the cases for parameters, operations and seconds: they are timed alone."""
OPTIONS: Mapping[str, Mapping[str, Any]] = {"c2f_tcn": {"width": 64}}
"""Settings that aren't a head's defaults: half the width of the published network, as in the demo."""
WAYS = ("none", "cca", "auto", "auto + student", "oracle")
ABOUT = """
Simulated features and rendered video: **no figure here is of real video**. F1@50, percent: mean over seeds, ± deviation
over seeds, 95 % interval over recordings. *none*: trained on labels of one view, features as they are; *cca*, *auto*:
behind that refiner; *auto + student*: what `viewloom transfer` does; *oracle*: labels of the view itself. Equal epochs
are not equal chances: a head that learns slowly, as `ltcontext`, is not done then, and takes more steps by default.
""".strip()
DIM, CLASSES, STEPS = 2048, 202, 1200
"""What costs are of: Assembly101's features and actions, and the report's window."""
ROUNDS = 5
TIMES = ("forward_s", "step_s")


def main(
    root: Path,
    cases: Sequence[str],
    heads: Sequence[str],
    seeds: Sequence[int],
    jobs: int | None,
    students: Sequence[str],
) -> None:
    """Compare in each case, and write the page; ``students``: heads that are taught on pairs as well."""
    kept = PAGE.with_suffix("")
    for name in cases:
        if name == COSTS:
            write_text(kept / "costs.json", json.dumps({head: cost(head) for head in heads}, indent=1) + "\n")
            continue
        case = WHERE[name]
        if not prepare(root, case):
            continue
        # `auto` takes longest, so it begins.
        plain = compare(root, case, heads, seeds, jobs, ["auto", "cca", "none"], student=False)
        taught = compare(root, case, students, seeds, jobs, ["auto"], student=True)
        facts = {"about": case.about, "seeds": list(seeds), "epochs": case.epochs, "command": line_as_typed()}
        facts |= {"machines": machines(taught), "views": views_of(plain, taught)}
        facts["minutes"] = minutes(taught)
        write_text(kept / f"{name}.json", json.dumps(facts, indent=1) + "\n")
    write_page(kept)


def machines(result: ComparisonResult) -> dict[str, int]:
    """How many heads were trained on which machine, by what their runs say."""
    kept = [read_json(path) for path in sorted(result.folder.glob("runs/*-seed*/environment.json"))]
    return dict(Counter(one["gpu"] or one["processor"] for one in kept))


def minutes(result: ComparisonResult) -> int:
    """Minutes that all runs in a comparison's folder took."""
    return round(sum(read_json(path)["seconds"] for path in result.folder.glob("outcomes/*.json")) / 60)


def compare(
    root: Path,
    case: Case,
    heads: Sequence[str],
    seeds: Sequence[int],
    jobs: int | None,
    methods: list[str],
    student: bool,
) -> ComparisonResult:
    """One comparison; runs are shared with others in the same folder."""
    data: dict[str, Any] = {"data": str(root / case.name / case.data), "name": case.name}
    if case.features is not None:
        data["features"] = str(root / case.name / case.features)
    file = root / f"heads_{case.name}{'_student' if student else ''}.yaml"
    comparison = {
        "data": [data],
        "labelled": case.labelled,
        "unlabelled": case.unlabelled,
        "methods": [
            {"name": "cca", "method": "cca", "method_options": {"standardise": "view"}} if name == "cca" else name
            for name in methods
        ],
        "heads": [{"name": head, "head": head, "head_options": dict(OPTIONS.get(head, {}))} for head in heads],
        "students": [student],
        "seeds": list(seeds),
        "controls": ["clock", "oracle"],
        "train": {} if case.epochs is None else {"epochs": case.epochs},
        "sampling": dict(case.sampling),
        "trainer": {"logger": "none", "progress": False, "validate_every_epochs": 5},
        "out": str(root / "compared_heads" / case.name),
        **({} if jobs is None else {"jobs": jobs}),
    }
    write_text(file, yaml.safe_dump(comparison, sort_keys=False))
    result = run_compare(CompareConfig(file=str(file)))
    assert isinstance(result, ComparisonResult)
    return result


def views_of(*results: ComparisonResult) -> list[dict[str, Any]]:
    """Per view what each head comes to in each way."""
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        for view in result.results["tables"][0]["views"]:
            entry = found.setdefault(view["view"], {"view": view["view"], "labels": view["labels"], "heads": {}})
            entry["clock"] = view["clock"]["f1_50"]
            for row in view["rows"]:
                if row["role"] != "control" and (way := _way(row)) in WAYS:
                    gap = row["gap_closed"]
                    entry["heads"].setdefault(row["head"], {})[way] = {
                        "mean": row["mean"],
                        "deviation": None if row["deviation"] is None else row["deviation"]["f1_50"],
                        "interval": row["interval"],
                        "closed": None if gap is None else gap["closed"],
                    }
    return list(found.values())


def _way(row: Mapping[str, Any]) -> str:
    """Column of a row."""
    if row["role"] == "oracle":
        return "oracle"
    return f"{row['method']} + student" if row["student"] else str(row["method"])


def cost(name: str) -> dict[str, float]:
    """Parameters, operations and seconds of a head with its defaults, over one window on one core."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    head: Head = HEADS.get(name)(DIM, CLASSES)
    operations = head_costs(head, STEPS)[0]
    x_BTD, mask_BT = torch.randn(1, STEPS, DIM), torch.ones(1, STEPS, dtype=torch.bool)
    forward, step = list[float](), list[float]()
    labels_BT = torch.randint(CLASSES, (1, STEPS))
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        with torch.inference_mode():
            head.eval()(x_BTD, mask_BT)
        forward.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        head.train().loss(head(x_BTD, mask_BT), labels_BT, mask_BT).total.backward()
        step.append(time.perf_counter() - begun)
    # The first round warms up.
    seconds = {"forward_s": statistics.median(forward[1:]), "step_s": statistics.median(step[1:])}
    return {"parameters": parameters(head), "operations": operations, **seconds}


def write_page(kept: Path) -> None:
    """The page of all cases that were run, with a picture each."""
    lines = [MARK, "# Heads compared", "", ABOUT]
    for name, case in WHERE.items():
        path = kept / f"{name}.json"
        if path.exists():
            lines += _case_lines(name, case, json.loads(path.read_text(encoding="utf-8")), kept)
    if (costs := kept / f"{COSTS}.json").exists():
        lines += _cost_lines(json.loads(costs.read_text(encoding="utf-8")))
    write_text(PAGE, "\n".join(lines) + "\n")


def _case_lines(name: str, case: Case, facts: Mapping[str, Any], kept: Path) -> list[str]:
    """A case's tables, and its picture drawn."""
    draw(name, facts["views"], kept / f"{name}.png")
    seeds = ", ".join(map(str, facts["seeds"]))
    lines = [
        "",
        f"## {name.capitalize()}",
        "",
        f"{facts['about'].capitalize()}. Labels of `{case.labelled}`; seeds {seeds};",
    ]
    on = " and ".join(f"{count} runs on {machine}" for machine, count in facts["machines"].items())
    lines += [
        f"{facts['epochs']} epochs for every head. By `{facts['command']}`, {facts['minutes']} minutes of computing"
    ]
    lines += [f"in all, {on}."]
    lines += ["", f"![F1@50 of every head, {name}](heads/{name}.png)"]
    for view in facts["views"]:
        what = "not labelled" if view["labels"] == "unlabelled" else "labelled"
        lines += ["", f"**{view['view']}, {what}** (the clock, which sees no feature: {view['clock']:.1f})", ""]
        ways = [way for way in WAYS if any(way in of for of in view["heads"].values())]
        lines += [f"| head | {' | '.join(ways)} | gap closed by the student |", "|---" * (len(ways) + 2) + "|"]
        for head, of in view["heads"].items():
            closed = of.get("auto + student", {}).get("closed")
            gap = "–" if closed is None else f"{closed:.0f} %"
            lines.append(f"| `{head}` | {' | '.join(_cell(of.get(way)) for way in ways)} | {gap} |")
    return lines


def _cell(entry: Mapping[str, Any] | None) -> str:
    """A score with its deviation and interval."""
    if entry is None:
        return "–"
    text, interval = f"{entry['mean']['f1_50']:.1f}", entry["interval"]
    text += "" if entry["deviation"] is None else f" ± {entry['deviation']:.1f}"
    return text if interval is None else f"{text} ({interval['low']:.0f} to {interval['high']:.0f})"


def _cost_lines(costs: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The table of costs."""
    lines = ["", "## What they cost", ""]
    lines += [
        f"Defaults at {DIM:,} features and {CLASSES} classes, one row of {STEPS:,} steps, one core, median of {ROUNDS}."
    ]
    lines += ["", "| head | parameters | GFLOP | forward, ms | training step, ms |", "|---|---|---|---|---|"]
    for head, of in costs.items():
        figures = f"{of['parameters']:,}", f"{of['operations'] / 1e9:.2f}", *(f"{1e3 * of[key]:.0f}" for key in TIMES)
        lines.append(f"| `{head}` | {' | '.join(figures)} |")
    return lines


def draw(name: str, views: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel a view: each head's score in each way, with its interval."""
    from matplotlib.figure import Figure

    heads = list(views[0]["heads"])
    figure = Figure(figsize=(10, 1.2 + 0.62 * len(heads)), layout="constrained")
    for panel, view in zip(figure.subplots(1, len(views), sharey=True, squeeze=False)[0], views, strict=True):
        for place, way in enumerate(WAYS):
            points = [(row, of[way]) for row, of in enumerate(view["heads"].values()) if way in of]
            at = [row + 0.14 * (place - 2) for row, _ in points]
            means = [of["mean"]["f1_50"] for _, of in points]
            ends = [
                [abs(of["interval"][end] - of["mean"]["f1_50"]) if of["interval"] else 0.0 for _, of in points]
                for end in ("low", "high")
            ]
            panel.errorbar(means, at, xerr=ends, fmt="o", markersize=5, linewidth=1.2, color=f"C{place}", label=way)
        panel.set(
            title=f"{view['view']}, {'not ' if view['labels'] == 'unlabelled' else ''}labelled", xlabel="F1@50 (%)"
        )
        panel.set_yticks(range(len(heads)), heads)
        panel.grid(axis="x", alpha=0.3)
    panel.invert_yaxis()
    figure.legend(*panel.get_legend_handles_labels(), loc="outside upper center", ncols=len(WAYS), frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def main_from_line() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--root", default="evidence", help="folder for data and runs, that of the evidence")
    parser.add_argument("--cases", default=",".join((*WHERE, COSTS)), help="comma-separated; default: all of them")
    parser.add_argument("--heads", default=",".join(HEADS.names()), help="comma-separated; default: all")
    parser.add_argument(
        "--students", default=None, help="those taught on pairs as well, which takes longest; default: all"
    )
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated")
    parser.add_argument("--jobs", type=int, default=None, help="runs at once; default: as many as cores")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    students = (args.students or args.heads).split(",")
    main(Path(args.root), args.cases.split(","), args.heads.split(","), seeds, args.jobs, students)
    out.print(f"Wrote {PAGE}.")


if __name__ == "__main__":
    main_from_line()
