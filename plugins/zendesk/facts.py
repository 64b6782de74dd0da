"""Zendesk's facts, each with the same key whichever road it came by: an event, a trigger, an export."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from leaderboard.plugin import Event, Invalid, Kind, id_of, iso, text_of, written

RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}


def ticket_number(value: Any) -> str:
    number = id_of(value)
    if number is None or not (number.isascii() and number.isdigit()):
        raise Invalid("there is no ticket number where Zendesk puts one")
    return number


def link(home: str, number: str) -> str:
    return f"{home}/agent/tickets/{number}"


def rating(
    home: str,
    *,
    ticket: Any,
    good: bool,
    agent: Any,
    customer: Any,
    words: Any,
    moment: datetime,
    reason: Any = None,
) -> Event:
    """A ticket has one rating; its value is part of the key."""
    number, text = ticket_number(ticket), text_of(words or "").strip() or None
    value = ("thanks" if text else "good") if good else "bad"
    agent = id_of(agent)
    return Event(
        key=f"rating/{number}/{value}",
        kind=RATING_KINDS[value],
        occurred_at=moment,
        agents=(agent,) if agent else (),
        customer=id_of(customer),
        object=f"rating/{number}",
        ticket=number,
        text=text,
        url=link(home, number),
        evidence={"reason": text_of(reason, 200)} if reason else {},
    )


def change(home: str, kind: Kind, number: str, changed_at: datetime, agent: str | None = None) -> Event:
    """A ticket's change of state; the second of the change is part of the key, for it may happen again."""
    return Event(
        key=f"{kind.replace('.', f'/{number}/')}/{iso(changed_at)}",
        kind=kind,
        occurred_at=changed_at,
        agents=(agent,) if agent else (),
        object=f"ticket/{number}",
        ticket=number,
        url=link(home, number),
    )


def comment(
    home: str, number: str, comment_id: str, author: str, owner: str | None, public: bool, moment: datetime
) -> Iterator[Event]:
    """A note on a colleague's ticket is help; a public answer is worth nothing, but makes a recovery possible."""
    about, url = f"comment/{comment_id}", link(home, number)
    return written(about, author, owner, moment, private=not public, ticket=number, url=url)


def article(home: str, number: str, author: str, moment: datetime, title: Any) -> Event:
    return Event(
        key=f"article/{number}/published",  # without the language: a translation is the same article
        kind="knowledge.shared",
        occurred_at=moment,
        agents=(author,),
        object=f"article/{number}",
        url=f"{home}/hc/articles/{number}",
        evidence={"title": text_of(title, 200)} if title else {},
    )


def promise(
    home: str,
    about: str,
    number: str,
    agent: str | None,
    kind: Kind,
    moment: datetime,
    due_at: datetime | None = None,
) -> Event:
    """`about` names the promise among the ticket's others: nothing, or the service level's metric and its instance."""
    name = f"promise/{number}{about}"
    return Event(
        key=f"{name}/{kind.removeprefix('promise.')}/{iso(due_at or moment)}",
        kind=kind,
        occurred_at=moment,
        agents=(agent,) if agent else (),
        object=name,
        ticket=number,
        url=link(home, number),
        due_at=due_at,
    )
