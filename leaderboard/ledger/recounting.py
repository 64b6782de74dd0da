"""What every credit earns, computed from the stored evidence alone: what an audit and a rebuild compare the ledger with."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, String, bindparam, case, select, type_coerce
from sqlmodel import Session

from leaderboard.ledger.calendar import all_rules
from leaderboard.ledger.facts import WITH_CONTEXT, Context, Row, context_of, credit, event, fact_of
from leaderboard.ledger.settling import closed_week, entry, past_withdrawal
from leaderboard.points import WITNESS_OF, Fold, Outcome, Rules
from leaderboard.statements import Statement

_other = event.alias("other")
_another = (
    select(_other.c.id)
    .where(_other.c.source == event.c.source, _other.c.object == event.c.object, _other.c.id != event.c.id)
    .limit(1)
    .scalar_subquery()
)
"""Another fact about the same thing: most things have none, and then no context to be asked for."""


def _theirs(person_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return person_id.between(bindparam("first"), bindparam("last"))


def _stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """As the driver gives it: what is only compared needs no conversion."""
    return type_coerce(column, String).label(column.name)


# The first six are the order in which facts are counted, so that rows are sorted as they are. Each column costs: this is
# read for every line of the ledger.
FACTS = Statement(
    select(
        credit.c.person_id,
        credit.c.week,
        _stored(event.c.occurred_at),
        event.c.source,
        event.c.key,
        credit.c.id,
        *(credit.c[name] for name in ("event_id", "kind", "team_id", "rules_version", "customer_key")),
        *(credit.c[name] for name in ("share", "full_share", "share_why", "withdrawn_by")),
        _stored(credit.c.counts_on),
        *(event.c[name] for name in ("giver_id", "object", "ticket")),
        case((credit.c.kind.in_(WITH_CONTEXT), _another)).label("another"),
        case((credit.c.entry_id.is_not(None), credit.c.points), else_=0).label("noted"),
        *(entry.c[name].label(f"live_{name}") for name in ("points", "full_points", "why", "kind")),
    )
    .join(event, event.c.id == credit.c.event_id)
    .outerjoin(entry, entry.c.id == credit.c.entry_id)
    .where(_theirs(credit.c.person_id), credit.c.kind.in_(tuple(WITNESS_OF)))
    .order_by(credit.c.person_id, credit.c.week)
)
NO_LINE = (None,) * 4
CLOSED = Statement(
    select(closed_week.c.week, closed_week.c.last_event_id).where(
        closed_week.c.team_id == bindparam("team_id")
    )
)
PAST = Statement(
    select(past_withdrawal).where(
        select(credit.c.id)
        .where(credit.c.id == past_withdrawal.c.credit_id, _theirs(credit.c.person_id))
        .exists()
    )
)


def recount(session: Session, first: int, last: int) -> Iterator[tuple[list[Row], list[Outcome | None]]]:
    """What the people with these ids and those between earned, week by week: its credits, and what each earns (None: nothing
    any more).

    Memory holds one person's week. A row is as FACTS selects it: it ends with what the line of the ledger says that the credit
    names (see `differing`), and its times are as the database has them (see `moment_of`).
    """
    people = {"first": first, "last": last}
    past: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in PAST.all(session, people):
        past[row.credit_id].append((row.withdrawn_by, row.restored_by))
    closed = _Closed(session)
    rules = all_rules(session)
    for _, facts in groupby(FACTS.each(session, people), attrgetter("person_id")):
        person = _Recount(closed, past, rules)
        for week, same in groupby(facts, attrgetter("week")):
            theirs = sorted(same)
            context = Context()
            if any(row.another for row in theirs):
                theirs = [row._replace(occurred_at=moment_of(row.occurred_at)) for row in theirs]
                context = context_of(session, [row for row in theirs if row.another])
            found = person.count(week, theirs, context)
            yield theirs, [None if row.withdrawn_by else found.get(row.id) for row in theirs]


def differing(facts: Sequence[Row], found: Sequence[Outcome | None]) -> dict[int, Outcome | None]:
    """By credit, what it earns where its line of the ledger says something else, or where it has none."""
    pairs = zip(facts, found, strict=True)
    return {row.id: outcome for row, outcome in pairs if (outcome or NO_LINE) != row[-4:]}


def moment_of(stored: Any) -> datetime:
    """A time as `recount` gives it; SQLite has no times, only texts."""
    return datetime.fromisoformat(f"{stored}+00:00") if isinstance(stored, str) else stored


def outcomes(session: Session, person_id: int) -> dict[int, Outcome | None]:
    """What every credit of a person earns."""
    return {
        row.id: outcome
        for facts, found in recount(session, person_id, person_id)
        for row, outcome in zip(facts, found, strict=True)
    }


class _Closed(dict[int, dict[str, int]]):
    """By team, the last event that each of its closed weeks knew; asked when a team is first met."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __missing__(self, team_id: int) -> dict[str, int]:
        rows = CLOSED.all(self._session, {"team_id": team_id})
        self[team_id] = weeks = {row.week: row.last_event_id for row in rows}
        return weeks


