"""A student's teacher: its settings, the labels it gives to the pairs, and what is kept and said of both.

A head labels the pairs in the views that it knows; another one learns from these labels in all views. The plain form is
self-training across views (Hinton, Vinyals, Dean, arXiv:1503.02531, for the soft targets; Xie et al., arXiv:1911.04252,
for students that become teachers). A run of several rounds is a student whose teacher is a run of one round less.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.errors import listed
from viewloom.files import write_json
from viewloom.training.agreement import FILE as FACTS_FILE
from viewloom.training.agreement import (
    by_view,
    class_shares,
    little_to_learn,
    mean_confidence,
    says,
    strips,
)
from viewloom.training.learned import warn
from viewloom.training.lesson import Lesson
from viewloom.training.runs import CONFIG, is_main_process, read_json, say, wait_for
from viewloom.training.segmenter import Segmenter
from viewloom.training.settings import TeachConfig, TrainConfig
from viewloom.training.taught import FILE, Soft, label_recordings, read_taught, write_taught
from viewloom.training.trained import HEAD_FILE, REFINER_FILE, load_head
from viewloom.windows.sampling import Sampling
from viewloom.windows.taught import Teaching

FOLDER = "teacher"
"""Folder of the teacher's run, inside the student's."""


def teacher_config(asked: TrainConfig, folder: Path) -> TrainConfig:
    """The settings of a student's teacher: the student's, but for what only a student has.

    Args:
        asked: the student's settings before its own length was filled in: a teacher has fewer windows, and so takes
            other epochs where none are set.
        folder: the student's run folder.
    """
    run, teach = folder / FOLDER, asked.teach
    again = teach.rounds > 1
    return replace(
        asked,
        run=str(run),
        name=None,
        resume=(run / CONFIG).exists(),
        epochs=teach.epochs or asked.epochs,
        refiner=None if asked.refiner is None else str(wait_for(folder / REFINER_FILE)),
        teach_on_pairs=again,
        teach=replace(teach, rounds=teach.rounds - 1) if again else TeachConfig(),
    )


def taught_labels(
    config: TrainConfig, dataset: MultiViewDataset, lesson: Lesson, sampling: Sampling, folder: Path
) -> Soft:
    """What the teacher says of the pairs: by now or from an earlier start, the same in every process.

    Args:
        config: the student's settings.
        dataset: opened data set.
        lesson: what it is taught on.
        sampling: its windows; chunk sizes for tests are averaged, as at evaluation.
        folder: its run folder, in which the teacher is trained already.
    """
    path, teacher = folder / FILE, folder / FOLDER / HEAD_FILE
    if is_main_process() and not path.exists():
        trained = load_head(folder / FOLDER)
        segmenter = trained.segmenter(sampling, accelerator_of(config))
        soft = label_recordings(dataset, lesson.items, lesson.labelled, segmenter)
        facts, warnings = _facts(config, dataset, lesson, soft, segmenter)
        write_json(folder / FACTS_FILE, facts)
        warn(folder, warnings)
        metadata = {"actions": trained.actions, "views": lesson.labelled, "fps": dataset.source.fps}
        # Last, since all processes wait for it, and a run that goes on takes it as it is.
        write_taught(path, soft, teacher, metadata | {"sampling": asdict(sampling)})
    return read_taught(wait_for(path), teacher)


def _facts(
    config: TrainConfig, dataset: MultiViewDataset, lesson: Lesson, soft: Soft, segmenter: Segmenter
) -> tuple[dict[str, Any], list[str]]:
    """What ``taught.json`` says of the teacher, said in a line too; and warnings."""
    assert dataset.labels is not None
    multi = segmenter.head.multi
    said = says(soft, config.teach.confidence, multi)
    val = dataset.items("val") if dataset.splits is not None and dataset.splits.val else ()
    on_validation = mean_confidence(dataset, val, lesson.labelled, segmenter)
    trained_K, taught_K = class_shares(dataset, soft)
    minutes = said["frames"] / dataset.source.fps / 60
    say(
        f"The teacher labelled {len(soft)} pair recordings ({minutes:.1f} min) in {listed(lesson.labelled)}, "
        f"{100 * said['mean_confidence']:.0f} % sure on average; {said['used']:.0f} % of the frames are taught in "
        f"{listed(lesson.views)}, {len(lesson.held_out)} of the recordings held out."
    )
    facts = {
        "actions": list(dataset.labels.actions),
        **({"labels_mode": "multi"} if multi else {}),
        "fps": dataset.source.fps,
        "labelled_views": list(lesson.labelled),
        "views": list(lesson.views),
        "recordings": len(soft),
        "held_out": [item.recording for item in lesson.held_out],
        "temperature": config.teach.temperature,
        "confidence": config.teach.confidence,
        "weight": config.teach.weight,
        **said,
        "validation_confidence": on_validation,
        "trained_shares": trained_K.tolist(),
        "taught_shares": taught_K.tolist(),
    }
    return facts, little_to_learn(said, on_validation, trained_K, taught_K, 1 / 2 if multi else None)


def teaching_of(config: TrainConfig, dataset: MultiViewDataset, lesson: Lesson, soft: Soft) -> Teaching:
    """The lesson as windows need it."""
    assert dataset.labels is not None
    teach, classes = config.teach, len(dataset.labels.actions)
    multi = dataset.labels.mode == "multi"
    return Teaching(lesson.learn, lesson.views, classes, soft, teach.temperature, teach.confidence, multi)


def keep_agreement(folder: Path, dataset: MultiViewDataset, lesson: Lesson, soft: Soft, segmenter: Segmenter) -> None:
    """Measure how far the finished student agrees with its teacher in each view; kept in ``taught.json`` and said."""
    found = by_view(dataset, lesson, soft, segmenter)
    kept = read_json(folder / FACTS_FILE) | {
        "agreement": found,
        "strips": strips(dataset, lesson, soft, segmenter),
    }
    write_json(folder / FACTS_FILE, kept)
    texts = []
    for view, of in found.items():
        held = f" ({of['held_out']:.1f} % of those held out)" if of["held_out"] is not None else ""
        if of["learned"] is not None:
            texts.append(f"{view} {of['learned']:.1f} %{held}")
    alone = "Frames of the pairs in which the student agrees with its teacher"
    what = "F1 of the student's actions with its teacher's, frame by frame" if segmenter.head.multi else alone
    say(f"{what}: {', '.join(texts)}.")


def accelerator_of(config: TrainConfig) -> str:
    """The device on which the pairs are labelled, by the name that torch has for it."""
    return {"gpu": "auto"}.get(config.trainer.accelerator, config.trainer.accelerator)
