"""Losses that bring sequences, and labelled segments of them, together over views.

After Bahrami, Zatsarynna, Francesca, Gall: "Towards Generalizing Temporal Action Segmentation to Unseen Views"
(arXiv:2504.02512), which has a sequence loss with a predictor between two views of one sequence, and an action loss
over segments. The formulas here are ours: cosines and a stopped gradient for the first (Chen, He: "Exploring Simple
Siamese Representation Learning", CVPR 2021), supervised contrast for the second (Khosla et al., NeurIPS 2020).
"""

from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor

from viewloom.losses.squared_error import Count, as_counted


def sequence_loss(predicted_BVTZ: Tensor, z_BVTZ: Tensor, mask_BVT: Tensor, count: Count = as_counted) -> Tensor:
    """Mean over ordered pairs of views of ``1 - cos(predicted_a, z_b)`` over the steps that both have.

    No gradient goes into z: the predicted side follows.

    Args:
        predicted_BVTZ: what a predictor makes of each view's refined features.
        z_BVTZ: refined features.
        mask_BVT: bool, True where a view counts.
        count: see `squared_error`.
    """
    each = []
    for a, b in permutations(range(mask_BVT.shape[1]), 2):
        both_BT = mask_BVT[:, a] & mask_BVT[:, b]
        apart_BT = 1 - F.cosine_similarity(predicted_BVTZ[:, a], z_BVTZ[:, b].detach(), dim=-1)
        steps = count(both_BT.sum())
        each.append(apart_BT.masked_fill(~both_BT, 0.0).sum() / (steps + (steps == 0)))
    return torch.stack(each).mean()


def segment_means(
    z_BVTZ: Tensor, mask_BVT: Tensor, labels_BT: Tensor, ignore: int = -100
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean refined features (N, Z) of every labelled segment in every view that has a step of it.

    A segment is a run of steps with one label; steps without one are in none.

    Args:
        z_BVTZ: refined features.
        mask_BVT: bool, True where a view counts.
        labels_BT: class of each step, ``ignore`` where it has none.
        ignore: label of a step that is in no segment.

    Returns:
        Means, and the label (N,) and the view's place (N,) of each.
    """
    new_BT = torch.ones_like(labels_BT, dtype=torch.bool)
    new_BT[:, 1:] = labels_BT[:, 1:] != labels_BT[:, :-1]
    place_BT = new_BT.cumsum(1) - 1  # number of the segment in its row
    label_BS = torch.full_like(labels_BT, ignore).scatter(1, place_BT, labels_BT)
    place_BVT = place_BT[:, None].expand(mask_BVT.shape)
    counts_BVS = torch.zeros_like(z_BVTZ[..., 0]).scatter_add(2, place_BVT, mask_BVT.to(z_BVTZ.dtype))
    held_BVTZ = z_BVTZ.masked_fill(~mask_BVT[..., None], 0.0)
    sums_BVSZ = torch.zeros_like(z_BVTZ).scatter_add(2, place_BVT[..., None].expand(z_BVTZ.shape), held_BVTZ)
    kept_BVS = (counts_BVS > 0) & (label_BS != ignore)[:, None]
    means_BVSZ = sums_BVSZ / counts_BVS.clamp(min=1)[..., None]
    view_BVS = torch.arange(mask_BVT.shape[1], device=labels_BT.device)[None, :, None].expand(kept_BVS.shape)
    return means_BVSZ[kept_BVS], label_BS[:, None].expand(kept_BVS.shape)[kept_BVS], view_BVS[kept_BVS]


def segment_loss(means_NZ: Tensor, label_N: Tensor, view_N: Tensor, temperature: float = 0.1) -> Tensor:
    """Segments of one action in other views attract, those of other actions in any view repel; zero without any pair.

    ``-mean_p log(exp(s_np / t) / (exp(s_np / t) + sum_q exp(s_nq / t)))``, s cosines, p the segments of n's action in
    other views, q those of other actions; the mean over the segments n that have a p. One p stands against the q alone,
    so that segments of one action are not driven apart.

    Args:
        means_NZ: features of each segment.
        label_N: its action.
        view_N: its view.
        temperature: t.
    """
    unit_NZ = F.normalize(means_NZ, dim=-1)
    score_NN = unit_NZ @ unit_NZ.mT / temperature
    same_NN = label_N[:, None] == label_N
    across_NN = same_NN & (view_N[:, None] != view_N)
    if not across_NN.any():
        return means_NZ.sum() * 0.0
    others_N1 = score_NN.masked_fill(same_NN, -1e30).logsumexp(dim=1, keepdim=True)
    each_NN = (torch.logaddexp(score_NN, others_N1) - score_NN).masked_fill(~across_NN, 0.0)
    pairs_N = across_NN.sum(dim=1)
    return (each_NN.sum(dim=1) / pairs_N.clamp(min=1)).sum() / (pairs_N > 0).sum()
