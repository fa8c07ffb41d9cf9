"""How sure runs are, on the page: figures are those of metrics.json, bars stand where they say, and notes warn."""

import json
import re

import numpy as np
import pytest

from tests.report.make_runs import write_run
from tests.report.test_report import Tables
from viewloom.errors import ConfigError, DataError
from viewloom.report import reliability as place
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.reliability import bars, places, reliability
from viewloom.report.runs import load_runs
from viewloom.training.confidence import ItemConfidence, view_confidence

FITTED = {"temperature": 0.5, "views": ["v3"], "frames": 100, "log_loss_before": 2.0, "log_loss_after": 1.0}


def said(seed, temperature, over=False):
    """What a view says of three recordings; with ``over`` of a head that is sure of wrong labels."""
    rng = np.random.default_rng(seed)
    items = []
    for _ in range(3):
        probs = rng.dirichlet(np.full(4, 0.8), 300).astype(np.float32)
        labels = (probs.cumsum(axis=1) < rng.random(300)[:, None]).sum(axis=1).clip(0, 3)
        labels = rng.integers(0, 4, 300) if over else labels
        items.append(ItemConfidence.of_item(probs, probs.argmax(axis=1), labels, temperature))
    return view_confidence(items, ["a", "b", "c"])


def write(folder, name="naive", calibration=FITTED, **views):
    run = write_run(folder / name, name, {"v3": 0.8, "e4": 0.4})
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["calibration"] = calibration
    for view, found in views.items():
        metrics["views"][view]["reliability"] = found
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run


def page_of(folder):
    return run_report(ReportConfig(runs=str(folder), out=str(folder / "r.html"))).read_text("utf-8")


def test_the_table_has_the_figures_of_the_run(tmp_path):
    views = {"v3": said(0, 0.5), "e4": said(1, 0.5, over=True)}
    write(tmp_path, **views)
    rows = Tables(page_of(tmp_path)).rows["confidence"][1:]
    assert [row[:4] for row in rows] == [["naive", "v3", "here", "0.50"], ["naive", "e4", "extrapolated", "0.50"]]
    for row, found in zip(rows, views.values(), strict=True):
        before, after = found["before"]["frames"], found["after"]["frames"]
        low, high = after["interval"]
        assert row[4:11] == [
            *(f"{after[name]:.1f}" for name in ("confidence", "right")),
            *(f"{side['ece']:.1f}" for side in (before, after)),
            f"{low:.1f} to {high:.1f}",
            f"{after['ece_equal_mass']:.1f}",
            f"{found['after']['segments']['ece']:.1f}",
        ]
        assert row[11] == f"{before['log_loss']:.2f} > {after['log_loss']:.2f}"
        assert row[12] == f"{before['brier']:.2f} > {after['brier']:.2f}"


def test_bars_are_as_high_as_the_share_that_is_right():
    bins = {"counts": [0, 1, 400, 100], "confidence": [None, 30.0, 60.0, 90.0], "right": [None, 100.0, 50.0, 95.0]}
    found = bars(bins)
    assert [bar.x for bar in found] == [place.LEFT + place.SIDE * share for share in (0.25, 0.5, 0.75)]
    assert [(place.FLOOR - bar.top) / place.SIDE for bar in found] == pytest.approx([1.0, 0.5, 0.95])
    assert [bar.over for bar in found] == [False, True, False]
    assert [bar.faint for bar in found] == [True, False, False]
    assert [bar.gap[1] / place.SIDE for bar in found] == pytest.approx([0.7, 0.1, 0.05])
    assert found[1].gap[0] == pytest.approx(place.FLOOR - 0.6 * place.SIDE)
    assert [bar.low / place.LOW for bar in found] == pytest.approx([1 / 400, 1.0, 0.25])
    assert places(bins)[0] == pytest.approx((place.LEFT + 0.3 * place.SIDE, place.TOP))


def test_the_page_draws_each_bin_that_holds_frames_and_no_circle_where_nothing_changed(tmp_path):
    found, same = said(0, 0.5), said(0, 1.0)
    write(tmp_path / "a", v3=found)
    write(tmp_path / "b", v3=same)
    for folder, of, circles in (("a", found, True), ("b", same, False)):
        page = page_of(tmp_path / folder)
        section = page[page.index('<section id="confidence">') :].split("</section>")[0]
        held = sum(map(bool, of["after"]["frames"]["bins"]["counts"]))
        assert len(re.findall(r'<rect [^>]*class="share"', section)) == 2 * held
        assert len(re.findall(r'<rect [^>]*class="(?:over|under)"', section)) == held
        before = sum(map(bool, of["before"]["frames"]["bins"]["counts"]))
        assert len(re.findall(r'class="before"', section)) == circles * before


def test_it_warns_where_confidence_is_extrapolated_or_worse_and_where_none_was_fitted(tmp_path):
    write(tmp_path, v3=said(0, 1.02), e4=said(1, 0.3, over=True))
    write(tmp_path, "plain", {"temperature": 1.0, "views": []}, v3=said(2, 1.0))
    found = reliability(load_runs([tmp_path]))
    text = "\n".join(found["notes"])
    assert "Extrapolated" in text
    assert "No temperature was fitted for plain:" in text
    assert "naive on e4: the temperature takes confidence further from the truth" in text
    assert "naive on v3: the temperature takes" not in text
    assert [line.fitted for line in found["lines"]] == ["here", "extrapolated", "none"]
    calm = reliability(load_runs([write(tmp_path / "other", v3=said(0, 1.05))]))
    assert calm["notes"] == []


def test_older_runs_have_no_such_section_and_broken_ones_are_refused(tmp_path):
    write_run(tmp_path / "old", "naive")
    assert 'id="confidence"' not in page_of(tmp_path / "old")
    found = said(0, 0.5)
    del found["after"]["frames"]["ece"]
    write(tmp_path / "broken", v3=found)
    with pytest.raises(DataError, match="what it says of confidence can't be read"):
        page_of(tmp_path / "broken")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_shows_the_views_that_are_asked_for(tmp_path, suffix):
    run = write(tmp_path / "runs", v3=said(0, 0.5), e4=said(1, 0.5, over=True))
    write_run(tmp_path / "runs" / "old", "old")

    def picture(name, **settings):
        config = ReportConfig(
            runs=str(tmp_path / "runs"), picture=str(tmp_path / f"{name}.{suffix}"), picture_of="confidence", **settings
        )
        return run_report(config)

    both, one = picture("both").read_bytes(), picture("one", views="e4").read_bytes()
    assert both == picture("again").read_bytes()
    assert len(one) < len(both)
    if suffix == "svg":
        error = json.loads((run / "metrics.json").read_text())["views"]["e4"]["reliability"]["after"]["frames"]["ece"]
        assert f"naive on e4: calibration error {error:.1f}" in one.decode()
        assert "SIMULATED" in one.decode()
        assert "on v3" not in one.decode()
        assert "old on" not in both.decode()
    with pytest.raises(ConfigError, match="No run was scored on v9"):
        picture("none", views="v9")


def test_runs_that_do_not_say_how_sure_they_are_have_no_picture(tmp_path):
    write_run(tmp_path / "old", "old")
    with pytest.raises(ConfigError, match="No run says how sure it is"):
        run_report(ReportConfig(runs=str(tmp_path), picture=str(tmp_path / "p.png"), picture_of="confidence"))
