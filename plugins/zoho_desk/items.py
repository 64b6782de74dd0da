"""What Zoho Desk's things say, whichever road they came by: ratings, what was written on tickets, articles."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from leaderboard.plugin import Event, Invalid, Kind, id_of, object_of, parse_time, text_of, written

# The three faces of a Customer Happiness survey; with words, a good one is a thanks. OK is neither.
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
FACES = {"GOOD": "good", "BAD": "bad"}


def rating_of(item: Any) -> Iterator[Event]:
    """An answer to a Customer Happiness survey."""
    rating = object_of(item, "a rating")
    number, ticket, agent = id_in(rating, "id"), id_in(rating, "ticketId"), id_in(rating, "agentId")
    if number is None or ticket is None:
        raise Invalid("a rating does not say which it is, or which ticket it is about")
    text = text_of(rating.get("feedback") or "").strip() or None
    word = FACES.get(text_of(rating.get("rating") or "").upper())
    if word is None:
        return
    word = "thanks" if word == "good" and text else word
    yield Event(
        key=f"rating/{number}/{word}",
        kind=RATING_KINDS[word],
        occurred_at=parse_time(rating.get("ratedTime")),
        agents=(agent,) if agent else (),
        customer=id_in(rating, "contactId"),
        object=f"rating/{ticket}",  # a later happy one about the same ticket mends an unhappy one
        ticket=ticket,
        text=text,
    )


def written_of(item: dict[str, Any], ticket: str, owner: str | None) -> Iterator[Event]:
    """An agent's answer to the customer makes a recovery possible; a private comment on a colleague's ticket is help."""
    is_comment = item.get("type") == "comment"
    author = object_of(item.get("commenter" if is_comment else "author"), "who wrote it")
    number = id_in(item, "id")
    writer = (
        (id_in(item, "commenterId") if is_comment else None) or id_in(author, "id") or id_in(author, "email")
    )
    if number is None or writer is None or author.get("type") != "AGENT":
        return
    if is_comment:
        if not isinstance(item.get("isPublic"), bool):
            raise Invalid("a comment does not say whether it is public")
        about, private, moment = "comment", not item["isPublic"], parse_time(item.get("commentedTime"))
    else:
        about, private, moment = "thread", False, parse_time(item.get("createdTime"))
        is_sent = item.get("direction") == "out" and item.get("status") in (None, "SUCCESS")
        if not is_sent or item.get("visibility") == "private" or item.get("isForward") is True:
            return
    yield from written(f"{about}/{number}", writer, owner, moment, private=private, ticket=ticket)


def article_of(item: Any) -> Iterator[Event]:
    """A published article; published again, it counts no second time."""
    article = object_of(item, "an article")
    number, title = id_in(article, "id"), article.get("title")
    author = id_in(article, "authorId") or id_in(object_of(article.get("author"), "author"), "id")
    if number is None:
        raise Invalid("an article has no id")
    if article.get("status") == "Published" and author:
        yield Event(
            key=f"article/{number}/published",
            kind="knowledge.shared",
            occurred_at=moment_of(article),
            agents=(author,),
            object=f"article/{number}",
            url=article.get("webUrl"),
            evidence={"title": text_of(title, 200)} if title else {},
        )


def withdrawn(ticket: str, key: str, moment: datetime) -> Event:
    return Event(key, "fact.withdrawn", moment, object=f"ticket/{ticket}/thanks", ticket=ticket)


def field_of(ticket: dict[str, Any], name: str) -> Any:
    """A field by its API name: of one's own (`cf_…`), or one that every ticket has."""
    return object_of(ticket.get("cf"), "cf").get(name) if name.startswith("cf_") else ticket.get(name)


def id_in(item: dict[str, Any], name: str) -> str | None:
    return id_of(item.get(name))


def ticket_id(value: Any) -> str:
    number = id_of(value)
    if number is None or not (number.isascii() and number.isdigit()):
        raise Invalid("there is no ticket's id where Zoho Desk puts one")
    return number


def moment_of(item: dict[str, Any]) -> datetime:
    return parse_time(item.get("modifiedTime") or item.get("createdTime"))


def rated_at(item: Any) -> list[datetime]:
    return [parse_time(object_of(item, "a rating").get("ratedTime"))]


def event_time(event: dict[str, Any]) -> datetime:
    """When Zoho told it: milliseconds, as a number or a text, or a written time."""
    value = event.get("eventTime")
    if isinstance(value, str) and re.fullmatch(r"[0-9]{13}", value):
        value = int(value)
    return parse_time(value / 1000 if type(value) is int else value)
