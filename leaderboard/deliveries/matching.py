"""Whose a helpdesk's accounts are: linked ones, those that wait for a person, and who that might be, with the reason."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlmodel import Session

from leaderboard.guidelines import N_
from leaderboard.tables import Credit, Identity, Person

credit = Credit.__table__  # type: ignore[attr-defined]
identity = Identity.__table__  # type: ignore[attr-defined]
person = Person.__table__  # type: ignore[attr-defined]

ALIKE = 0.84
"""From here on two names are told to be alike (0 to 1, by difflib): a letter or two apart."""
MOST_COMPARED = 200
"""People whose names are compared with an account's letter by letter."""
WHY = {
    "address": N_("It has their address, which the tool has not verified."),
    "name": N_("It has the same name, and nobody else here has."),
    "called": N_("It is called like the beginning of their address."),
    "alike": N_("Their names are alike; look twice."),
}
"""Why somebody is suggested, the surest first."""


@dataclass(frozen=True)
class Somebody:
    """A person as far as it takes to know them among others."""

    id: int
    name: str
    handle: str
    email: str


@dataclass(frozen=True)
class Suggestion:
    """Who an account might be, and why (a code of WHY)."""

    person: Somebody
    why: str


class Named(Protocol):
    """An account as far as it takes to guess whose it is."""

    @property
    def identity_id(self) -> int: ...
    @property
    def account(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def email(self) -> str | None: ...


@dataclass(frozen=True)
class Account:
    """An account, who it is or might be, and its facts: those that count or wait, and those in closed weeks among them."""

    id: int
    account: str
    name: str | None
    email: str | None
    facts: int
    person: Somebody | None = None
    linked_at: datetime | None = None
    unlinked_at: datetime | None = None
    """When somebody said by hand that it is not who it was linked to."""
    suggestion: Suggestion | None = None
    namesakes: int = 0
    """How many people here have its name, where that is why nobody is suggested."""

    @property
    def title(self) -> str:
        return self.name or self.account


def matched(session: Session, source: str, after: int = 0, limit: int = 50) -> list[Account]:
    """The source's linked accounts, in the order in which they were met, after one's id."""
    rows = _rows(session, source, identity.c.person_id.is_not(None), after, limit)
    found = {row.id: row for row in _people(session, {row.person_id for row in rows})}
    return [_account(row, person=found[row.person_id], linked_at=row.linked_at) for row in rows]


def unmatched(session: Session, source: str, after: int = 0, limit: int = 50) -> list[Account]:
    """The source's accounts of nobody, robots left out, each with who it might be."""
    rows = _rows(session, source, identity.c.person_id.is_(None), after, limit)
    if not rows:
        return []
    known = _Known(_people(session, None))
    found = []
    for row in rows:
        suggestion, namesakes = known.guess(row.account, row.name, row.email)
        found.append(_account(row, unlinked_at=row.unlinked_at, suggestion=suggestion, namesakes=namesakes))
    return found


def suggested(session: Session, accounts: Sequence[Named]) -> dict[int, Suggestion]:
    """Who each of these accounts might be, by its id; without those of whom nobody knows."""
    if not accounts:
        return {}
    known = _Known(_people(session, None))
    found = {one.identity_id: known.guess(one.account, one.name, one.email)[0] for one in accounts}
    return {id_: suggestion for id_, suggestion in found.items() if suggestion}


def namesakes_of(session: Session, whose: Person, limit: int = 5) -> list[Suggestion]:
    """Other people here who may be the same person."""
    others = [row for row in _people(session, None) if row.id != whose.id]
    return _Known(others).all(whose.email, whose.name)[:limit]


def _account(row: Any, **more: Any) -> Account:
    return Account(row.id, row.account, row.name, row.email, row.facts, **more)


def _rows(session: Session, source: str, which: Any, after: int, limit: int) -> Sequence[Any]:
    query = (
        select(identity, func.count(credit.c.id).label("facts"))
        .outerjoin(credit, credit.c.identity_id == identity.c.id)
        .where(identity.c.source == source, identity.c.bot.is_(False), identity.c.id > after, which)
        .group_by(identity.c.id)
        .order_by(identity.c.id)
        .limit(limit)
    )
    return session.connection().execute(query).all()


def _people(session: Session, ids: set[int] | None) -> list[Somebody]:
    """These people, or everybody who is here and may be linked."""
    query = select(person.c.id, person.c.name, person.c.handle, person.c.email).order_by(person.c.id)
    if ids is None:
        query = query.where(person.c.active, person.c.bot.is_(False), person.c.merged_into_id.is_(None))
    else:
        query = query.where(person.c.id.in_(ids))
    return [Somebody(*row) for row in session.connection().execute(query)]


class _Known:
    """Everybody, by what an account may have in common with them."""

    def __init__(self, everybody: Iterable[Somebody]) -> None:
        self._by_name: dict[str, list[Somebody]] = defaultdict(list)
        self._by_word: dict[str, list[Somebody]] = defaultdict(list)
        self._by_begin: dict[str, list[Somebody]] = defaultdict(list)
        self._by_email: dict[str, Somebody] = {}
        for one in everybody:
            name = _plain(one.name)
            self._by_name[name].append(one)
            for word in set(name.split()):
                self._by_word[word[:3]].append(one)
            for begin in {one.handle, _plain(one.email.partition("@")[0])}:
                self._by_begin[_plain(begin)].append(one)
            self._by_email[one.email] = one

    def guess(self, account: str, name: str | None, email: str | None) -> tuple[Suggestion | None, int]:
        """The one person it may be; or None, and how many have its name."""
        for address in (email, account):
            if address and (owner := self._by_email.get(address.strip().casefold())):
                return Suggestion(owner, "address"), 0
        called = _plain(name or "")
        same = self._by_name.get(called, []) if called else []
        if len(same) == 1:
            return Suggestion(same[0], "name"), 0
        for begin in (email, account):
            found = self._by_begin.get(_plain((begin or "").partition("@")[0]), []) if begin else []
            if len(found) == 1:
                return Suggestion(found[0], "called"), 0
        if len(same) > 1:
            return None, len(same)
        alike = self._alike(called or _plain(account.partition("@")[0]))
        return (Suggestion(alike[0], "alike") if len(alike) == 1 else None), 0

    def all(self, email: str, name: str) -> list[Suggestion]:
        """Everybody it may be, the surest first."""
        called, begin = _plain(name), _plain(email.partition("@")[0])
        found = [Suggestion(one, "name") for one in self._by_name.get(called, ())]
        found += [Suggestion(one, "called") for one in self._by_begin.get(begin, ())]
        found += [Suggestion(one, "alike") for one in self._alike(called)]
        first = {suggestion.person.id: suggestion for suggestion in reversed(found)}
        return sorted(first.values(), key=lambda one: list(WHY).index(one.why))

    def _alike(self, called: str) -> list[Somebody]:
        """People whose names share a word's beginning and are nearly the same."""
        near = {one.id: one for word in called.split() for one in self._by_word.get(word[:3], ())}
        few = list(near.values())[:MOST_COMPARED]
        return [
            one
            for one in few
            if SequenceMatcher(None, called, _plain(one.name), autojunk=False).ratio() >= ALIKE
        ]


def _plain(text: str) -> str:
    """Without case, accents and signs between words: "Zoë.O'Neil" is "zoe o neil"."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(
        "".join(sign if sign.isalnum() else " " for sign in folded if not unicodedata.combining(sign)).split()
    )
