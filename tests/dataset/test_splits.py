"""Split lists as published, drawn ones, and recordings that may not serve twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewloom.dataset.label_files import recording_of
from viewloom.dataset.splits import (
    ROLES,
    VARIANTS,
    Splits,
    generate_splits,
    overlaps,
    read_list,
    read_splits,
    refuse_overlap,
    write_splits,
)
from viewloom.errors import ConfigError, DataError

SHARES = {"pairs": 0.4, "train": 0.3, "val": 0.1, "test": 0.2}


def load_splits(folder, variant="auto", allow_overlap=None):
    splits, name = read_splits(folder, variant)
    refuse_overlap(splits, recording_of, name, str(folder), allow_overlap)
    return splits, name


def write(folder, **lists):
    folder.mkdir(exist_ok=True)
    for name, names in lists.items():
        (folder / f"{name}.txt").write_text("".join(f"{n}\n" for n in names))
    return folder


def test_lists_as_published_are_read(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"assembly_a.txt\t\t-\tb06b\t-\r\nassembly_b\r\n\r\nc.txt\n")
    assert read_list(path) == ("assembly_a", "assembly_b", "c")


@pytest.mark.parametrize(("text", "told"), [("\n \n", "is empty"), ("a\nb\na.txt\n", "names a twice")])
def test_bad_lists_are_told(tmp_path, text, told):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=rf"list\.txt.*{told}"):
        read_list(tmp_path / "list.txt")


def test_a_name_in_two_files_of_a_role_is_told(tmp_path):
    names = {"train_coarse_assembly": ["assembly_a", "b"], "train_coarse_disassembly": ["disassembly_a", "b"]}
    names |= {"val_coarse_assembly": ["assembly_c"], "val_coarse_disassembly": ["disassembly_c"]}
    assert load_splits(write(tmp_path / "s", **names))[0].train == ("assembly_a", "b", "disassembly_a")
    write(tmp_path / "s", train_coarse_disassembly=["disassembly_a", "assembly_a"])
    with pytest.raises(
        DataError, match=r"train_coarse_disassembly.txt names assembly_a, and train_coarse_assembly.txt"
    ):
        load_splits(tmp_path / "s")


def test_own_lists_may_lack_roles(tmp_path):
    folder = write(tmp_path / "s", train=["a"], test=["b"])
    splits, name = load_splits(folder)
    assert (splits, name) == (Splits(train=("a",), test=("b",)), "own")
    assert splits.role("test") == ("b",)
    with pytest.raises(DataError, match="'pairs' is empty; filled are: train, test"):
        splits.role("pairs")


def test_bundles_are_read_by_fold(tmp_path):
    for fold in (1, 2):
        (tmp_path / f"train.split{fold}.bundle").write_text(f"v{fold}.txt\n")
        (tmp_path / f"test.split{fold}.bundle").write_text(f"w{fold}.txt\n")
    assert load_splits(tmp_path) == (Splits(train=("v1",), test=("w1",)), "mstcn")
    assert load_splits(tmp_path, "mstcn2") == (Splits(train=("v2",), test=("w2",)), "mstcn2")


def test_folders_without_lists_are_told(tmp_path):
    with pytest.raises(DataError, match="holds no split lists. Looked for own: train.txt; vic: FINAL_USE_Train_vic"):
        load_splits(tmp_path)
    with pytest.raises(DataError, match="holds none of pairs.txt"):
        load_splits(tmp_path, "own")
    with pytest.raises(DataError, match="FINAL_USE_Pair_vic.txt is not there"):
        load_splits(tmp_path, "vic")
    with pytest.raises(ConfigError, match="no split variant 'mine'; there are: auto, own, vic"):
        load_splits(tmp_path, "mine")


@pytest.mark.parametrize("pair", [("train", "test"), ("pairs", "test"), ("val", "test"), ("pairs", "train")])
def test_a_recording_in_two_roles_is_refused_unless_asked_for(tmp_path, pair):
    folder = write(tmp_path / "s", **{pair[0]: ["assembly_x", "y"], pair[1]: ["disassembly_x", "z"]})
    with pytest.raises(DataError, match=rf"1 recording\(s\) are both in {pair[0]} and in {pair[1]}: x\."):
        load_splits(folder)
    with pytest.raises(DataError, match="both in"):
        load_splits(folder, allow_overlap="vic")
    assert load_splits(folder, allow_overlap="own")[0].role(pair[0]) == ("assembly_x", "y")
    assert overlaps(read_splits(folder)[0]) == {pair: ("x",)}


def test_published_leaks_must_be_asked_for_by_name(tmp_path):
    lists = {
        "FINAL_USE_Train_Pair_Triple": ["assembly_a", "assembly_b"],
        "FINAL_USE_Val_vic": ["assembly_a"],
        "FINAL_USE_Test_vic": ["assembly_c"],
    }
    folder = write(tmp_path / "s", **lists)
    with pytest.raises(DataError, match=r"both in pairs and in val: a\..*6 of the 8.*--allow_overlap triple"):
        load_splits(folder, "triple")
    splits, _ = load_splits(folder, "triple", allow_overlap="triple")
    assert splits.pairs == splits.train == ("assembly_a", "assembly_b")
    (folder / "FINAL_USE_Val_vic.txt").write_text("assembly_d\n")
    assert load_splits(folder, "triple")[0].val == ("assembly_d",)  # pairs and train may share: no labels are used


@given(st.integers(4, 60), st.integers(0, 5), st.randoms())
def test_drawn_splits_part_recordings_whatever_their_order(count, seed, random):
    names = [f"{kind}_r{i}" for i in range(count) for kind in ("assembly", "disassembly")]
    splits = generate_splits(names, SHARES, seed)
    assert overlaps(splits) == {}
    drawn = [name for role in ROLES for name in splits.role(role)]
    assert sorted(drawn) == sorted(names)
    assert generate_splits(random.sample(names, len(names)), SHARES, seed) == splits
    sizes = [len({recording_of(name) for name in splits.role(role)}) for role in ROLES]
    assert all(abs(size - SHARES[role] * count) < 1.5 or size == 1 for role, size in zip(ROLES, sizes, strict=True))


def test_drawn_splits_depend_on_the_seed_and_keep_groups_together():
    names = [f"p{person}_{take}" for person in range(12) for take in range(5)]
    by_person = [generate_splits(names, SHARES, seed, group=lambda name: name.split("_")[0]) for seed in (0, 1)]
    assert by_person[0] != by_person[1]
    people = [{name.split("_")[0] for name in by_person[0].role(role)} for role in ROLES]
    assert sum(map(len, people)) == 12
    assert set.union(*people) == {f"p{i}" for i in range(12)}


def test_shares_below_one_leave_recordings_out():
    splits = generate_splits([f"r{i}" for i in range(10)], {"train": 0.5, "test": 0.2})
    assert [len(getattr(splits, role)) for role in ROLES] == [0, 5, 0, 2]


@pytest.mark.parametrize("shares", [{"train": 0.7, "test": 0.4}, {"train": -0.1}, {"learn": 0.5}])
def test_impossible_shares_are_told(shares):
    with pytest.raises(ConfigError, match="sum to at most 1"):
        generate_splits(["a", "b"], shares)


def test_too_few_recordings_are_told():
    with pytest.raises(ConfigError, match=r"3 recording\(s\).*4 roles"):
        generate_splits(["a", "b", "c"], SHARES)


def test_written_splits_come_back_and_nothing_is_overwritten(tmp_path):
    splits = generate_splits([f"r{i}" for i in range(9)], SHARES)
    write_splits(splits, tmp_path / "s")
    assert load_splits(tmp_path / "s") == (splits, "own")
    with pytest.raises(ConfigError, match=r"pairs\.txt is already there"):
        write_splits(splits, tmp_path / "s")
    write_splits(Splits(train=("a",)), tmp_path / "s", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["train.txt"]


REAL_SIZES = {
    "vic": (180, 180, 8, 110),
    "triple": (360, 360, 8, 110),
    "bold": (226, 122, 0, 110),
    "official": (0, 393, 0, 120),
}


@pytest.mark.parametrize("variant", REAL_SIZES)
def test_the_real_lists(assembly101, variant):
    splits, _ = load_splits(assembly101 / "coarse_splits", variant, allow_overlap="triple")
    assert tuple(len(getattr(splits, role)) for role in ROLES) == REAL_SIZES[variant]
    files = {path.stem for path in (assembly101 / "coarse_labels").iterdir()}
    assert all(set(getattr(splits, role)) <= files for role in ROLES)


def test_the_real_lists_leak_where_it_is_said(assembly101):
    folder = assembly101 / "coarse_splits"
    assert load_splits(folder)[1] == "vic"
    splits, _ = read_splits(folder, "triple")
    assert len(set(splits.train) & set(splits.val)) == 6
    assert set(overlaps(splits)) == set(VARIANTS["triple"].leaks) | set(VARIANTS["triple"].shared)
    for variant in ("vic", "bold", "official"):
        assert overlaps(read_splits(folder, variant)[0]) == {}
