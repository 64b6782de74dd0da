"""What the pages of a week show: frozen numbers and words, later corrections beside them, and the whole company."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from leaderboard.config import Config
from leaderboard.guidelines import Prompt, huddle_of
from leaderboard.ledger import rules_of
from leaderboard.nominations import cards, now_known_as, shown_to
from leaderboard.people import Shown, leads, shown, teams, zones
from leaderboard.recognition.announcing import standing_in, standing_winners
from leaderboard.recognition.drafting import reason as _reason
from leaderboard.recognition.keeping import fit, private
from leaderboard.standings import Board, by_guideline
from leaderboard.tables import (
    EVERY,
    ClosedWeek,
    Nomination,
    Person,
    PointsEntry,
    Recognition,
    Team,
)
from leaderboard.weeks import Week

FEW = 10
"""How many places a week's page shows; there is no tail."""
AT_ONCE = 500
"""Closed weeks whose winners are asked for by one statement."""


@dataclass(frozen=True)
class Winner:
    """A winner as one viewer sees them. `story` is its public id where the viewer may read it."""

    id: int
    category: str
    person: Shown
    uid: str
    points: int
    witnesses: int
    reason: str
    words: str
    story: str | None
    drafted: bool
    dropped_reason: str | None = None


@dataclass(frozen=True)
class Place:
    """A line of a frozen board."""

    rank: int
    person: Shown
    points: int


@dataclass(frozen=True)
class Told:
    """A story of the week, as it began then."""

    id: str
    guideline: str
    people: tuple[str, ...]
    teller: str
    text: str
    cosigns: int


@dataclass(frozen=True)
class Correction:
    """A line of the ledger that touched the week after it was closed."""

    at: datetime
    person: Shown
    points: int
    kind: str
    guideline: str
    why: str
    taken_back: bool


@dataclass(frozen=True)
class WeekPage:
    """A team's closed week as it was."""

    team: Team
    week: Week
    closed: ClosedWeek
    winners: tuple[Winner, ...]
    places: tuple[Place, ...]
    stories: tuple[Told, ...]
    """Without those that were withdrawn or hidden since, or are not for this viewer."""
    stories_kept_back: int
    corrections: tuple[Correction, ...]
    huddle: Prompt
    points: int
    facts: dict[str, int]


@dataclass(frozen=True)
class TeamWeek:
    """How far a team is with a week: closed and announced, closed, or still open (`closed` is None)."""

    team: Team
    week: Week
    closed: ClosedWeek | None
    winners: tuple[Winner, ...] = ()


def closed_week(session: Session, team_id: int, week: Week) -> ClosedWeek | None:
    """The row of this team's closed week."""
    return session.exec(
        select(ClosedWeek).where(ClosedWeek.team_id == team_id, ClosedWeek.week == str(week))
    ).first()


def winners(session: Session, closed: ClosedWeek, viewer: Person) -> tuple[Winner, ...]:
    """The week's winners as this person sees them on its page, by category."""
    return tuple(_as_seen(session, standing_winners(session, closed), viewer))


def winners_on_desk(
    session: Session, config: Config, closed: ClosedWeek, viewer: Person, *, dropped: bool = False
) -> tuple[Winner, ...]:
    """The winners, or those that were taken out, as who prepares the week sees them: why, and the words as they may be said."""
    pairs = standing_winners(session, closed)
    if dropped:
        pairs = list(
            session.exec(
                select(Recognition, Person)
                .join(Person, col(Person.id) == Recognition.person_id)
                .where(Recognition.closed_week_id == closed.id, col(Recognition.dropped_at).is_not(None))
                .order_by(col(Recognition.dropped_at))
            )
        )
    said = {row.id or 0: row.words for row, _whose in pairs}
    if closed.announced_at is None:
        said = fit(session, pairs, closed.team_id, config.announce.language)
    stories = _readable(session, viewer, {row.nomination_id for row, _who in pairs if row.nomination_id})
    return tuple(
        _winner(row, whose, shown(whose, viewer), row.reason, said[row.id or 0], stories)
        for row, whose in pairs
    )


def _winners_of(
    session: Session, weeks: Iterable[ClosedWeek], viewer: Person
) -> dict[int, tuple[Winner, ...]]:
    """The winners of every announced week among these, by its id: asks twice for each `AT_ONCE` of them."""
    announced = [row.id or 0 for row in weeks if row.announced_at]
    found: dict[int, tuple[Winner, ...]] = {}
    for start in range(0, len(announced), AT_ONCE):
        pairs = standing_in(session, announced[start : start + AT_ONCE])
        for (row, _whose), winner in zip(pairs, _as_seen(session, pairs, viewer), strict=True):
            found[row.closed_week_id] = (*found.get(row.closed_week_id, ()), winner)
    return found


