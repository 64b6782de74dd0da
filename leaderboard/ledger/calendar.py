"""Which week of a team a fact counts in, which weeks are closed, and which rules hold when."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Text, bindparam, cast, func, insert, select
from sqlmodel import Session

from leaderboard.people import zones
from leaderboard.plugin import decode_json
from leaderboard.points import FairPlay, Points, Rules, rules_from
from leaderboard.statements import Statement
from leaderboard.tables import ClosedWeek, RulesVersion, Team
from leaderboard.weeks import Week

closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]
rules_version = RulesVersion.__table__  # type: ignore[attr-defined]

CLOSED_WEEK = select(closed_week.c.id).where(
    closed_week.c.team_id == bindparam("team_id"), closed_week.c.week == bindparam("week")
)
CLOSED = Statement(CLOSED_WEEK)
# The numbers as text: a version never changes, so what was read once need not be read again.
VERSIONS = select(
    rules_version.c.version,
    cast(rules_version.c.points, Text).label("points"),
    cast(rules_version.c.fair_play, Text).label("fair_play"),
).order_by(rules_version.c.version.desc())
RULING = VERSIONS.where(rules_version.c.from_week <= bindparam("week")).limit(1)
RULES = Statement(RULING)
# Both in one statement, because each is a way to the database and back.
RULES_AND_CLOSED = Statement(RULING.add_columns(CLOSED_WEEK.exists().label("is_closed")))

CLOCK_SKEW = timedelta(minutes=5)
"""How far a helpdesk's clock may run ahead of ours before its time stops counting."""


@dataclass(frozen=True)
class Counting:
    """When one receiver's fact counts: the moment, its local day, its week and rules, and whether its own week was closed."""

    at: datetime
    day: date
    week: str
    late: bool
    rules: Rules


def week_of(session: Session, team_id: int, moment: datetime) -> Week:
    """The team's week of a moment."""
    return zones(session.get_one(Team, team_id)).week_of(moment)


def is_closed(session: Session, team_id: int, week: Week | str) -> bool:
    """Whether the week's numbers are frozen."""
    return CLOSED.first(session, {"team_id": team_id, "week": str(week)}) is not None


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
    row = RULES_AND_CLOSED.first(session, {"team_id": team.id, "week": str(week)})
    late = str(week) < team.first_week or (row.is_closed if row else is_closed(session, team.id, week))
    if late:
        occurred_at, week = now, open_week(session, team.id, now)
    rules = _rules(*row[:3]) if row and not late else rules_of(session, week)
    day = occurred_at.astimezone(ZoneInfo(places.of(week))).date()
    return Counting(occurred_at, day, str(week), late, rules)


def rules_of(session: Session, week: Week | str) -> Rules:
    """The rules that hold in a week: the newest version whose first week is not later."""
    row = RULES.first(session, {"week": str(week)})
    return _rules(*row) if row else Rules()


def all_rules(session: Session) -> dict[int, Rules]:
    """Every version by its number."""
    rows = session.connection().execute(VERSIONS)
    return {1: Rules()} | {row.version: _rules(*row) for row in rows}


@lru_cache(maxsize=256)
def _rules(version: int, points: str, fair_play: str) -> Rules:
    return rules_from(version, decode_json(points.encode()), decode_json(fair_play.encode()))


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
    newest = session.connection().execute(select(func.max(rules_version.c.version))).scalar()
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
    session.connection().execute(insert(rules_version), values)
    return version
