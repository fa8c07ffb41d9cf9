"""Files that are exported compute what viewloom computes, by their own runtimes, and say what they are.

Tracing takes long, so that the suite exports a few networks; `VIEWLOOM_EXPORT_ALL=1 pytest tests/graphs` exports every
head, every refiner and every step there is. `test_traced.py` computes all of them as they are traced.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import viewloom as vl
from tests.online.made import ACTIONS, causal_heads, causal_methods, frames, make_refiner, make_trained, settings_of
from tests.test_every_head import variants as head_variants
from tests.test_every_method import make_method
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError
from viewloom.graphs import formats
from viewloom.graphs.plan import plan, read_source
from viewloom.graphs.settings import ExportConfig
from viewloom.methods.refiner_file import save_refiner
from viewloom.registry import HEADS, METHODS
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.windows.sampling import Sampling

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
WHOLE = pytest.mark.skipif(not os.environ.get("VIEWLOOM_EXPORT_ALL"), reason="set VIEWLOOM_EXPORT_ALL to export all")
CALIBRATION = {"temperature": 1.7, "views": ["v3"], "frames": 9}
ONE_CHUNK = Sampling(chunk_frames=3, test_chunks=(3,), pooling="mean")


def write_run(folder: Path, trained) -> Path:
    """A run folder of a head that was made up."""
    own = {name: getattr(trained, name) for name in SavedHead.__dataclass_fields__}
    extra = trained.extra | {"calibration": CALIBRATION}
    save_head(folder / "head.safetensors", replace(SavedHead(**own), extra=extra))
    if trained.refiner is not None:
        save_refiner(trained.refiner, folder / "refiner.safetensors")
    return folder


def refiner_of(name, sampling=None):
    made = make_refiner(name, settings_of(METHODS.settings(name), {"layers": 2, "hidden": 8, "features": 24}))
    if sampling is not None:
        made.extra = {"sampling": vars(sampling)}
    return made


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A head behind `cca`, from frames at three chunk sizes to probabilities; the file of view v4."""
    root = tmp_path_factory.mktemp("exported")
    run = write_run(root / "run", make_trained("linear", refiner=refiner_of("cca")))
    (found,) = vl.export(run, root / "out.onnx", views="v4")
    return run, found


def test_frames_go_in_and_what_predict_says_comes_out(exported):
    run, found = exported
    assert found.checked.lengths == 20 and found.checked.difference < 1e-5 and found.view == "v4"
    x_TD = frames(100, holes=0.1)
    session = onnxruntime.InferenceSession(str(found.path))
    (probs_1TK,) = session.run(None, {"features": x_TD[None]})
    wanted = vl.predict(run, x_TD, view="v4", sampling={"missing_frames": "mask"})
    labels = [ACTIONS[label] for label in probs_1TK[0].argmax(-1)]
    for row in wanted.itertuples():
        assert set(labels[row.start : row.end]) == {row.label}
        chosen_T = probs_1TK[0, row.start : row.end, ACTIONS.index(row.label)]
        assert abs(chosen_T.mean() - row.confidence) < 1e-3, "at the temperature"


def test_a_file_says_what_it_is(exported):
    _, found = exported
    session = onnxruntime.InferenceSession(str(found.path))
    inside = json.loads(session.get_modelmeta().custom_metadata_map["viewloom"])
    beside = json.loads(found.path.with_name("out.onnx.json").read_text())
    assert inside.items() <= beside.items() and beside["checked"]["lengths"] == 20
    assert inside["actions"] == list(ACTIONS) and inside["view"] == "v4" and inside["temperature"] == 1.7
    assert inside["test_chunks"] == [2, 3, 5] and inside["fps"] == 10 and inside["dim"] == 7
    assert beside["inputs"] == [{"name": "features", "shape": ["rows", "frames", 7]}]
    assert b"/viewloom/" not in found.path.read_bytes(), "places of this machine"


def test_nothing_is_overwritten_unasked(exported, capsys):
    run, found = exported
    assert main(["export", "--run", str(run), "--views", "v4", "--out", str(found.path)]) == 2
    assert "is there already. Pass --overwrite true" in capsys.readouterr().err


