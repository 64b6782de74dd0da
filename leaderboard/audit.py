"""Prove that ledger, scores and evidence agree; rebuild what can be computed anew."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_, select, update
from sqlmodel import Session

from leaderboard.database import Database, is_postgresql
from leaderboard.ledger import outcomes
from leaderboard.ledger.facts import credit, rows
from leaderboard.ledger.settling import (
    add_to_scores,
    entry,
    forget_scores,
    in_order,
    live_points,
    outcomes_of,
    owners,
    post_differences,
    reverse,
    score,
    tally,
)
from leaderboard.ledger.wholesale import score_sums
from leaderboard.tables import WITNESSES, ClosedWeek, Person

person = Person.__table__  # type: ignore[attr-defined]
closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]

AT_ONCE = 4_000
"""Facts in one unit of work of a rebuild: few enough that others wait no longer than a moment and memory stays small."""


def audit(session: Session, tell: Callable[[int, int], None] = lambda done, of: None) -> Iterator[str]:
    """Yield every disagreement in words; nothing when ledger = scores = evidence. `tell` hears of the progress."""
    people = _people(session)
    for done, (person_id, handle) in enumerate(people, 1):
        yield from _of_person(session, person_id, handle)
        tell(done, len(people))
    yield from _closed_weeks(session)


def rebuild(db: Database, now: datetime, tell: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Compute every person's points again from the stored evidence and rewrite scores and tallies.

    One unit of work for a few people, so it may run beside everything else. The ledger itself only grows: a line that the
    evidence contradicts is reversed and posted right. Returns how many lines that took (0 when all was sound).
    """
    with db.reading() as session:
        parts = list(_parts(session))
    written = done = 0
    for people in parts:
        written += db.write(partial(_rebuild, people=people, now=now))
        done += len(people)
        tell(done, sum(map(len, parts)))
    return written


def _parts(session: Session) -> Iterator[list[int]]:
    """Everybody, a few at a time: as many as have AT_ONCE facts together, and at least one."""
    query = select(person.c.id, func.count(credit.c.id).label("facts")).select_from(person)
    query = query.outerjoin(credit, credit.c.person_id == person.c.id).group_by(person.c.id)
    part: list[int] = []
    facts = 0
    for row in session.connection().execute(query.order_by(person.c.id)):
        if part and (facts + row.facts > AT_ONCE or len(part) == 500):
            yield part
            part, facts = [], 0
        part.append(row.id)
        facts += row.facts
    if part:
        yield part


def _people(session: Session) -> list[tuple[int, str]]:
    query = select(person.c.id, person.c.handle).order_by(person.c.id)
    return [(row.id, row.handle) for row in session.connection().execute(query)]


def _of_person(session: Session, person_id: int, handle: str) -> Iterator[str]:
    connection = session.connection()
    expected = {
        id_: outcome.points if outcome else 0 for id_, outcome in outcomes(session, person_id).items()
    }
    live = live_points(session, person_id)
    noted = {
        row.id: row.points
        for row in connection.execute(
            select(credit.c.id, credit.c.points).where(
                credit.c.person_id == person_id, credit.c.entry_id.is_not(None)
            )
        )
    }
    for id_ in sorted({*expected, *live}):
        evidence, ledger = expected.get(id_, 0), live.get(id_, 0)
        if evidence != ledger:
            yield f"{handle}: credit {id_} earns {evidence} by the evidence, {ledger} by the ledger"
        if ledger != noted.get(id_, 0):
            yield f"{handle}: credit {id_} says {noted.get(id_, 0)}, the ledger {ledger}"
    wanted = score_sums(session, [person_id])
    shown = {
        (row.team_id, row.period, row.guideline, person_id): row.points
        for row in connection.execute(select(score).where(score.c.person_id == person_id))
    }
    for key in sorted({*wanted, *shown}):
        team_id, period, guideline, _ = key
        ledger, running = wanted.get(key, 0), shown.get(key, 0)
        if ledger != running:
            where = f"team {team_id}" if team_id else "company"
            yield f"{handle}: {period}, {where}, {guideline or 'all'}: the score is {running}, the ledger {ledger}"
    for (_, week), witness in _tally_sums(session, [person_id]).items():
        row = connection.execute(
            select(tally).where(tally.c.person_id == person_id, tally.c.week == week)
        ).first()
        for name, points in witness.items():
            told = getattr(row, name, 0)  # a week of which everything was taken back needs no tally
            if told != points:
                yield f"{handle}: {week}: the {name} tally is {told}, the ledger {points}"


