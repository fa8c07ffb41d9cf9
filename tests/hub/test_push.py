"""Weights go to the Hub and come back from it, as a server on this machine speaks its protocol."""

import json
import shutil

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors import safe_open

import viewloom as vl
from tests.hub_push_server import TOKEN, commit_id, running_hub
from tests.tiny import DIM, write_tiny
from viewloom import remote
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError, UserError

QUIET = {"accelerator": "cpu", "devices": "1", "logger": "none", "progress": False}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folders: a head behind a refiner, scored; and the refiner alone."""
    root = tmp_path_factory.mktemp("secret_place")
    data = vl.open_dataset(write_tiny(root / "data", recordings=8))
    refiner = vl.pretrain(data, ["v3", "e4"], "cca", run=root / "cca", trainer=QUIET)
    settings = {"epochs": 2, "sampling": {"chunk_frames": 10}, "trainer": QUIET}
    head = vl.train(data, ["v3"], refiner=refiner, head="linear", run=root / "head", **settings)
    vl.evaluate(head, data, out=root / "head")
    return {"head": root / "head", "refiner": root / "cca"}


def point_to(url, monkeypatch):
    """Let the client take a server for the Hub."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub for which nobody has to be asked, and an empty cache."""
    with running_hub() as server:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        point_to(server.url, monkeypatch)
        yield server


def features(frames=60):
    return np.random.default_rng(0).normal(size=(frames, DIM)).astype(np.float32)


def test_a_head_comes_back_as_it_went(runs, hub):
    pushed = vl.push(runs["head"], "me/naive", "cc-by-nc-4.0")
    assert hub.repos["me/naive"]["private"] and pushed.url and pushed.kind == "head"
    found, own = vl.load_head("hf://me/naive"), vl.load_head(runs["head"])
    assert found.actions == own.actions and found.views == own.views
    x_TD = features()
    assert vl.predict(found, x_TD, view="e4").equals(vl.predict(own, x_TD, view="e4"))
    assert vl.predict("hf://me/naive", x_TD, view="e4").equals(vl.predict(own, x_TD, view="e4"))
    np.testing.assert_array_equal(
        vl.load_refiner("hf://me/naive")(x_TD, view="v3"), vl.load_refiner(runs["head"])(x_TD, view="v3")
    )


def test_nothing_but_weights_facts_and_a_card_goes_out(runs, hub):
    vl.push(runs["head"], "me/naive", "mit", data="my data")
    files = hub.files("me/naive")
    assert set(files) - {".gitattributes"} == {
        *("README.md", "config.yaml", "environment.json", "head.safetensors", "refiner.safetensors", "scores.json")
    }
    names = [f"p{place:02d}".encode() for place in range(8)]
    for name, data in files.items():
        assert b"secret_place" not in data and b"/tmp" not in data, name
        assert not any(recording in data for recording in names), name


def test_weights_are_the_same_bytes_and_forget_recordings_alone(runs, hub, tmp_path):
    vl.push(runs["head"], "me/naive", "mit")
    (tmp_path / "sent").write_bytes(hub.files("me/naive")["head.safetensors"])
    with safe_open(tmp_path / "sent", "pt") as sent, safe_open(runs["head"] / "head.safetensors", "pt") as own:
        assert set(sent.keys()) == set(own.keys())
        assert all((sent.get_tensor(key) == own.get_tensor(key)).all() for key in own.keys())  # noqa: SIM118
        there, here = (json.loads(file.metadata()["viewloom"]) for file in (sent, own))
    learned = here["extra"].pop("learned_from")
    assert there["extra"].pop("learned_counts") == {role: len(names) for role, names in learned.items()}
    assert there.pop("sum") != here.pop("sum") and there == here


def test_the_card_says_what_metrics_say(runs, hub):
    card = vl.push(runs["head"], "me/naive", "mit", plan=True, limits="Kitchens only.").card
    scores = json.loads((runs["head"] / "metrics.json").read_text())["views"]
    for view, found in scores.items():
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {view} ")]
        assert f"| {found['scores']['edit']:.1f} |" in line and f"| {found['scores']['f1_50']:.1f} (" in line
        assert "–" in line, "an interval"
    assert card.startswith("---\nlicense: mit\n") and "library_name: viewloom" in card
    for text in (
        "`cca`",
        "v3, e4",
        "act0, act1, act2, act3",
        "2 recordings with labels",
        "Kitchens only.",
        "hf://me/naive",
    ):
        assert text in card, text
    assert not hub.asked, "a plan asks nobody"
    other = vl.push(runs["head"], "me/naive", "my-own", plan=True).card
    assert other.startswith("---\nlicense: other\nlicense_name: my-own\n")


