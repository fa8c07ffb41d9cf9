"""What every registered annotation format must do: segments come back as they were, and faults are named.

A new format is tested here by itself, because the tests go over the registry.
"""

import os
import re
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viewloom.dataset.annotation_files import read_files, recognise_format
from viewloom.dataset.formats import Writing
from viewloom.dataset.label_writing import planned_files, write_labels
from viewloom.dataset.labels import stop
from viewloom.dataset.named_segments import Clock, NamedSegment
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import ConfigError, DataError, UserError
from viewloom.registry import FORMATS

NAMES = FORMATS.names()
EVERY = pytest.mark.parametrize("name", NAMES)
ACTIONS = (
    "take",
    "put down",
    "Schraube lösen & <prüfen>",
    '"quoted", 100 %; é…',
    "拧紧 🔧",
    "--> NOTE 1",
    "{x} 'y' \\z",
)
RATES = (1.0, 10.0, 24.0, 25.0, 30000 / 1001, 30.0, 59.94, 60.0, 120.0, 240.0)


def write(segments, name, out, fps=30.0, actions=ACTIONS, **options):
    form = FORMATS.get(name)
    return write_labels(segments, form, out, Writing(Clock(fps), actions, out, **options))


def back(out, fps=30.0, fault=stop, tier=None):
    return sorted(
        (s.recording, s.tier, s.start, s.end, s.label, s.confidence)
        for file in read_files(out, fps, fault, tier)
        for s in file.segments
    )


def rows(segments, name):
    keeps = FORMATS.get(name).confidences
    return sorted((s.recording, s.tier, s.start, s.end, s.label, s.confidence if keeps else None) for s in segments)


def segments_of(recording="r1", tier="", actions=ACTIONS, sure=None, gap=0, first=0):
    """One after another, of 1, 2, 3 ... frames, with gaps between them."""
    found, start = [], first
    for place, action in enumerate(actions):
        end = start + place + 1
        confidence = None if sure is None else round(sure / (place + 1), 4)
        found.append(NamedSegment(recording, start, end, action, tier, confidence))
        start = end + gap
    return found


@EVERY
def test_names_of_any_script_with_marks_of_any_format_come_back(name, tmp_path):
    segments = [*segments_of("r1"), *segments_of("Köln.cam 2 & <3>")]
    write(segments, name, tmp_path)
    assert back(tmp_path) == rows(segments, name)


@EVERY
def test_views_come_back_as_tiers_and_one_can_be_read_alone(name, tmp_path):
    segments = [s for r in ("r1", "r2") for view in ("e4", "v3") for s in segments_of(r, view, sure=0.9)]
    write(segments, name, tmp_path)
    assert back(tmp_path) == rows(segments, name)
    assert back(tmp_path, tier="e4") == rows([s for s in segments if s.tier == "e4"], name)
    with pytest.raises(ConfigError, match="has no tier 'left'; it has: e4, v3"):
        back(tmp_path, tier="left")


@EVERY
def test_gaps_come_back_or_are_refused(name, tmp_path):
    segments = segments_of(gap=5, first=7)
    if FORMATS.get(name).gaps:
        write(segments, name, tmp_path)
        assert back(tmp_path) == rows(segments, name)
    else:
        with pytest.raises(DataError, match="frame 0 has no action"):
            write(segments, name, tmp_path)
        assert not list(tmp_path.iterdir())


@EVERY
def test_overlaps_come_back_or_are_refused(name, tmp_path):
    overlapping = [("a", 0, 50), ("b", 10, 30), ("c", 20, 60), ("a", 60, 70), ("b", 30, 40)]
    segments = [NamedSegment("r1", start, end, label, "v3") for label, start, end in overlapping]
    if FORMATS.get(name).overlaps:
        write(segments, name, tmp_path)
        assert back(tmp_path) == rows(segments, name)
    else:
        with pytest.raises(DataError, match="several actions"):
            write(segments, name, tmp_path)


