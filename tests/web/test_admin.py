"""/admin: what an operator sees and does. Every page works without JavaScript; none is for anybody but admins."""

import json
import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from flask import Flask

from leaderboard import config as settings
from leaderboard import deliveries, health, ledger, people, standings
from leaderboard.app import create_app
from leaderboard.database import Database, insert
from leaderboard.plugin import Delivery
from leaderboard.points import Points
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Event as EventRow
from leaderboard.tables import Heartbeat, Invitation, Person, RulesVersion, Source
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.visitor import Visitor
from tests.web.test_hooks import FACT, SOURCES

DEMO = """
[plugins.demo]
secret = "a shared secret"
address = "https://desk.example.com"
api_token = "token"
"""
PAGES = (
    "/admin",
    "/admin/sources",
    "/admin/sources/standard",
    "/admin/sources/demo/test",
    "/admin/deliveries",
    "/admin/deliveries/1",
    "/admin/rules",
    "/api/v1/docs",
)
HARM = "<script>alert(1)</script>"


@pytest.fixture
def desk(db: Database, company: Company, clock: Clock) -> Flask:
    return create_app(settings.read(CONFIG + SOURCES + DEMO), db, clock)


def send(desk: Flask, db: Database, fact: dict[str, Any] | bytes = FACT, source: str = "standard") -> int:
    body = fact if isinstance(fact, bytes) else json.dumps(fact).encode()
    moment = desk.extensions["clock"]()
    headers = desk.extensions["config"].plugins[source].sign(body, moment)
    kept = {name.lower(): value for name, value in headers.items()}
    return deliveries.receive(db, desk.extensions["config"], source, Delivery(body, kept, moment)).id


def stranger(key: str = "csat-7", agent: str = "agent-77") -> dict[str, Any]:
    return FACT | {"data": FACT["data"] | {"key": key, "agent": agent, "ticket": key, "customer": key}}


# ------------------------------------------------------------------------------------------ doors


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("/admin")])
def test_the_pages_are_for_admins_alone(visit: Callable[[str], Visitor], path: str) -> None:
    for who in ("ana", "lea"):
        assert visit(who).get(path).status_code == 403


def test_what_changes_something_is_for_admins_alone(
    desk: Flask, db: Database, visit: Callable[[str], Visitor]
) -> None:
    send(desk, db, stranger())
    for path in (
        "/admin/sources/demo/pull",
        "/admin/accounts/1/link",
        "/admin/deliveries/1/replay",
        "/admin/rules",
        "/admin/sources/standard/test",
    ):
        assert visit("lea").submit(path, {"person": "lea"}).status_code == 403, path
        assert visit("ada").post(path).status_code == 400, "a form without its token"


def test_an_empty_house_teaches(db: Database, company: Company, clock: Clock) -> None:
    bare = create_app(settings.read(CONFIG), db, clock)
    bare.test_client_class = Visitor
    client = cast("Visitor", bare.test_client())
    client.sign_in(company["ada"])
    assert "No helpdesk is connected yet" in client.get("/admin").text
    assert "config.example.toml" in client.get("/admin/sources").text
    assert "Nothing has arrived yet" in client.get("/admin/deliveries").text
    assert client.get("/admin/deliveries/1").status_code == 404
    assert client.get("/admin/sources/zendesk").status_code == 404


# ------------------------------------------------------------------------------------------ at a glance


def test_the_overview_says_what_needs_a_person(desk: Flask, db: Database, ada: Visitor) -> None:
    send(desk, db)
    send(desk, db, b"{")
    send(desk, db, stranger())
    page = ada.get("/admin").text
    assert "3 things need you" in page
    assert "1 delivery could not be read: Standard Webhooks" in page
    assert "1 account of Standard Webhooks is linked to nobody yet" in page
    assert "The clock has not ticked yet" in page
    assert 'class="light light-good">feeds; last' in page


def test_one_sentence_says_that_all_is_well(desk: Flask, db: Database, ada: Visitor, clock: Clock) -> None:
    tick(db, clock)
    send(desk, db)
    page = ada.get("/admin").text
    assert "All is well" in page
    assert 'class="trouble' not in page
    assert "feeds; last" in page
    assert "0 seconds ago" in page
    clock.forward(minutes=5)
    page = ada.get("/admin").text
    assert "1 thing needs you" in page
    assert "Weeks do not close" in page


