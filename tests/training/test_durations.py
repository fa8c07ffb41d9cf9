"""Durations of segments: found in training labels, kept with the head, and held by what is decided within them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.metrics.segments import Segments
from viewloom.recipes.compare.build import Bench, Builder
from viewloom.recipes.compare.reading import comparison
from viewloom.recipes.compare.writing import markdown
from viewloom.recipes.crossval import run_crossval
from viewloom.recipes.label_controls import run_label_control
from viewloom.recipes.settings import CrossvalConfig, LabelControlConfig, TransferConfig
from viewloom.recipes.transfer import run_transfer
from viewloom.report.runs import load_runs
from viewloom.report.sections import facts, unlike
from viewloom.report.tables import scores_table
from viewloom.training.bounded import bounded_labels
from viewloom.training.decoding_settings import DecodedConfig, DurationsConfig
from viewloom.training.durations import KEY, Bounds, bounds_of, training_durations, within
from viewloom.training.evaluate import run_evaluate, scored_alike, scored_with
from viewloom.training.predict import run_predict
from viewloom.training.runs import read_json
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PredictConfig, TrainConfig, TrainerConfig
from viewloom.training.trained import load_head

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
STORED = {KEY: {"fps": 10.0, "frames": [[5, 10, 20, 40], [], [7]]}}


def bounds(shortest, longest):
    return Bounds(np.array(shortest, float), np.array(longest, float))


def probabilities(labels_T, classes, sure=0.9):
    """Of a head that is this sure of labels."""
    return np.where(np.arange(classes) == np.asarray(labels_T)[:, None], sure, (1 - sure) / (classes - 1)).astype("f4")


def test_short_errors_go_and_segments_stay():
    true_T = np.repeat([0, 1, 2, 0], [40, 30, 50, 35])
    seen_T = true_T.copy()
    seen_T[[10, 11, 60, 100, 101, 102]] = 1, 1, 2, 0, 0, 0
    labels_T = within(bounds([2.0] * 3, [6.0] * 3), probabilities(seen_T, 3), 10.0, 1)
    np.testing.assert_array_equal(labels_T, true_T)


def test_a_segment_that_lasts_too_long_is_broken():
    probs_TK = probabilities(np.zeros(100, int), 3)
    labels_T = within(bounds([1.0] * 3, [4.0] * 3), probs_TK, 10.0, 1)
    found = Segments.of_frames(labels_T)
    assert found.durations.max() <= 40 and (labels_T == 0).sum() == 80


def test_first_and_last_may_be_cut_but_not_what_lies_between():
    labels_T = np.repeat([1, 0, 2], [3, 60, 4])
    probs_TK = probabilities(labels_T, 3)
    found_T = within(bounds([5.0] * 3, [50.0] * 3), probs_TK, 10.0, 1)
    np.testing.assert_array_equal(found_T, labels_T)
    within_T = within(bounds([5.0] * 3, [50.0] * 3), np.concatenate([probs_TK, probs_TK[:20]]), 10.0, 1)
    assert not Segments.of_frames(within_T).select(Segments.of_frames(within_T).labels == 2)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), frames=st.integers(1, 200), step=st.integers(1, 9), fps=st.sampled_from([5.0, 30.0]))
def test_bounds_hold_to_within_a_step_whatever_the_length(seed, frames, step, fps):
    rng = np.random.default_rng(seed)
    probs_TK = rng.dirichlet(np.full(4, 0.3), frames).astype(np.float32)
    shortest_K = rng.uniform(0, 3, 4)
    own = Bounds(shortest_K, shortest_K + rng.uniform(0, 4, 4))
    labels_T = within(own, probs_TK, fps, step)
    found = Segments.of_frames(labels_T)
    seconds_S = found.durations / fps
    assert len(labels_T) == frames and set(found.labels) <= set(range(4))
    slack = step / fps + 1e-6
    assert (seconds_S <= np.maximum(own.longest_K[found.labels], step / fps) + slack).all()
    assert (seconds_S[1:-1] >= own.shortest_K[found.labels[1:-1]] - slack).all()


def test_without_bounds_it_is_the_likeliest_class():
    probs_TK = np.random.default_rng(0).dirichlet(np.ones(5), 300).astype(np.float32)
    free = bounds([0.0] * 5, [np.inf] * 5)
    np.testing.assert_array_equal(within(free, probs_TK, 30.0, 1), probs_TK.argmax(axis=1))


def test_cases_without_any_choice():
    alone = np.ones((50, 1), np.float32)  # longer than its bound, and no other class to follow
    assert (within(bounds([1.0], [2.0]), alone, 10.0, 5) == 0).all()
    assert len(within(bounds([1.0] * 2, [2.0] * 2), np.zeros((0, 2), np.float32), 10.0, 5)) == 0
    certain = probabilities(np.zeros(80, int), 2, sure=1.0)  # zeros have no logarithm
    found = Segments.of_frames(within(bounds([1.0] * 2, [3.0] * 2), certain, 10.0, 1))
    assert found.durations.max() <= 30


def test_the_shift_of_all_log_probabilities_of_a_step_changes_nothing():
    rng = np.random.default_rng(1)
    logp_SK, own = rng.normal(size=(120, 4)), (np.array([3, 9, 1, 20]), np.array([5, 90, 1, 33]))
    shifted = logp_SK + 50 * rng.normal(size=(120, 1))
    np.testing.assert_array_equal(bounded_labels(logp_SK, *own), bounded_labels(shifted, *own))


def test_memory_is_linear_in_the_frames():
    """50,000 steps of 20 classes whose segments may last as long: windows as wide as the recording."""
    logp_SK = np.repeat(np.random.default_rng(2).normal(size=(500, 20)), 20, axis=0)
    labels_S = bounded_labels(logp_SK, np.full(20, 30), np.full(20, 10_000))
    assert Segments.of_frames(labels_S).durations[1:-1].min() >= 30


def test_quantiles_are_durations_that_there_are():
    whole = bounds_of(STORED, DurationsConfig(enough=1), "runs/x")
    np.testing.assert_allclose(whole.shortest_K, [0.5, 0.5, 0.7])
    np.testing.assert_allclose(whole.longest_K, [4.0, np.inf, 0.7])
    inner = bounds_of(STORED, DurationsConfig(shortest=0.4, longest=0.5, enough=1), "runs/x")
    np.testing.assert_allclose((inner.shortest_K[0], inner.longest_K[0]), (1.0, 2.0))
    free = bounds_of(STORED, DurationsConfig(shortest=None, longest=None), "runs/x")
    assert not free.shortest_K.any() and np.isinf(free.longest_K).all()


def test_few_segments_tell_of_no_longest_one():
    few = bounds_of(STORED, DurationsConfig(enough=4), "runs/x")
    np.testing.assert_allclose(few.longest_K, [4.0, np.inf, np.inf])
    assert np.isinf(bounds_of(STORED, DurationsConfig(), "runs/x").longest_K).all()


@pytest.mark.parametrize("extra", [{}, {KEY: {"fps": 30.0, "frames": [[], []]}}])
def test_a_head_that_knows_no_durations_says_so(extra):
    with pytest.raises(ConfigError, match="runs/x doesn't know how long actions last.*leave --decoding durations out"):
        bounds_of(extra, DurationsConfig(), "runs/x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shortest": 0.9, "longest": 0.1}, "shortest must not be above"),
        ({"shortest": -0.1}, "shortest is .* has to be"),
        ({"longest": 1.5}, "longest is .* has to be"),
        ({"enough": 0}, "enough is .* has to be"),
    ],
)
def test_bounds_that_cannot_be_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        DurationsConfig(**values)


def test_bounds_without_their_decoding_are_refused():
    with pytest.raises(ConfigError, match="bounds of --decoding durations"):
        DecodedConfig(data="x", durations=DurationsConfig(shortest=0.1))
    for config in (EvaluateConfig, PredictConfig):
        with pytest.raises(ConfigError, match="bounds of --decoding durations"):
            config(data="x", run="x", out="x", durations=DurationsConfig(shortest=0.1))


def test_rows_of_one_action_are_a_segment_and_gaps_cut(tmp_path):
    data = write_tiny(tmp_path / "data")
    dataset = open_dataset(DataConfig(data=str(data)))
    item = dataset.items("train")[0]
    rows = (f"{item.recording},0,30,act1", f"{item.recording},30,50,act1", f"{item.recording},60,75,act1")
    (data / "labels.csv").write_text("\n".join(("recording,start,end,label", *rows)) + "\n")
    found = training_durations(open_dataset(DataConfig(data=str(data))), [replace(item, start=0, end=75)])
    assert found == {"fps": 30.0, "frames": [[], [15, 50], [], []]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A head on the tiny data, and the data."""
    folder = tmp_path_factory.mktemp("durations")
    data = write_tiny(folder / "data")
    run_train(TrainConfig(data=str(data), run=str(folder / "run"), views="v3", head="linear", epochs=2, trainer=QUIET))
    return data, folder / "run"


