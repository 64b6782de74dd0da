"""Finding people and teams, and who leads whom."""

import unicodedata
from typing import Any

from sqlalchemy import and_, func, or_, update
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from leaderboard.people.names import MAX_EMAIL, MAX_NAME
from leaderboard.statements import Statement
from leaderboard.tables import Person, Team, TeamLead
from leaderboard.weeks import Week, Zones

TEAMS = select(Team).order_by(func.lower(col(Team.name)))
TEAM_ROWS = Statement(core_select(Team.__table__).order_by(func.lower(col(Team.name))))  # type: ignore[attr-defined]


def find(session: Session, text: str) -> Person | None:
    """The person with this uid, handle or e-mail address; who was merged into somebody is found as that somebody."""
    text = unicodedata.normalize("NFC", text.strip()).lower()
    if not text or len(text) > MAX_EMAIL or "\0" in text or not _is_unicode(text):
        return None
    person = session.exec(
        select(Person)
        .where(or_(col(Person.uid) == text, col(Person.handle) == text, col(Person.email) == text))
        .order_by((col(Person.email) == text).desc(), (col(Person.uid) == text).desc())
    ).first()
    while person is not None and person.merged_into_id is not None:
        person = session.get(Person, person.merged_into_id)
    return person


def search(session: Session, text: str, limit: int = 8) -> list[Person]:
    """Active people whose name or handle holds this text or whose address it is, those whose name begins with it first."""
    wanted = " ".join(unicodedata.normalize("NFC", text).lower().split())[:MAX_NAME]
    if not wanted or "\0" in wanted or not _is_unicode(wanted):
        return []
    name = func.lower(col(Person.name))
    return list(
        session.exec(
            select(Person)
            .where(col(Person.active), ~col(Person.bot), col(Person.merged_into_id).is_(None))
            .where(
                or_(
                    name.contains(wanted, autoescape=True),
                    col(Person.handle).contains(wanted, autoescape=True),
                    col(Person.email) == wanted,  # a part of it would tell the rest to who has patience
                )
            )
            .order_by(name.startswith(wanted, autoescape=True).desc(), name, col(Person.id))
            .limit(limit)
        )
    )


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def zones(team: Team) -> Zones:
    """The team's zone, and the one it changes to."""
    return Zones(
        team.timezone,
        team.next_timezone,
        Week.parse(team.next_timezone_from) if team.next_timezone_from else None,
    )


def leads_of(session: Session, team_id: int) -> list[int]:
    """The ids of those who lead this team now, without leavers."""
    return list(
        session.exec(
            select(TeamLead.person_id)
            .join(Person, col(Person.id) == TeamLead.person_id)
            .where(TeamLead.team_id == team_id, col(Person.active), col(Person.role).in_(("lead", "admin")))
            .order_by(col(TeamLead.person_id))
        )
    )


def teams_led_by(session: Session, person: Person) -> list[Team]:
    """The teams this person leads by name, in the order of their names."""
    return list(
        session.exec(
            select(Team)
            .join(TeamLead, col(TeamLead.team_id) == Team.id)
            .where(TeamLead.person_id == person.id)
            .order_by(func.lower(col(Team.name)))
        )
    )


def leads(session: Session, person: Person, team_id: int) -> bool:
    """Whether this person leads that team by name (an admin is no lead of it for being an admin)."""
    return person.role in ("lead", "admin") and person.id in leads_of(session, team_id)


def directory(
    session: Session,
    text: str = "",
    team_id: int | None = None,
    after: int | None = None,
    limit: int = 60,
    *,
    leavers: bool = False,
) -> list[tuple[Person, Team]]:
    """People by name, with their teams: those whose name or handle holds `text`, of one team, after a person's id.

    For admins, `leavers` brings those who left, too, and `text` finds addresses.
    """
    name = func.lower(col(Person.name))
    query = (
        select(Person, Team)
        .join(Team, col(Team.id) == Person.team_id)
        .where(~col(Person.bot), col(Person.merged_into_id).is_(None))
    )
    if not leavers:
        query = query.where(col(Person.active))
    wanted = " ".join(unicodedata.normalize("NFC", text).lower().split())[:MAX_NAME]
    if "\0" in wanted or not _is_unicode(wanted):
        return []
    if wanted:
        holds = name.contains(wanted, autoescape=True)
        holds = or_(holds, col(Person.handle).contains(wanted, autoescape=True))
        query = query.where(
            or_(holds, col(Person.email).contains(wanted, autoescape=True)) if leavers else holds
        )
    if team_id is not None:
        query = query.where(Person.team_id == team_id)
    if after is not None and (last := session.get(Person, after)):
        # The database lowers the name itself: it alone knows how it sorts.
        last_name = select(name).where(Person.id == last.id).scalar_subquery()
        query = query.where(or_(name > last_name, and_(name == last_name, col(Person.id) > after)))
    return list(session.exec(query.order_by(name, col(Person.id)).limit(limit)))


def teams(session: Session) -> list[Team]:
    """Every team, by name."""
    return list(session.exec(TEAMS))


def team_rows(session: Session) -> list[Any]:
    """The same as rows, which take a third of the time: for pages that are made anew after every change."""
    return TEAM_ROWS.all(session, {})


def zone_of(session: Session, person: Person) -> str:
    """The zone that times are shown in to this person: their own, else their team's."""
    team = None if person.timezone else session.get(Team, person.team_id)
    return person.timezone or (team.timezone if team else "UTC")


def choose_theme(session: Session, person_id: int, theme: str | None) -> None:
    """Remember how pages look to this person: "light", "dark", or None for as the device prefers."""
    session.connection().execute(update(Person).where(col(Person.id) == person_id).values(theme=theme))
