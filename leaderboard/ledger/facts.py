"""From stored events to what the fold counts: recoveries, promises, and what earns once together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import bindparam, select, union_all
from sqlmodel import Session

from leaderboard.points import WITNESS_OF, Fact, Rules, fact_from
from leaderboard.statements import Statement
from leaderboard.tables import Credit, Event

credit = Credit.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]

RATINGS = ("rating.good", "thanks.received", "rating.recovered")
REPLIES = ("ticket.replied", "ticket.solved", "help.given")
"""What shows that an agent turned to the customer between an unhappy rating and a good one."""
PROMISE_FACTS = ("promise.made", "promise.moved")
WITH_CONTEXT = (*RATINGS, "promise.kept")
"""What earns by other facts about the same thing."""

Row = Any
"""A credit with its event's columns, as `rows` selects it."""

_OF_CREDIT = (
    "event_id",
    "kind",
    "person_id",
    "team_id",
    "customer_key",
    "share",
    "full_share",
    "share_why",
    "counts_on",
    "week",
    "rules_version",
    "withdrawn_by",
    "points",
    "entry_id",
)
_OF_EVENT = ("source", "key", "occurred_at", "giver_id", "object", "ticket", "guideline")

_stored = select(
    credit.c.id,
    *(credit.c[name] for name in _OF_CREDIT),
    *(event.c[name] for name in _OF_EVENT),
).join(event, event.c.id == credit.c.event_id)
rows = _stored.where(credit.c.kind.in_(tuple(WITNESS_OF)))


def row_of(
    id_: int, of_credit: Mapping[str, Any], of_event: Mapping[str, Any], rules: Rules, unhappy: bool
) -> Row:
    """What `rows` would select for a credit that was stored a moment ago, the rules of its week, and whether its thing was
    rated unhappily before."""
    values = {name: of_credit.get(name) for name in _OF_CREDIT}
    values |= {name: of_event[name] for name in _OF_EVENT}
    return SimpleNamespace(id=id_, rules=rules, unhappy=unhappy, **values)


