"""What the clock finds to tell: thanks that came in, promises that fall due. Webhooks themselves stay as short as they are."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import Session, col, select

from leaderboard.notices.telling import drop, tell
from leaderboard.tables import Credit, Event, Notice, NoticeCursor, NoticeWay, Person, Promise

SPOKEN = ("rating.good", "rating.recovered")
"""Good ratings are told where the customer wrote something."""
OVERLAP = 2_000
"""Events to look at once more: PostgreSQL's numbers may come to light out of order."""
MOST = 5_000
"""Events to look at in one step."""
FRESH = timedelta(days=7)
"""Older thanks, as a first pull brings them, are no news."""
DAY_BEFORE = timedelta(hours=24)
HOUR_BEFORE = timedelta(hours=1)


@dataclass(frozen=True)
class Found:
    """What is to be told, as (person, row) ids, and from which event to which it was looked for."""

    thanks: tuple[tuple[int, int], ...]
    withdrawn: tuple[int, ...]
    due: tuple[tuple[int, int], ...]
    first: int
    seen: int
    is_new: bool
    """Whether there is anything to write."""

    def write(self, session: Session, now: datetime) -> int:
        """Tell it; returns how many were told or taken back."""
        for event_id in self.withdrawn:
            drop(session, ["thanks"], event_id)
        for sort, pairs in (("thanks", self.thanks), ("promise_due", self.due)):
            for person_id, thing_id in pairs:
                tell(session, [session.get_one(Person, person_id)], sort, thing_id, now)
        session.merge(NoticeCursor(id=1, first_id=self.first, event_id=self.seen))
        session.flush()
        return len(self.thanks) + len(self.withdrawn) + len(self.due)


def look(session: Session, now: datetime) -> Found:
    """What there is to tell at this moment, without changing anything. The first look sees nothing that was before it."""
    cursor = session.get(NoticeCursor, 1)
    newest = session.exec(select(func.max(Event.id))).one() or 0
    due = _due(session, now)
    if cursor is None:
        return Found((), (), due, newest, newest, True)
    first = max(cursor.first_id, cursor.event_id - OVERLAP)
    last = min(newest, cursor.event_id + MOST)
    here = and_(col(Event.id) > first, col(Event.id) <= last)
    thanks, withdrawn = _thanks(session, here, now), _withdrawn(session, here)
    return Found(
        thanks=thanks,
        withdrawn=withdrawn,
        due=due,
        first=cursor.first_id,
        seen=max(last, cursor.event_id),
        is_new=bool(last > cursor.event_id or due or thanks or withdrawn),
    )


def _thanks(session: Session, here: ColumnElement[bool], now: datetime) -> tuple[tuple[int, int], ...]:
    spoken = and_(col(Event.kind).in_(SPOKEN), col(Event.text).is_not(None), col(Event.text) != "")
    query = (
        select(Credit.person_id, Event.id)
        .join(Event, col(Event.id) == Credit.event_id)
        .join(Person, col(Person.id) == Credit.person_id)
        .where(here, or_(col(Event.kind) == "thanks.received", spoken))
        .where(Event.occurred_at > now - FRESH, col(Event.posted_at) > now - timedelta(days=1))
        .where(col(Credit.withdrawn_by).is_(None), col(Person.active), ~col(Person.bot))
        .where(~_told("thanks", col(Event.id)), _wants("thanks"))
        .order_by(col(Event.id))
    )
    return tuple((person_id or 0, event_id or 0) for person_id, event_id in session.exec(query))


def _withdrawn(session: Session, here: ColumnElement[bool]) -> tuple[int, ...]:
    """Events told as thanks that no longer hold, by what was withdrawn lately."""
    thanks = aliased(Event)
    query = (
        select(Notice.thing_id)
        .select_from(Event)
        .join(thanks, and_(col(thanks.source) == col(Event.source), col(thanks.key) == col(Event.object)))
        .join(Notice, and_(col(Notice.sort) == "thanks", col(Notice.thing_id) == col(thanks.id)))
        .join(
            Credit,
            and_(col(Credit.event_id) == col(thanks.id), col(Credit.person_id) == col(Notice.person_id)),
        )
        .where(here, Event.kind == "fact.withdrawn", Notice.state != "gone")
        .where(col(Credit.withdrawn_by).is_not(None))
    )
    return tuple(session.exec(query))


def _due(session: Session, now: datetime) -> tuple[tuple[int, int], ...]:
    """Open promises a day before they fall due; those that were shorter from the beginning, an hour before."""
    query = (
        select(Promise.maker_id, Promise.id, Promise.made_at, Promise.due_at)
        .join(Person, col(Person.id) == Promise.maker_id)
        .where(Promise.state == "open", Promise.due_at > now, Promise.due_at <= now + DAY_BEFORE)
        .where(col(Person.active), ~col(Person.bot))
        .where(~_told("promise_due", col(Promise.id)), _wants("promise_due"))
        .order_by(col(Promise.due_at), col(Promise.id))
    )
    rows = session.exec(query)
    return tuple(
        (maker_id or 0, promise_id or 0)
        for maker_id, promise_id, made_at, due_at in rows
        if due_at - made_at > DAY_BEFORE or due_at - now <= HOUR_BEFORE
    )


def _told(sort: str, thing_id: Mapped[int | None]) -> ColumnElement[bool]:
    known = select(Notice.id).where(
        Notice.sort == sort, Notice.thing_id == thing_id, Notice.person_id == col(Person.id)
    )
    return exists(known.where(Notice.state != "gone"))


def _wants(sort: str) -> ColumnElement[bool]:
    return ~exists(
        select(NoticeWay.sort).where(
            NoticeWay.person_id == col(Person.id), NoticeWay.sort == sort, NoticeWay.way == "off"
        )
    )
