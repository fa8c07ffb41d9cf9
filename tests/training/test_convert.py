"""Published checkpoints become run folders whose outputs are those of the published weights."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.heads.published_names import asformer_shapes, ms_tcn2_shapes, random_weights
from tests.parity import reference_asformer, test_asformer
from tests.parity.reference_c2f_tcn import probabilities
from tests.parity.reference_staged import Reference, softmax
from viewloom import load_head, load_refiner
from viewloom.cli import main
from viewloom.heads.asformer import ASFormer
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.heads.ms_tcn2 import MSTCN2
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig
from viewloom.windows.sampling import Sampling, stored_sampling

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
    assert stored_sampling(saved.extra) == Sampling() and "sampling" in saved.extra
    assert saved.actions == ("attach wheel", "x")
    x_BTD, mask_BT = torch.randn(1, 40, 8), torch.ones(1, 40, dtype=torch.bool)
    assert torch.equal(saved.head(x_BTD, mask_BT)[0], head(x_BTD, mask_BT)[0])


def ms_tcn2_weights(**sizes):
    """Large enough for steps to differ, to both sides of zero."""
    weights = random_weights(ms_tcn2_shapes(8, 2, **sizes))
    return {name: 30 * (value - 0.01) for name, value in weights.items()}


ASFORMER = ASFormer(8, 2, ASFormer.Config(layers=2, width=4, standardise=False)).state_dict()
SMALL = {"width": 6, "layers": 4, "refinements": 2, "refinement_layers": 3}


@torch.no_grad()
@pytest.mark.parametrize("sizes", [SMALL, {}], ids=["small", "published"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_published_ms_tcn2_computes_what_was_released(tmp_path, actions, sizes, wrapped):
    weights = ms_tcn2_weights(**sizes)
    if not sizes:
        weights = {name: value / 5 for name, value in weights.items()}
    torch.save(
        {"state_dict": {f"module.{n}": t for n, t in weights.items()}} if wrapped else weights, tmp_path / "p.pth"
    )
    assert convert(tmp_path, "head", "--head", "ms_tcn2", "--actions", actions) == 0
    saved = load_head(tmp_path / "r" / "head.safetensors")
    assert saved.head.config == MSTCN2.Config(standardise=False, **sizes) and saved.actions == ("attach wheel", "x")
    assert stored_sampling(saved.extra) == Sampling() and not saved.head.training
    x_BTD, mask_BT = torch.randn(1, 40, 8, generator=torch.Generator().manual_seed(3)), torch.ones(1, 40).bool()
    levels = saved.head(x_BTD, mask_BT)
    state = {name: value.numpy() for name, value in weights.items()}
    stages = Reference(state).ms_tcn2(x_BTD[0].numpy().T.astype(float), np.ones(40, bool))
    for level_BTK, stage_KT in zip(levels, reversed(stages), strict=True):
        np.testing.assert_allclose(level_BTK[0], stage_KT.T, rtol=1e-5, atol=1e-5)
    assert np.ptp(stages[0], axis=1).min() > 0.1 and np.ptp(stages[-1], axis=1).min() > 1e-3
    np.testing.assert_allclose(saved.head.decode(levels, mask_BT)[0], softmax(stages[-1]).T, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_published_asformer_computes_what_was_released(tmp_path, wrapped):
    """Ten layers and three decoders by their names, with the released masks, to 1e-5 of the plain reference."""
    weights = {n: v.float() for n, v in test_asformer.drawn(asformer_shapes(5, 3, width=8)).items()}
    torch.save({"state_dict": {f"module.{n}": t for n, t in weights.items()}} if wrapped else weights, _path(tmp_path))
    (tmp_path / "mapping.txt").write_text("0 cut\n1 peel\n2 mix\n")
    asked = ("--head", "asformer", "--actions", str(tmp_path / "mapping.txt"), "--sample_rate", "2", "--fps", "30")
    assert convert(tmp_path, "head", *asked) == 0
    saved = load_head(tmp_path / "r" / "head.safetensors")
    assert saved.head.config == ASFormer.Config(width=8, masks="released", standardise=False)
    assert saved.actions == ("cut", "peel", "mix") and not saved.head.training
    assert stored_sampling(saved.extra) == Sampling(
        chunk_frames=2, test_chunks=(2,), max_chunks=100_000, augment_probability=0.0, pooling="first"
    )
    x_BTD, mask_BT = torch.randn(1, 70, 5, generator=torch.Generator().manual_seed(3)), torch.ones(1, 70).bool()
    levels = saved.head(x_BTD, mask_BT)
    state = {name: value.numpy() for name, value in weights.items()}
    features_DT, every = x_BTD[0].double().numpy().T, np.ones(70, bool)
    stages = reference_asformer.Reference(state, "released")(features_DT, every)
    for level_BTK, stage_KT in zip(levels, reversed(stages), strict=True):
        np.testing.assert_allclose(level_BTK[0], stage_KT.T, rtol=1e-5, atol=1e-5)
    exact = reference_asformer.Reference(state, "exact")(features_DT, every)
    assert np.abs(exact[-1] - stages[-1]).max() > 1e-3, "the fault of the masks shows"
    np.testing.assert_allclose(saved.head.decode(levels, mask_BT)[0], softmax(stages[-1]).T, atol=1e-5)


def _path(tmp_path):
    return tmp_path / "p.pth"


@pytest.mark.parametrize("head", ["ms_tcn2", "asformer"])
def test_the_names_and_shapes_of_published_checkpoints_convert(tmp_path, assembly101, head):
    path = Path(os.path.normpath(assembly101 / ".." / "legacy" / "state_dict_keys.json"))
    if not path.exists():
        pytest.skip(f"{path} is not there")
    weights = random_weights(json.loads(path.read_text())[head])
    torch.save(weights, _path(tmp_path))
    classes = next(len(t) for n, t in weights.items() if n.endswith("conv_out.bias") and len(t) not in (32, 64))
    (tmp_path / "mapping.txt").write_text("".join(f"{k} action{k}\n" for k in range(classes)))
    asked = ("--head", head, "--actions", str(tmp_path / "mapping.txt"), "--sample_rate", "1")
    assert convert(tmp_path, "head", *asked) == 0
    saved = load_head(tmp_path / "r").head.state_dict()
    assert saved.keys() == weights.keys() and all(torch.equal(saved[name], weights[name]) for name in weights)


@pytest.mark.parametrize("sizes", [{"layers": 3, "decoders": 0, "width": 6}, {"layers": 2, "decoders": 2, "width": 9}])
def test_sizes_of_an_asformer_are_the_checkpoints_own(tmp_path, actions, sizes):
    options = ASFormer.Config(**sizes, reduction=3, masks="released", standardise=False)
    torch.save(ASFormer(4, 2, options).state_dict(), _path(tmp_path))
    assert convert(tmp_path, "head", "--head", "asformer", "--actions", actions) == 0
    saved = load_head(tmp_path / "r")
    assert saved.head.config == options and stored_sampling(saved.extra) == Sampling()


def test_converted_from_single_frames_it_segments_every_second_one(tmp_path):
    """Scores of a run folder are those of the network on ``features[:, ::2]`` of whole videos, labels repeated."""
    head = ASFormer(6, 3, ASFormer.Config(layers=4, decoders=1, width=8, masks="released", standardise=False)).eval()
    head.load_state_dict(test_asformer.drawn({name: value.shape for name, value in head.state_dict().items()}))
    torch.save(head.state_dict(), _path(tmp_path))
    x_DT = {f"vid{i}": np.random.default_rng(i).normal(size=(6, 71 + 2 * i)).astype(np.float32) for i in range(3)}
    data, names = tmp_path / "data", ("cut", "peel", "mix")
    for folder in ("features", "groundTruth", "splits"):
        (data / folder).mkdir(parents=True)
    for name, features in x_DT.items():
        np.save(data / "features" / f"{name}.npy", features)
        (data / "groundTruth" / f"{name}.txt").write_text("cut\n" * features.shape[1])
    (data / "mapping.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(names)))
    (data / "splits" / "train.split1.bundle").write_text("vid0.txt\n")
    (data / "splits" / "test.split1.bundle").write_text("vid1.txt\nvid2.txt\n")
    asked = ("--head", "asformer", "--actions", str(data / "mapping.txt"), "--views", "v1", "--sample_rate", "2")
    assert convert(tmp_path, "head", *asked) == 0
    out = ["--run", str(tmp_path / "r"), "--out", str(tmp_path / "out"), "--text", "frames"]
    assert main(["predict", "--data", str(data), "--fold", "1", "--accelerator", "cpu", *out]) == 0
    for name in ("vid1", "vid2"):
        (path,) = (each for each in (tmp_path / "out").rglob(f"{name}*.txt") if "confidences" not in each.parts)
        sampled_TD = torch.from_numpy(x_DT[name][:, ::2].T.copy())[None]
        with torch.no_grad():
            classes = head(sampled_TD, torch.ones(sampled_TD.shape[:2]).bool())[0][0].argmax(dim=-1).numpy()
        expected = [names[k] for k in np.repeat(classes, 2)[: x_DT[name].shape[1]]]
        assert len(set(expected)) > 1 and path.read_text().split() == expected


def without(weights, *names):
    return {name: value for name, value in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("head", "change", "message"),
    [
        ("c2f_tcn", dict, "isn't a c2f_tcn head"),
        ("asformer", dict, "Pass --head ms_tcn2"),
        ("ms_tcn2", lambda _: ASFORMER, "Pass --head asformer"),
        ("asformer", lambda _: without(ASFORMER, "encoder.layers.0.conv_1x1.bias"), "1 missing"),
        ("asformer", lambda _: ASFORMER | {"gate": torch.ones(3)}, "1 unexpected (gate)"),
        ("c2f_tcn", dict, "--head ms_tcn2"),
        ("ms_tcn2", lambda w: without(w, "PG.conv_fusion.1.weight"), "1 missing (PG.conv_fusion.1.weight)"),
        ("ms_tcn2", lambda w: w | {"gate": torch.ones(3)}, "1 unexpected (gate)"),
        ("ms_tcn2", lambda w: w | {"Rs.0.conv_1x1.weight": torch.ones(6, 3, 1)}, "Rs.0.conv_1x1.weight is (6, 3, 1)"),
        ("ms_tcn2", lambda w: without(w, "PG.conv_out.weight"), "isn't a ms_tcn2 head: it has no PG.conv_out.weight"),
        ("ms_tcn2", lambda w: w | {"PG.conv_out.weight": torch.ones(5, 6, 1)}, "conv_out.bias is (2,), not (5,)"),
        ("ms_tcn2", lambda _: C2FTCN(8, 2).state_dict(), "Pass --head c2f_tcn"),
        ("ms_tcn2", lambda w: {n: t for n, t in w.items() if "fusion" not in n}, "missing (PG.conv_fusion.0.weight"),
    ],
)
def test_a_checkpoint_that_is_not_that_head_s_is_refused(tmp_path, actions, capfd, head, change, message):
    torch.save(change(ms_tcn2_weights(**SMALL)), tmp_path / "p.pth")
    assert convert(tmp_path, "head", "--head", head, "--actions", actions) == 2
    said = capfd.readouterr().err
    assert message in " ".join(said.split()) and "Traceback" not in said
    assert not (tmp_path / "r").exists()


def test_levels_of_ms_tcn2_do_not_vote(tmp_path, actions, capfd):
    torch.save(ms_tcn2_weights(**SMALL), tmp_path / "p.pth")
    asked = ("--head", "ms_tcn2", "--actions", actions, "--level_weights", "c2f_tcn")
    assert convert(tmp_path, "head", *asked) == 2
    assert "--level_weights c2f_tcn can't be set" in capfd.readouterr().err
    assert not (tmp_path / "r").exists()


@torch.no_grad()
def test_a_published_refiner(tmp_path):
    refiner = ResidualRefiner("two_stream", 32, ("v3", "e4"), ResidualConfig(layers=2)).eval()
    torch.save({f"module.{name}": t for name, t in refiner.state_dict().items()}, tmp_path / "p.pth")
    assert convert(tmp_path, "refiner", "--views", "v3,e4") == 0
    loaded = load_refiner(tmp_path / "r" / "refiner.safetensors")
    assert stored_sampling(loaded.extra) == Sampling() and "sampling" in loaded.extra
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


VOTES = {
    # github.com/dipika-singhania/C2F-TCN, train.py: the four finest levels.
    "c2f_tcn": (1, 1, 1, 1, 0, 0),
    # The release of the view-invariance report, and Assembly101's baseline before it: all six.
    "view_invariance": (1, 1, 1, 1, 1, 1),
    "3, 0, 0.5,0,1,2": (3, 0, 0.5, 0, 1, 2),
    None: (1, 1, 1, 1, 1, 1),
}


@torch.no_grad()
@pytest.mark.parametrize("choice", VOTES)
def test_levels_of_a_published_head_vote_as_asked_for(tmp_path, actions, choice):
    torch.manual_seed(0)
    head = C2FTCN(8, 2, C2FTCN.Config(canvas="window", standardise=False)).eval()
    for name, value in head.state_dict().items():
        if name.startswith("outcc") and name.endswith("weight"):
            value.mul_(30)  # levels that disagree
    torch.save(head.state_dict(), tmp_path / "p.pth")
    asked = [] if choice is None else ["--level_weights", choice]
    assert convert(tmp_path, "head", "--actions", actions, *asked) == 0
    saved = load_head(tmp_path / "r" / "head.safetensors").head
    x_BTD, mask_BT = torch.randn(2, 40, 8), torch.ones(2, 40, dtype=torch.bool)
    levels = head(x_BTD, mask_BT)
    decided = saved.decode(saved(x_BTD, mask_BT), mask_BT)
    for row in range(2):
        plain = [level[row].double().numpy().T for level in levels]
        np.testing.assert_allclose(decided[row], probabilities(plain, VOTES[choice]).T, atol=1e-5)
        for other in VOTES.values():
            if other != VOTES[choice]:
                assert np.abs(decided[row].numpy() - probabilities(plain, other).T).max() > 1e-2


@pytest.mark.parametrize("choice", ["c2f", "1,1,1", "1,1,1,1,1,x", "0,0,0,0,0,0", "1,1,1,1,1,-1", "1,1,1,1,1,nan", ""])
def test_level_weights_that_can_not_be_are_refused(tmp_path, actions, capfd, choice):
    torch.save(C2FTCN(8, 2, C2FTCN.Config(standardise=False)).state_dict(), tmp_path / "p.pth")
    assert convert(tmp_path, "head", "--actions", actions, "--level_weights", choice) == 2
    said = capfd.readouterr().err
    assert "level_weights" in said and "c2f_tcn, view_invariance" in said
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "kind, option, value",
    [
        ("refiner", "--level_weights", "c2f_tcn"),
        ("refiner", "--actions", "actions.csv"),
        ("refiner", "--fps", "30"),
        ("refiner", "--sample_rate", "1"),
        ("refiner", "--head", "ms_tcn2"),
        ("head", "--context", "batch"),
    ],
)
def test_an_option_of_the_other_kind_is_refused(tmp_path, actions, capfd, kind, option, value):
    refiner = ResidualRefiner("two_stream", 32, ("v3", "e4"), ResidualConfig(layers=2))
    network = refiner if kind == "refiner" else C2FTCN(8, 2)
    torch.save(network.state_dict(), tmp_path / "p.pth")
    needed = ["--actions", actions] if kind == "head" else []
    assert convert(tmp_path, kind, *needed, option, value) == 2
    said = capfd.readouterr().err
    assert option in said and f"a {kind} has none" in said
    assert not (tmp_path / "r").exists()


@torch.no_grad()
def test_a_conversion_that_was_killed_is_done_again(tmp_path, actions):
    head = C2FTCN(8, 2, C2FTCN.Config(canvas="window", standardise=False)).eval()
    torch.save({"model_state_dict": head.state_dict()}, tmp_path / "p.pth")
    assert convert(tmp_path, "head", "--actions", actions) == 0
    assert convert(tmp_path, "head", "--actions", actions) == 2, "it is there already"
    whole = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    (tmp_path / "r" / "environment.json").unlink()
    (tmp_path / "r" / ".begun-convert").touch()  # until all are written
    assert convert(tmp_path, "head", "--actions", actions) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == whole
