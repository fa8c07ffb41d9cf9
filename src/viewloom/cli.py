"""The verbs of the command line, one small function each; what does the work is imported when it runs."""

import sys
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.check.settings import CheckConfig, InitConfig
from viewloom.config_files import refuse_unusable
from viewloom.dataset.label_settings import ConvertLabelsConfig
from viewloom.download.settings import DownloadConfig
from viewloom.errors import ConfigError
from viewloom.extract.settings import ExtractConfig
from viewloom.features.settings import IndexConfig, PackConfig
from viewloom.graphs.settings import ExportConfig
from viewloom.guard import guarded, open_streams
from viewloom.hub.settings import PushConfig
from viewloom.online.settings import OnlineConfig
from viewloom.option_help import help_of, say_ranges
from viewloom.overview import overview
from viewloom.plugins import import_modules
from viewloom.recipes.compare.settings import CompareConfig
from viewloom.recipes.settings import CrossvalConfig, CurveConfig, ExperimentConfig, TransferConfig
from viewloom.registry import OPTIONS
from viewloom.remote import is_remote
from viewloom.report.settings import ReportConfig
from viewloom.shorthand import CAUSAL, HELP, chosen_options, expanded, peek
from viewloom.showing import say_text, show
from viewloom.simulate.metaworld.settings import MetaworldConfig
from viewloom.simulate.settings import SimulateConfig
from viewloom.training.settings import (
    ConvertConfig,
    EvaluateConfig,
    MeasureConfig,
    PredictConfig,
    PretrainConfig,
    TrainConfig,
)
from viewloom.verbs import VERBS, verb
from viewloom.version import __version__

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

FORMER = {"row": "name"}
"""Settings' earlier names: the config.yaml of older runs has them."""
SPELLED = {"from_views": "from", "to_views": "to"}
"""Settings that can't be called in Python what they are called here."""
POSITIONAL = {"compare": "file", "download": "dataset"}
"""Settings that stand by themselves behind a verb."""
CAUSAL_TOO = (PretrainConfig, TrainConfig, TransferConfig)
"""Settings of verbs with ``--causal``."""


@verb("viewloom simulate --out demo/data --recordings 12")
def simulate(config: SimulateConfig) -> int:
    """Make synthetic multi-view recordings in the layout of real ones."""
    from viewloom.simulate.run import run_simulate

    return show(run_simulate(config))


@verb("viewloom simulate metaworld --out pixels/data --plan true")
def simulate_metaworld(config: MetaworldConfig) -> int:
    """Render videos of a robot hand at many tasks, with labels."""
    from viewloom.simulate.metaworld.run import run_metaworld

    return show(run_metaworld(config))


@verb("viewloom extract --videos videos --out data/features --backbone onnx:model.onnx --fps 30")
def extract(config: ExtractConfig) -> int:
    """Turn videos into features, with any image or video backbone."""
    from viewloom.extract.run import run_extract

    return show(run_extract(config))


@verb("viewloom download assembly101 --views v3,e4 --out assembly101 --plan true")
def download(config: DownloadConfig) -> int:
    """Download a public data set from the Hugging Face hub, a view at a time."""
    from viewloom.download.run import run_download

    return show(run_download(config))


@verb("viewloom init --data demo/data")
def init(config: InitConfig) -> int:
    """Look at a folder, and write a commented dataset.yaml for it."""
    from viewloom.check.init import run_init

    return show(run_init(config))


@verb("viewloom check --data demo/data")
def check(config: CheckConfig) -> int:
    """Say whether a folder is usable, and what to fix."""
    from viewloom.check.command import run_check

    return 0 if run_check(config).usable else 2


@verb("viewloom index --data demo/data --out demo/index.json")
def index(config: IndexConfig) -> int:
    """List the frames of every recording and view, from the keys alone."""
    from viewloom.dataset.indexing import run_index

    return show(run_index(config))


@verb("viewloom pack --data demo/data --out demo/packed")
def pack(config: PackConfig) -> int:
    """Turn LMDB or npy features into the packed store, which reads fastest."""
    from viewloom.dataset.packing import run_pack

    return show(run_pack(config))


@verb("viewloom transfer --data demo/data --from v3 --to e4 --run runs/transfer")
def transfer(config: TransferConfig) -> int:
    """Learn in labelled views, segment in others: refiner, head, scores and report by one command."""
    from viewloom.recipes.transfer import run_transfer
    from viewloom.report.tables import scores_table

    result = run_transfer(config)
    if isinstance(result, str):
        return show(result)
    table = [scores_table(list(result.scored))] if result.scored else []
    return show(*table, *(f"note: {note}" for note in result.notes), result.folder)


@verb("viewloom train --data demo/data --views v3 --run runs/naive")
def train(config: TrainConfig) -> int:
    """Train a segmentation head on labelled views."""
    from viewloom import api
    from viewloom.keywords import own_settings

    if config.plan:
        from viewloom.training.planning import train_plan

        return show(train_plan(config))
    api.train(api.open_dataset(config), **own_settings(config))
    return show(Path(config.run, "head.safetensors"))


