"""Splits: which items teach pairs, which labels, which choose the epoch, and which are scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from viewloom.data.label_files import read_lines, recording_of
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
            filled = [field.name for field in fields(self) if getattr(self, field.name)]
            raise DataError(f"The split {role!r} is empty; filled are: {listed(filled)}. Pass --splits with one.")
        return names


@dataclass(frozen=True)
class Variant:
    """Published list files that make up a split.

    Attributes:
        files: list files of each role.
        source: where they come from.
        overlap: pairs of roles that share recordings as published, with the reason to let it be.
    """

    files: Mapping[Role, tuple[str, ...]]
    source: str
    overlap: Mapping[tuple[Role, Role], str]


def _coarse(name: str) -> tuple[str, ...]:
    return (f"{name}_coarse_assembly.txt", f"{name}_coarse_disassembly.txt")


REPORT = "Zhang, Li, Borde: View-Invariant Representation, lists of the released code"
VARIANTS: dict[str, Variant] = {
    "own": Variant({role: (f"{role}.txt",) for role in ROLES}, "lists named after their role", {}),
    "vic": Variant(
        {
            "pairs": ("FINAL_USE_Pair_vic.txt",),
            "train": ("FINAL_USE_Train_vic.txt",),
            "val": ("FINAL_USE_Val_vic.txt",),
            "test": ("FINAL_USE_Test_vic.txt",),
        },
        REPORT,
        {},
    ),
    "triple": Variant(
        {
            "pairs": ("FINAL_USE_Train_Pair_Triple.txt",),
            "train": ("FINAL_USE_Train_Pair_Triple.txt",),
            "val": ("FINAL_USE_Val_vic.txt",),
            "test": ("FINAL_USE_Test_vic.txt",),
        },
        f"{REPORT} (Table 5)",
        {
            ("pairs", "train"): "pairs are used without their labels",
            ("pairs", "val"): "6 of the 8 validation files are in the published training list",
            ("train", "val"): "6 of the 8 validation files are in the published training list",
        },
    ),
    "bold": Variant(
        {
            "pairs": ("FINAL_USE_Pair_bold.txt",),
            "train": ("FINAL_USE_Train_bold.txt",),
            "val": ("FINAL_USE_Val_vic.txt",),
            "test": ("FINAL_USE_Test.txt",),
        },
        REPORT,
        {
            ("pairs", "val"): "the published lists hold no validation list of their own",
            ("train", "val"): "the published lists hold no validation list of their own",
        },
    ),
    "official": Variant(
        {"train": _coarse("train"), "test": _coarse("val")},
        "Assembly101; its test labels are withheld, so its validation list is scored",
        {},
    ),
    "mstcn": Variant(
        {"train": ("train.split1.bundle",), "test": ("test.split1.bundle",)},
        "MS-TCN (Farha and Gall), first fold",
        {},
    ),
}
SEARCH = ("own", "vic", "official", "mstcn")
"""Order in which `auto` looks for a variant whose files are all there; triple and bold must be asked for."""


def load_splits(
    folder: Path, variant: str = "auto", recording: Callable[[str], str] = recording_of
) -> tuple[Splits, str]:
    """Read the lists of a folder.

    Args:
        folder: holds the list files.
        variant: name in `VARIANTS`; 'auto' takes the first of `SEARCH` that is there.
        recording: maps an item name to its recording.

    Returns:
        The splits and the variant's name.

    Raises:
        DataError: lists that are not there, hold a name twice, or share a recording between roles.
    """
    name = _find(folder) if variant == "auto" else variant
    if name not in VARIANTS:
        raise ConfigError(f"There is no split variant {name!r}; known: auto, {listed(VARIANTS, 20)}.")
    chosen = VARIANTS[name]
    lists: dict[str, tuple[str, ...]] = {}
    for role, files in chosen.files.items():
        there = [folder / file for file in files if name != "own" or (folder / file).exists()]
        lists[role] = tuple(entry for path in there for entry in read_list(path))
    splits = Splits(**lists)
    check_disjoint(splits, recording, chosen.overlap, str(folder))
    return splits, name


def _find(folder: Path) -> str:
    """The first variant of `SEARCH` whose files the folder holds."""
    for name in SEARCH:
        files = [folder / file for names in VARIANTS[name].files.values() for file in names]
        if (any if name == "own" else all)(file.exists() for file in files):
            return name
    wanted = "; ".join(f"{name}: {listed(VARIANTS[name].files['train'])}" for name in SEARCH)
    raise DataError(
        f"{folder} holds no known split lists. Looked for {wanted}. Write pairs.txt, train.txt, val.txt and "
        "test.txt, one name a line, or pass --splits generate."
    )


def read_list(path: Path) -> tuple[str, ...]:
    """Names in a list file: its first tab-separated column, without ``.txt``; blank lines are skipped."""
    names = [line.split("\t")[0].strip().removesuffix(".txt") for line in read_lines(path) if line.strip()]
    if not names:
        raise DataError(f"The list {path} is empty. Name one item a line, or remove the file.")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"The list {path} names {listed(twice)} twice. Each item may stand there once.")
    return tuple(names)


def check_disjoint(
    splits: Splits,
    recording: Callable[[str], str],
    overlap: Mapping[tuple[Role, Role], str],
    where: str,
) -> None:
    """No recording may serve two roles, but those a published variant is known to share."""
    for place, one in enumerate(ROLES):
        for other in ROLES[place + 1 :]:
            shared = {recording(n) for n in getattr(splits, one)} & {recording(n) for n in getattr(splits, other)}
            if shared and (one, other) not in overlap:
                raise DataError(
                    f"{where}: {len(shared)} recording(s) are both in {one} and in {other}: "
                    f"{listed(sorted(shared), 3)}. Remove them from one; a recording's label files go together."
                )


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
    together = group or (lambda name: name)
    groups = sorted({together(recording(name)) for name in names})
    order = np.random.default_rng([seed, 2]).permutation(len(groups))
    bounds = np.round(np.cumsum([fractions.get(role, 0.0) for role in ROLES]) * len(groups)).astype(int)
    role_of = {groups[i]: int(np.searchsorted(bounds, place, side="right")) for place, i in enumerate(order)}
    chosen = {
        role: tuple(sorted(name for name in names if role_of[together(recording(name))] == number))
        for number, role in enumerate(ROLES)
    }
    empty = [role for role in ROLES if fractions.get(role, 0) > 0 and not chosen[role]]
    if empty:
        raise ConfigError(f"{len(groups)} group(s) are too few: nothing is left for {listed(empty)}.")
    return Splits(**chosen)


def write_splits(splits: Splits, folder: Path) -> None:
    """Write ``pairs.txt``, ``train.txt``, ``val.txt`` and ``test.txt``; empty roles give no file."""
    for role in ROLES:
        names: tuple[str, ...] = getattr(splits, role)
        if names:
            write_text(folder / f"{role}.txt", "".join(f"{name}\n" for name in names))
