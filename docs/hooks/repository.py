"""Links of pages that leave docs/: to the changelog, to how to contribute, and to source files, all shown here.

A page is written for readers of the repository, with links as its folders lie. Here each such link gets the page of the
site that shows the same thing, so that the site can be read from a folder, without a network.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=[)#])")
WHOLE_PAGES = {"CHANGELOG.md": "project/changelog.md", "CONTRIBUTING.md": "project/contributing.md"}
"""Pages of the repository's root, and what they are called on the site."""
SHOWN = {".py": "python", ".yaml": "yaml", ".sh": "bash", ".toml": "toml", ".md": "markdown"}
"""Kinds of files of which the site shows the source."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root, and a page for every source file that some page links to."""
    for origin, uri in WHOLE_PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / origin).read_text()))
    linked = {
        target
        for file in files.documentation_pages()
        for link in LINK.findall(file.content_string)
        if (target := in_repository(link, origin_of(file.src_uri))) and source_page(target)
    }
    for target in sorted(linked):
        kind, code = SHOWN[Path(target).suffix], (ROOT / target).read_text()
        page = f"# {target}\n\n````{kind}\n{code}````\n"
        files.append(File.generated(config, f"source/{target}.md", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Send links that leave docs/ to the pages of the site."""
    return rewritten(markdown, page.file.src_uri)


def rewritten(markdown: str, uri: str) -> str:
    """Text of a page with links as the site has them; what leads nowhere is left for the strict build to refuse."""
    origin = origin_of(uri)

    def there(match: re.Match[str]) -> str:
        target = in_repository(match[1], origin)
        known = target and (site_page(target) or source_page(target))
        return posixpath.relpath(known, posixpath.dirname(uri) or ".") if known else match[1]

    return LINK.sub(there, markdown)


def origin_of(uri: str) -> str:
    """Where the text of a page of the site lies in the repository."""
    return next((origin for origin, page in WHOLE_PAGES.items() if page == uri), f"docs/{uri}")


def in_repository(link: str, origin: str) -> str | None:
    """The file that a link of ``origin`` leads to, as seen from the root; None for addresses, and what isn't there."""
    if "://" in link or link.startswith(("mailto:", "/")):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    return target if not target.startswith("..") and (ROOT / target).is_file() else None


def site_page(target: str) -> str | None:
    """The page of the site that a file of the repository is."""
    if target == "README.md":
        return "index.md"
    if target.startswith("docs/"):
        page = target.removeprefix("docs/")
        return page.removesuffix(".ipynb") + ".md" if page.endswith(".ipynb") else page
    return WHOLE_PAGES.get(target)


def source_page(target: str) -> str | None:
    """The page that shows a source file; None for what is a page itself, or no text."""
    return None if site_page(target) or Path(target).suffix not in SHOWN else f"source/{target}.md"
