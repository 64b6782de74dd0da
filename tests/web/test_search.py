"""/search and the palette: found by words, shown safely, a part at a time; and the palette by keys alone, in a real browser."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect
from sqlmodel import select

from leaderboard.database import Database
from leaderboard.tables import Team
from tests.make import Company
from tests.test_search import MORE, SHIRT, change, told
from tests.test_search import company as company_at_once
from tests.visitor import Visitor
from tests.web.test_browser import DESK, PHONE, Opened, address, barriers, opened

Client = Callable[[str], Visitor]
company = company_at_once
__all__ = ["address", "opened"]


def found(page: str) -> list[str]:
    """Where the results of a page lead, in their order."""
    return re.findall(
        r'href="(/people/[^"/]+|/stories/[0-9a-f]{32})"', page[page.index("<main") : page.index("</main")]
    )


# --- the page -----------------------------------------------------------------------------------------------


def test_people_come_first_then_stories_with_the_words_marked(
    db: Database, company: Company, client_of: Client
) -> None:
    uid = told(db, company, "ana", "ben", story=SHIRT)
    page = client_of("chris").get("/search?q=ben").text
    assert found(page) == ["/people/ben", f"/stories/{uid}"]
    assert page.count("<mark>Ben</mark>") == 3, "the person, whom it is about, and the text"
    assert 'value="ben"' in page
    assert found(client_of("chris").get("/search?q=river+shir").text) == [f"/stories/{uid}"]


def test_what_was_stored_never_becomes_code(db: Database, company: Company, client_of: Client) -> None:
    told(db, company, "ana", "ben", story="<script>alert(1)</script> <b>shirt</b> & <mark>x</mark>" + MORE)
    change(db, company, "ben", name="<i>Shirt</i> Ben")
    for path in ("/search?q=shirt", "/search?q=<script>shirt", "/search/found?q=shirt"):
        page = client_of("chris").get(path).text
        assert "&lt;b&gt;<mark>shirt</mark>&lt;/b&gt;" in page or "found?" not in path
        assert "<script>alert" not in page
        assert "<i>" not in page
        assert "<mark>x" not in page


def test_nothing_asked_and_nothing_found_say_what_to_try(company: Company, client_of: Client) -> None:
    chris = client_of("chris")
    for path, words in (
        ("/search", "What do you remember of it?"),
        ("/search?q=", "What do you remember of it?"),
        ("/search?q=zebra", "Nothing has all of these words"),
        ("/search?q=ben&only=people&after=900", "That was all"),
    ):
        answer = chris.get(path)
        assert answer.status_code == 200
        assert words in unescape(answer.text), path


def test_more_of_it_is_one_click_away_and_nothing_comes_twice(
    db: Database, company: Company, client_of: Client
) -> None:
    written = {
        told(db, company, giver, about, story=f"Umbrella {number} {giver} {about}," + MORE)
        for number, (giver, about) in enumerate(
            (giver, about) for giver in ("ana", "dan", "lea") for about in ("ben", "chris", "eve", "max")
        )
    }
    seen: list[str] = []
    path: str | None = "/search?q=umbrella"
    while path:
        page = client_of("ada").get(path).text
        seen += found(page)
        link = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(link[1]) if link else None
    assert len(seen) == len(set(seen)) == len(written) == 12


def test_one_kind_can_be_looked_for_alone(db: Database, company: Company, client_of: Client) -> None:
    told(db, company, "ana", "ben", story=SHIRT)
    lea = client_of("lea")
    heads = {
        only: re.findall(r'id="(\w+)-found"', lea.get(f"/search?q=ben{only}").text)
        for only in ("", "&only=people", "&only=stories", "&only=x")
    }
    assert heads == {
        "": ["people", "stories"],
        "&only=people": ["people"],
        "&only=stories": ["stories"],
        "&only=x": ["people", "stories"],
    }
    assert "/search?q=ben&amp;only=stories" in lea.get("/search?q=ben").text


def test_a_story_that_waits_says_so_to_its_teller_and_is_there_for_nobody_else(
    db: Database, company: Company, client_of: Client
) -> None:
    with db.writing() as session:
        for team in session.exec(select(Team)):
            team.accepts = "lead"
    told(db, company, "ana", "ben", story=SHIRT)
    assert "waits for a lead" in client_of("ana").get("/search?q=shirt").text
    assert "Nothing has all of these words" in client_of("ben").get("/search?q=shirt").text


def test_every_page_has_a_way_to_search_without_javascript(client_of: Client) -> None:
    page = client_of("ana").get("/").text
    assert page.count('<form class="menu-search menu-small-only" method="get" action="/search"') == 1
    assert 'href="/search" data-palette="/search/palette"' in page


# --- the palette --------------------------------------------------------------------------------------------


def test_the_palette_leads_where_its_viewer_may_go(company: Company, client_of: Client) -> None:
    def pages(handle: str) -> set[str]:
        found = re.findall(
            r'role="option"[^>]* href="([^"]+)"', client_of(handle).get("/search/palette").text
        )
        assert len(found) == len(set(found))
        assert [path for path in found if client_of(handle).get(path).status_code not in (200, 302)] == []
        return set(found)

    member, lead, admin = pages("ana"), pages("lea"), pages("ada")
    assert {"/nominate", "/promises/new", "/", "/people", "/me"} <= member
    assert lead - member == {"/lead"}
    assert {"/admin", "/admin/people", "/admin/sources"} <= admin - lead


def test_one_address_leads_everybody_to_their_own_page(client_of: Client) -> None:
    assert client_of("ana").get("/me/page").location == "/people/ana"


in_a_browser = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def box(page: Page) -> Locator:
    """Where one types; the page behind has selects, which are called comboboxes, too."""
    return page.locator("#palette [role=combobox]")


def opened_by_keys(page: Page) -> None:
    page.keyboard.press("Control+k")
    expect(box(page)).to_be_focused()


@in_a_browser
def test_the_palette_opens_by_keys_finds_ben_and_enter_lands_on_his_page(opened: Opened) -> None:
    page = opened("/stories")
    opened_by_keys(page)
    page.keyboard.type("bEn")
    chosen = page.locator("#palette [aria-selected=true]")
    expect(chosen).to_contain_text("Ben")
    assert box(page).get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Enter")
    page.wait_for_url("**/people/ben")


@in_a_browser
def test_arrows_choose_and_escape_gives_the_focus_back(opened: Opened) -> None:
    page = opened("/stories")
    field = page.get_by_role("link", name="Tell the first story")
    field.focus()
    opened_by_keys(page)
    options = page.locator(".palette-option:visible")
    names = options.all_inner_texts()
    for key, expected in (
        ("ArrowDown", names[1]),
        ("ArrowUp", names[0]),
        ("ArrowUp", names[-1]),
        ("ArrowDown", names[0]),
    ):
        page.keyboard.press(key)
        expect(page.locator("#palette [aria-selected=true]")).to_have_text(expected)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(field).to_be_focused()
    opened_by_keys(page)
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()


@in_a_browser
def test_a_page_is_found_without_accents_and_dark_is_one_enter_away(opened: Opened) -> None:
    page = opened("/promises")
    page.get_by_role("link", name="Search, or go to a page").click()
    box(page).fill("appearance: DÁRK")
    expect(page.locator(".palette-option:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("html[data-bs-theme=dark]")).to_be_visible()
    assert page.url.endswith("/promises")


@in_a_browser
def test_what_nobody_knows_is_said_and_enter_searches_for_it(opened: Opened) -> None:
    page = opened("/")
    opened_by_keys(page)
    page.keyboard.type("zebra")
    expect(page.get_by_role("status").filter(has_text="No person and no story")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=zebra")


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_palette_is_open_to_everybody(
    opened: Opened, db: Database, company: Company, scheme: str
) -> None:
    told(db, company, "ana", "ben", story=SHIRT)
    for screen in (PHONE, DESK):
        page = opened("/", "ada", viewport=screen, color_scheme=scheme)
        opened_by_keys(page)
        assert barriers(page) == []
        page.keyboard.type("ben")
        expect(page.locator(".palette-option:visible").filter(has_text="Everything about")).to_be_visible()
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
        small = (
            "all => all.filter(one => one.offsetHeight && one.offsetHeight < 43.5).map(one => one.outerHTML)"
        )
        assert page.eval_on_selector_all("dialog button, dialog [role=option]", small) == []


@in_a_browser
@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_the_bar_at_the_top_has_room_for_everything_an_admin_may_open(opened: Opened, language: str) -> None:
    for width in (360, 1024, 1376, 1440):
        page = opened("/search", "ada", viewport={"width": width, "height": 600}, locale=language)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


@in_a_browser
def test_somebody_signed_out_meanwhile_comes_to_the_sign_in_page(opened: Opened, app: Flask) -> None:
    page = opened("/")
    page.context.clear_cookies()
    page.keyboard.press("Control+k")
    page.wait_for_url("**/sign-in**")
