"""The freeze button: what comes is kept and waits, nothing of it is posted, and unfreezing works through all of it."""

from datetime import timedelta

import pytest

from leaderboard import acts, deliveries, health
from leaderboard import config as settings
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import Invalid
from leaderboard.tables import Event as EventRow
from tests.make import NOON, Clock, Company
from tests.plugins.tools import Asked, DemoTool, Said
from tests.test_deliveries import count, delivery, fill, points, source


def freeze(db: Database, company: Company, clock: Clock, why: str = "") -> bool:
    return db.write(lambda session: deliveries.freeze(session, "demo", clock(), company["ada"], why))


def release(db: Database, company: Company, clock: Clock) -> bool:
    return db.write(lambda session: deliveries.release(session, "demo", clock(), company["ada"]))


@pytest.fixture
def desk() -> Config:
    return settings.read('[plugins.demo]\nsecret = "a shared secret"')


def test_a_frozen_source_keeps_what_comes_and_posts_nothing_until_it_is_unfrozen(
    db: Database, company: Company, desk: Config, clock: Clock
) -> None:
    def come(number: int) -> str:
        fact = {"id": number, "ticket": str(number), "customer": f"{number}@example.org"}
        return deliveries.receive(db, desk, "demo", delivery(**fact)).state

    assert come(1) == "done"
    assert freeze(db, company, clock)
    assert [come(2), come(3)] == ["pending", "pending"]
    assert come(1) == "pending", "a repeated one waits with the others"
    clock.forward(days=40)
    assert deliveries.work_through(db, desk, clock) == 0
    with db.writing() as session:
        deliveries.forget(session, desk, clock())
    clock.at(NOON + timedelta(minutes=1))
    assert (points(db, company), count(db, EventRow)) == (8, 1)
    assert release(db, company, clock)
    assert deliveries.work_through(db, desk, clock) == 3, "kept for as long as it was frozen"
    assert (points(db, company), count(db, EventRow)) == (24, 3)
    assert come(4) == "done"


def test_what_waits_of_a_frozen_source_is_read_again_by_nobody(
    db: Database, company: Company, desk: Config, clock: Clock
) -> None:
    failed = deliveries.receive(db, desk, "demo", delivery(b"{"))
    freeze(db, company, clock)
    waiting = deliveries.receive(db, desk, "demo", delivery())
    clock.forward(hours=1)
    assert deliveries.work_through(db, desk, clock) == 0
    for one in (failed, waiting):
        with pytest.raises(Invalid, match="frozen"):
            deliveries.replay(db, desk, one.id, clock())


def test_a_frozen_source_is_not_pulled_and_a_pull_at_work_stops_at_its_next_page(
    db: Database, company: Company, clock: Clock
) -> None:
    tool = DemoTool()
    with tool.running():
        section = f'secret = "s"\naddress = "{tool.address}"\napi_token = "demo-token"'
        desk = settings.read(f'pull_hosts = ["127.0.0.1"]\n[plugins.demo]\n{section}')
        fill(tool, 5)

        def freezes(asked: Asked) -> Said | None:
            if asked.query.get("from") == "2":
                freeze(db, company, clock)
            return None

        tool.misbehaves = freezes
        with pytest.raises(deliveries.Frozen):
            deliveries.pull(db, desk, "demo", clock)
        assert count(db, EventRow) == 2
        assert (source(db).pull_failures, source(db).pull_error) == (0, None), "a pause is no failure"
        clock.forward(hours=2)
        assert deliveries.pull_due(db, desk, clock) == 0
        tool.misbehaves = lambda asked: None
        release(db, company, clock)
        assert deliveries.pull_due(db, desk, clock) == 1
        assert count(db, EventRow) == 5


def test_freezing_is_no_fault_and_neither_is_working_through_what_waited(
    db: Database, company: Company, desk: Config, clock: Clock
) -> None:
    deliveries.receive(db, desk, "demo", delivery(b"{"))
    freeze(db, company, clock)
    deliveries.receive(db, desk, "demo", delivery())
    clock.forward(days=2)
    late = "Deliveries wait that should have been tried again: is the clock running?"
    found = health.check(db, clock())
    assert (found.frozen, late in found.problems) == (1, False)
    release(db, company, clock)
    assert late not in health.check(db, clock()).problems
    clock.forward(minutes=20)
    assert late in health.check(db, clock()).problems, "nobody worked through it"


def test_who_froze_it_and_why_is_written_down_once(
    db: Database, company: Company, desk: Config, clock: Clock
) -> None:
    assert freeze(db, company, clock, " They were broken into. ")
    assert not freeze(db, company, clock, "again")
    assert release(db, company, clock)
    assert not release(db, company, clock)
    with db.reading() as session:
        found = acts.told(session, "demo")
    told = [(one.what, one.who.handle if one.who else None, one.act.why) for one in found]
    assert told == [("Unfrozen", "ada", ""), ("Frozen", "ada", "They were broken into.")]
