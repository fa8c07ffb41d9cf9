"""Writes requirements.lock, with hashes, by uv, and constraints.txt, the same versions without them.

`make lock` keeps every version that pyproject.toml still allows; `make lock UPGRADE=1` takes the newest. The lock holds
for every Python and system that the project names: where one needs another version, both stand there, each with
its marker. constraints.txt is for people and for builds of torch that don't come from PyPI, such as those without CUDA:
they have other hashes.
"""

import argparse
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK, CONSTRAINTS = ROOT / "requirements.lock", ROOT / "constraints.txt"
HEADER = "# Written by `make lock` from pyproject.toml[dev]; Python 3.10 and later.\n"


def pins(text: str) -> list[str]:
    """Lines ``name==version ; marker`` of a lock, its hashes and comments left out."""
    lines = (line.rstrip("\\ ") for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line))
    return [line.strip() for line in lines]


def write_lock(uv: Path, upgrade: bool) -> None:
    """Renew both files."""
    command = [str(uv), "pip", "compile", "pyproject.toml", "--extra", "dev", "--universal", "--python-version", "3.10"]
    command += ["--generate-hashes", "--no-header", "--no-annotate", "--quiet", "-o", LOCK.name]
    subprocess.run([*command, *(["--upgrade"] if upgrade else [])], cwd=ROOT, check=True)
    text = LOCK.read_text()
    LOCK.write_text(HEADER + text)
    CONSTRAINTS.write_text(HEADER + "".join(f"{line}\n" for line in pins(text)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="interpreter that has uv beside it")
    parser.add_argument("--upgrade", action="store_true")
    chosen = parser.parse_args()
    write_lock(chosen.tools.absolute().parent / "uv", chosen.upgrade)
