"""The one door of the ledger: facts come in, credits and points follow, in the caller's unit of work."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    union,
    update,
)
from sqlalchemy import insert as plain_insert
from sqlmodel import Session

from leaderboard import acts
from leaderboard.database import beat, insert_of, is_postgresql, lock_names
from leaderboard.ledger.accounts import Known, accounts_of
from leaderboard.ledger.calendar import CLOCK_SKEW, counting
from leaderboard.ledger.facts import PROMISE_FACTS, RATINGS, REPLIES, Row, credit, event, row_of, rows
from leaderboard.ledger.settling import closed_week, count_alone, in_order, settle
from leaderboard.ledger.wholesale import lock_people
from leaderboard.plugin import Event, Invalid, short_hash
from leaderboard.points import WITNESS_OF
from leaderboard.statements import Statement
from leaderboard.tables import Identity, Person, Team

identity = Identity.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
team = Team.__table__  # type: ignore[attr-defined]


STAFF = Statement(select(person.c.id).where(person.c.email == bindparam("address")))
TOMBSTONES = Statement(
    select(event.c.id, event.c.evidence)
    .where(
        event.c.source == bindparam("source"),
        event.c.object == bindparam("key"),
        event.c.kind == "fact.withdrawn",
    )
    .order_by(event.c.id)
)
NEW_CREDIT = Statement(plain_insert(credit).returning(credit.c.id))


# What came before a fact is told on the same way to the database and back: nearly always nothing did. As text, because Core
# names no table in RETURNING.
WITHDRAWN = literal_column(
    "EXISTS (SELECT 1 FROM event AS e WHERE e.source = event.source AND e.object = event.key AND e.kind = 'fact.withdrawn')",
    Boolean,
)
UNHAPPY = literal_column(
    "EXISTS (SELECT 1 FROM event AS e WHERE e.source = event.source AND e.object = event.object AND e.kind = 'rating.bad')",
    Boolean,
)
NEW_EVENT = Statement(
    lambda dialect: (
        insert_of(dialect, event)
        .on_conflict_do_nothing(index_elements=["source", "key"])
        .returning(event.c.id, WITHDRAWN.label("withdrawn"), UNHAPPY.label("unhappy"))
    )
)


def _teams_of(column: ColumnElement[str | None], things: str) -> Select[Any]:
    theirs = select(credit.c.team_id).join(event, event.c.id == credit.c.event_id)
    named = column == any_(bindparam(things, type_=ARRAY(Text)))
    return theirs.where(event.c.source == bindparam("source"), named, credit.c.team_id.is_not(None))


# For PostgreSQL alone, which is told many values as one.
TEAMS_OF = Statement(
    union(
        _teams_of(event.c.key, "keys"),
        _teams_of(event.c.ticket, "tickets"),
        _teams_of(event.c.object, "objects"),
    )
)
LOCK_TEAMS = Statement(
    select(team.c.id)
    .where(team.c.id == any_(bindparam("ids", type_=ARRAY(Integer))))
    .order_by(team.c.id)
    .with_for_update(read=True)
)


NOT_COUNTED = {
    "team_id": None,
    "counts_at": None,
    "counts_on": None,
    "week": None,
    "late": False,
    "rules_version": None,
}
"""What a credit says while its account is nobody's."""


@dataclass(frozen=True)
class Share:
    """What the giver's side decided that one receiver of a story is due: points, without limits, and why (points.WHY)."""

    points: int
    full: int
    why: str


@dataclass(frozen=True)
class Fresh:
    """An event that was new, its row, and the people it credits."""

    id: int
    event: Event
    people: tuple[int, ...]


@dataclass(frozen=True)
class Posted:
    """What came of a post: the new events, and how many were known already."""

    fresh: tuple[Fresh, ...]
    repeated: int

    @property
    def new(self) -> int:
        return len(self.fresh)


