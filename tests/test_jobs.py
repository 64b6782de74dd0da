"""The clock: several of them, late ones, jumping ones and broken ones."""

import multiprocessing
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select

from leaderboard import jobs, recognition, weeks
from leaderboard.config import OWN_SOURCE, Config
from leaderboard.database import Database
from leaderboard.health import AUDITED
from leaderboard.plugin import Invalid
from leaderboard.tables import (
    Announcement,
    Channel,
    ClosedWeek,
    Event,
    Heartbeat,
    Recognition,
    Reversal,
    Team,
)
from leaderboard.weeks import Week
from tests import make
from tests.make import NOON
from tests.test_recognition import MONDAY, WEEK, close_before, told
from tests.test_taking_back import HOUR, asked, busy

CONFIG = Config()
TUESDAY = MONDAY + timedelta(days=1)
MOMENTS: dict[str, Any] = {"occurred_at": NOON, "posted_at": NOON}


@pytest.fixture
def care(db: Database, company: make.Company) -> make.Company:
    """A company whose first week is WEEK, with stories that make Ana Care's winner."""
    with db.writing() as session:
        for team_id in company.teams.values():
            close_before(session, team_id, WEEK)
        for giver in ("chris", "lea"):
            told(session, company, giver, "ana")
    return company


def closed(db: Database) -> list[tuple[int, str]]:
    with db.reading() as session:
        rows = session.exec(select(ClosedWeek)).all()
        return sorted((row.team_id, row.week) for row in rows)


def close_in_a_process(url: str, moment: datetime) -> None:
    """What one more scheduler of its own process does."""
    database = Database(url)
    jobs.close_weeks(database, CONFIG, lambda: moment)
    database.dispose()


# ---------------------------------------------------------------- several clocks


def test_several_schedulers_close_each_week_exactly_once(
    db: Database, database_url: str, care: make.Company
) -> None:
    """Three processes and three threads at the same moment, with four weeks of two teams due."""
    moment = MONDAY + timedelta(weeks=3, hours=12)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=close_in_a_process, args=(database_url, moment)) for _ in range(3)]
    threads = [threading.Thread(target=jobs.close_weeks, args=(db, CONFIG, lambda: moment)) for _ in range(3)]
    for one in (*processes, *threads):
        one.start()
    for one in (*processes, *threads):
        one.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    expected = [
        (team_id, str(WEEK + number)) for team_id in sorted(care.teams.values()) for number in range(4)
    ]
    assert closed(db) == expected
    with db.reading() as session:
        assert [row.person_id for row in session.exec(select(Recognition))] == [care["ana"]]


def close_and_hang(url: str, team_id: int, said: Any) -> None:
    """A scheduler that has done everything but commit when it is killed."""
    database = Database(url)
    with database.writing() as session:
        assert recognition.close_week(session, CONFIG, team_id, WEEK, MONDAY) is not None
        said.set()
        threading.Event().wait(60)


def test_a_scheduler_killed_inside_a_close_leaves_nothing_and_the_next_one_closes_it(
    db: Database, database_url: str, care: make.Company
) -> None:
    spawn = multiprocessing.get_context("spawn")
    said = spawn.Event()
    doomed = spawn.Process(target=close_and_hang, args=(database_url, care.teams["Care"], said))
    doomed.start()
    assert said.wait(60)
    doomed.kill()
    doomed.join()
    assert closed(db) == []
    assert jobs.close_weeks(db, CONFIG, lambda: MONDAY) == 1
    assert closed(db) == [(care.teams["Care"], "2026-W47")]
    with db.reading() as session:
        assert [row.person_id for row in session.exec(select(Recognition))] == [care["ana"]]


