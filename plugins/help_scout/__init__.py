"""Help Scout: ratings and conversations by webhook and by pull, articles of its Docs by pull."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx
from pydantic import Field, field_validator

from leaderboard.plugin import (
    Account,
    Delivery,
    Event,
    Invalid,
    Page,
    Plugin,
    Refused,
    Secret,
    beginning,
    fetch_json,
    fetch_token,
    hmac_matches,
    hmac_of,
    id_of,
    iso,
    list_of,
    object_of,
    parse_time,
    read_each,
    refuse_unread,
    text_of,
    walk,
    zone_name,
)

from .conversations import RATING_KINDS, Marks, facts_of, link

API = "https://api.helpscout.net"
DOCS_API = "https://docsapi.helpscout.net"

# Webhooks of version 2 say great, okay, not_good, unknown; those of version 1 said Great, Okay, Bad; the report numbers them.
GOOD, BAD = {"great", 1}, {"not_good", "bad", 3}
OVERLAP = timedelta(minutes=5)  # a change is listed some seconds later


class HelpScout(Plugin):
    """`[plugins.help_scout]`; the README beside this file says where to click for each of these."""

    title = "Help Scout"
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
        "Satisfaction Ratings: Rating received",
        "Conversations: Note created",
        "Conversations: Agent reply created",
        "Conversations: Status updated",
        "Conversations: Tags updated",
        "Conversations: Custom fields updated",
    )
    to_grant = (
        "an app of a user who sees every mailbox, with access to Reports",
        "Docs: Create new, edit settings & Collections, with docs_api_key",
    )
    api_hosts = ("docsapi.helpscout.net",)

    secret: Secret
    previous_secret: Secret | None = None
    app_id: str | None = None  # of an app with the client credentials flow; left out: webhooks only
    app_secret: Secret | None = None
    read_ratings: bool = True  # the report needs a Plus or Pro plan
    read_conversations: bool = True
    docs_api_key: Secret | None = None  # left out: no articles
    thanks_tag: str = "thanks"
    unhappy_tag: str = "unhappy"
    promise_field: str = "Promised for"  # a custom field of conversations
    timezone: str = "UTC"  # of a promised time that does not say its own
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it
    look_back_hours: int = Field(
        24, ge=1, le=24 * 14
    )  # ratings this old are read again, in case one was late or changed

    _timezone = field_validator("timezone")(zone_name)

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
        """The facts of a rating or of a conversation; nothing for all else, `helpscout.test` included.

        Only a header names the event, and the header is not signed: what the signed body is, it shows itself.
        """
        body = object_of(delivery.json(), "the body")
        if "rating" in body or "threadId" in body:
            yield from self._rated(body)
        elif "threads" in body or "_embedded" in body or "status" in body:
            yield from facts_of(body, None, self._marks())

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
        """The happiness ratings report, then the conversations that changed, then the articles.

        The cursor is a query string of moments, `ratings`, `conversations` and `articles`: up to where all of each was
        read. One moves with the last page of its list: broken off in between, the next pull reads that list again.
        """
        headers, served_at = self._sign_in(http)
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            begin = iso(beginning(self.pull_from, served_at))
            place = dict.fromkeys(("ratings", "conversations", "articles"), begin)
        lists = {
            "ratings": (self.read_ratings, partial(self._ratings, http, headers, served_at)),
            "conversations": (self.read_conversations, partial(self._conversations, http, headers)),
            "articles": (self.docs_api_key is not None, partial(self._articles, http)),
        }
        unread: list[str] = []
        for name, (wanted, read) in lists.items():
            if wanted:
                known = _moment(place, name)
                for events in read(known, unread):
                    yield Page(tuple(events), urlencode(place))
                place[name] = iso(max(served_at or known, known))
        yield Page((), urlencode(place), last=not unread)
        refuse_unread(unread)

    def _ratings(
        self,
        http: httpx.Client,
        headers: dict[str, str],
        served_at: datetime | None,
        begin: datetime,
        unread: list[str],
    ) -> Iterator[list[Event]]:
        query = {
            "start": iso(begin - timedelta(hours=self.look_back_hours)),
            "rating": "all",
            "sortField": "modifiedAt",
            "sortOrder": "ASC",
        }
        if served_at:
            query["end"] = iso(served_at)
        url = f"{self.api_url()}/v2/reports/happiness/ratings"
        for answer in _walk(http, url, query, lambda value: _next_page(value, "pages"), headers=headers):
            yield read_each(list_of(answer.get("results"), "results"), _reported, unread)

    def _conversations(
        self, http: httpx.Client, headers: dict[str, str], begin: datetime, unread: list[str]
    ) -> Iterator[list[Event]]:
        """The newest change first: one that changes meanwhile moves to the front, and hides no other between two pages."""
        query = {"status": "all", "embed": "threads", "modifiedSince": iso(begin - OVERLAP)}
        query |= {"sortField": "modifiedAt", "sortOrder": "desc"}
        url = f"{self.api_url()}/v2/conversations"
        read = partial(facts_of, begin=begin - OVERLAP, marks=self._marks())
        for answer in _walk(http, url, query, _hal_page, headers=headers):
            embedded = object_of(answer.get("_embedded"), "_embedded")
            yield read_each(list_of(embedded.get("conversations", []), "conversations"), read, unread)

    def _articles(self, http: httpx.Client, begin: datetime, unread: list[str]) -> Iterator[list[Event]]:
        """What was published since, from each collection of the Docs; https://developer.helpscout.com/docs-api/"""
        key = self.docs_api_key.get_secret_value() if self.docs_api_key else ""
        read = partial(_published, begin - OVERLAP)

        def listed(path: str, name: str, **query: str) -> Iterator[list[Any]]:
            pages = partial(_docs_page, name)
            url = f"{self.docs_url()}/v1/{path}"
            for answer in _walk(http, url, query, pages, auth=httpx.BasicAuth(key, "X")):
                yield list_of(object_of(answer.get(name), name).get("items"), "items")

        for collections in listed("collections", "collections"):
            for number in read_each(collections, _ids, unread):
                newest = {"status": "published", "sort": "updatedAt", "order": "desc"}
                for articles in listed(
                    f"collections/{quote(number, safe='')}/articles", "articles", **newest
                ):
                    yield read_each(articles, read, unread)
                    if any(moment < begin - OVERLAP for moment in read_each(articles, _updated, [])):
                        break

    def _marks(self) -> Marks:
        return Marks(self.thanks_tag, self.unhappy_tag, self.promise_field, self.timezone)

    def docs_url(self) -> str:
        return DOCS_API

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The account's users. Help Scout confirms an address before its user can sign in."""
        headers, _ = self._sign_in(http)
        for answer in _walk(http, f"{self.api_url()}/v2/users", {}, _hal_page, headers=headers):
            embedded = object_of(answer.get("_embedded"), "_embedded")
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
        url=link(conversation, number),
    )


