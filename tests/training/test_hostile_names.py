"""Names of views and recordings that look like paths: everything stays in the folder that was named."""

from pathlib import Path

import numpy as np
import pytest

import viewloom as vl
from viewloom.training.evaluate import run_evaluate
from viewloom.training.predict import run_predict
from viewloom.training.scores import read_scores
from viewloom.training.settings import EvaluateConfig, PredictConfig, TrainerConfig

VIEW, RECORDINGS = "../../outside", ("/abs/one", "..", "two\n", "three" * 60)
FRAMES = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in the midst of others, a data set in memory, and a head."""
    root = tmp_path_factory.mktemp("root") / "a" / "b"
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = np.arange(FRAMES) // 15 % 3
    arrays = {
        name: {VIEW: np.eye(3, dtype=np.float32)[labels] + rng.normal(0, 0.1, (FRAMES, 3))} for name in RECORDINGS
    }
    # As a manifest or the keys of an LMDB may have them; arrays in memory are refused by such names.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("viewloom.features.arrays._check_names", lambda *names: None)
        data = made(arrays, labels)
    quiet = TrainerConfig(accelerator="cpu", logger="none", progress=False)
    vl.train(data, views=[VIEW], head="linear", epochs=2, run=str(root / "run"), trainer=quiet)
    return root, data


def made(arrays, labels):
    return vl.from_arrays(
        arrays,
        labels={name: [f"act{k}" for k in labels] for name in RECORDINGS},
        splits={"train": list(RECORDINGS[:2]), "test": list(RECORDINGS[2:])},
        fps=10,
    )


def everything(root):
    return {path.relative_to(root.parents[1]) for path in root.parents[1].rglob("*") if path.is_file()}


def test_scores_and_predictions_stay_inside(place):
    root, data = place
    before = everything(root)
    run_evaluate(EvaluateConfig(data="", run=str(root / "run"), out=str(root / "scores"), accelerator="cpu"), data)
    run_predict(
        PredictConfig(
            data="", run=str(root / "run"), out=str(root / "segments"), probabilities=True, accelerator="cpu"
        ),
        data,
    )
    new = everything(root) - before
    assert len(new) > 10 and all(
        path.parts[:2] == ("a", "b") and path.parts[2] in ("scores", "segments") for path in new
    )
    assert len([path for path in new if path.suffix == ".npy"]) == len(RECORDINGS)
    assert set(read_scores(Path(root / "scores")).predictions) == {VIEW}
