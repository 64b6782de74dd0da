"""Stored deliveries as lists and one by one."""

from sqlmodel import Session, col, select

from leaderboard.tables import Credit, Delivery, Event, Identity, Person

STATES = ("pending", "done", "ignored", "failed")


def listed(
    session: Session,
    *,
    source: str | None = None,
    state: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """Deliveries, the newest first; `before` is the id of the last one seen."""
    query = select(Delivery).order_by(col(Delivery.id).desc()).limit(limit)
    if source is not None:
        query = query.where(Delivery.source == source)
    if state is not None:
        query = query.where(Delivery.state == state)
    if before is not None:
        query = query.where(col(Delivery.id) < before)
    return list(session.exec(query))


def is_account(session: Session, identity_id: int) -> bool:
    """Whether there is an account with this id."""
    return session.get(Identity, identity_id) is not None


def accounts(
    session: Session, source: str | None = None, limit: int = 200
) -> list[tuple[Identity, Person | None]]:
    """Every account that was met, of one source or of all, with who it is; None where nobody is linked yet."""
    query = (
        select(Identity, Person)
        .outerjoin(Person, col(Person.id) == Identity.person_id)
        .order_by(col(Identity.source), col(Identity.account))
        .limit(limit)
    )
    if source is not None:
        query = query.where(Identity.source == source)
    return list(session.exec(query))


def brought(
    session: Session, delivery_id: int
) -> list[tuple[Event, Credit | None, Person | None, str | None]]:
    """The facts that a delivery was the first to bring, each with its credits: who, or the account that waits."""
    query = (
        select(Event, Credit, Person, Identity.account)
        .outerjoin(Credit, col(Credit.event_id) == Event.id)
        .outerjoin(Person, col(Person.id) == Credit.person_id)
        .outerjoin(Identity, col(Identity.id) == Credit.identity_id)
        .where(Event.delivery_id == delivery_id)
        .order_by(col(Event.id), col(Credit.id))
    )
    return list(session.exec(query))
