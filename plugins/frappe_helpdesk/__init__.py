"""Frappe Helpdesk: tickets, comments, answers and articles, by webhooks that send them as the API does, and by pull."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode
from zoneinfo import ZoneInfo

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
    decode_json,
    fetch_json,
    hmac_matches,
    hmac_of,
    id_of,
    iso,
    list_of,
    object_of,
    parse_due,
    parse_time,
    read_each,
    refuse_unread,
    text_of,
    web_address,
    zone_name,
)

# Stars of five; Frappe keeps them as a fraction, five stars as 1
STARS = {5: "good", 4: "good", 2: "bad", 1: "bad"}
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}

TICKET = "HD Ticket"
TICKET_FIELDS = (
    "_assign",
    "status_category",
    "raised_by",
    "creation",
    "resolution_date",
    "is_merged",
    "feedback_rating",
    "feedback",
    "feedback_extra",
)
COMMENT, COMMENT_FIELDS = "HD Ticket Comment", ("reference_ticket", "commented_by")
ANSWER, ANSWER_FIELDS = "Communication", ("reference_name", "sender")
ANSWERS = [["reference_doctype", "=", TICKET], ["sent_or_received", "=", "Sent"]]
ARTICLE, ARTICLE_FIELDS = "HD Article", ("title", "author", "status", "published_on")
MOST_PAGES = 1_000
OVERLAP = timedelta(minutes=65)  # when clocks are put back, an hour's local times come twice
LATEST = timedelta(
    days=30
)  # a rating has no time of its own: one of a ticket resolved longer ago is an old one


class FrappeHelpdesk(Plugin):
    """`[plugins.frappe_helpdesk]`; the README beside this file says where to click for each of these."""

    title = "Frappe Helpdesk"
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.replied",
        "help.given",
        "knowledge.shared",
        "promise.made",
        "promise.kept",
    )
    to_tick = (
        "Webhook · HD Ticket · on_update, with the body of the guide",
        "Webhook · HD Ticket Comment · after_insert",
        "Webhook · Communication · after_insert",
        "Enable Security, with the secret as Webhook Secret",
    )
    to_grant = (
        "the roles Agent and Agent Manager",
        "the right to read Communication, for answers",
    )
    page_size: ClassVar[int] = 100

    address: str
    timezone: str  # of the site: Frappe writes its times without one
    secret: Secret
    previous_secret: Secret | None = None
    api_key: str | None = None  # left out: webhooks only
    api_secret: Secret | None = None
    promise_field: str | None = None  # the field with the promised time; left out: no promises
    read_comments: bool = True
    read_answers: bool = True
    read_articles: bool = True
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    @field_validator("promise_field")
    @classmethod
    def _is_field(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[a-z][a-z0-9_]{0,139}", value):
            raise ValueError('write the field\'s own name, as "custom_promised_for"')
        return value

    def verify(self, delivery: Delivery) -> None:
        """base64(HMAC-SHA256(secret, body)); https://docs.frappe.io/framework/user/en/guides/integration/webhooks

        Nothing tells when it was sent: an old one brings the same facts again and earns nothing new.
        """
        claimed = delivery.header("X-Frappe-Webhook-Signature")
        if not hmac_matches((self.secret, self.previous_secret), delivery.body, claimed):
            raise Refused("the signature does not match; compare secret with the webhook's Webhook Secret")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """A document with the fields that the API has, as the README's webhooks send it; nothing for other bodies."""
        body = object_of(delivery.json(), "the body")
        what = body.get("extra_mile")
        if what == "ticket":
            yield from self._ticket(body.get("doc"))
        elif what == "comment":
            comment = object_of(body.get("doc"), "doc")
            yield from self._comment(comment, {id_of(comment.get("reference_ticket")): body.get("assign")})
        elif what == "answer":
            yield from self._answer(body.get("doc"))
        elif what == "article":
            yield from self._article(body.get("doc"))

    # ------------------------------------------------------------ what both roads tell alike

    def _event(
        self, kind: Kind, key: str, ticket: str, at: datetime, agent: str | None, **more: Any
    ) -> Event:
        agents = (agent,) if agent else ()
        url = f"{self.address}/helpdesk/tickets/{quote(ticket, safe='')}"
        return Event(key=key, kind=kind, occurred_at=at, agents=agents, ticket=ticket, url=url, **more)

    def _ticket(self, item: Any, floor: datetime | None = None) -> Iterator[Event]:
        """What a ticket tells. `floor` is the beginning of all pulls: what was over by then is not told."""
        row = object_of(item, "a ticket")
        number, agent = _name(row), _assigned(row.get("_assign"))
        changed_at = self._time(row.get("modified"))
        solved = row.get("resolution_date") if row.get("status_category") == "Resolved" else None
        solved_at = self._time(solved) if solved else None
        if row.get("is_merged"):
            return  # it goes on in the other one
        if row.get("feedback_rating"):
            since = solved_at or self._time(row.get("creation") or row.get("modified"))
            if since >= max(changed_at - LATEST, floor or since):
                yield from self._rated(row, number, agent, changed_at)
        about, due = f"promise/{number}", row.get(self.promise_field) if self.promise_field else None
        if due and agent:
            due_at = parse_due(due, self.timezone)
            key = f"{about}/made/{iso(due_at)}"
            # On record since the change that we see: when the field was filled in, the ticket does not tell
            yield self._event("promise.made", key, number, changed_at, agent, object=about, due_at=due_at)
        if solved_at and solved_at >= (floor or solved_at):
            told = f"ticket/{number}"
            yield self._event(
                "ticket.solved", f"{told}/solved/{iso(solved_at)}", number, solved_at, agent, object=told
            )
            if due and agent:
                key = f"{about}/kept/{iso(solved_at)}"
                yield self._event("promise.kept", key, number, solved_at, agent, object=about)

    def _rated(self, row: dict[str, Any], number: str, agent: str | None, at: datetime) -> Iterator[Event]:
        """The customer's stars. Chosen from a list, `feedback` says why; `feedback_extra` are their own words."""
        words = text_of(row.get("feedback_extra") or "").strip()
        word = STARS.get(_stars(row["feedback_rating"]))
        if word is None:
            return
        word = "thanks" if word == "good" and words else word
        about, why = f"rating/{number}", text_of(row.get("feedback") or "", 140)
        yield self._event(
            RATING_KINDS[word],
            f"{about}/{word}",
            number,
            at,
            agent,
            object=about,
            customer=id_of(row.get("raised_by")),
            text=words or None,
            evidence={"feedback": why} if why else {},
        )

    def _comment(self, item: Any, assigned: dict[str | None, Any]) -> Iterator[Event]:
        """A comment, which only agents see, on a ticket that a colleague has. Its words stay in Frappe."""
        row = object_of(item, "a comment")
        ticket, author = id_of(row.get("reference_ticket")), id_of(row.get("commented_by"))
        owner = _assigned(assigned.get(ticket))
        if ticket and author and owner not in (None, author):
            at = self._time(row.get("creation"))
            yield self._event("help.given", f"comment/{_name(row)}", ticket, at, author, giver=owner)

    def _answer(self, item: Any) -> Iterator[Event]:
        row = object_of(item, "an answer")
        ticket, sender = id_of(row.get("reference_name")), id_of(row.get("sender"))
        if ticket and sender:
            at, key = self._time(row.get("creation")), f"answer/{_name(row)}"
            yield self._event("ticket.replied", key, ticket, at, sender, object=f"ticket/{ticket}")

    def _article(self, item: Any, floor: datetime | None = None) -> Iterator[Event]:
        row = object_of(item, "an article")
        author, published = id_of(row.get("author")), row.get("published_on")
        if row.get("status") != "Published" or author is None or not published:
            return
        at, number = self._time(published), _name(row)
        if at >= (floor or at):
            title = text_of(row.get("title") or "", 200)
            yield Event(
                key=f"article/{number}/published",
                kind="knowledge.shared",
                occurred_at=at,
                agents=(author,),
                object=f"article/{number}",
                url=f"{self.address}/helpdesk/kb-public/articles/{quote(number, safe='')}",
                evidence={"title": title} if title else {},
            )

    def _time(self, value: Any) -> datetime:
        """A time of the site's; a bare day means its beginning."""
        is_day = isinstance(value, str) and len(value) == len("2026-11-20")
        return parse_due(f"{value} 00:00:00" if is_day else value, self.timezone)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.api_key and self.api_secret else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """Tickets by their change, then comments, answers and articles.

        The cursor is a query string of moments: `from`, before which nothing counts, and up to where each kind was read.
        """
        place = dict(parse_qsl(since or "", max_num_fields=6))
        if since is None:
            begin = beginning(
                self.pull_from, self._get(http, "HD Agent", {"limit_page_length": "1"}).served_at
            )
            place = dict.fromkeys(("from", TICKET, COMMENT, ANSWER, ARTICLE), iso(begin))
        floor, unread = _moment(place, "from"), list[str]()
        fields = (*TICKET_FIELDS, *filter(None, [self.promise_field]))
        read: Callable[[Any], Iterable[Event]]
        for rows in self._rows(http, TICKET, fields, "modified", [], place):
            read = partial(self._ticket, floor=floor)
            yield Page(tuple(read_each(rows, read, unread)), urlencode(place))
        if self.read_comments:
            for rows in self._rows(http, COMMENT, COMMENT_FIELDS, "creation", [], place):
                read = partial(self._comment, assigned=self._assigned_to(http, rows))
                yield Page(tuple(read_each(rows, read, unread)), urlencode(place))
        if self.read_answers:
            for rows in self._rows(http, ANSWER, ANSWER_FIELDS, "creation", ANSWERS, place):
                yield Page(tuple(read_each(rows, self._answer, unread)), urlencode(place))
        if self.read_articles:
            published = [["status", "=", "Published"]]
            for rows in self._rows(http, ARTICLE, ARTICLE_FIELDS, "modified", published, place):
                read = partial(self._article, floor=floor)
                yield Page(tuple(read_each(rows, read, unread)), urlencode(place))
        refuse_unread(unread)
        yield Page((), urlencode(place), last=True)

    def _assigned_to(self, http: httpx.Client, rows: list[Any]) -> dict[str | None, Any]:
        """Who has the tickets of these comments."""
        numbers = {number for row in rows for number in read_each([row], _ticket_of, [])}
        if not numbers:
            return {}
        asked = {
            "fields": json.dumps(["name", "_assign"]),
            "filters": json.dumps([["name", "in", sorted(numbers)]]),
            "limit_page_length": str(len(numbers)),
        }
        found = _data(self._get(http, TICKET, asked))
        return {id_of(ticket.get("name")): ticket.get("_assign") for ticket in found}

    def _rows(
        self,
        http: httpx.Client,
        kind: str,
        fields: tuple[str, ...],
        by: str,
        filters: list[list[str]],
        place: dict[str, str],
    ) -> Iterator[list[Any]]:
        """What changed, in the order of its change; `place` says up to when it was read.

        Each page is asked for by the last one's time as Frappe wrote it, not by offset: rows that change meanwhile move to
        the end and would shift the list. Only where a whole page has one time an offset leads on.
        """
        known, began = _moment(place, kind), None
        local = (known - OVERLAP).astimezone(ZoneInfo(self.timezone))
        at, start, seen = f"{local:%Y-%m-%d %H:%M:%S}", 0, set[tuple[str, str]]()
        for _ in range(MOST_PAGES):
            asked = {
                "fields": json.dumps(list(dict.fromkeys(("name", by, *fields)))),
                "filters": json.dumps([*filters, [by, ">=", at]]),
                "order_by": f"{by} asc, name asc",
                "limit_start": str(start),
                "limit_page_length": str(self.page_size),
            }
            answer = self._get(http, kind, asked)
            began = began or answer.served_at or known
            rows = _data(answer)
            # Times as Frappe writes them are in the order of their texts; one that cannot be read is not asked for again
            times = [row[by] for row in rows if isinstance(row.get(by), str)]
            fresh = [row for row in rows if (str(row.get("name")), str(row.get(by))) not in seen]
            seen.update((str(row.get("name")), str(row.get(by))) for row in rows)
            is_last = len(rows) < self.page_size
            last = max(times, default=at)
            read_to = read_each([last], lambda value: [self._time(value)], [])
            known = max(known, began if is_last else min([began, *read_to]))
            place[kind] = iso(known)
            yield fresh
            if is_last:
                return
            at, start = (last, 0) if last > at else (at, start + self.page_size)
        raise Invalid(f"{kind} has more than {MOST_PAGES:,} pages at once; set pull_from to a later date")

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The agents; who they are is the address that they sign in by."""
        for start in range(0, MOST_PAGES * self.page_size, self.page_size):
            asked = {
                "fields": json.dumps(["name", "user", "agent_name", "is_active"]),
                "order_by": "name asc",
                "limit_start": str(start),
                "limit_page_length": str(self.page_size),
            }
            rows = _data(self._get(http, "HD Agent", asked))
            for row in rows:
                user = id_of(row.get("user")) or id_of(row.get("name"))
                if user and row.get("is_active") != 0:
                    email = user if "@" in user else None
                    yield Account(user, email, text_of(row.get("agent_name") or user, 200))
            if len(rows) < self.page_size:
                return

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The header that Frappe sets where the webhook's security is enabled."""
        return {"X-Frappe-Webhook-Signature": hmac_of(self.secret, body)}

    def _get(self, http: httpx.Client, kind: str, query: dict[str, str]) -> Answer:
        secret = self.api_secret.get_secret_value() if self.api_secret else ""
        url = f"{self.api_url()}/api/resource/{quote(kind)}?{urlencode(query)}"
        return fetch_json(http, url, headers={"Authorization": f"token {self.api_key}:{secret}"})


def _data(answer: Answer) -> list[dict[str, Any]]:
    rows = list_of(object_of(answer.json, "the answer").get("data"), "data")
    return [object_of(row, "a row") for row in rows]


def _name(row: dict[str, Any]) -> str:
    name = id_of(row.get("name"))
    if name is None:
        raise Invalid("there is no name where Frappe puts one")
    return name


def _ticket_of(row: Any) -> list[str]:
    number = id_of(object_of(row, "a comment").get("reference_ticket"))
    return [number] if number else []


def _assigned(value: Any) -> str | None:
    """Who has the ticket: the first of `_assign`, which is a list written as text."""
    if not isinstance(value, str) or not value.strip():
        return None
    names = list_of(decode_json(value.encode("utf-8", "replace")) or [], "_assign")
    return id_of(names[0]) if names else None


def _stars(value: Any) -> int:
    """Of a fraction of five; 0 for what is none."""
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[01](\.[0-9]{1,9})?", text) or float(text) > 1:
        return 0
    return round(float(text) * 5)


def _moment(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
