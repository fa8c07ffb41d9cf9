"""Folds: several splits of one data set, such that each recording is tested in one of them."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from viewloom.dataset.labels import LabelSet
from viewloom.dataset.splits import Splits, deal, find_variant, read_list, read_splits
from viewloom.errors import ConfigError, DataError, listed

FOLD_FOLDER = re.compile(r"fold[_-]?(\d+)", re.ASCII | re.IGNORECASE)
BUNDLE = re.compile(r"(?:train|test)\.split(\d+)\.bundle", re.ASCII)


@dataclass(frozen=True)
class Fold:
    """One of the folds.

    Attributes:
        number: by which it is chosen; of its folder or bundles, or counted from 0.
        group: the group of recordings that is left out, where folds were drawn so.
        variant: rules its lists follow: a split variant, or ``loso``.
        where: its lists, for messages.
        splits: its roles.
    """

    number: int
    group: str | None
    variant: str
    where: str
    splits: Splits

    @property
    def name(self) -> str:
        """Of its run folder."""
        return f"fold{self.number}"

    @property
    def title(self) -> str:
        """For messages: its name, and who is left out."""
        return self.name if self.group is None else f"{self.name} ({self.group})"


def read_folds(folder: Path, variant: str = "auto") -> tuple[Fold, ...]:
    """The folds that a split folder holds, in order of their numbers; none where it has plain lists only.

    Args:
        folder: holds ``fold0/``, ``fold1/``, ... with lists each, or MS-TCN bundles ``train.split1.bundle``.
        variant: split variant of the lists in each fold folder; bundles count as folds with 'auto' only.

    Raises:
        DataError: two folders or bundles of one number, a bundle without its partner, or a list that can't be used.
    """
    folders = _by_number(path for path in folder.iterdir() if path.is_dir() and FOLD_FOLDER.fullmatch(path.name))
    if folders:
        return tuple(_of_folder(number, path, variant) for number, path in sorted(folders.items()))
    if variant != "auto":
        return ()
    bundles = [_by_number(folder.glob(f"{role}.split*.bundle")) for role in ("train", "test")]
    return tuple(_of_bundles(number, folder) for number in sorted({*bundles[0], *bundles[1]}))


def _by_number(paths: Iterable[Path]) -> dict[int, Path]:
    """Fold folders, or bundles of a role, by number; `DataError` where two are of one number (``fold1``, ``fold01``).

    Others, such as ``train.split_all.bundle``, are left out.
    """
    found: dict[int, Path] = {}
    for path in paths:
        match = FOLD_FOLDER.fullmatch(path.name) or BUNDLE.fullmatch(path.name)
        if match and found.setdefault(int(match[1]), path) != path:
            names = listed(sorted((found[int(match[1])].name, path.name)))
            raise DataError(f"{path.parent} holds two folds of number {int(match[1])}: {names}. Rename one.")
    return found


def _of_folder(number: int, path: Path, variant: str) -> Fold:
    splits, name = read_splits(path, variant)
    return Fold(number, None, name, str(path), splits)


def _of_bundles(number: int, folder: Path) -> Fold:
    train, test = (folder / f"{role}.split{number}.bundle" for role in ("train", "test"))
    for path, other in ((train, test), (test, train)):
        if not path.exists():
            raise DataError(f"{folder} holds {other.name} but no {path.name}. Bring it, or remove the other.")
    splits = Splits(train=read_list(train), test=read_list(test))
    return Fold(number, None, f"mstcn{number if number > 1 else ''}", str(test), splits)


def leave_out(
    recordings: Sequence[str], labels: LabelSet, group: Callable[[str], str], val_groups: int = 0
) -> tuple[Fold, ...]:
    """Folds that leave out one labelled group of recordings each; the order of files doesn't matter.

    Test is the group; val the next ``val_groups`` labelled groups in natural order of their names (after the last
    comes the first); train all other labelled groups; pairs all recordings of neither test nor val, labelled or
    not, of which no labels are used.

    Args:
        recordings: those that have features.
        labels: of the data set.
        group: maps a recording to its group.
        val_groups: groups that choose the epoch.

    Raises:
        DataError: too few labelled groups to train, choose and test.
    """
    group_of = {name: group(name) for name in sorted(recordings, key=natural)}
    items: dict[str, list[str]] = defaultdict(list)
    for one in sorted(labels.annotations.values(), key=lambda annotation: natural(annotation.name)):
        if one.recording in group_of:
            items[group_of[one.recording]].append(one.name)
    order = sorted(items, key=natural)
    if len(order) < 2 + val_groups:
        raise DataError(
            f"Leaving one group out needs {2 + val_groups} labelled groups of recordings, but there are {len(order)}: "
            f"{listed(order)}. Label more, or split them finer with --split_by."
        )
    folds = []
    for number, left in enumerate(order):
        turned = order[number:] + order[:number]
        role_of = deal(turned, {"test": 1, "val": val_groups, "train": len(order)})
        splits = Splits(
            pairs=tuple(name for name, its in group_of.items() if role_of.get(its) not in ("test", "val")),
            train=tuple(item for name in order if role_of[name] == "train" for item in items[name]),
            val=tuple(item for name in turned if role_of[name] == "val" for item in items[name]),
            test=tuple(items[left]),
        )
        folds.append(Fold(number, left, "loso", f"--splits loso, {left} left out", splits))
    return tuple(folds)


def natural(text: str) -> tuple[list[str | int], str]:
    """Sort key under which P2 comes before P10."""
    pieces = re.split(r"(\d+)", text, flags=re.ASCII)
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)], text


def choose(folds: Sequence[Fold], number: int | None, where: str) -> Fold:
    """The fold of a number; `ConfigError` naming the folds where there is none of it, or none was chosen."""
    if number is not None and not folds:
        raise ConfigError(
            f"--fold {number} was asked for, but {where} has no folds (fold0/, fold1/, ... with lists each, or "
            "MS-TCN bundles). Leave --fold out, or pass --splits loso to leave one recording out in turn."
        )
    names = listed((f"{f.number}" if f.group is None else f"{f.number} ({f.group})" for f in folds), 40)
    if number is None:
        raise ConfigError(
            f"{where} holds {len(folds)} folds: {names}. Pass --fold with one of them, or run them all with "
            "`viewloom crossval`."
        )
    found = next((fold for fold in folds if fold.number == number), None)
    if found is None:
        raise ConfigError(f"{where} has no fold {number}; its folds are: {names}. Pass --fold with one of them.")
    return found


def plain_lists(folder: Path, variant: str, folds: Sequence[Fold]) -> bool:
    """Whether a split folder can be used without a choice of fold: it has lists beside its folds, or one bundle."""
    found = find_variant(folder, variant)
    one_bundle = len(folds) == 1 and folds[0].where.endswith(".bundle")
    return not folds or found not in (None, "mstcn") or (found == "mstcn" and one_bundle)


def tested(folds: Sequence[Fold], recording: Callable[[str], str]) -> Counter[str]:
    """In how many folds each recording is tested."""
    return Counter(name for fold in folds for name in {recording(item) for item in fold.splits.test})
