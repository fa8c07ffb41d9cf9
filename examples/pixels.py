"""A benchmark with pixels: render, extract, check, pack, then five ways to learn from exo labels, and two oracles.

Run it with `make bench-pixels`, or `python examples/pixels.py`; `--tiny` shows in a minute that all is installed. The
videos are rendered from Meta-World, so its figures are of pictures, but not of real ones. It writes a Markdown page
with the table (mean and deviation over seeds) and a picture of the same moments in every view.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from viewloom.check.command import run_check
from viewloom.check.settings import CheckConfig
from viewloom.console import out
from viewloom.dataset.packing import run_pack
from viewloom.dataset.settings import SamplingConfig
from viewloom.extract.export import export_onnx
from viewloom.extract.run import run_extract
from viewloom.extract.settings import ExtractConfig
from viewloom.features.settings import PackConfig
from viewloom.files import atomic_path, write_text
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.methods.settings import CCAConfig, MethodConfig, RidgeConfig, SyncKDConfig, TwoStreamConfig
from viewloom.report.colours import palette
from viewloom.simulate.metaworld.run import run_metaworld
from viewloom.simulate.metaworld.settings import MetaworldConfig
from viewloom.training.evaluate import run_evaluate
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig

EXO, EGO, OTHER = "corner", "gripperPOV", "corner3"
SCORES = {"edit": "Edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50", "mof": "MoF"}
LITE0 = "py:viewloom.extract.efficientnet:lite0"
SAMPLING = SamplingConfig(chunk_frames=2, test_chunks=(1, 2, 3), pooling="max")  # phases last a second, ten frames
MARK = "<!-- written by examples/pixels.py -->"
STANDARDISED = MethodConfig(standardise="view")


@dataclass(frozen=True)
class Row:
    """One row of the table: labels of one view, and a method that saw unlabelled pairs.

    Every row's features are standardised alike, each view by the pairs: method none does nothing else.
    """

    labels: str
    method: str = "none"
    options: MethodConfig = STANDARDISED
    epochs: int = 1


ROWS = {
    "naive": Row(EXO),
    "ridge": Row(EXO, "ridge", RidgeConfig(standardise="view")),
    "cca": Row(EXO, "cca", CCAConfig(standardise="view", out_dim=64)),
    "sync_kd": Row(EXO, "sync_kd", SyncKDConfig(standardise="view", layers=1, teacher_path="identity"), epochs=60),
    "two_stream": Row(
        EXO,
        "two_stream",
        TwoStreamConfig(
            standardise="view",
            layers=1,
            joint_depth=0.1,
            dropout=0.0,
            residual_start=0.1,
            invariance_weight=25.0,
            variance_weight=25.0,
            covariance_weight=0.05,
        ),
        epochs=15,  # 25 s each: the joint stream has 100 million weights at D = 1280
    ),
    "oracle": Row(EGO),
}


@dataclass(frozen=True)
class Size:
    """How much work; ``pretraining_epochs`` is a limit on those of each row."""

    settings: Mapping[str, Any] = field(default_factory=lambda: {"preset": "small"})
    fps: float = 10.0
    epochs: int = 100
    pretraining_epochs: int = 1000
    width: int = 64
    seeds: tuple[int, ...] = (0, 1, 2)


TINY = Size({"preset": "tiny", "size": 32}, fps=4.0, epochs=2, pretraining_epochs=1, width=8, seeds=(0, 1))


def main(
    folder: str = "pixels",
    page: str = "docs/results/pixels.md",
    backbone: str = LITE0,
    size: Size | None = None,
    workers: int = 2,
) -> None:
    """Run the chain. What an earlier run has finished is used again; what was stopped goes on."""
    size, started, root = size or Size(), time.monotonic(), Path(folder)
    data = root / "data"
    run_metaworld(MetaworldConfig(out=str(data), fps=size.fps, workers=workers, **size.settings))
    out.print(f"Rendered: {time.monotonic() - started:.0f} s")
    if backbone == LITE0:  # nearly three times as fast on a CPU as an ONNX file
        backbone = f"onnx:{root / 'lite0.onnx'}"
        if not (root / "lite0.onnx").exists():
            export_onnx(LITE0, root / "lite0.onnx")
    extract = ExtractConfig(
        videos=str(data / "videos"),
        out=str(data / "features"),
        backbone=backbone,
        fps=size.fps,
        store="npy",
        fit="squash",
        views_file=str(data / "views.yaml"),
        workers=workers,
    )
    out.print(str(run_extract(extract)))
    out.print(f"Extracted: {time.monotonic() - started:.0f} s")
    run_check(CheckConfig(data=str(data), fps=size.fps))
    out.print(str(run_pack(PackConfig(data=str(data), out=str(root / "packed"), fps=size.fps))))
    where = {"data": str(data), "features": str(root / "packed")}
    for seed in size.seeds:
        for name, row in ROWS.items():
            run = root / "runs" / f"{name}-{seed}"
            refiner = pretrain(where, root / "pretraining" / f"{name}-{seed}", row, seed, size)
            train_and_score(where, run, row, refiner, seed, size)
    target = Path(page)
    picture = target.with_suffix("") / "moments.png"
    draw_moments(root, size.seeds[0], picture)
    write_page(root, target, picture, size, backbone)
    out.print(f"Page: {page}, {time.monotonic() - started:.0f} s in all")


def pretrain(where: Mapping[str, str], run: Path, row: Row, seed: int, size: Size) -> str:
    """Learn the row's refiner from unlabelled pairs; returns its file."""
    refiner = run / "refiner.safetensors"
    if not refiner.exists():
        settings = PretrainConfig(
            **where,
            run=str(run),
            views=f"{EXO},{EGO}",
            method=row.method,
            method_options=row.options,
            epochs=min(row.epochs, size.pretraining_epochs),
            batch_size=2,
            seed=seed,
            sampling=SAMPLING,
            optim=PretrainOptimConfig(lr=1e-3),
            resume=run.exists(),
            trainer=TrainerConfig(logger="none"),
        )
        run_pretrain(settings)
    return str(refiner)


