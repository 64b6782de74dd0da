"""What we stop keeping: raw deliveries after some weeks, customers' words after a year; what scoring needs stays."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlmodel import Session

from leaderboard.config import Config
from leaderboard.tables import Delivery, Event

deliveries = Delivery.__table__  # type: ignore[attr-defined]
events = Event.__table__  # type: ignore[attr-defined]

AT_ONCE = 1_000
"""Rows in one unit of work: nobody waits long behind it."""


def forget(session: Session, config: Config, now: datetime) -> int:
    """Empty deliveries and events that are past their retention; returns how many rows, `AT_ONCE` of each at most.

    An event keeps its source, key, kind, times, hash of the customer and evidence, so every number stays as it is.
    """
    raw_until = now - timedelta(days=config.retention.payload_days)
    words_until = now - timedelta(days=round(config.retention.text_months * 30.44))
    connection = session.connection()
    old = select(deliveries.c.id).where(
        deliveries.c.received_at < raw_until,
        deliveries.c.body.is_not(None),
        deliveries.c.state != "pending",  # of a frozen source: it was promised to be taken in
    )
    emptied = connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(old.limit(AT_ONCE).scalar_subquery()))
        .values(body=None, headers={}, next_try_at=None)
    )
    spoken = select(events.c.id).where(
        events.c.posted_at < words_until, or_(events.c.text.is_not(None), events.c.customer.is_not(None))
    )
    silenced = connection.execute(
        update(events)
        .where(events.c.id.in_(spoken.limit(AT_ONCE).scalar_subquery()))
        .values(text=None, customer=None)
    )
    return int(emptied.rowcount + silenced.rowcount)
