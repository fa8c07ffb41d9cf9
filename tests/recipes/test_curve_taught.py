"""Curves of what nobody set: a method chosen and a student taught at each point, on the pairs that it has."""

import json

import pytest

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.recipes.chain import filled
from viewloom.recipes.curve import Builder, shared_sampling
from viewloom.recipes.curve_data import points_of
from viewloom.recipes.curve_results import MARK, taken
from viewloom.recipes.settings import CurveConfig, TransferConfig
from viewloom.training.settings import TeachConfig

QUICK = ["--head", "linear", "--head_epochs", "2", "--trainer.logger", "none", "--trainer.progress", "false"]
CANDIDATES = ["--method_options.candidates", "none,cca"]


def curve(data, out, kind, *more):
    common = ["--data", str(data), "--fps", "30", "--views", "v3,e4", "--seeds", "0", *QUICK, *CANDIDATES]
    return main(["curve", "--kind", kind, *common, "--out", str(out), *more])


def config(kind, data="d", **kwargs):
    return CurveConfig(**{"data": str(data), "fps": 30, "out": "o", "views": "v3,e4", "kind": kind} | kwargs)


def builder(settings):
    settings = filled(settings)
    dataset = vl.open_dataset(settings.data, fps=settings.fps)
    return Builder(settings, dataset, *shared_sampling(settings, dataset))


def learned(run, file="head.safetensors"):
    """{role: {recording: {view: frames}}} of a run."""
    loaded = vl.load_refiner(run / file) if file.startswith("refiner") else vl.load_head(run)
    return loaded.extra["learned_from"]


def with_other_labels_of_the_pairs(data, root):
    """The data set again, but every label of its pair recordings is another."""
    other = write_tiny(root, recordings=24)
    assert (other / "labels.csv").read_bytes() == (data / "labels.csv").read_bytes()
    pairs = (other / "splits" / "pairs.txt").read_text().split()
    lines = (other / "labels.csv").read_text().splitlines()
    changed = [line.rsplit(",", 1)[0] + ",act0" if line.split(",")[0] in pairs else line for line in lines]
    assert changed != lines
    (other / "labels.csv").write_text("\n".join(changed) + "\n")
    return other


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("curve") / "data", recordings=24)


@pytest.fixture(scope="module")
def out(data, tmp_path_factory):
    """A curve over pairs, with a page."""
    folder = tmp_path_factory.mktemp("curve") / "out"
    assert curve(data, folder, "pairs", "--points", "50,100", "--docs", str(folder / "docs" / "my page.md")) == 0
    return folder


@pytest.fixture(scope="module")
def results(out):
    [path] = out.glob("pairs-auto-*/results.json")
    return json.loads(path.read_text())


def runs_of(out, role):
    """Run folders of a role, by point."""
    names = {path: json.loads((path / "environment.json").read_text())["name"] for path in (out / "runs").iterdir()}
    found = [path for path, name in names.items() if name.split("-")[0] == role]
    return sorted(found, key=lambda path: float(names[path].partition("-")[2] or 0))


def test_a_curve_does_by_itself_what_transfer_does():
    mine, theirs = config("pairs"), TransferConfig(data="d", run="r", from_views="v3", to_views="e4")
    assert (mine.method, mine.student, mine.teach) == ("auto", True, TeachConfig())
    assert (theirs.method, theirs.student, theirs.teach) == ("auto", True, TeachConfig())
    assert mine.title == "auto + student" and config("pairs", method="cca", student=False).title == "cca"


def test_each_point_has_its_own_choice_and_says_which(out, results):
    points = runs_of(out, "method")
    lines = [line for line in results["lines"] if (line["role"], line["view"]) == ("method", "e4")]
    assert [line["recordings"] for line in lines] == [[3, 6], [6, 6]]
    for line, head in zip(lines, points, strict=True):
        refiners, count = (out / "runs").glob("refiner-auto-*"), line["recordings"][0]
        [refiner] = [run for run in refiners if len(learned(run, "refiner.safetensors")["pairs"]) == count]
        candidates = [learned(path, "refiner.safetensors")["pairs"] for path in (refiner / "candidates").iterdir()]
        assert [len(found) for found in candidates] == [count] * 2
        told = json.loads((refiner / "auto.json").read_text())
        assert line["chosen"] == {"0": {"chosen": told["chosen"], "why": told["why"]}} and told["chosen"] == "cca"
        assert (head / "refiner.safetensors").read_bytes() == (refiner / "refiner.safetensors").read_bytes()
    assert all(line["chosen"] is None for line in results["lines"] if line["role"] != "method")
    [table] = out.glob("pairs-auto-*/table.md")
    text = table.read_text()
    assert "| recordings | auto took | F1@50 on v3 |" in text and "| auto + student | 50 | 3 of 6 | cca | " in text


