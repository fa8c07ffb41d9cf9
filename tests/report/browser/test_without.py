"""Without a browser these tests are skipped with the reason, and fail in CI."""

import pytest

from tests.report.browser import conftest


@pytest.mark.parametrize(("ci", "end"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_skip_is_a_failure_in_ci(monkeypatch, ci, end):
    monkeypatch.setattr(conftest.shutil, "which", lambda name: None)
    monkeypatch.delenv("VIEWLOOM_CHROMIUM", raising=False)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(end, match="apt-get install chromium"):
        conftest.stop(conftest.lacking())
