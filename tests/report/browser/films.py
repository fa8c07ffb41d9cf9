"""Tiny videos whose frames carry their number as black and white blocks, and runs about them."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.report.make_runs import ACTIONS, FPS, write, write_run
from viewloom.metrics.multilabel import NAMES

BITS, BLOCK = 8, 16
WIDE, HIGH = BITS * BLOCK, 64
FRAMES = 180
"""Of each item, at 30 frames a second."""


def picture(number: int, grey: int = 90) -> np.ndarray:
    """(HIGH, WIDE, 3): bit b of the number is the brightness of block b in the upper half."""
    bits = (number >> np.arange(BITS)) & 1
    found = np.full((HIGH, WIDE, 3), grey, np.uint8)
    found[: HIGH // 2] = np.repeat(bits * 255, BLOCK)[None, :, None]
    return found


def number_of(pixels: np.ndarray) -> int:
    """The number in a picture (H, W, ...) of any size, of which the film fills all."""
    height, width = pixels.shape[:2]
    row = pixels[height // 4].reshape(width, -1).mean(axis=1)
    places = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    return int(((row[places] > 127) << np.arange(BITS)).sum())


def write_film(path: Path, frames: int = FRAMES, fps: int = 30, first: int = 0, codec: str = "libx264") -> Path:
    """A film whose frame i shows first + i."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options={"g": "12", "bf": "2", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, "yuv420p"
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(first + number), format="rgb24")))
        container.mux(stream.encode())
    return path


def truth(seed: int) -> np.ndarray:
    """Four actions of 45 frames."""
    return np.repeat(np.random.default_rng(seed).permutation(len(ACTIONS))[:4], FRAMES // 4)


def write_filmed_runs(folder: Path) -> Path:
    """Two runs over three items in two views, in a data folder with videos beside it.

    v3 films at 30 frames a second from the start; e4 at 15 from half a second on. The second recording has no
    film in e4, the third one a broken file in v3 and none in e4.
    """
    items = {f"rec {n} #1?": (f"rec {n} #1?", 0, truth(n)) for n in range(3)}
    for number, name in enumerate(("naive", "cca")):
        run = write_run(folder / "runs" / name, name, {"v3": 0.6, "e4": 0.5}, items=items, seed=number)
        (run / "config.yaml").write_text("data: data set\nviews: v3\n")
    (folder / "data set").mkdir()
    films = folder / "films & more"
    write_film(films / "one v3.mp4")
    write_film(films / "one e4.webm", FRAMES // 2 - 8, 15, codec="libvpx")
    (films / "broken.mp4").write_bytes(b"no video at all")
    lines = ["recording,view,path,offset_s", "rec 0 #1?,v3,films & more/one v3.mp4,0"]
    lines += ["rec 0 #1?,e4,films & more/one e4.webm,0.5", "rec 1 #1?,v3,films & more/one v3.mp4,0"]
    lines += ["rec 2 #1?,v3,films & more/broken.mp4,0", "rec 2 #1?,e4,films & more/gone.mp4,0"]
    (folder / "videos.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_lanes_run(folder: Path) -> Path:
    """A run with several labels a frame: two items, two actions at once in the middle; every item lacks one of them."""
    rows = [[0, 60, 0], [40, 100, 1], [100, 140, 0]]
    items = {f"hands {n}": [[first + 5 * n, end, label] for first, end, label in rows] for n in range(2)}
    scores = dict.fromkeys((*NAMES, "total"), 50.0)
    told = [{"item": name, "recording": name, "frames": 150, "f1_micro": 50.0, "f1_macro": 40.0} for name in items]
    head = {"fps": FPS, "actions": ["hold", "turn"]}
    view = {"kind": "exo", "scores": scores, "per_class": [], "per_item": told}
    metrics = head | {"protocol": "", "split": "test", "trained_on": ["room"], "labels_mode": "multi", "threshold": 0.5}
    write(folder / "metrics.json", metrics | {"views": {"room": view, "head": view | {"kind": "ego"}}})
    for place, name in enumerate(("room", "head")):
        said = {
            item: {"recording": item, "start": 0, "end": 150, "truth": found, "prediction": found[: 2 + place]}
            for item, found in items.items()
        }
        write(folder / "predictions" / f"{name}.json", head | {"items": said})
    return folder
