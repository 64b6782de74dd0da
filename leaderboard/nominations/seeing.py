"""Whose eyes a story is for."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from leaderboard.nominations.judging import may_judge
from leaderboard.nominations.stories import teller
from leaderboard.people import now_known
from leaderboard.tables import Nomination, Nominee, Person, is_uid


def find(session: Session, uid: str, viewer: Person) -> Nomination:
    """The story that has this public id. LookupError where there is none, or none that this person may see."""
    row = session.exec(select(Nomination).where(Nomination.uid == uid)).first() if is_uid(uid) else None
    if row is None or not may_see(session, viewer, row):
        raise LookupError(uid)
    return row


def may_see(session: Session, viewer: Person, nomination: Nomination) -> bool:
    """Whether this person may open the story: its teller always; an accepted one also those it is about, and whom they let see.

    Who may judge it sees all but what was withdrawn.
    """
    if viewer.id == teller(session, nomination).id:
        return True
    if nomination.state == "accepted":
        seen = select(Nomination.id).where(
            Nomination.id == nomination.id, or_(shown_to(viewer), about(viewer))
        )
        if session.exec(seen).first() is not None:
            return True
    return nomination.state != "withdrawn" and may_judge(session, viewer, nomination)


def shown_to(viewer: Person) -> ColumnElement[bool]:
    """The accepted stories for this person's eyes: somebody in it shows it, and nobody in it keeps to their team or themselves.

    One's own stories, told or about oneself, are always for one's own eyes.
    """
    return for_the_eyes_of(viewer.id, viewer.team_id)


def for_the_eyes_of(person_id: Any, team_id: Any) -> ColumnElement[bool]:
    """The same, of a person's and team's id, or of the parameters that will name them."""
    who = select(Nominee.person_id).where(
        Nominee.nomination_id == col(Nomination.id), col(Nominee.hidden_at).is_(None)
    )
    keeps_away = or_(
        col(Person.visibility) == "off",
        and_(col(Person.visibility) == "team", col(Person.team_id) != team_id),
    )
    account = aliased(Person)
    shy = (
        who.join(account, col(account.id) == Nominee.person_id)
        .join(Person, col(Person.id) == now_known(account))
        .where(keeps_away)
    )
    own = or_(_told_by(person_id), _about(person_id))
    return and_(col(Nomination.state) == "accepted", exists(who), or_(own, ~exists(shy)))


def about(person: Person) -> ColumnElement[bool]:
    """The stories about this person, also by an account that was merged into theirs."""
    return _about(person.id)


def told_by(person: Person) -> ColumnElement[bool]:
    """The stories that this person told, likewise."""
    return _told_by(person.id)


def _about(person_id: Any) -> ColumnElement[bool]:
    account = aliased(Person)
    named = select(Nominee.person_id).join(account, col(account.id) == Nominee.person_id)
    return exists(named.where(Nominee.nomination_id == col(Nomination.id), now_known(account) == person_id))


def _told_by(person_id: Any) -> ColumnElement[bool]:
    account = aliased(Person)
    teller = select(account.id).where(col(account.id) == col(Nomination.nominator_id))
    return exists(teller.where(now_known(account) == person_id))
