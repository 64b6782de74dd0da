"""Setting things right on the operator's pages: who an account is, two who are one, what a source brought in some time."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from leaderboard import jobs
from leaderboard.audit import audit
from leaderboard.database import Database
from leaderboard.tables import Act, FollowUp, Identity, Merge, Person, Promise, Reversal
from leaderboard.web import admin_reversals
from tests.make import NOON, Clock, Company
from tests.test_ledger import points, take_in, thanks
from tests.visitor import Visitor
from tests.web.test_hooks import FACT, send

ACCOUNTS = "/admin/sources/standard/accounts"
TAKE_BACK = "/admin/sources/standard/take-back"


def met(db: Database, account: str, name: str | None = None, email: str | None = None) -> int:
    """An account with a fact that waits for it, as the tool calls it; returns its id."""
    take_in(db, thanks(abs(hash(account)) % 10**8, agent=account), source="standard")
    with db.writing() as session:
        row = session.execute(select(Identity).where(Identity.account == account)).scalar_one()
        row.name, row.email = name, email
        return row.id or 0


def unsound(db: Database) -> list[str]:
    with db.reading() as session:
        return list(audit(session))


# ---------------------------------------------------------------- accounts


def test_an_account_is_suggested_with_its_reason_and_linked_by_one_button(
    db: Database, company: Company, ada: Visitor
) -> None:
    met(db, "a-1", "Ana")
    met(db, "a-2", "B. Enjamin", "ben@example.com")
    met(db, "chris")
    met(db, "a-4", "Maxx Power")
    with db.writing() as session:
        session.get_one(Person, company["max"]).name = "Max Power"
        for handle in ("dan", "eve"):
            session.get_one(Person, company[handle]).name = "Kim Doe"
    met(db, "a-5", "Kim Doe")
    met(db, "a-6", "Nobody Like This")
    page = ada.get(ACCOUNTS).text
    cards = dict(re.findall(r"<p><strong>([^<]+)</strong></p>(.*?)</li>", page, re.DOTALL))
    assert "This is Ana" in cards["Ana"]
    assert "the same name, and nobody else here has" in cards["Ana"]
    assert "This is Ben" in cards["B. Enjamin"]
    assert "their address, which the tool has not verified" in cards["B. Enjamin"]
    assert "This is Chris" in cards["chris"]
    assert "look twice" in cards["Maxx Power"]
    assert "2 people here have this name" in cards["Kim Doe"]
    assert "This is" not in cards["Kim Doe"] + cards["Nobody Like This"]
    form = re.search(
        r'action="(/admin/accounts/\d+/link)".*?name="person" value="(\w+)"', cards["Ana"], re.DOTALL
    )
    assert form
    done = ada.submit(form[1], {"source": "standard", "back": "accounts", "person": form[2]})
    assert done.location == ACCOUNTS
    assert "Linked to Ana; 1 fact that waited counts now." in ada.get(ACCOUNTS).text
    assert points(db, company["ana"]) == 8


def test_a_wrong_link_is_undone_and_stays_undone(
    desk: Flask, db: Database, company: Company, clock: Clock, ada: Visitor
) -> None:
    send(desk)
    linked = ada.get(ACCOUNTS + "?linked=yes").text
    assert "Not Ana" in linked
    number = re.search(r"/admin/accounts/(\d+)/unlink", linked)
    assert number
    ada.submit(f"/admin/accounts/{number[1]}/unlink")
    page = ada.get(ACCOUNTS).text
    assert "1 fact waits again" in page
    assert "nothing links it by itself" in page
    jobs.link_newcomers(db, desk.extensions["config"], clock)
    assert points(db, company["ana"]) == 0
    assert ada.submit("/admin/accounts/99/unlink").status_code == 404
    with db.reading() as session:
        assert session.execute(select(Act.what, Act.done_by)).one() == ("unlink", company["ada"])
    assert unsound(db) == []


# ---------------------------------------------------------------- two who are one


def test_two_who_are_one_are_looked_at_merged_and_made_two_again(
    desk: Flask, db: Database, company: Company, clock: Clock, visit: Callable[[str], Visitor]
) -> None:
    ada = visit("ada")
    take_in(db, thanks(1), thanks(2, agent="chris@example.com"))
    chris = visit("chris")
    assert chris.get("/").status_code == 200
    asked = {"into": "ana", "reason": "imported twice"}
    page = ada.submit("/admin/people/chris/merge", asked | {"do": "look"}).text
    assert "1 fact of open weeks, 8 points, counts for Ana" in page
    assert "Make them one: 1 fact moves" in page
    stale = ada.submit("/admin/people/chris/merge", asked | {"do": "it", "facts": "7"}).text
    assert "the numbers have changed" in stale
    assert points(db, company["ana"]) == 8
    done = ada.submit("/admin/people/chris/merge", asked | {"do": "it", "facts": "1"})
    assert done.location == "/admin/people/ana"
    page = ada.get("/admin/people/ana").text
    assert "chris, chris@example.com, became ana" in page
    assert "imported twice" in page
    assert points(db, company["ana"]) == 16
    assert chris.get("/").status_code == 302, "signed out"
    jobs.tell_notices(db, desk.extensions["config"], clock)
    ana = visit("ana")
    assert "Your two accounts here are one now" in ana.get("/notices").text
    assert "to the same person under one name" in ana.get("/people/ana/points").text
    with db.reading() as session:
        number = session.execute(select(Merge.id)).scalar_one()
    assert ada.submit(f"/admin/merges/{number}/undo").location == "/admin/people/chris"
    assert points(db, company["ana"]) == 8
    assert "The accounts that had been made one are two again" in visit("ana").get("/notices").text
    assert ada.submit("/admin/merges/99/undo").status_code == 404
    assert unsound(db) == []


def test_a_merge_that_cannot_be_says_why_and_loses_nothing(ada: Visitor) -> None:
    for who, into, reason, words in (
        ("ada", "ana", "twice", "end your own sign-in"),
        ("ben", "nobody", "twice", "Nobody here has this handle"),
        ("ben", "ben", "twice", "two different people"),
        ("ben", "ana", "", "Say why"),
    ):
        for do in ("look", "it"):
            asked = {"into": into, "reason": reason, "do": do, "facts": "0"}
            page = ada.submit(f"/admin/people/{who}/merge", asked)
            assert page.status_code == 200
            assert words in page.text
            assert f'value="{into}"' in page.text


# ---------------------------------------------------------------- taken back


def flood(desk: Flask, db: Database) -> None:
    """Honest thanks an hour ago; now forged ones for Ana, a forged complaint and a forged promise."""
    take_in(db, thanks(1, agent="ben@example.com"), source="standard", now=NOON - timedelta(hours=1))
    for number in range(3):
        send(
            desk,
            FACT
            | {
                "data": FACT["data"] | {"key": f"f-{number}", "ticket": f"{number}", "customer": f"c{number}"}
            },
        )
    send(desk, FACT | {"type": "rating.bad", "data": FACT["data"] | {"key": "bad", "ticket": "9"}})
    due = {"key": "p", "ticket": "8", "due_at": "2026-11-20T09:00:00Z"}
    send(desk, FACT | {"type": "promise.made", "data": FACT["data"] | due})


def looked(ada: Visitor) -> dict[str, str]:
    """The form that the preview offers."""
    page = ada.get(TAKE_BACK, query_string={"since": "2026-11-18T13:00", "until": ""}).text
    return dict(re.findall(r'<input type="hidden" name="(since|until|facts)" value="([^"]+)"', page))


def test_forged_facts_are_looked_at_taken_back_told_and_given_back(
    desk: Flask, db: Database, company: Company, clock: Clock, visit: Callable[[str], Visitor]
) -> None:
    flood(desk, db)
    clock.forward(minutes=10)
    ada = visit("ada")
    page = ada.get(TAKE_BACK, query_string={"since": "2026-11-18T13:00"}).text
    assert "Take back 5 facts" in page
    assert 'Care <span class="soft">5 facts, 24 points</span>' in page
    form = looked(ada) | {"reason": "the secret was in a chat"}
    assert ada.submit(TAKE_BACK, form).location == TAKE_BACK
    assert (points(db, company["ana"]), points(db, company["ben"])) == (0, 8)
    page = ada.get(TAKE_BACK).text
    assert "the secret was in a chat" in page
    assert "Give back 5 facts" in page
    run = desk.extensions["config"]
    jobs.set_things_right(db, run, clock)
    jobs.tell_notices(db, run, clock)
    told = visit("ana").get("/notices").text
    assert "standard told something that was not so" in told
    assert "told something that was not so" not in visit("ben").get("/notices").text
    with db.reading() as session:
        assert session.execute(select(Promise.state)).scalar_one() == "withdrawn"
        assert session.execute(select(FollowUp.state)).scalar_one() == "open"
        assert [row.what for row in session.execute(select(Act)).scalars()] == ["take_back"]
    assert "waited two days" not in visit("lea").get("/lead").text
    assert unsound(db) == []
    assert ada.submit(f"{TAKE_BACK}/1/undo", {"reason": "they were real"}).location == TAKE_BACK
    assert points(db, company["ana"]) == 24
    jobs.set_things_right(db, run, clock)
    assert "was real after all" in visit("ana").get("/notices").text
    with db.reading() as session:
        assert session.execute(select(Promise.state)).scalar_one() == "open"
    assert unsound(db) == []
    csv = ada.get(TAKE_BACK + ".csv").text
    assert "the secret was in a chat" in csv
    assert "they were real" in csv


def test_much_is_left_to_the_clock_and_nothing_of_it_shows_until_it_is_done(
    desk: Flask, db: Database, company: Company, clock: Clock, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_reversals, "AT_ONCE", 2)
    flood(desk, db)
    clock.forward(minutes=10)
    ada.submit(TAKE_BACK, looked(ada) | {"reason": "forged"})
    assert points(db, company["ana"]) == 24
    assert "Under way" in ada.get(TAKE_BACK).text
    jobs.set_things_right(db, desk.extensions["config"], clock)
    assert points(db, company["ana"]) == 0
    assert "Under way" not in ada.get(TAKE_BACK).text
    assert unsound(db) == []


def test_what_changed_since_the_look_is_looked_at_again(
    desk: Flask, db: Database, company: Company, clock: Clock, ada: Visitor
) -> None:
    flood(desk, db)
    clock.forward(minutes=10)
    form = looked(ada) | {"reason": "forged"}
    first = ada.submit(TAKE_BACK, form)
    again = ada.submit(TAKE_BACK, form)
    assert (first.status_code, again.status_code) == (303, 422)
    assert "Nothing that still counts" in again.text
    wrong = ada.submit(TAKE_BACK, form | {"since": "yesterday"})
    assert (wrong.status_code, "Write the time as" in wrong.text) == (422, True)
    assert ada.get(TAKE_BACK, query_string={"since": "99999"}).status_code == 200
    assert ada.submit(f"{TAKE_BACK}/1/undo", {"reason": ""}).status_code == 303
    assert ada.submit(f"{TAKE_BACK}/99/undo", {"reason": "because"}).status_code == 404
    with db.reading() as session:
        assert session.execute(select(Reversal.state)).scalars().all() == ["done"]
