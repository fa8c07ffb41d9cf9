"""Reconstruction of the joint stream by every view, and of the views by the joint stream.

The first is the report's: `sum_v MSE(r(view_v), J)`. The second is ours: as long as the views can be decoded
from J, J can't be constant, and views that agree with J can't be either.
"""

import torch
from torch import Tensor

from viewloom.losses.squared_error import Count, as_counted, squared_error


def joint_reconstruction(z_BVTD: Tensor, joint_BTD: Tensor, mask_BVT: Tensor, count: Count = as_counted) -> Tensor:
    """Sum over views of the mean squared error between a view's refined features and the joint stream's.

    Args:
        z_BVTD: refined features.
        joint_BTD: the joint stream's output J.
        mask_BVT: bool, True where that view counts.
        count: see `squared_error`.
    """
    errors = [
        squared_error(z_BTD, joint_BTD, mask_BT, count)
        for z_BTD, mask_BT in zip(z_BVTD.unbind(1), mask_BVT.unbind(1), strict=True)
    ]
    return torch.stack(errors).sum()


def view_decoding(decoded_BVTD: Tensor, x_BVTD: Tensor, mask_BVT: Tensor, count: Count = as_counted) -> Tensor:
    """Sum over views of the mean squared error between a view and what is decoded for it from J.

    Args:
        decoded_BVTD: decoded from the joint stream.
        x_BVTD: what the joint stream was given.
        mask_BVT: bool, True where that view counts.
        count: see `squared_error`.
    """
    errors = [
        squared_error(decoded_BVTD[:, view], x_BVTD[:, view], mask_BVT[:, view], count)
        for view in range(x_BVTD.shape[1])
    ]
    return torch.stack(errors).sum()