def _as_seen(
    session: Session, pairs: Sequence[tuple[Recognition, Person]], viewer: Person
) -> Iterator[Winner]:
    pairs = list(pairs)
    stories = _readable(session, viewer, {row.nomination_id for row, _who in pairs if row.nomination_id})
    untold = private(session, pairs)
    for row, whose in pairs:
        alone = whose.id == viewer.id
        behind = whose.visibility == "alias" and not alone
        # why a lead chose somebody is for leads
        reason = (
            row.reason if row.drafted else _reason(str(get_locale() or "en"), row.points, row.witnesses, 1)
        )
        # a story, and the words too, may tell the name
        words = "" if _hidden(whose, viewer) or (row.id in untold and not alone) else row.words
        yield _winner(row, whose, _shown(whose, viewer), reason, words, {} if behind else stories)


def _winner(
    row: Recognition, whose: Person, person: Shown, reason: str, words: str, stories: Mapping[int, str]
) -> Winner:
    return Winner(
        id=row.id or 0,
        category=row.category,
        person=person,
        uid=whose.uid,
        points=row.points,
        witnesses=row.witnesses,
        reason=reason,
        words=words,
        story=stories.get(row.nomination_id or 0),
        drafted=row.drafted,
        dropped_reason=row.dropped_reason,
    )


def page_of_team(session: Session, team: Team, week: Week, viewer: Person) -> WeekPage | None:
    """The frozen page; None while the week is open."""
    closed = closed_week(session, team.id or 0, week)
    if closed is None:
        return None
    numbers = closed.numbers
    stories = _stories(session, numbers["stories"], viewer)
    return WeekPage(
        team=team,
        week=week,
        closed=closed,
        winners=winners(session, closed, viewer),
        places=_places(session, numbers["standings"][EVERY][:FEW] if team.board else (), viewer),
        stories=stories,
        stories_kept_back=len(numbers["stories"]) - len(stories),
        corrections=corrections(session, closed, viewer),
        huddle=huddle_of(closed.huddle),
        points=numbers["points"],
        facts=numbers["facts"],
    )


def standings_of(session: Session, team: Team, week: Week, viewer: Person) -> tuple[Place, ...]:
    """All of a team's frozen board, for those inside the team and admins; its page's few for others, none where it is off."""
    closed = closed_week(session, team.id or 0, week)
    if closed is None or not team.board:
        return ()
    inside = viewer.team_id == team.id or viewer.role == "admin" or leads(session, viewer, team.id or 0)
    lines = closed.numbers["standings"][EVERY]
    return _places(session, lines if inside else lines[:FEW], viewer)


def page_of_company(
    session: Session, week: Week, viewer: Person, now: datetime
) -> tuple[list[TeamWeek], tuple[Place, ...], bool]:
    """Every team's week, the company's board, and whether that is still provisional.

    The board adds the frozen standings of the teams that closed the week to the running ones of those that did not; teams that
    switched their board off are not on it.
    """
    closed = {
        row.team_id: row for row in session.exec(select(ClosedWeek).where(ClosedWeek.week == str(week)))
    }
    teams_here = [team for team in teams(session) if team.first_week <= str(week)]
    seen = _winners_of(session, closed.values(), viewer)
    parts, points, names = [], Counter[str](), {}
    for team in teams_here:
        row = closed.get(team.id or 0)
        parts.append(TeamWeek(team, week, row, seen.get(row.id or 0, ()) if row else ()))
        if not team.board:
            lines = []
        elif row is not None:
            lines = [
                (line["person"], line["name"], line["points"]) for line in row.numbers["standings"][EVERY]
            ]
        else:
            lines = _running(session, team, week, now)
        for uid, name, number in lines:
            points[uid] += number
            names[uid] = name
    ranked = [
        {
            "rank": 1 + sum(other > number for other in points.values()),
            "person": uid,
            "name": names[uid],
            "points": number,
        }
        for uid, number in points.most_common(FEW)
    ]
    return parts, _places(session, ranked, viewer), any(part.closed is None for part in parts)


