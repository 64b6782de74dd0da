"""The webhook's road: translate first, then one short unit of work that does nothing but write."""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import bindparam, insert, literal_column, select, update
from sqlmodel import Session

from leaderboard import promises, thanks
from leaderboard.config import Config
from leaderboard.database import Database, Unavailable
from leaderboard.deliveries.bounds import Aside, Hanging
from leaderboard.deliveries.freezing import FROZEN, Frozen, refuse_frozen
from leaderboard.ledger import Posted, post
from leaderboard.plugin import Delivery, Event, Invalid, Plugin
from leaderboard.plugin.reading import legible
from leaderboard.statements import Statement
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Source
from leaderboard.weeks import Clock

log = logging.getLogger(__name__)
rows = DeliveryRow.__table__  # type: ignore[attr-defined]
sources = Source.__table__  # type: ignore[attr-defined]
_beside = Aside()

# Whether its source is frozen is told on the same way to the database and back.
FROZEN_AT = literal_column(
    "(SELECT source.frozen_at FROM source WHERE source.name = delivery.source)", sources.c.frozen_at.type
)
NEW_DELIVERY = Statement(insert(rows).returning(rows.c.id, FROZEN_AT.label("frozen_at")))
COUNTED = update(rows).where(rows.c.id == bindparam("delivery"))

MOST_EVENTS = 1_000
"""What one delivery may bring; a tool's batch is a hundred at most."""
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720, 1440))
"""How long after each failure the clock tries again; after the last one a person decides."""
AT_ONCE = 100
WORKS_FOR = timedelta(seconds=10)
"""How long the clock stays with what waits before it turns to something else."""
TRANSLATES_FOR = 20.0
"""Seconds that the clock, or a person who waits for a page, gives a plugin for one delivery; it needs a thousandth of one."""
NOT_KEPT = ("authorization", "cookie", "proxy-authorization", "x-forwarded-for", "x-real-ip", "forwarded")


@dataclass(frozen=True)
class Receipt:
    """What became of a delivery: its row, its state, how many of its facts were new, and why it failed."""

    id: int
    state: str
    new: int = 0
    repeated: int = 0
    reason: str | None = None


def translate(plugin: Plugin, delivery: Delivery) -> tuple[list[Event], str | None]:
    """The delivery's events, or none and the reason why it cannot be read. Nothing a plugin raises gets past this."""
    try:
        events = list(islice(plugin.events(delivery), MOST_EVENTS + 1))
        if len(events) > MOST_EVENTS:
            raise Invalid(f"more than {MOST_EVENTS:,} events in one delivery")
        for event in events:
            if not isinstance(event, Event):
                raise TypeError(f"events() yielded {type(event).__name__}, not Event")
    except Invalid as error:
        return [], legible(error.message)
    except Exception:  # noqa: BLE001 (a plugin is not ours; what it raises is kept with the delivery)
        return [], "the plugin failed:\n" + legible(traceback.format_exc(limit=-4))[-4000:]
    return events, None


def translate_patiently(plugin: Plugin, delivery: Delivery) -> tuple[list[Event], str | None]:
    """The same, from a plugin that may hang: then there are no events, and that is the reason."""
    try:
        return _beside.run(id(plugin), lambda: translate(plugin, delivery), TRANSLATES_FOR)
    except Hanging as error:
        return [], f"the plugin hangs: {error}"


def receive(
    db: Database,
    config: Config,
    source: str,
    delivery: Delivery,
    told: tuple[list[Event], str | None] | None = None,
) -> Receipt:
    """Take in a delivery that `verify` let through. Raises Unavailable when the database cannot keep it.

    `told` is what `translate` said of it, where that was asked before.
    """
    plugin = config.plugins[source]
    events, reason = told or translate(plugin, delivery)
    now = delivery.received_at
    values = {
        "source": source,
        "received_at": now,
        "body": delivery.body,
        "headers": _kept(plugin, delivery.headers),
        "url": _blanked(plugin, delivery.url),
        "repeated": 0,
        "attempts": 1,
        "worked_at": now,
    }

    def settle(session: Session, events: list[Event], reason: str | None) -> Receipt:
        state = _state(events, reason)
        # Nearly always all events are new; told again below where they are not.
        found: dict[str, Any] = {"state": state, "reason": reason, "events": len(events)}
        found["next_try_at"] = _next_try(1, now) if reason else None
        stored = NEW_DELIVERY.first(session, values | found)
        assert stored is not None
        id_ = stored.id
        if stored.frozen_at is not None:
            waiting: dict[str, Any] = {"state": "pending", "reason": None, "events": 0, "attempts": 0}
            waiting |= {"worked_at": None, "next_try_at": now}
            session.connection().execute(update(rows).where(rows.c.id == id_).values(waiting))
            return Receipt(id_, "pending")
        posted = take_in(session, source, events, now, delivery_id=id_)
        if posted.repeated:
            counted = {"delivery": id_, "events": posted.new, "repeated": posted.repeated}
            session.connection().execute(COUNTED, counted)
        return Receipt(id_, state, posted.new, posted.repeated, reason)

    receipt = _write(db, settle, events, reason)
    _tell(source, receipt)
    return receipt


