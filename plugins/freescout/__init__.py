"""FreeScout with its API & Webhooks module: whole conversations, the same by signed webhook and by pull."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import field_validator

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Invalid,
    Kind,
    Page,
    Plugin,
    Refused,
    Secret,
    beginning,
    fetch_json,
    hmac_matches,
    hmac_of,
    id_of,
    iso,
    list_of,
    object_of,
    parse_due,
    parse_time,
    plain_text,
    promised,
    read_each,
    refuse_unread,
    text_of,
    web_address,
    written,
    zone_name,
)

# What colleagues say of a customer's newest message by a tag; the tags' names are settings.
TAGGED: dict[str, Kind] = {"thanks": "thanks.received", "bad": "rating.bad"}
NOTE, REPLY, CUSTOMER = "note", "message", "customer"

RECENT = timedelta(days=1)  # a webhook brings the whole conversation; what is older came with an earlier one
OVERLAP = timedelta(minutes=5)
PAGE_SIZE = 50
MOST_PAGES = 1_000


class FreeScout(Plugin):
    """`[plugins.freescout]`; the README beside this file says where to click for each of these."""

    title = "FreeScout"
    earns = (
        "thanks.received",
        "rating.bad",
        "ticket.solved",
        "ticket.reopened",
        "ticket.replied",
        "help.given",
        "promise.made",
        "promise.kept",
        "fact.withdrawn",
    )
    to_tick = ("Events: all that begin with conversation",)
    to_grant = ("the API key of Manage > API & Webhooks",)

    address: str
    secret: Secret
    previous_secret: Secret | None = None
    api_key: Secret | None = None  # left out: webhooks only
    thanks_tag: str = "thanks"
    unhappy_tag: str = "unhappy"
    promise_field: str = "Promised for"  # a custom field of conversations
    timezone: str = "UTC"  # of a promised time that does not say its own
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    @field_validator("secret", "previous_secret")
    @classmethod
    def _is_not_the_app_key(cls, value: Secret | None) -> Secret | None:
        if value is not None and value.get_secret_value().startswith("base64:"):
            raise ValueError(
                "that is APP_KEY itself, which opens everything; the README says what is made of it"
            )
        return value

    def verify(self, delivery: Delivery) -> None:
        """base64(HMAC-SHA1(key, body)), the key being 32 hexadecimal digits that FreeScout makes of its APP_KEY.

        There is no time stamp in it, so an old delivery can be sent again: it carries the same facts and earns nothing new.
        """
        secrets = (self.secret, self.previous_secret)
        claimed = delivery.header("X-FreeScout-Signature")
        if not hmac_matches(secrets, delivery.body, claimed, algorithm="sha1"):
            raise Refused("the signature does not match; make `secret` again as the README says")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """What the conversation that came along says. The event's name stands in an unsigned header, and is not read."""
        body = object_of(delivery.json(), "the body")
        if body.get("updatedAt") is None or "status" not in body:
            return  # a customer, or a conversation of which only the id is left
        yield from self._conversation(parse_time(body["updatedAt"]) - RECENT, body)

    def _conversation(self, begin: datetime, item: Any) -> Iterator[Event]:
        """What has happened to a conversation since, the same by webhook and by pull."""
        conversation = object_of(item, "a conversation")
        number, changed_at = id_of(conversation.get("id")), parse_time(conversation.get("updatedAt"))
        if number is None:
            raise Invalid("the conversation has no id")
        if conversation.get("state") == "deleted":
            for word in TAGGED:
                key = f"conversation/{number}/deleted/{word}"
                yield Event(
                    key, "fact.withdrawn", changed_at, object=f"rating/{number}/{word}", ticket=number
                )
            return
        owner = _user(conversation.get("assignee"))
        whose: dict[str, Any] = {"ticket": number, "url": f"{self.address}/conversation/{number}"}
        embedded = object_of(conversation.get("_embedded"), "_embedded")
        threads = list_of(conversation.get("threads") or embedded.get("threads") or [], "threads")
        threads = [object_of(thread, "a thread") for thread in threads]
        for thread in threads:
            yield from _written(thread, owner, begin, whose)
        solved_at = None
        if conversation.get("closedAt"):
            closed_at, about = parse_time(conversation["closedAt"]), f"ticket/{number}"
            if conversation.get("status") == "closed":
                solved_at = closed_at
                agent = _user(conversation.get("closedByUser")) or owner
                key, agents = f"{about}/solved/{iso(closed_at)}", (agent,) if agent else ()
                yield Event(key, "ticket.solved", closed_at, agents, object=about, **whose)
            else:  # named after the closing that it undoes: when it was opened, no road tells exactly
                key = f"{about}/reopened/{iso(closed_at)}"
                yield Event(key, "ticket.reopened", changed_at, object=about, **whose)
        yield from self._promised(conversation, owner, changed_at, solved_at, whose)
        tags = conversation.get("tags") or embedded.get("tags") or []
        yield from self._tagged(
            conversation, {_name(tag) for tag in list_of(tags, "tags")}, threads, owner, whose
        )

    def _promised(
        self,
        conversation: dict[str, Any],
        owner: str | None,
        changed_at: datetime,
        solved_at: datetime | None,
        whose: dict[str, Any],
    ) -> Iterator[Event]:
        """The time in the custom field is a promise of the assignee; closing by then keeps it."""
        for item in list_of(conversation.get("customFields") or [], "customFields"):
            field = object_of(item, "a custom field")
            if field.get("name") != self.promise_field or not field.get("value") or owner is None:
                continue
            about, due_at = f"promise/{whose['ticket']}", parse_due(field["value"], self.timezone)
            yield from promised(about, (owner,), changed_at, due_at, solved_at, **whose)

    def _tagged(
        self,
        conversation: dict[str, Any],
        tags: set[str],
        threads: list[dict[str, Any]],
        owner: str | None,
        whose: dict[str, Any],
    ) -> Iterator[Event]:
        """The customer's newest message of a conversation with a tag is a thanks, or shows that somebody is unhappy."""
        words = {"thanks": self.thanks_tag.lower(), "bad": self.unhappy_tag.lower()}
        said = [
            (parse_time(thread.get("createdAt")), id_of(thread.get("id")) or "", thread)
            for thread in threads
            if thread.get("type") == CUSTOMER
        ]
        if not said:
            return
        moment, _, newest = max(said, key=lambda found: found[:2])
        for word, tag in words.items():
            if tag in tags:
                yield Event(
                    key=f"rating/{whose['ticket']}/{word}",
                    kind=TAGGED[word],
                    occurred_at=moment,
                    agents=(owner,) if owner else (),
                    customer=id_of(object_of(conversation.get("customer"), "customer").get("id")),
                    object=f"rating/{whose['ticket']}",
                    text=plain_text(newest.get("body") or "").strip() or None,
                    **whose,
                )

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.api_key else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The conversations that changed. The cursor is the moment up to which all changes were read.

        It moves with the last page only: broken off in between, the next pull reads the list again.
        """
        place = dict(parse_qsl(since or "", max_num_fields=4))
        if since is None:
            place["read"] = iso(beginning(self.pull_from, self._get(http, "users", {}).served_at))
        try:
            begin = parse_time(place.get("read", ""))
        except Invalid:
            raise Invalid("the cursor does not hold `read`; it was not written by this plugin") from None
        query = {"embed": "threads,tags", "updatedSince": iso(begin - OVERLAP), "sortField": "updatedAt"}
        query |= {"sortOrder": "asc", "pageSize": str(PAGE_SIZE)}
        unread: list[str] = []
        read: Callable[[Any], Iterator[Event]] = partial(self._conversation, begin - OVERLAP)
        until: datetime | None = None
        for items, answer, last in self._pages(http, "conversations", query):
            until = until or answer.served_at
            events = read_each(items, read, unread)
            if last:
                place["read"] = iso(max(until or begin, begin))
            yield Page(tuple(events), urlencode(place), last=last and not unread)
        refuse_unread(unread)

    def _pages(
        self, http: httpx.Client, name: str, query: dict[str, str]
    ) -> Iterator[tuple[list[Any], Answer, bool]]:
        for number in range(1, MOST_PAGES):
            answer = self._get(http, name, {**query, "page": str(number)})
            value = object_of(answer.json, "the answer")
            items = list_of(object_of(value.get("_embedded"), "_embedded").get(name), name)
            total = object_of(value.get("page"), "page").get("totalPages", 1)
            if type(total) is not int:
                raise Invalid("the list does not number its pages")
            yield items, answer, number >= total
            if number >= total:
                return
        raise Invalid(f"FreeScout's list of {name} does not end")

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The users. An admin gives them their addresses, so they are theirs."""
        for items, _, _ in self._pages(http, "users", {"pageSize": str(PAGE_SIZE)}):
            for item in items:
                user = object_of(item, "a user")
                number = id_of(user.get("id"))
                if number:
                    names = (text_of(user.get(name) or "", 100) for name in ("firstName", "lastName"))
                    name = " ".join(part for part in names if part) or number
                    yield Account(number, id_of(user.get("email")), name)

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signed header of a FreeScout webhook."""
        return {"X-FreeScout-Signature": hmac_of(self.secret, body, algorithm="sha1")}

    def _get(self, http: httpx.Client, path: str, query: dict[str, str]) -> Answer:
        key = self.api_key.get_secret_value() if self.api_key else ""
        url = f"{self.api_url()}/api/{path}?{urlencode(query)}"
        return fetch_json(http, url, headers={"X-FreeScout-API-Key": key, "Accept": "application/json"})


def _written(
    thread: dict[str, Any], owner: str | None, begin: datetime, whose: dict[str, Any]
) -> Iterator[Event]:
    """A note in a colleague's conversation is help; an answer makes a recovery possible."""
    kind, number, author = thread.get("type"), id_of(thread.get("id")), _user(thread.get("createdBy"))
    if kind not in (NOTE, REPLY) or thread.get("state") not in (None, "published") or author is None:
        return
    moment = parse_time(thread.get("createdAt"))
    if number is None:
        raise Invalid("a thread has no id")
    if moment >= begin:
        yield from written(f"thread/{number}", author, owner, moment, private=kind == NOTE, **whose)


def _user(value: Any) -> str | None:
    """The id of one of ours; customers stand in the same places."""
    user = object_of(value, "a user")
    return id_of(user.get("id")) if user.get("type", "user") == "user" else None


def _name(tag: Any) -> str:
    """A tag's name, which stands by itself or in an object."""
    name = tag.get("name") or tag.get("tag") if isinstance(tag, dict) else tag
    return text_of(name, 200).lower() if name else ""