def test_durations_are_kept_with_the_head(trained):
    data, run = trained
    dataset = open_dataset(DataConfig(data=str(data)))
    stored = load_head(run).extra[KEY]
    assert stored == json.loads(json.dumps(training_durations(dataset, dataset.items("train"))))
    assert sum(map(len, stored["frames"])) == sum(
        len(Segments.of_frames(dataset.labels.annotations[i.name].frame_labels(i.start, i.end)))
        for i in dataset.items("train")
    )


def test_evaluate_and_predict_decide_by_it(trained, tmp_path):
    data, run = trained
    config = EvaluateConfig(data=str(data), run=str(run), views="e4", out=str(tmp_path / "plain"), accelerator="cpu")
    own = replace(config, decoding="durations", out=str(tmp_path / "bounded"))
    plain, bounded = (read_json(run_evaluate(each) / "predictions" / "e4.json") for each in (config, own))
    shortest_K = bounds_of(load_head(run).extra, DurationsConfig(), "").shortest_K * 30
    step = 2 * 30 / 3  # a chunk
    between = [row for item in bounded["items"].values() for row in item["prediction"][1:-1]]
    assert between and all(end - start >= shortest_K[label] - step for start, end, label in between)
    count = [sum(len(item["prediction"]) for item in each["items"].values()) for each in (plain, bounded)]
    assert count[1] < count[0]
    rows = run_predict(
        PredictConfig(
            data=str(data),
            run=str(run),
            out=str(tmp_path / "said"),
            views="e4",
            decoding="durations",
            accelerator="cpu",
        )
    ).rows
    name = next(iter(bounded["items"]))
    actions = bounded["actions"]
    mine = [[start, end, actions.index(label)] for rec, _, start, end, _, _, label, _ in rows if rec == name]
    assert mine == bounded["items"][name]["prediction"]
    assert all(0 < row[-1] <= 1 for row in rows)


