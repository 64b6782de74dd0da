"""/people and what it explains, as far as each person's visibility allows."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest

from leaderboard.database import Database
from tests.make import NOON, Clock, Company
from tests.test_ledger import take_in, thanks, withdraw
from tests.test_standings import give
from tests.visitor import Visitor
from tests.web.test_home import change, tell

Client = Callable[[str], Visitor]


def text(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def names(page: str) -> list[str]:
    return re.findall(r'class="person" href="/people/([^"]+)"', page)


# --- the directory ------------------------------------------------------------------------------------------


def test_everybody_is_found_by_name_and_by_team(client_of: Client, company: Company) -> None:
    ana = client_of("ana")
    assert names(ana.get("/people").text) == ["ada", "ana", "ben", "chris", "dan", "eve", "lea", "max"]
    assert names(ana.get("/people?name=CH").text) == ["chris"]
    assert names(ana.get(f"/people?team={company.teams['Shop']}").text) == ["dan", "eve", "max"]
    assert "Nobody is called that here" in ana.get("/people?name=%25").text


def test_leavers_and_bots_are_not_in_the_directory(client_of: Client, db: Database, company: Company) -> None:
    change(db, company, "ben", active=False)
    change(db, company, "chris", bot=True)
    assert names(client_of("ana").get("/people").text) == ["ada", "ana", "dan", "eve", "lea", "max"]


def test_pages_of_the_directory_leave_nobody_out(client_of: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaderboard.web.people.PAGE", 3)
    ana, path, seen = client_of("ana"), "/people", []
    while path:
        page = ana.get(path).text
        seen += names(page)
        match = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(match[1]) if match else ""
    assert seen == ["ada", "ana", "ben", "chris", "dan", "eve", "lea", "max"]


@pytest.mark.parametrize(
    "query",
    ["team=9999999999999999999999", "after=-1", "name=%00", "name=%ED%A0%80", "team=१", "after=99999"],
)
def test_no_question_breaks_the_directory(client_of: Client, query: str) -> None:
    assert client_of("ana").get(f"/people?{query}").status_code == 200


def test_the_directory_as_a_file(client_of: Client) -> None:
    table = list(
        csv.reader(io.StringIO(client_of("ana").get("/people.csv?name=an").data.decode("utf-8-sig")))
    )
    assert table == [["Name", "Handle", "Team"], ["Ana", "ana", "Care"], ["Dan", "dan", "Shop"]]


# --- a person's page ----------------------------------------------------------------------------------------


def test_a_page_tells_what_was_said_and_every_point_is_explained_one_click_away(
    client_of: Client, db: Database, company: Company
) -> None:
    uid = tell(db, company, "ana", "ben")
    take_in(db, thanks(1, agent="ben@example.com"))
    ben = client_of("ben")
    page = ben.get("/people/ben").text
    assert f'href="/stories/{uid}"' in page
    assert page.count("She found our luggage!") == 1
    assert "What people said about you" in page
    assert "This week 18 points" in text(page)
    assert 'href="/people/ben/points"' in page
    statement = ben.get("/people/ben/points").text
    assert "She found our luggage!" in statement
    words = text(statement)
    assert "This week 18 points" in words
    assert "A colleague's story" in words
    assert "from Ana" in words
    assert "A customer's thanks" in words
    assert "Counts in full." in words
    assert 'href="/weeks/2026-W47"' in statement


def test_who_wants_to_tell_a_story_about_somebody_finds_them_chosen(client_of: Client) -> None:
    ana = client_of("ana")
    way = re.search(r'href="(/nominate\?[^"]+)"', ana.get("/people/ben").text)
    assert way
    assert re.search(r'name="nominees" value="[^"]+" checked>.*Ben', ana.get(unescape(way[1])).text)


def test_the_diary_is_told_newest_first_by_month_and_leaves_nothing_out(
    client_of: Client, db: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.web.people.MOMENTS", 2)
    for number, days in enumerate((40, 20, 3)):
        at = NOON - timedelta(days=days)
        take_in(db, thanks(number, agent="ben@example.com", text=f"Thanks {number}", occurred_at=at))
    tell(db, company, "ana", "ben", at=NOON - timedelta(days=30))
    tell(db, company, "chris", "ben", at=NOON - timedelta(days=1))
    ben, path, seen, months = client_of("ben"), "/people/ben", [], []
    while path:
        page = ben.get(path).text
        seen += re.findall(r'<article class="story"|Thanks \d', page)
        months += re.findall(r'class="diary-name">([^<]+)<', page)
        match = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(match[1]) if match else ""
    assert seen == ['<article class="story"', "Thanks 2", "Thanks 1", '<article class="story"', "Thanks 0"]
    assert months == ["November 2026", "October 2026", "October 2026"]


@pytest.mark.parametrize("after", ["~", "~-1", "x~y", "1.2~", "%00", "~999999999999999999999", "٣~٣"])
def test_no_place_in_a_diary_breaks_it(client_of: Client, after: str) -> None:
    assert client_of("ana").get(f"/people/ben?after={after}").status_code in (200, 400)


def test_what_was_taken_back_stands_as_an_entry_of_its_own(
    client_of: Client, db: Database, company: Company
) -> None:
    take_in(db, thanks(1, agent="ben@example.com"))
    take_in(db, withdraw("rating/1/thanks"), now=NOON + timedelta(hours=1))
    words = text(client_of("ben").get("/people/ben/points").text)
    assert "Taken back: A customer's thanks" in words
    assert "This week 0 points" in words


def test_a_limit_says_what_it_would_have_been(client_of: Client, db: Database, company: Company) -> None:
    give(db, ben=8)
    words = text(client_of("ben").get("/people/ben/points").text)
    assert "Cap reached: the week's points from this kind of witness." in words
    assert "In full it would have been 8 points." in words


@pytest.mark.parametrize(
    ("visibility", "viewer", "sees"),
    [
        ("on", "dan", True),
        ("alias", "ana", False),
        ("team", "ana", True),
        ("team", "dan", False),
        ("off", "ana", False),
        ("off", "ben", True),
        ("alias", "ben", True),
        ("off", "lea", True),
        ("off", "max", False),
        ("off", "ada", True),
    ],
)
def test_points_are_seen_as_far_as_the_person_allows(
    client_of: Client, db: Database, company: Company, visibility: str, viewer: str, sees: bool
) -> None:
    give(db, ben=1)
    change(db, company, "ben", visibility=visibility, alias="Quiet Owl")
    client = client_of(viewer)
    page = client.get("/people/ben").text
    assert ('class="plot' in page) is sees
    assert ('href="/people/ben/points"' in page) is sees
    statement = client.get("/people/ben/points")
    assert statement.status_code == (200 if sees else 404)
    assert ("A customer's thanks" in unescape(statement.text)) is sees
    assert client.get("/people/ben/points.csv").status_code == (200 if sees else 404)


def test_colleagues_see_the_entry_but_not_the_customer(
    client_of: Client, db: Database, company: Company
) -> None:
    take_in(
        db,
        thanks(
            1,
            agent="ben@example.com",
            customer="ito@example.net",
            url="https://desk.example/1",
            text="Just for Ben",
        ),
    )
    for who, trusted in (("ben", True), ("lea", True), ("ada", True), ("ana", False), ("max", False)):
        page = client_of(who).get("/people/ben/points").text
        entries = page[page.index('id="points"') :]
        assert ("ito@example.net" in entries) is trusted, who
        assert ("Just for Ben" in entries) is trusted, who
        assert ("https://desk.example/1" in entries) is trusted, who
        file = client_of(who).get("/people/ben/points.csv").text
        assert ("ito@example.net" in file) is trusted, who


def test_the_entries_go_on_where_the_page_ended(
    client_of: Client, db: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.web.people.ENTRIES", 2)
    give(db, ben=5)
    ben, path, seen = client_of("ben"), "/people/ben/points", []
    while path:
        page = ben.get(path).text
        seen += re.findall(r'id="entry-(\d+)"', page)
        match = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(match[1]) if match else ""
    assert len(seen) == len(set(seen)) == 5
    table = list(csv.reader(io.StringIO(ben.get("/people/ben/points.csv").data.decode("utf-8-sig"))))
    assert sum(int(row[3]) for row in table[1:]) == 40


def test_an_address_or_id_leads_to_the_handle_and_nothing_else_does(
    client_of: Client, company: Company
) -> None:
    ana = client_of("ana")
    assert ana.get("/people/ben@example.com").headers["Location"] == "/people/ben"
    assert ana.get(f"/people/{company.uids['ben']}").headers["Location"] == "/people/ben"
    for nobody in ("nobody", "%00", "x" * 400, "ben%0d%0aX: y"):
        assert ana.get(f"/people/{nobody}").status_code == 404


def test_times_are_shown_by_the_clocks_of_the_viewers_team(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    take_in(db, thanks(1, agent="ben@example.com"))  # Monday, 09:00 UTC
    assert "Monday, 10:00" in client_of("ana").get("/people/ben").text
    assert "Monday, 04:00" in client_of("dan").get("/people/ben").text.replace("\u202f", " ")
