"""Features held on the device: batches equal the loader's to the bit, and so do trained weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.features.arrays import ArraySource, random_arrays, random_source
from tests.tiny import all_items, write_tiny
from tests.windows.reading import assert_same_bits
from tests.windows.test_segments import items_of
from viewloom.dataset.dataset import Item
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.methods.settings import TwoStreamConfig
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import PretrainConfig, TrainConfig, TrainerConfig
from viewloom.windows.pairs import ViewWindows, make_view_loader
from viewloom.windows.resident import ResidentSegments, ResidentViews, needed_bytes, resident
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches, SegmentWindows, dataset_windows, make_loader

CPU = torch.device("cpu")
QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module", params=[np.float32, np.float16])
def data(request, tmp_path_factory):
    """Features that float16 holds exactly, or doesn't; one view with holes, one recording without a view."""
    root = write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=16)
    rng = np.random.default_rng(0)
    for path in sorted(root.rglob("features.npy")):
        x_TD = (np.load(path) - 1).astype(request.param).astype(np.float32)
        x_TD[rng.random(x_TD.shape) < 0.1] = -0.0
        if path.parts[-3:-1] in {("p01", "v3"), ("p02", "e4")}:
            x_TD[30:130:3] = np.nan
            x_TD[180:250] = np.nan
        np.save(path, x_TD)
    return str(root)


def compare(loader, held):
    batches = 0
    for epoch in range(3):
        loader.batch_sampler.set_epoch(epoch)
        held.sampler.set_epoch(epoch)
        for one, other in zip(loader, held, strict=True):
            assert_same_bits(one, other)
            batches += 1
    assert batches == 3 * len(held)


@pytest.mark.parametrize("probability", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["segments", "views"])
@pytest.mark.parametrize("pooling", ["max", "mean", "both", "first"])
def test_batches_are_the_loader_s_to_the_bit(data, kind, probability, pooling):
    dataset = open_dataset(DataConfig(data=data))
    sampling = Sampling(augment_probability=probability, max_chunks=15, pooling=pooling)
    if kind == "segments":
        windows = dataset_windows(dataset, all_items(dataset), ("v3", "e4"), sampling, 5)
        loader, cls = make_loader(windows, 3, 1), ResidentSegments
    else:
        windows = ViewWindows(dataset.source, all_items(dataset), ("v3", "e4"), sampling, 5)
        loader, cls = make_view_loader(windows, 3, 1), ResidentViews
    held = resident(cls, windows, EpochBatches(len(windows), 3, 1), CPU, "always")
    compare(loader, held)
    if pooling != "max" and probability == 0:
        return  # a mean of halves is no half
    halves = {stretch.x_ND.dtype for stretch in held.stretches.values()}
    exact = np.load(next(dataset.root.rglob("p00/v3/features.npy")))
    assert (torch.float32 in halves) == (not np.array_equal(exact, exact.astype(np.float16)))


def test_holes_filled_by_neighbours_too(data):
    dataset = open_dataset(DataConfig(data=data))
    sampling = Sampling(missing_frames="nearest", nearest_within_frames=60)
    windows = dataset_windows(dataset, all_items(dataset), ("v3", "e4"), sampling, 5)
    compare(make_loader(windows, 4, 1), ResidentSegments(windows, EpochBatches(len(windows), 4, 1), CPU))


def test_windows_that_need_not_be_read_come_empty(data):
    dataset = open_dataset(DataConfig(data=data))
    windows = dataset_windows(dataset, all_items(dataset), ("v3",), Sampling(), None)
    windows.unread = {windows.rows[1], windows.rows[3]}
    held = ResidentSegments(windows, EpochBatches(len(windows), 3, None), CPU)
    compare(make_loader(windows, 3), held)
    assert not held.batch([(0, 1), (0, 3)]).features_BTD.any() and held.batch([(0, 2)]).features_BTD.any()
    assert held.batch([(0, row) for row in range(5)]).mask_BT.any(dim=1).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("rank", [0, 1])
