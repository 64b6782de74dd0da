"""What every credit earns, computed from the stored evidence alone: what an audit and a rebuild compare the ledger with."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, select
from sqlmodel import Session

from leaderboard.ledger.calendar import all_rules
from leaderboard.ledger.facts import WITH_CONTEXT, Context, Row, context_of, credit, event, fact_of, rows
from leaderboard.ledger.settling import closed_week, entry, in_order, past_withdrawal
from leaderboard.points import Fold, Outcome, Rules
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


FACTS = Statement(
    rows.add_columns(
        entry.c.points.label("live_points"),
        entry.c.full_points.label("live_full"),
        entry.c.why.label("live_why"),
        entry.c.kind.label("live_kind"),
        case((credit.c.kind.in_(WITH_CONTEXT), _another)).label("another"),
    )
    .outerjoin(entry, entry.c.id == credit.c.entry_id)
    .where(_theirs(credit.c.person_id))
    .order_by(credit.c.person_id, credit.c.week)
)
CLOSED = Statement(
    select(closed_week.c.team_id, closed_week.c.week, closed_week.c.last_event_id).where(
        closed_week.c.team_id.in_(select(credit.c.team_id).where(_theirs(credit.c.person_id)))
    )
)
PAST = Statement(
    select(past_withdrawal).where(
        select(credit.c.id)
        .where(credit.c.id == past_withdrawal.c.credit_id, _theirs(credit.c.person_id))
        .exists()
    )
)


def recount(session: Session, first: int, last: int) -> Iterator[tuple[Row, Outcome | None]]:
    """Every credit of the people with these ids and those between, and what it earns (None: nothing any more).

    Person by person, week by week, so that memory holds one person's facts. The row is a credit's as `rows` selects it, with
    `live_points`, `live_full`, `live_why` and `live_kind` of the line of the ledger that it names.
    """
    people = {"first": first, "last": last}
    past: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in PAST.all(session, people):
        past[row.credit_id].append((row.withdrawn_by, row.restored_by))
    closed = {(row.team_id, row.week): row.last_event_id for row in CLOSED.all(session, people)}
    rules = all_rules(session)
    for _, facts in groupby(FACTS.each(session, people), attrgetter("person_id")):
        theirs = list(facts)
        context = context_of(session, [row for row in theirs if row.another])
        yield from _Recount(closed, past, rules, context).weeks(theirs)


def outcomes(session: Session, person_id: int) -> dict[int, Outcome | None]:
    """What every credit of a person earns."""
    return {row.id: outcome for row, outcome in recount(session, person_id, person_id)}


@dataclass
class _Recount:
    """One person's weeks, counted one after the other.

    A closed week is folded from what was known when it closed; what was taken back later is then taken out, and nothing moves
    up for it.
    """

    closed: Mapping[tuple[int, str], int]
    """The last event that each closed (team, week) knew."""
    past: Mapping[int, Sequence[tuple[int, int]]]
    """By credit: from which event to which it was taken back, where it was given back again."""
    rules: Mapping[int, Rules]
    context: Context
    earned: dict[str, list[tuple[Row, int]]] = field(default_factory=lambda: defaultdict(list))
    """By group: which facts of the weeks so far earned how much."""

    def weeks(self, facts: Iterable[Row]) -> Iterator[tuple[Row, Outcome | None]]:
        for week, same in groupby(facts, attrgetter("week")):
            theirs = in_order(same)
            found: dict[int, Outcome | None] = {}
            done: set[int] = set()
            for known_to, teams in self._closings(week, theirs):
                fold = Fold(self.rules[theirs[0].rules_version])
                counted = []
                for row in theirs:
                    if known_to is None or row.event_id <= known_to:
                        fact = fact_of(row, self.context, self.rules[row.rules_version], known_to)
                        for group in fact.groups:
                            if group in self.earned:
                                fold.earned[group] = self._earned_as_of(group, known_to)
                        counted.append((row, fact))
                for row, fact in counted if done else ():
                    given = found.get(row.id)
                    if given and row.team_id in done and not self._gone(row, known_to):
                        fold.keep(fact, given.points)
                for row, fact in counted:
                    if row.team_id not in done:
                        outcome = None if self._gone(row, known_to) else fold.add(fact)
                        if row.team_id in teams:
                            found[row.id] = outcome
                done |= teams
            for row, fact in counted:
                outcome = found.get(row.id)
                if outcome and outcome.points:
                    for group in fact.groups:
                        self.earned[group].append((row, outcome.points))
            for row in theirs:
                yield row, None if row.withdrawn_by else found.get(row.id)

    def _closings(self, week: str, facts: Iterable[Row]) -> list[tuple[int | None, set[int]]]:
        """The teams of a week's facts in the order in which they closed it, the open ones last."""
        known: dict[int | None, set[int]] = defaultdict(set)
        for team_id in {row.team_id for row in facts}:
            known[self.closed.get((team_id, week))].add(team_id)
        return sorted(known.items(), key=lambda item: (item[0] is None, item[0] or 0))

    def _gone(self, row: Row, known_to: int | None) -> bool:
        """Whether the fact was taken back, as things stand or as a closed week knew them."""
        if row.withdrawn_by is not None and (known_to is None or row.withdrawn_by <= known_to):
            return True
        if known_to is None or row.id not in self.past:
            return False
        return any(first <= known_to < end for first, end in self.past[row.id])

    def _earned_as_of(self, group: str, known_to: int | None) -> int:
        return sum(
            points
            for row, points in self.earned[group]
            if (known_to is None or row.event_id <= known_to) and not self._gone(row, known_to)
        )