def post(
    session: Session,
    source: str,
    events: Sequence[Event],
    now: datetime,
    *,
    delivery_id: int | None = None,
    shares: Mapping[str, Share] | None = None,
    giver_id: int | None = None,
) -> Posted:
    """Take facts in: each (source, key) once for ever, in any order; points and scores follow in the same unit of work.

    For our own source `agents` are people's uids and `shares` says what each is due; for a helpdesk they are its accounts, and
    one that nobody is linked to waits.
    """
    events = sorted(events, key=lambda item: item.key)
    lock_names(session, _matters(source, events))
    accounts = accounts_of(session, source, events, now)
    at_home = {known.team_id for known in accounts.values() if known.team_id is not None}
    _lock_teams(session, at_home | _teams_touched(session, source, events))
    fresh: list[Fresh] = []
    added: dict[int, list[Row]] = {}
    shaken: dict[int, str] = {}
    for item in events:
        values = _values(source, item, now, accounts, delivery_id, giver_id)
        new = NEW_EVENT.first(session, values)
        if new is None:
            continue  # this (source, key) is known
        if item.kind == "fact.withdrawn":
            people = _withdraw(session, source, item, new.id, shaken)
        else:
            people = _credit(session, item, new, values, now, accounts, shares or {}, added)
            _shake(session, source, item, new.id, shaken)
        fresh.append(Fresh(new.id, item, people))
    _count(session, added, shaken, now)
    if fresh:
        beat(session, fresh[0].id)
    return Posted(tuple(fresh), len(events) - len(fresh))


def link(session: Session, identity_id: int, person_id: int, now: datetime, by: int | None = None) -> int:
    """Say that an account is a person; what waited for it is credited now. Returns how many credits that were."""
    row = session.get_one(Identity, identity_id, with_for_update=True, populate_existing=True)
    if row.person_id is not None and row.person_id != person_id:
        raise Invalid(_("This account is linked to somebody else already."))
    whose = session.get_one(Person, person_id)
    if whose.merged_into_id is not None:  # the account stays theirs, and counts for the person they are now
        whose = session.get_one(Person, whose.merged_into_id)
    _lock_teams(session, {whose.team_id})
    row.person_id, row.linked_at, row.linked_by = person_id, now, by
    row.unlinked_at = row.unlinked_by = None
    person_id = whose.id or 0
    if by is not None:
        acts.record(session, "link", by, now, source=row.source, detail=f"{row.account} → {whose.handle}")
    session.add(row)
    session.flush()
    connection = session.connection()
    waiting = connection.execute(
        select(credit.c.id, credit.c.event_id, event.c.occurred_at, credit.c.kind)
        .join(event, event.c.id == credit.c.event_id)
        .where(credit.c.identity_id == identity_id, credit.c.person_id.is_(None))
        .order_by(event.c.occurred_at, credit.c.id)
    ).all()
    home = connection.execute(select(team).where(team.c.id == whose.team_id)).one()
    shaken: dict[int, str] = {}
    for item in waiting:
        when = counting(session, home, min(item.occurred_at, now), now)
        values = {
            "person_id": person_id,
            "team_id": home.id,
            "counts_at": when.at,
            "counts_on": when.day,
            "week": when.week,
            "late": when.late,
            "rules_version": when.rules.version,
        }
        connection.execute(update(credit).where(credit.c.id == item.id).values(values))
        shaken[person_id] = min(shaken.get(person_id, when.week), when.week)
    gave = and_(event.c.source == row.source, event.c.giver == row.account, event.c.giver_id.is_(None))
    # Given to oneself, it stays nobody's gift where a closed week has counted it: a rebuild would deny it.
    mine = and_(credit.c.event_id == event.c.id, credit.c.person_id == person_id)
    frozen = and_(closed_week.c.team_id == credit.c.team_id, closed_week.c.week == credit.c.week)
    counted = select(credit.c.id).join(closed_week, frozen).where(mine)
    connection.execute(update(event).where(gave, ~counted.exists()).values(giver_id=person_id))
    given = select(credit.c.person_id, func.min(credit.c.week)).join(event, event.c.id == credit.c.event_id)
    given = given.where(
        event.c.giver_id == person_id, credit.c.person_id == person_id, credit.c.week.is_not(None)
    )
    for mine, week in connection.execute(given.group_by(credit.c.person_id)):
        shaken[mine] = min(shaken.get(mine, week), week)
    _count(session, {}, shaken, now)
    beat(session, person_id)
    return len(waiting)


