"""The screen in the office: one story after the other, and nothing that is not for everybody's eyes."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from leaderboard import nominations
from leaderboard.database import Database
from leaderboard.tables import Person, Team
from tests.make import NOON, Company
from tests.test_ledger import take_in, thanks
from tests.test_standings import give
from tests.visitor import Visitor
from tests.web.test_browser import Opened, address, opened
from tests.web.test_home import change, tell
from tests.web.test_weeks import DESK, closed, week, winner

__all__ = ["address", "closed", "opened", "week"]
Client = Callable[[str], Visitor]
FIRST = "He walked the parcel over to the hotel himself, because the courier had already left for the day."
SECOND = (
    "She stayed on the phone with a customer of eighty-four until the printer had printed its first page."
)


@pytest.fixture
def two(db: Database, company: Company) -> list[str]:
    """Two stories' ids, the newest first: the SECOND about Dan, the FIRST about Ben."""
    tell(db, company, "ana", "ben", FIRST)
    tell(db, company, "chris", "dan", SECOND)
    with db.reading() as session:
        viewer = session.get_one(Person, company["lea"])
        return [card.id for card in nominations.wall(session, viewer, NOON).stories]


def words(visitor: Visitor, path: str = "/screen") -> str:
    """The story on the screen."""
    found = re.search(r'class="screen-words">([^<]*)<', visitor.get(path).text)
    assert found
    return unescape(found[1])


def on(visitor: Visitor, path: str = "/screen") -> str:
    """Where the screen asks for its next turn; with and without script it is the same."""
    page = unescape(visitor.get(path).text)
    scripted = re.search(r'hx-get="([^"]+)" hx-trigger="every (\d+)s"', page)
    plain = re.search(r'<noscript><meta http-equiv="refresh" content="(\d+); url=([^"]+)"></noscript>', page)
    assert scripted
    assert plain
    assert scripted.groups() == plain.groups()[::-1]
    assert 10 <= int(plain[1]) <= 60
    return scripted[1]


def test_one_story_follows_the_other_and_then_the_first_again(client_of: Client, two: list[str]) -> None:
    screen = client_of("lea")
    assert words(screen) == SECOND
    then = on(screen)
    assert words(screen, then) == FIRST
    again = on(screen, then)
    assert words(screen, again) == SECOND
    assert words(screen, "/screen?after=nonsense&hold=%00") == SECOND


def test_who_wants_to_read_on_stops_it(
    client_of: Client, two: list[str], db: Database, company: Company
) -> None:
    screen = client_of("lea")
    held = f"/screen?hold={two[1]}"
    assert words(screen, held) == FIRST
    assert words(screen, on(screen, held)) == FIRST
    assert f'href="/screen?after={two[1]}"' in screen.get(held).text
    change(db, company, "ben", visibility="off")
    assert words(screen, held) == SECOND


def test_a_story_taken_back_is_gone_at_the_next_turn(client_of: Client, two: list[str]) -> None:
    screen = client_of("lea")
    then = on(screen)
    client_of("ana").submit(f"/stories/{two[1]}/withdraw")
    assert words(screen, then) == SECOND


def test_it_names_nobody_who_is_not_there_for_everybody_whoever_is_signed_in(
    client_of: Client, two: list[str], db: Database, company: Company
) -> None:
    give(db, ben=2, dan=1)
    assert ">Ben<" in client_of("lea").get("/screen").text
    for visibility in ("alias", "team", "off"):
        change(db, company, "ben", visibility=visibility, alias="Comet")
        for handle in ("ben", "chris", "ada"):  # oneself, the same team, an admin
            screen = client_of(handle)
            assert words(screen, on(screen)) == SECOND
            page = screen.get("/screen").text
            assert ">Ben<" not in page
            assert "Ben " not in page
            assert (">Comet<" in page) == (visibility == "alias")


