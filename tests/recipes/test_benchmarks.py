"""`viewloom experiment` on 50Salads, Breakfast and GTEA: generated data in their layout, a whole table, its figures."""

import csv
import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import yaml

from tests.mstcn import ACTIONS, write_mstcn
from tests.parity.reference_scores import plain_scores
from viewloom.cli import main
from viewloom.dataset.chosen_splits import folds_of
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError, DataError
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.recipes import fold_run
from viewloom.recipes.benchmarks.command import with_facts
from viewloom.recipes.benchmarks.published import PUBLISHED
from viewloom.recipes.benchmarks.runs import head_runs
from viewloom.recipes.benchmarks.tables import BENCHMARKS, head_rows
from viewloom.recipes.benchmarks.values import training_values
from viewloom.recipes.experiment import run_experiment
from viewloom.recipes.published import SCORES
from viewloom.recipes.results import MARK
from viewloom.recipes.settings import ExperimentConfig
from viewloom.recipes.values import apply
from viewloom.registry import HEADS
from viewloom.training.settings import TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
DOCS = Path(__file__).parents[2] / "docs" / "recipes.md"
EVERY = [(table, row.name) for table, benchmark in BENCHMARKS.items() for row in benchmark.rows]


def config(data, out, table="50salads", **changes):
    defaults = {"rows": "ms_tcn2,ltcontext", "seeds": "0", "scale": 0.02, "trainer": QUIET}
    return ExperimentConfig(data=str(data), out=str(out), table=table, **(defaults | changes))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """50Salads in small: two folds, of three videos and of two."""
    return write_mstcn(tmp_path_factory.mktemp("data") / "salads", "50salads", folds=2, videos=5)


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("tables")
    return out, run_experiment(config(data, out))


def results(text):
    return json.loads(Path(text.splitlines()[-1]).read_text())


def files(root):
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def frames(item, kind):
    labels = np.full(item["end"] - item["start"], -100)
    for first, last, label in item[kind]:
        labels[first - item["start"] : last - item["start"]] = label
    return labels.tolist()


def of_folds(folder, protocol, background=()):
    """{fold: scores} by the plain reference, from the predictions of the folds' own run folders."""
    found = {}
    for path in sorted(folder.glob("fold*/predictions/v1.json")):
        items = json.loads(path.read_text())["items"].values()
        pairs = [[frames(item, kind) for item in items] for kind in ("prediction", "truth")]
        found[path.parts[-3].removeprefix("fold")] = plain_scores(*pairs, PROTOCOLS[protocol], background)
    return found


@pytest.mark.parametrize("head", ["ms_tcn2", "ltcontext"])
def test_a_row_is_the_mean_over_folds_by_its_papers_protocol(done, head):
    out, text = done
    (folder,) = (out / "runs").glob(f"50salads-{head}-seed0-*")
    rows = [row for row in results(text)["rows"] if row["row"] == head]
    own = {"ms_tcn2": "last_segment_short", "ltcontext": "per_video"}[head]
    assert [row["protocol"] for row in rows] == [own, "canonical"]
    for row in rows:
        expected = of_folds(folder, row["protocol"])
        assert sorted(expected) == ["1", "2"] == sorted(row["folds"]["0"])
        for place, name in enumerate(SCORES):
            assert row["folds"]["0"]["2"][name] == pytest.approx(expected["2"][place], abs=1e-9)
            assert row["mean"][name] == pytest.approx(fmean(f[place] for f in expected.values()), abs=1e-9)
    assert rows[0]["published"] == dict(zip(SCORES, PUBLISHED["50salads"][head].figures, strict=True))
    assert rows[1]["published"] is None and rows[0]["source"] in text
    with (folder / "folds.csv").open() as file:  # the cross-validation's own mean over folds, of the same protocol
        (mean,) = [line for line in csv.DictReader(file) if line["fold"] == "mean over folds"]
    assert float(mean["edit"]) == pytest.approx(rows[0]["mean"]["edit"], abs=1e-3)
    pooled = json.loads((folder / "metrics.json").read_text())["views"]["v1"]["scores"]
    assert pooled["mof"] != pytest.approx(rows[0]["mean"]["mof"], abs=1e-6), "folds differ in size"


