"""Run folders as `viewloom train` and `viewloom evaluate` leave them, without training anything."""

import json
from pathlib import Path

import numpy as np

from viewloom.metrics.per_class import score_per_class
from viewloom.metrics.segmentation import score, score_per_item
from viewloom.metrics.segments import Segments

NASTY = ["<script>alert(1)</script>", 'a & "b"', "screw wheel"]
VERBS = ("attach", "detach", "screw", "unscrew", "inspect", "position")
ACTIONS = [f"{verb} {thing}" for thing in ("cabin", "wheel", "arm", "bumper") for verb in VERBS]
FPS = 30.0


def write_runs(folder: Path, recordings: int = 8, seed: int = 0) -> Path:
    """Four evaluated rows, from naive to ego oracle, and a pre-training run, over the same test items."""
    items = make_items(recordings, ACTIONS, seed)
    skills = {"naive": (0.8, 0.25), "cca": (0.78, 0.5), "two streams": (0.8, 0.62), "ego oracle": (0.3, 0.85)}
    for place, (row, (exo, ego)) in enumerate(skills.items()):
        trained = ["e4"] if "oracle" in row else ["v3"]
        name = f"{place}_{row.replace(' ', '_')}"
        write_run(folder / name, row, {"v3": exo, "e4": ego}, trained, items, seed=seed + place)
    write_pretraining(folder / "pretrain_two_streams")
    return folder


def make_items(recordings: int, actions: list[str], seed: int = 0) -> dict[str, tuple[str, int, np.ndarray]]:
    """Recording, first frame and true frame labels of two items a recording: actions in an order that repeats."""
    rng = np.random.default_rng(seed)
    items = {}
    for number in range(recordings):
        for part in ("assembly", "disassembly"):
            steps = rng.permutation(len(actions))[: rng.integers(6, 16)] if len(actions) > 6 else [0, 1, 2, 1]
            frames = np.maximum(rng.lognormal(5.6, 0.7, len(steps)).astype(int), 40)
            start = int(rng.integers(1, 300))
            items[f"{part}_rec{number:02d}"] = (f"rec{number:02d}", start, np.repeat(steps, frames))
    return items


def guess(truth: np.ndarray, classes: int, skill: float, rng: np.random.Generator) -> np.ndarray:
    """A prediction that gets about ``skill`` of the segments, with moved borders and specks of other actions."""
    out = truth.copy()
    found = Segments.of_frames(truth)
    starts, ends, labels = found.starts, found.ends, found.labels
    for start, end, label in zip(starts, ends, labels, strict=True):
        if rng.random() > skill:
            out[start:end] = (label + rng.choice([1, 1, 1, 2, 6])) % classes
        shift = int(rng.normal(0, 20))
        out[max(0, start + min(shift, 0)) : start + max(shift, 0)] = out[min(start, len(out) - 1)]
        if rng.random() > skill and end - start > 80:
            at = int(rng.integers(start, end - 60))
            out[at : at + int(rng.integers(10, 60))] = rng.integers(classes)
    return out


def write_run(
    folder: Path,
    row: str = "naive",
    skills: dict[str, float] | None = None,
    trained_on: list[str] | None = None,
    items: dict[str, tuple[str, int, np.ndarray]] | None = None,
    actions: list[str] | None = None,
    simulated: bool = True,
    seed: int = 0,
) -> Path:
    """One evaluated run; ``skills`` are the views scored and how well."""
    actions = actions or ACTIONS
    items = items or make_items(2, actions)
    rng = np.random.default_rng(seed + 100)
    metrics = {
        "protocol": "canonical",
        "split": "test",
        "fps": FPS,
        "actions": actions,
        "trained_on": trained_on or ["v3"],
        "simulated": simulated,
        "row": row,
        "views": {},
    }
    for view, skill in (skills or {"v3": 0.9, "e4": 0.4}).items():
        guesses = {name: guess(truth, len(actions), skill, rng) for name, (_, _, truth) in items.items()}
        metrics["views"][view] = {"kind": "ego" if view[0] == "e" else "exo"} | scores_of(items, guesses, actions)
        write(folder / "predictions" / f"{view}.json", predictions_of(items, guesses, actions))
    write(folder / "metrics.json", metrics)
    write_training(
        folder,
        row,
        simulated,
        seed,
        metrics["trained_on"],
        level=100 * np.mean(list(skills.values() if skills else [0.5])),
    )
    return folder


def scores_of(items, guesses, actions) -> dict:
    truths = [truth for _, _, truth in items.values()]
    predicted = [guesses[name] for name in items]
    pooled = score(predicted, truths)
    rows = zip(items.items(), score_per_item(predicted, truths), strict=True)
    return {
        "scores": {**pooled.as_dict(), "total": pooled.total},
        "per_class": [line.as_dict() for line in score_per_class(predicted, truths, actions)],
        "per_item": [
            {"item": name, "recording": recording, "frames": len(truth), **line.as_dict()}
            for (name, (recording, _, truth)), line in rows
        ],
    }


