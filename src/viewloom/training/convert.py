"""`viewloom convert`: published checkpoints of heads and refiners into files of this project."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from viewloom.dataset.actions import read_actions, read_mapping
from viewloom.errors import ConfigError, listed
from viewloom.file_sets import together
from viewloom.files import as_json
from viewloom.heads.base import Head
from viewloom.heads.settings import LEVEL_WEIGHTS, C2FTCNConfig
from viewloom.names import names_in
from viewloom.outputs import filling
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.published import (
    load_published_asformer,
    load_published_head,
    load_published_ms_tcn2,
    read_weights,
)
from viewloom.training.runs import as_yaml
from viewloom.training.settings import ConvertConfig
from viewloom.version import __version__
from viewloom.windows.sampling import Sampling


def run_convert(config: ConvertConfig) -> Path:
    """Convert a checkpoint; returns the file written."""
    run = Path(config.run)
    target = run / f"{config.kind}.safetensors"
    _refuse_misfits(config)
    views = names_in(config.views)
    convert = _convert_refiner if config.kind == "refiner" else _convert_head
    facts = {"viewloom": __version__, "name": run.name, "published": config.checkpoint}
    files = [target, run / "config.yaml", run / "environment.json"]
    with filling(run, config.overwrite, "convert", "--run"), together(files) as (weights, settings, environment):
        convert(config, views, weights)
        settings.write_text(as_yaml(config), encoding="utf-8")
        environment.write_text(as_json(facts), encoding="utf-8")
    return target


OF_HEADS, OF_REFINERS = ("head", "actions", "fps", "sample_rate", "level_weights"), ("context",)
"""Settings of one kind alone."""
WHOLE = 100_000
"""Steps in a window that no video of the published data sets has: windows are whole videos."""


def _refuse_misfits(config: ConvertConfig) -> None:
    """`ConfigError` for a setting of the other kind: it would do nothing."""
    for name in OF_REFINERS if config.kind == "head" else OF_HEADS:
        if getattr(config, name) is not None:
            raise ConfigError(f"--{name} {getattr(config, name)} can't be set: a {config.kind} has none. Leave it out.")
    if config.level_weights is not None and config.head not in (None, "c2f_tcn"):
        raise ConfigError(
            f"--level_weights {config.level_weights} can't be set: of {config.head} the last stage decides alone. "
            "Leave it out."
        )


def parse_level_weights(text: str) -> tuple[float, ...]:
    """Weights of the six decoder levels, finest first, from a release's name or six numbers."""
    if text in LEVEL_WEIGHTS:
        return LEVEL_WEIGHTS[text]
    try:
        weights = tuple(float(value) for value in text.split(","))
    except ValueError:
        weights = ()
    if len(weights) != 6 or not all(0 <= weight < math.inf for weight in weights) or not sum(weights):
        raise ConfigError(
            f"--level_weights must be one of {listed(LEVEL_WEIGHTS)}, or six weights such as 1,1,1,1,0,0, none "
            f"negative and not all zero, but is {text!r}."
        )
    return weights


def _convert_head(config: ConvertConfig, views: tuple[str, ...], target: Path) -> None:
    """A head, with the action list it was trained on."""
    if config.actions is None:
        raise ConfigError("A head needs --actions FILE, the action list whose ids its outputs are.")
    path = Path(config.actions)
    head, actions = LOADERS[config.head or "c2f_tcn"](config), READERS.get(path.suffix, read_actions)(path)
    if len(actions) != head.classes:
        raise ConfigError(
            f"{config.checkpoint} has {head.classes} outputs, but {config.actions} lists {len(actions)} actions. "
            "Pass the list it was trained with."
        )
    extra = {"published": config.checkpoint, "sampling": asdict(_sampling(config.sample_rate))}
    save_head(target, SavedHead(head.eval(), actions, views, config.fps or 30.0, extra))


def _sampling(sample_rate: int | None) -> Sampling:
    """How a published head sees videos: every n-th frame of whole ones; None: the report's chunks."""
    if sample_rate is None:
        return Sampling()
    return Sampling(
        chunk_frames=sample_rate,
        test_chunks=(sample_rate,),
        max_chunks=WHOLE,
        augment_probability=0.0,
        pooling="first",
    )


READERS = {".txt": read_mapping}
"""Action lists that aren't Assembly101's, by the end of their names."""


def _c2f_tcn(config: ConvertConfig) -> Head:
    weights = parse_level_weights("view_invariance" if config.level_weights is None else config.level_weights)
    return load_published_head(config.checkpoint, C2FTCNConfig(canvas="window", level_weights=weights))


LOADERS: Mapping[str, Callable[[ConvertConfig], Head]] = {
    "c2f_tcn": _c2f_tcn,
    "ms_tcn2": lambda config: load_published_ms_tcn2(config.checkpoint),
    "asformer": lambda config: load_published_asformer(config.checkpoint),
}
"""Heads whose published checkpoints are known."""


def _convert_refiner(config: ConvertConfig, views: tuple[str, ...], target: Path) -> None:
    """A refiner, shared by all views."""
    from viewloom.methods.refiner_file import save_refiner
    from viewloom.training.published import load_published_refiner

    refiner = load_published_refiner(read_weights(config.checkpoint), views=views, context=config.context or "frame")
    save_refiner(refiner, target, {"published": config.checkpoint, "sampling": asdict(Sampling())})
