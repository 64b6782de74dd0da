"""What came from each source day by day, for a page: asked of indexes alone, whatever the table holds."""

from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import func, literal, select, union_all
from sqlmodel import Session

from leaderboard.tables import Delivery as DeliveryRow
from leaderboard.tables import Refusal, Source
from leaderboard.weeks import at_local

rows = DeliveryRow.__table__  # type: ignore[attr-defined]
refusal = Refusal.__table__  # type: ignore[attr-defined]
sources = Source.__table__  # type: ignore[attr-defined]

SHOWN = 28
"""Days: four weeks, so that a quiet Sunday can be told from a quiet Tuesday."""
MOST_FAILED = 10_000


@dataclass(frozen=True)
class Day:
    """One day of a source: how many deliveries of the tool came, and how many of them could not be read as yet.

    `refused`: something was. Only the first and the last refusal of a cause are kept, so of days between it is not known.
    """

    date: date
    came: int
    failed: int
    refused: bool


def by_day(session: Session, names: Sequence[str], zone: str, now: datetime) -> dict[str, tuple[Day, ...]]:
    """The last SHOWN days of each of these sources by that zone's midnights, the oldest first; the last one is today."""
    connection = session.connection()
    today = now.astimezone(ZoneInfo(zone)).date()
    dates = [today - timedelta(days=SHOWN - 1 - place) for place in range(SHOWN)]
    begins = [at_local(day, time(), zone) for day in (*dates, today + timedelta(days=1))]
    # One range of the index (source, received_at) for each day: no function of a column, no row read.
    parts = [
        select(rows.c.source, literal(place).label("place"), func.count().label("came"))
        .where(rows.c.source.in_(names), rows.c.received_at >= first, rows.c.received_at < after)
        .group_by(rows.c.source)
        for place, (first, after) in enumerate(pairwise(begins))
    ]
    came = {(source, place): count for source, place, count in connection.execute(union_all(*parts))}
    # By the index of states: beside (source, received_at), SQLite would walk past each row's body to its state.
    unread = select(rows.c.source, rows.c.received_at).where(rows.c.state == "failed").limit(MOST_FAILED)

    def place_of(at: datetime) -> int:
        return bisect(begins, at) - 1

    failed = Counter((source, place_of(at)) for source, at in connection.execute(unread))
    refused: set[tuple[str, int]] = set()
    for source, *times in connection.execute(select(refusal.c.source, refusal.c.since, refusal.c.last_at)):
        refused |= {(source, place_of(at)) for at in times}
    last = select(sources.c.name, sources.c.refused_at).where(sources.c.refused_at.is_not(None))
    refused |= {(source, place_of(at)) for source, at in connection.execute(last)}
    return {
        name: tuple(
            Day(day, came.get((name, place), 0), failed[name, place], (name, place) in refused)
            for place, day in enumerate(dates)
        )
        for name in names
    }
