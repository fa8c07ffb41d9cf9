"""Every number that can be set has a range, stated beside it and held wherever it is set."""

import json
import math
import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import viewloom
from tests.every_setting import has_numbers, made, numeric, settings_classes
from viewloom.cli import VERBS, make_parser, parse
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, DataError
from viewloom.identity import added, added_settings, free, settings_of
from viewloom.keywords import built
from viewloom.methods.settings import by_stem
from viewloom.ranges import RANGE, Range, Settings, ranged, ranges_of
from viewloom.recipes.compare.reading import comparison

CLASSES = settings_classes()
SOURCES = Path(viewloom.__file__).parent
NUMBERS = [(cls, name) for cls in CLASSES for name in numeric(cls)]
BEFORE = json.loads((Path(__file__).parent / "settings_of_defaults.json").read_text())


def range_of(cls, name):
    return next(entry.metadata.get(RANGE) for entry in fields(cls) if entry.name == name)


def test_every_class_of_settings_is_one_whose_ranges_are_checked():
    known = {cls.__name__ for cls in CLASSES}
    for path in SOURCES.rglob("*.py"):
        unchecked = set(re.findall(r"^ *class (\w+Config)\b", path.read_text(), re.MULTILINE)) - known
        assert not unchecked, f"{path}: {unchecked} must be subclasses of viewloom.ranges.Settings"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_number_has_a_range(cls):
    assert [name for name in numeric(cls) if range_of(cls, name) is None] == []


def test_what_counts_as_a_number():
    assert all(map(has_numbers, (int, float, int | None, tuple[float, ...], dict[str, int] | str)))
    assert not any(map(has_numbers, (bool, str, str | None, dict[str, str], type(None))))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_defaults_are_inside(cls):
    made(cls)


def outside(allowed):
    """Numbers that a range doesn't hold."""
    wrong = [st.sampled_from([math.nan, math.inf, -math.inf, 2**63])]
    if allowed.at_least is not None:
        wrong.append(st.integers(max_value=math.ceil(allowed.at_least) - 1))
    if allowed.above is not None:
        wrong.append(st.floats(max_value=allowed.above, allow_infinity=False))
    if allowed.at_most is not None:
        wrong.append(st.integers(min_value=math.floor(allowed.at_most) + 1))
    if allowed.below is not None:
        wrong.append(st.floats(min_value=allowed.below, allow_infinity=False))
    return st.one_of(wrong)


def inside(allowed, whole):
    """Numbers that it does hold."""
    low, high = (
        next((b for b in pair if b is not None), None)
        for pair in ((allowed.at_least, allowed.above), (allowed.at_most, allowed.below))
    )
    if whole:
        low = None if low is None else math.ceil(low) + (allowed.above is not None)
        return st.integers(low, 2**62 if high is None else math.floor(high) - (allowed.below is not None))
    open_low, open_high = allowed.above is not None, allowed.below is not None
    return st.floats(low, high, exclude_min=open_low, exclude_max=open_high, allow_infinity=False, allow_nan=False)


def shaped(cls, name, number):
    """A value of a setting that holds a number."""
    hint = str(cls.__annotations__.get(name, ""))
    if name in ("dims", "rates"):
        return {"v3": number}
    return (1, number) if "tuple" in hint else number


@given(data=st.data(), place=st.sampled_from(NUMBERS))
def test_a_number_outside_is_refused_by_its_name_its_value_and_its_range(data, place):
    cls, name = place
    allowed = range_of(cls, name)
    number = data.draw(outside(allowed))
    with pytest.raises(ConfigError) as refused:
        made(cls, **{name: shaped(cls, name, number)})
    text = str(refused.value)
    assert text.startswith(f"{name} is ") and str(number) in text and str(allowed) in text and f".{name})" in text
    assert "\n" not in text


