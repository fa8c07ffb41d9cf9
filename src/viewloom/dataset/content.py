"""What items and labels are, by content."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from viewloom.dataset.dataset import Item
from viewloom.dataset.labels import LabelSet
from viewloom.identity import digest


def items_facts(items: Mapping[str, Sequence[Item]]) -> dict[str, Any]:
    """Names, recordings and frames of the items of each role, in their order."""
    return {role: [[i.name, i.recording, i.start, i.end] for i in entries] for role, entries in items.items()}


def labels_facts(labels: LabelSet | None, items: Collection[Item]) -> dict[str, str]:
    """A hash of each item's segments, and one of the action list; empty where there are no labels."""
    if labels is None:
        return {}
    there = (labels.annotations[item.name] for item in items if item.name in labels.annotations)
    segments = {one.name: digest(one.facts) for one in there}
    mode = {} if labels.mode == "single" else {"the labels_mode": labels.mode}
    return {"the action list": digest(labels.actions)} | mode | segments