def _write(
    db: Database,
    settle: Callable[[Session, list[Event], str | None], Receipt],
    events: list[Event],
    reason: str | None,
) -> Receipt:
    """Settle a delivery in one unit of work; facts that cannot be posted, whyever, make a failed one that stops no other."""
    try:
        return db.write(lambda session: settle(session, events, reason), together=True)
    except (Unavailable, Frozen):
        raise
    except Exception:
        log.exception("facts not posted")
        wrong = "its facts could not be posted:\n" + traceback.format_exc(limit=-4)[-4000:]
    return db.write(lambda session: settle(session, [], wrong))


def _state(events: list[Event], reason: str | None) -> str:
    return "failed" if reason else "done" if events else "ignored"


def _next_try(attempts: int, now: datetime) -> datetime | None:
    return now + BACK_OFF[attempts - 1] if attempts <= len(BACK_OFF) else None


def _settle_again(
    session: Session, row: Any, events: list[Event], reason: str | None, now: datetime
) -> Receipt:
    """Post what is new in a stored delivery, and write down what became of it this time. Raises Frozen."""
    refuse_frozen(session, row.source)
    state, attempts = _state(events, reason), row.attempts + 1
    posted = take_in(session, row.source, events, now, delivery_id=row.id)
    found: dict[str, Any] = {"state": state, "reason": reason, "attempts": attempts, "worked_at": now}
    found |= {"events": rows.c.events + posted.new, "repeated": posted.repeated}
    found["next_try_at"] = _next_try(attempts, now) if reason else None
    session.connection().execute(update(rows).where(rows.c.id == row.id).values(found))
    return Receipt(row.id, state, posted.new, posted.repeated, reason)


def take_in(
    session: Session, source: str, events: list[Event], now: datetime, delivery_id: int | None = None
) -> Posted:
    """Post a helpdesk's facts, and let promises and follow-ups know what is new."""
    posted = post(session, source, events, now, delivery_id=delivery_id)
    for fresh in posted.fresh:
        who = fresh.people[0] if fresh.people else None
        if fresh.event.kind.startswith("promise.") or fresh.event.kind == "fact.withdrawn":
            promises.record(session, source, fresh.event, who, now)
        elif fresh.event.kind == "rating.bad":
            thanks.record(session, fresh.id, who, now)
    return posted


def replay(db: Database, config: Config, delivery_id: int, now: datetime) -> Receipt:
    """Translate a stored delivery again and post what is new; harmless as often as one likes.

    LookupError if there is none; Invalid, saying what to do, where it cannot be.
    """
    with db.reading() as session:
        row = session.connection().execute(select(rows).where(rows.c.id == delivery_id)).first()
        if row is None:
            raise LookupError(f"there is no delivery {delivery_id}")
        refuse_frozen(session, row.source)
    if row.source not in config.plugins:
        raise Invalid(_("The source %(name)s is not in the config any more.", name=row.source))
    if row.body is None:
        raise Invalid(_("The content of this delivery was deleted after its retention time."))
    stored = Delivery(bytes(row.body), row.headers, row.received_at, url=row.url)
    events, reason = translate_patiently(config.plugins[row.source], stored)

    def settle(session: Session, events: list[Event], reason: str | None) -> Receipt:
        return _settle_again(session, row, events, reason, now)

    receipt = _write(db, settle, events, reason)
    _tell(row.source, receipt)
    return receipt


def _tell(source: str, receipt: Receipt) -> None:
    """The delivery's line in the log, one per try."""
    log.info(
        "delivery",
        extra={"source": source, "delivery": receipt.id, "state": receipt.state, "events": receipt.new},
    )


def work_through(db: Database, config: Config, clock: Clock, most: int = 2_000) -> int:
    """Try what waits or failed and whose time has come, the oldest first; returns how many were tried.

    Of frozen sources nothing is tried. What waited for one that was unfrozen may be much: the next call goes on.
    """
    until, tried = clock() + WORKS_FOR, 0
    while tried < most and clock() < until:
        found = _work_through(db, config, clock, until, min(most - tried, AT_ONCE))
        tried += found
        if found < AT_ONCE:
            break
    return tried


def _work_through(db: Database, config: Config, clock: Clock, until: datetime, most: int) -> int:
    query = select(rows.c.id).where(
        rows.c.state.in_(("failed", "pending")), rows.c.next_try_at <= clock(), rows.c.source.not_in(FROZEN)
    )
    with db.reading() as session:
        due = session.connection().execute(query.order_by(rows.c.next_try_at, rows.c.id).limit(most)).all()
    for number, row in enumerate(due):
        if clock() >= until:
            return number
        try:
            replay(db, config, row.id, clock())
        except Frozen:
            continue  # meanwhile
        except Invalid as error:
            _give_up(db, row.id, error.message)
    return len(due)


def _give_up(db: Database, id_: int, reason: str) -> None:
    with db.writing() as session:
        session.connection().execute(
            update(rows).where(rows.c.id == id_).values(state="failed", next_try_at=None, reason=reason)
        )


def _kept(plugin: Plugin, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a replay may need: none that carries a credential or a secret of this source."""
    return {
        name: value[:1_000]
        for name, value in islice(headers.items(), 60)
        if name not in NOT_KEPT and not any(map(value.__contains__, plugin.secret_texts))
    }


def _blanked(plugin: Plugin, url: str) -> str:
    """The address without the secret that some tools carry in it; a replay needs no proof any more."""
    for secret in plugin.secret_texts:
        url = url.replace(secret, "…")
    return url
