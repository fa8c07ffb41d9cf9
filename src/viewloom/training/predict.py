"""`viewloom predict`: features of new, unlabelled recordings to segments."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viewloom.console import track
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, DataError, listed
from viewloom.files import write_csv, write_text
from viewloom.metrics.segments import Floats, Segments
from viewloom.names import names_in
from viewloom.training.evaluate import fitting_views, select_views
from viewloom.training.sampling import note_other_rates
from viewloom.training.settings import PredictConfig
from viewloom.training.trained import TrainedHead, load_head

COLUMNS = ("recording", "view", "start", "end", "start_s", "end_s", "label", "confidence")
FILE = "segments.csv"
Row = tuple[str, str, int, int, float, float, str, float]
"""A predicted segment, by `COLUMNS`."""


@dataclass(frozen=True, eq=False)
class PredictedSegments(Segments):
    """Predicted segments.

    Attributes:
        confidences: (S,) mean probability of the segment's class over its frames.
    """

    confidences: Floats


def run_predict(
    config: PredictConfig, dataset: MultiViewDataset | None = None, trained: TrainedHead | None = None
) -> list[Row]:
    """Segment recordings, and write ``segments.csv`` and the text files where the settings name a folder.

    Args:
        config: settings.
        dataset: what to segment; None opens what the settings name.
        trained: the head; None reads it from the run that the settings name.

    Returns:
        Recording, view, start and end (frames, end exclusive), start_s and end_s (seconds), label, confidence (mean
        probability of the label over the segment), by recording, view by view.
    """
    out = Path(config.out) if config.out else None
    if out is not None and (out / FILE).exists() and not config.overwrite:
        raise ConfigError(f"{out / FILE} is there already. Pass --overwrite true or another --out.")
    config = complete(config)
    dataset = dataset or open_dataset(config, with_splits=config.fold is not None)
    trained = trained or load_head(config.run)
    rows: list[Row] = []
    for view, recording, found in predict_dataset(trained, config, dataset):
        rows.extend(table_rows(recording, view, found, trained.actions, dataset.source.fps))
        if out is not None:
            write_text(out / view / f"{recording}.txt", as_text(found, trained.actions, config.text))
    if out is not None:
        write_csv(out / FILE, COLUMNS, rows)
    return rows


def predict_dataset(
    trained: TrainedHead, config: PredictConfig, dataset: MultiViewDataset
) -> Iterator[tuple[str, str, PredictedSegments]]:
    """View, recording and segments, view by view, as soon as each is computed."""
    segmenter = trained.segmenter_on(dataset, config)
    source, names = dataset.source, select_recordings(config.recordings, dataset, config.fold is not None)
    views = fitting_views(source, select_views(config.views, dataset), config.views is not None, segmenter)
    note_other_rates(trained.extras, dataset, views)
    for view in views:
        items = [Item(name, name, *source.span(name, view)) for name in names if view in source.views(name)]
        for item, probs_TK in track(segmenter.each(source, items, view), f"Predicting {view}", len(items)):
            yield view, item.name, to_segments(probs_TK, item.start)
    segmenter.missing.say(segmenter.sampling.missing_frames)


def select_recordings(names: str | None, dataset: MultiViewDataset, tested: bool) -> tuple[str, ...]:
    """The recordings a comma-separated list names (None: those of the test split where ``tested``, else all)."""
    if names is None and tested:
        return tuple(dict.fromkeys(item.recording for item in dataset.items("test")))
    if names is None:
        return dataset.source.recordings
    wanted = names_in(names)
    if not wanted:
        raise DataError("--recordings names none. Leave it out to segment all.")
    absent = [name for name in wanted if name not in dataset.source.recordings]
    if absent:
        raise DataError(f"{dataset.root} has no recording {listed(absent)}. `viewloom check` lists what it has.")
    return wanted


def to_segments(probs_TK: NDArray[np.float32], first_frame: int) -> PredictedSegments:
    """Runs of the most probable class, with the mean of its probability."""
    found, sums = summed_runs(probs_TK, first_frame)
    return PredictedSegments(found.starts, found.ends, found.labels, sums / found.durations)


def summed_runs(probs_TK: NDArray[np.float32], first_frame: int) -> tuple[Segments, Floats]:
    """Runs of the most probable class, and the sum of its probability over each (S,)."""
    labels_T = probs_TK.argmax(axis=1)
    found = Segments.of_frames(labels_T, first_frame)
    highest_T = probs_TK[np.arange(len(labels_T)), labels_T].astype(np.float64)
    return found, np.add.reduceat(highest_T, found.starts - first_frame)


def table_rows(name: str, view: str, found: PredictedSegments, actions: tuple[str, ...], fps: float) -> Iterator[Row]:
    """Rows of ``segments.csv``."""
    for (start, end, label), confidence in zip(found.rows, found.confidences.tolist(), strict=True):
        times = (round(start / fps, 3), round(end / fps, 3))
        yield (name, view, start, end, *times, actions[label], round(confidence, 4))


def as_text(found: Segments, actions: tuple[str, ...], layout: str) -> str:
    """Segments as a published text file."""
    if layout == "frames":
        return "".join(f"{actions[label]}\n" * (end - start) for start, end, label in found.rows)
    return "".join(f"{start:09d}\t{end:09d}\t{actions[label]}\t\n" for start, end, label in found.rows)
