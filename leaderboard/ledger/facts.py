"""From stored events to what the fold counts: recoveries, promises, and what earns once together."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select
from sqlmodel import Session

from leaderboard.points import WITNESS_OF, Fact, Rules
from leaderboard.tables import Credit, Event

credit = Credit.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]

RATINGS = ("rating.good", "thanks.received", "rating.recovered")
REPLIES = ("ticket.replied", "ticket.solved", "help.given")
"""What shows that an agent turned to the customer between an unhappy rating and a good one."""
PROMISE_FACTS = ("promise.made", "promise.moved")

Row = Any
"""A credit with its event's columns, as `rows` selects it."""

rows = (
    select(
        credit.c.id,
        credit.c.event_id,
        credit.c.kind,
        credit.c.person_id,
        credit.c.team_id,
        credit.c.customer_key,
        credit.c.share,
        credit.c.full_share,
        credit.c.share_why,
        credit.c.counts_on,
        credit.c.week,
        credit.c.rules_version,
        credit.c.withdrawn_by,
        credit.c.points,
        credit.c.entry_id,
        event.c.source,
        event.c.key,
        event.c.occurred_at,
        event.c.giver_id,
        event.c.object,
        event.c.ticket,
        event.c.guideline,
    )
    .join(event, event.c.id == credit.c.event_id)
    .where(credit.c.kind.in_(tuple(WITNESS_OF)))
)


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


def context_of(session: Session, facts: Iterable[Row]) -> Context:
    """Load what decides these facts' worth: earlier unhappy ratings, replies in between, when a promise was made and moved."""
    context = Context()
    rated = {(row.source, row.object, row.ticket) for row in facts if row.kind in RATINGS and row.object}
    promised = {(row.source, row.object) for row in facts if row.kind == "promise.kept" and row.object}
    base = select(
        event.c.source,
        event.c.object,
        event.c.ticket,
        event.c.kind,
        event.c.occurred_at,
        event.c.id,
        event.c.due_at,
    )
    connection = session.connection()
    for part in _parts({(source, thing) for source, thing, _ in rated}):
        about = or_(*(and_(event.c.source == source, event.c.object == thing) for source, thing in part))
        for row in connection.execute(base.where(about, event.c.kind == "rating.bad")):
            context.unhappy[row.source, row.object].append((row.occurred_at, row.id))
    # Only a rating that was unhappy once asks who replied.
    tickets = {
        (source, ticket) for source, thing, ticket in rated if ticket and (source, thing) in context.unhappy
    }
    for part in _parts(tickets):
        about = or_(*(and_(event.c.source == source, event.c.ticket == ticket) for source, ticket in part))
        for row in connection.execute(base.where(about, event.c.kind.in_(REPLIES))):
            context.replies[row.source, row.ticket].append((row.occurred_at, row.id))
    for part in _parts(promised):
        about = or_(*(and_(event.c.source == source, event.c.object == thing) for source, thing in part))
        for row in connection.execute(base.where(about, event.c.kind.in_(PROMISE_FACTS))):
            if row.due_at:
                context.promises[row.source, row.object].append(
                    (row.occurred_at, row.id, row.kind, row.due_at)
                )
    return context


def _parts(things: set[tuple[str, str]], size: int = 200) -> Iterable[list[tuple[str, str]]]:
    ordered = sorted(things)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))


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

    def known(event_id: int) -> bool:
        return known_to is None or event_id <= known_to

    kind, why, denied = row.kind, "full", None
    if kind in RATINGS:
        unhappy = [at for at, id_ in context.unhappy.get((row.source, row.object), ()) if known(id_)]
        replies = [at for at, id_ in context.replies.get((row.source, row.ticket), ()) if known(id_)]
        if any(
            bad <= reply <= row.occurred_at for bad in unhappy if bad < row.occurred_at for reply in replies
        ):
            kind = "rating.recovered"
        elif kind == "rating.recovered":
            kind = "rating.good"  # a recovery that the facts do not show
    if row.share is None:
        worth = full = rules.points.of(kind)
    else:
        worth, full, why = row.share, row.full_share, row.share_why
    if row.giver_id is not None and row.giver_id == row.person_id:
        denied = "own_act"
    elif kind == "promise.kept":
        denied = _promise_denied(row, context, rules, known)
    return Fact(
        credit_id=row.id,
        occurred_at=row.occurred_at,
        source=row.source,
        key=row.key,
        kind=kind,
        worth=worth,
        full=full,
        why=why,
        groups=groups_of(row),
        customer=row.customer_key,
        day=row.counts_on,
        ticket=f"{row.source}|{row.ticket}" if row.ticket else None,
        denied=denied,
    )


def _promise_denied(row: Row, context: Context, rules: Rules, known: Any) -> str | None:
    """Rule 8: on record at least half an hour before it was due, moved only in time, kept not after it was due."""
    history = sorted(item for item in context.promises.get((row.source, row.object), ()) if known(item[1]))
    made = next((item for item in history if item[2] == "promise.made"), None)
    if made is None:
        return "promise_late_made"
    made_at, _, _, due_at = made
    if due_at - made_at < timedelta(minutes=rules.fair_play.promise_lead_minutes):
        return "promise_late_made"
    for moved_at, _, kind, new_due_at in history:
        if kind == "promise.moved" and made_at <= moved_at <= due_at:
            due_at = new_due_at
    return "promise_late_kept" if row.occurred_at > due_at else None


def earned_before(session: Session, person_id: int, facts: Iterable[Row], before: str) -> dict[str, int]:
    """What the groups of these facts earned this person in weeks before `before`, as things stand."""
    found: dict[str, int] = defaultdict(int)
    facts = list(facts)
    wanted = {group for row in facts for group in groups_of(row)}
    objects = {
        (row.source, row.object) for row in facts if row.object and row.kind in (*RATINGS, "promise.kept")
    }
    tickets = {
        (row.source, row.ticket) for row in facts if row.ticket and row.kind in (*RATINGS, "help.given")
    }
    for column, things in ((event.c.object, objects), (event.c.ticket, tickets)):
        for part in _parts(things):
            about = or_(*(and_(event.c.source == source, column == thing) for source, thing in part))
            query = rows.where(
                about, credit.c.person_id == person_id, credit.c.week < before, credit.c.points > 0
            )
            for row in session.connection().execute(query):
                groups = groups_of(row)
                # A fact found by both roads counts once for each of its groups.
                for group in groups:
                    by_object = group == f"{row.source}|{row.object}"
                    if group in wanted and by_object == (column is event.c.object):
                        found[group] += row.points
    return found
