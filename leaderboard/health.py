"""Whether the service is well, in words an operator can act on. What it says holds no secret and nobody's name."""

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from leaderboard.database import Database, Unavailable, insert
from leaderboard.guidelines import N_
from leaderboard.sqlite import sqlite_affected
from leaderboard.tables import Announcement, Delivery, Heartbeat, PointsEntry, Source

log = logging.getLogger(__name__)

OVERDUE = timedelta(minutes=15)
"""A delivery whose next try is late by more than this is not being worked through."""
CLOCK_STOPPED = timedelta(minutes=3)
"""Its quickest job ticks every five seconds; a clock that is silent for so long does not run."""
PULLS_FAILED = 3
"""So many failed pulls in a row are no hiccup."""
CHECK = "health check"
"""The heartbeat that a check writes, to know that the database can be written."""
AUDITED = "last audit"
"""The heartbeat that keeps how the last audit ended: `error` says what it found."""
UNAUDITED = timedelta(days=3)
"""An audit that has not come to its end for so long, though one is due every night, does not work."""


@dataclass(frozen=True)
class Health:
    """How things stand; `problems` is empty when all is well. Ages are whole seconds."""

    problems: tuple[str, ...]
    version: str | None
    affected: bool
    writable: bool
    oldest_pending: int | None = None
    clock_age: int | None = None
    failing_pulls: int = 0
    frozen: int = 0
    """Sources that somebody froze: on purpose, so no problem."""
    failing_jobs: tuple[str, ...] = ()
    audit_failed: bool = False
    audited: int | None = None
    """Since the last audit came to its end; None before the first one."""


@dataclass(frozen=True)
class Figures:
    """Counts for a monitoring system."""

    deliveries: dict[tuple[str, str], int]
    """By source and state."""
    refused: dict[str, int]
    frozen: dict[str, bool]
    oldest_pending: int | None
    entries: int
    outbox: dict[str, int]
    """Announcements by state."""
    outbox_since: datetime | None = None
    """Since when the oldest of them waits."""


def check(db: Database, now: datetime) -> Health:
    """Ask and write the database, and say what is wrong."""
    try:
        version = db.version()
        with db.reading() as session:
            oldest, late = _pending(session, now)
            of_jobs = col(Heartbeat.job).not_in((CHECK, AUDITED))
            clock = session.exec(select(func.max(Heartbeat.started_at)).where(of_jobs)).one()
            jobs = session.exec(
                select(Heartbeat.job)
                .where(of_jobs, col(Heartbeat.error).is_not(None))
                .order_by(Heartbeat.job)
            ).all()
            audit = session.get(Heartbeat, AUDITED)
            pulls = session.exec(
                select(func.count()).select_from(Source).where(Source.pull_failures >= PULLS_FAILED)
            ).one()
            frozen = session.exec(
                select(func.count()).select_from(Source).where(col(Source.frozen_at).is_not(None))
            ).one()
        writable = _write(db, now)
    except Unavailable as error:
        log.warning("the database is unavailable: %s", error)
        return Health((N_("The database does not answer."),), None, False, False)
    affected = db.is_sqlite and sqlite_affected(version.removeprefix("SQLite "))
    clock_age = _age(clock, now)
    audited = _age(audit.finished_at, now) if audit else None
    audit_failed = audit is not None and audit.error is not None
    found = [
        (not writable, N_("The database cannot be written.")),
        (late, N_("Deliveries wait that should have been tried again: is the clock running?")),
        (
            clock_age is None,
            N_("The clock has not ticked yet: start `leaderboard run` or `leaderboard scheduler`."),
        ),
        (
            clock_age is not None and clock_age > CLOCK_STOPPED.total_seconds(),
            N_("The clock has stopped: start `leaderboard run` or `leaderboard scheduler`."),
        ),
        (bool(jobs), N_("A job of the clock ends in an error; /admin says which.")),
        (bool(pulls), N_("A source cannot be pulled; /admin/sources says why.")),
        (audit_failed, N_("The last audit found differences: `leaderboard audit` says which.")),
        (
            audited is not None and audited > UNAUDITED.total_seconds(),
            N_("No audit has come to its end for three days; the log of the clock says why."),
        ),
    ]
    problems = tuple(text for wrong, text in found if wrong)
    return Health(
        problems,
        version,
        affected,
        writable,
        oldest,
        clock_age,
        pulls,
        frozen,
        tuple(jobs),
        audit_failed=audit_failed,
        audited=audited,
    )


def figures(session: Session, now: datetime) -> Figures:
    """What a monitoring system plots."""
    states = session.exec(
        select(Delivery.source, Delivery.state, func.count()).group_by(Delivery.source, Delivery.state)
    ).all()
    outbox = session.exec(select(Announcement.state, func.count()).group_by(Announcement.state)).all()
    return Figures(
        deliveries={(source, state): count for source, state, count in states},
        refused=dict(session.exec(select(Source.name, Source.refused)).all()),
        frozen={name: at is not None for name, at in session.exec(select(Source.name, Source.frozen_at))},
        oldest_pending=_pending(session, now)[0],
        entries=session.exec(select(func.count()).select_from(PointsEntry)).one(),
        outbox=dict(outbox),
        outbox_since=session.exec(
            select(func.min(Announcement.created_at)).where(
                col(Announcement.state).in_(("waiting", "sending"))
            )
        ).one(),
    )


def beats(session: Session) -> list[Heartbeat]:
    """When each job of the clock last ran, and how it ended."""
    return list(session.exec(select(Heartbeat).where(Heartbeat.job != CHECK).order_by(Heartbeat.job)))


def _pending(session: Session, now: datetime) -> tuple[int | None, bool]:
    """The age of the oldest delivery that the clock will try, and whether one of them is overdue.

    What a frozen source holds back is not; nor is it, for a while, when the source was unfrozen.
    """
    waiting = or_(col(Delivery.state) == "pending", col(Delivery.next_try_at).is_not(None))
    query = (
        select(func.min(Delivery.received_at), func.min(Delivery.next_try_at), Source.released_at)
        .outerjoin(Source, col(Source.name) == Delivery.source)
        .where(col(Delivery.state).in_(("pending", "failed")), waiting, col(Source.frozen_at).is_(None))
        .group_by(Delivery.source, col(Source.released_at))
    )
    found = session.exec(query).all()
    oldest = min((received for received, _try, _released in found), default=None)
    due = [max(filter(None, (next_try, released)), default=now) for _oldest, next_try, released in found]
    return _age(oldest, now), any(moment < now - OVERDUE for moment in due)


def _write(db: Database, now: datetime) -> bool:
    """Whether a unit of work can be committed."""
    table = Heartbeat.__table__  # type: ignore[attr-defined]
    values = {"started_at": now, "finished_at": now, "error": None}
    try:
        with db.writing() as session:
            statement = insert(session, table).values(job=CHECK, **values)
            session.connection().execute(statement.on_conflict_do_update(index_elements=["job"], set_=values))
    except Unavailable as error:
        log.warning("the database cannot be written: %s", error)
        return False
    return True


def _age(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else max(0, math.floor((now - moment).total_seconds()))
