"""`viewloom push`: weights and a model card to the Hugging Face Hub."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import ConfigError, listed
from viewloom.hub.card import make_card
from viewloom.hub.contents import CARD, read_contents, write_contents
from viewloom.hub.settings import PushConfig
from viewloom.remote import in_words, require_hub

MADE_BY_HUB = frozenset({".gitattributes", CARD})
"""Files that a new repository may have from the beginning."""


@dataclass(frozen=True)
class Pushed:
    """What was sent, or would be.

    Attributes:
        to: the repository.
        card: the model card.
        files: names and sizes (bytes).
        url: the commit; None where nothing was sent.
    """

    to: str
    card: str
    files: dict[str, int]
    url: str | None = None

    def __str__(self) -> str:
        files = "\n".join(f"{size:>12,}  {name}" for name, size in self.files.items())
        if self.url is None:
            return f"{self.card}\nbytes, of each file that would be sent to {self.to}; nothing was:\n{files}"
        return f"{self.url}\n{files}\nload it: vl.load_{self.kind}('hf://{self.to}')"

    @property
    def kind(self) -> str:
        """What there is to load."""
        return "head" if "head.safetensors" in self.files else "refiner"


def push(run: str | Path, to: str, licence: str, **settings: Any) -> Pushed:
    """Put a run's weights and a model card on the Hugging Face Hub.

    Args:
        run: run folder of `viewloom train` or `viewloom pretrain`.
        to: repository, ``user/name``.
        licence: of the weights: ``mit``, ``cc-by-nc-4.0``.
        settings: others of `viewloom push`: ``plan=True`` sends nothing, and shows what it would.

    Raises:
        DataError: a run without weights.
        ConfigError: no token, a repository that may not be written, or that holds something already.
    """
    return run_push(PushConfig(run=str(run), to=to, licence=licence, **settings))


def run_push(config: PushConfig) -> Pushed:
    """`push` by its settings."""
    contents = read_contents(Path(config.run))
    card = make_card(contents, config)
    with tempfile.TemporaryDirectory(prefix="viewloom-push-") as folder:
        files = write_contents(contents, Path(folder), card)
        planned = Pushed(config.to, card, {path.name: path.stat().st_size for path in files})
        if config.plan:
            return planned
        return Pushed(planned.to, planned.card, planned.files, _sent(config, files))


def _sent(config: PushConfig, files: Sequence[Path]) -> str:
    """Send files in one commit; its address."""
    hub = require_hub()
    if not hub.get_token():
        raise ConfigError(
            "There is no token for the Hub. Set HF_TOKEN to one with the right to write "
            "(https://huggingface.co/settings/tokens); --plan true shows what would be sent without one."
        )
    hub.utils.disable_progress_bars()
    api = hub.HfApi(library_name="viewloom")
    operations = [hub.CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path) for path in files]
    try:
        api.create_repo(config.to, private=config.private, exist_ok=True)
        there = set(api.list_repo_files(config.to)) - MADE_BY_HUB
        if there and not config.overwrite:
            raise ConfigError(
                f"{config.to} holds {listed(sorted(there))} already. Pass --overwrite true, or another --to; earlier "
                "revisions stay there."
            )
        return str(api.create_commit(config.to, operations, commit_message="Weights and card by viewloom").commit_url)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - the Hub's errors, and those of its connection, have no common class
        raise in_words(error, config.to) from None
