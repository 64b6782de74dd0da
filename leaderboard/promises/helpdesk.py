"""A helpdesk's promises, mirrored from its events."""

from collections.abc import Sequence
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import exists
from sqlmodel import Session, col, select

from leaderboard.database import beat, lock_names
from leaderboard.plugin import Event
from leaderboard.tables import Credit, Promise, PromiseMove
from leaderboard.tables import Event as StoredEvent


def record(session: Session, source: str, event: Event, person_id: int | None, now: datetime) -> None:
    """Mirror a helpdesk's promise.* fact, or one taken back, which is posted already.

    The promise is worked out from all of its facts, so their order is free.
    """
    thing = _promise_of(session, source, event)
    if thing is not None:
        mirror(session, source, thing, person_id, now)


def mirror(session: Session, source: str, thing: str, person_id: int | None, now: datetime) -> None:
    """Work out a helpdesk's promise again from those of its facts that hold; None leaves it to who made it."""
    lock_names(session, {f"promise|{source}|{thing}"})
    rows = (
        select(StoredEvent)
        .where(StoredEvent.source == source, StoredEvent.object == thing)
        .where(col(StoredEvent.kind).startswith("promise."))
        .order_by(col(StoredEvent.occurred_at), col(StoredEvent.key))
    )
    taken_back = select(StoredEvent.object).where(
        StoredEvent.source == source, StoredEvent.kind == "fact.withdrawn"
    )
    gone = exists().where(col(Credit.event_id) == col(StoredEvent.id), col(Credit.withdrawn_by).is_not(None))
    facts = list(session.exec(rows.where(col(StoredEvent.key).not_in(taken_back), ~gone)))
    mine = select(Promise).where(Promise.source == source, Promise.object == thing)
    row = session.exec(mine.with_for_update()).first()
    if row is None and not facts:
        return
    if row is None:
        row = Promise(source=source, object=thing, what="", due_at=now, made_at=now)
    if facts:
        _retell(session, row, facts, now)
    else:
        row.state = "withdrawn"
    if person_id is not None:
        row.maker_id = person_id
    session.add(row)
    session.flush()
    beat(session, row.id or 0)


def _retell(session: Session, row: Promise, facts: Sequence[StoredEvent], now: datetime) -> None:
    """Write what these facts, in the order of their times, say about the promise."""
    made = next((fact for fact in facts if fact.kind == "promise.made"), facts[0])
    row.made_at = made.occurred_at
    row.what = next((fact.text for fact in facts if fact.text), None) or row.what or _("A promise")
    row.customer = next((fact.customer for fact in facts if fact.customer), None)
    row.ticket = next((fact.ticket for fact in facts if fact.ticket), None)
    row.url = next((fact.url for fact in facts if fact.url), None)
    due_at = made.due_at or next((fact.due_at for fact in facts if fact.due_at), None) or made.occurred_at
    moves = []
    for fact in facts:
        # A tool without a memory says `made` with each new time: the first is the making, a later one a move
        if not (fact.kind in ("promise.made", "promise.moved") and fact.due_at and fact is not made):
            continue
        if fact.occurred_at <= due_at and fact.due_at != due_at:
            moves.append((fact.occurred_at, due_at, fact.due_at))
            due_at = fact.due_at
    row.due_at = due_at
    kept = next((fact for fact in facts if fact.kind == "promise.kept"), None)
    missed = next((fact for fact in facts if fact.kind == "promise.missed"), None)
    row.kept_at = kept.occurred_at if kept else None
    if kept and kept.occurred_at <= due_at:
        row.state, row.confirmed_as, row.confirmed_at = "kept", "helpdesk", kept.occurred_at
    else:
        row.state = "missed" if missed or kept or due_at < now else "open"
        row.confirmed_as = row.confirmed_at = None
    if row.id is None:
        session.add(row)
        session.flush()
    known = select(PromiseMove).where(PromiseMove.promise_id == row.id)
    for old in session.exec(known).all():
        session.delete(old)
    for moved_at, before, after in moves:
        session.add(
            PromiseMove(promise_id=row.id or 0, from_due_at=before, to_due_at=after, moved_at=moved_at)
        )


def _promise_of(session: Session, source: str, event: Event) -> str | None:
    """What the fact's promise is called; for one taken back, what the fact that it names belonged to."""
    if event.kind != "fact.withdrawn":
        return event.object
    named = select(StoredEvent.object).where(StoredEvent.source == source, StoredEvent.key == event.object)
    return session.exec(named.where(col(StoredEvent.kind).startswith("promise."))).first()
