"""Every command that writes, small enough to be killed a thousand times."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import yaml

from tests.features.stores import write_lmdb
from tests.tiny import ACTIONS, DIM, write_tiny

FRAMES = 30_000
"""Of the stream: some pieces of 4096 frames, after each of which its state may be kept."""


@dataclass(frozen=True)
class Command:
    """One command.

    name: row of the table.
    argv: verb and arguments; ``in/`` is what `prepare_inputs` made, everything else is the trial's.
    how: "fork", or "torchrun" over two processes.
    copies: {place: what of ``in/`` is copied there first}.
    environment: besides.
    needs: packages; without them the command is left out.
    hub: whether it needs a hub to download from.
    shares: whether commands of this kind may write at the same time, each the whole result (one file, at once).
    """

    name: str
    argv: tuple[str, ...]
    how: str = "fork"
    copies: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    hub: bool = False


def command(name: str, text: str, **more: object) -> Command:
    return Command(name, tuple(text.split()), **more)  # type: ignore[arg-type]


BARE = "--trainer.accelerator cpu --trainer.devices 1 --trainer.progress false"
QUIET = f"{BARE} --trainer.logger none"
LESSON = f"--data in/data --batch_size 2 {QUIET}"
PRETRAIN = f"pretrain --run out --views v3,e4 {LESSON}"
STREAM = (
    f"{PRETRAIN} --epochs 4 --method two_stream --method_options.layers 1 --method_options.joint_depth 0.1 "
    "--held_out 0.3"
)
TRAIN = f"train --run out --views v3 {LESSON} --epochs 4"
C2F = f"{TRAIN} --head c2f_tcn --head_options.width 8"
LINEAR = f"{TRAIN} --head linear"
TWO = {"how": "torchrun"}
RUN = {"copies": {"run": "head"}}
GAUGE = "--sampling.chunk_frames 20 --sampling.test_chunks 17"
VIDEOS = "--backbone py:tests.extract.networks:mean_colour --fps 30 --dtype float32"

COMMANDS = [
    command("pack", "pack --data in/data --out out --workers 1"),
    command("pack, 2 workers", "pack --data in/data --out out --workers 2"),
    command("pack, from LMDB", "pack --data in/lmdb --out out --workers 1 --fps 30"),
    command("extract", f"extract --videos in/videos --out out --workers 0 {VIDEOS}", needs=("av",)),
    command("extract, 2 workers", f"extract --videos in/videos --out out --workers 2 {VIDEOS}", needs=("av",)),
    command("extract to npy", f"extract --videos in/videos --out out --store npy --workers 0 {VIDEOS}", needs=("av",)),
    command(
        "extract to LMDB", f"extract --videos in/videos --out out --store lmdb --workers 0 {VIDEOS}", needs=("av",)
    ),
    command("pretrain, closed form", f"{PRETRAIN} --method cca"),
    command("pretrain, auto", f"{PRETRAIN} --method auto --method_options.candidates none,cca"),
    command("pretrain, gradient", STREAM),
    command("pretrain, 1 worker", f"{STREAM} --workers 1"),
    command("pretrain, 2 workers", f"{STREAM} --workers 2"),
    command("pretrain, kept windows", f"{STREAM} --pool_cache cache --trainer.device_data never"),
    command("pretrain, two processes", f"{STREAM} --method_options.dropout 0".replace("devices 1", "devices 2"), **TWO),
    command("train", C2F),
    command("train, 1 worker", f"{C2F} --workers 1"),
    command("train, 2 workers", f"{C2F} --workers 2"),
    command("train, kept windows", f"{LINEAR} --pool_cache cache --trainer.device_data never"),
    command("train behind a refiner", f"{LINEAR} --refiner in/refiner/refiner.safetensors"),
    command("train, logged", f"{LINEAR} {BARE} --trainer.logger csv".replace(QUIET, "")),
    command("train a student", f"{LINEAR} --epochs 2 --teach_on_pairs true --teach.epochs 2 --teach.rounds 2"),
    command("train, two processes", C2F.replace("devices 1", "devices 2"), **TWO),
    command(
        "transfer",
        f"transfer --data in/data --from v3 --to e4 --run out --method cca --head linear --epochs 2 --batch_size 2 "
        f"--references naive {QUIET}",
    ),
    command("compare", "compare in/compare.yaml --out out --jobs 1"),
    command("compare, 2 jobs", "compare in/compare.yaml --out out --jobs 2"),
    command(
        "crossval",
        f"crossval --data in/data --run out --views v3 --head linear --epochs 2 --batch_size 2 --splits loso "
        f"--split_by p0[0-3]|p0[4-7]|p[01][0189] {QUIET}",
    ),
    command(
        "experiment",
        f"experiment --table table1 --data in/data --out out --scale 0.01 --head linear --rows naive,cca --seeds 0 "
        f"{QUIET}",
    ),
    command(
        "curve",
        f"curve --kind pairs --data in/data --out out --views v3,e4 --method cca --head linear --head_epochs 2 "
        f"--points 50,100 --seeds 0 {QUIET}",
    ),
    command("evaluate", "evaluate --data in/data --run run --accelerator cpu", **RUN),
    command("evaluate elsewhere", "evaluate --data in/data --run in/head --out out --accelerator cpu"),
    command(
        "measure",
        f"measure --data in/data --refiner in/refiner/refiner.safetensors --out out --accelerator cpu {GAUGE}",
    ),
    command("predict", "predict --data in/data --run in/head --out out --accelerator cpu --probabilities true"),
    command(
        "predict, formats",
        "predict --data in/data --run in/head --out out --accelerator cpu --format elan,srt --uncertain 5",
    ),
    command(
        "predict --online",
        "predict --online --run in/causal --input in/stream.npy --out segments.jsonl --state state.safetensors "
        "--save_every_s 0 --idle_s 0",
    ),
    command(
        "convert", "convert --checkpoint in/published.pth --kind head --actions in/actions.csv --run out --views v3"
    ),
    command("convert-labels", "convert-labels --labels in/data/labels.csv --out out --format elan --fps 30"),
    command("index", "index --data in/data --out index.json"),
    command("report", "report --runs in/scored --out report.html"),
    command("report, picture", "report --runs in/scored --picture picture.png"),
    command("export", "export --run in/head --out head.pt2 --to torch_export --what head --input steps"),
    command("export to ONNX", "export --run in/head --out head.onnx", needs=("onnx", "onnxscript", "onnxruntime")),
    command("simulate", "simulate --out out --recordings 6 --dim 16 --classes 5 --pace 20"),
    command("simulate, 2 workers", "simulate --out out --recordings 6 --dim 16 --classes 5 --pace 20 --workers 2"),
    command("download", "download assembly101 --views v3,e4 --out out", needs=("huggingface_hub",), hub=True),
    command("init", "init --data data", copies={"data": "data"}),
]


def available() -> list[Command]:
    """The commands whose packages are installed."""
    return [one for one in COMMANDS if all(find_spec(name) for name in one.needs)]


def prepare_inputs(root: Path, run: Callable[[Path, list[str]], None]) -> None:
    """Data, videos and runs that the commands start from.

    Args:
        root: folder to fill.
        run: runs a command in a folder where ``in`` is this one.
    """
    write_tiny(root / "data", recordings=12)
    rng = np.random.default_rng(1)
    write_lmdb(
        root / "lmdb",
        {f"r{n}": {c: (1, rng.random((50, DIM)).astype(np.float32), (7,)) for c in ("a", "b")} for n in range(4)},
    )
    if find_spec("av"):
        from tests.extract.clips import moving, write_clip

        for recording, (name, frames) in enumerate((("one", 37), ("two", 21))):
            for view in range(2):
                write_clip(root / "videos" / name / f"cam{view}.mkv", moving(frames, recording, view))
    compared = {
        "data": "in/data",
        "labelled": "v3",
        "unlabelled": "e4",
        "methods": ["none", "cca"],
        "heads": [{"head": "linear", "epochs": 2}],
        "seeds": [0],
        "train": {"batch_size": 2},
        "trainer": {"accelerator": "cpu"},
    }
    (root / "compare.yaml").write_text(yaml.safe_dump(compared))
    names = "action_id,verb_id,noun_id,action_cls,verb_cls,noun_cls\n"
    (root / "actions.csv").write_text(names + "".join(f"{n},{n},0,act{n},act{n},x\n" for n in range(ACTIONS)))
    _networks(root)
    for name, text in (
        ("refiner", f"{PRETRAIN} --method cca"),
        ("head", LINEAR),
        ("scored", LINEAR),
        ("", "evaluate --data in/data --run in/scored --accelerator cpu"),
    ):
        run(root, text.replace("--run out", f"--run in/{name}").split())


def _networks(root: Path) -> None:
    """A published head, and a causal one with a stream for it."""
    import torch

    from tests.online.made import frames, make_trained
    from viewloom.heads.c2f_tcn import C2FTCN
    from viewloom.training.checkpoints import SavedHead, save_head

    torch.manual_seed(0)
    head = C2FTCN(DIM, ACTIONS, C2FTCN.Config(canvas="window", standardise=False)).eval()
    torch.save({"model_state_dict": head.state_dict(), "epoch": 3}, root / "published.pth")
    made = make_trained(fps=10.0)
    saved = SavedHead(made.head, made.actions, made.views, made.fps, dict(made.extra))
    save_head(root / "causal" / "head.safetensors", saved)
    np.save(root / "stream.npy", frames(FRAMES))
