"""The page: its figures are those of the run files, it holds everything, and no text becomes markup."""

import json
import re
import subprocess
import sys

import pytest

from tests.report.make_runs import NASTY, write_run
from viewloom.errors import ConfigError, DataError
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path / "runs" / "a", "naive", noise=0.8)
    write_run(tmp_path / "runs" / "b", "cca", noise=0.4)
    write_run(tmp_path / "runs" / "c", "oracle", trained_on=("e4",), noise=0.0)
    return tmp_path / "runs"


def page_of(runs, tmp_path, **settings):
    return run_report(ReportConfig(runs=str(runs), out=str(tmp_path / "r.html"), **settings)).read_text()


def test_figures_on_the_page_are_those_of_the_run_files(runs, tmp_path):
    page = page_of(runs, tmp_path)
    cells = re.findall(r'<td class="number">([^<]*)</td>', page)
    for folder in sorted(runs.iterdir()):
        for view in json.loads((folder / "metrics.json").read_text())["views"].values():
            for value in view["scores"].values():
                assert f"{value:.1f}" in cells


def test_gap_closed_is_between_naive_and_oracle(runs):
    rows = {(row.row, row.tested): row for row in score_rows(load_runs([runs]))}
    naive, cca, oracle = (rows[name, "e4"].scores["f1_50"] for name in ("naive", "cca", "oracle"))
    assert naive < cca < oracle
    assert rows["cca", "e4"].gap == pytest.approx(100 * (cca - naive) / (oracle - naive))
    assert rows["naive", "e4"].gap == 0
    assert rows["oracle", "e4"].gap == 100
    assert rows["cca", "v3"].gap is None  # no head was trained on v3's labels and called an oracle


def test_strips_add_up_to_the_whole_width(runs, tmp_path):
    page = page_of(runs, tmp_path)
    strips = re.findall(r'<svg[^>]*class="strip">.*?</svg>|<svg[^>]*class="strip".*?</svg>', page)
    assert len(strips) == 4 * 2 * (1 + 3)  # items, views, truth and three runs
    for strip in strips:
        widths = [float(w) for w in re.findall(r'width="([\d.]+)"', strip)]
        assert sum(widths) == pytest.approx(1000, abs=0.1)


def test_nothing_from_a_file_becomes_markup(runs, tmp_path):
    page = page_of(runs, tmp_path, title="<b>t</b>")
    assert NASTY[0] not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>linear</b>" not in page
    assert "<b>t</b>" not in page
    assert page.count("<script") == 1


def test_the_page_needs_nothing_else(runs, tmp_path):
    page = page_of(runs, tmp_path)
    assert not re.search(r"""(src|href)\s*=|url\(|@import|https?://""", page)
    assert len(page) < 1_500_000
    assert "Simulated features" in page


def test_the_same_input_gives_the_same_bytes(runs, tmp_path):
    assert page_of(runs, tmp_path) == page_of(runs, tmp_path, overwrite=True)


def test_real_features_carry_no_badge_and_warnings_show(tmp_path):
    folder = write_run(tmp_path / "run", "x", simulated=False)
    assert "Simulated" not in page_of(folder, tmp_path)
    (folder / "invariance.json").write_text(json.dumps({"warnings": ["COLLAPSE: constant features"]}))
    assert "COLLAPSE: constant features" in page_of(folder, tmp_path, overwrite=True)


def test_pieces_that_are_missing_are_left_out(tmp_path):
    folder = write_run(tmp_path / "run", "x")
    for path in (*folder.glob("predictions/*"), folder / "metrics.csv", folder / "config.yaml"):
        path.unlink()
    page = page_of(folder, tmp_path)
    assert "Training curves" not in page
    assert 'class="strip"' not in page


def test_wrong_input(tmp_path):
    with pytest.raises(ConfigError, match="not a run folder"):
        run_report(ReportConfig(runs=str(tmp_path / "no"), out=str(tmp_path / "r.html")))
    with pytest.raises(ConfigError, match="No evaluated run"):
        run_report(ReportConfig(runs=str(tmp_path), out=str(tmp_path / "r.html")))
    folder = write_run(tmp_path / "run", "x")
    (folder / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json can't be read"):
        run_report(ReportConfig(runs=str(folder), out=str(tmp_path / "r.html")))
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        run_report(ReportConfig(runs=str(folder), out=str(tmp_path / "r.html")))
    assert (tmp_path / "r.html").read_text() == "mine"


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_can_be_had_alone(runs, tmp_path, suffix):
    path = run_report(ReportConfig(runs=str(runs / "a"), picture=str(tmp_path / f"p.{suffix}"), views="v3,e4"))
    assert path.stat().st_size > 3000


def test_torch_is_not_imported(runs, tmp_path):
    code = (
        "import sys; from viewloom.cli import main; "
        f"main(['report', '--runs', {str(runs)!r}, '--out', {str(tmp_path / 'x.html')!r}]); "
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
