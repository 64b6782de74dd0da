"""The freeze button: a frozen source's deliveries are taken in and wait, its pulls pause, and nothing of it is posted."""

from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import select, update
from sqlmodel import Session

from leaderboard import acts
from leaderboard.database import insert as upsert
from leaderboard.plugin import Invalid
from leaderboard.tables import Source

sources = Source.__table__  # type: ignore[attr-defined]

FROZEN = select(sources.c.name).where(sources.c.frozen_at.is_not(None))
"""The frozen sources."""


class Frozen(Invalid):
    """What was asked for waits until the source is unfrozen."""


def touch(session: Session, source: str, **values: object) -> None:
    """Write down something of a source, which may not have a row yet."""
    statement = upsert(session, sources).values(name=source, refused=0, pull_failures=0)
    session.connection().execute(statement.on_conflict_do_nothing())
    session.connection().execute(update(sources).where(sources.c.name == source).values(**values))


def is_frozen(session: Session, source: str) -> bool:
    """Whether nothing of this source may be posted now."""
    query = FROZEN.where(sources.c.name == source)
    return session.connection().execute(query).first() is not None


def refuse_frozen(session: Session, source: str) -> None:
    """Raise Frozen, saying what to do, where nothing of this source may be posted now."""
    if is_frozen(session, source):
        raise Frozen(_("The source %(name)s is frozen. Unfreeze it first.", name=source))


def freeze(session: Session, source: str, now: datetime, by: int | None, why: str = "") -> bool:
    """Post nothing of this source from now on; False where it is frozen already."""
    if is_frozen(session, source):
        return False
    touch(session, source, frozen_at=now, frozen_by=by)
    acts.record(session, "freeze", by, now, source=source, why=why.strip()[:500])
    return True


def release(session: Session, source: str, now: datetime, by: int | None) -> bool:
    """Let the clock work through what waited, and pull again; False where it is not frozen."""
    if not is_frozen(session, source):
        return False
    touch(session, source, frozen_at=None, frozen_by=None, released_at=now, next_pull_at=now)
    acts.record(session, "release", by, now, source=source)
    return True
