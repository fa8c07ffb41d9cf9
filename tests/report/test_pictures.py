"""Colours, which items are shown, curves, confusions, and the picture file."""

import math
import re

import numpy as np
import pytest

from tests.report.make_runs import make_items, write_run, write_runs
from viewloom.errors import ConfigError
from viewloom.report.colours import ink, palette
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.confusion import confusions
from viewloom.report.curves import plot
from viewloom.report.formats import clock, fixed
from viewloom.report.page import environment
from viewloom.report.picking import pick, ranking
from viewloom.report.picture import picture_colours
from viewloom.report.reading import read_curves
from viewloom.report.runs import load_runs
from viewloom.report.strips import action_colours, item_strips

VISIONS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    ]
)
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("pictures"), recordings=5)


def rgb(colour):
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def test_202_colours_differ_and_the_first_ones_lie_apart():
    colours = palette(202)
    assert len(set(colours)) == 202
    assert colours[:12] == palette(12)
    apart = [np.abs(rgb(a) - rgb(b)).max() for i, a in enumerate(colours[:12]) for b in colours[:i]]
    assert min(apart) > 25
    assert palette(0) == ()


def test_colours_stay_apart_for_colour_blind_readers_too():
    """Distances in OKLab (Ottosson 2020), as seen by all, without medium-wave cones and without long-wave cones
    (Machado, Oliveira and Fernandes 2009); ten colours of matplotlib's best palette lie 0.16 apart, forty 0.06."""
    srgb_C3 = np.array([rgb(colour) for colour in palette(202)]) / 255
    linear_C3 = np.where(srgb_C3 <= 0.04045, srgb_C3 / 12.92, ((srgb_C3 + 0.055) / 1.055) ** 2.4)
    seen = np.stack([np.cbrt(np.clip(linear_C3 @ vision.T, 0, 1) @ TO_LMS.T) @ TO_LAB.T for vision in VISIONS])
    away = np.sqrt(((seen[:, :, None] - seen[:, None]) ** 2).sum(axis=3))
    apart_CC = away[0] + away[1:].min(axis=0) + 9 * np.eye(202)
    for count, least in ((6, 0.35), (10, 0.24), (24, 0.16), (40, 0.12), (202, 0.06)):
        assert apart_CC[:count, :count].min() > least
    assert seen[0, :, 0].min() > 0.44 and seen[0, :, 0].max() < 0.86  # on white and on black


def test_ink_reads_on_every_colour():
    for colour in palette(202):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour) / 255]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        contrast = (luminance + 0.05) / 0.05 if ink(colour) == "#000" else 1.05 / (luminance + 0.05)
        assert contrast > 4.5


def test_colours_depend_on_the_truth_alone(tmp_path):
    items = make_items(3, [f"a{i}" for i in range(24)])
    good, bad = (write_run(tmp_path / n, n, {"v3": s}, items=items) for n, s in (("good", 0.9), ("bad", 0.1)))
    one, other = action_colours(load_runs([good])), action_colours(load_runs([bad]))
    present = {int(label) for _, _, truth in items.values() for label in np.unique(truth)}
    assert {label: one[label] for label in present} == {label: other[label] for label in present}


def test_items_shown_are_the_best_the_middle_and_the_worst(runs):
    loaded = load_runs([runs])
    names = [name for name, _ in ranking(loaded)]
    scores = [score for _, score in ranking(loaded)]
    assert scores == sorted(scores, reverse=True)
    assert [one.item for one in pick(loaded, 10)] == names  # all
    seven = pick(loaded, 7)
    assert [one.item for one in seven] == [*names[:3], *names[4:6], *names[8:]]
    assert [one.group for one in seven] == ["best"] * 3 + ["median"] * 2 + ["worst"] * 2
    for most in range(10):
        chosen = [one.rank for one in pick(loaded, most)]
        assert chosen == sorted(set(chosen))
        assert len(chosen) == most


def test_curves_are_the_columns_of_the_file(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,train/loss,val/mof\n0,1,2.0,\n0,2,1.0,\n0,2,,30\n1,4,0.5,\n1,4,inf,40\n")
    found = read_curves(path)
    assert found["train/loss"][0] == (1, 1.5)
    assert math.isinf(found["train/loss"][1][1])
    assert found["val/mof"] == [(1, 30), (2, 40)]


def test_a_line_is_interrupted_where_it_is_not_finite():
    points = [(1, 1.0), (2, 2.0), (3, math.nan), (4, 1.0)]
    it = {"styles": {"<x>": "line0"}, "first": [plot("loss", {"<x>": points})], "more": []}
    svg = environment().get_template("curves.html").render(it=it)
    assert len(re.findall(r"<path", svg)) == 2
    assert len(re.findall(r"<circle", svg)) == 1  # the point that is left alone
    assert "&lt;x&gt;" in svg
    assert "<x>" not in svg
    y_of = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", svg)]
    assert y_of[1] < y_of[0] == y_of[2]  # up is more


def test_confusions_are_counted_in_frames(tmp_path):
    truth = np.repeat([0, 1, 2], [300, 90, 60])
    folder = write_run(tmp_path / "x", items={"i": ("r", 0, truth)}, skills={"v3": 1.0}, actions=["a", "b", "c"])
    path = folder / "predictions" / "v3.json"
    text = path.read_text()
    start = text.index('"prediction"')
    path.write_text(text[:start] + '"prediction": [[0, 225, 0], [225, 450, 1]]}}}')
    html = environment().get_template("confusions.html").render(it=confusions(load_runs([folder])))
    pairs = re.findall(r"<tr><th scope=\"row\">(\w)</th><td>→ (\w)</td><td>([\d.]+)</td><td>(\d+) %</td></tr>", html)
    assert pairs == [("a", "b", "2.5", "25"), ("c", "b", "2.0", "100")]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_the_same_each_time(runs, tmp_path, suffix):
    path = tmp_path / f"p.{suffix}"
    settings = {"runs": str(runs), "picture": str(path), "views": "v3,e4", "overwrite": True}
    first = run_report(ReportConfig(**settings)).read_bytes()
    assert run_report(ReportConfig(**settings)).read_bytes() == first
    assert len(first) > 3000
    with pytest.raises(ConfigError, match="there already"):
        run_report(ReportConfig(**settings | {"overwrite": False}))


def test_a_picture_gives_the_clearest_colours_to_the_truth(runs):
    loaded = load_runs([runs])
    strips = item_strips(loaded, ranking(loaded)[0][0])
    colours = picture_colours(strips)
    truth = strips[0].result.truth.labels.tolist()
    assert set(list(colours)[: len(set(truth))]) == set(truth)
    assert list(colours.values()) == list(palette(len(colours)))


def test_wrong_pictures(runs, tmp_path):
    for settings, message in (
        ({"picture": "p.gif"}, r"must end in \.png or \.svg"),
        ({"picture": "p.png", "item": "nothing"}, "No prediction of nothing in any view. There are: assembly_rec00"),
        ({"picture": "p.png", "views": "v3,v9"}, "in v9. There are predictions of it in v3, e4"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_report(ReportConfig(runs=str(runs), **settings | {"picture": str(tmp_path / settings["picture"])}))
    assert list(tmp_path.iterdir()) == []


def test_figures_and_times_are_written_plainly():
    assert [fixed(v) for v in (1.25, -1.26, -0.01, 0.0, None)] == ["1.2", "−1.3", "0.0", "0.0", "–"]
    assert [clock(s) for s in (0, 59.6, 61, 3600)] == ["0:00", "1:00", "1:01", "1:00:00"]
