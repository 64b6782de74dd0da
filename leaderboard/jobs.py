"""The clock: timers that each call one function, and note when it last ran and how it ended.

What is due is decided by rows in the database, never by a timer: a tick that comes late, twice, or in several processes at once
changes nothing. APScheduler only ticks (its own calendar triggers miss weeks and repeat them when clocks change).
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from sqlmodel import Session, select

from leaderboard import (
    announcements,
    deliveries,
    index,
    invitations,
    nominations,
    notices,
    people,
    promises,
    recognition,
    weeks,
)
from leaderboard.announcements import letters
from leaderboard.audit import audit
from leaderboard.config import Config
from leaderboard.database import Database, Unavailable, insert
from leaderboard.health import AUDITED
from leaderboard.ledger import merging, taking_back
from leaderboard.plugin import Invalid
from leaderboard.plugin.reading import legible
from leaderboard.tables import ClosedWeek, Heartbeat, Reversal, Team
from leaderboard.weeks import Clock, Week

log = logging.getLogger(__name__)
heartbeat = Heartbeat.__table__  # type: ignore[attr-defined]

MAX_ERROR = 500
TOLD_AT_ONCE = 200
"""People, or promises, in one unit of work after a reversal."""
MOST_DIFFERENCES = 1_000
"""An audit that finds so many has said enough."""


@dataclass(frozen=True)
class Job:
    """Something the clock does every so many seconds; `side_by_side` is how many ticks of it may run at once."""

    name: str
    seconds: int
    work: Callable[[Database, Config, Clock], object]
    side_by_side: int = 1


def start(db: Database, config: Config, clock: Clock) -> BackgroundScheduler:
    """Start the timers in threads of this process; `.shutdown(wait=True)` lets what runs come to its end.

    Never call it where the web app is made: every web process would have a clock of its own.
    """
    timers = BackgroundScheduler(
        timezone="UTC",
        # a late tick is run, not dropped, and many late ones are one
        job_defaults={"misfire_grace_time": None, "coalesce": True},
    )
    for job in JOBS:
        timers.add_job(
            partial(tick, job, db, config, clock),
            "interval",
            seconds=job.seconds,
            id=job.name,
            next_run_time=weeks.now(),  # it lives by the machine's clock, whatever `clock` says
            max_instances=job.side_by_side,
        )
    timers.start()
    return timers


def set_right(timers: BackgroundScheduler, moment: datetime) -> int:
    """Let every timer tick at once that waits for longer than its own interval; returns how many.

    The machine's clock was put back then, and APScheduler would sit still until it has caught up.
    """
    late = [job for job in timers.get_jobs() if job.next_run_time - moment > job.trigger.interval]
    for job in late:
        job.modify(next_run_time=moment)
    return len(late)


def tick(job: Job, db: Database, config: Config, clock: Clock) -> bool:
    """Run a job once; whether it ended well. What goes wrong is logged and noted, and stops no other job and no later tick."""
    error = None
    started_at = clock()
    try:
        done = job.work(db, config, clock)
        # Most ticks find nothing to do, several a second: those are told to whoever looks closely only.
        level = logging.INFO if done else logging.DEBUG
        seconds = round((clock() - started_at).total_seconds(), 3)
        log.log(level, "job", extra={"job": job.name, "done": done, "seconds": seconds})
    except Unavailable as problem:
        error = f"the database is unavailable: {problem}"
        log.warning("job failed", extra={"job": job.name, "reason": error[:MAX_ERROR]})
    except Exception as problem:  # whatever it is, the other jobs and the next tick go on
        error = f"{type(problem).__name__}: {problem}"
        log.exception("job failed", extra={"job": job.name})
    try:
        with db.writing() as session:
            _note(session, job.name, started_at, clock(), legible(error)[:MAX_ERROR] if error else None)
    except Unavailable as problem:
        log.warning("job not noted", extra={"job": job.name, "reason": str(problem)[:MAX_ERROR]})
    return error is None


def _note(session: Session, job: str, started_at: datetime, finished_at: datetime, error: str | None) -> None:
    values = {"started_at": started_at, "finished_at": finished_at, "error": error}
    statement = insert(session, heartbeat).values(job=job, **values)
    session.connection().execute(statement.on_conflict_do_update(index_elements=["job"], set_=values))


# ---------------------------------------------------------------- the jobs


def close_weeks(db: Database, config: Config, clock: Clock) -> int:
    """Work through what is pending, close every week that is due, the oldest first, and let the autopilot announce.

    Returns how many weeks this call closed. A week that cannot be closed keeps no other team waiting.
    """
    with db.reading() as session:
        found = recognition.due(session, config, clock())
    if found:
        deliveries.work_through(db, config, clock)
        try:
            set_things_right(db, config, clock)
        except Exception:  # that job says so as well; the weeks of everybody do not wait for it
            log.exception("weeks close before all corrections are done")
    closed = 0
    stuck: set[int] = set()
    for team_id, week in found:
        if team_id in stuck:
            continue
        try:
            row = db.write(partial(_close, config=config, team_id=team_id, week=week, clock=clock))
        except Exception:
            stuck.add(team_id)
            log.exception("week not closed", extra={"team": team_id, "week": str(week)})
            continue
        if row:
            closed += 1
            log.info("week closed", extra={"team": team_id, "week": str(week)})
    announce_weeks(db, config, clock)
    if stuck:
        raise RuntimeError(f"{len(stuck)} teams have a week that could not be closed; the log says why")
    return closed


def _close(session: Session, config: Config, team_id: int, week: Week, clock: Clock) -> bool:
    return recognition.close_week(session, config, team_id, week, clock()) is not None


def announce_weeks(db: Database, config: Config, clock: Clock) -> int:
    """Announce for the teams on autopilot whose hour has come; returns how many."""
    with db.reading() as session:
        found = recognition.announce_due(session, config, clock())
    announced = 0
    for closed_id in found:
        try:
            with db.writing() as session:
                recognition.announce(session, config, closed_id, clock(), None)
            announced += 1
        except Invalid:
            log.info("announced by somebody else meanwhile", extra={"closed_week": closed_id})
    return announced


def miss_promises(db: Database, config: Config, clock: Clock) -> int:
    """Mark open promises whose time has passed."""
    return int(db.write(lambda session: promises.mark_missed(session, clock())))


def tell_notices(db: Database, config: Config, clock: Clock) -> int:
    """Tell what only the clock finds (thanks, what waits for whom, what falls due), and let the bells say it."""
    now, done = clock(), 0
    with db.reading() as session:
        waiting = {
            "to_judge": notices.willing(session, "to_judge", nominations.waiting_for(session)),
            "to_confirm": notices.willing(session, "to_confirm", promises.waiting_for(session, now)),
        }
        stale = [sort for sort, counts in waiting.items() if notices.stands(session, sort) != counts]
        found = notices.look(session, now)
    if stale or found.is_new:

        def tell(session: Session) -> int:
            for sort in stale:
                notices.stand(session, sort, waiting[sort], now)
            return found.write(session, now) + len(stale)

        done = db.write(tell)
    with db.reading() as session:
        rings = notices.rings(session)
    if rings:
        done += db.write(notices.ring)
    return done


def link_newcomers(db: Database, config: Config, clock: Clock) -> int:
    """Credit people with what came for their address before they were known here."""
    return int(db.write(lambda session: deliveries.link_newcomers(session, clock())))


def set_things_right(db: Database, config: Config, clock: Clock) -> int:
    """Take back and give back what admins asked for, one in one piece, and tell those concerned, a few at a time.

    One that cannot be done keeps no other waiting.
    """
    with db.reading() as session:
        asked, strays = taking_back.waiting(session), merging.has_strays(session)
    done = failed = 0
    for one in asked:
        try:
            done += db.write(partial(taking_back.carry_out, reversal_id=one, now=clock()))
        except Exception:
            failed += 1
            log.exception("correction not done", extra={"reversal": one})
    if strays:
        done += db.write(lambda session: merging.move_strays(session, clock()))
    with db.reading() as session:
        untold = [
            (row, taking_back.concerned(session, row), taking_back.promises_of(session, row))
            for row in taking_back.untold(session)
        ]
    for row, whom, promised in untold:
        for start in range(0, len(whom), TOLD_AT_ONCE):
            db.write(partial(_tell_of, row=row, whom=whom[start : start + TOLD_AT_ONCE], now=clock()))
        for start in range(0, len(promised), TOLD_AT_ONCE):
            part = promised[start : start + TOLD_AT_ONCE]
            db.write(partial(_mirror, source=row.source, things=part, now=clock()))
        db.write(partial(_told, row=row, now=clock()))
    if failed:
        raise RuntimeError(f"{failed} corrections could not be done; the log says why")
    return done


def _tell_of(session: Session, row: Reversal, whom: list[int], now: datetime) -> None:
    found = people.by_id(session, whom)
    notices.tell_again(session, [found[id_] for id_ in whom], "taken_back", row.id or 0, now)


def _mirror(session: Session, source: str, things: list[str], now: datetime) -> None:
    for thing in things:
        promises.mirror(session, source, thing, None, now)


def _told(session: Session, row: Reversal, now: datetime) -> None:
    """Everybody knows of this state; what was told as thanks and no longer holds is taken out of the bells."""
    notices.drop_all(session, "thanks", taking_back.events_of(row))
    kept = session.get(Reversal, row.id, populate_existing=True)
    if kept is not None and kept.state == row.state:
        kept.told_at = now
        session.add(kept)


def forget(db: Database, config: Config, clock: Clock) -> int:
    """Empty what is past its retention, a part at a time; returns how many rows."""
    emptied = 0
    for part in (deliveries.forget, notices.forget):
        while now_emptied := db.write(partial(part, config=config, now=clock())):
            emptied += now_emptied
    return emptied


def audit_nightly(db: Database, config: Config, clock: Clock) -> int:
    """Once a night, and every hour while there are any: look for differences between evidence, ledger and scores.

    Search takes in what it lacks first. Returns how many there are; how it ended is kept for /healthz.
    """
    started_at = clock()
    with db.reading() as session:
        last = session.get(Heartbeat, AUDITED)
    if last and not audit_due(last, started_at, config.week.timezone):
        return 0
    with db.writing() as session:  # another clock sees that this one is at it
        statement = insert(session, heartbeat).values(job=AUDITED, started_at=started_at)
        claimed = {"started_at": started_at}
        session.connection().execute(statement.on_conflict_do_update(index_elements=["job"], set_=claimed))
    if lacking := db.write(lambda session: index.fill(session.connection())):
        log.info("search", extra={"taken_in": lacking})
    with db.snapshot() as session:
        found = list(islice(audit(session), MOST_DIFFERENCES))
    error = f"{len(found)} differences, the first: {found[0]}"[:MAX_ERROR] if found else None
    if error:
        log.error("audit", extra={"differences": len(found), "first": found[0]})
    with db.writing() as session:
        _note(session, AUDITED, started_at, clock(), error)
    return len(found)


def audit_due(last: Heartbeat, now: datetime, zone: str) -> bool:
    """Whether the last audit began before the last 03:00 by the company's clocks, or what it found is an hour old."""
    here = now.astimezone(ZoneInfo(zone))
    night = here.replace(hour=3, minute=0, second=0, microsecond=0)
    if night > here:
        night -= timedelta(days=1)
    return last.started_at < night or (last.error is not None and last.started_at < now - timedelta(hours=1))


