"""Checksums in what is saved: a flipped bit is named, or nothing is different; files of before still load."""

import json
import warnings
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.stores import random_recordings, write_npy
from tests.test_saved import KINDS, metadata, store
from viewloom.errors import DataError, UserError
from viewloom.features.cache import CachedSource
from viewloom.features.opening import open_source
from viewloom.sums import sum_of, with_sum, without_sum
from viewloom.training.published import read_weights
from viewloom.training.resuming import read_checkpoint
from viewloom.training.trainer import AtomicCheckpointIO
from viewloom.zipped import refuse_damaged

FLIPS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def flipped(path, whole, place, bit):
    """The file with one bit of its content turned over."""
    content = bytearray(whole)
    content[place % len(whole)] ^= 1 << bit
    path.write_bytes(content)


def test_parts_can_not_change_places():
    assert len({sum_of("a", "b"), sum_of("ab"), sum_of("b", "a"), sum_of("a", "b", ""), sum_of(b"a", b"b", b"c")}) == 5
    assert sum_of("a", np.arange(3)) == sum_of(b"a", np.arange(3).tobytes())


@pytest.mark.parametrize("value", [{}, {"b": [1, {"c": None}], "a": 0.1}, {"é≠": "\ud800", "": [1e-300, -0.0, True]}])
def test_an_object_carries_its_sum(value):
    value.pop("sum", None)
    carried = json.loads(json.dumps(with_sum(value)))
    assert without_sum(carried) == without_sum(value) == value  # the latter of an earlier version
    with pytest.raises(ValueError, match="doesn't agree with its checksum"):
        without_sum({**carried, "another": 1})


def content_of(kind, read):
    """What a head or refiner does, by its weights and what it says of itself."""
    module = read.head if kind == "head" else read
    told = {name: value for name, value in vars(read).items() if name != "head"} if kind == "head" else read.extra
    return repr(told), str(module.config), {n: t.numpy().tobytes() for n, t in module.state_dict().items()}


@pytest.mark.parametrize("kind", ["head", "refiner"])
def test_heads_and_refiners(kind, tmp_path):
    write, read, _ = KINDS[kind]
    path = tmp_path / "x.safetensors"
    write(path)
    whole, expected = path.read_bytes(), content_of(kind, read(path))

    @FLIPS
    @given(st.integers(0, len(whole) - 1), st.integers(0, 7))
    def each(place, bit):
        flipped(path, whole, place, bit)
        try:
            found = read(path)
        except UserError as error:
            assert str(path) in str(error)
        else:
            assert content_of(kind, found) == expected

    each()
    flipped(path, whole, len(whole) - 1, 0)
    with pytest.raises(DataError, match="doesn't agree with the checksum in it"):
        read(path)
    path.write_bytes(whole)
    store(path, metadata(path))  # without a checksum
    assert content_of(kind, read(path)) == expected


def checkpoint(path):
    torch.manual_seed(0)
    weights = {"w": torch.randn(40, 7), "b": torch.randn(7)}
    state = {"optimizer_states": [{}], "lr_schedulers": [], "loops": {}, "callbacks": {}}
    AtomicCheckpointIO().save_checkpoint({"epoch": 3, "global_step": 9, "state_dict": weights, **state}, path)


READERS = {
    "own": read_checkpoint,
    "lightning": lambda path: AtomicCheckpointIO().load_checkpoint(path, weights_only=True),
    "published": lambda path: {"state_dict": read_weights(path)},
}


@pytest.mark.parametrize("reader", READERS)
def test_checkpoints(reader, tmp_path):
    """Bits of the records: what stands between them is the zip's matter, which refuses or has no use for it."""
    path, read = tmp_path / "last.ckpt", READERS[reader]
    checkpoint(path) if reader != "published" else torch.save({"w": torch.randn(40, 7), "b": torch.ones(7)}, path)
    whole, expected = path.read_bytes(), read(path)["state_dict"]

    @FLIPS
    @given(st.integers(0, len(whole) - 1), st.integers(0, 7))
    def each(place, bit):
        flipped(path, whole, place, bit)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = read(path)["state_dict"]
        except DataError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert {n: t.numpy().tobytes() for n, t in found.items()} == {
                n: t.numpy().tobytes() for n, t in expected.items()
            }

    each()
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as records:
        weight = next(entry for entry in records.infolist() if entry.filename.endswith("data/0"))
    flipped(path, whole, weight.header_offset + 100 + len(weight.filename), 3)
    with pytest.raises(DataError, match=r"is damaged \(Bad CRC-32"):
        read(path)


def test_files_without_sums_are_let_be(tmp_path):
    value = {"w": torch.arange(5.0)}
    torch.save(value, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(value, tmp_path / "none.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    for path in tmp_path.glob("*.pth"):
        assert torch.equal(read_weights(path)["w"], value["w"])


def test_records_larger_than_their_file(tmp_path):
    """A few kilobytes that would be gigabytes aren't read to be compared."""
    with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as records:
        records.writestr("x/data.pkl", bytes(1 << 22))
    with pytest.raises(DataError, match="larger than the file"):
        refuse_damaged(tmp_path / "x.pth")


def test_a_store_of_tensors(tmp_path):
    (tmp_path / "cam").mkdir()
    x_TD = torch.randn(50, 6)
    for name in "ab":
        torch.save(x_TD, tmp_path / "cam" / f"{name}.pt")
    path = tmp_path / "cam" / "a.pt"
    content = bytearray(path.read_bytes())
    content[bytes(content).index(x_TD.numpy().tobytes()) + 40] ^= 1
    path.write_bytes(content)
    source = open_source(tmp_path)
    with pytest.raises(DataError, match=r"a\.pt is damaged"):
        source.read("a", "cam", 0, 9)
    np.testing.assert_array_equal(source.read("b", "cam", 0, 50), x_TD.numpy())
    assert "a.pt" in source.damage("a", "cam") and source.damage("b", "cam") is None
    source.verify = False
    assert source.read("a", "cam", 0, 9).shape == (9, 6)


def test_kept_windows(tmp_path):
    """A damaged one is made again."""
    source = open_source(write_npy(tmp_path / "npy", random_recordings(first=0), axes="td"), axes="td")
    CachedSource(source, tmp_path / "kept", 1).read_pooled("rec_a", "v3", -3, 37, 8)
    (path,) = (tmp_path / "kept").iterdir()
    expected, whole = source.read_pooled("rec_a", "v3", -3, 37, 8), path.read_bytes()

    @FLIPS
    @given(st.integers(0, len(whole) - 1), st.integers(0, 7))
    def each(place, bit):
        flipped(path, whole, place, bit)
        found = CachedSource(source, tmp_path / "kept", 1).read_pooled("rec_a", "v3", -3, 37, 8)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)

    each()


def test_kept_windows_of_before_are_read(tmp_path, monkeypatch):
    source = open_source(write_npy(tmp_path / "npy", random_recordings(first=0), axes="td"), axes="td")
    with monkeypatch.context() as patch:
        patch.setattr("viewloom.features.cache.encode_header", without_a_sum)
        expected = CachedSource(source, tmp_path / "kept", 1).read_pooled("rec_a", "v3", 0, 40, 8)
    monkeypatch.setattr(type(source), "read_pooled", None)
    found = CachedSource(source, tmp_path / "kept", 1).read_pooled("rec_a", "v3", 0, 40, 8)
    np.testing.assert_array_equal(found.features_SZ, expected.features_SZ)


def without_a_sum(dtype, shape, metadata):
    from viewloom.features.rows import encode_header

    return encode_header(dtype, shape, {name: value for name, value in metadata.items() if name != "sum"})