@pytest.fixture(scope="module")
def streaming(tmp_path_factory):
    """A causal head with a look-ahead behind a filter over time, that takes one chunk size."""
    root = tmp_path_factory.mktemp("streaming")
    config = replace(settings_of(HEADS.settings("tcn")), layers=2, lookahead_steps=2)
    trained = make_trained("tcn", config, refiner_of("delay_cca", ONE_CHUNK), ONE_CHUNK)
    return write_run(root / "run", trained)


def test_one_step_at_a_time_is_the_online_segmenter(streaming, tmp_path):
    (found,) = vl.export(streaming, tmp_path / "step.onnx", what="online", views="v3", lengths=6)
    session = onnxruntime.InferenceSession(str(found.path))
    facts = json.loads(session.get_modelmeta().custom_metadata_map["viewloom"])
    x_TD = frames(200, dim=facts["dim"])
    state = {entry["input"]: np.zeros(entry["shape"], entry["dtype"]) for entry in facts["state"]}
    rows = [x_TD[start : start + 3] for start in range(0, 200, 3)]
    rows += [np.full((1, facts["dim"]), np.nan, np.float32)] * facts["lookahead_steps"]
    probs = []
    for chunk in rows:
        probs_K, *after = session.run(None, {"frames": chunk, **state})
        state = dict(zip(state, after, strict=True))
        probs.append(probs_K)
    labels = np.repeat(np.stack(probs[facts["lookahead_steps"] :]).argmax(-1), 3)[:200]
    online = vl.OnlineSegmenter(streaming, view="v3")
    for segment in [*online.push(x_TD), *online.finish()]:
        assert {ACTIONS[label] for label in labels[segment.start : segment.end]} == {segment.action}


def test_a_program_of_pytorch_is_one(streaming, tmp_path):
    (found,) = vl.export(streaming, tmp_path / "both.pt2", to="torch_export", views="v3", input="steps")
    assert found.checked.lengths == 20 and found.checked.difference < 1e-5
    assert json.loads((tmp_path / "both.pt2.json").read_text())["format"] == "torch_export"


def test_a_refiner_has_a_file_a_view(tmp_path):
    (tmp_path / "run").mkdir()
    save_refiner(refiner_of("cca"), tmp_path / "run" / "refiner.safetensors")
    found = vl.export(tmp_path / "run", tmp_path / "out.onnx", what="refiner", lengths=3)
    assert [(one.path.name, one.view) for one in found] == [("out.v3.onnx", "v3"), ("out.v4.onnx", "v4")]
    with pytest.raises(ConfigError, match="but no head. Pass --what refiner"):
        vl.export(tmp_path / "run", tmp_path / "both.onnx")
    with pytest.raises(ConfigError, match="has no map for e9"):
        vl.export(tmp_path / "run", tmp_path / "e9.onnx", what="refiner", views="e9")


def test_the_command_writes_and_shows(tmp_path, capsys):
    run = write_run(tmp_path / "run", make_trained("linear"))
    out = tmp_path / "head.pt2"
    line = ["export", "--run", str(run), "--what", "head", "--to", "torch_export", "--out", str(out), "--lengths", "2"]
    assert main(line) == 0 and out.exists()
    assert "any view" in (shown := capsys.readouterr().out) and "2 lengths" in " ".join(shown.split())


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", make_trained("linear"))
    monkeypatch.setattr(formats.TorchExport, "open", lambda self, path: lambda values: [values[0][..., :4] * 0 + 0.25])
    with pytest.raises(DataError, match="differs from PyTorch by .*isn't kept"):
        vl.export(run, tmp_path / "out.pt2", to="torch_export", what="head")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_cannot_be_exported_says_why(tmp_path):
    looks_ahead = replace(settings_of(HEADS.settings("tcn")), causal=False)
    run = write_run(tmp_path / "tcn", make_trained("tcn", looks_ahead))
    with pytest.raises(ConfigError, match="looks at later steps, and can't segment a stream"):
        vl.export(run, tmp_path / "out.onnx", what="online")
    config = METHODS.settings("two_stream")(layers=1, joint_depth=0.2, context="batch")
    (tmp_path / "batch").mkdir()
    save_refiner(make_method("two_stream", config).refiner.eval(), tmp_path / "batch" / "refiner.safetensors")
    with pytest.raises(ConfigError, match="depends on the other rows of the batch"):
        vl.export(tmp_path / "batch", tmp_path / "out.onnx", what="refiner")
    with pytest.raises(DataError, match="has neither a head.safetensors nor a refiner.safetensors"):
        vl.export(tmp_path, tmp_path / "out.onnx")
    for changes, message in (
        ({"lengths": 0}, "lengths is 0: it has to be from 1 to 20"),
        ({"windows": "cut", "what": "head"}, "--windows cut"),
    ):
        with pytest.raises(ConfigError, match=message):
            vl.export(run, tmp_path / "out.onnx", **changes)


