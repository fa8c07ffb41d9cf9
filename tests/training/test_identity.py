"""A run goes on only as what it was begun as: same settings, labels, lists and features, by content."""

import json
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.packing import run_pack
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.features import content
from viewloom.features.settings import PackConfig
from viewloom.identity import Identity, free, settings_of
from viewloom.registry import METHODS
from viewloom.training.pretrain import run_pretrain
from viewloom.training.runs import read_json
from viewloom.training.segment import run_train
from viewloom.training.settings import OptimConfig, PretrainConfig, TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture
def data(tmp_path):
    return write_tiny(tmp_path / "data")


def config(data, run, **changes) -> TrainConfig:
    settings = {"head": "linear", "epochs": 2, "trainer": QUIET} | changes
    return TrainConfig(data=str(data), run=str(run), views="v3", **settings)


@pytest.fixture
def begun(data, tmp_path) -> Path:
    run_train(config(data, tmp_path / "run"))
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer": replace(QUIET, accumulate=2)}, "trainer.accumulate 2 instead of 1"),
        ({"trainer": replace(QUIET, gradient_clip=1.0)}, "trainer.gradient_clip 1.0 instead of None"),
        ({"trainer": replace(QUIET, precision="64-true")}, "trainer.precision"),
        ({"seed": 1}, "seed 1 instead of 0"),
        ({"batch_size": 4}, "batch_size 4 instead of"),
        ({"optim": OptimConfig(lr=1e-2)}, r"optim.lr 0.01 instead of 0.001"),
        ({"val_views": "e4"}, "val_views"),
    ],
)
def test_other_settings_are_refused_and_named(data, begun, changes, message):
    with pytest.raises(ConfigError, match=message):
        run_train(config(data, begun, resume=True, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 1},
        {"name": "another name"},
        {"refined_cache_gib": 0.0},
        {"trainer": replace(QUIET, checkpoint_every_epochs=2, device_data="always")},
    ],
)
def test_settings_that_change_no_result_are_free(data, begun, changes):
    run_train(config(data, begun, resume=True, **changes))


def change_features(data):
    path = data / "features" / (data / "splits" / "train.txt").read_text().split()[0] / "v3" / "features.npy"
    x_TD = np.load(path)
    x_TD[len(x_TD) // 30, 2] += 1.0  # one value of one frame, which lies between sampled blocks
    np.save(path, x_TD)


def permute_labels(data):
    text = (data / "labels.csv").read_text()
    (data / "labels.csv").write_text(text.replace("act1", "x").replace("act2", "act1").replace("x", "act2"))


def exchange_lists(data):
    train, test = data / "splits" / "train.txt", data / "splits" / "test.txt"
    texts = train.read_text(), test.read_text()
    train.write_text(texts[1])
    test.write_text(texts[0])


def reorder_a_list(data):
    path = data / "splits" / "train.txt"
    path.write_text("".join(f"{name}\n" for name in reversed(path.read_text().split())))


def rename_actions(data):
    for name in ("labels.csv", "actions.txt"):
        path = data / name
        path.write_text(path.read_text().replace("act3", "act9"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_features, "features of v3 of p"),
        (permute_labels, "labels of p"),
        (exchange_lists, r"the train items \(with p"),
        (reorder_a_list, "the train items .in another order"),
        (rename_actions, "labels of the action list"),
    ],
)
def test_other_data_is_refused_and_named(data, begun, change, message):
    change(data)
    with pytest.raises(ConfigError, match=message):
        run_train(config(data, begun, resume=True))


def test_data_that_the_run_does_not_use_may_change(data, begun):
    """Another view, other recordings and their labels."""
    test = (data / "splits" / "test.txt").read_text().split()[0]
    shutil.copytree(data / "features" / "p00" / "e4", data / "features" / "p00" / "v9")
    for path in [*data.glob("features/*/e4/features.npy"), data / "features" / test / "v3" / "features.npy"]:
        np.save(path, np.load(path)[::-1])
    labels = (data / "labels.csv").read_text().splitlines()
    (data / "labels.csv").write_text("\n".join(line for line in labels if not line.startswith(test)) + "\n")
    run_train(config(data, begun, resume=True))


