"""`--method auto`: what it compares, what it takes, how it goes on, and what it says."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.rigs import SENSORS, write_rig
from tests.tiny import write_tiny
from viewloom.errors import ConfigError
from viewloom.methods.settings import AutoConfig
from viewloom.metrics.surrogate import Told
from viewloom.registry import METHODS
from viewloom.training.auto import Tried, best, in_words, nothing_carries_over, run_auto
from viewloom.training.candidates import CANDIDATES, Candidate, candidates_of
from viewloom.training.criterion import Measured, Sample, directions, measure_transfer, standard_error
from viewloom.training.learn import begin_learning, learn_refiner
from viewloom.training.pretrain import run_pretrain
from viewloom.training.settings import PretrainConfig, TrainerConfig
from viewloom.windows.batch import ViewBatch, Window

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=12))


def config(data, run, names="none,cca,ridge", **changes):
    options = AutoConfig(candidates=names, minutes=changes.pop("minutes", 3.0), labelled=changes.pop("labelled", ""))
    settings = {"data": data, "run": str(run), "views": "v3,e4", "method": "auto", "method_options": options}
    return PretrainConfig(**settings | {"trainer": QUIET} | changes)


def read(run):
    return json.loads((Path(run) / "invariance.json").read_text())


def found(run):
    return json.loads((Path(run) / "auto.json").read_text())


def test_it_takes_what_carries_over_best_and_keeps_all_figures(data, tmp_path, capfd):
    run_auto(config(data, tmp_path / "run"))
    kept = found(tmp_path / "run")
    assert [entry["name"] for entry in kept["candidates"]] == ["none", "cca", "ridge"]
    transfer = {entry["name"]: entry["measured"]["transfer"] for entry in kept["candidates"]}
    assert kept["chosen"] != "none" and transfer["none"] < 0.8 * transfer[kept["chosen"]]
    said = capfd.readouterr().err
    assert "auto took" in said and said.count("transfer ") == 3 and "Kept the closed form" not in said
    invariance = json.loads((tmp_path / "run" / "invariance.json").read_text())
    assert invariance["chosen"].startswith(f"auto took {kept['chosen']}")


def test_a_closed_form_that_was_chosen_is_fitted_again_on_all_pairs(data, tmp_path):
    path = run_auto(config(data, tmp_path / "run", "cca"))
    own = Candidate("cca", "cca").config(AutoConfig())
    alone = config(data, tmp_path / "alone", method="cca", method_options=own, held_out=0.0)
    assert run_pretrain(alone).read_bytes() == path.read_bytes()
    assert path.read_bytes() != (tmp_path / "run" / "candidates" / "cca" / path.name).read_bytes()
    invariance = json.loads((tmp_path / "run" / "invariance.json").read_text())
    assert "fitted again on all pairs" in invariance["chosen"]
    assert invariance["held_out"] == read_held_out(tmp_path / "run" / "candidates" / "cca")  # of pairs it hasn't seen


def read_held_out(run):
    return json.loads((run / "invariance.json").read_text())["held_out"]


def test_a_learned_one_stays_as_its_held_out_pairs_chose_it(data, tmp_path):
    path = run_auto(config(data, tmp_path / "run", "vicreg", epochs=2))
    assert path.read_bytes() == (tmp_path / "run" / "candidates" / "vicreg" / path.name).read_bytes()


def test_auto_needs_pairs_held_out(data, tmp_path):
    with pytest.raises(ConfigError, match="--held_out is 0"):
        run_auto(config(data, tmp_path / "run", held_out=0.0))


def test_a_candidate_is_what_its_method_learns_alone(data, tmp_path):
    run_auto(config(data, tmp_path / "run"))
    own = Candidate("cca", "cca").config(AutoConfig())
    alone = run_pretrain(config(data, tmp_path / "cca", method="cca", method_options=own))
    assert alone.read_bytes() == (tmp_path / "run" / "candidates" / "cca" / alone.name).read_bytes()


def test_a_stopped_choice_goes_on_to_the_same_bytes(data, tmp_path, monkeypatch):
    whole = run_auto(config(data, tmp_path / "whole"))
    with monkeypatch.context() as patch:
        stop = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # noqa: E731
        patch.setattr("viewloom.training.auto.measure_transfer", stop)
        with pytest.raises(KeyboardInterrupt):
            run_auto(config(data, tmp_path / "run"))
    path = learn_refiner(config(data, tmp_path / "run", resume=True))
    assert path.read_bytes() == whole.read_bytes()
    figures = [{k: v for k, v in entry.items() if k != "seconds"} for entry in found(tmp_path / "run")["candidates"]]
    assert figures == [
        {k: v for k, v in entry.items() if k != "seconds"} for entry in found(tmp_path / "whole")["candidates"]
    ]


def test_a_slow_candidate_is_left_out_and_stays_out(data, tmp_path):
    hurried = config(data, tmp_path / "run", "cca,sync_kd", minutes=0.0)
    run_auto(hurried)
    (_, late) = found(tmp_path / "run")["candidates"]
    assert late["measured"] is None and "would take about" in late["left_out"]
    (tmp_path / "run" / "refiner.safetensors").unlink()
    run_auto(replace(hurried, resume=True))
    assert found(tmp_path / "run")["candidates"][1]["left_out"] == late["left_out"]


def test_candidates_that_cannot_learn_here_are_named(tmp_path):
    rig = write_rig(tmp_path / "data", SENSORS)
    for name in ("ankle", "chest"):
        (rig / "views.yaml").read_text()
        assert name in (rig / "views.yaml").read_text()
    run_auto(config(str(rig), tmp_path / "run", "two_stream_simple,cca", views="wrist,chest", minutes=0.0))
    assert found(tmp_path / "run")["chosen"] == "cca"


def test_other_settings_are_refused(data, tmp_path):
    run_auto(config(data, tmp_path / "run"))
    begin_learning(config(data, tmp_path / "run", resume=True))
    with pytest.raises(ConfigError, match="minutes 1.0 instead of 3.0"):
        begin_learning(config(data, tmp_path / "run", resume=True, minutes=1.0))
    with pytest.raises(ConfigError, match="already holds a run"):
        run_auto(config(data, tmp_path / "run"))
    with pytest.raises(ConfigError, match="neither --teacher nor --select"):
        run_auto(config(data, tmp_path / "other", select="loss"))


def test_several_processes_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="one process"):
        run_auto(config(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("names", "message"), [("cca,cca", "twice"), ("auto", "more than pairs"), ("sync_kd_head", "more than pairs")]
)
def test_candidates_that_make_no_sense(names, message):
    with pytest.raises(ConfigError, match=message):
        candidates_of(AutoConfig(candidates=names))
    with pytest.raises(ConfigError, match="no method 'nothing'"):
        candidates_of(AutoConfig(candidates="nothing"))
    assert candidates_of(AutoConfig()) == CANDIDATES


def test_all_candidates_look_back_only_where_that_is_asked_for():
    def looking_ahead(auto):
        built = {c.name: METHODS.get(c.method).build_refiner((8, 8), ("v3", "e4"), c.config(auto)) for c in CANDIDATES}
        return {name for name, refiner in built.items() if not refiner.causal}

    assert looking_ahead(AutoConfig()) == {"delay_cca", "contrast", "ey"}
    assert looking_ahead(AutoConfig(causal=True)) == set()


def tried(name, transfer, retrieval, without=(0.0,) * 10, chance=0.0):
    left = tuple(transfer + change for change in without)
    return Tried(Candidate(name, "cca"), Measured(transfer, 50.0, retrieval, (transfer,) * 3, left, chance), 0.0)


def test_a_simpler_candidate_is_given_up_only_for_one_that_leads_by_two_standard_errors():
    nan, uneven = float("nan"), tuple(0.1 * place for place in range(10))
    several = [tried("d", nan, 99.0), tried("a", 30.0, 90.0), tried("b", 39.0, 60.0, uneven), tried("c", 40.0, 50.0)]
    ahead, error = several[3].measured.ahead_of(several[2].measured)
    assert ahead == 1.0 and 0.5 < error < 1.0  # within two of them
    assert best(several).candidate.name == "b" and best([*several[:2], *several[:1:-1]]).candidate.name == "c"
    assert "c leads by 1.0 ± 0.9" in in_words(best(several), several) and "b is preferred" in in_words(
        several[2], several
    )
    # The same point counts where every part of the held-out pairs shows it, and where both go up and down together.
    assert best([several[1], tried("b", 39.0, 60.0), several[3]]).candidate.name == "c"
    assert best([tried("b", 39.0, 60.0, uneven), tried("c", 40.0, 50.0, uneven)]).candidate.name == "c"
    assert best([tried("a", 10.0, nan), tried("b", 9.0, 80.0)]).candidate.name == "a"
    with pytest.raises(ConfigError, match=r"None of the candidates.*too slow"):
        best([Tried(Candidate("x", "cca"), None, 0.0, "too slow")])


def test_where_nothing_can_be_told_the_first_that_learns_is_taken():
    """Held-out steps of one cluster: everything is right by chance."""
    several = [
        tried(name, value, 100.0, chance=100.0) for name, value in (("none", 100.0), ("cca", 70.0), ("ey", 80.0))
    ]
    several[0] = replace(several[0], candidate=Candidate("none", "none"))
    assert best(several).candidate.name == "cca" and nothing_carries_over(best(several))
    assert best(several[:1]).candidate.name == "none"
    told = [replace(entry, measured=replace(entry.measured, chance=10.0)) for entry in several]
    assert best(told).candidate.name == "none" and not nothing_carries_over(best(told))


def test_what_counts_is_what_carries_over_from_labelled_views(data, tmp_path):
    assert directions(("a", "b", "c"), ()) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert directions(("a", "b", "c"), ("c", "a")) == [(0, 1), (2, 1)]
    both, one, other = (
        {entry["name"]: entry["measured"]["transfer"] for entry in found(folder)["candidates"]}
        for folder in (tmp_path / "both", tmp_path / "v3", tmp_path / "e4")
        if run_auto(config(data, folder, labelled="" if folder.name == "both" else folder.name))
    )
    assert all(both[name] == pytest.approx((one[name] + other[name]) / 2) and one[name] != other[name] for name in both)
    for labelled in ("v3,e4", "v4"):
        with pytest.raises(ConfigError, match="labelled must name some of the views"):
            run_auto(config(data, tmp_path / "wrong", labelled=labelled))
    assert not (tmp_path / "wrong").exists()


def test_the_standard_error_of_a_mean():
    values, seeds = np.random.default_rng(0).normal(size=10), np.array([1.0, 2.0, 4.0])
    without = [np.delete(values, place).mean() for place in range(10)]
    of_blocks, of_seeds = values.std(ddof=1) / 10**0.5, seeds.std(ddof=1) / 3**0.5
    assert standard_error([], without) == pytest.approx(of_blocks)
    assert standard_error(seeds, []) == pytest.approx(of_seeds)
    assert standard_error(seeds, without) == pytest.approx(np.hypot(of_blocks, of_seeds))
    assert standard_error([3.0], []) == 0.0


def test_clusters_are_of_the_view_to_be_segmented_where_both_are_seen(monkeypatch):
    """Views of 3 and 5 features, the first lacking two steps to learn from: sizes tell what was taken."""
    rng, mask = torch.Generator().manual_seed(0), torch.ones(1, 2, 30, dtype=torch.bool)
    mask[0, 0, :2] = False
    features = {view: torch.randn(1, 30, dim, generator=rng) for view, dim in (("a", 3), ("b", 5))}
    batch = ViewBatch(features, mask, (Window("r", "r", 0, 30, 1),), ((("a", 0), ("b", 0)),))
    refiner = SimpleNamespace(encode=lambda x, *_: x[..., :2])
    shapes = []

    def noted(*arrays, seed):
        shapes.append([x.shape for x in arrays])
        return Told(np.array([0, 1]), np.array([0, 1]), np.array([0, 0]))

    monkeypatch.setattr("viewloom.training.criterion.surrogate_transfer", noted)
    sample = Sample((batch,), (batch,), 0.1)
    found = measure_transfer(refiner, sample, ("a",))
    assert shapes == [[(28, 5), (28, 5), (28, 2), (28, 2), (28, 2)]] * 3
    assert (found.transfer, found.own, found.chance) == (100.0, 50.0, 50.0)
    measure_transfer(refiner, sample)
    assert [of[0] for of in shapes[3:]] == [(28, 5)] * 3 + [(28, 3)] * 3


def test_learned_candidates_are_tried_quickest_first_in_time_of_their_own(data, tmp_path, monkeypatch):
    """Closed forms come first, however they are named, and what they take is not counted."""
    needed = {"ey": 50.0, "contrast": 20.0, "sync_kd": 70.0}
    monkeypatch.setattr("viewloom.training.auto.seconds_to_learn", lambda settings, _: needed[settings.name])
    now = [0.0]
    monkeypatch.setattr("viewloom.training.auto.time", SimpleNamespace(monotonic=lambda: now[0]))

    def fit(settings, *_):
        now[0] += needed.get(settings.name, 1000.0)
        return "not fitted here"

    monkeypatch.setattr("viewloom.training.auto._fit", fit)
    with pytest.raises(ConfigError):
        run_auto(config(data, tmp_path / "run", "ey,sync_kd,cca,contrast", minutes=1.5))
    tried = found(tmp_path / "run")["candidates"]
    assert [entry["name"] for entry in tried] == ["cca", "contrast", "ey", "sync_kd"]
    assert [entry["left_out"] for entry in tried[:3]] == ["not fitted here"] * 3
    assert "would take about 70 s, and 20 s are left" in tried[3]["left_out"]


def test_a_finished_choice_stays_as_it_is(data, tmp_path):
    path = run_auto(config(data, tmp_path / "run", "cca"))
    path.write_bytes(b"as an earlier version left it")
    assert run_auto(config(data, tmp_path / "run", "cca", resume=True)).read_bytes() == b"as an earlier version left it"
