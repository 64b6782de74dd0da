"""Crisp: ratings, answers and passed-on thanks by web hook, signed or with a secret in its address; conversations by pull."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Literal
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
    promised,
    read_each,
    refuse_stale,
    refuse_unread,
    secret_matches,
    text_of,
    written,
    zone_name,
)

# Stars of a rating; how many are good and bad is a setting. It names no operator, so it is nobody's thanks.
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "bad": "rating.bad"}
RESOLVED = "state:resolved"  # an event among a conversation's messages
SPOKEN = ("text", "file", "audio", "animation", "picker", "field", "carousel")  # what reaches the customer

API = "https://api.crisp.chat"
OVERLAP = timedelta(minutes=5)
RECENT = timedelta(days=1)
MOST_PAGES = 1_000


class Crisp(Plugin):
    """`[plugins.crisp]`; the README beside this file says where to click for each of these."""

    title = "Crisp"
    # A delivery is tried several times; whether its stamp is of the first, Crisp does not say
    tolerance: ClassVar[timedelta] = timedelta(hours=1)
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.replied",
        "help.given",
        "promise.made",
        "promise.kept",
        "fact.withdrawn",
    )
    page_size: ClassVar[int] = 50
    to_tick = ("message:send", "message:received", "message:removed", "session:sync:rating")
    to_grant = (
        "website:conversation:sessions (read)",
        "website:conversation:messages (read)",
        "website:operators (read)",
    )

    website_id: str
    signing_secret: Secret | None = None  # of a plugin hook
    previous_signing_secret: Secret | None = None
    url_secret: Secret | None = None  # of a website hook, which signs nothing: it stands in its address
    previous_url_secret: Secret | None = None
    identifier: str | None = None  # of the plugin's token; left out: webhooks only
    key: Secret | None = None
    thanks_tag: str = "#thanks"  # a private note with it passes on a customer's words
    promise_field: str = "promised_for"  # of the conversation's custom data
    timezone: str = "UTC"  # of a promised time that does not say its own
    good_from: int = 4  # stars, of five
    bad_up_to: int = 2
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _timezone = field_validator("timezone")(zone_name)

    @field_validator("website_id")
    @classmethod
    def _is_website(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
            raise ValueError(
                "write the website's ID as Crisp shows it, as 42286ab3-b29a-4fde-8538-da0ae501d825"
            )
        return value

    @property
    def proof(self) -> Literal["body", "url"]:  # type: ignore[override]  # what is proven depends on the settings
        return "url" if self.signing_secret is None and self.url_secret is not None else "body"

    def verify(self, delivery: Delivery) -> None:
        """The hex HMAC-SHA256 of "[time stamp;body]", on plugin hooks only; https://docs.crisp.chat/references/web-hooks/v1/"""
        claimed = delivery.header("X-Crisp-Signature")
        if not claimed and self.url_secret is not None:
            if not secret_matches(
                (self.url_secret, self.previous_url_secret), delivery.args.get("secret", "")
            ):
                raise Refused(
                    "the address does not end in ?secret= and url_secret; compare the web hook's address"
                )
            return
        stamp = delivery.header("X-Crisp-Request-Timestamp")
        signed = b"[" + stamp.encode("utf-8", "replace") + b";" + delivery.body + b"]"
        secrets = (self.signing_secret, self.previous_signing_secret)
        if not hmac_matches(secrets, signed, claimed, encoding="hex"):
            raise Refused("the signature does not match; compare signing_secret with the plugin's")
        try:
            sent_at = _time(int(stamp))
        except (ValueError, Invalid):
            raise Refused("the time stamp is not a number") from None
        refuse_stale(sent_at, delivery.received_at, self.tolerance)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of an event of our website; nothing for others."""
        body = object_of(delivery.json(), "the body")
        data, kind = object_of(body.get("data"), "data"), body.get("event")
        if body.get("website_id") != self.website_id:
            return
        if kind in ("message:received", "message:send"):
            yield from self._message(_session(data), None, data)
        elif kind == "message:removed":
            session, number = _session(data), id_of(data.get("fingerprint"))
            if number is None:
                raise Invalid("a removed message does not say which it was")
            key, named = f"message/{session}/{number}/removed", f"message/{session}/{number}/thanks"
            yield Event(key, "fact.withdrawn", _time(body.get("timestamp")), object=named, ticket=session)
        elif kind == "session:sync:rating":
            yield from self._rating(_session(data), data.get("rating"), _time(body.get("timestamp")))

    def _rating(self, session: str, item: Any, moment: datetime) -> Iterator[Event]:
        """Crisp tells neither whom a rating is about nor lists ratings: it is kept, opens a follow-up, and credits nobody."""
        rating = object_of(item, "rating")
        stars = rating.get("stars")
        if type(stars) is not int or not 0 < stars <= 5:
            return
        word = "good" if stars >= self.good_from else "bad" if stars <= self.bad_up_to else None
        if word:
            yield Event(
                key=f"rating/{session}/{word}",
                kind=RATING_KINDS[word],
                occurred_at=moment,
                customer=session,
                object=f"rating/{session}",
                ticket=session,
                text=text_of(rating.get("comment") or "").strip() or None,
                url=self._link(session),
                evidence={"stars": stars},
            )

    def _message(self, session: str, owner: str | None, item: dict[str, Any]) -> Iterator[Event]:
        """An operator's message: an answer, the end of the conversation, a passed-on thanks, or help for its `owner`.

        A webhook does not tell the owner, so help comes by pull. The words of other notes stay in Crisp.
        """
        user, kind = object_of(item.get("user"), "user"), item.get("type")
        operator, number = id_of(user.get("user_id")), id_of(item.get("fingerprint"))
        is_person = user.get("type") in (None, "operator") and item.get("automated") is not True
        if item.get("from") != "operator" or operator is None or number is None or not is_person:
            return
        about, moment = f"message/{session}/{number}", _time(item.get("timestamp"))
        whose: dict[str, Any] = {"ticket": session, "url": self._link(session)}
        if kind == "event":
            if object_of(item.get("content"), "content").get("namespace") == RESOLVED:
                ticket = f"ticket/{session}"
                yield Event(f"{about}/solved", "ticket.solved", moment, (operator,), object=ticket, **whose)
        elif kind in SPOKEN:
            yield from written(about, operator, owner, moment, private=False, **whose)
        elif kind == "note":
            words, is_thanks = self._passed_on(text_of(item.get("content") or "", 20_000))
            named = [id_of(mention) for mention in list_of(item.get("mentions") or [], "mentions")]
            agents = tuple(agent for agent in named if agent)[:50] or ((owner,) if owner else ())
            if is_thanks and agents:
                yield Event(
                    key=f"{about}/thanks",
                    kind="thanks.received",
                    occurred_at=moment,
                    agents=agents,
                    giver=operator,  # nobody earns by thanking themselves
                    customer=session,
                    object=f"rating/{session}",
                    text=words or None,
                    **whose,
                )
            elif not is_thanks:
                yield from written(about, operator, owner, moment, private=True, **whose)

    def _passed_on(self, note: str) -> tuple[str, bool]:
        """A note's words without the tag of thanks, and whether it had one; in whatever case it is written."""
        tag = self.thanks_tag.strip()
        parts = re.split(rf"(?<!\S){re.escape(tag)}(?!\w)", note, flags=re.IGNORECASE) if tag else [note]
        return text_of("".join(parts).strip()), len(parts) > 1

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return API if self.identifier and self.key else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The conversations that changed, the newest first, with what was written in them.

        The cursor is the moment up to which all were read. It moves with the last page only: broken off in between, the next
        pull begins with the newest again.
        """
        place = dict(parse_qsl(since or "", max_num_fields=4))
        if since is None:
            place["read"] = iso(beginning(self.pull_from, self._get(http, "operators/list").served_at))
        try:
            begin = parse_time(place.get("read", "")) - OVERLAP
        except Invalid:
            raise Invalid("the cursor does not hold `read`; it was not written by this plugin") from None
        read = partial(self._conversation, http, begin - (RECENT if since else timedelta()))
        unread: list[str] = []
        until: datetime | None = None
        before = list[Any]()
        query = {"per_page": str(self.page_size), "order_date_updated": "1"}
        for page in range(1, MOST_PAGES + 1):
            answer = self._get(http, f"conversations/{page}", query)
            until, items = until or answer.served_at, _data(answer)
            if items and items == before:
                break
            changes = [read_each([item], _changed_at, []) for item in items]
            # One whose time cannot be read is read all the same: that says what is wrong with it
            fresh = [item for item, at in zip(items, changes, strict=True) if not at or at[0] >= begin]
            # Within a page the oldest first, so that what was told later counts later
            yield Page(tuple(read_each(reversed(fresh), read, unread)), urlencode(place))
            if len(items) < self.page_size or any(at and at[0] < begin for at in changes):
                refuse_unread(unread)
                yield Page((), urlencode({"read": iso(max(until or begin, begin))}), last=True)
                return
            before = items
        raise Invalid("Crisp's list of conversations goes round in a circle or does not end")

    def _conversation(self, http: httpx.Client, begin: datetime, item: Any) -> Iterator[Event]:
        conversation = object_of(item, "a conversation")
        session, (changed_at,) = _session(conversation), _changed_at(conversation)
        owner = id_of(object_of(conversation.get("assigned"), "assigned").get("user_id"))
        events = [
            event
            for message in self._messages(http, session, begin)
            for event in self._message(session, owner, object_of(message, "a message"))
            if event.occurred_at >= begin
        ]
        yield from events
        meta = object_of(conversation.get("meta"), "meta")
        due = object_of(meta.get("data"), "custom data").get(self.promise_field)
        if due in (None, "") or owner is None:
            return
        about, due_at = f"promise/{session}", parse_due(due, self.timezone)
        solved = [event.occurred_at for event in events if event.kind == "ticket.solved"]
        kept_at = max(solved, default=changed_at) if conversation.get("state") == "resolved" else None
        whose: dict[str, Any] = {"ticket": session, "url": self._link(session), "customer": session}
        yield from promised(about, (owner,), changed_at, due_at, kept_at, **whose)

    def _messages(self, http: httpx.Client, session: str, begin: datetime) -> Iterator[Any]:
        """A conversation's messages since, page by page back in time."""
        before: int | None = None
        for _ in range(MOST_PAGES):
            query = {"timestamp_before": str(before)} if before else {}
            messages = _data(self._get(http, f"conversation/{session}/messages", query))
            yield from messages
            stamps = [object_of(message, "a message").get("timestamp") for message in messages]
            oldest = min((stamp for stamp in stamps if type(stamp) is int), default=None)
            if oldest is None or _time(oldest) < begin or (before is not None and oldest >= before):
                return
            before = oldest

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The website's operators. They sign in by their address, so it is theirs."""
        for item in _data(self._get(http, "operators/list")):
            operator = object_of(item, "an operator")
            details = object_of(operator.get("details"), "details")
            number = id_of(details.get("user_id"))
            if number and operator.get("type") in (None, "operator"):
                names = (text_of(details.get(name) or "", 100) for name in ("first_name", "last_name"))
                name = " ".join(part for part in names if part) or number
                yield Account(number, id_of(details.get("email")), name)

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The two signed headers of a plugin hook; none for a website hook, whose address is its proof."""
        if self.signing_secret is None:
            return {}
        stamp = str(int(moment.timestamp() * 1000))
        signed = b"[" + stamp.encode() + b";" + body + b"]"
        signature = hmac_of(self.signing_secret, signed, encoding="hex")
        return {"X-Crisp-Request-Timestamp": stamp, "X-Crisp-Signature": signature}

    def _get(self, http: httpx.Client, path: str, query: dict[str, str] | None = None) -> Answer:
        key = self.key.get_secret_value() if self.key else ""
        url = f"{self.api_url()}/v1/website/{self.website_id}/{path}?{urlencode(query or {})}".rstrip("?")
        auth = httpx.BasicAuth(self.identifier or "", key)
        # A page of a list that has more may be 206
        return fetch_json(http, url, auth=auth, headers={"X-Crisp-Tier": "plugin"}, part_ok=True)

    def _link(self, session: str) -> str:
        return f"https://app.crisp.chat/website/{self.website_id}/inbox/{session}/"


def _data(answer: Answer) -> list[Any]:
    return list_of(object_of(answer.json, "the answer").get("data"), "data")


def _session(item: dict[str, Any]) -> str:
    session = item.get("session_id")
    if not isinstance(session, str) or not re.fullmatch(r"session_[0-9A-Za-z-]{1,60}", session):
        raise Invalid("there is no session_id where Crisp puts one")
    return session


def _changed_at(item: Any) -> list[datetime]:
    return [_time(object_of(item, "a conversation").get("updated_at"))]


def _time(value: Any) -> datetime:
    """Crisp counts milliseconds; some of its stamps were seen in seconds."""
    if type(value) is not int:
        raise Invalid("there is no time where Crisp puts one")
    return parse_time(value / 1000 if value > 10**11 else value)
