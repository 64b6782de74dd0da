"""The promises that must hold from the first day, against real servers and real processes, on both databases."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from leaderboard.audit import audit
from leaderboard.database import Database
from leaderboard.ledger import post, record_rules
from leaderboard.points import FairPlay, Points
from leaderboard.tables import COMPANY, EVERY, PointsEntry, Score
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Event as EventRow
from tests import workers
from tests.make import NOON, Company
from tests.served import Sender, Served, fact
from tests.test_ledger import close, points, thanks, withdraw
from tests.trials import dice, trials

AGENTS = [f"{name}@example.com" for name in ("ana", "ben", "chris", "dan")]
Tried = Callable[[str, Any], None]
"""pytest's record_property: what was tried, and how often."""


def assert_sound(db: Database) -> None:
    with db.reading() as session:
        assert list(audit(session)) == []


def at_once(*works: Callable[[], None]) -> None:
    """Run these in threads that begin together; what one raises fails the test."""
    start, errors = threading.Barrier(len(works)), []

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 (told below)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.promise(number=1)
def test_a_killed_server_loses_nothing_that_it_acknowledged(
    db: Database, database_url: str, company: Company, tmp_path: Path, record_property: Tried
) -> None:
    """P1: kill -9 every process under load, start again, and look for each delivery that was answered 202."""
    acknowledged: set[int] = set()
    chance = dice("kills")
    served = Served(tmp_path, database_url)
    for round_ in range(trials(2)):
        served.start()

        def load(lane: int, first: int = round_ * 100_000) -> None:
            with Sender(served.port, timeout=5) as sender:
                for number in range(first + lane * 10_000 + 1, first + (lane + 1) * 10_000):
                    status = sender.deliver(fact(number, agent=AGENTS[lane]))
                    if status is None:
                        return  # killed
                    if status == 202:
                        acknowledged.add(number)

        enough, patience = len(acknowledged) + chance.randint(10, 200), time.monotonic() + 30

        def kill(enough: int = enough, patience: float = patience) -> None:
            while len(acknowledged) < enough and time.monotonic() < patience:
                time.sleep(chance.uniform(0, 0.02))
            served.kill()

        at_once(kill, *(partial(load, lane) for lane in range(4)))
    with db.reading() as session:
        stored = set(session.execute(select(EventRow.key)).scalars())
    record_property("kills", trials(2))
    record_property("acknowledged", len(acknowledged))
    assert len(acknowledged) > 20
    assert {f"rating/{number}/thanks" for number in acknowledged} - stored == set()
    assert_sound(db)


@pytest.mark.promise(number=3)
def test_the_same_delivery_a_thousand_times_at_once_earns_once(
    db: Database, database_url: str, company: Company, tmp_path: Path, record_property: Tried
) -> None:
    """P3: through the real door, with new signatures and the keys of the JSON in other orders."""
    body, answers = fact(1), []

    def lane(number: int) -> None:
        chance = dice(f"lane {number}")
        with Sender(served.port) as sender:
            for _ in range(trials(50)):
                names = list(body)
                chance.shuffle(names)
                answers.append(sender.deliver({name: body[name] for name in names}))

    with Served(tmp_path, database_url) as served:
        at_once(*(partial(lane, number) for number in range(20)))
    record_property("deliveries of one fact", len(answers))
    assert answers == [202] * trials(1000)
    with db.reading() as session:
        states = Counter(session.execute(select(DeliveryRow.state)).scalars())
        assert states == {"done": trials(1000)}, "none that could not be posted and waits"
        assert session.execute(select(func.count()).select_from(EventRow)).scalar_one() == 1
        assert session.execute(select(func.sum(PointsEntry.points))).scalar_one() == 8
    assert_sound(db)


@pytest.mark.promise(number=15)
def test_eight_processes_awarding_a_hundred_times_each_lose_no_update(
    db: Database, database_url: str, company: Company, record_property: Tried
) -> None:
    """P15: 8 x 100 awards of 1 point are 800 points."""
    boundless = FairPlay(points_per_witness_and_week=100_000, points_per_week=100_000)
    with db.writing() as session:
        record_rules(session, Points(knowledge_shared=1), boundless, NOON)
    each = trials(100)  # 100 points a day, 100,000 at most: up to 250 times the quick form
    lanes = [workers.start(workers.award, database_url, lane, each) for lane in range(8)]
    for lane in lanes:
        lane.join()
    assert [lane.exitcode for lane in lanes] == [0] * 8
    record_property("awards", 8 * each)
    assert (points(db, company["ana"]), points(db, company["ben"])) == (4 * each, 4 * each)
    assert_sound(db)


@pytest.mark.promise(number=14)
@pytest.mark.parametrize("attempt", range(trials(3)))
def test_undo_against_a_racing_close_is_both_or_neither(
    db: Database, company: Company, attempt: int, record_property: Tried
) -> None:
    """P14: whichever comes first, the frozen numbers and the ledger as of closing agree."""
    db.write(partial(post, source="desk", events=[thanks(n, n / 10) for n in range(5)], now=NOON))
    undo = partial(post, source="desk", events=[withdraw("rating/1/thanks")], now=NOON + timedelta(days=6))
    at_once(partial(db.write, undo), partial(close, db, company))
    record_property("races", 1)
    with db.reading() as session:
        total = session.get(Score, (COMPANY, "2026", EVERY, company["ana"]))
        assert total is not None
        assert total.points == 32
    assert_sound(db)


@pytest.mark.promise(number=17)
@pytest.mark.parametrize("attempt", range(trials(1)))
def test_the_weekly_cap_holds_for_facts_that_arrive_at_once(
    db: Database, company: Company, attempt: int, record_property: Tried
) -> None:
    """P17: with 56 of 60 points used, four thanks at the same moment earn the 4 that are left, for each of eight people."""
    for number, (handle, person_id) in enumerate(company.people.items()):
        agent, first = f"{handle}@example.com", number * 100
        earlier = [thanks(first + n, n, agent) for n in range(7)]
        db.write(partial(post, source="desk", events=earlier, now=NOON))
        last = [[thanks(first + 10 + n, 20, agent)] for n in range(4)]
        at_once(
            *(partial(db.write, partial(post, source="desk", events=events, now=NOON)) for events in last)
        )
        assert points(db, person_id) == 60
    record_property("caps raced for", len(company.people))
    assert_sound(db)
