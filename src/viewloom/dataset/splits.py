"""Splits: which items teach pairs, which labels, which choose the epoch, and which are scored."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from viewloom.dataset.label_files import recording_of
from viewloom.dataset.text_files import numbered
from viewloom.errors import ConfigError, DataError, listed
from viewloom.files import write_text

Role = Literal["pairs", "train", "val", "test"]
ROLES: tuple[Role, ...] = ("pairs", "train", "val", "test")


@dataclass(frozen=True)
class Splits:
    """Names of items (label files) or recordings by role; a role may be empty.

    Attributes:
        pairs: unlabelled synchronised views, for pre-training.
        train: labelled, to train a head.
        val: labelled, to choose its epoch.
        test: labelled, scored once.
    """

    pairs: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def role(self, role: Role) -> tuple[str, ...]:
        """The names of one role; `DataError` when there are none."""
        names: tuple[str, ...] = getattr(self, role)
        if not names:
            filled = [entry.name for entry in fields(self) if getattr(self, entry.name)]
            raise DataError(
                f"The split {role!r} is empty; filled are: {listed(filled)}. Name some in the splits (--splits)."
            )
        return names


@dataclass(frozen=True)
class Variant:
    """Published list files that make up a split.

    Attributes:
        files: list files of each role.
        source: where they come from.
        shared: pairs of roles that may share recordings, because that gives nothing away.
        leaks: pairs of roles that share recordings as published, which gives one role away to the other, and
            how; such lists must be asked for by name.
    """

    files: Mapping[Role, tuple[str, ...]]
    source: str
    shared: tuple[tuple[Role, Role], ...] = ()
    leaks: Mapping[tuple[Role, Role], str] = field(default_factory=dict)


def _coarse(name: str) -> tuple[str, ...]:
    return (f"{name}_coarse_assembly.txt", f"{name}_coarse_disassembly.txt")


def _report(**files: str) -> dict[Role, tuple[str, ...]]:
    return {role: (f"FINAL_USE_{files[role]}.txt",) for role in ROLES if role in files}


REPORT = "Zhang, Li, Borde: View-Invariant Representation, lists of the released code"
_CHOSEN = "6 of the 8 files that choose the epoch are in the training list too"
VARIANTS: dict[str, Variant] = {
    "own": Variant({role: (f"{role}.txt",) for role in ROLES}, "lists named after their role"),
    "vic": Variant(
        _report(pairs="Pair_vic", train="Train_vic", val="Val_vic", test="Test_vic"), f"{REPORT} (Tables 1 to 4)"
    ),
    "triple": Variant(
        _report(pairs="Train_Pair_Triple", train="Train_Pair_Triple", val="Val_vic", test="Test_vic"),
        f"{REPORT} (Table 5)",
        shared=(("pairs", "train"),),
        leaks={("pairs", "val"): _CHOSEN, ("train", "val"): _CHOSEN},
    ),
    "bold": Variant(_report(pairs="Pair_bold", train="Train_bold", test="Test"), REPORT),
    "official": Variant(
        {"train": _coarse("train"), "test": _coarse("val")},
        "Assembly101; its test labels are withheld, so its validation list is scored",
    ),
} | {
    f"mstcn{fold if fold > 1 else ''}": Variant(
        {"train": (f"train.split{fold}.bundle",), "test": (f"test.split{fold}.bundle",)},
        f"MS-TCN (Farha and Gall), fold {fold}",
    )
    for fold in range(1, 6)
}
DRAWN: dict[str, Variant] = {
    "generate": Variant({}, "drawn by recording, seeded"),
    "loso": Variant({}, "one group of recordings left out in turn", shared=(("pairs", "train"),)),
}
"""Splits that are no lists: values of --splits instead of a folder."""
PUBLISHED = "published"
"""Splits that a layout reads from the data set's own files, which are no lists."""
OWN_FILES = {PUBLISHED: Variant({}, "the data set's own files", shared=(("pairs", "train"),))}
SEARCH = ("own", "vic", "official", "mstcn")
"""Order in which `auto` looks for a variant whose files are all there; the others must be asked for."""