def test_the_same_data_elsewhere_or_in_another_store_is_the_same(data, begun, tmp_path):
    copy = shutil.copytree(data, tmp_path / "copy")
    run_train(config(copy, begun, resume=True))
    run_pack(PackConfig(data=str(data), out=str(tmp_path / "packed"), dtype="float32"))
    run_train(config(data, begun, resume=True, features=str(tmp_path / "packed")))


def test_a_mistyped_folder_begins_nothing(data, begun, tmp_path):
    with pytest.raises(ConfigError, match=r"rum holds no run to go on with.*Did you mean .*run\?"):
        run_train(config(data, tmp_path / "rum", resume=True))
    assert not (tmp_path / "rum").exists()
    (tmp_path / "begun" / ".tmp-x").mkdir(parents=True)
    run_train(config(data, tmp_path / "begun", resume=True))  # killed before it wrote anything


def test_the_environment_of_the_beginning_is_kept(data, begun):
    first = read_json(begun / "environment.json")
    run_train(config(data, begun, resume=True))
    again = read_json(begun / "environment.json")
    resumed = again.pop("resumed")
    assert again == first and len(resumed) == 1 and set(resumed[0]) <= {"created", "commit", "command"}


def test_a_run_begun_before_a_setting_was_added_goes_on(data, tmp_path):
    """What it did then is what the setting's default does; another value is refused as ever."""
    run, options = tmp_path / "run", {"views": "v3,e4", "method": "sync_kd", "epochs": 1, "trainer": QUIET}
    begin = partial(PretrainConfig, data=str(data), run=str(run), **options)
    run_pretrain(begin())
    path = run / "identity.json"
    identity = json.loads(path.read_text())
    settings = identity["groups"]["settings"]
    for name in ("stem", "width", "stem_frozen"):
        del settings[f"method_options.{name}"]
    path.write_text(json.dumps(identity))
    run_pretrain(begin(resume=True))
    stem = METHODS.settings("sync_kd")(stem="pca")
    with pytest.raises(ConfigError, match="method_options.stem 'pca' instead of 'none'"):
        run_pretrain(begin(resume=True, method_options=stem))
    del settings["seed"]
    path.write_text(json.dumps(identity))
    with pytest.raises(ConfigError, match="seed 0 instead of None"):
        run_pretrain(begin(resume=True))


def test_another_rate_or_start_is_refused_with_its_value(data, tmp_path):
    views = "views: {{v3: {{kind: exo, start_s: {}}}, e4: {{kind: ego}}}}"
    (data / "views.yaml").write_text(views.format(0.5))
    run_train(config(data, tmp_path / "run"))
    run_train(config(data, tmp_path / "run", resume=True))
    (data / "views.yaml").write_text(views.format(0.6))
    with pytest.raises(ConfigError, match=r"timings \{'v3': \[30.0, 0.6\]\} instead of \{'v3': \[30.0, 0.5\]\}"):
        run_train(config(data, tmp_path / "run", resume=True))