def train_and_score(where: Mapping[str, str], run: Path, row: Row, refiner: str, seed: int, size: Size) -> None:
    """Train a head on the labels of one view, behind the refiner, and score it."""
    if not (run / "head.safetensors").exists():
        settings = TrainConfig(
            **where,
            run=str(run),
            views=row.labels,
            refiner=refiner,
            head_options=C2FTCN.Config(width=size.width),
            epochs=size.epochs,
            batch_size=2,
            seed=seed,
            sampling=SAMPLING,
            resume=run.exists(),
            trainer=TrainerConfig(logger="none", validate_every_epochs=min(5, size.epochs)),
        )
        run_train(settings)
    if not (run / "metrics.json").exists():
        # Views that weren't in the pairs have no statistics, and can't be scored.
        run_evaluate(EvaluateConfig(**where, run=str(run), views=f"{EXO},{EGO}", sampling=SAMPLING))


def write_page(root: Path, page: Path, picture: Path, size: Size, backbone: str) -> None:
    """The table: every row scored on both views, mean and deviation over seeds."""
    if page.exists() and not page.read_text(encoding="utf-8").startswith(MARK):
        raise SystemExit(f"{page} is there already and not from this example. Pass another --page.")
    facts = json.loads((root / "data" / "simulation.json").read_text(encoding="utf-8"))
    lines = [
        MARK,
        "# Pixels: learn from a fixed camera, segment from the wrist",
        "",
        f"Videos rendered from Meta-World (SIMULATED: no real video): {facts['tasks']} tasks, {facts['frames']:,} "
        f"frames in each view, {len(facts['labels'])} actions. Features: `{Path(backbone).name}`. "
        f"Labels of `{EXO}` (exo), pairs of `{EXO}` and `{EGO}` (wrist) without labels, other people in the test. "
        f"Percent; mean ± standard deviation over {len(size.seeds)} seeds. "
        f"Row naive scored on {EXO} is the exo oracle; row oracle has ego labels. "
        f"{len(facts['labels_not_in_train'])} actions have no training example in any view, so 100 is out of reach.",
        "",
    ]
    views = {EGO: "unlabelled view: what this is about", EXO: "labelled view"}
    for view, told in views.items():
        head = [*SCORES.values(), *(["gap closed"] if view == EGO else [])]
        lines += [f"## Scored on {view} ({told})", "", f"| row | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
        for name in ROWS:
            runs = [root / "runs" / f"{name}-{seed}" / "metrics.json" for seed in size.seeds]
            scored = [json.loads(path.read_text(encoding="utf-8"))["views"] for path in runs]
            found = [run[view]["scores"] for run in scored if view in run]
            if found:
                cells = [told_mean([scores[key] for scores in found]) for key in SCORES]
                if view == EGO:
                    cells.append(told_gap(root, name, size.seeds))
                lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    lines += [f"![The same moments in every view, truth and predictions]({picture.parent.name}/{picture.name})", ""]
    lines += ["Written by `make bench-pixels` (`examples/pixels.py`); settings stand there.", ""]
    write_text(page, "\n".join(lines))


def told_gap(root: Path, name: str, seeds: Sequence[int]) -> str:
    """Share of the way from row naive to row oracle in F1@50 on the ego view, by means over seeds."""
    found = {}
    for row in ("naive", name, "oracle"):
        scored = [json.loads((root / "runs" / f"{row}-{seed}/metrics.json").read_text("utf-8")) for seed in seeds]
        found[row] = fmean(run["views"][EGO]["scores"]["f1_50"] for run in scored)
    whole = found["oracle"] - found["naive"]
    return f"{100 * (found[name] - found['naive']) / whole:.0f} %" if whole > 0 else "none to close"


def told_mean(values: Sequence[float]) -> str:
    """Mean and deviation."""
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def draw_moments(root: Path, seed: int, target: Path, moments: int = 10) -> None:
    """One test recording: some moments in every view, and truth and predictions of each row in the ego view."""
    from matplotlib.figure import Figure

    told = {name: json.loads((root / "runs" / f"{name}-{seed}/predictions/{EGO}.json").read_text()) for name in ROWS}
    actions, items = told["naive"]["actions"], told["naive"]["items"]
    name = sorted(items)[0]
    recording, first, end = items[name]["recording"], items[name]["start"], items[name]["end"]
    chosen = np.linspace(first, end - 1, moments).astype(int)
    videos = sorted((root / "data" / "videos" / recording).glob("*.mp4"))
    strips = {"truth": items[name]["truth"]} | {row: told[row]["items"][name]["prediction"] for row in ROWS}
    figure = Figure(figsize=(1.3 * moments, 1.35 * len(videos) + 0.3 * len(strips) + 0.6), layout="constrained")
    axes = figure.subplots(len(videos) + 1, 1, height_ratios=[1.3] * len(videos) + [0.3 * len(strips)])
    for axis, video in zip(axes, videos, strict=False):
        axis.imshow(np.concatenate([pictures(video)[frame] for frame in chosen], axis=1))
        axis.set(xticks=[], yticks=[], ylabel=video.stem)
    shown = dict.fromkeys(action for segments in strips.values() for _, _, action in segments)  # truth's first
    colours = dict(zip(shown, palette(len(shown)), strict=True))
    for place, segments in enumerate(strips.values()):
        for start, stop, action in segments:
            axes[-1].barh(-place, stop - start, left=start, color=colours[action])
    for start, _, action in strips["truth"]:
        axes[-1].text(start, 0.55, actions[action], fontsize=5, rotation=30)
    axes[-1].vlines(chosen, -len(strips) + 0.5, 0.5, color="black", linewidth=0.5)
    axes[-1].set(xlim=(first, end), ylim=(-len(strips) + 0.4, 3), xlabel=f"frame of {recording}, view {EGO}")
    axes[-1].set_yticks([-place for place in range(len(strips))], list(strips))
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def pictures(path: Path) -> list[np.ndarray]:
    """All frames of a video."""
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="pixels", help="where everything is kept, to go on with")
    parser.add_argument("--page", default="docs/results/pixels.md", help="page to write")
    parser.add_argument("--backbone", default=LITE0, help="see viewloom extract")
    parser.add_argument("--workers", type=int, default=2, help="processes that render and extract")
    parser.add_argument("--tiny", action="store_true", help="a minute's size, whose figures mean nothing")
    args = parser.parse_args()
    main(args.folder, args.page, args.backbone, TINY if args.tiny else Size(), args.workers)
