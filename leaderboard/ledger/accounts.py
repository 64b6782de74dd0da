"""Who the accounts that a helpdesk's facts name are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, null, select
from sqlmodel import Session

from leaderboard.config import OWN_SOURCE
from leaderboard.database import insert, is_postgresql
from leaderboard.plugin import Event
from leaderboard.statements import Statement
from leaderboard.tables import Identity, Person, Team

identity = Identity.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]
team = Team.__table__  # type: ignore[attr-defined]

_merged = person.alias("merged")
_home = [team.c[name] for name in ("id", "timezone", "next_timezone", "next_timezone_from", "first_week")]
# Held against linking and unlinking (SQLite has one writer): credits that these do not see would stay where they are for ever.
# The credits' foreign key takes the same lock a moment later.
ACCOUNTS = Statement(
    select(identity.c.account, identity.c.id.label("identity_id"), person.c.id.label("person_id"), *_home)
    .outerjoin(_merged, _merged.c.id == identity.c.person_id)
    .outerjoin(person, person.c.id == func.coalesce(_merged.c.merged_into_id, _merged.c.id))
    .outerjoin(team, team.c.id == person.c.team_id)
    .where(identity.c.source == bindparam("source"), identity.c.account == bindparam("name"))
    .with_for_update(read=True, key_share=True, of=identity)
)
PEOPLE = Statement(
    select(person.c.uid.label("account"), null().label("identity_id"), person.c.id.label("person_id"), *_home)
    .join(team, team.c.id == person.c.team_id)
    .where(person.c.uid == bindparam("name"))
)


@dataclass(frozen=True)
class Known:
    """An account: its identity, and the person and team where it is linked."""

    identity_id: int | None
    person_id: int | None
    team_id: int | None
    team: Any
    """Its id and what makes its weeks."""

    @classmethod
    def of(cls, row: Any) -> "Known":
        return cls(row.identity_id, row.person_id, row.id, row)


def accounts_of(session: Session, source: str, events: Iterable[Event], now: datetime) -> dict[str, Any]:
    """Who the accounts named in these events are; an account met for the first time is written down."""
    items = list(events)
    agents = {agent for item in items for agent in item.agents}
    names = sorted(agents | {item.giver for item in items if item.giver})
    if not names:
        return {}
    if source == OWN_SOURCE:
        found = [PEOPLE.first(session, {"name": name}) for name in names]
        return {row.account: Known.of(row) for row in found if row}
    known = _known_accounts(session, source, names)
    strangers = [name for name in names if name not in known]
    if strangers:
        addresses = {name.strip().casefold(): name for name in strangers if "@" in name}
        query = select(person.c.id, person.c.email).where(
            person.c.email.in_(addresses), person.c.bot.is_(False)
        )
        connection = session.connection()
        people = {row.email: row.id for row in connection.execute(query)}
        for name in strangers:
            owner = people.get(name.strip().casefold())
            values = {"source": source, "account": name, "bot": False, "created_at": now, "person_id": owner}
            values |= {"email": name if "@" in name else None, "linked_at": now if owner else None}
            connection.execute(insert(session, identity).values(values).on_conflict_do_nothing())
        known |= _known_accounts(session, source, strangers)
    waiting = [name for name, one in known.items() if one.person_id is None]
    if waiting and is_postgresql(session):  # somebody may have linked it while the first look waited for them
        known |= _known_accounts(session, source, waiting)
    return known


def _known_accounts(session: Session, source: str, names: Sequence[str]) -> dict[str, Any]:
    found = [ACCOUNTS.first(session, {"source": source, "name": name}) for name in names]
    return {row.account: Known.of(row) for row in found if row}
