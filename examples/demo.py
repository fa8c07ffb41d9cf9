"""The main job from beginning to end, on made-up data: simulate, check, pack, train, score, report.

Run it with `make demo`, or `python examples/demo.py`. It needs no data, no GPU, and about five minutes on two
cores. Every figure it prints is of simulated features and says nothing about real ones.
"""

import time
from pathlib import Path

from viewloom.console import out
from viewloom.data.check import CheckConfig, run_check
from viewloom.data.pack import PackConfig, run_pack
from viewloom.data.windows import SamplingConfig
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.tables import scores_table
from viewloom.simulate.command import SimulateConfig, run_simulate
from viewloom.training.evaluate import EvaluateConfig, run_evaluate
from viewloom.training.segment import TrainConfig, run_train
from viewloom.training.trainer import TrainerConfig

DEMO = Path("demo")
DATA, STORE, RUNS = DEMO / "data", DEMO / "packed", DEMO / "runs"
HEADS = {"exo head": "v3", "ego head": "e4"}  # row name and the labelled view it learns from


def main() -> None:
    """Run the chain; what is there already from an earlier run is used again."""
    started = time.monotonic()
    if not DATA.exists():
        run_simulate(SimulateConfig(out=str(DATA)))
    run_check(CheckConfig(data=str(DATA)))
    run_pack(PackConfig(data=str(DATA), out=str(STORE)))
    where = {"data": str(DATA), "features": str(STORE)}
    for row, views in HEADS.items():
        run = str(RUNS / row.replace(" ", "_"))
        if not (Path(run) / "head.safetensors").exists():
            run_train(
                TrainConfig(
                    **where,
                    run=run,
                    views=views,
                    row=row,
                    epochs=40,
                    resume=Path(run).exists(),
                    sampling=SamplingConfig(),
                    trainer=TrainerConfig(logger="none"),
                )
            )
        run_evaluate(EvaluateConfig(**where, run=run, overwrite=True))
    page = run_report(ReportConfig(runs=str(RUNS), out=str(DEMO / "report.html"), overwrite=True))
    out.print(scores_table([RUNS / row.replace(" ", "_") for row in HEADS]))
    out.print(f"Simulated features: these figures say nothing about real ones. {time.monotonic() - started:.0f} s.")
    out.print(f"Report: {page}")


if __name__ == "__main__":
    main()
