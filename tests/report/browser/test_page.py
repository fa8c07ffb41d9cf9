"""The page in a browser: filters, keyboard alone, zoom, dark, print, without scripts, and for everybody."""

import pytest

SERIOUS = ("serious", "critical")


def overflow(page):
    """Pixels by which the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def faults(page, **options):
    """What axe finds that is serious."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    bad = [one for one in found if one["impact"] in SERIOUS]
    return [(one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:300]) for one in bad]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(visit, filmed, scheme):
    page = visit(filmed, 390 if scheme == "dark" else 1300, color_scheme=scheme).page
    page.locator("button.watch").first.click()
    page.keyboard.press("?")
    colours = {"runOnly": ["color-contrast"]}
    assert faults(page, **(colours if scheme == "dark" else {})) == []


def test_no_page_is_wider_than_a_phone(visit, filmed, plain, lanes):
    for path in (filmed, plain, lanes):
        page = visit(path, 390).page
        assert overflow(page) <= 0
        page.locator("button.watch").first.click()
        assert overflow(page) <= 0


def test_at_200_percent_and_wide_words_nothing_is_cut_off(visit, filmed):
    page = visit(filmed, 650, 450, device_scale_factor=2).page
    page.locator("button.watch").first.click()
    assert overflow(page) <= 0
    for of in (".player .play", ".player .time", ".player button >> nth=-1"):
        box = page.locator(of).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 650


def test_one_action_alone_and_items_by_name(visit, plain):
    watched = visit(plain)
    page = watched.page
    key = page.locator(".key button").nth(1)
    key.click()
    name = key.get_attribute("id")[3:]
    opacity = "rect => getComputedStyle(rect).opacity"
    assert page.locator(f"#cards rect.k{name}").first.evaluate(opacity) == "1"
    others = page.locator(f"#cards rect[class^=k]:not(.k{name})")
    assert float(others.first.evaluate(opacity)) < 0.5
    key.click()
    assert others.first.evaluate(opacity) == "1"
    field = page.get_by_role("searchbox")
    field.fill("REC02")
    assert page.locator("#cards article:visible").count() == 2
    assert page.get_by_text("2 of 8 items").is_visible()
    field.fill("")
    assert page.locator("#cards article:visible").count() == 8
    assert not watched.complaints


def test_no_key_is_taken_from_somebody_who_types_or_scrolls(visit, plain):
    page = visit(plain).page
    before = page.evaluate("scrollY")
    page.keyboard.press("Space")  # nothing is open: the page scrolls
    page.wait_for_function(f"scrollY > {before}")
    page.locator("button.watch").first.click()
    frame = page.locator("article.open").get_attribute("data-frame")
    field = page.get_by_role("searchbox")
    field.focus()
    page.keyboard.type("n sd?")
    assert field.input_value() == "n sd?"
    field.fill("")
    page.locator(".player select").first.focus()
    page.keyboard.press("n")
    page.locator("button.watch").first.focus()
    page.keyboard.press("Control+ArrowRight")
    assert page.locator("article.open").get_attribute("data-frame") == frame
    assert page.locator(".player .keys").is_hidden()


def test_the_keyboard_alone_opens_plays_leaves_and_closes(visit, plain):
    page = visit(plain).page
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "watch":
            break
    else:
        raise AssertionError("no item can be reached by Tab")
    width = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert width == "solid"  # the focus is visible
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Play"
    page.keyboard.press("Space")
    page.wait_for_function("(one => +one.dataset.frame > +one.dataset.start)(document.querySelector('article.open'))")
    page.keyboard.press("Space")
    seen = set()
    for _ in range(25):  # no trap: Tab leaves the item for the next one
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.closest('article')?.id"))
    assert len(seen - {None}) >= 2
    page.locator("article.open .play").focus()
    page.keyboard.press("Escape")
    assert page.locator(".player").count() == 0


def test_dark_and_print(visit, plain, tmp_path):
    page = visit(plain, color_scheme="dark").page
    page.locator("button.watch").first.click()
    rgb = page.evaluate("getComputedStyle(document.querySelector('.player')).backgroundColor")
    assert max(int(part) for part in rgb[4:-1].split(",")) < 60
    page.emulate_media(media="print", color_scheme="light")
    for of in (".player", ".watch", ".filter", "nav"):
        assert page.locator(of).first.is_hidden()
    assert page.locator("svg.prediction").last.is_visible()
    page.emulate_media(media="screen")
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000


def test_nothing_moves_by_itself(visit, filmed):
    page = visit(filmed, reduced_motion="reduce").page
    page.locator("button.watch").first.click()
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').paused")
    assert page.evaluate("document.getAnimations().length") == 0


def test_without_scripts_the_page_still_reads_and_links_its_videos(visit, filmed):
    page = visit(filmed, java_script_enabled=False).page
    assert page.locator("svg.truth rect").count() == 12
    assert page.locator(".clips a").first.get_attribute("href").startswith("../films%20%26%20more/")
    assert page.locator("button.watch").count() == 0


def test_pages_of_several_labels_have_lanes_and_a_player(visit, lanes):
    watched = visit(lanes)
    page = watched.page
    page.locator("button.watch").first.click()
    page.keyboard.press("n")
    assert "wrong" in page.locator(".said").inner_text()
    assert not watched.complaints
