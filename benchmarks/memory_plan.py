"""What `--plan true` says a run needs against what it takes: peak resident memory of a process of its own, beyond what
it has before it starts. `python benchmarks/memory_plan.py` prints a line of JSON for each case, and the worst factors.
"""

import json
import subprocess
import sys

CASES = [
    ("two_stream", 256),
    ("two_stream", 512),
    ("contrast", 512),
    ("contrast", 2048),
    ("cca", 512),
    ("cca", 2048),
    ("procrustes", 2048),
    ("c2f_tcn", 512),
    ("c2f_tcn", 2048),
    ("asformer", 512),
    ("ltcontext", 512),
]
"""A method or a head, and the size of its features."""


def measure(name: str, dim: int) -> dict[str, object]:
    """The estimate and the peak of one case, in this process."""
    import tempfile
    import warnings
    from pathlib import Path

    import numpy as np

    import viewloom as vl
    from viewloom.keywords import settings_on
    from viewloom.registry import METHODS
    from viewloom.training.planning import pretrain_plan, train_plan
    from viewloom.training.settings import PretrainConfig, TrainConfig

    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(0)
    frames, names = 2400, [f"r{number}" for number in range(12)]
    arrays = {n: {v: rng.random((frames, dim), np.float32) for v in ("v3", "e4")} for n in names}
    labels = {n: [f"a{(frame // 100) % 6}" for frame in range(frames)] for n in names}
    splits = {"pairs": names[:9], "train": names[:9], "val": names[9:10], "test": names[10:]}
    data = vl.from_arrays(arrays, labels, fps=30, splits=splits)
    method, folder = name in METHODS.names(), Path(tempfile.mkdtemp())
    quiet = {"progress": False, "logger": "none", "accelerator": "cpu", "check_memory": False}
    own = {"epochs": 2, "trainer": quiet, "sampling": {"chunk_frames": 8}}
    own |= {"views": "v3,e4", "method": name} if method else {"views": "v3", "head": name}
    warm = {"views": "v3", "head": "linear", "epochs": 1, "trainer": quiet, "sampling": {"chunk_frames": 8}}
    vl.train(data, **warm)  # so that every library is there
    plan, cls = (pretrain_plan, PretrainConfig) if method else (train_plan, TrainConfig)
    needs = plan(settings_on(cls, data, own | {"run": str(folder / "run")}), data)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # begin the peak anew
    (vl.pretrain if method else vl.train)(data, run=folder / "run", **own)
    took, written = resident("VmHWM") - before, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    memory, disk = needs.places[0], needs.places[-1]
    return {
        "case": f"{name}, D = {dim}",
        "planned_mib": memory.needed >> 20,
        "took_mib": took >> 20,
        "factor": round(memory.needed / max(took, 1), 2),
        "disk_planned_mib": disk.needed >> 20,
        "disk_left_mib": written >> 20,
        "parts_mib": {what: size >> 20 for what, size in memory.parts.items()},
    }


def resident(field: str) -> int:
    """Bytes of memory that this process has, or had at most."""
    from pathlib import Path

    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def main() -> None:
    """Every case in a process of its own."""
    factors = []
    for name, dim in CASES:
        command = [sys.executable, __file__, name, str(dim)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = done.stdout.strip().splitlines()[-1:] if done.returncode == 0 else []
        line = found[0] if found else json.dumps({"case": name, "failed": done.stderr[-300:]})
        print(line, flush=True)
        factors += [json.loads(line)["factor"]] if done.returncode == 0 else []
    print(json.dumps({"least_factor": min(factors), "largest_factor": max(factors)}))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
