"""Pre-training: every method through the command, choice of the checkpoint, resuming, collapse, missing views."""

import copy
import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.continued import begun_with
from tests.forked import begin, kill_when
from tests.methods.made import make_method, view_batch, x_of
from tests.tiny import write_tiny
from viewloom import load_refiner
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError, DataError
from viewloom.methods.settings import CCAConfig
from viewloom.metrics.invariance import retrieval_accuracy
from viewloom.registry import METHODS
from viewloom.training.checkpoints import read_head
from viewloom.training.evaluate import run_evaluate
from viewloom.training.invariance import hold_out
from viewloom.training.pretrain import compile_layers, run_pretrain, split_pairs
from viewloom.training.refined import FrozenRefiner
from viewloom.training.segment import build_module, dataset_windows, run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig
from viewloom.training.trainer import build_trainer
from viewloom.windows.pairs import make_view_loader
from viewloom.windows.segments import make_loader

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=1)
SMALL = {"layers": 1, "joint_depth": 0.1, "dropout": 0.1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=16))


@pytest.fixture(scope="module")
def head(data, tmp_path_factory):
    """A run folder of a linear head trained on exo."""
    run = tmp_path_factory.mktemp("runs") / "exo"
    run_train(head_config(data, run))
    return run


def options(name, **changes):
    cls = METHODS.get(name).Config
    return cls(**{key: value for key, value in SMALL.items() if key in cls.__dataclass_fields__} | changes)


def config(data, run, method="two_stream", epochs=2, **changes):
    defaults = {
        "views": "v3,e4",
        "method_options": options(method),
        "batch_size": 2,
        "held_out": 0.4,
        "trainer": QUIET,
        "optim": PretrainOptimConfig(lr_step_epochs=100),
    }
    return PretrainConfig(data=data, run=str(run), method=method, epochs=epochs, **(defaults | changes))


def head_config(data, run, **changes):
    defaults = {"head": "linear", "epochs": 2, "batch_size": 2, "views": "v3", "trainer": QUIET}
    return TrainConfig(data=data, run=str(run), **(defaults | changes))


def refine(path, seed=0):
    refiner = load_refiner(path)
    torch.manual_seed(seed)
    x_BTD, mask_BT = torch.randn(2, 9, refiner.dim), torch.ones(2, 9, dtype=torch.bool)
    return refiner.encode(x_BTD, mask_BT, "v3")


def same_weights(a, b):
    one, other = load_file(a), load_file(b)
    assert one.keys() == other.keys() and one
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", [n for n in METHODS.names() if METHODS.get(n).requires == "pairs"])
def test_every_method_from_pairs_to_scores(data, tmp_path, name):
    path = run_pretrain(config(data, tmp_path / "pre", name))
    assert refine(path).isfinite().all()
    found = json.loads((tmp_path / "pre" / "invariance.json").read_text())
    assert 0 <= found["held_out"]["retrieval"] <= 100
    before = path.read_bytes()
    run_train(head_config(data, tmp_path / "run", refiner=str(path)))
    assert path.read_bytes() == before
    # The refiner that the head learned with is the one it was given, to the bit.
    assert (tmp_path / "run" / "refiner.safetensors").read_bytes() == before
    out = run_evaluate(EvaluateConfig(data=data, run=str(tmp_path / "run"), accelerator="cpu"))
    assert set(json.loads((out / "metrics.json").read_text())["views"]) == {"v3", "e4"}


