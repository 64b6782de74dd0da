"""Our own promises: made, moved, kept, confirmed, taken back, missed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import func
from sqlmodel import Session, col, select

from leaderboard import fairness, notices
from leaderboard.config import OWN_SOURCE
from leaderboard.database import beat
from leaderboard.ledger import post
from leaderboard.plugin import Event, Invalid, Kind
from leaderboard.promises.questions import is_of, may_see
from leaderboard.tables import Credit, Person, Promise, PromiseMove, is_uid
from leaderboard.tables import Event as StoredEvent

LATEST = timedelta(days=366)
MAX_LINE = 120
MAX_WHAT = 500
MAX_NOTE = 1_000
BATCH = 500
STAMPS = ("ticket.replied", "ticket.solved")
"""A helpdesk's facts that show that the maker turned to the customer of the promise's ticket."""


@dataclass(frozen=True)
class Making:
    """What somebody promises: what, by when, who contacts the customer and when; `ticket` is the helpdesk's number of it."""

    what: str
    due_at: datetime
    customer: str = ""
    ticket: str = ""
    contact: str = ""
    contact_at: datetime | None = None
    authorised_by: str = ""


def make(session: Session, maker: Person, making: Making, now: datetime) -> Promise:
    """Put a promise on record. Raises Invalid, with the field."""
    contact_at = making.contact_at
    if making.due_at <= now:
        raise Invalid(_("That moment has passed. By when will it be done?"), "due_at")
    if making.due_at > now + LATEST:
        raise Invalid(_("That is more than a year ahead. Promise a step that is nearer."), "due_at")
    if contact_at is not None and not now - timedelta(days=1) <= contact_at <= now + LATEST:
        raise Invalid(_("When will the customer hear from you? Choose a day that is to come."), "contact_at")
    row = Promise(
        source=OWN_SOURCE,
        object="",
        maker_id=maker.id,
        what=fairness.clean_text(making.what, "what", MAX_WHAT, least=1),
        customer=_line(making.customer, "customer"),
        ticket=_line(making.ticket, "ticket"),
        contact=_line(making.contact, "contact"),
        contact_at=contact_at,
        authorised_by=_line(making.authorised_by, "authorised_by"),
        due_at=making.due_at,
        made_at=now,
    )
    row.object = f"promise/{row.uid}"
    session.add(row)
    session.flush()
    _post(session, row, "promise.made", "made", now, now, maker, due_at=row.due_at)
    return row


def move(
    session: Session, uid: str, by: Person, due_at: datetime, told: bool, reason: str, now: datetime
) -> Promise:
    """Move one's own promise to another time, before it passes. `told`: the customer knows."""
    row = _own(session, uid, by)
    if row.state != "open" or now > row.due_at:
        raise Invalid(_("Its time has passed, so it cannot be moved any more."))
    if due_at <= now or due_at > now + LATEST:
        raise Invalid(_("Choose a moment that is to come, within a year."), "due_at")
    if due_at == row.due_at:
        raise Invalid(_("That is when it is due already."), "due_at")
    moved = PromiseMove(
        promise_id=row.id or 0,
        from_due_at=row.due_at,
        to_due_at=due_at,
        moved_at=now,
        moved_by=by.id,
        told=told,
        reason=fairness.clean_text(reason, "reason", MAX_NOTE) or None,
    )
    row.due_at = due_at
    session.add(row)
    session.add(moved)
    session.flush()
    _post(session, row, "promise.moved", f"moved/{moved.id}", now, now, by, due_at=due_at)
    notices.drop(session, ["promise_due"], row.id or 0)
    return row


def keep(session: Session, uid: str, by: Person, note: str, now: datetime) -> Promise:
    """Mark one's own promise kept. It earns once somebody else confirms it; after its time it stays missed, and kept late."""
    row = _own(session, uid, by)
    if row.kept_at is not None or row.state == "withdrawn":
        return row
    row.note = fairness.clean_text(note, "note", MAX_NOTE) or None
    row.kept_at = now
    if now > row.due_at:
        _miss(session, row, now)
    else:
        row.state = "kept"
        session.add(row)
        session.flush()
        _confirm_by_helpdesk(session, row, now)
    notices.drop(session, ["promise_due"], row.id or 0)
    beat(session, row.id or 0)
    return row


