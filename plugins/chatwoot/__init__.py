"""Chatwoot: webhooks of conversations and messages, signed in newer versions, and a pull of survey answers and articles."""

from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

import httpx
from pydantic import Field, field_validator

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
    promised,
    read_each,
    refuse_stale,
    refuse_unread,
    secret_matches,
    text_of,
    web_address,
    written,
    zone_name,
)

# One to five: the faces of the survey. Three is neither good nor bad.
GOOD, BAD = (4, 5), (1, 2)
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
PUBLISHED = ("published", 1)

FAR = 4_102_444_800  # `since` is looked at only where `until` stands beside it
MOST_PAGES = 1_000


class Chatwoot(Plugin):
    """`[plugins.chatwoot]`; the README beside this file says where to click for each of these."""

    title = "Chatwoot"
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.reopened",
        "ticket.replied",
        "help.given",
        "knowledge.shared",
        "promise.made",
        "promise.kept",
    )
    to_tick = (
        "Message created",
        "Message updated",
        "Conversation updated",
        "Conversation status changed",
    )
    to_grant = ("Access token of an Administrator of this account",)

    address: str = "https://app.chatwoot.com"
    account_id: int
    secret: Secret | None = None  # of the webhook; left out: none, or by `url_secret` only
    previous_secret: Secret | None = None
    url_secret: Secret | None = None  # for versions that do not sign: it stands in the webhook's address
    previous_url_secret: Secret | None = None
    api_token: Secret | None = None  # left out: webhooks only
    thanks_label: str = "thanks"
    promise_attribute: str = "promised_for"
    timezone: str = "UTC"  # of a promised time that does not say its own
    portal: str | None = None  # the help centre whose articles are read, by the name in its address
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it
    look_back_hours: int = Field(
        24, ge=1, le=24 * 14
    )  # ratings this old are read again, in case one was changed

    @property
    def proof(self) -> Literal["body", "url"]:  # type: ignore[override]  # what is proven depends on the settings
        return "url" if self.secret is None and self.url_secret is not None else "body"

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    def verify(self, delivery: Delivery) -> None:
        """`sha256=` and the hex HMAC-SHA256 of time stamp, full stop and body; before 2026 Chatwoot signed nothing.

        https://github.com/chatwoot/chatwoot/blob/develop/lib/webhooks/trigger.rb
        """
        if not delivery.header("X-Chatwoot-Signature") and self.url_secret is not None:
            secrets = (self.url_secret, self.previous_url_secret)
            if not secret_matches(secrets, delivery.args.get("secret", "")):
                raise Refused(
                    "the address does not end in ?secret= and url_secret; compare the webhook's address"
                )
            return
        stamp = delivery.header("X-Chatwoot-Timestamp")
        algorithm, _, claimed = delivery.header("X-Chatwoot-Signature").partition("=")
        signed = stamp.encode("utf-8", "replace") + b"." + delivery.body
        matches = hmac_matches((self.secret, self.previous_secret), signed, claimed, encoding="hex")
        if not matches or algorithm != "sha256":
            raise Refused("the signature does not match; compare the webhook's secret on both sides")
        try:
            sent_at = parse_time(int(stamp))
        except (ValueError, Invalid):
            raise Refused("the time stamp is not a number of seconds") from None
        refuse_stale(sent_at, delivery.received_at)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of a message or of a change of a conversation; nothing for all else."""
        body = object_of(delivery.json(), "the body")
        name = text_of(body.get("event") or "", 60)
        if name in ("message_created", "message_updated"):
            conversation = object_of(body.get("conversation"), "conversation")
            # The message touches its conversation, whose time is therefore the message's change
            changed_at = _time(conversation.get("updated_at")) or delivery.received_at
            if body.get("content_type") == "input_csat":
                yield from self._answered(body, conversation, changed_at)
            elif name == "message_created":
                yield from self._message(body, conversation)
                yield from self._promised(conversation, changed_at)
        elif name in ("conversation_updated", "conversation_status_changed"):
            changed_at = _time(body.get("updated_at")) or _time(body.get("timestamp")) or delivery.received_at
            solved_at = None
            if name == "conversation_status_changed":
                solved_at = changed_at if body.get("status") == "resolved" else None
                yield from self._status(body, changed_at)
            yield from self._promised(body, changed_at, solved_at)
            yield from self._labelled(body, changed_at)

    def _answered(
        self, message: dict[str, Any], conversation: dict[str, Any], changed_at: datetime
    ) -> Iterator[Event]:
        """A survey is a message, and its answer stands in it."""
        submitted = object_of(message.get("content_attributes"), "content_attributes").get("submitted_values")
        answer = object_of(submitted, "submitted_values").get("csat_survey_response")
        answer = object_of(answer, "csat_survey_response")
        sender = object_of(object_of(conversation.get("meta"), "meta").get("sender"), "meta.sender")
        yield from self._rating(
            message=message.get("id"),
            conversation=_number(conversation),
            value=answer.get("rating"),
            words=answer.get("feedback_message"),
            agent=_assignee(conversation),
            customer=id_of(sender.get("id")),
            moment=changed_at,
        )

    def _rating(
        self,
        *,
        message: Any,
        conversation: str,
        value: Any,
        words: Any,
        agent: str | None,
        customer: str | None,
        moment: datetime,
    ) -> Iterator[Event]:
        """A rating, the same whichever road it came by: both know the message of the survey."""
        if isinstance(value, bool) or value not in GOOD + BAD:
            return
        number = id_of(message)
        if number is None:
            raise Invalid("the rating does not say which message it answers")
        text = text_of(words or "").strip() or None
        word = "bad" if value in BAD else "thanks" if text else "good"
        yield Event(
            key=f"rating/{number}/{word}",
            kind=RATING_KINDS[word],
            occurred_at=moment,
            agents=(agent,) if agent else (),
            customer=customer,
            object=f"rating/{conversation}",  # each survey is rated by itself: a later good one mends an earlier bad one
            ticket=conversation,
            text=text,
            url=self._link(conversation),
        )

    def _message(self, message: dict[str, Any], conversation: dict[str, Any]) -> Iterator[Event]:
        """A private note in a colleague's conversation is help; a public answer makes a recovery possible."""
        sender, number = object_of(message.get("sender"), "sender"), id_of(message.get("id"))
        author = id_of(sender.get("id")) if sender.get("type") == "user" else None  # bots are agent_bot
        private, owner = message.get("private") is True, _assignee(conversation)
        if message.get("message_type") not in ("outgoing", 1) or author is None or number is None:
            return
        moment = _time(message.get("created_at"))
        if moment is None:
            raise Invalid("the message does not say when it was written")
        ticket = _number(conversation)
        whose: dict[str, Any] = {"private": private, "ticket": ticket, "url": self._link(ticket)}
        yield from written(f"message/{number}", author, owner, moment, **whose)

    def _status(self, conversation: dict[str, Any], changed_at: datetime) -> Iterator[Event]:
        number, agent, status = _number(conversation), _assignee(conversation), conversation.get("status")
        before = None
        for change in list_of(conversation.get("changed_attributes") or [], "changed_attributes"):
            change = object_of(change, "a change")
            before = before or object_of(change.get("status"), "status").get("previous_value")
        reopened = status == "open" and before == "resolved"
        if status == "resolved" or reopened:
            yield Event(
                key=f"conversation/{number}/{'reopened' if reopened else 'solved'}/{iso(changed_at)}",
                kind="ticket.reopened" if reopened else "ticket.solved",
                occurred_at=changed_at,
                agents=(agent,) if agent and not reopened else (),
                object=f"ticket/{number}",
                ticket=number,
                url=self._link(number),
            )

    def _promised(
        self, conversation: dict[str, Any], changed_at: datetime, solved_at: datetime | None = None
    ) -> Iterator[Event]:
        """The time in the attribute is a promise of the assignee; resolving by then keeps it."""
        due = object_of(conversation.get("custom_attributes"), "custom_attributes").get(
            self.promise_attribute
        )
        agent = _assignee(conversation)
        if due is None or due == "" or agent is None:
            return
        number, due_at = _number(conversation), parse_due(due, self.timezone)
        about, url = f"promise/{number}", self._link(number)
        yield from promised(about, (agent,), changed_at, due_at, solved_at, ticket=number, url=url)

    def _labelled(self, conversation: dict[str, Any], changed_at: datetime) -> Iterator[Event]:
        """The customer's newest message of a conversation with the label."""
        if self.thanks_label not in list_of(conversation.get("labels") or [], "labels"):
            return
        number, agent = _number(conversation), _assignee(conversation)
        sender = object_of(object_of(conversation.get("meta"), "meta").get("sender"), "meta.sender")
        said = [
            text_of(message.get("content") or "")
            for message in map(_message_of, list_of(conversation.get("messages") or [], "messages"))
            if message.get("message_type") in (0, "incoming")
        ]
        yield Event(
            key=f"thanks/{number}",
            kind="thanks.received",
            occurred_at=changed_at,
            agents=(agent,) if agent else (),
            customer=id_of(sender.get("id")),
            object=f"rating/{number}",
            ticket=number,
            text=(said[-1].strip() if said else "") or None,
            url=self._link(number),
        )

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.api_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The survey's answers, then the help centre's articles.

        The cursor is a query string of the Unix seconds up to which each list was read; they move with its last page.
        """
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            begin = int(beginning(self.pull_from, self._get(http, "agents", {}).served_at).timestamp())
            place = {"ratings": str(begin), "articles": str(begin)}
        unread: list[str] = []
        begin = _seconds(place, "ratings") - self.look_back_hours * 3600
        query = {"since": str(max(begin, 0)), "until": str(FAR), "sort": "created_at"}
        for items, until in self._pages(http, "csat_survey_responses", query):
            events = read_each(items, self._pulled, unread)
            if not items:
                place["ratings"] = str(max(until, _seconds(place, "ratings")))
            yield Page(tuple(events), urlencode(place))
        if self.portal:
            begin = _seconds(place, "articles")
            read = partial(self._article, begin - 3600)
            for items, until in self._pages(http, f"portals/{quote(self.portal, safe='')}/articles", {}):
                events = read_each(items, read, unread)
                if not items:
                    place["articles"] = str(max(until, begin))
                yield Page(tuple(events), urlencode(place))
        yield Page((), urlencode(place), last=not unread)
        refuse_unread(unread)

    def _pages(self, http: httpx.Client, path: str, query: dict[str, str]) -> Iterator[tuple[list[Any], int]]:
        """A list's pages and when its reading began, by Chatwoot's clock; the last one is empty."""
        before: list[Any] = []
        until = 0
        for page in range(1, MOST_PAGES):
            answer = self._get(http, path, {**query, "page": str(page)})
            if page == 1 and answer.served_at:
                until = int(answer.served_at.timestamp())
            value = answer.json
            items = list_of(value.get("payload") if isinstance(value, dict) else value, f"the list of {path}")
            if items == before:  # an account that does not count its pages
                items = []
            yield items, until
            if not items:
                return
            before = items
        raise Invalid(f"Chatwoot's list of {path} does not end")

    def _pulled(self, item: Any) -> Iterator[Event]:
        answer = object_of(item, "an answer")
        agent = object_of(answer.get("assigned_agent"), "assigned_agent")  # who had it when it was rated
        moment = _time(answer.get("created_at"))
        if moment is None:
            raise Invalid("an answer does not say when it was given")
        yield from self._rating(
            message=answer.get("message_id"),
            conversation=_number({"id": answer.get("conversation_id")}),
            value=answer.get("rating"),
            words=answer.get("feedback_message"),
            agent=id_of(agent.get("id")),
            customer=id_of(object_of(answer.get("contact"), "contact").get("id")),
            moment=moment,
        )

    def _article(self, begin: int, item: Any) -> Iterator[Event]:
        article = object_of(item, "an article")
        number, author = id_of(article.get("id")), id_of(object_of(article.get("author"), "author").get("id"))
        if article.get("status") not in PUBLISHED or author is None or number is None:
            return
        moment = _time(article.get("updated_at"))
        if moment and moment.timestamp() >= begin:
            title = article.get("title")
            yield Event(
                key=f"article/{number}/published",
                kind="knowledge.shared",
                occurred_at=moment,
                agents=(author,),
                object=f"article/{number}",
                evidence={"title": text_of(title, 200)} if title else {},
            )

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The agents; `confirmed` is Chatwoot's word for an address that was confirmed."""
        for item in list_of(self._get(http, "agents", {}).json, "the list of agents"):
            agent = object_of(item, "an agent")
            number = id_of(agent.get("id"))
            if number:
                name = text_of(agent.get("name") or number, 200)
                yield Account(
                    number, id_of(agent.get("email")), name, verified=agent.get("confirmed") is True
                )

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The two signed headers of a Chatwoot webhook."""
        stamp = str(int(moment.timestamp()))
        signature = hmac_of(self.secret or Secret(""), stamp.encode() + b"." + body, encoding="hex")
        return {"X-Chatwoot-Timestamp": stamp, "X-Chatwoot-Signature": f"sha256={signature}"}

    def _get(self, http: httpx.Client, path: str, query: dict[str, str]) -> Answer:
        token = self.api_token.get_secret_value() if self.api_token else ""
        url = f"{self.api_url()}/api/v1/accounts/{self.account_id}/{path}?{urlencode(query)}"
        return fetch_json(http, url, headers={"api_access_token": token})

    def _link(self, number: str) -> str:
        return f"{self.address}/app/accounts/{self.account_id}/conversations/{number}"


def _assignee(conversation: dict[str, Any]) -> str | None:
    """Who has the conversation; nobody where it is a bot."""
    meta = object_of(conversation.get("meta"), "meta")
    if meta.get("assignee_type") not in (None, "User"):
        return None
    return id_of(object_of(meta.get("assignee"), "meta.assignee").get("id"))


def _number(conversation: dict[str, Any]) -> str:
    """What people call a conversation; older versions write it beside another id."""
    number = id_of(conversation.get("display_id")) or id_of(conversation.get("id"))
    if number is None:
        raise Invalid("the conversation has no number")
    return number


def _message_of(value: Any) -> dict[str, Any]:
    return object_of(value, "a message")


def _time(value: Any) -> datetime | None:
    """Seconds, or a text that may end in " UTC"; None where there is none."""
    if value is None or value == "" or value == 0:
        return None
    if isinstance(value, str) and value.endswith(" UTC"):
        value = value.removesuffix(" UTC") + "Z"
    return parse_time(value)


def _seconds(place: dict[str, str], name: str) -> int:
    value = place.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 11):
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin")
    return int(value)
