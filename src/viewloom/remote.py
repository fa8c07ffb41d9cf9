"""Weights on the Hugging Face Hub by an address, ``hf://user/name[@revision][/file]``, brought to this machine's cache.

Only files of names that are known here are fetched, none is a pickle, and nothing of a repository is ever run. What has
been fetched once is there without a network, too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import ConfigError, DataError, UserError, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEAD_FILE, REFINER_FILE, ENVIRONMENT_FILE = "head.safetensors", "refiner.safetensors", "environment.json"
FETCHED = (HEAD_FILE, REFINER_FILE, ENVIRONMENT_FILE)
"""What is fetched of a repository."""
ADDRESS = re.compile(
    r"hf:/{1,2}(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>[\w.-]+(?:/[\w.-]+)*))?/?"
)
FORM = "hf://user/name[@revision][/file.safetensors]"


def is_remote(path: Path | str) -> bool:
    """Whether this is an address on the Hub; also one that went through a `Path`, which makes one slash of two."""
    return str(path).startswith("hf:/")


def local_file(path: Path | str, name: str) -> Path:
    """The file that a path means: itself; of an address the file in the cache, called ``name`` unless that says more.

    Raises:
        DataError: the repository lacks the file.
        ConfigError: an address that can't be read, and what to do: no token, gated, not found, no network.
    """
    if not is_remote(path):
        return Path(path)
    address = _parsed(path)
    if address["file"]:
        return _one(address, str(address["file"]))
    found = _snapshot(address) / name
    if not found.is_file():
        there = sorted(entry.name for entry in found.parent.glob("*.safetensors"))
        raise DataError(
            f"{address['repo']} on the Hub has no {name}; of viewloom's weights it has: {listed(there)}. Pass another "
            f"repository, or its file: {FORM}."
        )
    return found


def local_folder(path: Path | str) -> Path:
    """The folder or file that a path means: itself; of an address what is in the cache. Errors as `local_file`."""
    if not is_remote(path):
        return Path(path)
    if _parsed(path)["file"]:
        return local_file(path, HEAD_FILE)
    return local_file(path, HEAD_FILE).parent


def _parsed(path: Path | str) -> dict[str, str | None]:
    """Repository, revision and file of an address."""
    found = ADDRESS.fullmatch(str(path))
    file = found["file"] if found else None
    if found is None or (file and (not file.endswith(".safetensors") or ".." in Path(file).parts)):
        raise ConfigError(f"{path} is no address of weights on the Hub. It looks so: {FORM}.")
    return found.groupdict()


def _one(address: dict[str, str | None], file: str) -> Path:
    hub = require_hub()
    return Path(_fetched(address, lambda: hub.hf_hub_download(address["repo"], file, revision=address["revision"])))


def _snapshot(address: dict[str, str | None]) -> Path:
    hub = require_hub()
    names = list(FETCHED)
    return Path(
        _fetched(
            address,
            lambda: hub.snapshot_download(address["repo"], revision=address["revision"], allow_patterns=names),
        )
    )


def require_hub() -> Any:
    """The package huggingface_hub; `ConfigError` where it isn't installed."""
    try:
        import huggingface_hub
    except ImportError:
        raise ConfigError(
            "The package 'huggingface_hub' isn't installed. Install it: pip install 'viewloom[hub]'."
        ) from None
    return huggingface_hub


def _fetched(address: dict[str, str | None], fetch: Callable[[], str]) -> str:
    """What is fetched; errors of the Hub in words."""
    hub = require_hub()
    hub.utils.disable_progress_bars()
    hub.logging.set_verbosity_error()  # what it would say is said below
    try:
        return fetch()
    except Exception as error:  # noqa: BLE001 - the Hub's errors, and those of its connection, have no common class
        raise in_words(error, str(address["repo"]), address["revision"], address["file"]) from None


CAUSES: Mapping[str, tuple[type[UserError], str]] = {
    "GatedRepoError": (
        ConfigError,
        "{repo} is gated: its owner lets in whom they accept. Ask on https://huggingface.co/{repo}, and set "
        "HF_TOKEN to a token of yours.",
    ),
    "RevisionNotFoundError": (
        ConfigError,
        "{repo} has no revision {revision!r}. Leave @{revision} out for the latest one.",
    ),
    "LocalEntryNotFoundError": (
        ConfigError,
        "The Hub can't be reached, and {repo} isn't in this machine's cache. Check the network (and HF_HUB_OFFLINE); "
        "what was fetched once is there without.",
    ),
    "OfflineModeIsEnabled": (ConfigError, "HF_HUB_OFFLINE is set, so that {repo} can't be reached. Unset it."),
    "EntryNotFoundError": (DataError, "{repo} on the Hub has no file {file!r}. Leave it out, or look what there is."),
    "RepositoryNotFoundError": (
        ConfigError,
        "{repo} isn't on the Hub, or is private. Check the name; for a private one set HF_TOKEN to a token that may "
        "read it (https://huggingface.co/settings/tokens).",
    ),
    "HFValidationError": (
        ConfigError,
        "{repo!r} is no name of a repository: it must be user/name, of letters, digits, '-', '_' and '.'.",
    ),
}
"""What to say of an error of the Hub, by the name of its class, or of one it is derived from; the first that fits."""


def in_words(error: Exception, repo: str, revision: str | None = None, file: str | None = None) -> UserError:
    """An error of the Hub as a message that says what to do.

    Args:
        error: what was raised.
        repo: the repository.
        revision: which of its revisions was asked for.
        file: which of its files.
    """
    kinds = {cls.__name__ for cls in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    for name, (cls, text) in CAUSES.items():
        if name in kinds:
            return cls(text.format(repo=repo, revision=revision, file=file))
    if status in (401, 403):
        return ConfigError(
            f"The Hub refuses this for {repo} ({status}). Set HF_TOKEN to a token with the right to it "
            "(https://huggingface.co/settings/tokens)."
        )
    name = type(error).__name__
    first = (str(error).strip().splitlines() or [name])[0]
    return ConfigError(f"The Hub could not be used for {repo}: {first} ({name}). Try again later.")
