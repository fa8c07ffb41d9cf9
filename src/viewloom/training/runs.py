"""Run folders: what a training run leaves behind, and where it was made."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from viewloom import __version__
from viewloom.data.dataset import MultiViewDataset
from viewloom.data.sources.rows import hash_file
from viewloom.data.sources.store import backbone_of
from viewloom.errors import ConfigError, listed
from viewloom.files import write_json, write_text

FREE_SETTINGS = (
    "run",
    "resume",
    "workers",
    "trainer",
    "data",
    "features",
    "refined_cache_gib",
    "pool_cache",
    "pool_cache_gib",
    "compile",
    # of a cross-validation: which folds are run, and how they are scored
    "folds",
    "plan",
    "score_views",
    "protocol",
    "background",
)
"""Settings that may differ between a start and its resumption: they don't change the result."""

SAME_MAKING = ("weights_sha256", "preprocessing", "clip")
"""What features must have in common to be mixed; a network's name and its arithmetic may differ."""


def prepare_run(folder: str, settings: Any, resume: bool) -> tuple[Path, Path | None]:
    """Make (or re-enter) a run folder and save the resolved settings in it as ``config.yaml``.

    Args:
        folder: the run folder.
        settings: settings dataclass of the run.
        resume: go on with what the folder holds.

    Returns:
        The folder and the checkpoint to go on from (None: from the start).

    Raises:
        ConfigError: when the folder holds a run and ``resume`` is not set, or holds one of other settings.
    """
    path = Path(folder)
    config, last = path / "config.yaml", path / "checkpoints" / "last.ckpt"
    if not is_main_process():  # the first process checks and writes for all
        return path, last if resume and last.exists() else None
    if not config.exists():
        write_text(config, as_yaml(settings))
        return path, None
    if not resume:
        raise ConfigError(f"{path} already holds a run. Pass --resume true to go on with it, or another --run folder.")
    old, new = yaml.safe_load(config.read_text()), yaml.safe_load(as_yaml(settings))
    changed = [key for key in old | new if key not in FREE_SETTINGS and old.get(key) != new.get(key)]
    if "refiner" in changed and _same_file(path / "refiner.safetensors", new.get("refiner")):
        changed.remove("refiner")
    if changed:
        raise ConfigError(
            f"{path} was made with other settings of {listed(changed)} (see {config}), so it can't go on with "
            "these. Repeat the old command, or choose another --run folder."
        )
    return path, last if last.exists() else None


def _same_file(own: Path, given: str | None) -> bool:
    """Whether a run's own copy of a refiner and the one given now are byte for byte the same."""
    return given is not None and own.exists() and Path(given).exists() and hash_file(own) == hash_file(Path(given))


def is_main_process() -> bool:
    """Whether this process writes the run folder: the only one, or the first of several (torchrun, Slurm)."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def as_yaml(settings: Any) -> str:
    """A settings dataclass as YAML, to be used again with ``--config``."""
    return str(yaml.safe_dump(asdict(settings), sort_keys=False))


def environment(dataset: MultiViewDataset, seed: int) -> dict[str, Any]:
    """Versions, code state, hardware and data of a run, for ``environment.json``."""
    import torch

    return {
        "viewloom": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "commit": _commit(),
        "command": " ".join(["viewloom", *sys.argv[1:]]),
        "seed": seed,
        "data": dataset.name,
        "data_fingerprint": dataset.source.fingerprint(),
        "backbone": backbone_of(dataset.source),
        "simulated": dataset.simulated,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _commit() -> str | None:
    """Commit of the source tree viewloom runs from, or None outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def write_environment(folder: Path, dataset: MultiViewDataset, seed: int, **extra: Any) -> None:
    """Write ``environment.json`` into a run folder."""
    if not is_main_process():
        return
    write_json(folder / "environment.json", environment(dataset, seed) | extra)


def refuse_other_features(run: Path, dataset: MultiViewDataset) -> None:
    """`ConfigError` where a run was trained on features of another making than the data set's, and both say so."""
    path = run / "environment.json"
    trained = read_json(path).get("backbone", {}) if path.exists() else {}
    found = backbone_of(dataset.source)
    differing = [name for name in SAME_MAKING if name in trained and name in found and trained[name] != found[name]]
    if differing:
        told = "; ".join(f"{name} {found[name]!r} instead of {trained[name]!r}" for name in differing)
        raise ConfigError(
            f"The features of {dataset.root} were not made like those that {run} was trained on: {told}. Extract them "
            "with the same backbone and settings, or train on these."
        )


def refuse_other_data(run: Path, dataset: MultiViewDataset) -> None:
    """`ConfigError` where a run that is resumed began with other features, wherever they are kept now."""
    path = run / "environment.json"
    if not path.exists():
        return
    refuse_other_features(run, dataset)
    began = read_json(path).get("data_fingerprint")
    if began is not None and began != dataset.source.fingerprint():
        raise ConfigError(
            f"{run} began with features of other recordings, views, spans or size than those of {dataset.root}, so it "
            "can't go on with these. Repeat the old command, or choose another --run folder."
        )


def read_json(path: Path) -> Any:
    """Read a JSON file of a run; `ConfigError` when it isn't there or isn't JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} is not there: is {path.parent} a run folder?") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is not valid JSON ({error}).") from None
