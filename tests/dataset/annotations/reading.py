"""Reading one file of an annotation tool in a test."""

from viewloom.dataset.annotation_files import read_files
from viewloom.dataset.formats import Writing
from viewloom.dataset.label_writing import write_labels
from viewloom.dataset.labels import stop
from viewloom.dataset.named_segments import Clock, NamedSegment
from viewloom.registry import FORMATS


def read(path, fps=10.0, fault=stop, tier=None):
    """(recording, tier, start, end, label) of each segment, sorted."""
    found = [s for file in read_files(path, fps, fault, tier) for s in file.segments]
    return sorted((s.recording, s.tier, s.start, s.end, s.label) for s in found)


def of_text(tmp_path, name, text, fps=10.0, fault=stop, tier=None):
    """The same of a file with this text."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, fps, fault, tier)


def write(tmp_path, name, *rows, fps=10.0, actions=None, **options):
    """Files of rows of (recording, tier, start, end, label, confidence)."""
    segments = [NamedSegment(r, s, e, label, t, *sure) for r, t, s, e, label, *sure in rows]
    actions = tuple(sorted({s.label for s in segments})) if actions is None else actions
    return write_labels(segments, FORMATS.get(name), tmp_path, Writing(Clock(fps), actions, tmp_path, **options))
