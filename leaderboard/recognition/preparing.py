"""A week as its lead prepares it: what waits while it is open, what to decide once it is closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from leaderboard import announcements
from leaderboard.config import Config
from leaderboard.nominations import now_known_as
from leaderboard.people import zones
from leaderboard.recognition.announcing import Message, message, not_by, standing_winners
from leaderboard.recognition.closing import Waiting, waiting
from leaderboard.recognition.drafting import board_name
from leaderboard.recognition.reading import Winner, closed_week, winners_on_desk
from leaderboard.tables import Announcement, Channel, ClosedWeek, Person, Team
from leaderboard.weeks import Week


@dataclass(frozen=True)
class Choice:
    """Somebody who may be put in a winner's place, or beside one."""

    category: str
    uid: str
    name: str
    points: int
    witnesses: int


@dataclass(frozen=True)
class Preparation:
    """Everything a lead needs on one page; `closed` None is a week that is still open."""

    closed: ClosedWeek | None
    ended: bool
    waiting: Waiting | None
    winners: tuple[Winner, ...]
    dropped: tuple[Winner, ...]
    choices: tuple[Choice, ...]
    message: Message | None
    not_by_me: str | None
    own: frozenset[int]
    """Recognitions of the viewer's own, whose words somebody else writes."""
    sent: Sequence[tuple[Announcement, Channel]]
    channels: Sequence[Channel]


def to_prepare(session: Session, team: Team, now: datetime) -> Week:
    """The week a lead most likely came for: the newest closed one that is not announced, else the first open one."""
    rows = session.exec(
        select(ClosedWeek).where(ClosedWeek.team_id == team.id).order_by(col(ClosedWeek.week).desc()).limit(8)
    ).all()
    silent = [row.week for row in rows if row.announced_at is None]
    if silent:
        return Week.parse(silent[0])
    return max(
        Week.parse(rows[0].week) + 1 if rows else Week.parse(team.first_week), Week.parse(team.first_week)
    )


def preparation(
    session: Session, config: Config, team: Team, week: Week, viewer: Person, now: datetime
) -> Preparation:
    """One week, as this lead or admin sees it."""
    closed = closed_week(session, team.id or 0, week)
    channels = announcements.channels(session, team.id or 0)
    ended = now >= zones(team).ends_at(week)
    if closed is None:
        still = waiting(session, config, team, week)
        return Preparation(None, ended, still, (), (), (), None, None, frozenset(), (), channels)
    pairs = standing_winners(session, closed)
    return Preparation(
        closed=closed,
        ended=ended,
        waiting=None,
        winners=winners_on_desk(session, config, closed, viewer),
        dropped=winners_on_desk(session, config, closed, viewer, dropped=True),
        choices=_choices(session, closed, viewer, {(row.category, whose.id or 0) for row, whose in pairs}),
        message=message(session, config, closed),
        not_by_me=not_by(session, closed, viewer),
        own=frozenset(row.id or 0 for row, whose in pairs if whose.id == viewer.id),
        sent=announcements.of_week(session, closed.id or 0),
        channels=channels,
    )


def _choices(
    session: Session, closed: ClosedWeek, viewer: Person, taken: set[tuple[str, int]]
) -> tuple[Choice, ...]:
    """Those who may still be picked: two witnesses at closing, not a winner now, not the viewer, still here."""
    listed = [(category, one) for category, found in closed.numbers["candidates"].items() for one in found]
    uids = {one["person"] for _category, one in listed}
    people = {
        row.uid: now_known_as(session, row)
        for row in session.exec(select(Person).where(col(Person.uid).in_(uids)))
    }
    return tuple(
        Choice(category, one["person"], board_name(whose), one["points"], one["witnesses"])
        for category, one in listed
        if (whose := people.get(one["person"])) is not None
        and whose.active
        and whose.visibility != "off"
        and whose.id != viewer.id
        and (category, whose.id) not in taken
    )
