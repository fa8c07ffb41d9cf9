"""One way to deal recordings to roles; it gives the lists recorded when there were three."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from viewloom.dataset.folds import leave_out
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.splits import Splits, deal, generate_splits
from viewloom.training.invariance import hold_out


@given(st.integers(0, 30), st.lists(st.integers(0, 9), max_size=4), st.none() | st.integers(0, 99))
def test_each_role_gets_its_number_of_groups_in_turn(count, sizes, seed):
    groups = [f"g{i}" for i in range(count)]
    wanted = {f"role{i}": size for i, size in enumerate(sizes)}
    role_of = deal(groups, wanted, None if seed is None else np.random.default_rng(seed))
    order = groups if seed is None else [groups[i] for i in np.random.default_rng(seed).permutation(count)]
    assert list(role_of) == order[: sum(sizes)]
    assert list(role_of.values()) == [role for role, size in wanted.items() for _ in range(size)][:count]


def test_drawn_lists_are_those_recorded():
    names = [f"{kind}_r{i}" for i in range(9) for kind in ("assembly", "disassembly")]
    drawn = generate_splits(names, {"pairs": 0.4, "train": 0.3, "val": 0.1, "test": 0.2}, 7)
    both = {"pairs": (0, 6, 8), "train": (2, 3, 4), "val": (5,), "test": (1, 7)}
    assert drawn == Splits(
        **{
            role: tuple(f"{kind}_r{i}" for kind in ("assembly", "disassembly") for i in places)
            for role, places in both.items()
        }
    )


def test_held_out_recordings_are_those_recorded():
    items = [SimpleNamespace(recording=f"r{i}") for i in range(10)]
    _, held = hold_out(items, 0.3, 7, {f"r{i}" for i in range(1, 10)})
    assert [item.recording for item in held] == ["r1", "r2", "r7"]


def test_groups_that_choose_the_epoch_come_after_the_tested_one():
    names = [f"P{person}_{take}" for person in (10, 1, 2, 9, 3) for take in (1, 0)]
    found = {name: SimpleNamespace(name=name, recording=name, start=0) for name in names}
    folds = leave_out([*names, "x_0"], LabelSet(("a",), found), lambda name: name.split("_")[0], 2)
    assert [fold.group for fold in folds] == ["P1", "P2", "P3", "P9", "P10"]
    last = folds[3].splits
    assert last.test == ("P9_0", "P9_1")
    assert last.val == ("P10_0", "P10_1", "P1_0", "P1_1")
    assert last.train == ("P2_0", "P2_1", "P3_0", "P3_1")
    assert last.pairs == ("P2_0", "P2_1", "P3_0", "P3_1", "x_0")
