"""Head files: all that is needed to use a head comes back."""

import torch

from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.training.checkpoints import SavedHead, read_head, save_head


def test_a_head_comes_back_with_all_that_is_known_of_it(tmp_path):
    torch.manual_seed(0)
    head = C2FTCN(3, 2, C2FTCN.Config(width=4, smoothing=0.3, level_weights=(1, 2, 3, 4, 5, 6)))
    x_BTD, mask_BT = torch.randn(2, 400, 3), torch.ones(2, 400, dtype=torch.bool)
    head(x_BTD, mask_BT)  # running statistics of its own
    saved = SavedHead(head, ("b", "a"), ("v3", "e4"), 25.0, {"epoch": 7})
    save_head(tmp_path / "head.safetensors", saved)
    again = read_head(tmp_path / "head.safetensors")
    assert (again.actions, again.views, again.fps, again.extra) == (("b", "a"), ("v3", "e4"), 25.0, {"epoch": 7})
    assert again.head.config == head.config and not again.head.training
    with torch.no_grad():
        found, wanted = again.head(x_BTD, mask_BT), head.eval()(x_BTD, mask_BT)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
