"""Files of heads and refiners: whatever is wrong with one, a single clear message names it."""

import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.methods.made import make_method
from viewloom import saved
from viewloom.errors import ConfigError, DataError, UserError
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.heads.linear import LinearHead
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.registry import METHODS
from viewloom.training.checkpoints import SavedHead, read_head, save_head

HEAD_KEYS = ("format", "version", "head", "dim", "classes", "config", "actions", "views", "fps", "extra")
REFINER_KEYS = ("format", "version", "method", "dim", "out_dim", "views", "config", "statistics", "extra")
VALUES = (None, True, "x", -1, 0, 1.5, [], [1], ["a", "a"], [["a"]], {}, {"a": 1}, 10**15, math.nan)


def write_head(path, head=None):
    torch.manual_seed(0)
    head = LinearHead(5, 3) if head is None else head
    actions = tuple(f"act{i}" for i in range(head.classes))
    save_head(path, SavedHead(head.eval(), actions, ("v3",), 30.0, {"seed": 1}))


def write_refiner(path):
    config = METHODS.get("two_stream").Config(layers=1, standardise="view")
    save_refiner(make_method("two_stream", config).refiner, path, {"kept": "last"})


KINDS = {"head": (write_head, read_head, HEAD_KEYS), "refiner": (write_refiner, load_refiner, REFINER_KEYS)}
EVERY_KEY = [(kind, key) for kind, (_, _, keys) in KINDS.items() for key in keys]


def metadata(path):
    """As an earlier version wrote them, without a checksum, so that what is changed is read."""
    with safe_open(path, "pt") as file:
        found = json.loads(file.metadata()["viewloom"])
    del found["sum"]
    return found


def store(path, told, weights=None):
    text = told if isinstance(told, str) else json.dumps(told)
    save_file(load_file(path) if weights is None else weights, path, {"viewloom": text})


@pytest.fixture
def made(tmp_path):
    """Writes a file of a kind; returns its path, its reader, and its metadata."""

    def write(kind):
        path = tmp_path / f"{kind}.safetensors"
        KINDS[kind][0](path)
        return path, KINDS[kind][1], metadata(path)

    return write


def refused(read, path, *words):
    """The one message of a file that can't be used: of a user's error, and it names the file."""
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_those_that_are_written(made, kind):
    path, read, told = made(kind)
    assert tuple(told) == KINDS[kind][2]
    read(path)


@pytest.mark.parametrize("kind, key", EVERY_KEY)
def test_a_missing_key_is_named(made, kind, key):
    path, read, told = made(kind)
    store(path, {name: value for name, value in told.items() if name != key})
    refused(read, path, *([] if key == "format" else [key]))


@pytest.mark.parametrize("kind, key", EVERY_KEY)
def test_a_value_of_another_type_is_named(made, kind, key):
    path, read, told = made(kind)
    for value in VALUES:
        store(path, told | {key: value})
        alike = type(value) is type(told[key]) or (key == "fps" and type(value) in (int, float))
        if not alike:
            refused(read, path, *([] if key == "format" else [key]))
            continue
        try:  # a value of the right type may be right: empty settings, nothing extra
            read(path)
        except UserError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_another_type_or_name_is_named(made, kind):
    path, read, told = made(kind)
    assert told["config"]
    for name, before in told["config"].items():
        for value in VALUES:
            number = isinstance(before, float) and type(value) in (int, float)
            if type(value) is type(before) or number:
                continue
            store(path, told | {"config": told["config"] | {name: value}})
            refused(read, path, name)
    store(path, told | {"config": told["config"] | {"later": 1}})
    refused(read, path, "later", "Upgrade")


def test_a_choice_that_is_none_and_a_setting_out_of_range_are_named(made):
    path, read, told = made("refiner")
    for changes, word in (
        ({"context": "sideways"}, "context"),
        ({"dropout": 2.0}, "dropout"),
        ({"layers": 0}, "layers"),
    ):
        store(path, told | {"config": told["config"] | changes})
        refused(read, path, word)


def test_settings_that_a_file_of_before_lacks_take_their_defaults(made):
    path, read, told = made("refiner")
    del told["config"]["schedule"]
    store(path, told)
    assert read(path).config.schedule == "report"


def test_a_tuple_of_settings_survives(tmp_path):
    config = C2FTCN.Config(width=4, level_weights=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0))
    write_head(tmp_path / "h.safetensors", C2FTCN(5, 3, config))
    assert read_head(tmp_path / "h.safetensors").head.config == config


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_version_is_refused(made, kind):
    path, read, told = made(kind)
    store(path, told | {"version": 99})
    error = refused(read, path, "later version", "99", "Upgrade")
    assert isinstance(error, ConfigError)


