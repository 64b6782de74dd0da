"""Mistakes that others made before us and the measurements of the parts we stand on: each has a test that would see its return.

docs/promises.md lists them all with their tests; here are those that belong to no module.
"""

import re
import threading
from datetime import timedelta

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from sqlalchemy import CheckConstraint, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from leaderboard import config as settings
from leaderboard import jobs
from leaderboard.app import create_app
from leaderboard.database import Database
from leaderboard.tables import Delivery, Person, Team
from tests.conftest import CONFIG
from tests.make import NOON, Clock, Company
from tests.test_tree import ROOT, lines_matching, tracked

PITFALLS = 15


def test_every_pitfall_names_the_tests_that_would_see_its_return() -> None:
    """That the tests exist is checked with those of every page (tests/test_docs.py)."""
    page = (ROOT / "docs" / "promises.md").read_text("utf-8")
    part = page[page.index("## Pitfalls") :]
    found = dict(re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", part, re.MULTILINE))
    assert list(found) == [str(number) for number in range(1, PITFALLS + 1)]
    assert [number for number, tests in found.items() if "`tests/" not in tests] == []


THREATS = (
    "a colleague reads or changes another team's data by its id",
    "mass assignment: role, points, team, giver, id or approval sent along",
    "a lead approves their own",
    "rules are changed by a lead, or backwards",
    "open redirect after signing in",
    "session fixation",
    "a changing request forged from another site",
    "a compromised helpdesk that sends what looks true: taken back by source and time range, and given back",
    "password spraying, and guessing at one account",
    "finding out who works here",
    "an ex-employee's session or token",
    "log injection",
    "Host header poisoning",
    "private pages in a cache",
    "double click and two tabs",
    "undo and closing at the same moment",
    "a webhook signed for another source",
    "takeover by an identity provider's unverified address",
)
"""What somebody might try against what people may see and do."""


def test_every_threat_names_the_tests_that_try_it() -> None:
    page = (ROOT / "docs" / "promises.md").read_text("utf-8")
    part = page[page.index("## Threats") : page.index("## Pitfalls")]
    found = dict(re.findall(r"^\| ([^|]+) \| (`[^|]+) \|$", part, re.MULTILINE))
    assert tuple(found) == THREATS
    assert [threat for threat, tests in found.items() if "`tests/" not in tests] == []


def test_a_unit_of_work_begins_as_a_writer(db: Database, company: Company) -> None:
    """SQLite's deferred transactions lose updates, or fail when they turn into writers too late."""
    with db.writing() as session:
        if db.is_sqlite:
            raw = session.connection().connection.driver_connection
            assert raw is not None
            assert raw.in_transaction, "begun before the first statement, by BEGIN IMMEDIATE"
            for pragma, value in {"journal_mode": "wal", "synchronous": 2, "recursive_triggers": 1}.items():
                assert session.execute(text(f"PRAGMA {pragma}")).scalar_one() == value
        before = session.execute(text("SELECT count(*) FROM person")).scalar_one()
        assert before == len(company.people)


def test_apscheduler_drops_no_tick_and_is_not_the_one_that_loops_for_ever() -> None:
    """3.11.0 hangs at the autumn clock change; a grace time of a second drops ticks."""
    locked = re.search(r"^apscheduler==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    assert locked is not None
    assert Version(locked[1]) >= Version("3.11.3")
    asked = re.search(r'"(apscheduler[^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert asked is not None
    assert "3.11.2" not in Requirement(asked[1]).specifier


def test_timers_tick_by_intervals_and_late_ticks_are_one(db: Database, clock: Clock) -> None:
    """Its calendar triggers miss weeks and repeat them; ours only tick, and rows in the database decide what is due."""
    timers = jobs.start(db, settings.read(CONFIG), clock)
    try:
        for job in timers.get_jobs():
            assert type(job.trigger).__name__ == "IntervalTrigger"
            assert job.misfire_grace_time is None
            assert job.coalesce is True
            assert job.trigger.interval <= timedelta(hours=1)
    finally:
        timers.shutdown(wait=True)


def test_the_web_app_starts_no_clock_and_no_thread(db: Database, clock: Clock) -> None:
    """Every web process would have a clock of its own; what starts before a fork is lost after it."""
    before = set(threading.enumerate())
    create_app(settings.read(CONFIG), db, clock)
    for thread in set(threading.enumerate()) - before:
        thread.join(
            1
        )  # the limits' memory sets off an alarm of a hundredth of a second, which ends by itself
    assert set(threading.enumerate()) == before


def test_every_closed_list_is_kept_by_the_database(db: Database, company: Company) -> None:
    """Table classes do not validate: a wrong word would be committed and break every read that includes the row."""
    lists = {
        str(constraint.name)
        for table in SQLModel.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint) and " IN (" in str(constraint.sqltext)
    }
    assert len(lists) > 10
    with db.reading() as session:
        query = "SELECT sql FROM sqlite_master" if db.is_sqlite else "SELECT conname FROM pg_constraint"
        known = "\n".join(str(row) for row in session.execute(text(query)).scalars())
    assert [name for name in lists if name not in known] == []
    delivery = Delivery(source="desk", received_at=NOON, state="lost")
    person = Person(name="K", handle="k", email="k@example.com", team_id=company.teams["Care"], role="king")
    for moment in ("created_at", "changed_at"):
        setattr(person, moment, NOON)
    team = Team(name="T", slug="t", timezone="UTC", first_week="2026-W01", created_at=NOON, accepts="never")
    for row in (delivery, person, team):
        with pytest.raises(IntegrityError), db.writing() as session:
            session.add(row)


def test_no_lock_outlives_its_unit_of_work() -> None:
    """A pooler between us and PostgreSQL loses or leaks the locks of a session; those of a transaction end with it."""
    session_locks = re.compile(r"pg_(?:try_)?advisory_lock|pg_advisory_unlock")
    assert lines_matching(session_locks, tracked("leaderboard/*.py", "plugins/*.py")) == []
    assert lines_matching(re.compile(r"pg_(?:try_)?advisory_xact_lock"), tracked("leaderboard/*.py"))


def test_the_server_makes_its_app_after_it_has_started_its_processes() -> None:
    """Handles that were opened before a fork are shared by all its children: connections, locks, the clock's threads."""
    source = (ROOT / "leaderboard" / "serve.py").read_text("utf-8")
    assert '"leaderboard.serve:wsgi"' in source
    assert "factory=True" in source
    assert lines_matching(re.compile(r"os\.fork\(|preload"), tracked("leaderboard/*.py")) == []