@WHOLE
@pytest.mark.parametrize("name", HEADS.names())
def test_every_head(name, tmp_path):
    config = next(config for _, config in head_variants(name))
    run = write_run(tmp_path / "run", make_trained(name, config))
    (found,) = vl.export(run, tmp_path / "out.onnx", what="head")
    assert found.checked.lengths == 20


@WHOLE
@pytest.mark.parametrize("name", METHODS.names())
def test_every_refiner(name, tmp_path):
    known = METHODS.settings(name).__dataclass_fields__
    small = {
        key: value
        for key, value in {"layers": 1, "joint_depth": 0.2, "features": 24, "hidden": 8}.items()
        if key in known
    }
    (tmp_path / "run").mkdir()
    save_refiner(
        make_method(name, METHODS.settings(name)(**small)).refiner.eval(), tmp_path / "run" / "refiner.safetensors"
    )
    assert vl.export(tmp_path / "run", tmp_path / "out.onnx", what="refiner")


@WHOLE
@pytest.mark.parametrize(("name", "config"), list(causal_heads()))
def test_every_step_of_a_head(name, config, tmp_path):
    run = write_run(tmp_path / "run", make_trained(name, config))
    assert vl.export(run, tmp_path / "out.onnx", what="online")


@WHOLE
@pytest.mark.parametrize(("name", "config"), list(causal_methods()))
def test_every_step_behind_a_refiner(name, config, tmp_path):
    run = write_run(tmp_path / "run", make_trained("linear", refiner=make_refiner(name, config)))
    assert vl.export(run, tmp_path / "out.onnx", what="online", views="v3")


def test_windows_are_cut_as_predict_cuts_them(tmp_path):
    """Of another pooling, too; compared with the head's own windows of 20 steps, up to 13 of them."""
    sampling = Sampling(chunk_frames=2, max_chunks=20, test_chunks=(2,), pooling="max")
    looks_ahead = replace(settings_of(HEADS.settings("tcn")), causal=False, layers=2)
    run = write_run(tmp_path / "run", make_trained("tcn", looks_ahead, sampling=sampling))
    (cut,) = vl.export(run, tmp_path / "cut.pt2", to="torch_export", windows="cut")
    (whole,) = vl.export(run, tmp_path / "whole.pt2", to="torch_export")
    x_TD = frames(100)
    values = [formats.FORMATS["torch_export"].open(found.path)([x_TD[None]])[0] for found in (cut, whole)]
    assert np.abs(values[0] - values[1])[0, :32].max() < 1e-5 < 1e-3 < np.abs(values[0] - values[1]).max()


@pytest.mark.parametrize("settings", [{"input": "steps"}, {"what": "online"}], ids=["rows", "online"])
def test_what_is_traced_with_is_the_same_each_time(streaming, settings):
    """PyTorch's own format keeps it in the file: exports of one run are equal to the byte."""
    config = ExportConfig(run=str(streaming), out="x.pt2", to="torch_export", **settings)
    one, other = (plan(read_source(config.run), "v3", config).examples for _ in range(2))
    assert len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
