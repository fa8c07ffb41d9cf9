"""Checkpoints that were damaged, emptied or made to harm: going on from one is the same run, or a message."""

import shutil

import pytest
import torch

from tests.tiny import write_tiny
from tests.torture import evil
from viewloom.errors import UserError
from viewloom.training.segment import run_train
from viewloom.training.settings import TrainConfig, TrainerConfig
from viewloom.training.trainer import LastCheckpoint

QUIET = TrainerConfig(accelerator="cpu", logger="none", progress=False, threads=1)


def train(folder, **more):
    paths = {"data": str(folder / "data"), "run": str(folder / "run")}
    return run_train(TrainConfig(**paths, views="v3", head="linear", epochs=3, trainer=QUIET, **more))


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run as it is when it is killed after its first epoch, and the head that it would have come to."""
    folder = tmp_path_factory.mktemp("killed")
    write_tiny(folder / "data", recordings=4, segments=3)
    real = LastCheckpoint.on_train_epoch_end

    def copied(self, trainer, module):
        real(self, trainer, module)
        if trainer.current_epoch == 0:
            shutil.copytree(folder / "run", folder / "kept")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_train_epoch_end", copied)
        head = train(folder).read_bytes()
    return folder, head


@pytest.fixture
def again(killed):
    """The killed run, fresh."""
    folder, _ = killed
    shutil.rmtree(folder / "run")
    shutil.copytree(folder / "kept", folder / "run")
    return folder


def test_a_sound_checkpoint_ends_bit_equal(again, killed):
    assert train(again, resume=True).read_bytes() == killed[1]


def put(value, place, new):
    """A checkpoint with something else in a place; of which ``None`` takes it away."""
    *way, last = place
    for key in way:
        value = value[next(iter(value))] if key == "*" else value[key]
    last = next(iter(value)) if last == "*" else last
    value.pop(last) if new is None else value.update({last: new})


CHANGES = [
    (("epoch",), -1),
    (("epoch",), None),
    (("global_step",), 10**20),
    (("state_dict",), None),
    (("state_dict", "*"), torch.zeros(99)),
    (("state_dict", "*"), torch.tensor(float("nan"))),
    (("state_dict", "*"), "weights"),
    (("optimizer_states",), []),
    (("optimizer_states",), "x"),
    (("optimizer_states", 0, "param_groups", 0, "weight_decay"), 7.0),
    (("optimizer_states", 0, "param_groups", 0, "betas"), []),
    (("optimizer_states", 0, "param_groups", 0, "lr"), float("inf")),
    (("optimizer_states", 0, "state", "*", "exp_avg"), torch.zeros(1)),
    (("optimizer_states", 0, "state", "*", "exp_avg"), 3),
    (("optimizer_states", 0, "state"), {}),
    (("optimizer_states", 0, "state", "*", "exp_avg_sq"), None),
    (("lr_schedulers", 0, "last_epoch"), torch.zeros(3)),
    (("loops",), {}),
    (("loops", "fit_loop", "epoch_progress"), None),
    (("loops", "fit_loop", "epoch_loop.batch_progress", "total", "started"), "x"),
    (("callbacks", "*", "best_k_models"), {}),
    (("callbacks", "*", "best_model_path"), "../../else.ckpt"),
    (("callbacks", "*", "best_model_score"), torch.tensor(1e9)),
]


@pytest.mark.parametrize(("place", "new"), CHANGES, ids=[".".join(map(str, place)) for place, _ in CHANGES])
def test_a_checkpoint_with_something_else_in_it(again, place, new):
    path = again / "run" / "checkpoints" / "last.ckpt"
    found = torch.load(path, weights_only=True)
    put(found, place, new)
    torch.save(found, path)
    with pytest.raises(UserError, match=r"last\.ckpt") as caught:
        train(again, resume=True)
    assert "\n" not in str(caught.value) and not (again / "run" / "head.safetensors").exists()


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
@pytest.mark.parametrize("how", ["empty", "cut", "code", "pipe", "folder", "expanded", "a list"])
def test_a_file_that_is_no_checkpoint(again, name, how):
    path = again / "run" / "checkpoints" / name
    data = path.read_bytes()
    path.unlink()
    make = {
        "empty": lambda: path.write_bytes(b""),
        "cut": lambda: path.write_bytes(data[: len(data) // 2]),
        "code": lambda: evil.code_pickle(path, again / "ran"),
        "pipe": lambda: evil.pipe(path),
        "folder": path.mkdir,
        "expanded": lambda: evil.expanded_tensor(path),
        "a list": lambda: torch.save([1, 2], path),
    }
    make[how]()
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        train(again, resume=True)
    assert not (again / "ran").exists()


def test_the_best_checkpoint_is_gone(again):
    (again / "run" / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(UserError, match=r"best\.ckpt is not there"):
        train(again, resume=True)
