"""What customers said: thanks and good ratings with words."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from leaderboard.people import open_to
from leaderboard.tables import Credit, Event, Person

KINDS = ("thanks.received", "rating.good", "rating.recovered")


@dataclass(frozen=True)
class Said:
    """A customer's words to a person. `customer` and `url` are None for a viewer who is not the person, a lead or an admin."""

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
    query = (
        select(Credit, Event, Person)
        .join(Event, col(Event.id) == Credit.event_id)
        .join(Person, col(Person.id) == Credit.person_id)
        .where(col(Credit.kind).in_(KINDS), col(Credit.withdrawn_by).is_(None))
        .where(col(Event.text).is_not(None), Event.text != "", open_to(viewer))
        .order_by(col(Credit.id).desc())
        .limit(limit)
    )
    if person_id is not None:
        query = query.where(Credit.person_id == person_id)
    if team_id is not None:
        query = query.where(Credit.team_id == team_id)
    if before is not None:
        query = query.where(col(Credit.id) < before)
    return [_said(credit, event, person, viewer) for credit, event, person in session.exec(query)]


def _said(credit: Credit, event: Event, person: Person, viewer: Person) -> Said:
    trusted = viewer.id == person.id or viewer.role in ("lead", "admin")
    return Said(
        id=credit.id or 0,
        text=event.text or "",
        person=person,
        said_at=event.occurred_at,
        guideline=event.guideline,
        source=event.source,
        customer=event.customer if trusted else None,
        url=event.url if trusted else None,
    )
