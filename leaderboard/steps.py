"""First steps: what a new company has done and what comes next, known by what is there and never by what was clicked."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists
from sqlalchemy import select as ask
from sqlmodel import Session, col

from leaderboard import invitations
from leaderboard.config import OWN_SOURCE
from leaderboard.tables import Channel, Event, Nomination, Person, Team, TeamLead


@dataclass(frozen=True)
class Step:
    """`name`: people, leads, invitations, source, channel or story."""

    name: str
    done: bool


@dataclass(frozen=True)
class Steps:
    """All of them, in the order that suits most companies."""

    all: tuple[Step, ...]

    @property
    def done(self) -> int:
        return sum(step.done for step in self.all)

    @property
    def next(self) -> str | None:
        """The first that is still to do; None when the company has begun."""
        return next((step.name for step in self.all if not step.done), None)


def first_steps(session: Session) -> Steps:
    """How far this company is: seven small questions."""

    def is_there(*conditions: Any) -> bool:
        return bool(session.connection().execute(ask(exists().where(*conditions))).scalar_one())

    people = (col(Person.active), ~col(Person.bot))
    member = exists().where(*people, col(Person.team_id) == col(Team.id), col(Person.role) != "admin")
    led = exists().where(col(TeamLead.team_id) == col(Team.id))
    several = is_there(*people, col(Person.role) != "admin")
    return Steps(
        (
            Step("people", several),
            Step("leads", several and not is_there(col(Team.id).is_not(None), member, ~led)),
            Step("invitations", several and invitations.progress(session).never == 0),
            Step("source", is_there(col(Event.source) != OWN_SOURCE)),
            Step("channel", is_there(col(Channel.active))),
            Step("story", is_there(col(Nomination.state) == "accepted")),
        )
    )
