"""Can labels be carried over here? What would fail a transfer only after minutes of work is refused first."""

from collections.abc import Collection, Sequence

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.splits import ROLES, Role
from viewloom.errors import ConfigError, DataError, listed
from viewloom.heads.multilabel import refuse_unable
from viewloom.names import names_in
from viewloom.recipes.chain import refuse_unusable
from viewloom.recipes.settings import TransferConfig
from viewloom.registry import HEADS
from viewloom.training.decoding import refuse_one_action
from viewloom.training.evaluate import select_views
from viewloom.training.pairs import takes_lone_views

LOOKED_THROUGH_BYTES = 2**30
"""Features that are looked through before anything is learned, at most."""
BLOCK_FRAMES = 4096
"""Frames read at once."""


def refuse_untransferable(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """`DataError` or `ConfigError` for data or settings that can't work; only names and spans are looked at."""
    select_views(",".join(config.views), dataset, "--from and --to")
    _refuse_unpaired(config, dataset)
    refuse_unusable(config, config.views, dataset)
    _refuse_several(config, dataset)
    if config.student and config.teach.views is not None:
        select_views(config.teach.views, dataset)
    _refuse_unlabelled(config, dataset)
    _refuse_learned(config, dataset)


def refuse_broken(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """`DataError` for features that are NaN in part, which scoring may be the first to read, after all the work.

    Looked for where there are `LOOKED_THROUGH_BYTES` at most, so that it takes seconds.
    """
    roles: list[Role] = [role for role in ROLES if dataset.splits is not None and getattr(dataset.splits, role)]
    items = dict.fromkeys(item for role in roles for item in dataset.items(role, config.views))
    source = dataset.source.uncached
    seen = [(item, view) for item in items for view in config.views if view in source.views(item.recording)]
    if sum(4 * source.dim(view) * (item.end - item.start) for item, view in seen) <= LOOKED_THROUGH_BYTES:
        for item, view in seen:
            for start in range(item.start, item.end, BLOCK_FRAMES):
                end = min(start + BLOCK_FRAMES, item.end)
                source.read_pooled(item.recording, view, start, end, BLOCK_FRAMES)


def unscored(config: TransferConfig, dataset: MultiViewDataset) -> list[str]:
    """A line for views to segment that no test recording has; none where nothing is scored."""
    if dataset.splits is None or not dataset.splits.test:
        return []
    there = _views_of(dataset, {item.recording for item in dataset.items("test")})
    absent = [view for view in names_in(config.to_views) if view not in there]
    if not absent:
        return []
    return [f"No test recording has {listed(absent)}, so nothing says how good the head is there."]


def _refuse_several(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """What gives a frame one action, where a frame may have several labels."""
    assert dataset.labels is not None, "refused before"
    if dataset.labels.mode == "multi":
        refuse_unable(HEADS.get(config.head))
        refuse_one_action(config.decoding, f"the labels of {dataset.root} were opened with")


def _refuse_unlabelled(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """Training recordings that none of the views to learn from sees."""
    there = _views_of(dataset, {item.recording for item in dataset.items("train")})
    learned = {"--from": config.from_views}
    if "oracle" in names_in(config.references):
        learned["--references oracle, with labels of --to"] = config.to_views
    for option, views in learned.items():
        if not there & set(names_in(views)):
            raise DataError(
                f"No training recording has {listed(names_in(views))} ({option}); they have: {listed(sorted(there))}. "
                "Name other views, or add recordings to the train list."
            )


def _refuse_unpaired(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """Pairs of which none has all views: one that has them is held out, to compare methods on."""
    views = config.views
    if takes_lone_views(config.method, config.method_options):
        return
    recordings = [item.recording for item in dataset.items("pairs", views)]
    absent = sorted(set(views) - _views_of(dataset, recordings))
    if absent:
        raise DataError(
            f"No pair recording has {listed(absent)}: see what `viewloom check` shows. Name other views, or add "
            "recordings to the pairs list."
        )
    there = [set(views) & set(dataset.source.views(name)) for name in recordings]
    if max(map(len, there)) in range(2, len(views)):  # fewer than two is said of all methods
        raise DataError(
            f"No pair recording has all of the views {listed(views)}; one that has them is needed, to be held out. "
            "Name fewer views, or add such recordings to the pairs list."
        )


def _refuse_learned(config: TransferConfig, dataset: MultiViewDataset) -> None:
    """Test recordings that the run would learn from: scoring refuses them at the end."""
    if dataset.splits is None or not dataset.splits.test:
        return
    tested = {item.recording for item in dataset.items("test")}
    for role in ("pairs", "train", "val"):
        if getattr(dataset.splits, role):
            both = tested.intersection(item.recording for item in dataset.items(role))
            if both & _with_a_view(dataset, both, config.views):
                raise ConfigError(
                    f"{len(both)} recording(s) are both in test and in {role}, so they can't be scored: "
                    f"{listed(sorted(both), 3)}. Remove them from one of the lists."
                )


def _views_of(dataset: MultiViewDataset, recordings: Collection[str]) -> set[str]:
    return {view for name in recordings for view in dataset.source.views(name)}


def _with_a_view(dataset: MultiViewDataset, recordings: Collection[str], views: Sequence[str]) -> set[str]:
    return {name for name in recordings if set(views) & set(dataset.source.views(name))}
