"""Opening a folder in each layout, and which items a role comes to."""

import json
import shutil

import numpy as np
import pytest

from tests.features.stores import random_recordings, write_lmdb, write_npy
from tests.tiny import all_items
from viewloom.dataset.dataset import Item
from viewloom.dataset.dataset_file import with_dataset_file
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.dataset.splits import ROLES, overlaps
from viewloom.errors import ConfigError, DataError

V3, E4 = "C10118_rgb", "HMC_84358933_mono10bit"
ACTIONS = "action_id,action_cls\n0,attach\n1,detach\n"


def assembly(root, lengths, annotations, lists):
    """Assembly101's layout: features of frames from 1, labels {file name: [(start, end)]}, own lists."""
    write_lmdb(root / "TSM_features", random_recordings(6, lengths))
    (root / "coarse_labels").mkdir()
    (root / "actions.csv").write_text(ACTIONS)
    for name, rows in annotations.items():
        (root / "coarse_labels" / f"{name}.txt").write_text("".join(f"{a}\t{b}\tattach\t\n" for a, b in rows))
    (root / "coarse_splits").mkdir()
    for name, names in lists.items():
        (root / "coarse_splits" / f"{name}.txt").write_text("".join(f"{n}\n" for n in names))
    return root


@pytest.fixture
def folder(tmp_path):
    """Two labelled recordings, one of them in two annotations, and one without labels."""
    return assembly(
        tmp_path / "set",
        {"a": 40, "b": 50, "free": 30},
        {"assembly_a": [(1, 20)], "disassembly_a": [(22, 41)], "assembly_b": [(5, 45)]},
        {"pairs": ["free", "assembly_free"], "train": ["disassembly_a", "assembly_a"], "test": ["b"]},
    )


def opened(root, **settings):
    return open_dataset(DataConfig(data=str(root), **settings))


def test_the_assembly101_layout(folder):
    data = opened(folder)
    assert (data.name, data.simulated, data.source.fps) == ("set", False, 30.0)
    assert data.source.recordings == ("a", "b", "free")
    assert data.source.views("a") == ("v3", "e4")
    assert data.views["e4"].kind == "ego"
    assert data.labels.actions == ("attach", "detach")
    assert data.items("train") == (Item("disassembly_a", "a", 22, 41), Item("assembly_a", "a", 1, 20))
    assert data.items("test") == (Item("assembly_b", "b", 5, 45),)
    assert {item.name for item in all_items(data)} == {"assembly_a", "disassembly_a", "assembly_b"}


def test_recordings_without_labels_serve_as_pairs_as_a_whole_and_once(folder):
    assert opened(folder).items("pairs") == (Item("free", "free", 1, 31),)
    (folder / "coarse_splits" / "test.txt").write_text("free\n")
    (folder / "coarse_splits" / "pairs.txt").unlink()
    with pytest.raises(DataError, match=r"1 of 1 items listed in 'test' have no features or no labels.*free"):
        opened(folder, missing="skip").items("test")


def test_a_whole_recording_is_what_all_views_share(tmp_path):
    recordings = random_recordings(4, {"r": 30}, first=0)
    recordings["r"][E4] = (0, recordings["r"][E4][1][:22], ())
    write_npy(tmp_path / "features", recordings)
    assert all_items(opened(tmp_path)) == (Item("r", "r", 0, 22),)


def test_views_without_a_common_frame_are_told(tmp_path):
    x_TD = np.ones((5, 4), np.float32)
    write_lmdb(tmp_path / "TSM_features", {"r": {V3: (1, x_TD, ()), E4: (90, x_TD, ())}})
    with pytest.raises(DataError, match=r"views of recording r have no frame in common: v3 1 to 6, e4 90 to 95"):
        all_items(opened(tmp_path))


def test_listed_items_without_features_stop_or_are_left_out_aloud(folder, capsys):
    with (folder / "coarse_splits" / "train.txt").open("a") as file:
        file.write("assembly_gone\nassembly_lost\n")
    with pytest.raises(
        DataError, match=r"2 of 4 items listed in 'train'.*assembly_gone, assembly_lost.*--missing skip"
    ):
        opened(folder).items("train")
    data = opened(folder, missing="skip")
    assert [item.name for item in data.items("train")] == ["disassembly_a", "assembly_a"]
    data.items("train")
    assert capsys.readouterr().err.count("2 of 4 items listed in 'train'") == 1


