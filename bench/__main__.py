"""`./dev bench`: how close the hot paths come to what this machine can do at all.

Each figure is a ratio of two medians that were measured in turns in this run, so it holds on a slow machine and a busy one. The
goals are those of docs/decisions.md; nothing here fails a build.
"""

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import insert
from sqlmodel import col, select

from leaderboard import config as settings
from leaderboard import deliveries, people, standings
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.ledger import post, record_rules
from leaderboard.plugin import Delivery, Event
from leaderboard.points import FairPlay, Points
from leaderboard.sqlite import sqlite_module
from leaderboard.standings import Board
from leaderboard.tables import Person, Score, Team

ROUNDS = 7
MOMENT = datetime.fromisoformat("2026-11-18T12:00:00+00:00")
CONFIG = '[server]\nsecret_key = "only for measuring, thirty-two signs"\n[plugins.demo]\nsecret = "bench"\n'


@dataclass(frozen=True)
class Figure:
    """A ratio beside its goal; `at_least` says which way is good."""

    name: str
    ratio: float
    goal: float
    at_least: bool
    note: str

    def line(self) -> str:
        good = self.ratio >= self.goal if self.at_least else self.ratio <= self.goal
        sign = "≥" if self.at_least else "≤"
        return f"{'✓' if good else '·'} {self.name:<58} {self.ratio:6.2f}  (goal {sign} {self.goal})  {self.note}"


