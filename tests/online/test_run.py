"""`viewloom predict --online` as it is called: pipes, files that grow, stops and restarts."""

import io
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import viewloom as vl
from tests.extract.clips import write_clip
from tests.online.made import DIM, VIEW, frames, make_trained
from viewloom.cli import main, split_verb
from viewloom.errors import ConfigError, DataError
from viewloom.extract.run import run_extract
from viewloom.extract.settings import ExtractConfig
from viewloom.online.inputs import Stop
from viewloom.online.rows import RowReader
from viewloom.online.run import run_online
from viewloom.online.settings import CameraConfig, OnlineConfig
from viewloom.training.checkpoints import SavedHead, save_head

FPS = 10.0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with a causal head."""
    return keep(tmp_path_factory.mktemp("runs") / "causal", make_trained(fps=FPS))


def keep(folder, made):
    save_head(folder / "head.safetensors", SavedHead(made.head, made.actions, made.views, made.fps, dict(made.extra)))
    return str(folder)


def offline(run, x_TD):
    table = vl.predict(run, x_TD, view=VIEW, accelerator="cpu")
    names = {"label": "action"}
    columns = ["start", "end", "start_s", "end_s", "label", "confidence"]
    return [{names.get(c, c): row[c] for c in columns} for row in table[columns].to_dict("records")]


def written(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def as_npy(x_TD):
    file = io.BytesIO()
    np.save(file, x_TD)
    return file.getvalue()


@pytest.mark.parametrize("pack", [as_npy, lambda x_TD: x_TD.tobytes()], ids=["npy", "raw"])
def test_frames_come_through_a_pipe_and_segments_before_it_is_closed(run, pack):
    x_TD = frames(400)
    command = [
        sys.executable,
        "-c",
        "import sys; from viewloom.cli import main; sys.exit(main())",
        "predict",
        "--online",
        "--run",
        run,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        data = pack(x_TD)
        process.stdin.write(data[: len(data) // 2 + 5])  # in the midst of a frame
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        process.stdin.write(data[len(data) // 2 + 5 :])
        process.stdin.close()
        rest, said = process.stdout.read(), process.stderr.read()
    assert process.returncode == 0, said
    assert [first, *map(json.loads, rest.splitlines())] == offline(run, x_TD)
    assert b"7 features a frame, 10 frames a second" in said and b"400 frames" in said


def config(run, tmp_path, **changes):
    defaults = {"input": str(tmp_path / "x.npy"), "out": str(tmp_path / "out.jsonl"), "idle_s": 0.3}
    return OnlineConfig(run=run, **(defaults | changes))


def test_a_file_is_followed_while_it_grows(run, tmp_path):
    x_TD = frames(300, holes=0.1)
    data, path = as_npy(x_TD), tmp_path / "x.npy"
    path.write_bytes(data[:60])  # not even the header is whole

    def write():
        with path.open("ab") as file:
            for start in range(60, len(data), 1111):
                time.sleep(0.02)
                file.write(data[start : start + 1111])
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    result = run_online(config(run, tmp_path, idle_s=1.0))
    writer.join()
    assert written(tmp_path / "out.jsonl") == offline(run, x_TD)
    assert (result.frames, result.segments, result.kept) == (300, len(offline(run, x_TD)), None)


def test_a_stopped_stream_goes_on_from_its_state(run, tmp_path):
    """Twice; the second time what a killed one wrote after its state is there too."""
    x_TD, state, out = frames(300), tmp_path / "state", tmp_path / "out.jsonl"
    shared = {"state": str(state)}
    for end in (90, 200):
        (tmp_path / "x.npy").write_bytes(as_npy(x_TD)[: 128 + 4 * DIM * end])
        result = run_online(config(run, tmp_path, at_end="keep", **shared))
        assert (result.frames, result.kept) == (end, state)
    with out.open("a") as file:
        file.write('{"start": 0}\n')
    np.save(tmp_path / "x.npy", x_TD)
    assert run_online(config(run, tmp_path, **shared)).kept is None
    assert written(out) == offline(run, x_TD)
    assert not state.exists(), "the stream is over"
    with pytest.raises(ConfigError, match="is there already"):
        run_online(config(run, tmp_path, **shared))
    run_online(config(run, tmp_path, overwrite=True, **shared))
    assert written(out) == offline(run, x_TD)


def test_the_state_is_written_from_time_to_time(run, tmp_path, monkeypatch):
    """A killed stream goes on from there, and nothing is lost nor comes twice."""
    x_TD, state, pushed = frames(300), tmp_path / "state", []
    (tmp_path / "x.npy").write_bytes(as_npy(x_TD))
    whole = vl.OnlineSegmenter.push

    def killed(self, block):
        pushed.append(len(block))
        if len(pushed) == 3:
            raise KeyboardInterrupt
        return whole(self, block)

    monkeypatch.setattr("viewloom.online.inputs.READ_BYTES", 128 + 4 * DIM * 70)
    monkeypatch.setattr(vl.OnlineSegmenter, "push", killed)
    with pytest.raises(KeyboardInterrupt):
        run_online(config(run, tmp_path, state=str(state), save_every_s=0))
    assert state.exists() and sum(pushed[:2]) > 100
    monkeypatch.setattr(vl.OnlineSegmenter, "push", whole)
    run_online(config(run, tmp_path, state=str(state)))
    assert written(tmp_path / "out.jsonl") == offline(run, x_TD)


def test_the_wrong_segments_are_not_gone_on_with(run, tmp_path):
    np.save(tmp_path / "x.npy", frames(200))
    run_online(config(run, tmp_path, state=str(tmp_path / "state"), at_end="keep"))
    (tmp_path / "out.jsonl").unlink()
    with pytest.raises(DataError, match="has 0 segments, but .*state is of a stream that had written"):
        run_online(config(run, tmp_path, state=str(tmp_path / "state")))


@pytest.mark.parametrize("how", ["file", "signal"])
def test_a_stream_that_is_told_to_stop_keeps_its_state(run, tmp_path, how):
    x_TD, state = frames(200), tmp_path / "state"
    np.save(tmp_path / "x.npy", x_TD)
    settings = {"state": str(state), "idle_s": 60, "stop_file": str(tmp_path / "stop")}

    def tell():
        time.sleep(0.7)
        (tmp_path / "stop").touch() if how == "file" else signal.raise_signal(signal.SIGINT)

    teller = threading.Thread(target=tell)
    teller.start()
    started = time.monotonic()
    result = run_online(config(run, tmp_path, **settings))
    teller.join()
    assert result.kept == state and result.frames == 200 and time.monotonic() - started < 30
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    (tmp_path / "stop").unlink(missing_ok=True)
    run_online(config(run, tmp_path, **(settings | {"idle_s": 0.1})))
    assert written(tmp_path / "out.jsonl") == offline(run, x_TD)


def test_without_a_state_a_stopped_stream_is_closed(run, tmp_path):
    np.save(tmp_path / "x.npy", frames(200))
    (tmp_path / "stop").touch()
    result = run_online(config(run, tmp_path, stop_file=str(tmp_path / "stop")))
    assert (result.frames, result.segments) == (0, 0) and Stop(str(tmp_path / "stop"))()


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_of_bytes_in_any_pieces(kind, size):
    x_TD = frames(50).astype(kind)
    data, reader = as_npy(x_TD), RowReader(DIM, "here", skipped=9)
    found = [reader.feed(data[start : start + size]) for start in range(0, len(data), size)]
    np.testing.assert_array_equal(np.concatenate(found), x_TD[9:].astype(np.float32))
    assert reader.rest == 0


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.zeros((5, 8), np.float32), r"\(T, 7\) in C order, but holds float32 \(5, 8\)"),
        (np.zeros((5, 7), np.int32), "int32"),
        (np.zeros((7, 5), np.float32).T, "Fortran"),
        (np.zeros(7, np.float32), r"\(7,\)"),
    ],
)
def test_other_arrays_are_refused(array, fault):
    with pytest.raises(DataError, match=fault):
        RowReader(DIM, "here").feed(as_npy(array))


def test_an_input_that_ends_within_a_frame_is_refused(run, tmp_path):
    (tmp_path / "x.npy").write_bytes(frames(20).tobytes()[:-3])
    with pytest.raises(DataError, match=r"ended within a frame of 7 numbers \(25 bytes"):
        run_online(config(run, tmp_path))


def test_an_input_that_ends_within_a_frame_takes_nothing_away(run, tmp_path):
    x_TD, state = frames(300), tmp_path / "state"
    (tmp_path / "x.npy").write_bytes(as_npy(x_TD)[: 128 + 4 * DIM * 200 + 9])
    with pytest.raises(DataError, match="ended within a frame"):
        run_online(config(run, tmp_path, state=str(state), at_end="keep"))
    np.save(tmp_path / "x.npy", x_TD)
    assert run_online(config(run, tmp_path, state=str(state))).frames == 300
    assert written(tmp_path / "out.jsonl") == offline(run, x_TD)


def test_a_view_that_the_head_did_not_learn_from_is_said(run, tmp_path, capsys):
    np.save(tmp_path / "x.npy", frames(40))
    run_online(config(run, tmp_path))
    assert "nothing says" not in capsys.readouterr().err
    run_online(config(run, tmp_path, view="e44", overwrite=True))
    assert "nothing says what it does in e44" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [None, 33])
def test_a_video_is_segmented_as_its_extracted_features_are(tmp_path, monkeypatch, stop):
    """Through the backbone that `viewloom extract` used; also when it is stopped and goes on."""
    rng = np.random.default_rng(0)
    pictures = np.repeat(rng.integers(0, 255, (16, 1, 1, 3)), 6, axis=0) * np.ones((1, 32, 32, 1))
    video = write_clip(tmp_path / "videos" / "r" / f"{VIEW}.mkv", pictures.astype(np.uint8), fps=10)
    backbone, store, out = "py:tests.extract.networks:mean_colour", tmp_path / "f", tmp_path / "out.jsonl"
    settings = ExtractConfig(videos=str(tmp_path / "videos"), out=str(store), backbone=backbone, fps=FPS, workers=0)
    run_extract(settings)
    run = keep(tmp_path / "run", make_trained(fps=FPS, dim=3))
    table = vl.predict(run, vl.open_dataset(store, with_splits=False), view=VIEW, accelerator="cpu")
    camera, state = CameraConfig(backbone=backbone), str(tmp_path / "state")
    shared = config(run, tmp_path, input=str(video), camera=camera, view=VIEW, state=state)
    if stop is not None:
        asked = iter(range(1000))
        monkeypatch.setattr(Stop, "__call__", lambda _: next(asked) >= stop)
        assert run_online(shared).frames == stop
        monkeypatch.undo()
    assert run_online(shared).frames == 96
    found = [(s["start"], s["end"], s["action"], s["confidence"]) for s in written(out)]
    assert found == [tuple(row) for row in table[["start", "end", "label", "confidence"]].to_numpy()]
    assert len(found) > 2


def test_settings_that_cannot_work_are_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="--at_end keep .* Pass --state"):
        OnlineConfig(run=run, at_end="keep")
    with pytest.raises(ConfigError, match="Pass its path as --input"):
        OnlineConfig(run=run, camera=CameraConfig(backbone="onnx:x"))
    with pytest.raises(DataError, match="is not there. Begin to write"):
        run_online(config(run, tmp_path, input=str(tmp_path / "none.npy")))


def test_online_is_a_verb_of_its_own_however_it_is_written(capsys):
    assert split_verb(["predict", "--online", "--run", "x"]) == ("predict online", ["--run", "x"])
    assert split_verb(["predict", "--run", "x", "--online"]) == ("predict online", ["--run", "x"])
    assert split_verb(["predict", "online", "--run", "x"]) == ("predict online", ["--run", "x"])
    assert split_verb(["predict", "--run", "x"])[0] == "predict"
    with pytest.raises(SystemExit):
        main(["predict", "--online", "--help"])
    text = capsys.readouterr().out
    assert "--lookahead_s" in text and "--camera.backbone" in text and "--data" not in text