def variant_of(name: str) -> Variant:
    """The rules of a split variant, drawn splits and folds of any number included."""
    return (VARIANTS | DRAWN | OWN_FILES).get(name, Variant({}, name))


def read_splits(folder: Path, variant: str = "auto") -> tuple[Splits, str]:
    """The lists of a folder and the variant's name; recordings in two roles are let be, see `refuse_overlap`.

    Args:
        folder: holds the list files.
        variant: name in `VARIANTS`; 'auto' takes the first of `SEARCH` that is there.

    Raises:
        DataError: lists that are not there, are empty or hold a name twice, a label file also in two files of a role.
    """
    name = find_variant(folder) if variant == "auto" else variant
    if name is None:
        wanted = "; ".join(f"{name}: {listed(VARIANTS[name].files['train'])}" for name in SEARCH)
        raise DataError(
            f"{folder} holds no split lists. Looked for {wanted}. Write pairs.txt, train.txt, val.txt and test.txt, "
            "one name a line, or pass --splits generate."
        )
    if name not in VARIANTS:
        raise ConfigError(f"There is no split variant {name!r}; there are: auto, {listed(VARIANTS, 20)}.")
    lists: dict[str, tuple[str, ...]] = {}
    for role, files in VARIANTS[name].files.items():
        there = [folder / file for file in files if name != "own" or (folder / file).exists()]
        lists[role] = _together({path: read_list(path) for path in there})
    if not any(lists.values()):
        raise DataError(f"{folder} holds none of pairs.txt, train.txt, val.txt and test.txt. Write them there.")
    return Splits(**lists), name


