"""What a data-set layout tells: where features, labels and splits are, and how they are read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.splits import Splits
from viewloom.errors import DataError, listed
from viewloom.features.catalog import CatalogSource
from viewloom.features.opening import recognise
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig


Opens = Callable[[ViewTable | None, float | None, Axes], CatalogSource]
"""Opens features, given the views, frames per second, and axis order."""


@dataclass(frozen=True)
class LayoutFiles:
    """Files of a data set, as a layout finds them.

    Attributes:
        features: folder of the feature store, or None where there is none.
        labels: reads the labels, given the features' frames per second (None: not known) and what to do with
            a fault; None where there are no labels.
        splits: folder of the lists, or None.
        views: the layout's own view table, or None: the store's.
        fps: frames per second the layout fixes, or None.
        name: what ``dataset.yaml`` calls the data set, or None.
        opens: opens the features where the layout itself knows what each file is of; None: as the store does.
        lists: reads splits that are no list files, given the labels and the recordings that have features; None:
            ``splits`` has them.
        item_of: maps a name in a list to the item that it stands for; None: it is that.
    """

    features: Path | None
    labels: Callable[[float | None, Fault], LabelSet] | None
    splits: Path | None
    views: ViewTable | None = None
    fps: float | None = None
    name: str | None = None
    opens: Opens | None = None
    lists: Callable[[LabelSet | None, Collection[str]], Splits] | None = None
    item_of: Callable[[str], str] | None = None


class Layout(ABC):
    """A way to arrange a data set's files; one file in ``layouts/`` each."""

    expects: ClassVar[str]
    """What is looked for, in words."""
    precedence: ClassVar[int] = 0
    """Layouts are asked in this order, then by name, whether a folder is theirs; `table`, which takes most, last."""

    @classmethod
    @abstractmethod
    def matches(cls, root: Path) -> bool:
        """Whether a folder looks like this layout."""

    @classmethod
    @abstractmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """Where the files are; settings win over what the folder has."""


def folder_if_there(path: Path) -> Path | None:
    """The path where it is a folder, else None."""
    return path if path.is_dir() else None


def only_store(root: Path) -> Path | None:
    """The one subfolder that is a feature store, None without any; `DataError` where there are several."""
    found = [child for child in sorted(root.iterdir()) if child.is_dir() and recognise(child)]
    if len(found) > 1:
        raise DataError(
            f"{root} holds several feature stores: {listed(child.name for child in found)}. Pass --features with "
            "the one to use."
        )
    return found[0] if found else None
