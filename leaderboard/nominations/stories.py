"""What every step of a story needs: its row held for the unit of work, its people, and its credits in the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from leaderboard import fairness, notices
from leaderboard.config import OWN_SOURCE
from leaderboard.ledger import Share, post
from leaderboard.plugin import Event
from leaderboard.tables import CoSign, Credit, Nomination, Nominee, Person, is_uid
from leaderboard.tables import Event as StoredEvent


def held(session: Session, uid: str) -> Nomination:
    """The same row for one that changes it: nobody else changes it until this unit of work ends."""
    query = select(Nomination).where(Nomination.uid == uid).with_for_update()
    row = session.exec(query.execution_options(populate_existing=True)).first() if is_uid(uid) else None
    if row is None:
        raise LookupError(uid)
    return row


def nominees_of(session: Session, nomination: Nomination) -> list[tuple[Nominee, Person]]:
    """Who the story is about, in the nominator's order; who was merged since is the person they are now."""
    return starring_in(session, [nomination]).get(nomination.id or 0, [])


def starring_in(
    session: Session, nominations: Sequence[Nomination]
) -> Mapping[int, list[tuple[Nominee, Person]]]:
    """The same of several stories at once, by their ids."""
    query = (
        select(Nominee, Person)
        .join(Person, col(Person.id) == Nominee.person_id)
        .where(col(Nominee.nomination_id).in_([nomination.id for nomination in nominations]))
        .order_by(col(Nominee.position))
    )
    found: dict[int, list[tuple[Nominee, Person]]] = defaultdict(list)
    for nominee, person in session.exec(query):
        found[nominee.nomination_id].append((nominee, now_known_as(session, person)))
    return found


def people_in(session: Session, nomination: Nomination) -> list[Person]:
    """The same, without how they share it."""
    return [person for _nominee, person in nominees_of(session, nomination)]


def now_known_as(session: Session, person: Person) -> Person:
    """The person that this account was merged into, else the same."""
    while person.merged_into_id is not None:
        person = session.get_one(Person, person.merged_into_id)
    return person


def teller(session: Session, nomination: Nomination) -> Person:
    """Who told it; who was merged since is the person they are now."""
    return now_known_as(session, session.get_one(Person, nomination.nominator_id))


def stars_or_told(session: Session, nomination: Nomination, person: Person) -> bool:
    """Whether this person wrote the story or is one of those it is about, also where they hid it."""
    return person.id == teller(session, nomination).id or any(
        person.id == who.id for _, who in nominees_of(session, nomination)
    )


# --- the ledger ---------------------------------------------------------------------------------------------


def thing(nomination: Nomination) -> str:
    """What the story's events are about: the `object` of all of them."""
    return f"story/{nomination.uid}"


def credit(
    session: Session, nomination: Nomination, receivers: list[tuple[Nominee, Person]], now: datetime
) -> None:
    """Post the story, and the co-signs it has, for these nominees. It counts by the time it was told."""
    if not receivers:
        return
    nomination.acceptances += 1
    session.add(nomination)
    told = Event(
        key=f"{thing(nomination)}/{nomination.acceptances}",
        kind="story.accepted",
        occurred_at=nomination.nominated_at,
        agents=tuple(person.uid for _, person in receivers),
        customer=nomination.customer,
        object=thing(nomination),
        text=nomination.story,
        url=f"/stories/{nomination.uid}",
        guideline=nomination.guideline,
        evidence={"story": nomination.uid},
    )
    shares = {
        person.uid: Share(nominee.share, nominee.full_share, nominee.share_why)
        for nominee, person in receivers
    }
    session.flush()
    post(session, OWN_SOURCE, [told], now, shares=shares, giver_id=teller(session, nomination).id)
    live = select(CoSign).where(CoSign.nomination_id == nomination.id, col(CoSign.withdrawn_at).is_(None))
    for signed in session.exec(live.order_by(col(CoSign.id))).all():
        signed.signings += 1
        session.add(signed)
        credit_co_sign(session, nomination, signed, receivers, now)


def tell_accepted(
    session: Session, nomination: Nomination, showing: list[tuple[Nominee, Person]], now: datetime
) -> None:
    """Tell those the story is about, who show it."""
    notices.tell(session, [person for _nominee, person in showing], "story", nomination.id or 0, now)


def credit_co_sign(
    session: Session,
    nomination: Nomination,
    signed: CoSign,
    receivers: list[tuple[Nominee, Person]],
    now: datetime,
) -> None:
    """Post one co-sign for these nominees: a point to each, or none when as many as count are there."""
    signer = now_known_as(session, session.get_one(Person, signed.person_id))
    full = fairness.rules_now(session, signer, signed.signed_at).points.story_cosigned
    share = Share(full, full, "full") if signed.scores else Share(0, full, "cosigns_full")
    again = f"/{signed.signings}" if signed.signings > 1 else ""
    event = Event(
        key=f"{thing(nomination)}/cosign/{signer.uid}{again}",
        kind="story.cosigned",
        occurred_at=signed.signed_at,
        agents=tuple(person.uid for _, person in receivers),
        object=thing(nomination),
        url=f"/stories/{nomination.uid}",
        guideline=nomination.guideline,
        evidence={"story": nomination.uid},
    )
    session.flush()
    shares = {person.uid: share for _, person in receivers}
    post(session, OWN_SOURCE, [event], now, shares=shares, giver_id=signer.id)


def take_credit_back(
    session: Session, nomination: Nomination, now: datetime, *, receiver: Person | None = None, keys: str = ""
) -> None:
    """Withdraw what stands of the story's events: for everybody or one receiver; `keys` only those that begin so."""
    standing = (
        select(StoredEvent.key)
        .join(Credit, col(Credit.event_id) == StoredEvent.id)
        .where(StoredEvent.source == OWN_SOURCE, StoredEvent.object == thing(nomination))
        .where(col(Credit.withdrawn_by).is_(None), col(StoredEvent.key).startswith(keys, autoescape=True))
    )
    if receiver is not None:
        standing = standing.where(Credit.agent == receiver.uid)
    session.flush()
    events = [_withdrawal(key, receiver, now) for key in sorted(set(session.exec(standing)))]
    post(session, OWN_SOURCE, events, now)


def _withdrawal(key: str, receiver: Person | None, now: datetime) -> Event:
    whose: Iterable[str] = (receiver.uid,) if receiver else ()
    return Event(
        key="/".join([key, "withdrawn", *whose]),
        kind="fact.withdrawn",
        occurred_at=now,
        agents=tuple(whose),
        object=key,
    )