def test_every_red_thing_says_its_remedy_and_leads_to_it(
    desk: Flask, db: Database, ada: Visitor, clock: Clock, company: Company
) -> None:
    tick(db, clock, "RuntimeError: broken")
    with db.writing() as session:
        session.add(Source(name="demo", pull_failures=3, pull_error="401: the token is not valid."))
        session.add(
            Invitation(
                person_id=company["ben"],
                subject="s",
                body="b",
                state="failed",
                error="550",
                created_at=NOON,
                next_try_at=NOON,
            )
        )
    send(desk, db, b"{")
    page = ada.get("/admin").text
    assert "4 things need you" in page
    found = re.findall(r'<li class="trouble.*?</li>', page, re.DOTALL)
    assert len(found) == 4
    assert all("soft" in one and re.search(r'href="[/#]|action="/', one) for one in found)
    assert "RuntimeError: broken" in page
    assert "401: the token is not valid. Mend" in page
    ada.submit(re.findall(r'action="(/admin/sources/demo/pull)"', page)[0])


def test_all_failed_deliveries_are_read_again_by_the_clock_with_progress(
    desk: Flask, db: Database, ada: Visitor, clock: Clock
) -> None:
    for number in range(3):
        send(desk, db, b"{" * (number + 1))
    send(desk, db)
    assert "Read all of them again" in ada.get("/admin/deliveries?state=failed").text
    clock.forward(minutes=1)
    answer = ada.submit("/admin/deliveries/again?source=standard")
    assert answer.headers["Location"] == "/admin/deliveries?source=standard&state=failed&of=3"
    page = ada.get(answer.headers["Location"]).text
    assert "Reading again: 0 of 3" in page
    assert 'hx-trigger="every 2s"' in page
    assert deliveries.work_through(db, desk.extensions["config"], clock, most=2) == 2
    assert "Reading again: 2 of 3" in ada.get(answer.headers["Location"]).text
    assert deliveries.work_through(db, desk.extensions["config"], clock) == 1
    page = ada.get(answer.headers["Location"]).text
    assert "Reading again" not in page
    assert "Read all of them again" in page, "they still cannot be read"


def tick(db: Database, clock: Clock, error: str | None = None) -> None:
    table = Heartbeat.__table__  # type: ignore[attr-defined]
    values = {"started_at": clock(), "finished_at": clock(), "error": error}
    with db.writing() as session:
        statement = insert(session, table).values(job="deliveries", **values)
        session.connection().execute(statement.on_conflict_do_update(index_elements=["job"], set_=values))


def test_health_is_green_while_all_is_well_and_tells_the_truth_when_not(
    desk: Flask, db: Database, clock: Clock
) -> None:
    client = desk.test_client()

    def look() -> tuple[int, Any]:
        clock.forward(seconds=3)
        answer = client.get("/healthz")
        return answer.status_code, answer.json

    assert look()[0] == 503, "no clock ticks"
    tick(db, clock)
    status, found = look()
    assert (status, found["status"], found["problems"]) == (200, "ok", [])
    assert found["database"]["writable"] is True
    assert found["database"]["affected"] is False
    clock.forward(minutes=5)
    assert "The clock has stopped" in str(look())
    tick(db, clock, "RuntimeError: broken")
    assert look()[1]["failing_jobs"] == ["deliveries"]
    tick(db, clock)
    with db.writing() as session:
        session.add(Source(name="demo", pull_failures=3, pull_error="secret words"))
    status, found = look()
    assert (status, found["failing_pulls"]) == (503, 1)
    assert "secret words" not in str(found)


def test_health_is_red_when_deliveries_wait_too_long(desk: Flask, db: Database, clock: Clock) -> None:
    send(desk, db, b"{")
    clock.forward(minutes=10)
    tick(db, clock)
    assert health.check(db, clock()).problems == ()
    clock.forward(minutes=10)
    tick(db, clock)
    found = health.check(db, clock())
    assert found.oldest_pending == 20 * 60
    assert "should have been tried again" in str(found.problems)


