"""Tensors that torch saved: Ego-Exo4D's names, axes, and files that hold something else."""

import numpy as np
import pytest
import torch

from viewloom.errors import DataError
from viewloom.features.opening import open_source
from viewloom.features.torch_files import TorchSource

TAKE = "000a19fe-776e-4c88-b0c3-2fad016a6025"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_takes_and_cameras_from_the_names(tmp_path, dtype):
    x_TD = torch.randn(11, 6).to(dtype)
    for camera in ("aria01_rgb", "cam01_0"):
        torch.save(x_TD, tmp_path / f"{TAKE}_{camera}.pt")
    source = open_source(tmp_path)
    assert source.recordings == (TAKE,) and source.views(TAKE) == ("aria01_rgb", "cam01_0")
    np.testing.assert_array_equal(source.read(TAKE, "cam01_0", 3, 9), x_TD[3:9].float().numpy())


def test_other_places_and_axes(tmp_path):
    x_TD = torch.randn(11, 6)
    (tmp_path / "left").mkdir()
    torch.save(x_TD.T, tmp_path / "left" / "a.pt")
    source = open_source(tmp_path, axes="dt")
    np.testing.assert_array_equal(source.read("a", "left", 3, 9), x_TD[3:9].numpy())
    torch.save(x_TD, tmp_path / "left" / "a.pt", _use_new_zipfile_serialization=False)  # can't be mapped
    np.testing.assert_array_equal(open_source(tmp_path).read("a", "left", 3, 9), x_TD[3:9].numpy())


def test_a_third_axis_is_averaged_where_a_layout_says_so(tmp_path):
    x_TDK = torch.randn(11, 6, 3)
    torch.save(x_TDK, tmp_path / "a.pt")
    source = TorchSource(tmp_path, mean_last=True)
    np.testing.assert_array_equal(source.read("a", "v1", 0, 11), x_TDK.mean(-1).numpy())
    with pytest.raises(DataError, match=r"a.pt holds torch.float32 of shape \(11, 6, 3\)"):
        open_source(tmp_path)


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("a pickle ran",))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Boom(), "calls .*, which could run code"),
        ({"x": torch.zeros(3, 4)}, "must hold one tensor of floats"),
        (torch.zeros(3, 4, dtype=torch.int32), r"holds torch.int32 of shape \(3, 4\)"),
        (torch.zeros(0, 4), "is empty"),
    ],
)
def test_files_that_hold_something_else(tmp_path, value, message):
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(DataError, match=message) as caught:
        open_source(tmp_path)
    assert "a.pt" in str(caught.value)


def test_a_file_cut_short(tmp_path):
    torch.save(torch.zeros(300, 40), tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"a.pt was not read: it is cut short"):
        open_source(tmp_path)
