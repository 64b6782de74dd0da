"""Many credits at once, by statements over sets: their live lines reversed, scores added up anew, weeks counted again."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    and_,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlmodel import Session

from leaderboard.database import beat, is_postgresql
from leaderboard.ledger.facts import credit
from leaderboard.ledger.settling import (
    add_to_scores,
    closed_week,
    entry,
    owners,
    periods_of,
    score,
    score_keys,
    settle,
    tally,
    wider,
)
from leaderboard.statements import Statement
from leaderboard.tables import Person, Team
from leaderboard.weeks import Week

person = Person.__table__  # type: ignore[attr-defined]
team = Team.__table__  # type: ignore[attr-defined]

SAME_SCORES = (entry.c.team_id, entry.c.week, entry.c.counts_on, entry.c.guideline, entry.c.person_id)
"""Lines that agree in these move the same scores."""


def reverse_all(session: Session, which: ColumnElement[bool], why: str, now: datetime) -> None:
    """Reverse the live line of each of these credits, and take it off the scores. Nothing of it passes through memory.

    `which` speaks of the columns of `credit` alone. The caller holds the people's locks, and counts them again.
    """
    connection = session.connection()
    live = entry.join(credit, credit.c.entry_id == entry.c.id)
    sums = select(*SAME_SCORES, func.sum(entry.c.points).label("points")).select_from(live).where(which)
    _add(session, connection.execute(sums.group_by(*SAME_SCORES)), -1)
    _copy(session, select(entry.c.id).select_from(live).where(which), why, now)
    was_live = credit.c.entry_id.is_not(None)
    connection.execute(update(credit).where(which, was_live).values(points=0, entry_id=None))


def post_again(session: Session, which: ColumnElement[bool], now: datetime) -> None:
    """Post the last line of each of these credits once more, just as it was; what never had one, or waits for an account of
    nobody by now, stays without.

    The caller counts open weeks again; in closed ones this is all.
    """
    connection = session.connection()
    before = connection.execute(select(func.max(entry.c.id))).scalar() or 0
    newest = select(func.max(entry.c.id).label("line")).join(credit, credit.c.id == entry.c.credit_id)
    newest = newest.where(which, credit.c.person_id.is_not(None))
    newest = newest.where(credit.c.entry_id.is_(None), entry.c.reverses_id.is_(None))
    _copy(session, newest.group_by(entry.c.credit_id), None, now)
    mine = and_(entry.c.id > before, entry.c.credit_id == credit.c.id, entry.c.reverses_id.is_(None))
    again = update(credit).where(which, credit.c.entry_id.is_(None), mine)
    connection.execute(again.values(entry_id=entry.c.id, points=entry.c.points))
    live = entry.join(credit, credit.c.entry_id == entry.c.id)
    sums = select(*SAME_SCORES, func.sum(entry.c.points).label("points")).select_from(live)
    _add(session, connection.execute(sums.where(which, entry.c.id > before).group_by(*SAME_SCORES)), 1)


def _copy(session: Session, lines: Select[tuple[int]], why: str | None, now: datetime) -> None:
    """Write each of these lines again: reversed with a reason, or as it was, for whom its credit is now."""
    new = {"posted_at": literal(now, entry.c.posted_at.type)}
    if why is None:
        new |= {"person_id": credit.c.person_id, "reverses_id": literal(None, entry.c.id.type)}
    else:
        new |= {"points": -entry.c.points, "why": literal(why), "reverses_id": entry.c.id}
    names = [column.name for column in entry.c if column.name != "id"]
    chosen = lines.subquery()
    rows = entry.join(chosen, chosen.c[0] == entry.c.id).join(credit, credit.c.id == entry.c.credit_id)
    same = select(*(new.get(name, entry.c[name]) for name in names)).select_from(rows)
    session.connection().execute(insert(entry).from_select(names, same.order_by(entry.c.id)))


def _add(session: Session, lines: Iterable[object], sign: int) -> None:
    changes: dict[tuple[int, str, str, int], int] = defaultdict(int)
    whose = owners(session)
    for line in lines:
        for key in score_keys(line, whose):
            changes[key] += sign * int(line.points)  # type: ignore[attr-defined]
    add_to_scores(session, changes)


def count_again(session: Session, since: Mapping[int, str], now: datetime) -> None:
    """Count these people's open weeks again, each from a week on. The caller holds their locks."""
    connection = session.connection()
    for person_id, week in sorted(since.items()):
        connection.execute(delete(tally).where(tally.c.person_id == person_id, tally.c.week >= week))
        settle(session, person_id, week, now)
    beat(session)


