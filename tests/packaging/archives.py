"""Wheel and sdist of the repository, and what is in them."""

import subprocess
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "viewloom"
PROJECT = ("README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "pyproject.toml", ".gitignore")
"""Files of the root that belong into an sdist, besides the sources; hatchling adds the last two."""


def build(kind: str, folder: Path, python: Path | str, root: Path = ROOT) -> Path:
    """Build a ``wheel`` or ``sdist`` of a source tree by an interpreter that has hatchling: no network needed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def in_wheel(path: Path) -> dict[str, bytes]:
    """{name: content} of a wheel."""
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def in_sdist(path: Path) -> dict[str, bytes]:
    """{name without the outermost folder: content} of an sdist's files."""
    with tarfile.open(path) as opened:
        files = [one for one in opened.getmembers() if one.isfile()]
        return {one.name.split("/", 1)[1]: opened.extractfile(one).read() for one in files}  # type: ignore[union-attr]


def of_the_sources() -> set[str]:
    """Every file of the package as it lies here, caches left out, as a wheel names it."""
    files = (path for path in SOURCES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"viewloom/{path.relative_to(SOURCES).as_posix()}" for path in files}
