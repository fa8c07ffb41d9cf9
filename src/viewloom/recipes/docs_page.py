"""The Markdown page that ``--docs`` asks for: never in place of one that something else wrote."""

from pathlib import Path

from viewloom.errors import ConfigError


def check_page(docs: str | None, mark: str, *beside: str) -> None:
    """`ConfigError` where the page, or a file beside it, would replace what this command did not write.

    Args:
        docs: file of the page; None: there is none.
        mark: with what every page of the command begins.
        beside: suffixes of files that are written with the page; where that is the command's own, they are too.
    """
    if docs is None:
        return
    page = Path(docs)
    if page.is_file() and page.read_bytes().startswith(mark.encode()):
        return
    for path in (page, *map(page.with_suffix, beside)):
        if path.exists():
            raise ConfigError(f"{path} was not written by this command. Choose another --docs file, or move it away.")
