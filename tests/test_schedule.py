"""The schedule's promises: several clocks, killed ones, jumping ones, every zone, and channels that are dead."""

import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, col, select

from leaderboard import jobs, recognition, weeks
from leaderboard.audit import audit
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.tables import Announcement, Channel, ClosedWeek, Team
from leaderboard.weeks import Week, Zones, closes_at, due_weeks
from tests import make, workers
from tests.failpoints import FAILPOINTS, keep_closing
from tests.test_recognition import MONDAY, WEEK, close_before, told
from tests.trials import dice, trials

CONFIG = Config()
WEEKS = trials(8)
LAST = MONDAY + timedelta(weeks=WEEKS - 1)
"""The Monday on which Care's last week closes; Shop's closes five hours later."""
END = LAST + timedelta(days=1, hours=8)
"""Tuesday, past every team's hours."""
ZONES = sorted(weeks.zone_names())
Tried = Callable[[str, Any], None]
"""pytest's record_property: what was tried, and how often."""


@pytest.fixture
def autopilots(db: Database, company: make.Company) -> make.Company:
    """Two teams on autopilot in two zones, with a channel each and a winner (or two who share) in every one of WEEKS weeks."""
    chance = Random(18)
    with db.writing() as session:
        for team_id in company.teams.values():
            close_before(session, team_id, WEEK)
            session.get_one(Team, team_id).autopilot = True
            session.add(Channel(team_id=team_id, kind="email", name="All", target="all@example.com"))
        for number in range(WEEKS):
            at = make.NOON + timedelta(weeks=number)
            for about, givers in (
                ("ana", ("chris", "lea")),
                ("ben", ("chris", "ada")),
                ("dan", ("eve", "ana")),
            ):
                if chance.random() < 0.7:
                    for giver in givers:
                        told(session, company, giver, about, at=at, text=make.a_story())
    return company


def outcome(session: Session) -> list[str]:
    """Every closed week with its winners, in the words of `leaderboard close-week`."""
    found = []
    for closed in session.exec(select(ClosedWeek)):
        team = session.get_one(Team, closed.team_id)
        names = ", ".join(
            f"{row.category}: {whose.name} ({row.points})"
            for row, whose in recognition.standing_winners(session, closed)
        )
        found.append(
            f"{team.name} {closed.week}: closed; {names or 'nobody had two witnesses in one category'}"
        )
    return sorted(found)


def should_be(db: Database) -> list[str]:
    """What closing would say if nothing disturbed it."""
    lines = jobs.close_weeks_by_hand(db, CONFIG, lambda: END, None, None, dry_run=True)
    return sorted(line.removeprefix("would be: ") for line in lines)


# ---------------------------------------------------------------- P18: several clocks, kills, jumps


CLOSING = [name for name in FAILPOINTS if name.startswith(("closing", "announcing"))]


@pytest.mark.promise(number=18)
def test_each_weeks_winners_are_fixed_once_whatever_schedulers_are_killed_and_wherever_clocks_jump(
    db: Database, database_url: str, autopilots: make.Company, record_property: Tried
) -> None:
    """P18: three schedulers at a time; two die at a named place, the third at any moment; each clock jumps."""
    wanted, chance = should_be(db), dice("schedulers")
    assert len(wanted) == 2 * WEEKS
    with db.reading() as session:
        assert outcome(session) == []
    killed, died, rounds = 0, set[str](), trials(len(CLOSING))
    for number in range(rounds):
        named = [CLOSING[(number + lane * 4) % len(CLOSING)] for lane in range(2)]
        far = 1 + number * WEEKS // rounds  # so that there is something to close in every round
        processes = [
            workers.start(keep_closing, database_url, chance.randrange(2**31), far, failpoint)
            for failpoint in [*named, None]
        ]
        processes[2].join(chance.uniform(0, 0.2))
        processes[2].kill()
        for process in processes:
            process.join(60)
        assert {process.exitcode for process in processes} <= {0, -signal.SIGKILL}
        died |= {name for name, process in zip(named, processes, strict=False) if process.exitcode}
        killed += sum(process.exitcode != 0 for process in processes)
        with db.reading() as session:
            assert set(outcome(session)) <= set(wanted)
    record_property("schedulers killed", killed)
    assert len(died) > len(CLOSING) / 2, "most of the named places were reached"
    jobs.close_weeks(db, CONFIG, lambda: END)
    with db.reading() as session:
        assert outcome(session) == wanted
        announced = session.exec(select(ClosedWeek).where(col(ClosedWeek.announced_at).is_not(None))).all()
        assert sorted(session.exec(select(Announcement.closed_week_id))) == sorted(
            row.id or 0 for row in announced
        )
        last = {row.team_id for row in announced if row.week == str(WEEK + (WEEKS - 1))}
        assert last == set(autopilots.teams.values())
        assert list(audit(session)) == []


# ---------------------------------------------------------------- P20: every zone, every clock change


