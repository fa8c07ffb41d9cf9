"""The example that `make demo` runs, at a size for tests."""

import importlib.util
import json
from pathlib import Path

import pytest

from viewloom import load_refiner
from viewloom.registry import METHODS
from viewloom.training import candidates


@pytest.mark.slow
def test_the_demo_prints_a_table_and_writes_a_report(tmp_path, capfd, monkeypatch):
    path = Path(__file__).parents[2] / "examples" / "demo.py"
    spec = importlib.util.spec_from_file_location("demo", path)
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    quick = tuple(one for one in candidates.CANDIDATES if METHODS.get(one.method).fit != "gradient")
    monkeypatch.setattr(candidates, "CANDIDATES", quick)  # those that are learned take minutes
    for _ in range(2):  # the second time everything is there already
        demo.main(str(tmp_path / "demo"), recordings=5, epochs=4)
    shown = capfd.readouterr().out
    assert "SIMULATED" in shown
    assert (tmp_path / "demo" / "report.html").exists()
    for name, row in demo.ROWS.items():
        run = tmp_path / "demo" / "runs" / name
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["trained_on"] == ["v3"]
        refiner = load_refiner(run / "refiner.safetensors")
        assert (refiner.method, refiner.config.standardise) == (row.method, "view")
        assert set(metrics["views"]) == {"v3", "e4"}
        assert metrics["simulated"] is True
        assert f"{metrics['views']['e4']['scores']['f1_50']:.1f}" in shown
    for name, views in {"head": ["v3"], "naive": ["v3"], "oracle": ["e4"]}.items():
        metrics = json.loads((tmp_path / "demo" / "transfer" / name / "metrics.json").read_text())
        assert metrics["trained_on"] == views and f"{metrics['views']['e4']['scores']['f1_50']:.1f}" in shown
    assert "auto took" in shown
