"""Each logger writes into the run folder, with the network refused and nobody at the terminal."""

import builtins
import csv
import importlib
import socket
import sys
from types import SimpleNamespace

import pytest

from viewloom.errors import ConfigError
from viewloom.training.loggers import LOGGERS, TrackioLogger, logged_in_to_wandb, make_logger

VARIABLES = ("WANDB_MODE", "WANDB_API_KEY", "NETRC", "MLFLOW_TRACKING_URI", "TRACKIO_DIR", "MLFLOW_ALLOW_FILE_STORE")


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No network but this machine's own, no home, nobody who could answer, none of the loggers' variables."""
    connect = socket.socket.connect

    def refused(self, address):
        if self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"):
            return connect(self, address)
        raise AssertionError(f"a logger asks {address}")

    def asked(*args):
        raise AssertionError("a logger asks somebody")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(builtins, "input", asked)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that what a logger sets is taken back
        monkeypatch.delenv(name)
    return tmp_path


def logged(name, folder):
    """Log two values by a logger, and end it."""
    logger = make_logger(name, folder)
    for step in (0, 1):
        logger.log_metrics({"loss": 1.5 - step}, step=step)
    logger.finalize("success")
    return logger


def files(folder):
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def test_none_is_none(tmp_path):
    assert make_logger("none", tmp_path) is None


def test_csv_has_the_values(alone):
    logged("csv", alone / "run").save()
    with (alone / "run" / "csv" / "metrics.csv").open() as file:
        assert [row["loss"] for row in csv.DictReader(file)] == ["1.5", "0.5"]


def test_tensorboard_writes_events(alone):
    logged("tensorboard", alone / "run")
    assert any("tensorboard/events" in name for name in files(alone / "run"))


def test_mlflow_writes_into_the_run_unless_told_where(alone, monkeypatch):
    pytest.importorskip("mlflow")
    logged("mlflow", alone / "run")
    (metric,) = (path for path in (alone / "run" / "mlflow").rglob("metrics/loss"))
    assert [line.split()[1] for line in metric.read_text().splitlines()] == ["1.5", "0.5"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (alone / "elsewhere").as_uri())
    logged("mlflow", alone / "other")
    assert list((alone / "elsewhere").rglob("metrics/loss")) and not (alone / "other").exists()


def test_wandb_is_offline_unless_its_user_is_logged_in(alone, monkeypatch):
    pytest.importorskip("wandb")
    offline = lambda: LOGGERS["wandb"](alone)._offline  # noqa: E731
    assert not logged_in_to_wandb() and offline()
    (alone / "netrc").write_text("machine api.wandb.ai login user password abc\n")
    monkeypatch.setenv("NETRC", str(alone / "netrc"))
    assert logged_in_to_wandb() and not offline()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert offline()
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    assert logged_in_to_wandb() and not offline()


def test_wandb_writes_into_the_run(alone):
    wandb = pytest.importorskip("wandb")
    (alone / "run").mkdir()
    logged("wandb", alone / "run")
    wandb.finish()
    assert any(name.startswith("wandb/offline-run-") and name.endswith(".wandb") for name in files(alone / "run"))


def test_trackio_is_called_as_wandb_is(alone, monkeypatch):
    """By a stand-in that takes what trackio 0.43 takes, where that isn't installed."""
    calls = []
    stand_in = SimpleNamespace(
        init=lambda project, name, resume: calls.append((project, name, resume)),
        log=lambda metrics, step: calls.append((metrics, step)),
        finish=lambda: calls.append("finish"),
    )
    monkeypatch.setitem(sys.modules, "trackio", stand_in)
    logger = logged("trackio", alone / "run")
    assert calls == [("viewloom", "run", "allow"), ({"loss": 1.5}, 0), ({"loss": 0.5}, 1), "finish"]
    assert isinstance(logger, TrackioLogger) and (logger.name, logger.version) == ("viewloom", "run")


@pytest.mark.parametrize(("name", "package"), [("trackio", "trackio"), ("wandb", r"viewloom\[wandb\]")])
def test_one_that_is_not_installed_is_said(name, package, alone, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    importlib.invalidate_caches()
    with pytest.raises(ConfigError, match=f"--trainer.logger {name} needs `pip install '{package}'`"):
        make_logger(name, alone)
