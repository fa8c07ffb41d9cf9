"""A power cut takes nothing that counts as done: no name before its content, no mark before what it stands for."""

import pytest

from tests.power_cut import watched
from tests.tiny import write_tiny
from viewloom import durable
from viewloom.cli import main
from viewloom.files import atomic_path, write_text
from viewloom.owned import TEMPORARY

QUIET = "--trainer.progress false --trainer.logger none --trainer.accelerator cpu"
COMMANDS = {
    "simulate": "simulate --out new/simulated --recordings 3 --dim 6",
    "index": "index --data data --out new/deep/index.json --fps 30",
    "pack": "pack --data data --out new/store --fps 30 --workers 0",
    "check": "check --data data --out check.json",
    "pretrain": f"pretrain --data data --run runs/cca --method cca --views v3,e4 {QUIET}",
    "pretrain, learned": "pretrain --data data --run runs/barlow --method barlow_twins --views v3,e4 --epochs 1 "
    f"{QUIET}",
    "train": "train --data data --run runs/head --head linear --epochs 2 --views v3 "
    f"--refiner runs/cca/refiner.safetensors {QUIET}",
    "train, windows kept": "train --data data --run runs/kept --head linear --epochs 1 --views v3 --pool_cache kept "
    f"{QUIET}",
    "evaluate": "evaluate --data data --run runs/head",
    "predict": "predict --data data --run runs/head --out predicted --probabilities true --uncertain 3",
    "report": "report --runs runs/head --out pages/report.html",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Each verb goes on from what the one before it wrote; {verb: (faults, names in the order they came)}."""
    root, found = tmp_path_factory.mktemp("world"), {}
    write_tiny(root / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, command in COMMANDS.items():
            with watched(root) as disk:
                assert main(command.split()) == 0, name
            found[name] = disk.end(), disk.renamed
    return found


@pytest.mark.parametrize("verb", COMMANDS)
def test_what_a_verb_leaves_outlives_a_power_cut(world, verb):
    faults, renamed = world[verb]
    assert not faults
    assert renamed


@pytest.mark.parametrize(
    ("verb", "last"),
    [
        ("pack", "new/store/manifest.json"),
        ("train", "runs/head/head.safetensors"),
        ("evaluate", "runs/head/metrics.json"),
        ("predict", "predicted/segments.csv"),
        ("simulate", "new/simulated"),
    ],
)
def test_what_says_that_all_is_there_comes_last(world, verb, last):
    assert world[verb][1][-1] == last


def careless(root):
    """Ways to write that a power cut undoes, by what the watch must say of them."""

    def unflushed():
        (root / ".tmp-a").write_text("a")
        (root / ".tmp-a").replace(root / "a")
        durable.flush_names(root)

    def written_again():
        (root / ".tmp-a").write_text("a")
        durable.flush(root / ".tmp-a")
        (root / ".tmp-a").write_text("another")
        (root / ".tmp-a").replace(root / "a")
        durable.flush_names(root)

    def unnamed():
        (root / ".tmp-a").write_text("a")
        durable.flush(root / ".tmp-a")
        (root / ".tmp-a").replace(root / "a")

    def in_a_new_folder():
        (root / "new").mkdir()
        write_text(root / "new" / "a", "a")

    def marked_too_early():
        with durable.gathered():
            write_text(root / "a", "a")
            write_text(root / "manifest.json", "{}")

    def plain():
        (root / "a").write_text("a")
        durable.flush_names(root)

    return {
        "was named a before it was flushed": (unflushed, written_again),
        "the name of a isn't sure at the end": (unnamed,),
        "the name of new isn't sure at the end": (in_a_new_folder,),
        "manifest.json is there before the name of a is sure": (marked_too_early,),
        "a isn't flushed at the end": (plain,),
    }


def test_the_watch_notices_what_is_careless(tmp_path):
    for number, (message, ways) in enumerate(careless(tmp_path / "x").items()):
        for way, _ in enumerate(ways):
            root = tmp_path / f"{number}{way}"
            root.mkdir()
            with watched(root) as disk:
                careless(root)[message][way]()
            assert message in " ".join(disk.end())


def test_files_and_folders_of_one_write(tmp_path):
    with watched(tmp_path) as disk:
        write_text(tmp_path / "a" / "b" / "c.txt", "c")
        with durable.gathered():
            for number in range(5):
                write_text(tmp_path / "many" / f"{number}.txt", "x")
    assert not disk.end()


def test_gathered_flushes_each_folder_once(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(durable, "flush", flushed.append)
    with durable.gathered(), durable.gathered():
        for number in range(5):
            write_text(tmp_path / "many" / f"{number}.txt", "x")
    assert flushed == [tmp_path, tmp_path / "many"]


def test_an_error_leaves_nothing_and_flushes_what_was_whole(tmp_path):
    with watched(tmp_path) as disk, pytest.raises(RuntimeError), durable.gathered():
        write_text(tmp_path / "whole.txt", "x")
        with atomic_path(tmp_path / "half.txt") as temporary:
            temporary.write_text("x")
            raise RuntimeError
    assert not disk.end()
    assert [path.name for path in tmp_path.iterdir()] == ["whole.txt"] and not list(tmp_path.glob(f"{TEMPORARY}*"))
