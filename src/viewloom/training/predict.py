"""`viewloom predict`: features of new, unlabelled recordings to segments."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from viewloom.console import note, track
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.durable import gathered
from viewloom.errors import ConfigError, DataError, listed
from viewloom.files import atomic_path, write_csv, write_text
from viewloom.locks import alone
from viewloom.metrics.class_segments import decided_segments
from viewloom.metrics.segments import Floats, Segments
from viewloom.metrics.temperature import at_temperature
from viewloom.names import file_name, names_in
from viewloom.outputs import NOWHERE, being_filled, filling, refuse_file
from viewloom.training.annotated import OutputFormats
from viewloom.training.decoding import Decide, decision, likeliest
from viewloom.training.evaluate import fitting_views, select_views
from viewloom.training.sampling import note_other_rates
from viewloom.training.settings import PredictConfig
from viewloom.training.trained import TrainedHead, load_head
from viewloom.training.uncertain import COLUMNS as UNCERTAIN_COLUMNS
from viewloom.training.uncertain import FILE as UNCERTAIN
from viewloom.training.uncertain import (
    Doubt,
    PredictedSegments,
    doubts,
    least_sure,
    second_best,
    write_uncertain,
)

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("recording", "view", "start", "end", "start_s", "end_s", "label", "confidence")
FILE = "segments.csv"
Row = tuple[str, str, int, int, float, float, str, float]
"""A predicted segment, by `COLUMNS`."""


CONFIDENCES, PROBABILITIES = "confidences", "probabilities"
"""Folders inside the output, with a folder for each view."""


@dataclass(frozen=True, eq=False)
class PredictedItem:
    """What a head says of one recording in one view.

    Attributes:
        view: its name.
        recording: its name.
        found: segments.
        probs_TK: class probabilities of its frames, as they come out of the chain.
        temperature: the head's.
    """

    view: str
    recording: str
    found: PredictedSegments
    probs_TK: NDArray[np.float32]
    temperature: float

    @property
    def scaled_TK(self) -> Floats:
        """Class probabilities at the temperature."""
        return at_temperature(self.probs_TK, self.temperature)


@dataclass(frozen=True)
class Prediction:
    """What `run_predict` gives.

    Attributes:
        rows: every segment, by `COLUMNS`, by recording, view by view.
        uncertain: the least certain ones, the least certain first; None where they weren't asked for.
    """

    rows: list[Row]
    uncertain: list[Doubt] | None

    def table(self) -> "DataFrame":
        """The least certain segments where they were asked for, else every segment."""
        from pandas import DataFrame

        table: DataFrame = DataFrame(self.rows, columns=list(COLUMNS))
        if self.uncertain is not None:
            table = DataFrame([doubt.row for doubt in self.uncertain], columns=list(UNCERTAIN_COLUMNS))
        return table


def run_predict(
    config: PredictConfig, dataset: MultiViewDataset | None = None, trained: TrainedHead | None = None
) -> Prediction:
    """Segment recordings, and write files where the settings name a folder.

    Args:
        config: settings.
        dataset: what to segment; None opens what the settings name.
        trained: the head; None reads it from the run that the settings name.
    """
    if config.out == NOWHERE:
        return _predict(config, dataset, trained, None)
    refuse_file(Path(config.out, FILE), config.overwrite or being_filled(config.out))
    with filling(config.out, config.overwrite, "predict"):
        return _predict(config, dataset, trained, Path(config.out))


def _predict(
    config: PredictConfig, dataset: MultiViewDataset | None, trained: TrainedHead | None, out: Path | None
) -> Prediction:
    """`run_predict` into a folder that may be written, or None."""
    config = complete(config)
    dataset = dataset or open_dataset(config, with_splits=config.fold is not None)
    trained = trained or load_head(config.run)
    formats = OutputFormats.of(config)
    if trained.head.multi and formats.layout == "frames":
        raise ConfigError("--text frames has one action a line, but this head gives any number. Pass --text segments.")
    with nullcontext() if out is None else alone(out, "viewloom predict"):
        return _predicted(config, dataset, trained, formats, out)


def _predicted(
    config: PredictConfig, dataset: MultiViewDataset, trained: TrainedHead, formats: OutputFormats, out: Path | None
) -> Prediction:
    """Segment, and write into a folder that this process holds."""
    rows: list[Row] = []
    doubtful: list[Doubt] = []
    with gathered():
        for item in predict_dataset(trained, config, dataset):
            spans = item.recording, item.view, item.found, trained.actions, dataset.source.fps
            rows.extend(table_rows(*spans))
            if config.uncertain is not None:
                doubtful = least_sure([*doubtful, *doubts(*spans)], config.uncertain)
            if out is not None:
                (out / FILE).unlink(missing_ok=True)  # it says that all is there, which it no longer is
                write_item(out, item, trained.actions, config, formats.layout)
    found = Prediction(rows, None if config.uncertain is None else doubtful)
    if out is not None:
        formats.write(rows, out, trained.actions, dataset.source.fps, config.overwrite)
        write_prediction(out, found)
    return found


def write_item(
    out: Path, item: PredictedItem, actions: tuple[str, ...], config: PredictConfig, layout: str | None
) -> None:
    """Write the text file of a recording in a view, and beside it how sure the head is of each line; with ``layout``
    None neither."""
    own, found = Path(file_name(item.view), f"{file_name(item.recording)}.txt"), item.found
    if layout is not None:
        write_text(out / own, as_text(found, actions, layout))
        sure = found.confidences
        if layout == "frames":
            sure = item.scaled_TK[np.arange(len(item.probs_TK)), np.repeat(found.labels, found.durations)]
        write_text(out / CONFIDENCES / own, "".join(f"{value:.4f}\n" for value in sure.tolist()))
    if config.probabilities:
        path = out / PROBABILITIES / file_name(item.view) / f"{file_name(item.recording)}.npy"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, item.scaled_TK.astype(np.float32))


def write_prediction(out: Path, found: Prediction) -> None:
    """Write ``uncertain.csv``, if it was asked for, and ``segments.csv``, which is there when all is."""
    (out / UNCERTAIN).unlink(missing_ok=True)  # of an earlier prediction
    if found.uncertain is not None:
        write_uncertain(out, found.uncertain)
    write_csv(out / FILE, COLUMNS, found.rows)


def predict_dataset(trained: TrainedHead, config: PredictConfig, dataset: MultiViewDataset) -> Iterator[PredictedItem]:
    """Each recording in each view, view by view, as soon as it is computed."""
    segmenter, calibration = trained.segmenter_on(dataset, config), trained.calibration
    source, names = dataset.source, select_recordings(config.recordings, dataset, config.fold is not None)
    views = fitting_views(source, select_views(config.views, dataset), config.views is not None, segmenter)
    note_other_rates(trained.extras, dataset, views)
    if caution := calibration.caution(views):
        note(caution)
    temperature, decide = calibration.temperature, decision(config, trained, source.fps, segmenter.sampling)
    for view in views:
        items = [Item(name, name, *source.span(name, view)) for name in names if view in source.views(name)]
        for item, probs_TK in track(segmenter.each(source, items, view), f"Predicting {view}", len(items)):
            segments = (
                class_segments(probs_TK, item.start, config.threshold)
                if trained.head.multi
                else to_segments(probs_TK, item.start, decide, temperature)
            )
            yield PredictedItem(view, item.name, segments, probs_TK, temperature)
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


def class_segments(probs_TK: NDArray[np.float32], first_frame: int, threshold: float) -> PredictedSegments:
    """Segments of each class that a threshold says is there; none has another that would be there instead of it."""
    found = decided_segments(probs_TK, threshold, first_frame)
    nothing = np.zeros(len(found.labels))
    return PredictedSegments(found.starts, found.ends, found.labels, found.confidences, found.labels, nothing)


def to_segments(
    probs_TK: NDArray[np.float32], first_frame: int, decide: Decide = likeliest, temperature: float = 1.0
) -> PredictedSegments:
    """Runs of the class that is decided for, the likeliest by default, with the mean of its probability at a
    temperature, and the class behind it."""
    found, sums, scaled_TK = summed_runs(probs_TK, first_frame, decide, temperature)
    behind = second_best(scaled_TK, found.starts - first_frame, found.labels)
    return PredictedSegments(found.starts, found.ends, found.labels, sums / found.durations, *behind)


def summed_runs(
    probs_TK: NDArray[np.float32], first_frame: int, decide: Decide = likeliest, temperature: float = 1.0
) -> tuple[Segments, Floats, Floats]:
    """Runs of the class that is decided for, the sum of its probability at a temperature over each (S,), and all
    probabilities at it (T, K).

    What is summed is rounded to single precision, so that sums are exact, and the same of a run that came in pieces.
    """
    labels_T = decide(probs_TK)
    found = Segments.of_frames(labels_T, first_frame)
    scaled_TK = at_temperature(probs_TK, temperature)
    chosen_T = scaled_TK[np.arange(len(labels_T)), labels_T].astype(np.float32).astype(np.float64)
    return found, np.add.reduceat(chosen_T, found.starts - first_frame), scaled_TK


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
