"""Sdist and wheel as they would be published, and the wheel in an environment that has nothing of this repository.

`make wheel-check` builds the sdist, the wheel of that and the wheel of the tree, compares them, installs the wheel with
the versions of constraints.txt into a new environment, and runs tests/packaging/chain.py there without a network.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.packaging.archives import ROOT, build, in_wheel
from tests.packaging.chain import run_chain


def make_wheel(tools: Path, folder: Path) -> Path:
    """The wheel of the sdist; `SystemExit` where it differs from the wheel of the tree."""
    command = [str(tools), "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wheel = next(folder.glob("*.whl"))
    published, direct = in_wheel(wheel), in_wheel(build("wheel", folder / "direct", tools))
    differing = sorted(name for name in published.keys() | direct if published.get(name) != direct.get(name))
    if differing:
        raise SystemExit(f"The wheel of the sdist differs from the wheel of the tree in: {', '.join(differing)}.")
    print(f"{wheel.name}: {len(published)} files, the same from the sdist as from the tree.")
    return wheel


def bare_environment(wanted: list[str], constraints: Path, folder: Path) -> Path:
    """The interpreter of a new virtual environment that has these packages and what they need."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-c", str(constraints), *wanted], check=True)
    return python


def main() -> None:
    """Build, compare, install, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="interpreter that has build and hatchling")
    parser.add_argument("--folder", type=Path, required=True, help="made anew")
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    wheel = make_wheel(chosen.tools.absolute(), folder / "dist")
    python = bare_environment([str(wheel)], ROOT / "constraints.txt", folder / "environment")
    run_chain(python, folder / "work")


if __name__ == "__main__":
    main()