def predictions_of(items, guesses, actions) -> dict:
    return {
        "actions": actions,
        "fps": FPS,
        "items": {
            name: {
                "recording": recording,
                "start": start,
                "end": start + len(truth),
                "truth": rows_of(truth, start),
                "prediction": rows_of(guesses[name], start),
            }
            for name, (recording, start, truth) in items.items()
        },
    }


def rows_of(labels: np.ndarray, start: int) -> list[list[int]]:
    return Segments.of_frames(labels, start).rows


def write_training(folder: Path, row: str, simulated: bool, seed: int, trained_on, level: float = 50.0) -> None:
    """Curves of 40 epochs, settings, environment."""
    rng = np.random.default_rng(seed + 7)
    lines = ["epoch,step,train/loss,train/cross_entropy,train/smoothing,val/edit,val/f1_50,val/mof,val/total"]
    for epoch in range(40):
        rise = 1 - np.exp(-epoch / 9)
        loss = 3.2 * np.exp(-epoch / 10) + 0.2 + rng.normal(0, 0.02)
        scores = np.maximum(0, level * rise * np.array([1.1, 0.9, 1.05]) + rng.normal(0, 1.3, 3))
        values = ["", "", "", ""] if epoch % 2 else [f"{v:.4f}" for v in (*scores, 4.7 * scores.mean())]
        lines.append(f"{epoch},{epoch * 4},{loss:.5f},{loss * 0.97:.5f},{loss * 0.03:.5f}," + ",".join(values))
    write(folder / "metrics.csv", "\n".join(lines) + "\n")
    write(folder / "environment.json", environment(row, simulated, seed, trained_on))
    text = "data: demo/data\nhead: c2f_tcn\nhead_options:\n  width: 32\nepochs: 40\nviews: " + "+".join(trained_on)
    write(folder / "config.yaml", text + "\n")


def write_pretraining(folder: Path, warnings: tuple[str, ...] = ()) -> Path:
    """A pre-training run: curves, settings, measures of invariance, no scores."""
    lines = ["epoch,step,train/loss,val/loss,val/retrieval,val/effective_rank"]
    lines += [
        f"{e},{e * 9},{2 / (e + 1):.4f},{2.2 / (e + 1):.4f},{90 - 80 / (e + 1):.3f},{40 - e / 2:.2f}" for e in range(30)
    ]
    write(folder / "metrics.csv", "\n".join(lines) + "\n")
    write(folder / "invariance.json", {"held_out": {}, "warnings": list(warnings)})
    write(folder / "environment.json", environment("two streams, pre-training", True, 0, ["v3", "e4"]))
    write(folder / "config.yaml", "method: two_stream\nviews: v3,e4\n")
    write(folder / "refiner.safetensors", "")
    return folder


def taught_facts(actions: list[str] = ACTIONS, **changes) -> dict:
    """What ``taught.json`` holds of a student; its strips show the third and the last action."""
    last = len(actions) - 1
    return {
        "actions": actions,
        "fps": FPS,
        "recordings": 7,
        "frames": 5400,
        "mean_confidence": 0.874,
        "validation_confidence": 0.93,
        "used": 81.25,
        "agreement": {
            "v3": {"learned": 97.31, "held_out": 95.0, "labelled": True},
            "e4": {"learned": 88.88, "held_out": None, "labelled": False},
        },
        "strips": {
            "recording": NASTY[0],
            "start": 30,
            "end": 330,
            "held_out": True,
            "teacher": [[30, 130, 2], [130, 330, last]],
            "views": {"v3": [[30, 330, 2]], "e4": [[30, 200, 1], [200, 330, last]]},
        },
    } | changes


def tried_facts(**changes) -> dict:
    """What ``auto.json`` holds of a choice between two candidates, one of which was left out."""
    measured = {"transfer": 68.77, "spread": 2.2, "own": 64.9, "retrieval": 40.7, "chance": 4.2}
    candidates = [
        {"name": "cca", "measured": measured, "seconds": 1.1, "left_out": ""},
        {"name": NASTY[0], "measured": None, "seconds": 0.0, "left_out": f"would take {NASTY[0]}"},
    ]
    return {"criterion": "the first", "why": "auto took cca", "chosen": "cca", "candidates": candidates} | changes


def environment(row: str, simulated: bool, seed: int, trained_on) -> dict:
    return {
        "viewloom": "0.1.0",
        "python": "3.11.7",
        "torch": "2.13.0+cpu",
        "platform": "Linux-6.1-x86_64",
        "processor": "x86_64, 2 cores",
        "gpu": None,
        "commit": "0123abc",
        "command": f"viewloom train --data demo/data --views {'+'.join(trained_on)}",
        "seed": seed,
        "data": "made & up",
        "data_fingerprint": "2dad869b450fb83f",
        "simulated": simulated,
        "created": "2026-01-02T03:04:05+00:00",
        "row": row,
        "trained_on": list(trained_on),
    }


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