def test_heads_are_trained_as_their_releases_have_it(done):
    out, _ = done
    settings = {}
    for head in ("ms_tcn2", "ltcontext"):
        (path,) = (out / "runs").glob(f"50salads-{head}-*/fold1/config.yaml")
        settings[head] = yaml.safe_load(path.read_text())
    for found in settings.values():
        sampling = found["sampling"]
        assert (sampling["pooling"], sampling["chunk_frames"], sampling["max_chunks"]) == ("first", 2, 100_000)
        assert (found["batch_size"], found["fps"], found["keep"], found["past_end"]) == (1, 30.0, "last", "cut")
        assert sampling["augment_probability"] == 0 and list(sampling["test_chunks"]) == [2]
        assert not found["head_options"]["standardise"]
    assert settings["ms_tcn2"]["epochs"] == 2 and settings["ms_tcn2"]["optim"]["weight_decay"] == 0
    assert settings["ltcontext"]["optim"]["lr_schedule"] == "cosine" and settings["ltcontext"]["epochs"] == 3
    for head in settings:
        (path,) = (out / "runs").glob(f"50salads-{head}-*/fold2/predictions/v1.json")
        predicted = next(iter(json.loads(path.read_text())["items"].values()))["prediction"]
        assert all(start % 2 == 0 for start, _, _ in predicted), "an action is said of two frames at once"


def test_the_page_names_protocol_source_and_what_differs(done):
    _, text = done
    for told in (
        "| MS-TCN++ | last_segment_short | ours |",
        "| LTContext | per_video | ours |",
        "|  | canonical | ours |",
        "| published | 74.3 | 80.7 | 78.5 | 70.1 | 83.7 |",
        "TPAMI 2020), Table 16",
        "- folds: 2, scored: 2",
        "- comparable: no: see",
        "**Here**: 2 folds, the papers' are 5",
        "**Here**: 12 values in a feature, the papers' are 2048",
        "**Here**: epochs shrunk to 0.02",
        "the one with the best mean over the test splits was printed",
        "its configuration for 50Salads was not released",
        "every second frame (15 of 30 a second)",
        "C2F-TCN drops action_start, action_end",
    ):
        assert told in text, told
    assert (Path(text.splitlines()[-1]).parent / "table.md").read_text() in text


def test_what_is_finished_is_used_again_and_another_seed_adds_to_it(data, done, tmp_path):
    out, text = done
    before = files(out / "runs")
    kept = {path: time for path, time in before.items() if "/fold1/" in path or "/fold2/" in path}
    assert results(run_experiment(config(data, out)))["rows"] == results(text)["rows"]
    again = run_experiment(config(data, out, rows="ms_tcn2", seeds="0,1", docs=str(tmp_path / "page.md")))
    assert {path: time for path, time in files(out / "runs").items() if path in kept} == kept
    new = {Path(path).relative_to(out / "runs").parts[0] for path in files(out / "runs").keys() - before.keys()}
    assert len(new) == 1 and next(iter(new)).startswith("50salads-ms_tcn2-seed1-")
    row = results(again)["rows"][0]
    each = [fmean(fold["mof"] for fold in folds.values()) for folds in row["folds"].values()]
    assert row["mean"]["mof"] == pytest.approx(fmean(each))
    assert row["deviation"]["mof"] == pytest.approx(np.std(each, ddof=1))
    page = tmp_path / "page.md"
    assert page.read_text().startswith(MARK) and page.read_text() in again
    page.write_text("mine")
    with pytest.raises(ConfigError, match="not written by this command"):
        run_experiment(config(data, out, rows="ms_tcn2", docs=str(page)))


def test_a_fold_that_fails_is_named_and_the_rest_is_averaged(data, tmp_path, monkeypatch):
    train = fold_run.run_train

    def fail(settings):
        if settings.fold == 2:
            raise ConfigError("The loss is not finite.")
        return train(settings)

    monkeypatch.setattr(fold_run, "run_train", fail)
    with pytest.raises(ConfigError, match=r"ms_tcn2, seed 0, fold2: The loss is not finite"):
        run_experiment(config(data, tmp_path, rows="ms_tcn2"))
    (path,) = tmp_path.glob("50salads-scale0.02-*/results.json")
    found = json.loads(path.read_text())
    assert list(found["rows"][0]["folds"]["0"]) == ["1"] and "ms_tcn2, seed 0, fold2" in found["failed"]
    assert "not all folds of MS-TCN++" in found["differences"]
    monkeypatch.undo()
    rows = results(run_experiment(config(data, tmp_path, rows="ms_tcn2")))["rows"]
    assert sorted(rows[0]["folds"]["0"]) == ["1", "2"]


