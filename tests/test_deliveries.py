"""From the outside world to events: receiving, failing, trying again, replaying and pulling, on both databases."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from leaderboard import config as settings
from leaderboard import deliveries, jobs, outgoing, standings, thanks
from leaderboard.config import Config
from leaderboard.database import Database, Unavailable
from leaderboard.plugin import Delivery, Event, Invalid, Plugin, Secret, TryLater
from leaderboard.sqlite import sqlite_module
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Event as EventRow
from leaderboard.tables import FollowUp, Identity, Promise, Source, Team
from tests import make
from tests.make import NOON, Clock, Company
from tests.plugins.tools import Asked, DemoTool, Said

FACT = {
    "id": 991,
    "what": "thanks",
    "agent": "ana@example.com",
    "ticket": "4711",
    "customer": "ito@example.org",
}
FACT |= {"words": "She found our luggage!", "at": "2026-11-18T09:00:00Z"}


@pytest.fixture
def desk() -> Config:
    return settings.read('[plugins.demo]\nsecret = "a shared secret"')


def delivery(fact: dict[str, Any] | bytes = FACT, moment: datetime = NOON, **more: Any) -> Delivery:
    body = fact if isinstance(fact, bytes) else json.dumps(fact | more).encode()
    return Delivery(body, {"content-type": "application/json"}, moment)


def count(db: Database, table: Any) -> int:
    with db.reading() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


def points(db: Database, company: Company, name: str = "ana") -> int:
    with db.reading() as session:
        return standings.total(session, company[name], "2026-W47")


def test_a_delivery_is_stored_and_its_facts_earn(db: Database, company: Company, desk: Config) -> None:
    receipt = deliveries.receive(db, desk, "demo", delivery())
    assert (receipt.state, receipt.new, receipt.repeated) == ("done", 1, 0)
    assert points(db, company) == 8


def test_a_repeated_delivery_is_kept_and_earns_nothing(db: Database, company: Company, desk: Config) -> None:
    deliveries.receive(db, desk, "demo", delivery())
    again = deliveries.receive(db, desk, "demo", delivery())
    assert (again.new, again.repeated) == (0, 1)
    assert (count(db, DeliveryRow), count(db, EventRow), points(db, company)) == (2, 1, 8)


def test_what_is_not_for_us_is_ignored_and_kept(db: Database, company: Company, desk: Config) -> None:
    assert deliveries.receive(db, desk, "demo", delivery(what="typing")).state == "ignored"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b'{"what": "thanks", "id": NaN}', b'{"a": 1, "a": 2}']
)
def test_what_cannot_be_read_is_kept_as_failed_with_its_reason(
    db: Database, company: Company, desk: Config, body: bytes
) -> None:
    receipt = deliveries.receive(db, desk, "demo", delivery(body))
    assert receipt.state == "failed"
    assert receipt.reason
    assert "Traceback" not in receipt.reason


class Moody(Plugin):
    """A plugin that can be mended while the test runs."""

    mood: str = "raise"
    secret: Secret = Secret("top-secret-canary")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        if MOOD["now"] == "raise":
            raise KeyError("assignee")
        if MOOD["now"] == "garbage":
            yield "not an event"  # type: ignore[misc]
        if MOOD["now"] == "endless":
            while True:
                yield Event("k", "ticket.solved", NOON)
        yield Event("fact/1", "thanks.received", NOON, ("ana@example.com",), text="Thanks")


MOOD = {"now": "raise"}


@pytest.mark.parametrize("mood", ["raise", "garbage", "endless"])
@pytest.mark.promise(number=9)
def test_a_poison_delivery_stops_nobody_and_earns_once_after_the_fix(
    db: Database, company: Company, desk: Config, clock: Clock, mood: str
) -> None:
    both = desk.model_copy(update={"plugins": {**desk.plugins, "moody": Moody()}})
    MOOD["now"] = mood
    failed = deliveries.receive(db, both, "moody", delivery(b"x"))
    assert failed.state == "failed"
    assert deliveries.receive(db, both, "demo", delivery()).state == "done"
    assert deliveries.work_through(db, both, clock) == 0, "its time has not come"
    clock.forward(minutes=2)
    assert deliveries.work_through(db, both, clock) == 1
    MOOD["now"] = "well"
    clock.forward(hours=1)
    assert deliveries.work_through(db, both, clock) == 1
    assert points(db, company) == 16
    again = deliveries.replay(db, both, failed.id, clock())
    assert (again.state, again.new, again.repeated) == ("done", 0, 1)
    assert points(db, company) == 16


def test_the_clock_gives_up_after_a_week_of_tries_and_a_person_may_still_replay(
    db: Database, company: Company, desk: Config, clock: Clock
) -> None:
    both = desk.model_copy(update={"plugins": {"moody": Moody()}})
    MOOD["now"] = "raise"
    failed = deliveries.receive(db, both, "moody", delivery(b"x"))
    tries = 0
    for _ in range(20):
        clock.forward(days=1, minutes=1)
        tries += deliveries.work_through(db, both, clock)
    assert tries == 7
    MOOD["now"] = "well"
    assert deliveries.replay(db, both, failed.id, clock()).state == "done"


def test_secrets_and_credentials_in_headers_are_not_stored(
    db: Database, company: Company, desk: Config
) -> None:
    both = desk.model_copy(update={"plugins": {"moody": Moody()}})
    MOOD["now"] = "well"
    headers = {
        "authorization": "Basic x",
        "cookie": "a=b",
        "x-token": "Token top-secret-canary",
        "x-event": "rating",
    }
    deliveries.receive(db, both, "moody", Delivery(b"x", headers, NOON))
    with db.reading() as session:
        assert session.execute(select(DeliveryRow)).scalar_one().headers == {"x-event": "rating"}


def test_replaying_what_does_not_exist_or_is_gone_says_so(
    db: Database, company: Company, desk: Config
) -> None:
    with pytest.raises(LookupError, match="no delivery 99"):
        deliveries.replay(db, desk, 99, NOON)
    receipt = deliveries.receive(db, desk, "demo", delivery())
    with db.writing() as session:
        assert deliveries.forget(session, desk, NOON + timedelta(days=31)) == 1
    with pytest.raises(Invalid, match="retention"):
        deliveries.replay(db, desk, receipt.id, NOON)


def test_words_are_forgotten_after_their_time_and_the_points_stay(
    db: Database, company: Company, desk: Config
) -> None:
    deliveries.receive(db, desk, "demo", delivery())
    with db.writing() as session:
        deliveries.forget(session, desk, NOON + timedelta(days=400))
    with db.reading() as session:
        event = session.execute(select(EventRow)).scalar_one()
        assert (event.text, event.customer) == (None, None)
        assert event.customer_key
    assert points(db, company) == 8


def test_a_helpdesks_promise_is_on_record_and_kept(db: Database, company: Company, desk: Config) -> None:
    made = {"id": 12, "what": "promise", "agent": "ana@example.com", "ticket": "7", "words": "We ring back"}
    kept = {"id": 12, "what": "kept", "agent": "ana@example.com", "ticket": "7", "at": "2026-11-18T10:00:00Z"}
    deliveries.receive(db, desk, "demo", delivery(kept))
    deliveries.receive(
        db, desk, "demo", delivery(made | {"due": "2026-11-18T11:00:00Z", "at": "2026-11-18T08:00:00Z"})
    )
    with db.reading() as session:
        row = session.execute(select(Promise)).scalar_one()
    assert (row.state, row.maker_id, row.what) == ("kept", company["ana"], "We ring back")
    assert points(db, company) == 5


def test_an_unhappy_rating_opens_one_follow_up_and_costs_nothing(
    db: Database, company: Company, desk: Config
) -> None:
    for _ in range(3):
        deliveries.receive(db, desk, "demo", delivery(what="bad"))
    assert (count(db, FollowUp), points(db, company)) == (1, 0)


def test_the_same_delivery_many_times_at_once_earns_once(
    db: Database, company: Company, desk: Config
) -> None:
    errors: list[Exception] = []
    states: list[str] = []

    def send() -> None:
        try:
            states.extend(deliveries.receive(db, desk, "demo", delivery()).state for _ in range(25))
        except Exception as error:  # noqa: BLE001 (any at all fails the test)
            errors.append(error)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (count(db, EventRow), points(db, company)) == (1, 8)
    assert states == ["done"] * 200, "none that could not be posted and waits"
    assert count(db, DeliveryRow) == 200


# --- pulling ------------------------------------------------------------------------------------------------


@pytest.fixture
def tool() -> Iterator[DemoTool]:
    tool = DemoTool()
    tool.now = NOON
    with tool.running():
        yield tool


@pytest.fixture
def pulled(tool: DemoTool) -> Config:
    section = f'secret = "a shared secret"\naddress = "{tool.address}"\napi_token = "demo-token"'
    return settings.read(f'pull_hosts = ["127.0.0.1"]\n[plugins.demo]\n{section}')


def fill(tool: DemoTool, number: int) -> None:
    for n in range(number):
        at = f"{NOON - timedelta(hours=n + 1):%Y-%m-%dT%H:%M:%SZ}"
        tool.facts.append(
            FACT | {"id": n + 1, "ticket": str(n + 1), "customer": f"c{n}@example.org", "at": at}
        )


def source(db: Database) -> Source:
    with db.reading() as session:
        return session.execute(select(Source)).scalar_one()


def test_a_pull_brings_what_webhooks_lost_and_nothing_twice(
    db: Database, company: Company, tool: DemoTool, pulled: Config, clock: Clock
) -> None:
    fill(tool, 5)
    deliveries.receive(db, pulled, "demo", delivery(tool.facts[2]))
    pages: list[int] = []
    assert deliveries.pull(db, pulled, "demo", clock, pages.append) == 4
    assert pages == [2, 1, 1]
    assert deliveries.pull(db, pulled, "demo", clock) == 0
    assert points(db, company) == 40
    assert source(db).pulled_at == NOON


def test_a_pull_that_breaks_off_keeps_its_pages_says_why_and_goes_on(
    db: Database, company: Company, tool: DemoTool, pulled: Config, clock: Clock
) -> None:
    fill(tool, 5)
    tool.misbehaves = lambda asked: Said(status=503) if asked.query.get("from") == "2" else None
    with pytest.raises(TryLater):
        deliveries.pull(db, pulled, "demo", clock)
    assert (count(db, EventRow), source(db).pull_failures) == (2, 1)
    assert "503" in (source(db).pull_error or "")
    tool.misbehaves = lambda asked: None
    assert deliveries.pull(db, pulled, "demo", clock) == 3
    assert (source(db).pull_failures, source(db).pull_error) == (0, None)


def test_the_clock_pulls_when_due_backs_off_and_obeys_retry_after(
    db: Database, company: Company, tool: DemoTool, pulled: Config, clock: Clock
) -> None:
    fill(tool, 1)
    assert deliveries.pull_due(db, pulled, clock) == 1
    assert deliveries.pull_due(db, pulled, clock) == 0
    clock.forward(minutes=6)
    tool.misbehaves = lambda asked: Said(status=429, headers={"Retry-After": "1800"})
    assert deliveries.pull_due(db, pulled, clock) == 1
    clock.forward(minutes=20)
    assert deliveries.pull_due(db, pulled, clock) == 0
    clock.forward(minutes=11)
    assert deliveries.pull_due(db, pulled, clock) == 1


def test_agents_are_matched_by_verified_address_and_a_shrinking_list_unlinks_nobody(
    db: Database, company: Company, tool: DemoTool, pulled: Config, clock: Clock
) -> None:
    deliveries.receive(db, pulled, "demo", delivery(agent="7"))
    tool.agents = [
        {"id": "7", "email": "Ana@Example.com", "name": "Ana", "verified": True},
        {"id": "8", "email": "ben@example.com", "name": "Ben", "verified": False},
        {"id": "9", "email": "chris@example.com", "name": "Bot", "verified": True, "bot": True},
    ]
    assert deliveries.match_accounts(db, pulled, "demo", clock) == 1
    assert points(db, company) == 8, "what waited for the account is credited"
    tool.agents = []
    deliveries.match_accounts(db, pulled, "demo", clock)
    with db.reading() as session:
        assert session.execute(select(func.count()).where(Identity.person_id.is_not(None))).scalar_one() == 1  # type: ignore[union-attr]
        assert [row.account for row in deliveries.unlinked(session)] == ["8"]


def test_a_pull_calls_no_host_inside_the_own_network_unless_allowed(
    db: Database, company: Company, tool: DemoTool, pulled: Config, clock: Clock
) -> None:
    shut = pulled.model_copy(update={"pull_hosts": ()})
    with pytest.raises((Invalid, TryLater)):
        deliveries.pull(db, shut, "demo", clock)
    assert tool.asked == []


def test_a_redirect_is_not_followed(
    db: Database, company: Company, tool: DemoTool, pulled: Config, clock: Clock
) -> None:
    def redirect(asked: Asked) -> Said:
        return Said(status=302, headers={"Location": "http://127.0.0.1:1/"})

    tool.misbehaves = redirect
    with pytest.raises(Invalid, match="another address"):
        deliveries.pull(db, pulled, "demo", clock)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
        ),
        *("2002:7f00:1::", "100.64.0.1", "0.0.0.0", "224.0.0.1", "fe80::1%eth0", "192.0.0.1", "198.18.0.1"),
        "not an address",
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not outgoing.is_public(address)


def test_addresses_outside_are_public() -> None:
    assert outgoing.is_public("93.184.215.14")
    assert outgoing.is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


def test_the_state_of_each_source_is_told(db: Database, company: Company, desk: Config) -> None:
    deliveries.receive(db, desk, "demo", delivery())
    deliveries.receive(db, desk, "demo", delivery(b"{", NOON + timedelta(minutes=1)))
    deliveries.receive(db, desk, "demo", delivery(agent="stranger", id=2))
    deliveries.refuse(db, "demo", [(deliveries.Why("signature", "no signature: \0\ud800"), 3)], NOON)
    with db.reading() as session:
        (status,) = deliveries.source_statuses(session, desk)
    assert status.deliveries == {"done": 2, "failed": 1}
    assert status.oldest_pending == NOON + timedelta(minutes=1)
    assert (status.events, status.accounts, status.unlinked) == (2, 2, 1)
    assert (status.state.refused, status.state.refused_reason) == (3, r"no signature: \x00\ud800")


def test_a_database_that_is_locked_stores_nothing_and_heals(tmp_path: Any, desk: Config) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    database.upgrade()
    other = sqlite_module().connect(str(tmp_path / "x.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        deliveries.receive(database, desk, "demo", delivery())
    other.execute("ROLLBACK")
    other.close()
    assert deliveries.receive(database, desk, "demo", delivery()).state == "done"
    assert count(database, DeliveryRow) == 1
    database.dispose()


def test_a_customer_who_was_won_back_needs_no_follow_up(db: Database, company: Company, desk: Config) -> None:
    deliveries.receive(db, desk, "demo", delivery(what="bad", at="2026-11-18T08:00:00Z"))
    care = [company.teams["Care"]]
    with db.reading() as session:
        assert len(thanks.follow_ups(session, care)) == 1
    deliveries.receive(db, desk, "demo", delivery())
    with db.reading() as session:
        assert thanks.follow_ups(session, care) == []


def test_what_came_for_an_address_is_credited_once_the_person_is_known(
    db: Database, company: Company, desk: Config, clock: Clock
) -> None:
    deliveries.receive(db, desk, "demo", delivery(agent="Nina@example.com"))
    assert jobs.link_newcomers(db, desk, clock) == 0
    with db.writing() as session:
        team = session.get_one(Team, company.teams["Care"])
        nina = make.person(session, "nina", team).id or 0
    assert jobs.link_newcomers(db, desk, clock) == 1
    assert jobs.link_newcomers(db, desk, clock) == 0
    with db.reading() as session:
        assert standings.total(session, nina, "2026-W47") == 8