def _reported(found: Any) -> Iterator[Event]:
    item = object_of(found, "a rating")
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


def _published(begin: datetime, item: Any) -> Iterator[Event]:
    article = object_of(item, "an article")
    number, author = id_of(article.get("id")), id_of(article.get("createdBy"))
    if article.get("status") != "published" or not article.get("lastPublishedAt") or author is None:
        return
    moment = parse_time(article["lastPublishedAt"], assume_utc=True)
    if number is None:
        raise Invalid("an article has no id")
    if moment >= begin:
        about = f"article/{number}"
        address = text_of(article.get("publicUrl") or "")
        yield Event(
            f"{about}/published", "knowledge.shared", moment, (author,), object=about, url=address or None
        )


def _ids(item: Any) -> list[str]:
    number = id_of(object_of(item, "a collection").get("id"))
    return [number] if number else []


def _updated(item: Any) -> list[datetime]:
    return [parse_time(object_of(item, "an article").get("updatedAt"), assume_utc=True)]


def _walk(
    http: httpx.Client,
    url: str,
    query: dict[str, str],
    next_page: Callable[[dict[str, Any]], int | None],
    **request: Any,
) -> Iterator[dict[str, Any]]:
    """The answers of a list, page by page."""

    def following(value: Any) -> str | None:
        page = next_page(object_of(value, "the answer"))
        return f"{url}?{urlencode({**query, 'page': page})}" if page else None

    first = f"{url}?{urlencode({**query, 'page': 1})}"
    for answer in walk(first, partial(fetch_json, http, **request), following):
        yield object_of(answer.json, "the answer")


def _hal_page(value: dict[str, Any]) -> int | None:
    return _next_page(object_of(value.get("page"), "page"), "totalPages", "number")


def _docs_page(name: str, value: dict[str, Any]) -> int | None:
    return _next_page(object_of(value.get(name), name), "pages")


def _next_page(page: dict[str, Any], total: str, current: str = "page") -> int | None:
    """The number after the current page, None on the last."""
    here, last = page.get(current, 1), page.get(total, 1)
    if type(here) is not int or type(last) is not int or here < 1:
        raise Invalid("the list does not number its pages")
    return here + 1 if here < last else None


def _moment(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