def test_background_is_dropped_as_each_release_drops_it(tmp_path):
    """C2F-TCN's evaluation of Breakfast drops SIL, which begins and ends every video; MS-TCN's doesn't."""
    data = write_mstcn(tmp_path / "data", "breakfast", folds=2, videos=4)
    found = results(run_experiment(config(data, tmp_path / "out", "breakfast", rows="c2f_tcn", scale=0.004)))["rows"]
    assert [(row["protocol"], row["background"]) for row in found] == [("canonical", ["SIL"]), ("canonical", [])]
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    for row, background in zip(found, [(ACTIONS["breakfast"].index("SIL"),), ()], strict=True):
        expected = of_folds(folder, "canonical", background)
        assert row["mean"]["edit"] == pytest.approx(fmean(fold[0] for fold in expected.values()))
    assert found[0]["mean"]["mof"] == found[1]["mean"]["mof"]


@pytest.mark.parametrize(("table", "head"), EVERY)
def test_every_recipe_builds_its_head(table, head):
    values = {name: sourced.value for name, sourced in training_values(table, head).items()}
    start = TrainConfig(data="d", run="r", views="v1", head_options=HEADS.settings(head)())
    made = apply(start, values | {"head": head})
    for name, value in values.items():
        found = made
        for key in name.split("."):
            found = getattr(found, key)
        assert found == value, name
    HEADS.get(head)(16, 5, made.head_options)
    assert made.keep == "last", "no fold has a validation list"


def test_values_are_those_of_the_released_code():
    def plain(table, head):
        return {name: sourced.value for name, sourced in training_values(table, head).items()}

    assert [plain(table, "asformer")["optim.lr"] for table in BENCHMARKS] == [5e-4, 1e-4, 5e-4]
    assert [plain(table, "asformer")["head_options.channel_dropout"] for table in BENCHMARKS] == [0.3, 0.3, 0.5]
    assert [plain(table, "ms_tcn2")["sampling.chunk_frames"] for table in BENCHMARKS] == [2, 1, 1]
    assert [plain(table, "c2f_tcn")["batch_size"] for table in BENCHMARKS] == [20, 100, 11]
    assert plain("breakfast", "ms_tcn2")["optim.lr_factor"] == 1, "its rate never falls"
    assert {value.source for value in training_values("50salads", "ltcontext").values()} == {"ours", "released"}
    assert training_values("breakfast", "ltcontext")["head_options.stride"].source == "released"


def test_every_row_has_printed_figures_with_a_source():
    for table, rows in PUBLISHED.items():
        assert set(rows) == {row.name for row in BENCHMARKS[table].rows}
        for printed in rows.values():
            edit, f1_10, f1_25, f1_50, mof = printed.figures
            assert 100 > f1_10 > f1_25 > f1_50 > 0 and 0 < edit < 100 and 0 < mof < 100
            assert "(" in printed.source
    assert all(row.protocol in PROTOCOLS for table in BENCHMARKS for row in head_rows(table, None))


def test_figures_without_a_second_listing_say_so(data, tmp_path):
    assert not PUBLISHED["gtea"]["c2f_tcn"].compared and PUBLISHED["gtea"]["asformer"].compared
    assert "compared with no second listing" in DOCS.read_text()


