"""The lowest versions that pyproject.toml allows: resolved, installed, and made to do the work.

`make lowest` lets uv choose the lowest of everything that is named in pyproject.toml (and the newest of what that
needs), installs a wheel with those, and runs tests/packaging/chain.py and the tests of `TESTS`.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.packaging.archives import ROOT, build
from tests.packaging.bare import bare_environment
from tests.packaging.chain import run_chain

EXTRAS = ("hdf5", "hub", "onnx", "onnx-export", "parquet", "slurm", "video")
"""Optional parts that are tried with it."""
RUNNERS = ("pytest", "hypothesis", "pympi-ling")
"""What the tests need besides, in whatever version goes with the rest."""
TESTS = (
    "tests/losses",
    "tests/metrics",
    "tests/nn",
    "tests/test_api.py",
    "tests/test_every_format.py",
    "tests/test_every_head.py",
    "tests/test_every_layout.py",
    "tests/test_every_method.py",
    "tests/test_every_store.py",
    "tests/test_saved.py",
)


def resolve(uv: Path, target: Path) -> Path:
    """Write the lowest versions for the Python that runs this."""
    version = ".".join(map(str, sys.version_info[:2]))
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    command = [str(uv), "pip", "compile", "--quiet", "--no-header", "--no-annotate", str(ROOT / "pyproject.toml")]
    command += ["--resolution", "lowest-direct", "--python-version", version, *extras, "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def main() -> None:
    """Resolve, install, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="interpreter that has uv and hatchling beside it")
    parser.add_argument("--folder", type=Path, required=True, help="made anew")
    chosen = parser.parse_args()
    folder, tools = chosen.folder.resolve(), chosen.tools.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    wheel = build("wheel", folder / "dist", tools)
    lowest = resolve(tools.parent / "uv", folder / "lowest.txt")
    python = bare_environment([f"{wheel}[{','.join(EXTRAS)}]", *RUNNERS], lowest, folder / "environment")
    run_chain(python, folder / "work")
    subprocess.run([str(python), "-m", "pytest", *TESTS], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
