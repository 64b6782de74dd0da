"""Who did what to more than themselves and their team, when and why: written in the unit of work that does it."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from leaderboard.guidelines import N_
from leaderboard.tables import Act, Person

WORDS = {
    "freeze": N_("Frozen"),
    "release": N_("Unfrozen"),
    "link": N_("Account linked"),
    "unlink": N_("Account unlinked"),
    "merge": N_("Two made one"),
    "unmerge": N_("Made two again"),
    "take_back": N_("Facts taken back"),
    "give_back": N_("Facts given back"),
    "backfill": N_("Fetching the past"),
    "backfill.stop": N_("Fetching the past: stopped"),
    "backfill.resume": N_("Fetching the past: went on"),
}
"""What each act is called on a page."""


@dataclass(frozen=True)
class Told:
    """An act as a page shows it; `who` is None for the clock or a command."""

    act: Act
    what: str
    who: Person | None


def record(
    session: Session,
    what: str,
    by: int | None,
    now: datetime,
    *,
    source: str | None = None,
    detail: str = "",
    why: str = "",
) -> None:
    """Write down an act; `what` is one of WORDS."""
    if what not in WORDS:
        raise ValueError(f"{what!r} has no words")
    session.add(Act(done_at=now, done_by=by, what=what, source=source, detail=detail, why=why))


def told(session: Session, source: str | None = None, limit: int = 20) -> list[Told]:
    """The acts on one source or all, the newest first."""
    query = select(Act, Person).outerjoin(Person, col(Person.id) == Act.done_by)
    if source is not None:
        query = query.where(Act.source == source)
    found = session.exec(query.order_by(col(Act.id).desc()).limit(limit))
    return [Told(act, WORDS.get(act.what, act.what), person) for act, person in found]
