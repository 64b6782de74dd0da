"""Who is shown how, and to whom: each person's visibility, kept in one place."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import ColumnElement, and_, bindparam, func, or_
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from leaderboard.people.finding import leads
from leaderboard.tables import Person


@dataclass(frozen=True)
class Shown:
    """A person as one viewer sees them on a board: behind an alias there is no handle, so no way to their page."""

    name: str
    handle: str | None = None
    picture: str | None = None


class Named(Protocol):
    """What it takes to show a person on a board."""

    @property
    def id(self) -> int | None: ...
    @property
    def name(self) -> str: ...
    @property
    def handle(self) -> str: ...
    @property
    def alias(self) -> str | None: ...
    @property
    def visibility(self) -> str: ...
    @property
    def picture(self) -> str | None: ...


_person = Person.__table__  # type: ignore[attr-defined]
NAMED = core_select(
    *(_person.c[name] for name in ("id", "name", "handle", "alias", "visibility", "picture"))
).where(_person.c.id.in_(bindparam("people", expanding=True)))


def named(session: Session, ids: Collection[int]) -> dict[int, Named]:
    """People by id, with no more than a board shows."""
    if not ids:
        return {}
    return {row.id: row for row in session.connection().execute(NAMED, {"people": list(ids)})}


def by_id(session: Session, ids: Iterable[int]) -> dict[int, Person]:
    """People by id."""
    wanted = set(ids)
    if not wanted:
        return {}
    return {
        person.id or 0: person for person in session.exec(select(Person).where(col(Person.id).in_(wanted)))
    }


def anybody() -> Person:
    """A viewer of no team and without a name: may see what everybody may, and nothing for their own sake."""
    never = datetime.min.replace(tzinfo=UTC)
    return Person(id=0, team_id=0, name="", handle="", email="", created_at=never, changed_at=never)


def shown(person: Named, viewer: Person) -> Shown:
    """How a board names this person to the viewer. Oneself is always shown by name."""
    if person.visibility == "alias" and person.id != viewer.id:
        return Shown(person.alias or "?")
    return Shown(person.name, person.handle, person.picture)


def sees_points(session: Session, viewer: Person, person: Person) -> bool:
    """Whether this viewer may see where the person's points come from.

    Oneself, one's leads and admins always; colleagues unless the person keeps to an alias, to their team, or to themselves.
    """
    return (
        viewer.id == person.id
        or person.visibility == "on"
        or (person.visibility == "team" and viewer.team_id == person.team_id)
        or sees_evidence(session, viewer, person)
    )


def sees_evidence(session: Session, viewer: Person, person: Person) -> bool:
    """Whether this viewer may read all that is kept with the person's points (customers, tickets): oneself, leads, admins."""
    return viewer.id == person.id or viewer.role == "admin" or leads(session, viewer, person.team_id)


def now_known(account: type[Person]) -> ColumnElement[int]:
    """The id of the person that an account is by now: of whoever it was merged into, else its own."""
    return func.coalesce(col(account.merged_into_id), col(account.id))


def open_to(viewer: Person) -> ColumnElement[bool]:
    """The people whose thanks this viewer may read: oneself, and who keeps neither to their team nor to themselves."""
    same_team = and_(col(Person.visibility) == "team", col(Person.team_id) == viewer.team_id)
    return or_(col(Person.id) == viewer.id, col(Person.visibility).in_(("on", "alias")), same_team)
