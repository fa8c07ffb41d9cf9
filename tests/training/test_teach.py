"""A student taught on pairs: what it learns in a view without labels, what it never looks at, and how it goes on."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import viewloom as vl
from tests.tiny import ACTIONS, write_tiny
from tests.wiring.watching import Crash, recorded
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError, DataError
from viewloom.heads.settings import C2FTCNConfig
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import FaultConfig, SimulateConfig
from viewloom.training import teach as teach_module
from viewloom.training.agreement import MARK, Compared, little_to_learn
from viewloom.training.evaluate import run_evaluate
from viewloom.training.learned import MARK as NOTHING
from viewloom.training.learned import warn
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import begin_train, run_train
from viewloom.training.settings import (
    EvaluateConfig,
    OptimConfig,
    PretrainConfig,
    TeachConfig,
    TrainConfig,
    TrainerConfig,
)
from viewloom.training.taught import read_taught
from viewloom.training.trained import load_head
from viewloom.windows.taught import SoftLabels

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=1)
FAST = OptimConfig(lr=0.05, lr_step_epochs=40)
SAMPLING = SamplingConfig(chunk_frames=10, test_chunks=(5, 8, 12), pooling="max")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six pair recordings, in two views whose features have nothing in common."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=24)


def config(data, run, **changes):
    usual = {"views": "v3", "head": "linear", "epochs": 3, "batch_size": 4, "trainer": QUIET, "optim": FAST}
    usual |= {"teach_on_pairs": True, "sampling": SAMPLING}
    return TrainConfig(data=str(data), run=str(run), **(usual | changes))


def names(data, role):
    return (data / "splits" / f"{role}.txt").read_text().split()


def bytes_of(run, *files):
    return [(run / file).read_bytes() for file in files or ("head.safetensors", "taught.safetensors", "taught.json")]


def same_weights(one, other):
    a, b = (load_file(run / "head.safetensors") for run in (one, other))
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def student(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "student"
    run_train(config(data, run, epochs=12))
    return run


def mof(data, run, out, **changes):
    run_evaluate(
        EvaluateConfig(data=str(data), run=str(run), out=str(out), accelerator="cpu", overwrite=True, **changes)
    )
    views = json.loads((out / "metrics.json").read_text())["views"]
    return {view: found["scores"]["mof"] for view, found in views.items()}


def test_a_view_without_labels_is_learned_and_the_labelled_one_kept(data, student, tmp_path):
    taught, alone = mof(data, student, tmp_path / "a"), mof(data, student / "teacher", tmp_path / "b")
    assert taught["e4"] > alone["e4"] + 30 and taught["e4"] > 80
    assert taught["v3"] > alone["v3"] - 5
    assert (student / "teacher" / "config.yaml").exists(), "the teacher is an ordinary run"


def test_the_teacher_is_the_head_trained_without_pairs(data, student, tmp_path):
    run_train(config(data, tmp_path / "plain", epochs=12, teach_on_pairs=False))
    assert same_weights(tmp_path / "plain", student / "teacher")


def test_taught_labels_are_what_the_teacher_predicts(data, student):
    dataset, teacher = open_dataset(DataConfig(data=str(data))), load_head(student / "teacher")
    sampling = begin_train(config(data, student, epochs=12, resume=True))[0].sampling
    soft = read_taught(student / "taught.safetensors")
    assert set(soft) == set(names(data, "pairs"))
    predicted = vl.predict(teacher, dataset, "v3", accelerator="cpu")
    items = dataset.items("pairs")
    for item, probs_TK in teacher.segmenter(sampling, "cpu").each(dataset.source, items, "v3"):
        own = soft[item.recording]
        np.testing.assert_allclose(np.repeat(own.probs_RK, own.frames_R, axis=0), probs_TK, atol=1e-6)
        rows = predicted[predicted.recording == item.recording]
        for _, row in rows.iterrows():
            labels_T = own.frame_labels(row.start, row.end)
            assert {f"act{label}" for label in labels_T} == {row.label}


def test_several_labelled_views_are_averaged_where_each_sees(tmp_path):
    data = write_tiny(tmp_path / "data", recordings=12)
    first, second, third = names(data, "pairs")
    lacking = data / "features" / first / "e4" / "features.npy"
    x_TD = np.load(lacking)
    x_TD[15:48] = np.nan  # frames inside chunks too
    np.save(lacking, x_TD)
    shutil.rmtree(data / "features" / second / "v3")
    for view in ("v3", "e4"):
        path = data / "features" / third / view / "features.npy"
        x_TD = np.load(path)
        x_TD[40:90] = np.nan
        np.save(path, x_TD)
    run = tmp_path / "run"
    run_train(config(data, run, views="v3,e4", epochs=1))
    soft, dataset, teacher = (
        read_taught(run / "taught.safetensors"),
        open_dataset(DataConfig(data=str(data))),
        run / "teacher",
    )
    module = begin_train(config(data, run, views="v3,e4", epochs=1, resume=True))[0]
    segmenter = load_head(teacher).segmenter(module.sampling, "cpu")
    for item in dataset.items("pairs"):
        views = dataset.source.views(item.recording)
        probs = {view: next(segmenter.each(dataset.source, [item], view))[1] for view in views}
        sees = {view: ~np.isnan(dataset.features(item.recording, view, item.start, item.end)[:, 0]) for view in views}
        labels = soft[item.recording]
        for frame, found_K in enumerate(np.repeat(labels.probs_RK, labels.frames_R, axis=0)):
            seen = [probs[view][frame] for view in views if sees[view][frame]]
            np.testing.assert_allclose(found_K, np.mean(seen, axis=0) if seen else np.zeros(ACTIONS), atol=1e-6)
    assert labels.probs_RK.sum(axis=1).min() == 0, "a stretch that nobody sees"


@pytest.mark.parametrize("change", ["permuted", "gone"])
def test_labels_of_the_pairs_are_never_looked_at(data, student, tmp_path, change):
    """Nor is there any of another view: with other labels, or none, every byte is the same."""
    other = shutil.copytree(data, tmp_path / "data")
    rows = (other / "labels.csv").read_text().splitlines()
    pairs, kept = set(names(data, "pairs")), []
    for row in rows:
        name, start, end, label = row.split(",")
        if name not in pairs:
            kept.append(row)
        elif change == "permuted":
            kept.append(f"{name},{start},{end},act{(int(label[-1]) + 1) % ACTIONS}")
    (other / "labels.csv").write_text("\n".join(kept) + "\n")
    assert len(kept) < len(rows) or kept != rows
    run_train(config(other, tmp_path / "run", epochs=12))
    assert bytes_of(student) == bytes_of(tmp_path / "run")
    keys = [json.loads((run / "identity.json").read_text())["key"] for run in (student, tmp_path / "run")]
    assert keys[0] == keys[1]


def test_features_of_the_pairs_are_part_of_what_a_run_is(data, student, tmp_path):
    other = shutil.copytree(data, tmp_path / "data")
    path = other / "features" / names(data, "pairs")[0] / "e4" / "features.npy"
    np.save(path, np.load(path) + 1)
    run = shutil.copytree(student, tmp_path / "run")
    with pytest.raises(ConfigError, match=f"features of e4 of {names(data, 'pairs')[0]}"):
        run_train(config(other, run, epochs=12, resume=True))
    path = other / "features" / names(data, "train")[0] / "e4" / "features.npy"
    shutil.copytree(data, other, dirs_exist_ok=True)
    np.save(path, np.load(path) + 1)  # in use in no role
    run_train(config(other, run, epochs=12, resume=True))
    with pytest.raises(ConfigError, match=r"teach.weight 0.5 instead of 1.0"):
        run_train(config(data, run, epochs=12, resume=True, teach=TeachConfig(weight=0.5)))


def test_pairs_are_remembered_and_refused_at_evaluation(data, student, tmp_path):
    learned = load_head(student).extra["learned_from"]
    assert {role: set(found) for role, found in learned.items()} == {
        role: set(names(data, role)) for role in ("train", "val", "pairs")
    }
    assert set(learned["pairs"][names(data, "pairs")[0]]) == {"v3", "e4"}
    assert set(learned["train"][names(data, "train")[0]]) == {"v3"}
    lists = shutil.copytree(data / "splits", tmp_path / "splits")
    (lists / "test.txt").write_text("\n".join(names(data, "pairs")) + "\n")
    with pytest.raises(ConfigError, match="unlabelled pairs, of its refiner or its teacher"):
        mof(data, student, tmp_path / "out", splits=str(lists), allow_overlap="own")
    assert mof(data, student, tmp_path / "out", splits=str(lists), allow_overlap="own", allow_learned="pairs")


STAGES = ("the teacher", "its labels", "the student", "the end")
TWO_ROUNDS = {"epochs": 4, "batch_size": 3, "teach": TeachConfig(epochs=3, rounds=2)}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    run_train(config(data, run, **TWO_ROUNDS))
    return run


def crash(*_):
    raise Crash


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_stopped_in_any_stage_goes_on_to_the_same_bytes(data, whole, tmp_path, stage):
    run, settings = tmp_path / "cut", config(data, tmp_path / "cut", **TWO_ROUNDS)
    with pytest.MonkeyPatch.context() as patch, recorded("head", {"the teacher": 1, "the student": 3}.get(stage)):
        if stage == "its labels":
            patch.setattr(teach_module, "write_taught", crash)
        if stage == "the end":
            patch.setattr("viewloom.training.segment.save_head", crash)
        with pytest.raises(Crash):
            run_train(settings)  # of four epochs the student alone begins the last
    done = [(run / folder / "head.safetensors").exists() for folder in ("teacher/teacher", "teacher", "")]
    assert (
        done
        == {"the teacher": [0, 0, 0], "its labels": [1, 0, 0], "the student": [1, 1, 0], "the end": [0, 0, 0]}[stage]
    )
    run_train(replace(settings, resume=True))
    for folder in ("", "teacher"):
        assert bytes_of(whole / folder) == bytes_of(run / folder)
    rows = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (whole, run)]
    assert rows[0] == rows[1] and len(rows[0]) == 4


def test_readers_device_and_caches_change_nothing(data, tmp_path):
    """Behind a refiner: kept or refined anew, read by workers, or held on the device."""
    cca = PretrainConfig(data=str(data), run=str(tmp_path / "cca"), method="cca", views="v3,e4", trainer=QUIET)
    usual = {"refiner": str(run_pretrain(cca)), "head": "c2f_tcn", "head_options": C2FTCNConfig(width=4), "epochs": 1}
    ways = {
        "kept": {},
        "anew": {"refined_cache_gib": 0.0},
        "workers": {"workers": 1},
        "device": {"trainer": replace(QUIET, device_data="always")},
    }
    for name, changes in ways.items():
        run_train(config(data, tmp_path / name, **(usual | changes)))
    assert all(same_weights(tmp_path / "kept", tmp_path / name) for name in ways)


def test_each_round_is_taught_by_the_student_before(data, tmp_path):
    run = tmp_path / "run"
    run_train(config(data, run, epochs=4, teach=TeachConfig(rounds=2)))
    run_train(config(data, tmp_path / "one", epochs=4))
    assert same_weights(run / "teacher", tmp_path / "one")
    assert same_weights(run / "teacher" / "teacher", tmp_path / "one" / "teacher")
    assert not (run / "teacher" / "teacher" / "teacher").exists()
    assert not same_weights(run, tmp_path / "one")


def test_steps_of_which_the_teacher_is_unsure_are_left_out(data, tmp_path, capfd):
    """With a confidence that no step has, what is learned is what the labelled windows say alone."""
    for name, confidence in (("none", 1.0), ("all", 0.0), ("also all", 0.26)):
        run_train(config(data, tmp_path / name, epochs=2, teach=TeachConfig(confidence=confidence)))
    rows = {run: list(csv.DictReader((tmp_path / run / "metrics.csv").open())) for run in ("none", "all", "also all")}
    assert all(float(row["train/taught"]) == 0 for row in rows["none"])
    assert all(float(row["train/taught"]) > 0.1 for row in rows["all"])
    facts = {run: json.loads((tmp_path / run / "taught.json").read_text()) for run in rows}
    assert (facts["none"]["used"], facts["all"]["used"]) == (0, 100)
    assert any("--teach.confidence asks in 0 %" in text for text in warnings(tmp_path / "none"))
    assert "--teach.confidence asks in 0 %" in capfd.readouterr().err


def warnings(run):
    return json.loads((run / "environment.json").read_text()).get("warnings", [])


def test_agreement_is_kept_and_said(data, student, tmp_path, capfd):
    facts = json.loads((student / "taught.json").read_text())
    dataset, soft = open_dataset(DataConfig(data=str(data))), read_taught(student / "taught.safetensors")
    held = facts["held_out"]
    assert len(held) == 1 and set(held) < set(names(data, "pairs"))
    for view, of in facts["agreement"].items():
        predicted = vl.predict(student, dataset, view, accelerator="cpu")
        for role, recordings in (("held_out", held), ("learned", set(names(data, "pairs")) - set(held))):
            hits = frames = 0
            for name in recordings:
                for _, row in predicted[predicted.recording == name].iterrows():
                    labels_T = soft[name].frame_labels(row.start, row.end)
                    hits += int((labels_T == int(row.label[-1])).sum())
                    frames += row.end - row.start
            assert of[role] == pytest.approx(100 * hits / frames, abs=0.5), (view, role)
        assert of["labelled"] == (view == "v3")
    assert facts["strips"]["recording"] == held[0] and set(facts["strips"]["views"]) == {"v3", "e4"}
    run_train(config(data, tmp_path / "run", epochs=1))
    said = capfd.readouterr().err
    assert "in which the student agrees with its teacher: v3" in said and "The teacher labelled 6" in said


def test_agreement_leaves_out_what_either_does_not_see(data, student, tmp_path):
    """Frames that the teacher, or the view itself, lacks are not compared."""
    other = shutil.copytree(data, tmp_path / "data")
    name = names(data, "pairs")[0]
    for view, frames in (("v3", slice(0, 60)), ("e4", slice(100, 150))):
        path = other / "features" / name / view / "features.npy"
        x_TD = np.load(path)
        x_TD[frames] = np.nan
        np.save(path, x_TD)
    dataset, trained = open_dataset(DataConfig(data=str(other))), load_head(student)
    item = next(item for item in dataset.items("pairs") if item.recording == name)
    probs_TK = np.ones((item.end - item.start, ACTIONS), np.float32) / ACTIONS
    probs_TK[:60] = 0
    soft = {name: SoftLabels.of_frames(probs_TK, item.start)}
    sampling = begin_train(config(data, student, epochs=12, resume=True))[0].sampling
    counts = Compared(dataset, [item], ("v3", "e4"), soft).counts(trained.segmenter(sampling, "cpu"))
    assert {view: frames for view, (_, frames) in counts.items()} == {
        "v3": len(probs_TK) - 60,
        "e4": len(probs_TK) - 110,
    }
    assert all(hits <= frames for hits, frames in counts.values())


def test_a_warning_leaves_others_in_place(tmp_path):
    (tmp_path / "environment.json").write_text(json.dumps({"seed": 1}))
    for texts in (["one"], ["two", "one"], []):
        warn(tmp_path, texts)
    assert warnings(tmp_path) == ["one", "two"]


def test_the_epoch_is_chosen_by_both(student):
    rows = list(csv.DictReader((student / "metrics.csv").open()))
    for row in rows:
        labelled = float(row["val/total"]) / 5
        assert float(row["val/choice"]) == pytest.approx((labelled + float(row["val/taught"])) / 2, abs=1e-3)
    best = max(range(len(rows)), key=lambda epoch: float(rows[epoch]["val/choice"]))
    assert load_head(student).extra["epoch"] == best
    teacher = list(csv.DictReader((student / "teacher" / "metrics.csv").open()))
    assert "val/choice" not in teacher[0]


@pytest.fixture(scope="module")
def own_sizes(tmp_path_factory):
    """Views of sizes and rates of their own, with missing frames; one recording lacks the ego view."""
    out = tmp_path_factory.mktemp("own") / "data"
    sizes = {"recordings": 12, "people": 6, "pace": 12.0, "views": "v3,v4,e4", "dims": "v3=24,v4=24,e4=16"}
    run_simulate(
        SimulateConfig(out=str(out), rates="e4=20", faults=FaultConfig(dropped_share=0.05, missing_ego=1), **sizes)
    )
    return out


def test_views_of_own_sizes_need_a_refiner(own_sizes, tmp_path):
    with pytest.raises(DataError, match=r"A head takes views of one feature size.*v3 24.*e4 16.*--refiner"):
        run_train(config(own_sizes, tmp_path / "run", sampling=SamplingConfig()))
    assert not (tmp_path / "run").exists()
    run_train(
        config(own_sizes, tmp_path / "run", sampling=SamplingConfig(), teach=TeachConfig(views="v3,v4"), epochs=1)
    )
    facts = json.loads((tmp_path / "run" / "taught.json").read_text())
    assert set(facts["agreement"]) == {"v3", "v4"}


def test_behind_a_refiner_views_of_any_size_and_rate_are_taught(own_sizes, tmp_path, capfd):
    """Those that it has no map for are left out, and said; one that was asked for is refused."""
    cca = {"method": "cca", "views": "v3,e4", "trainer": QUIET}
    refiner = str(run_pretrain(PretrainConfig(data=str(own_sizes), run=str(tmp_path / "cca"), **cca)))
    settings = {"refiner": refiner, "sampling": SamplingConfig(), "epochs": 1}
    run_train(config(own_sizes, tmp_path / "run", **settings))
    assert "no teaching on v4" in capfd.readouterr().err
    assert set(json.loads((tmp_path / "run" / "taught.json").read_text())["agreement"]) == {"v3", "e4"}
    with pytest.raises(ConfigError, match="v4"):
        run_train(config(own_sizes, tmp_path / "other", **settings, teach=TeachConfig(views="v3,v4")))


def test_pairs_without_a_labelled_view_teach_nothing(data, tmp_path, capfd):
    other = shutil.copytree(data, tmp_path / "data")
    first, *rest = names(data, "pairs")
    shutil.rmtree(other / "features" / first / "v3")
    run_train(config(other, tmp_path / "a", epochs=1))
    assert f"1 of 6 pair recordings have no labelled view and aren't taught on: {first}" in capfd.readouterr().err
    assert first not in read_taught(tmp_path / "a" / "taught.safetensors")
    for name in rest:
        shutil.rmtree(other / "features" / name / "v3")
    with pytest.raises(DataError, match="No pair recording has a labelled view"):
        run_train(config(other, tmp_path / "b", epochs=1))
    with pytest.raises(DataError, match=r"No pair recording has view v3.*--teach.views"):
        run_train(config(other, tmp_path / "b", views="e4", epochs=1, teach=TeachConfig(views="v3,e4")))


def test_one_recording_of_pairs_is_enough(data, tmp_path):
    lists = shutil.copytree(data / "splits", tmp_path / "splits")
    (lists / "pairs.txt").write_text(f"{names(data, 'pairs')[0]}\n")
    run_train(config(data, tmp_path / "run", splits=str(lists)))
    facts = json.loads((tmp_path / "run" / "taught.json").read_text())
    assert facts["held_out"] == [] and facts["agreement"]["e4"]["held_out"] is None
    assert "val/taught" in (tmp_path / "run" / "metrics.csv").read_text()


def test_length_counts_taught_windows_and_a_teacher_has_its_own(data, tmp_path, capfd):
    module, *_ = begin_train(config(data, tmp_path / "run", epochs=None))
    assert len(module.windows()) == 6 + 2 * 5 and module.config.epochs == 150  # 4 steps of 16 windows, 600 in all
    assert "16 windows make 4 steps an epoch" in capfd.readouterr().err
    assert teach_module.teacher_config(module.asked, tmp_path / "run").epochs is None


def test_a_run_begun_before_there_were_students_goes_on(data, tmp_path):
    settings = config(data, tmp_path / "run", teach_on_pairs=False, epochs=2)
    run_train(settings)
    path = tmp_path / "run" / "identity.json"
    facts = json.loads(path.read_text())
    own = facts["groups"]["settings"]
    facts["groups"]["settings"] = {name: value for name, value in own.items() if not name.startswith("teach")}
    assert len(facts["groups"]["settings"]) < len(own)
    path.write_text(json.dumps(facts))
    run_train(replace(settings, resume=True))
    with pytest.raises(ConfigError, match="teach_on_pairs True instead of False"):
        run_train(replace(settings, resume=True, teach_on_pairs=True))


def test_from_python_with_arrays(data):
    """Nothing on disk, and settings as keywords."""
    folder = open_dataset(DataConfig(data=str(data)))
    features = {name: {view: folder.features(name, view) for view in ("v3", "e4")} for name in folder.recordings}
    labels = {
        name: [f"act{label}" for label in folder.frame_labels(name, 0, len(views["v3"]))]
        for name, views in features.items()
    }
    splits = {role: names(data, role) for role in ("pairs", "train", "val", "test")}
    dataset = vl.from_arrays(features, labels, splits, fps=30)
    settings = {"head": "linear", "epochs": 2, "trainer": {"accelerator": "cpu", "progress": False, "logger": "none"}}
    head = vl.train(dataset, ["v3"], teach_on_pairs=True, teach={"rounds": 1, "views": ["v3", "e4"]}, **settings)
    assert set(head.extra["learned_from"]) == {"train", "val", "pairs"}


SHARES = np.array([0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("sure", "on_validation", "used", "taught", "text"),
    [
        (0.9, 0.92, 100.0, SHARES, None),
        (0.5, 0.95, 100.0, SHARES, "50 % sure of its labels of the pairs on average, but 95 % on validation"),
        (0.5, None, 100.0, SHARES, None),
        (0.9, 0.9, 10.0, SHARES, "in 10 % of the pairs' frames"),
        (0.9, 0.9, 100.0, np.array([0.0, 0.01, 0.5, 0.49]), "finds 2 of 4 trained actions in them, with 30 %"),
        (0.9, 0.9, 100.0, np.array([0.5, 0.5, 0.0, 0.0]), None),
    ],
)
def test_a_student_with_little_to_learn_from_says_so(sure, on_validation, used, taught, text):
    said = {"frames": 100, "mean_confidence": sure, "used": used}
    found = little_to_learn(said, on_validation, SHARES, taught)
    assert len(found) == (text is not None)
    assert text is None or (text in found[0] and found[0].startswith(MARK))


def test_pairs_of_other_actions_are_warned_of_and_the_warning_is_kept(data, tmp_path, capfd):
    """Labelled recordings of four actions, pairs of one alone."""
    other = shutil.copytree(data, tmp_path / "data")
    dataset = open_dataset(DataConfig(data=str(data)))
    for name in names(data, "pairs"):
        labels_T = dataset.frame_labels(name, 0, dataset.source.span(name, "v3").frames)
        for view in ("v3", "e4"):
            path = other / "features" / name / view / "features.npy"
            np.save(path, np.load(path)[labels_T == 2])
    run_train(config(other, tmp_path / "run", epochs=12))
    assert "TAUGHT LITTLE: the pairs seem to show other actions: the teacher finds 1 of 4" in capfd.readouterr().err
    kept = warnings(tmp_path / "run")
    assert [text for text in kept if text.startswith(MARK)] and not [text for text in kept if text.startswith(NOTHING)]
    assert len(kept) == len(set(kept))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"temperature": 0.0}, r"temperature is .* has to be"),
        ({"weight": -1.0}, r"weight is .* has to be"),
        ({"confidence": 1.5}, r"confidence is .* has to be"),
        ({"rounds": 0}, r"rounds is .* has to be"),
        ({"epochs": 0}, r"epochs is .* has to be"),
        ({"held_out": 1.0}, r"held_out is .* has to be"),
    ],
)
def test_bad_settings_are_refused(changes, text):
    with pytest.raises(ConfigError, match=text):
        TeachConfig(**changes)


def test_labels_of_another_teacher_are_refused(data, student, tmp_path):
    run = shutil.copytree(student, tmp_path / "run")
    (run / "head.safetensors").unlink()
    other = tmp_path / "other"
    run_train(config(data, other, teach_on_pairs=False, seed=5))
    shutil.copy(other / "head.safetensors", run / "teacher" / "head.safetensors")
    with pytest.raises(DataError, match="labels of another teacher"):
        run_train(config(data, run, epochs=12, resume=True))
