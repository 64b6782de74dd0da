"""The backfill: a source's last N days fetched again by its own pull, with a cursor of its own beside the live one.

It is a row that the clock works at, page by page. What it brings has the keys that it always had, so nothing counts twice; a
fact of a closed week counts in the open one, as every late fact does. Live deliveries come first: a page is posted in small
units of work, and after each of them the backfill rests for as long as it worked.
"""

import logging
import time
import traceback
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select, update
from sqlmodel import Session

from leaderboard import acts
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.database import insert as upsert
from leaderboard.deliveries.bounds import Aside, Hanging
from leaderboard.deliveries.freezing import FROZEN, Frozen, refuse_frozen
from leaderboard.deliveries.pulling import WAITS_FOR, http_for
from leaderboard.deliveries.receiving import take_in
from leaderboard.plugin import Event, Invalid, Page, Plugin, TryLater
from leaderboard.plugin.reading import legible
from leaderboard.tables import Backfill
from leaderboard.weeks import Clock

log = logging.getLogger(__name__)
backfills = Backfill.__table__  # type: ignore[attr-defined]
_beside = Aside()

MOST_DAYS = 365
AT_ONCE = 25
"""Facts in one unit of work: a live delivery waits behind so many at most."""
STEP = 50
"""Pages after which a step ends, where the plugin's cursor has moved on: then a kill loses no more than that."""
LEASE = timedelta(minutes=5)
"""After so long without a sign of the clock that works at it, another one takes over."""
MOST_FAILURES = 3
WAITS = timedelta(minutes=1)
"""After a first failure; twice as long after each more."""


class _Stopped(Exception):
    """Somebody stopped it, or asked for another one."""


def can_backfill(plugin: Plugin) -> bool:
    """Whether this source's pull can be told where to begin."""
    return plugin.api_url() is not None and "pull_from" in type(plugin).model_fields


def of_source(session: Session, source: str) -> Backfill | None:
    """The source's backfill, at work or ended; None where there never was one."""
    return session.get(Backfill, source)


def begin(session: Session, plugin: Plugin, source: str, days: int, now: datetime, by: int | None) -> None:
    """Ask for the last `days` days. Raises Invalid, saying what to do, where that cannot be."""
    if not can_backfill(plugin):
        raise Invalid(_("This source cannot be asked for its past."))
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(_("Write a number of days from 1 to %(most)s.", most=MOST_DAYS), "days")
    running = of_source(session, source)
    if running is not None and running.state == "running":
        raise Invalid(_("It is being fetched already. Stop that first."))
    fresh: dict[str, Any] = {
        "since": (now - timedelta(days=days)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0),
        "asked_at": now, "asked_by": by, "state": "running", "next_step_at": now,
        **dict.fromkeys(("cursor", "reached_at", "error", "ended_at")),
        **dict.fromkeys(("pages", "events", "known", "failures"), 0),
    }  # fmt: skip
    statement = upsert(session, backfills).values(source=source, **fresh)
    session.connection().execute(statement.on_conflict_do_update(index_elements=["source"], set_=fresh))
    detail = ngettext("%(num)s day", "%(num)s days", days)
    acts.record(session, "backfill", by, now, source=source, detail=detail)


def stop(session: Session, source: str, now: datetime, by: int | None) -> bool:
    """Let it rest where it is; False where none is at work. What it brought stays."""
    return _turn(session, source, ("running",), {"state": "stopped"}, "backfill.stop", now, by)


def resume(session: Session, source: str, now: datetime, by: int | None) -> bool:
    """Go on from where it was stopped or broke off; False where there is nothing to go on with."""
    values = {"state": "running", "failures": 0, "error": None, "ended_at": None, "next_step_at": now}
    return _turn(session, source, ("stopped", "failed"), values, "backfill.resume", now, by)


def _turn(
    session: Session,
    source: str,
    states: tuple[str, ...],
    values: dict[str, Any],
    what: str,
    now: datetime,
    by: int | None,
) -> bool:
    changed = session.connection().execute(
        update(backfills).where(backfills.c.source == source, backfills.c.state.in_(states)).values(values)
    )
    if changed.rowcount:
        acts.record(session, what, by, now, source=source)
    return bool(changed.rowcount)


def progress(row: Backfill) -> float:
    """How much of its time the page that was read last had reached, 0 to 1; a tool with several lists begins anew with each."""
    if row.state == "done":
        return 1.0
    if row.reached_at is None:
        return 0.0
    whole = (row.asked_at - row.since).total_seconds()
    return min(max((row.reached_at - row.since).total_seconds() / whole, 0.0), 1.0)


def backfill_due(db: Database, config: Config, clock: Clock) -> int:
    """Work at every backfill whose turn it is, a step each; one that hangs keeps nobody waiting. Returns how many."""
    query = select(backfills.c.source).where(
        backfills.c.state == "running",
        backfills.c.next_step_at <= clock(),
        backfills.c.source.not_in(FROZEN),
    )
    with db.reading() as session:
        due = session.connection().execute(query.order_by(backfills.c.next_step_at)).scalars().all()
    worked = 0
    for source in due:
        name = (db.url, source)
        if source not in config.plugins or _beside.is_busy(name):
            continue
        worked += 1
        try:
            _beside.run(name, partial(step, db, config, source, clock), WAITS_FOR)
        except Hanging:
            log.info("backfill goes on beside the clock", extra={"source": source})
    return worked


