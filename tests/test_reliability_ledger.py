"""Promises of the ledger: late facts, what has been announced, an append-only table, and boards rebuilt elsewhere."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from leaderboard import recognition
from leaderboard.audit import rebuild
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.ledger import post, record_rules
from leaderboard.points import FairPlay, Points
from leaderboard.tables import ClosedWeek, Credit, PointsEntry
from leaderboard.tables import Event as EventRow
from tests import workers
from tests.make import NOON, Company
from tests.test_ledger import close, random_facts, take_in, thanks
from tests.test_recognition import MONDAY, WEEK, care
from tests.test_reliability import Tried, assert_sound, at_once
from tests.trials import dice, trials

__all__ = ["care"]

# ---------------------------------------------------------------- P6: late facts


def frozen(db: Database) -> bytes:
    """All that a closed week shows, as it is stored."""
    with db.reading() as session:
        rows = session.execute(select(ClosedWeek).order_by(ClosedWeek.id)).scalars()
        return json.dumps([row.model_dump(mode="json") for row in rows], sort_keys=True).encode()


@pytest.mark.promise(number=6)
@pytest.mark.parametrize("attempt", range(trials(3)))
def test_whatever_arrives_late_counts_in_the_open_week_and_the_closed_one_stays(
    db: Database, care: Company, attempt: int, record_property: Tried
) -> None:
    """P6: random facts before the close, others of the same weeks and matters after it."""
    chance = dice(f"late {attempt}")
    with db.writing() as session:  # as in every company: rules are read together with what is closed
        record_rules(session, Points(), FairPlay(), NOON)
    for event in random_facts(chance, 20, 40):
        take_in(db, event)
    for team in care.teams.values():
        with db.writing() as session:
            assert (
                recognition.close_week(session, Config(), team, WEEK, MONDAY + timedelta(days=1)) is not None
            )
    before = frozen(db)
    with db.reading() as session:
        last = session.execute(select(func.max(PointsEntry.id))).scalar_one() or 0
        last_event = session.execute(select(func.max(EventRow.id))).scalar_one()
    late = random_facts(chance, 20, 40)
    chance.shuffle(late)
    posted = sum(take_in(db, event, now=MONDAY + timedelta(days=2)).new for event in late)
    record_property("late facts", posted)
    assert posted > 0
    assert frozen(db) == before
    with db.reading() as session:
        later = session.execute(select(PointsEntry).where(PointsEntry.id > last)).scalars().all()
        credits_ = session.execute(select(Credit).where(Credit.event_id > last_event)).scalars().all()
    # 2026-W46 is before the teams' first week: it counts as closed.
    assert [line for line in later if line.week <= str(WEEK) and line.reverses_id is None] == []
    assert {(row.late, row.week) for row in credits_ if row.week} <= {(True, str(WEEK + 1))}
    assert_sound(db)


# ---------------------------------------------------------------- P13: append-only


TRICKS = {
    "update": "UPDATE points_entry SET points = 99",
    "update one column of one line": "UPDATE points_entry SET why = 'full' WHERE id = 1",
    "delete": "DELETE FROM points_entry",
    "delete what is not there any more": "DELETE FROM points_entry WHERE id IN (SELECT id FROM points_entry)",
    "insert or update": "INSERT INTO points_entry SELECT * FROM points_entry WHERE id = 1 "
    "ON CONFLICT (id) DO UPDATE SET points = 99",
}
OF_SQLITE = {
    "replace": "REPLACE INTO points_entry SELECT * FROM points_entry",
    "insert or replace": "INSERT OR REPLACE INTO points_entry SELECT * FROM points_entry",
    "update or replace": "UPDATE OR REPLACE points_entry SET id = id + 1",
}
OF_POSTGRESQL = {
    "truncate": "TRUNCATE points_entry",
    "truncate what it depends on": "TRUNCATE event CASCADE",
    "update in a with": "WITH x AS (UPDATE points_entry SET points = 99 RETURNING 1) SELECT * FROM x",
    "merge": "MERGE INTO points_entry a USING points_entry b ON a.id = b.id WHEN MATCHED THEN DELETE",
}


@pytest.mark.promise(number=13)
def test_no_statement_changes_a_line_of_the_ledger(
    db: Database, company: Company, record_property: Tried
) -> None:
    """P13: neither the plain ones nor those that change by another name."""
    take_in(db, thanks(1), thanks(2))
    tricks = TRICKS | (OF_SQLITE if db.is_sqlite else OF_POSTGRESQL)
    with db.reading() as session:
        before = session.execute(text("SELECT * FROM points_entry ORDER BY id")).all()
    for statement in tricks.values():
        with pytest.raises(DBAPIError, match="append-only"), db.writing() as session:
            session.execute(text(statement))
    with db.reading() as session:
        assert session.execute(text("SELECT * FROM points_entry ORDER BY id")).all() == before
    record_property("ways to change it", len(tricks))


# ---------------------------------------------------------------- P16: rebuilt elsewhere


def wipe(session: Session, *, sqlite: bool, ledger: bool) -> None:
    """Remove what can be computed anew; with `ledger` also its lines, which only a test may."""
    if ledger:
        where = "" if sqlite else " ON points_entry"
        for trigger in ("no_delete", "no_update") if sqlite else ("no_change",):
            session.execute(text(f"DROP TRIGGER points_entry_{trigger}{where}"))
        session.execute(text("UPDATE credit SET entry_id = NULL, points = 0"))
        session.execute(text("UPDATE points_entry SET reverses_id = NULL, points = 0"))
        session.execute(text("DELETE FROM points_entry"))
    session.execute(text("DELETE FROM score"))
    session.execute(text("DELETE FROM tally"))


def stir(session: Session, chance: Random) -> None:
    """Put the rows into another order on the disk: PostgreSQL writes a changed row behind the others."""
    for table in ("event", "credit", "person", "identity"):
        ids = list(session.execute(text(f"SELECT id FROM {table}")).scalars())
        chance.shuffle(ids)
        for id_ in ids:
            session.execute(text(f"UPDATE {table} SET id = id WHERE id = :id"), {"id": id_})


@pytest.mark.promise(number=16)
def test_boards_rebuilt_in_another_house_are_the_same_to_the_byte(
    db: Database, database_url: str, company: Company, record_property: Tried
) -> None:
    """P16: another process, hash seed, time zone and row order; from the scores' ashes, then from the ledger's."""
    chance = dice("rebuild")
    everything = random_facts(chance, 60, 120)
    for event in everything[:40]:
        take_in(db, event)
    close(db, company, week="2026-W46")
    for event in everything[40:]:
        take_in(db, event, now=NOON + timedelta(days=2))
    running = workers.boards(db)
    assert running.count("\n") > 100
    zones = ["Pacific/Auckland", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati"]
    for attempt in range(trials(2)):
        with db.writing() as session:
            wipe(session, sqlite=db.is_sqlite, ledger=attempt == trials(2) - 1)
            if not db.is_sqlite:
                stir(session, chance)
        seed, zone = chance.randrange(1, 2**32), chance.choice(zones)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from tests import workers; workers.rebuild(sys.argv[1])",
                database_url,
            ],
            env=os.environ | {"PYTHONHASHSEED": str(seed), "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == running, f"hash seed {seed}, zone {zone}"
        assert workers.boards(db) == running
    record_property("rebuilds elsewhere", trials(2))
    record_property("facts", len(everything))


@pytest.mark.promise(number=16)
@pytest.mark.parametrize("attempt", range(trials(2)))
def test_a_rebuild_beside_new_facts_loses_none(
    db: Database, company: Company, attempt: int, record_property: Tried
) -> None:
    """It may run while the service does: one unit of work per person."""
    chance = dice(f"beside {attempt}")
    for event in random_facts(chance, 20, 40):
        take_in(db, event)
    more: list[Any] = [
        thanks(1000 + n, n / 7, f"{chance.choice(('ana', 'ben'))}@example.com") for n in range(20)
    ]

    def arrive() -> None:
        for event in more:
            db.write(partial(post, source="desk", events=[event], now=NOON))

    at_once(arrive, lambda: rebuild(db, NOON) and None)
    record_property("facts beside a rebuild", len(more))
    assert_sound(db)
