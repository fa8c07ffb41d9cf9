"""Tables whose fields are separated by semicolons, as spreadsheets with a decimal comma write them."""

import numpy as np
import pytest

from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.dataset.actions import read_actions
from viewloom.dataset.label_files import read_table
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import DataError


def table(tmp_path, *lines, name="labels.csv", start=""):
    path = tmp_path / name
    path.write_text(start + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def segments(labels, name="r"):
    found = labels.annotations[name]
    return [(int(a), int(b), labels.actions[c]) for a, b, c in zip(found.starts, found.ends, found.labels, strict=True)]


def test_the_header_says_what_separates_fields(tmp_path):
    path = table(tmp_path, "recording;start;end;label", "r;0;10;take, left", 'r;10;20;"put; right"')
    assert segments(read_table(path, None)) == [(0, 10, "take, left"), (10, 20, "put; right")]
    path = table(tmp_path, "recording,start,end,label", "r,0,10,take; left", 'r,10,20,"put, right"')
    assert segments(read_table(path, None)) == [(0, 10, "take; left"), (10, 20, "put, right")]


@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_what_stands_before_the_header_changes_nothing(tmp_path, start):
    path = table(tmp_path, "recording;start;end;label", "r;0;10;a", start=start)
    assert segments(read_table(path, None)) == [(0, 10, "a")]


def test_a_decimal_comma_is_read_between_semicolons_alone(tmp_path):
    path = table(tmp_path, "recording;start_s;end_s;label", "r;0,5;1,5;a", "r;1.5;2,25;b")
    assert segments(read_table(path, 20.0)) == [(10, 30, "a"), (30, 45, "b")]
    path = table(tmp_path, "recording;start;end;unit;label", "r;0,5;1,5;seconds;a", "r;30;45,0;frames;b")
    assert segments(read_table(path, 20.0)) == [(10, 30, "a"), (30, 45, "b")]
    path = table(tmp_path, "recording,start_s,end_s,label", 'r,"0,5","1,5",a')
    with pytest.raises(DataError, match=r"line 2: '0,5' is not a number of seconds.*decimal point.*separated by ';'"):
        read_table(path, 20.0)


@pytest.mark.parametrize(
    ("field", "reason"), [("1,5", "whole number"), ("1.000,5", "whole number"), ("1,0,0", "whole")]
)
def test_a_number_that_is_none_names_its_line(tmp_path, field, reason):
    path = table(tmp_path, "recording;start;end;label", f"r;{field};20;a")
    with pytest.raises(DataError, match=f"labels.csv, line 2: '{field}' is not a {reason}"):
        read_table(path, None)


def test_a_line_with_another_separator_than_the_header(tmp_path):
    path = table(tmp_path, "recording;start;end;label", "r;0;10;a", "r,10,20,b")
    with pytest.raises(DataError, match=r"line 3: 1 fields are too few.*separated by ';', as in the header"):
        read_table(path, None)
    path = table(tmp_path, "recording,start,end,label", "r;0;10;a")
    with pytest.raises(DataError, match=r"line 2: 1 fields are too few.*separated by ',', as in the header"):
        read_table(path, None)


def test_a_header_without_the_columns_is_shown_field_by_field(tmp_path):
    path = table(tmp_path, "video;from;to;what", "r;0;10;a")
    with pytest.raises(DataError, match="its columns are: video, from, to, what"):
        read_table(path, None)


def test_an_action_list(tmp_path):
    path = table(tmp_path, "action_id;verb_id;action_cls", "0;1;take cup, full", "1;2;put", name="actions.csv")
    assert read_actions(path) == ("take cup, full", "put")
    path = table(tmp_path, "action_id;verb_id;action_cls", "0,1,take", name="actions.csv")
    with pytest.raises(DataError, match=r"line 2: 1 fields are too few, expected 3.*';'"):
        read_actions(path)


def test_a_whole_data_set_reads_the_same(tmp_path, capsys):
    root = write_tiny(tmp_path / "data")
    before = open_dataset(DataConfig(data=str(root))).labels
    path = root / "labels.csv"
    path.write_text(path.read_text().replace(",", ";"))
    after = open_dataset(DataConfig(data=str(root))).labels
    assert after.actions == before.actions
    for name, annotation in before.annotations.items():
        for field in ("starts", "ends", "labels"):
            np.testing.assert_array_equal(getattr(after.annotations[name], field), getattr(annotation, field))
    assert main(["check", "--data", str(root), "--depth", "spans"]) == 0