@EVERY
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_frames_come_back_exactly_at_any_rate_up_to_240(name, data, tmp_path):
    fps = data.draw(st.sampled_from(RATES) | st.floats(1, 240))
    lengths = data.draw(st.lists(st.integers(1, 5000), min_size=1, max_size=6))
    first = data.draw(st.integers(0, 10**7)) if FORMATS.get(name).gaps else 0
    starts = [first + sum(lengths[:place]) for place in range(len(lengths))]
    segments = [NamedSegment("r", s, s + n, "ab"[i % 2]) for i, (s, n) in enumerate(zip(starts, lengths, strict=True))]
    form, writing = FORMATS.get(name), Writing(Clock(fps), ("a", "b"), tmp_path / f"r{FORMATS.get(name).suffixes[0]}")
    text = form.write(segments, writing)
    found = form.read(SourceFile(writing.path, text.encode()), Clock(fps), stop)
    assert sorted(found, key=lambda s: s.start) == segments


@EVERY
def test_the_same_segments_give_the_same_bytes_and_nothing_is_overwritten_unasked(name, tmp_path):
    segments = segments_of("r1", "e4", sure=0.5)
    first = write(segments, name, tmp_path / "a")
    again = write(list(reversed(segments)), name, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    with pytest.raises(ConfigError, match="is there already"):
        write(segments, name, tmp_path / "a")


@EVERY
def test_line_ends_and_byte_order_marks_of_other_systems_change_nothing(name, tmp_path):
    segments = segments_of("r1")
    (path, *_) = write(segments, name, tmp_path)
    text = path.read_text()
    for data in (text.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + text.encode()):
        path.write_bytes(data)
        assert back(path) == rows(segments, name)
    if path.suffix not in (".eaf", ".xml"):  # these say their own encoding
        path.write_bytes(text.encode("utf-16"))
        assert back(path) == rows(segments, name)


JSON = pytest.mark.parametrize("name", [name for name in NAMES if FORMATS.get(name).suffixes[0] in (".json", ".boris")])


@JSON
@pytest.mark.parametrize("fault", ["key twice", "half of a character", "deep", "no number"])
def test_json_that_would_lose_something_is_refused(name, fault, tmp_path):
    (path, *_) = write(segments_of("r1"), name, tmp_path)
    text, place = path.read_text(), path.read_text().index("{") + 1
    key = re.search(r'"[^"]+":', text[place:])[0]
    more = {"key twice": f"{key} 1,", "half of a character": '"a": "\\udd27",', "deep": '"a": ' + "[" * 10**5}
    path.write_text(text[:place] + more.get(fault, '"a": NaN,') + text[place:])
    told = {"key twice": "is there twice", "deep": "too deep", "no number": "NaN is no number"}
    with pytest.raises(DataError, match=rf"{re.escape(path.name)}.*{told.get(fault, fault)}"):
        back(path)


@EVERY
def test_nul_and_what_is_no_file_are_refused(name, tmp_path):
    (path, *_) = write(segments_of("r1"), name, tmp_path)
    path.write_bytes(path.read_bytes().replace(b"put down", b"put\0down"))
    with pytest.raises(DataError, match=f"{re.escape(path.name)}.*(NUL|no XML)"):
        back(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="pipe|holds no annotation file"):
        back(path)


@pytest.mark.parametrize("sure", ["1.5", "-0.1", "nan", "1e308"])
def test_a_confidence_is_a_share(sure, tmp_path):
    (tmp_path / "labels.csv").write_text(f"recording,start,end,label,confidence\nr,0,5,a,{sure}\n")
    with pytest.raises(DataError, match=rf"line 2: '{sure}' is not a confidence"):
        back(tmp_path / "labels.csv")


@EVERY
def test_another_encoding_is_refused(name, tmp_path):
    (path, *_) = write(segments_of("r1"), name, tmp_path)
    path.write_bytes(path.read_text().encode("cp1252", "replace"))
    with pytest.raises(DataError, match=f"{re.escape(path.name)}.*(Save it as UTF-8|Export it again)"):
        back(path)


@EVERY
def test_a_file_is_recognised_by_what_it_holds(name, tmp_path):
    for path in write(segments_of("r1"), name, tmp_path)[:1]:
        assert recognise_format(SourceFile.read(path)) is FORMATS.get(name)


@EVERY
@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"\0\0\0", b"<", b"[" * 100_000, b"{" * 10, b"null", b"[1]", b"{}", b'"x"']
)
def test_broken_files_are_refused_or_hold_nothing(name, data, tmp_path):
    path = tmp_path / f"r{FORMATS.get(name).suffixes[0]}"
    path.write_bytes(data)
    try:
        found = back(path)
    except UserError as error:
        assert str(path) in str(error)  # noqa: PT017  # both are right
    else:
        assert all(start < end for _, _, start, end, _, _ in found)


