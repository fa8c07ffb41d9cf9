"""Backbones for tests, to be named ``py:tests.extract.networks:...``."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from viewloom.extract.preprocessing import Preprocessing

SMALL = Preprocessing(size=32, resize=32, interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class MeanColour:
    """The mean of red, green and blue: features whose right value is known."""

    preprocessing = SMALL

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)) * 255


def mean_colour(weights: Path | None = None) -> MeanColour:
    return MeanColour()


def clip_mean(weights: Path | None = None):
    """Mean grey of every frame of a clip (N, T, C, H, W)."""

    def call(x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3, 4)) * 255

    call.preprocessing = SMALL
    return call


class Convolutions(torch.nn.Module):
    """Wide enough that PyTorch sums differently for other numbers of pictures."""

    preprocessing = SMALL

    def __init__(self, pause_s: float = 0.0) -> None:
        super().__init__()
        self.pause_s = pause_s
        torch.manual_seed(3)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 96, 5, padding=2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(96, 64, 3, stride=2),
            torch.nn.Flatten(),
            torch.nn.Linear(64 * 15 * 15, 40),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.pause_s)
        return self.layers(x)


def convolutions(weights: Path | None = None) -> Convolutions:
    network = Convolutions()
    if weights is not None:
        network.load_state_dict(torch.load(weights, weights_only=True))
    return network


def slow(weights: Path | None = None) -> Convolutions:
    """Pauses where the environment says so, to be killed in time."""
    return Convolutions(pause_s=float(os.environ.get("VIEWLOOM_TEST_PAUSE_S", "0")))


def spoilt(weights: Path | None = None):
    return lambda x: torch.full((len(x), 3), float("nan"))


def nothing(weights: Path | None = None):
    return SimpleNamespace()
