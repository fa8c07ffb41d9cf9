"""What ``viewloom --help`` shows."""

from collections.abc import Mapping
from typing import Protocol


class Helped(Protocol):
    """A command with its help."""

    @property
    def help(self) -> str:
        """One line."""
        ...


def overview(verbs: Mapping[str, Helped]) -> str:
    """All commands, each with one line."""
    width = max(map(len, verbs))
    lines = [f"  {name:<{width}}  {verb.help}" for name, verb in verbs.items()]
    return "\n".join(
        [
            "viewloom: learn in one camera view, segment actions in another.",
            "",
            "usage: viewloom COMMAND [options]",
            "",
            *lines,
            "",
            "Every command: --help (options, defaults, an example), --config FILE.yaml, --print_config.",
            "Start with: viewloom simulate --out demo/data, then viewloom check --data demo/data",
            "",
        ]
    )
