"""A story and an announced week on paper: black on white whatever the screen's look, without what one can only press."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.make import Clock
from tests.visitor import Visitor
from tests.web.test_browser import address, opened
from tests.web.test_stories import told
from tests.web.test_weeks import DESK, closed, week

__all__ = ["address", "closed", "opened", "week"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Client = Callable[[str], Visitor]
Opened = Callable[..., Page]
A4 = {"width": 794, "height": 1123}
"""Pixels of a sheet at 96 to the inch."""

PRINTED = """() => [...document.querySelectorAll("body *")].filter((one) =>
  one.checkVisibility({checkVisibilityCSS: true}) &&
  [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))"""
LIGHT = f"""() => ({PRINTED})().filter((one) => {{
  const parts = getComputedStyle(one).color.match(/[0-9.]+/g).map(Number);
  return Math.max(...parts.slice(0, 3)) > 90;
}}).map((one) => one.outerHTML.slice(0, 120))"""
"""What would be grey or coloured writing."""
FILLED = f"""() => ({PRINTED})().filter((one) => {{
  const fill = getComputedStyle(one).backgroundColor;
  return fill !== "rgba(0, 0, 0, 0)" && fill !== "rgb(255, 255, 255)";
}}).map((one) => one.outerHTML.slice(0, 120))"""


def on_paper(page: Page) -> Page:
    page.emulate_media(media="print", color_scheme="dark")
    for gone in (
        ".top-bar",
        ".bottom-bar",
        ".page-foot",
        "main .btn",
        "main form",
        "main summary",
        ".csv-link",
    ):
        assert [one.is_visible() for one in page.locator(gone).all()].count(True) == 0, gone
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(LIGHT) == []
    assert page.evaluate(FILLED) == []
    underlined = "all => all.filter(one => getComputedStyle(one).textDecorationLine !== 'none').length"
    assert page.eval_on_selector_all("main a", underlined) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= A4["width"]
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    return page


def test_an_announced_week_is_read_on_paper(closed: int, opened: Opened, client_of: Client) -> None:
    client_of("lea").submit(DESK, {"opening": "What a week!", "action": "announce"})
    page = opened("/weeks/2026-W47?team=care", "lea", viewport=A4, color_scheme="dark")
    expect(page.get_by_role("link", name="The lead's desk")).to_be_visible()
    on_paper(page)
    for words in ("What a week!", "Who went the extra mile", "To talk over", "The board"):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_role("link", name="The lead's desk")).to_be_hidden()


def test_a_story_is_read_on_paper_with_its_address(opened: Opened, client_of: Client, clock: Clock) -> None:
    story = told(client_of("ana"), "ben", "chris", customer="Mr Ito")
    client_of("lea").submit(f"{story}/accept")
    client_of("dan").submit(f"{story}/co-sign")
    page = on_paper(opened(story, "ben", viewport=A4, color_scheme="dark"))
    expect(page.locator(".story-words")).to_be_visible()
    expect(page.locator("main")).to_contain_text(story)
    expect(page.get_by_text("Customer: Mr Ito")).to_be_visible()
    said = "getComputedStyle(document.querySelector('.story-meta time'), '::after').content"
    assert "attr(title)" in page.evaluate(said) or "2026" in page.evaluate(said)
    expect(page.get_by_text("Hide it", exact=True)).to_be_hidden()


FOLDED = """all => all.map((one) => [one.checkVisibility(), one.closest(".entry").getBoundingClientRect().height >=
  one.getBoundingClientRect().height + one.closest("details").firstElementChild.getBoundingClientRect().height])"""
"""Of each entry: is what is folded there to be read, and does it have room of its own below the entry's line?"""


def test_points_are_printed_with_all_that_is_folded_away_on_the_screen(
    opened: Opened, client_of: Client
) -> None:
    for _story in range(2):
        client_of("lea").submit(f"{told(client_of('ana'), 'ben')}/accept")
    page = opened("/people/ben/points", "ben", viewport=A4, color_scheme="dark")
    more = page.locator(".entry-more")
    assert more.count() == 2
    assert [read for read, _room in more.evaluate_all(FOLDED)] == [False, False]
    page.emulate_media(media="print")
    assert more.evaluate_all(FOLDED) == [[True, True], [True, True]]
    assert page.evaluate(LIGHT) == []
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
