"""Telling, announcing and searching by keyboard alone: each stop is seen, none is a trap, Escape gives the focus back."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.make import Company
from tests.web.test_browser import PHONE, address, opened, some_history
from tests.web.test_story_in_browser import WORDS
from tests.web.test_weeks import closed, week

__all__ = ["address", "closed", "opened", "some_history", "week"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Opened = Callable[..., Page]
STILL = {"viewport": PHONE, "reduced_motion": "reduce"}
"""What has the focus is in sight at once, not after a glide."""
STOP = """() => {
  const one = document.activeElement, label = one.closest("label"), look = getComputedStyle(one);
  const {x, y, width, height} = (label ?? one).getClientRects()[0];
  const seen = [...Array(9).keys()].map((part) => document.elementFromPoint(x + width / 2, y + (height * (part + 0.5)) / 9));
  const outlined = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2;
  return {
    outlined: outlined || !one.matches(":focus") || one.matches(".palette-input"),
    on_top: seen.some((other) => other && (label ?? one).contains(other)),
    place: [...document.querySelectorAll("*")].indexOf(one),
    said: one.outerHTML.slice(0, 120),
  };
}"""
"""Of what has the focus: whether it shows so, is not covered, and where it stands in the page.

The calendar inside a field for a day is outlined by the browser, and the palette's field by its frame.
"""


def tab(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press a key until `wanted` has the focus. On the way each stop can be seen, and comes after the one before."""
    before, forward = None, key == "Tab"
    for _press in range(60):
        page.keyboard.press(key)
        stop = page.evaluate(STOP)
        assert stop["outlined"], stop
        assert stop["on_top"], stop
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
        if before is not None and before != stop["place"]:  # a day has three stops in one field
            assert (stop["place"] > before) is forward, stop
        before = stop["place"]
    raise AssertionError(f"no way to {wanted}")


def test_a_story_is_told_by_keyboard_alone(company: Company, opened: Opened) -> None:
    page = opened("/nominate", "ana", **STILL)
    press, write = page.keyboard.press, page.keyboard.type
    find, found = page.get_by_label("Find a colleague by name"), page.locator("#found input")
    tab(page, find)
    write("ch")
    expect(found).to_have_count(1)
    press("ArrowDown")
    expect(found.first).to_be_focused()
    press("Escape")
    expect(find).to_be_focused()
    press("Enter")
    expect(page.locator("#chosen")).to_contain_text("Chris")
    expect(find).to_be_focused()
    tab(page, page.get_by_label("What happened, and for whom?"))
    write(WORDS)
    tab(page, page.get_by_text("Four questions that may help"))
    press("Enter")
    expect(page.get_by_text("What did they listen for")).to_be_visible()
    tab(page, page.get_by_role("radio", name="Positive energy"))
    press("ArrowDown")
    expect(page.get_by_role("radio", name="Courtesy and respect")).to_be_checked()
    tab(page, page.get_by_text("Add the customer or the day"))
    press("Enter")
    tab(page, page.get_by_label("The customer's name"))
    write("Mr Ito")
    tab(page, page.get_by_role("button", name="Tell the story"))
    tab(page, page.get_by_label("The customer's name"), "Shift+Tab")
    page.reload()
    expect(page.get_by_label("The customer's name"), "the draft opens what was filled in").to_be_visible()
    expect(page.get_by_text("What did they listen for")).to_be_hidden()
    tab(page, page.get_by_role("button", name="Tell the story"))
    press("Enter")
    expect(page).to_have_url(re.compile(r"/stories/[0-9a-f]{32}$"))
    expect(page.get_by_text("Thank you for telling it.")).to_be_visible()
    tab(page, page.get_by_role("link", name="Tell another"))
    press("Enter")
    expect(page.locator("#chosen li")).to_have_count(0)


def test_a_week_is_announced_by_keyboard_alone(closed: int, opened: Opened) -> None:
    page = opened("/lead/weeks/care/2026-W47", "lea", **STILL)
    press, write = page.keyboard.press, page.keyboard.type
    tab(page, page.get_by_label("Your words above the winners"))
    write("What a week.")
    tab(page, page.get_by_label("What to say about Ana"))
    tab(page, page.locator("summary", has_text="Replace"))
    press("Enter")
    instead = page.get_by_label("Who instead?")
    tab(page, instead)
    press("ArrowDown")
    expect(instead.locator("option:checked")).to_have_text("Ben (10 points)")
    tab(page, page.locator("summary", has_text="Replace"), "Shift+Tab")
    press("Enter")
    expect(instead).to_be_hidden()
    tab(page, page.get_by_role("button", name="Keep and preview"))
    with page.expect_navigation():
        press("Enter")
    expect(page.locator(".message-text")).to_contain_text("What a week.")
    tab(page, page.get_by_role("button", name="Announce"))
    press("Enter")
    expect(page).to_have_url(re.compile(r"/weeks/2026-W47\?team=care$"))
    expect(page.get_by_text("Announced. The page of the week stays")).to_be_visible()


@pytest.mark.usefixtures("some_history")
def test_a_colleague_is_searched_for_by_keyboard_alone(opened: Opened) -> None:
    page = opened("/", "ana", **STILL)
    press, write = page.keyboard.press, page.keyboard.type
    glass, box = page.locator(".top-find"), page.locator(".palette-input")
    tab(page, glass)
    press("Enter")
    expect(box).to_be_focused()
    tab(page, page.locator(".palette-close"))
    tab(page, box, "Shift+Tab")
    press("Escape")
    expect(glass).to_be_focused()
    press("Enter")
    expect(box).to_be_focused()
    write("zebra")
    expect(page.locator(".palette-said")).to_have_text(re.compile("No person and no story"))
    press("Enter")
    page.wait_for_url("**/search?q=zebra")
    tab(page, page.get_by_role("main").get_by_role("searchbox"))
    press("Control+a")
    write("ben")
    press("Enter")
    page.wait_for_url("**/search?q=ben")
    tab(page, page.locator(".search-people a").first)
    press("Enter")
    page.wait_for_url("**/people/ben")
