"""Closing a week: what is due, the frozen numbers, the drafted winners."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import bindparam, func, insert, or_
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from leaderboard.config import Config, parse_clock
from leaderboard.database import beat, insert_of
from leaderboard.guidelines import GUIDELINES
from leaderboard.ledger import is_closed, rules_of
from leaderboard.people import zones
from leaderboard.plugin import Invalid
from leaderboard.recognition import drafting
from leaderboard.standings import Board, by_guideline
from leaderboard.statements import Statement
from leaderboard.tables import (
    EVERY,
    ClosedWeek,
    Delivery,
    Event,
    Nomination,
    Nominee,
    Person,
    PointsEntry,
    Recognition,
    Score,
    Team,
)
from leaderboard.weeks import Week, Zones, due_weeks
from leaderboard.weeks import closes_at as closing_time

MOST_STORIES = 60
MOST_CANDIDATES = 20
BOARDS = (EVERY, *(one.slug for one in GUIDELINES))
STORY = "story.accepted"

team = Team.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
nomination = Nomination.__table__  # type: ignore[attr-defined]
nominee = Nominee.__table__  # type: ignore[attr-defined]
recognition = Recognition.__table__  # type: ignore[attr-defined]
closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]
entry = PointsEntry.__table__  # type: ignore[attr-defined]
score = Score.__table__  # type: ignore[attr-defined]


def _newest(table: Any) -> Any:
    return select(func.coalesce(func.max(table.c.id), 0)).scalar_subquery()


_gone = (
    sql_select(person.c.team_id)
    .join(score, score.c.person_id == person.c.id)
    .where(
        score.c.team_id == bindparam("id"), score.c.period == bindparam("week"), score.c.guideline == EVERY
    )
)


def _locked(dialect: str) -> Any:
    """The team; on PostgreSQL also where those are now who earned here in the week and left: counting them there moves lines
    here."""
    held = team.c.id == bindparam("id")
    if dialect == "postgresql":
        held = or_(held, team.c.id.in_(_gone))
    names = ("id", "name", "slug", "first_week", "timezone", "next_timezone", "next_timezone_from")
    return sql_select(*(team.c[name] for name in names)).where(held).order_by(team.c.id).with_for_update()


LOCKED = Statement(_locked)
CLOSE = Statement(
    lambda dialect: (
        insert_of(dialect, closed_week)
        .values(last_event_id=_newest(event), last_entry_id=_newest(entry))
        .on_conflict_do_nothing(index_elements=["team_id", "week"])
        .returning(closed_week.c.id)
    )
)
WON = Statement(insert(recognition))


def closes_at(config: Config, team: Team, week: Week) -> datetime:
    """When the clock closes this week of the team: Monday, at the team's hour or `[week] closes_at`."""
    return closing_time(zones(team), week, parse_clock(team.closes_at or config.week.closes_at))


def due(session: Session, config: Config, now: datetime) -> list[tuple[int, Week]]:
    """(team id, week) of every week that has ended, whose closing hour has come and that is not closed: the oldest first."""
    # Weeks close in their order, so a team's latest closed one says it all.
    weeks_closed = select(ClosedWeek.team_id, func.max(ClosedWeek.week)).group_by(col(ClosedWeek.team_id))
    latest = dict(session.exec(weeks_closed).all())
    found = []
    for team in session.exec(select(Team)):
        clock = parse_clock(team.closes_at or config.week.closes_at)
        closed = latest.get(team.id or 0)
        first = max(team.first_week, str(Week.parse(closed) + 1) if closed else "")
        weeks = due_weeks(zones(team), Week.parse(first), clock, 0, now)
        found += [(week, team.id or 0) for week in weeks]
    return [(team_id, week) for week, team_id in sorted(found)]


def close_week(
    session: Session, config: Config, team_id: int, week: Week, now: datetime, by: Person | None = None
) -> int | None:
    """Freeze the week's numbers and draft its winners; returns the closed week's id, None when it was closed already.

    Weeks close in their order, and only once they have ended; a person may do so before the closing hour. While it runs, no
    points of the team can be posted: a fact is either in the frozen numbers or counts later. Raises Invalid.
    """
    (whose,) = (row for row in LOCKED.all(session, {"id": team_id, "week": str(week)}) if row.id == team_id)
    if is_closed(session, team_id, week):
        return None
    places = zones(whose)
    _may_close(session, whose, places, week, now)
    fair = rules_of(session, week).fair_play
    # leave and newcomers are judged by the last day of the week, whenever it is closed
    boards = by_guideline(session, Board(str(week), team_id, inside=True), week.sunday, fair.newcomer_days)
    ranked = {row.person_id: row for _rank, row in boards.get(EVERY, ())}
    kinds, candidates = drafting.sums(session, team_id, week, ranked, fair)
    shown = {category: _best(found) for category, found in candidates.items()}
    drafted = _drafted(session, config.announce.language, shown, ranked)
    numbers = {
        "team": {"name": whose.name, "slug": whose.slug, "zone": places.of(week)},
        "begins_at": places.begins_at(week).isoformat(),
        "ends_at": places.ends_at(week).isoformat(),
        "standings": {guideline: _standings(boards.get(guideline, ())) for guideline in BOARDS},
        "points": sum(one.points for one in kinds),
        "stories": _stories(session, team_id, week) if any(one.of == STORY for one in kinds) else [],
        "facts": {one.of: one.counted for one in kinds},
        "candidates": drafted,
    }
    row = {
        "team_id": team_id,
        "week": str(week),
        "closed_at": now,
        "closed_by": by.id if by else None,
        "numbers": numbers,
        "opening": "",
        "huddle": (week.monday - Week(2026, 1).monday).days // 7,
        "autopilot": False,
    }
    closed_id: int | None = CLOSE.scalar(session, row)
    if closed_id is None:
        return None
    ids = {row.uid: row.person_id for row in ranked.values()}
    winners = list(_winners(config.announce.language, closed_id, drafted, ids))
    if winners:
        WON.run_many(session, winners)
    beat(session, team_id)
    return closed_id


