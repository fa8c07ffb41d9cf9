"""The main job from beginning to end, on made-up data: simulate, check, pack, transfer from exo to ego, and a table.

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
from viewloom.methods.settings import CCAConfig, MethodConfig, TwoStreamConfig
from viewloom.recipes.settings import TransferConfig
from viewloom.recipes.transfer import TransferResult, run_transfer
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
TRAINER = TrainerConfig(logger="none", devices="1", validate_every_epochs=4)
HEAD = C2FTCN.Config(width=64)  # half the published width: four times quicker


@dataclass(frozen=True)
class Row:
    """A method to compare with: its head has the same labels, and is not taught on the pairs."""

    method: str
    options: MethodConfig


ROWS = {
    "cca": Row("cca", CCAConfig(standardise="view")),
    "two_stream": Row("two_stream", TwoStreamConfig(standardise="view", stem="cca")),
}


def main(folder: str = "demo", recordings: int = 40, epochs: int = 40) -> None:
    """Run the chain. What an earlier run has finished is used again; a training that was stopped goes on."""
    started, demo = time.monotonic(), Path(folder)
    where = {"data": str(demo / "data"), "features": str(demo / "packed")}
    if not (demo / "data").exists():
        run_simulate(SimulateConfig(out=where["data"], recordings=recordings))
    run_check(CheckConfig(data=where["data"]))
    out.print(str(run_pack(PackConfig(data=where["data"], out=where["features"]))))
    transferred = transfer(where, demo / "transfer", epochs)
    out.print(f"Transferred after {time.monotonic() - started:.0f} s. Next, what other ways come to.")
    for name, row in ROWS.items():
        refiner = pretrain(where, demo / "pretraining" / name, row, epochs)
        train_and_score(where, demo / "runs" / name, refiner, epochs)
    head, *references = transferred.scored
    runs = [references[0], *(demo / "runs" / row for row in ROWS), head, *references[1:]]
    page = run_report(ReportConfig(runs=",".join(map(str, runs)), out=str(demo / "report.html"), overwrite=True))
    out.print(scores_table(runs))
    out.print(
        "All but oracle learned from exo labels (v3), oracle from ego labels (e4). transfer, cca and two_stream also "
        "saw pairs of v3 and e4 without labels; transfer's head was taught on them."
    )
    for note in transferred.notes:
        out.print(f"note: {note}", markup=False)
    out.print(f"Simulated features: these figures say nothing about real ones. {time.monotonic() - started:.0f} s.")
    out.print(f"Report: {page}")


def transfer(where: dict[str, str], run: Path, epochs: int) -> TransferResult:
    """`viewloom transfer`, with a naive head and an oracle beside."""
    settings = TransferConfig(
        **where,
        from_views=EXO,
        to_views=EGO,
        run=str(run),
        references="naive,oracle",
        head_options=HEAD,
        epochs=epochs,
        sampling=SAMPLING,
        trainer=TRAINER,
    )
    result = run_transfer(settings)
    assert isinstance(result, TransferResult)
    return result


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
            batch_size=2,
            resume=run.exists(),
            optim=PretrainOptimConfig(lr=3e-3),
            sampling=SAMPLING,
            trainer=TRAINER,
        )
        run_pretrain(settings)
    return str(refiner)


def train_and_score(where: dict[str, str], run: Path, refiner: str, epochs: int) -> None:
    """Train a head on exo labels, behind the refiner, and score it on every view."""
    if not (run / "head.safetensors").exists():
        settings = TrainConfig(
            **where,
            run=str(run),
            views=EXO,
            refiner=refiner,
            head_options=HEAD,
            epochs=epochs,
            resume=run.exists(),
            sampling=SAMPLING,
            trainer=TRAINER,
        )
        run_train(settings)
    run_evaluate(EvaluateConfig(**where, run=str(run), overwrite=True))


if __name__ == "__main__":
    main()
