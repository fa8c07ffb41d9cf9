"""A comparison from its YAML file, or from a dictionary: short forms written out, and every name checked."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError, listed
from viewloom.keywords import built
from viewloom.names import names_in
from viewloom.recipes.compare.settings import (
    CONTROLS,
    USUAL,
    CompareConfig,
    Comparison,
    ControlEntry,
    DataEntry,
    HeadEntry,
    MethodEntry,
    SlurmConfig,
    TuningConfig,
)
from viewloom.recipes.settings import parse_numbers
from viewloom.registry import HEADS, METHODS
from viewloom.training.decoding_settings import DecodedConfig
from viewloom.training.settings import PretrainConfig, TrainConfig, TrainerConfig

KEYS = (
    *("data", "labelled", "unlabelled", "methods", "heads", "students", "seeds", "controls", "tuning", "pretrain"),
    *("train", "teach", "evaluate", "sampling", "trainer", "out", "jobs", "launch", "slurm"),
)
FREE = ("out", "jobs", "launch", "slurm")
"""Settings that change no result."""
OWN = ("run", "views", "seed", "resume", "name", "refiner", "teacher", "method", "head", "sampling", "trainer")
"""Settings of single runs that a comparison sets itself."""
QUIET = {"devices": "1", "threads": 1, "logger": "none", "progress": False}
E = TypeVar("E", MethodEntry, HeadEntry)


def read_comparison(config: CompareConfig) -> Comparison:
    """The comparison of a file, with what the command line sets instead; errors as `read_file` and `comparison`."""
    line = {name: getattr(config, name) for name in ("out", "jobs", "launch", "seeds")}
    return comparison(
        read_file(config.file) | {name: value for name, value in line.items() if value is not None}, config.file
    )


def read_file(file: str | Path) -> dict[str, Any]:
    """The settings in a YAML file.

    Raises:
        ConfigError: no such file, no YAML, or no settings.
    """
    from viewloom.yaml_files import read_yaml

    values = read_yaml(Path(file), "See docs/howto/compare-methods.md for an example.", ConfigError)
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{file} must hold settings, such as `methods: [none, cca]`. See docs/howto/compare-methods.md."
        )
    return dict(values)


def comparison(values: Mapping[str, Any], where: str = "The comparison") -> Comparison:
    """The comparison that settings describe, short forms written out.

    Args:
        values: as the file has them.
        where: they stand, for messages.

    Raises:
        ConfigError: a setting that there isn't, or that can't be.
    """
    _refuse_unknown(values, KEYS, where)
    missing = [name for name in ("data", "labelled", "unlabelled", "methods", "heads", "out") if not _has(values, name)]
    if missing:
        raise ConfigError(
            f"{where} has no {listed(missing)}. See docs/howto/compare-methods.md for what a comparison needs."
        )
    methods = tuple(_method(entry, where) for entry in _list(values["methods"]))
    if not any(entry.naive for entry in methods):  # nothing can be read without it
        methods = (MethodEntry("none", "none", students=(False,)), *methods)
    tuning = values.get("tuning")
    return Comparison(
        data=tuple(_data(entry, values, where) for entry in _list(values["data"])),
        methods=methods,
        heads=tuple(_named(HeadEntry, entry, "head", where) for entry in _list(values["heads"])),
        students=_students(values.get("students", False)),
        seeds=parse_numbers("seeds", ",".join(map(str, _list(values.get("seeds", [0, 1, 2]))))),
        controls=tuple(_control(entry, methods) for entry in _list(values.get("controls", list(USUAL)))),
        tuning=None if tuning is None else _tuning(_mapping("tuning", tuning), methods),
        pretrain=_shared("pretrain", values),
        train=_shared("train", values),
        teach=_mapping("teach", values.get("teach")),
        sampling=built(SamplingConfig, _mapping("sampling", values.get("sampling"))),
        trainer=_trainer(_mapping("trainer", values.get("trainer"))),
        out=str(values["out"]),
        jobs=_jobs(values.get("jobs")),
        launch=_one_of("launch", values.get("launch", "local"), ("local", "slurm")),
        slurm=_slurm(_mapping("slurm", values.get("slurm"))),
        evaluate=_decoding(_mapping("evaluate", values.get("evaluate"))),
        values={name: value for name, value in values.items() if name not in FREE},
    )


def _has(values: Mapping[str, Any], name: str) -> bool:
    """Whether a setting is there; views may stand in every entry of `data` instead."""
    if values.get(name) not in (None, "", []):
        return True
    entries = _list(values.get("data") or [])
    return name in ("labelled", "unlabelled") and all(isinstance(e, Mapping) and e.get(name) for e in entries)


def _refuse_unknown(values: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = [str(name) for name in values if name not in known]
    if unknown:
        near = get_close_matches(unknown[0], known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"{where} has a setting {unknown[0]!r} that there isn't.{hint} There are: {listed(known, 20)}."
        )


def _list(value: Any) -> list[Any]:
    """A list, or one value as a list; a text with commas is several."""
    if isinstance(value, str):
        return list(names_in(value))
    return list(value) if isinstance(value, list | tuple) else [value]


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"`{name}` must hold settings, such as `{name}: {{...}}`, but is {value!r}.")
    return dict(value)


def _shared(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of every run of a kind, without those that the comparison sets itself."""
    found = _mapping(name, values.get(name))
    _refuse_own(found, f"`{name}`")
    return found


