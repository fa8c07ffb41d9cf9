"""What a run needs is counted before it starts, near what it takes; what can't fit is refused with what to change."""

import tracemalloc
from dataclasses import replace

import pytest
import torch

from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError
from viewloom.nn.live import Live
from viewloom.registry import HEADS, METHODS
from viewloom.training import plan_memory
from viewloom.training.needs import Needs, Place
from viewloom.training.pairs import split_pairs
from viewloom.training.plan_memory import pretrain_needs
from viewloom.training.settings import PretrainConfig
from viewloom.training.step_memory import (
    BatchShape,
    _view_batch,
    bytes_of,
    head_step_bytes,
    method_step_bytes,
    pass_bytes,
    without_values,
)

VIEWS, SHAPE = ("v3", "e4"), BatchShape(3, 20)
LEARNED = ["two_stream", "contrast", "soft_dtw", "masked_crossview"]
QUIET = ["--trainer.logger", "none", "--trainer.progress", "false", "--trainer.accelerator", "cpu"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny") / "data")


def make(name, dim=24):
    return METHODS.get(name)((dim, dim), VIEWS, METHODS.settings(name)())


@pytest.mark.parametrize("name", LEARNED)
def test_a_step_takes_about_what_is_counted(name):
    method = without_values(lambda: make(name))
    counted = method_step_bytes(method, SHAPE)
    real = make(name).train()
    assert bytes_of(method) == bytes_of(real) and next(method.parameters()).device.type == "meta"
    for module in real.modules():
        if getattr(module, "ready", True) is False:
            module.ready = True
        elif isinstance(getattr(module, "ready", None), torch.Tensor):
            module.ready.fill_(True)
    with Live() as live:
        real(_view_batch(real, SHAPE)).total.backward()
    assert 0.6 < counted / live.peak < 1.8


def test_counting_draws_nothing():
    torch.manual_seed(0)
    first = torch.randn(1)
    torch.manual_seed(0)
    method_step_bytes(without_values(lambda: make("two_stream")), SHAPE)
    pass_bytes(METHODS.get("cca"), (24, 24), VIEWS, METHODS.settings("cca")())
    assert torch.equal(torch.randn(1), first)


@pytest.mark.parametrize("name", ["linear", "tcn", "c2f_tcn"])
def test_a_head_s_step_grows_with_its_batch(name):
    with torch.device("meta"):
        head = HEADS.get(name)(16, 5, HEADS.settings(name)())
    for module in head.modules():
        if getattr(module, "ready", True) is False:
            module.ready = True
    small, large = (head_step_bytes(head, 16, 5, BatchShape(rows, 512)) for rows in (2, 8))
    assert 2 < large / small < 4.5 and small > 4 * 2 * 512 * 16


@pytest.mark.parametrize("name", ["cca", "procrustes", "coral", "ridge"])
def test_a_closed_form_s_memory_is_found_from_small_ones(name):
    cls, options = METHODS.get(name), METHODS.settings(name)()
    scaled = pass_bytes(cls, (192, 192), VIEWS, options)
    with Live() as live:
        method = cls((192, 192), VIEWS, options)
        method.set_clock(1.0, 1)
        batch = _view_batch(method, BatchShape(8, 300), recordings=4)
        before = live.now
        method.show_all(lambda: [batch])
    scaled += plan_memory.COPIES * 4 * 8 * 300 * 2 * 192
    assert 0.5 < scaled / (live.peak - before) < 2.0


def config_of(data, **more):
    return PretrainConfig(
        data=str(data), run=str(data.parent / "run"), views="v3,e4", method="two_stream",
        method_options=METHODS.settings("two_stream")(), fps=30, **more,
    )  # fmt: skip


def test_every_part_is_there_and_follows_its_setting(data):
    config = config_of(data)
    pairs = split_pairs(config, open_dataset(config))
    needs = pretrain_needs(config, pairs)
    memory, disk = needs.places[0], needs.places[-1]
    weights = memory.parts["weights"]
    assert memory.parts["optimiser"] == 2 * memory.parts["gradients"] <= 2 * weights
    assert disk.parts["checkpoints"] == 2 * (weights + memory.parts["optimiser"]) + weights
    plain = pretrain_needs(replace(config, optim=replace(config.optim, name="sgd"), workers=2), pairs).places[0]
    assert plain.parts["optimiser"] == 0 and plain.parts["workers"] > 2 * plan_memory.WORKER_BYTES
    assert pretrain_needs(config, pairs, every=False) is None  # far too little to matter


def test_what_cannot_fit_is_refused_before_anything_is_written(data, monkeypatch, capsys):
    monkeypatch.setattr(plan_memory, "free_memory", lambda: 60 * 2**20)
    run = data.parent / "refused"
    line = ["pretrain", "--data", str(data), "--views", "v3,e4", "--method", "two_stream", "--fps", "30", *QUIET]
    line += ["--run", str(run), "--epochs", "1"]
    assert main(line) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "Memory: about" in said and "60.0 MiB free" in said and "--trainer.check_memory false" in said
    assert "weights" in said and "optimiser" in said and not run.exists()
    assert main([*line, "--plan", "true"]) == 2
    assert "will not do" in capsys.readouterr().out and not run.exists()
    assert main([*line, "--trainer.check_memory", "false"]) == 0
    assert "warning: Memory" in capsys.readouterr().err


def test_a_smaller_batch_is_named_that_fits(monkeypatch, data):
    config = config_of(data, batch_size=64)
    parts = {"weights": 10, "gradients": 10, "optimiser": 20, "activations": 640}
    advice = plan_memory._about_steps(config, 400, parts)
    assert advice[0] == "take --batch_size 32 with --trainer.accumulate 2"


@pytest.mark.parametrize(("needed", "refused", "warned"), [(50, False, False), (90, False, True), (120, True, False)])
def test_near_is_warned_of_and_too_much_refused(needed, refused, warned, capsys):
    needs = Needs((Place("Memory", 100, {"weights": needed}, ("take less",)),))
    if refused:
        with pytest.raises(ConfigError, match="Take less|take less"):
            needs.check(refuse=True)
    else:
        needs.check(refuse=True)
    assert ("warning" in capsys.readouterr().err) == warned
    assert needs.exit_code == (2 if refused else 0)


def test_the_plan_of_auto_and_of_a_head(data, capsys):
    line = ["--data", str(data), "--fps", "30", "--run", str(data.parent / "none"), "--plan", "true", *QUIET]
    auto = ["--views", "v3,e4", "--method_options.candidates", "cca,none"]
    assert main(["pretrain", *line, *auto]) == 0
    said = capsys.readouterr().out
    assert "cca\n" in said and "statistics" in said and "Nothing was written." in said
    assert main(["train", *line, "--views", "v3", "--head", "linear"]) == 0
    assert "activations" in capsys.readouterr().out and not (data.parent / "none").exists()


def test_a_checkpoint_is_not_copied_in_memory(tmp_path):
    from viewloom.training.trainer import AtomicCheckpointIO

    state = {"state_dict": {"a": torch.zeros(4_000_000)}}
    tracemalloc.start()
    AtomicCheckpointIO().save_checkpoint(state, tmp_path / "last.ckpt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000 and (tmp_path / "last.ckpt").stat().st_size > 16_000_000
