"""Readers of what runs leave: reports, heads, refiners, checkpoints; and of archives, published weights and videos."""

import math
import zipfile
from pathlib import Path
from typing import Any

from tests.report.make_runs import make_items, taught_facts, tried_facts, write, write_pretraining, write_run
from tests.tiny import write_tiny
from tests.torture.readers import Facts, Reader

QUIET = {"accelerator": "cpu", "logger": "none", "progress": False}
REPORTED = ("runs/*/*.json", "runs/*/*.csv", "runs/*/*.yaml", "runs/*/predictions/*.json")
TRAINED = ("run/*.json", "run/*.yaml", "run/*.csv")


def readers() -> list[Reader]:
    """All readers of this file."""
    return [
        Reader("report", _runs, REPORTED, _report, _wrong_report, strict=False, weight=3),
        Reader("report of a real run", _trained, (*TRAINED, "run/predictions/*.json"), _report_real, strict=False),
        Reader("head", _trained, ("run/head.safetensors",), _head, binary=True),
        Reader("refiner", _refiner, ("run/refiner.safetensors",), _load_refiner, binary=True),
        Reader("run on the Hub", _trained, TRAINED, _contents, strict=False),
        Reader(
            "resumed run", _trained, ("run/*.json", "run/*.csv", "run/config.yaml"), _resumed, strict=False, weight=0.3
        ),
        Reader("checkpoint", _trained, ("run/checkpoints/*.ckpt",), _resumed, strict=False, weight=0.3, binary=True),
        Reader("published head", _published, ("p.pth",), _convert, binary=True),
        Reader("action list", _published, ("actions.csv",), _convert),
        Reader("archive", _archive, ("a.zip",), _unpack, binary=True),
        Reader("video", _video, ("v.mkv",), _frames, binary=True),
        Reader("list of videos", _video_list, ("videos.csv",), _clips),
    ]


def _runs(folder: Path) -> None:
    """Two small runs, one of them with errors.json and what it was taught, and a pre-training run that chose."""
    actions = ["take cup", "put cup", "=open()", "pour"]
    items = make_items(2, actions)
    skills = {"v3": 0.9, "e4": 0.4}
    write_run(folder / "runs" / "naive", "naive", skills, ["v3"], items, actions)
    write_run(folder / "runs" / "cca", "cca", skills, ["v3"], items, actions, seed=1)
    words = {"verbs": ["take", "put", "open", "pour"], "nouns": ["cup", "cup", "", ""], "words_from": "verbs.csv"}
    facts = {"actions": actions, **words, "train_frames": [90, 30, 0, 5]}
    write(folder / "runs" / "cca" / "errors.json", {"kinds": [], "facts": facts, "views": {}})
    write(folder / "runs" / "cca" / "taught.json", taught_facts(actions))
    write_pretraining(folder / "runs" / "pretrain")
    write(folder / "runs" / "pretrain" / "auto.json", tried_facts())


def _report(folder: Path) -> Facts:
    from viewloom.report.command import run_report
    from viewloom.report.runs import load_runs
    from viewloom.report.settings import ReportConfig

    runs = load_runs(["runs"])
    page = run_report(ReportConfig(runs="runs", out="page.html", timelines=2)).read_text(encoding="utf-8")
    views = [
        [run.name, run.scored.fps, view.scores, [[i.start, i.end, i.truth.rows] for i in view.items.values()]]
        for run in runs
        for view in run.views.values()
    ]
    taught = [
        [run.taught.start, run.taught.frames, len(run.taught.actions), run.taught.sure, run.taught.recordings]
        + [[strip.rows for strip in run.taught.strips.values()]]
        for run in runs
        if run.taught is not None
    ]
    rows = [
        [[row[key] for row in table] for table, key in ((view.per_class, "action"), (view.per_item, "item"))]
        for run in runs
        for view in run.views.values()
    ]
    shown = {"views": views, "rows": rows, "taught": taught}
    return shown | {"curves": [run.curves for run in runs], "page": len(page) > 1000}


def _wrong_report(folder: Path, facts: Any) -> str | None:
    for name, fps, scores, items in facts["views"]:
        if not (math.isfinite(fps) and 0 < fps < 1e6):
            return f"{name}: {fps} frames a second"
        bad = [score for score, value in scores.items() if not (math.isfinite(value) and 0 <= value <= 1000)]
        if bad:
            return f"{name}: {bad[0]} is {scores[bad[0]]}"
        if any(not 0 <= start < end <= 1 << 41 for start, end, _ in items):
            return f"{name}: an item without frames"
    if any(len(set(names)) < len(names) for tables in facts["rows"] for names in tables):
        return "an action or an item has two rows"
    for start, frames, classes, sure, recordings, strips in facts["taught"]:
        if not 0 <= sure <= 100.001 or recordings < 0:
            return f"a teacher that is {sure} % sure of {recordings} recordings"
        if any(not start <= a < b <= start + frames or not 0 <= k < classes for rows in strips for a, b, k in rows):
            return "a strip with segments that can't be"
    return None if facts["page"] else "no page"


