"""What people keep to themselves stays there: on boards, in weeks and announcements, on screens, in what machines are told."""

import base64
import re
from collections.abc import Callable
from html import unescape
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from sqlmodel import col, select

from leaderboard import jobs, nominations, people, recognition
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.ledger import merging
from leaderboard.nominations import Telling
from leaderboard.tables import ClosedWeek, Person, Team
from tests.make import NOON, Clock, Company, a_story
from tests.test_ledger import take_in, thanks
from tests.test_recognition import MONDAY, WEEK, told
from tests.test_standings import give
from tests.visitor import Visitor
from tests.web.test_home import change, rows
from tests.web.test_weeks import DESK, closed, week, winner

__all__ = ["closed", "week"]
ClientOf = Callable[[str], Visitor]
Call = Callable[..., Any]
Closing = Callable[[], None]
WEEK_PAGE = "/weeks/2026-W47?team=care"


# ---------------------------------------------------------------- boards


def test_who_is_of_a_team_without_a_board_stands_on_the_companys_neither(
    client_of: ClientOf, db: Database, company: Company, call: Call
) -> None:
    give(db, ana=3, dan=2, eve=1)
    habits = {"accepts": "lead", "board": ""}
    client_of("lea").submit("/lead/team/care/settings", habits)
    dan = client_of("dan")
    assert rows(dan.get("/").text) == [(1, "Dan", 16), (2, "Eve", 8)]
    assert "Ana" not in dan.get("/board.csv").text
    assert "Ana" not in dan.get("/screen").text
    named = [row["person"]["name"] for row in call("dan", "/standings").json["standings"]]
    assert named == ["Dan", "Eve"]
    client_of("lea").submit("/lead/team/care/settings", habits | {"board": "yes"})
    assert rows(dan.get("/").text)[0] == (1, "Ana", 24)


def test_no_place_in_a_list_tells_who_is_behind_an_alias(db: Database, company: Company, call: Call) -> None:
    give(db, ana=3, dan=2)
    change(db, company, "ana", visibility="alias", alias="Quiet Owl")
    place = call("dan", "/standings?limit=1").json["next"]
    for part in place.split("."):
        plain = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        assert not re.search(rb"24\W+%d\b" % company["ana"], plain), plain
    assert call("dan", f"/standings?after={place}").json["standings"][0]["person"]["handle"] == "dan"


def test_asking_for_somebodys_thanks_does_not_tell_their_alias(
    db: Database, company: Company, call: Call
) -> None:
    give(db, ana=1)
    change(db, company, "ana", visibility="alias", alias="Quiet Owl")
    assert "Quiet Owl" not in call("dan", "/thanks?person=ana").text
    assert call("dan", "/thanks").json["thanks"][0]["person"]["name"] == "Ana"


# ---------------------------------------------------------------- weeks and announcements


def test_why_a_lead_chose_somebody_is_for_leads(
    closed: int, client_of: ClientOf, company: Company, db: Database, call: Call
) -> None:
    lea = client_of("lea")
    why = {"category": "relationships", "person": company.uids["ben"], "reason": "Ana broke a rule."}
    lea.submit(f"{DESK}/winners/{winner(db)}/drop", why)
    assert "Ana broke a rule." in lea.get(DESK).text
    lea.submit(DESK, {"action": "announce"})
    assert "Ana broke a rule." in lea.get(DESK).text
    for path in (WEEK_PAGE, "/weeks/2026-W47", "/weeks", "/weeks.csv"):
        assert "broke a rule" not in client_of("dan").get(path).text, path
    assert "2 different witnesses" in client_of("dan").get(WEEK_PAGE).text
    for path in ("/weeks", "/weeks/2026-W47"):
        assert "broke a rule" not in call("dan", path).text, path


def test_who_takes_their_name_off_a_story_later_is_off_its_week_as_well(
    closed_on: Closing, client_of: ClientOf, db: Database, company: Company
) -> None:
    shared = tell_of(db, company, "ben", "ana", "chris")
    closed_on()
    assert told_by(client_of("dan").get(WEEK_PAGE).text, shared) == "Ana, Chris"
    client_of("ana").submit(f"/stories/{shared}/hide")
    assert told_by(client_of("dan").get(WEEK_PAGE).text, shared) == "Chris"


def told_by(page: str, story: str) -> str:
    """Whom a story of a week's page is about."""
    before = page.partition(f'href="/stories/{story}"')[0]
    return unescape(re.findall(r'told-who"><strong>([^<]*)<', before)[-1])


