"""Small pair batches and methods for tests."""

import copy
import functools

import torch

from viewloom.heads.linear import LinearHead
from viewloom.metrics.segments import IGNORE
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window

VIEWS = ("v3", "v4", "e4", "e1")


def view_batch(lengths=(9, 12, 5), dim=7, views=3, steps=None, dtype=torch.float32, lacking=(), holes=True):
    """Rows of given lengths with garbage wherever the mask is False; a row's content depends on its length alone.

    ``dim``: of all views, or one for each. ``lacking``: (row, view) pairs that the recording lacks. ``holes``: one view
    misses some steps of its own.
    """
    steps = max(lengths) if steps is None else steps
    dims = (dim,) * views if isinstance(dim, int) else tuple(dim)
    dim = max(dims)
    x_BVTD = torch.full((len(lengths), views, steps, dim), 1e3, dtype=dtype)
    mask_BVT = torch.zeros(len(lengths), views, steps, dtype=torch.bool)
    for row, length in enumerate(lengths):
        x_BVTD[row, :, :length] = synchronised(length, dim, views, seed=length).to(dtype)
        mask_BVT[row, :, :length] = True
        if holes:
            mask_BVT[row, length % views, length // 2 : length // 2 + 2] = False
    for row, view in lacking:
        mask_BVT[row, view] = False
    x_BVTD[~mask_BVT] = 1e3
    windows = tuple(Window(f"r{length}", f"r{length}", 0, length, 1) for length in lengths)
    batch = batch_of(x_BVTD, mask_BVT, windows, VIEWS[:views], dims)
    batch.labels_BT = labels_of(lengths, steps)
    return batch


def labels_of(lengths, steps):
    """Labels (B, T) of rows: segments of three steps, of three actions, the first step of each row without."""
    places_BT = torch.arange(steps).expand(len(lengths), steps)
    labels_BT = (places_BT // 3 + torch.tensor(lengths)[:, None]) % 3
    return labels_BT.masked_fill((places_BT == 0) | (places_BT >= torch.tensor(lengths)[:, None]), IGNORE)


def synchronised(steps, dim, views, seed, noise=0.3):
    """Features (V, T, D): each view its own linear look at latent steps, an offset, and noise."""
    looks = torch.Generator().manual_seed(0)
    mix_VLD = torch.randn(views, 4, dim, generator=looks, dtype=torch.float64) * 0.6
    offset_VD = torch.randn(views, dim, generator=looks, dtype=torch.float64)
    world = torch.Generator().manual_seed(seed)
    latent_TL = torch.randn(steps, 4, generator=world, dtype=torch.float64)
    noise_VTD = torch.randn(views, steps, dim, generator=world, dtype=torch.float64) * noise
    return latent_TL @ mix_VLD + offset_VD[:, None] + noise_VTD


def make_method(name, config=None, dim=7, views=3, batch=None, seed=0):
    """A method that is ready to learn: with a teacher head, its pass over ``batch`` done, in evaluation mode.

    Without a batch of its own it is a copy of one that was made before, which takes a third of the time.
    """
    if batch is not None:
        return _made(METHODS.get(name), config, dim, views, batch, seed)
    method, state = _kept(METHODS.get(name), config, dim, views, seed)
    torch.set_rng_state(state)  # as if it had been made now
    return copy.deepcopy(method)


@functools.cache
def _kept(cls, config, dim, views, seed):
    return _made(cls, config, dim, views, None, seed), torch.get_rng_state()


def _made(cls, config, dim, views, batch, seed):
    torch.manual_seed(seed)
    method = cls(dim, VIEWS[:views], config)
    if method.requires == "teacher_head":
        method.with_teacher(LinearHead(method.dims[method.roles.teacher_place], 3))
    if method.needs_pass:
        method.show_all(lambda: [view_batch((60, 50, 41), dim, views) if batch is None else batch])
    for key, parameter in method.named_parameters():
        if key.endswith("last.weight"):  # zero at the start, when the layers before it have no say
            torch.nn.init.normal_(parameter, 0, 0.1)
    return method.eval()


def batch_of(x_BVTD, mask_BVT, windows, views, dims):
    """A batch of views that keep the first of their features."""
    features = {view: x_BTD[..., :dim].clone() for view, x_BTD, dim in zip(views, x_BVTD.unbind(1), dims, strict=True)}
    return ViewBatch(features, mask_BVT, windows)


def x_of(batch, place):
    """Features (B, T, D) of a view by its place."""
    return batch.features[batch.views[place]]


def stacked(batch):
    """Features (B, V, T, D) of views of one size, copied."""
    return torch.stack(list(batch.features.values()), dim=1)


def put(batch, x_BVTD):
    """Give a batch other features."""
    batch.features = {view: x_BTD.clone() for view, x_BTD in zip(batch.views, x_BVTD.unbind(1), strict=True)}


def select_rows(batch, rows):
    """The given rows of a batch, in that order."""
    rows = list(rows)
    features = {view: x_BTD[rows] for view, x_BTD in batch.features.items()}
    labels_BT = None if batch.labels_BT is None else batch.labels_BT[rows]
    return ViewBatch(features, batch.mask_BVT[rows], tuple(batch.windows[row] for row in rows), labels_BT=labels_BT)
