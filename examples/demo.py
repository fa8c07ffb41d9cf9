"""The main job from beginning to end, on made-up data: simulate, check, pack, pre-train, train, score, report.

Run it with `make demo`, or `python examples/demo.py`. It needs no data, no GPU, and a few minutes on two cores.
Every figure it prints is of simulated features and says nothing about real ones.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from viewloom.check.command import run_check
from viewloom.check.settings import CheckConfig
from viewloom.console import out
from viewloom.dataset.packing import run_pack
from viewloom.dataset.settings import SamplingConfig
from viewloom.features.settings import PackConfig
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.methods.settings import CCAConfig, MethodConfig, SyncKDConfig, TwoStreamConfig
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.tables import scores_table
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import SimulateConfig
from viewloom.training.evaluate import run_evaluate
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig

EXO, EGO = "v3", "e4"
SAMPLING = SamplingConfig(chunk_frames=20, test_chunks=(10, 17, 24), pooling="max")  # as published
TRAINER = TrainerConfig(logger="none", validate_every_epochs=4)
STANDARDISED = MethodConfig(standardise="view")


@dataclass(frozen=True)
class Row:
    """One row of the table: labels of one view, and a method that saw unlabelled pairs of views.

    Every row's features are standardised alike, each view by the pairs, so that rows differ in what they learned alone:
    method none does nothing else.
    """

    labels: str
    method: str = "none"
    options: MethodConfig = STANDARDISED
    lr: float = 3e-3
    batch_size: int = 2


# Settings of the networks were chosen by what `pretrain` measures on held-out pairs, without any label.
ROWS = {
    "naive": Row(EXO),
    "cca": Row(EXO, "cca", CCAConfig(standardise="view", out_dim=16)),
    "sync_kd": Row(EXO, "sync_kd", SyncKDConfig(standardise="view", layers=1, teacher_path="identity")),
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
            covariance_weight=1.0,
        ),
    ),
    "oracle": Row(EGO),
}


def main(folder: str = "demo", recordings: int = 40, epochs: int = 40) -> None:
    """Run the chain. What an earlier run has finished is used again; a training that was stopped goes on."""
    started, demo = time.monotonic(), Path(folder)
    where = {"data": str(demo / "data"), "features": str(demo / "packed")}
    if not (demo / "data").exists():
        run_simulate(SimulateConfig(out=where["data"], recordings=recordings))
    run_check(CheckConfig(data=where["data"]))
    out.print(str(run_pack(PackConfig(data=where["data"], out=where["features"]))))
    for name, row in ROWS.items():
        refiner = pretrain(where, demo / "pretraining" / name, row, epochs)
        train_and_score(where, demo / "runs" / name, row, refiner, epochs)
    runs = [demo / "runs" / row for row in ROWS]
    page = run_report(ReportConfig(runs=",".join(map(str, runs)), out=str(demo / "report.html"), overwrite=True))
    out.print(scores_table(runs))
    out.print(
        "All but oracle learned from exo labels (v3), oracle from ego labels. Every row's features are standardised by "
        "pairs of v3 and e4 without labels; naive and oracle learned nothing else from these."
    )
    out.print(f"Simulated features: these figures say nothing about real ones. {time.monotonic() - started:.0f} s.")
    out.print(f"Report: {page}")


def pretrain(where: dict[str, str], run: Path, row: Row, epochs: int) -> str:
    """Learn the row's refiner from unlabelled pairs; returns its file."""
    refiner = run / "refiner.safetensors"
    if not refiner.exists():
        settings = PretrainConfig(
            **where,
            run=str(run),
            views=f"{EXO},{EGO}",
            method=row.method,
            method_options=row.options,
            epochs=epochs,
            batch_size=row.batch_size,
            resume=run.exists(),
            optim=PretrainOptimConfig(lr=row.lr),
            sampling=SAMPLING,
            trainer=TRAINER,
        )
        run_pretrain(settings)
    return str(refiner)


def train_and_score(where: dict[str, str], run: Path, row: Row, refiner: str, epochs: int) -> None:
    """Train a head on the labels of one view, behind the refiner, and score it on every view."""
    if not (run / "head.safetensors").exists():
        settings = TrainConfig(
            **where,
            run=str(run),
            views=row.labels,
            refiner=refiner,
            head_options=C2FTCN.Config(width=64),  # half the published width: four times quicker
            epochs=epochs,
            resume=run.exists(),
            sampling=SAMPLING,
            trainer=TRAINER,
        )
        run_train(settings)
    run_evaluate(EvaluateConfig(**where, run=str(run), overwrite=True))


if __name__ == "__main__":
    main()
