"""The very first person: an admin with a team, while nobody is here yet. Never afterwards."""

from datetime import datetime

from flask_babel import gettext as _
from sqlmodel import Session, select

from leaderboard.database import lock_names
from leaderboard.people.staff import PersonFields, TeamFields, add_person, add_team
from leaderboard.plugin import Invalid
from leaderboard.tables import Person


def nobody_here(session: Session) -> bool:
    """Whether the installation has no person at all; those who left count, too."""
    return session.exec(select(Person.id).limit(1)).first() is None


def add_first(
    session: Session, team: TeamFields, fields: PersonFields, password: str | None, now: datetime
) -> Person:
    """The first admin with their team; `password` is the hash, None where one signs in otherwise.

    Raises Invalid as soon as anybody is here: of two who come at the same moment, one does.
    """
    lock_names(session, {"the first person"})
    if not nobody_here(session):
        raise Invalid(_("Somebody was here before you. Ask them to add you."))
    person = add_person(session, add_team(session, team, now), fields, now)
    person.password = password
    session.add(person)
    session.flush()
    return person
