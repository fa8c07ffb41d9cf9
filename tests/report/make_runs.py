"""Small run folders as `viewloom evaluate` leaves them, without training anything."""

import json
from pathlib import Path

import numpy as np

from viewloom.metrics.per_class import score_per_class
from viewloom.metrics.segmentation import score, score_per_item, segments

NASTY = ["<script>alert(1)</script>", 'a & "b"', "screw wheel"]


def write_run(folder: Path, row: str, trained_on=("v3",), noise=0.3, simulated=True, actions=NASTY, seed=0) -> Path:
    """Two views, four items; ``noise`` is the share of segments predicted wrong in e4 (none in v3)."""
    rng = np.random.default_rng(seed)
    truths = {f"item{i}": np.repeat([0, 1, 2, 1], rng.integers(20, 60, 4)) for i in range(4)}
    metrics = {
        "protocol": "canonical",
        "split": "test",
        "fps": 30.0,
        "actions": list(actions),
        "trained_on": list(trained_on),
        "simulated": simulated,
        "row": row,
        "views": {},
    }
    for view, kind, wrong in (("v3", "exo", 0.0), ("e4", "ego", noise)):
        predictions = {name: np.where(np.arange(len(t)) < wrong * len(t), (t + 1) % 3, t) for name, t in truths.items()}
        p, t = list(predictions.values()), list(truths.values())
        pooled = score(p, t)
        rows = [
            {"item": name, "recording": name, "frames": len(truths[name]), **s.as_dict()}
            for name, s in zip(truths, score_per_item(p, t), strict=True)
        ]
        metrics["views"][view] = {
            "kind": kind,
            "scores": {**pooled.as_dict(), "total": pooled.total},
            "per_class": [row.as_dict() for row in score_per_class(p, t, actions)],
            "per_item": rows,
        }
        items = {
            name: {
                "recording": name,
                "start": 100,
                "end": 100 + len(truths[name]),
                "truth": runs_of(truths[name]),
                "prediction": runs_of(predictions[name]),
            }
            for name in truths
        }
        path = folder / "predictions" / f"{view}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"actions": list(actions), "fps": 30.0, "items": items}))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "environment.json").write_text(json.dumps({"data": "made & up", "seed": seed, "torch": "2"}))
    (folder / "config.yaml").write_text("head: <b>linear</b>\n")
    lines = ["epoch,step,train/loss,val/total"] + [f"{e},{e},{1 / (e + 1)},{100 + e}" for e in range(5)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    return folder


def runs_of(labels):
    return [[int(a) + 100, int(b) + 100, int(c)] for a, b, c in zip(*segments(labels), strict=True)]