JOBS = (
    Job("close weeks", 30, close_weeks),
    Job("announce", 5, announcements.deliver_due, side_by_side=3),
    Job("invitations", 5, invitations.send_due),
    Job("deliveries", 15, deliveries.work_through),
    Job("pull", 30, deliveries.pull_due),
    Job("backfill", 5, deliveries.backfill_due),
    Job("promises", 60, miss_promises),
    Job("newcomers", 60, link_newcomers),
    Job("corrections", 10, set_things_right),
    Job("notices", 5, tell_notices),
    Job("letters", 15, letters.deliver_letters),
    Job("retention", 3600, forget),
    Job("audit", 600, audit_nightly),
)


# ---------------------------------------------------------------- by hand


def close_weeks_by_hand(
    db: Database, config: Config, clock: Clock, team: str | None, week: str | None, *, dry_run: bool = False
) -> Iterator[str]:
    """Close what is due (or what is named, as soon as it has ended) and say so, line by line. Raises Invalid.

    With `dry_run` it works everything out and keeps nothing.
    """
    named = _week(week)
    with db.reading() as session:
        teams = {row.id or 0: row for row in session.exec(select(Team).order_by(Team.slug))}
        chosen = [row for row in teams.values() if team in (None, row.slug)]
        if not chosen:
            raise Invalid(
                f"there is no team {team!r}; the teams are {', '.join(row.slug for row in teams.values())}"
            )
        found = recognition.due(session, config, clock())
    if named is None:
        wanted = [(team_id, one) for team_id, one in found if teams[team_id] in chosen]
    else:
        wanted = [(row.id or 0, named) for row in chosen]
    if not wanted:
        yield "nothing is due"
    if not dry_run:
        for team_id, one in wanted:
            with db.writing() as session:
                yield _close_one(session, config, teams[team_id], one, clock)
        return
    with db.writing() as session:
        # One unit of work for all, so that each week sees those before it as closed; then all of it is taken back.
        said = [_close_one(session, config, teams[team_id], one, clock) for team_id, one in wanted]
        session.rollback()
    yield from (f"would be: {line}" for line in said)


def _close_one(session: Session, config: Config, team: Team, week: Week, clock: Clock) -> str:
    closed_id = recognition.close_week(session, config, team.id or 0, week, clock())
    if closed_id is None:
        return f"{team.name} {week}: closed already"
    winners = recognition.standing_winners(session, session.get_one(ClosedWeek, closed_id))
    names = ", ".join(f"{row.category}: {whose.name} ({row.points})" for row, whose in winners)
    return f"{team.name} {week}: closed; {names or 'nobody had two witnesses in one category'}"


def _week(text: str | None) -> Week | None:
    try:
        return Week.parse(text) if text else None
    except ValueError as error:
        raise Invalid(str(error)) from None
