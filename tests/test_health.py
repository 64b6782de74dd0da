"""P37: /healthz is green while all is well and red for each thing that is not, and heals; /metrics says the same."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from leaderboard import config as settings
from leaderboard import deliveries, health, jobs, people
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.ledger import post
from leaderboard.plugin import Delivery
from leaderboard.tables import Heartbeat, Person, Source
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.test_ledger import thanks

DESK = '[plugins.demo]\nsecret = "shared"\n'
IDLE = jobs.Job("deliveries", 15, lambda *_: 0)


@pytest.fixture
def desk(db: Database, company: Company, clock: Clock) -> Flask:
    return create_app(settings.read(CONFIG + DESK), db, clock)


@pytest.fixture
def look(desk: Flask, db: Database, clock: Clock) -> Callable[..., tuple[int, Any]]:
    """`look()`: status and content of /healthz after another tick of the clock, a moment later."""

    def asked(*, ticking: bool = True) -> tuple[int, Any]:
        clock.forward(seconds=5)
        if ticking:
            jobs.tick(IDLE, db, desk.extensions["config"], clock)
        answer = desk.test_client().get("/healthz")
        return answer.status_code, answer.json

    return asked


Look = Callable[..., tuple[int, Any]]


def assert_red(found: tuple[int, Any], words: str) -> None:
    status, content = found
    assert (status, content["status"]) == (503, "failing")
    assert [words in problem for problem in content["problems"]] == [True], content


def assert_green(found: tuple[int, Any]) -> None:
    status, content = found
    assert (status, content["status"], content["problems"]) == (200, "ok", [])


@contextmanager
def read_only(db: Database) -> Iterator[None]:
    """The database answers and takes no write, as on a full disk or a standby."""
    if db.is_sqlite:

        def refuse(connection: Any, *_: Any) -> None:
            connection.execute("PRAGMA query_only=ON")

        event.listen(db.engine, "checkout", refuse)
        yield
        event.remove(db.engine, "checkout", refuse)
        db.dispose()
        return
    change = f'ALTER DATABASE "{db.url.database}" SET default_transaction_read_only = '
    for value in ("on", "off"):
        with db.engine.connect() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.commit()
            connection.exec_driver_sql(change + value)
            connection.commit()
        db.dispose()
        if value == "on":
            yield


@pytest.mark.promise(number=37)
def test_red_while_the_database_takes_no_write(db: Database, look: Look) -> None:
    assert_green(look())
    with read_only(db):
        assert_red(look(), "cannot be written")
    assert_green(look())


@pytest.mark.promise(number=37)
def test_red_while_the_clock_stands_still(look: Look, clock: Clock) -> None:
    assert_red(look(ticking=False), "has not ticked yet")
    assert_green(look())
    clock.forward(minutes=4)
    assert_red(look(ticking=False), "has stopped")
    assert_green(look())


@pytest.mark.promise(number=37)
def test_red_while_a_delivery_waits_that_should_have_been_tried_again(
    desk: Flask, db: Database, look: Look, clock: Clock
) -> None:
    config = desk.extensions["config"]
    kept = deliveries.receive(db, config, "demo", Delivery(b"{", {}, clock()))
    assert kept.state == "failed"
    assert_green(look())
    clock.forward(minutes=17)
    found = look()
    assert_red(found, "should have been tried again")
    assert found[1]["oldest_pending_seconds"] > 900
    deliveries.work_through(db, config, clock)
    assert_green(look())


@pytest.mark.promise(number=37)
def test_red_while_a_pull_keeps_failing(db: Database, look: Look) -> None:
    for failures, red in ((2, False), (3, True), (0, False)):
        with db.writing() as session:
            session.merge(Source(name="demo", pull_failures=failures, pull_error="the secret words"))
        found = look()
        assert_red(found, "cannot be pulled") if red else assert_green(found)
        assert "secret words" not in str(found)


@pytest.mark.promise(number=37)
def test_red_while_a_job_fails(desk: Flask, db: Database, look: Look, clock: Clock) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    assert jobs.tick(jobs.Job("pull", 30, fail), db, desk.extensions["config"], clock) is False
    found = look()
    assert_red(found, "ends in an error")
    assert found[1]["failing_jobs"] == ["pull"]
    assert "secret detail" not in str(found)
    jobs.tick(jobs.Job("pull", 30, lambda *_: 0), db, desk.extensions["config"], clock)
    assert_green(look())


@pytest.mark.promise(number=37)
def test_red_once_the_nightly_audit_found_something_until_it_is_mended(
    desk: Flask, db: Database, look: Look, clock: Clock, company: Company
) -> None:
    db.write(partial(post, source="desk", events=[thanks(n, n) for n in range(3)], now=NOON))
    config = desk.extensions["config"]
    assert jobs.audit_nightly(db, config, clock) == 0
    assert_green(look())
    with db.writing() as session:
        session.execute(text("UPDATE score SET points = points + 1 WHERE period = '2026' AND team_id = 0"))
    assert jobs.audit_nightly(db, config, clock) == 0, "it is not night yet"
    clock.forward(hours=15)
    assert jobs.audit_nightly(db, config, clock) == 2
    found = look()
    assert_red(found, "audit found differences")
    assert found[1]["audit_failed"] is True
    assert "ana" not in str(found), "open to everybody, so it names nobody"
    with db.writing() as session:
        session.execute(text("UPDATE score SET points = points - 1 WHERE period = '2026' AND team_id = 0"))
    assert jobs.audit_nightly(db, config, clock) == 0
    assert_red(look(), "audit found differences")
    clock.forward(minutes=61)
    assert jobs.audit_nightly(db, config, clock) == 0
    assert_green(look())


@pytest.mark.promise(number=37)
def test_an_audit_that_dies_takes_nothing_back_of_what_the_last_one_found(
    desk: Flask, db: Database, look: Look, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.writing() as session:
        found = Heartbeat(job=health.AUDITED, started_at=NOON, finished_at=NOON, error="2 differences")
        session.add(found)
    clock.forward(hours=2)

    def die(*_: object) -> Iterator[str]:
        raise MemoryError

    monkeypatch.setattr(jobs, "audit", die)
    with pytest.raises(MemoryError):
        jobs.audit_nightly(db, desk.extensions["config"], clock)
    assert_red(look(), "audit found differences")


@pytest.mark.promise(number=37)
def test_red_when_no_audit_comes_to_its_end(desk: Flask, db: Database, look: Look, clock: Clock) -> None:
    jobs.audit_nightly(db, desk.extensions["config"], clock)
    clock.forward(days=3, hours=1)
    with db.writing() as session:  # one began and never came back
        session.get_one(Heartbeat, health.AUDITED).started_at = clock()
    assert_red(look(), "No audit has come to its end")


def test_an_audit_is_due_once_a_night_by_the_companys_clocks_and_hourly_while_it_is_red() -> None:
    def due(last: datetime, now: datetime, error: str | None = None) -> bool:
        return jobs.audit_due(Heartbeat(job="last audit", started_at=last, error=error), now, "Europe/Berlin")

    day = datetime(2026, 11, 18, tzinfo=UTC)  # Berlin is an hour ahead: its 03:00 is 02:00 here
    assert not due(day + timedelta(hours=2), day + timedelta(hours=25))
    assert due(day + timedelta(hours=2), day + timedelta(hours=26))
    assert not due(day + timedelta(hours=26), day + timedelta(hours=26, minutes=10))
    assert not due(day + timedelta(hours=12), day + timedelta(hours=12, minutes=59), "3 differences")
    assert due(day + timedelta(hours=12), day + timedelta(hours=13, minutes=1), "3 differences")


@pytest.mark.promise(number=37)
def test_metrics_say_the_same_as_health(
    desk: Flask, db: Database, look: Look, clock: Clock, company: Company
) -> None:
    with db.writing() as session:
        admin = session.get_one(Person, company["ada"])
        token = people.token_create(session, admin, ["admin"], 1, NOON)

    def figures() -> dict[str, str]:
        answer = desk.test_client().get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        return dict(re.findall(r"^(\w+) (\S+)$", answer.text, re.MULTILINE))

    clock.forward(seconds=5)
    assert figures()["extra_mile_clock_seconds"] == "NaN"
    assert_green(look())
    assert figures()["extra_mile_healthy"] == "1.0"
    with db.writing() as session:
        session.merge(Source(name="demo", pull_failures=3))
    assert_red(look(), "cannot be pulled")
    found = figures()
    assert (found["extra_mile_healthy"], found["extra_mile_failing_pulls"]) == ("0.0", "1.0")
    assert found["extra_mile_clock_seconds"] == "0.0"


def test_health_names_the_version_of_the_database(db: Database, look: Look) -> None:
    _, content = look()
    assert content["database"]["version"] == db.version()
    assert content["database"]["affected"] is False
