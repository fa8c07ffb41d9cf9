"""The commands of the package, one after the other on tiny data, by an interpreter that has it installed.

Nothing of the repository is used, and no network: where the system allows it, the commands have none, and else every
proxy leads nowhere. `python tests/packaging/chain.py --python ENV/bin/python --folder DIR`
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

DATA = "simulate --out data --recordings 8 --dim 8 --classes 4 --people 4 --pace 12 --fps 10"
RUN = "--trainer.devices 1 --trainer.accelerator cpu"
CHAIN = (
    "--help",
    "--version",
    DATA,
    "check --data data",
    "pack --data data --out packed",
    f"pretrain --data data --views v3,e4 --method cca --run runs/cca {RUN}",
    f"pretrain --data data --views v3,e4 --method two_stream --epochs 1 --run runs/two_stream {RUN}",
    f"train --data data --views v3 --refiner runs/cca/refiner.safetensors --epochs 2 --run runs/head {RUN}",
    "evaluate --data data --run runs/head",
    "predict --data data --features packed --run runs/head --out predicted",
    "report --runs runs/head --out page.html",
)
"""Arguments of `viewloom`, in the order in which they are run."""
MADE = ("packed/manifest.json", "runs/cca/refiner.safetensors", "runs/head/head.safetensors", "page.html")
"""What must be there at the end."""
NOWHERE = "http://127.0.0.1:9"


def run_chain(python: Path, folder: Path) -> None:
    """Run every command in an empty folder.

    Raises:
        SystemExit: a command failed, or left nothing behind.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(_run(python, ["-c", WHERE], folder).strip())
    for line in CHAIN:
        print(f"viewloom {line}")
        _run(python, ["-c", "import sys; from viewloom.cli import main; sys.exit(main())", *line.split()], folder)
    lacking = [name for name in MADE if not (folder / name).is_file()]
    if lacking:
        raise SystemExit(f"Not made: {', '.join(lacking)}.")
    print("All commands passed, without a network.")


WHERE = """
import sys, torch, viewloom
assert "site-packages" in viewloom.__file__ or "--here" in sys.argv, viewloom.__file__
print("Python", sys.version.split()[0], "torch", torch.__version__, "viewloom", viewloom.__version__, viewloom.__file__)
"""


def _run(python: Path, args: list[str], folder: Path) -> str:
    """What a command printed; `SystemExit` with all of it where it failed."""
    line = [*_offline(), str(python), *args]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), NOWHERE)
    environment |= {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(args)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _offline() -> list[str]:
    """What goes before a command so that it has no network; nothing where the system doesn't allow that."""
    before = ["unshare", "--map-root-user", "--net", "--"]
    possible = (
        shutil.which("unshare") and not subprocess.run([*before, "true"], capture_output=True, check=False).returncode
    )
    return before if possible else []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--folder", type=Path, required=True)
    chosen = parser.parse_args()
    run_chain(chosen.python.absolute(), chosen.folder.resolve())
