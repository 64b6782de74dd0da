"""Telling a story on a phone with a real browser: by typing, with a keyboard, without losing a word."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.make import Company
from tests.visitor import Visitor
from tests.web.test_browser import PHONE, address, opened
from tests.web.test_stories import told

__all__ = ["address", "opened"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Opened = Callable[..., Page]
WORDS = "She stayed until nine, called three branches and found the shirt for the family. They wept and thanked her."


def test_a_story_is_told_on_a_phone_and_its_draft_survives(opened: Opened) -> None:
    page = opened("/nominate", "ana", viewport=PHONE)
    search = page.get_by_label("Find a colleague by name")
    search.press_sequentially("ch")
    expect(page.locator("#found").get_by_text("Chris")).to_be_visible()
    search.press("Enter")
    expect(page.locator("#chosen")).to_contain_text("Chris")
    expect(search).to_be_focused()
    search.press_sequentially("be")
    expect(page.locator("#found").get_by_text("Ben", exact=False).first).to_be_visible()
    search.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#chosen li")).to_have_count(2)
    page.get_by_label("What happened, and for whom?").fill(WORDS)
    page.get_by_text("Team player").click()
    expect(page.get_by_text("They made a colleague's work succeed.")).to_be_visible()
    expect(page.locator("#story-count")).to_have_text(f"{len(WORDS)} / 2,000")
    expect(page.locator("#worth")).to_contain_text("Shared equally")
    expect(page.locator("#worth").get_by_text("5 points")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.reload()
    expect(page.get_by_text("it was kept on this device")).to_be_visible()
    expect(page.get_by_label("What happened, and for whom?")).to_have_value(WORDS)
    expect(page.locator("#chosen li")).to_have_count(2)
    expect(page.get_by_role("radio", name="Team player")).to_be_checked()

    page.get_by_role("button", name="Tell the story").click()
    expect(page).to_have_url(re.compile(r"/stories/[0-9a-f]{32}$"))
    expect(page.get_by_text("Thank you for telling it.")).to_be_visible()
    expect(page.get_by_text(WORDS)).to_be_visible()

    page.goto(page.url.partition("/stories/")[0] + "/nominate")
    expect(page.get_by_label("What happened, and for whom?")).to_have_value("")
    expect(page.locator("#chosen li")).to_have_count(0)


def test_a_name_typed_before_the_scripts_came_is_looked_for(opened: Opened) -> None:
    page = opened("/", "ana", viewport=PHONE)

    def late(route: Route) -> None:
        page.wait_for_timeout(1000)
        route.continue_()

    page.route("**/htmx.min.js*", late)
    page.goto(page.url + "nominate", wait_until="commit")
    page.get_by_label("Find a colleague by name").fill("ch")
    expect(page.locator("#found").get_by_text("Chris")).to_be_visible()


def test_a_draft_is_dropped_when_one_starts_afresh(opened: Opened) -> None:
    page = opened("/nominate?for=ben", "ana", viewport=PHONE)
    page.get_by_label("What happened, and for whom?").fill(WORDS)
    page.reload()
    page.get_by_role("button", name="Start afresh").click()
    expect(page.get_by_label("What happened, and for whom?")).to_have_value("")
    expect(page.locator("#draft-note")).to_be_hidden()


def test_a_colleague_is_taken_off_again(opened: Opened) -> None:
    page = opened("/nominate?for=ben", "ana", viewport=PHONE)
    expect(page.locator("#chosen")).to_contain_text("Ben")
    page.locator("#chosen input").click()
    expect(page.locator("#chosen li")).to_have_count(0)
    expect(page.locator("#worth")).to_contain_text("Choose whom the story is about")


def test_a_story_is_co_signed_with_one_click_on_the_wall(
    opened: Opened, client_of: Callable[[str], Visitor], company: Company
) -> None:
    story = told(client_of("ana"), "ben")
    client_of("lea").submit(f"{story}/accept")
    page = opened("/stories", "dan", viewport=PHONE)
    page.get_by_role("button", name="I saw it too").click()
    expect(page.get_by_text("You saw it too")).to_be_visible()
    expect(
        page.locator(".co-sign")
    ).to_be_focused()  # and not the top of the page, for who goes on by keyboard
    assert page.url.endswith("/stories")
    assert "11 points" in client_of("dan").get(story).text