@verb("viewloom pretrain --data demo/data --views v3,e4 --method cca --run runs/cca")
def pretrain(config: PretrainConfig) -> int:
    """Learn a view-invariant refiner from unlabelled synchronised views."""
    from viewloom import api
    from viewloom.keywords import own_settings

    if config.plan:
        from viewloom.training.planning import pretrain_plan

        return show(pretrain_plan(config))
    learned = api.pretrain(api.open_dataset(config), **own_settings(config))
    return show(Path(config.run, "head.safetensors" if hasattr(learned, "head") else "refiner.safetensors"))


@verb("viewloom evaluate --data demo/data --run runs/naive")
def evaluate(config: EvaluateConfig) -> int:
    """Score a trained head on every view."""
    from viewloom import api
    from viewloom.keywords import own_settings
    from viewloom.report.tables import scores_table

    if config.out is None and is_remote(config.run):
        raise ConfigError(f"Results can't be written into {config.run}. Pass --out FOLDER.")
    out = Path(config.out or config.run)
    api.evaluate(config.run, api.open_dataset(config), out=out, **own_settings(config, "run", "out"))
    return show(scores_table([out]))


@verb("viewloom measure --data demo/data --refiner runs/cca/refiner.safetensors")
def measure(config: MeasureConfig) -> int:
    """Measure how far features of different views agree."""
    from viewloom import api
    from viewloom.keywords import own_settings
    from viewloom.report.measures import measures_tables
    from viewloom.training.measure import out_folder

    out = out_folder(config)
    if out is None:
        raise ConfigError("Without --refiner there is no run folder to write measures.json into. Pass --out FOLDER.")
    found = api.measure(api.open_dataset(config), out=out, **own_settings(config, "out"))
    return show(*measures_tables(found.facts), out / "measures.json")


@verb("viewloom crossval --data demo/data --splits loso --views v3 --run runs/folds --folds 0,1")
def crossval(config: CrossvalConfig) -> int:
    """Train and score a head on every fold, and pool the scores."""
    from viewloom.recipes.crossval import run_crossval
    from viewloom.recipes.pooled import over_folds_table
    from viewloom.report.tables import scores_table

    result = run_crossval(config)
    if isinstance(result, str):
        return show(result)
    return show(scores_table([result.folder]), over_folds_table(result.folder)) or result.exit_code


@verb("viewloom predict --data demo/data --run runs/naive --views e4 --out segments")
def predict(config: PredictConfig) -> int:
    """Segment new, unlabelled recordings; with --online (see predict --online --help) one that still runs."""
    from viewloom import api
    from viewloom.keywords import own_settings
    from viewloom.training.uncertain import uncertain_table

    data = api.open_dataset(config, with_splits=config.fold is not None)
    api.predict(config.run, data, **own_settings(config, "run", views="view"))
    return show(*uncertain_table(Path(config.out), config.uncertain), Path(config.out, "segments.csv"))


@verb("viewloom predict --online --run runs/causal --input features.npy --out segments.jsonl")
def predict_online(config: OnlineConfig) -> int:
    """Segment a recording while it runs: features or a video in, a line of JSON a segment out."""
    from viewloom.console import err
    from viewloom.online.run import run_online

    err.print(str(run_online(config)), markup=False)
    return 0


@verb("viewloom experiment --table table1 --data demo/data --out tables --scale 0.1 --plan true")
def experiment(config: ExperimentConfig) -> int:
    """Run all rows of one of the report's tables, and show the published figures beside."""
    from viewloom.recipes.experiment import run_experiment

    return show(run_experiment(config))


@verb("viewloom curve --data demo/data --kind pairs --views v3,e4 --out curves --plan true")
def curve(config: CurveConfig) -> int:
    """Score with ever more pairs, labels or views, or pairs out of step, and draw the curve."""
    from viewloom.recipes.curve import run_curve

    return show(run_curve(config))


@verb("viewloom compare examples/compare.yaml --out compared --jobs 2 --plan true")
def compare(config: CompareConfig) -> int:
    """Compare methods, heads and seeds over views and data sets, in one table with tests."""
    from viewloom.recipes.compare.command import run_compare

    result = run_compare(config)
    if isinstance(result, str):
        return show(result)
    return show(*result.tables(), result.last_line) or result.exit_code


@verb("viewloom convert --checkpoint best.pth --kind head --actions actions.csv --run runs/published")
def convert(config: ConvertConfig) -> int:
    """Turn a published checkpoint into a run folder."""
    from viewloom.training.convert import run_convert

    return show(run_convert(config))


@verb("viewloom convert-labels --labels demo/data/coarse_labels --out elan --format elan --fps 30", "convert-labels")
def convert_labels(config: ConvertLabelsConfig) -> int:
    """Turn labels of one annotation tool into those of another: ELAN, Label Studio, VIA, CVAT, BORIS, subtitles."""
    from viewloom.dataset.convert_labels import run_convert_labels

    return show(run_convert_labels(config))


