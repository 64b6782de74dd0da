"""Which week of a team a fact counts in, which weeks are closed, and which rules hold when."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlmodel import Session

from leaderboard.people import zones
from leaderboard.points import FairPlay, Points, Rules, rules_from
from leaderboard.tables import ClosedWeek, RulesVersion, Team
from leaderboard.weeks import Week

CLOCK_SKEW = timedelta(minutes=5)
"""How far a helpdesk's clock may run ahead of ours before its time stops counting."""


@dataclass(frozen=True)
class Counting:
    """When one receiver's fact counts: the moment, its local day, its week, and whether its own week was closed already."""

    at: datetime
    day: date
    week: str
    late: bool


def week_of(session: Session, team_id: int, moment: datetime) -> Week:
    """The team's week of a moment."""
    return zones(session.get_one(Team, team_id)).week_of(moment)


def is_closed(session: Session, team_id: int, week: Week | str) -> bool:
    """Whether the week's numbers are frozen."""
    closed = select(ClosedWeek.id).where(ClosedWeek.team_id == team_id, ClosedWeek.week == str(week))  # type: ignore[call-overload]
    return session.connection().execute(closed).first() is not None


def open_week(session: Session, team_id: int, now: datetime) -> Week:
    """The team's earliest open week that is not before the present one: where a late fact counts."""
    week = week_of(session, team_id, now)
    while is_closed(session, team_id, week):
        week = week + 1
    return week


def counting(session: Session, team: Any, occurred_at: datetime, now: datetime) -> Counting:
    """When a fact counts: when it happened, while that week of the team is open, otherwise now, and it says so."""
    places = zones(team)
    week = places.week_of(occurred_at)
    late = str(week) < team.first_week or is_closed(session, team.id, week)
    if late:
        occurred_at, week = now, open_week(session, team.id, now)
    day = occurred_at.astimezone(ZoneInfo(places.of(week))).date()
    return Counting(occurred_at, day, str(week), late)


def rules_of(session: Session, week: Week | str) -> Rules:
    """The rules that hold in a week: the newest version whose first week is not later."""
    table = RulesVersion.__table__  # type: ignore[attr-defined]
    query = (
        select(table.c.version, table.c.points, table.c.fair_play)
        .where(table.c.from_week <= str(week))
        .order_by(table.c.version.desc())
        .limit(1)
    )
    row = session.connection().execute(query).first()
    return rules_from(row.version, row.points, row.fair_play) if row else Rules()


def all_rules(session: Session) -> dict[int, Rules]:
    """Every version by its number."""
    table = RulesVersion.__table__  # type: ignore[attr-defined]
    rows = session.connection().execute(select(table)).all()
    return {1: Rules()} | {row.version: rules_from(row.version, row.points, row.fair_play) for row in rows}


def record_rules(
    session: Session,
    points: Points,
    fair_play: FairPlay,
    now: datetime,
    from_week: str = "",
    by: int | None = None,
    note: str = "",
) -> int:
    """Store the next version of the rules, valid from a week on, and return its number. Version 1 is the config's."""
    table = RulesVersion.__table__  # type: ignore[attr-defined]
    newest = (
        session.connection()
        .execute(select(table.c.version).order_by(table.c.version.desc()).limit(1))
        .scalar()
    )
    version = (newest or 0) + 1
    values = {
        "version": version,
        "from_week": from_week,
        "points": points.model_dump(),
        "fair_play": fair_play.model_dump(),
        "note": note,
        "created_at": now,
        "created_by": by,
    }
    session.connection().execute(insert(table).values(values))
    return version
