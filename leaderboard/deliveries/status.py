"""What /admin shows of each source: is it feeding, what failed, what waits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session

from leaderboard.config import Config
from leaderboard.deliveries.refusing import NOWHERE, last_good, refusals
from leaderboard.plugin import Plugin
from leaderboard.tables import Credit, Event, Identity, Person, Refusal, Source
from leaderboard.tables import Delivery as DeliveryRow

rows = DeliveryRow.__table__  # type: ignore[attr-defined]
event = Event.__table__  # type: ignore[attr-defined]
credit = Credit.__table__  # type: ignore[attr-defined]
identity = Identity.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Signals:
    """What a source's light is made of: asked for as often as a page that is open wants to know."""

    name: str
    title: str
    proof: str
    sends: bool
    pulls: bool
    to_tick: tuple[str, ...]
    to_grant: tuple[str, ...]
    last_delivery: Any
    last_good_at: datetime | None
    """When something came last that was the tool's and could be read."""
    state: Source
    refusals: list[Refusal]
    """What was refused since the last good delivery, by cause, the latest first."""
    frozen_by: Person | None


@dataclass(frozen=True)
class SourceStatus(Signals):
    """A configured source as things stand, with its counts."""

    deliveries: dict[str, int]
    """By state."""
    oldest_pending: datetime | None
    events: int
    accounts: int
    unlinked: int

    @property
    def waiting(self) -> int:
        """How many deliveries wait: of a frozen source, or of one that was."""
        return self.deliveries.get("pending", 0)


def signals(session: Session, config: Config, only: str | None = None) -> list[Signals]:
    """Every configured source, in the order of the config, or one of them."""
    return [
        _signals(session, name, plugin) for name, plugin in config.plugins.items() if only in (None, name)
    ]


def _signals(session: Session, name: str, plugin: Plugin) -> Signals:
    newest = select(rows.c.id, rows.c.state, rows.c.received_at).where(rows.c.source == name)
    newest = newest.order_by(rows.c.received_at.desc(), rows.c.id.desc()).limit(1)
    good = last_good(session, name)
    state = session.get(Source, name) or Source(name=name)
    return Signals(
        name=name,
        title=type(plugin).title or name,
        proof=plugin.proof,
        sends=plugin.sends,
        pulls=plugin.api_url() is not None,
        to_tick=plugin.to_tick,
        to_grant=plugin.to_grant,
        last_delivery=session.connection().execute(newest).first(),
        last_good_at=good,
        state=state,
        refusals=refusals(session, name, good),
        frozen_by=session.get(Person, state.frozen_by) if state.frozen_by else None,
    )


def source_statuses(session: Session, config: Config, only: str | None = None) -> list[SourceStatus]:
    """The same with their counts."""
    connection = session.connection()
    found = []
    for one in signals(session, config, only):
        mine = rows.c.source == one.name
        by_state = select(rows.c.state, func.count()).where(mine).group_by(rows.c.state)
        oldest = select(func.min(rows.c.received_at)).where(mine, rows.c.state.in_(("pending", "failed")))
        accounts = connection.execute(
            select(func.count(), func.count(identity.c.person_id)).where(
                identity.c.source == one.name, identity.c.bot.is_(False)
            )
        ).one()
        found.append(
            SourceStatus(
                **vars(one),
                deliveries={row[0]: row[1] for row in connection.execute(by_state)},
                oldest_pending=connection.execute(oldest).scalar(),
                events=connection.execute(
                    select(func.count()).select_from(event).where(event.c.source == one.name)
                ).scalar_one(),
                accounts=accounts[0],
                unlinked=accounts[0] - accounts[1],
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
