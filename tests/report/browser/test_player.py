"""Videos beside timelines: all views play in step, and every way of going to a moment leads there."""

import io
import json

import numpy as np
import pytest

from tests.report.browser.films import FRAMES, number_of

FILL = "video{object-fit:fill!important;border-radius:0!important}"


@pytest.fixture
def opened(visit, filmed):
    """The item whose two views have films, open."""
    watched = visit(filmed)
    watched.page.add_style_tag(content=FILL)
    article(watched.page, 0).locator("button.watch").click()
    watched.page.wait_for_function("[...document.querySelectorAll('video')].every(v => v.readyState >= 2)")
    return watched


def article(page, number):
    return page.locator("article", has=page.locator("h4", has_text=f"rec {number} #1?"))


def shown(page, view):
    """Number in the picture that a view's film shows."""
    from PIL import Image

    page.wait_for_function("[...document.querySelectorAll('video')].every(v => !v.seeking && v.readyState >= 2)")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shot = page.locator(f".screen[data-view={view}] video").screenshot()
    return number_of(np.array(Image.open(io.BytesIO(shot)).convert("RGB")))


def at(page):
    return int(page.locator("article.open").get_attribute("data-frame"))


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    return at(page)


def rects(page, selector):
    """First frames of the rectangles of some strips of the open item."""
    found = page.locator(f"article.open {selector}").evaluate_all("all => all.map(one => +one.getAttribute('x'))")
    return sorted(set(found))


def test_every_view_shows_the_picture_of_the_frame_and_the_cursor_stands_there(opened):
    page = opened.page
    for frame in (0, 1, 14, 44, 101, 178):
        page.locator("input[type=range]").fill(str(frame))
        assert at(page) == frame
        assert shown(page, "v3") == frame
        if frame >= 15:  # e4 begins half a second later and has a picture for every other frame
            assert shown(page, "e4") == (frame - 15) // 2
        cursor, truth = (page.locator(f"article.open {of}").bounding_box() for of in (".cursor", "svg.truth"))
        place = (cursor["x"] + 1 - truth["x"]) / truth["width"]
        assert place == pytest.approx(frame / FRAMES, abs=0.004)
    assert not opened.complaints


def test_views_play_in_step_and_stop_together(opened):
    page = opened.page
    page.locator("input[type=range]").fill("15")
    page.keyboard.press("k")
    page.wait_for_function("+document.querySelector('article.open').dataset.frame > 45")
    apart = """() => { const [a, b] = [...document.querySelectorAll('video')];
        return [a.currentTime - b.currentTime - 0.5, a.paused || b.paused] }"""
    gaps = [page.evaluate(apart) for _ in range(5)]
    assert max(abs(gap) for gap, _ in gaps) < 0.12
    page.keyboard.press("k")
    assert page.evaluate("[...document.querySelectorAll('video')].every(v => v.paused)")
    frame = at(page)
    assert shown(page, "v3") == frame and shown(page, "e4") == (frame - 15) // 2


def test_it_ends_at_the_last_frame_and_begins_anew(opened):
    page = opened.page
    page.locator("input[type=range]").fill(str(FRAMES - 12))
    page.keyboard.press("k")
    page.wait_for_function("document.querySelector('.play').textContent === 'Play'")
    assert at(page) == FRAMES - 1
    page.keyboard.press("k")
    page.wait_for_function(f"+document.querySelector('article.open').dataset.frame < {FRAMES - 1}")


def test_a_view_that_films_nothing_yet_says_so(opened):
    page = opened.page
    page.locator("input[type=range]").fill("3")
    assert "films nothing at this moment" in page.locator(".screen[data-view=e4]").inner_text()
    page.locator("input[type=range]").fill("30")
    assert "films nothing" not in page.locator(".screen[data-view=e4]").inner_text()


def test_keys_step_and_go_to_errors_disagreements_and_segments(opened):
    page = opened.page
    assert press(page, "ArrowRight", "ArrowRight", "ArrowLeft") == 1
    assert press(page, "Shift+ArrowRight") == 31
    assert press(page, "End") == FRAMES - 1 and press(page, "Home") == 0
    errors = rects(page, "svg.prediction .off")
    assert errors and press(page, "n") == next(frame for frame in errors if frame > 0)
    press(page, "End")
    assert press(page, "p") == errors[-1] and press(page, "p") == errors[-2]
    places = json.loads("[" + page.locator("article.open .apart").get_attribute("data-places").replace(" ", ",") + "]")
    press(page, "Home")
    wanted = [frame for frame in places[::2] if frame > 0]
    assert [press(page, "d") for _ in wanted] == wanted
    press(page, "End")
    assert press(page, "Shift+d") == places[::2][-1]
    press(page, "Home")
    assert press(page, "s", "s") == rects(page, "svg.truth rect")[2]
    assert press(page, "Shift+s") == rects(page, "svg.truth rect")[1]


def test_errors_of_one_prediction_alone(opened):
    page = opened.page
    page.locator("article.open svg.prediction").nth(1).locator("rect[class^=k]").first.click()
    mine = [x for x in rects(page, "svg.prediction.followed .off") if x > at(page)]
    found = [press(page, "n") for _ in mine]
    assert found == mine


def test_a_press_on_a_segment_opens_its_item_there(visit, filmed):
    page = visit(filmed).page
    second = article(page, 1)
    rect = second.locator("svg.prediction").first.locator("rect[class^=k]").nth(2)
    wanted = int(rect.get_attribute("x"))
    rect.click(position={"x": 3, "y": 3})
    assert "open" in second.get_attribute("class")
    assert at(page) == wanted and shown(page, "v3") == wanted
    second.locator("details.apart summary").click()
    link = second.locator(".apart a").last
    link.click()
    assert at(page) == int(link.get_attribute("data-at"))


def test_missing_and_broken_videos_are_named_and_nothing_else_stops(visit, filmed):
    watched = visit(filmed)
    page = watched.page
    article(page, 2).locator("button.watch").click()
    broken, gone = (page.locator(f".screen[data-view={view}]") for view in ("v3", "e4"))
    page.wait_for_function("document.querySelectorAll('.screen.failed').length === 2")
    assert "can't be played here: ../films & more/broken.mp4" in broken.inner_text()
    assert "gone.mp4 is not there" in gone.inner_text()
    page.keyboard.press("k")
    page.wait_for_function("+document.querySelector('article.open').dataset.frame > 5")
    page.keyboard.press("i")  # the next item, in the page's order
    assert page.locator("article.open").count() == 1


def test_only_the_open_item_loads_films_and_nothing_comes_from_a_network(visit, filmed):
    watched = visit(filmed)
    page = watched.page
    assert page.locator("video").count() == 0
    assert watched.requests == [filmed.as_uri()]
    for number in (0, 1):
        article(page, number).locator("button.watch").click()
        assert page.locator("video").count() == 2 - number
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    assert all(url.startswith("file:") for url in watched.requests)
    page.keyboard.press("Escape")
    assert page.locator("video, .player, .cursor").count() == 0
    assert page.evaluate("document.activeElement.className") == "watch"
    assert not watched.complaints


def test_previews_need_no_other_file(visit, embedded):
    watched = visit(embedded)
    page = watched.page
    page.add_style_tag(content=FILL)
    article(page, 0).locator("button.watch").click()
    for frame in (21, 93):
        page.locator("input[type=range]").fill(str(frame))
        assert shown(page, "v3") == frame and shown(page, "e4") == (frame - 15) // 2
    assert all(url == embedded.as_uri() or url.startswith("data:") for url in watched.requests)
    assert not watched.complaints
