"""Views: logical names of cameras, the same in every recording, whatever a camera is called in one of them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from viewloom.errors import DataError, listed

Kind = Literal["exo", "ego", "other"]

ASSEMBLY101_EXO = ("C10095", "C10115", "C10118", "C10119", "C10379", "C10390", "C10395", "C10404")
ASSEMBLY101_EGO = (
    ("HMC_21176875", "HMC_84346135"),
    ("HMC_21176623", "HMC_84347414"),
    ("HMC_21110305", "HMC_84355350"),
    ("HMC_21179183", "HMC_84358933"),
)
"""Each head-mounted camera went under one of two serial numbers."""


@dataclass(frozen=True)
class View:
    """A place to look from.

    Attributes:
        name: logical name, such as ``v3`` or ``e4``.
        kind: exo (fixed, outside), ego (worn), or other.
        cameras: names under which files know it; a recording has at most one of them.
        fps: frames per second of what is stored; None: the data set's.
        start_s: seconds on the data set's clock at which stored frame 0 was taken.
        dim: feature size D, where it is stated; it must then be so.
    """

    name: str
    kind: Kind
    cameras: tuple[str, ...]
    fps: float | None = None
    start_s: float = 0.0
    dim: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What a view file or a manifest says of it, by the view's name; settings left open are left out."""
        stated = {"fps": self.fps, "start_s": self.start_s or None, "dim": self.dim}
        return {"kind": self.kind, "cameras": list(self.cameras)} | {k: v for k, v in stated.items() if v is not None}


@dataclass(frozen=True)
class ViewTable:
    """The views of a data set, in their order."""

    views: tuple[View, ...]

    def __post_init__(self) -> None:
        for what, names in (
            ("view", [view.name for view in self.views]),
            ("camera", [camera for view in self.views for camera in view.cameras]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise DataError(f"The view table names {what} {listed(twice)} twice; each may stand there once.")

    @property
    def names(self) -> tuple[str, ...]:
        """Logical names, in order."""
        return tuple(view.name for view in self.views)

    def __getitem__(self, name: str) -> View:
        for view in self.views:
            if view.name == name:
                return view
        raise DataError(f"There is no view {name!r}; the view table has: {listed(self.names, 20)}.")

    def of_camera(self, camera: str) -> View | None:
        """The view a camera belongs to, or None."""
        return next((view for view in self.views if camera in view.cameras), None)

    def resolve(self, view: str, cameras: Iterable[str], recording: str) -> str:
        """The one camera among ``cameras`` that shows ``view`` in a recording.

        Raises:
            DataError: when there is none, or more than one.
        """
        there = tuple(cameras)
        found = [camera for camera in self[view].cameras if camera in there]
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(
                f"Recording {recording} has view {view!r} twice, from cameras {listed(found)}. Remove one, or "
                "give them names of their own in a view file (--views_file)."
            )
        has = [own.name for own in self.views if set(own.cameras) & set(there)]
        raise DataError(
            f"Recording {recording} has no view {view!r}; it has: {listed(has, 20)}. "
            "Pass --views with some of these, or --missing skip."
        )

    @classmethod
    def assembly101(cls) -> "ViewTable":
        """v1 to v8, fixed RGB, and e1 to e4, head-mounted grey, of Assembly101."""
        exo = [View(f"v{i}", "exo", (f"{c}_rgb",)) for i, c in enumerate(ASSEMBLY101_EXO, 1)]
        ego = [
            View(f"e{i}", "ego", tuple(f"{serial}_mono10bit" for serial in serials))
            for i, serials in enumerate(ASSEMBLY101_EGO, 1)
        ]
        return cls((*exo, *ego))

    @classmethod
    def identity(cls, cameras: Sequence[str]) -> "ViewTable":
        """Every camera a view of its own name."""
        return cls(tuple(View(camera, "other", (camera,)) for camera in sorted(set(cameras))))

    @classmethod
    def named(cls, views: Iterable[View]) -> "ViewTable":
        """The views, each with its own name for a camera."""
        return cls(tuple(replace(view, cameras=(view.name,)) for view in views))

    @classmethod
    def from_yaml(cls, path: Path | str) -> "ViewTable":
        """Read ``views: {e4: {kind: ego, cameras: [NAME, OTHER_NAME], fps: 20, start_s: 0.5, dim: 64}, ...}``.

        Only the name is needed: the camera's name is then the view's, and rate, start and size the data set's.
        """
        from viewloom.yaml_files import read_yaml

        found = read_yaml(Path(path), what="View file ")
        views = found.get("views") if isinstance(found, dict) else None
        if not isinstance(views, dict) or not views:
            raise DataError(
                f"View file {path} must hold a table `views:`, such as views: {{e4: {{kind: ego, cameras: [HMC_1]}}}}."
            )
        return cls.from_json(f"View file {path}", views)

    @classmethod
    def from_json(cls, where: str, views: Mapping[Any, Any]) -> "ViewTable":
        """The table from its entries by name; ``where`` they stand, for messages."""
        return cls(tuple(_view(where, str(name), entry or {}) for name, entry in views.items()))


def _view(where: str, name: str, entry: Any) -> View:
    """One entry of a view file or a manifest."""
    if not isinstance(entry, dict) or not set(entry) <= {"kind", "cameras", "fps", "start_s", "dim"}:
        raise DataError(
            f"{where}, view {name!r}: expected `kind` and `cameras`, or `fps`, `start_s`, `dim`, but got {entry!r}."
        )
    kind, cameras = entry.get("kind", "other"), entry.get("cameras", [name])
    if kind not in get_args(Kind):
        raise DataError(f"{where}, view {name!r}: kind must be exo, ego or other, but is {kind!r}.")
    if not isinstance(cameras, list) or not cameras:
        raise DataError(f"{where}, view {name!r}: `cameras` must be a list of camera names.")
    fps, start_s, dim = entry.get("fps"), entry.get("start_s", 0.0), entry.get("dim")
    if fps is not None and not (_is_number(fps) and 0 < fps < math.inf):
        raise DataError(f"{where}, view {name!r}: fps must be a number above 0, but is {fps!r}.")
    if not (_is_number(start_s) and math.isfinite(start_s)):
        raise DataError(f"{where}, view {name!r}: start_s must be a number of seconds, but is {start_s!r}.")
    if dim is not None and not (type(dim) is int and dim > 0):
        raise DataError(f"{where}, view {name!r}: dim must be a whole number above 0, but is {dim!r}.")
    return View(name, kind, tuple(map(str, cameras)), fps, float(start_s), dim)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
