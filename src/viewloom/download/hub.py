"""The Hugging Face hub, as far as downloading needs it: what a repository holds, and a file that can be gone on with.

`huggingface_hub` 2 begins a file anew after a process was stopped; here what has come is kept beside, and only the rest
is asked for.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import ConfigError, DataError
from viewloom.features.rows import hash_file
from viewloom.requirements import load

SMALL_BYTES = 1 << 23
"""Files below have no progress bar of their own."""
SETTINGS_PAGE = "https://huggingface.co/settings/tokens"


@dataclass(frozen=True)
class HubFile:
    """A file of a repository.

    Attributes:
        path: in the repository.
        size: in bytes.
        sha256: of its content, where the hub keeps it as a large file; else None.
        blob: git's hash of the content, where it is a small one.
    """

    path: str
    size: int
    sha256: str | None
    blob: str


def endpoint() -> str:
    """Address of the hub: ``HF_ENDPOINT``, else Hugging Face's own."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn what the hub answers into messages that say what to do."""
    errors = load("huggingface_hub.utils", "hub")
    page = f"{endpoint()}/datasets/{repo}"
    how = (
        f"Log in at {page} and accept its terms there if it asks for that, make a token with the right to read at "
        f"{SETTINGS_PAGE}, and pass it as the environment variable HF_TOKEN, or run `hf auth login` once. Then run the "
        "same command again."
    )
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.GatedRepoError) as error:  # 401 without a token, 403 without consent
        raise ConfigError(f"{repo} isn't open to you ({_status(error)}). {how}") from None
    except errors.RevisionNotFoundError:
        raise ConfigError(
            f"{repo} has no such revision. Leave --revision out, or pass a branch, tag or commit."
        ) from None
    except errors.HfHubHTTPError as error:
        if _code(error) in (401, 403):
            raise ConfigError(f"{repo} isn't open to you ({_status(error)}). {how}") from None
        raise ConfigError(
            f"{page} answers {_status(error)}. What has come is kept; run the command again later."
        ) from None
    except Exception as error:
        if not isinstance(error, OSError) and not type(error).__module__.startswith(("httpx", "httpcore", "requests")):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{page}: {reason}. What has come is kept; run the same command again to go on.") from None


def _code(error: Any) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _status(error: Any) -> str:
    code = _code(error)
    return f"status {code}" if code else (str(error).splitlines() or [""])[0]


class Repository:
    """A data-set repository at one commit.

    Args:
        repo: its name.
        revision: branch, tag or commit.

    Raises:
        ConfigError: see `explained`.
    """

    def __init__(self, repo: str, revision: str) -> None:
        hub = load("huggingface_hub", "hub")
        self.repo, self.token = repo, hub.get_token()
        self._api = hub.HfApi(endpoint=endpoint(), token=self.token)
        with explained(repo):
            self.commit: str = self._api.repo_info(repo, repo_type="dataset", revision=revision).sha

    def files(self, path: str) -> list[HubFile]:
        """The files in a folder of the repository and below; none where there is no such folder."""
        errors = load("huggingface_hub.utils", "hub")
        with explained(self.repo):
            try:
                found = list(
                    self._api.list_repo_tree(
                        self.repo, path or None, recursive=True, repo_type="dataset", revision=self.commit
                    )
                )
            except errors.EntryNotFoundError:
                return []
        return [
            HubFile(one.path, int(one.size), one.lfs.sha256 if one.lfs else None, str(one.blob_id))
            for one in found
            if hasattr(one, "size")
        ]

    def fetch(self, file: HubFile, partial: Path) -> None:
        """Download a file, or the rest of one, into ``partial``, and compare size and hash.

        Raises:
            DataError: what came is not what the hub says it is; it is removed.
        """
        download = load("huggingface_hub.file_download", "hub")
        tools = load("huggingface_hub.utils", "hub")
        headers = tools.build_hf_headers(token=self.token)
        (tools.disable_progress_bars if file.size < SMALL_BYTES else tools.enable_progress_bars)()
        url = download.hf_hub_url(self.repo, file.path, repo_type="dataset", revision=self.commit, endpoint=endpoint())
        partial.parent.mkdir(parents=True, exist_ok=True)
        there = partial.stat().st_size if partial.exists() else 0
        if there > file.size:
            partial.unlink()
            there = 0
        with explained(self.repo), partial.open("ab") as out:
            if there < file.size:
                download.http_get(url, out, resume_size=there, headers=headers, expected_size=file.size)
        if not _is(file, partial):
            partial.unlink()
            raise DataError(f"{file.path} came with another content than {self.repo} says. Run the same command again.")


def _is(file: HubFile, path: Path) -> bool:
    """Whether a file on disk is the repository's, by size and hash."""
    if path.stat().st_size != file.size:
        return False
    if file.sha256 is not None:
        return hash_file(path) == file.sha256
    header = f"blob {file.size}\0".encode()
    return hashlib.sha1(header + path.read_bytes(), usedforsecurity=False).hexdigest() == file.blob
