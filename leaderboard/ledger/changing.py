"""Changing the rules: a new version, valid from the first week that no team has begun."""

from datetime import datetime

from flask_babel import gettext as _
from sqlmodel import Session, col, select

from leaderboard.database import lock_names
from leaderboard.ledger.calendar import record_rules
from leaderboard.people import teams, zones
from leaderboard.plugin import Invalid, text_of
from leaderboard.points import FairPlay, Points, Rules
from leaderboard.tables import RulesVersion
from leaderboard.weeks import Week

MAX_NOTE = 500


def versions(session: Session) -> list[RulesVersion]:
    """Every version of the rules that was recorded, the newest first."""
    return list(session.exec(select(RulesVersion).order_by(col(RulesVersion.version).desc())))


def next_week(session: Session, now: datetime) -> Week:
    """The first week that no team has begun yet, wherever on earth it is."""
    return max((zones(team).week_of(now) for team in teams(session)), default=Week.of(now.date())) + 1


def change_rules(
    session: Session,
    before: Rules,
    points: Points,
    fair_play: FairPlay,
    now: datetime,
    by: int | None = None,
    note: str = "",
) -> int:
    """Record other numbers, valid from `next_week` on, and return their version. What is earned already stays.

    `before` are the config's rules: version 1, where nothing is recorded yet. Raises Invalid where nothing changes.
    """
    note = " ".join(text_of(note, MAX_NOTE).split())
    lock_names(session, {"rules"})
    known = versions(session)
    newest = (known[0].points, known[0].fair_play) if known else None
    if (newest or (before.points.model_dump(), before.fair_play.model_dump())) == (
        points.model_dump(),
        fair_play.model_dump(),
    ):
        raise Invalid(_("These are the numbers that hold already. Change at least one."))
    if not known:
        record_rules(session, before.points, before.fair_play, now, note="from the config file")
    return record_rules(session, points, fair_play, now, str(next_week(session, now)), by, note)
