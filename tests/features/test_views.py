"""Logical views and the cameras behind them."""

import pytest

from viewloom.errors import DataError
from viewloom.features.views import View, ViewTable

TABLE = ViewTable.assembly101()


def test_assembly101_has_eight_fixed_and_four_worn_views():
    assert TABLE.names == ("v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "e1", "e2", "e3", "e4")
    assert TABLE["v3"] == View("v3", "exo", ("C10118_rgb",))
    assert TABLE["v4"].cameras == ("C10119_rgb",)
    assert TABLE["e4"] == View("e4", "ego", ("HMC_21179183_mono10bit", "HMC_84358933_mono10bit"))
    assert sum(len(view.cameras) for view in TABLE.views) == 8 + 2 * 4


@pytest.mark.parametrize("camera", ["HMC_21179183_mono10bit", "HMC_84358933_mono10bit"])
def test_one_view_goes_under_two_cameras(camera):
    assert TABLE.resolve("e4", ["C10118_rgb", camera], "r") == camera
    assert TABLE.of_camera(camera).name == "e4"


def test_unknown_names_are_answered_with_the_known_ones():
    assert TABLE.of_camera("GoPro") is None
    with pytest.raises(DataError, match=r"no view 'v9'.*v1, v2"):
        TABLE["v9"]


def test_resolve_tells_what_a_recording_has():
    with pytest.raises(DataError, match=r"rec has no view 'e4'; it has: v3\. Pass --views"):
        TABLE.resolve("e4", ["C10118_rgb"], "rec")


def test_resolve_refuses_two_cameras_of_one_view():
    with pytest.raises(DataError, match=r"rec has view 'e4' twice.*HMC_21179183_mono10bit.*--views_file"):
        TABLE.resolve("e4", TABLE["e4"].cameras, "rec")


def test_identity_makes_each_camera_a_view():
    table = ViewTable.identity(["b", "a", "b"])
    assert table.names == ("a", "b")
    assert table["a"] == View("a", "other", ("a",))


@pytest.mark.parametrize(
    ("views", "told"),
    [
        ((View("a", "exo", ("x",)), View("a", "ego", ("y",))), "view a twice"),
        ((View("a", "exo", ("x",)), View("b", "ego", ("x",))), "camera x twice"),
    ],
)
def test_names_stand_once(views, told):
    with pytest.raises(DataError, match=told):
        ViewTable(views)


def test_yaml_names_views_of_other_rigs(tmp_path):
    path = tmp_path / "views.yaml"
    path.write_text("views:\n  left: {kind: exo, cameras: [cam_1, cam_1b]}\n  head: {kind: ego}\n  7:\n")
    table = ViewTable.from_yaml(path)
    assert table.views == (
        View("left", "exo", ("cam_1", "cam_1b")),
        View("head", "ego", ("head",)),
        View("7", "other", ("7",)),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("views: [a, b]", "must hold a table"),
        ("cameras: {a: b}", "must hold a table"),
        ("", "must hold a table"),
        ("views: {a: {kind: [}", "not YAML"),
        ("views: {a: {kind: exo}, a: {kind: ego}}", r"not YAML \(line 1: 'a' is there twice"),
        ("views: {a: {kind: front}}", "'a': kind must be exo, ego or other, but is 'front'"),
        ("views: {a: {camera: x}}", "'a': expected `kind` and `cameras`"),
        ("views: {a: {cameras: x}}", "'a': `cameras` must be a list"),
        ("views: {a: {cameras: []}}", "'a': `cameras` must be a list"),
        ("views: {a: {cameras: [x]}, b: {cameras: [x]}}", "camera x twice"),
    ],
)
def test_bad_yaml_is_told(tmp_path, text, told):
    path = tmp_path / "views.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        ViewTable.from_yaml(path)


def test_a_view_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml is not there"):
        ViewTable.from_yaml(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="is a folder, not a file"):
        ViewTable.from_yaml(tmp_path)
