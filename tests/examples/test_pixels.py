"""The example that `make bench-pixels` runs, at its tiny size and with a backbone without weights."""

import importlib.util
import json
from pathlib import Path

import pytest

from viewloom.errors import ConfigError
from viewloom.simulate.metaworld.rendering import backend_environment


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[2] / "examples" / "pixels.py"
    spec = importlib.util.spec_from_file_location("pixels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_whole_chain_writes_a_table_and_a_picture(example, tmp_path, monkeypatch):
    for package in ("metaworld", "mujoco", "av"):
        pytest.importorskip(package, reason="the extra `render` is not installed")
    try:
        backend_environment("auto")
    except ConfigError as error:
        pytest.skip(str(error))
    rows = {name: example.ROWS[name] for name in ("naive", "ridge", "oracle")}
    monkeypatch.setattr(example, "ROWS", rows)
    page = tmp_path / "results" / "pixels.md"
    backbone = "py:tests.examples.small_backbone:make"
    for _ in range(2):  # the second time everything is there already
        example.main(str(tmp_path / "pixels"), str(page), backbone, example.TINY, workers=1)
    told = page.read_text()
    assert told.startswith(example.MARK) and "SIMULATED" in told
    assert (page.parent / "pixels" / "moments.png").stat().st_size > 20_000
    for row in rows:
        scores = [
            json.loads((tmp_path / "pixels" / "runs" / f"{row}-{seed}" / "metrics.json").read_text())["views"]
            for seed in example.TINY.seeds
        ]
        for view in (example.EXO, example.EGO):
            mean = sum(found[view]["scores"]["mof"] for found in scores) / len(scores)
            lines = told.split(f"## Scored on {view}")[1].splitlines()
            line = next(line for line in lines if line.startswith(f"| {row} |"))
            assert line.split("|")[6].strip().startswith(f"{mean:.1f}")
    wrist = [line.split("|")[-2].strip() for line in told.splitlines() if line.startswith(("| naive", "| oracle"))][:2]
    assert wrist in (["0 %", "100 %"], ["none to close"] * 2)


def test_a_page_of_somebodys_own_is_not_replaced(example, tmp_path):
    page = tmp_path / "pixels.md"
    page.write_text("mine")
    with pytest.raises(SystemExit, match="not from this example"):
        example.write_page(tmp_path, page, tmp_path / "moments.png", example.TINY, "none")
    assert page.read_text() == "mine"


def test_all_rows_of_the_issue_are_there(example):
    wanted = ("naive", "ridge", "cca", "sync_kd", "two_stream", "oracle")
    assert tuple(example.ROWS) == wanted
    assert [row.labels for row in example.ROWS.values()] == [example.EXO] * 5 + [example.EGO]
    assert {row.options.standardise for row in example.ROWS.values()} == {"view"}
    assert example.Size().seeds == (0, 1, 2)
