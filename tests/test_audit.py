"""Audit finds what disagrees; rebuild restores it to the byte."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from leaderboard.audit import audit, rebuild
from leaderboard.database import Database
from leaderboard.ledger import post
from leaderboard.plugin import Event
from tests.make import NOON, Company
from tests.test_ledger import RECOVERY, boards, close, promise, thanks, withdraw


@pytest.fixture
def busy(db: Database, company: Company) -> Database:
    """A company with some weeks of facts, a closed week, a correction and a withdrawal behind it."""
    people = ("ana", "ben", "chris", "dan", "eve")
    earlier = [thanks(n, n / 3 - 24 * 7, f"{people[n % 5]}@example.com") for n in range(40)]
    db.write(partial(post, source="desk", events=earlier, now=NOON - timedelta(days=5)))
    close(db, company, week="2026-W46")
    now = [thanks(n, n / 3, f"{people[n % 5]}@example.com") for n in range(50, 90)]
    now += [*RECOVERY, promise("made", 0, 5, 7), promise("kept", 4, None, 7), withdraw("rating/3/thanks")]
    for event in reversed(now):
        db.write(partial(post, source="desk", events=[event], now=NOON))
    note = Event("note/1", "help.given", NOON, ("ana@example.com",), giver="ben@example.com", ticket="9")
    db.write(partial(post, source="other", events=[note], now=NOON))
    return db


def differences(db: Database) -> list[str]:
    with db.reading() as session:
        return list(audit(session))


def tables(db: Database) -> Any:
    with db.reading() as session:
        tally = session.execute(text("select * from tally order by person_id, week")).all()
    return boards(db), [tuple(row) for row in tally]


def test_a_sound_ledger_has_no_differences(busy: Database) -> None:
    assert differences(busy) == []


def test_rebuild_gives_the_same_to_the_byte(busy: Database) -> None:
    before = tables(busy)
    assert rebuild(busy, NOON) == 0
    assert tables(busy) == before
    assert differences(busy) == []


STRAY = "INSERT INTO score SELECT 99, '2031-01', '', id, 7 FROM person WHERE handle = 'ana'"
"""In a team and a month in which nobody ever earned."""


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE score SET points = points + 1 WHERE period = '2026'", "the score is"),
        ("DELETE FROM score WHERE period = '2026-W47'", "the score is 0"),
        (STRAY, "the score is 7, the ledger 0"),
        ("UPDATE credit SET points = 3 WHERE points = 8", "says 3, the ledger 8"),
        ("UPDATE credit SET entry_id = NULL WHERE points = 8", "says 0, the ledger 8"),
        ("UPDATE tally SET customer = 0", "tally is 0"),
    ],
)
@pytest.mark.promise(number=12)
def test_damage_is_found_and_rebuilt(busy: Database, company: Company, damage: str, says: str) -> None:
    before = tables(busy)
    with busy.writing() as session:
        session.execute(text(damage))
    assert any(says in line for line in differences(busy))
    rebuild(busy, NOON)
    assert differences(busy) == []
    assert tables(busy) == before


def test_a_ledger_line_that_the_evidence_contradicts_is_found_and_corrected_by_new_lines(
    busy: Database, company: Company
) -> None:
    with busy.writing() as session:
        columns = (
            "credit_id, event_id, person_id, team_id, kind, witness, guideline, full_points, week, counts_on"
        )
        session.execute(
            text(
                f"INSERT INTO points_entry ({columns}, rules_version, posted_at, points, why) "
                f"SELECT {columns}, rules_version, posted_at, 50, why FROM points_entry WHERE points = 8 LIMIT 1"
            )
        )
    assert any("by the ledger" in line for line in differences(busy))
    assert rebuild(busy, NOON) == 1
    assert differences(busy) == []


def test_progress_is_told(busy: Database, company: Company) -> None:
    steps: list[tuple[int, int]] = []
    rebuild(busy, NOON, lambda done, of: steps.append((done, of)))
    assert steps == [(len(company.people), len(company.people))]  # few enough for one unit of work