def _tally_sums(session: Session, people: Sequence[int]) -> dict[tuple[int, str], dict[str, int]]:
    """By person and week: the points of each kind of witness."""
    same = (entry.c.person_id, entry.c.week, entry.c.witness)
    query = select(*same, func.sum(entry.c.points).label("points")).where(entry.c.person_id.in_(people))
    found: dict[tuple[int, str], dict[str, int]] = {}
    for row in session.connection().execute(query.group_by(*same)):
        found.setdefault((row.person_id, row.week), {})[row.witness] = int(row.points)
    return found


def _closed_weeks(session: Session) -> Iterator[str]:
    """A frozen page shows the ledger as of closing."""
    handles = {row.uid: (row.id, row.handle) for row in session.connection().execute(select(person))}
    ids = session.connection().execute(select(closed_week.c.id).order_by(closed_week.c.id)).scalars().all()
    for id_ in ids:  # one at a time: its numbers may be large
        week = session.connection().execute(select(closed_week).where(closed_week.c.id == id_)).one()
        query = select(entry.c.person_id, func.sum(entry.c.points).label("points")).where(
            entry.c.team_id == week.team_id, entry.c.week == week.week, entry.c.id <= week.last_entry_id
        )
        sums = {
            row.person_id: int(row.points)
            for row in session.connection().execute(query.group_by(entry.c.person_id))
        }
        for row in week.numbers.get("standings", {}).get("", []):
            person_id, handle = handles.get(row["person"], (0, row["person"]))
            if row["points"] != sums.get(person_id, 0):
                yield (
                    f"{handle}: the page of {week.week} shows {row['points']}, "
                    f"the ledger as of closing {sums.get(person_id, 0)}"
                )


def _rebuild(session: Session, people: Sequence[int], now: datetime) -> int:
    connection = session.connection()
    if is_postgresql(session):
        locked = select(person.c.id).where(person.c.id.in_(people)).order_by(person.c.id)
        connection.execute(locked.with_for_update(key_share=True))
    written = _restore_credits(session, people, now)
    facts = in_order(connection.execute(rows.where(credit.c.person_id.in_(people))))
    written += post_differences(session, facts, outcomes_of(session, facts), now, owners(session))
    forget_scores(session, people)
    add_to_scores(session, score_sums(session, people))
    sums = _tally_sums(session, people)
    last = {(row.person_id, row.week): row for row in facts if not row.withdrawn_by}
    tallies = [
        {
            "person_id": person_id,
            "week": week,
            **{name: sums.get((person_id, week), {}).get(name, 0) for name in WITNESSES},
            "last_at": row.occurred_at,
            "last_source": row.source,
            "last_key": row.key,
        }
        for (person_id, week), row in last.items()
    ]
    if tallies:
        connection.execute(insert(tally), tallies)
    return written


earlier, reversal = entry.alias("earlier"), entry.alias("reversal")


def _is_live(line: Any) -> ColumnElement[bool]:
    """It earned, and nothing has reversed it. (A bare IS NULL would lead SQLite to the index that nearly all lines are in.)"""
    reversed_ = select(reversal.c.id).where(reversal.c.reverses_id == line.c.id).exists()
    return and_(func.coalesce(line.c.reverses_id, 0) == 0, ~reversed_)


# Statements that look at one line after the other by index: what is sound, nearly all, never leaves the database.
DOUBLE = (
    select(entry)
    .where(entry.c.person_id.in_(bindparam("people", expanding=True)), _is_live(entry))
    .where(
        select(earlier.c.id)
        .where(earlier.c.credit_id == entry.c.credit_id, earlier.c.id < entry.c.id, _is_live(earlier))
        .exists()
    )
    .order_by(entry.c.id)
)
FORGETFUL = (
    select(credit.c.id, func.coalesce(entry.c.points, 0).label("points"), entry.c.id.label("entry_id"))
    .select_from(credit)
    .outerjoin(entry, and_(entry.c.credit_id == credit.c.id, _is_live(entry)))
    .where(credit.c.person_id.in_(bindparam("people", expanding=True)))
    .where(
        or_(
            credit.c.entry_id.is_distinct_from(entry.c.id),
            credit.c.points != func.coalesce(entry.c.points, 0),
        )
    )
)


def _restore_credits(session: Session, people: Sequence[int], now: datetime) -> int:
    """Let each credit name its live ledger line again; a second live line of one credit is reversed. Returns how many were."""
    connection = session.connection()
    surplus = connection.execute(DOUBLE, {"people": people}).all()
    for line in surplus:
        reverse(connection, line, "corrected", now)
    for row in connection.execute(FORGETFUL, {"people": people}).all():
        connection.execute(
            update(credit).where(credit.c.id == row.id).values(points=row.points, entry_id=row.entry_id)
        )
    return len(surplus)