def test_students_learn_from_the_pairs_of_their_point_and_references_have_none(out):
    students = runs_of(out, "method")
    assert [len(learned(run)["pairs"]) for run in students] == [3, 6]
    for run in students:
        assert learned(run / "teacher")["train"].keys() == learned(run)["train"].keys()
        assert set(learned(run)["pairs"]) == set(learned(run, "refiner.safetensors")["pairs"])
        assert json.loads((run / "taught.json").read_text())["views"] == ["v3", "e4"]
    for role in ("naive", "oracle"):
        [run] = runs_of(out, role)
        assert not (run / "taught.json").exists() and "pairs" not in learned(run)


@pytest.mark.parametrize(
    ("kind", "pairs", "train"),
    [("pairs", [2, 2, 3, 6], [6] * 4), ("labels", [6] * 4, [1, 2, 3, 6]), ("offset", [6] * 7, [6] * 7)],
)
def test_what_students_are_taught_is_what_the_point_has(data, kind, pairs, train):
    points = points_of(config(kind), vl.open_dataset(data, fps=30), 0, 20)
    taught = [point.taught for point in points]
    counts = sorted({2, 3, 6}) if kind == "pairs" else pairs
    assert [len(each.splits.pairs) for each in taught] == counts
    assert [len(each.splits.train) for each in taught] == train[: len(counts)]
    name = taught[0].splits.pairs[0]
    late = [each.source.span(name, "e4").first - each.source.span(name, "v3").first for each in taught]
    assert late == ([0, 1, 2, 3, 5, 7, 10] if kind == "offset" else [0] * len(taught))


def test_seeds_that_differ_are_told_apart():
    def line(**chosen):
        return {"chosen": {seed[1:]: {"chosen": name} for seed, name in chosen.items()} or None}

    assert (taken(line()), taken(line(s0="cca", s1="cca"))) == ("", "cca")
    assert taken(line(s0="cca", s1="none", s2="cca")) == "cca (seed 0 2), none (seed 1)"


def test_a_page_with_its_picture_is_written_where_asked(data, out, capfd):
    page, picture = out / "docs" / "my page.md", out / "docs" / "my page.png"
    [folder] = out.glob("pairs-auto-*")
    text, table = page.read_text(), (folder / "table.md").read_text()
    assert text.startswith(f"{MARK}\n# Curve over pairs\n") and "](my%20page.png)\n" in text
    assert text.replace("my%20page.png", "curve.png") == table
    assert picture.read_bytes() == (folder / "curve.png").read_bytes() and picture.stat().st_size > 5000
    again = ["--points", "50,100", "--plan", "true", "--docs"]
    assert curve(data, out, "pairs", *again, str(page)) == 0
    for name, beside in (("mine.md", "mine.md"), ("other.md", "other.png")):
        (out / "docs" / beside).write_text("my own")
        capfd.readouterr()
        assert curve(data, out, "pairs", *again, str(out / "docs" / name)) == 2
        assert f"{beside} was not written by this command" in capfd.readouterr().err
        assert (out / "docs" / beside).read_text() == "my own"


def test_a_stopped_curve_goes_on_to_the_same_result(data, out, capfd):
    assert curve(data, out, "pairs", "--points", "50,100", "--plan", "true") == 0
    plan = capfd.readouterr().out
    assert "method auto + student: 10 runs" in plan and plan.count("student  ") == 2 and "to do" not in plan
    student = runs_of(out, "method")[0]
    refiners, own = (out / "runs").glob("refiner-auto-*"), (student / "refiner.safetensors").read_bytes()
    [refiner] = [run for run in refiners if (run / "refiner.safetensors").read_bytes() == own]
    files = [refiner / "refiner.safetensors", student / "head.safetensors", student / "metrics.json"]
    before, kept = [path.read_bytes() for path in files], (student / "teacher" / "head.safetensors").stat().st_mtime_ns
    for path in files:
        path.unlink()
    assert curve(data, out, "pairs", "--points", "50,100", "--plan", "true") == 0
    assert capfd.readouterr().out.count("to do") == 3
    assert curve(data, out, "pairs", "--points", "50,100") == 0
    assert capfd.readouterr().err.count("finished before") == 7
    assert [path.read_bytes() for path in files[:2]] == before[:2]
    assert (student / "teacher" / "head.safetensors").stat().st_mtime_ns == kept