def test_fillers_of_an_uneven_share_too(data, rank):
    dataset = open_dataset(DataConfig(data=data))
    items = all_items(dataset)[:5]
    share = {"rank": rank, "world": 2}
    windows = dataset_windows(dataset, items, ("v3",), Sampling(), 5)
    batches = EpochBatches(len(windows), 3, 1, **share)
    compare(make_loader(windows, 3, 1, **share), ResidentSegments(windows, batches, CPU))
    pairs = ViewWindows(dataset.source, items, ("v3", "e4"), Sampling(), 5)
    compare(make_view_loader(pairs, 4, 1, **share), ResidentViews(pairs, EpochBatches(len(pairs), 4, 1, **share), CPU))


def test_where_features_stay(data):
    dataset = open_dataset(DataConfig(data=data))
    windows = dataset_windows(dataset, all_items(dataset), ("v3",), Sampling(), 5)
    sampler = EpochBatches(len(windows), 3, 1)
    for when, held in (("never", False), ("auto", False), ("always", True)):
        assert (resident(ResidentSegments, windows, sampler, CPU, when) is not None) == held


@pytest.mark.parametrize("verb", ["train", "pretrain"])
def test_runs_end_with_the_same_weights(data, tmp_path, verb):
    found = []
    for when in ("never", "always"):
        shared = {
            "data": data,
            "run": str(tmp_path / when),
            "views": "v3,e4",
            "epochs": 2,
            "batch_size": 3,
            "trainer": replace(QUIET, device_data=when),
        }
        if verb == "train":
            found.append(load_file(run_train(TrainConfig(**shared, head="linear"))))
        else:
            options = TwoStreamConfig(layers=1, joint_depth=0.1)
            found.append(
                load_file(
                    run_pretrain(PretrainConfig(**shared, method="two_stream", method_options=options, held_out=0.4))
                )
            )
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


@pytest.mark.parametrize("probability", [0.0, 0.7])
@pytest.mark.parametrize("cls", [ResidentSegments, ResidentViews])
def test_room_is_counted_for_views_of_their_own_size_and_type(cls, probability):
    """The first view is small and exact in float16; the second one large, and isn't."""
    arrays = random_arrays(dim=(3, 50))
    for views in arrays.values():
        views["v3"] = 1, views["v3"][1].astype(np.float16)
    source = ArraySource(arrays, fps=30.0)
    items = [Item(name, name, 1, 290) for name in source.recordings]
    make = ViewWindows if cls is ResidentViews else lambda source, *rest: SegmentWindows(source, None, *rest)
    windows = make(source, items, ("v3", "e4"), Sampling(augment_probability=probability), 5)
    held = cls(windows, EpochBatches(len(windows), 3, 1), CPU)
    sizes = {view: {s.x_ND[0].nbytes for (_, v), s in held.stretches.items() if v == view} for view in ("v3", "e4")}
    assert sizes == {"v3": {2 * 3}, "e4": {4 * 50}}
    assert needed_bytes(cls, windows, CPU) == sum(stretch.x_ND.nbytes for stretch in held.stretches.values())


@pytest.mark.parametrize("probability", [0.0, 0.7])
def test_views_of_their_own_size_too(probability):
    source = random_source(views=("v3", "e4"), dim=(3, 5))
    sampling = Sampling(chunk_frames=10, augment_probability=probability, max_chunks=15, pooling="both")
    windows = SegmentWindows(source, None, items_of(source), ("v3", "e4"), sampling, 5)
    batches = EpochBatches(len(windows), 2, 1)
    compare(make_loader(windows, 2, 1), ResidentSegments(windows, batches, CPU))
    pairs = ViewWindows(source, items_of(source), ("v3", "e4"), sampling, 5)
    compare(make_view_loader(pairs, 2, 1), ResidentViews(pairs, EpochBatches(len(pairs), 2, 1), CPU))