def confirm(session: Session, uid: str, by: Person, now: datetime) -> Promise:
    """A colleague says that it was kept: now it earns. Twice is once; nobody confirms their own."""
    row = _held(session, uid)
    if not may_see(session, by, row):
        raise LookupError(uid)
    if row.source != OWN_SOURCE or is_of(session, row.maker_id, by) or by.bot or not by.active:
        raise PermissionError("nobody confirms their own promise, and a helpdesk's needs no word")
    if row.state != "kept":
        raise Invalid(_("It is not marked as kept in time, so there is nothing to confirm."))
    if row.confirmed_at is None:
        _confirmed(session, row, "colleague", by, now, {})
    return row


def take_back(session: Session, uid: str, by: Person, now: datetime) -> Promise:
    """Undo: who confirmed takes the word back; else the maker takes the promise itself back while it is open."""
    row = _held(session, uid)
    if row.confirmed_as == "colleague" and is_of(session, row.confirmed_by, by):
        _withdraw(session, row, now, "promise.kept")
        row.confirmed_as = row.confirmed_by = row.confirmed_at = None
        notices.drop(session, ["promise_confirmed"], row.id or 0)
    elif row.source == OWN_SOURCE and is_of(session, row.maker_id, by):
        if row.state != "open" or now > row.due_at:
            raise Invalid(_("Only an open promise can be taken back."))
        row.state = "withdrawn"
        _withdraw(session, row, now, "promise.made", "promise.moved")
        notices.drop(session, ["promise_due"], row.id or 0)
    else:
        raise PermissionError("only who made or confirmed a promise takes it back")
    session.add(row)
    beat(session, row.id or 0)
    return row


def mark_missed(session: Session, now: datetime) -> int:
    """Mark promises whose time has passed, and return how many.

    Kept ones whose helpdesk has shown a time stamp since are confirmed on the way.
    """
    over = select(Promise).where(Promise.state == "open", Promise.due_at < now).order_by(col(Promise.due_at))
    rows = session.exec(over.limit(BATCH).with_for_update(skip_locked=True)).all()
    for row in rows:
        _miss(session, row, now)
    unconfirmed = select(Promise).where(
        Promise.state == "kept",
        Promise.source == OWN_SOURCE,
        col(Promise.confirmed_at).is_(None),
        col(Promise.ticket).is_not(None),
        col(Promise.kept_at) > now - timedelta(days=14),
    )
    for row in session.exec(unconfirmed.limit(BATCH).with_for_update(skip_locked=True)).all():
        _confirm_by_helpdesk(session, row, now)
    return len(rows)


# --- the steps ----------------------------------------------------------------------------------------------


def _line(text: str, field: str) -> str | None:
    return fairness.clean_text(text, field, MAX_LINE, lines=False) or None


def _held(session: Session, uid: str) -> Promise:
    query = select(Promise).where(Promise.uid == uid).with_for_update()
    row = session.exec(query.execution_options(populate_existing=True)).first() if is_uid(uid) else None
    if row is None:
        raise LookupError(uid)
    return row


def _own(session: Session, uid: str, by: Person) -> Promise:
    row = _held(session, uid)
    if not may_see(session, by, row):
        raise LookupError(uid)
    if row.source != OWN_SOURCE or not is_of(session, row.maker_id, by):
        raise PermissionError("only its maker moves or keeps a promise; a helpdesk's is kept in the helpdesk")
    return row


