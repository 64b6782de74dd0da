"""Front: the events of conversations, by an application's webhook, by a rule's and by pull; the same event on each road."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
from pydantic import field_validator

from leaderboard.plugin import (
    Account,
    Answer,
    Delivery,
    Event,
    Greeting,
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
    promised,
    read_each,
    refuse_stale,
    refuse_unread,
    text_of,
    zone_name,
)

# What colleagues or rules say of a customer's newest message by a tag; the tags' names are settings.
TAGGED: dict[str, Kind] = {"thanks": "thanks.received", "bad": "rating.bad"}
TYPES = ("archive", "reopen", "comment", "tag", "untag", "outbound", "out_reply")

API = "https://api2.frontapp.com"
OVERLAP = timedelta(minutes=5)
MOST_PAGES = 1_000


class Front(Plugin):
    """`[plugins.front]`; the README beside this file says where to click for each of these."""

    title = "Front"
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
    to_tick = (
        "Conversation archived",
        "Conversation reopened",
        "New comment added",
        "Tag added",
        "Tag removed",
        "Outbound sent",
    )
    to_grant = ("Scope: Shared resources · read",)

    signing_key: Secret | None = None  # of an application's webhook
    previous_signing_key: Secret | None = None
    api_secret: Secret | None = None  # of the company: signs what rules send
    previous_api_secret: Secret | None = None
    api_token: Secret | None = None  # left out: webhooks only
    thanks_tag: str = "thanks"
    unhappy_tag: str = "unhappy"
    promise_field: str = "Promised for"  # a custom field of conversations
    timezone: str = "UTC"  # of a promised time that does not say its own
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _timezone = field_validator("timezone")(zone_name)

    def verify(self, delivery: Delivery) -> None:
        """An application's: base64(HMAC-SHA256(key, time stamp + ":" + body)); a rule's: base64(HMAC-SHA1(secret, body)).

        Both stand in the same header; https://dev.frontapp.com/docs/application-webhooks, https://dev.frontapp.com/docs/rule-webhooks
        """
        claimed, stamp = delivery.header("X-Front-Signature"), delivery.header("X-Front-Request-Timestamp")
        if not stamp:
            # Nothing tells when a rule sent it: an old one brings the same facts again and earns nothing new
            secrets = (self.api_secret, self.previous_api_secret)
            if not hmac_matches(secrets, delivery.body, claimed, algorithm="sha1"):
                raise Refused(
                    "the signature does not match; compare api_secret with Front's (a rule's webhook)"
                )
            return
        signed = stamp.encode("utf-8", "replace") + b":" + delivery.body
        if not hmac_matches((self.signing_key, self.previous_signing_key), signed, claimed):
            raise Refused("the signature does not match; compare signing_key with the application's")
        try:
            sent_at = parse_time(int(stamp) / 1000)
        except (ValueError, OverflowError, Invalid):
            raise Refused("the time stamp is not a number of milliseconds") from None
        refuse_stale(sent_at, delivery.received_at)

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Front tries an application's address when it is saved, and wants its challenge back."""
        challenge = delivery.header("X-Front-Challenge")
        if not challenge:
            return None
        self.verify(delivery)
        if len(challenge) > 500 or not (challenge.isascii() and challenge.isprintable()):
            raise Refused("the challenge is not one line of plain text")
        return Greeting(challenge)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of an event; an application's webhook wraps it up, a rule's does not."""
        body = object_of(delivery.json(), "the body")
        yield from self._event(body["payload"] if "authorization" in body and "payload" in body else body)

    def _event(self, item: Any) -> Iterator[Event]:
        """One event of Front's, the same by every road: it has an id of its own."""
        event = object_of(item, "the event")
        kind = event.get("type")
        if kind not in TYPES:
            return
        conversation = object_of(event.get("conversation"), "conversation")
        number, moment = id_of(conversation.get("id")), parse_time(event.get("emitted_at"))
        if number is None:
            raise Invalid("the event does not say which conversation it is about")
        source, target = _part(event, "source"), _part(event, "target")
        assignee = id_of(object_of(conversation.get("assignee"), "assignee").get("id"))
        whose: dict[str, Any] = {"ticket": number, "url": f"https://app.frontapp.com/open/{number}"}
        if kind in ("archive", "reopen"):
            event_id = id_of(event.get("id"))
            if event_id is None:
                raise Invalid("the event has no id")
            solved = kind == "archive"
            agent = assignee or _teammate(source)
            yield Event(
                key=f"event/{event_id}",
                kind="ticket.solved" if solved else "ticket.reopened",
                occurred_at=moment,
                agents=(agent,) if solved and agent else (),
                object=f"ticket/{number}",
                **whose,
            )
        elif kind in ("tag", "untag"):
            yield from self._tagged(kind, conversation, source, target, assignee, moment, whose)
        else:
            yield from _written(kind, conversation, source, target, assignee, moment, whose)
        yield from self._promised(conversation, assignee, moment, kind == "archive", whose)

    def _tagged(
        self,
        kind: str,
        conversation: dict[str, Any],
        source: dict[str, Any],
        tag: dict[str, Any],
        assignee: str | None,
        moment: datetime,
        whose: dict[str, Any],
    ) -> Iterator[Event]:
        """The customer's newest message of a conversation with a tag is a thanks, or shows that somebody is unhappy."""
        name = text_of(tag.get("name") or "", 200).lower()
        words = {self.thanks_tag.lower(): "thanks", self.unhappy_tag.lower(): "bad"}
        word = words.get(name)
        if word is None:
            return
        about = f"rating/{whose['ticket']}"
        if kind == "untag":
            key = f"{about}/{word}/untagged"
            yield Event(key, "fact.withdrawn", moment, object=f"{about}/{word}", ticket=whose["ticket"])
            return
        message = object_of(conversation.get("last_message"), "last_message")
        said = message.get("blurb") if message.get("text") is None else message["text"]
        text = text_of(said or "").strip()
        recipient = object_of(conversation.get("recipient"), "recipient")
        yield Event(
            key=f"{about}/{word}",
            kind=TAGGED[word],
            occurred_at=moment,
            agents=(assignee,) if assignee else (),
            giver=_teammate(
                source
            ),  # who set the tag: nobody earns by tagging a message as thanks to themselves
            customer=id_of(recipient.get("handle")),
            object=about,
            text=text or None if message.get("is_inbound") is True else None,
            **whose,
        )

    def _promised(
        self,
        conversation: dict[str, Any],
        assignee: str | None,
        moment: datetime,
        archived: bool,
        whose: dict[str, Any],
    ) -> Iterator[Event]:
        """The time in the custom field is a promise of the assignee; archiving by then keeps it."""
        fields = object_of(conversation.get("custom_fields"), "custom_fields")
        due = fields.get(self.promise_field)
        if due is None or due == "" or assignee is None:
            return
        about, due_at = f"promise/{whose['ticket']}", parse_due(due, self.timezone)
        yield from promised(about, (assignee,), moment, due_at, moment if archived else None, **whose)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return API if self.api_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The events since, which Front lists the newest first. The cursor is the moment up to which all were read.

        It moves with the last page only: broken off in between, the next pull reads the list again.
        """
        place = dict(parse_qsl(since or "", max_num_fields=4))
        if since is None:
            place["read"] = iso(beginning(self.pull_from, self._get(http, "teammates", {}).served_at))
        try:
            begin = parse_time(place.get("read", ""))
        except Invalid:
            raise Invalid("the cursor does not hold `read`; it was not written by this plugin") from None
        query = {
            "q[after]": str(int((begin - OVERLAP).timestamp())),
            "q[types][]": list(TYPES),
            "limit": "100",
        }
        unread: list[str] = []
        until: datetime | None = None
        for items, answer, last in self._pages(http, "events", query):
            until = until or answer.served_at
            # Within a page the oldest first, so that what was told later counts later
            events = read_each(reversed(items), self._event, unread)
            if last:
                place["read"] = iso(max(until or begin, begin))
            yield Page(tuple(events), urlencode(place), last=last and not unread)
        refuse_unread(unread)

    def _pages(
        self, http: httpx.Client, path: str, query: dict[str, Any]
    ) -> Iterator[tuple[list[Any], Answer, bool]]:
        """A list's pages, each with whether it is the last. Of the next address only its token is used."""
        token: str | None = None
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            answer = self._get(http, path, {**query, "page_token": token} if token else query)
            value = object_of(answer.json, "the answer")
            items = list_of(value.get("_results"), "_results")
            following = object_of(value.get("_pagination"), "_pagination").get("next")
            token = _token(following)
            yield items, answer, token is None
            if token is None:
                return
            if token in seen:
                break
            seen.add(token)
        raise Invalid(f"Front's list of {path} goes round in a circle or does not end")

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The teammates. They sign in by their address, so it is theirs; what is no user is a bot."""
        for items, _, _ in self._pages(http, "teammates", {}):
            for item in items:
                teammate = object_of(item, "a teammate")
                number = id_of(teammate.get("id"))
                if number and teammate.get("is_blocked") is not True:
                    names = (text_of(teammate.get(name) or "", 100) for name in ("first_name", "last_name"))
                    name = " ".join(part for part in names if part) or number
                    is_bot = teammate.get("type") not in (None, "user")
                    yield Account(number, id_of(teammate.get("email")), name, bot=is_bot)

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signed headers of an application's webhook; without a signing key those of a rule's."""
        if self.signing_key is None:
            secret = self.api_secret or Secret("")
            return {"X-Front-Signature": hmac_of(secret, body, algorithm="sha1")}
        stamp = str(int(moment.timestamp() * 1000))
        signature = hmac_of(self.signing_key, stamp.encode() + b":" + body)
        return {"X-Front-Request-Timestamp": stamp, "X-Front-Signature": signature}

    def _get(self, http: httpx.Client, path: str, query: dict[str, Any]) -> Answer:
        token = self.api_token.get_secret_value() if self.api_token else ""
        url = f"{self.api_url()}/{path}?{urlencode(query, doseq=True)}"
        return fetch_json(http, url, headers={"Authorization": f"Bearer {token}"})