def test_a_week_leads_from_no_alias_to_a_name(
    closed_on: Closing, client_of: ClientOf, db: Database, company: Company
) -> None:
    change(db, company, "ana", visibility="alias", alias="Quiet Owl")
    change(db, company, "ben", alias="Grey Fox")
    wins(db, company, "ana", "courtesy-and-respect")
    wins(db, company, "ben", "relationships")
    closed_on()
    change(db, company, "ben", visibility="alias")
    message = announced(client_of, db)
    page = client_of("dan").get(WEEK_PAGE).text
    winners, stories = page.partition('id="winners"')[2].split('id="stories"')
    for text in (message, winners, client_of("dan").get("/weeks").text):
        assert "Quiet Owl: 18 points, seen by 2 different witnesses." in text
        assert "Grey Fox: 18 points, seen by 2 different witnesses." in text
        assert not re.search(r"Ana|Ben", text)
    assert "/stories/" not in winners
    stories = stories.partition('id="huddle"')[0]
    assert "Ana" in stories, "a story tells its people's names, as on the wall"
    assert "Quiet Owl" not in stories


def test_who_takes_an_alias_after_the_announcement_is_named_by_no_words_of_it(
    closed_on: Closing, client_of: ClientOf, db: Database, company: Company, call: Call
) -> None:
    wins(db, company, "ana", "relationships")
    closed_on()
    announced(client_of, db, "Nobody but Ana's hands could do it.")
    assert "Ana&#39;s hands" in client_of("dan").get(WEEK_PAGE).text
    change(db, company, "ana", visibility="alias", alias="Quiet Owl")
    dan, ana = client_of("dan"), client_of("ana")
    for path in (WEEK_PAGE, "/weeks/2026-W47", "/weeks", "/weeks.csv"):
        assert "Quiet Owl" in dan.get(path).text, path
        assert "hands" not in dan.get(path).text, path
    assert "hands" not in call("dan", "/weeks").text
    assert "Ana&#39;s hands" in ana.get(WEEK_PAGE).text


def test_who_leaves_the_boards_before_the_announcement_is_not_announced(
    closed_on: Closing, client_of: ClientOf, db: Database, company: Company
) -> None:
    wins(db, company, "ana", "relationships")
    wins(db, company, "ben", "courtesy-and-respect")
    closed_on()
    lea, ana = client_of("lea"), client_of("ana")
    assert "about Ana" in lea.get(DESK).text
    ana.submit("/me", {"name": "Ana", "visibility": "off", "theme": "", "locale": ""})
    assert "about Ana" not in lea.get(DESK).text
    pick = {"candidate": f"relationships {company.uids['ana']}", "reason": "She deserves it."}
    assert lea.submit(f"{DESK}/winners", pick).status_code == 422
    assert "Ana" not in announced(client_of, db)
    ana.submit("/me", {"name": "Ana", "visibility": "on", "theme": "", "locale": ""})
    winners = client_of("dan").get(WEEK_PAGE).text.partition('id="winners"')[2].partition('id="stories"')[0]
    assert "Ben" in winners
    assert "Ana" not in winners, "what was not announced is not added later"


@pytest.mark.parametrize("how", ["withdraw", "hide", "off"])
def test_a_story_that_is_not_for_everybody_any_more_is_not_announced(
    how: str, closed_on: Closing, client_of: ClientOf, db: Database, company: Company
) -> None:
    told = [tell_of(db, company, teller, "ana", "eve") for teller in ("chris", "ben")]
    closed_on()
    assert "told us" in client_of("lea").get(DESK).text
    for uid, teller in zip(told, ("chris", "ben"), strict=True):
        if how == "off":
            change(db, company, "eve", visibility="off")
        else:
            client_of(teller if how == "withdraw" else "ana").submit(f"/stories/{uid}/{how}")
    assert "told us" not in client_of("lea").get(DESK).text
    message = announced(client_of, db)
    assert "Ana: 10 points, seen by 2 different witnesses." in message
    assert "told us" not in message


# ---------------------------------------------------------------- who is told what


def test_of_evidence_colleagues_read_what_is_everybodys(db: Database, call: Call) -> None:
    take_in(db, thanks(1, evidence={"reason": "Mr Ito was late", "sender": "ito.example"}))
    (line,) = call("ben", "/people/ana/points").json["entries"]
    assert set(line["evidence"]) == {"entry", "occurred_at"}
    (line,) = call("lea", "/people/ana/points").json["entries"]
    assert line["evidence"]["reason"] == "Mr Ito was late"


def test_a_screen_names_no_teller_who_does_not_want_to_stand_on_it(
    client_of: ClientOf, db: Database, company: Company
) -> None:
    tell_of(db, company, "ben", "dan")
    assert "told by Ben" in client_of("lea").get("/screen").text
    for choice in ({"on_screens": False}, {"on_screens": True, "visibility": "off"}):
        change(db, company, "ben", **choice)
        page = client_of("lea").get("/screen").text
        assert "They " in page, "the story stays"
        assert "Ben" not in page


