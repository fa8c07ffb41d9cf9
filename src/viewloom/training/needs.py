"""What a run needs of memory and disk, against what is free: for `--plan true`, and for a refusal before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from viewloom.amounts import amount
from viewloom.console import err
from viewloom.errors import ConfigError

NEAR = 0.8
"""Share of what is free, above which a run is warned of."""
Parts = Mapping[str, int]
"""{what: bytes}"""


@dataclass(frozen=True)
class Place:
    """Memory, or a disk.

    Attributes:
        name: what it is called.
        free: bytes free; None where that can't be told.
        parts: what of it is needed, by what for.
        advice: what to change, best first, where there is too little.
    """

    name: str
    free: int | None
    parts: Parts
    advice: tuple[str, ...] = ()

    @property
    def needed(self) -> int:
        """Bytes needed."""
        return sum(self.parts.values())

    @property
    def share(self) -> float:
        """Of what is free; 0 where that can't be told."""
        return 0.0 if self.free is None else self.needed / max(1, self.free)

    def __str__(self) -> str:
        """One line: what is needed, what is free, and what for."""
        free = "unknown" if self.free is None else amount(self.free)
        parts = ", ".join(
            f"{what} {amount(size)}" for what, size in sorted(self.parts.items(), key=lambda both: -both[1]) if size
        )
        return f"{self.name}: about {amount(self.needed)}, of {free} free ({parts or 'nothing to speak of'})"


@dataclass(frozen=True)
class Needs:
    """What a run needs.

    Attributes:
        places: memory, the device's memory, the disk of the run's folder.
        unknown: what couldn't be estimated.
    """

    places: tuple[Place, ...]
    unknown: tuple[str, ...] = field(default=())

    @property
    def short(self) -> list[Place]:
        """The places that have too little."""
        return [place for place in self.places if place.share > 1]

    @property
    def exit_code(self) -> int:
        """2 where the run can't be started."""
        return 2 if self.short else 0

    def __str__(self) -> str:
        """For `--plan true`."""
        lines = [str(place) for place in self.places]
        lines += [f"{place.name} will not do: {_advice(place)}" for place in self.short]
        lines += [f"not estimated: {what}" for what in self.unknown]
        return "\n".join([*lines, "Nothing was written."])

    def check(self, refuse: bool) -> None:
        """Refuse what can't fit, and warn of what hardly does.

        Args:
            refuse: whether to refuse; else it is only said.

        Raises:
            ConfigError: there is too little, and what to change.
        """
        for place in self.places:
            if place.share > 1 and refuse:
                raise ConfigError(
                    f"This run would end for want of room. {place}. {_advice(place)} To start it nevertheless, pass "
                    "--trainer.check_memory false."
                )
            if place.share > NEAR:
                err.print(f"warning: {place}. {_advice(place)}", markup=False)


def _advice(place: Place) -> str:
    return f"{'; or '.join(place.advice)}." if place.advice else "Make room."
