"""What a data-set layout tells: where features, labels and splits are, and how they are read."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from viewloom.data.labels import LabelSet
from viewloom.data.views import ViewTable

if TYPE_CHECKING:
    from viewloom.data.dataset import DataConfig


@dataclass(frozen=True)
class Parts:
    """Parts of a data set as found.

    Attributes:
        features: folder of the feature store, or None where there is none.
        labels: reads the labels, or None where there are none.
        splits: folder of the lists, or None.
        views: the layout's own view table, or None: the store's.
        fps: frames per second the layout fixes, or None.
    """

    features: Path | None
    labels: Callable[[], LabelSet] | None
    splits: Path | None
    views: ViewTable | None = None
    fps: float | None = None


class Layout(ABC):
    """A way to arrange a data set's files; one file in ``datasets/`` each."""

    expects: ClassVar[str]
    """What is looked for, in words."""

    @classmethod
    @abstractmethod
    def matches(cls, root: Path) -> bool:
        """Whether a folder looks like this layout."""

    @classmethod
    @abstractmethod
    def find(cls, root: Path, config: "DataConfig") -> Parts:
        """Where the parts are; settings win over what the folder has."""


def folder_if_there(path: Path) -> Path | None:
    """The path where it is a folder, else None."""
    return path if path.is_dir() else None