def test_students_of_late_pairs_see_them_late(data, out):
    places = set((out / "runs").iterdir())
    assert curve(data, out, "offset", "--points", "0,9") == 0
    new = set((out / "runs").iterdir()) - places
    assert len(new) == 2, "the refiner and the student of offset 9; offset 0 and the baselines were there"
    [student] = [run for run in new if (run / "taught.json").exists()]
    spans = learned(student)
    assert {span["e4"][0] - span["v3"][0] for span in spans["pairs"].values()} == {9}
    assert all(list(span) == ["v3"] for span in spans["train"].values())


def test_runs_never_depend_on_labels_of_the_pairs(data, out, tmp_path, capfd):
    other = with_other_labels_of_the_pairs(data, tmp_path / "data")
    assert curve(other, out, "pairs", "--points", "50,100", "--plan", "true") == 0
    assert "to do" not in capfd.readouterr().out
    assert curve(other, tmp_path / "blind", "pairs", "--points", "50", "--baselines", "false") == 0
    blind = {path.relative_to(tmp_path / "blind") for path in (tmp_path / "blind").rglob("*.safetensors")}
    assert {"head.safetensors", "refiner.safetensors", "taught.safetensors"} <= {path.name for path in blind}
    for path in blind:
        assert (tmp_path / "blind" / path).read_bytes() == (out / path).read_bytes(), path


def test_labels_of_the_pairs_make_another_run_where_a_method_learns_from_them(data, tmp_path):
    other = with_other_labels_of_the_pairs(data, tmp_path / "data")
    for method, same in (("cca", True), ("auto", True), ("unseen_views", False)):
        builders = [builder(config("offset", each, points="0", method=method, seeds="0")) for each in (data, other)]
        folders = [[job.run.folder for job in each.jobs() if job.scored.role == "method"] for each in builders]
        assert (folders[0] == folders[1]) is same, method
        assert (builders[0].key == builders[1].key) is same


@pytest.mark.parametrize(
    ("fault", "failing"),
    [
        (["--teach.views", "v9"], "pairs method 100, seed 0: student"),
        (["--method_options.candidates", "contrast", "--method_options.minutes", "0"], "pairs 100, seed 0: refiner"),
    ],
)
def test_a_student_or_choice_that_fails_is_named_and_the_rest_is_kept(data, out, capfd, fault, failing):
    assert curve(data, out, "pairs", "--points", "100", *fault) == 2
    said = capfd.readouterr().err
    assert f"{failing} FAILED" in said and "needs a run that failed" in said and "did not finish" in said
    written = [json.loads(path.read_text()) for path in out.glob("pairs-auto-*/results.json")]
    [kept] = [found for found in written if failing in found["failed"]]
    assert {line["role"] for line in kept["lines"]} == {"naive", "oracle"}


def test_students_are_taught_on_stretches_of_a_single_pair_recording(tmp_path):
    one = write_tiny(tmp_path / "data", recordings=12, segments=12)
    pairs = one / "splits" / "pairs.txt"
    pairs.write_text(pairs.read_text().split()[0] + "\n")
    assert curve(one, tmp_path / "out", "pairs", "--points", "50", "--baselines", "false") == 0
    [student] = runs_of(tmp_path / "out", "method")
    stretches = learned(student)["pairs"]
    assert len(stretches) > 1 and all("stretch" in name for name in stretches)


def test_settings_of_students_reach_them_alone(data):
    made = builder(config("labels", data, teach=TeachConfig(weight=0.5), seeds="0")).jobs()
    heads = {job.scored.role: job.run.needs[0].config for job in made}
    assert (heads["method"].teach.weight, heads["method"].teach.views) == (0.5, "v3,e4")
    plain = builder(config("labels", data, student=False, seeds="0")).jobs()
    for role in ("naive", "oracle"):
        assert not heads[role].teach_on_pairs and heads[role].teach == TeachConfig()
        mine, theirs = ({job.run.folder for job in jobs if job.scored.role == role} for jobs in (made, plain))
        assert mine == theirs
    assert not {job.run.folder for job in made} >= {job.run.folder for job in plain}
