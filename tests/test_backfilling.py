"""The backfill: a source's past fetched again beside its pulls, in steps that can be stopped, and nothing counts twice."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from leaderboard import acts, deliveries, recognition
from leaderboard import config as settings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.deliveries import backfilling
from leaderboard.plugin import Invalid
from leaderboard.tables import Backfill, Credit, Team
from leaderboard.tables import Event as EventRow
from leaderboard.weeks import Week
from tests.make import NOON, Clock, Company
from tests.plugins.tools import Asked, DemoTool, Said
from tests.test_deliveries import FACT, count, source


@pytest.fixture
def tool() -> Iterator[DemoTool]:
    """Demo Desk, where somebody was thanked on each of the last five days."""
    tool = DemoTool()
    tool.now = NOON
    for days in range(5, 0, -1):
        at = f"{NOON - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
        tool.facts.append(
            FACT | {"id": days, "ticket": str(days), "customer": f"c{days}@example.org", "at": at}
        )
    with tool.running():
        yield tool


@pytest.fixture
def desk(tool: DemoTool) -> Config:
    section = f'secret = "a shared secret"\naddress = "{tool.address}"\napi_token = "demo-token"\npull_from = 2026-11-17'
    return settings.read(f'pull_hosts = ["127.0.0.1"]\n[plugins.demo]\n{section}')


def begin(db: Database, desk: Config, company: Company, clock: Clock, days: int = 30) -> None:
    plugin = desk.plugins["demo"]
    db.write(lambda session: backfilling.begin(session, plugin, "demo", days, clock(), company["ada"]))


def row(db: Database) -> Backfill:
    with db.reading() as session:
        return session.get_one(Backfill, "demo")


def test_it_brings_what_lies_before_the_pulls_beginning_and_nothing_twice(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    assert deliveries.pull(db, desk, "demo", clock) == 1
    cursor = source(db).cursor
    begin(db, desk, company, clock)
    assert deliveries.backfill_due(db, desk, clock) == 1
    found = row(db)
    assert (found.state, found.pages, found.events, found.known) == ("done", 3, 4, 1)
    assert (count(db, EventRow), source(db).cursor) == (5, cursor), "the pull's own cursor stays"
    begin(db, desk, company, clock, 3)
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).events, row(db).known, count(db, EventRow)) == (0, 3, 5)
    assert deliveries.backfill_due(db, desk, clock) == 0, "done is done"


def test_it_is_stopped_between_two_pages_and_goes_on_where_it_was(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    def stops(asked: Asked) -> Said | None:
        if asked.query.get("from") == "2":
            db.write(lambda session: backfilling.stop(session, "demo", clock(), company["ada"]))
        return None

    tool.misbehaves = stops
    begin(db, desk, company, clock)
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).state, row(db).pages, row(db).events) == ("stopped", 1, 2)
    assert deliveries.backfill_due(db, desk, clock) == 0
    tool.misbehaves = lambda asked: None
    assert db.write(lambda session: backfilling.resume(session, "demo", clock(), company["ada"]))
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).state, row(db).events) == ("done", 5)
    with db.reading() as session:
        told = [one.act.what for one in acts.told(session, "demo")]
    assert told == ["backfill.resume", "backfill.stop", "backfill"]


def test_a_clock_that_was_killed_at_it_leaves_it_to_the_next_one(
    db: Database,
    company: Company,
    tool: DemoTool,
    desk: Config,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin(db, desk, company, clock)
    with db.writing() as session:  # what a step writes first; then its process is gone
        found = backfilling._claim(session, "demo", clock())
        assert found is not None
    assert deliveries.backfill_due(db, desk, clock) == 0, "another clock seems to be at it"
    clock.forward(minutes=6)
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).state, row(db).events) == ("done", 5)


def test_it_rests_while_its_source_is_frozen(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    def freezes(asked: Asked) -> Said | None:
        if asked.query.get("from") == "2":
            db.write(lambda session: deliveries.freeze(session, "demo", clock(), company["ada"]))
        return None

    tool.misbehaves = freezes
    begin(db, desk, company, clock)
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).state, count(db, EventRow)) == ("running", 2)
    clock.forward(minutes=10)
    assert deliveries.backfill_due(db, desk, clock) == 0
    tool.misbehaves = lambda asked: None
    db.write(lambda session: deliveries.release(session, "demo", clock(), company["ada"]))
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).state, count(db, EventRow)) == ("done", 5)


def test_a_tool_that_asks_to_wait_is_waited_for(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    tool.misbehaves = lambda asked: Said(status=429, headers={"Retry-After": "1800"})
    begin(db, desk, company, clock)
    for _ in range(5):
        deliveries.backfill_due(db, desk, clock)
        clock.forward(minutes=31)
    assert (row(db).state, row(db).failures) == ("running", 0)
    tool.misbehaves = lambda asked: None
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).state, row(db).error) == ("done", None)


def test_one_that_is_not_let_in_ends_with_the_reason_and_can_go_on(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    tool.misbehaves = lambda asked: Said(status=403)
    begin(db, desk, company, clock)
    deliveries.backfill_due(db, desk, clock)
    assert row(db).state == "failed"
    assert "refuses our credentials" in (row(db).error or "")
    tool.misbehaves = lambda asked: None
    db.write(lambda session: backfilling.resume(session, "demo", clock(), None))
    deliveries.backfill_due(db, desk, clock)
    assert (row(db).state, row(db).error) == ("done", None)


def test_what_cannot_be_read_is_left_out_and_told_of_and_the_rest_comes(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    tool.facts[1] = tool.facts[1] | {"agent": None}
    begin(db, desk, company, clock)
    for _ in range(4):
        deliveries.backfill_due(db, desk, clock)
        clock.forward(minutes=10)
    assert (row(db).state, count(db, EventRow)) == ("done", 4)
    assert "names no agent" in (row(db).error or "")


def test_a_fact_of_a_closed_week_counts_in_the_open_one_and_says_so(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    with db.writing() as session:
        session.get_one(Team, company.teams["Care"]).first_week = "2026-W46"
        session.flush()
        recognition.close_week(session, desk, company.teams["Care"], Week.parse("2026-W46"), clock())
    begin(db, desk, company, clock)
    deliveries.backfill_due(db, desk, clock)
    with db.reading() as session:
        found = session.exec(select(Credit.week, Credit.late)).all()
    assert sorted(found) == [("2026-W47", False)] * 2 + [("2026-W47", True)] * 3


def test_only_what_makes_sense_is_begun(
    db: Database, company: Company, tool: DemoTool, desk: Config, clock: Clock
) -> None:
    for days in (0, -1, 366):
        with pytest.raises(Invalid, match="1 to 365"):
            begin(db, desk, company, clock, days)
    hooks_only = settings.read('[plugins.demo]\nsecret = "s"')
    with pytest.raises(Invalid):
        begin(db, hooks_only, company, clock)
    begin(db, desk, company, clock)
    with pytest.raises(Invalid, match="already"):
        begin(db, desk, company, clock)


@pytest.mark.promise(number=26)
def test_it_connects_nowhere_that_a_pull_may_not(
    db: Database, company: Company, tool: DemoTool, clock: Clock
) -> None:
    section = f'secret = "s"\naddress = "{tool.address}"\napi_token = "demo-token"'
    desk = settings.read(f"[plugins.demo]\n{section}")  # without `pull_hosts`, this machine is no place to go
    begin(db, desk, company, clock)
    deliveries.backfill_due(db, desk, clock)
    assert tool.asked == []
    assert "127.0.0.1" in (row(db).error or "")