@pytest.mark.parametrize("kind, key", [("head", "head"), ("refiner", "method")])
def test_an_unknown_name_lists_the_known_ones(made, kind, key):
    path, read, told = made(kind)
    store(path, told | {key: "magic"})
    refused(read, path, "'magic'", "there are:")


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_kind_is_refused_by_name(made, kind):
    other = next(name for name in KINDS if name != kind)
    path, _, _ = made(other)
    refused(KINDS[kind][1], path, f"not a viewloom {kind}, but viewloom-{other}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_there_twice_is_named(made, kind):
    path, read, told = made(kind)
    store(path, json.dumps(told).replace('"version":', '"version": 1, "version":', 1))
    refused(read, path, "the key 'version' is there twice")


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_that_is_no_json_object(made, kind):
    path, read, _ = made(kind)
    for text in ("", "[]", "3", "null", "{", "[" * 20000):
        store(path, text)
        refused(read, path)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_other_names_shapes_or_kinds(made, kind):
    path, read, told = made(kind)
    weights = load_file(path)
    assert len(weights) > 1
    for name, tensor in weights.items():
        without = {key: value for key, value in weights.items() if key != name}
        other = torch.zeros_like(tensor, dtype=torch.int32 if tensor.is_floating_point() else torch.float32)
        for changed in (
            without,
            weights | {name: tensor[None]},
            weights | {name: tensor.flatten()[:-1]},
            without | {"odd": tensor},
            weights | {name: other},
        ):
            store(path, told, changed)
            assert isinstance(refused(read, path, name), DataError)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_that_do_not_fit_the_tensors(made, kind):
    path, read, told = made(kind)
    for key in ("dim", "classes", "out_dim"):
        if key in told:
            store(path, told | {key: told[key] + 1})
            refused(read, path)


def test_a_head_with_another_number_of_actions_than_outputs(made):
    path, read, told = made("head")
    store(path, told | {"actions": told["actions"][:-1]})
    refused(read, path, "3 outputs", "2 actions")


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_file_and_none(made, kind):
    path, read, _ = made(kind)
    path.write_bytes(path.read_bytes()[:200])
    refused(read, path, "not a whole safetensors file")
    path.unlink()
    refused(read, path)


def test_a_writer_refuses_numbers_that_json_does_not_know(tmp_path):
    with pytest.raises(ValueError):
        save_head(tmp_path / "h.safetensors", SavedHead(LinearHead(5, 3), ("a", "b", "c"), (), 30.0, {"x": math.nan}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("key", "value"), [("dim", 10**9), ("classes", 10**5)])
def test_settings_that_ask_for_a_larger_network_than_the_file(made, key, value):
    path, read, told = made("head")
    told[key] = value
    told["actions"] = [f"a{i}" for i in range(told["classes"])]
    store(path, told)
    with pytest.raises(DataError, match="ask for a network of|can be built of its settings|weights that its settings"):
        read(path)


def test_weights_that_are_no_numbers(made):
    path, read, told = made("head")
    weights = {
        name: value * math.nan if value.is_floating_point() else value for name, value in load_file(path).items()
    }
    store(path, told, weights)
    with pytest.raises(DataError, match="no numbers"):
        read(path)


def test_files_are_byte_for_byte_those_of_the_library(tmp_path):
    torch.manual_seed(0)
    tensors = {
        f"{index % 3}/{dtype}": torch.randint(0, 2, (3, index)).to(dtype) for index, dtype in enumerate(saved.DTYPES)
    }
    tensors |= {"scalar": torch.tensor(1.5), 'a " ü': torch.randn(2, 2), "empty": torch.zeros(0, 4)}
    metadata = {"viewloom": json.dumps({"names": ["é", 'a "quoted" one', "\n"]}, ensure_ascii=False)}
    for name, kept in {"all": tensors, "none": {}}.items():
        save_file(kept, tmp_path / "theirs.safetensors", metadata)
        (tmp_path / name).touch()
        saved._write(tmp_path / name, kept, metadata)
        assert (tmp_path / name).read_bytes() == (tmp_path / "theirs.safetensors").read_bytes(), name


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_file_comes_up_while_one_is_written(tmp_path, kind, monkeypatch):
    """A killed process would leave it."""
    path, seen = tmp_path / f"{kind}.safetensors", []
    write = saved._write
    monkeypatch.setattr(saved, "_write", lambda *given: (write(*given), seen.append(given[0].stat().st_ino)))
    kept = saved.atomic_path

    def watched(path, size):
        """Whether the file that is locked is the one that is written."""
        return WithInode(kept(path, size), seen)

    monkeypatch.setattr(saved, "atomic_path", watched)
    KINDS[kind][0](path)
    assert seen[0] == seen[1]


class WithInode:
    """A context whose path's inode is noted when it is entered."""

    def __init__(self, inner, seen):
        self.inner, self.seen = inner, seen

    def __enter__(self):
        path = self.inner.__enter__()
        self.seen.append(path.stat().st_ino)
        return path

    def __exit__(self, *error):
        return self.inner.__exit__(*error)
