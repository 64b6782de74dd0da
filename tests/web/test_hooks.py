"""The webhook door: what it lets in, what it refuses, and what it says when the database cannot take anything."""

import base64
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select
from werkzeug.test import TestResponse

from leaderboard import config as settings
from leaderboard import deliveries, standings
from leaderboard.app import MAX_BODY, create_app
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Delivery, Event, Plugin, Refused, Secret
from leaderboard.sqlite import sqlite_module
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Event as EventRow
from leaderboard.tables import PointsEntry, Source
from tests import corpus
from tests.conftest import CONFIG, Postgres
from tests.make import Clock, Company

SECRET = "whsec_" + base64.b64encode(b"only the tests know this secret!").decode()
OTHER = "whsec_" + base64.b64encode(b"another sender, another secret!!").decode()
SOURCES = f"""
[plugins.standard]
secret = "{SECRET}"
[plugins.shop]
module = "standard"
secret = "{OTHER}"
"""
FACT: dict[str, Any] = {
    "type": "thanks.received",
    "timestamp": "2026-11-18T11:40:00Z",
    "data": {
        "key": "csat-991",
        "agent": "ana@example.com",
        "ticket": "4711",
        "customer": "Mr Ito",
        "text": "She found our luggage!",
    },
}


@pytest.fixture
def config() -> Config:
    found = settings.read(CONFIG + SOURCES)
    return found.model_copy(update={"plugins": {**found.plugins, "moody": Moody()}})


@pytest.fixture
def desk(db: Database, company: Company, clock: Clock, config: Config) -> Flask:
    """The product with three sources, of which the last is a plugin that fails while `Moody.well` is False."""
    Moody.well = False
    return create_app(config, db, clock)


class Moody(Plugin):
    """A plugin whose author makes a mistake, and mends it."""

    secret: Secret = Secret("moody-canary-5d21")
    well: ClassVar[bool] = False

    def verify(self, delivery: Delivery) -> None:
        if delivery.header("x-token") != self.secret.get_secret_value():
            raise Refused("the token does not match")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        if not Moody.well:
            raise KeyError("assignee")
        yield Event("fact/1", "thanks.received", delivery.received_at, ("ana@example.com",), text="Thank you")


def signed(app: Flask, body: bytes, source: str = "standard") -> dict[str, str]:
    plugin = app.extensions["config"].plugins[source]
    return dict(plugin.sign(body, app.extensions["clock"]()))


def send(
    app: Flask,
    fact: dict[str, Any] | bytes = FACT,
    source: str = "standard",
    client: FlaskClient | None = None,
) -> TestResponse:
    body = fact if isinstance(fact, bytes) else json.dumps(fact).encode()
    return (client or app.test_client()).post(
        f"/hooks/{source}", data=body, headers=signed(app, body, source)
    )


def count(db: Database, table: Any) -> int:
    with db.reading() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


def points(db: Database, company: Company) -> int:
    with db.reading() as session:
        return standings.total(session, company["ana"], "2026-W47")


# ------------------------------------------------------------------------------------------ taking in


def test_a_signed_delivery_is_answered_202_and_earns(desk: Flask, db: Database, company: Company) -> None:
    answer = send(desk)
    assert answer.status_code == 202
    assert answer.json == {"delivery": 1, "state": "done", "events": 1, "repeated": 0}
    assert points(db, company) == 8


def test_a_delivery_is_asked_for_no_session(desk: Flask) -> None:
    browser = desk.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = "whoever"
    answers = [send(desk, client=browser), browser.post("/hooks/standard", data=b"{}")]
    assert [answer.status_code for answer in answers] == [202, 401]
    assert not any({"Vary", "Set-Cookie"} & set(answer.headers.keys()) for answer in answers)


def test_a_repeated_delivery_earns_once(desk: Flask, db: Database, company: Company, clock: Clock) -> None:
    send(desk)
    clock.forward(minutes=1)
    reordered = dict(reversed(FACT.items())) | {"data": dict(reversed(FACT["data"].items()))}
    answer = send(desk, reordered)
    assert answer.json is not None
    assert (answer.json["events"], answer.json["repeated"]) == (0, 1)
    assert points(db, company) == 8


def test_the_same_delivery_sent_at_once_by_many_earns_once(
    desk: Flask, db: Database, company: Company
) -> None:
    times = 200
    body = json.dumps(FACT).encode()
    headers = signed(desk, body)

    def one(_number: int) -> int:
        return desk.test_client().post("/hooks/standard", data=body, headers=headers).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(pool.map(one, range(times)))
    assert statuses == {202: times}
    assert (count(db, DeliveryRow), count(db, EventRow), count(db, PointsEntry)) == (times, 1, 1)
    assert points(db, company) == 8


