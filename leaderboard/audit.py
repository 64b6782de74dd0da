"""Prove that ledger, scores and evidence agree; rebuild what can be computed anew."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import bindparam, case, delete, func, or_, select, update
from sqlmodel import Session

from leaderboard.database import Database, upsert
from leaderboard.ledger.facts import Row, credit, rows
from leaderboard.ledger.recounting import differing, moment_of, recount
from leaderboard.ledger.settling import (
    WRITE_TALLY,
    entry,
    owners,
    post_differences,
    reverse,
    score,
    tally,
)
from leaderboard.ledger.wholesale import lock_people, sums_of
from leaderboard.points import Outcome
from leaderboard.statements import Statement
from leaderboard.tables import WITNESSES, ClosedWeek, Person

person = Person.__table__  # type: ignore[attr-defined]
closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]

Key = TypeVar("Key", bound=tuple[Any, ...])
Place = tuple[int, str, str, int]
"""Of a running score: team, period, guideline, person."""

SHOWN = select(score).where(
    score.c.team_id.in_(bindparam("teams", expanding=True)),
    score.c.period.in_(bindparam("periods", expanding=True)),
    score.c.guideline.in_(bindparam("guidelines", expanding=True)),
    score.c.person_id.between(bindparam("first"), bindparam("last")),
)
WRITE_SCORES = upsert(score)
FORGET_SCORE = Statement(
    delete(score).where(*(column == bindparam(column.name) for column in score.primary_key))
)

AT_ONCE = 20_000
"""Facts in one unit of work of a rebuild: few enough that others wait no longer than a moment and memory stays small."""


def audit(session: Session, tell: Callable[[int, int], None] = lambda done, of: None) -> Iterator[str]:
    """Yield every disagreement in words; nothing when ledger = scores = evidence. `tell` hears of the progress."""
    handles, boards = _handles(session), Boards(session)
    done = 0
    for people in list(_parts(session)):
        yield from _of_people(session, people, handles, boards)
        done += len(people)
        tell(done, len(handles))
    yield from _closed_weeks(session)


def rebuild(db: Database, now: datetime, tell: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Compute every person's points again from the stored evidence and rewrite scores and tallies.

    One unit of work for a few people, so it may run beside everything else. The ledger itself only grows: a line that the
    evidence contradicts is reversed and posted right. Returns how many lines that took (0 when all was sound).
    """
    with db.reading() as session:
        parts, boards = list(_parts(session)), Boards(session)
    written = done = 0
    for people in parts:
        written += db.write(partial(_rebuild, people=people, boards=boards, now=now))
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


class Boards:
    """Where running scores stand.

    They are kept in the order of boards, and an index by person would cost every delivery. So who stands where is asked once,
    for everybody; what a few people's scores are is then found without reading all others'.
    """

    def __init__(self, session: Session) -> None:
        run = session.connection().execute
        self._teams: dict[int, set[int]] = defaultdict(set)
        for team_id, person_id in run(select(score.c.team_id, score.c.person_id).distinct()):
            self._teams[person_id].add(team_id)
        self._periods = set(run(select(score.c.period).distinct()).scalars())
        self._guidelines = set(run(select(score.c.guideline).distinct()).scalars())

    def shown(self, session: Session, people: Sequence[int], wanted: Mapping[Place, int]) -> dict[Place, int]:
        """The scores of these people, who are all between the first and the last; `wanted` is where they should stand."""
        places: dict[str, set[Any]] = {
            "teams": {key[0] for key in wanted}.union(*(self._teams.get(id_, ()) for id_ in people)),
            "periods": self._periods | {key[1] for key in wanted},
            "guidelines": self._guidelines | {key[2] for key in wanted},
        }
        asked_for = {name: sorted(some) for name, some in places.items()}
        found = session.connection().execute(SHOWN, asked_for | {"first": people[0], "last": people[-1]})
        asked = set(people)  # somebody new may stand between
        return {
            (team, period, guideline, id_): points
            for team, period, guideline, id_, points in found
            if id_ in asked
        }

    def mend(self, session: Session, people: Sequence[int], wanted: Mapping[Place, int]) -> None:
        """Write what differs. The caller holds the people's locks: nobody else moves their scores."""
        shown = self.shown(session, people, wanted)
        changed = [_score(place, points) for place, points in wanted.items() if shown.get(place, 0) != points]
        WRITE_SCORES.run_many(session, changed)
        FORGET_SCORE.run_many(session, [_score(place, 0) for place in shown.keys() - wanted.keys()])


def _handles(session: Session) -> dict[int, str]:
    return {row.id: row.handle for row in session.connection().execute(select(person.c.id, person.c.handle))}


