"""Stories as they are shown: on the wall, on the home page, on a person's page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_
from sqlmodel import Session, col, select

from leaderboard.config import OWN_SOURCE
from leaderboard.nominations.seeing import for_the_eyes_of, shown_to, told_by
from leaderboard.nominations.stories import now_known_as, starring_in
from leaderboard.plugin import Invalid
from leaderboard.statements import Statement
from leaderboard.tables import CoSign, Credit, Nomination, Nominee, Person
from leaderboard.tables import Event as StoredEvent

LOVED_FOR = timedelta(days=90)
"""The best-loved stories are those of the last three months."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Card:
    """A story as components.html shows it. `points` is what the ledger says that it earned, co-signs included.

    `customer` is for those in the story, who told it, leads and admins; None for everybody else.
    """

    id: str
    nominees: tuple[Person, ...]
    nominator: Person
    guideline: str
    text: str
    customer: str | None
    happened_on: date | None
    told_at: datetime
    points: int
    co_signs: int
    co_signed: bool
    may_co_sign: bool
    status: str
    place: str = ""
    """The cursor from which a wall goes on after this story."""


@dataclass(frozen=True)
class Wall:
    """A part of the wall, and the cursor from which it goes on."""

    stories: list[Card]
    next: str | None


NEWEST = Statement(
    select(Nomination.uid)
    .where(for_the_eyes_of(bindparam("person_id"), bindparam("team_id")))
    .order_by(col(Nomination.nominated_at).desc(), col(Nomination.id).desc())
    .limit(1)
)


def newest(session: Session, viewer: Person) -> str | None:
    """The id of the newest accepted story that this person may see."""
    found: str | None = NEWEST.scalar(session, {"person_id": viewer.id, "team_id": viewer.team_id})
    return found


def wall(
    session: Session,
    viewer: Person,
    now: datetime,
    *,
    order: str = "newest",
    guideline: str | None = None,
    team_id: int | None = None,
    person_id: int | None = None,
    since: datetime | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Wall:
    """The accepted stories that this person may see: `order` newest, or loved (most co-signs in the last 90 days).

    `since` leaves out stories told before it. Raises Invalid for a cursor that is none of ours.
    """
    query = select(Nomination).where(shown_to(viewer))
    if guideline:
        query = query.where(Nomination.guideline == guideline)
    if team_id is not None:
        query = query.where(_shows(col(Person.team_id) == team_id))
    if person_id is not None:
        query = query.where(_shows(or_(col(Person.id) == person_id, col(Person.merged_into_id) == person_id)))
    if since is not None:
        query = query.where(Nomination.nominated_at >= since)
    told, id_, loved = col(Nomination.nominated_at), col(Nomination.id), col(Nomination.cosigns)
    if order == "loved":
        query = query.where(told > now - LOVED_FOR).order_by(loved.desc(), told.desc(), id_.desc())
    else:
        query = query.order_by(told.desc(), id_.desc())
    if after:
        signs, at, last = _read_cursor(after)
        later = or_(told < at, and_(told == at, id_ < last))
        query = query.where(or_(loved < signs, and_(loved == signs, later)) if order == "loved" else later)
    rows = list(session.exec(query.limit(limit + 1)))
    stories = cards(session, rows[:limit], viewer)
    return Wall(stories, stories[-1].place if len(rows) > limit else None)


def mine(session: Session, viewer: Person, limit: int = 50) -> list[Card]:
    """The stories that this person told and that wait, were declined or taken back, the newest first."""
    query = (
        select(Nomination)
        .where(told_by(viewer), Nomination.state != "accepted")
        .order_by(col(Nomination.nominated_at).desc(), col(Nomination.id).desc())
    )
    return cards(session, list(session.exec(query.limit(limit))), viewer)


def card(session: Session, nomination: Nomination, viewer: Person) -> Card:
    """One story, as this person sees it."""
    return cards(session, [nomination], viewer)[0]


def cards(session: Session, nominations: Sequence[Nomination], viewer: Person) -> list[Card]:
    """These stories, as this person sees them; asks the database a fixed number of times, however many they are."""
    ids = [nomination.id or 0 for nomination in nominations]
    named = starring_in(session, nominations)
    tellers = select(Person).where(col(Person.id).in_({each.nominator_id for each in nominations}))
    teller = {person.id: now_known_as(session, person) for person in session.exec(tellers)}
    signed = set(
        session.exec(
            select(CoSign.nomination_id)
            .where(CoSign.person_id == viewer.id, col(CoSign.nomination_id).in_(ids))
            .where(col(CoSign.withdrawn_at).is_(None))
        )
    )
    earned = _earned(session, [f"story/{nomination.uid}" for nomination in nominations])
    found = []
    for nomination in nominations:
        people = named.get(nomination.id or 0, [])
        own = teller[nomination.nominator_id].id == viewer.id or any(
            who.id == viewer.id for _n, who in people
        )
        found.append(
            Card(
                id=nomination.uid,
                nominees=tuple(who for nominee, who in people if nominee.hidden_at is None),
                nominator=teller[nomination.nominator_id],
                guideline=nomination.guideline,
                text=nomination.story,
                customer=nomination.customer if own or viewer.role in ("lead", "admin") else None,
                happened_on=nomination.happened_on,
                told_at=nomination.nominated_at,
                points=earned.get(f"story/{nomination.uid}", 0),
                co_signs=nomination.cosigns,
                co_signed=nomination.id in signed,
                may_co_sign=nomination.state == "accepted" and not own,
                status=nomination.state,
                place=_cursor(nomination),
            )
        )
    return found


def _earned(session: Session, things: list[str]) -> dict[str, int]:
    """What the ledger's live entries say that these stories earned."""
    query = (
        select(StoredEvent.object, func.sum(Credit.points))
        .join(Credit, col(Credit.event_id) == StoredEvent.id)
        .where(StoredEvent.source == OWN_SOURCE, col(StoredEvent.object).in_(things))
        .where(col(Credit.withdrawn_by).is_(None))
        .group_by(col(StoredEvent.object))
    )
    return {str(thing): int(points) for thing, points in session.exec(query)}


def _shows(whom: ColumnElement[bool]) -> ColumnElement[bool]:
    """Stories in which somebody like this shows their name."""
    showing = (
        select(Nominee.person_id)
        .join(Person, col(Person.id) == Nominee.person_id)
        .where(Nominee.nomination_id == col(Nomination.id), col(Nominee.hidden_at).is_(None), whom)
    )
    return exists(showing)


def _cursor(nomination: Nomination) -> str:
    micros = (nomination.nominated_at - EPOCH) // timedelta(microseconds=1)
    return f"{nomination.cosigns}.{micros}.{nomination.id}"


def _read_cursor(text: str) -> tuple[int, datetime, int]:
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,17})\.([0-9]{1,9})", text)
    if not match:
        raise Invalid(_("That is not a place on the wall; open it from the beginning."), "after")
    return int(match[1]), EPOCH + timedelta(microseconds=int(match[2])), int(match[3])