# ------------------------------------------------------------------------------------------ refusing


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers, body: ({}, body),
        lambda headers, body: (headers, body.replace(b"ana@", b"ben@")),
        lambda headers, body: (headers | {"webhook-signature": "v1,AAAA"}, body),
        lambda headers, body: (headers | {"webhook-signature": "v1,\xe4\xf6"}, body),
        lambda headers, body: (headers | {"webhook-timestamp": "1"}, body),
        lambda headers, body: (headers | {"webhook-id": "another"}, body),
    ],
    ids=["unsigned", "another agent", "another signature", "not ASCII", "an old stamp", "another id"],
)
def test_what_the_tool_did_not_sign_is_answered_401_counted_and_not_stored(
    desk: Flask, db: Database, spoil: Callable[..., tuple[dict[str, str], bytes]]
) -> None:
    body = json.dumps(FACT).encode()
    headers, sent = spoil(signed(desk, body), body)
    answer = desk.test_client().post("/hooks/standard", data=sent, headers=headers)
    assert answer.status_code == 401
    assert count(db, DeliveryRow) == 0
    with db.reading() as session:
        source = session.get_one(Source, "standard")
    assert source.refused == 1
    assert source.refused_reason


def test_a_flood_of_forgeries_costs_no_write_each_and_loses_no_count(
    desk: Flask, db: Database, clock: Clock
) -> None:
    for _ in range(50):
        assert desk.test_client().post("/hooks/standard", data=b"{}").status_code == 401
    with db.reading() as session:
        assert session.get_one(Source, "standard").refused == 1
    clock.forward(seconds=2)
    desk.test_client().post("/hooks/standard", data=b"{}")
    with db.reading() as session:
        assert session.get_one(Source, "standard").refused == 51


def test_the_signature_of_one_source_opens_no_other(desk: Flask, db: Database) -> None:
    body = json.dumps(FACT).encode()
    answer = desk.test_client().post("/hooks/shop", data=body, headers=signed(desk, body, "standard"))
    assert answer.status_code == 401
    assert count(db, DeliveryRow) == 0


def test_an_unknown_source_and_a_method_that_is_not_for_deliveries_are_told_so(desk: Flask) -> None:
    client = desk.test_client()
    assert client.post("/hooks/freshdesk", data=b"{}").status_code == 404
    assert client.get("/hooks/standard").status_code == 405
    assert client.delete("/hooks/standard").status_code == 405


def test_a_body_of_more_than_a_megabyte_is_refused_before_it_is_read(desk: Flask, db: Database) -> None:
    body = b"x" * (MAX_BODY + 1)
    answer = desk.test_client().post("/hooks/standard", data=body, headers=signed(desk, body))
    assert answer.status_code == 413
    assert answer.mimetype == "application/problem+json"
    chunked = {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}
    answer = desk.test_client().post("/hooks/standard", headers=signed(desk, body), **chunked)
    assert answer.status_code == 413, "also where the sender does not say how long it is"
    assert count(db, DeliveryRow) == 0


def test_whatever_is_in_a_signed_body_nothing_breaks_and_nothing_earns(desk: Flask, db: Database) -> None:
    client = desk.test_client()
    for body in corpus.bodies():
        answer = send(desk, body.content, client=client)
        assert answer.status_code in (202, 413), body.name
        if answer.status_code == 202 and not body.accepted:
            assert answer.json is not None
            assert answer.json["state"] == "failed", body.name
    assert count(db, PointsEntry) == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "latin-1", "shift_jis"])
def test_another_encoding_is_kept_with_its_reason_and_never_guessed(
    desk: Flask, db: Database, encoding: str
) -> None:
    words = {"latin-1": "Schöne Größe", "shift_jis": "荷物"}.get(encoding, "luggage")
    fact = FACT | {"data": FACT["data"] | {"text": words}}
    answer = send(desk, json.dumps(fact, ensure_ascii=False).encode(encoding))
    assert answer.status_code == 202
    with db.reading() as session:
        row = session.get_one(DeliveryRow, 1)
    assert row.state == "failed"
    assert "UTF-8" in (row.reason or "")
    assert count(db, EventRow) == 0


# ------------------------------------------------------------------------------------------ failing and mending


def poison(app: Flask, **headers: str) -> TestResponse:
    secret = Moody().secret.get_secret_value()
    return app.test_client().post("/hooks/moody", data=b"x", headers={"X-Token": secret, **headers})