def _written(
    kind: str,
    conversation: dict[str, Any],
    source: dict[str, Any],
    target: dict[str, Any],
    assignee: str | None,
    moment: datetime,
    whose: dict[str, Any],
) -> Iterator[Event]:
    """A comment in a colleague's conversation is help; an answer makes a recovery possible."""
    is_comment, number = kind == "comment", id_of(target.get("id"))
    author = id_of(object_of(target.get("author"), "author").get("id")) or _teammate(source)
    if number is None or author is None or (is_comment and assignee in (None, author)):
        return
    yield Event(
        key=f"{'comment' if is_comment else 'message'}/{number}",  # an answer has two events and is one message
        kind="help.given" if is_comment else "ticket.replied",
        occurred_at=moment,
        agents=(author,),
        giver=assignee if is_comment else None,
        object=None if is_comment else f"ticket/{whose['ticket']}",
        **whose,
        # The words stay in Front: a comment between colleagues was not written for a wall
    )


def _part(event: dict[str, Any], name: str) -> dict[str, Any]:
    """Who did it, or what it was done to: `data`, with its type as `_type`. Inboxes come as a list, and are nobody."""
    part = object_of(event.get(name), name)
    data = part.get("data")
    if not isinstance(data, dict):
        return {}
    return {**data, "_type": object_of(part.get("_meta"), f"{name}._meta").get("type")}


def _teammate(part: dict[str, Any]) -> str | None:
    return id_of(part.get("id")) if part.get("_type") == "teammate" else None


def _token(following: Any) -> str | None:
    """The page token in the next page's address; None on the last page."""
    if following is None:
        return None
    try:
        tokens = parse_qs(urlsplit(text_of(following, 4_000)).query).get("page_token", [])
    except ValueError:
        tokens = []
    if not tokens:
        raise Invalid("Front has more pages but does not say where to go on")
    return tokens[0]