def rewrite_scores(session: Session, people: Collection[int]) -> None:
    """Add up the scores of these people anew: where a merge or its undoing makes old lines count for another one."""
    session.connection().execute(delete(score).where(score.c.person_id.in_(people)))
    add_to_scores(session, score_sums(session, list(people)))


def score_sums(session: Session, people: Collection[int]) -> dict[tuple[int, str, str, int], int]:
    """What each running score of these people should be: their lines, and those of whoever was merged into them."""
    scores, _ = sums_of(session, people)
    return scores


def sums_of(
    session: Session, people: Collection[int]
) -> tuple[dict[tuple[int, str, str, int], int], dict[tuple[int, str, str], int]]:
    """What the ledger says of these people: the `score_sums`, and by person, week and witness the points of their own lines.

    The database adds up the lines that move the same sums.
    """
    whose = owners(session)
    asked = set(people)
    lines = asked | {id_ for id_, into in whose.items() if into in asked}
    same = (entry.c.person_id, *SAME_SCORES[:-1], entry.c.witness)  # by people first: compared soonest
    query = select(*same, func.sum(entry.c.points)).where(entry.c.person_id.in_(lines)).group_by(*same)
    narrow: dict[tuple[int, str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    witnesses: dict[tuple[int, str, str], int] = defaultdict(int)
    for person_id, team_id, week, day, guideline, witness, points in session.connection().execute(query):
        if person_id in asked:
            witnesses[person_id, week, witness] += int(points)
        owner = whose.get(person_id, person_id)
        if owner in asked:
            sums = narrow[team_id, guideline, owner]
            for period in periods_of(week, day):
                sums[period] += int(points)
    wide: dict[tuple[int, str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (team_id, guideline, owner), by_period in narrow.items():
        for team, line in wider(team_id, guideline):
            sums = wide[team, line, owner]
            for period, points in by_period.items():
                sums[period] += points
    scores = {
        (team, period, line, owner): points
        for (team, line, owner), by_period in wide.items()
        for period, points in by_period.items()
    }
    return scores, witnesses


# --- what may still move ------------------------------------------------------------------------------------


def open_since(session: Session, people: Collection[int]) -> str:
    """The first week from which on no week is closed for any team that these people are in or earned in."""
    connection = session.connection()
    mine = select(credit.c.team_id).where(credit.c.person_id.in_(people), credit.c.team_id.is_not(None))
    home = select(person.c.team_id).where(person.c.id.in_(people))
    closed = closed_week.c.team_id.in_(mine.union(home))
    last = connection.execute(select(func.max(closed_week.c.week)).where(closed)).scalar()
    return str(Week.parse(last) + 1) if last else ""


def lock_their_teams(session: Session, people: Collection[int]) -> None:
    """Hold off the closing of every week that these people's facts are in, then the people themselves."""
    if not is_postgresql(session):
        return
    connection = session.connection()
    mine = select(credit.c.team_id).where(credit.c.person_id.in_(people))
    home = select(person.c.team_id).where(person.c.id.in_(people))
    here = or_(team.c.id.in_(mine), team.c.id.in_(home))
    connection.execute(select(team.c.id).where(here).order_by(team.c.id).with_for_update(read=True)).all()
    lock_people(session, people)


LOCK_PEOPLE = Statement(
    select(person.c.id)
    .where(person.c.id == any_(bindparam("people", type_=ARRAY(Integer))))
    .order_by(person.c.id)
    .with_for_update(key_share=True)
)


def lock_people(session: Session, people: Collection[int]) -> None:
    """Only one unit of work at a time counts a person's points."""
    if is_postgresql(session):
        LOCK_PEOPLE.run(session, {"people": list(people)})
