"""The model card: what weights are, what they learned from and score, what they can't do, how to use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from viewloom.errors import listed
from viewloom.hub.contents import Contents
from viewloom.hub.settings import PushConfig
from viewloom.registry import HEADS
from viewloom.version import __version__
from viewloom.windows.sampling import stored_sampling

LICENCES = (
    *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "cc0-1.0", "openrail", "mpl-2.0"),
    *("cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
    *("gpl-3.0", "lgpl-3.0", "agpl-3.0", "unknown", "other"),
)
"""Licences that the Hub knows by name; any other one is called other, with its name beside."""
SCORES = {"edit": "Edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50", "mof": "MoF"}
ROLES = {
    "train": "recordings with labels",
    "val": "recordings whose labels chose the epoch",
    "pairs": "recordings of synchronised views without labels",
    "labelled_pairs": "pairs with labels",
}


def make_card(contents: Contents, config: PushConfig) -> str:
    """The card, Markdown behind YAML."""
    parts = [_header(config), f"# {config.to.partition('/')[2]}", _what(contents), _data(contents, config)]
    parts += [_scores(contents), _limits(contents, config), _use(contents, config), _licence(config)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(config: PushConfig) -> str:
    """What the Hub reads."""
    known = config.licence.lower() in LICENCES
    licence = {"license": config.licence.lower()} if known else {"license": "other", "license_name": config.licence}
    tags = ["viewloom", "temporal-action-segmentation", "multi-view", "safetensors"]
    facts = licence | {"library_name": "viewloom", "tags": tags}
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---"


def _what(contents: Contents) -> str:
    trained, refiner = contents.trained, contents.refiner
    lines = []
    if trained is not None:
        behind = f" behind a `{refiner.method}` refiner" if refiner is not None else ""
        lines.append(
            f"A `{HEADS.name_of(type(trained.head))}` head{behind}: features of a video, frame by frame, to one of "
            f"{len(trained.actions)} actions{' or several' if trained.head.multi else ''}."
        )
        lines.append(f"Labels it was trained on are of the views {listed(trained.views, 20)}.")
    if refiner is not None:
        lines.append(
            f"The refiner (method `{refiner.method}`) maps features of the views {listed(refiner.views, 20)} into one "
            f"space of {refiner.out_dim}."
        )
    lines.append(f"Made with viewloom {contents.environment.get('viewloom', __version__)}.")
    return " ".join(lines)


def _data(contents: Contents, config: PushConfig) -> str:
    trained, refiner = contents.trained, contents.refiner
    extra = trained.extra if trained is not None else refiner.extra if refiner is not None else {}
    sampling = stored_sampling(extra)
    name = config.data or contents.environment.get("data") or "not named"
    size = refiner.dims if refiner is not None else (trained.head.dim,) if trained is not None else ()
    fps = trained.fps if trained is not None else extra.get("fps")
    lines = [f"- data: {name}{_simulated(contents)}"]
    lines += [f"- {count} {ROLES.get(role, role)}" for role, count in contents.learned.items()]
    lines.append(f"- features of size {', '.join(map(str, dict.fromkeys(size)))} (after pooling by {sampling.pooling})")
    lines += [f"- {fps:g} frames a second"] if fps else []
    lines.append(f"- chunks of {sampling.chunk_frames} frames, {listed(sampling.test_chunks)} averaged when it is used")
    backbone = contents.environment.get("backbone") or {}
    lines += [f"- features' network: weights {backbone['weights_sha256']}"] if "weights_sha256" in backbone else []
    return "## Learned from\n\n" + "\n".join(lines)


def _simulated(contents: Contents) -> str:
    return {True: ", **simulated**: its scores say nothing about real recordings", False: "", None: ""}[
        contents.simulated
    ]


def _scores(contents: Contents) -> str:
    if not contents.scores:
        return "## Scores\n\nNone: it was not evaluated."
    scores = contents.scores
    views: Mapping[str, Any] = scores["views"]
    names = [name for name in SCORES if all(name in view["scores"] for view in views.values())] or list(
        next(iter(views.values()))["scores"]
    )
    titles = [SCORES.get(name, name) for name in names]
    lines = [
        f"Percent, protocol `{scores['protocol']}`, split {scores['split']}. In brackets: 95 % interval over "
        "recordings.",
        "",
        "| view | recordings | " + " | ".join(titles) + " |",
        "|---|---|" + "---|" * len(titles),
    ]
    for view, found in views.items():
        cells = [_cell(name, found) for name in names]
        lines.append(f"| {view} ({found['kind']}) | {found['recordings']} | " + " | ".join(cells) + " |")
    if scores["learned"]:
        lines += ["", f"Some of these recordings were learned from ({listed(scores['learned'])})."]
    return "## Scores\n\n" + "\n".join(lines)


def _cell(name: str, found: Mapping[str, Any]) -> str:
    value = f"{found['scores'][name]:.1f}"
    if name != "f1_50" or found["f1_50_95"] is None:
        return value
    low, high = found["f1_50_95"]
    return f"{value} ({low:.1f}–{high:.1f})"


def _limits(contents: Contents, config: PushConfig) -> str:
    trained, refiner = contents.trained, contents.refiner
    lines = ["- It needs features made as those it learned from: the same network, frame rate and cameras alike."]
    if contents.simulated:
        lines.append("- It learned from simulated features, and knows nothing of real ones.")
    if trained is not None:
        lines.append(f"- It knows these actions and no others: {listed(trained.actions, 400)}.")
    if refiner is not None and not refiner.accepts("\0"):
        lines.append(f"- It takes the views {listed(refiner.views, 20)} and no others.")
    elif trained is not None and refiner is None:
        lines.append(f"- No view but {listed(trained.views, 20)} was shown to it.")
    if not contents.scores:
        lines.append("- Nobody measured how well it does.")
    elif any(view["recordings"] < 20 for view in contents.scores["views"].values()):
        lines.append("- Scores are of fewer than 20 recordings; intervals of so few are too narrow.")
    lines += [f"- {config.limits}"] if config.limits else []
    return "## Limits\n\n" + "\n".join(lines)


def _use(contents: Contents, config: PushConfig) -> str:
    view = (contents.refiner or contents.trained).views[-1]  # type: ignore[union-attr]
    if contents.trained is not None:
        lines = [
            f'head = vl.load_head("hf://{config.to}")',
            f'segments = vl.predict(head, features, view="{view}")  # features (T, D) of one recording',
        ]
    else:
        lines = [f'refiner = vl.load_refiner("hf://{config.to}")', f'z = refiner(features, view="{view}")  # (T, D)']
    return "\n".join(["## Use", "", "```python", "import viewloom as vl", "", *lines, "```"])


def _licence(config: PushConfig) -> str:
    return f"## Licence\n\n{config.licence}. Whoever uses the weights must also keep to the licence of the data."
