"""Questions about promises: whose they are, who may see them, how somebody stands."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, or_
from sqlmodel import Session, col, select

from leaderboard import fairness, people
from leaderboard.config import OWN_SOURCE
from leaderboard.tables import Person, Promise, PromiseMove, is_uid

CONFIRMABLE = timedelta(days=14)
"""How long colleagues are told of a kept promise that nobody has confirmed."""


@dataclass(frozen=True)
class Standing:
    """How a person stands with promises: open ones, those that ended, and how many of them were kept in time.

    `rate` is a percentage, and None until enough of them ended to say one.
    """

    open: int
    kept: int
    ended: int
    rate: int | None


def find(session: Session, uid: str, viewer: Person) -> Promise:
    """The promise that has this public id. LookupError where there is none, or none that this person may see."""
    row = session.exec(select(Promise).where(Promise.uid == uid)).first() if is_uid(uid) else None
    if row is None or not may_see(session, viewer, row):
        raise LookupError(uid)
    return row


def may_see(session: Session, viewer: Person, row: Promise) -> bool:
    """A promise is for its maker, the maker's team, that team's leads, and admins."""
    if row.maker_id is None:
        return viewer.role == "admin"
    maker = session.get_one(Person, row.maker_id)
    return (
        is_of(session, row.maker_id, viewer)
        or maker.team_id == viewer.team_id
        or viewer.role == "admin"
        or people.leads(session, viewer, maker.team_id)
    )


def is_own(session: Session, viewer: Person, row: Promise) -> bool:
    """Whether this person made it here, so that they move, keep and take it back."""
    return row.source == OWN_SOURCE and is_of(session, row.maker_id, viewer)


def may_confirm(session: Session, viewer: Person, row: Promise) -> bool:
    """Whether this person's word would count for this promise: anybody who may see it but its maker."""
    return (
        row.source == OWN_SOURCE
        and row.state == "kept"
        and row.confirmed_at is None
        and not viewer.bot
        and not is_of(session, row.maker_id, viewer)
        and may_see(session, viewer, row)
    )


def of_person(session: Session, person: Person, *, ended: bool = False, limit: int = 100) -> list[Promise]:
    """Somebody's promises: the open ones, the next due first, or those that ended, the latest first."""
    mine = select(Promise).where(col(Promise.maker_id).in_(fairness.accounts_of(session, [person])))
    if ended:
        mine = mine.where(Promise.state != "open").order_by(
            col(Promise.due_at).desc(), col(Promise.id).desc()
        )
    else:
        mine = mine.where(Promise.state == "open").order_by(col(Promise.due_at), col(Promise.id))
    return list(session.exec(mine.limit(limit)))


def of_team(session: Session, team_id: int, *, limit: int = 100) -> list[tuple[Promise, Person]]:
    """A team's promises that are open, or kept and not confirmed, with their makers; the next due first."""
    return _with_makers(session, col(Person.team_id) == team_id, _unfinished(), limit)


def to_confirm(session: Session, viewer: Person, limit: int = 20) -> list[tuple[Promise, Person]]:
    """What colleagues of one's own team kept and nobody has confirmed yet."""
    theirs = (col(Person.team_id) == viewer.team_id) & (col(Promise.maker_id) != viewer.id)
    return _with_makers(session, theirs, _unconfirmed(), limit)


def waiting_for(session: Session, now: datetime) -> dict[int, int]:
    """How many promises, kept in the last two weeks, wait for each colleague of their makers to confirm them, by id."""
    lately = (
        select(Person.team_id, Promise.maker_id)
        .join(Person, col(Person.id) == Promise.maker_id)
        .where(_unconfirmed(), Promise.source == OWN_SOURCE, col(Promise.kept_at) > now - CONFIRMABLE)
    )
    makers: dict[int, list[int]] = defaultdict(list)
    for team_id, maker_id in session.exec(lately):
        makers[team_id].append(maker_id or 0)
    mates = select(Person.id, Person.team_id).where(
        col(Person.team_id).in_(makers), col(Person.active), ~col(Person.bot)
    )
    waiting = {
        person_id or 0: sum(maker_id != person_id for maker_id in makers[team_id])
        for person_id, team_id in (session.exec(mates) if makers else ())
    }
    return {person_id: many for person_id, many in waiting.items() if many}


def moves_of(session: Session, row: Promise) -> list[PromiseMove]:
    """When it was moved, the first first."""
    query = select(PromiseMove).where(PromiseMove.promise_id == row.id).order_by(col(PromiseMove.id))
    return list(session.exec(query))


def standing(session: Session, person: Person, now: datetime) -> Standing:
    """How this person stands: open promises, and the share of ended ones that was kept in time (from five on)."""
    mine = col(Promise.maker_id).in_(fairness.accounts_of(session, [person]))
    counted = select(
        func.coalesce(func.sum(case((col(Promise.state) == "open", 1), else_=0)), 0),
        func.coalesce(func.sum(case((col(Promise.state) == "kept", 1), else_=0)), 0),
        func.coalesce(func.sum(case((col(Promise.state) == "missed", 1), else_=0)), 0),
    )
    still, kept, missed = session.exec(counted.where(mine)).one()
    ended = kept + missed
    enough = ended >= fairness.rules_now(session, person, now).fair_play.ratios_from
    return Standing(still, kept, ended, kept * 100 // ended if enough else None)


def _unfinished() -> ColumnElement[bool]:
    return or_(col(Promise.state) == "open", _unconfirmed())


def _unconfirmed() -> ColumnElement[bool]:
    return (col(Promise.state) == "kept") & col(Promise.confirmed_at).is_(None)


def _with_makers(
    session: Session, whose: ColumnElement[bool], which: ColumnElement[bool], limit: int
) -> list[tuple[Promise, Person]]:
    query = select(Promise, Person).join(Person, col(Person.id) == Promise.maker_id).where(whose, which)
    return list(session.exec(query.order_by(col(Promise.due_at), col(Promise.id)).limit(limit)).all())


def is_of(session: Session, person_id: int | None, person: Person) -> bool:
    """Whether this account is that person, also by a merge."""
    return person_id is not None and person_id in fairness.accounts_of(session, [person])
