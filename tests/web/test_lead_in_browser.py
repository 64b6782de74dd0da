"""The lead's desk in a real browser: cleared with the keyboard alone and with a thumb, and open to everybody in every state."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from leaderboard import announcements
from leaderboard.database import Database
from leaderboard.tables import TeamLead
from tests.make import Clock, Company
from tests.visitor import Visitor
from tests.web.test_accessibility import EVERY_RULE, found_by_axe
from tests.web.test_browser import DESK, PHONE, address, opened
from tests.web.test_lead import unhappy
from tests.web.test_stories import told
from tests.web.test_weeks import closed, week

__all__ = ["address", "closed", "opened", "unhappy", "week"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Client = Callable[[str], Visitor]
Opened = Callable[..., Page]
FIRST = (
    "Ben called three branches, found the shirt for the family and brought it to the station just in time."
)
SECOND = (
    "Chris stayed on the line for an hour, until an old man could read the letter from his daughter again."
)


@pytest.fixture
def full(closed: int, unhappy: None, client_of: Client, db: Database, company: Company, clock: Clock) -> None:
    """Something of everything: drafted winners, two stories, a kept promise and an unhappy customer; in this order."""
    with db.writing() as session:
        announcements.add_channel(session, company.teams["Care"], "email", "Everybody", "all@example.com")
    ana = client_of("ana")
    told(ana, "ben", story=FIRST, customer="Mr Ito")
    clock.forward(minutes=1)
    told(ana, "chris", story=SECOND)
    promise = str(
        ana.submit("/promises/new", {"what": "Write to her", "due_at": "2026-11-25T11:00"}).location
    )
    ana.submit(f"{promise}/keep")


def items(page: Page) -> Locator:
    return page.locator(".desk-item:not([data-done])")


def test_the_whole_desk_is_cleared_with_the_keyboard_alone(full: None, opened: Opened) -> None:
    page = opened("/lead", "lea")
    press, status = page.keyboard.press, page.locator("#desk-status")
    expect(page.get_by_role("heading", level=1)).to_have_text("5 things wait for you")
    expect(page.locator("#desk-progress"), "the heading says it already").to_be_hidden()
    press("a")
    expect(items(page).nth(0), "the first key only shows where one is").to_be_focused()
    press("o")
    words = page.get_by_label("What to say about Ana")
    expect(page.get_by_label("Your words above the winners")).to_be_focused()
    press("Tab")
    expect(words).to_be_focused()
    words.fill("ajdu?")
    page.keyboard.type("ajd")
    expect(words, "keys are letters where one writes").to_have_value("ajdu?ajd")
    items(page).nth(0).focus()
    press("a")
    expect(status).to_have_text("Announced: week 47 of Care. Its messages leave in a minute. 1 of 5 done")
    expect(items(page).nth(0), "the next one is at hand").to_be_focused()

    press("j")
    expect(page.locator(":focus")).to_contain_text(SECOND)
    press("k")
    expect(page.locator(":focus")).to_contain_text(FIRST)
    press("Enter")
    expect(page.locator(":focus").get_by_text("Counts in full.")).to_be_visible()
    press("a")
    expect(status).to_have_text("Accepted: the story about Ben. 2 of 5 done")
    expect(page.locator(":focus")).to_contain_text(SECOND)
    press("d")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("In your own words")).to_have_value(
        "What a good moment. What did Chris do beyond the usual?"
    )
    press("Enter")
    expect(status).to_have_text("Sent back to Ana, with your words. 3 of 5 done")
    expect(page.locator(":focus")).to_contain_text("Write to her")
    press("a")
    expect(status).to_have_text("Confirmed: Ana kept the promise. 4 of 5 done")
    press("a")
    page.keyboard.type("Listened, and sent a new one.")
    press("Control+Enter")
    expect(status).to_have_text("Followed up. Thank you. 5 of 5 done")
    expect(page.get_by_text("Your desk is clear")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing waits for you")
    expect(page.locator("#desk-progress")).to_contain_text("5 of 5 done")
    assert page.url.endswith("/lead"), "without leaving the page"


def test_undo_brings_the_story_back_and_its_points_go_and_return(
    full: None, opened: Opened, client_of: Client
) -> None:
    page = opened("/lead", "lea")
    status = page.locator("#desk-status")
    story = page.locator(".desk-item", has_text=FIRST)
    story.focus()
    page.keyboard.press("a")
    expect(status).to_contain_text("Accepted: the story about Ben.")
    assert "10 points" in client_of("chris").get("/people/ben").text
    page.keyboard.press("u")
    expect(status).to_have_text("Undone. It waits again. 0 of 5 done")
    expect(story).to_be_focused()
    assert FIRST not in client_of("chris").get("/people/ben").text
    page.keyboard.press("a")
    expect(status).to_contain_text("Accepted: the story about Ben.")
    assert FIRST in client_of("chris").get("/people/ben").text
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    page.locator("#desk").evaluate("desk => desk.querySelector('.desk-done').focus()")
    expect(undo, "after ten seconds").to_be_hidden(timeout=30_000)
    page.keyboard.press("u")
    expect(page.locator(".desk-done", has_text="Accepted: the story about Ben.")).to_be_visible()


def test_a_thumb_is_enough_for_all_of_it(full: None, opened: Opened) -> None:
    page = opened("/lead", "lea", viewport=PHONE, has_touch=True)
    small = page.eval_on_selector_all(
        "main button, main .btn, main summary, main .choice",
        "all => all.filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 43.5)"
        ".map(one => one.outerHTML.slice(0, 80))",
    )
    assert small == []
    page.get_by_text("Find better words").tap()
    page.get_by_label("What to say about Ana").fill("She drove there.")
    page.get_by_role("button", name="Keep and preview").tap()
    expect(page.locator(".message-text")).to_contain_text("She drove there.")
    page.get_by_role("button", name="Announce week 47").tap()
    expect(page.locator(".desk-done", has_text="Announced: week 47 of Care.")).to_be_visible()
    page.get_by_role("button", name="Accept the story about Ben").tap()
    expect(page.locator(".desk-done", has_text="Accepted: the story about Ben.")).to_be_visible()
    story = page.locator(".desk-item", has_text=SECOND)
    story.get_by_text("Send back").tap()
    story.get_by_label("In your own words").fill("For whom was it?")
    story.get_by_role("button", name="Send it back").tap()
    expect(page.locator(".desk-done", has_text="Sent back to Ana, with your words.")).to_be_visible()
    page.get_by_role("button", name="Yes, it was kept").tap()
    page.locator(".desk-item").get_by_text("Followed up", exact=True).tap()
    page.get_by_label("What was done?").fill("Listened.")
    page.get_by_role("button", name="Close it").tap()
    expect(page.get_by_text("Your desk is clear")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_leads_at_once_end_in_a_kind_word(
    full: None, opened: Opened, client_of: Client, db: Database, company: Company
) -> None:
    with db.writing() as session:
        session.add(TeamLead(team_id=company.teams["Care"], person_id=company["max"]))
    lea, other = opened("/lead", "lea"), opened("/lead", "max")
    other.locator(".desk-item", has_text=FIRST).get_by_role("button", name="Accept").click()
    expect(other.locator(".desk-done", has_text="Accepted: the story about Ben.")).to_be_visible()
    story = lea.locator(".desk-item", has_text=FIRST)
    story.get_by_text("Send back").click()
    story.get_by_label("Thank you for telling it. Which part").check()
    story.get_by_role("button", name="Send it back").click()
    expect(
        lea.locator(".desk-done", has_text="Max was quicker and accepted the story about Ben.")
    ).to_be_visible()
    expect(lea.get_by_role("button", name="Undo")).to_have_count(0)
    expect(lea.locator(":focus")).to_contain_text(SECOND)


def test_the_keys_are_shown_and_can_be_switched_off(full: None, opened: Opened) -> None:
    page = opened("/lead", "lea")
    keys = page.get_by_role("dialog", name="The desk by keyboard")
    page.keyboard.press("?")
    expect(keys).to_be_visible()
    page.get_by_label("Use these keys on this device").uncheck()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator(".desk-item:focus")).to_have_count(0)
    page.reload()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Use these keys on this device").check()
    page.get_by_role("button", name="Close").click()
    page.locator("#desk-title").click()
    page.keyboard.press("j")
    expect(items(page).nth(0)).to_be_focused()
    page.keyboard.press("Control+a")
    expect(items(page)).to_have_count(5)
    page.locator(".menu > summary").focus()
    page.keyboard.press("a")
    expect(items(page), "elsewhere on the page they are letters").to_have_count(5)


def test_a_story_that_was_taken_back_meanwhile_is_said_kindly_and_no_word_is_lost(
    full: None, opened: Opened, client_of: Client
) -> None:
    page = opened("/lead", "lea")
    story = page.locator(".desk-item", has_text=FIRST)
    story.get_by_text("Send back").click()
    story.get_by_label("In your own words").fill("For whom was it?")
    address = story.locator(".story-meta a").get_attribute("href")
    client_of("ana").submit(f"{address}/withdraw")
    page.evaluate("console.error = () => {}")  # htmx tells it there, too
    story.get_by_role("button", name="Send it back").click()
    expect(story.get_by_text("That did not work. It may have been taken back")).to_be_visible()
    expect(story.get_by_label("In your own words")).to_have_value("For whom was it?")


def test_the_desk_is_open_to_everybody_in_every_state(full: None, opened: Opened) -> None:
    for screen, scheme in ((PHONE, "dark"), (DESK, "light")):
        page = opened("/lead", "lea", viewport=screen, color_scheme=scheme, reduced_motion="reduce")
        found = [("full", found_by_axe(page, EVERY_RULE))]
        story = page.locator(".desk-item", has_text="daughter")
        story.get_by_text("Send back").click()
        story.get_by_role("button", name="Send it back").click()
        expect(story.get_by_text("Say why")).to_be_visible()
        found.append(("refused", found_by_axe(page, EVERY_RULE)))
        story.get_by_role("button", name="Accept").click()
        expect(page.locator(".desk-done", has_text="Accepted: the story about Chris.")).to_be_visible()
        found.append(("done", found_by_axe(page, EVERY_RULE)))
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Undone. It waits again.").first).to_be_visible()
        found.append(("undone", found_by_axe(page, EVERY_RULE)))
        page.locator("#keys").evaluate("keys => keys.showModal()")
        found.append(("keys", found_by_axe(page, EVERY_RULE)))
        assert [each for each in found if each[1]] == [], scheme
        assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