def test_two_autopilots_announce_once(db: Database, care: make.Company) -> None:
    with db.writing() as session:
        team = session.get_one(Team, care.teams["Care"])
        team.autopilot = True
        session.add(team)
        session.add(Channel(team_id=team.id or 0, kind="email", name="All", target="care@example.com"))
    jobs.close_weeks(db, CONFIG, lambda: MONDAY)
    threads = [
        threading.Thread(target=jobs.close_weeks, args=(db, CONFIG, lambda: TUESDAY)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.reading() as session:
        assert len(session.exec(select(Announcement)).all()) == 1
        assert (
            session.exec(select(ClosedWeek).where(ClosedWeek.team_id == care.teams["Care"])).one().autopilot
        )


# ---------------------------------------------------------------- time


def test_each_team_closes_on_its_own_monday_morning(db: Database, care: make.Company) -> None:
    care_id, shop_id = care.teams["Care"], care.teams["Shop"]
    assert jobs.close_weeks(db, CONFIG, lambda: MONDAY - timedelta(seconds=1)) == 0
    assert jobs.close_weeks(db, CONFIG, lambda: MONDAY) == 1
    assert closed(db) == [(care_id, "2026-W47")]
    new_york = datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert jobs.close_weeks(db, CONFIG, lambda: new_york - timedelta(seconds=1)) == 0
    assert jobs.close_weeks(db, CONFIG, lambda: new_york) == 1
    assert closed(db) == [(care_id, "2026-W47"), (shop_id, "2026-W47")]


def test_a_missed_monday_is_caught_up_once(db: Database, care: make.Company) -> None:
    back = MONDAY + timedelta(weeks=5, days=2)
    assert jobs.close_weeks(db, CONFIG, lambda: back) == 12
    assert jobs.close_weeks(db, CONFIG, lambda: back) == 0
    assert [week for team_id, week in closed(db) if team_id == care.teams["Care"]] == [
        str(WEEK + number) for number in range(6)
    ]


def test_after_a_long_silence_the_autopilot_sends_one_message_and_no_burst(
    db: Database, care: make.Company
) -> None:
    with db.writing() as session:
        team = session.get_one(Team, care.teams["Care"])
        team.autopilot = True
        session.add(team)
        session.add(Channel(team_id=team.id or 0, kind="email", name="All", target="care@example.com"))
    for _ in range(3):
        jobs.close_weeks(db, CONFIG, lambda: TUESDAY + timedelta(weeks=5))
    with db.reading() as session:
        (row,) = session.exec(select(Announcement)).all()
        assert session.get_one(ClosedWeek, row.closed_week_id).week == "2026-W52"


def test_a_clock_that_jumps_back_closes_nothing_twice(db: Database, care: make.Company) -> None:
    assert jobs.close_weeks(db, CONFIG, lambda: MONDAY + timedelta(weeks=1)) == 3
    before = closed(db)
    for moment in (MONDAY - timedelta(days=3), MONDAY, MONDAY + timedelta(weeks=1)):
        assert jobs.close_weeks(db, CONFIG, lambda moment=moment: moment) == 0
    assert closed(db) == before


def test_a_team_whose_zone_changed_misses_no_week_and_has_none_twice(
    db: Database, care: make.Company
) -> None:
    with db.writing() as session:
        team = session.get_one(Team, care.teams["Care"])
        team.next_timezone, team.next_timezone_from = "Pacific/Auckland", str(WEEK + 1)
        session.add(team)
    auckland = datetime(2026, 11, 29, 20, tzinfo=UTC)  # Monday, 9 o'clock in Auckland
    assert jobs.close_weeks(db, CONFIG, lambda: auckland - timedelta(seconds=1)) == 2
    assert jobs.close_weeks(db, CONFIG, lambda: auckland) == 1
    assert [week for team_id, week in closed(db) if team_id == care.teams["Care"]] == ["2026-W47", "2026-W48"]


# ---------------------------------------------------------------- by hand


def by_hand(
    db: Database, moment: datetime, team: str | None = None, week: str | None = None, **how: bool
) -> list[str]:
    return list(jobs.close_weeks_by_hand(db, CONFIG, lambda: moment, team, week, **how))


def test_a_dry_run_says_what_would_happen_and_changes_nothing(db: Database, care: make.Company) -> None:
    lines = by_hand(db, MONDAY + timedelta(weeks=1), dry_run=True)
    assert lines[0] == "would be: Care 2026-W47: closed; relationships: Ana (20)"
    assert len(lines) == 3
    assert closed(db) == []
    with db.reading() as session:
        assert session.exec(select(Recognition)).all() == []


def test_closing_by_hand_does_what_the_clock_does(db: Database, care: make.Company) -> None:
    assert by_hand(db, MONDAY, "care") == ["Care 2026-W47: closed; relationships: Ana (20)"]
    assert by_hand(db, MONDAY, "care") == ["nothing is due"]
    assert by_hand(db, MONDAY, "care", "2026-W47") == ["Care 2026-W47: closed already"]


def test_a_named_week_may_be_closed_before_its_hour(db: Database, care: make.Company) -> None:
    ended = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert by_hand(db, ended, "care") == ["nothing is due"]
    assert by_hand(db, ended, "care", "2026-W47")[0].startswith("Care 2026-W47: closed")


@pytest.mark.parametrize(
    ("team", "week", "words"),
    [
        ("nobody", None, "the teams are care, shop"),
        (None, "2026-W54", "week"),
        ("care", "2026-W48", "not ended"),
    ],
)
def test_what_cannot_be_closed_by_hand_says_why(
    db: Database, care: make.Company, team: str | None, week: str | None, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        by_hand(db, MONDAY, team, week)


# ---------------------------------------------------------------- ticking


def test_a_job_that_fails_is_noted_and_stops_no_other_and_no_later_tick(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    moods: Iterator[bool] = iter([True, False])

    def work(*_: object) -> None:
        if next(moods):
            raise ValueError("the cat sat on it: \0")

    job = jobs.Job("a test", 1, work)
    assert not jobs.tick(job, db, CONFIG, lambda: MONDAY)
    with db.reading() as session:
        assert session.get_one(Heartbeat, "a test").error == r"ValueError: the cat sat on it: \x00"
    assert "job failed" in caplog.text
    assert jobs.tick(job, db, CONFIG, lambda: TUESDAY)
    with db.reading() as session:
        beat = session.get_one(Heartbeat, "a test")
        assert (beat.started_at, beat.finished_at, beat.error) == (TUESDAY, TUESDAY, None)


def test_one_team_that_cannot_close_keeps_no_other_waiting(db: Database, care: make.Company) -> None:
    with db.writing() as session:  # evidence that nothing of ours would have written
        session.connection().execute(update(Event).values(evidence=7))
    job = next(job for job in jobs.JOBS if job.name == "close weeks")
    assert not jobs.tick(job, db, CONFIG, lambda: TUESDAY)
    assert closed(db) == [(care.teams["Shop"], "2026-W47")]


def test_one_correction_that_cannot_be_done_keeps_no_other_and_no_week_waiting(
    db: Database, care: make.Company
) -> None:
    busy(db)
    first, second = asked(db, care), asked(db, care, since=NOON + HOUR, until=NOON + 3 * HOUR)
    with db.writing() as session:  # the fact that the first one is about to write is there already
        session.add(Event(source=OWN_SOURCE, key=f"reversal/{first}", kind="fact.withdrawn", **MOMENTS))
    job = {job.name: job for job in jobs.JOBS}
    assert jobs.tick(job["close weeks"], db, CONFIG, lambda: TUESDAY)
    assert [week for _, week in closed(db)] == ["2026-W47"] * 2
    with db.reading() as session:
        states = {row.id: row.state for row in session.exec(select(Reversal))}
    assert states == {first: "waiting", second: "done"}
    assert not jobs.tick(job["corrections"], db, CONFIG, lambda: TUESDAY), "and its own job says so"


def test_the_scheduler_runs_every_job_and_ends_when_told(db: Database, care: make.Company) -> None:
    timers = jobs.start(db, CONFIG, lambda: MONDAY)
    try:
        assert {job.id for job in timers.get_jobs()} == {job.name for job in jobs.JOBS}
        assert all(job.coalesce and job.misfire_grace_time is None for job in timers.get_jobs())
        deadline = weeks.now() + timedelta(seconds=20)
        names: set[str] = set()
        expected = {job.name for job in jobs.JOBS} | {AUDITED}
        while names != expected and weeks.now() < deadline:
            threading.Event().wait(0.1)
            with db.reading() as session:
                names = set(session.exec(select(Heartbeat.job)))
        assert names == expected
    finally:
        timers.shutdown(wait=True)
    assert not timers.running
    assert closed(db) == [(care.teams["Care"], str(Week(2026, 47)))]
    with db.reading() as session:
        assert [row.error for row in session.exec(select(Heartbeat))] == [None] * len(expected)