def test_whoever_says_no_to_screens_is_on_none_and_stays_on_the_wall(
    client_of: Client, two: list[str], db: Database
) -> None:
    give(db, ben=2, dan=1)
    ben, screen = client_of("ben"), client_of("lea")
    assert 'name="on_screens" type="checkbox" value="y"' in ben.get("/me").text
    settings = {"name": "Ben", "visibility": "on", "theme": "", "locale": ""}
    assert ben.submit("/me", settings).status_code == 303
    assert words(screen, on(screen)) == SECOND
    assert ">Ben<" not in screen.get("/screen").text
    assert FIRST in unescape(screen.get("/stories").text)
    assert ">Ben<" in screen.get("/").text
    ben.submit("/me", settings | {"on_screens": "y"})
    assert words(screen, on(screen)) == FIRST


def test_a_customers_words_stand_beside_the_story_without_their_name(
    client_of: Client, two: list[str], db: Database
) -> None:
    take_in(db, thanks(1, agent="dan@example.com", text="Patience itself!", customer="Mrs Ito"))
    page = client_of("ada").get("/screen").text
    assert "Patience itself!" in page
    assert "A customer to Dan" in page
    assert "Ito" not in page


def test_this_weeks_first_few_stand_beside_it_unless_the_team_has_no_board(
    client_of: Client, two: list[str], db: Database, company: Company
) -> None:
    give(db, ana=7, ben=3, chris=3, eve=1)
    page = client_of("lea").get("/screen").text
    found = re.findall(r'standing-rank">.*?</span>(\d)</span><span class="screen-name">(\w+)<', page)
    assert found == [("1", "Ana"), ("2", "Ben"), ("3", "Chris")]
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).board = False
    assert "Team players of this week" not in client_of("lea").get("/screen").text


def test_the_last_winners_stand_beside_it_once_they_are_announced(
    closed: int, client_of: Client, db: Database, company: Company
) -> None:
    assert "Celebrated" not in client_of("dan").get("/screen").text
    client_of("lea").submit(DESK, {f"words-{winner(db)}": "Ana drove it there.", "action": "announce"})
    page = client_of("dan").get("/screen").text
    assert "Celebrated in week 47" in page
    assert ">Ana<" in page[page.index("Celebrated in week 47") :]
    change(db, company, "ana", on_screens=False)
    assert "Celebrated" not in client_of("dan").get("/screen").text


def test_before_the_first_story_it_asks_for_one(client_of: Client) -> None:
    screen = client_of("lea")
    assert "The first story will stand here" in screen.get("/screen").text
    assert urlsplit(on(screen)).path == "/screen"


def test_after_an_upgrade_an_open_screen_loads_the_page_anew(client_of: Client) -> None:
    screen = client_of("lea")
    ask = {"HX-Request": "true"}
    assert screen.get("/screen?version=0.0.1", headers=ask).headers["HX-Refresh"] == "true"
    assert "HX-Refresh" not in screen.get(on(screen), headers=ask).headers


def test_where_a_colleague_would_look_there_is_a_way_to_it(client_of: Client, two: list[str]) -> None:
    assert 'href="/screen"' in client_of("ana").get("/stories").text
    assert 'href="/screen"' in client_of("lea").get("/").text
    assert 'href="/screen"' in client_of("ana").get("/search/palette").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_in_a_browser_it_turns_by_itself_and_escape_leaves(opened: Opened, two: list[str]) -> None:
    page = opened("/screen", "lea", viewport={"width": 1920, "height": 1080})
    page.clock.install()
    page.reload()
    page.evaluate("window.same = true")
    expect(page.locator(".screen-words")).to_have_text(SECOND)
    page.clock.fast_forward(60_000)
    expect(page.locator(".screen-words")).to_have_text(FIRST)
    assert page.evaluate("window.same")
    sizes = page.eval_on_selector_all(
        ".screen-words, h2, .screen-name", "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 30  # of 1080: on a screen of 55 inches about 19 mm, which one reads from four metres
    assert page.evaluate("document.documentElement.scrollHeight") == 1080
    page.keyboard.press("Escape")
    page.wait_for_url("**/")
