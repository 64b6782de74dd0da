"""Reads a conversation of Help Scout's, as webhooks bring it and the list embeds it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leaderboard.plugin import (
    Event,
    Invalid,
    Kind,
    id_of,
    iso,
    list_of,
    object_of,
    parse_due,
    parse_time,
    plain_text,
    promised,
    text_of,
    written,
)

RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
NOTES, REPLIES = {"note"}, {"reply", "message"}
OPEN = ("active", "pending")
RECENT = timedelta(days=1)  # a webhook brings the whole conversation; what is older came with its own
TAGGED_LATE = timedelta(days=7)  # a message older than this is not tagged for what it says any more


@dataclass(frozen=True)
class Marks:
    """What a company marks its conversations with: settings."""

    thanks_tag: str
    unhappy_tag: str
    promise_field: str
    timezone: str


def facts_of(item: Any, begin: datetime | None, marks: Marks) -> Iterator[Event]:
    """What has happened to a conversation since, the same by webhook (None: lately) and by pull."""
    body = object_of(item, "a conversation")
    number, embedded = id_of(body.get("id")), object_of(body.get("_embedded"), "_embedded")
    told = body.get("threads")  # the list tells their number there, and embeds them
    told = embedded.get("threads") if told is None or isinstance(told, int) else told
    threads = [object_of(thread, "a thread") for thread in list_of(told or [], "threads")]
    if number is None:
        raise Invalid("the conversation has no id")
    changed = [body.get("modifiedAt"), body.get("userUpdatedAt"), *(t.get("createdAt") for t in threads)]
    moments = [parse_time(moment, assume_utc=True) for moment in changed if moment]
    if not moments:
        raise Invalid("the conversation does not say when it changed")
    changed_at = moments[0]
    begin = begin or max(moments) - RECENT
    owner = _user(body.get("assignee", body.get("owner")))
    whose: dict[str, Any] = {"ticket": number, "url": link(number, body.get("number"))}
    for thread in threads:
        yield from _written(thread, owner, begin, whose)
    solved_at = None
    if body.get("closedAt"):
        closed_at, about = parse_time(body["closedAt"], assume_utc=True), f"ticket/{number}"
        if body.get("status") == "closed":
            solved_at = closed_at
            agents = (owner,) if owner else ()
            yield Event(
                f"{about}/solved/{iso(closed_at)}",
                "ticket.solved",
                closed_at,
                agents,
                object=about,
                **whose,
            )
        elif body.get("status") in OPEN:  # named after the closing that it undoes
            key = f"{about}/reopened/{iso(closed_at)}"
            yield Event(key, "ticket.reopened", changed_at, object=about, **whose)
    yield from _promised(body, owner, changed_at, solved_at, marks, whose)
    yield from _tagged(body, threads, owner, marks, begin, whose)


def _promised(
    body: dict[str, Any],
    owner: str | None,
    changed_at: datetime,
    solved_at: datetime | None,
    marks: Marks,
    whose: dict[str, Any],
) -> Iterator[Event]:
    """The time in the custom field is a promise of the assignee; closing by then keeps it."""
    for item in list_of(body.get("customFields") or [], "customFields"):
        field = object_of(item, "a custom field")
        if field.get("name") != marks.promise_field or not field.get("value") or owner is None:
            continue
        about, due_at = f"promise/{whose['ticket']}", parse_due(field["value"], marks.timezone)
        yield from promised(about, (owner,), changed_at, due_at, solved_at, **whose)


def _tagged(
    body: dict[str, Any],
    threads: list[dict[str, Any]],
    owner: str | None,
    marks: Marks,
    begin: datetime,
    whose: dict[str, Any],
) -> Iterator[Event]:
    """The customer's newest message of a conversation with a tag is a thanks, or shows that somebody is unhappy."""
    tags = {_name(tag) for tag in list_of(body.get("tags") or [], "tags")}
    words = {"thanks": marks.thanks_tag.lower(), "bad": marks.unhappy_tag.lower()}
    if tags.isdisjoint(words.values()):
        return
    times = [(parse_time(thread.get("createdAt"), assume_utc=True), thread) for thread in threads]
    times.sort(key=lambda found: found[0])
    newest = next(((at, thread) for at, thread in reversed(times) if _kind(thread) == "customer"), None)
    if newest is None or newest[0] <= begin - TAGGED_LATE:
        return
    moment, message = newest
    answers = [thread for at, thread in times if at < moment and _kind(thread) in REPLIES]
    agent = _author(answers[-1]) if answers else owner  # whose answer the customer had
    customer = object_of(body.get("primaryCustomer", body.get("customer")), "the customer")
    for word, tag in words.items():
        if tag in tags:
            yield Event(
                key=f"tagged/{whose['ticket']}/{word}",
                kind=RATING_KINDS[word],
                occurred_at=moment,
                agents=(agent,) if agent else (),
                customer=id_of(customer.get("id")),
                object=f"rating/{whose['ticket']}",
                text=plain_text(message.get("body") or message.get("text") or "").strip() or None,
                **whose,
            )


def _written(
    thread: dict[str, Any], owner: str | None, begin: datetime, whose: dict[str, Any]
) -> Iterator[Event]:
    """A note in a colleague's conversation is help; an answer makes a recovery possible."""
    kind, number, author = _kind(thread), id_of(thread.get("id")), _author(thread)
    note = kind in NOTES
    if (not note and kind not in REPLIES) or thread.get("state") not in (None, "published") or author is None:
        return
    moment = parse_time(thread.get("createdAt"), assume_utc=True)
    if number is None:
        raise Invalid("a thread has no id")
    if moment > begin:
        yield from written(f"thread/{number}", author, owner, moment, private=note, **whose)


def _kind(thread: dict[str, Any]) -> str:
    return text_of(thread.get("type") or "", 40)


def _author(thread: dict[str, Any]) -> str | None:
    """Who of ours wrote it: `author` by webhook, `createdBy` in the list; without a type it is nobody's."""
    author = object_of(thread.get("author", thread.get("createdBy")), "the thread's author")
    return id_of(author.get("id")) if author.get("type") == "user" else None


def _user(value: Any) -> str | None:
    """An assignee, unless it is a team."""
    user = object_of(value, "a user")
    return id_of(user.get("id")) if user.get("type", "user") == "user" else None


def _name(tag: Any) -> str:
    """A tag's name, which stands by itself or in an object."""
    name = tag.get("tag") or tag.get("name") if isinstance(tag, dict) else tag
    return text_of(name, 200).lower() if name else ""


def link(conversation: str, number: Any) -> str:
    shown = id_of(number)
    return f"https://secure.helpscout.net/conversation/{conversation}" + (f"/{shown}" if shown else "")