def _may_close(session: Session, whose: Any, places: Zones, week: Week, now: datetime) -> None:
    if str(week) < whose.first_week:
        raise Invalid(_("The team's first week is %(week)s.", week=whose.first_week), "week")
    if now < places.ends_at(week):
        raise Invalid(_("%(week)s has not ended yet.", week=week), "week")
    before = week - 1
    if str(before) >= whose.first_week and not is_closed(session, whose.id, before):
        raise Invalid(_("Close %(week)s first: weeks close in their order.", week=before), "week")


# ---------------------------------------------------------------- the frozen numbers


def _standings(places: Iterable[tuple[int, Any]]) -> list[dict[str, Any]]:
    return [
        {"rank": rank, "person": row.uid, "name": drafting.board_name(row), "points": row.points}
        for rank, row in places
    ]


def _best(found: Sequence[Any]) -> list[Any]:
    """The first few, and everybody who has as many points as the very first: they share the win."""
    return [
        one for place, one in enumerate(found) if place < MOST_CANDIDATES or one.points == found[0].points
    ]


def _drafted(
    session: Session, language: str, shown: Mapping[str, list[Any]], people: Mapping[int, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Those who may win, by category, kept for the lead who puts another in a winner's place."""
    told = drafting.stories_of(session, (one for found in shown.values() for one in found))

    def candidate(one: Any) -> dict[str, Any]:
        story, whose = told.get(drafting.story_in(one.evidence)), people[one.person_id]
        teller = drafting.board_name(story) if story else None
        return {
            "person": whose.uid,
            "points": one.points,
            "witnesses": one.counted,
            "words": drafting.words(language, whose, one, teller),
            "nomination": story.id if story else None,
        }

    return {category: [candidate(one) for one in found] for category, found in shown.items()}


def _stories(session: Session, team_id: int, week: Week) -> list[dict[str, Any]]:
    """The week's stories, the most co-signed first: whose, by whom, and how each begins."""
    run = session.connection().execute
    named = (person.c.name, person.c.alias, person.c.visibility)
    told = (
        sql_select(
            nomination.c.id,
            nomination.c.uid,
            nomination.c.guideline,
            nomination.c.story,
            nomination.c.cosigns,
            *named,
        )
        .join(person, person.c.id == nomination.c.nominator_id)
        .where(nomination.c.uid.in_(drafting.stories(session, team_id, week)))
        .order_by(nomination.c.cosigns.desc(), nomination.c.id)
        .limit(MOST_STORIES)
    )
    stories = run(told).all()
    whose: dict[int, list[str]] = {story.id: [] for story in stories}
    about = (
        sql_select(nominee.c.nomination_id, *named)
        .join(person, person.c.id == nominee.c.person_id)
        .where(nominee.c.nomination_id.in_(list(whose)), nominee.c.hidden_at.is_(None))
        .order_by(nominee.c.position)
    )
    for row in run(about):
        whose[row.nomination_id].append(drafting.board_name(row))
    return [
        {
            "story": story.uid,
            "guideline": story.guideline,
            "people": whose[story.id],
            "teller": drafting.board_name(story),
            "text": drafting.excerpt(story.story),
            "cosigns": story.cosigns,
        }
        for story in stories
    ]


def _winners(
    language: str, closed_id: int, drafted: Mapping[str, list[dict[str, Any]]], ids: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """A row for each winner: everybody with the most points of those who may win."""
    for category, found in drafted.items():
        best = [one for one in found if one["points"] == found[0]["points"]]
        for one in best:
            yield {
                "closed_week_id": closed_id,
                "category": category,
                "person_id": ids[one["person"]],
                "points": one["points"],
                "witnesses": one["witnesses"],
                "reason": drafting.reason(language, one["points"], one["witnesses"], len(best)),
                "words": one["words"],
                "nomination_id": one["nomination"],
                "drafted": True,
            }


# ---------------------------------------------------------------- what still waits


@dataclass(frozen=True)
class Waiting:
    """What may still come into a week before it closes, and until when."""

    closes_at: datetime
    stories: int
    """Told in the week and not judged yet."""
    deliveries: int
    """Of any source, not worked through."""


def waiting(session: Session, config: Config, team: Team, week: Week) -> Waiting:
    """What the lead's desk says of a week that is still open."""
    begins, ends = zones(team).begins_at(week), zones(team).ends_at(week)
    stories = session.exec(
        select(func.count())
        .select_from(Nomination)
        .where(Nomination.team_id == team.id, Nomination.state == "waiting")
        .where(Nomination.nominated_at >= begins, Nomination.nominated_at < ends)
    ).one()
    deliveries = session.exec(
        select(func.count())
        .select_from(Delivery)
        .where(col(Delivery.state).in_(("pending", "failed")), Delivery.received_at < ends)
    ).one()
    return Waiting(closes_at(config, team, week), stories, deliveries)
