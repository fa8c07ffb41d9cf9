"""The verbs of the command line, nothing else: each one's settings and function are imported when it runs."""

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom import __version__
from viewloom.errors import ConfigError, UserError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


@dataclass(frozen=True)
class Verb:
    """A command: where its settings and its function are, and one line of help.

    Attributes:
        module: module that holds the settings, and the function where ``run`` names no other.
        config: settings class.
        run: function of the settings, as NAME or MODULE:NAME.
        help: one line.
        example: a command that works in the demo's folder.
        options: fields whose class depends on another field: (field, registry, field that names the entry) each.
    """

    module: str
    config: str
    run: str
    help: str
    example: str
    options: tuple[tuple[str, str, str], ...] = ()


VERBS = {
    "simulate": Verb(
        "viewloom.simulate.settings",
        "SimulateConfig",
        "viewloom.simulate.run:run_simulate",
        "make synthetic multi-view recordings in the layout of real ones",
        "viewloom simulate --out demo/data --recordings 12",
    ),
    "simulate metaworld": Verb(
        "viewloom.simulate.metaworld.settings",
        "MetaworldConfig",
        "viewloom.simulate.metaworld.run:run_metaworld",
        "render videos of a robot hand at many tasks, with labels",
        "viewloom simulate metaworld --out pixels/data --plan true",
    ),
    "extract": Verb(
        "viewloom.extract.settings",
        "ExtractConfig",
        "viewloom.extract.run:run_extract",
        "turn videos into features, with any image or video backbone",
        "viewloom extract --videos videos --out data/features --backbone onnx:model.onnx --fps 30",
    ),
    "check": Verb(
        "viewloom.check.command",
        "CheckConfig",
        "run_check",
        "tell whether a folder is usable, and what to mend",
        "viewloom check --data demo/data",
    ),
    "index": Verb(
        "viewloom.dataset.indexing",
        "IndexConfig",
        "run_index",
        "list the frames of every recording and view, from the keys alone",
        "viewloom index --data demo/data --out demo/index.json",
    ),
    "pack": Verb(
        "viewloom.dataset.packing",
        "PackConfig",
        "run_pack",
        "turn LMDB or npy features into the packed store, which reads fastest",
        "viewloom pack --data demo/data --out demo/packed",
    ),
    "train": Verb(
        "viewloom.training.segment",
        "TrainConfig",
        "run_train",
        "train a segmentation head on labelled views",
        "viewloom train --data demo/data --views v3 --run runs/naive",
        options=(("head_options", "HEADS", "head"),),
    ),
    "pretrain": Verb(
        "viewloom.training.pretrain",
        "PretrainConfig",
        "run_pretrain",
        "learn a view-invariant refiner from unlabelled synchronised views",
        "viewloom pretrain --data demo/data --views v3,e4 --method cca --run runs/cca",
        options=(("method_options", "METHODS", "method"),),
    ),
    "evaluate": Verb(
        "viewloom.training.evaluate",
        "EvaluateConfig",
        "run_evaluate",
        "score a trained head on every view",
        "viewloom evaluate --data demo/data --run runs/naive",
    ),
    "crossval": Verb(
        "viewloom.recipes.crossval",
        "CrossvalConfig",
        "run_crossval",
        "train and score a head on every fold, and pool the scores",
        "viewloom crossval --data demo/data --splits loso --views v3 --run runs/folds --folds 0,1",
        options=(("head_options", "HEADS", "head"), ("method_options", "METHODS", "method")),
    ),
    "predict": Verb(
        "viewloom.training.predict",
        "PredictConfig",
        "run_predict",
        "segment new, unlabelled recordings",
        "viewloom predict --data demo/data --run runs/naive --views e4 --out segments",
    ),
    "experiment": Verb(
        "viewloom.recipes.experiment",
        "ExperimentConfig",
        "run_experiment",
        "run all rows of one of the report's tables, and show the published figures beside",
        "viewloom experiment --table table1 --data demo/data --out tables --scale 0.1 --plan true",
    ),
    "convert": Verb(
        "viewloom.training.convert",
        "ConvertConfig",
        "run_convert",
        "turn a published checkpoint into a run folder",
        "viewloom convert --checkpoint best.pth --kind head --actions actions.csv --run runs/published",
    ),
    "report": Verb(
        "viewloom.report.command",
        "ReportConfig",
        "run_report",
        "write one HTML page about runs: scores, timelines, curves",
        "viewloom report --runs runs/naive --out report.html",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0, or 2 after one clear message about bad input."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help", "help"):
        return _write(overview(), sys.stdout, 0 if args else 2)
    if args[0] in ("-V", "--version"):
        return _write(f"viewloom {__version__}\n", sys.stdout, 0)
    name, rest = split_verb(args)
    if name not in VERBS:
        return _write(f"viewloom: there is no command {name!r}.\n\n{overview()}", sys.stderr, 2)
    try:
        return run_verb(name, rest)
    except UserError as error:
        return _write(f"viewloom {name}: {error}\n", sys.stderr, 2)
    except KeyboardInterrupt:
        return _write("\nStopped. What was finished is kept.\n", sys.stderr, 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def split_verb(args: Sequence[str]) -> tuple[str, list[str]]:
    """The verb, of one word or two (``simulate metaworld``), and what follows it."""
    two = " ".join(args[:2])
    return (two, list(args[2:])) if two in VERBS else (args[0], list(args[1:]))


def overview() -> str:
    """What ``viewloom --help`` shows."""
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {verb.help}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "viewloom: learn in one camera view, segment actions in another.",
            "",
            "usage: viewloom COMMAND [options]",
            "",
            *lines,
            "",
            "Every command: --help (options, defaults, an example), --config FILE.yaml, --print_config.",
            "Start with: viewloom simulate --out demo/data, then viewloom check --data demo/data",
            "",
        ]
    )


