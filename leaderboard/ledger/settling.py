"""Bring a person's ledger lines to what the rules say of their facts: post what is new, reverse what no longer holds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType, SimpleNamespace
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update
from sqlmodel import Session

from leaderboard.database import beat, upsert
from leaderboard.guidelines import OF_KIND
from leaderboard.ledger.calendar import all_rules
from leaderboard.ledger.facts import (
    RATINGS,
    Context,
    Row,
    context_of,
    credit,
    earned_before,
    fact_of,
    groups_of,
    neighbours,
    rows,
)
from leaderboard.points import WITNESS_OF, Fold, Outcome
from leaderboard.statements import Statement
from leaderboard.tables import (
    COMPANY,
    EVERY,
    WITNESSES,
    ClosedWeek,
    PastWithdrawal,
    Person,
    PointsEntry,
    Score,
    Tally,
)
from leaderboard.weeks import Week, periods

entry = PointsEntry.__table__  # type: ignore[attr-defined]
score = Score.__table__  # type: ignore[attr-defined]
tally = Tally.__table__  # type: ignore[attr-defined]
closed_week = ClosedWeek.__table__  # type: ignore[attr-defined]
past_withdrawal = PastWithdrawal.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]

# Built once: building a statement costs more than running it, and these run with every delivery.
TALLIES = Statement(
    select(tally)
    .where(tally.c.person_id == bindparam("person_id"), tally.c.week >= bindparam("week"))
    .order_by(tally.c.week)
)
LIVE = select(*(entry.c[name] for name in ("id", "credit_id", "points", "full_points", "why", "kind"))).where(
    entry.c.id.in_(bindparam("ids", expanding=True))
)
LINE = select(entry).where(entry.c.id == bindparam("id"))
NEW_ENTRY = Statement(insert(entry).returning(entry.c.id))
WORTH = Statement(update(credit).where(credit.c.id == bindparam("credit")))
ADD_SCORES = upsert(score, adding=True)
WRITE_TALLY = upsert(tally)


def closed_of(session: Session, facts: Sequence[Row]) -> set[int]:
    """Which of these credits count in a week that their team has closed."""
    weeks = {row.week for row in facts}
    query = select(closed_week.c.team_id, closed_week.c.week).where(closed_week.c.week.in_(weeks))
    mine = query.where(closed_week.c.team_id.in_({row.team_id for row in facts}))
    found = {(row.team_id, row.week) for row in session.connection().execute(mine)} if weeks else set()
    return {row.id for row in facts if (row.team_id, row.week) in found}


def in_order(facts: Iterable[Row]) -> list[Row]:
    """The order facts are counted in, whatever order they came in."""
    return sorted(facts, key=attrgetter("week", "occurred_at", "source", "key", "id"))


def settle(session: Session, person_id: int, since: str, now: datetime) -> None:
    """Count a person's open weeks from `since` on again, post the differences, and rewrite the tallies.

    Closed weeks keep what they gave. The caller holds the person's lock.
    """
    connection = session.connection()
    theirs = rows.where(credit.c.person_id == person_id, credit.c.week >= since)
    # What was taken back earlier has no line any more, and there may be thousands of it.
    counted = or_(credit.c.withdrawn_by.is_(None), credit.c.entry_id.is_not(None))
    facts = in_order(connection.execute(theirs.where(counted)))
    closed = closed_of(session, facts)
    earned = defaultdict(int, earned_before(session, person_id, facts, since))
    open_facts = [row for row in facts if row.id not in closed]
    kept = {row.id: 0 if row.withdrawn_by else row.points for row in facts if row.id in closed}
    rules, context = all_rules(session), context_of(session, open_facts)
    found: dict[int, Outcome | None] = {}
    for week in sorted({row.week for row in facts}):
        mine = [row for row in facts if row.week == week]
        fold = Fold(rules[mine[0].rules_version], earned)
        for row in mine:
            if row.id in closed and kept[row.id]:
                fold.keep(fact_of(row, context, rules[row.rules_version]), kept[row.id])
        for row in mine:
            if row.id not in closed:
                fact = fact_of(row, context, rules[row.rules_version])
                found[row.id] = None if row.withdrawn_by else fold.add(fact)
        last = ([row for row in mine if not row.withdrawn_by] or mine)[-1]
        _write_tally(session, person_id, week, fold.witness, (last.occurred_at, last.source, last.key))
    # A fact of a closed week can only be taken back; nothing else of that week moves with it.
    gone = {row.id: None for row in facts if row.id in closed and row.withdrawn_by and row.entry_id}
    found |= gone
    whose = owners(session) if gone else {}
    post_differences(session, [row for row in facts if row.id in found], found, now, whose)


def count_alone(session: Session, row: Row, now: datetime) -> bool:
    """Count one new fact at a cost that does not grow with the week.

    It may, where it comes after all others of the person, or where it earns in full and shares no group with another: then
    no limit was met so far, none is met with it, and the order does not matter. False where the person has to be settled.
    """
    asked = {"person_id": row.person_id, "week": row.week}
    weeks = TALLIES.all(session, asked)
    used = weeks[0] if weeks and weeks[0].week == row.week else None
    last = weeks[-1] if weeks else None
    is_last = last is None or (last.week, last.last_at, last.last_source, last.last_key) < (
        row.week,
        row.occurred_at,
        row.source,
        row.key,
    )
    surrounded = row.unhappy or row.kind == "promise.kept"
    fact = fact_of(row, context_of(session, [row]) if surrounded else Context(), row.rules)
    fold = Fold(row.rules)
    if used:
        fold.witness.update({name: getattr(used, name) for name in WITNESSES})
    for earlier in neighbours(session, row):
        groups = groups_of(earlier)
        for group in groups:
            if group in fact.groups:
                fold.earned[group] += earlier.points
        if earlier.kind in RATINGS and earlier.week == row.week and earlier.customer_key:
            fold.customer_groups[earlier.customer_key].add((groups or (earlier.key,))[-1])
        if earlier.kind == "promise.kept":
            fold.promises[earlier.counts_on, None] += 1
            if earlier.ticket:
                fold.promises[earlier.counts_on, f"{earlier.source}|{earlier.ticket}"] += 1
    shares_a_group = any(fold.earned.values())
    outcome = fold.add(fact)
    if not is_last and (shares_a_group or (outcome.points, outcome.why) != (fact.worth, fact.why)):
        return False
    if used and (used.last_at, used.last_source, used.last_key) > (row.occurred_at, row.source, row.key):
        last_at, last_source, last_key = used.last_at, used.last_source, used.last_key
    else:
        last_at, last_source, last_key = row.occurred_at, row.source, row.key
    _write_tally(session, row.person_id, row.week, fold.witness, (last_at, last_source, last_key))
    post_differences(session, [row], {row.id: outcome}, now)
    return True


def owners(session: Session) -> dict[int, int]:
    """Who was merged, and into whom: their lines stay theirs, their scores count for the person they are now."""
    query = select(person.c.id, person.c.merged_into_id).where(person.c.merged_into_id.is_not(None))
    return {row.id: row.merged_into_id for row in session.connection().execute(query)}


def post_differences(
    session: Session,
    facts: Sequence[Row],
    found: Mapping[int, Outcome | None],
    now: datetime,
    whose: Mapping[int, int] = MappingProxyType({}),
) -> int:
    """Write the ledger lines that bring each credit to its outcome (None: nothing); returns how many.

    `whose` are the `owners`, where lines of merged people may be among these.
    """
    live_ids = [row.entry_id for row in facts if row.entry_id]
    live: dict[int, Any] = {}
    for start in range(0, len(live_ids), 500):
        lines = session.connection().execute(LIVE, {"ids": live_ids[start : start + 500]})
        live |= {line.credit_id: line for line in lines}
    changes: dict[tuple[int, str, str, int], int] = defaultdict(int)
    written = 0
    for row in facts:
        old, new = live.get(row.id), found[row.id]
        if (
            old
            and new
            and (old.points, old.full_points, old.why, old.kind) == (new.points, new.full, new.why, new.kind)
        ):
            continue
        if old is None and new is None:
            continue
        entry_id = None
        if old:
            whole = session.connection().execute(LINE, {"id": old.id}).one()
            reverse(session.connection(), whole, "corrected" if new else "withdrawn", now)
            _count(changes, whole, -whole.points, whose)
            written += 1
        if new:
            values = {
                "credit_id": row.id,
                "event_id": row.event_id,
                "person_id": row.person_id,
                "team_id": row.team_id,
                "kind": new.kind,
                "witness": WITNESS_OF[new.kind],
                "guideline": row.guideline or OF_KIND.get(new.kind, "above-and-beyond"),
                "points": new.points,
                "full_points": new.full,
                "why": new.why,
                "week": row.week,
                "counts_on": row.counts_on,
                "rules_version": row.rules_version,
                "posted_at": now,
                "reverses_id": None,
            }
            entry_id = NEW_ENTRY.scalar(session, values)
            _count(changes, SimpleNamespace(**values), new.points, whose)
            written += 1
        now_worth = {"credit": row.id, "points": new.points if new else 0, "entry_id": entry_id}
        WORTH.run(session, now_worth)
    add_to_scores(session, changes)
    if written:
        beat(session, facts[0].person_id)
    return written


def reverse(connection: Any, old: Any, why: str, now: datetime) -> None:
    """A reversal carries its original's periods, so no board ever shows a negative."""
    values = dict(old._mapping) | {"points": -old.points, "why": why, "posted_at": now, "reverses_id": old.id}
    del values["id"]
    connection.execute(insert(entry), values)


