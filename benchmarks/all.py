"""Run all benchmarks one after the other, and show one table.

    python benchmarks/all.py                              # JSON into build/bench, the table on the console
    python benchmarks/all.py --only scores,index          # some of them
    python benchmarks/all.py --page docs/results/speed.md # and the page with its plot

A script that fails is named in the table, and the rest goes on; the exit code is then 1.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OWN = ("all", "timing")
THREADS = "2"


def scripts(only: str | None) -> list[Path]:
    """The benchmark scripts, by name."""
    known = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem not in OWN}
    wanted = list(known) if only is None else [name.strip() for name in only.split(",")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(known)}.")
    return [known[name] for name in wanted]


def run(script: Path, folder: Path) -> dict[str, Any]:
    """Run one script; its JSON also goes into the folder."""
    environment = {"OMP_NUM_THREADS": THREADS, **os.environ}
    done = subprocess.run([sys.executable, str(script)], check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"not_measured": [{"path": script.stem, "reason": f"the script failed: {reason}"}], "failed": True}
    (folder / f"{script.stem}.json").write_text(done.stdout, encoding="utf-8")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def collected(results: dict[str, dict[str, Any]], key: str) -> list[tuple[str, dict[str, Any]]]:
    """All entries of one kind, with their script's name."""
    return [(name, entry) for name, result in results.items() for entry in result.get(key, [])]


def table(results: dict[str, dict[str, Any]]) -> list[str]:
    """The results as Markdown tables."""
    lines = [
        "| path | against | time | times faster | lowest–highest | aim | script |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in collected(results, "ratios"):
        slow, fast = entry["median_s"]
        aim = "" if entry["target"] is None else f"{entry['target']:g}{'' if met(entry) else ' (missed)'}"
        lines.append(
            f"| {entry['path']} | {entry['sides'][0]}, {duration(slow)} | {duration(fast)} | "
            f"{entry['times_faster']:.3g} | {entry['lowest']:.3g}–{entry['highest']:.3g} | {aim} | {name} |"
        )
    figures = collected(results, "figures")
    if figures:
        lines += ["", "| figure | value | aim | script |", "|---|---|---|---|"]
        lines += [
            f"| {f['path']} | {f['value']} | {f['target']}{'' if f['met'] else ' (missed)'} | {n} |" for n, f in figures
        ]
    grown = collected(results, "growth")
    if grown:
        lines += ["", "| growth | over | work | time | exponent | script |", "|---|---|---|---|---|---|"]
        lines += [grown_line(name, entry) for name, entry in grown]
    lines += ["", *(f"- {e['path']}: not measured: {e['reason']}." for _, e in collected(results, "not_measured"))]
    return lines


def grown_line(name: str, entry: dict[str, Any]) -> str:
    """One line of the table of growth."""
    work, times = (", ".join(texts) for texts in (map("{:g}".format, entry["work"]), map(duration, entry["seconds"])))
    over = "" if entry["exponent"] <= entry["allowed"] else " (grows too fast)"
    return f"| {entry['what']} | {entry['over']} | {work} | {times} | {entry['exponent']:.2f}{over} | {name} |"


def met(entry: dict[str, Any]) -> bool:
    """Whether a ratio reaches its aim."""
    return entry["target"] is None or entry["times_faster"] >= entry["target"]


def duration(seconds: float) -> str:
    """Seconds for people: ``3.2 ms``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def plot(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Seconds over work, both relative to the smallest, one line each; the dashed line is linear growth."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    grown = collected(results, "growth")
    for number, (_, entry) in enumerate(grown):
        relative = [value / entry["seconds"][0] for value in entry["seconds"]]
        style = "osv^D<>*"[number // 10 % 8]
        axes.plot(entry["work"], relative, marker=style, label=f"{entry['what']}, {entry['over']}")
    axes.plot([1, 16], [1, 16], "k--", label="linear")
    axes.set(xscale="log", yscale="log", xlabel="work, relative to the smallest", ylabel="time, relative")
    axes.set_xticks([1, 4, 16], ["1", "4", "16"])
    axes.minorticks_off()
    axes.set_yticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def write_page(path: Path, results: dict[str, dict[str, Any]], command: str) -> None:
    """The page of results, written whole."""
    lines = [
        "<!-- written by benchmarks/all.py -->",
        "# Speed",
        "",
        f"- command: `{command}`",
        f"- machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, {THREADS} threads; shared with others, so quote the ratios",
        f"- date: {date.today().isoformat()}",
        "",
        "Both sides of a line do the same work in one run, and the script checks that. Medians; in `lowest–highest` "
        "the smallest and largest ratio of a round. `aim` is what the project set itself.",
        "",
        *table(results),
    ]
    if collected(results, "growth"):
        plot(results, path.with_suffix(".png"))
        lines += ["", f"![Time over work]({path.with_suffix('.png').name})"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Run, show, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of scripts, comma-separated; default: all")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder of the JSON files")
    parser.add_argument("--page", type=Path, help="Markdown page to write; a plot of the growth goes beside it")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for script in scripts(args.only):
        print(f"{script.stem} ...", file=sys.stderr, flush=True)
        results[script.stem] = run(script, args.out)
    print("\n".join(table(results)))
    if args.page:
        write_page(args.page, results, "python benchmarks/all.py " + " ".join(sys.argv[1:]))
    return int(any(result.get("failed") for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