def clock_changes(zone: str) -> list[datetime]:
    """Every moment from 2016 to 2036 when the clocks of a zone are changed, found between two looks a week apart."""
    place, found = ZoneInfo(zone), []
    moment, week = datetime(2016, 1, 1, tzinfo=UTC), timedelta(weeks=1)
    offset = moment.astimezone(place).utcoffset()
    while moment.year < 2037:
        lower, moment = moment, moment + week
        after = moment.astimezone(place).utcoffset()
        if after != offset:
            upper = moment
            while upper - lower > timedelta(seconds=1):
                middle = lower + (upper - lower) / 2
                same = middle.astimezone(place).utcoffset() == offset
                lower, upper = (middle, upper) if same else (lower, middle)
            found.append(upper.replace(microsecond=0))
            offset = after
    return found


def runs(zone: str, first: Week, last: Week, hour: time, step: timedelta) -> list[tuple[Week, datetime]]:
    """What a clock that ticks every `step` closes from `first` to `last`, and when: as the database's rows let it."""
    team, found, open_week = Zones(zone), [], first
    moment = team.begins_at(first)
    end = closes_at(team, last, hour) + timedelta(days=1)
    while moment < end:
        for week in due_weeks(team, open_week, hour, 0, moment):
            found.append((week, moment))
            open_week = week + 1
        moment += step
    return found


HOURS = (time(0), time(0, 30), time(2, 30), time(9), time(23, 59))
"""Midnight and the hours that clocks leave out or repeat, too: a Monday in March 2021 had no 00:30 in Tehran."""


@pytest.mark.promise(number=20)
def test_a_clock_runs_once_for_each_week_in_every_zone_through_every_clock_change(
    record_property: Tried,
) -> None:
    """P20: the weeks around each change from 2016 to 2036; zones whose clocks change at the same moments share one run."""
    unlike: dict[tuple[timedelta | None, tuple[datetime, ...]], str] = {}
    for zone in ZONES:
        at_first = datetime(2016, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()
        unlike.setdefault((at_first, tuple(clock_changes(zone))), zone)
    looked_at = 0
    for (_, changes), zone in unlike.items():
        place, team = ZoneInfo(zone), Zones(zone)
        for number, change in enumerate(changes):
            week = weeks.week_of(change, zone)
            for hour in HOURS:
                for one in (
                    week - 1,
                    week,
                ):  # the change itself may be on the Monday when the week before closes
                    closes = closes_at(team, one, hour)
                    shown, wanted = closes.astimezone(place), datetime.combine((one + 1).monday, hour)
                    just_before = (closes - timedelta(microseconds=1)).astimezone(place)
                    assert just_before.replace(tzinfo=None) < wanted <= shown.replace(tzinfo=None), (
                        f"{zone} {one}"
                    )
                    looked_at += 1
            hour, step = HOURS[number % len(HOURS)], timedelta(hours=5, minutes=7)
            ran = runs(zone, week - 1, week, hour, step)
            assert [one for one, _ in ran] == [week - 1, week], f"{zone} {week}"
            assert all(moment - closes_at(team, one, hour) < step for one, moment in ran), f"{zone} {week}"
    assert len(ZONES) > 400
    record_property("closing hours", looked_at)
    assert looked_at > 15_000


# ---------------------------------------------------------------- P21: time may jump


@pytest.mark.promise(number=21)
def test_wherever_the_clock_jumps_missed_weeks_close_once_and_nobody_gets_a_burst(
    db: Database, autopilots: make.Company, record_property: Tried
) -> None:
    """P21: jumps of up to five weeks to and fro; what has closed is what was ever due, and a team gets one message a return."""
    chance, jumps = dice("jumps"), trials(30)
    moment = furthest = MONDAY - timedelta(weeks=1)
    messages = 0
    for _ in range(jumps):
        moment += timedelta(days=chance.choice((-35, -7, -1, 0, 1, 7, 35)), minutes=chance.randint(-90, 90))
        moment = min(moment, END)
        furthest = max(furthest, moment)
        jobs.close_weeks(db, CONFIG, lambda moment=moment: moment)  # type: ignore[misc]
        with db.reading() as session:
            closed = [(row.team_id, row.week) for row in session.exec(select(ClosedWeek))]
            sent = len(session.exec(select(Announcement)).all())
            due = [
                (team.id, str(week))
                for team in session.exec(select(Team))
                for week in due_weeks(Zones(team.timezone), WEEK, time(9), 0, furthest)
            ]
        assert sorted(closed) == sorted(due)
        assert sent - messages <= len(autopilots.teams)
        messages = sent
    record_property("jumps", jumps)
    assert furthest > MONDAY + timedelta(weeks=2)


@pytest.mark.promise(number=21)
def test_a_machines_clock_that_is_put_back_stops_no_timer(db: Database) -> None:
    """APScheduler waits until its next moment by the machine's clock: put back by a week, it would tick in a week."""
    ticked: list[datetime] = []
    timers = jobs.start(db, CONFIG, lambda: MONDAY)
    try:
        for job in timers.get_jobs():
            job.remove()
        timers.add_job(lambda: ticked.append(weeks.now()), "interval", seconds=5, id="a test")
        timers.modify_job("a test", next_run_time=weeks.now() + timedelta(weeks=1))
        assert jobs.set_right(timers, weeks.now()) == 1
        threading.Event().wait(0.5)
        assert len(ticked) == 1
        assert jobs.set_right(timers, weeks.now()) == 0
    finally:
        timers.shutdown(wait=True)
