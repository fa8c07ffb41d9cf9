"""Resident memory of training on feature stores of two sizes. JSON on standard output; Linux only.

`viewloom train` itself, one epoch of a head over every window of a packed store or an LMDB of random features, each
in a process of its own. "Model" is what that process holds after one step on windows of two steps each: Python,
torch, weights, gradients, optimiser. The rest of the peak is for reading, batches and activations, and must stay
below 1.5 GiB however large the store is. No cache is allowed here; --refined_cache_gib would come on top.
``threads`` of torch: as the environment says.

    python benchmarks/memory.py --packed_gib 1,4 --head c2f_tcn
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from growth_windows import write_store
from timing import show

DIM = 2048
FRAMES = 12_000
ACTIONS = 20
ALLOWED_GIB = 1.5
GIB = 1 << 30


def write_lmdb(root: Path, recordings: int) -> None:
    """One camera; random rows, which repeat."""
    from viewloom.features.lmdb import frame_key, key_prefix

    rows = [row.tobytes() for row in np.random.default_rng(0).standard_exponential((256, DIM), np.float32)]
    (root / "view00").mkdir(parents=True)
    size = recordings * FRAMES * (4 * DIM + 8192)
    environment = lmdb.open(str(root / "view00"), map_size=size + (1 << 24), lock=False, sync=False)
    for recording in range(recordings):
        prefix = key_prefix(f"recording{recording:04}", "view00")
        with environment.begin(write=True) as transaction:
            for frame in range(FRAMES):
                transaction.put(frame_key(prefix, frame), rows[frame % 256], append=True)
    environment.close()


def write_data(root: Path, kind: str, gib: float) -> int:
    """A data set with labels and splits whose store takes about ``gib``; returns the store's bytes."""
    recordings = max(3, round(gib * GIB / (FRAMES * DIM * (2 if kind == "packed" else 4))))
    if kind == "packed":
        write_store(root / "features", recordings, 1, FRAMES, DIM)
    else:
        write_lmdb(root / "features", recordings)
    names = [f"recording{number:04}" for number in range(recordings)]
    spans = range(0, FRAMES, FRAMES // 30)
    rows = [f"{n},{s},{s + FRAMES // 30},act{(i + s) % ACTIONS}" for i, n in enumerate(names) for s in spans]
    (root / "labels.csv").write_text("\n".join(["recording,start,end,label", *rows]) + "\n")
    (root / "actions.txt").write_text("".join(f"act{action}\n" for action in range(ACTIONS)))
    (root / "views.yaml").write_text("views: {view00: {kind: exo}}\n")
    (root / "splits").mkdir()
    for role, chosen in {"train": names[:-1], "val": names[-1:]}.items():
        (root / "splits" / f"{role}.txt").write_text("".join(f"{name}\n" for name in chosen))
    return sum(path.stat().st_size for path in (root / "features").rglob("*") if path.is_file())


def status_gib(entry: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (the peak so far) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(entry)).split()[1]) / (1 << 20)


def train(root: Path, head: str) -> dict[str, float]:
    """Run in a process of its own: one tiny step, then one epoch of `viewloom train`."""
    import torch

    from viewloom.registry import HEADS
    from viewloom.training.segment import run_train
    from viewloom.training.settings import TrainConfig, TrainerConfig

    kind = HEADS.get(head)
    small = kind(DIM, ACTIONS, kind.Config())
    optimiser = torch.optim.AdamW(small.parameters())
    mask_BT = torch.ones(1, 2, dtype=torch.bool)
    sum(logits.sum() for logits in small(torch.zeros(1, 2, DIM), mask_BT)).backward()
    optimiser.step()
    model_gib = status_gib("VmRSS")
    trainer = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
    run_train(TrainConfig(data=str(root), run=str(root / "run"), views="view00", head=head, epochs=1, trainer=trainer))
    return {"model_gib": model_gib, "peak_gib": status_gib("VmHWM")}


def measure(kind: str, gib: float, head: str, folder: str | None) -> dict[str, Any]:
    """Memory of training on one store, written to a temporary folder and removed."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        size = write_data(Path(root), kind, gib)
        command = [sys.executable, __file__, "--child", root, "--head", head]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    extra = found["peak_gib"] - found["model_gib"]
    return {
        "path": f"memory over the model's, training {head} on {size / GIB:.1f} GiB ({kind})",
        "value": f"{extra:.2f} GiB (peak {found['peak_gib']:.2f}, model {found['model_gib']:.2f})",
        "target": f"{ALLOWED_GIB:g} GiB",
        "met": extra <= ALLOWED_GIB,
    }


def main() -> None:
    """Write stores, train, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packed_gib", default="1,4", help="sizes of the packed stores")
    parser.add_argument("--lmdb_gib", default="0.5,2", help="sizes of the LMDBs, in features")
    parser.add_argument("--head", default="linear", help="c2f_tcn takes minutes")
    parser.add_argument("--dir", default=None, help="folder for the temporary stores")
    parser.add_argument("--child", default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(train(Path(args.child), args.head)))
        return
    if not sys.platform.startswith("linux"):
        show({"not_measured": [{"path": "memory", "reason": "resident memory is read from Linux's /proc"}]})
        return
    sizes = {"packed": args.packed_gib, "LMDB": args.lmdb_gib}
    figures = [
        measure(kind, float(gib), args.head, args.dir) for kind in sizes for gib in sizes[kind].split(",") if gib
    ]
    show({"settings": {name: value for name, value in vars(args).items() if name != "child"}, "figures": figures})


if __name__ == "__main__":
    main()