def _refuse_own(found: Mapping[str, Any], where: str) -> None:
    own = {*OWN, *(entry.name for entry in fields(DataConfig))}
    taken = [setting for setting in found if setting in own]
    if taken:
        raise ConfigError(f"{where} sets {listed(taken)}, which the comparison sets itself for each run. Leave it out.")


def _named(cls: type[E], entry: Any, kind: str, where: str) -> E:
    """A method or a head: its name alone, or a dictionary of its settings."""
    if isinstance(entry, str):
        entry = {kind: entry}
    if not isinstance(entry, Mapping) or not (entry.get(kind) or entry.get("name")):
        raise ConfigError(f"{where}: a {kind} is a name, or {{name: ..., {kind}: ...}}, but one is {entry!r}.")
    registered = str(entry.get(kind) or entry["name"])
    (METHODS if kind == "method" else HEADS).settings(registered)  # says which there are
    more = {key: value for key, value in entry.items() if key not in ("name", kind, f"{kind}_options")}
    _refuse_own(more, f"The {kind} {registered}")
    options = _mapping(f"{kind}_options", entry.get(f"{kind}_options"))
    return cls(str(entry.get("name") or registered), registered, options, more)


def _method(entry: Any, where: str) -> MethodEntry:
    """A method, which may say by itself whether students are taught."""
    if not isinstance(entry, Mapping) or "students" not in entry:
        return _named(MethodEntry, entry, "method", where)
    plain = _named(MethodEntry, {key: value for key, value in entry.items() if key != "students"}, "method", where)
    return replace(plain, students=_students(entry["students"]))


def _data(entry: Any, values: Mapping[str, Any], where: str) -> DataEntry:
    """A data set: its folder alone, or a dictionary of its settings."""
    entry = {"data": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, Mapping) or not entry.get("data"):
        raise ConfigError(f"{where}: a data set is a folder, or {{data: FOLDER, ...}}, but one is {entry!r}.")
    own = ("name", "labelled", "unlabelled")
    config = built(DataConfig, {key: value for key, value in entry.items() if key not in own})
    views = {key: tuple(map(str, _list(entry.get(key) or values[key]))) for key in ("labelled", "unlabelled")}
    both = [*views["labelled"], *views["unlabelled"]]
    if len(set(both)) < len(both):
        raise ConfigError(f"{where}: each view is labelled or unlabelled, once, but the views are {listed(both)}.")
    return DataEntry(str(entry.get("name") or Path(config.data)), config, views["labelled"], views["unlabelled"])


def _students(value: Any) -> tuple[bool, ...]:
    given = _list(value)
    if not given or any(not isinstance(one, bool) for one in given):
        raise ConfigError(f"`students` must be true, false or both, but is {value!r}.")
    found = tuple(dict.fromkeys(given))
    if True in found and "teach_on_pairs" not in {entry.name for entry in fields(TrainConfig)}:
        raise ConfigError(
            "`students: [true]` needs `viewloom train --teach_on_pairs`, which this version doesn't have. Leave "
            "students out, or set it to false."
        )
    return found