def _of_people(
    session: Session, people: Sequence[int], handles: Mapping[int, str], boards: Boards
) -> Iterator[str]:
    run = session.connection().execute
    noted, expected, live = {}, {}, {}
    for facts, found in recount(session, people[0], people[-1]):
        for row, outcome in zip(facts, found, strict=True):
            noted[row.person_id, row.id] = row.noted
            expected[row.person_id, row.id] = outcome.points if outcome else 0
    sums = select(entry.c.person_id, entry.c.credit_id, func.sum(entry.c.points).label("points"))
    for row in run(sums.where(entry.c.person_id.in_(people)).group_by(entry.c.person_id, entry.c.credit_id)):
        live[row.person_id, row.credit_id] = int(row.points)
    for key in _unequal(expected, live):
        evidence, ledger = expected.get(key, 0), live.get(key, 0)
        yield f"{handles[key[0]]}: credit {key[1]} earns {evidence} by the evidence, {ledger} by the ledger"
    for key in _unequal(live, noted):
        yield f"{handles[key[0]]}: credit {key[1]} says {noted.get(key, 0)}, the ledger {live.get(key, 0)}"
    wanted, witnesses = sums_of(session, people)
    shown = boards.shown(session, people, wanted)
    for place in _unequal(wanted, shown):
        team_id, period, guideline, person_id = place
        where = f"{handles[person_id]}: {period}, {f'team {team_id}' if team_id else 'company'}, {guideline or 'all'}"
        yield f"{where}: the score is {shown.get(place, 0)}, the ledger {wanted.get(place, 0)}"
    told = {
        (row.person_id, row.week, name): getattr(row, name)
        for row in run(select(tally).where(tally.c.person_id.in_(people)))
        for name in WITNESSES
    }
    for (person_id, week, name), points in witnesses.items():
        said = told.get(
            (person_id, week, name), 0
        )  # a week of which everything was taken back needs no tally
        if said != points:
            yield f"{handles[person_id]}: {week}: the {name} tally is {said}, the ledger {points}"


def _score(place: Place, points: int) -> dict[str, Any]:
    team_id, period, guideline, person_id = place
    return {
        "team_id": team_id,
        "period": period,
        "guideline": guideline,
        "person_id": person_id,
        "points": points,
    }


def _unequal(one: Mapping[Key, int], other: Mapping[Key, int]) -> list[Key]:
    """Where the two say something else; what is not there is 0."""
    return sorted(
        {key for key, points in one.items() ^ other.items() if one.get(key, 0) != other.get(key, 0)}
    )


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


def _rebuild(session: Session, people: Sequence[int], boards: Boards, now: datetime) -> int:
    connection = session.connection()
    lock_people(session, people)
    written = _restore_credits(session, people, now)
    wrong: dict[int, Outcome | None] = {}
    last: dict[tuple[int, str], tuple[Any, str, str]] = {}
    for facts, found in recount(session, people[0], people[-1]):
        wrong |= differing(facts, found)
        standing = next((row for row in reversed(facts) if not row.withdrawn_by), None)
        if standing:
            last[standing.person_id, standing.week] = standing[2:5]
    if wrong:
        written += post_differences(session, _whole(session, list(wrong)), wrong, now, owners(session))
    scores, witnesses = sums_of(session, people)
    boards.mend(session, people, scores)
    connection.execute(delete(tally).where(tally.c.person_id.in_(people)))
    tallies = [
        {
            "person_id": person_id,
            "week": week,
            **{name: witnesses.get((person_id, week, name), 0) for name in WITNESSES},
            "last_at": moment_of(at),
            "last_source": source,
            "last_key": key,
        }
        for (person_id, week), (at, source, key) in last.items()
    ]
    WRITE_TALLY.run_many(session, tallies)
    return written


def _whole(session: Session, ids: Sequence[int]) -> list[Row]:
    """These credits with all that a line of the ledger says, in the same order."""
    found: dict[int, Row] = {}
    for start in range(0, len(ids), 500):
        some = rows.where(credit.c.id.in_(ids[start : start + 500]))
        found |= {row.id: row for row in session.connection().execute(some)}
    return [found[id_] for id_ in ids]


_live = func.sum(case((entry.c.reverses_id.is_(None), entry.c.id), else_=-entry.c.reverses_id))
"""The id of the only line that nothing has reversed; None where there is none."""
_count = func.count(entry.c.id) - 2 * func.count(entry.c.reverses_id)
# What is sound, nearly all, never leaves the database.
UNSOUND = (
    select(credit.c.id)
    .outerjoin(entry, entry.c.credit_id == credit.c.id)
    .where(credit.c.person_id.in_(bindparam("people", expanding=True)))
    .group_by(credit.c.id)
    .having(
        or_(
            func.coalesce(func.sum(entry.c.points), 0) != credit.c.points,
            _live.is_distinct_from(credit.c.entry_id),
            _count > 1,
        )
    )
    .order_by(credit.c.id)
)
reversal = entry.alias("reversal")
LIVE_LINES = (
    select(entry)
    .where(entry.c.credit_id == bindparam("credit_id"), entry.c.reverses_id.is_(None))
    .where(~select(reversal.c.id).where(reversal.c.reverses_id == entry.c.id).exists())
    .order_by(entry.c.id)
)
NO_LINE = {"points": 0, "entry_id": None}


def _restore_credits(session: Session, people: Sequence[int], now: datetime) -> int:
    """Let each credit name its live ledger line again; a second live line of one credit is reversed. Returns how many were."""
    connection = session.connection()
    reversed_ = 0
    for id_ in connection.execute(UNSOUND, {"people": people}).scalars().all():
        lines = connection.execute(LIVE_LINES, {"credit_id": id_}).all()
        for line in lines[1:]:
            reverse(connection, line, "corrected", now)
            reversed_ += 1
        worth = {"points": lines[0].points, "entry_id": lines[0].id} if lines else NO_LINE
        connection.execute(update(credit).where(credit.c.id == id_).values(worth))
    return reversed_