def test_a_run_without_an_identity_is_not_trusted(data, begun):
    (begun / "identity.json").unlink()
    with pytest.raises(ConfigError, match="earlier version"):
        run_train(config(data, begun, resume=True))
    (begun / "identity.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"identity\.json is not as it should be .it lacks .groups"):
        run_train(config(data, begun, resume=True))


def test_pretraining_uses_no_labels(data, tmp_path):
    """Fewer segments, or none, change neither the weights nor what the run is."""
    settings = {"views": "v3,e4", "method": "cca", "trainer": QUIET}
    first = run_pretrain(PretrainConfig(data=str(data), run=str(tmp_path / "a"), **settings))
    labels = (data / "labels.csv").read_text().splitlines()
    (data / "labels.csv").write_text("\n".join([labels[0], *labels[1::3]]) + "\n")
    second = run_pretrain(PretrainConfig(data=str(data), run=str(tmp_path / "b"), **settings))
    key = [json.loads((tmp_path / name / "identity.json").read_text())["key"] for name in "ab"]
    assert key[0] == key[1] and first.read_bytes() == second.read_bytes()
    third = run_pretrain(PretrainConfig(data=str(data), run=str(tmp_path / "c"), pairs="labelled", **settings))
    assert third.read_bytes() != first.read_bytes()


def test_sampled_features_are_compared_by_blocks_and_times(data, tmp_path, monkeypatch):
    monkeypatch.setattr(content, "FULL_BYTES", 0)
    run_train(config(data, tmp_path / "run"))
    facts = read_json(tmp_path / "run" / "identity.json")["groups"]["features"]
    assert facts["compared"] == "sampled"
    change_features(data)  # between the blocks
    with pytest.raises(ConfigError, match=r"written again.*--compare_features sampled"):
        run_train(config(data, tmp_path / "run", resume=True))
    run_train(config(data, tmp_path / "run", resume=True, compare_features="sampled"))
    path = data / "features" / (data / "splits" / "train.txt").read_text().split()[0] / "v3" / "features.npy"
    np.save(path, np.load(path) + 1)
    with pytest.raises(ConfigError, match="features of v3"):
        run_train(config(data, tmp_path / "run", resume=True, compare_features="sampled"))
    full = config(data, tmp_path / "full", compare_features="full")
    run_train(full)
    assert read_json(tmp_path / "full" / "identity.json")["groups"]["features"]["compared"] == "full"


@pytest.mark.parametrize("compared", ["full", "sampled"])
def test_recordings_that_were_exchanged_are_refused(data, tmp_path, monkeypatch, compared):
    """Folders whose files differ in one frame between the blocks: no content and no time of a file changes."""
    monkeypatch.setattr(content, "FULL_BYTES", 0 if compared == "sampled" else 1 << 30)
    one, two = (data / "features" / name for name in (data / "splits" / "train.txt").read_text().split()[:2])
    shutil.copytree(one, two, dirs_exist_ok=True)
    x_TD = np.load(two / "v3" / "features.npy")
    x_TD[len(x_TD) // 2 + 5] += 1
    np.save(two / "v3" / "features.npy", x_TD)
    run_train(config(data, tmp_path / "run", past_end="cut"))
    one.rename(data / "aside")
    two.rename(one)
    (data / "aside").rename(two)
    with pytest.raises(ConfigError, match="features of v3 of p|written again"):
        run_train(config(data, tmp_path / "run", resume=True, past_end="cut"))


def test_a_file_that_is_written_within_a_tick_of_its_clock(data, monkeypatch):
    """What a hash was of may have changed with no trace in size or time: it isn't believed so soon."""
    source = open_dataset(DataConfig(data=str(data))).source
    monkeypatch.setattr(type(source), "written", lambda *_: ("file", 1, time.time_ns(), 1))
    before = content.rows_hash(source, "p00", "v3", "full")
    path = data / "features" / "p00" / "v3" / "features.npy"
    np.save(path, np.load(path) + 1)
    assert content.rows_hash(source, "p00", "v3", "full") != before


def test_blocks_reach_from_the_first_frame_to_the_last(data):
    dataset = open_dataset(DataConfig(data=str(data)))
    name = dataset.source.recordings[0]
    span, before = dataset.source.span(name, "v3"), content.rows_hash(dataset.source, name, "v3", "sampled")
    path = data / "features" / name / "v3" / "features.npy"
    for frame in (0, span.frames - 1):
        x_TD = np.load(path)
        x_TD[frame] += 1
        np.save(path, x_TD)
        after = content.rows_hash(open_dataset(DataConfig(data=str(data))).source, name, "v3", "sampled")
        assert after != before
        before = after


def test_a_setting_changes_the_result_unless_its_definition_says_otherwise():
    from dataclasses import dataclass

    @dataclass(frozen=True, kw_only=True)
    class Inner:
        rate: float = 0.5
        show: bool = free(default=True)

    @dataclass(frozen=True, kw_only=True)
    class Outer:
        where: str = free()
        size: int = 3
        inner: Inner = Inner()

    assert settings_of(Outer(where="x")) == {"size": 3, "inner.rate": 0.5}
    keys = {Identity({"settings": settings_of(Outer(where=w, size=s))}).key for w, s in (("a", 3), ("b", 3), ("b", 4))}
    assert len(keys) == 2
