"""What is particular to the boundary head: what stands in it, what it leaves alone, what it cuts."""

from dataclasses import dataclass

import pytest
import torch

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.heads.boundary import Boundary
from viewloom.heads.linear import LinearHead
from viewloom.heads.settings import BoundaryConfig, LinearConfig, MSTCN2Config, TCNConfig
from viewloom.metrics.segments import Segments
from viewloom.registry import HEADS
from viewloom.training.runs import read_json
from viewloom.training.segment import run_train
from viewloom.training.settings import TrainConfig, TrainerConfig
from viewloom.training.trained import load_head

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
DIM, CLASSES = 4, 3


def row(steps=60):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(1, steps, DIM, generator=generator), torch.ones(1, steps, dtype=torch.bool)


@pytest.mark.parametrize("inner", [name for name in HEADS.names() if name != "boundary"])
def test_the_inner_head_learns_as_if_it_were_alone(inner):
    """The same first weights, the same gradients, the same levels."""
    own = HEADS.settings(inner)(standardise=False)
    torch.manual_seed(0)
    alone = HEADS.get(inner)(DIM, CLASSES, own).eval()
    torch.manual_seed(0)
    head = Boundary(DIM, CLASSES, BoundaryConfig(inner=inner, standardise=False, width=8, layers=2)).eval()
    x_BTD, mask_BT = row()
    labels_BT = torch.arange(60)[None] // 20
    levels = alone(x_BTD, mask_BT), head(x_BTD, mask_BT)
    for one, other in zip(*levels, strict=False):
        assert torch.equal(one, other)
    for model, found in zip((alone, head), levels, strict=True):
        model.loss(found, labels_BT, mask_BT).total.backward()
    for name, parameter in alone.named_parameters():
        torch.testing.assert_close(head.inner.get_parameter(name).grad, parameter.grad)


def test_only_the_boundary_head_standardises():
    head = Boundary(DIM, CLASSES)
    assert head.needs_statistics and not head.inner.needs_statistics
    assert not [name for name in head.state_dict() if name.startswith("inner.scaling")]


def cut_head(vote="mean"):
    """A linear inner head that says what the features show, and a boundary stage that finds what feature 3 shows."""
    head = Boundary(DIM, CLASSES, BoundaryConfig(inner="linear", stages=1, layers=1, width=1, vote=vote)).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.inner.linear.weight[:, :CLASSES] = torch.eye(CLASSES)
        head.stages[0].conv_1x1.weight[0, 3] = 1.0
        head.stages[0].conv_out.weight.fill_(1.0)
    return head


@pytest.mark.parametrize("vote", ["mean", "majority"])
def test_errors_inside_a_segment_go(vote):
    seen_T = torch.tensor([0, 0, 1, 0, 0, 0, 2, 2, 0, 2, 2, 1])
    x_BTD = torch.zeros(1, 12, DIM)
    x_BTD[0, :, :CLASSES] = 4.0 * torch.nn.functional.one_hot(seen_T, CLASSES)
    x_BTD[0, :, 3] = -5.0
    x_BTD[0, 6, 3] = 5.0
    head, mask_BT = cut_head(vote), torch.ones(1, 12, dtype=torch.bool)
    probs_BTK = head.decode(head(x_BTD, mask_BT), mask_BT)
    assert probs_BTK.argmax(dim=-1).tolist() == [[0] * 6 + [2] * 6]
    torch.testing.assert_close(probs_BTK.sum(-1), torch.ones(1, 12))
    if vote == "majority":
        torch.testing.assert_close(probs_BTK[0, 0], torch.tensor([5 / 6, 1 / 6, 0]))


