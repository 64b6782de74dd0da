"""Closing a week: what is due, the frozen numbers, the drafted winners."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import bindparam, func
from sqlmodel import Session, col, select

from leaderboard.config import Config, parse_clock
from leaderboard.database import beat, insert
from leaderboard.guidelines import GUIDELINES
from leaderboard.languages import speaking
from leaderboard.ledger import is_closed, rules_of
from leaderboard.people import zones
from leaderboard.plugin import Invalid
from leaderboard.recognition import drafting
from leaderboard.standings import Board, Standing, by_guideline
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
    Team,
)
from leaderboard.weeks import Week, due_weeks
from leaderboard.weeks import closes_at as closing_time

INSTANT = timedelta(microseconds=1)
MOST_STORIES = 60
MOST_CANDIDATES = 20
LAST_EVENT = select(func.max(col(Event.id)))
LAST_ENTRY = select(func.max(col(PointsEntry.id)))


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
) -> ClosedWeek | None:
    """Freeze the week's numbers and draft its winners; None when it is closed already. Raises Invalid.

    Weeks close in their order, and only once they have ended; a person may do so before the closing hour. While it runs, no
    points of the team can be posted: a fact is either in the frozen numbers or counts later.
    """
    team = session.exec(select(Team).where(Team.id == team_id).with_for_update()).one()
    if is_closed(session, team_id, week):
        return None
    _may_close(session, team, week, now)
    last = zones(team).ends_at(week) - INSTANT
    fair = rules_of(session, week).fair_play
    lines = drafting.live_lines(session, team_id, str(week))
    # leave and newcomers are judged by the last day of the week, whenever it is closed
    boards = by_guideline(session, Board(str(week), team_id, inside=True), last, fair.newcomer_days)
    ranked = {place.person_id for place in boards.get(EVERY, ())}
    candidates = drafting.candidates(session, team_id, week, lines, ranked, fair)
    known = _people(session, {place.person_id for places in boards.values() for place in places})
    with speaking(config.announce.language):
        numbers = _numbers(session, team, week, lines, boards, candidates, known)
    row = {
        "team_id": team_id,
        "week": str(week),
        "closed_at": now,
        "closed_by": by.id if by else None,
        "last_event_id": session.connection().execute(LAST_EVENT).scalar() or 0,
        "last_entry_id": session.connection().execute(LAST_ENTRY).scalar() or 0,
        "numbers": numbers,
        "opening": "",
        "huddle": (week.monday - Week(2026, 1).monday).days // 7,
        "autopilot": False,
    }
    table = ClosedWeek.__table__  # type: ignore[attr-defined]
    statement = insert(session, table).values(row).on_conflict_do_nothing(index_elements=["team_id", "week"])
    closed_id = session.connection().execute(statement.returning(table.c.id)).scalar()
    if closed_id is None:
        return None
    with speaking(config.announce.language):
        _draft(session, closed_id, numbers["candidates"], {row.uid: row.id for row in known.values()})
    beat(session, team_id)
    session.flush()
    return session.get_one(ClosedWeek, closed_id)


def _may_close(session: Session, team: Team, week: Week, now: datetime) -> None:
    if str(week) < team.first_week:
        raise Invalid(_("The team's first week is %(week)s.", week=team.first_week), "week")
    if now < zones(team).ends_at(week):
        raise Invalid(_("%(week)s has not ended yet.", week=week), "week")
    before = week - 1
    if str(before) >= team.first_week and not is_closed(session, team.id or 0, before):
        raise Invalid(_("Close %(week)s first: weeks close in their order.", week=before), "week")


# ---------------------------------------------------------------- the frozen numbers


PEOPLE = select(*(Person.__table__.c[name] for name in ("id", "uid", "name", "alias", "visibility"))).where(  # type: ignore[attr-defined]
    col(Person.id).in_(bindparam("ids", expanding=True))
)


def _people(session: Session, ids: Collection[int]) -> dict[int, Any]:
    """What boards and drafts need of these people, by id: rows are quicker than objects, and a team may be large."""
    return {row.id: row for row in session.connection().execute(PEOPLE, {"ids": list(ids)})}


def _numbers(
    session: Session,
    team: Team,
    week: Week,
    lines: Sequence[Any],
    boards: Mapping[str, Sequence[Standing]],
    candidates: dict[str, list[drafting.Candidate]],
    known: Mapping[int, Any],
) -> dict[str, Any]:
    """The week as it was: standings by guideline ("" for all), stories, thanks, and who else might have won."""
    shown = {category: _best(found) for category, found in candidates.items()}
    told = drafting.stories_of(session, (one for found in shown.values() for one in found))
    kinds = Counter(
        {line.event_id: line.kind for line in lines}.values()
    )  # a story of two people is one story
    return {
        "team": {"name": team.name, "slug": team.slug, "zone": zones(team).of(week)},
        "begins_at": zones(team).begins_at(week).isoformat(),
        "ends_at": zones(team).ends_at(week).isoformat(),
        "standings": {
            guideline: [
                {
                    "rank": place.rank,
                    "person": known[place.person_id].uid,
                    "name": drafting.board_name(known[place.person_id]),
                    "points": place.points,
                }
                for place in boards.get(guideline, ())
            ]
            for guideline in (EVERY, *(one.slug for one in GUIDELINES))
        },
        "points": sum(line.points for line in lines),
        "stories": _stories(session, lines),
        "facts": {kind: kinds[kind] for kind in sorted(kinds)},
        "candidates": {
            category: [_candidate(one, known[one.person_id], told) for one in found]
            for category, found in shown.items()
        },
    }


def _best(found: Sequence[drafting.Candidate]) -> list[drafting.Candidate]:
    """The first few, and everybody who has as many points as the very first: they share the win."""
    return [
        one for place, one in enumerate(found) if place < MOST_CANDIDATES or one.points == found[0].points
    ]


def _candidate(one: drafting.Candidate, whose: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """Somebody who may win, kept for the lead who puts another in a winner's place."""
    story, teller = told.get(drafting.story_of(one.best) or "", (None, None))
    return {
        "person": whose.uid,
        "points": one.points,
        "witnesses": one.witnesses,
        "words": drafting.words(drafting.board_name(whose), one, teller),
        "nomination": story,
    }