def test_a_delivery_that_cannot_be_read_is_kept_and_a_replay_after_the_fix_earns_once(
    desk: Flask, db: Database, company: Company, config: Config, clock: Clock
) -> None:
    answer = poison(desk)
    assert answer.status_code == 202
    assert answer.json is not None
    assert answer.json["state"] == "failed"
    with db.reading() as session:
        row = session.get_one(DeliveryRow, 1)
    assert row.body == b"x"
    assert "KeyError: 'assignee'" in (row.reason or "")
    assert send(desk).json == {"delivery": 2, "state": "done", "events": 1, "repeated": 0}, "stops nobody"
    Moody.well = True
    for new in (1, 0):
        assert deliveries.replay(db, config, 1, clock()).new == new
    assert points(db, company) == 16


def test_no_secret_and_no_credential_is_kept_with_a_delivery(desk: Flask, db: Database) -> None:
    headers = {
        "X-Token": "moody-canary-5d21",
        "Authorization": "Bearer canary-1",
        "Cookie": "session=canary-2",
    }
    headers["Referer"] = "https://canary.example"
    desk.test_client().post("/hooks/moody?key=moody-canary-5d21&a=1", data=b"x", headers=headers)
    with db.reading() as session:
        row = session.get_one(DeliveryRow, 1)
    assert "canary-1" not in str(row.headers)
    assert "canary-2" not in str(row.headers)
    assert "moody-canary-5d21" not in str(row.headers)
    assert row.url == "http://localhost/hooks/moody?key=…&a=1"
    assert row.headers["referer"] == "https://canary.example"


# ------------------------------------------------------------------------------------------ no database


def impatient(db: Database) -> None:
    """Wait for a lock for tenths of a second instead of seconds, so that the test is quick."""

    @event.listens_for(db.engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        if db.is_sqlite:
            connection.execute("PRAGMA busy_timeout=200")
        else:
            connection.autocommit = True
            connection.execute("SET lock_timeout = '200ms'")
            connection.autocommit = False

    db.dispose()


@contextmanager
def locked(db: Database) -> Iterator[None]:
    """Another program holds the tables."""
    if db.is_sqlite:
        # the same SQLite library: two in one process do not see each other's locks
        other: Any = sqlite_module().connect(str(db.url.database), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
    else:
        other = psycopg.connect(db.url.render_as_string(hide_password=False))
        other.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


@contextmanager
def full(db: Database) -> Iterator[None]:
    """The disk is full: SQLite may not take one page more than it has."""
    most = {"pages": 1}  # below what is there: it stays at that

    @event.listens_for(db.engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={most['pages']}")

    yield
    most["pages"] = 2**30


@contextmanager
def gone(db: Database, postgres: Postgres | None) -> Iterator[None]:
    """The folder of the database is not mounted; the server lets nobody in."""
    if postgres is None:
        folder = Path(str(db.url.database)).parent
        away = folder.with_name(folder.name + "-away")
        db.dispose()
        folder.rename(away)
        try:
            yield
        finally:
            away.rename(folder)
        return
    name = db.url.database
    postgres.run(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        postgres.run(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


def assert_asked_to_come_again(answer: TestResponse) -> None:
    assert answer.status_code == 503
    assert 0 < int(answer.headers["Retry-After"]) < 60


def assert_healed(desk: Flask, db: Database, company: Company) -> None:
    """Within ten seconds the sender's next try is taken, and nothing was half-written before."""
    until = time.monotonic() + 10
    answer = send(desk)
    while answer.status_code == 503 and time.monotonic() < until:
        answer = send(desk)
    assert answer.status_code == 202
    assert (count(db, DeliveryRow), count(db, EventRow), points(db, company)) == (1, 1, 8)


def test_a_locked_database_asks_to_come_again_and_heals_by_itself(
    desk: Flask, db: Database, company: Company
) -> None:
    impatient(db)
    with locked(db):
        assert_asked_to_come_again(send(desk))
    assert_healed(desk, db, company)


def test_a_database_that_is_gone_asks_to_come_again_and_heals_by_itself(
    desk: Flask, db: Database, company: Company, request: pytest.FixtureRequest
) -> None:
    postgres = None if db.is_sqlite else request.getfixturevalue("postgres")
    assert count(db, DeliveryRow) == 0  # and a connection is open
    with gone(db, postgres):
        assert_asked_to_come_again(send(desk))
    assert_healed(desk, db, company)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_asks_to_come_again_and_heals_by_itself(
    desk: Flask, db: Database, company: Company
) -> None:
    large = FACT | {"data": FACT["data"] | {"text": "thank you " * 20_000}}
    with full(db):
        assert_asked_to_come_again(send(desk, large))
    assert_healed(desk, db, company)