def test_labels_past_the_end_stop_or_are_cut_aloud(folder, capsys):
    (folder / "coarse_labels" / "assembly_b.txt").write_text("5\t45\tattach\t\n45\t60\tdetach\t\n")
    told = (
        r"assembly_b\.txt: assembly_b is labelled from frame 5 to 60, but the features of recording b run from 1 to 51"
    )
    with pytest.raises(DataError, match=rf"{told}.*--past_end cut"):
        opened(folder).items("test")
    data = opened(folder, past_end="cut")
    assert data.items("test") == (Item("assembly_b", "b", 5, 51),)
    assert "what lies outside is cut" in capsys.readouterr().err
    (folder / "coarse_labels" / "assembly_b.txt").write_text("0\t9\tattach\t\n")
    with pytest.raises(DataError, match="from frame 0 to 9"):
        opened(folder).items("test")
    assert opened(folder, past_end="cut").items("test") == (Item("assembly_b", "b", 1, 9),)
    (folder / "coarse_labels" / "assembly_b.txt").write_text("70\t90\tattach\t\n")
    with pytest.raises(DataError, match="1 of 1 items listed in 'test' have no features"):
        opened(folder, past_end="cut").items("test")


def test_one_short_view_cuts_no_labels(tmp_path):
    recordings = random_recordings(6, {"a": 40})
    recordings["a"][E4] = (1, recordings["a"][E4][1][:10], ())
    root = assembly(tmp_path / "set", {"a": 40}, {"assembly_a": [(1, 41)]}, {"test": ["assembly_a"]})
    write_lmdb(tmp_path / "short", recordings)
    data = opened(root, features=str(tmp_path / "short"))
    assert data.source.span("a", "e4") == (1, 11)
    assert data.items("test") == (Item("assembly_a", "a", 1, 41),)