def main() -> None:
    """Measure everything and print a line each."""
    folder = Path(tempfile.mkdtemp(prefix="extra-mile-bench-"))
    try:
        print(f"SQLite on {folder.parent}, medians of {ROUNDS} rounds; about two minutes", flush=True)
        for measure in (ingest, the_fullest_week, board_pages, big_board):
            for figure in measure(folder / measure.__name__):
                print(figure.line(), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def in_turns(*works: Callable[[], float]) -> list[float]:
    """The median of each work's seconds, measured in turns so that a busy machine bothers all alike."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, found in zip(works, seconds, strict=True):
            found.append(work())
    return [statistics.median(found) for found in seconds]


def timed(work: Callable[[], object], times: int) -> float:
    """Seconds for one of `times` repetitions."""
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times


def company(folder: Path, size: int = 20) -> tuple[Database, list[int]]:
    """A migrated database with `size` people in one team, and rules whose caps never bite."""
    folder.mkdir()
    db = Database(f"sqlite:///{folder / 'bench.db'}")
    db.upgrade()
    began = MOMENT - timedelta(weeks=4)
    boundless = FairPlay(points_per_week=100_000, points_per_witness_and_week=100_000)
    with db.writing() as session:
        record_rules(session, Points(), boundless, began)
        team = Team(
            name="Bench", slug="bench", timezone="Europe/Berlin", first_week="2026-W40", created_at=began
        )
        session.add(team)
        session.flush()
        rows = [
            {
                **Person(
                    name=f"Person {n}",
                    handle=f"p{n}",
                    email=f"p{n}@example.com",
                    team_id=team.id or 0,
                    created_at=began,
                    changed_at=began,
                ).model_dump(exclude={"id", "webauthn"})
            }
            for n in range(size)
        ]
        session.connection().execute(insert(Person), rows)
        ids = session.exec(select(Person.id).order_by(col(Person.id))).all()
    return db, [id_ for id_ in ids if id_ is not None]


def ingest(folder: Path) -> list[Figure]:
    """A delivery's whole unit of work, against plain sqlite3 writing as many rows in one commit."""
    db, _ = company(folder)
    config, numbers = settings.read(CONFIG), count(1)

    def receive() -> None:
        number = next(numbers)
        fact = {"id": number, "what": "thanks", "agent": f"p{number % 20}@example.com", "ticket": str(number)}
        fact |= {
            "words": "Thank you!",
            "at": f"{MOMENT - timedelta(days=2) + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}",
        }
        receipt = deliveries.receive(db, config, "demo", Delivery(json.dumps(fact).encode(), {}, MOMENT))
        assert receipt.new == 1

    plain = sqlite_module().connect(str(folder / "plain.db"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        plain.execute(f"PRAGMA {pragma}")
    plain.execute("CREATE TABLE line (id INTEGER PRIMARY KEY, name TEXT, number INTEGER, words TEXT)")
    plain.execute("CREATE TABLE score (name TEXT PRIMARY KEY, points INTEGER) WITHOUT ROWID")

    def raw() -> None:
        number = next(numbers)
        plain.execute("BEGIN IMMEDIATE")
        for table in range(4):  # delivery, event, credit, entry
            plain.execute(
                "INSERT INTO line (name, number, words) VALUES (?, ?, ?)", (f"{number}", table, "Thank you!")
            )
        for key in range(18):  # sixteen scores, the tally, the pulse
            plain.execute(
                "INSERT INTO score VALUES (?, 8) ON CONFLICT DO UPDATE SET points = points + 8",
                (f"{number % 20}/{key}",),
            )
        plain.execute("COMMIT")

    receive()
    bare, whole = in_turns(lambda: timed(raw, 100), lambda: timed(receive, 100))
    db.dispose()
    note = f"{1 / whole:,.0f} to {1 / bare:,.0f} a second, one writer"
    return [Figure("ingest: unit of work to plain sqlite3, the same rows", bare / whole, 0.65, True, note)]


def the_fullest_week(folder: Path) -> list[Figure]:
    """What the 5,000th event of one person in one week costs, against the 5th."""
    db, _ = company(folder)
    at = count(1)

    def add(who: str) -> None:
        number = next(at)
        moment = MOMENT - timedelta(days=2) + timedelta(seconds=number)
        event = Event(f"article/{number}", "knowledge.shared", moment, (f"{who}@example.com",))
        db.write(partial(post, source="desk", events=[event], now=MOMENT))

    for start in range(0, 5_000, 500):
        events = [
            Event(f"first/{n}", "knowledge.shared", MOMENT - timedelta(days=2), ("p0@example.com",))
            for n in range(start, start + 500)
        ]
        db.write(partial(post, source="desk", events=events, now=MOMENT))
    people_left = count(1)

    def fifth() -> float:
        who = f"p{next(people_left) % 19 + 1}"
        return timed(lambda: add(who), 5)

    early, late = in_turns(fifth, lambda: timed(lambda: add("p0"), 5))
    db.dispose()
    return [
        Figure(
            "the 5,000th event of one person's week to the 5th",
            late / early,
            2,
            False,
            f"{late * 1000:.1f} ms",
        )
    ]


def board_pages(folder: Path) -> list[Figure]:
    """The home page's board fresh and unchanged, against an empty route of the same app."""
    db, ids = company(folder, 200)
    events = [
        Event(f"a/{n}", "knowledge.shared", MOMENT - timedelta(hours=1), (f"p{n % 200}@example.com",))
        for n in range(600)
    ]
    db.write(partial(post, source="desk", events=events, now=MOMENT))
    app = create_app(settings.read(CONFIG), db, lambda: MOMENT)
    client = signed_in(app, db, ids[0])
    empty = Flask("empty")
    empty.add_url_rule("/", view_func=lambda: "")
    nothing = empty.test_client()
    tag = client.get("/board").headers["ETag"]
    bare, same, fresh = in_turns(
        lambda: timed(lambda: nothing.get("/"), 50),
        lambda: timed(lambda: client.get("/board", headers={"If-None-Match": tag}), 50),
        lambda: timed(lambda: client.get("/board"), 20),
    )
    db.dispose()
    return [
        Figure("board unchanged (304) to an empty route", bare / same, 0.8, True, f"{same * 1000:.1f} ms"),
        Figure("board fresh to an empty route", bare / fresh, 0.4, True, f"{fresh * 1000:.1f} ms"),
    ]


def signed_in(app: Flask, db: Database, person_id: int) -> Any:
    """A client of the app with a session of this person."""
    with db.writing() as session:
        whose = session.get_one(Person, person_id)
        secret = people.sign_in(session, person_id, MOMENT, 24)
        epoch = whose.fs_uniquifier
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(_user_id=epoch, _fresh=True, signed_in=secret)
    return client


def big_board(folder: Path) -> list[Figure]:
    """The top 25 and a place with its neighbours, on a board of 50,000 people against one of 500."""
    db, ids = company(folder, 50_000)
    rows = [
        {
            "team_id": 0,
            "period": period,
            "guideline": "",
            "person_id": id_,
            "points": 1 + id_ * 7919 % 100_003,
        }
        for period, some in (("2026-W47", ids), ("2026-W46", ids[:500]))
        for id_ in some
    ]
    with db.writing() as session:
        session.connection().execute(insert(Score), rows)
    with db.reading() as session:
        many, few = Board("2026-W47"), Board("2026-W46")
        small, large, near_small, near_large = in_turns(
            lambda: timed(lambda: standings.top(session, few, MOMENT), 50),
            lambda: timed(lambda: standings.top(session, many, MOMENT), 50),
            lambda: timed(lambda: standings.around(session, few, ids[250], MOMENT), 20),
            lambda: timed(lambda: standings.around(session, many, ids[250], MOMENT), 20),
        )
    db.dispose()
    return [
        Figure(
            "top 25 of 50,000 people to top 25 of 500", large / small, 1.3, False, f"{large * 1000:.2f} ms"
        ),
        Figure(
            "neighbours among 50,000 to among 500, for the record",
            near_large / near_small,
            30,
            False,
            f"{near_large * 1000:.2f} ms",
        ),
    ]


if __name__ == "__main__":
    main()
