"""What `--method auto` chooses among, simple ones first."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from viewloom.errors import ConfigError
from viewloom.methods.settings import AUTO, AutoConfig, MethodConfig
from viewloom.names import names_in
from viewloom.registry import METHODS


@dataclass(frozen=True)
class Candidate:
    """A method with settings.

    Attributes:
        name: what it is called in tables.
        method: registered method.
        options: settings that aren't the method's defaults.
    """

    name: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def config(self, auto: AutoConfig) -> MethodConfig:
        """The method's settings."""
        cls = METHODS.settings(self.method)
        causal = {"causal": True} if auto.causal and "causal" in {entry.name for entry in fields(cls)} else {}
        settings: MethodConfig = cls(**{"standardise": auto.standardise, **causal, **self.options})
        return settings


CANDIDATES = (
    Candidate("cca", "cca"),
    Candidate("delay_cca", "delay_cca"),
    Candidate("contrast", "contrast"),
    Candidate("two_stream", "two_stream", {"stem": "cca"}),
    Candidate("ey", "ey"),
    Candidate("rff_cca", "rff_cca"),
    Candidate("none", "none"),
)
"""The default ones, in the order of preference: simple before flexible, and what goes on as a line where pairs show
nothing before what doesn't. Features as they are come last: that views differ is the rule, and held-out pairs too few
to tell are no reason to leave it at that."""


def candidates_of(auto: AutoConfig) -> tuple[Candidate, ...]:
    """The candidates that settings ask for.

    Raises:
        ConfigError: one that is neither a candidate nor a method, that needs a teacher, or is named twice.
    """
    names = names_in(auto.candidates)
    if not names:
        return CANDIDATES
    by_name = {candidate.name: candidate for candidate in CANDIDATES}
    found = tuple(by_name.get(name, Candidate(name, name)) for name in names)
    for candidate in found:
        if candidate.method == AUTO or METHODS.get(candidate.method).requires != "pairs":
            raise ConfigError(f"{candidate.name} can't be a candidate of auto: it needs more than pairs. Leave it out.")
    if len(set(names)) < len(names):
        raise ConfigError(f"candidates names one twice: {auto.candidates}. Name each once.")
    return found
