"""What goes to the Hub of a run: weights as safetensors, facts, scores; no path and no name of a recording."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from viewloom.errors import ConfigError, DataError
from viewloom.files import write_json, write_text
from viewloom.methods.refiner import Refiner
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.remote import ENVIRONMENT_FILE, HEAD_FILE, REFINER_FILE
from viewloom.report.expected import OBJECT, expect
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.run_identity import FILE as IDENTITY_FILE
from viewloom.training.runs import SAME_PROVENANCE, environment_of, read_json
from viewloom.training.trained import TrainedHead, load_head

CARD, SETTINGS_FILE, SCORES_FILE = "README.md", "config.yaml", "scores.json"
KEPT = ("viewloom", "torch", "seed", "data", "simulated", "name", "row", "trained_on")
"""What the environment of a run says to others."""
NAMING = ("learned_from",)
"""What is stored with weights, and names recordings."""


@dataclass(frozen=True)
class Contents:
    """What is known of a run.

    Attributes:
        run: its folder.
        trained: the head; None of a pre-training run.
        refiner: the refiner; None of a head without one.
        environment: where it was made.
        settings: settings that change its result, by dotted name; no paths.
        scores: of each view, with intervals; empty where it wasn't evaluated.
    """

    run: Path
    trained: TrainedHead | None
    refiner: Refiner | None
    environment: Mapping[str, Any]
    settings: Mapping[str, Any]
    scores: Mapping[str, Any]

    @property
    def simulated(self) -> bool | None:
        """Whether the features were; None where nobody knows."""
        value = self.environment.get("simulated")
        return None if value is None else bool(value)

    @property
    def learned(self) -> dict[str, int]:
        """How many recordings it learned from, by role."""
        extras = self.trained.extras if self.trained is not None else ((self.refiner or _none()).extra,)
        found: dict[str, set[str]] = {}
        for extra in extras:
            for role, recordings in extra.get("learned_from", {}).items():
                found.setdefault(role, set()).update(recordings)
        return {role: len(names) for role, names in found.items()}


def _none() -> Refiner:
    raise DataError("A run has a head or a refiner.")


def read_contents(run: Path) -> Contents:
    """What a run folder holds.

    Raises:
        DataError: neither head nor refiner.
    """
    head, refiner = run / HEAD_FILE, run / REFINER_FILE
    if not head.exists() and not refiner.exists():
        raise DataError(f"{run} has neither a {HEAD_FILE} nor a {REFINER_FILE}. Pass the folder of a finished run.")
    trained = load_head(run) if head.exists() else None
    of_run = load_refiner(refiner) if refiner.exists() else None
    kept = {name: value for name, value in _settings(run).items() if value is not None and not is_path(value)}
    return Contents(run, trained, of_run, environment_of(run), kept, read_scores(run))


def _settings(run: Path) -> dict[str, Any]:
    """Settings that a run was begun with; empty where nobody knows."""
    path = run / IDENTITY_FILE
    if not path.exists():
        return {}
    identity = read_json(path)
    expect(dict(identity), {"groups": {"settings": OBJECT}}, path, "Restore or remove the file.")
    settings: dict[str, Any] = identity["groups"]["settings"]
    return settings


def read_scores(run: Path) -> dict[str, Any]:
    """Scores of each view with intervals of F1@50, as `viewloom evaluate` left them; empty where it did not run."""
    if not (run / "metrics.json").exists():
        return {}
    rows = score_rows(load_runs([run]))
    views = {}
    for row in rows:
        ends = None if row.view.counts is None else row.f1_50
        views[row.view.name] = {
            "kind": row.view.kind,
            "scores": row.view.scores,
            "recordings": len({entry["recording"] for entry in row.view.per_item}),
            "f1_50_95": None if ends is None else [ends.low, ends.high],
        }
    scored = rows[0].run.scored
    learned = sorted(scored.learned)
    return {"protocol": scored.protocol, "split": scored.split, "learned": learned, "views": views} if views else {}


def write_contents(contents: Contents, folder: Path, card: str) -> list[Path]:
    """Write what goes to the Hub into an empty folder; the files, the card first.

    Raises:
        ConfigError: something in it names a place on this machine.
    """
    write_text(folder / CARD, card)
    if contents.trained is not None:
        own = {entry: getattr(contents.trained, entry) for entry in SavedHead.__dataclass_fields__}
        save_head(folder / HEAD_FILE, replace(SavedHead(**own), extra=without_names(contents.trained.extra)))
    if contents.refiner is not None:
        save_refiner(contents.refiner, folder / REFINER_FILE, without_names(contents.refiner.extra))
    write_json(folder / ENVIRONMENT_FILE, public_environment(contents.environment))
    if contents.settings:
        write_text(folder / SETTINGS_FILE, str(yaml.safe_dump(dict(contents.settings), sort_keys=True)))
    if contents.scores:
        write_json(folder / SCORES_FILE, dict(contents.scores))
    files = sorted(folder.iterdir(), key=lambda path: (path.name != CARD, path.name))
    for path in files:
        refuse_places(path, contents.run)
    return files


def without_names(extra: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored with weights, without names of recordings and without paths."""
    kept = {name: value for name, value in extra.items() if name not in NAMING and not is_path(value)}
    counts = {role: len(names) for role, names in extra.get("learned_from", {}).items()}
    return kept | ({"learned_counts": counts} if counts else {})


def public_environment(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What others need to know of where a run was made; of its backbone what features must have in common."""
    kept = {name: environment[name] for name in KEPT if name in environment and not is_path(environment[name])}
    backbone = environment.get("backbone") or {}
    return kept | {"backbone": {name: backbone[name] for name in SAME_PROVENANCE if name in backbone}}


def is_path(value: Any) -> bool:
    """Whether a value names a place on a machine, or holds one that does."""
    if isinstance(value, Mapping):
        return any(map(is_path, value.values()))
    if isinstance(value, list | tuple):
        return any(map(is_path, value))
    if not isinstance(value, str):
        return False
    return PurePosixPath(value).is_absolute() or PureWindowsPath(value).drive != "" or value.startswith(("~", "."))


def refuse_places(path: Path, run: Path) -> None:
    """`ConfigError` for a file with a place of this machine in it: the last look before it goes out."""
    data = path.read_bytes()
    for place in {str(run.resolve()), str(Path.home()), str(Path.cwd())} - {"/", os.sep}:
        # A place ends where its name does: /work isn't in me/workflow.
        if re.search(re.escape(place.encode()) + rb"(?![\w-])", data):
            raise ConfigError(
                f"{path.name} names a place on this machine ({place}), and would carry it to the Hub. Say another "
                "--data or --limits; if it stands elsewhere, train again with names that aren't paths."
            )
