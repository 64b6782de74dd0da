"""Help Scout: satisfaction ratings, notes and replies by webhook; the happiness ratings report by pull."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import Field

from leaderboard.plugin import (
    Account,
    Delivery,
    Event,
    Invalid,
    Kind,
    Page,
    Plugin,
    Refused,
    Secret,
    fetch_json,
    fetch_token,
    hmac_matches,
    hmac_of,
    id_of,
    list_of,
    object_of,
    parse_time,
    text_of,
    walk,
)

API = "https://api.helpscout.net"

# Webhooks of version 2 say great, okay, not_good, unknown; those of version 1 said Great, Okay, Bad; the report numbers them.
GOOD, BAD = {"great", 1}, {"not_good", "bad", 3}
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
THREAD_TYPES = {"convo.note.created": {"note"}, "convo.agent.reply.created": {"reply", "message"}}


class HelpScout(Plugin):
    """`[plugins.help_scout]`; the README beside this file says where to click for each of these."""

    title = "Help Scout"
    earns = ("thanks.received", "rating.good", "rating.bad", "ticket.replied", "help.given")
    to_tick = (
        "Satisfaction Ratings: Rating received",
        "Conversations: Note created",
        "Conversations: Agent reply created",
    )
    to_grant = ("an app of a user who sees every mailbox, with access to Reports",)

    secret: Secret
    previous_secret: Secret | None = None
    app_id: str | None = None  # of an app with the client credentials flow; left out: webhooks only
    app_secret: Secret | None = None
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it
    look_back_hours: int = Field(
        24, ge=1, le=24 * 14
    )  # ratings this old are read again, in case one was late or changed

    def verify(self, delivery: Delivery) -> None:
        """base64(HMAC-SHA1(secret, body)); https://developer.helpscout.com/webhooks/

        There is no time stamp in it, so an old delivery can be sent again: it carries the same facts and earns nothing new.
        """
        secrets = (self.secret, self.previous_secret)
        if not hmac_matches(
            secrets, delivery.body, delivery.header("X-HelpScout-Signature"), algorithm="sha1"
        ):
            raise Refused("the signature does not match; compare the webhook's secret key on both sides")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of a rating, a note or a reply; nothing for all else, `helpscout.test` included.

        Only the header names the event, and the header is not signed: it says where to look, the signed body what is true.
        """
        name = delivery.header("X-HelpScout-Event")
        if name == "satisfaction.ratings":
            yield from self._rated(object_of(delivery.json(), "the body"))
        elif name in THREAD_TYPES:
            yield from _written(name, object_of(delivery.json(), "the body"))

    def _rated(self, body: dict[str, Any]) -> Iterator[Event]:
        user = object_of(body.get("user"), "user")
        if not user and self.app_id:
            return  # version 1 does not say whose reply was rated; the pull brings the rating with its agent
        yield from _rating(
            thread=body.get("threadId"),
            value=text_of(body.get("rating"), 40).lower().replace(" ", "_"),
            agent=user.get("id"),
            customer=object_of(body.get("customer"), "customer").get("id"),
            conversation=body.get("conversationId", body.get("ticketId")),
            number=body.get("conversationNumber"),
            words=body.get("comments"),
            # Without a zone, though documented as UTC: "createdAt" : "2017-12-12T12:12:13"
            moment=parse_time(body.get("modifiedAt") or body.get("createdAt"), assume_utc=True),
        )

    def api_url(self) -> str | None:
        return API if self.app_id else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The happiness ratings report (Plus and Pro plans). The cursor is the moment up to which all was read, in UTC."""
        headers, served_at = self._sign_in(http)
        begin = parse_time(since) if since else self._beginning(served_at)
        query = {
            "start": _iso(begin - timedelta(hours=self.look_back_hours)),
            "rating": "all",
            "sortField": "modifiedAt",
            "sortOrder": "ASC",
        }
        if served_at:
            query["end"] = _iso(served_at)

        def following(value: Any) -> str | None:
            page = _next_page(object_of(value, "the answer"), "pages")
            return f"{url}?{urlencode({**query, 'page': page})}" if page else None

        url = f"{self.api_url()}/v2/reports/happiness/ratings"
        unread: list[str] = []
        first = f"{url}?{urlencode({**query, 'page': 1})}"
        for answer in walk(first, partial(fetch_json, http, headers=headers), following):
            events: list[Event] = []
            for item in list_of(object_of(answer.json, "the answer").get("results"), "results"):
                try:
                    events.extend(_reported(object_of(item, "a rating")))
                except Invalid as error:
                    unread.append(error.message)
            # The cursor moves with the last page only: broken off in between, the next pull reads the report again
            last = following(answer.json) is None
            yield Page(
                tuple(events), _iso(served_at if last and served_at else begin), last=last and not unread
            )
        if unread:
            raise Invalid(
                f"{len(unread)} ratings could not be read and were left out; the first: {unread[0]}"
            )

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The account's users. Help Scout confirms an address before its user can sign in."""
        headers, _ = self._sign_in(http)
        url = f"{self.api_url()}/v2/users"

        def following(value: Any) -> str | None:
            page = _next_page(
                object_of(object_of(value, "the answer").get("page"), "page"), "totalPages", "number"
            )
            return f"{url}?page={page}" if page else None

        for answer in walk(f"{url}?page=1", partial(fetch_json, http, headers=headers), following):
            embedded = object_of(object_of(answer.json, "the answer").get("_embedded"), "_embedded")
            for item in list_of(embedded.get("users"), "users"):
                user = object_of(item, "a user")
                number = id_of(user.get("id"))
                if number:
                    names = (text_of(user.get(name) or "", 100) for name in ("firstName", "lastName"))
                    name = " ".join(part for part in names if part) or number
                    yield Account(number, id_of(user.get("email")), name, bot=user.get("type") == "team")

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signed header of a Help Scout webhook; X-HelpScout-Event, which names the event, stands beside it unsigned."""
        return {"X-HelpScout-Signature": hmac_of(self.secret, body, algorithm="sha1")}

    def _sign_in(self, http: httpx.Client) -> tuple[dict[str, str], datetime | None]:
        """A token of the client credentials flow as a header, and what time it is by Help Scout's clock."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.app_id or "",
            "client_secret": self.app_secret.get_secret_value() if self.app_secret else "",
        }
        url = f"{self.api_url()}/v2/oauth2/token"
        token, served_at = fetch_token(http, url, form, "app_id and app_secret")
        return {"Authorization": f"Bearer {token}"}, served_at

    def _beginning(self, served_at: datetime | None) -> datetime:
        if self.pull_from:
            return datetime.combine(self.pull_from, time(0), UTC)
        if served_at is None:
            raise Invalid("Help Scout does not say what time it is; set pull_from to a date")
        return served_at - timedelta(days=7)


