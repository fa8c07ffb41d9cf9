"""The front door: what a notebook needs, and what the command line calls, one function a verb.

Settings beyond the named ones are those of the command (``viewloom train --help``), as keywords: ``epochs=40``; nested
ones as a dictionary: ``optim={"lr": 1e-3}``. Those of the method or head may stand among them: ``width=64``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from viewloom.arguments import Names, kept, sequences_of, size_setting, trained_head, view_of_array
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.memory import from_arrays, plain_label
from viewloom.dataset.opening import open_dataset as _open
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, DataError
from viewloom.keywords import as_dict, built, settings_on
from viewloom.listing import list_heads as list_heads
from viewloom.listing import list_layouts as list_layouts
from viewloom.listing import list_methods as list_methods
from viewloom.listing import list_protocols as list_protocols
from viewloom.outputs import NOWHERE
from viewloom.recipes.settings import TransferConfig
from viewloom.training.settings import EvaluateConfig, MeasureConfig, PredictConfig, PretrainConfig, TrainConfig

if TYPE_CHECKING:
    from pandas import DataFrame

    from viewloom.methods.refiner import Refiner
    from viewloom.metrics.segmentation import Scores as FrameScores
    from viewloom.recipes.compare.command import ComparisonResult
    from viewloom.recipes.transferred import Transferred
    from viewloom.training.measures import Measures
    from viewloom.training.scores import Scores
    from viewloom.training.trained import TrainedHead

C = TypeVar("C", bound=DataConfig)


def open_dataset(data: str | Path | DataConfig, with_splits: bool = True, **options: Any) -> MultiViewDataset:
    """Open a data set's features, labels and splits, from one folder in any layout.

    Args:
        data: the folder, or all settings at once.
        with_splits: look for split lists; prediction needs none.
        options: settings of a data set as keywords (``features=``, ``splits=``, ``fps=`` ...: `DataConfig`).

    Returns:
        The data set; ``data.features(recording, view)`` reads only what it is asked for.

    Raises:
        DataError: no such folder, no known layout, or files that can't be used.
        ConfigError: an unknown setting, or a combination that can't work.
    """
    if isinstance(data, DataConfig):
        return _open(data, with_splits)
    return _open(built(DataConfig, {"data": str(data)} | options), with_splits)


def pretrain(
    data: MultiViewDataset | str | Path,
    views: Names,
    method: str = "auto",
    *,
    out_dim: int | None = None,
    run: str | Path | None = None,
    teacher: TrainedHead | str | Path | None = None,
    **settings: Any,
) -> Refiner | TrainedHead:
    """Learn a refiner from unlabelled synchronised views.

    Args:
        data: a data set, or its folder.
        views: two views or more, exo views first.
        method: registered method; see `list_methods`. By default the best of several on held-out pairs.
        out_dim: feature size Z of the refined features, for methods that have a choice.
        run: run folder to keep (new); None keeps nothing on disk.
        teacher: trained head, or its run folder, that a distilling method follows.
        settings: others of `viewloom pretrain`, and those of the method: ``epochs=20``, ``stem="cca"``,
            ``optim={"lr": 1e-3}``, ``sampling={"chunk_s": 0.5}``, ``trainer={"progress": False}``.

    Returns:
        The refiner, in evaluation mode: ``refiner(x, view="e4")``. A method that distils a head gives that head.

    Raises:
        DataError, ConfigError: data or settings that can't be used, with what to do.
    """
    from viewloom.methods.refiner_file import load_refiner
    from viewloom.training.in_files import head_folder, run_folder
    from viewloom.training.learn import learn_refiner
    from viewloom.training.runs import wait_for
    from viewloom.training.trained import load_head

    dataset = _dataset(data, settings)
    if out_dim is not None:
        options = {**as_dict(settings.get("method_options")), size_setting(method): out_dim}
        settings["method_options"] = options
    with run_folder(run) as folder, head_folder(teacher) as head:
        own = {"views": views, "method": method, "run": str(folder), "teacher": head}
        path = wait_for(learn_refiner(settings_on(PretrainConfig, dataset, own | settings), dataset))
        return load_refiner(path) if path.name == "refiner.safetensors" else replace(load_head(path), run=kept(run))


def train(
    data: MultiViewDataset | str | Path,
    views: Names,
    *,
    refiner: Refiner | str | Path | None = None,
    head: str = "c2f_tcn",
    run: str | Path | None = None,
    **settings: Any,
) -> TrainedHead:
    """Train a segmentation head on labelled views.

    Args:
        data: a data set, or its folder; its splits say what is trained on, and what chooses the epoch.
        views: labelled views to train on.
        refiner: what stands before the head, frozen: a refiner, or its file.
        head: registered head; see `list_heads`.
        run: run folder to keep (new); None keeps nothing on disk.
        settings: others of `viewloom train`, and those of the head: ``epochs=40``, ``width=64``,
            ``optim={"lr": 1e-3}``, ``sampling={"chunk_s": 0.5}``, ``trainer={"progress": False}``.

    Returns:
        The head, which carries its refiner and its sampling: for `evaluate` and `predict`.

    Raises:
        DataError, ConfigError: data or settings that can't be used, with what to do.
    """
    from viewloom.training.in_files import refiner_file, run_folder
    from viewloom.training.runs import wait_for
    from viewloom.training.segment import run_train
    from viewloom.training.trained import load_head

    dataset = _dataset(data, settings)
    with run_folder(run) as folder, refiner_file(refiner) as path:
        own = {"views": views, "head": head, "run": str(folder), "refiner": path, "name": head if run is None else None}
        wait_for(run_train(settings_on(TrainConfig, dataset, own | settings), dataset))
        return replace(load_head(folder), run=kept(run))


def transfer(
    data: MultiViewDataset | str | Path,
    from_views: Names,
    to_views: Names,
    *,
    run: str | Path | None = None,
    **settings: Any,
) -> Transferred:
    """Learn in labelled views, segment in others: refiner, head taught on the pairs, scores.

    Args:
        data: a data set, or its folder; its splits say which recordings are pairs, labelled, and scored.
        from_views: labelled views.
        to_views: views to segment; their labels are never used, but to score.
        run: run folder to keep; what is finished in it is used again. None keeps nothing on disk.
        settings: others of `viewloom transfer`, such as ``method="cca"``, ``references="naive,oracle"``, ``epochs=40``.

    Returns:
        The head, its refiner and its scores: print them, or take ``.head``, ``.refiner``, ``.scores``, ``.table()``.

    Raises:
        DataError, ConfigError: data or settings that can't be used, with what to do.
    """
    from viewloom.recipes.transfer import run_transfer
    from viewloom.recipes.transferred import read_transferred
    from viewloom.training.in_files import run_folder

    dataset = _dataset(data, settings)
    with run_folder(run) as folder:
        own = {"from_views": from_views, "to_views": to_views, "run": str(folder)}
        result = run_transfer(settings_on(TransferConfig, dataset, own | settings), dataset)
        if isinstance(result, str):
            raise ConfigError("plan is for the command line: `viewloom transfer --plan true`.")
        return read_transferred(result, kept(run))


def evaluate(
    head: TrainedHead | str | Path,
    data: MultiViewDataset | str | Path,
    views: Names | None = None,
    *,
    split: str = "test",
    protocol: str = "canonical",
    out: str | Path | None = None,
    **settings: Any,
) -> Scores:
    """Score a trained head on every view.

    Args:
        head: what `train` gave, or its run folder.
        data: a data set, or its folder.
        views: views to score; None: all that an item has.
        split: items to score: test, val or train.
        protocol: named score protocol; see `list_protocols`.
        out: folder to write ``metrics.json`` and ``predictions/`` into, for `viewloom report`.
        settings: others of `viewloom evaluate`.

    Returns:
        Scores in percent: print them, or take ``.table()``, a pandas DataFrame of views.

    Raises:
        DataError, ConfigError: a head, data or settings that can't be used, with what to do.
    """
    from viewloom.training.evaluate import evaluate_head, into_folder

    dataset, trained = _dataset(data, settings), trained_head(head)
    own = {"run": trained.where, "views": views, "split": split, "protocol": protocol}
    config = settings_on(EvaluateConfig, dataset, own | settings)
    if out is None:
        return evaluate_head(trained, config, dataset)
    with into_folder(config, out):
        return evaluate_head(trained, config, dataset).write(out)


def measure(
    data: MultiViewDataset | str | Path,
    refiner: Refiner | str | Path | None = None,
    views: Names | None = None,
    *,
    split: str = "test",
    runs: Sequence[str | Path] | str | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> Measures:
    """Measure how far refined and plain features of different views agree, and what a probe reads from view to view.

    Args:
        data: a data set, or its folder.
        refiner: a refiner, or its file or run folder; None: plain features alone.
        views: views to compare; None: all that the items have and the refiner takes.
        split: items to measure on: test, val or pairs.
        runs: run folders of heads trained on different views, whose scores on every view make a matrix too.
        out: folder to write ``measures.json`` into, for `viewloom report`.
        settings: others of `viewloom measure`, such as ``max_steps``.

    Returns:
        Measures: print them, or take ``.table()`` and ``.matrix()``, pandas DataFrames.

    Raises:
        DataError, ConfigError: a refiner, data or settings that can't be used, with what to do.
    """
    from viewloom.methods.refiner import Refiner
    from viewloom.training.measure import run_measure

    dataset = _dataset(data, settings)
    path = refiner if isinstance(refiner, str | Path) else None
    if not isinstance(refiner, Refiner | str | Path | None):
        raise ConfigError(f"Expected a refiner or its file, but got a {type(refiner).__name__}.")
    own = {"refiner": path, "views": views, "split": split, "runs": runs, "out": out}
    config = settings_on(MeasureConfig, dataset, own | settings)
    return run_measure(config, dataset, refiner if isinstance(refiner, Refiner) else None)


def predict(
    head: TrainedHead | str | Path,
    data: Any,
    view: Names | None = None,
    *,
    fps: float | None = None,
    out: str | Path | None = None,
    **settings: Any,
) -> DataFrame:
    """Segment recordings, or one array of features.

    Args:
        head: what `train` gave, or its run folder.
        data: a data set or its folder; or features (T, D) of one recording, numpy or torch, rows of NaN for missing
            frames.
        view: views to segment, None: all; of an array the view it is of, None where the head tells none apart.
        fps: frames per second of an array; None: as that view had in training. Frames in the result are on the clock of
            the head's training data.
        out: folder to write ``segments.csv`` and a text file for each recording and view into.
        settings: others of `viewloom predict`, such as ``recordings``, or ``uncertain=50`` for the least certain ones.

    Returns:
        One line a segment: recording, view, start and end (frames, end exclusive), start_s and end_s (seconds), label,
        and confidence, the mean probability of the label over the segment. With ``uncertain`` those of
        ``uncertain.csv`` alone, which have a runner-up too.

    Raises:
        DataError, ConfigError: a head, data or settings that can't be used, with what to do.
    """
    from viewloom.training.predict import run_predict
    from viewloom.training.sampling import stored_rate

    trained = trained_head(head)
    if not isinstance(data, MultiViewDataset | str | Path):
        name = view_of_array(trained, view)
        rate = stored_rate(trained.extras, name) if fps is None else fps
        views = None if rate is None else {name: {"fps": rate}}
        data = from_arrays({"array": {name: data}}, fps=trained.fps, views=views)
        view = None
    elif fps is not None:
        raise ConfigError("fps is the rate of an array; a data set has its own (open_dataset(..., fps=...)).")
    dataset = _dataset(data, settings)
    own = {"run": trained.where, "out": NOWHERE if out is None else str(out), "views": view}
    return run_predict(settings_on(PredictConfig, dataset, own | settings), dataset, trained).table()


def score(
    predicted: Sequence[Any], truth: Sequence[Any], protocol: str = "canonical", background: Sequence[Any] = ()
) -> FrameScores:
    """Frame and segment scores of one sequence of labels, or of several.

    Args:
        predicted: the action of each frame, names or class ids, (T,); or a list of such sequences.
        truth: the same; None, NaN or -100 where a frame has no label.
        protocol: named score protocol; see `list_protocols`.
        background: actions whose segments don't count.

    Returns:
        ``edit``, ``f1_10``, ``f1_25``, ``f1_50``, ``mof`` in percent, and their sum ``total``.

    Raises:
        ConfigError: an unknown protocol.
        DataError: sequences of different lengths.
    """
    from viewloom.metrics.segmentation import score as score_ids
    from viewloom.metrics.segments import IGNORE

    sides = [[[plain_label(label) for label in labels] for labels in sequences_of(side)] for side in (predicted, truth)]
    names = dict.fromkeys(label for side in sides for labels in side for label in labels if label is not None)
    if len({isinstance(name, str) for name in names}) != 1:
        raise DataError("Labels must be all names or all class ids, and there must be one at least.")
    ids = {name: place for place, name in enumerate(names)}
    ours, true = ([np.array([ids.get(name, IGNORE) for name in labels], np.int64) for labels in side] for side in sides)
    ignored = [ids[plain_label(name)] for name in background if plain_label(name) in ids]
    return score_ids(ours, true, protocol, ignored)


def compare(file: str | Path | None = None, **settings: Any) -> ComparisonResult:
    """Compare methods, heads and students over views, seeds and data sets, in one table with paired tests.

    Args:
        file: YAML file of the comparison; None: the settings alone.
        settings: what such a file holds (docs/howto/compare-methods.md), alone or besides: ``data=["demo/data"],
            labelled="v3", unlabelled="e4", methods=["none", "cca"], heads=["linear"], out="compared"``.

    Returns:
        The table: print it, or take ``.table()``, a pandas DataFrame with a line a row. ``.failed`` names runs that did
        not finish. Files and finished runs stay in the folder ``out``.

    Raises:
        DataError, ConfigError: data or settings that can't be used, with what to do.
    """
    from viewloom.recipes.compare.command import ComparisonResult
    from viewloom.recipes.compare.command import compare as run
    from viewloom.recipes.compare.reading import comparison, read_file

    found = run(comparison({**({} if file is None else read_file(file)), **settings}, str(file or "The comparison")))
    assert isinstance(found, ComparisonResult)
    return found


def load_refiner(path: str | Path) -> Refiner:
    """Read a refiner: a run folder of `viewloom pretrain` (or of a head behind one), or its ``refiner.safetensors``,
    or one on the Hugging Face Hub: ``hf://user/name[@revision][/file]``.

    Raises:
        DataError: there is no such file, or it is broken.
        ConfigError: it is something else, or was written by a later version.
    """
    from viewloom.methods.refiner_file import load_refiner as load

    return load(Path(path) / "refiner.safetensors" if Path(path).is_dir() else path)


def load_head(path: str | Path) -> TrainedHead:
    """Read a trained head with its refiner and sampling: a run folder of `viewloom train`, or its ``head.safetensors``,
    or one on the Hugging Face Hub: ``hf://user/name[@revision][/file]``.

    Raises:
        DataError: there is no such file, or it is broken.
        ConfigError: it is something else, or was written by a later version.
    """
    from viewloom.training.trained import load_head as load

    return load(path)


def _dataset(data: MultiViewDataset | str | Path, settings: dict[str, Any]) -> MultiViewDataset:
    """The data set; a folder is opened with those of the settings that are a data set's, which are taken out."""
    if isinstance(data, MultiViewDataset):
        return data
    if not isinstance(data, str | Path):
        raise ConfigError(
            f"Expected a data set or its folder, but got {type(data).__name__}. Make one of arrays by "
            "viewloom.from_arrays({recording: {view: array}}, ...)."
        )
    own = {entry.name for entry in fields(DataConfig)}
    return open_dataset(data, **{name: settings.pop(name) for name in list(settings) if name in own})
