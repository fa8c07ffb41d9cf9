"""`viewloom export`: a trained head, its refiner, or both, as ONNX or exported programs of PyTorch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from viewloom.console import note
from viewloom.errors import ConfigError, DataError
from viewloom.failures import number_of
from viewloom.file_sets import together
from viewloom.files import as_json
from viewloom.graphs.checking import Checked, check
from viewloom.graphs.formats import FORMATS, Format
from viewloom.graphs.plan import ANY, Source, plan, planned_views, read_source
from viewloom.graphs.settings import ExportConfig
from viewloom.names import file_name
from viewloom.outputs import refuse_file


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: where it is.
        view: the view it is for, or any view.
        checked: how far it is from what PyTorch computes.
    """

    path: Path
    view: str
    checked: Checked

    def __str__(self) -> str:
        return (
            f"{self.path} ({self.view}): differs by {self.checked.difference:.1e} at most from PyTorch on inputs of "
            f"{self.checked.lengths} lengths"
        )


def export(run: str | Path, out: str | Path, **settings: Any) -> list[Exported]:
    """Write a trained head, its refiner, or both, as files that run without viewloom.

    Args:
        run: run folder.
        out: file to write.
        settings: others of `viewloom export`: ``what="online"``, ``to="torch_export"``.

    Returns:
        The files, each compared with what PyTorch computes.

    Raises:
        ConfigError: something that can't be exported, and why; a file that is there.
        DataError: a file that doesn't compute what PyTorch does; it is not kept.
    """
    return run_export(ExportConfig(run=str(run), out=str(out), **settings))


def run_export(config: ExportConfig) -> list[Exported]:
    """`export` by its settings."""
    source, format_ = read_source(config.run), FORMATS[config.to]
    format_.check()
    views = planned_views(source, config)
    paths = {view: path_of(Path(config.out), view, several=len(views) > 1) for view in views}
    for path in paths.values():
        refuse_file(path, config.overwrite)
        refuse_file(sidecar(path), config.overwrite)
    return [_written(source, view, path, format_, config) for view, path in paths.items()]


def path_of(out: Path, view: str, several: bool) -> Path:
    """The file of a view: the view before the ending, where there are several."""
    if view == ANY or not several:
        return out
    return out.with_name(f"{out.stem}.{file_name(view)}{out.suffix}")


def sidecar(path: Path) -> Path:
    """The file of facts beside an exported one."""
    return path.with_name(f"{path.name}.json")


def _written(source: Source, view: str, path: Path, format_: Format, config: ExportConfig) -> Exported:
    """Write a file, compare it, and keep it if it agrees."""
    traced = plan(source, view, config)
    traced = type(traced)(**vars(traced) | {"facts": dict(traced.facts) | {"format": config.to}})
    with together([path, sidecar(path)]) as (temporary, facts_file):
        try:
            format_.write(temporary, traced)
        except ConfigError:
            raise
        except Exception as error:
            if number_of(error) is not None:  # the disk's doing
                raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"PyTorch can't write {config.what} of {config.run} as {config.to}: {reason}. Heads and methods of "
                "viewloom itself can be exported; one of a plugin must not branch by the values of tensors."
            ) from error
        checked = check(format_.open(temporary), traced, source, view, config)
        if not checked.difference <= config.tolerance:
            raise DataError(
                f"{path}: what the file computes differs from PyTorch by {checked.difference:.1e}, more than the "
                f"--tolerance of {config.tolerance:g}: it isn't kept. Try the other format (--to), or raise that."
            )
        inputs = [
            {"name": name, "shape": [axes.get(axis, size) for axis, size in enumerate(example.shape)]}
            for name, example, axes in zip(traced.inputs, traced.examples, traced.free, strict=True)
        ]
        facts = dict(traced.facts) | {"inputs": inputs, "outputs": list(traced.outputs), "checked": asdict(checked)}
        facts_file.write_text(as_json(json.loads(json.dumps(facts))), encoding="utf-8")
    if not traced.facts.get("at_temperature", True):
        note("probabilities are at temperature 1: average them over chunk sizes first (docs/howto/export.md).")
    return Exported(path, view, checked)
