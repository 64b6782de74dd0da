"""The home page: stories first, then the board; unchanged pages cost a 304."""

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from flask import Flask

from leaderboard import nominations
from leaderboard.database import Database
from leaderboard.nominations import Telling
from leaderboard.tables import Person, Team
from tests.make import NOON, Clock, Company, a_story
from tests.test_ledger import take_in, thanks, withdraw
from tests.test_standings import give
from tests.visitor import Visitor

Client = Callable[[str], Visitor]


def tell(
    db: Database,
    company: Company,
    giver: str,
    about: str,
    story: str = "",
    guideline: str = "team-player",
    at: datetime = NOON,
) -> str:
    """An accepted story's public id."""
    with db.writing() as session:
        for team in (session.get_one(Team, id_) for id_ in company.teams.values()):
            team.accepts = "at_once"
        person = session.get_one(Person, company[giver])
        return nominations.nominate(session, person, Telling((about,), guideline, story or a_story()), at).uid


def change(db: Database, company: Company, handle: str, **values: object) -> None:
    with db.writing() as session:
        person = session.get_one(Person, company[handle])
        for name, value in values.items():
            setattr(person, name, value)


def rows(page: str) -> list[tuple[int, str, int]]:
    """Rank, name and points of each row of the board, from the top."""
    found = re.findall(
        r'class="standing-rank">.*?</span>(\d+)</span>.*?class="person".*?<span>([^<]+)</span>.*?class="standing-points"[^>]*>(\d+)<',
        page,
        re.DOTALL,
    )
    return [(int(rank), unescape(name), int(points)) for rank, name, points in found]


def test_the_first_visitor_is_told_how_it_begins(client_of: Client) -> None:
    page = client_of("ana").get("/").text
    assert "No story has been told yet" in page
    assert "opens the board" in page
    main = page[page.index("<main") : page.index("</main>")]
    assert main.count('href="/nominate"') == 1, "one question, one button"
    assert "<select" not in main
    assert "<select" not in client_of("ana").get("/board").text


def test_stories_come_before_the_ranking(client_of: Client, db: Database, company: Company) -> None:
    told = (
        "Ben stayed with the customer until the locksmith came, and then drove her to the airport himself. "
        * 2
    )
    tell(db, company, "ana", "ben", told)
    page = client_of("chris").get("/").text
    assert unescape(page).index(told.strip()) < page.index('id="board"')
    assert "The newest story" in page


