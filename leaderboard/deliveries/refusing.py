"""What was refused: counted by source and cause, never kept; and what that says about the set-up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.database import insert as upsert
from leaderboard.plugin import Delivery, Refused
from leaderboard.plugin.reading import legible
from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Refusal, Source

rows = DeliveryRow.__table__  # type: ignore[attr-defined]
sources = Source.__table__  # type: ignore[attr-defined]
refusal = Refusal.__table__  # type: ignore[attr-defined]

NOWHERE = ""
"""The source of what came to an address that no source has."""
MOST_REASON = 500
FARTHEST = 10**9
"""Seconds: further off is told as this much."""


@dataclass(frozen=True)
class Why:
    """Why a delivery was refused: a cause of CAUSES, in words, and how many seconds its clock was ahead of ours."""

    cause: str
    reason: str
    off: int | None = None


def refuse(db: Database, source: str, counted: Iterable[tuple[Why, int]], now: datetime) -> None:
    """Count refused deliveries, how many for each cause; what they held is not kept.

    A cause counts from its first refusal after the last good delivery. Later is cheaper than in time: a good delivery need
    not know of any.
    """
    with db.writing() as session:
        connection = session.connection()
        good = last_good(session, source)
        for why, times in counted:
            reason = legible(why.reason)[:MOST_REASON]
            if source != NOWHERE:
                first = {"refused": times, "refused_at": now, "refused_reason": reason}
                statement = upsert(session, sources).values(name=source, pull_failures=0, **first)
                again = first | {"refused": sources.c.refused + times}
                connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=again))
            off = None if why.off is None else max(-FARTHEST, min(why.off, FARTHEST))
            told = {"last_at": now, "reason": reason, "off": off}
            row = session.get(Refusal, (source, why.cause))
            if row is not None and (good is None or row.last_at > good):
                counts = {"times": refusal.c.times + times}
            else:
                counts = {"times": times, "since": now}
            statement = upsert(session, refusal).values(
                source=source, cause=why.cause, times=times, since=now, **told
            )
            connection.execute(
                statement.on_conflict_do_update(index_elements=["source", "cause"], set_=told | counts)
            )


def last_good(session: Session, source: str) -> datetime | None:
    """When the newest delivery came that was the tool's and could be read (or waits, because its source is frozen)."""
    query = select(func.max(rows.c.received_at)).where(
        rows.c.source == source, rows.c.state.in_(("done", "ignored", "pending"))
    )
    found: datetime | None = session.connection().execute(query).scalar()
    return found


def refusals(session: Session, source: str, good: datetime | None) -> list[Refusal]:
    """What was refused since the last good delivery, the cause seen last first."""
    query = select_rows(Refusal).where(Refusal.source == source).order_by(col(Refusal.last_at).desc())
    found = session.exec(query).all()
    return [row for row in found if good is None or row.last_at > good]


def section_of(config: Config, source: str, delivery: Delivery) -> str | None:
    """The other section whose secret signed a delivery that this one refused: then the tool has the wrong address."""
    plugin = config.plugins[source]
    for name, other in config.plugins.items():
        if name == source or type(other) is not type(plugin):
            continue
        try:
            other.verify(delivery)
        except Refused:
            continue
        except Exception:  # noqa: BLE001 (a plugin is not ours, and this is a courtesy)
            return None
        return name
    return None
