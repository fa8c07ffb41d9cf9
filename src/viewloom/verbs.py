"""The table of commands, and how a function becomes one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

Run = Callable[[Any], int]
"""Does a verb's work by its settings, shows the result, and returns the exit code."""


@dataclass(frozen=True)
class Verb:
    """A command.

    Attributes:
        run: its function.
        settings: class of the settings.
        help: one line.
        example: a command that works in the demo's folder.
    """

    run: Run
    settings: type
    help: str
    example: str


VERBS: dict[str, Verb] = {}


def verb(example: str, name: str | None = None) -> Callable[[Run], Run]:
    """Make a function a command: of its name, unless another is given, with the class of its argument as settings, and
    its docstring as help."""

    def file(run: Run) -> Run:
        settings = get_type_hints(run)["config"]
        VERBS[name or run.__name__.replace("_", " ")] = Verb(run, settings, str(run.__doc__).rstrip("."), example)
        return run

    return file
