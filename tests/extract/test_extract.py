"""`viewloom extract` from videos to stores: equal results, going on after a kill, bad files, other settings."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.power_cut import watched
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError
from viewloom.extract.run import run_extract
from viewloom.extract.settings import ExtractConfig
from viewloom.features.opening import open_source

pytest.importorskip("av", reason="PyAV (extra: video) is not installed")

from tests.extract.clips import moving, numbered, write_clip

ROOT = Path(__file__).parent.parent.parent
CONVOLUTIONS = "py:tests.extract.networks:convolutions"
COLOUR = "py:tests.extract.networks:mean_colour"


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Two recordings of two views of 37 and 21 frames."""
    root = tmp_path_factory.mktemp("videos")
    for recording, (name, frames) in enumerate((("one", 37), ("two", 21))):
        for view in range(2):
            write_clip(root / name / f"cam{view}.mkv", moving(frames, recording, view))
    return root


def run(videos: Path, out: Path, **settings):
    settings = {"backbone": CONVOLUTIONS, "fps": 30, "workers": 0, "dtype": "float32"} | settings
    return run_extract(ExtractConfig(videos=str(videos), out=str(out), **settings))


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def plain(videos, tmp_path_factory) -> dict[str, bytes]:
    """The store made frame by frame in one go."""
    out = tmp_path_factory.mktemp("plain") / "f"
    assert run(videos, out, batch=1).done == 4
    return content(out)


@pytest.mark.parametrize(
    ("store", "last"), [("packed", "manifest.json"), ("npy", "extraction.json"), ("lmdb", "extraction.json")]
)
def test_what_was_extracted_outlives_a_power_cut(videos, tmp_path, store, last):
    with watched(tmp_path) as disk:
        run(videos, tmp_path / "f", backbone=COLOUR, store=store)
    assert not disk.end(apart=("f/partial",)) and disk.renamed[-1] == f"f/{last}"


def test_a_description_with_a_key_twice_is_refused(videos, tmp_path):
    run(videos, tmp_path / "f", backbone=COLOUR, store="npy")
    path = tmp_path / "f" / "extraction.json"
    path.write_text(path.read_text().replace('"first":', '"first": 9, "first":', 1))
    with pytest.raises(ConfigError, match=r"extraction\.json is damaged .*'first' is there twice"):
        run(videos, tmp_path / "f", backbone=COLOUR, store="npy")


def test_another_decoder_is_another_provenance(videos, tmp_path, plain):
    from tests.videos.test_moments import has_torchcodec

    if not has_torchcodec():
        with pytest.raises(ConfigError, match=r"'torchcodec' .*pip install 'viewloom\[torchcodec\]'"):
            run(videos, tmp_path / "f", decoder="torchcodec")
        return
    run(videos, tmp_path / "f", decoder="torchcodec", batch=5, workers=2)
    run(videos, tmp_path / "again", decoder="torchcodec")
    assert content(tmp_path / "f") == content(tmp_path / "again") != plain
    with pytest.raises(ConfigError, match="decoder torchcodec"):
        run(videos, tmp_path / "f")


@pytest.mark.parametrize("settings", [{"batch": 32}, {"batch": 7, "workers": 2}], ids=["batch", "workers"])
def test_batch_and_workers_change_no_bit(videos, tmp_path, plain, settings):
    run(videos, tmp_path / "f", **settings)
    assert content(tmp_path / "f") == plain


@pytest.mark.parametrize("together", [4, 32])
def test_batch_changes_no_bit_with_several_frames_in_a_call(videos, tmp_path, together):
    for number, batch in enumerate((1, 10, 64)):
        run(videos, tmp_path / str(number), batch=batch, together=together)
    assert content(tmp_path / "0") == content(tmp_path / "1") == content(tmp_path / "2")


