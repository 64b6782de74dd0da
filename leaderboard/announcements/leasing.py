"""What everything that is sent shares: taken by lease, tried again after a while, marked after. Announcements and letters."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from leaderboard.announcements.mail import NotSent
from leaderboard.tables import Announcement, Letter

LEASE = timedelta(minutes=20)
"""Longer than the longest send (seven answers of an SMTP server at 120 s each): a lease that ran out has lost its sender."""
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1440))
"""How long to wait after each try that failed; after the last one the row is *failed* until a person sends it again."""
LOST = "the sender stopped while it was sending"

Sent = type[Announcement] | type[Letter]


def waits(table: Sent, now: datetime) -> ColumnElement[bool]:
    """Rows whose time has come; one that waits longer than we ever let wait was written before the clock was put back."""
    at = col(table.next_try_at)
    return and_(col(table.state) == "waiting", or_(at <= now, at > now + WAITS[-1]))


def lost(table: Sent, now: datetime) -> ColumnElement[bool]:
    """Rows whose sender is gone; twice a lease, since two machines' clocks may differ a little."""
    until = col(table.leased_until)
    return and_(col(table.state) == "sending", or_(until <= now, until > now + 2 * LEASE))


def outcome(problem: NotSent | None, attempts: int, now: datetime) -> dict[str, Any]:
    """What a row says after its try of this number ended so."""
    if problem is None:
        return {"state": "sent", "sent_at": now, "error": None}
    if problem.unsure:
        return {"state": "unsure", "error": str(problem)}
    if problem.lasting or attempts > len(WAITS):
        return {"state": "failed", "error": str(problem)}
    return {"state": "waiting", "next_try_at": now + WAITS[attempts - 1], "error": str(problem)}
