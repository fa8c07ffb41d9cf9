"""What `--help`, and the pages of settings that are made of it, say of an option."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from viewloom.ranges import ranges_of

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def help_of(settings: type, name: str) -> str:
    """The docstring under a setting."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser()
    parser.add_class_arguments(settings, None)
    return next(str(action.help) for action in parser._actions if action.dest == name)


def say_ranges(parser: "ArgumentParser", settings: type, chosen: Mapping[str, type]) -> None:
    """Put its range behind the help of every number.

    Args:
        parser: that of a verb, complete.
        settings: those of the verb.
        chosen: those of the head and the method, by the option that holds them.
    """
    ranges = ranges_of(settings)
    for option, cls in chosen.items():
        ranges |= ranges_of(cls, f"{option}.")
    for action in parser._actions:
        if action.dest in ranges:
            action.help = f"{action.help} Range: {ranges[action.dest]}."