def _rating(
    *,
    thread: Any,
    value: Any,
    agent: Any,
    customer: Any,
    conversation: Any,
    number: Any,
    words: Any,
    moment: datetime,
) -> Iterator[Event]:
    """A rating, the same whichever road it came by. The report does not tell the rating's own id, so its thread names it."""
    thread, conversation = id_of(thread), id_of(conversation)
    if thread is None or conversation is None:
        raise Invalid("the rating does not say which reply and conversation it is about")
    if value not in GOOD | BAD:
        return  # okay and unknown are neither
    text = text_of(words or "").strip() or None
    word = "bad" if value in BAD else "thanks" if text else "good"
    agent = id_of(agent)
    yield Event(
        key=f"rating/{thread}/{word}",
        kind=RATING_KINDS[word],
        occurred_at=moment,
        agents=(agent,) if agent else (),
        customer=id_of(customer),
        object=f"rating/{conversation}",  # each reply is rated by itself: a later good one mends an earlier bad one
        ticket=conversation,
        text=text,
        url=_link(conversation, number),
    )


def _reported(item: dict[str, Any]) -> Iterator[Event]:
    value = item.get("ratingId")  # not an id: 1 great, 2 okay, 3 not good
    if not isinstance(value, int):
        raise Invalid("the report's ratingId is not a number")
    yield from _rating(
        thread=item.get("threadid"),
        value=value,
        agent=item.get("ratingUserId"),
        customer=item.get("ratingCustomerId"),
        conversation=item.get("id"),
        number=item.get("number"),
        words=item.get("ratingComments"),
        moment=parse_time(item.get("ratingCreatedAt"), assume_utc=True),
    )


def _written(name: str, body: dict[str, Any]) -> Iterator[Event]:
    """The newest note or reply of the conversation that came along; the older ones came with their own deliveries."""
    embedded = object_of(body.get("_embedded"), "_embedded")
    wanted = []
    for item in list_of(body.get("threads", embedded.get("threads")), "threads"):
        thread = object_of(item, "a thread")
        if text_of(thread.get("type") or "", 40) in THREAD_TYPES[name]:
            wanted.append(
                (parse_time(thread.get("createdAt"), assume_utc=True), id_of(thread.get("id")) or "", thread)
            )
    if not wanted:
        return
    moment, number, thread = max(wanted, key=lambda found: found[:2])
    author = object_of(thread.get("author", thread.get("createdBy")), "the thread's author")
    writer = id_of(author.get("id"))
    owner = id_of(object_of(body.get("assignee", body.get("owner")), "assignee").get("id"))
    conversation = id_of(body.get("id"))
    if not number or conversation is None:
        raise Invalid("the conversation or its thread has no id")
    note = name == "convo.note.created"
    if writer is None or author.get("type") != "user" or (note and owner in (None, writer)):
        return
    yield Event(
        key=f"thread/{number}/{'helped' if note else 'replied'}",
        kind="help.given" if note else "ticket.replied",
        occurred_at=moment,
        agents=(writer,),
        giver=owner if note else None,
        object=None if note else f"ticket/{conversation}",
        ticket=conversation,
        url=_link(conversation, body.get("number")),
        # The words stay in Help Scout: a note between colleagues was not written for a wall
    )


def _next_page(page: dict[str, Any], total: str, current: str = "page") -> int | None:
    """The number after the current page, None on the last."""
    here, last = page.get(current, 1), page.get(total, 1)
    if type(here) is not int or type(last) is not int or here < 1:
        raise Invalid("the list does not number its pages")
    return here + 1 if here < last else None


def _link(conversation: str, number: Any) -> str:
    shown = id_of(number)
    return f"https://secure.helpscout.net/conversation/{conversation}" + (f"/{shown}" if shown else "")


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