@verb("viewloom export --run runs/naive --to onnx --out naive.onnx")
def export(config: ExportConfig) -> int:
    """Write a trained head, its refiner, or both, as ONNX or for torch.export."""
    from viewloom.graphs.run import run_export

    show(*run_export(config))
    return 0


@verb("viewloom push --run runs/naive --to me/naive --licence mit --plan true")
def push(config: PushConfig) -> int:
    """Put a run's weights and a model card on the Hugging Face Hub."""
    from viewloom.hub.push import run_push

    return show(run_push(config))


@verb("viewloom report --runs runs/naive --out report.html")
def report(config: ReportConfig) -> int:
    """Write one HTML page about runs: scores, timelines, curves."""
    from viewloom.report.command import run_report

    return show(run_report(config))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb. Returns the exit code; see `viewloom.guard`."""
    args = list(sys.argv[1:] if argv is None else argv)
    open_streams()
    return guarded(split_verb(args)[0] if args else "help", lambda: _run(args))


def _run(args: list[str]) -> int:
    """What `main` does, until something fails."""
    if not args or args[0] in ("-h", "--help", "help"):
        return say_text(overview(VERBS), sys.stdout, 0 if args else 2)
    if args[0] in ("-V", "--version"):
        return say_text(f"viewloom {__version__}\n", sys.stdout, 0)
    name, rest = split_verb(args)
    if name not in VERBS:
        near = get_close_matches(name, VERBS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return say_text(f"viewloom: there is no command {name!r}.{hint}\n\n{overview(VERBS)}", sys.stderr, 2)
    return VERBS[name].run(parse(name, rest))


def split_verb(args: Sequence[str]) -> tuple[str, list[str]]:
    """The verb, of one word or two (``simulate metaworld``, ``predict --online``), and what follows it."""
    if args[0] == "predict" and "--online" in args:
        return "predict online", [arg for arg in args[1:] if arg not in ("--online", "online")]
    two = " ".join(args[:2])
    return (two, list(args[2:])) if two in VERBS else (args[0], list(args[1:]))


def make_parser(name: str, args: Sequence[str]) -> "ArgumentParser":
    """The parser of a verb: one option for each field of its settings, help from the fields' docstrings.

    Args:
        name: the verb.
        args: what follows it: which head or method is named decides about the options there are.
    """
    from jsonargparse import SUPPRESS, ArgumentParser, set_parsing_settings

    verb = VERBS[name]
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        prog=f"viewloom {name}", description=f"{verb.help}.", epilog=f"example: {verb.example}", exit_on_error=False
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these settings.")
    plugins = (
        "Modules that add methods, heads, layouts, stores or formats, comma-separated, besides installed packages."
    )
    parser.add_argument("--plugins", type=str | list[str] | None, help=plugins)
    names = {entry.name: entry.default for entry in fields(verb.settings)}
    apart = [field for field in OPTIONS if field in names]
    positional = POSITIONAL.get(name)
    spelled = {field: name for field, name in SPELLED.items() if field in names}
    for field, name in spelled.items():
        parser.add_argument(f"--{name}", required=True, type=str, help=help_of(verb.settings, field))
    parser.add_class_arguments(verb.settings, None, skip={*apart, *spelled, *filter(None, [positional])})
    if positional is not None:
        parser.add_argument(positional, type=str, help=help_of(verb.settings, positional))
    if verb.settings in CAUSAL_TOO:
        parser.add_argument(f"--{CAUSAL}", type=bool | None, help=HELP)
    chosen = chosen_options(verb.settings, args)
    for field, options in chosen.items():
        parser.add_class_arguments(options, field)
    for former in (former for former, now in FORMER.items() if now in names):
        parser.add_argument(f"--{former}", type=Any, help=SUPPRESS)
    say_ranges(parser, verb.settings, chosen)
    return parser


def parse(name: str, args: Sequence[str]) -> Any:
    """The settings object of a verb from the command line; `ConfigError` with the parser's reason when it can't be."""
    from jsonargparse import ArgumentError

    refuse_unusable(args, VERBS[name].settings)
    plugins = peek(args, "plugins") or []
    import_modules(plugins if isinstance(plugins, list) else [part.strip() for part in plugins.split(",") if part])
    parser, settings = make_parser(name, args), VERBS[name].settings
    args = expanded(args, chosen_options(VERBS[name].settings, args)) if settings in CAUSAL_TOO else args
    where = " (from the command line or the --config file)" if "--config" in " ".join(args) else ""
    try:
        built = parser.instantiate(parser.parse_args(list(args)))
    except (ArgumentError, TypeError) as error:  # a list where settings are expected is a TypeError
        raise ConfigError(f"{error}{where}. `{parser.prog} --help` lists the settings.") from None
    called = {entry.name: SPELLED.get(entry.name, entry.name) for entry in fields(settings)}
    if built.get(CAUSAL) is not None:
        raise ConfigError(f"In a file, {CAUSAL} stands under head_options or method_options.")
    values = {name: built[spelled] for name, spelled in called.items() if spelled in built}
    for former, now in FORMER.items():
        if built.get(former) is not None and values[now] is None:
            values[now] = built[former]
    return settings(**values)