@EVERY
@pytest.mark.parametrize("value", ["1e400", "-5", "99999999999999999999999", "nan", "x" * 50])
def test_numbers_that_cant_be_are_named_with_file_and_line(name, value, tmp_path):
    """Wherever a number of a file is replaced, the file is refused or the number didn't matter."""
    (path, *_) = write([NamedSegment("r", 0, 60, "act")], name, tmp_path)
    text = path.read_text()
    for found in list(re.finditer(r"(?<![\w.\"-])\d[\d.]*(?![\w.-])|(?<=\")\d+(?=\")", text)):
        path.write_text(text[: found.start()] + value + text[found.end() :])
        try:
            read = back(path)
        except UserError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert all(0 <= start < end <= 1 << 40 for _, _, start, end, _, _ in read)


@EVERY
def test_one_bad_segment_costs_that_one_alone(name, tmp_path):
    """With a `Fault` that notes, the check's, others are read."""
    if name == "frames":
        return  # a line is a frame there: none can be bad
    segments = [NamedSegment("r", 30 * i, 30 * i + 30, f"act{i}") for i in range(3)]
    (path, *_) = write(segments, name, tmp_path)
    faults, timed = [], FORMATS.get(name).timed
    assert len(back(path, None, faults.append)) == (0 if timed else 3)
    assert len(faults) == (3 if timed else 0)
    assert all("Pass --fps" in str(fault) and "line" in str(fault) for fault in faults)


@EVERY
def test_recordings_whose_names_lead_elsewhere_make_no_files(name, tmp_path):
    form = FORMATS.get(name)
    for bad in ("../r", "a/b", ".hidden", "", "a\\b"):
        segments = [NamedSegment(bad, 0, 10, "a", "v3")]
        if form.whole:
            assert list(planned_files(segments, form, tmp_path)) == [tmp_path / f"labels{form.suffixes[0]}"]
        else:
            with pytest.raises(DataError, match="can't be the name of a file"):
                planned_files(segments, form, tmp_path)
    if not form.tiers:
        with pytest.raises(DataError, match="can't be the name of a file"):
            planned_files([NamedSegment("r", 0, 10, "a", "../v3")], form, tmp_path)


@EVERY
def test_what_cant_be_held_is_refused_before_anything_is_written(name, tmp_path):
    segments = [NamedSegment("r", 0, 10, "bell \x07"), NamedSegment("r", 10, 20, "b")]
    try:
        write(segments, name, tmp_path)
    except DataError:
        assert not list(tmp_path.iterdir())
    else:
        assert back(tmp_path) == rows(segments, name)


@EVERY
def test_rates_beyond_a_formats_resolution_are_refused(name, tmp_path):
    segments = [NamedSegment("r", start, start + 1, "ab"[start % 2]) for start in range(20)]
    try:
        write(segments, name, tmp_path, fps=999.0)
    except (ConfigError, DataError) as error:
        assert "999" in str(error)  # noqa: PT017
    else:
        assert back(tmp_path, 999.0) == rows(segments, name)


@pytest.mark.parametrize("text", ["<" * 100_000, " " * 100_000 + "x", "a" + "\n\n" * 50_000 + "b", "<v a" * 50_000])
@EVERY
def test_long_texts_take_no_time_that_grows_with_their_square(name, text, tmp_path):
    """A format that can't hold such a label says so; none looks at each character again for each other one."""
    begun = process_time()
    with suppress(UserError):
        write([NamedSegment("r", 0, 1, text.strip())], name, tmp_path)
    assert process_time() - begun < 2


@EVERY
def test_a_format_says_what_it_is(name):
    form = FORMATS.get(name)
    assert form.title
    assert all(re.fullmatch(r"\.[a-z]+", suffix) for suffix in form.suffixes)
    assert re.search(r"Source: |viewloom's own", __import__(form.__module__, fromlist=["x"]).__doc__)
