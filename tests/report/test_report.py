"""The page: its figures are those of the run files, it holds everything, and no text becomes markup."""

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tests.report.make_runs import NASTY, make_items, write_pretraining, write_run, write_runs
from viewloom.errors import ConfigError, DataError
from viewloom.report.command import ReportConfig, run_report

VOID = {"meta", "rect", "circle", "line", "path"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("report") / "runs", recordings=4)


def page_of(runs, tmp_path, **settings):
    return run_report(ReportConfig(runs=str(runs), out=str(tmp_path / "r.html"), **settings)).read_text("utf-8")


class Tables(HTMLParser):
    """Text of every cell of every table under a section, and a check that tags nest."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.open, self.section = {}, [], None
        self.feed(page)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        if tag == "section":
            self.section = dict(attrs)["id"]
        if tag == "tr":
            self.rows.setdefault(self.section, []).append([])
        if tag in ("td", "th") and "tr" in self.open:
            self.rows[self.section][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and {"td", "th"} & set(self.open) and "tr" in self.open:
            self.rows[self.section][-1][-1] += data


def test_scores_on_the_page_are_those_of_the_run_files(runs, tmp_path):
    rows, view = {}, None
    for row in Tables(page_of(runs, tmp_path)).rows["scores"][1:]:
        if len(row) == 1:
            view = re.match(r"scored on (\w+)", row[0])[1]
        else:
            rows[row[0], view] = row
    count = 0
    for path in sorted(runs.glob("*/metrics.json")):
        metrics = json.loads(path.read_text())
        for name, result in metrics["views"].items():
            row, scores = rows[metrics["row"], name], result["scores"]
            count += 1
            assert row[1] == "+".join(metrics["trained_on"])
            shown = [*row[2:6], *row[7:9]]
            assert shown == [f"{scores[key]:.1f}" for key in ("edit", "f1_10", "f1_25", "f1_50", "mof", "total")]
            low, high = map(float, re.match(r"([\d.]+) to ([\d.]+)", row[6]).groups())
            assert low <= scores["f1_50"] <= high
    assert count == len(rows) == 8


PARTS = [("actions", "per_class", "action"), ("items", "per_item", "item")]


@pytest.mark.parametrize(("section", "which", "name"), PARTS)
def test_every_action_and_item_is_there_with_its_score(runs, tmp_path, section, which, name):
    table = [row for row in Tables(page_of(runs, tmp_path)).rows[section] if len(row) == 3 + 8]
    columns = table[0][3:]
    shown = {row[0]: dict(zip(columns, row[3:], strict=True)) for row in table[1:]}
    for path in runs.glob("*/metrics.json"):
        metrics = json.loads(path.read_text())
        for view, result in metrics["views"].items():
            for row in result[which]:
                assert shown[row[name]][f"{metrics['row']} {view}"] == f"{row['f1_50']:.1f}"


def test_strips_are_the_segments_of_the_files(runs, tmp_path):
    page = page_of(runs, tmp_path, timelines=100)
    cards = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert len(cards) == 8  # four recordings, two items each
    files = [json.loads(path.read_text())["items"] for path in sorted(runs.glob("*/predictions/*.json"))]
    for card in cards:
        name = re.search(r"<h4>([^<]*)</h4>", card)[1]
        strips = [
            [(int(x), int(x) + int(width), int(label)) for label, x, width in found]
            for svg in re.findall(r"<svg.*?</svg>", card, re.DOTALL)
            for found in [re.findall(r'<rect class="k(\d+)" x="(\d+)" width="(\d+)"', svg)]
        ]
        wanted = [[tuple(row) for row in items[name]["prediction"]] for items in files]
        assert strips[0] == [tuple(row) for row in files[0][name]["truth"]]
        assert sorted(strips[1:]) == sorted(wanted)
        for strip in strips:
            assert sum(end - start for start, end, _ in strip) == files[0][name]["end"] - files[0][name]["start"]


def test_the_line_under_a_prediction_marks_as_many_frames_as_are_wrong(runs, tmp_path):
    page = page_of(runs, tmp_path, timelines=100)
    svgs = re.findall(r"<svg[^>]*prediction.*?</svg>", page, re.DOTALL)
    assert svgs
    for svg in svgs:
        frames = sum(int(width) for width in re.findall(r'class="k\d+" x="\d+" width="(\d+)"', svg))
        wrong = sum(int(width) for width in re.findall(r'class="off" x="\d+" width="(\d+)"', svg))
        mof = float(re.search(r'MoF ([\d.]+)"', svg)[1])
        assert 100 * (1 - wrong / frames) == pytest.approx(mof, abs=0.06)


def test_each_action_has_one_colour_and_a_key(runs, tmp_path):
    page = page_of(runs, tmp_path, timelines=100)
    used = set(re.findall(r'<rect class="k(\d+)"', page))
    rules = re.findall(r"\.k(\d+)\{fill:(#\w{6})", page)
    assert len(rules) == len({colour for _, colour in rules})
    assert used <= {label for label, _ in rules}
    assert used == set(re.findall(r'id="key(\d+)"', page))


def test_nothing_from_a_file_becomes_markup(tmp_path):
    nasty = '"><img src=x onerror=alert(2)>'
    items = {f"{nasty}{name}": (nasty, *rest) for name, (_, *rest) in make_items(2, NASTY).items()}
    folder = write_run(tmp_path / "run", f"<b>{nasty}", items=items, actions=NASTY)
    (folder / "config.yaml").write_text("head: </pre><i>linear</i>\n")
    (folder / "invariance.json").write_text(json.dumps({"warnings": [f"<u>{nasty}"]}))
    page = page_of(folder, tmp_path, title=f"<s>{nasty}")
    Tables(page)  # tags nest
    for piece in (NASTY[0], "<img", "<i>", "<u>", "<s>", f"<b>{nasty}"):
        assert piece not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("<script") == 1


def test_the_page_needs_nothing_else(runs, tmp_path):
    page = page_of(runs, tmp_path)
    assert not re.search(r"https?:|url\(|@import|srcset|<link|<iframe|<img|fetch\(|XMLHttp", page)
    assert all(target.startswith("#") for target in re.findall(r'\s(?:href|src|action|data)\s*=\s*"([^"]*)', page))
    anchors = re.findall(r'href="#([^"]*)"', page)
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert anchors
    assert set(anchors) <= set(ids)
    assert len(ids) == len(set(ids))
    assert len(page) < 1_500_000


def test_pictures_are_described(runs, tmp_path):
    page = page_of(runs, tmp_path)
    for svg in re.findall(r"<svg[^>]*>", page):
        assert 'role="img" aria-label="' in svg or "aria-hidden" in svg
    assert '<html lang="en">' in page
    assert "<title>Segmentation across views</title>" in page


def test_the_same_input_gives_the_same_bytes(runs, tmp_path):
    assert page_of(runs, tmp_path) == page_of(runs, tmp_path, overwrite=True)


def test_the_page_tells_how_to_make_it_again(runs, tmp_path):
    page = page_of(runs, tmp_path, title="It's <new>", timelines=3)
    command = re.search(r"<pre[^>]*>(viewloom report [^<]*)</pre>", page)[1]
    for word in (f"--runs {runs}", "--timelines 3", "--title", "&lt;new&gt;"):
        assert word in command


def test_simulated_features_and_collapse_are_loud_and_real_ones_carry_no_badge(tmp_path):
    folder = write_run(tmp_path / "runs" / "x", simulated=False)
    assert "Simulated" not in page_of(tmp_path / "runs", tmp_path)
    write_pretraining(tmp_path / "runs" / "y", ("COLLAPSE: constant features",))
    page = page_of(tmp_path / "runs", tmp_path, overwrite=True)
    assert re.search(r'class="badge"[^>]*><strong>Simulated features', page)
    assert '<li class="loud"><b>two streams, pre-training</b>: COLLAPSE: constant features' in page
    (folder / "metrics.csv").write_text("epoch,step,train/loss\n0,1,2.5\n1,2,nan\n2,3,1.5\n")
    assert "train/loss was not finite" in page_of(tmp_path / "runs", tmp_path, overwrite=True)


def test_pieces_that_are_missing_are_named(tmp_path):
    folder = write_run(tmp_path / "run")
    for path in (*folder.glob("predictions/*"), folder / "metrics.csv", folder / "config.yaml"):
        path.unlink()
    page = page_of(folder, tmp_path)
    assert page.count("no timelines, confusions or intervals for") == 2
    for title in ("Training curves", "Timelines", "Confusions"):
        assert f">{title}</h2>" not in page
    (folder / "metrics.json").unlink()
    write_pretraining(tmp_path / "other")
    page = run_report(ReportConfig(runs=f"{folder},{tmp_path / 'other'}", out=str(tmp_path / "q.html"))).read_text()
    assert "metrics.json is not there yet" in page
    assert "a pre-training run, which has no scores of its own" in page
    assert ">Training curves</h2>" in page
    assert ">Scores</h2>" not in page


def test_scores_that_predictions_do_not_give_are_doubted(tmp_path):
    folder = write_run(tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["views"]["e4"]["scores"]["f1_50"] += 1.0
    (folder / "metrics.json").write_text(json.dumps(metrics))
    page = page_of(folder, tmp_path)
    assert html.unescape(page).count("the predictions of e4 don't give") == 1


def test_recordings_that_contradict_the_scores_are_doubted(tmp_path):
    folder = write_run(tmp_path / "run")
    edit(folder / "predictions" / "e4.json", lambda v: first_item(v).update(recording="another"))
    page = html.unescape(page_of(folder, tmp_path))
    assert page.count("scores and predictions of e4 have assembly_rec00 in other recordings") == 1


def test_runs_that_do_not_compare_are_named(tmp_path):
    one, other = (write_run(tmp_path / "runs" / name, name) for name in "ab")
    metrics = json.loads((other / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps(metrics | {"split": "val", "simulated": False}))
    path = one / "predictions" / "e4.json"
    predictions = json.loads(path.read_text())
    first = next(iter(predictions["items"].values()))
    first["truth"][0][2] = (first["truth"][0][2] + 1) % 24
    path.write_text(json.dumps(predictions))
    page = page_of(tmp_path / "runs", tmp_path)
    assert "different splits (test, val)" in page
    assert "disagree on the truth of" in page


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def first_item(value):
    return next(iter(value["items"].values()))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("metrics.json", lambda v: v.pop("protocol"), r"metrics\.json: it has no protocol"),
        ("metrics.json", lambda v: v.update(views={}), r"metrics\.json holds no view"),
        ("metrics.json", lambda v: v["views"]["e4"]["scores"].pop("mof"), r"views\.e4\.scores has no mof"),
        (
            "metrics.json",
            lambda v: v["views"]["e4"]["per_item"][0].pop("edit"),
            r"views\.e4\.per_item\[0\] has no edit",
        ),
        ("metrics.json", lambda v: v["actions"].append(v["actions"][0]), r"actions has .* twice"),
        (
            "metrics.json",
            lambda v: v["views"]["e4"]["per_item"].append(v["views"]["e4"]["per_item"][0] | {"f1_50": 0.0}),
            r"views\.e4\.per_item has assembly_rec00 twice",
        ),
        (
            "metrics.json",
            lambda v: v["views"]["e4"]["per_class"].append(v["views"]["e4"]["per_class"][0] | {"f1_50": 0.0}),
            r"views\.e4\.per_class has .* twice",
        ),
        (
            "metrics.json",
            lambda v: v["views"]["e4"]["per_class"][0].update(action="nobody"),
            r"views\.e4\.per_class has nobody, which is not among actions",
        ),
        ("predictions/e4.json", lambda v: v.pop("items"), r"e4\.json: it has no items"),
        ("predictions/e4.json", lambda v: v["actions"].pop(), r"other actions than the metrics\.json"),
        ("predictions/e4.json", lambda v: first_item(v).update(end=0), r"item assembly_rec00 has no frames"),
        (
            "predictions/e4.json",
            lambda v: first_item(v)["truth"].append([1]),
            r"the truth of item \w+ is not",
        ),
        ("predictions/e4.json", lambda v: first_item(v)["prediction"][0].__setitem__(2, 99), r"not below 24"),
        ("predictions/e4.json", lambda v: first_item(v)["prediction"][0].__setitem__(0, 0), r"lies outside"),
        ("predictions/e4.json", lambda v: first_item(v)["prediction"].reverse(), r"overlaps the one before"),
    ],
)
def test_a_broken_file_is_named_with_the_place(tmp_path, file, change, message):
    folder = write_run(tmp_path / "run")
    edit(folder / file, change)
    with pytest.raises(DataError, match=message) as caught:
        page_of(folder, tmp_path)
    assert str(folder / file) in str(caught.value)
    assert "viewloom evaluate" in str(caught.value)
    assert not (tmp_path / "r.html").exists()


def test_wrong_input(tmp_path):
    out = str(tmp_path / "r.html")
    for name, message in (("no", "not a run folder"), ("", "There is no run in")):
        with pytest.raises(ConfigError, match=message):
            run_report(ReportConfig(runs=str(tmp_path / name), out=out))
    with pytest.raises(ConfigError, match="No run folder was named"):
        run_report(ReportConfig(runs=" , ", out=out))
    folder = write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="named twice"):
        run_report(ReportConfig(runs=f"{folder},{tmp_path}", out=out))
    with pytest.raises(ConfigError, match="timelines is .* has to be"):
        ReportConfig(runs=str(folder), timelines=-1)
    with pytest.raises(ConfigError, match="No run is called 'nobody'; the runs are: naive"):
        run_report(ReportConfig(runs=str(folder), out=out, reference="nobody"))
    with pytest.raises(ConfigError, match="is a folder"):
        run_report(ReportConfig(runs=str(folder), out=str(tmp_path)))
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        run_report(ReportConfig(runs=str(folder), out=out))
    assert (tmp_path / "r.html").read_text() == "mine"


def test_other_faults_of_a_run_folder(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "metrics.csv").write_text("epoch,step,train/loss\n0,1,2.5\n1,2,lots\n")
    with pytest.raises(DataError, match=r"metrics\.csv, line 3: expected an epoch and numbers"):
        page_of(folder, tmp_path)
    (folder / "metrics.csv").unlink()
    other = write_run(tmp_path / "other", actions=NASTY)
    with pytest.raises(DataError, match="different actions"):
        run_report(ReportConfig(runs=f"{folder},{other}", out=str(tmp_path / "r.html")))
    (folder / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json is not JSON"):
        page_of(folder, tmp_path)
    (folder / "metrics.json").unlink()
    with pytest.raises(ConfigError, match="No evaluated run"):
        page_of(folder, tmp_path)


def test_torch_is_not_imported_nor_what_draws_pictures(runs, tmp_path):
    code = (
        "import sys; from viewloom.cli import main; "
        f"code = main(['report', '--runs', {str(runs)!r}, '--out', {str(tmp_path / 'x.html')!r}]); "
        "names = ('torch', 'lightning', 'sklearn', 'scipy', 'plotly'); "
        "names += ('matplotlib.figure', 'matplotlib.pyplot'); "
        "heavy = [m for m in names if m in sys.modules]; "
        "assert code == 0 and not heavy, (code, heavy)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