def customer_key(source: str, customer: str | None) -> str | None:
    """What the rules know a customer by: an address is the same customer in every tool, anything else only in its own."""
    if not customer or not customer.strip():
        return None
    known = re.sub(r"\s+", " ", unicodedata.normalize("NFC", customer)).strip().casefold()
    return short_hash(known) if "@" in known else short_hash(source, known)


# --- the steps ----------------------------------------------------------------------------------------------


def _matters(source: str, events: Iterable[Event]) -> set[str]:
    """What these facts are about: two units of work about the same matter wait for each other, whichever comes first."""
    names = {f"{source}|{thing}" for item in events for thing in (item.ticket, item.object) if thing}
    return names | {
        f"{source}#{item.object if item.kind == 'fact.withdrawn' else item.key}" for item in events
    }


def _teams_touched(session: Session, source: str, events: Iterable[Event]) -> set[int]:
    """The teams of earlier credits that these facts may change. Asked before the events get their ids: closing goes by ids."""
    if not is_postgresql(session):
        return set()
    about: dict[str, list[str | None]] = {"keys": [], "tickets": [], "objects": []}
    for item in events:
        if item.kind == "fact.withdrawn":
            about["keys"].append(item.object)
        elif item.kind in REPLIES and item.ticket:
            about["tickets"].append(item.ticket)
        elif item.object:
            about["objects"].append(item.object)
    if not any(about.values()):
        return set()
    return {row.team_id for row in TEAMS_OF.all(session, {"source": source, **about})}


def _lock_teams(session: Session, ids: set[int]) -> None:
    """Hold off the closing of these teams' weeks, which takes the same rows for itself. SQLite has one writer."""
    if is_postgresql(session) and ids:
        LOCK_TEAMS.run(session, {"ids": list(ids)})


def _values(
    source: str,
    item: Event,
    now: datetime,
    accounts: Mapping[str, Known],
    delivery_id: int | None,
    giver_id: int | None,
) -> dict[str, Any]:
    """The fact as it is stored."""
    giver = accounts.get(item.giver) if item.giver else None
    return {
        "source": source,
        "key": item.key,
        "kind": item.kind,
        "guideline": item.guideline,
        # A clock that runs ahead does not buy a place in the future.
        "occurred_at": now if item.occurred_at > now + CLOCK_SKEW else item.occurred_at,
        "posted_at": now,
        "giver_id": giver_id if giver_id is not None else giver.person_id if giver else None,
        "giver": item.giver,
        "customer": item.customer,
        "customer_key": customer_key(source, item.customer),
        "object": item.object,
        "ticket": item.ticket,
        "due_at": item.due_at,
        "text": item.text,
        "url": item.url,
        "evidence": dict(item.evidence),
        "delivery_id": delivery_id,
    }


def _credit(
    session: Session,
    item: Event,
    new: Any,
    stored: Mapping[str, Any],
    now: datetime,
    accounts: Mapping[str, Known],
    shares: Mapping[str, Share],
    added: dict[int, list[Row]],
) -> tuple[int, ...]:
    """One credit per receiver; returns the people, and notes in `added` which credits are to be counted."""
    if not item.agents:
        return ()
    tombstones = _tombstones(session, stored["source"], item.key) if new.withdrawn else {}
    from_staff = (
        item.kind in RATINGS and item.customer and "@" in item.customer and _is_staff(session, item.customer)
    )
    people = []
    for agent in dict.fromkeys(item.agents):
        known = accounts.get(agent)
        if known is None:  # our own event about somebody who does not exist
            raise Invalid(_("There is no such person."), "agents")
        share = Share(0, 0, "staff_customer") if from_staff else shares.get(agent)
        values: dict[str, Any] = {
            "event_id": new.id,
            "kind": item.kind,
            "agent": agent,
            "identity_id": known.identity_id,
            "person_id": known.person_id,
            "customer_key": stored["customer_key"],
            "share": share.points if share else None,
            "full_share": share.full if share else None,
            "share_why": share.why if share else None,
            **NOT_COUNTED,
            "withdrawn_by": tombstones.get(agent) or tombstones.get(""),
            "points": 0,
        }
        if known.person_id is not None:
            when = counting(session, known.team, min(item.occurred_at, now), now)
            values |= {
                "team_id": known.team_id,
                "counts_at": when.at,
                "counts_on": when.day,
                "week": when.week,
                "late": when.late,
                "rules_version": when.rules.version,
            }
            people.append(known.person_id)
        credit_id = NEW_CREDIT.scalar(session, values)
        if known.person_id is not None and item.kind in WITNESS_OF and values["withdrawn_by"] is None:
            added.setdefault(known.person_id, []).append(
                row_of(credit_id, values, stored, when.rules, new.unhappy)
            )
    return tuple(dict.fromkeys(people))