def test_the_mstcn_layout(tmp_path):
    write_npy(tmp_path / "features", {"v1": {"cam": (0, np.ones((12, 4), np.float32), ())}}, "flat")
    for name, text in {
        "mapping.txt": "0 background\n1 pour\n",
        "groundTruth/v1.txt": "background\n" * 5 + "pour\n" * 7,
        "splits/train.split1.bundle": "v1.txt\n",
        "splits/test.split1.bundle": "v9.txt\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    data = opened(tmp_path, axes="dt")
    assert data.items("train") == (Item("v1", "v1", 0, 12),)
    assert data.labels.annotations["v1"].ends.tolist() == [5, 12]
    assert data.labels.actions == ("background", "pour")


def write_table(root, recordings=6, text=None, **files):
    write_npy(root / "features", random_recordings(4, {f"r{i}": 30 + i for i in range(recordings)}, ("a", "b"), 0))
    rows = text or "recording,start,end,label\n" + "".join(f"r{i},0,30,x\n" for i in range(recordings))
    (root / "labels.csv").write_text(rows)
    for name, content in files.items():
        (root / name.replace("_yaml", ".yaml").replace("_txt", ".txt")).write_text(content)
    return root


def test_the_table_layout(tmp_path):
    data = opened(
        write_table(tmp_path, views_yaml="views: {left: {kind: exo, cameras: [a]}, b: {}}", actions_txt="x\ny\n")
    )
    assert data.source.views("r0") == ("left", "b")
    assert data.labels.actions == ("x", "y")
    assert data.splits is None
    with pytest.raises(DataError, match="has no split lists. Pass --splits FOLDER, or --splits generate"):
        data.items("train")


def test_times_in_seconds_need_a_frame_rate_that_somebody_says(tmp_path):
    write_table(tmp_path, text="recording,start_s,end_s,label\nr0,0,1,x\n")
    with pytest.raises(DataError, match=r"line 2 gives seconds.*--fps"):
        opened(tmp_path)
    assert opened(tmp_path, fps=25.0).labels.annotations["r0"].end == 25
    (tmp_path / "dataset.yaml").write_text("fps: 20\n")
    assert opened(tmp_path).labels.annotations["r0"].end == 20
    assert opened(tmp_path).source.fps == 20


def test_drawn_splits_are_of_what_has_features_and_unlabelled_recordings_are_pairs(tmp_path):
    rows = "".join(f"r{i},0,30,x\n" for i in range(8))
    root = write_table(tmp_path, 10, f"recording,start,end,label\n{rows}gone,0,9,x\n")
    data = opened(root, splits="generate")
    assert {"r8", "r9"} < set(data.splits.pairs)
    assert sorted(name for role in ROLES for name in data.splits.role(role)) == [f"r{i}" for i in range(10)]
    assert overlaps(data.splits) == {}
    assert opened(root, splits="generate").splits == data.splits
    assert opened(root, splits="generate", split_seed=1).splits != data.splits
    assert [item.recording for item in data.items("test")] == list(data.splits.test)


def test_drawn_splits_keep_together_what_matches(tmp_path):
    root = tmp_path / "set"
    names = [f"take{t}_person{p}" for p in range(8) for t in range(3)]
    write_npy(root / "features", random_recordings(4, {name: 10 + i for i, name in enumerate(names)}, ("a", "b"), 0))
    labelled = [name for name in names if "take2" not in name]
    (root / "labels.csv").write_text("recording,start,end,label\n" + "".join(f"{n},0,10,x\n" for n in labelled))
    splits = opened(root, splits="generate", split_by=r"person(\d+)").splits
    people = {role: {name[-1] for name in splits.role(role)} for role in ROLES}
    assert sum(map(len, people.values())) == 8
    unlabelled = {name for name in splits.pairs if "take2" in name}
    assert {name[-1] for name in unlabelled} == people["pairs"]
    with pytest.raises(ConfigError, match="matches nothing in the recording's name 'take0_person0'"):
        opened(root, splits="generate", split_by="user")
    with pytest.raises(ConfigError, match="no regular expression"):
        opened(root, splits="generate", split_by="(")


def test_overlap_is_allowed_by_name(folder):
    (folder / "coarse_splits" / "val.txt").write_text("assembly_a\n")
    with pytest.raises(DataError, match="both in train and in val: a"):
        opened(folder)
    assert opened(folder, allow_overlap="own").items("val")[0].name == "assembly_a"


def test_simulated_features_are_known_by_their_file(folder):
    (folder / "simulation.json").write_text("{}")
    assert opened(folder).simulated
    assert opened(folder.parent / "set", features=str(folder / "TSM_features")).simulated


def test_a_data_set_file_says_settings_once(folder, tmp_path):
    (folder / "lists").mkdir()
    (folder / "lists" / "train.txt").write_text("assembly_b\n")
    (folder / "dataset.yaml").write_text("name: bench\nsplits: lists\nmissing: skip\nsplit_seed: 3\n")
    data = opened(folder)
    assert (data.name, data.missing) == ("bench", "skip")
    assert data.splits.train == ("assembly_b",)
    assert opened(folder, splits=str(folder / "coarse_splits")).splits.test == ("b",)
    assert with_dataset_file(DataConfig(data=str(folder)))[0].split_seed == 3


@pytest.mark.parametrize(
    ("name", "said", "default"),
    [
        ("layout", "table", "auto"),
        ("missing", "skip", "error"),
        ("past_end", "cut", "error"),
        ("axes", "td", "auto"),
        ("split_variant", "vic", "auto"),
        ("split_seed", 3, 0),
        ("pool_cache_gib", 2.5, 20.0),
    ],
)
def test_the_line_beats_the_data_set_file_which_beats_the_default(folder, name, said, default):
    (folder / "dataset.yaml").write_text(f"{name}: {said}\n")

    def found(**line):
        return getattr(with_dataset_file(DataConfig(data=str(folder), **line))[0], name)

    assert found() == said
    assert found(**{name: default}) == default
    (folder / "dataset.yaml").write_text("")
    assert found() == default


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("feature: x\n", "sets feature; settings are: name, layout, features"),
        ("data: x\n", "sets data; settings"),
        ("missing: maybe\n", "missing is 'maybe', but must be one of error, skip"),
        ("fps: fast\n", "fps is 'fast', but must be a number or empty"),
        ("fps: true\n", "fps is True"),
        ("split_seed: 1.5\n", "split_seed is 1.5, but must be a whole number"),
        ("layout: [a]\n", "layout is .*must be text"),
        ("- a\n", "must hold a table"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_a_bad_data_set_file_is_told(folder, text, told):
    (folder / "dataset.yaml").write_text(text)
    with pytest.raises(DataError, match=rf"dataset\.yaml.*{told}"):
        opened(folder)


def test_folders_that_are_none_are_told(tmp_path):
    with pytest.raises(DataError, match="nowhere is not there"):
        opened(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file is a file"):
        opened(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"none of the known layouts.*assembly101: coarse_labels/.*mstcn: .*table: "):
        opened(tmp_path / "empty")
    with pytest.raises(
        ConfigError, match="no data-set layout 'video'; there are: 50salads, assembly101, .*mstcn, table"
    ):
        opened(tmp_path / "empty", layout="video")


def test_a_folder_without_features_opens_for_its_labels_only(folder):
    shutil.rmtree(folder / "TSM_features")
    _, parts = find_files(DataConfig(data=str(folder)))
    assert parts.features is None
    with pytest.raises(DataError, match="holds no features. Pass --features"):
        opened(folder)


def test_one_of_several_stores_must_be_chosen(folder):
    write_lmdb(folder / "other", random_recordings(6, {"b": 40}))
    assert opened(folder).source.recordings == ("a", "b", "free")  # the usual name wins
    (folder / "TSM_features").rename(folder / "one")
    with pytest.raises(DataError, match="several feature stores: one, other"):
        opened(folder)
    shutil.rmtree(folder / "other")
    assert opened(folder).source.recordings == ("a", "b", "free")
    write_lmdb(folder / "two", random_recordings(6, {"a": 40}))
    with pytest.raises(DataError, match="several feature stores: one, two. Pass --features"):
        opened(folder)
    assert opened(folder, features=str(folder / "two")).source.recordings == ("a",)


def test_a_camera_under_two_serials_is_one_view(tmp_path):
    x_TD = np.ones((9, 4), np.float32)
    write_lmdb(
        tmp_path / "TSM_features", {"a": {E4: (1, x_TD, ())}, "b": {"HMC_21179183_mono10bit": (1, 2 * x_TD, ())}}
    )
    source = opened(tmp_path).source
    assert source.read("a", "e4", 1, 2)[0, 0] == 1
    assert source.read("b", "e4", 1, 2)[0, 0] == 2


def test_the_real_folder_opens_with_its_sample(assembly101):
    data = opened(assembly101, missing="skip", past_end="cut")
    assert (len(data.labels.annotations), data.source.dim("v3")) == (513, 2048)
    assert data.source.span(data.source.recordings[0], "v3") == (1, 101)
    assert json.dumps(data.splits.val)


def short_view(tmp_path):
    """Three views of one recording, of 100, 90 and 30 frames."""
    for view, frames in (("v3", 100), ("e4", 90), ("v9", 30)):
        folder = tmp_path / "features" / "r" / view
        folder.mkdir(parents=True)
        np.save(folder / "features.npy", np.ones((frames, 3), np.float32))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "pairs.txt").write_text("r\n")
    return open_dataset(DataConfig(data=str(tmp_path)))


def test_a_view_that_nobody_asked_for_cuts_no_pair(tmp_path):
    data = short_view(tmp_path)
    assert data.items("pairs", ("v3", "e4")) == (Item("r", "r", 0, 90),)
    assert data.items("pairs", ("v3", "v9")) == (Item("r", "r", 0, 30),)


def test_a_short_view_does_not_cut_a_pair_of_two_longer_ones(tmp_path):
    """What it lacks counts as missing."""
    assert short_view(tmp_path).items("pairs", ("v3", "e4", "v9")) == (Item("r", "r", 0, 90),)
