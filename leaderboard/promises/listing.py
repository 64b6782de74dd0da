"""Promises one may see, as a list that goes on."""

from sqlalchemy import or_, true
from sqlmodel import Session, col, select

from leaderboard import fairness, people
from leaderboard.tables import Person, Promise


def listed(
    session: Session,
    viewer: Person,
    *,
    state: str | None = None,
    person: Person | None = None,
    team_id: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[tuple[Promise, Person]]:
    """The promises that this viewer may see, with their makers, the newest first; `before` is the id of the last one seen."""
    led = [team.id for team in people.teams_led_by(session, viewer)]
    own = col(Promise.maker_id).in_(fairness.accounts_of(session, [viewer]))
    theirs = true() if viewer.role == "admin" else col(Person.team_id).in_([viewer.team_id, *led])
    query = (
        select(Promise, Person)
        .join(Person, col(Person.id) == Promise.maker_id)
        .where(or_(own, theirs))
        .order_by(col(Promise.id).desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(Promise.state == state)
    if person is not None:
        query = query.where(col(Promise.maker_id).in_(fairness.accounts_of(session, [person])))
    if team_id is not None:
        query = query.where(Person.team_id == team_id)
    if before is not None:
        query = query.where(col(Promise.id) < before)
    return list(session.exec(query).all())
