"""`pretrain --plan true` and `train --plan true`: what a run would need, without writing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.methods.settings import AUTO, AutoConfig
from viewloom.registry import HEADS, METHODS
from viewloom.training.candidates import candidates_of
from viewloom.training.needs import Needs
from viewloom.training.pairs import split_pairs
from viewloom.training.plan_memory import pretrain_needs, train_needs
from viewloom.training.segment import build_module, with_epochs
from viewloom.training.settings import PretrainConfig, TrainConfig


@dataclass(frozen=True)
class NeedsOfEach:
    """What each of several runs needs, one after the other.

    Attributes:
        needs: by name.
    """

    needs: Mapping[str, Needs]

    @property
    def exit_code(self) -> int:
        """2 where none can be started; one alone that can't is left out."""
        return min(needs.exit_code for needs in self.needs.values())

    def __str__(self) -> str:
        """A paragraph each."""
        texts = (f"{name}\n  " + str(needs).replace("\n", "\n  ") for name, needs in self.needs.items())
        return "\n".join(texts)


def pretrain_plan(config: PretrainConfig, dataset: MultiViewDataset | None = None) -> Needs | NeedsOfEach:
    """What a pre-training would need; of ``method=auto`` what each candidate would.

    Args:
        config: settings.
        dataset: what to learn from; None opens what the settings name.
    """
    options = config.method_options or METHODS.settings(config.method)()
    config = complete(replace(config, method_options=options))
    dataset = dataset or open_dataset(config)
    pairs = split_pairs(config, dataset)
    if config.method != AUTO:
        return pretrain_needs(config, pairs) or Needs(())
    assert isinstance(options, AutoConfig)
    found = {}
    for candidate in candidates_of(options):
        own = replace(config, method=candidate.method, method_options=candidate.config(options))
        found[candidate.name] = pretrain_needs(own, pairs) or Needs(())
    return NeedsOfEach(found)


def train_plan(config: TrainConfig, dataset: MultiViewDataset | None = None) -> Needs:
    """What a head's training would need.

    Args:
        config: settings.
        dataset: what to train on; None opens what the settings name.
    """
    config = complete(replace(config, head_options=config.head_options or HEADS.settings(config.head)()))
    module = build_module(config, dataset or open_dataset(config))
    module.config = with_epochs(module)
    return train_needs(module) or Needs(())
