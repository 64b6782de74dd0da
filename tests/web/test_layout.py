"""Nothing jumps while a page comes, nothing breaks when it is mirrored, and a story is told by thumb within a minute."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route

from bench.face import MOST_SHIFT, WATCH, WORDS, person_takes, tell
from leaderboard.web import pages
from tests.web.test_browser import DESK, PHONE, address, opened, some_history

__all__ = ["address", "opened", "some_history"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Opened = Callable[..., Page]
JOURNEYS = {
    "ana": ("/", "/stories", "/nominate", "/nominate?for=ben", "/people", "/people/ben", "/people/ben/points", "/promises",
            "/weeks", "/weeks/2026-W47", "/me"),
    "lea": ("/lead", "/lead/team/care/channels"),
    "ada": ("/admin", "/admin/sources", "/admin/people", "/admin/rules"),
}  # fmt: skip


def late_font(route: Route) -> None:
    """The page's own font comes when the words have been painted in another."""
    route.request.frame.page.wait_for_timeout(300)
    route.continue_()


@pytest.mark.usefixtures("some_history")
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_of_the_journeys_jumps_while_it_comes(opened: Opened, viewport: object) -> None:
    for who, paths in JOURNEYS.items():
        page = opened("/", who, viewport=viewport)
        page.add_init_script(WATCH)
        page.route("**/*.woff2", late_font)
        home = page.url.rstrip("/")
        for path in paths:
            page.goto(home + path)
            page.evaluate("document.fonts.ready.then(() => true)")
            page.mouse.wheel(0, 4000)
            page.wait_for_timeout(100)
            assert page.evaluate("window.seen.shift") <= MOST_SHIFT, (who, path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (who, path)


@pytest.mark.usefixtures("some_history")
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_a_language_that_is_written_from_right_to_left_mirrors_the_page(
    opened: Opened, viewport: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "languages", lambda: ("en", "ar"))
    page = opened("/", "ana", viewport=viewport, locale="ar")
    home = page.url.rstrip("/")
    for path in JOURNEYS["ana"]:
        page.goto(home + path)
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["ar", "rtl"]
        brand, menu = page.locator(".brand").bounding_box(), page.locator(".menu summary").bounding_box()
        assert brand
        assert menu
        assert brand["x"] > menu["x"], path
        title = page.locator("h1").first
        assert title.evaluate("(title) => getComputedStyle(title).textAlign") in ("start", "right"), path
        onwards = page.locator(".section-more .icon").evaluate_all(
            "all => all.map((one) => getComputedStyle(one).scale)"
        )
        assert set(onwards) <= {"-1 1"}, path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_end_of_telling_moves_only_for_who_likes_motion(opened: Opened, motion: str) -> None:
    page = opened("/", "ana", viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion=motion)
    page.add_init_script(WATCH)
    assert len(list(tell(page, page.url.rstrip("/")))) == 6
    moving = page.evaluate("document.getAnimations({subtree: true}).length")
    assert (moving > 0) is (motion == "no-preference")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.seen.shift") <= MOST_SHIFT
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_story_is_told_by_thumb_within_a_minute(
    opened: Opened, record_property: Callable[[str, object], None]
) -> None:
    page = opened("/", "ana", viewport=PHONE, has_touch=True, is_mobile=True)
    steps = list(tell(page, page.url.rstrip("/")))
    assert page.get_by_text(WORDS).is_visible()
    assert len(steps) == 6
    record_property("steps", steps)  # ./dev bench --face tells them of a throttled phone
    assert person_takes(len(steps), len(WORDS) + len("ben")) < 60
