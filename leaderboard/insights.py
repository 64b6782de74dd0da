"""How a company is doing, without naming anybody: points by week and team, who tells of whom between teams, customers' voices.

Teams under five people are shown joined, so that no number here is somebody's. Points come from the running scores, stories
from one year of them: no question walks the ledger.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, func, select, union_all
from sqlmodel import Session

from leaderboard import people
from leaderboard.database import kept
from leaderboard.tables import (
    EVERY,
    CoSign,
    Credit,
    Nomination,
    Nominee,
    Person,
    PointsEntry,
    Score,
    Team,
)
from leaderboard.weeks import Week

FEWEST_PEOPLE = 5
"""Of a group whose numbers are shown: what works councils ask for."""
FEWEST_TELLERS = 3
"""Of a number between two groups: with fewer, each of them could read who the others are."""
JOINED = "_joined"
"""The slug of the smaller teams together; no team's slug has such a sign."""
TOLD_OF_GOOD, TOLD_OF_POOR = 9, 16
"""People that a customer tells of a good and of a poor experience, on average: American Express Global Customer Service
Barometer, 2011, https://www.businesswire.com/news/home/20110503005753/en/"""
TOLD_BY_THE_SAYING = 10
"""More than these hear of a poor experience, as the trade has long said; nobody knows who counted them."""

score = Score.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
entry = PointsEntry.__table__  # type: ignore[attr-defined]
credit = Credit.__table__  # type: ignore[attr-defined]
story = Nomination.__table__  # type: ignore[attr-defined]
co_sign = CoSign.__table__  # type: ignore[attr-defined]
nominee = Nominee.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Group:
    """Teams whose numbers are shown as one: a team of five people or more, or the smaller ones together (`name` is "")."""

    slug: str
    name: str
    teams: tuple[int, ...]
    first_week: str


@dataclass(frozen=True)
class Told:
    """What one group told of another: stories, each counted for everybody who told or co-signed it.

    `times` is None where too few people did so to say how often.
    """

    teller: str
    about: str
    times: int | None


@dataclass(frozen=True)
class Voices:
    """What customers said in a week: how many thanked or rated well, and how many were unhappy."""

    thanks: int
    unhappy: int


_is_here = and_(person.c.active, person.c.bot.is_(False), person.c.merged_into_id.is_(None))
SIZES = select(person.c.team_id, func.count().label("people")).where(_is_here).group_by(person.c.team_id)


# A team that nobody is in any more: of how many people its numbers are.
EARNERS = (
    select(score.c.team_id, func.count(score.c.person_id.distinct()).label("people"))
    .where(
        score.c.team_id.in_(bindparam("teams", expanding=True)),
        score.c.period.in_(bindparam("years", expanding=True)),
        score.c.guideline == EVERY,
        score.c.points != 0,
    )
    .group_by(score.c.team_id)
)


def groups(session: Session, week: Week) -> list[Group]:
    """The teams by name, those under five people joined into one at the end; nothing where the whole company is smaller.

    A team that was dissolved counts those who earned in it this year or last; where nobody did, it is left out.
    """
    run = session.connection().execute
    known = people.teams(session)
    sizes = {row.team_id: row.people for row in run(SIZES)}
    left = [team.id for team in known if team.id not in sizes]
    years = [f"{year:04}" for year in (week.year - 1, week.year)]
    sizes |= {row.team_id: row.people for row in run(EARNERS, {"teams": left, "years": years})}
    teams = [team for team in known if team.id in sizes]
    by_size = sorted(teams, key=lambda team: (sizes[team.id], team.id))
    joined = [team for team in by_size if sizes[team.id] < FEWEST_PEOPLE]
    large = by_size[len(joined) :]
    # Otherwise what all have less what the others have would be what these few have.
    while joined and large and sum(sizes[team.id] for team in joined) < FEWEST_PEOPLE:
        joined.append(large.pop(0))
    found = [_group(team.slug, team.name, [team]) for team in teams if team in large]
    if sum(sizes[team.id] for team in joined) >= FEWEST_PEOPLE:
        found.append(_group(JOINED, "", joined))
    return found


def _group(slug: str, name: str, teams: Sequence[Team]) -> Group:
    ids = tuple(sorted(team.id or 0 for team in teams))
    return Group(slug, name, ids, min(team.first_week for team in teams))


