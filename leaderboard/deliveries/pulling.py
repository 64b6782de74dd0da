"""The pull: what webhooks lost is fetched, page by page; events and cursor move in one unit of work."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlmodel import Session

from leaderboard import ledger
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.database import insert as upsert
from leaderboard.deliveries.bounds import Aside, Hanging
from leaderboard.deliveries.freezing import Frozen, is_frozen, refuse_frozen
from leaderboard.deliveries.freezing import touch as _touch
from leaderboard.deliveries.receiving import take_in
from leaderboard.people import normal_email
from leaderboard.plugin import Account, Invalid, NoRights, Page, Plugin, TryLater
from leaderboard.plugin.reading import legible
from leaderboard.tables import Identity, Person, Source
from leaderboard.weeks import Clock

if TYPE_CHECKING:
    import httpx  # the web has all that is here and pulls nothing

log = logging.getLogger(__name__)
sources = Source.__table__  # type: ignore[attr-defined]
_beside = Aside()
identity = Identity.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]

EVERY = timedelta(minutes=5)
"""How often the clock pulls a source that works."""
ACCOUNTS_EVERY = timedelta(hours=12)
MOST_ACCOUNTS = 100_000
LONGEST_WAIT = timedelta(hours=1)
PAGE_WITHIN = timedelta(minutes=15)
"""A pull that brings no page for so long hangs."""
STILL_RUNS = (
    "the last pull has brought no page for a quarter of an hour and has not ended: the plugin or its tool hangs; "
    "when that is mended, start the clock again"
)
WAITS_FOR = 20.0
"""Seconds that the clock waits for one source before it turns to the next; the pull goes on beside it."""


def http_for(config: Config, plugin: Plugin) -> "httpx.Client":
    """A client that reaches this source's hosts and no others."""
    import httpx

    from leaderboard import outgoing

    base = httpx.URL(plugin.api_url() or "").host
    return outgoing.client({base, *plugin.api_hosts}, config.pull_hosts)


def pull(
    db: Database, config: Config, source: str, clock: Clock, tell: Callable[[int], None] = lambda new: None
) -> int:
    """Fetch what is new from a source; returns how many facts were. `tell` hears of each page.

    What goes wrong is written down with the source and raised: Invalid says what to mend, TryLater how long to wait. The
    pages taken in before stay.
    """
    plugin = config.plugins[source]
    if plugin.api_url() is None:
        raise Invalid(f"{source} is not pulled: its section has no API credentials")
    cursor = _begin(db, source, clock())
    total = 0
    with _noting_failure(db, source, clock), http_for(config, plugin) as http:
        for page in plugin.pull(http, cursor):
            new = db.write(partial(_take_page, source=source, page=page, now=clock()))
            total += new
            tell(new)
            if page.last:
                break
    _finished(db, source, clock())
    log.info("pull", extra={"source": source, "events": total})
    return total


def pull_due(db: Database, config: Config, clock: Clock) -> int:
    """Pull every source whose time has come; one that fails or hangs keeps no other waiting. Returns how many were pulled."""
    pulled = 0
    for source, plugin in config.plugins.items():
        if plugin.api_url() is None or not _is_due(db, source, clock()):
            continue
        name = (db.url, source)
        if _beside.is_busy(name):
            _failed(db, source, STILL_RUNS, clock(), EVERY, "plugin")
            continue
        pulled += 1
        try:
            _beside.run(name, partial(_pull_one, db, config, source, clock), WAITS_FOR)
        except Hanging:
            log.info("pull goes on beside the clock", extra={"source": source})
        except (Invalid, TryLater) as error:
            log.warning("pull failed", extra={"source": source, "reason": str(error)[:300]})
    return pulled


def _pull_one(db: Database, config: Config, source: str, clock: Clock) -> None:
    if _accounts_are_old(db, source, clock()):
        with _noting_failure(db, source, clock):
            match_accounts(db, config, source, clock)
    pull(db, config, source, clock)


def pull_soon(session: Session, source: str, now: datetime) -> None:
    """Let the clock pull this source at its next tick, whenever it is due. Raises Frozen."""
    refuse_frozen(session, source)
    _touch(session, source, next_pull_at=now)


def match_accounts(db: Database, config: Config, source: str, clock: Clock) -> int:
    """Fetch the tool's agents and link those whose verified address is a person's; returns how many are linked now.

    A list that shrinks unlinks nobody.
    """
    plugin = config.plugins[source]
    with http_for(config, plugin) as http:
        accounts = list(islice(plugin.accounts(http), MOST_ACCOUNTS))
    now = clock()
    linked = 0
    for start in range(0, len(accounts), 100):
        part = accounts[start : start + 100]
        linked += db.write(partial(_match, source=source, accounts=part, now=now))
    with db.writing() as session:
        _touch(session, source, accounts_at=now)
    return linked


