"""The simplest layout for one's own recordings: features, one CSV of segments, lists."""

from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.dataset.actions import read_action_list
from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.layout import Layout, LayoutFiles, folder_if_there
from viewloom.dataset.named_labels import own_labels, read_labels
from viewloom.dataset.settings import settled
from viewloom.features.opening import recognise
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig


@LAYOUTS.register("table")
class Table(Layout):
    """``features/`` in any store, ``labels.csv`` (or an annotation tool's ``labels.*`` or ``labels/``), and optionally
    ``actions.txt``, ``views.yaml``, ``splits/``."""

    expects = "features/ (any feature store), and labels.csv with recording,start,end,label"
    precedence = 1

    @classmethod
    def matches(cls, root: Path) -> bool:
        """A CSV of labels, or a feature store in ``features/`` or in the folder itself."""
        return own_labels(root).is_file() or _features(root) is not None

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """Labels are optional: recordings without any can still be packed and predicted."""
        labels = Path(config.labels) if config.labels else own_labels(root)
        actions = root / "actions.txt"

        def read(fps: float | None, fault: Fault) -> LabelSet:
            names = read_action_list(actions) if actions.is_file() else None
            return read_labels(labels, fps, names, fault, settled(config.labels_mode), config.labels_tier)

        return LayoutFiles(
            features=Path(config.features) if config.features else _features(root),
            labels=read if labels.exists() or config.labels is not None else None,
            splits=folder_if_there(root / "splits"),
        )


def _features(root: Path) -> Path | None:
    """``features/``, else the folder itself where it is a store."""
    return next((path for path in (root / "features", root) if path.is_dir() and recognise(path)), None)
