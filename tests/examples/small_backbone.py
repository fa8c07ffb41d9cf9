"""A backbone that needs no weights: mean colours of a grid of 4 x 4 fields, 48 numbers."""

import torch


class Fields(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)


def make(weights=None):
    return Fields()