@given(data=st.data(), place=st.sampled_from(NUMBERS))
def test_a_number_inside_is_taken(data, place):
    cls, name = place
    allowed = range_of(cls, name)
    number = data.draw(inside(allowed, whole="float" not in str(cls.__annotations__.get(name, "float"))))
    assert number in allowed
    try:
        made(cls, **{name: shaped(cls, name, number)})
    except ConfigError as error:  # other settings may not go with it
        assert "has to be" not in str(error)


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        (Range(at_least=1), "1 or more"),
        (Range(above=0), "above 0"),
        (Range(at_least=0, at_most=1), "from 0 to 1"),
        (Range(at_least=0, below=1), "0 or more and below 1"),
        (Range(above=0, at_most=1), "above 0 and 1 at most"),
        (Range(at_most=2), "2 at most"),
        (Range(), "a finite number"),
        (Range(at_least=0, at_most=100_000), "from 0 to 100,000"),
    ],
)
def test_a_range_in_words(allowed, words):
    assert str(allowed) == words


@dataclass(frozen=True, kw_only=True)
class Own(Settings, called="own"):
    """Settings with every way to state a range, and a check of their own that would fail outside."""

    plain: int = ranged(1, at_least=1)
    free: int = free(default=1, at_least=1)
    added: int = added(1, at_least=1)
    stem: int = by_stem(1, 2, at_least=1)  # noqa: RUF009
    many: tuple[int, ...] | str = ranged((1,), at_least=1)
    unstated: float = 1.0

    def __post_init__(self):
        if self.stem is None:
            self._settle(stem=1)
        if isinstance(self.many, str):
            self._settle(many=tuple(map(int, self.many.split(","))))
        assert 1 / self.plain


@pytest.mark.parametrize("name", ["plain", "free", "added", "stem", "many"])
def test_each_way_to_state_a_range_comes_before_what_else_is_checked(name):
    with pytest.raises(ConfigError, match=rf"^{name} is 0: it has to be 1 or more \(own.{name}\)\.$"):
        Own(**{name: (0,) if name == "many" else 0})


def test_what_becomes_a_number_is_checked_then():
    assert Own(many="1,2").many == (1, 2)
    with pytest.raises(ConfigError, match="many is 1, 0: it has to be 1 or more"):
        Own(many="1,0")


def test_without_a_range_a_number_still_is_finite():
    with pytest.raises(ConfigError, match="unstated is nan: it has to be a finite number"):
        Own(unstated=math.nan)


def test_marks_stay_with_ranges():
    assert settings_of(Own()) == {"plain": 1, "added": 1, "stem": 1, "many": [1], "unstated": 1.0}
    assert added_settings(Own()) == {"added": 1}


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls.__name__ in BEFORE], ids=lambda cls: cls.__name__)
def test_what_a_run_is_has_stayed_what_it_was_before_there_were_ranges(cls):
    begun, now = BEFORE[cls.__name__], made(cls)
    found, late = settings_of(now), added_settings(now)
    assert {name: found.get(name) for name in begun["settings"]} == begun["settings"]
    assert set(begun["added"]) <= set(late)
    assert set(found) - set(begun["settings"]) <= set(late), "mark a new setting `added`, or older runs can't go on"


def test_classes_of_before_are_all_there():
    assert set(BEFORE) <= {cls.__name__ for cls in CLASSES}


WRONG = {
    "batch_size": "0",
    "optim.lr": "-1",
    "seed": "-1",
    "trainer.accumulate": "0",
    "workers": "-1",
    "fps": "0",
    "sampling.chunk_frames": "1000000000",
}
"""What a first campaign found to be believed, or to end in a traceback."""
LINES = {
    "compare": ["file.yaml"],
    "download": ["gtea"],
    "transfer": ["--from", "v3", "--to", "e4"],
    "curve": ["--kind", "pairs", "--views", "v3,e4"],
    "experiment": ["--table", "table1"],
    "convert": ["--kind", "head"],
    "push": ["--to", "me/run", "--licence", "mit"],
    "extract": ["--fps", "30"],
    "report": ["--runs", "runs"],
}