def test_a_killed_run_goes_on_to_the_same_bits(videos, tmp_path):
    start = [sys.executable, "-c", "import sys; from viewloom.cli import main; sys.exit(main())"]
    command = [*start, "extract", "--videos", str(videos), "--out", str(tmp_path / "f")]
    command += ["--backbone", "py:tests.extract.networks:slow", "--fps", "30", "--dtype", "float32", "--batch", "5"]
    slowly = {**os.environ, "VIEWLOOM_TEST_PAUSE_S": "0.05"}
    process = subprocess.Popen([*command, "--workers", "0"], cwd=ROOT, env=slowly, stderr=subprocess.DEVNULL)
    partial = tmp_path / "f" / "partial" / "features" / "one" / "cam1.rows"
    wait_until(lambda: partial.is_file() and partial.stat().st_size > 10 * 40 * 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    partial.write_bytes(partial.read_bytes()[:-100])  # as a kill in the middle of writing leaves it
    kept = partial.read_bytes()
    assert not (tmp_path / "f" / "manifest.json").exists()
    result = run(videos, tmp_path / "f", backbone="py:tests.extract.networks:slow", batch=3)
    assert result.done == 3, "the first clip was finished before the kill"
    assert len(kept) > 5 * 40 * 4
    run(videos, tmp_path / "whole", backbone="py:tests.extract.networks:slow", batch=16)
    assert content(tmp_path / "f") == content(tmp_path / "whole")


def wait_until(happened, limit_s: float = 60.0) -> None:
    until = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_rows_kept_are_not_computed_again(videos, tmp_path, monkeypatch):
    from viewloom.extract import computing

    calls = []
    original = computing.features

    def counted(backbone, block, dim):
        calls.append(len(block))
        if sum(calls) == 30:
            raise KeyboardInterrupt
        return original(backbone, block, dim)

    monkeypatch.setattr(computing, "features", counted)
    with pytest.raises(KeyboardInterrupt):
        run(videos, tmp_path / "f", batch=10)
    assert calls == [10, 10, 10]
    monkeypatch.setattr(computing, "features", lambda *args: calls.append(len(args[1])) or original(*args))
    del calls[:]
    run(videos, tmp_path / "f", batch=10)
    assert sum(calls) == 2 * (37 + 21) - 20


def test_what_is_done_is_skipped_and_a_replaced_video_is_not(tmp_path):
    clip = write_clip(tmp_path / "v" / "one" / "cam.mkv", numbered(12))
    assert run(tmp_path / "v", tmp_path / "f", backbone=COLOUR).done == 1
    assert run(tmp_path / "v", tmp_path / "f", backbone=COLOUR).done == 0
    write_clip(tmp_path / "v" / "two" / "cam.mkv", numbered(5))
    assert run(tmp_path / "v", tmp_path / "f", backbone=COLOUR).done == 1
    write_clip(clip, numbered(14))
    assert run(tmp_path / "v", tmp_path / "f", backbone=COLOUR).done == 1
    assert open_source(tmp_path / "f").span("one", "cam") == (0, 14)
    file = tmp_path / "f" / "features" / "one" / "cam.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert run(tmp_path / "v", tmp_path / "f", backbone=COLOUR).done == 1


@pytest.mark.parametrize("store", ["packed", "npy", "lmdb"])
def test_every_store_holds_the_same_features(tmp_path, store):
    write_clip(tmp_path / "one.mkv", numbered(20))
    write_clip(tmp_path / "two.mkv", numbered(25, step=3))
    (tmp_path / "list.csv").write_text("recording,view,path,offset_s\nrec,a,one.mkv,\nrec,b,two.mkv,0.1\n")
    for done in (2, 0):
        result = run(tmp_path / "list.csv", tmp_path / "f", backbone=COLOUR, store=store)
        assert result.done == done and not result.failed
    source = open_source(tmp_path / "f", axes="td", fps=30)
    assert {source.dim(view) for name in source.recordings for view in source.views(name)} == {3}
    np.testing.assert_allclose(source.read("rec", "a", 0, 20)[:, 0], 2 * np.arange(20), atol=0.01)
    b_TD = source.read("rec", "b", 0, 28)
    assert np.isnan(b_TD[:3]).all()
    np.testing.assert_allclose(b_TD[3:, 1], 3 * np.arange(25), atol=0.01)
    shown = json.loads((tmp_path / "f" / ("manifest.json" if store == "packed" else "extraction.json")).read_text())
    assert shown["fps"] == 30 and shown["provenance"]["backbone"]["name"] == COLOUR
    assert "size 32" in shown["provenance"]["backbone"]["preprocessing"]
    spans = {entry["camera"]: (entry["first"], entry["end"]) for entry in shown["entries"]}
    assert spans == {"a": (0, 20), "b": (0 if store == "npy" else 3, 28)}
    with pytest.raises(ConfigError, match="other settings"):
        run(tmp_path / "list.csv", tmp_path / "f", backbone=COLOUR, store=store, size=16)


def test_a_lost_image_is_a_missing_frame(tmp_path):
    import av

    from tests.videos.test_moments import encoded

    folder = tmp_path / "v" / "rec" / "cam"
    folder.mkdir(parents=True)
    for number, array in enumerate(numbered(9)):
        if number != 4:
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            (folder / f"{number}.png").write_bytes(encoded(frame))
    result = run(tmp_path / "v", tmp_path / "f", backbone=COLOUR, fps=10)
    assert (result.frames, result.lost) == (9, 1)
    x_TD = open_source(tmp_path / "f").read("rec", "cam", 0, 9)
    assert np.isnan(x_TD).all(axis=1).tolist() == [number == 4 for number in range(9)]
    np.testing.assert_allclose(np.delete(x_TD[:, 0], 4), np.delete(2 * np.arange(9), 4), atol=0.01)


def test_windows_of_a_video_backbone(tmp_path):
    write_clip(tmp_path / "v" / "rec" / "cam.mkv", numbered(9))
    run(tmp_path / "v", tmp_path / "f", backbone="py:tests.extract.networks:clip_mean", clip=4, batch=2)
    x_TD = open_source(tmp_path / "f").read("rec", "cam", 0, 9)
    frames = np.clip(np.arange(9)[:, None] + [-2, -1, 0, 1], 0, 8)
    np.testing.assert_allclose(x_TD, 2 * frames, atol=0.01)


def test_bad_files_are_listed_and_the_others_done(tmp_path, capsys):
    write_clip(tmp_path / "v" / "rec" / "good.mkv", numbered(10))
    (tmp_path / "v" / "rec" / "bad.mp4").write_bytes(b"no video" * 99)
    (tmp_path / "v" / "rec" / "notes.txt").write_text("no video either")
    command = ["extract", "--videos", str(tmp_path / "v"), "--out", str(tmp_path / "f"), "--fps", "30"]
    assert main([*command, "--backbone", COLOUR, "--workers", "0"]) == 3
    shown = capsys.readouterr()
    assert "rec/bad" in shown.out and "1 failed" in shown.out and "notes.txt" in shown.err
    assert open_source(tmp_path / "f").views("rec") == ("good",)
    (tmp_path / "v" / "rec" / "bad.mp4").unlink()
    write_clip(tmp_path / "v" / "rec" / "bad.mkv", numbered(10))
    assert main([*command, "--backbone", COLOUR, "--workers", "0"]) == 0
    assert open_source(tmp_path / "f").views("rec") == ("bad", "good")


def test_all_bad(tmp_path, capsys):
    (tmp_path / "list.csv").write_text("recording,view,path\nrec,a,missing.mp4\n")
    command = ["extract", "--videos", str(tmp_path / "list.csv"), "--out", str(tmp_path / "f"), "--fps", "30"]
    assert main([*command, "--backbone", COLOUR]) == 3
    assert "missing.mp4 is not there" in capsys.readouterr().out


def test_plan_writes_nothing(videos, tmp_path):
    plan = run(videos, tmp_path / "f", plan=True)
    assert (plan.clips, plan.todo, plan.frames, plan.dim, plan.failed) == (4, 4, 116, 40, {})
    assert plan.bytes == 116 * 40 * 4 and plan.seconds > 0 and "Nothing was written" in str(plan)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet50"}, "timm:NAME, hf:NAME, onnx:FILE or py:module:factory"),
        ({"backbone": "py:tests.extract.networks:absent"}, "has no 'absent'"),
        ({"backbone": "py:no_such_module_here:f"}, "No module named"),
        ({"backbone": "py:tests.extract.networks:nothing"}, "can't be called"),
        ({"backbone": "onnx:absent.onnx"}, "is not there"),
        ({"weights": "absent.pt"}, "is not there"),
        ({"mean": "0.5,0.5"}, "three numbers"),
        ({"size": 64, "resize": 32}, "can't be cut"),
        ({"precision": "float16", "device": "cpu"}, "needs a GPU"),
        ({"store": "lmdb", "fps": 25}, "read as 30"),
        ({"batch": 0}, "batch is .* has to be"),
    ],
)
def test_impossible_settings_are_refused(videos, tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        run(videos, tmp_path / "f", **settings)
    assert not (tmp_path / "f").exists()


def test_features_that_are_not_finite_are_a_failure(videos, tmp_path):
    result = run(videos, tmp_path / "f", backbone="py:tests.extract.networks:spoilt")
    assert len(result.failed) == 4 and "aren't finite" in result.failed["one/cam0"]


def test_other_weights_are_other_features(videos, tmp_path):
    import torch

    from tests.extract.networks import Convolutions

    network = Convolutions()
    torch.save(network.state_dict(), tmp_path / "same.pt")
    network.layers[0].bias.data[0] += 1e-3
    torch.save(network.state_dict(), tmp_path / "other.pt")
    run(videos, tmp_path / "f")
    assert run(videos, tmp_path / "f", weights=str(tmp_path / "same.pt")).done == 0
    with pytest.raises(ConfigError, match="weights_sha256"):
        run(videos, tmp_path / "f", weights=str(tmp_path / "other.pt"))


def test_a_folder_with_other_things_is_left_alone(videos, tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match="which this command did not write"):
        run(videos, tmp_path / "f")
    assert content(tmp_path / "f") == {"thesis.tex": b"mine"}


@pytest.mark.parametrize(
    ("module", "extra", "backbone"),
    [
        ("av", "video", COLOUR),
        ("onnxruntime", "onnx", "onnx:m.onnx"),
        ("transformers", "hf", "hf:some/model"),
        ("timm", "timm", "timm:resnet18"),
    ],
)
def test_a_missing_package_names_the_extra(videos, tmp_path, capsys, monkeypatch, module, extra, backbone):
    monkeypatch.setitem(sys.modules, module, None)
    command = ["extract", "--videos", str(videos), "--out", str(tmp_path / "f"), "--fps", "30"]
    assert main([*command, "--backbone", backbone]) == 2
    assert f"pip install 'viewloom[{extra}]'" in capsys.readouterr().err


def test_a_fixed_file_of_the_same_size_is_read_anew(tmp_path):
    clip = write_clip(tmp_path / "v" / "rec" / "cam.avi", moving(60, 0, 0), codec="mpeg4", pix_fmt="yuv420p")
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    assert run(tmp_path / "v", tmp_path / "f", backbone=COLOUR, batch=2).failed
    clip.write_bytes(whole)
    assert run(tmp_path / "v", tmp_path / "f", backbone=COLOUR, batch=2).done == 1
    assert open_source(tmp_path / "f").span("rec", "cam") == (0, 60)


def test_a_disk_that_is_full_ends_the_job_with_one_message(videos, tmp_path, monkeypatch):
    from viewloom.extract.partial import PartialRows

    def full(self, rows_TD):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PartialRows, "add", full)
    with pytest.raises(DataError, match="No space left on device.*Make room"):
        run(videos, tmp_path / "f")