def trained_metrics(trained, tmp_path):
    """The scores by argmax."""
    data, run = trained
    return run_evaluate(EvaluateConfig(data=str(data), run=str(run), out=str(tmp_path / "plain"))) / "metrics.json"


def test_scores_say_how_they_were_decoded(trained, tmp_path):
    data, run = trained
    config = EvaluateConfig(data=str(data), run=str(run), views="v3", out=str(tmp_path), accelerator="cpu")
    metrics = read_json(run_evaluate(replace(config, decoding="durations")) / "metrics.json")
    assert metrics["scored_with"]["decoding"] == "durations" and metrics["scored_with"]["durations.longest"] == 1.0
    assert metrics["decoding"] == "durations" and "decoding" not in read_json(trained_metrics(trained, tmp_path))
    assert "durations decoding" in str(scores_table([tmp_path]).title)
    assert "durations decoding" in facts(load_runs([tmp_path]))
    assert not any("decoding" in fact for fact in facts(load_runs([tmp_path / "plain"])))
    assert not scored_alike(metrics, config) and scored_alike(metrics, replace(config, decoding="durations"))
    quantile = replace(config, decoding="durations", durations=DurationsConfig(shortest=0.1))
    assert not scored_alike(metrics, quantile)


def test_controls_decode_nothing_and_runs_decoded_otherwise_are_told(trained, tmp_path):
    data, run = trained
    config = EvaluateConfig(data=str(data), run=str(run), views="v3", out=str(tmp_path / "own"), accelerator="cpu")
    run_evaluate(replace(config, decoding="durations"))
    run_label_control(LabelControlConfig(data=str(data), control="clock", run=str(tmp_path / "clock"), views="v3"))
    runs = load_runs([tmp_path / "own", tmp_path / "clock"])
    assert str(scores_table(runs).title).endswith("protocol, durations decoding") and not unlike(runs)
    run_evaluate(replace(config, out=str(tmp_path / "plain")))
    runs = load_runs([tmp_path / "own", tmp_path / "plain", tmp_path / "clock"])
    assert "durations, argmax decoding" in str(scores_table(runs).title)
    assert "decoded in different ways (durations, argmax)" in " ".join(unlike(runs))


