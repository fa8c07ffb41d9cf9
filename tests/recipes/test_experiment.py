"""`viewloom experiment`: a whole table on tiny data, its results, resuming, shared runs, and the plan."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.forked import begin, kill_when
from tests.tiny import write_tiny
from viewloom import load_refiner
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError, DataError
from viewloom.recipes.experiment import results_folder, run_experiment
from viewloom.recipes.jobs import make_jobs, table_views
from viewloom.recipes.planned import data_identity, unique_runs
from viewloom.recipes.published import PUBLISHED
from viewloom.recipes.results import MARK, head_text
from viewloom.recipes.settings import ExperimentConfig
from viewloom.training.evaluate import run_evaluate
from viewloom.training.settings import EvaluateConfig, TrainerConfig
from viewloom.windows.sampling import Sampling

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=5)

FEW = {"rows": "naive,two_stream,cca", "seeds": "1"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Tiny data with a third view, a noisy copy of the first."""
    root = write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=12)
    rng = np.random.default_rng(5)
    for path in sorted(root.glob("features/*/v3/features.npy")):
        x_TD = np.load(path)
        folder = path.parents[1] / "v4"
        folder.mkdir()
        np.save(folder / "features.npy", (x_TD + 0.1 * rng.random(x_TD.shape)).astype(np.float32))
    (root / "views.yaml").write_text("views: {v3: {kind: exo}, v4: {kind: exo}, e4: {kind: ego}}\n")
    return str(root)


def config(data, out, table="table1", **changes):
    defaults = {
        "seeds": "0,1",
        "scale": 0.01,
        "head": "linear",
        "trainer": QUIET,
        "sampling": SamplingConfig(test_chunks=(17,)),
    }
    return ExperimentConfig(data=data, out=str(out), table=table, **(defaults | changes))


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """Table 1, run."""
    out = tmp_path_factory.mktemp("tables")
    return out, run_experiment(config(data, out))


def results(text):
    """Results by the text that the command shows, which ends with their path."""
    return json.loads(Path(text.splitlines()[-1]).read_text())


def identity(settings):
    return data_identity(open_dataset(settings), table_views(settings), "auto")


def folder_of(settings):
    return results_folder(settings, identity(settings))