POINTS = (
    select(score.c.team_id, score.c.period, score.c.guideline, func.sum(score.c.points).label("points"))
    .where(
        score.c.team_id.in_(bindparam("teams", expanding=True)),
        score.c.period.in_(bindparam("weeks", expanding=True)),
        score.c.guideline.in_(bindparam("guidelines", expanding=True)),
        score.c.points != 0,
    )
    .group_by(score.c.team_id, score.c.period, score.c.guideline)
)


def points(
    session: Session, groups: Iterable[Group], weeks: Sequence[Week], guidelines: Sequence[str] = (EVERY,)
) -> dict[str, dict[str, dict[str, int]]]:
    """Points by group's slug, week and guideline ("" for all): every group and week is there, of guidelines what is not 0."""
    group_of = {team: group.slug for group in groups for team in group.teams}
    asked: dict[str, Any] = {
        "teams": sorted(group_of),
        "weeks": [str(week) for week in weeks],
        "guidelines": list(guidelines),
    }
    rows = kept(
        session,
        ("insights", *map(tuple, asked.values())),
        lambda: session.connection().execute(POINTS, asked).all(),
    )
    found: dict[str, dict[str, dict[str, int]]] = {
        slug: {str(week): {} for week in weeks} for slug in group_of.values()
    }
    for row in rows:
        cell = found[group_of[row.team_id]][row.period]
        cell[row.guideline] = cell.get(row.guideline, 0) + int(row.points)
    return found


def told(session: Session, groups: Sequence[Group], since: datetime) -> list[Told]:
    """Accepted stories from each group about each, told since then; a story about two groups counts for both of them.

    People count where they work now. What nobody told is not there.
    """
    place_of = {team: place for place, group in enumerate(groups) for team in group.teams}
    if not place_of:
        return []
    lately = and_(story.c.state == "accepted", story.c.nominated_at >= since)
    tellers = select(story.c.id, story.c.nominator_id.label("teller_id")).where(lately)
    signers = (
        select(story.c.id, co_sign.c.person_id)
        .join(co_sign, co_sign.c.nomination_id == story.c.id)
        .where(lately, co_sign.c.withdrawn_at.is_(None))
    )
    said = union_all(tellers, signers).subquery()
    teller, named = person.alias("teller"), person.alias("named")
    each = (
        select(
            said.c.id,
            said.c.teller_id,
            case(place_of, value=teller.c.team_id).label("teller"),
            case(place_of, value=named.c.team_id).label("about"),
        )
        .join(teller, teller.c.id == said.c.teller_id)
        .join(nominee, nominee.c.nomination_id == said.c.id)
        .join(named, named.c.id == nominee.c.person_id)
        .where(nominee.c.hidden_at.is_(None), teller.c.team_id.in_(place_of), named.c.team_id.in_(place_of))
        .distinct()
        .subquery()
    )
    query = select(
        each.c.teller, each.c.about, func.count().label("times"), func.count(each.c.teller_id.distinct())
    ).group_by(each.c.teller, each.c.about)
    return [
        Told(groups[teller].slug, groups[about].slug, times if people >= FEWEST_TELLERS else None)
        for teller, about, times, people in session.connection().execute(query)
    ]


THANKS = (
    select(func.count(entry.c.event_id.distinct()))
    .join(credit, and_(credit.c.id == entry.c.credit_id, credit.c.entry_id == entry.c.id))
    .where(
        entry.c.team_id.in_(bindparam("teams", expanding=True)),
        entry.c.week == bindparam("week"),
        entry.c.kind.in_(("thanks.received", "rating.good", "rating.recovered")),
        credit.c.withdrawn_by.is_(None),
    )
)
# By person and week, as the index has them: a week of everybody, however long the ledger is.
UNHAPPY = select(func.count(credit.c.event_id.distinct())).where(
    credit.c.person_id.in_(select(person.c.id)),
    credit.c.week == bindparam("week"),
    credit.c.kind == "rating.bad",
    credit.c.team_id.in_(bindparam("teams", expanding=True)),
    credit.c.withdrawn_by.is_(None),
)


def voices(session: Session, groups: Iterable[Group], week: Week) -> Voices:
    """What customers said in a week to people of these groups, as it counts now."""
    asked = {"teams": [team for group in groups for team in group.teams], "week": str(week)}
    run = session.connection().execute
    return Voices(run(THANKS, asked).scalar_one(), run(UNHAPPY, asked).scalar_one())