def _together(lists: Mapping[Path, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of a role's list files; `DataError` for a label file that two of them name.

    A recording, which stands for all its label files, may be named among those of assembly and of disassembly.
    """
    files: dict[str, Path] = {}
    for path, names in lists.items():
        for name in names:
            if files.setdefault(name, path) != path and recording_of(name) != name:
                raise DataError(f"{path} names {name}, and {files[name].name} does so too. Remove it from one.")
    return tuple(files)


def find_variant(folder: Path, variant: str = "auto") -> str | None:
    """The variant whose files the folder holds: that one, or for 'auto' the first of `SEARCH`; None without any."""
    for name in SEARCH if variant == "auto" else [variant] if variant in VARIANTS else []:
        files = [folder / file for names in VARIANTS[name].files.values() for file in names]
        if (any if name == "own" else all)(file.exists() for file in files):
            return name
    return None


def read_list(path: Path) -> tuple[str, ...]:
    """Names in a list file: its first tab-separated column, without ``.txt``; blank lines are skipped."""
    names = [line.split("\t")[0].strip().removesuffix(".txt") for _, line in numbered(path)]
    if not names:
        raise DataError(f"The list {path} is empty. Name one item a line, or remove the file.")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"The list {path} names {listed(twice)} twice. Each item may stand there once.")
    return tuple(names)


def overlaps(
    splits: Splits, recording: Callable[[str], str] = recording_of
) -> dict[tuple[Role, Role], tuple[str, ...]]:
    """Recordings that two roles share, by pair of roles; pairs that share none are left out."""
    held = {role: {recording(name) for name in getattr(splits, role)} for role in ROLES}
    shared = {(one, other): held[one] & held[other] for one, other in combinations(ROLES, 2)}
    return {pair: tuple(sorted(names)) for pair, names in shared.items() if names}


class Overlap(NamedTuple):
    """Recordings in two roles, and what to do about it."""

    one: Role
    other: Role
    recordings: tuple[str, ...]
    remedy: str


def wrong_overlaps(
    splits: Splits, recording: Callable[[str], str], variant: str, allowed: str | None = None
) -> list[Overlap]:
    """Recordings in two roles, but where that gives nothing away; ``allowed``: the variant whose roles may overlap."""
    rules = variant_of(variant)
    published = {pair: f"So these lists were published: {reason}." for pair, reason in rules.leaks.items()}
    own = "Remove them from one (a recording's label files go together)."
    way_out = "" if allowed == variant else f" To use the lists all the same, pass --allow_overlap {variant}."
    found = {pair: names for pair, names in overlaps(splits, recording).items() if pair not in rules.shared}
    return [Overlap(*pair, names, published.get(pair, own) + way_out) for pair, names in found.items()]


def refuse_overlap(
    splits: Splits, recording: Callable[[str], str], variant: str, where: str, allowed: str | None = None
) -> None:
    """`DataError` for a recording in two roles, but where that gives nothing away or was asked for by name."""
    wrong = wrong_overlaps(splits, recording, variant)
    if wrong and allowed != variant:
        one, other, names, remedy = wrong[0]
        shared = f"{len(names)} recording(s) are both in {one} and in {other}: {listed(names, 3)}"
        raise DataError(f"{where}: {shared}. {remedy}")


def deal(groups: Sequence[str], sizes: Mapping[str, int], rng: np.random.Generator | None = None) -> dict[str, str]:
    """Deal groups of recordings to roles: the first ``size`` of them to the first role, and so on.

    Args:
        groups: names, each once.
        sizes: groups for each role, in the order in which they get theirs.
        rng: shuffles the groups before; None keeps their order.

    Returns:
        The role of each group; those that are left over have none.
    """
    order = groups if rng is None else [groups[i] for i in rng.permutation(len(groups))]
    return dict(zip(order, (role for role, size in sizes.items() for _ in range(size)), strict=False))


def generate_splits(
    names: Sequence[str],
    fractions: Mapping[str, float],
    seed: int = 0,
    recording: Callable[[str], str] = recording_of,
    group: Callable[[str], str] | None = None,
) -> Splits:
    """Split items by recording (or by a group of recordings, such as the person), seeded.

    Args:
        names: item names.
        fractions: share of the groups for each role; they sum to at most 1.
        seed: of the draw; the order of ``names`` doesn't matter.
        recording: maps an item to its recording.
        group: maps a recording to what must stay together; default: each recording for itself.
    """
    unknown = [role for role in fractions if role not in ROLES]
    if unknown or sum(fractions.values()) > 1 + 1e-9 or min(fractions.values(), default=0) < 0:
        raise ConfigError(f"Fractions must be of {listed(ROLES)} and sum to at most 1, but are {dict(fractions)}.")
    together = {name: recording(name) if group is None else group(recording(name)) for name in names}
    groups = sorted(set(together.values()))
    sizes = _sizes([fractions.get(role, 0.0) for role in ROLES], len(groups))
    role_of = deal(groups, dict(zip(ROLES, sizes, strict=True)), np.random.default_rng([seed, 2]))
    return Splits(**{role: tuple(sorted(n for n in names if role_of.get(together[n]) == role)) for role in ROLES})


def _sizes(shares: Sequence[float], count: int) -> list[int]:
    """Groups of each role: its share of ``count`` by largest remainder, but one at least where it has a share."""
    asked = sum(share > 0 for share in shares)
    if count < asked:
        raise ConfigError(
            f"{count} recording(s) or groups of them can't be split into {asked} roles. Bring more, or pass lists."
        )
    wanted = [share * count for share in shares]
    sizes = [max(int(value + 1e-9), 1 if value > 0 else 0) for value in wanted]
    total = max(round(sum(wanted)), asked)
    while sum(sizes) != total:
        step = 1 if sum(sizes) < total else -1
        free = [i for i, size in enumerate(sizes) if wanted[i] > 0 and size + step >= 1]
        sizes[max(free, key=lambda i: step * (wanted[i] - sizes[i]))] += step
    return sizes


def write_splits(splits: Splits, folder: Path, overwrite: bool = False) -> None:
    """Write ``pairs.txt``, ``train.txt``, ``val.txt`` and ``test.txt``; empty roles give no file.

    Raises:
        ConfigError: where one of them is there already, unless ``overwrite``: then all of them are replaced.
    """
    there = [path for path in (folder / f"{role}.txt" for role in ROLES) if path.exists()]
    if there and not overwrite:
        raise ConfigError(f"{there[0]} is already there. Choose another folder, or ask for overwrite.")
    for role in ROLES:
        names: tuple[str, ...] = getattr(splits, role)
        if names:
            write_text(folder / f"{role}.txt", "".join(f"{name}\n" for name in names))
        else:
            (folder / f"{role}.txt").unlink(missing_ok=True)
