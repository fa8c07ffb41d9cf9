"""`viewloom convert`: published checkpoints of heads and refiners into files of this project."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from viewloom import __version__
from viewloom.data.label_files import read_actions
from viewloom.data.sampling import Sampling
from viewloom.errors import ConfigError
from viewloom.files import write_json, write_text
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.published import load_published_head, read_weights
from viewloom.training.runs import as_yaml


@dataclass(frozen=True, kw_only=True)
class ConvertConfig:
    """Turn a published checkpoint into a run folder that evaluate, predict and train can use."""

    checkpoint: str
    """Published file (.pth, .pt, .bin, .model or .safetensors), read without running its code."""
    kind: Literal["head", "refiner"]
    """What it holds: a C2F-TCN head, or a refiner of the view-invariance report."""
    run: str
    """Run folder to write: head.safetensors or refiner.safetensors."""
    actions: str | None = None
    """Action list of a head: Assembly101's actions.csv, ids as the head's outputs."""
    views: str = "v3"
    """Views it was trained on, comma-separated; for tables."""
    fps: float = 30.0
    """Frames per second of the features it was trained on."""
    context: Literal["frame", "time", "batch"] = "frame"
    """What a refiner's attention looks at; batch repeats the released code, whose results depend on batch mates."""


def run_convert(config: ConvertConfig) -> Path:
    """Convert a checkpoint; returns the file written."""
    run = Path(config.run)
    target = run / f"{config.kind}.safetensors"
    if target.exists():
        raise ConfigError(f"{target} is there already. Choose another --run folder.")
    views = tuple(view.strip() for view in config.views.split(",") if view.strip())
    if config.kind == "refiner":
        _convert_refiner(config, views, target)
    else:
        _convert_head(config, views, target)
    write_text(run / "config.yaml", as_yaml(config))
    write_json(run / "environment.json", {"viewloom": __version__, "row": run.name, "published": config.checkpoint})
    return target


def _convert_head(config: ConvertConfig, views: tuple[str, ...], target: Path) -> None:
    """A head, with the action list it was trained on."""
    if config.actions is None:
        raise ConfigError("A head needs --actions FILE, the action list whose ids its outputs are.")
    actions, head = read_actions(Path(config.actions)), load_published_head(config.checkpoint)
    if len(actions) != head.classes:
        raise ConfigError(
            f"{config.checkpoint} has {head.classes} outputs, but {config.actions} lists {len(actions)} actions. "
            "Pass the list it was trained with."
        )
    extra = {"published": config.checkpoint, "sampling": asdict(Sampling())}  # its defaults are the published values
    save_head(target, SavedHead(head.eval(), actions, views, config.fps, extra))


def _convert_refiner(config: ConvertConfig, views: tuple[str, ...], target: Path) -> None:
    """A refiner, shared by all views."""
    from viewloom.methods.refiner import load_published_refiner, save_refiner

    refiner = load_published_refiner(read_weights(config.checkpoint), views=views, context=config.context)
    save_refiner(refiner, target, {"published": config.checkpoint, "sampling": asdict(Sampling())})
