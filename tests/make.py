"""Builds the fixed cast that tests speak of, and rows around it.

Ana, Ben and Chris work in Care (Berlin) under lead Lea; Dan and Eve in Shop (New York) under lead Max. Ada, of Care, is the
admin.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from sqlmodel import Session

from leaderboard.tables import Person, Team, TeamLead

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""A Wednesday, in week 2026-W47: where the hand-set clock starts."""
PASSWORD = "a calm morning in november"

CAST = {
    "ana": ("Care", "member"),
    "ben": ("Care", "member"),
    "chris": ("Care", "member"),
    "lea": ("Care", "lead"),
    "ada": ("Care", "admin"),
    "dan": ("Shop", "member"),
    "eve": ("Shop", "member"),
    "max": ("Shop", "lead"),
}


class Clock:
    """A clock that stands where a test puts it; handed to the app like the real one."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def at(self, moment: datetime) -> None:
        self.moment = moment

    def forward(self, **step: float) -> datetime:
        self.moment += timedelta(**step)
        return self.moment


@dataclass(frozen=True)
class Company:
    """Ids by handle and by team."""

    people: dict[str, int]
    uids: dict[str, str]
    teams: dict[str, int]

    def __getitem__(self, handle: str) -> int:
        return self.people[handle]


def company(session: Session, moment: datetime = NOON - timedelta(weeks=20)) -> Company:
    """The cast, hired 20 weeks ago."""
    teams = {
        "Care": team(session, "Care", "Europe/Berlin", moment),
        "Shop": team(session, "Shop", "America/New_York", moment),
    }
    people = {handle: hired(handle, teams[name], role, moment) for handle, (name, role) in CAST.items()}
    session.add_all(people.values())
    session.flush()
    session.add(TeamLead(team_id=teams["Care"].id, person_id=people["lea"].id))
    session.add(TeamLead(team_id=teams["Shop"].id, person_id=people["max"].id))
    session.flush()
    return Company(
        people={handle: row.id for handle, row in people.items()},
        uids={handle: row.uid for handle, row in people.items()},
        teams={name: row.id or 0 for name, row in teams.items()},
    )


def team(session: Session, name: str, zone: str, moment: datetime, first_week: str = "2026-W20") -> Team:
    row = Team(name=name, slug=name.lower(), timezone=zone, first_week=first_week, created_at=moment)
    session.add(row)
    session.flush()
    return row


def hired(handle: str, team: Team, role: str, moment: datetime) -> Person:
    return Person(
        name=handle.title(),
        handle=handle,
        email=f"{handle}@example.com",
        team_id=team.id or 0,
        role=role,
        created_at=moment,
        changed_at=moment,
        confirmed_at=moment,
    )


def person(
    session: Session, handle: str, team: Team, role: str = "member", moment: datetime = NOON
) -> Person:
    row = hired(handle, team, role, moment)
    session.add(row)
    session.flush()
    return row


_told = count()


def a_story() -> str:
    """A story of some 200 characters that is like no other."""
    random = Random(next(_told))
    words = ("".join(random.choices("abcdefghijklmnoprstuvwxyz", k=random.randint(3, 9))) for _ in range(25))
    return f"They {' '.join(words)}, and the customer went home happy."
