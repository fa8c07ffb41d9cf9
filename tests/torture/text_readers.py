"""Readers of text: annotation files, settings, comparisons."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from tests.test_every_format import segments_of, write
from tests.torture.readers import Facts, Reader, bad_segments, bad_share, doubled_in, examples
from viewloom.registry import FORMATS

CONFIGS = {
    "train": "data: data\nviews: v3\nrun: runs/x\nhead: c2f_tcn\nhead_options: {width: 32}\nepochs: 3\n"
    "sampling: {chunk_frames: 4, test_chunks: [3, 5]}\ntrainer: {threads: 1, progress: false}\noptim: {lr: 0.001}\n",
    "pretrain": "data: data\nviews: v3,e4\nrun: runs/y\nmethod: cca\nseed: 3\nmethod_options: {out_dim: 4}\n",
    "evaluate": "data: data\nrun: runs/x\nprotocol: canonical\nsplit: test\n",
    "report": "runs: runs/x,runs/y\nout: page.html\ntimelines: 3\nembed_s: 2.5\n",
}
"""A file of settings for some verbs."""
ONCE = {
    "elan": [rf'<[^<>]*\s({key}="[^"]*")' for key in ("TIME_SLOT_ID", "ANNOTATION_ID", "TIER_ID", "ANNOTATION_REF")],
    "boris": [r'("code": "[^"]*")'],
    "via3": [r'("aname": "[^"]*")'],
}
"""What is each there once in files of a format."""
ARROWS = ("srt", "webvtt")
"""Formats in which a line of times is a segment."""
TIMES = re.compile(r"\s*[\d:]+[.,]\d{1,3}\s*-->\s*[\d:]+[.,]\d{1,3}(?:\s.*)?", re.ASCII)
COMPARISON = (
    "data: [{data: demo, name: one, fps: 30}]\nlabelled: v3\nunlabelled: [e4, v1]\n"
    "methods: [none, cca, {name: cca16, method: cca, method_options: {out_dim: 16}}]\n"
    "heads: [{head: linear, epochs: 3}]\n"
    "seeds: [0, 1]\ncontrols: [majority, {control: offset_pairs, offset_s: 5, methods: [cca]}]\n"
    "train: {batch_size: 8}\nsampling: {chunk_frames: 3}\njobs: 1\nout: compared\nstudents: false\n"
)


def readers() -> list[Reader]:
    """All readers of this file."""
    formats = examples("formats", FORMATS.names(), dict.fromkeys(FORMATS.names()))
    configs = [
        Reader(f"--config of {verb}", partial(_write_text, "c.yaml", text), ("c.yaml",), partial(_config, verb))
        for verb, text in CONFIGS.items()
    ]
    return [
        *(
            Reader(
                f"format {name}", partial(_labels, name), _patterns(name), _read_labels, partial(_wrong_labels, name)
            )
            for name in formats
        ),
        *configs,
        Reader("comparison", partial(_write_text, "compare.yaml", COMPARISON), ("compare.yaml",), _comparison),
    ]


def _write_text(name: str, text: str, folder: Path) -> None:
    (folder / name).write_text(text)


def _patterns(name: str) -> tuple[str, ...]:
    return tuple(f"labels/**/*{suffix}" for suffix in FORMATS.get(name).suffixes)


def _labels(name: str, folder: Path) -> None:
    """Two recordings in two views, with confidences; of formats without tiers in a folder each."""
    segments = [s for r in ("r1", "r2") for view in ("e4", "v3") for s in segments_of(r, view, sure=0.9)]
    write(segments, name, folder / "labels")


def _read_labels(folder: Path) -> Facts:
    """As `train` reads labels, and as `convert-labels` converts them."""
    from viewloom.dataset.annotation_files import read_files
    from viewloom.dataset.convert_labels import run_convert_labels
    from viewloom.dataset.label_settings import ConvertLabelsConfig
    from viewloom.dataset.named_labels import read_labels
    from viewloom.errors import UserError

    labels = folder / "labels"
    found = [s for file in read_files(labels, 30.0) for s in file.segments]
    for form in ("text", "elan"):
        try:
            run_convert_labels(ConvertLabelsConfig(labels=str(labels), out=f"out/{form}", format=form, fps=30.0))
        except UserError:  # this format can't hold it; what it wrote, and where, is looked at
            continue
    try:
        facts = [a.facts for a in read_labels(labels, 30.0, mode="multi").annotations.values()]
    except UserError:
        facts = []
    return [[s.recording, s.tier, s.start, s.end, s.label, s.confidence] for s in found] + [["facts", facts]]


def _wrong_labels(name: str, folder: Path, facts: Any) -> str | None:
    rows = facts[:-1]
    if any(bad_share(row[5]) for row in rows):
        return "a confidence that is no share"
    if any(not row[4].strip() or "\0" in row[4] or "\0" in row[0] for row in rows):
        return "a name that is none"
    files = [path for pattern in _patterns(name) for path in folder.glob(pattern) if path.is_file()]
    for pattern in ONCE.get(name, ()):
        if any(doubled_in(path, pattern) for path in files):
            return f"{pattern} is there twice"
    if name in ARROWS and sum(map(_lines_of_times, files)) != len(rows):
        return "a line of times is no segment"
    if name == "cvat" and any(_contradicts(path) for path in files):
        return "a frame of a track is there and gone"
    return bad_segments([(row[2], row[3]) for row in rows], overlap=True)


def _text_of(path: Path) -> str:
    encoding = "utf-16" if path.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return path.read_bytes().decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")


def _lines_of_times(path: Path) -> int:
    return sum(TIMES.fullmatch(line) is not None for line in _text_of(path).split("\n"))


def _contradicts(path: Path) -> bool:
    """Whether a frame is both outside and not, in one track."""
    for track in _text_of(path).split("<track")[1:]:
        said = set(re.findall(r'<box frame="0*(\d+)"[^<>]*\soutside="(\d)"', track))
        if len({frame for frame, _ in said}) < len(said):
            return True
    return False


def _config(verb: str, folder: Path) -> Facts:
    from viewloom.cli import parse

    return repr(parse(verb, ["--config", "c.yaml"]))


def _comparison(folder: Path) -> Facts:
    from viewloom.recipes.compare.reading import read_comparison
    from viewloom.recipes.compare.settings import CompareConfig

    return repr(read_comparison(CompareConfig(file="compare.yaml")))
