"""What a command line says before its parser exists, and `--causal`: one word for the setting of head and method."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

from viewloom.config_files import read_config
from viewloom.errors import ConfigError
from viewloom.registry import OPTIONS

CAUSAL = "causal"
HELP = (
    "Look back only, so that a recording can be segmented while it runs: short for --head_options.causal, and for "
    "--method_options.causal where the method has that setting."
)


def expanded(args: Sequence[str], chosen: Mapping[str, type]) -> list[str]:
    """The words of a command line with ``--causal`` written out for each group of settings that has it.

    Args:
        args: words.
        chosen: groups of settings (head_options, method_options), and their types; there must be one of the
            head where the verb trains a head.

    Raises:
        ConfigError: what would have to look back only has no such setting.
    """
    found, rest = list[str](), list(args)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name != f"--{CAUSAL}":
            found.append(word)
            continue
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("-") else "true"
        found += [part for group in _able(chosen) for part in (f"--{group}.{CAUSAL}", value)]
    return found


def _able(chosen: Mapping[str, type]) -> list[str]:
    """The groups that have the setting."""
    able = [group for group, settings in chosen.items() if CAUSAL in {entry.name for entry in fields(settings)}]
    needed = "head_options" if "head_options" in chosen else "method_options"
    if needed not in able:
        what = needed.partition("_")[0]
        raise ConfigError(
            f"This {what} has no setting --{needed}.causal: docs/online.md lists which look back only, as they are or "
            "when set so."
        )
    return able


def chosen_options(settings: type, args: Sequence[str]) -> dict[str, type]:
    """Settings of the head and the method that a line names, by the field that holds them.

    Args:
        settings: those of the verb.
        args: what follows it.
    """
    names, found = {entry.name: entry.default for entry in fields(settings)}, dict[str, type]()
    for field, (registry, chooser) in OPTIONS.items():
        chosen = peek(args, chooser, names[chooser]) if field in names else None
        if chosen not in (None, "None", "null"):  # a setting that may be left out
            found[field] = registry.settings(str(chosen))
    return found


def peek(args: Sequence[str], option: str, default: Any = None) -> Any:
    """The value of one option, before the parser that depends on it exists: from the line, else the YAML."""
    found: dict[str, str] = {}
    for arg, following in zip(args, [*args, ""][1:], strict=True):
        key, equals, value = arg.partition("=")
        found[key] = value if equals else following
    if f"--{option}" in found:
        return found[f"--{option}"]
    if "--config" in found:
        with suppress(ConfigError):  # a file that can't be read is reported where the line is parsed
            return read_config(found["--config"]).get(option, default)
    return default
