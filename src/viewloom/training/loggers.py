"""Loggers besides ``metrics.csv``, as they come with Lightning: each writes into the run folder, none asks for a login.

What would send anything does so only where its user has set it up: by the environment variables that the package reads
itself, or, for Weights & Biases, by a login of before.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from viewloom.errors import ConfigError
from viewloom.training.csv_logger import ResumedCSV

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "trackio": "trackio"}
"""What a logger imports."""
WANDB_HOST = "api.wandb.ai"


def make_logger(name: str, folder: Path) -> Logger | None:
    """The extra logger by name; `ConfigError` that says how to get one that isn't installed."""
    if name == "none":
        return None
    try:
        return LOGGERS[name](folder)
    except ImportError:
        raise ConfigError(_how_to_get(name)) from None


def refuse_missing(name: str) -> None:
    """`ConfigError` for a logger whose package isn't there, before anything is written."""
    package = PACKAGES.get(name)
    if package is not None and package not in sys.modules and find_spec(package) is None:
        raise ConfigError(_how_to_get(name))


def _how_to_get(name: str) -> str:
    extra = f"viewloom[{name}]" if name in ("wandb", "mlflow") else name
    return f"--trainer.logger {name} needs `pip install '{extra}'`."


def _csv(folder: Path) -> Logger:
    return ResumedCSV(folder / "csv" / "metrics.csv")


def _tensorboard(folder: Path) -> Logger:
    return TensorBoardLogger(folder, name="", version="tensorboard")


def _wandb(folder: Path) -> Logger:
    """Offline, unless WANDB_MODE says otherwise or its user is logged in: W&B would ask for a key on the terminal."""
    offline = os.environ.get("WANDB_MODE", "online" if logged_in_to_wandb() else "offline") != "online"
    return WandbLogger(name=folder.name, save_dir=folder, offline=offline)


def logged_in_to_wandb() -> bool:
    """Whether W&B finds a key without asking for it: in WANDB_API_KEY, or where `wandb login` puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc(os.environ.get("NETRC")).authenticators(WANDB_HOST) is not None
    except (OSError, NetrcParseError):
        return False


def _mlflow(folder: Path) -> Logger:
    """A folder in the run's, unless MLFLOW_TRACKING_URI names a server or another place."""
    import_module("mlflow")
    place = os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlflow").resolve().as_uri()
    if place.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return MLFlowLogger(run_name=folder.name, tracking_uri=place)


def _trackio(folder: Path) -> Logger:
    """A folder in the run's, unless TRACKIO_DIR names another place."""
    os.environ.setdefault("TRACKIO_DIR", str((folder / "trackio").resolve()))
    return TrackioLogger(folder.name)


class TrackioLogger(Logger):
    """Trackio behind Lightning, which has no logger of its own for it: local, by the calls it shares with W&B.

    Args:
        name: what the run is called.
        project: what the dashboard files it under.
    """

    def __init__(self, name: str, project: str = "viewloom") -> None:
        super().__init__()
        self._run, self._project = name, project
        self._trackio: Any = import_module("trackio")
        self._begun = False

    @property
    def name(self) -> str:
        """The project."""
        return self._project

    @property
    def version(self) -> str:
        """The run."""
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: they stand in the run's config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values of a step."""
        if not self._begun:
            self._trackio.init(project=self._project, name=self._run, resume="allow")
            self._begun = True
        self._trackio.log(dict(metrics), step=step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        if self._begun:
            self._trackio.finish()
            self._begun = False


LOGGERS: Mapping[str, Callable[[Path], Logger]] = {
    "csv": _csv,
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "trackio": _trackio,
}
"""By name; each gets the run folder."""