def _match(session: Session, source: str, accounts: list[Account], now: datetime) -> int:
    connection = session.connection()
    linked = 0
    for account in accounts:
        values = {"email": account.email, "name": account.name, "bot": account.bot}
        statement = upsert(session, identity).values(
            source=source, account=account.id, created_at=now, **values
        )
        row = connection.execute(
            statement.on_conflict_do_update(index_elements=["source", "account"], set_=values).returning(
                identity.c.id, identity.c.person_id, identity.c.unlinked_at
            )
        ).one()
        if row.person_id is not None:
            linked += 1
        elif account.verified and account.email and not account.bot and row.unlinked_at is None:
            owner = _owner(session, account.email)
            if owner is not None:
                ledger.link(session, row.id, owner, now)
                linked += 1
    return linked


def link_newcomers(session: Session, now: datetime, most: int = 200) -> int:
    """Link accounts that are named by an address to people who joined after them; returns how many."""
    query = (
        select(identity.c.id, person.c.id.label("person_id"))
        .join(person, person.c.email == func.lower(identity.c.account))
        .where(identity.c.person_id.is_(None), identity.c.bot.is_(False), identity.c.account.contains("@"))
        .where(identity.c.unlinked_at.is_(None), person.c.bot.is_(False))
        .order_by(identity.c.id)
    )
    found = session.connection().execute(query.limit(most)).all()
    for row in found:
        ledger.link(session, row.id, row.person_id, now)
    return len(found)


def _owner(session: Session, address: str) -> int | None:
    try:
        wanted = normal_email(address)
    except Invalid:
        return None
    query = select(person.c.id).where(person.c.email == wanted, person.c.bot.is_(False))
    found = session.connection().execute(query).scalar()
    return int(found) if found is not None else None


def _take_page(session: Session, source: str, page: object, now: datetime) -> int:
    if not isinstance(page, Page):
        raise TypeError(f"pull() yielded {type(page).__name__}, not Page")
    refuse_frozen(session, source)
    posted = take_in(session, source, list(page.events), now)
    _touch(session, source, cursor=page.cursor, next_pull_at=now + PAGE_WITHIN)
    return posted.new


def _begin(db: Database, source: str, now: datetime) -> str | None:
    with db.writing() as session:
        refuse_frozen(session, source)
        _touch(session, source, pull_started_at=now, next_pull_at=now + PAGE_WITHIN)
        cursor = (
            session.connection().execute(select(sources.c.cursor).where(sources.c.name == source)).scalar()
        )
    return str(cursor) if cursor is not None else None


def _finished(db: Database, source: str, now: datetime) -> None:
    with db.writing() as session:
        well = {"pull_failures": 0, "pull_error": None, "pull_cause": None}
        _touch(session, source, pulled_at=now, next_pull_at=now + EVERY, **well)


@contextmanager
def _noting_failure(db: Database, source: str, clock: Clock) -> Iterator[None]:
    """Write down with the source what goes wrong and how long to wait, and raise it again (a plugin's mistake as Invalid)."""
    try:
        yield
    except Frozen:
        raise
    except (Invalid, TryLater) as error:
        wait = timedelta(seconds=error.seconds) if isinstance(error, TryLater) else EVERY
        _failed(db, source, str(error), clock(), wait, cause_of(error))
        raise
    except Exception as error:
        reason = "the plugin failed:\n" + traceback.format_exc(limit=-3)[-2000:]
        _failed(db, source, reason, clock(), EVERY, "plugin")
        raise Invalid(f"the plugin of {source} failed: {type(error).__name__}") from error


def cause_of(error: Invalid | TryLater) -> str:
    """Which of PULL_CAUSES it is."""
    return "rights" if isinstance(error, NoRights) else "wait" if isinstance(error, TryLater) else "tool"


def _failed(db: Database, source: str, reason: str, now: datetime, wait: timedelta, cause: str) -> None:
    """Wait longer with each failure in a row, an hour at most, and never less than the tool asked for."""
    with db.writing() as session:
        query = select(sources.c.pull_failures).where(sources.c.name == source)
        failures = (session.connection().execute(query).scalar() or 0) + 1
        wait = min(max(wait, EVERY * 2 ** min(failures - 1, 5) / 5), LONGEST_WAIT)
        told = {"pull_failures": failures, "pull_error": legible(reason), "pull_cause": cause}
        _touch(session, source, next_pull_at=now + wait, **told)


def _is_due(db: Database, source: str, now: datetime) -> bool:
    with db.reading() as session:
        if is_frozen(session, source):
            return False
        due = (
            session.connection()
            .execute(select(sources.c.next_pull_at).where(sources.c.name == source))
            .scalar()
        )
    # a longer wait than we ever let wait was written before the machine's clock was put back
    return due is None or due <= now or due > now + LONGEST_WAIT


def _accounts_are_old(db: Database, source: str, now: datetime) -> bool:
    with db.reading() as session:
        at = (
            session.connection()
            .execute(select(sources.c.accounts_at).where(sources.c.name == source))
            .scalar()
        )
    return at is None or at <= now - ACCOUNTS_EVERY
