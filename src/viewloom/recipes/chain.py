"""What `viewloom transfer` and `viewloom curve` share: settings filled in and checked, and those of their runs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.errors import ConfigError, DataError
from viewloom.methods.settings import AUTO
from viewloom.recipes.planned import data_settings
from viewloom.recipes.settings import ChainConfig
from viewloom.registry import HEADS, METHODS
from viewloom.training.candidates import candidates_of
from viewloom.training.evaluate import select_views
from viewloom.training.learn import needs_teacher
from viewloom.training.pairs import refuse_no_pairs

C = TypeVar("C", bound=ChainConfig)


def filled(config: C) -> C:
    """The settings with what the data set's own file says, and the options of head and method."""
    config = complete(replace(config, head_options=config.head_options or HEADS.settings(config.head)()))
    return replace(config, method_options=config.method_options or METHODS.settings(config.method)())


def refuse_unusable(config: ChainConfig, views: Sequence[str], dataset: MultiViewDataset) -> None:
    """`DataError` or `ConfigError` for what would fail only after minutes of work."""
    select_views(",".join(views), dataset)
    if needs_teacher(config.method):
        raise ConfigError(
            f"Method {config.method!r} needs a trained head as teacher. Choose another, or leave it to auto."
        )
    if config.method == AUTO:
        candidates_of(config.method_options)
    if dataset.labels is None:
        raise DataError(f"{dataset.root} has no labels, and a head can't be trained without. Pass --labels.")
    dataset.items("train")
    refuse_no_pairs(config.method, config.method_options, dataset, dataset.items("pairs", views), views)


def options_of(config: ChainConfig, labelled: Sequence[str]) -> Any:
    """Settings of the method; auto looks at what carries over from the labelled views."""
    options = config.method_options
    unset = config.method == AUTO and not options.labelled
    return replace(options, labelled=",".join(labelled)) if unset else options


def of_run(config: ChainConfig, **own: Any) -> dict[str, Any]:
    """Settings that refiners and heads have; ``own``: those of a run, which come first."""
    shared = {"workers": config.workers, "sampling": config.sampling, "trainer": config.trainer}
    return data_settings(config) | shared | own


def of_head(config: ChainConfig, taught: bool) -> dict[str, Any]:
    """Settings that all heads have, and, of one that is taught, its student's; others have nothing of those."""
    settings = {"head": config.head, "head_options": config.head_options, "optim": config.optim}
    return settings | ({"teach_on_pairs": True, "teach": config.teach} if taught else {})