def test_a_refiner_alone_and_a_file_of_a_repository(runs, hub):
    vl.push(runs["refiner"], "me/cca", "mit", private=False)
    assert not hub.repos["me/cca"]["private"]
    x_TD, own = features(), vl.load_refiner(runs["refiner"])
    for address in ("hf://me/cca", "hf://me/cca/refiner.safetensors", f"hf://me/cca@{commit_id('me/cca', 1)}"):
        np.testing.assert_array_equal(vl.load_refiner(address)(x_TD, view="e4"), own(x_TD, view="e4"))
    with pytest.raises(DataError, match="no head.safetensors; of viewloom's weights it has: refiner.safetensors"):
        vl.load_head("hf://me/cca")


def test_what_is_there_is_replaced_when_asked_alone(runs, hub):
    vl.push(runs["refiner"], "me/cca", "mit")
    with pytest.raises(ConfigError, match="holds .*refiner.safetensors already. Pass --overwrite"):
        vl.push(runs["refiner"], "me/cca", "mit")
    vl.push(runs["refiner"], "me/cca", "apache-2.0", overwrite=True)
    assert b"license: apache-2.0" in hub.files("me/cca")["README.md"]


def test_what_was_fetched_is_there_without_a_network(runs, monkeypatch, hub):
    vl.push(runs["refiner"], "me/cca", "mit")
    first = vl.load_refiner("hf://me/cca")(features(), view="e4")
    point_to("http://127.0.0.1:9", monkeypatch)  # where nobody listens
    np.testing.assert_array_equal(vl.load_refiner("hf://me/cca")(features(), view="e4"), first)
    with pytest.raises(ConfigError, match="can't be reached, and me/other isn't in this machine's cache"):
        vl.load_refiner("hf://me/other")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://me/absent", "isn't on the Hub, or is private"),
        ("hf://me/gated", "is gated"),
        ("hf://me/open@v9", "has no revision 'v9'"),
        ("hf://me/open/other.safetensors", "has no file 'other.safetensors'"),
        ("hf://me/open", "has no refiner.safetensors"),
        ("hf://me/open/model.bin", "is no address of weights"),
        ("hf://me", "is no address of weights"),
        ("hf://me/open/../x.safetensors", "is no address of weights"),
        ("hf://me/open/foreign.safetensors", "is not a whole safetensors file"),
    ],
)
def test_what_cannot_be_read_is_said(hub, monkeypatch, address, message):
    monkeypatch.setenv("HF_TOKEN", "")
    files = {"README.md": b"", "model.bin": b"\x80\x04", "foreign.safetensors": b"\x80\x04 a pickle"}
    hub.add("me/open", files)
    hub.add("me/gated", {"refiner.safetensors": b""}, gated=True)
    with pytest.raises(UserError, match=message):
        vl.load_refiner(address)
    assert not any(path.endswith((".bin", ".pkl")) for _, path, _ in hub.asked), "no pickle is even asked for"


def test_without_a_token_nobody_is_asked_for_one(runs, hub, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    line = ["push", "--run", str(runs["refiner"]), "--to", "me/cca", "--licence", "mit"]
    assert main(line) == 2
    assert "Set HF_TOKEN" in capsys.readouterr().err and not hub.asked
    assert main([*line, "--plan", "true"]) == 0
    shown = capsys.readouterr().out
    assert "refiner.safetensors" in shown and "## Limits" in shown and not hub.asked


def test_a_token_that_may_not_write_is_said(runs, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(ConfigError, match=r"refuses this for me/cca \(401\)"):
        vl.push(runs["refiner"], "me/cca", "mit")


def test_a_place_of_this_machine_stays_here(runs, hub):
    with pytest.raises(ConfigError, match="names a place on this machine"):
        vl.push(runs["refiner"], "me/cca", "mit", limits=f"Trained in {runs['refiner'].resolve()}.", plan=True)


@pytest.mark.parametrize("identity", [{}, {"groups": []}, {"groups": {"settings": 3}}])
def test_a_run_whose_identity_is_broken_is_refused(runs, tmp_path, identity):
    run = tmp_path / "run"
    shutil.copytree(runs["refiner"], run)
    (run / "identity.json").write_text(json.dumps(identity))
    with pytest.raises(DataError, match=r"identity\.json: .*groups"):
        vl.push(run, "me/cca", "mit", plan=True)


def test_settings_that_cannot_work_are_refused(runs):
    for changes, message in (({"to": "naive"}, "user/name"), ({"licence": "mine, all mine"}, "--licence")):
        with pytest.raises(ConfigError, match=message):
            vl.push(**({"run": runs["head"], "to": "me/x", "licence": "mit"} | changes))
    assert remote.is_remote("hf:/me/x") and not remote.is_remote("runs/hf")
