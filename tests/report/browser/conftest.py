"""One browser for all tests of this folder; pages are built once."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser.films import write_filmed_runs, write_lanes_run
from tests.report.make_runs import write_runs
from viewloom.report.command import ReportConfig, run_report

NAMES = ("chromium", "chromium-browser", "google-chrome")


def lacking() -> str:
    """Why there can be no tests in a browser here; empty where there can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install 'viewloom[dev]'"
    return "" if program() else f"none of {', '.join(NAMES)} is installed: apt-get install chromium"


def program() -> str | None:
    return os.environ.get("VIEWLOOM_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def stop(why: str) -> None:
    """End a test that has no browser: it fails where CI is set, else it is skipped."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Headless Chromium; without one the tests are skipped, and in CI they fail."""
    if why := lacking():
        stop(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=program(), args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


class Watched:
    """A page and all that it asked for or complained of."""

    def __init__(self, page):
        self.page, self.requests, self.complaints = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self._complain(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


@pytest.fixture
def visit(browser):
    """Opens a file as by double click: no server, no network."""
    contexts = []

    def go(path: Path, wide: int = 1300, high: int = 900, **settings) -> Watched:
        context = browser.new_context(viewport={"width": wide, "height": high}, offline=True, **settings)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.set_default_timeout(10_000)
        watched.page.goto(path.as_uri())
        return watched

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def filmed(tmp_path_factory) -> Path:
    """Page of two runs beside videos."""
    pytest.importorskip("av", reason="PyAV (extra: video) is not installed")
    folder = write_filmed_runs(tmp_path_factory.mktemp("filmed"))
    return run_report(ReportConfig(runs=str(folder / "runs"), out=str(folder / "out" / "my report.html")))


@pytest.fixture(scope="session")
def plain(tmp_path_factory) -> Path:
    """Page of five runs without videos."""
    folder = tmp_path_factory.mktemp("plain")
    runs = write_runs(folder / "runs", recordings=4)
    return run_report(ReportConfig(runs=str(runs), out=str(folder / "report.html")))


@pytest.fixture(scope="session")
def lanes(tmp_path_factory) -> Path:
    """Page of a run with several labels a frame."""
    run = write_lanes_run(tmp_path_factory.mktemp("lanes") / "run")
    return run_report(ReportConfig(runs=str(run), out=str(run.parent / "report.html")))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory) -> Path:
    """Page of two runs with previews in it, and nothing beside it."""
    pytest.importorskip("av", reason="PyAV (extra: video) is not installed")
    folder = write_filmed_runs(tmp_path_factory.mktemp("embedded"))
    page = tmp_path_factory.mktemp("alone") / "report.html"
    return run_report(ReportConfig(runs=str(folder / "runs"), out=str(page), embed="small"))
