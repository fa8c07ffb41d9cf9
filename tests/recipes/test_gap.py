"""The gap closed of an experiment's runs, in the report and in the experiment's own table."""

import numpy as np
import pytest

from tests.tiny import write_tiny
from viewloom.data.windows import SamplingConfig
from viewloom.recipes.experiment import ExperimentConfig, run_experiment
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows
from viewloom.training.trainer import TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=5)
ROWS = ("naive", "ridge", "oracle")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Three rows of Table 1 whose heads have learned, with two seeds; the folder and the text."""
    root = tmp_path_factory.mktemp("gap")
    settings = ExperimentConfig(
        data=str(write_tiny(root / "data", recordings=12)),
        out=str(root / "tables"),
        table="table1",
        rows=",".join(ROWS),
        seeds="0,1",
        head="linear",
        head_epochs=20,
        head_batch_size=2,
        trainer=QUIET,
        sampling=SamplingConfig(test_chunks=(17,)),
    )
    return root / "tables", run_experiment(settings)


def test_the_report_shows_the_gap_closed_of_an_experiment_s_runs(done):
    gaps = {name: [] for name in ROWS}
    for row in score_rows(load_runs([done[0] / "runs"])):
        if row.view.name == "e4":
            gaps[row.run.row.partition(" ")[0]].append(row.gap)
        else:
            assert row.gap is None, "naive has labels of v3"
    assert all(len(each) == 2 for each in gaps.values())
    assert np.mean(gaps["naive"]) == pytest.approx(0, abs=1e-9)
    assert np.mean(gaps["oracle"]) == pytest.approx(100)
    assert 50 < np.mean(gaps["ridge"]) < 150
