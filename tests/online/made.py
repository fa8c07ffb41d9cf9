"""Causal heads and refiners for tests: not trained, but with statistics, and signals that pass every layer."""

from dataclasses import asdict, fields, replace

import numpy as np
import torch

from tests.methods.made import VIEWS, make_method, view_batch
from viewloom.errors import ConfigError
from viewloom.registry import HEADS, METHODS
from viewloom.training.trained import TrainedHead
from viewloom.windows.sampling import Sampling

DIM, VIEW = 7, VIEWS[0]
SMALL = {"width": 8, "layers": 4, "decoders": 1, "refinements": 1, "refinement_layers": 3}
SMALL_METHODS = {"layers": 3, "hidden": 8, "features": 24}
ACTIONS = ("a", "b", "c", "d")


def settings_of(config_class, sizes=SMALL):
    """A config at small sizes, causal where it has such a setting."""
    known = {entry.name for entry in fields(config_class)}
    return config_class(**{name: value for name, value in (sizes | {"causal": True}).items() if name in known})


def causal_heads():
    """(name, config) of every registered head that streams; waiting ones too."""
    for name in HEADS.names():
        if HEADS.get(name).streams:
            config = settings_of(HEADS.settings(name))
            yield name, config
            if hasattr(config, "lookahead_steps"):
                yield name, replace(config, lookahead_steps=5)


def causal_methods():
    """(name, config) of every registered method whose refiner streams, as it is or when set causal."""
    for name in METHODS.names():
        try:
            method = ready(name, config := settings_of(METHODS.settings(name), SMALL_METHODS))
        except ConfigError:  # distils a head
            continue
        if getattr(method.refiner, "causal", False):
            yield name, config


def ready(name, config):
    """A method that has seen its pairs."""
    return make_method(name, config, dim=DIM, views=2, batch=view_batch((60, 50, 41), DIM, 2))


def make_refiner(name, config):
    """Its refiner, with the pooling that goes with `SAMPLING`."""
    refiner = ready(name, config).refiner.eval()
    refiner.extra = {"sampling": asdict(SAMPLING)}
    return refiner


SAMPLING = Sampling(chunk_frames=4, test_chunks=(2, 3, 5), pooling="mean")


def make_trained(head="tcn", config=None, refiner=None, sampling=SAMPLING, fps=10.0, seed=0, dim=DIM):
    """A head behind a refiner (or None), as `viewloom.train` gives it."""
    cls = HEADS.get(head)
    torch.manual_seed(seed)
    dim = dim if refiner is None else refiner.out_dim
    made = cls(dim, len(ACTIONS), config or settings_of(cls.Config))
    made.observe(torch.randn(1, 500, dim), torch.ones(1, 500, dtype=torch.bool))
    made.solve_scaling()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.endswith("weight"):
                value *= 2  # so that actions change
    extra = {"sampling": asdict(sampling)}
    return TrainedHead(made.eval(), ACTIONS, (VIEW,), fps, extra, refiner=refiner)


def frames(count, seed=0, holes=0.0, dim=DIM):
    """Features (T, D) that change slowly, rows of NaN where a frame is missing."""
    rng = np.random.default_rng(seed)
    x_TD = np.repeat(rng.normal(size=(count // 8 + 1, dim)), 8, axis=0)[:count] + 0.3 * rng.normal(size=(count, dim))
    x_TD[rng.random(count) < holes] = np.nan
    return x_TD.astype(np.float32)
