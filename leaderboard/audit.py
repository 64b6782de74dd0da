"""Prove that ledger, scores and evidence agree; rebuild what can be computed anew."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlmodel import Session

from leaderboard.database import Database, is_postgresql
from leaderboard.ledger import Row, outcomes
from leaderboard.ledger.facts import credit, rows
from leaderboard.ledger.settling import (
    add_to_scores,
    entry,
    forget_scores,
    in_order,
    live_points,
    post_differences,
    reverse,
    score,
    score_keys,
    tally,
)
from leaderboard.tables import ClosedWeek, Person

person = Person.__table__  # type: ignore[attr-defined]
closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]


def audit(session: Session, tell: Callable[[int, int], None] = lambda done, of: None) -> Iterator[str]:
    """Yield every disagreement in words; nothing when ledger = scores = evidence. `tell` hears of the progress."""
    people = _people(session)
    for done, (person_id, handle) in enumerate(people, 1):
        yield from _of_person(session, person_id, handle)
        tell(done, len(people))
    yield from _closed_weeks(session)


def rebuild(db: Database, now: datetime, tell: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Compute every person's points again from the stored evidence and rewrite scores and tallies.

    One unit of work per person, so it may run beside everything else. The ledger itself only grows: a line that the evidence
    contradicts is reversed and posted right. Returns how many lines that took (0 when all was sound).
    """
    with db.reading() as session:
        people = _people(session)
    written = 0
    for done, (person_id, _) in enumerate(people, 1):
        written += db.write(lambda session, who=person_id: _rebuild_person(session, who, now))  # type: ignore[misc]
        tell(done, len(people))
    return written


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
    wanted = _score_sums(session, person_id)
    shown = {
        (row.team_id, row.period, row.guideline): row.points
        for row in connection.execute(select(score).where(score.c.person_id == person_id))
    }
    for team_id, period, guideline in sorted({*wanted, *shown}):
        ledger, running = (
            wanted.get((team_id, period, guideline), 0),
            shown.get((team_id, period, guideline), 0),
        )
        if ledger != running:
            where = f"team {team_id}" if team_id else "company"
            yield f"{handle}: {period}, {where}, {guideline or 'all'}: the score is {running}, the ledger {ledger}"
    for week, witness in _tally_sums(session, person_id).items():
        row = connection.execute(
            select(tally).where(tally.c.person_id == person_id, tally.c.week == week)
        ).first()
        for name, points in witness.items():
            noted = getattr(row, name, 0)  # a week of which everything was taken back needs no tally
            if noted != points:
                yield f"{handle}: {week}: the {name} tally is {noted}, the ledger {points}"


def _score_sums(session: Session, person_id: int) -> Counter[tuple[int, str, str]]:
    sums: Counter[tuple[int, str, str]] = Counter()
    for line in session.connection().execute(select(entry).where(entry.c.person_id == person_id)):
        for team_id, period, guideline, _ in score_keys(line):
            sums[team_id, period, guideline] += line.points
    return sums


def _tally_sums(session: Session, person_id: int) -> dict[str, dict[str, int]]:
    query = select(entry.c.week, entry.c.witness, func.sum(entry.c.points).label("points"))
    query = query.where(entry.c.person_id == person_id).group_by(entry.c.week, entry.c.witness)
    found: dict[str, dict[str, int]] = {}
    for row in session.connection().execute(query):
        found.setdefault(row.week, {})[row.witness] = int(row.points)
    return found


def _closed_weeks(session: Session) -> Iterator[str]:
    """A frozen page shows the ledger as of closing."""
    handles = {row.uid: (row.id, row.handle) for row in session.connection().execute(select(person))}
    for week in session.connection().execute(select(closed_week).order_by(closed_week.c.id)):
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


def _rebuild_person(session: Session, person_id: int, now: datetime) -> int:
    connection = session.connection()
    if is_postgresql(session):
        connection.execute(
            select(person.c.id).where(person.c.id == person_id).with_for_update(key_share=True)
        )
    written = _restore_credits(session, person_id, now)
    facts = in_order(connection.execute(rows.where(credit.c.person_id == person_id)))
    written += post_differences(session, facts, outcomes(session, person_id), now)
    forget_scores(session, person_id)
    sums = _score_sums(session, person_id)
    add_to_scores(session, {(*key, person_id): points for key, points in sums.items()})
    last = {row.week: row for row in facts if not row.withdrawn_by} if facts else {}
    sums_by_week = _tally_sums(session, person_id)
    for week, row in last.items():
        witness = {
            name: sums_by_week.get(week, {}).get(name, 0)
            for name in ("colleague", "customer", "promise", "work")
        }
        connection.execute(
            insert(tally),
            {
                "person_id": person_id,
                "week": week,
                **witness,
                "last_at": row.occurred_at,
                "last_source": row.source,
                "last_key": row.key,
            },
        )
    return written


def _restore_credits(session: Session, person_id: int, now: datetime) -> int:
    """Let each credit name its live ledger line again; a second live line of one credit is reversed. Returns how many were."""
    connection = session.connection()
    reversal = entry.alias("reversal")
    query = select(entry).outerjoin(reversal, reversal.c.reverses_id == entry.c.id)
    query = query.where(
        entry.c.person_id == person_id, entry.c.reverses_id.is_(None), reversal.c.id.is_(None)
    )
    live: dict[int, Row] = {}
    surplus = []
    for line in connection.execute(query.order_by(entry.c.id)):
        if line.credit_id in live:
            surplus.append(line)
        else:
            live[line.credit_id] = line
    for line in surplus:
        reverse(connection, line, "corrected", now)
    known = select(credit.c.id, credit.c.points, credit.c.entry_id).where(credit.c.person_id == person_id)
    for row in connection.execute(known).all():
        points, entry_id = (live[row.id].points, live[row.id].id) if row.id in live else (0, None)
        if (row.points, row.entry_id) != (points, entry_id):
            connection.execute(
                update(credit).where(credit.c.id == row.id).values(points=points, entry_id=entry_id)
            )
    return len(surplus)
