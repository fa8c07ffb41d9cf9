"""Published checkpoints become run folders whose outputs are those of the published weights."""

import pytest
import torch

from viewloom import load_head, load_refiner
from viewloom.cli import main
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.methods.residual import ResidualConfig, ResidualRefiner

ACTIONS = "action_id,verb_id,noun_id,action_cls,verb_cls,noun_cls\n0,0,0,attach wheel,attach,wheel\n1,1,0,x,y,z\n"


@pytest.fixture
def actions(tmp_path):
    (tmp_path / "actions.csv").write_text(ACTIONS)
    return str(tmp_path / "actions.csv")


def convert(tmp_path, kind, *more):
    return main(
        ["convert", "--checkpoint", str(tmp_path / "p.pth"), "--kind", kind, "--run", str(tmp_path / "r"), *more]
    )


@torch.no_grad()
def test_a_published_head(tmp_path, actions):
    head = C2FTCN(8, 2, C2FTCN.Config(canvas="window", standardise=False)).eval()
    torch.save({"model_state_dict": head.state_dict(), "epoch": 3}, tmp_path / "p.pth")
    assert convert(tmp_path, "head", "--actions", actions) == 0
    saved = load_head(tmp_path / "r" / "head.safetensors")
    assert saved.actions == ("attach wheel", "x")
    x_BTD, mask_BT = torch.randn(1, 40, 8), torch.ones(1, 40, dtype=torch.bool)
    assert torch.equal(saved.head(x_BTD, mask_BT)[0], head(x_BTD, mask_BT)[0])


@torch.no_grad()
def test_a_published_refiner(tmp_path):
    refiner = ResidualRefiner("two_stream", 32, ("v3", "e4"), ResidualConfig(layers=2)).eval()
    torch.save({f"module.{name}": t for name, t in refiner.state_dict().items()}, tmp_path / "p.pth")
    assert convert(tmp_path, "refiner", "--views", "v3,e4") == 0
    loaded = load_refiner(tmp_path / "r" / "refiner.safetensors")
    x_BTD, mask_BT = torch.randn(2, 9, 32), torch.ones(2, 9, dtype=torch.bool)
    assert torch.equal(loaded.encode(x_BTD, mask_BT, "e4"), refiner.encode(x_BTD, mask_BT, "e4"))


def test_wrong_ones_are_refused(tmp_path, actions, capfd):
    head = C2FTCN(8, 5, C2FTCN.Config(standardise=False))
    torch.save(head.state_dict(), tmp_path / "p.pth")
    assert convert(tmp_path, "head") == 2
    assert "--actions" in capfd.readouterr().err
    assert convert(tmp_path, "head", "--actions", actions) == 2
    assert "5 outputs" in capfd.readouterr().err
    assert convert(tmp_path, "refiner") == 2
    assert not (tmp_path / "r" / "refiner.safetensors").exists()
