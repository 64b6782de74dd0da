"""The promises that must hold from the first day, against real servers and real processes, on both databases."""

import json
import multiprocessing
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlmodel import Session

from leaderboard import weeks
from leaderboard.audit import audit
from leaderboard.database import Database
from leaderboard.ledger import post, record_rules
from leaderboard.plugin import Event, Secret
from leaderboard.points import FairPlay, Points
from leaderboard.tables import COMPANY, EVERY, PointsEntry, Score
from leaderboard.tables import Event as EventRow
from plugins.demo import DemoDesk
from tests.make import NOON, Company
from tests.served import Served
from tests.test_ledger import MONDAY, close, points, thanks, withdraw

AGENTS = [f"{name}@example.com" for name in ("ana", "ben", "chris", "dan")]
DESK = DemoDesk(secret=Secret("shared with the demo desk"))


def fact(number: int, **more: Any) -> dict[str, Any]:
    at = weeks.now() - timedelta(minutes=5)
    whole = {"id": number, "what": "thanks", "agent": "ana@example.com", "ticket": str(number)}
    return (
        whole
        | {"customer": f"c{number}@example.org", "words": "Thank you!", "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
        | more
    )


def send(http: httpx.Client, url: str, body: dict[str, Any]) -> int:
    raw = json.dumps(body).encode()
    return http.post(f"{url}/hooks/demo", content=raw, headers=DESK.sign(raw, weeks.now())).status_code


def assert_sound(db: Database) -> None:
    with db.reading() as session:
        assert list(audit(session)) == []


def test_a_killed_server_loses_nothing_that_it_acknowledged(
    db: Database, database_url: str, company: Company, tmp_path: Path
) -> None:
    """P1: kill -9 every process under load, start again, and look for each delivery that was answered 202."""
    acknowledged: set[int] = set()
    dice = Random(7)
    served = Served(tmp_path, database_url)
    for round_ in range(3):
        served.start()
        stop = threading.Event()

        def load(lane: int, first: int = round_ * 100_000, stop: threading.Event = stop) -> None:
            with httpx.Client(timeout=5) as http:
                for number in range(first + lane * 10_000 + 1, first + (lane + 1) * 10_000):
                    if stop.is_set():
                        return
                    try:
                        if (
                            send(
                                http,
                                served.url,
                                fact(number, agent=AGENTS[lane]),
                            )
                            == 202
                        ):
                            acknowledged.add(number)
                    except httpx.TransportError:
                        return

        lanes = [threading.Thread(target=load, args=(lane,)) for lane in range(4)]
        for lane in lanes:
            lane.start()
        enough, patience = len(acknowledged) + dice.randint(10, 80), time.monotonic() + 30
        while len(acknowledged) < enough and time.monotonic() < patience:
            time.sleep(0.01)
        served.kill()
        stop.set()
        for lane in lanes:
            lane.join()
    with db.reading() as session:
        stored = set(session.execute(select(EventRow.key)).scalars())
    assert len(acknowledged) > 20
    assert {f"rating/{number}/thanks" for number in acknowledged} - stored == set()
    assert_sound(db)


def test_the_same_delivery_a_thousand_times_at_once_earns_once(
    db: Database, database_url: str, company: Company, tmp_path: Path
) -> None:
    """P3: through the real door, with new signatures and the keys of the JSON in other orders."""
    body = fact(1)
    answers: list[int] = []

    def lane(seed: int) -> None:
        dice = Random(seed)
        with httpx.Client(timeout=60) as http:
            for _ in range(50):
                names = list(body)
                dice.shuffle(names)
                answers.append(send(http, served.url, {name: body[name] for name in names}))

    with Served(tmp_path, database_url) as served:
        lanes = [threading.Thread(target=lane, args=(seed,)) for seed in range(20)]
        for thread in lanes:
            thread.start()
        for thread in lanes:
            thread.join()
    assert answers == [202] * 1000
    with db.reading() as session:
        assert session.execute(select(func.count()).select_from(EventRow)).scalar_one() == 1
        assert session.execute(select(func.sum(PointsEntry.points))).scalar_one() == 8
    assert_sound(db)


def award(url: str, lane: int, each: int) -> None:
    """One process's share of P15: facts for the same two people, one unit of work each."""
    database = Database(url)

    def work(session: Session, number: int) -> None:
        # Made inside the unit of work, so that facts come (nearly) in order: each is added to what the last one left, and a
        # lost update would stay lost. Out of order, the week is counted again and would heal.
        at = MONDAY + timedelta(seconds=time.monotonic() % 86_400)
        who = ("ana@example.com", "ben@example.com")[number % 2]
        post(session, "desk", [Event(f"article/{lane}/{number}", "knowledge.shared", at, (who,))], NOON)

    for number in range(each):
        database.write(partial(work, number=number))
    database.dispose()


def test_eight_processes_awarding_a_hundred_times_each_lose_no_update(
    db: Database, database_url: str, company: Company
) -> None:
    """P15: 8 x 100 awards of 1 point are 800 points."""
    boundless = FairPlay(points_per_witness_and_week=100_000, points_per_week=100_000)
    with db.writing() as session:
        record_rules(session, Points(knowledge_shared=1), boundless, NOON)
    spawn = multiprocessing.get_context("spawn")
    lanes = [spawn.Process(target=award, args=(database_url, lane, 100)) for lane in range(8)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert [lane.exitcode for lane in lanes] == [0] * 8
    assert (points(db, company["ana"]), points(db, company["ben"])) == (400, 400)
    assert_sound(db)


@pytest.mark.parametrize("attempt", range(3))
def test_undo_against_a_racing_close_is_both_or_neither(db: Database, company: Company, attempt: int) -> None:
    """P14: whichever comes first, the frozen numbers and the ledger as of closing agree."""
    db.write(partial(post, source="desk", events=[thanks(n, n / 10) for n in range(5)], now=NOON))
    start = threading.Barrier(2)

    def undo() -> None:
        start.wait()
        db.write(
            partial(post, source="desk", events=[withdraw("rating/1/thanks")], now=NOON + timedelta(days=6))
        )

    def freeze() -> None:
        start.wait()
        close(db, company)

    both = [threading.Thread(target=undo), threading.Thread(target=freeze)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    with db.reading() as session:
        total = session.get(Score, (COMPANY, "2026", EVERY, company["ana"]))
        assert total is not None
        assert total.points == 32
    assert_sound(db)


def test_the_weekly_cap_holds_for_facts_that_arrive_at_once(db: Database, company: Company) -> None:
    """P17: with 56 of 60 points used, four thanks at the same moment earn the 4 that are left, for each of eight people."""
    for number, (handle, person_id) in enumerate(company.people.items()):
        agent, first = f"{handle}@example.com", number * 100
        db.write(
            partial(post, source="desk", events=[thanks(first + n, n, agent) for n in range(7)], now=NOON)
        )
        start = threading.Barrier(4)

        def arrive(last: int, agent: str = agent, start: threading.Barrier = start) -> None:
            start.wait()
            db.write(partial(post, source="desk", events=[thanks(last, 20, agent)], now=NOON))

        lanes = [threading.Thread(target=arrive, args=(first + 10 + lane,)) for lane in range(4)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        assert points(db, person_id) == 60
    assert_sound(db)