def _is_staff(session: Session, address: str) -> bool:
    asked = {"address": address.strip().casefold()}
    return STAFF.first(session, asked) is not None


def _tombstones(session: Session, source: str, key: str) -> dict[str, int]:
    """A withdrawal that arrived before its fact: by receiver, or "" for all."""
    found: dict[str, int] = {}
    for row in TOMBSTONES.all(session, {"source": source, "key": key}):
        for agent in str(row.evidence.get("agents", "")).split(" "):
            found.setdefault(agent, row.id)
    return found


def _withdraw(
    session: Session, source: str, item: Event, event_id: int, shaken: dict[int, str]
) -> tuple[int, ...]:
    """Mark the credits of the fact that no longer holds; twice is once."""
    connection = session.connection()
    if item.agents:  # kept for the case that the fact comes later
        values = dict(item.evidence) | {"agents": " ".join(item.agents)}
        connection.execute(update(event).where(event.c.id == event_id).values(evidence=values))
    query = (
        select(credit.c.id, credit.c.person_id, credit.c.week)
        .join(event, event.c.id == credit.c.event_id)
        .where(event.c.source == source, event.c.key == item.object, credit.c.withdrawn_by.is_(None))
    )
    if item.agents:
        query = query.where(credit.c.agent.in_(item.agents))
    found = connection.execute(query).all()
    for row in found:
        connection.execute(update(credit).where(credit.c.id == row.id).values(withdrawn_by=event_id))
        if row.person_id is not None:
            shaken[row.person_id] = min(shaken.get(row.person_id, row.week), row.week)
    return tuple(row.person_id for row in found if row.person_id is not None)


def _shake(session: Session, source: str, item: Event, event_id: int, shaken: dict[int, str]) -> None:
    """Note whose other facts this one changes: an unhappy rating or a reply, a promise made or moved."""
    if item.kind == "rating.bad" and item.object:
        about = and_(event.c.object == item.object, credit.c.kind.in_(RATINGS))
    elif item.kind in REPLIES and item.ticket:
        about = and_(event.c.ticket == item.ticket, event.c.object.is_not(None), credit.c.kind.in_(RATINGS))
    elif item.kind in PROMISE_FACTS and item.object:
        about = and_(event.c.object == item.object, credit.c.kind == "promise.kept")
    else:
        return
    query = rows.where(
        event.c.source == source, about, credit.c.event_id != event_id, credit.c.person_id.is_not(None)
    )
    for row in session.connection().execute(query):
        shaken[row.person_id] = min(shaken.get(row.person_id, row.week), row.week)


def _count(
    session: Session, added: Mapping[int, list[Row]], shaken: Mapping[int, str], now: datetime
) -> None:
    """Count what is new, person by person: by itself where it moves nothing else, else the person's open weeks again."""
    people = sorted({*added, *shaken})
    if not people:
        return
    lock_people(session, people)
    for person_id in people:
        since = shaken.get(person_id)
        new = in_order(added.get(person_id, ()))
        if since is None:
            if not all(count_alone(session, row, now) for row in new):
                since = min(row.week for row in new)
        else:
            since = min([since, *(row.week for row in new)])
        if since is not None:
            settle(session, person_id, since, now)