def _control(entry: Any, methods: Sequence[MethodEntry]) -> ControlEntry:
    """A control: its name alone, or {control: offset_pairs, offset_s: 5, methods: [cca]}."""
    values = {"control": entry} if isinstance(entry, str) else _mapping("controls", entry)
    _refuse_unknown(values, ("control", "offset_s", "methods"), "`controls`")
    name: Any = _one_of("controls", values.get("control"), CONTROLS)
    names, offset_s = tuple(map(str, _list(values.get("methods", [])))), values.get("offset_s", 10.0)
    unknown = [one for one in names if one not in {method.name for method in methods if method.learns}]
    if unknown:
        raise ConfigError(
            f"The control {name} names {listed(unknown)}, which isn't among the methods that learn from pairs."
        )
    if isinstance(offset_s, bool) or not isinstance(offset_s, int | float):
        raise ConfigError(f"The control {name} needs offset_s in seconds, but it is {offset_s!r}.")
    return ControlEntry(name, float(offset_s), names)


def _tuning(values: Mapping[str, Any], methods: Sequence[MethodEntry]) -> TuningConfig:
    """How methods are tuned; `ConfigError` for a grid of no method, or one that tries a value twice."""
    tuning: TuningConfig = built(TuningConfig, values)
    known = [*dict.fromkeys(name for entry in methods for name in (entry.name, entry.method))]
    for method, grid in tuning.grids.items():
        if method not in known and method not in METHODS.names():
            raise ConfigError(f"`tuning.grids` names {method!r}, which is no method. There are: {listed(known, 20)}.")
        of = next((entry.method for entry in methods if entry.name == method), method)
        for setting, given in grid.items():
            _refuse_no_setting(of, setting, f"tuning.grids.{method}")
            found = given if isinstance(given, list | tuple) else ()
            twice = [value for value in found if found.count(value) > 1]
            if twice:
                raise ConfigError(f"`tuning.grids` has {twice[0]!r} of {method}.{setting} twice. List it once.")
    return tuning


def _refuse_no_setting(method: str, setting: str, where: str) -> None:
    """`ConfigError` for what is neither a setting of a method nor of pre-training, such as ``optim.lr``."""
    own = {one.name for one in fields(METHODS.settings(method))}
    group, dot, inner = setting.partition(".")
    shared = {one.name: one for one in fields(PretrainConfig)}
    factory: Any = shared[group].default_factory if group in shared else None
    parts = {one.name for one in fields(factory)} if is_dataclass(factory) else set()
    if setting not in own and (group not in shared or (dot and inner not in parts)):
        near = get_close_matches(setting, [*own, *shared, *(f"{group}.{name}" for name in parts)], 1)
        hint = f" Did you mean {near[0]}?" if near else f" Its own are: {listed(sorted(own), 20)}."
        raise ConfigError(f"`{where}` names {setting!r}, which is no setting of {method} or of pre-training.{hint}")


def _one_of(name: str, value: Any, known: Sequence[str]) -> Any:
    if value not in known:
        raise ConfigError(f"`{name}` can be {listed(known)}, but is {value!r}.")
    return value


def _jobs(value: Any) -> int | None:
    if value is not None and type(value) is not int:
        raise ConfigError(f"`jobs` must be a whole number, but is {value!r}.")
    return value


def _trainer(values: Mapping[str, Any]) -> TrainerConfig:
    trainer: TrainerConfig = built(TrainerConfig, QUIET | dict(values))
    if trainer.devices not in ("1", "auto"):
        raise ConfigError(f"trainer.devices must be 1 here, but is {trainer.devices}: runs stand side by side.")
    return replace(trainer, devices="1")


def _decoding(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """How probabilities become segments; what can't be is refused before anything runs."""
    _refuse_unknown(values, ("decoding", "durations"), "`evaluate`")
    built(DecodedConfig, {"data": "", **values})
    return values


def _slurm(values: Mapping[str, Any]) -> SlurmConfig:
    _refuse_unknown(values, [entry.name for entry in fields(SlurmConfig)], "`slurm`")
    found: SlurmConfig = built(SlurmConfig, values)
    return found