def _miss(session: Session, row: Promise, now: datetime) -> None:
    row.state = "missed"
    session.add(row)
    session.flush()
    notices.drop(session, ["promise_due"], row.id or 0)
    if row.source == OWN_SOURCE and row.maker_id is not None:
        maker = session.get_one(Person, row.maker_id)
        _post(session, row, "promise.missed", "missed", now, row.due_at, maker)
    beat(session, row.id or 0)


def _confirm_by_helpdesk(session: Session, row: Promise, now: datetime) -> None:
    """A promise that names a ticket is confirmed by the helpdesk's own time stamp of an answer there, made in time."""
    if not row.ticket or row.maker_id is None or row.confirmed_at is not None:
        return
    accounts = fairness.accounts_of(session, [session.get_one(Person, row.maker_id)])
    stamped = (
        select(StoredEvent)
        .join(Credit, col(Credit.event_id) == StoredEvent.id)
        .where(StoredEvent.ticket == row.ticket, StoredEvent.source != OWN_SOURCE)
        .where(col(StoredEvent.kind).in_(STAMPS), col(Credit.person_id).in_(accounts))
        .where(StoredEvent.occurred_at >= row.made_at, StoredEvent.occurred_at <= row.due_at)
        .where(col(Credit.withdrawn_by).is_(None))
        .order_by(col(StoredEvent.occurred_at), col(StoredEvent.id))
    )
    if (fact := session.exec(stamped).first()) is not None:
        shown = {"source": fact.source, "fact": fact.key}
        _confirmed(session, row, "helpdesk", None, now, shown)


def _confirmed(
    session: Session, row: Promise, how: str, by: Person | None, now: datetime, shown: dict[str, str]
) -> None:
    row.confirmed_as, row.confirmed_at = how, now
    row.confirmed_by = by.id if by else None
    session.add(row)
    session.flush()
    maker = session.get_one(Person, row.maker_id)
    # Confirmed, taken back, confirmed again: each time is a fact of its own.
    times = select(func.count()).select_from(StoredEvent).where(StoredEvent.kind == "promise.kept")
    before = session.exec(times.where(StoredEvent.source == OWN_SOURCE, StoredEvent.object == row.object))
    key = f"kept/{before.one() + 1}"
    evidence = {"promise": row.uid, "confirmed": how, **shown}
    _post(
        session,
        row,
        "promise.kept",
        key,
        now,
        row.kept_at or now,
        maker,
        due_at=row.due_at,
        giver=by,
        evidence=evidence,
    )
    notices.tell(session, [_now_known_as(session, maker)], "promise_confirmed", row.id or 0, now)


def _now_known_as(session: Session, person: Person) -> Person:
    """The person that this account was merged into, else the same."""
    while person.merged_into_id is not None:
        person = session.get_one(Person, person.merged_into_id)
    return person


def _post(
    session: Session,
    row: Promise,
    kind: Kind,
    key: str,
    now: datetime,
    occurred_at: datetime,
    maker: Person,
    *,
    due_at: datetime | None = None,
    giver: Person | None = None,
    evidence: dict[str, str] | None = None,
) -> None:
    event = Event(
        key=f"{row.object}/{key}",
        kind=kind,
        occurred_at=occurred_at,
        agents=(_now_known_as(session, maker).uid,),
        customer=row.customer,
        object=row.object,
        ticket=row.ticket,
        text=row.what,
        url=f"/promises/{row.uid}",
        due_at=due_at,
        evidence=evidence or {"promise": row.uid},
    )
    post(session, OWN_SOURCE, [event], now, giver_id=giver.id if giver else None)


def _withdraw(session: Session, row: Promise, now: datetime, *kinds: str) -> None:
    facts = select(StoredEvent.key).where(
        StoredEvent.source == OWN_SOURCE,
        StoredEvent.object == row.object,
        col(StoredEvent.kind).in_(kinds),
    )
    session.flush()
    gone = [
        Event(key=f"{key}/withdrawn", kind="fact.withdrawn", occurred_at=now, object=key)
        for key in session.exec(facts.order_by(col(StoredEvent.key)))
    ]
    post(session, OWN_SOURCE, gone, now)