def step(db: Database, config: Config, source: str, clock: Clock) -> None:
    """Fetch pages until the end, `STEP` of them or a failure; what was taken in stays, and where it goes on is written down."""
    plugin = config.plugins[source]
    row = db.write(lambda session: _claim(session, source, clock()))
    if row is None or not can_backfill(plugin):
        return
    begins = plugin.model_copy(update={"pull_from": row.since.date()})
    cursor, pages = row.cursor, 0
    try:
        with http_for(config, plugin) as http:
            for page in begins.pull(http, cursor):
                _take_page(db, row, page, clock)
                pages += 1
                if page.last:
                    break
                if pages >= STEP and page.cursor != cursor:
                    _write(db, row, next_step_at=clock())
                    return
        _end(db, row, clock())
        log.info("backfill", extra={"source": source, "pages": pages})
    except (_Stopped, Frozen):
        log.info("backfill rests", extra={"source": source})
    except TryLater as error:
        # It is not wrong to wait, however often.
        wait = max(timedelta(seconds=error.seconds), WAITS)
        _write(db, row, error=legible(str(error)), next_step_at=clock() + wait)
    except Invalid as error:
        _failed(db, row, error.message, clock(), moved=pages > 0)
    except Exception:
        log.exception("backfill", extra={"source": source})
        reason = "the plugin failed:\n" + traceback.format_exc(limit=-3)[-2000:]
        _failed(db, row, reason, clock(), moved=False)


def _claim(session: Session, source: str, now: datetime) -> Backfill | None:
    """The backfill, held for this clock; None where another one holds it."""
    mine = (
        (backfills.c.source == source) & (backfills.c.state == "running") & (backfills.c.next_step_at <= now)
    )
    held = session.connection().execute(update(backfills).where(mine).values(next_step_at=now + LEASE))
    return session.get(Backfill, source) if held.rowcount else None


def _end(db: Database, row: Backfill, now: datetime) -> None:
    """It came to its end; what was left out on the way stays written beside it."""
    with db.reading() as session:
        known = session.get_one(Backfill, row.source)
    error = known.error if known.failures else None
    _write(db, row, state="done", ended_at=now, error=error)


def _take_page(db: Database, row: Backfill, page: object, clock: Clock) -> None:
    """Post a page's facts, a few at a time; its cursor moves with the last of them. Raises _Stopped or Frozen."""
    if not isinstance(page, Page):
        raise TypeError(f"pull() yielded {type(page).__name__}, not Page")
    events = list(page.events)
    parts = [events[start : start + AT_ONCE] for start in range(0, len(events), AT_ONCE)] or [[]]
    reached = max((event.occurred_at for event in events), default=None)
    for number, part in enumerate(parts, start=1):
        done: dict[str, Any] = {}
        if number == len(parts):
            done = {"cursor": page.cursor, "pages": backfills.c.pages + 1}
            done |= {"reached_at": reached} if reached else {}
        began = time.monotonic()
        db.write(partial(_take_part, row=row, part=part, now=clock(), done=done))
        time.sleep(min(time.monotonic() - began, 1.0))  # live deliveries have the other half of the time


def _take_part(
    session: Session, row: Backfill, part: list[Event], now: datetime, done: dict[str, Any]
) -> None:
    refuse_frozen(session, row.source)
    posted = take_in(session, row.source, part, now)
    counts = {"events": backfills.c.events + posted.new, "known": backfills.c.known + posted.repeated}
    _note(session, row, **counts, next_step_at=now + LEASE, **done)


def _failed(db: Database, row: Backfill, reason: str, now: datetime, *, moved: bool) -> None:
    """Try again a few times as long as it comes further in between; then a person decides."""
    with db.reading() as session:
        known = session.get(Backfill, row.source)
    failures = (known.failures if known else 0) + 1
    reason = legible(reason)
    if moved and failures < MOST_FAILURES:
        _write(db, row, error=reason, failures=failures, next_step_at=now + WAITS * 2**failures)
    else:
        _write(db, row, error=reason, failures=failures, state="failed", ended_at=now)


def _write(db: Database, row: Backfill, **values: Any) -> None:
    try:
        with db.writing() as session:
            _note(session, row, **values)
    except _Stopped:
        log.info("backfill was stopped meanwhile", extra={"source": row.source})


def _note(session: Session, row: Backfill, **values: Any) -> None:
    """Write down how far this very backfill is. Raises _Stopped where it was stopped, or another one was asked for."""
    mine = (backfills.c.source == row.source) & (backfills.c.asked_at == row.asked_at)
    changed = session.connection().execute(
        update(backfills).where(mine, backfills.c.state == "running").values(values)
    )
    if not changed.rowcount:
        raise _Stopped
