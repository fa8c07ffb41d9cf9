"""docs/extract.md, its commands run on clips made here; and an injected offset that check must find."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.check.test_sync import estimate_offset
from viewloom.cli import main
from viewloom.extract.run import run_extract
from viewloom.extract.settings import ExtractConfig
from viewloom.features.opening import open_source

pytest.importorskip("av", reason="PyAV (extra: video) is not installed")

from tests.extract.clips import moving, write_clip

PAGE = (Path(__file__).parents[2] / "docs" / "extract.md").read_text()


def commands() -> list[list[str]]:
    """The page's viewloom commands, in order."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines() if line.startswith("viewloom ")]


def acted(frames: int, seed: int, view: int) -> tuple[list, list[tuple[float, float, str]]]:
    """Pictures of a session at 10 fps, and its segments in seconds: a light that is on, or off."""
    pictures = moving(frames, seed, view)
    cuts = [
        0,
        *sorted(np.random.default_rng(seed).choice(np.arange(15, frames - 15), 2, replace=False).tolist()),
        frames,
    ]
    segments = []
    for number, (start, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
        for picture in pictures[start:end]:
            picture[:6] = 255 * (number % 2)
        segments.append((start / 10, end / 10, ("off", "on")[number % 2]))
    return pictures, segments


def test_the_page_from_videos_to_segments(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime (extra: onnx) is not installed")
    pytest.importorskip("onnx", reason="onnx (extra: onnx-export) is not installed")
    from viewloom.extract.export import export_onnx

    monkeypatch.chdir(tmp_path)
    export_onnx("py:tests.extract.networks:convolutions", "lite0.onnx")
    labels = ["recording,start_s,end_s,label"]
    for seed in range(8):
        for view, name in enumerate(("side", "head")):
            pictures, segments = acted(75, seed, view)
            write_clip(Path("videos", f"session{seed}", f"{name}.mp4"), pictures, 10, codec="mpeg4", pix_fmt="yuv420p")
        labels += [f"session{seed},{start},{end},{label}" for start, end, label in segments]
    ran = []
    for args in commands():
        if args[0] == "check":
            Path("data/labels.csv").write_text("\n".join(labels) + "\n")
        settings = ["--workers", "0"] if args[0] in ("extract", "train") else []
        assert main([*args, *settings]) == 0, args
        ran.append(args[0])
    assert ran == ["extract", "extract", "check", "pretrain", "train", "evaluate", "predict"]
    shown = capsys.readouterr().out
    assert "Would extract 16 of 16 clips" in shown and "Extracted 16 of 16 clips" in shown
    refuses_other_features(capsys)
    rows = Path("segments/segments.csv").read_text().splitlines()
    assert {row.split(",")[0] for row in rows[1:]} == {f"session{seed}" for seed in range(8)}


def refuses_other_features(capsys) -> None:
    """Runs of one backbone are not used on the features of another, here of another preprocessing."""
    other = ["extract", "--videos", "videos", "--out", "other", "--backbone", "onnx:lite0.onnx", "--fps", "10"]
    assert main([*other, "--fit", "squash", "--workers", "0"]) == 0
    assert main([*other, "--workers", "0"]) == 2
    assert "was packed with other settings" in capsys.readouterr().err
    data = ["--data", "data", "--features", "other", "--splits", "generate"]
    refiner = ["--refiner", "runs/cca/refiner.safetensors"]
    for command in (
        ["evaluate", *data, "--run", "runs/side", "--out", "scores"],
        ["predict", *data, "--run", "runs/side", "--out", "others"],
        ["train", *data, "--views", "side", *refiner, "--run", "runs/new"],
    ):
        assert main(command) == 2
        assert "were not made like those" in capsys.readouterr().err, command


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """Two views of one session; the second camera was started 7 frames (0.233 s) after the first."""
    root = tmp_path_factory.mktemp("pair")
    for view, name in enumerate(("side", "head")):
        pictures = moving(400, 5, view, late=7 * view)
        write_clip(root / "rec" / f"{name}.mp4", pictures, codec="mpeg4", pix_fmt="yuv420p")
    return root


def features(videos: Path, out: Path, start: int, end: int) -> list[np.ndarray]:
    settings = {"backbone": "py:tests.extract.networks:convolutions", "fps": 30, "workers": 0}
    run_extract(ExtractConfig(videos=str(videos), out=str(out), **settings))
    source = open_source(out)
    return [source.read("rec", view, start, end) for view in ("side", "head")]


def test_check_finds_an_injected_offset_and_offset_s_fixes_it(pair, tmp_path, capsys):
    found = estimate_offset(*features(pair, tmp_path / "f", 0, 400), most_frames=30)
    assert found.reliable and abs(found.frames + 7) <= 1, found
    main(["check", "--data", str(tmp_path / "f")])
    shown = capsys.readouterr().out
    late = re.search(r"head\s+side\s+\+(\d+\.\d)\s", shown)
    assert late and abs(float(late[1]) - 7) <= 1, shown
    rows = [f"rec,{name},{pair}/rec/{name}.mp4,{offset}" for name, offset in (("side", 0), ("head", 0.2333))]
    (tmp_path / "list.csv").write_text("\n".join(["recording,view,path,offset_s", *rows]) + "\n")
    corrected = estimate_offset(*features(tmp_path / "list.csv", tmp_path / "f", 7, 400), most_frames=30)
    assert corrected.reliable and abs(corrected.frames) <= 1, corrected