def test_the_plan_runs_nothing(data, done, tmp_path):
    text = run_experiment(config(data, tmp_path / "out", plan=True, rows=None, scale=1.0))
    assert not (tmp_path / "out").exists()
    assert text.index("MS-TCN++, of fold1") < text.index("ASFormer, of fold1") < text.index("C2F-TCN, of fold1")
    for told in (
        "epochs 120 (released)",
        "optim.lr_schedule plateau (released)",
        "GPU-hours",
        "scored by    per_video",
    ):
        assert told in text
    assert text.count("to do") == 8
    out, _ = done
    text = run_experiment(config(data, out, plan=True))
    assert text.count("finished") == 4 and "about 0 GPU-hours" in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": "tcn"}, "--rows names tcn, but 50salads has: ms_tcn2, asformer, ltcontext, c2f_tcn"),
        ({"table": "gtea", "rows": "ltcontext"}, "--rows names ltcontext, but gtea has"),
        ({"exo": "v1"}, "--exo v1 has no say in 50salads"),
        ({"head": "tcn"}, "--head tcn has no say in 50salads"),
        ({"setting": "released_code"}, "--setting released_code has no say"),
        ({"folds": "1,1"}, "--folds must be different whole numbers"),
        ({"table": "table1", "rows": None, "folds": "1"}, "--folds 1 has no say in table1"),
        ({"table": "salads", "rows": None}, "no table 'salads'; there are: table1.*50salads, breakfast, gtea"),
    ],
)
def test_bad_settings_are_told_before_anything_runs(data, tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        config(data, tmp_path, **changes)


def test_the_data_sets_own_file_and_the_line_come_before_the_facts_of_the_papers(tmp_path):
    root = write_mstcn(tmp_path / "data", "50salads", folds=2, videos=4)
    (root / "dataset.yaml").unlink(missing_ok=True)

    def found(**changes):
        settings = with_facts(config(root, tmp_path / "out", **changes))
        return settings.past_end, settings.fps

    assert found() == ("cut", 30.0)
    (root / "dataset.yaml").write_text("past_end: error\nfps: 25\n")
    assert found() == ("error", 25.0)
    assert found(past_end="cut", fps=15.0) == ("cut", 15.0)


def test_data_that_can_not_be_used_is_told(tmp_path):
    root = write_mstcn(tmp_path / "data", "gtea", folds=2, videos=4)
    with pytest.raises(ConfigError, match="no fold 7"):
        run_experiment(config(root, tmp_path / "out", "gtea", rows="ms_tcn2", folds="7", plan=True))
    for path in (root / "splits").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"has no folds: no MS-TCN bundles train\.split1\.bundle"):
        run_experiment(config(root, tmp_path / "out", "gtea", rows="ms_tcn2"))
    for camera in ("a", "b"):
        (root / "features" / camera).mkdir()
    for path in list((root / "features").glob("*.npy")):
        for camera in ("a", "b"):
            (root / "features" / camera / path.name).write_bytes(path.read_bytes())
        path.unlink()
    write = (root / "splits" / "train.split1.bundle", root / "splits" / "test.split1.bundle")
    for path, names in zip(write, (("P00_gtea", "P01_gtea"), ("P02_gtea",)), strict=True):
        path.write_text("".join(f"{name}.txt\n" for name in names))
    with pytest.raises(DataError, match=r"has 2 views \(.*\), but these tables are of one"):
        run_experiment(config(root, tmp_path / "out", "gtea", rows="ms_tcn2"))
    assert not (tmp_path / "out").exists()


def test_sampling_is_the_heads_own(data, tmp_path):
    with pytest.raises(ConfigError, match="--sampling has no say in 50salads"):
        run_experiment(config(data, tmp_path, sampling=SamplingConfig(chunk_frames=3)))
    root = write_mstcn(tmp_path / "data", "gtea", folds=2, videos=4)
    (root / "dataset.yaml").write_text("fps: 25\nsampling: {chunk_s: 3.0, pooling: both}\n")
    text = run_experiment(config(root, tmp_path / "out", "gtea", rows="ms_tcn2", plan=True))
    assert "sampling.chunk_frames 1 (released)" in text
    settings = head_runs(config(root, tmp_path / "out", "gtea", rows="ms_tcn2", fps=25.0), *opened(root))[0].config
    assert (settings.sampling.chunk_frames, settings.sampling.pooling) == (1, "first")


def opened(root):
    """A data set and its folds."""
    settings = complete(DataConfig(data=str(root)))
    dataset = open_dataset(settings, with_splits=False)
    return dataset, folds_of(*find_files(settings), dataset.source.recordings, dataset.labels)


def test_the_command_takes_it(data, tmp_path, capfd):
    argv = ["experiment", "--table", "50salads", "--data", str(data), "--out", str(tmp_path), "--plan", "true"]
    assert main([*argv, "--rows", "ms_tcn2", "--seeds", "0"]) == 0
    assert "50Salads, 2 folds" in capfd.readouterr().out
    assert main([*argv, "--rows", "best"]) == 2


def test_the_docs_list_every_value_with_its_source():
    text = DOCS.read_text()
    for table, head in EVERY:
        for name, sourced in training_values(table, head).items():
            cells = [
                "-" if head not in {row.name for row in BENCHMARKS[other].rows} else _cell(other, head, name)
                for other in BENCHMARKS
            ]
            assert f"| `{head}` | {name} | {' | '.join(cells)} |" in text, (table, head, name, sourced)


def _cell(table, head, name):
    sourced = training_values(table, head)[name]
    return f"{sourced.value} ({sourced.source})"
