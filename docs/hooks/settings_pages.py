"""A page for every command, with all its settings, and one each for those of methods and heads.

They are made of the settings' dataclasses, as --help is: name, type and default as the command line takes them, meaning
from the docstring under the field.
"""

from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from mkdocs.structure.files import File, Files

from viewloom.cli import VERBS, make_parser
from viewloom.registry import HEADS, METHODS, OPTIONS, Registry
from viewloom.verbs import Verb

FOLDER = "reference/settings"
MARKER = "@settings"
"""Stands in the navigation of mkdocs.yml for the pages made here."""
OF_PARTS = {"methods": (METHODS, "method", "pretrain"), "heads": (HEADS, "head", "train")}
"""Page, what it lists, the setting that names one, and a command that takes it."""
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
"""Types as users call them."""


def on_config(config: Any) -> Any:
    """Put the pages into the navigation."""
    pages = [{name: uri_of(name)} for name in [*VERBS, *OF_PARTS]]
    config.nav = filled(config.nav, MARKER, pages)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for name, verb in VERBS.items():
        files.append(File.generated(config, uri_of(name), content=verb_page(name, verb)))
    for name, (registry, chooser, verb) in OF_PARTS.items():
        files.append(File.generated(config, uri_of(name), content=parts_page(name, registry, chooser, verb)))
    return files


def filled(nav: Any, marker: str, pages: list[dict[str, str]]) -> Any:
    """A navigation with pages in the place of a marker, however deep it stands."""
    if isinstance(nav, dict):
        return {title: pages if below == marker else filled(below, marker, pages) for title, below in nav.items()}
    return [filled(entry, marker, pages) for entry in nav] if isinstance(nav, list) else nav


def uri_of(name: str) -> str:
    """The page of a command, or of methods or heads; none is called index, which would be that of the whole section."""
    return f"{FOLDER}/{name if name in OF_PARTS else f'viewloom_{name}'.replace(' ', '_')}.md"


def verb_page(name: str, verb: Verb) -> str:
    """What a command does, an example, and its settings: those of its own first, then a table for each group."""
    groups = [field for field in OPTIONS if field in {entry.name for entry in fields(verb.settings)}]
    apart: dict[str, list[Any]] = {"": []}
    for action in settings_of(name, []):
        apart.setdefault(group_of(action), []).append(action)
    called = "predict --online" if name == "predict online" else name
    lines = [f"# {called}", "", f"{verb.help}.", "", "```bash", verb.example, "```"]
    for group, shown in apart.items():
        if group not in groups:
            lines += ["", *([f"## {group}", ""] if group else []), *table(shown)]
    for field in groups:
        registry, chooser = OPTIONS[field]
        lines += [
            "",
            f"`--{field}.NAME`: settings of the {chooser} that `--{chooser}` names, [all here]({registry.kind}s.md).",
        ]
    return "\n".join(lines) + "\n"


def parts_page(title: str, registry: Registry, chooser: str, verb: str) -> str:
    """The settings of every method, or of every head."""
    field = next(field for field, (of, _) in OPTIONS.items() if of is registry)
    lines = [f"# Settings of {title}", "", f"`--{field}.NAME` of the {registry.kind} that `--{chooser}` names."]
    for name in registry.names():
        mine = [action for action in settings_of(verb, [f"--{chooser}", name]) if group_of(action) == field]
        about = " ".join((registry.get(name).__doc__ or "").split("\n\n")[0].split())
        lines += ["", f"## {name}", "", about, "", *(table(mine) if mine else ["It has no settings."])]
    return "\n".join(lines) + "\n"


def settings_of(name: str, args: list[str]) -> list[Any]:
    """What the parser of a command knows of each setting; not the groups themselves, nor what only shows help."""
    hidden = ("==SUPPRESS==", "Path to a configuration file.", "show this help message and exit")
    return [
        action
        for action in make_parser(name, args)._actions
        if action.help and action.help not in hidden and not action.dest.endswith((".help", "print_config"))
    ]


def group_of(action: Any) -> str:
    """The group that a setting stands in: sampling of sampling.chunk_s; an empty word for one by itself."""
    return action.dest.rpartition(".")[0].partition(".")[0]


def table(actions: list[Any]) -> list[str]:
    """Lines of a table of settings, a line each: name, type, default, meaning."""
    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for action in actions:
        name = next((text for text in action.option_strings if text.startswith("--")), action.dest)
        cells = (
            f"`{name}`",
            type_of(getattr(action, "_typehint", None) or action.type),
            default_of(action),
            action.help,
        )
        lines.append("| " + " | ".join(escaped(cell) for cell in cells) + " |")
    return lines


def type_of(kind: Any) -> str:
    """A type in words: what may be written, or what kind of value; that None stands for the default goes unsaid."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_of(part) for part in get_args(kind) if part is not type(None)))
    if get_origin(kind) in (list, tuple, dict) or (isinstance(kind, type) and is_dataclass(kind)):
        return "settings" if get_origin(kind) not in (list, tuple) else "list"
    return WORDS.get(kind, getattr(kind, "__name__", "YAML file"))


def default_of(action: Any) -> str:
    """The default of a setting; a word for one that has to be set."""
    if action.required or not action.option_strings:
        return "required"
    default = action.default
    if default is None or default in ("", "==SUPPRESS=="):
        return "–"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def escaped(cell: str) -> str:
    """Text that can stand in a cell of a table: on one line, with bars and brackets that mean themselves."""
    parts = " ".join(cell.split()).replace("|", "\\|").split("`")
    return "`".join(
        part if place % 2 else part.replace("<", "&lt;").replace("*", "\\*") for place, part in enumerate(parts)
    )