@pytest.fixture(scope="module")
def parser_of():
    """Parsers of verbs, each made once, with what stands in `LINES`."""
    return cache(lambda verb: make_parser(verb, LINES.get(verb, [])))


def line_of(verb, parser):
    """The least that a verb needs."""
    args = list(LINES.get(verb, []))
    for action in parser._actions:
        option = next(iter(action.option_strings), "")
        if action.required and option.startswith("--") and option not in args:
            args += [option, "x"]
    return args


@pytest.mark.parametrize(
    ("verb", "name"), [(verb, name) for name in WRONG for verb in VERBS if name in ranges_of(VERBS[verb].settings)]
)
def test_what_was_believed_is_refused_by_every_verb_that_has_it(verb, name, parser_of, monkeypatch):
    monkeypatch.setattr("viewloom.cli.make_parser", lambda verb, _: parser_of(verb))
    own = name.rpartition(".")[2]
    with pytest.raises(ConfigError, match=rf"^{own} is -?[\d.]+: it has to be .*{own}\)\.$"):
        parse(verb, [*line_of(verb, parser_of(verb)), f"--{name}", WRONG[name]])


@pytest.mark.parametrize("name", ["batch_size", "optim.lr", "sampling.test_chunks", "head_options.width"])
def test_files_of_settings_are_held_to_ranges_too(name, tmp_path):
    own, value = name.split("."), {"sampling.test_chunks": [3, 0]}.get(name, 0)
    for key in reversed(own):
        value = {key: value}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"data": "x", "views": "v3", "run": "r", **value}))
    with pytest.raises(ConfigError, match=rf"{own[-1]} is .*0: it has to be"):
        parse("train", ["--config", str(path)])


@pytest.mark.parametrize("text", ["fps: 0", "fps: .nan", "sampling: {chunk_frames: 0}", "split_seed: -1"])
def test_the_file_of_a_data_set_is_held_to_ranges_too(text, tmp_path):
    (tmp_path / "dataset.yaml").write_text(text)
    with pytest.raises(DataError, match=r"dataset\.yaml: .* has to be"):
        complete(DataConfig(data=str(tmp_path)))


def test_keywords_are_held_to_ranges_too():
    for values in ({"batch_size": 0}, {"optim": {"lr": math.nan}}, {"head_options": {"width": 0}}):
        with pytest.raises(ConfigError, match="has to be"):
            built(VERBS["train"].settings, {"data": "x", "views": "v3", "run": "r", **values})


@pytest.mark.parametrize(
    "values",
    [{"jobs": 0}, {"tuning": {"trials": 0}}, {"slurm": {"cpus": 0}}, {"sampling": {"chunk_s": 0}}]
    + [{"trainer": {"accumulate": 0}}, {"controls": [{"control": "offset_pairs", "offset_s": 0}]}],
)
def test_files_of_comparisons_are_held_to_ranges_too(values):
    least = {"data": ["x"], "labelled": "v3", "unlabelled": "e4", "methods": ["none"], "heads": ["linear"], "out": "o"}
    with pytest.raises(ConfigError, match="has to be"):
        comparison({**least, **values}, "The comparison")


@pytest.mark.parametrize("verb", list(VERBS))
def test_help_says_the_range_of_every_number(verb, parser_of):
    ranges = ranges_of(VERBS[verb].settings)
    shown = {action.dest: str(action.help) for action in parser_of(verb)._actions}
    assert {name for name, allowed in ranges.items() if not shown[name].endswith(f"Range: {allowed}.")} == set()


def test_help_says_ranges_of_methods_and_heads():
    shown = {a.dest: a.help for a in make_parser("train", ["--head", "tcn"])._actions}
    assert shown["head_options.layers"].endswith("Range: from 1 to 16.")