@pytest.mark.parametrize("choice", ["off", "team"])
def test_what_was_said_of_a_merged_account_is_seen_as_its_person_chose(
    choice: str, closed_on: Closing, client_of: ClientOf, db: Database, company: Company
) -> None:
    uid = tell_of(db, company, "lea", "chris")
    take_in(db, thanks(1, agent="chris@example.com", text="She found our luggage!", customer="Mr Ito"))
    closed_on()
    with db.writing() as session:
        merging.merge(session, company["chris"], company["ana"], "One person, two accounts.", MONDAY)
    change(db, company, "ana", visibility=choice)
    ben, dan, ana = client_of("ben"), client_of("dan"), client_of("ana")
    for path in ("/stories", "/", "/people/ana", "/people/thanks.csv", "/search?q=They"):
        assert "luggage" not in dan.get(path).text, path
        assert uid not in dan.get(path).text, path
    assert dan.get(f"/stories/{uid}").status_code == 404
    assert (uid in ben.get("/stories").text) == (choice == "team")
    assert uid in ana.get("/stories").text
    assert "She found our luggage!" in ana.get("/people/ana").text
    assert "Mr Ito" in ana.get("/people/ana").text
    assert f"/stories/{uid}/hide" in ana.get(f"/stories/{uid}").text


def test_a_lead_picks_no_account_of_their_own_and_announces_no_win_of_it(
    closed_on: Closing, client_of: ClientOf, db: Database, company: Company
) -> None:
    with db.writing() as session:
        for giver in ("ana", "ada"):
            told(session, company, giver, "chris", points=9)
            told(session, company, giver, "ben", points=5)
    closed_on()
    with db.writing() as session:
        merging.merge(session, company["chris"], company["lea"], "One person, two accounts.", MONDAY)
    lea = client_of("lea")
    assert "You are among the winners" in lea.get(DESK).text
    assert lea.submit(DESK, {"action": "announce"}).status_code == 422
    lea.submit(f"{DESK}/winners/{winner(db)}/drop", {"reason": "Ben, please."})
    assert f"relationships {company.uids['chris']}" not in lea.get(DESK).text
    pick = {"candidate": f"relationships {company.uids['chris']}", "reason": "Why not?"}
    answer = lea.submit(f"{DESK}/winners", pick)
    assert answer.status_code == 422
    assert "Nobody picks themselves." in answer.text


def test_two_admins_who_step_down_at_once_leave_one(
    app: Flask, db: Database, company: Company, client_of: ClientOf
) -> None:
    change(db, company, "max", role="admin")
    max_ = client_of("max")
    member = {"name": "Max", "email": "max@example.com", "team": "shop", "role": "member"}
    answers: list[int] = []
    other = Thread(target=lambda: answers.append(max_.submit("/admin/people/max", member).status_code))
    with db.writing() as session:
        people.give_role(session, session.get_one(Person, company["ada"]), "member")
        other.start()
        other.join(0.3)  # whoever did not wait for us is done by now
    other.join()
    with db.reading() as session:
        left = session.exec(select(Person.handle).where(Person.role == "admin")).all()
    assert left == ["max"]
    assert answers == [200], "the form again, with the reason"


def test_nobody_feels_their_way_to_an_address_letter_by_letter(
    client_of: ClientOf, db: Database, company: Company
) -> None:
    tell_of(db, company, "ben", "ana")
    change(db, company, "ana", email="quiet.owl@example.com")
    dan = client_of("dan")
    assert "/people/ana" not in dan.get("/stories?person=quiet.o").text
    assert "Ana" not in dan.get("/nominate/find?q=quiet.o").text
    assert "Ana" in dan.get("/nominate/find?q=Quiet.Owl@example.com").text, "who knows it may use it"


# ---------------------------------------------------------------- what these tests tell and close


def tell_of(db: Database, company: Company, teller: str, *about: str) -> str:
    """The id of an accepted story about several people, told in the running week."""
    with db.writing() as session:
        for team_id in company.teams.values():
            session.get_one(Team, team_id).accepts = "at_once"
        telling = Telling(about, "relationships", a_story())
        return nominations.nominate(session, session.get_one(Person, company[teller]), telling, NOON).uid


def wins(db: Database, company: Company, who: str, category: str) -> None:
    """Two colleagues tell of them."""
    with db.writing() as session:
        for giver in ("chris", "lea"):
            words = f"{giver} saw how {who.title()} drove it to them, through the snow, after work."
            told(session, company, giver, who, category, points=9, text=words)


@pytest.fixture
def closed_on(app: Flask, db: Database, company: Company, clock: Clock) -> Closing:
    """Close week 47 of Care on Monday by the clock."""
    with db.writing() as session:
        for team_id in company.teams.values():
            session.get_one(Team, team_id).first_week = str(WEEK)

    def close() -> None:
        clock.at(MONDAY)
        assert jobs.close_weeks(db, app.extensions["config"], clock) == 1

    return close


def announced(client_of: ClientOf, db: Database, words: str = "") -> str:
    """Lea announces the week (with these words about its winner); what the channels get."""
    form = {"action": "announce"} | ({f"words-{winner(db)}": words} if words else {})
    assert client_of("lea").submit(DESK, form).status_code == 303
    with db.reading() as session:
        (row,) = session.exec(select(ClosedWeek).where(col(ClosedWeek.announced_at).is_not(None))).all()
        return recognition.message(session, Config(), row).text
