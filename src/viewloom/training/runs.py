"""Run folders: what a training run leaves behind, and where it was made."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from viewloom import reading
from viewloom.console import err
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.errors import ConfigError, listed
from viewloom.files import atomic_path, write_json, write_text
from viewloom.locks import alone
from viewloom.outputs import refuse_folder
from viewloom.owned import TEMPORARY, remove_dead
from viewloom.training.launched import end_with_launcher
from viewloom.training.run_identity import FILE as IDENTITY_FILE
from viewloom.training.run_identity import RunContent, refuse_other, save_identity
from viewloom.version import __version__

CONFIG = "config.yaml"
"""Settings of a run, in its folder; a folder that has it is a run."""

LEFT_OVER = tuple(f"{inside}{TEMPORARY}*" for inside in ("", "checkpoints/", "predictions/", "csv/"))
"""Half-written files of a killed process, in a run folder and what it alone writes into."""

SAME_PROVENANCE = ("weights_sha256", "preprocessing", "clip")
"""What features must have in common to be mixed; a network's name and its arithmetic may differ."""


def refuse_taken(path: Path, resume: bool) -> None:
    """`ConfigError` for a run folder that holds a run already and isn't to be resumed, or that is a file."""
    if not is_main_process():  # the first process checks for all, and has begun the run by now
        return
    if path.is_file():
        raise ConfigError(f"{path} is a file. Give a run a folder of its own (--run).")
    if not resume and (path / CONFIG).exists():
        raise ConfigError(f"{path} already holds a run. Pass --resume true to go on with it, or another --run folder.")


@contextmanager
def alone_in_run(folder: Path | str, what: str, resume: bool = False) -> Iterator[None]:
    """Hold a run folder against a second command; of several processes the first one holds it for all. What a killed
    one left half written goes. With ``resume`` a folder that is not there is not made: entering it is refused.

    Raises:
        ConfigError: another command writes it.
    """
    end_with_launcher()
    if not is_main_process() or (resume and not Path(folder).exists()):
        yield
        return
    with alone(folder, what):
        for left in (path for pattern in LEFT_OVER for path in Path(folder).glob(pattern) if path.is_file()):
            remove_dead(left)
        yield


def prepare_run(settings: Any, content: RunContent) -> tuple[Path, Path | None]:
    """Make (or re-enter) a run folder; its settings are kept in it as ``config.yaml``, what it is as ``identity.json``.

    Args:
        settings: settings dataclass of the run, every choice made; its ``run`` is the folder, ``resume`` says
            whether to go on with what the folder holds.
        content: what the run rests on.

    Returns:
        The folder and the checkpoint to go on from (None: from the start).

    Raises:
        ConfigError: the folder holds a run and ``resume`` is not set; there is none to go on with; or it was begun
            with other settings or data.
    """
    path = Path(settings.run)
    last = path / "checkpoints" / "last.ckpt"
    if not is_main_process():  # the first process checks and writes for all
        return path, last if settings.resume and last.exists() else None
    refuse_taken(path, settings.resume)
    if (path / CONFIG).exists():
        refuse_other(path, settings, content)
        return path, last if last.exists() else None
    if settings.resume:
        _refuse_no_run(path)
    refuse_folder(path, getattr(settings, "overwrite", False), "--run", own=(IDENTITY_FILE,))
    save_identity(path, settings, content)
    write_text(path / CONFIG, as_yaml(settings))
    return path, None


def _refuse_no_run(path: Path) -> None:
    """`ConfigError` where a folder holds no run to go on with; one that was killed before it began may begin."""
    if path.is_dir() and all(
        inside.name == IDENTITY_FILE or inside.name.startswith(TEMPORARY) for inside in path.iterdir()
    ):
        return
    beside = [config.parent.name for config in path.parent.glob(f"*/{CONFIG}")]
    near = get_close_matches(path.name, beside, 3)
    hint = f" Did you mean {listed(str(path.parent / name) for name in near)}?" if near else ""
    raise ConfigError(f"{path} holds no run to go on with.{hint} Check --run, or leave --resume out to begin one.")


def keep_copy(path: Path, own: Path) -> None:
    """Copy a file that a run takes into its folder, to the byte; a copy from before stays."""
    if not own.exists():
        with atomic_path(own) as temporary:
            shutil.copyfile(path, temporary)


def is_main_process() -> bool:
    """Whether this process writes the run folder: the only one, or the first of several (torchrun, Slurm)."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def say(text: str) -> None:
    """One line on standard error, by the first process for all."""
    if is_main_process():
        err.print(text, markup=False)


def wait_for(path: Path) -> Path:
    """Wait, in any process but the first, until the first has written a file; it ends all if it fails."""
    while not is_main_process() and not path.exists():
        time.sleep(0.1)
    return path


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
        "backbone": dataset.source.backbone,
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
    """Write ``environment.json`` into a run folder; a run that goes on keeps the first, and notes each resumption."""
    if not is_main_process():
        return
    path, now = folder / "environment.json", json.loads(json.dumps(environment(dataset, seed) | extra))
    if path.exists():
        first = read_json(path)
        changed = {name: value for name, value in now.items() if first.get(name) != value}
        now = first | {"resumed": [*first.get("resumed", []), changed]}
    write_json(path, now)


def refuse_other_features(run: Path, dataset: MultiViewDataset) -> None:
    """`ConfigError` where a run was trained on features of another provenance than the data set's, and both say so."""
    refuse_other_backbone(environment_of(run).get("backbone", {}), str(run), dataset)


def environment_of(run: Path) -> dict[str, Any]:
    """A run folder's ``environment.json``; empty where it has none."""
    path = run / "environment.json"
    return dict(read_json(path)) if path.exists() else {}


def refuse_other_backbone(trained: Mapping[str, str], run: str, dataset: MultiViewDataset) -> None:
    """`refuse_other_features` by what the run's features were made with."""
    refuse_backbone(trained, run, dataset.source.backbone, str(dataset.root))


def refuse_backbone(trained: Mapping[str, str], run: str, found: Mapping[str, str], where: str) -> None:
    """`ConfigError` where features of a place weren't made like those a run was trained on, as far as both are known.

    Args:
        trained: what the run's were made with.
        run: the run, for the message.
        found: what these were made with.
        where: the place, for the message.
    """
    differing = [name for name in SAME_PROVENANCE if name in trained and name in found and trained[name] != found[name]]
    if differing:
        text = "; ".join(f"{name} {found[name]!r} instead of {trained[name]!r}" for name in differing)
        raise ConfigError(
            f"The features of {where} were not made like those that {run} was trained on: {text}. Extract them "
            "with the same backbone and settings, or train on these."
        )


class FactsOf(dict[str, Any]):
    """The object in a JSON file of a run; `ConfigError` that names the file for a key that it lacks."""

    def __init__(self, path: Path, found: Mapping[str, Any]) -> None:
        super().__init__(found)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise ConfigError(f"{self.path} lacks {key!r}. Is {self.path.parent} a run folder, and whole?")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run; `ConfigError` when it isn't there, isn't JSON, or holds no object."""
    remedy = f"Is {path.parent} a run folder, and whole?"
    found = reading.read_json(path, remedy, ConfigError)
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds a {type(found).__name__} where an object is expected. {remedy}")
    return FactsOf(path, found)
