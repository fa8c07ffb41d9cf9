"""Finding clips in folders and CSV files."""

from pathlib import Path

import pytest

from viewloom.errors import DataError
from viewloom.videos.clips import Clip, find_clips, image_numbers, images


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_folder_of_videos_and_images(tmp_path, capsys):
    touch(tmp_path / "b" / "e1.MOV", tmp_path / "a" / "v1.mp4", tmp_path / "a" / "v2" / "0001.jpg")
    touch(
        tmp_path / "a" / "sound.wav",
        tmp_path / "a" / "._v1.mp4",
        tmp_path / ".trash" / "v.mp4",
        tmp_path / "README.mp4",
    )
    assert [(clip.name, clip.path.name) for clip in find_clips(tmp_path)] == [
        ("a/v1", "v1.mp4"),
        ("a/v2", "v2"),
        ("b/e1", "e1.MOV"),
    ]
    shown = capsys.readouterr().err
    assert "sound.wav" in shown and "README.mp4" in shown and "._v1" not in shown


def test_csv(tmp_path):
    (tmp_path / "list.csv").write_text(
        "recording,view,path,offset_s\nr 2,v1,sub/a.mp4, -0.5\nr1,v1,/abs/b.mkv,\nr1,e1,c d.avi,1e-2\n",
        encoding="utf-8-sig",
    )
    assert find_clips(tmp_path / "list.csv") == (
        Clip("r 2", "v1", tmp_path / "sub" / "a.mp4", -0.5),
        Clip("r1", "e1", tmp_path / "c d.avi", 0.01),
        Clip("r1", "v1", Path("/abs/b.mkv"), 0.0),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recording,path\nr,v.mp4\n", "must have the columns"),
        ("recording,view,path,fps\nr,v,v.mp4,3\n", "must have the columns"),
        ("recording,view,path\nr,,v.mp4\n", "line 2: recording, view and path"),
        ("recording,view,path,offset_s\nr,v,v.mp4,soon\n", "line 2: offset_s is 'soon'"),
        ("recording,view,path,offset_s\nr,v,v.mp4,inf\n", "line 2: offset_s"),
        ("recording,view,path\n", "lists no videos"),
        ("recording,view,path\nr,v,a.mp4\nr,v,b.mp4\n", "Two clips are called r/v"),
    ],
)
def test_wrong_csv(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        find_clips(tmp_path / "list.csv")


def test_nothing_and_twins(tmp_path):
    with pytest.raises(DataError, match="is not there"):
        find_clips(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no videos"):
        find_clips(tmp_path)
    touch(tmp_path / "r" / "v.mp4", tmp_path / "r" / "v.mov")
    with pytest.raises(DataError, match="Two clips are called r/v"):
        find_clips(tmp_path)


def test_images_in_order_of_their_numbers(tmp_path):
    touch(*(tmp_path / name for name in ("img10.jpg", "img9.jpg", "img12.PNG", "notes.txt", ".hidden1.jpg")))
    found = images(tmp_path)
    assert [path.name for path in found] == ["img9.jpg", "img10.jpg", "img12.PNG"]
    assert image_numbers(found) == [0, 1, 3]
    assert image_numbers([Path("b.jpg"), Path("a1.jpg")]) == [0, 1]
    assert image_numbers([Path("a1.jpg"), Path("b1.jpg")]) == [0, 1]