def run_verb(name: str, args: Sequence[str]) -> int:
    """Parse the settings of a verb, run it, and show its result where it has a way to."""
    verb = VERBS[name]
    module = importlib.import_module(verb.module)
    parser = make_parser(name, verb, getattr(module, verb.config), args)
    config = parse(parser, args, getattr(module, verb.config))
    other, _, function = verb.run.rpartition(":")
    return show(name, getattr(importlib.import_module(other) if other else module, function)(config))


def make_parser(name: str, verb: Verb, config: type, args: Sequence[str]) -> "ArgumentParser":
    """The parser of a verb: one option for each field of its settings, help from the fields' docstrings."""
    from jsonargparse import ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        prog=f"viewloom {name}",
        description=f"{verb.help.capitalize()}.",
        epilog=f"example: {verb.example}",
        exit_on_error=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these settings.")
    skip = {options[0] for options in verb.options}
    parser.add_class_arguments(config, None, skip=skip)
    for field, registry_name, chooser in verb.options:
        from viewloom import registry

        entries = getattr(registry, registry_name)
        name_of_entry = _peek(args, chooser, _default(config, chooser))
        if name_of_entry not in ("None", "null"):  # a setting that may be left out
            parser.add_class_arguments(entries.get(name_of_entry).Config, field)
    return parser


def _peek(args: Sequence[str], option: str, default: Any) -> str:
    """The value of one option, before the parser that depends on it exists: from the line, else the YAML."""
    given: dict[str, str] = {}
    for arg, following in zip(args, [*args, ""][1:], strict=True):
        key, equals, value = arg.partition("=")
        given[key] = value if equals else following
    if f"--{option}" in given:
        return given[f"--{option}"]
    if "--config" in given:
        import yaml

        with suppress(OSError, yaml.YAMLError), Path(given["--config"]).open(encoding="utf-8") as file:
            return str((yaml.safe_load(file) or {}).get(option, default))
    return str(default)  # a YAML file that can't be read is the real parser's to report


def _default(config: type, option: str) -> Any:
    """Default of a setting."""
    return next(entry.default for entry in fields(config) if entry.name == option)


def parse(parser: "ArgumentParser", args: Sequence[str], config: type) -> Any:
    """The settings object from the command line; `ConfigError` with the parser's reason when it can't be."""
    from jsonargparse import ArgumentError

    try:
        built = parser.instantiate(parser.parse_args(list(args)))
    except ArgumentError as error:
        where = " (from the command line or the --config file)" if "--config" in " ".join(args) else ""
        raise ConfigError(f"{error}{where}. `{parser.prog} --help` lists the settings.") from None
    return config(**{entry.name: built[entry.name] for entry in fields(config) if entry.name in built})


def show(name: str, result: Any) -> int:
    """Show a verb's result on standard output; a check that finds the folder unusable exits with 2,
    an extraction that some clips failed in with 3."""
    from viewloom.console import out

    if name == "evaluate":
        from viewloom.report.tables import scores_table

        out.print(scores_table([result]))
    elif name == "crossval" and not isinstance(result, str):
        from viewloom.recipes.pooled import over_folds_table
        from viewloom.report.tables import scores_table

        out.print(scores_table([result.folder]))
        out.print(over_folds_table(result.folder))
    elif name == "check":
        return 0 if result.usable else 2
    elif result is not None:
        out.print(str(result), markup=False)
    return int(getattr(result, "exit_code", 0))


def _write(text: str, stream: Any, code: int) -> int:
    stream.write(text)
    return code