def recent(
    session: Session, viewer: Person, before: Week | None = None, limit: int = 12
) -> list[tuple[Week, list[TeamWeek]]]:
    """Closed weeks, the newest first, each with its teams and their announced winners."""
    query = select(ClosedWeek.week).distinct().order_by(col(ClosedWeek.week).desc()).limit(limit)
    if before is not None:
        query = query.where(ClosedWeek.week < str(before))
    weeks = list(session.exec(query))
    every = {team.id: team for team in teams(session)}
    found: dict[str, list[TeamWeek]] = {week: [] for week in weeks}
    # Without the numbers, which are most of a row and stand on the week's own page.
    light = select(ClosedWeek).options(defer(ClosedWeek.numbers))  # type: ignore[arg-type]
    rows = session.exec(light.where(col(ClosedWeek.week).in_(weeks))).all()
    seen = _winners_of(session, rows, viewer)
    for row in sorted(rows, key=lambda row: every[row.team_id].name.casefold()):
        part = TeamWeek(every[row.team_id], Week.parse(row.week), row, seen.get(row.id or 0, ()))
        found[row.week].append(part)
    return [(Week.parse(week), parts) for week, parts in found.items()]


def corrections(session: Session, closed: ClosedWeek, viewer: Person) -> tuple[Correction, ...]:
    """What reached the closed week after its numbers were frozen, the oldest first."""
    found = session.exec(
        select(PointsEntry, Person)
        .join(Person, col(Person.id) == PointsEntry.person_id)
        .where(PointsEntry.team_id == closed.team_id, PointsEntry.week == closed.week)
        .where(col(PointsEntry.id) > closed.last_entry_id, PointsEntry.points != 0)
        .order_by(col(PointsEntry.id))
    )
    return tuple(
        Correction(
            row.posted_at,
            _shown(now_known_as(session, whose), viewer),
            row.points,
            row.kind,
            row.guideline,
            row.why,
            row.reverses_id is not None,
        )
        for row, whose in found
    )


def _running(session: Session, team: Team, week: Week, now: datetime) -> list[tuple[str, str, int]]:
    """An open week's standings of a team, as they run."""
    today = now.astimezone(ZoneInfo(zones(team).of(week))).date()
    newcomer_days = rules_of(session, week).fair_play.newcomer_days
    boards = by_guideline(session, Board(str(week), team.id or 0), min(today, week.sunday), newcomer_days)
    return [(row.uid, row.name, row.points) for _rank, row in boards.get(EVERY, ())]


def _places(session: Session, lines: Sequence[dict[str, Any]], viewer: Person) -> tuple[Place, ...]:
    people = {
        row.uid: now_known_as(session, row)
        for row in session.exec(select(Person).where(col(Person.uid).in_([line["person"] for line in lines])))
    }
    return tuple(
        Place(line["rank"], _shown(people[line["person"]], viewer, line["name"]), line["points"])
        for line in lines
        if line["person"] in people
    )


def _hidden(whose: Person, viewer: Person) -> bool:
    """Whether this person has chosen, by now, not to be shown to this viewer."""
    outside = whose.visibility == "team" and whose.team_id != viewer.team_id
    return whose.id != viewer.id and (whose.visibility == "off" or outside)


def _shown(whose: Person, viewer: Person, frozen: str | None = None) -> Shown:
    """A person on a page that stays: by the name of then, unless they have since chosen not to be shown."""
    if _hidden(whose, viewer):
        return Shown(_("A colleague"))
    now_shown = shown(whose, viewer)
    return Shown(frozen or now_shown.name, now_shown.handle) if now_shown.handle else now_shown


def _readable(session: Session, viewer: Person, ids: Iterable[int]) -> dict[int, str]:
    """The public ids of those stories that this person may read now."""
    found = session.exec(
        select(Nomination.id, Nomination.uid).where(col(Nomination.id).in_(list(ids)), shown_to(viewer))
    )
    return {story_id: uid for story_id, uid in found if story_id}


def _stories(session: Session, told: Sequence[dict[str, Any]], viewer: Person) -> tuple[Told, ...]:
    """As they began then, under the names that the wall tells today: whoever took theirs off is not named here either."""
    asked = select(Nomination).where(
        col(Nomination.uid).in_([line["story"] for line in told]), shown_to(viewer)
    )
    found = {card.id: card for card in cards(session, session.exec(asked).all(), viewer)}
    return tuple(
        Told(
            line["story"],
            line["guideline"],
            tuple(person.name for person in found[line["story"]].nominees),
            found[line["story"]].nominator.name,
            line["text"],
            line["cosigns"],
        )
        for line in told
        if line["story"] in found
    )
