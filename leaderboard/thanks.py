"""What customers said: thanks and good ratings with words, and the follow-ups of unhappy ones along LAST."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from leaderboard import fairness
from leaderboard.database import beat, insert
from leaderboard.people import now_known, open_to, sees_evidence
from leaderboard.plugin import Invalid
from leaderboard.tables import Credit, Event, FollowUp, Person

MAX_NOTE = 2_000
KINDS = ("thanks.received", "rating.good", "rating.recovered")


@dataclass(frozen=True)
class Said:
    """A customer's words to a person. `customer` and `url` are for the person, their leads and admins."""

    id: int
    text: str
    person: Person
    said_at: datetime
    guideline: str | None
    source: str
    customer: str | None
    url: str | None


def said(
    session: Session,
    viewer: Person,
    *,
    person_id: int | None = None,
    team_id: int | None = None,
    before: int | None = None,
    limit: int = 10,
) -> list[Said]:
    """What customers said, the newest first, to people whose thanks this viewer may read; `before` is the last id seen."""
    account = aliased(Person)
    query = (
        select(Credit, Event, Person)
        .join(Event, col(Event.id) == Credit.event_id)
        .join(account, col(account.id) == Credit.person_id)
        .join(Person, col(Person.id) == now_known(account))
        .where(col(Credit.kind).in_(KINDS), col(Credit.withdrawn_by).is_(None))
        .where(col(Event.text).is_not(None), Event.text != "", open_to(viewer))
        .order_by(col(Credit.id).desc())
        .limit(limit)
    )
    if person_id is not None:
        theirs = or_(col(Person.id) == person_id, col(Person.merged_into_id) == person_id)
        query = query.where(col(Credit.person_id).in_(select(Person.id).where(theirs)))
    if team_id is not None:
        query = query.where(Credit.team_id == team_id)
    if before is not None:
        query = query.where(col(Credit.id) < before)
    found = session.exec(query).all()
    thanked = {person.id: person for _credit, _event, person in found}
    trusted = {id_: sees_evidence(session, viewer, person) for id_, person in thanked.items()}
    return [_said(credit, event, person, trusted[person.id]) for credit, event, person in found]


def _said(credit: Credit, event: Event, person: Person, trusted: bool) -> Said:
    named = (
        event.customer if event.customer and not event.customer.isdigit() else None
    )  # a tool's number is no name
    return Said(
        id=credit.id or 0,
        text=event.text or "",
        person=person,
        said_at=event.occurred_at,
        guideline=event.guideline,
        source=event.source,
        customer=named if trusted else None,
        url=event.url if trusted else None,
    )


# --- unhappy ratings ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unhappy:
    """An unhappy rating's follow-up, with what the customer said and whom it was about (None: nobody we know)."""

    follow_up: FollowUp
    event: Event
    person: Person | None


def record(session: Session, event_id: int, person_id: int | None, now: datetime) -> None:
    """Open a follow-up for an unhappy rating; twice is once."""
    table = FollowUp.__table__  # type: ignore[attr-defined]
    values = {"event_id": event_id, "person_id": person_id, "opened_at": now, "state": "open"}
    session.connection().execute(
        insert(session, table).values(values).on_conflict_do_nothing(index_elements=["event_id"])
    )


def follow_ups(
    session: Session, team_ids: Collection[int], state: str = "open", limit: int = 50
) -> list[Unhappy]:
    """The follow-ups of people in these teams: open ones, the oldest first, or done ones, the latest first."""
    query = (
        select(FollowUp, Event, Person)
        .join(Event, col(Event.id) == FollowUp.event_id)
        .join(Person, col(Person.id) == FollowUp.person_id)
        .where(FollowUp.state == state, col(Person.team_id).in_(team_ids))
    )
    if state == "open":
        query = query.where(~_won_back(), ~_taken_back())
    first = col(FollowUp.opened_at) if state == "open" else col(FollowUp.done_at).desc()
    return [Unhappy(*row) for row in session.exec(query.order_by(first, col(FollowUp.id)).limit(limit))]


def _won_back() -> ColumnElement[bool]:
    """Whether the same customer rated the same matter well later: a recovery needs no follow-up."""
    later = aliased(Event)
    return exists().where(
        col(later.source) == col(Event.source),
        col(later.object) == col(Event.object),
        col(later.kind).in_(KINDS),
        col(later.occurred_at) > col(Event.occurred_at),
    )


def _taken_back() -> ColumnElement[bool]:
    """Whether the unhappy rating itself no longer holds."""
    return exists().where(col(Credit.event_id) == col(Event.id), col(Credit.withdrawn_by).is_not(None))


def team_of_follow_up(session: Session, follow_up_id: int) -> int | None:
    """The team whose lead follows it up; None where there is no such follow-up, or it is about nobody we know."""
    query = select(Person.team_id).join(FollowUp, col(FollowUp.person_id) == Person.id)
    return session.exec(query.where(FollowUp.id == follow_up_id)).first()


def follow_up(session: Session, follow_up_id: int, by: Person, note: str, now: datetime) -> FollowUp:
    """Close a follow-up with what was done. LookupError for none; Invalid where the note says nothing."""
    row = _held(session, follow_up_id)
    note = fairness.clean_text(note, "note", MAX_NOTE)
    if not note:
        raise Invalid(_("Write what was done: listened, apologized, solved, thanked."), "note")
    row.state, row.note, row.done_at, row.done_by = "done", note, now, by.id
    session.add(row)
    beat(session, row.id or 0)
    return row


def reopen(session: Session, follow_up_id: int) -> FollowUp:
    """Undo: the follow-up is open again, and keeps its note."""
    row = _held(session, follow_up_id)
    row.state, row.done_at, row.done_by = "open", None, None
    session.add(row)
    beat(session, row.id or 0)
    return row


def _held(session: Session, follow_up_id: int) -> FollowUp:
    row = session.get(FollowUp, follow_up_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise LookupError(follow_up_id)
    return row