def test_health_is_red_when_the_database_is_gone(company: Company, clock: Clock) -> None:
    away = create_app(settings.read(CONFIG), Database("postgresql://nobody@127.0.0.1:9/away"), clock)
    answer = away.test_client().get("/healthz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["database"] == {"version": None, "writable": False, "affected": False}
    away.extensions["database"].dispose()


def test_figures_are_for_a_token_of_the_scope_admin(
    desk: Flask, db: Database, company: Company, ada: Visitor
) -> None:
    send(desk, db)
    send(desk, db, b"{")
    with db.writing() as session:
        admin = session.get_one(Person, company["ada"])
        good = people.token_create(session, admin, ["admin"], 1, NOON)
        weak = people.token_create(session, admin, ["read"], 1, NOON)
    client = desk.test_client()
    assert client.get("/metrics").status_code == 401
    assert ada.get("/metrics").status_code == 401, "a session is no token"
    assert client.get("/metrics", headers={"Authorization": f"Bearer {weak}"}).status_code == 403
    text = client.get("/metrics", headers={"Authorization": f"Bearer {good}"}).text
    assert 'extra_mile_deliveries{source="standard",state="done"} 1.0' in text
    assert 'extra_mile_deliveries{source="standard",state="failed"} 1.0' in text
    assert "extra_mile_points_entries 1.0" in text


# ------------------------------------------------------------------------------------------ sources


def test_a_source_shows_the_address_to_paste_and_what_its_proof_covers(ada: Visitor) -> None:
    page = ada.get("/admin/sources/standard").text
    assert "http://localhost/hooks/standard" in page
    assert "The signature covers the whole body" in page
    assert "whsec_" not in page


def test_what_was_refused_is_counted_with_its_reason(desk: Flask, db: Database, ada: Visitor) -> None:
    deliveries.refuse(db, "standard", [(deliveries.Why("signature", f"no signature {HARM}"), 7)], NOON)
    page = ada.get("/admin/sources").text
    assert "no signature &lt;script&gt;" in page
    assert HARM not in page


def test_an_account_is_linked_and_what_waited_counts_now(
    desk: Flask, db: Database, company: Company, ada: Visitor
) -> None:
    send(desk, db, stranger())
    page = ada.get("/admin/sources/standard").text
    assert "agent-77" in page
    assert "1 fact waits" in page
    answer = ada.submit("/admin/accounts/1/link", {"person": "ben@example.com", "source": "standard"})
    assert answer.status_code == 303
    with db.reading() as session:
        assert standings.total(session, company["ben"], "2026-W47") == 8
    page = ada.get("/admin/sources/standard").text
    assert "Linked to Ben; 1 fact that waited counts now." in page
    assert "Everybody is known" in page


def test_linking_to_nobody_or_twice_says_so_and_changes_nothing(
    desk: Flask, db: Database, company: Company, ada: Visitor
) -> None:
    send(desk, db, stranger())
    for person in ("", "nobody", "\0"):
        ada.submit("/admin/accounts/1/link", {"person": person, "source": "standard"})
        assert "There is no such person here" in ada.get("/admin/sources/standard").text
    ada.submit("/admin/accounts/1/link", {"person": "ben", "source": "standard"})
    ada.submit("/admin/accounts/1/link", {"person": "ana", "source": "standard"})
    assert "linked to somebody else already" in ada.get("/admin/sources/standard").text
    assert ada.submit("/admin/accounts/99/link", {"person": "ben"}).status_code == 404


def test_pull_now_lets_the_clock_pull_at_its_next_tick(
    desk: Flask, db: Database, clock: Clock, ada: Visitor
) -> None:
    with db.writing() as session:
        later = clock.moment.replace(day=30)
        session.add(Source(name="demo", next_pull_at=later))
    assert ada.submit("/admin/sources/demo/pull").status_code == 303
    with db.reading() as session:
        assert session.get_one(Source, "demo").next_pull_at == NOON
    assert ada.submit("/admin/sources/standard/pull").status_code == 404, "it is not pulled"


def test_a_body_is_tried_without_storing_anything(desk: Flask, db: Database, ada: Visitor) -> None:
    body = json.dumps(FACT | {"data": FACT["data"] | {"text": HARM}})
    page = ada.submit("/admin/sources/standard/test", {"use": "pasted", "body": body}).text
    assert "thanks.received" in page
    assert '<a href="/people/ana">Ana</a>' in page
    assert "8 points" in page
    assert HARM not in page
    page = ada.submit("/admin/sources/standard/test", {"use": "pasted", "body": "{"}).text
    assert "It cannot be read" in page
    with db.reading() as session:
        assert session.get(DeliveryRow, 1) is None
        assert session.get(EventRow, 1) is None


def test_the_newest_delivery_is_tried_as_it_came(desk: Flask, db: Database, ada: Visitor) -> None:
    send(desk, db, stranger())
    page = ada.submit("/admin/sources/standard/test", {"use": "newest"}).text
    assert "nobody yet: it would wait" in page
    assert "Known already" in page


@pytest.mark.parametrize("source", ["standard", "demo"])
def test_every_sample_of_a_plugin_can_be_tried(desk: Flask, ada: Visitor, source: str) -> None:
    names = deliveries.sample_names(desk.extensions["config"].plugins[source])
    assert names
    for name in names:
        page = ada.submit(f"/admin/sources/{source}/test", {"use": f"sample:{name}"})
        assert page.status_code == 200
        assert "the plugin failed" not in page.text
    assert ada.submit(f"/admin/sources/{source}/test", {"use": "sample:../../x"}).status_code == 404


def test_while_a_secret_changes_the_page_knows_which_is_used(
    desk: Flask, db: Database, company: Company, clock: Clock
) -> None:
    new = 'secret = "whsec_' + "QUJD" * 8 + '"\nprevious_secret'
    both = create_app(settings.read(CONFIG + SOURCES.replace("secret", new, 1)), db, clock)
    both.test_client_class = Visitor
    client = cast("Visitor", both.test_client())
    client.sign_in(company["ada"])
    assert "shows with its next delivery" in client.get("/admin/sources/standard").text
    send(desk, db)
    assert "signed with the previous one" in client.get("/admin/sources/standard").text
    send(both, db)
    assert "signed with the new one" in client.get("/admin/sources/standard").text


# ------------------------------------------------------------------------------------------ deliveries


def test_a_failed_delivery_shows_its_reason_and_body_as_text_and_is_read_again(
    desk: Flask, db: Database, ada: Visitor
) -> None:
    number = send(desk, db, b"\xff\x00" + HARM.encode())
    page = ada.get(f"/admin/deliveries/{number}").text
    assert "the body is not UTF-8" in page
    assert "\\xff" in page
    assert HARM not in page
    assert "webhook-signature" in page
    ada.submit(f"/admin/deliveries/{number}/replay")
    assert "It still cannot be read" in ada.get(f"/admin/deliveries/{number}").text
    good = send(desk, db)
    ada.submit(f"/admin/deliveries/{good}/replay")
    page = ada.get(f"/admin/deliveries/{good}").text
    assert "0 new facts, 1 known already" in page
    assert "thanks.received/csat-991" in page


def test_long_lists_go_on_and_filters_stay(desk: Flask, db: Database, ada: Visitor, clock: Clock) -> None:
    for _ in range(53):
        send(desk, db)
    send(desk, db, b"{")
    page = ada.get("/admin/deliveries?state=done").text
    assert page.count('<th scope="row"') == 50
    more = re.search(r'href="(/admin/deliveries\?[^"]*before=\d+)"', page)
    assert more
    rest = ada.get(more[1].replace("&amp;", "&")).text
    assert rest.count('<th scope="row"') == 3
    assert ada.get("/admin/deliveries?state=nonsense&source=x&before=%00").status_code == 200


def test_deliveries_are_downloaded_without_bodies_and_inert(desk: Flask, db: Database, ada: Visitor) -> None:
    send(desk, db)
    send(desk, db, b"{")
    with db.writing() as session:
        row = session.get_one(DeliveryRow, 2)
        row.reason = "=cmd|' /C calc'!A0"
        session.add(row)
    text = ada.get("/admin/deliveries.csv").get_data(as_text=True)
    assert "luggage" not in text
    assert "'=cmd" in text
    assert len(text.strip().splitlines()) == 3


@pytest.mark.parametrize("number", [2**31, 2**53, 10**14, 10**30])
def test_a_number_that_no_row_can_have_is_not_found(ada: Visitor, number: int) -> None:
    assert ada.get(f"/admin/deliveries/{number}").status_code == 404
    assert ada.submit(f"/admin/deliveries/{number}/replay").status_code == 404
    assert ada.submit(f"/admin/accounts/{number}/link", {"person": "ben"}).status_code == 404
    assert ada.get(f"/admin/deliveries?before={number}").status_code == 200


# ------------------------------------------------------------------------------------------ rules


def all_numbers(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="((?:points|fair)_\w+)"[^>]*? value="(\d+)"', page))


def test_changed_numbers_hold_from_the_next_week_on(desk: Flask, db: Database, ada: Visitor) -> None:
    page = ada.get("/admin/rules").text
    numbers = all_numbers(page)
    assert len(numbers) == len(Points.model_fields) + 23
    answer = ada.submit("/admin/rules", numbers | {"points_thanks_received": "9", "note": "Thanks matter"})
    assert answer.status_code == 303
    with db.reading() as session:
        assert ledger.rules_of(session, "2026-W47").points.thanks_received == 8
        assert ledger.rules_of(session, "2026-W48").points.thanks_received == 9
        assert [row.version for row in ledger.versions(session)] == [2, 1]
        assert session.get_one(RulesVersion, 2).created_by
    page = ada.get("/admin/rules").text
    assert "Version 1 holds now" in page
    assert "Thanks matter" in page
    assert "8 → <strong>9</strong>" in page


def test_numbers_that_cannot_be_are_refused_beside_their_field(db: Database, ada: Visitor) -> None:
    numbers = all_numbers(ada.get("/admin/rules").text)
    for wrong in (
        {"points_story_accepted": "-1"},
        {"points_story_accepted": "1001"},
        {"points_story_accepted": "many"},
        {"points_story_accepted": ""},
        {"fair_story_min": "2000", "fair_story_max": "100"},
        {"points_story_accepted": "9", "note": "\0"},
        {},
    ):
        answer = ada.submit("/admin/rules", numbers | wrong)
        assert answer.status_code == 422, wrong
        assert re.search("field-error|Change at least one|NUL", answer.text), wrong
    with db.reading() as session:
        assert ledger.versions(session) == []