def test_scores_from_before_there_was_a_choice_are_those_of_argmax(trained):
    config = EvaluateConfig(data=str(trained[0]), run=str(trained[1]))
    before = {name: value for name, value in scored_with(config).items() if not name.startswith(("decoding", "durat"))}
    assert len(before) < len(scored_with(config))
    assert scored_alike({"scored_with": before}, config)
    assert not scored_alike({"scored_with": before}, replace(config, decoding="durations"))


def test_folds_are_decoded_alike_and_scored_again_for_another_decoding(tmp_path):
    data = write_tiny(tmp_path / "data", recordings=6)
    config = CrossvalConfig(
        data=str(data), splits="loso", run=str(tmp_path / "folds"), views="v3", head="linear", epochs=1, folds="0,1"
    )
    run_crossval(replace(config, trainer=QUIET))
    weights = [(tmp_path / "folds" / fold / "head.safetensors").read_bytes() for fold in ("fold0", "fold1")]
    assert "decoding" not in read_json(tmp_path / "folds" / "metrics.json")
    run_crossval(replace(config, trainer=QUIET, decoding="durations"))
    for name in ("", "fold0", "fold1"):
        assert read_json(tmp_path / "folds" / name / "metrics.json")["decoding"] == "durations"
    assert weights == [(tmp_path / "folds" / fold / "head.safetensors").read_bytes() for fold in ("fold0", "fold1")]
    with pytest.raises(ConfigError, match="bounds of --decoding durations"):
        replace(config, durations=DurationsConfig(shortest=0.1))


def test_a_transfer_scores_by_it(tmp_path):
    data = write_tiny(tmp_path / "data", recordings=12)
    common = {"data": str(data), "run": str(tmp_path / "run"), "from_views": "v3", "to_views": "e4", "head": "linear"}
    settings = common | {"method": "cca", "student": False, "epochs": 1, "trainer": QUIET}
    run_transfer(TransferConfig(**settings, decoding="durations"))
    assert read_json(tmp_path / "run" / "head" / "metrics.json")["decoding"] == "durations"
    with pytest.raises(ConfigError, match="decoding 'argmax' instead of 'durations'"):
        run_transfer(TransferConfig(**settings))


def test_a_comparison_decodes_all_rows_alike(tmp_path):
    data = str(write_tiny(tmp_path / "data", recordings=12))
    values = {"labelled": "v3", "unlabelled": "e4", "methods": ["none"], "heads": ["linear"], "out": "o", "data": data}
    what = comparison(values | {"evaluate": {"decoding": "durations", "durations": {"shortest": 0.1}}})
    cells = Builder(what, Bench.of(what.data[0])).cells()
    configs = [cell.evaluation.config for cell in cells if cell.evaluation.kind == "evaluate"]
    assert configs and {(c.decoding, c.durations.shortest) for c in configs} == {("durations", 0.1)}
    for wrong in ({"decoding": "best"}, {"protocol": "mean_f1"}, {"durations": {"shortest": 0.1}}):
        with pytest.raises(ConfigError):
            comparison(values | {"evaluate": wrong})


def test_the_page_of_a_comparison_says_how_it_decoded():
    results = {"seeds": [0], "viewloom": "1", "tuning": None, "tables": [], "failed": {}}
    made = {"command": "viewloom compare x.yaml", "seconds": {}}
    pages = [markdown(results | {"settings": {"evaluate": {"decoding": way}}}, made) for way in ("durations", "argmax")]
    assert "- decoding: durations\n" in pages[0] and "decoding" not in pages[1]
    assert "decoding" not in markdown(results | {"settings": {}}, made)


def test_the_command_line_sets_bounds_and_leaves_them_out():
    from viewloom.cli import parse

    line = "--data d --run r --decoding durations --durations.shortest 0.1 --durations.longest null"
    assert parse("evaluate", line.split()).durations == DurationsConfig(shortest=0.1, longest=None)


def test_python_takes_it_as_keywords(trained):
    data, run = trained
    settings = {"decoding": "durations", "durations": {"shortest": 0.1, "longest": None}, "accelerator": "cpu"}
    scores = vl.evaluate(run, str(data), views="v3", **settings)
    assert scores.metrics["scored_with"]["durations.longest"] is None
    assert len(vl.predict(run, str(data), view="v3", **settings))
