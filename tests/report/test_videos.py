"""Which video shows an item in a view, and what is made of it: addresses, previews, a video with bars."""

import base64
import re
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest

from tests.report.browser.films import FRAMES, number_of, write_film, write_filmed_runs
from tests.report.make_runs import write_run
from viewloom.cli import main
from viewloom.errors import ConfigError, DataError
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.drawing import label
from viewloom.report.videos import library, link, say_which

pytest.importorskip("av", reason="PyAV (extra: video) is not installed")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    return write_filmed_runs(tmp_path_factory.mktemp("filmed"))


def run_of(folder, data="data"):
    return SimpleNamespace(folder=folder / "runs" / "x", config=f"data: {data}\n")


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize("place", ["data/videos", "videos"])
def test_videos_lie_in_the_data_folder_or_beside_it(tmp_path, place):
    (tmp_path / "data").mkdir()
    path = touch(tmp_path / place / "r1" / "v3.mp4")
    found = library([run_of(tmp_path)], None)
    assert found.clip("r1", "v3").path.resolve() == path.resolve()
    assert found.clip("r1", "e4") is None and found.clip("r2", "v3") is None


def test_cameras_have_their_views_names_and_views_their_starts(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "views.yaml").write_text("views: {head: {cameras: [HMC 1, HMC 2], start_s: 0.25}}\n")
    for name in ("HMC 2", "C10118_rgb", "HMC_84358933_mono10bit"):
        touch(tmp_path / "videos" / "r1" / f"{name}.mp4")
    found = library([run_of(tmp_path)], None)
    clip = found.clip("r1", "head")
    assert (clip.path.stem, clip.camera, clip.offset_s) == ("HMC 2", "head", 0.25)
    assert found.clip("r1", "v3").path.stem == "C10118_rgb"  # Assembly101's
    assert found.clip("r1", "e4").path.stem == "HMC_84358933_mono10bit"


def test_what_is_beside_the_data_may_be_anything_but_what_is_named_must_be_videos(tmp_path):
    (tmp_path / "data").mkdir()
    touch(tmp_path / "videos" / "notes.txt")
    assert library([run_of(tmp_path)], None).where is None
    assert library([run_of(tmp_path, "[broken")], None).where is None
    with pytest.raises(DataError, match="holds no videos"):
        library([run_of(tmp_path)], str(tmp_path / "videos"))
    with pytest.raises(DataError, match="is not there"):
        library([], str(tmp_path / "nowhere"))


