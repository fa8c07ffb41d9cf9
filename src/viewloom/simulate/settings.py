"""Settings of `viewloom simulate`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from viewloom.errors import ConfigError, listed
from viewloom.features.views import ViewTable
from viewloom.ranges import SEED, Settings, ranged

N = TypeVar("N", int, float)
SIZES: Mapping[str, float] = {"at_least": 4, "at_most": 16_384}
"""Bounds of feature sizes."""


@dataclass(frozen=True, kw_only=True)
class FaultConfig(Settings, called="faults"):
    """Faults to inject; what was injected is recorded in simulation.json. None by default.

    They are asked for in the data set's frames; a view at a rate of its own gets the nearest number of its frames.
    """

    offset_frames: int = ranged(0, at_least=-1_000_000, at_most=1_000_000)
    """Frames by which one view lags behind the others (negative: runs ahead)."""
    offset_view: str | None = None
    """The view that lags; the last of the views if not said."""
    dropped_share: float = ranged(0.0, at_least=0, at_most=0.5)
    """Share of every view's frames that are missing, in bursts of up to a second."""
    missing_ego: int = ranged(0, at_least=0)
    """Number of recordings without any ego view."""
    unequal_frames: int = ranged(0, at_least=0)
    """Largest number of frames by which the views of a recording end apart."""
    two_serials: bool = False
    """Store half of the recordings' ego views under the camera's second serial."""


@dataclass(frozen=True, kw_only=True)
class SimulateConfig(Settings):
    """Synthetic recordings of two hands and pieces at a bench, seen by several cameras."""

    out: str
    """Folder to write; it must not exist yet."""
    recordings: int = ranged(40, at_least=0, at_most=100_000)
    """Number of recordings; with timelines, how many of theirs to take (0: all)."""
    views: str = "v3,e4"
    """Views, comma-separated, out of v1 to v8 (fixed around the bench) and e1 to e4 (on the head)."""
    dim: int = ranged(128, **SIZES)
    """Feature size D."""
    dims: dict[str, int] | str = ranged(default_factory=dict, **SIZES)  # noqa: RUF009
    """Feature sizes of single views, instead of ``dim``: v3=128,e4=64."""
    classes: int = ranged(24, at_least=2, at_most=202)
    """Number of actions; with timelines, theirs are taken."""
    people: int = ranged(12, at_least=1, at_most=10_000)
    """Number of people, each with a style and a speed of their own; with timelines, theirs are taken."""
    pace: float = ranged(1.5, at_least=0.1, at_most=20)
    """How many times shorter the actions last than the real ones, whose median is 11.9 s."""
    seed: int = ranged(0, **SEED)
    """Seed of everything that differs between two data sets: people, timelines, motion, noise, lists."""
    world: int = ranged(0, **SEED)
    """Seed of what two data sets share: pieces, verbs, cameras and the frozen feature extractor."""
    fps: float = ranged(30.0, at_least=5, at_most=240)
    """Frames per second of the data set's clock: of labels, and of every view without a rate of its own."""
    rates: dict[str, float] | str = ranged(default_factory=dict, at_least=1, at_most=1000)  # noqa: RUF009
    """Frames per second of single views, instead of ``fps``: e4=20. Frame n shows moment n / rate."""
    layout: Literal["assembly101", "npy"] = "assembly101"
    """Layout to write: Assembly101's LMDB and label files, or a table of npy files with labels.csv."""
    timelines: str | None = None
    """Folder with real coarse_labels/, coarse_splits/ and actions.csv whose timelines to take."""
    workers: int = ranged(1, at_least=1, at_most=1024)
    """Processes that compute; 1 is this one. The result doesn't depend on it."""
    plan: bool = False
    """Say what would be written and how large it would be, and write nothing."""
    faults: FaultConfig = field(default_factory=FaultConfig)
    """Faults to inject."""

    def __post_init__(self) -> None:
        if self.recordings == 0 and self.timelines is None:
            raise ConfigError("--recordings 0 (all) needs --timelines; pass a number of 1 or more.")
        self._settle(dims=_per_view("dims", self.dims, self.view_names, int))
        self._settle(rates=_per_view("rates", self.rates, self.view_names, float))

    @property
    def view_names(self) -> tuple[str, ...]:
        """The views in the order asked for."""
        return chosen_names("views", self.views, ViewTable.assembly101().names)

    def dim_of(self, view: str) -> int:
        """Feature size D of a view."""
        assert isinstance(self.dims, dict)
        return self.dims.get(view, self.dim)

    def fps_of(self, view: str) -> float:
        """Frames per second of a view."""
        assert isinstance(self.rates, dict)
        return self.rates.get(view, self.fps)


def chosen_names(option: str, text: str, available: Iterable[str], suffix: str = "") -> tuple[str, ...]:
    """Names out of a comma-separated list, each once, in their order; ``suffix`` may be left out of them.

    Raises:
        ConfigError: for a list without names, or with one that isn't ``available``.
    """
    there = tuple(available)
    names = tuple(dict.fromkeys(name.strip().removesuffix(suffix) + suffix for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        raise ConfigError(f"--{option} {text!r}: {listed(unknown)} unknown; the {option} are: {listed(there, 50)}.")
    return names


def _per_view(
    option: str,
    value: Mapping[str, N] | str,
    views: tuple[str, ...],
    number: Callable[[str], N],
) -> dict[str, N]:
    """{view: number} from a mapping or from text such as ``v3=128,e4=64``; `ConfigError` for anything else."""
    text = value if isinstance(value, str) else ",".join(f"{view}={n}" for view, n in value.items())
    found: dict[str, N] = {}
    for entry in text.split(",") if text.strip() else ():
        view, _, size = (word.strip() for word in entry.partition("="))
        if view not in views:
            raise ConfigError(f"--{option} {text!r}: {view!r} is not among --views {listed(views, 12)}.")
        try:
            wanted = number(size)
        except ValueError:
            wanted = None
        if wanted is None or view in found:
            raise ConfigError(
                f"--{option} {text!r}: {entry!r} must be a view and its number, such as {view}=64, each view once."
            )
        found[view] = wanted
    return found
