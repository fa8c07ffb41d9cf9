"""The main job from beginning to end, on made-up data: simulate, check, pack, train, score, report.

Run it with `make demo`, or `python examples/demo.py`. It needs no data, no GPU, and a few minutes on two cores.
Every figure it prints is of simulated features and says nothing about real ones.
"""

import time
from pathlib import Path

from viewloom.console import out
from viewloom.data.check import CheckConfig, run_check
from viewloom.data.pack import PackConfig, run_pack
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.tables import scores_table
from viewloom.simulate.command import SimulateConfig, run_simulate
from viewloom.training.evaluate import EvaluateConfig, run_evaluate
from viewloom.training.segment import TrainConfig, run_train
from viewloom.training.trainer import TrainerConfig

ROWS = {"naive": "v3", "oracle": "e4"}  # name in the table, and the labelled view the head learns from


def main(folder: str = "demo", recordings: int = 40, epochs: int = 40) -> None:
    """Run the chain. What an earlier run has finished is used again; a training that was stopped goes on."""
    started, demo = time.monotonic(), Path(folder)
    where = {"data": str(demo / "data"), "features": str(demo / "packed")}
    if not (demo / "data").exists():
        run_simulate(SimulateConfig(out=where["data"], recordings=recordings))
    run_check(CheckConfig(data=where["data"]))
    out.print(str(run_pack(PackConfig(data=where["data"], out=where["features"]))))
    for row, views in ROWS.items():
        train_and_score(where, demo / "runs" / row, views, epochs)
    runs = [demo / "runs" / row for row in ROWS]
    page = run_report(ReportConfig(runs=",".join(map(str, runs)), out=str(demo / "report.html"), overwrite=True))
    out.print(scores_table(runs))
    out.print(
        "naive on e4: learned from exo labels, scored on ego. naive on v3: the exo oracle. oracle on e4: the ego one."
    )
    out.print(f"Simulated features: these figures say nothing about real ones. {time.monotonic() - started:.0f} s.")
    out.print(f"Report: {page}")


def train_and_score(where: dict[str, str], run: Path, views: str, epochs: int) -> None:
    """Train a head on the labels of some views, and score it on every view."""
    if not (run / "head.safetensors").exists():
        settings = TrainConfig(
            **where,
            run=str(run),
            views=views,
            epochs=epochs,
            resume=run.exists(),
            trainer=TrainerConfig(logger="none", validate_every_epochs=4),
        )
        run_train(settings)
    run_evaluate(EvaluateConfig(**where, run=str(run), overwrite=True))


if __name__ == "__main__":
    main()
