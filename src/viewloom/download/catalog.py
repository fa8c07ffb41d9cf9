"""Which data sets can be downloaded, from which repository, and where their files go.

What is known of the repositories' files: cvml-nus/assembly101 has ``TSM_features/<camera>.zip`` and ``annotations/
coarse-annotations/`` (its README, and public code that reads it); dinggd/breakfast has one zip in the layout of MS-TCN.
Files are found in the repository's own list, so that one that was arranged otherwise is said to lack them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from viewloom.errors import ConfigError, listed
from viewloom.features.views import ViewTable

Target = Callable[[str], str | None]
"""Place of a repository's file inside the data set's folder; None: it isn't wanted."""


@dataclass(frozen=True)
class Part:
    """Files that are downloaded together.

    Attributes:
        name: for messages.
        path: folder of the repository that is listed; empty: all of it.
        target: of a file's path in the repository.
        key: file in an archive that is wanted, with all beside it; the archive's place is then that of its folder.
    """

    name: str
    path: str
    target: Target
    key: str


@dataclass(frozen=True)
class Source:
    """A data set on the hub.

    Attributes:
        repo: its repository.
        licence: of the data, as far as it is said there.
        annotations: labels and lists, if they lie apart.
        everything: all of it, where views are not apart.
        views: names of views, with the cameras of each; empty: there are none to choose.
    """

    repo: str
    licence: str
    annotations: Part | None = None
    everything: Part | None = None
    views: Mapping[str, Sequence[str]] | None = None

    def parts(self, views: Sequence[str], annotations: bool) -> list[Part]:
        """What is downloaded, in order."""
        found = [self.annotations] if annotations and self.annotations is not None else []
        found += [self.everything] if self.everything is not None else []
        return found + [_view(view, (self.views or {})[view]) for view in views]


def _below(prefix: str, new: str = "") -> Target:
    def target(path: str) -> str | None:
        return f"{new}{path.removeprefix(prefix)}" if path.startswith(prefix) else None

    return target


def _view(view: str, cameras: Sequence[str]) -> Part:
    """TSM features of a view, as an archive or a folder for each of its cameras."""

    def target(path: str) -> str | None:
        name = PurePosixPath(path).relative_to("TSM_features").parts[0] if path.startswith("TSM_features/") else ""
        return path if name.removesuffix(".zip") in cameras else None

    return Part(f"view {view} ({', '.join(cameras)})", "TSM_features", target, "data.mdb")


def _mstcn(repo: str) -> Source:
    whole = Part(
        "everything", "", lambda path: path if path.endswith(".zip") and "/" not in path else None, "mapping.txt"
    )
    return Source(repo, "not stated where this was written; see its page", everything=whole)


_COARSE = "annotations/coarse-annotations/"
SOURCES: Mapping[str, Source] = {
    "assembly101": Source(
        "cvml-nus/assembly101",
        "CC BY-NC 4.0, non-commercial use",
        annotations=Part("annotations", _COARSE.rstrip("/"), _below(_COARSE), ""),
        views={view.name: view.cameras for view in ViewTable.assembly101().views},
    ),
    "50salads": _mstcn("dinggd/50salads"),
    "breakfast": _mstcn("dinggd/breakfast"),
    "gtea": _mstcn("dinggd/gtea"),
}
"""By the name that the command takes."""


def source_of(name: str) -> Source:
    """A data set that can be downloaded; `ConfigError` naming them for another."""
    if name not in SOURCES:
        raise ConfigError(f"There is no data set {name!r} to download; there are: {listed(SOURCES)}. Name one of them.")
    return SOURCES[name]


def chosen_views(name: str, views: Sequence[str]) -> tuple[str, ...]:
    """The views, checked; `ConfigError` for one that the data set doesn't have."""
    known = source_of(name).views
    if views and known is None:
        raise ConfigError(f"{name} comes as a whole; leave --views out.")
    unknown = [view for view in views if view not in (known or {})]
    if unknown:
        raise ConfigError(
            f"{name} has no view {listed(unknown)}; it has: {listed(known or {}, 20)}. Pass --views with some."
        )
    return tuple(dict.fromkeys(views))
