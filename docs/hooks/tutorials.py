"""The tutorials: notebooks, executed when the site is built, as pages with what they print and draw.

Notebooks are kept without outputs. What was executed is kept in build/tutorials as long as neither the notebook nor the
sources change, so that building again takes no time. A cell that fails stops the build.
"""

import base64
import hashlib
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "docs" / "tutorials"
KEPT = ROOT / "build" / "tutorials"
TIMEOUT_S = 300
BREAKS = re.compile(r"\n\s*")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_files(files: Files, config: Any) -> Files:
    """Put a page, and its pictures, in the place of every notebook; the notebook itself can be fetched there."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        page, pictures = as_page(executed(path), path.stem)
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=page))
        for name, content in pictures.items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    return files


def executed(path: Path) -> Any:
    """A notebook with its outputs, run in an empty folder, or as it was kept."""
    kept = KEPT / f"{path.stem}-{fingerprint(path)}.ipynb"
    if kept.exists():
        return nbformat.read(kept, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder, TemporaryDirectory() as talk:
        local = Config({"KernelManager": {"transport": "ipc", "ip": f"{talk}/kernel"}})  # no open ports
        place = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3", resources=place, config=local)
        client.execute(env=os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"})
    KEPT.mkdir(parents=True, exist_ok=True)
    for old in KEPT.glob(f"{path.stem}-*.ipynb"):
        old.unlink()
    nbformat.write(notebook, kept)
    return notebook


def fingerprint(path: Path) -> str:
    """What the outputs of a notebook depend on, as a short hash."""
    found = hashlib.sha256(os.environ.get("VIEWLOOM_ASSEMBLY101", "").encode())
    for file in [path, *sorted((ROOT / "src").rglob("*.py"))]:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def as_page(notebook: Any, name: str) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook, and its pictures by name."""
    fetch = f'<a href="{name}.ipynb" download>{name}.ipynb</a>'
    parts, pictures = [], dict[str, bytes]()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        parts += outputs_of(cell, name, pictures)
    parts.insert(1, f'<p class="notebook">This page is a notebook, run when the site was built: {fetch}</p>')
    heading, _, rest = parts[0].partition("\n")
    return "\n\n".join([heading, parts[1], rest.strip(), *parts[2:]]) + "\n", pictures


def outputs_of(cell: Any, name: str, pictures: dict[str, bytes]) -> list[str]:
    """What a cell printed, gave and drew, in Markdown; pictures are put beside."""
    found, text = list[str](), ""
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            picture = f"{name}-{len(pictures) + 1}.png"
            pictures[picture] = base64.b64decode(data["image/png"])
            found += [*printed(text), f"![What the cell above draws]({picture})"]
            text = ""
        elif "<table" in data.get("text/html", "") and "dataframe" in data["text/html"]:
            found += [*printed(text), as_table(data["text/html"])]
            text = ""
        else:
            text += output.get("text", data.get("text/plain", "")).rstrip("\n") + "\n"
    return found + printed(text)


def printed(text: str) -> list[str]:
    """A block of what was printed, without colours and runs of empty lines; nothing for nothing."""
    lines = [line.rstrip() for line in ANSI.sub("", text).splitlines() if line.strip()]
    return ["````{ .text .output }\n" + "\n".join(lines) + "\n````"] if lines else []


def as_table(html: str) -> str:
    """The table of a data frame, without the styles that pandas writes before it."""
    table = html[html.index("<table") : html.index("</table>") + len("</table>")]
    return f'<div class="output">\n{BREAKS.sub("", table)}\n</div>'
