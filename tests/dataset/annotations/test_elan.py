"""ELAN's documents: those that another library writes are read, and it reads ours."""

import re
from xml.etree import ElementTree as ET

import pympi
import pytest

from tests.dataset.annotations.reading import of_text, read, write
from viewloom.errors import DataError

ORDER = [
    *("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE", "CONSTRAINT"),
    *("CONTROLLED_VOCABULARY", "LEXICON_REF", "EXTERNAL_REF"),
]
"""Of the parts of a document, by the schema EAFv3.0."""
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-01-01T00:00:00+01:00" FORMAT="3.0" VERSION="3.0">
 <HEADER MEDIA_FILE="" TIME_UNITS="{units}">
  <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/videos/r7.mp4" MIME_TYPE="video/mp4" {origin}/>
 </HEADER>
 <TIME_ORDER>
  <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="{start}"/>
  <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2000"/>
  <TIME_SLOT TIME_SLOT_ID="ts3"/>
 </TIME_ORDER>
 <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="default">
  <ANNOTATION>
   <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="{end}">
    <ANNOTATION_VALUE>{label}</ANNOTATION_VALUE>
   </ALIGNABLE_ANNOTATION>
  </ANNOTATION>
 </TIER>
</ANNOTATION_DOCUMENT>
"""


def page(units="milliseconds", origin="", start="1000", end="ts2", label="take"):
    return PAGE.format(units=units, origin=origin, start=start, end=end, label=label)


TWICE = page().replace("</ANNOTATION>", '</ANNOTATION><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a1"/></ANNOTATION>')


@pytest.fixture
def ours(tmp_path):
    rows = [("r1", "e4", 0, 10, "take <it>", 0.75), ("r1", "e4", 10, 25, "put", 0.5), ("r1", "v3", 3, 9, "put")]
    actions = ("put", "take <it>", "wait")
    (path,) = write(tmp_path, "elan", *rows, actions=actions, videos="films/{recording} {view}.mp4")
    return path


def test_another_library_reads_ours(ours):
    found = pympi.Eaf(str(ours))
    assert set(found.get_tier_names()) == {"e4", "e4 confidence", "v3"}
    assert sorted(found.get_annotation_data_for_tier("e4")) == [(0, 1000, "take <it>"), (1000, 2500, "put")]
    assert found.get_annotation_data_for_tier("v3") == [(300, 900, "put")]
    sure = found.get_ref_annotation_data_for_tier("e4 confidence")
    assert sorted((row[0], row[2]) for row in sure) == [(0, "0.7500"), (1000, "0.5000")]
    entries = found.get_cv_entries("actions")
    assert [values[0][0] for values, _ in entries.values()] == ["put", "take <it>", "wait"]
    assert found.get_parameters_for_linguistic_type("action")["CONTROLLED_VOCABULARY_REF"] == "actions"
    urls = [media["MEDIA_URL"] for media in found.media_descriptors]
    assert [url.rsplit("/", 2)[-2:] for url in urls] == [["films", "r1%20e4.mp4"], ["films", "r1%20v3.mp4"]]
    assert all(url.startswith("file:///") for url in urls)


def test_parts_stand_in_the_order_of_the_schema_and_references_lead_somewhere(ours):
    root = ET.parse(ours).getroot()
    places = [ORDER.index(child.tag) for child in root]
    assert places == sorted(places)
    ids = [
        e.attrib[name] for e in root.iter() for name in ("ANNOTATION_ID", "TIME_SLOT_ID", "TIER_ID") if name in e.attrib
    ]
    assert len(set(ids)) == len(ids)
    types = {e.attrib["LINGUISTIC_TYPE_ID"] for e in root.iter("LINGUISTIC_TYPE")}
    assert {e.attrib["LINGUISTIC_TYPE_REF"] for e in root.iter("TIER")} <= types
    for element in root.iter():
        for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2", "ANNOTATION_REF", "PARENT_REF"):
            assert element.attrib.get(name, ids[0]) in ids
    times = [int(e.attrib["TIME_VALUE"]) for e in root.iter("TIME_SLOT")]
    assert times == sorted(set(times))


def test_what_another_library_changed_is_read(ours, tmp_path):
    document = pympi.Eaf(str(ours))
    document.remove_annotation("e4", 1500)
    document.add_annotation("e4", 1000, 2033, "wait")
    document.add_annotation("e4", 2033, 2500, "put")
    document.to_file(str(ours))
    assert read(ours, 30.0, tier="e4") == [
        ("r1", "e4", 0, 30, "take <it>"),
        ("r1", "e4", 30, 61, "wait"),
        ("r1", "e4", 61, 75, "put"),
    ]


def test_a_document_of_another_library_with_tiers_that_lean_on_others(tmp_path, capsys):
    document = pympi.Eaf(author="someone")
    document.add_tier("left hand")
    document.add_linguistic_type("note", "Symbolic_Association", timealignable=False)
    document.add_tier("why", "note", "left hand")
    document.add_annotation("left hand", 0, 1500, "take\n it")
    document.add_ref_annotation("why", "left hand", 700, "because")
    document.to_file(str(tmp_path / "r1.eaf"))
    assert read(tmp_path / "r1.eaf") == [("r1", "left hand", 0, 15, "take it")]
    assert "why" in capsys.readouterr().err


def test_overlaps_of_a_tier_are_put_into_tiers_beside(tmp_path):
    rows = [("r", "v3", 0, 50, "a"), ("r", "v3", 10, 20, "b"), ("r", "v3", 15, 60, "c"), ("r", "v3", 20, 30, "b")]
    (path,) = write(tmp_path, "elan", *rows)
    document = pympi.Eaf(str(path))
    assert set(document.get_tier_names()) == {"v3", "v3 (2)", "v3 (3)"}
    for tier in document.get_tier_names():
        spans = sorted(document.get_annotation_data_for_tier(tier))
        assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    assert read(path) == sorted(rows)


def test_a_tier_with_a_number_of_its_own_keeps_it(tmp_path):
    text = page().replace('"default"', '"hand (2)"')
    assert of_text(tmp_path, "r.eaf", text) == [("r", "hand (2)", 10, 20, "take")]


def test_the_video_names_the_recording_of_a_file_called_labels(tmp_path):
    assert of_text(tmp_path, "labels.eaf", page()) == [("r7", "default", 10, 20, "take")]
    assert of_text(tmp_path, "r1.eaf", page()) == [("r1", "default", 10, 20, "take")]


def test_a_video_that_begins_elsewhere_is_said(tmp_path, capsys):
    assert of_text(tmp_path, "r1.eaf", page(origin='TIME_ORIGIN="480"'))
    assert re.search(r"begins 480\s+ms\s+off", capsys.readouterr().err)


def with_confidences(*references):
    rows = "".join(
        f'<ANNOTATION>\n<REF_ANNOTATION ANNOTATION_ID="b{n}" ANNOTATION_REF="{name}"><ANNOTATION_VALUE>0.5'
        "</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
        for n, name in enumerate(references)
    )
    tier = f'<TIER TIER_ID="sure" LINGUISTIC_TYPE_REF="confidence" PARENT_REF="default">{rows}</TIER>'
    return page().replace("</ANNOTATION_DOCUMENT>", f"{tier}</ANNOTATION_DOCUMENT>")


def test_confidences_of_annotations_that_are_gone_are_said(tmp_path, capsys):
    """pympi removes an annotation and leaves what refers to it."""
    assert of_text(tmp_path, "r1.eaf", with_confidences("a1")) == [("r1", "default", 10, 20, "take")]
    assert not capsys.readouterr().err
    assert of_text(tmp_path, "r1.eaf", with_confidences("a1", "a99")) == [("r1", "default", 10, 20, "take")]
    assert "1 confidence(s) are of annotations that are not there" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (page(units="PAL-frames"), "has times in 'PAL-frames'; only milliseconds"),
        (page(end="ts3"), r"line 13: an annotation without a time \(TIME_SLOT_REF2\)"),
        (page(end="ts9"), "line 13: an annotation without a time"),
        (page().replace('"ts3"', '"ts1"'), "lines 7 and 9: TIME_SLOT_ID 'ts1' is there twice"),
        (TWICE, "lines 13 and 16: ANNOTATION_ID 'a1' is there twice"),
        (
            page().replace("</TIER>", '</TIER>\n <TIER TIER_ID="default"/>'),
            "lines 11 and 18: TIER_ID 'default' is there twice",
        ),
        (with_confidences("a1", "a1"), "line 20: the annotation 'a1' has two confidences"),
        (
            page().replace("</ANNOTATION_VALUE>", "</ANNOTATION_VALUE><ANNOTATION_VALUE>put</ANNOTATION_VALUE>"),
            "line 13: an annotation with 2 values",
        ),
        (page(start="1e3x"), "line 7: '1e3x' is not a time in milliseconds"),
        (page(start="2000"), "line 13: from 2 s to 2 s there is no frame"),
        (page(start="3000"), "line 13: a segment can't run from 3 s to 2 s"),
        ("<html/>", "begins with <html>, but ELAN's files"),
        (page()[:-40], "line 16: no XML"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]>\n<ANNOTATION_DOCUMENT>&c;'
            "</ANNOTATION_DOCUMENT>",
            "line 2: a DOCTYPE",
        ),
        ("<a>" * 5000, "elements too deep"),
    ],
)
def test_faults_are_named_with_their_line(text, reason, tmp_path):
    with pytest.raises(DataError, match=rf"r1\.eaf.*{reason}"):
        of_text(tmp_path, "r1.eaf", text)


def test_a_document_in_utf_16_is_read(tmp_path):
    text = page(label="拧紧").replace("UTF-8", "UTF-16").encode("utf-16")
    assert of_text(tmp_path, "r1.eaf", text)[0][-1] == "拧紧"