@dataclass
class Context:
    """The facts around some facts, by what they are about. Each is (occurred_at, event id, ...)."""

    unhappy: dict[tuple[str, str], list[tuple[datetime, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    replies: dict[tuple[str, str], list[tuple[datetime, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    promises: dict[tuple[str, str], list[tuple[datetime, int, str, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )


_about = select(
    event.c.source,
    event.c.object,
    event.c.ticket,
    event.c.kind,
    event.c.occurred_at,
    event.c.id,
    event.c.due_at,
)
_SOURCE = event.c.source == bindparam("source")
# + 0 keeps SQLite from the person's index: it would read all that the person ever earned, and not the thing's few facts
_THEIRS = credit.c.person_id + 0 == bindparam("person_id")
_EARNED = (_THEIRS, credit.c.week < bindparam("before"), credit.c.points > 0)

# Nothing else has points, and SQLite would make a table of the kinds for each question.
_earning = _stored.where(credit.c.points > 0)
_by_person = _earning.where(credit.c.person_id == bindparam("person_id"))
# In one statement, because each is a way to the database and back.
NEIGHBOURS = Statement(
    union_all(
        _earning.where(_THEIRS, _SOURCE, event.c.object == bindparam("object")),
        _earning.where(_THEIRS, _SOURCE, event.c.ticket == bindparam("ticket")),
        _by_person.where(
            credit.c.week == bindparam("week"), credit.c.customer_key == bindparam("customer_key")
        ),
        _by_person.where(credit.c.kind == "promise.kept", credit.c.counts_on == bindparam("counts_on")),
    )
)


class _About:
    """A question about things of a source: by one statement for a single thing, by the hundred for more."""

    def __init__(self, query: Any, column: Any) -> None:
        self._one = Statement(query.where(_SOURCE, column == bindparam("thing")))
        self._many = query.where(_SOURCE, column.in_(bindparam("things", expanding=True)))

    def found(self, session: Session, things: Iterable[tuple[str, str]], **values: Any) -> Iterable[Row]:
        """What is found about these (source, object or ticket)."""
        by_source: dict[str, list[str]] = defaultdict(list)
        for source, thing in sorted(things):
            by_source[source].append(thing)
        for source, named in by_source.items():
            if len(named) == 1:
                yield from self._one.all(session, {"source": source, "thing": named[0]} | values)
                continue
            for start in range(0, len(named), 200):
                part = {"source": source, "things": named[start : start + 200]}
                yield from session.connection().execute(self._many, part | values)


UNHAPPY = _About(_about.where(event.c.kind == "rating.bad"), event.c.object)
REPLIED = _About(_about.where(event.c.kind.in_(REPLIES)), event.c.ticket)
PROMISED = _About(_about.where(event.c.kind.in_(PROMISE_FACTS), event.c.due_at.is_not(None)), event.c.object)
EARNED_BY_OBJECT = _About(rows.where(*_EARNED), event.c.object)
EARNED_BY_TICKET = _About(rows.where(*_EARNED), event.c.ticket)


def context_of(session: Session, facts: Iterable[Row]) -> Context:
    """Load what decides these facts' worth: earlier unhappy ratings, replies in between, when a promise was made and moved."""
    context = Context()
    rated = {(row.source, row.object, row.ticket) for row in facts if row.kind in RATINGS and row.object}
    promised = {(row.source, row.object) for row in facts if row.kind == "promise.kept" and row.object}
    for row in UNHAPPY.found(session, {(source, thing) for source, thing, _ in rated}):
        context.unhappy[row.source, row.object].append((row.occurred_at, row.id))
    # Only a rating that was unhappy once asks who replied.
    tickets = {
        (source, ticket) for source, thing, ticket in rated if ticket and (source, thing) in context.unhappy
    }
    for row in REPLIED.found(session, tickets):
        context.replies[row.source, row.ticket].append((row.occurred_at, row.id))
    for row in PROMISED.found(session, promised):
        context.promises[row.source, row.object].append((row.occurred_at, row.id, row.kind, row.due_at))
    return context


def groups_of(row: Row) -> tuple[str, ...]:
    """What earns once together with this fact, the widest last."""
    if row.kind in RATINGS:
        rating = (f"{row.source}|{row.object}",) if row.object else ()
        ticket = (f"{row.source}|{row.ticket}|{row.customer_key}",) if row.ticket and row.customer_key else ()
        return rating + ticket
    if row.kind == "promise.kept" and row.object:
        return (f"{row.source}|{row.object}",)
    if row.kind == "help.given" and row.ticket:
        return (f"{row.source}|{row.ticket}|help",)
    return ()


def fact_of(row: Row, context: Context, rules: Rules, known_to: int | None = None) -> Fact:
    """The fact as the fold counts it. `known_to` leaves out what came after a closed week's last event."""
    kind, why, denied, share, ticket = row.kind, "full", None, row.share, None
    if kind in RATINGS:
        if context.unhappy and _was_unhappy(row, context, known_to):
            kind = "rating.recovered"
        elif kind == "rating.recovered":
            kind = "rating.good"  # a recovery that the facts do not show
    if share is None:
        share = full = rules.worth[kind]
    else:
        full, why = row.full_share, row.share_why
    if row.giver_id is not None and row.giver_id == row.person_id:
        denied = "own_act"
    elif kind == "promise.kept":
        denied = _promise_denied(row, context, rules, known_to)
        ticket = f"{row.source}|{row.ticket}" if row.ticket else None
    groups = groups_of(row)
    return fact_from(
        (row.key, kind, share, full, why, groups, row.customer_key, row.counts_on, ticket, denied)
    )


def _was_unhappy(row: Row, context: Context, known_to: int | None) -> bool:
    """Whether an unhappy rating came before this one, and somebody turned to the customer between the two."""
    unhappy = context.unhappy.get((row.source, row.object))
    if not unhappy:
        return False
    replies = [at for at, id_ in context.replies.get((row.source, row.ticket), ()) if _known(id_, known_to)]
    return any(
        bad <= reply <= row.occurred_at
        for bad, id_ in unhappy
        if bad < row.occurred_at and _known(id_, known_to)
        for reply in replies
    )


def _known(event_id: int, known_to: int | None) -> bool:
    return known_to is None or event_id <= known_to


def _promise_denied(row: Row, context: Context, rules: Rules, known_to: int | None) -> str | None:
    """Rule 8: on record at least half an hour before it was due, moved only in time, kept not after it was due."""
    history = sorted(
        item for item in context.promises.get((row.source, row.object), ()) if _known(item[1], known_to)
    )
    made = next((item for item in history if item[2] == "promise.made"), None)
    if made is None:
        return "promise_late_made"
    made_at, _, _, due_at = made
    lead = timedelta(minutes=rules.fair_play.promise_lead_minutes)
    if due_at - made_at < lead or row.occurred_at <= made_at:  # what is done already is no promise
        return "promise_late_made"
    # A tool without a memory says `made` with each new time: the first is the making, a later one a move
    for moved_at, _, _, new_due_at in history:
        if made_at <= moved_at <= due_at:
            due_at = new_due_at
    return "promise_late_kept" if row.occurred_at > due_at else None


def neighbours(session: Session, row: Row) -> list[Row]:
    """What a person earned that a new fact of theirs may have to share with: about the same thing or ticket, from the same
    customer in that week, or for promises kept on that day."""
    names = ("person_id", "source", "object", "ticket", "week", "customer_key", "counts_on")
    found = NEIGHBOURS.all(session, {name: getattr(row, name) for name in names})
    return list({earlier.id: earlier for earlier in found}.values())


def earned_before(session: Session, person_id: int, facts: Iterable[Row], before: str) -> dict[str, int]:
    """What the groups of these facts earned this person in weeks before `before`, as things stand."""
    found: dict[str, int] = defaultdict(int)
    wanted: set[str] = set()
    objects: set[tuple[str, str]] = set()
    tickets: set[tuple[str, str]] = set()
    for row in facts:
        for group in groups_of(row):
            wanted.add(group)
            if group == f"{row.source}|{row.object}":
                objects.add((row.source, row.object))
            else:
                tickets.add((row.source, row.ticket))
    for about, things in ((EARNED_BY_OBJECT, objects), (EARNED_BY_TICKET, tickets)):
        for row in about.found(session, things, person_id=person_id, before=before):
            # A fact found by both roads counts once for each of its groups.
            for group in groups_of(row):
                by_object = group == f"{row.source}|{row.object}"
                if group in wanted and by_object == (about is EARNED_BY_OBJECT):
                    found[group] += row.points
    return found