@dataclass
class _Recount:
    """One person's weeks, counted one after the other.

    A closed week is folded from what was known when it closed; what was taken back later is then taken out, and nothing moves
    up for it.
    """

    closed: Mapping[int, Mapping[str, int]]
    past: Mapping[int, Sequence[tuple[int, int]]]
    """By credit: from which event to which it was taken back, where it was given back again."""
    rules: Mapping[int, Rules]
    earned: dict[str, list[tuple[int, int, int | None, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By group, what the weeks so far earned: credit, event, withdrawn by which event, points. No rows: they are large."""

    def count(self, week: str, facts: Sequence[Row], context: Context) -> dict[int, Outcome | None]:
        """What each credit of the next week earned, as if nothing was taken back since the week closed."""
        found: dict[int, Outcome | None] = {}
        done: set[int] = set()
        for known_to, teams in self._closings(week, facts):
            fold = Fold(self.rules[facts[0].rules_version])
            counted = [
                (row, fact_of(row, context, self.rules[row.rules_version], known_to))
                for row in facts
                if known_to is None or row.event_id <= known_to
            ]
            for _, fact in counted:
                for group in fact.groups:
                    if group in self.earned:
                        fold.earned[group] = self._earned_as_of(group, known_to)
            for row, fact in counted if done else ():
                given = found.get(row.id)
                if given and row.team_id in done and not self._gone(row.id, row.withdrawn_by, known_to):
                    fold.keep(fact, given.points)
            for row, fact in counted:
                if row.team_id not in done:
                    gone = self._gone(row.id, row.withdrawn_by, known_to)
                    outcome = None if gone else fold.add(fact)
                    if row.team_id in teams:
                        found[row.id] = outcome
            done |= teams
        for row, fact in counted:
            outcome = found.get(row.id)
            if outcome and outcome.points:
                for group in fact.groups:
                    self.earned[group].append((row.id, row.event_id, row.withdrawn_by, outcome.points))
        return found

    def _closings(self, week: str, facts: Sequence[Row]) -> list[tuple[int | None, set[int]]]:
        """The teams of a week's facts in the order in which they closed it, the open ones last."""
        known: dict[int | None, set[int]] = defaultdict(set)
        for team_id in {row.team_id for row in facts}:
            known[self.closed[team_id].get(week)].add(team_id)
        return sorted(known.items(), key=lambda item: (item[0] is None, item[0] or 0))

    def _gone(self, credit_id: int, withdrawn_by: int | None, known_to: int | None) -> bool:
        """Whether the fact was taken back, as things stand or as a closed week knew them."""
        if withdrawn_by is not None and (known_to is None or withdrawn_by <= known_to):
            return True
        if known_to is None or credit_id not in self.past:
            return False
        return any(first <= known_to < end for first, end in self.past[credit_id])

    def _earned_as_of(self, group: str, known_to: int | None) -> int:
        return sum(
            points
            for credit_id, event_id, withdrawn_by, points in self.earned[group]
            if (known_to is None or event_id <= known_to)
            and not self._gone(credit_id, withdrawn_by, known_to)
        )
