"""A run's identity: kept in its folder as ``identity.json``, compared when it goes on, and used to name folders."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewloom.dataset.content import items_facts, labels_facts
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.errors import ConfigError, listed
from viewloom.features.content import choose_mode, features_facts, views_in_use, written_again, written_facts
from viewloom.features.rows import hash_file
from viewloom.features.settings import Compare, Mode
from viewloom.files import write_json
from viewloom.identity import Identity, added_settings, settings_of
from viewloom.reading import parsing, read_json

FILE = "identity.json"


@dataclass(frozen=True)
class RunContent:
    """What a run rests on besides its settings.

    Attributes:
        dataset: opened data set.
        items: the items in use, by role.
        views: the views in use.
        labelled: whether their labels are used.
        unlabelled: roles whose labels are not used, although those of others are.
        views_of: the views in use in the items of some roles, instead of ``views``.
        files: other files it takes, by what they are (``refiner``, ``teacher``).
        compare: how features are compared; None: auto.
    """

    dataset: MultiViewDataset
    items: Mapping[str, Sequence[Item]]
    views: Sequence[str]
    labelled: bool = True
    unlabelled: Collection[str] = ()
    views_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    compare: Compare | None = None

    @property
    def all_items(self) -> tuple[Item, ...]:
        """The items of all roles."""
        return tuple(item for items in self.items.values() for item in items)

    @property
    def labelled_items(self) -> tuple[Item, ...]:
        """The items whose labels are used."""
        roles = [role for role in self.items if role not in self.unlabelled] if self.labelled else []
        return tuple(item for role in roles for item in self.items[role])

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every (recording, view) in use."""
        if not self.views_of:
            return views_in_use(self.dataset.source, {item.recording for item in self.all_items}, self.views)
        return tuple(sorted({pair for role in self.items for pair in self.pairs_of(role)}))

    def pairs_of(self, role: str) -> tuple[tuple[str, str], ...]:
        """Every (recording, view) in use in the items of a role."""
        recordings = {item.recording for item in self.items[role]}
        return views_in_use(self.dataset.source, recordings, self.views_of.get(role, self.views))

    def identity(self, settings: Any, mode: Mode | None = None) -> Identity:
        """Settings (None: none) and content together; ``mode`` says how features are compared, instead of `compare`."""
        mode = mode or choose_mode(self.dataset.source, self.pairs, self.compare)
        groups = {
            "settings": {} if settings is None else settings_of(settings),
            "items": items_facts(self.items),
            "labels": labels_facts(self.dataset.labels, self.labelled_items) if self.labelled else {},
            "features": features_facts(self.dataset.source, self.pairs, mode),
            "files": {name: hash_file(path) for name, path in self.files.items()},
        }
        return Identity(groups)


def save_identity(folder: Path, settings: Any, content: RunContent) -> None:
    """Write what a run is into its folder."""
    facts = content.identity(settings).to_json() | {"written": written_facts(content.dataset.source, content.pairs)}
    write_json(folder / FILE, facts)


def refuse_other(folder: Path, settings: Any, content: RunContent) -> None:
    """`ConfigError` that names what differs, where a run in a folder was begun with other settings or data."""
    begun, _ = _read(folder)
    mode: Mode = begun.groups.get("features", {}).get("compared", "full")
    begun = with_added(begun, settings)
    differing = content.identity(settings, mode).differences(begun)
    if differing:
        raise ConfigError(
            f"{folder} was begun with other settings or data, so it can't go on with these: {listed(differing, 20)}. "
            "Repeat the old command on the old data, or choose another --run folder."
        )
    refuse_written_again(folder, written_facts(content.dataset.source, content.pairs), content.compare)


def with_added(begun: Identity, settings: Any) -> Identity:
    """A run's identity with the settings that came after it was begun, as it did then."""
    facts = added_settings(settings) | dict(begun.groups.get("settings", {}))
    return Identity({**begun.groups, "settings": facts})


def refuse_written_again(folder: Path, now: Mapping[str, Sequence[Any]], compare: Compare | None) -> None:
    """`ConfigError` where a run compares features by blocks, and their files changed since it began.

    Args:
        folder: the run folder.
        now: feature files as they are, as `written_facts` gives them.
        compare: with ``sampled`` the files' times count for nothing.
    """
    begun, written = _read(folder)
    again = written_again(now, written)
    if begun.groups.get("features", {}).get("compared") == "sampled" and again and compare != "sampled":
        raise ConfigError(
            f"{folder} can't go on: feature files were written again since it began ({listed(again, 4)}), and only "
            "blocks of their frames can be compared. If they hold the same numbers, pass --compare_features sampled."
        )


def _read(folder: Path) -> tuple[Identity, dict[str, list[Any]]]:
    """The identity in a run folder, and its feature files as they were."""
    path = folder / FILE
    if not path.exists():
        raise ConfigError(
            f"{path} is not there, so nobody can say whether {folder} may go on with these settings and data: it was "
            "begun by an earlier version. Choose another --run folder."
        )
    remedy = "Choose another --run folder."
    with parsing(path, remedy, ConfigError):
        value = read_json(path, remedy, ConfigError)
        return Identity.from_json(value), {str(name): list(facts) for name, facts in dict(value["written"]).items()}