def _trained(folder: Path) -> None:
    """A data set, a run trained and scored on it."""
    from viewloom.training.evaluate import run_evaluate
    from viewloom.training.settings import EvaluateConfig

    write_tiny(folder / "data", recordings=4, segments=3)
    _train(folder, "run")
    run_evaluate(EvaluateConfig(data=str(folder / "data"), run=str(folder / "run"), accelerator="cpu"))


def _train(folder: Path, run: str, **more: Any) -> None:
    from viewloom.training.segment import run_train
    from viewloom.training.settings import TrainConfig, TrainerConfig

    trainer = TrainerConfig(**QUIET, threads=1)
    config = TrainConfig(
        data=str(folder / "data"), views="v3", run=str(folder / run), head="linear", epochs=2, trainer=trainer, **more
    )
    run_train(config)


def _report_real(folder: Path) -> Facts:
    from viewloom.report.command import run_report
    from viewloom.report.settings import ReportConfig
    from viewloom.training.scores import read_scores

    scores = read_scores(folder / "run")
    run_report(ReportConfig(runs="run", out="page.html", timelines=2))
    return repr(scores)


def _head(folder: Path) -> Facts:
    import torch

    from viewloom import load_head

    head = load_head(folder / "run")
    with torch.no_grad():
        out = head.head(torch.ones(1, 20, head.head.dim), torch.ones(1, 20, dtype=torch.bool))[0]
    return [float(out.sum()), list(head.actions), head.fps]


def _refiner(folder: Path) -> None:
    import viewloom as vl

    write_tiny(folder / "data", recordings=4, segments=3)
    vl.pretrain(vl.open_dataset(str(folder / "data")), views=["v3", "e4"], method="cca", run=str(folder / "run"))


def _load_refiner(folder: Path) -> Facts:
    import torch

    from viewloom import load_refiner

    refiner = load_refiner(folder / "run" / "refiner.safetensors")
    with torch.no_grad():
        return float(refiner(torch.ones(9, 8), "v3").sum())


def _contents(folder: Path) -> Facts:
    from viewloom.hub.push import run_push
    from viewloom.hub.settings import PushConfig

    pushed = run_push(PushConfig(run=str(folder / "run"), to="me/x", licence="mit", plan=True))
    return [pushed.card, dict(pushed.files)]


def _resumed(folder: Path) -> Facts:
    """The training that wrote the run, asked to go on."""
    (folder / "run" / "head.safetensors").unlink(missing_ok=True)
    _train(Path(), "run", resume=True)
    return _head(folder)


def _published(folder: Path) -> None:
    import torch

    from tests.heads.published_names import ms_tcn2_shapes, random_weights

    sizes = {"width": 6, "layers": 4, "refinements": 2, "refinement_layers": 3}
    torch.save({"model_state_dict": random_weights(ms_tcn2_shapes(8, 2, **sizes)), "epoch": 3}, folder / "p.pth")
    (folder / "actions.csv").write_text("action_id,action_cls,verb_cls\n0,attach wheel,attach\n1,x,y\n")


def _convert(folder: Path) -> Facts:
    from viewloom.training.convert import run_convert
    from viewloom.training.settings import ConvertConfig

    run_convert(ConvertConfig(checkpoint="p.pth", kind="head", head="ms_tcn2", actions="actions.csv", run="run"))
    return _head(folder)


def _archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("x/data.mdb", "x/lock.mdb", "x/more/a.txt"):
            file.writestr(name, name * 100)


def _unpack(folder: Path) -> Facts:
    from viewloom.download.unpack import unpack

    return [unpack(folder / "a.zip", folder / "out", "data.mdb"), sorted(p.name for p in (folder / "out").rglob("*"))]


def _video(folder: Path) -> None:
    from tests.extract.clips import numbered, write_clip

    write_clip(folder / "v.mkv", numbered(12))


def _frames(folder: Path) -> Facts:
    from viewloom.videos.files import duration_s, pyav_frames

    return [duration_s(folder / "v.mkv"), sum(1 for _ in pyav_frames(folder / "v.mkv"))]


def _video_list(folder: Path) -> None:
    from tests.extract.clips import numbered, write_clip

    write_clip(folder / "v.mkv", numbered(6))
    (folder / "videos.csv").write_text("recording,view,path\nr1,v3,v.mkv\nr1,e4,v.mkv\nr2,v3,v.mkv\n")


def _clips(folder: Path) -> Facts:
    from viewloom.videos.clips import find_clips

    return [repr(clip) for clip in find_clips(folder / "videos.csv")]