def test_what_has_no_video_is_said(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    touch(tmp_path / "videos" / "r1" / "v3.mp4")
    known = library([run_of(tmp_path)], None)

    def scored(*recordings):
        items = {name: SimpleNamespace(recording=name) for name in recordings}
        return [SimpleNamespace(views={"v3": SimpleNamespace(items=items)})]

    say_which(known, scored("r1"))
    assert "videos of" not in capsys.readouterr().err
    say_which(known, scored("r1", "r2"))
    said = " ".join(capsys.readouterr().err.split())
    assert "videos of 1 of 2 recordings and views" in said and "r2 in v3 lack one" in said


def test_addresses_are_relative_and_encoded(tmp_path):
    path, page = tmp_path / "my films" / "100% #1?é.mp4", tmp_path / "out" / "page.html"
    found = link(path, page)
    assert found == "../my%20films/100%25%20%231%3F%C3%A9.mp4"
    assert (page.parent / unquote(found)).resolve() == path.resolve()
    assert link(tmp_path / "out" / "a:b.mp4", page) == "a%3Ab.mp4"


def test_a_page_names_each_view_and_is_the_same_each_time(filmed, tmp_path):
    pages = []
    for _ in range(2):
        config = ReportConfig(runs=str(filmed / "runs"), out=str(filmed / "page.html"), overwrite=True)
        pages.append(run_report(config).read_text())
    assert pages[0] == pages[1]
    assert 'href="films%20%26%20more/one%20e4.webm" data-view="e4" data-kind="ego" data-offset="0.5"' in pages[0]
    assert "e4 (no video of it is known)" in pages[0] and "gone.mp4 is not there" in pages[0]


@pytest.fixture(scope="module")
def embedded(filmed, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("embedded") / "page.html")
    return run_report(ReportConfig(runs=str(filmed / "runs"), out=out, embed="small", embed_s=3))


def decoded(path):
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_previews_show_every_third_frame_of_the_clock(embedded, tmp_path):
    page = embedded.read_text()
    found = re.findall(
        r'href="data:video/mp4;base64,([^"]*)" data-view="(\w+)" data-kind="\w+" data-offset="([\d.]+)"', page
    )
    assert [view for _, view, _ in found] == ["v3", "v3", "e4"] or sorted(view for _, view, _ in found) == [
        "e4",
        "v3",
        "v3",
    ]
    for data, view, offset in found:
        (tmp_path / "x.mp4").write_bytes(base64.b64decode(data))
        pictures = decoded(tmp_path / "x.mp4")
        assert max(pictures[0].shape) <= 320
        first = round(30 * float(offset))
        assert first == {"v3": 0, "e4": 15}[view]
        shown = [number_of(picture) for picture in pictures]
        wanted = range(first, 90, 3)  # three seconds of 30 frames, from the item's start
        assert shown == [(frame if view == "v3" else round((frame - 15) / 2 - 1e-6)) for frame in wanted]
    assert "show the first 3 s of each item" in page and "No preview could be made of rec 2 #1?/v3" in page


def test_previews_that_no_room_is_left_for_are_named(filmed, tmp_path, monkeypatch):
    from viewloom.report import previews

    monkeypatch.setattr(previews, "MIB", 1000)  # so that a tiny film is too large
    out = str(tmp_path / "page.html")
    settings = {"runs": str(filmed / "runs"), "out": out, "embed": "small", "embed_s": 1, "overwrite": True}
    page = run_report(ReportConfig(**settings, embed_mib=0.1)).read_text()
    assert "Left out, because previews may take 0.1 MiB (--embed_mib): rec " in page
    assert "data:video" not in page and "films%20%26%20more/" in page
    assert "Left out" not in run_report(ReportConfig(**settings)).read_text()


def test_bars_are_burnt_in_below_all_views(filmed, tmp_path):
    out = tmp_path / "out.mp4"
    assert main(["report", "--runs", str(filmed / "runs"), "--burn", str(out), "--item", "rec 0 #1?"]) == 0
    pictures = decoded(out)
    assert len(pictures) == FRAMES
    columns = []
    for number in (21, 91, 151):  # those that e4 has a picture of
        picture = pictures[number]
        left, right = picture[20:340, :640], picture[20:340, 640:]  # 2:1 in tiles of 640 x 360
        assert number_of(left) == number and number_of(right) == (number - 15) // 2
        columns.append(int(picture[386:410].min(axis=(0, 2)).argmax()))  # the cursor is white all the way down
    steps = np.diff(columns) / np.diff([21, 91, 151])
    np.testing.assert_allclose(steps, (1280 - 190 - 230) / FRAMES, rtol=0.05)


def test_what_can_not_be_burnt_is_refused(filmed, tmp_path):
    def burn(name="x.mp4", **settings):
        run_report(ReportConfig(runs=str(filmed / "runs"), burn=str(tmp_path / name), **settings))

    with pytest.raises(ConfigError, match=r"writes an \.mp4 file"):
        burn("x.avi")
    with pytest.raises(ConfigError, match="leave out --picture"):
        burn(picture="x.png")
    with pytest.raises(ConfigError, match="No prediction of nothing"):
        burn(item="nothing")
    run = write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="none were found beside the data. Pass --videos"):
        run_report(ReportConfig(runs=str(run), burn=str(tmp_path / "x.mp4")))
    assert not (tmp_path / "x.mp4").exists()


def test_words_are_cut_off_where_there_is_no_room():
    whole, cut = (label("a very long name of a run", 13, (0, 0, 0), (255, 255, 255), wide) for wide in (1000, 60))
    assert cut.shape[1] <= 60 < whole.shape[1]


def test_pictures_of_odd_shapes_and_rates(tmp_path):
    from viewloom.videos.clips import Clip
    from viewloom.videos.pictures import pictures

    clip = Clip("r", "v", write_film(tmp_path / "x.mp4", 30), 1.0)
    found = list(pictures(clip, 15, range(0, 45, 5), (100, 100)))
    shown = [None if one is None else number_of(one) for one in found]
    assert shown == [None, None, None, 0, 10, 20, None, None, None]
    assert found[3].shape == (50, 100, 3)
