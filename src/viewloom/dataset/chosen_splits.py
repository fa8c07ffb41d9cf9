"""Which splits a data set is used with: its lists, drawn ones, or one of its folds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.console import note
from viewloom.dataset.folds import Fold, choose, leave_out, plain_lists, read_folds
from viewloom.dataset.label_files import recording_in
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.settings import settled
from viewloom.dataset.splits import DRAWN, PUBLISHED, ROLES, Splits, generate_splits, read_splits, refuse_overlap
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import FeatureSource

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

GENERATED: Mapping[str, float] = {"pairs": 0.4, "train": 0.3, "val": 0.1, "test": 0.2}
"""Shares of the recordings with --splits generate."""


def chosen_splits(
    config: DataConfig, files: LayoutFiles, source: FeatureSource, labels: LabelSet | None
) -> Splits | None:
    """Published, own or generated splits, or a fold; None where there are no lists and none were asked for."""
    folds = folds_of(config, files, source.recordings, labels)
    if config.splits == "generate" and config.fold is None:
        return generated(config, source.recordings, labels)
    folder = None if config.splits in DRAWN else split_folder(config, files)
    if config.fold is not None or needs_fold(config, folder, folds):
        fold = choose(folds, config.fold, str(folder or f"{config.data} with --splits {config.splits}"))
        splits, variant, where = fold.splits, fold.variant, fold.where
    else:
        found = plain_splits(config, files, source.recordings, labels)
        if found is None:
            return None
        if len(folds) > 1:
            note(f"{folder} holds lists and {len(folds)} folds; the lists are used. Pass --fold to use a fold.")
        (splits, variant), where = found, str(folder or config.data)
    refuse_overlap(splits, recording_in(labels), variant, where, config.allow_overlap)
    return splits


def plain_splits(
    config: DataConfig, files: LayoutFiles, recordings: Collection[str], labels: LabelSet | None
) -> tuple[Splits, str] | None:
    """The lists of the split folder, or what the data set's own files say, and the variant's name; None without any."""
    if config.splits in DRAWN:
        return None
    if files.lists is not None and config.splits is None:
        return files.lists(labels, recordings), PUBLISHED
    folder = split_folder(config, files)
    if folder is None:
        return None
    splits, variant = read_splits(folder, settled(config.split_variant))
    return _as_items(splits, files), variant


def _as_items(splits: Splits, files: LayoutFiles) -> Splits:
    """Lists of what names stand for, each once."""
    if files.item_of is None:
        return splits
    return Splits(**{role: tuple(dict.fromkeys(map(files.item_of, getattr(splits, role)))) for role in ROLES})


def folds_of(
    config: DataConfig, files: LayoutFiles, recordings: Sequence[str], labels: LabelSet | None
) -> tuple[Fold, ...]:
    """The folds of a data set in order; none where its splits are none. Overlaps in them are let be."""
    if config.val_groups is not None and config.splits != "loso":
        raise ConfigError(f"--val_groups {config.val_groups} goes with --splits loso only.")
    if config.splits == "loso":
        if labels is None:
            raise DataError(f"--splits loso leaves labelled recordings out, but {config.data} has no labels.")
        return leave_out(recordings, labels, _group(config.split_by), config.val_groups or 0)
    folder = None if config.splits in DRAWN else split_folder(config, files)
    found = () if folder is None else read_folds(folder, settled(config.split_variant))
    return tuple(replace(fold, splits=_as_items(fold.splits, files)) for fold in found)


def needs_fold(config: DataConfig, folder: Path | None, folds: Sequence[Fold]) -> bool:
    """Whether one of the folds must be chosen, because there are no plain lists beside them."""
    return bool(folds) and (folder is None or not plain_lists(folder, settled(config.split_variant), folds))


def split_folder(config: DataConfig, files: LayoutFiles) -> Path | None:
    """Folder of the split lists, or None; not for ``generate`` and ``loso``."""
    folder = Path(config.splits) if config.splits else files.splits
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"--splits {folder} is no folder. Pass the folder of the lists, `generate` or `loso`.")
    return folder


def generated(config: DataConfig, recordings: Sequence[str], labels: LabelSet | None) -> Splits:
    """Splits drawn by recording, or by what ``split_by`` matches, from what has features.

    Recordings without labels go to the pairs, unless ``split_by`` ties them to a labelled one of another role.
    """
    recording, group = recording_in(labels), _group(config.split_by)
    names = recordings
    if labels is not None:
        there = set(recordings)
        names = [a.name for a in labels.annotations.values() if a.recording in there]
    drawn = generate_splits(names, GENERATED, settled(config.split_seed), recording, group)
    if labels is None:
        return drawn
    taken = {group(recording(name)) for name in (*drawn.train, *drawn.val, *drawn.test)}
    free = [name for name in recordings if not labels.of_recording(name) and group(name) not in taken]
    return replace(drawn, pairs=(*drawn.pairs, *free))


def _group(pattern: str | None) -> Callable[[str], str]:
    """Maps a recording to the text that ``pattern`` (its first group, if it has one) matches in its name."""
    if pattern is None:
        return lambda recording: recording
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--split_by {pattern!r} is no regular expression: {error}.") from None

    def group(recording: str) -> str:
        match = expression.search(recording)
        if match is None:
            raise ConfigError(f"--split_by {pattern!r} matches nothing in the recording's name {recording!r}.")
        return match[1] if expression.groups else match[0]

    return group
