"""``viewloom train --lookahead_s``: seconds to the steps that a head waits, trained, saved and scored."""

import pytest

from tests.tiny import write_tiny
from tests.training.test_segment import QUIET, config
from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError
from viewloom.heads.settings import LinearConfig, TCNConfig
from viewloom.training.checkpoints import read_head
from viewloom.training.evaluate import run_evaluate
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig
from viewloom.training.waiting import with_lookahead
from viewloom.windows.sampling import Sampling

CAUSAL = TCNConfig(width=8, layers=3, causal=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


@pytest.mark.parametrize(
    ("lookahead_s", "fps", "tests", "steps"),
    [
        (1.0, 30, (10, 17, 24), 1),  # the longest chunk lasts 0.8 s
        (1.6, 30, (10, 17, 24), 2),
        (1.59, 30, (10, 17, 24), 1),
        (0.3, 10, (1,), 3),  # 0.3 / 0.1 is 2.9999999999999996
        (10.0, 30, (24, 10), 12),
    ],
)
def test_as_many_whole_steps_as_fit_at_the_longest_chunk(lookahead_s, fps, tests, steps):
    asked = config("d", "r", head="tcn", head_options=CAUSAL, lookahead_s=lookahead_s)
    found = with_lookahead(asked, Sampling(test_chunks=tests), fps)
    assert found.head_options.lookahead_steps == steps and found.head_options.causal
    assert with_lookahead(found, Sampling(test_chunks=tests), fps) == found, "resuming fills it in again"


def test_without_one_nothing_changes():
    asked = config("d", "r", head="tcn", head_options=CAUSAL)
    assert with_lookahead(asked, Sampling(), 30) is asked


@pytest.mark.parametrize(
    ("head", "options", "lookahead_s", "fault"),
    [
        ("linear", LinearConfig(), 2.0, "linear has no such setting"),
        ("tcn", TCNConfig(), 2.0, "without causal it looks ahead anyway"),
        ("tcn", CAUSAL, 0.5, r"less than a step, which lasts 0.8 s"),
        ("tcn", TCNConfig(causal=True, lookahead_steps=3), 2.0, "makes 2 steps, but .*lookahead_steps is 3"),
    ],
)
def test_what_cannot_be_is_refused(head, options, lookahead_s, fault):
    asked = config("d", "r", head=head, head_options=options, lookahead_s=lookahead_s)
    with pytest.raises(ConfigError, match=fault):
        with_lookahead(asked, Sampling(), 30)
    with pytest.raises(ConfigError, match="it has to be from 0 to 86,400"):
        config("d", "r", lookahead_s=-1.0)


def test_a_waiting_head_is_trained_saved_and_scored(data, tmp_path):
    """And the look-ahead is part of what the run is."""
    sampling = SamplingConfig(chunk_frames=6, test_chunks=6)
    settings = {"head": "tcn", "head_options": CAUSAL, "sampling": sampling, "epochs": 2, "trainer": QUIET}
    run_train(config(data, tmp_path / "run", lookahead_s=0.7, **settings))
    saved = read_head(tmp_path / "run" / "head.safetensors")
    assert saved.head.lookahead == 3 and saved.fps == 30  # 0.7 s are 3.5 chunks of 6 frames
    run_evaluate(EvaluateConfig(data=data, run=str(tmp_path / "run"), views="v3", accelerator="cpu"))
    run_train(config(data, tmp_path / "run", lookahead_s=0.7, resume=True, **settings))
    with pytest.raises(ConfigError, match="lookahead"):
        run_train(config(data, tmp_path / "run", lookahead_s=1.4, resume=True, **settings))