@lru_cache(maxsize=4096)
def periods_of(week: str, day: date) -> tuple[str, str, str, str]:
    """The periods of a line of the ledger."""
    return periods(Week.parse(week), day)


def score_keys(
    line: Any, whose: Mapping[int, int] = MappingProxyType({})
) -> Iterable[tuple[int, str, str, int]]:
    """The running scores that one line of the ledger moves."""
    person_id = whose.get(line.person_id, line.person_id)
    for period in periods_of(line.week, line.counts_on):
        for team_id, guideline in wider(line.team_id, line.guideline):
            yield team_id, period, guideline, person_id


def wider(team_id: int, guideline: str) -> tuple[tuple[int, str], ...]:
    """The running scores of one period: the team's and the company's, of the guideline and of all five."""
    return (team_id, guideline), (team_id, EVERY), (COMPANY, guideline), (COMPANY, EVERY)


def _count(
    changes: dict[tuple[int, str, str, int], int], line: Any, points: int, whose: Mapping[int, int]
) -> None:
    if points:
        for key in score_keys(line, whose):
            changes[key] += points


def add_to_scores(session: Session, changes: Mapping[tuple[int, str, str, int], int]) -> None:
    """Move the running scores, in key order so that two units of work never wait for each other in a circle."""
    values = [
        {"team_id": team, "period": period, "guideline": guideline, "person_id": person, "points": points}
        for (team, period, guideline, person), points in sorted(changes.items())
        if points
    ]
    if values:
        ADD_SCORES.run_many(session, values)


def _write_tally(
    session: Session, person_id: int, week: str, witness: Mapping[str, int], last: tuple[datetime, str, str]
) -> None:
    values: dict[str, Any] = {name: witness.get(name, 0) for name in WITNESSES}
    values |= {"person_id": person_id, "week": week}
    values |= {"last_at": last[0], "last_source": last[1], "last_key": last[2]}
    WRITE_TALLY.run(session, values)
