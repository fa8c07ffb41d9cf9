"""Which pair recordings a student is taught on, and in which views; nothing here looks at a label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.errors import ConfigError, DataError, listed
from viewloom.training.evaluate import select_views
from viewloom.training.invariance import hold_out
from viewloom.training.runs import say
from viewloom.training.settings import TrainConfig

LEAST_TO_HOLD_OUT = 5
"""With fewer pair recordings none is held out: each is too large a share of what there is to learn from."""


@dataclass(frozen=True)
class Lesson:
    """What a student is taught on.

    Attributes:
        views: views that taught windows are shown in.
        labelled: views that the teacher knows, and labels the recordings in.
        learn: recordings that it learns from, as whole items.
        held_out: recordings on which only its agreement with the teacher is measured.
    """

    views: tuple[str, ...]
    labelled: tuple[str, ...]
    learn: tuple[Item, ...]
    held_out: tuple[Item, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """All recordings that the teacher labels."""
        return (*self.learn, *self.held_out)

    @property
    def used(self) -> tuple[str, ...]:
        """All views in use."""
        return tuple(dict.fromkeys((*self.labelled, *self.views)))

    @property
    def others(self) -> tuple[str, ...]:
        """Views that the teacher never saw."""
        return tuple(view for view in self.views if view not in self.labelled)


def plan_lesson(
    config: TrainConfig,
    dataset: MultiViewDataset,
    labelled: Sequence[str],
    misfit: Callable[[str], str | None],
) -> Lesson:
    """What the settings and the pair recordings come to.

    Args:
        config: settings of the run.
        dataset: opened data set.
        labelled: the labelled views.
        misfit: why a view can't be taken, None where it can.

    Raises:
        DataError: there are no pairs, or no labelled view sees any of them, or a named view sees none.
        ConfigError: a named view that can't be taken.
    """
    views = _views(config, dataset, labelled, misfit)
    items = dataset.items("pairs", tuple(dict.fromkeys((*labelled, *views))))
    there = {item.recording: set(dataset.source.views(item.recording)) for item in items}
    seen = tuple(item for item in items if there[item.recording] & set(labelled))
    if not seen:
        raise DataError(
            f"No pair recording has a labelled view ({listed(labelled)}), so the teacher has nothing to label. Name "
            "views that the pairs have (--views), add such recordings to the pairs list, or leave --teach_on_pairs out."
        )
    if len(seen) < len(items):
        blind = [item.recording for item in items if item not in seen]
        say(
            f"note: {len(blind)} of {len(items)} pair recordings have no labelled view and aren't taught on: "
            f"{listed(blind, 3)}."
        )
    others = set(views) - set(labelled)
    complete = {item.recording for item in seen if there[item.recording] & others}
    if config.teach.held_out == 0 or len(seen) < LEAST_TO_HOLD_OUT or not complete:
        return Lesson(views, tuple(labelled), seen, ())
    return Lesson(views, tuple(labelled), *hold_out(seen, config.teach.held_out, config.seed, complete))


def _views(
    config: TrainConfig, dataset: MultiViewDataset, labelled: Sequence[str], misfit: Callable[[str], str | None]
) -> tuple[str, ...]:
    """The views named, or all that pair recordings have and that can be taken; those left out are said."""
    source = dataset.source
    names = [item.recording for item in dataset.items("pairs", labelled)]
    there = tuple(dict.fromkeys(view for name in names for view in source.views(name)))
    views = there if config.teach.views is None else select_views(config.teach.views, dataset)
    if absent := [view for view in views if view not in there]:
        raise DataError(
            f"No pair recording has view {listed(absent)}; they have: {listed(there, 20)}. Pass --teach.views "
            "with some of these."
        )
    unfit = {view: reason for view in views if (reason := misfit(view)) is not None}
    if unfit and (config.teach.views is not None or len(unfit) == len(views)):
        raise ConfigError(f"{config.refiner}: {next(iter(unfit.values()))}")
    if unfit:
        say(f"note: no teaching on {listed(unfit)}. {'; '.join(reason.split('. ')[0] for reason in unfit.values())}.")
    return tuple(view for view in views if view not in unfit)