def test_without_boundaries_a_row_is_one_segment_and_a_hole_cuts_nothing():
    x_BTD, mask_BT = row()
    x_BTD[..., 3], mask_BT[0, 20:30] = -9.0, False
    head = cut_head()
    probs_BTK = head.decode(head(x_BTD, mask_BT), mask_BT)
    assert len(probs_BTK[mask_BT].unique(dim=0)) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inner": "boundary"}, "inner is 'boundary'"),
        ({"inner": "nothing"}, "There is no head 'nothing'"),
        ({"inner_options": {"wide": 3}}, "ms_tcn2 has no setting 'wide'"),
        ({"inner_options": {"width": "8"}}, "'width' must be .*int.*, but is '8'"),
        ({"inner_options": {"width": 0}}, "^width is 0: it has to be"),
        ({"inner_options": {"causal": True}}, "causal is true"),
        ({"inner_options": {"standardise": True}}, "standardise belongs to the boundary head"),
        ({"stages": 0}, "stages is 0"),
        ({"layers": 17}, "layers is 17"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"threshold": 1.0}, "threshold is 1.0"),
        ({"loss_weight": -0.1}, "loss_weight is -0.1"),
        ({"positive_weight": 0.0}, "positive_weight is 0.0"),
        ({"vote": "some"}, "vote is 'some'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        BoundaryConfig(**settings)


def test_settings_of_the_inner_head_are_written_out():
    config = BoundaryConfig(inner_options={"width": 8})
    assert config.inner_config == MSTCN2Config(width=8, standardise=False)
    same = BoundaryConfig(inner_options=MSTCN2Config(width=8, standardise=False))
    assert config == same and hash(config) == hash(same)
    assert BoundaryConfig(inner="tcn").inner_config == TCNConfig(standardise=False)


def test_a_head_of_a_plugin_can_stand_inside(monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Own(LinearConfig):
        scale: float = 2.0
        """Factor."""

    class Scaled(LinearHead):
        Config = Own

        def logits(self, x_BTD, mask_BT):
            return [self.config.scale * level for level in super().logits(x_BTD, mask_BT)]

    HEADS.names()
    monkeypatch.setitem(HEADS._entries, "scaled", Scaled)
    head = Boundary(DIM, CLASSES, BoundaryConfig(inner="scaled", inner_options={"scale": 5.0}))
    assert isinstance(head.inner, Scaled) and head.inner.config.scale == 5.0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("boundary") / "data")


OPTIONS = BoundaryConfig(inner="tcn", inner_options={"width": 8, "layers": 3}, width=8, layers=3, stages=2)


def train_config(data, run, **changes):
    settings = {"head": "boundary", "head_options": OPTIONS, "epochs": 3, "trainer": QUIET} | changes
    return TrainConfig(data=str(data), run=str(run), views="v3", **settings)


def test_a_run_of_it_is_saved_scored_and_goes_on_as_what_it_was(data, tmp_path):
    run = tmp_path / "run"
    run_train(train_config(data, run))
    trained = load_head(run)
    assert trained.head.config == OPTIONS and trained.head.scaling.ready
    assert "train/boundary" in (run / "metrics.csv").read_text().splitlines()[0]
    facts = read_json(run / "identity.json")["groups"]["settings"]
    assert facts["head_options.inner_options.width"] == 8 and facts["head_options.inner"] == "tcn"
    scores = vl.evaluate(trained, open_dataset(DataConfig(data=str(data))), views="v3", accelerator="cpu")
    assert 0 <= scores["v3"]["f1_50"] <= 100
    run_train(train_config(data, run, resume=True))
    other = BoundaryConfig(inner="tcn", inner_options={"width": 9, "layers": 3}, width=8, layers=3, stages=2)
    with pytest.raises(ConfigError, match="head_options.inner_options.width 9 instead of 8"):
        run_train(train_config(data, run, resume=True, head_options=other))


def test_python_and_command_line_name_the_inner_head_alike(data, tmp_path):
    from viewloom.cli import parse

    line = f"--data {data} --views v3 --run {tmp_path / 'a'} --head boundary --head_options.inner tcn"
    args = f"{line} --head_options.inner_options.width 8 --head_options.width 8".split()
    assert parse("train", args).head_options == BoundaryConfig(inner="tcn", inner_options={"width": 8}, width=8)
    settings = {"head": "boundary", "inner": "linear", "width": 8, "layers": 2, "epochs": 1, "trainer": QUIET}
    head = vl.train(str(data), views=["v3"], run=tmp_path / "b", **settings)
    assert head.head.config.inner_config == LinearConfig(standardise=False)
    again = f"--config {tmp_path / 'b' / 'config.yaml'} --run {tmp_path / 'c'}".split()
    assert parse("train", again).head_options == head.head.config


def test_it_learns_from_a_teacher(data, tmp_path):
    run = tmp_path / "student"
    run_train(train_config(data, run, epochs=1, teach_on_pairs=True))
    assert "train/boundary_taught" in (run / "metrics.csv").read_text().splitlines()[0]


def test_averages_over_chunk_sizes_have_few_segments(data, tmp_path):
    """Segments of each chunk size are cut on a grid of its own; their average isn't cut to pieces."""
    run = tmp_path / "run"
    run_train(train_config(data, run, epochs=20))
    found = vl.evaluate(run, str(data), views="v3", accelerator="cpu").predictions["v3"]["items"].values()
    for item in found:
        truth = Segments.of_rows(item["truth"])
        assert len(item["prediction"]) <= 2 * len(truth)