def test_frozen_is_frozen_while_the_head_trains(data, tmp_path):
    path = run_pretrain(config(data, tmp_path / "pre", method_options=options("two_stream", dropout=0.5)))
    settings = head_config(data, tmp_path / "run", refiner=str(path), head="c2f_tcn")
    settings = TrainConfig(**{**settings.__dict__, "head_options": None})
    dataset = open_dataset(settings)
    module = build_module(settings, dataset)
    windows = dataset_windows(dataset, dataset.items("train"), ("v3",), module.sampling, 0)
    batch = next(iter(make_loader(windows, 2, 0)))
    module.train()
    assert module.head.training
    weights = {key: value.clone() for key, value in module.refiner.state_dict().items()}
    first = module.frozen.refine(batch).features_BTD
    optimiser = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.1)
    module.head.loss(module.head(first, batch.mask_BT), batch.labels_BT, batch.mask_BT).total.backward()
    optimiser.step()
    assert torch.equal(module.frozen.refine(batch).features_BTD, first)
    assert torch.equal(FrozenRefiner(module.refiner).refine(batch).features_BTD, first)  # nothing kept
    assert all(torch.equal(value, weights[key]) for key, value in module.refiner.state_dict().items())
    assert all(p.grad is None for p in module.refiner.parameters())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_run_resumes_to_the_same_weights(data, tmp_path, workers):
    killed = tmp_path / "killed"
    last = killed / "checkpoints" / "last.ckpt"
    kill_when(last.exists, begin(run_pretrain, config(data, killed, epochs=3000)), after_s=0.3)
    epochs = torch.load(last, weights_only=True)["epoch"] + 4
    begun_with(killed, epochs=epochs)
    assert not (killed / "refiner.safetensors").exists()
    run_pretrain(config(data, killed, epochs=epochs, resume=True, workers=workers))
    run_pretrain(config(data, tmp_path / "alone", epochs=epochs))
    assert same_weights(killed / "refiner.safetensors", tmp_path / "alone" / "refiner.safetensors")
    rows = [list(csv.DictReader((run / "metrics.csv").open())) for run in (killed, tmp_path / "alone")]
    assert [row["epoch"] for row in rows[0]] == [str(i) for i in range(epochs)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("select", "column", "pick"), [("retrieval", "val/retrieval", np.argmax), ("loss", "val/loss", np.argmin)]
)
def test_the_kept_epoch_is_the_best_on_held_out_pairs(data, tmp_path, select, column, pick):
    # A rate this high makes the values go up and down, so that the best is not simply the last.
    optim = PretrainOptimConfig(lr=0.03)
    path = run_pretrain(config(data, tmp_path / "run", epochs=6, select=select, optim=optim))
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    best = int(pick([float(row[column]) for row in rows]))
    assert load_refiner(path).extra["kept"] == f"best epoch ({best + 1} of 6)"
    for name, epoch in (("best", best), ("last", 5)):
        state = torch.load(tmp_path / "run" / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert state["epoch"] == epoch
        weights = {k.removeprefix("method.refiner."): v for k, v in state["state_dict"].items()}
        saved = load_file(path)
        assert all(torch.equal(weights[k], v) for k, v in saved.items()) == (epoch == best)
    measured = json.loads((tmp_path / "run" / "invariance.json").read_text())["held_out"]
    assert measured[select] == pytest.approx(float(rows[best][column]), rel=1e-4)


def test_retrieval_is_what_a_plain_count_gives(data, tmp_path):
    settings = config(data, tmp_path / "run", "cca", method_options=CCAConfig(out_dim=3))
    refiner = load_refiner(run_pretrain(settings))
    pairs = split_pairs(settings, open_dataset(settings))
    shares = []
    for row in range(len(pairs.held_out)):
        batch = make_view_loader(pairs.held_out, 1).collate_fn([pairs.held_out[0, row]])
        views = [(x_of(batch, v), batch.mask_BVT[:, v], name) for v, name in enumerate(batch.views)]
        z_VTZ = [refiner.encode(*view)[0] for view in views]
        shares.append(retrieval_accuracy(torch.stack(z_VTZ).numpy(), 2))
    found = json.loads((tmp_path / "run" / "invariance.json").read_text())["held_out"]["retrieval"]
    assert found == pytest.approx(100 * np.mean(shares), abs=1e-6)


def blind_ego(root):
    """Pairs whose ego camera is covered: the views can agree on nothing but a constant."""
    write_tiny(root)
    rng = np.random.default_rng(0)
    looks_KD = 2 * rng.random((4, 8))
    for path in sorted(root.rglob("features.npy")):
        frames = len(np.load(path))
        kinds = 1 if path.parent.name == "e4" else 2
        actions_S = rng.integers(kinds, size=frames // 20 + 1)
        x_TD = looks_KD[np.repeat(actions_S, 20)[:frames]]
        np.save(path, (x_TD + 0.01 * rng.random(x_TD.shape)).astype(np.float32))
    return str(root)


def test_a_run_that_collapses_says_so_by_name(tmp_path, capfd):
    """The report's own loss, at a rate at which agreeing on a constant is soon found."""
    data = blind_ego(tmp_path / "data")
    run_pretrain(
        config(
            data,
            tmp_path / "run",
            epochs=160,
            select="last",
            optim=PretrainOptimConfig(lr=0.03, lr_step_epochs=40),
            method_options=options("two_stream", dropout=0.0, feed_forward=64),
            sampling=SamplingConfig(augment_probability=0.0),
            trainer=replace(QUIET, validate_every_epochs=160),
        )
    )
    warnings = json.loads((tmp_path / "run" / "invariance.json").read_text())["warnings"]
    assert len(warnings) == 1 and warnings[0].startswith("COLLAPSE of two_stream: constant features")
    assert warnings[0] in " ".join(capfd.readouterr().err.split())


def test_a_run_that_does_not_collapse_is_not_accused(data, tmp_path):
    run_pretrain(config(data, tmp_path / "run", "cca"))
    assert json.loads((tmp_path / "run" / "invariance.json").read_text())["warnings"] == []


def test_distilling_a_head_follows_the_teacher(data, head, tmp_path):
    optim = PretrainOptimConfig(lr=0.01)
    path = run_pretrain(config(data, tmp_path / "run", "sync_kd_head", epochs=8, teacher=str(head), optim=optim))
    saved, teacher = read_head(path), read_head(head / "head.safetensors")
    assert saved.actions == teacher.actions and path.name == "head.safetensors"
    assert not same_weights(path, head / "head.safetensors")
    losses = [float(row["val/loss"]) for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open())]
    assert losses[-1] < losses[0]
    # Its refiner is the identity, whose retrieval is the same at every epoch: the loss chooses.
    kept = json.loads((tmp_path / "run" / "invariance.json").read_text())["kept"]
    assert kept == f"best epoch ({int(np.argmin(losses)) + 1} of 8)"
    run_evaluate(EvaluateConfig(data=data, run=str(tmp_path / "run"), accelerator="cpu", views="e4"))


@pytest.mark.parametrize(("method", "given"), [("sync_kd_head", False), ("two_stream", True)])
def test_a_teacher_is_needed_where_it_is_used_and_only_there(data, head, tmp_path, method, given):
    teacher = str(head) if given else None
    with pytest.raises(ConfigError, match="--teacher"):
        run_pretrain(config(data, tmp_path / "run", method, teacher=teacher))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def holey(tmp_path):
    """Recordings of the pairs: one lacks ego, one some frames of exo."""
    root = write_tiny(tmp_path / "data", recordings=20)
    pairs = (root / "splits" / "pairs.txt").read_text().split()
    shutil.rmtree(root / "features" / pairs[0] / "e4")
    path = root / "features" / pairs[1] / "v3" / "features.npy"
    x_TD = np.load(path)
    x_TD[5:60] = np.nan
    np.save(path, x_TD)
    return str(root), pairs


@pytest.mark.parametrize("method", ["two_stream", "sync_kd", "cca", "ridge"])
def test_missing_views_and_frames_are_left_out_and_told(holey, tmp_path, capfd, method):
    data, pairs = holey
    path = run_pretrain(config(data, tmp_path / "run", method, held_out=0.2))
    assert refine(path).isfinite().all()
    assert f"1 of {len(pairs)} items have fewer than two of the views v3, e4" in capfd.readouterr().err


def test_only_recordings_with_all_views_are_held_out(holey):
    data, pairs = holey
    for seed in range(8):
        split = split_pairs(config(data, "unused", seed=seed, held_out=0.6), open_dataset(config(data, "unused")))
        assert pairs[0] not in {window.recording for window in split.held_out.rows}
        together = {window.recording for window in split.held_out.rows + split.learn.rows}
        assert together == set(pairs) - {pairs[0]}


def test_nothing_to_hold_out_is_an_error(data):
    items = open_dataset(config(data, "unused")).items("pairs")
    short = [replace(items[0], end=items[0].start + 1)]
    with pytest.raises(DataError, match="one frame long"):
        hold_out(short, 0.5, 0, {items[0].recording})
    with pytest.raises(DataError, match="none of them with all views"):
        hold_out(items, 0.5, 0, set())


def test_the_end_of_a_single_recording_is_held_out(data):
    item = open_dataset(config(data, "unused")).items("pairs")[0]
    for share, least in ((0.05, 0.2), (0.5, 0.5)):
        (learn,), (held,) = hold_out([item], share, 0, {item.recording})
        assert (learn.start, held.end) == (item.start, item.end) and learn.end == held.start
        assert held.end - held.start == round(least * (item.end - item.start))


def test_one_view_is_no_pair(data, tmp_path):
    with pytest.raises(ConfigError, match="two views or more"):
        run_pretrain(config(data, tmp_path / "run", views="v3"))


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions_train_and_measure(data, tmp_path, precision):
    trainer = replace(QUIET, precision=precision)
    path = run_pretrain(config(data, tmp_path / "pre", trainer=trainer))
    assert refine(path).isfinite().all()
    run_train(head_config(data, tmp_path / "run", trainer=trainer))


def test_an_epoch_can_be_chosen_only_where_one_is_validated(data, tmp_path):
    with pytest.raises(ConfigError, match="validate_every_epochs 3 is more than --epochs 2"):
        run_pretrain(config(data, tmp_path / "run", trainer=replace(QUIET, validate_every_epochs=3)))


@pytest.mark.parametrize("name", ["two_stream", "sync_kd"])
def test_compiled_layers_give_the_same_for_batches_of_any_size(name):
    method = make_method(name, options(name, dropout=0.0)).train()
    compiled = copy.deepcopy(method)
    compile_layers(compiled, backend="aot_eager")
    assert compiled.state_dict().keys() == method.state_dict().keys()
    for lengths in ((9, 12, 5), (7,), (20, 3)):
        losses = [each(view_batch(lengths)).total for each in (method, compiled)]
        for loss in losses:
            loss.backward()
        torch.testing.assert_close(*losses)
    for one, other in zip(method.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize(("name", "changes"), [("two_stream", {"context": "time"}), ("cca", {})])
def test_only_layers_of_single_steps_are_compiled(name, changes):
    with pytest.raises(ConfigError, match="context frame"):
        compile_layers(make_method(name, options(name, **changes)))


def test_a_run_with_rare_checkpoints_resumes_to_the_same_weights(data, tmp_path, monkeypatch):
    """Stopped in its fourth epoch, with checkpoints every two: the third epoch is made again."""

    def settings(name, **changes):
        return config(data, tmp_path / name, epochs=5, trainer=replace(QUIET, checkpoint_every_epochs=2), **changes)

    stopping = METHODS.get("two_stream").set_epoch

    def stop(self, epoch):
        if epoch == 3:
            raise RuntimeError("stopped")
        stopping(self, epoch)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="stopped"):
        patch.setattr(METHODS.get("two_stream"), "set_epoch", stop)
        run_pretrain(settings("cut"))
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["epoch"] == 1
    run_pretrain(settings("cut", resume=True))
    assert torch.load(last, weights_only=True)["epoch"] == 4
    run_pretrain(settings("whole"))
    assert same_weights(tmp_path / "cut" / "refiner.safetensors", tmp_path / "whole" / "refiner.safetensors")
    names = ("cut", "whole")
    rows = [(tmp_path / name / "metrics.csv").read_text() for name in names]
    assert rows[0] == rows[1]
    kept = [load_refiner(tmp_path / name / "refiner.safetensors").extra["kept"] for name in names]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("name", ["checkpoint_every_epochs", "validate_every_epochs"])
def test_an_interval_has_an_epoch_at_least(name):
    with pytest.raises(ConfigError, match=f"{name} is .* has to be"):
        replace(QUIET, **{name: 0})


def test_an_epoch_s_row_is_there_before_its_checkpoint(tmp_path):
    """Killed between the two, a resumed run would otherwise lack the row."""
    callbacks = build_trainer(QUIET, tmp_path, 3, 0, "val/loss", "min").callbacks
    names = [type(callback).__name__ for callback in callbacks]
    assert names.index("MetricsFile") < names.index("BestCheckpoint") < names.index("LastCheckpoint")
