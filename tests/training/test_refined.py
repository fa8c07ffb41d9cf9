"""Refined features kept in memory: the same to the bit, refined once, bounded, and not read again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.continued import begun_with
from tests.features.arrays import random_source
from tests.tiny import DIM, all_items, write_tiny
from tests.windows.test_segments import items_of
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.methods.refiner_file import save_refiner
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.settings import ResidualConfig, TwoStreamConfig
from viewloom.metrics.segments import IGNORE
from viewloom.registry import HEADS, METHODS
from viewloom.training.refined import GIB, FrozenRefiner
from viewloom.training.segment import run_train
from viewloom.training.segmenter import Segmenter
from viewloom.training.settings import TrainConfig, TrainerConfig
from viewloom.windows.pairs import ViewWindows, make_view_loader
from viewloom.windows.plan import FILLER
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows, collate, dataset_windows, make_loader

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = write_tiny(tmp_path_factory.mktemp("tiny") / "data")
    path = root / "features" / "p01" / "v3" / "features.npy"
    x_TD = np.load(path)
    x_TD[30:130] = np.nan  # whole chunks without a frame: masks are kept too
    np.save(path, x_TD)
    return str(root)


def refiner(**changes):
    torch.manual_seed(3)
    return ResidualRefiner("two_stream", DIM, ("v3", "e4"), ResidualConfig(layers=2, **changes)).freeze()


def windows_of(data, seed=0, unread=()):
    dataset = open_dataset(DataConfig(data=data))
    return dataset_windows(dataset, all_items(dataset), ("v3", "e4"), Sampling(max_chunks=12), seed, unread)


def epochs(frozen, windows, count):
    """Refined batches of several epochs, as training gets them."""
    loader = make_loader(windows, 3, seed=1)
    for epoch in range(count):
        loader.batch_sampler.set_epoch(epoch)
        yield from (frozen.refine(batch) for batch in loader)


class Counting(ResidualRefiner):
    calls = 0

    def encode(self, x_BTD, mask_BT, view, step_s=None):
        self.calls += 1
        return super().encode(x_BTD, mask_BT, view, step_s)


@pytest.mark.parametrize("context", ["frame", "time"])
def test_kept_features_are_those_refined_anew_to_the_bit(data, context):
    kept, anew = FrozenRefiner(refiner(context=context), 1.0), FrozenRefiner(refiner(context=context), 0.0)
    pairs = zip(epochs(kept, windows_of(data, unread=kept.kept), 4), epochs(anew, windows_of(data), 4), strict=True)
    holes = 0
    for one, other in pairs:
        assert one.windows == other.windows and one.features_BTD.any()
        holes += int((~one.mask_BT).sum()) - sum(one.mask_BT.shape[1] - window.steps for window in one.windows)
        for name in ("features_BTD", "mask_BT", "labels_BT"):
            assert torch.equal(getattr(one, name), getattr(other, name))
    assert kept.kept and not anew.kept and holes


def test_row_by_row_is_what_the_batch_gives(data):
    batch = collate([windows_of(data)[0, row] for row in range(7)])
    frozen = FrozenRefiner(refiner(context="time"))
    refined = frozen.refine(batch)
    for view in ("v3", "e4"):
        rows = [place for place, name in enumerate(batch.views) if name == view]
        whole = frozen.refiner.encode(batch.features_BTD[rows], batch.mask_BT[rows], view)
        torch.testing.assert_close(refined.features_BTD[rows], whole, atol=1e-5, rtol=1e-5)


def test_each_window_is_refined_once_and_read_once(data):
    counting = Counting("two_stream", DIM, ("v3", "e4"), ResidualConfig(layers=1)).freeze()
    frozen = FrozenRefiner(counting, 1.0)
    windows = windows_of(data, seed=None, unread=frozen.kept)
    reads, source = [], windows.source

    class Watched:
        def __getattr__(self, name):
            if name.startswith("read"):
                reads.append(name)
            return getattr(source, name)

    windows._reader = windows._uncached = Watched()
    for _ in epochs(frozen, windows, 1):
        pass
    after_one = len(reads)
    assert counting.calls == len(windows) == len(frozen.kept) and after_one
    for _ in epochs(frozen, windows, 3):
        pass
    assert counting.calls == len(windows) and len(reads) == after_one


def test_memory_stays_within_what_is_allowed(data):
    windows = windows_of(data)
    size = sum(12 * (4 * DIM + 1) for _ in range(5))
    frozen = FrozenRefiner(refiner(), size / GIB)
    for _ in epochs(frozen, windows, 3):
        pass
    held = sum(z.nbytes + mask.nbytes for z, mask in frozen.kept.values())
    assert 0 < held <= size


def test_nothing_is_kept_where_results_depend_on_the_batch(data):
    frozen = FrozenRefiner(refiner(context="batch"), 1.0)
    windows = windows_of(data)
    batch = collate([windows[0, row] for row in range(3)])
    assert frozen.refine(batch).features_BTD.shape == batch.features_BTD.shape
    assert not frozen.kept


@pytest.mark.parametrize("context", ["frame", "time", "batch"])
def test_a_filler_stays_masked(data, context):
    frozen = FrozenRefiner(refiner(context=context), 1.0)
    windows = windows_of(data, unread=frozen.kept)
    for rows in ([0, FILLER], [FILLER], [FILLER, 0]):
        batch = frozen.refine(collate([windows[0, row] for row in rows]))
        filled = [row == FILLER for row in rows]
        assert (batch.mask_BT.any(dim=1) == ~torch.tensor(filled)).all() and batch.features_BTD.isfinite().all()


def test_a_window_that_is_not_read_keeps_its_labels(data):
    plain = windows_of(data, seed=None)
    row = plain[0, 1]
    unread = windows_of(data, seed=None, unread={(row.window, row.view)})[0, 1]
    assert (unread.labels_S == row.labels_S).all() and (row.labels_S != IGNORE).any()
    assert unread.pooled is None and not collate([unread]).mask_BT.any() and not collate([unread]).features_BTD.any()
    assert collate([unread]).features_BTD.shape == collate([row]).features_BTD.shape


@pytest.mark.parametrize("head", ["linear", "c2f_tcn"])
def test_a_head_learns_the_same_with_and_without_the_cache(data, tmp_path, head):
    path = tmp_path / "refiner.safetensors"
    save_refiner(refiner(), path)
    weights = []
    for gib in (0.0, 1e-6, 1.0):  # none, a few windows, all
        run = tmp_path / f"{gib}"
        config = TrainConfig(
            data=data,
            run=str(run),
            views="v3,e4",
            refiner=str(path),
            head=head,
            epochs=2,
            batch_size=3,
            refined_cache_gib=gib,
            trainer=QUIET,
        )
        weights.append((load_file(run_train(config)), (run / "metrics.csv").read_text()))
    for state, metrics in weights[1:]:
        assert metrics == weights[0][1]
        assert all(torch.equal(value, weights[0][0][name]) for name, value in state.items())


def test_no_negative_memory():
    with pytest.raises(ConfigError, match="refined_cache_gib"):
        TrainConfig(data="d", run="r", views="v3", refined_cache_gib=-1.0)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_items_computed_together_are_those_computed_alone(data, batch_size):
    dataset = open_dataset(DataConfig(data=data))
    torch.manual_seed(0)
    head = HEADS.get("c2f_tcn")(DIM, 4).eval()
    sampling = Sampling(max_chunks=9)
    segmenter = Segmenter(head, FrozenRefiner(refiner()), sampling, torch.device("cpu"), batch_size)
    items = all_items(dataset)[:4]
    found = list(segmenter.each(dataset.source, items, "e4"))
    assert [item for item, _ in found] == list(items)
    alone = replace(segmenter, batch_size=2)
    for item, probs_TK in found:
        wanted_TK = next(alone.each(dataset.source, [item], "e4"))[1]
        assert probs_TK.shape == wanted_TK.shape == (item.end - item.start, 4)
        torch.testing.assert_close(torch.from_numpy(probs_TK), torch.from_numpy(wanted_TK), atol=2e-6, rtol=1e-5)


def test_windows_of_several_items_share_a_batch(data):
    dataset = open_dataset(DataConfig(data=data))
    head = HEADS.get("linear")(DIM, 4).eval()
    sizes = []
    head.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    items = all_items(dataset)
    segmenter = Segmenter(head, None, Sampling(), torch.device("cpu"), 8)
    assert len(list(segmenter.each(dataset.source, items, "v3"))) == len(items)
    rows = sum(
        len(SegmentWindows(dataset.source, None, items, ["v3"], Sampling(), chunk_frames=c)) for c in (10, 17, 24)
    )
    assert sum(sizes) == rows and set(sizes[:-1]) == {8}


def test_a_resumed_head_goes_on_with_the_refiner_it_began_with(data, tmp_path):
    """Checkpoints leave the refiner out; the run folder's own copy takes its place."""
    path = tmp_path / "refiner.safetensors"
    save_refiner(refiner(), path)

    def config(name, epochs, resume=False):
        run = str(tmp_path / name)
        settings = {"data": data, "views": "v3", "refiner": str(path), "head": "linear", "batch_size": 3}
        return TrainConfig(**settings, run=run, epochs=epochs, resume=resume, trainer=QUIET)

    whole = load_file(run_train(config("whole", 4)))
    run_train(config("cut", 2))
    state = torch.load(tmp_path / "cut" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert state and all(name.startswith("head.") for name in state)
    begun_with(tmp_path / "cut", epochs=4)
    path.unlink()
    resumed = load_file(run_train(config("cut", 4, resume=True)))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    torch.manual_seed(77)
    save_refiner(ResidualRefiner("two_stream", DIM, ("v3", "e4"), ResidualConfig(layers=2)), path)
    with pytest.raises(ConfigError, match="files of refiner"):
        run_train(config("cut", 4, resume=True))


@pytest.mark.parametrize("context", ["frame", "batch"])
def test_each_view_is_refined_at_its_own_size(context):
    source = random_source(views=("v3", "e4"), dim=(4, 6))
    windows = SegmentWindows(source, None, items_of(source), ("v3", "e4"), Sampling())
    batch = collate([windows[0, row] for row in range(len(windows))])
    method = METHODS.get("two_stream")(
        (4, 6), ("v3", "e4"), TwoStreamConfig(layers=1, joint_depth=0.1, stem="cca", context=context)
    )
    for pairs in make_view_loader(ViewWindows(source, items_of(source), ("v3", "e4"), Sampling()), 8):
        method.accumulate(pairs)
    method.solve()
    refined = FrozenRefiner(method.refiner.freeze()).refine(batch)
    assert refined.features_BTD.shape[2] == 4
    for view, size in (("v3", 4), ("e4", 6)):
        rows = [place for place, name in enumerate(batch.views) if name == view]
        whole = method.encode(batch.features_BTD[rows, :, :size], batch.mask_BT[rows], view)
        torch.testing.assert_close(refined.features_BTD[rows], whole, atol=1e-5, rtol=1e-5)