def _stories(session: Session, lines: Iterable[Any]) -> list[dict[str, Any]]:
    """The week's stories, the most co-signed first: whose, by whom, and how each begins."""
    uids = {line.evidence.get("story") for line in lines if line.kind == "story.accepted"} - {None}
    if not uids:
        return []
    stories = session.exec(
        select(Nomination, Person)
        .join(Person, col(Person.id) == Nomination.nominator_id)
        .where(col(Nomination.uid).in_(uids))
        .order_by(col(Nomination.cosigns).desc(), col(Nomination.id))
        .limit(MOST_STORIES)
    ).all()
    named: dict[int, list[Person]] = {}
    people = session.exec(
        select(Nominee.nomination_id, Person)
        .join(Person, col(Person.id) == Nominee.person_id)
        .where(
            col(Nominee.nomination_id).in_([story.id for story, _ in stories]),
            col(Nominee.hidden_at).is_(None),
        )
        .order_by(col(Nominee.position))
    )
    for nomination_id, whose in people:
        named.setdefault(nomination_id, []).append(whose)
    return [
        {
            "story": story.uid,
            "guideline": story.guideline,
            "people": [drafting.board_name(whose) for whose in named.get(story.id or 0, [])],
            "teller": drafting.board_name(teller),
            "text": drafting.excerpt(story.story),
            "cosigns": story.cosigns,
        }
        for story, teller in stories
    ]


def _draft(
    session: Session, closed_id: int, drafted: Mapping[str, list[dict[str, Any]]], ids: Mapping[str, int]
) -> None:
    """A row for each winner: everybody with the most points of those who may win."""
    rows = []
    for category, found in drafted.items():
        best = [one for one in found if one["points"] == found[0]["points"]]
        rows += [
            {
                "closed_week_id": closed_id,
                "category": category,
                "person_id": ids[one["person"]],
                "points": one["points"],
                "witnesses": one["witnesses"],
                "reason": drafting.reason(one["points"], one["witnesses"], len(best)),
                "words": one["words"],
                "nomination_id": one["nomination"],
                "drafted": True,
            }
            for one in best
        ]
    if rows:
        session.connection().execute(insert(session, Recognition.__table__), rows)  # type: ignore[attr-defined]


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