def test_two_cameras_of_one_view_are_refused_before_any_work(videos, tmp_path):
    names = tmp_path / "views.yaml"
    names.write_text("views: {side: {kind: exo, cameras: [cam0, cam1]}}\n")
    with pytest.raises(ConfigError, match="Cameras cam0 and cam1 of recording one are both called view side"):
        run(videos, tmp_path / "f", views_file=str(names))
    assert not list(tmp_path.glob("f/*.safetensors"))


def test_views_of_a_store_are_not_renamed(videos, tmp_path):
    run(videos, tmp_path / "f")
    before = content(tmp_path / "f")
    names = tmp_path / "views.yaml"
    names.write_text("views: {cam0: {kind: exo, cameras: [cam1]}, cam1: {kind: ego, cameras: [cam0]}}\n")
    with pytest.raises(ConfigError, match="calls the view of camera cam0 cam0, but now it would be cam1"):
        run(videos, tmp_path / "f", views_file=str(names))
    assert content(tmp_path / "f") == before


@pytest.mark.parametrize("name", ["../escaped", "a/b", "partial", "videos", ".hidden"])
@pytest.mark.parametrize("store", ["npy", "lmdb"])
def test_names_that_a_store_of_folders_cant_hold_are_refused(tmp_path, store, name):
    write_clip(tmp_path / "clip.mkv", numbered(4))
    (tmp_path / "list.csv").write_text(f"recording,view,path\n{name},cam0,clip.mkv\n")
    before = content(tmp_path)
    with pytest.raises(ConfigError, match="Rename it, or choose --store packed"):
        run(tmp_path / "list.csv", tmp_path / "out" / "f", store=store)
    assert content(tmp_path).items() >= before.items() and not list(tmp_path.rglob("*.npy"))
    assert run(tmp_path / "list.csv", tmp_path / "packed").done == 1


@pytest.mark.parametrize("kind", ["video", "images"])
def test_a_clip_replaced_by_one_of_the_same_size_is_done_anew(tmp_path, kind):
    path = tmp_path / "videos" / "r" / ("cam0.avi" if kind == "video" else "cam0")

    def write(step: int) -> int:
        if kind == "video":
            return write_clip(path, numbered(6, step=step), codec="rawvideo", pix_fmt="bgr24").stat().st_size
        path.mkdir(parents=True, exist_ok=True)
        from tests.videos.test_moments import encoded

        for number, array in enumerate(numbered(6, step=step)):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            (path / f"{number}.bmp").write_bytes(encoded(frame, "bmp", "bgr24"))
        return sum(file.stat().st_size for file in path.iterdir())

    av = pytest.importorskip("av")
    size = write(2)
    assert run(tmp_path / "videos", tmp_path / "f").done == 1
    assert run(tmp_path / "videos", tmp_path / "f").done == 0
    before = content(tmp_path / "f")
    assert write(7) == size
    assert run(tmp_path / "videos", tmp_path / "f").done == 1
    assert content(tmp_path / "f") != before