def test_a_story_of_an_earlier_week_is_not_called_new(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    tell(db, company, "ana", "ben")
    clock.forward(days=7)
    page = client_of("chris").get("/").text
    assert "The last story told" in page
    assert "The newest story" not in page


def test_ties_share_a_rank_and_the_tail_is_not_shown(
    client_of: Client, db: Database, company: Company
) -> None:
    give(db, ana=6, ben=5, chris=5, dan=4, eve=3, max=2, lea=1)
    assert rows(client_of("ana").get("/").text) == [
        (1, "Ana", 48),
        (2, "Chris", 40),
        (2, "Ben", 40),
        (4, "Dan", 32),
        (5, "Eve", 24),
    ]


def test_one_sees_ones_own_neighbours(client_of: Client, db: Database, company: Company) -> None:
    give(db, ana=7, ben=6, chris=5, dan=4, eve=3, max=2, lea=1)
    page = client_of("lea").get("/").text
    assert rows(page)[5:] == [(6, "Max", 16), (7, "Lea", 8)]
    assert rows(client_of("max").get("/").text)[5:] == [(6, "Max", 16), (7, "Lea", 8)]
    assert "around you" in page
    assert "around you" not in client_of("ana").get("/").text


def test_many_on_one_rank_do_not_become_a_list_of_everybody(
    client_of: Client, db: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.web.home.MOST", 3)
    give(db, ana=1, ben=1, chris=1, dan=1, eve=1)
    page = client_of("lea").get("/").text
    assert len(rows(page)) == 3
    assert "and more people with the same points" in page


def test_a_team_and_a_guideline_can_be_asked_for(client_of: Client, db: Database, company: Company) -> None:
    give(db, ana=1, dan=2)
    tell(db, company, "ana", "ben", guideline="above-and-beyond")
    ana = client_of("ana")
    assert rows(ana.get("/?team=shop").text) == [(1, "Dan", 16)]
    assert rows(ana.get("/?guideline=above-and-beyond").text) == [(1, "Ben", 10)]
    assert rows(ana.get("/?guideline=nonsense&team=nobody&period=%00").text) == rows(ana.get("/").text)


def test_month_quarter_and_year_stand_beside_the_week(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    take_in(db, thanks(1, agent="ana@example.com"), now=NOON)
    clock.forward(days=21)  # another week, another month, the same quarter
    take_in(db, thanks(2, hours=24 * 22, agent="ben@example.com"), now=clock())
    chris = client_of("chris")
    assert rows(chris.get("/").text) == [(1, "Ben", 8)]
    assert rows(chris.get("/?period=month").text) == [(1, "Ben", 8)]
    assert sorted(rows(chris.get("/?period=quarter").text)) == [(1, "Ana", 8), (1, "Ben", 8)]
    assert sorted(rows(chris.get("/?period=year").text)) == [(1, "Ana", 8), (1, "Ben", 8)]


def test_movement_compares_with_last_week(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    give(db, ana=2, ben=1)
    clock.forward(days=7)
    later = [thanks(50 + n, hours=24 * 7 + n, agent="ben@example.com") for n in range(2)]
    later += [
        thanks(60, hours=24 * 7, agent="ana@example.com"),
        thanks(61, hours=24 * 7, agent="chris@example.com"),
    ]
    take_in(db, *later, now=clock())
    page = client_of("dan").get("/").text
    moves = re.findall(r'class="movement[^"]*">(.*?)</span>\s*<a', page, re.DOTALL)
    ben, chris, ana = (" ".join(re.sub(r"<[^>]+>", " ", move).split()) for move in moves)
    assert (ben, chris, ana) == ("up 1", "new", "down 1")


def test_a_team_that_switched_its_board_off_sees_none(
    client_of: Client, db: Database, company: Company
) -> None:
    give(db, ana=1, dan=1)
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).board = False
    ana, dan = client_of("ana"), client_of("dan")
    assert rows(ana.get("/").text) == []
    assert "without a ranking" in ana.get("/").text
    assert "without a ranking" in dan.get("/?team=care").text
    assert rows(dan.get("/").text) != []
    assert ana.get("/board.csv").text.count("\n") == 1


def test_a_board_shows_the_alias_and_no_way_to_the_person(
    client_of: Client, db: Database, company: Company
) -> None:
    give(db, ben=1)
    change(db, company, "ben", visibility="alias", alias="Quiet Owl")
    page = client_of("ana").get("/").text
    board = page[page.index('id="board"') :].partition("</section>")[0]
    assert rows(page) == [(1, "Quiet Owl", 8)]
    assert "/people/ben" not in board
    assert "Ben" not in board
    assert rows(client_of("ben").get("/").text) == [(1, "Ben", 8)]


def test_team_only_people_are_ranked_inside_their_team_alone(
    client_of: Client, db: Database, company: Company
) -> None:
    give(db, ben=1)
    change(db, company, "ben", visibility="team")
    assert rows(client_of("ana").get("/").text) == []
    assert rows(client_of("ana").get("/?team=care").text) == [(1, "Ben", 8)]
    assert rows(client_of("dan").get("/?team=care").text) == []


def test_an_unchanged_page_is_answered_304(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    give(db, ana=1)
    ana = client_of("ana")
    first = ana.get("/")
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = ana.get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    assert ana.get("/board", headers={"If-None-Match": etag}).status_code == 304
    take_in(db, thanks(99, agent="ben@example.com"), now=clock())
    moved = ana.get("/", headers={"If-None-Match": etag})
    assert moved.status_code == 200
    assert (1, "Ben", 8) in rows(moved.text)


@pytest.mark.parametrize("what", ["person", "day", "look", "address"])
def test_what_else_changes_a_page_changes_its_etag(
    client_of: Client, db: Database, company: Company, clock: Clock, what: str
) -> None:
    ana = client_of("ana")
    etag, path = ana.get("/").headers["ETag"], "/"
    if what == "person":
        ana = client_of("ben")
    elif what == "day":
        clock.forward(hours=13)
    elif what == "look":
        ana.submit("/appearance", {"theme": "dark"})
    else:
        path = "/?period=month"
    assert ana.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_a_notice_is_not_kept_back_by_a_304(app: Flask, client_of: Client) -> None:
    ana = client_of("ana")
    etag = ana.get("/").headers["ETag"]
    with ana.session_transaction() as session:
        session["_flashes"] = [("success", "It landed.")]
    assert "It landed." in ana.get("/", headers={"If-None-Match": etag}).text


def test_an_open_page_hears_of_a_new_story(client_of: Client, db: Database, company: Company) -> None:
    chris = client_of("chris")
    first = tell(db, company, "ana", "ben")
    live = unescape(re.search(r'hx-get="(/board[^"]*)"', chris.get("/").text)[1])  # type: ignore[index]
    assert live == f"/board?seen={first}"
    assert "A new story has been told" not in chris.get(live).text
    tell(db, company, "ben", "dan")
    news = chris.get(live).text
    assert "A new story has been told" in news
    assert "<html" not in news
    assert "No story has been told" not in news


def test_the_board_as_a_file_is_what_the_page_shows(
    client_of: Client, db: Database, company: Company
) -> None:
    give(db, ana=7, ben=6, chris=5, dan=4, eve=3, max=2, lea=1)
    change(db, company, "ben", name="=HYPERLINK(1)")
    lea = client_of("lea")
    answer = lea.get("/board.csv?period=month")
    table = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="board-2026-11.csv"'
    assert table[0] == ["Rank", "Person", "Points"]
    assert table[2] == ["2", "'=HYPERLINK(1)", "48"]
    assert [row[1] for row in table[-2:]] == ["Max", "Lea"]


def test_customers_words_are_for_all_and_their_names_are_not(
    client_of: Client, db: Database, company: Company
) -> None:
    take_in(db, thanks(1, agent="ana@example.com", customer="ito@example.net", url="https://desk.example/1"))
    ben, ana = client_of("ben").get("/").text, client_of("ana").get("/").text
    assert "She found our luggage!" in ben
    assert "ito@example.net" not in ben
    assert "ito@example.net" in ana


def test_thanks_taken_back_are_gone(client_of: Client, db: Database, company: Company) -> None:
    take_in(db, thanks(1))
    take_in(db, withdraw("rating/1/thanks"), now=NOON + timedelta(hours=1))
    assert "She found our luggage!" not in client_of("ben").get("/").text


def board_for(visitor: Visitor, query: str = "") -> tuple[list[tuple[int, str, int]], list[str], str]:
    """Its rows, who of them is marked as the viewer, and all of it."""
    part = visitor.get("/board" + query).text.partition("</section>")[0]
    mine = [row for row in part.split("<li ") if "standing-me" in row]
    return rows(part), [name for row in mine for _, name, _ in rows(row)], part


def test_a_board_drawn_before_is_shown_to_nobody_whom_it_is_not_for(
    client_of: Client, db: Database, company: Company, clock: Clock
) -> None:
    give(db, ana=4, ben=3, dan=2, eve=1)
    change(db, company, "ben", visibility="alias", alias="Quiet Owl")
    change(db, company, "dan", visibility="team")
    change(db, company, "chris", locale="de")
    all_see = [(1, "Ana", 32), (2, "Quiet Owl", 24), (3, "Eve", 8)]
    ben_sees = [(1, "Ana", 32), (2, "Ben", 24), (3, "Eve", 8)]
    for turn in range(2):  # in the second everything has been drawn
        for who in ("lea", "ana", "ben", "chris", "lea"):
            seen, mine, part = board_for(client_of(who))
            assert seen == (ben_sees if who == "ben" else all_see), who
            assert mine == ([who.title()] if who in ("ana", "ben") else []), who
            assert f'"/people/{who}/points">' in part
            assert ("der Vorwoche" in part, "All five" in part) == (who == "chris", who != "chris")
        for who, dans in (("ana", []), ("eve", [(1, "Dan", 16)]), ("dan", [(1, "Dan", 16)]), ("lea", [])):
            seen, mine, part = board_for(client_of(who), "?team=shop")
            assert seen[: len(dans)] == dans, who
            assert ("Dan" in part) is bool(dans), who
            assert mine == ([who.title()] if who in ("eve", "dan") else []), who
        for period, said in (("month", "Month"), ("week", "Week"), ("year", "Year")):
            part = board_for(client_of("lea"), f"?period={period}")[2]
            assert re.findall(r'aria-current="true">(\w+)<', part) == [said]
            assert f"compare with last {period}" in part
        take_in(db, thanks(900 + turn, kind="ticket.solved"), now=clock())  # a change, but none of the board
    change(db, company, "ana", locale="de", changed_at=clock() + timedelta(seconds=1))
    assert "Alle fünf" in board_for(client_of("ana"))[2]
    take_in(db, *(thanks(950 + n, agent="ben@example.com") for n in range(3)), now=clock())
    assert board_for(client_of("lea"))[0][:2] == [(1, "Quiet Owl", 48), (2, "Ana", 32)]
    change(db, company, "ben", visibility="off")
    take_in(db, thanks(990, kind="ticket.solved"), now=clock())
    assert [name for _, name, _ in board_for(client_of("lea"))[0]] == ["Ana", "Eve"]
