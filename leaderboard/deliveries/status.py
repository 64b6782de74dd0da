"""What /admin shows of each source: is it feeding, what failed, what waits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session

from leaderboard.config import Config
from leaderboard.deliveries.refusing import NOWHERE, last_good, refusals
from leaderboard.tables import Credit, Event, Identity, Person, Refusal, Source
from leaderboard.tables import Delivery as DeliveryRow

rows = DeliveryRow.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]
credit = Credit.__table__  # type: ignore[attr-defined]
identity = Identity.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class SourceStatus:
    """A configured source as things stand."""

    name: str
    title: str
    proof: str
    sends: bool
    pulls: bool
    last_delivery: Any
    last_good_at: datetime | None
    """When something came last that could be read."""
    deliveries: dict[str, int]
    oldest_pending: datetime | None
    events: int
    accounts: int
    unlinked: int
    state: Source
    refusals: list[Refusal]
    """What was refused since the last good delivery, by cause, the latest first."""
    frozen_by: Person | None
    to_tick: tuple[str, ...]
    to_grant: tuple[str, ...]

    @property
    def waiting(self) -> int:
        """How many deliveries wait for it to be unfrozen."""
        return self.deliveries.get("pending", 0)


def source_statuses(session: Session, config: Config, only: str | None = None) -> list[SourceStatus]:
    """Every configured source, in the order of the config, or one of them."""
    connection = session.connection()
    found = []
    for name, plugin in config.plugins.items():
        if only not in (None, name):
            continue
        by_state = select(rows.c.state, func.count()).where(rows.c.source == name).group_by(rows.c.state)
        newest = (
            select(rows)
            .where(rows.c.source == name)
            .order_by(rows.c.received_at.desc(), rows.c.id.desc())
            .limit(1)
        )
        oldest = select(func.min(rows.c.received_at)).where(
            rows.c.source == name, rows.c.state.in_(("pending", "failed"))
        )
        good = last_good(session, name)
        state = session.get(Source, name) or Source(name=name)
        accounts = connection.execute(
            select(func.count(), func.count(identity.c.person_id)).where(
                identity.c.source == name, identity.c.bot.is_(False)
            )
        ).one()
        found.append(
            SourceStatus(
                name=name,
                title=type(plugin).title or name,
                proof=plugin.proof,
                sends=plugin.sends,
                pulls=plugin.api_url() is not None,
                last_delivery=connection.execute(newest).first(),
                last_good_at=good,
                deliveries={row[0]: row[1] for row in connection.execute(by_state)},
                oldest_pending=connection.execute(oldest).scalar(),
                events=connection.execute(
                    select(func.count()).select_from(event).where(event.c.source == name)
                ).scalar_one(),
                accounts=accounts[0],
                unlinked=accounts[0] - accounts[1],
                state=state,
                refusals=refusals(session, name, good),
                frozen_by=session.get(Person, state.frozen_by) if state.frozen_by else None,
                to_tick=plugin.to_tick,
                to_grant=plugin.to_grant,
            )
        )
    return found


def astray(session: Session) -> Refusal | None:
    """What came to addresses that no source has; None where nothing ever did."""
    return session.get(Refusal, (NOWHERE, "address"))


def try_all_again(session: Session, source: str | None, now: datetime) -> int:
    """Let the clock read every failed delivery again, of one source or of all; returns how many."""
    failed = (rows.c.state == "failed") & rows.c.body.is_not(None)
    if source is not None:
        failed &= rows.c.source == source
    return session.connection().execute(update(rows).where(failed).values(next_try_at=now)).rowcount


def still_to_try(session: Session, source: str | None, now: datetime) -> int:
    """How many failed deliveries the clock is about to read again."""
    due = (rows.c.state == "failed") & (rows.c.next_try_at <= now)
    if source is not None:
        due &= rows.c.source == source
    return session.connection().execute(select(func.count()).where(due)).scalar_one()


@dataclass(frozen=True)
class Unlinked:
    """An account that nobody is linked to, and how many facts wait for it."""

    identity_id: int
    source: str
    account: str
    name: str | None
    email: str | None
    waiting: int


def unlinked(session: Session, source: str | None = None, limit: int = 200) -> list[Unlinked]:
    """Accounts without a person, those with most waiting first."""
    waiting = func.count(credit.c.id)
    query = (
        select(identity, waiting.label("waiting"))
        .outerjoin(credit, credit.c.identity_id == identity.c.id)
        .where(identity.c.person_id.is_(None), identity.c.bot.is_(False))
        .group_by(identity.c.id)
        .order_by(waiting.desc(), identity.c.source, identity.c.account)
        .limit(limit)
    )
    if source is not None:
        query = query.where(identity.c.source == source)
    return [
        Unlinked(row.id, row.source, row.account, row.name, row.email, row.waiting)
        for row in session.connection().execute(query)
    ]