def files(root):
    return {str(p): p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


def test_a_table_has_all_rows_views_and_differences(done):
    _, text = done
    found = results(text)
    rows = {(row["row"], row["view"]): row for row in found["rows"]}
    assert {name for name, _ in rows} == {"naive", "sync_kd", "two_stream", "ridge", "cca", "oracle"}
    assert {view for _, view in rows} == {"v3", "e4"} and found["failed"] == {}
    row = rows["naive", "e4"]
    each = [row["seeds"][seed]["mof"] for seed in ("0", "1")]
    assert row["mean"]["mof"] == pytest.approx(np.mean(each))
    assert row["deviation"]["mof"] == pytest.approx(np.std(each, ddof=1))
    assert row["published"]["mof"] == 28.62 and rows["cca", "e4"]["published"] is None
    assert f"{row['mean']['mof'] - 28.62:+.2f}" in text
    for told in ("scale: 0.01", "seeds: 0,1", "simulated: no", "head: linear instead", "setting: report"):
        assert told in text
    assert (Path(text.splitlines()[-1]).parent / "table.md").read_text() in text


def test_scores_are_those_of_the_run_folders(done):
    out, text = done
    for row in results(text)["rows"]:
        if row["row"] in ("naive", "oracle"):
            (folder,) = (out / "runs").glob(f"{row['row']}-seed1-*")
            scores = json.loads((folder / "metrics.json").read_text())["views"][row["view"]]["scores"]
            assert row["seeds"]["1"]["edit"] == scores["edit"]


def test_rows_differ_in_what_they_claim_and_in_nothing_else(done):
    out, _ = done
    paths = (out / "runs").glob("*-seed0-*/config.yaml")
    heads = {path.parent.name.split("-")[0]: yaml.safe_load(path.read_text()) for path in paths}
    heads.pop("pretrain")
    for name, settings in heads.items():
        differing = {key for key in settings if settings[key] != heads["naive"][key]} - {"run", "name", "refiner"}
        assert differing == ({"views"} if name == "oracle" else set())
        assert (settings["refiner"] is None) == (name in ("naive", "oracle"))


def test_finished_parts_are_used_again_also_by_other_tables(data, done):
    out, _ = done
    before = files(out / "runs")
    run_experiment(config(data, out))
    assert files(out / "runs") == before
    text = run_experiment(config(data, out, "table4", seeds="0", rows="front_ridge,naive"))
    new = {Path(path).parts[-2] for path in files(out / "runs").keys() - before.keys()} - {"predictions"}
    assert len(new) == 1 and next(iter(new)).startswith("front_ridge-seed0-")
    assert {path: t for path, t in files(out / "runs").items() if path in before} == before
    rows = results(text)["rows"]
    front, naive = (next(r for r in rows if (r["row"], r["view"]) == (n, "v3")) for n in ("front_ridge", "naive"))
    assert front["mean"] != naive["mean"]


def test_a_refiner_before_a_head_of_plain_features_keeps_their_number(data, tmp_path):
    """CCA would choose fewer components, which that head can't take."""
    run_experiment(config(data, tmp_path, "table4", seeds="0", rows="front_cca"))
    path = next(tmp_path.glob("runs/pretrain-cca-*/refiner.safetensors"))
    assert load_refiner(path).out_dim == 8


def test_other_settings_or_data_never_meet_an_old_result(data, done, tmp_path):
    out, _ = done
    before = files(out / "runs")
    run_experiment(config(data, out, seeds="0", rows="naive", scale=0.02))
    assert files(out / "runs").keys() > before.keys()
    other = write_tiny(tmp_path / "data", recordings=12, seed=3)
    again = files(out / "runs")
    run_experiment(config(str(other), out, seeds="0", rows="naive"))
    assert files(out / "runs").keys() > again.keys()


@pytest.mark.parametrize(
    ("line", "file", "expected"),
    [
        ({}, "", Sampling(chunk_frames=20, test_chunks=(10, 17, 24), pooling="max")),
        ({"chunk_frames": 4}, "", Sampling(chunk_frames=4, test_chunks=(2, 3, 5))),
        ({"test_chunks": 17}, "", Sampling(test_chunks=(17,))),
        (
            {"pooling": "mean"},
            "sampling: {chunk_s: 1.0, pooling: both}",
            Sampling(chunk_frames=30, test_chunks=(15, 25, 36), pooling="mean"),
        ),
    ],
)
def test_recipes_have_the_published_sampling_but_for_what_is_set(data, tmp_path, monkeypatch, line, file, expected):
    """Whatever the data: its features are signed here, and its segments short."""
    root = shutil.copytree(data, tmp_path / "data")
    (root / "dataset.yaml").write_text(f"fps: 30\n{file}\n")
    for path in root.rglob("features.npy"):
        np.save(path, np.load(path) - 1)
    seen = []
    monkeypatch.setattr("viewloom.recipes.experiment.run_all", lambda runs: seen.extend(runs) or {"all": "not run"})
    monkeypatch.setattr("viewloom.recipes.results.write_results", lambda *_: "")
    with pytest.raises(ConfigError, match="not run"):
        run_experiment(config(str(root), tmp_path / "out", sampling=SamplingConfig(**line)))
    assert {part.kind for part in seen} == {"pretrain", "train", "evaluate"}
    assert {part.config.sampling for part in seen} == {expected.as_request()}


def test_other_epochs_and_batches_of_the_head_are_stated_and_used(data, tmp_path):
    text = run_experiment(config(data, tmp_path, seeds="0", rows="naive", head_epochs=3, head_batch_size=2))
    assert "linear instead of c2f_tcn, 3 epochs instead of the recipe's, batch size 2 instead of 64" in text
    (path,) = tmp_path.glob("runs/naive-*/config.yaml")
    settings = yaml.safe_load(path.read_text())
    assert (settings["epochs"], settings["batch_size"]) == (3, 2)


def test_another_width_of_the_head_is_stated_and_used(data, tmp_path):
    settings = config(data, tmp_path, head=None, head_width=16)
    jobs = make_jobs(settings, open_dataset(settings), identity(settings))
    heads = [part.config for job in jobs for part in unique_runs([job.evaluation]) if part.kind == "train"]
    assert {head.head_options.width for head in heads} == {16}
    assert head_text(config(data, tmp_path, head=None, head_width=16)) == "c2f_tcn, width 16 instead of the recipe's"


@pytest.mark.parametrize(
    "changes",
    [
        {"head_width": 16},
        {"head": None},
        {"exo": "v4"},
        {"seeds": "0,1,2"},
        {"rows": "cca"},
        {"sampling": SamplingConfig(test_chunks=(10,))},
        {"trainer": replace(QUIET, accumulate=2)},
    ],
)
def test_results_of_other_settings_have_a_folder_of_their_own(data, tmp_path, changes):
    first, other = config(data, tmp_path), config(data, tmp_path, **changes)
    assert folder_of(first) != folder_of(other) and folder_of(first).name.startswith("table1-report-scale0.01-")
    assert folder_of(first) == folder_of(config(data, tmp_path, workers=2, trainer=replace(QUIET, progress=True)))


def test_results_of_other_features_have_a_folder_of_their_own(data, tmp_path):
    other = Path(shutil.copytree(data, tmp_path / "data"))
    for path in other.glob("features/*/v3/features.npy"):
        np.save(path, np.load(path)[::-1])
    settings = [config(data, tmp_path), config(data, tmp_path, features=str(other / "features"))]
    assert len({folder_of(each) for each in settings}) == 2


def test_tables_3_and_5_run(data, tmp_path):
    settings = config(data, tmp_path, "table3", seeds="0", rows="two_stream_simple", setting="released_code")
    found = results(run_experiment(settings))["rows"]
    assert {row["view"] for row in found} == {"v3", "e4"}
    found = results(run_experiment(config(data, tmp_path, "table5", seeds="0")))["rows"]
    by_view = {row["view"]: row["mean"]["mof"] for row in found if row["row"] == "naive3"}
    assert by_view.pop("mean") == pytest.approx(np.mean([by_view["v3"], by_view["v4"], by_view["e4"]]))
    published = next(r["published"] for r in found if (r["row"], r["view"]) == ("two_stream3", "mean"))
    assert tuple(published.values()) == PUBLISHED["table5"]["two_stream3"]["mean"]


def test_a_killed_experiment_goes_on_to_the_same_table(data, done, tmp_path):
    whole = run_experiment(config(data, done[0], **FEW))
    process = begin(run_experiment, config(data, tmp_path, **FEW))
    kill_when(lambda: len(list(tmp_path.glob("runs/*/head.safetensors"))) >= 2, process)
    assert not list(tmp_path.glob("table1-*/results.json"))
    kept = files(tmp_path / "runs")
    text = run_experiment(config(data, tmp_path, **FEW))
    heads = [path for path in kept if path.endswith("head.safetensors")]
    assert all(files(tmp_path / "runs")[path] == kept[path] for path in heads)
    assert results(text)["rows"] == results(whole)["rows"]


def test_a_run_that_fails_is_named_and_the_rest_goes_on(data, tmp_path, monkeypatch):
    from viewloom.recipes import jobs
    from viewloom.recipes.values import Sourced, pretrain_values

    def wild(recipe, setting):
        values = pretrain_values(recipe, setting)
        return values | {"optim.lr": Sourced(1000.0, "ours")} if recipe == "sync_kd" else values

    monkeypatch.setattr(jobs, "pretrain_values", wild)
    settings = config(data, tmp_path, seeds="0", rows="naive,sync_kd", scale=0.05)
    with pytest.raises(ConfigError, match="did not finish.*sync_kd, seed 0: refiner: The loss"):
        run_experiment(settings)
    (path,) = tmp_path.glob("table1-*/results.json")
    found = json.loads(path.read_text())
    assert {row["row"] for row in found["rows"]} == {"naive"} and len(found["failed"]) == 3


def test_a_page_states_how_it_came_about_and_replaces_none_of_others(data, done, tmp_path):
    out, _ = done
    page = tmp_path / "results.md"
    run_experiment(config(data, out, docs=str(page)))
    text = page.read_text()
    assert text.startswith(MARK) and "- command: " in text and "- data set: " in text
    run_experiment(config(data, out, docs=str(page)))
    page.write_text("mine")
    with pytest.raises(ConfigError, match="not written by this command"):
        run_experiment(config(data, out, docs=str(page)))
    assert page.read_text() == "mine"


def test_the_plan_runs_nothing_and_counts(data, tmp_path):
    text = run_experiment(config(data, tmp_path / "out", plan=True, head=None, scale=1.0))
    assert not (tmp_path / "out").exists()
    for told in ("GPU-hours", "GiB", "parameters", "windows", "frames"):
        assert told in text
    # 6 rows: 4 refiners, 6 heads, 6 evaluations, with two seeds each.
    assert re.search(r"\b32 runs, 0 of them finished", text)
    double = run_experiment(config(data, tmp_path / "out", plan=True, head=None, scale=1.0, tflops=5.0))
    hours = [float(re.search(r"about ([\d.e+-]+) GPU-hours", t)[1]) for t in (text, double)]
    assert hours[1] == pytest.approx(2 * hours[0], rel=0.02)


def test_the_plan_knows_what_is_finished(data, done):
    text = run_experiment(config(data, done[0], plan=True))
    assert "32 runs, 32 of them finished: about 0 GPU-hours" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "table9"}, "no table 'table9'"),
        ({"seeds": "0,0"}, "--seeds must be different"),
        ({"seeds": "one"}, "--seeds must be different"),
        ({"scale": 0.0}, "scale is .* has to be"),
        ({"scale": 1.5}, "scale is .* has to be"),
        ({"tflops": 0.0}, "tflops is 0.0: it has to be above 0"),
        ({"head_epochs": 0}, "head_epochs is .* has to be"),
        ({"head_batch_size": -1}, "head_batch_size is .* has to be"),
        ({"head_width": 0}, "head_width is .* has to be"),
        ({"rows": "best"}, "--rows names best"),
        ({"trainer": replace(QUIET, devices="4")}, "--trainer.devices must be 1"),
    ],
)
def test_bad_settings_are_told_before_anything_runs(data, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(data, tmp_path, **changes)


def test_a_view_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(DataError, match="e1"):
        run_experiment(config(data, tmp_path, ego="e1"))
    with pytest.raises(ConfigError, match="different views"):
        run_experiment(config(data, tmp_path, ego="v3"))


def test_the_command_takes_it_all(data, tmp_path, capfd):
    argv = ["experiment", "--table", "table1", "--data", data, "--out", str(tmp_path), "--plan", "true"]
    assert main([*argv, "--scale", "0.1", "--rows", "cca,naive", "--head", "linear"]) == 0
    assert "50 epochs" in capfd.readouterr().out
    assert main([*argv, "--scale", "7"]) == 2


def test_features_of_other_values_never_meet_an_old_result(data, done, tmp_path):
    """Same names, spans and size."""
    out, _ = done
    before = files(out / "runs")
    copy = shutil.copytree(data, tmp_path / "data")
    for path in copy.glob("features/*/v3/features.npy"):
        np.save(path, np.load(path)[::-1])
    run_experiment(config(str(copy), out, seeds="0", rows="naive"))
    assert files(out / "runs").keys() > before.keys()
    same = shutil.copytree(data, tmp_path / "same")
    again = files(out / "runs")
    run_experiment(config(str(same), out, seeds="0", rows="naive"))
    assert files(out / "runs") == again, "a copy is the same data"


def test_somebodys_own_evaluation_of_a_run_is_not_taken(data, done):
    out, _ = done
    rows = results(run_experiment(config(data, out, seeds="0", rows="naive")))["rows"]
    for run in out.glob("runs/naive-*"):
        own = EvaluateConfig(data=data, run=str(run), split="train", protocol="mean_f1", overwrite=True)
        run_evaluate(own)
    assert results(run_experiment(config(data, out, seeds="0", rows="naive")))["rows"] == rows


def test_scores_that_a_kill_left_marked_are_made_again(data, tmp_path):
    naive = config(data, tmp_path, seeds="0", rows="naive")
    rows = results(run_experiment(naive))["rows"]
    (scores,) = tmp_path.glob("runs/naive-seed0-*/metrics.json")
    mark = scores.parent / ".begun-evaluate"
    mark.touch()
    assert results(run_experiment(naive))["rows"] == rows and not mark.exists()
