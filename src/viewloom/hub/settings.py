"""Settings of `viewloom push`."""

import re
from dataclasses import dataclass

from viewloom.errors import ConfigError
from viewloom.ranges import Settings


@dataclass(frozen=True, kw_only=True)
class PushConfig(Settings):
    """Put a run's weights and a model card on the Hugging Face Hub: for whom nothing else is needed to use them."""

    run: str
    """Run folder of `viewloom train` or `viewloom pretrain`; scores on the card are those of `viewloom evaluate`."""
    to: str
    """Repository on the Hub, user/name; it is made if it isn't there."""
    licence: str
    """Licence of the weights, as the Hub calls it: mit, apache-2.0, cc-by-nc-4.0, ... It has to respect that of the
    data which they were learned from (Assembly101's annotations are CC BY-NC 4.0)."""
    private: bool = True
    """Let nobody but you see the repository, if it is made now."""
    data: str | None = None
    """What the card calls the data; default: the name that the run knows."""
    limits: str | None = None
    """What else users should know of the limits, a sentence or several, for the card."""
    plan: bool = False
    """Show the card and the files, and send nothing."""
    overwrite: bool = False
    """Replace what is in the repository already; earlier revisions stay there."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.to):
            raise ConfigError(f"--to must be user/name, but is {self.to!r}.")
        if not re.fullmatch(r"[\w.+-]+", self.licence):
            raise ConfigError(
                f"--licence must be one as the Hub calls it, such as mit or cc-by-nc-4.0, but is {self.licence!r}."
            )
