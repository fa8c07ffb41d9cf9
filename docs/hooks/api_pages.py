"""A page for every room of the sources: its modules, their public functions and classes, from the docstrings."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from settings_pages import filled

SOURCE = Path(__file__).parents[2] / "src" / "viewloom"
FOLDER = "reference/api"
MARKER = "@api"
"""Stands in the navigation of mkdocs.yml for the pages made here."""


def on_config(config: Any) -> Any:
    """Put the pages into the navigation."""
    config.nav = filled(config.nav, MARKER, [{name: f"{FOLDER}/{name}.md"} for name in rooms()])
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for name, modules in rooms().items():
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=room_page(name, modules)))
    return files


def rooms() -> dict[str, list[str]]:
    """Rooms and their modules, by their dotted names; files that lie in no room stand under `viewloom`."""
    found: dict[str, list[str]] = {"viewloom": []}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = parts[0] if len(parts) > 1 else "viewloom"
        dotted = ".".join(("viewloom", *(part for part in parts if part != "__init__")))
        if dotted != "viewloom":
            found.setdefault(name, []).append(dotted)
    return found


def room_page(name: str, modules: list[str]) -> str:
    """The page of a room: each module by its own docstring, then what is public in it."""
    title = "The package" if name == "viewloom" else f"viewloom.{name}"
    return "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)]) + "\n"
