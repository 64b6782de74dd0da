"""Request Tracker: its transactions, told by a signed scrip at once and read again by a pull through REST 2.0."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from pydantic import field_validator

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
    beginning,
    hmac_matches,
    hmac_of,
    id_of,
    iso,
    list_of,
    object_of,
    parse_due,
    parse_time,
    plain_text,
    read_each,
    refuse_stale,
    refuse_unread,
    text_of,
    web_address,
    zone_name,
)

from .rest import (
    MOST_HIDDEN,
    TYPES,
    Rest,
    Row,
    Tickets,
    condition,
    created,
    name_of,
    number_of,
    numbers,
    text,
)

# What a value of the rating's custom field says; which values those are is a setting.
RATING_KINDS: dict[str, Kind] = {"thanks": "thanks.received", "good": "rating.good", "bad": "rating.bad"}
SYSTEM, NOBODY = "RT_System", "Nobody"  # users of every RT: what scrips do, and what nobody owns
DROPPED = ("rejected", "deleted")  # not solved, but over as well

OVERLAP = timedelta(
    minutes=5
)  # numbers are given before they can be seen: a later one may come to light first
STAMP, SIGNATURE = "X-Extra-Mile-Timestamp", "X-Extra-Mile-Signature"


class RequestTracker(Plugin):
    """`[plugins.request_tracker]`; the README beside this file says where to click for each of these."""

    title = "Request Tracker"
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
        "Scrip · Condition: On Transaction",
        "Scrip · Action: User Defined, with the script of the guide",
    )
    to_grant = (
        "View queue",
        "View ticket summaries",
        "View ticket private commentary",
        "View custom field values",
        "View group",
        "View articles, if articles count",
        "Manage auth tokens",
    )

    address: str
    secret: Secret
    previous_secret: Secret | None = None
    api_token: Secret | None = None  # left out: the scrip only
    queues: tuple[str, ...] = ()  # left out: all that are told or can be seen
    solved_statuses: tuple[str, ...] = ("resolved",)
    rating_field: str | None = None  # the custom field for how happy the customer is; left out: no ratings
    words_field: str | None = None  # the custom field for what the customer wrote beside it
    thanks_values: tuple[str, ...] = ("thanks",)
    good_values: tuple[str, ...] = ("good", "very good")
    bad_values: tuple[str, ...] = ("bad", "very bad")
    promise_field: str = "Due"  # or a custom field with a time or a day; "" for no promises
    service_levels: bool = False  # whether a time that RT itself or the customer set is a promise, too
    timezone: str = "UTC"  # of a promised day
    read_articles: bool = False
    agent_group: str = "Privileged"  # whose members are agents
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _address = field_validator("address")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    def verify(self, delivery: Delivery) -> None:
        """`sha256=` and the hex HMAC-SHA256 of time stamp, full stop and body, as the scrip in the README writes it."""
        stamp = delivery.header(STAMP)
        algorithm, _, claimed = delivery.header(SIGNATURE).partition("=")
        signed = stamp.encode("utf-8", "replace") + b"." + delivery.body
        matches = hmac_matches((self.secret, self.previous_secret), signed, claimed, encoding="hex")
        if not matches or algorithm != "sha256":
            raise Refused("the signature does not match; compare the scrip's secret with ours")
        try:
            sent_at = parse_time(int(stamp))
        except (ValueError, Invalid):
            raise Refused("the time stamp is not a number of seconds") from None
        refuse_stale(sent_at, delivery.received_at)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """A transaction as the scrip tells it; nothing for other bodies."""
        body = object_of(delivery.json(), "the body")
        if body.get("extra_mile") == "transaction":
            yield from self._facts(body)

    def _facts(self, told: Row) -> Iterator[Event]:
        """What a transaction of a ticket means, the same from the scrip and from the pull."""
        number, ticket, at = (
            number_of(told.get("id")),
            number_of(told.get("ticket")),
            parse_time(told.get("at")),
        )
        kind, name, by = text(told, "type"), text(told, "field"), id_of(told.get("by"))
        owner, customer = _person(told.get("owner")), id_of(told.get("customer"))
        customers = [id_of(one) for one in list_of(told.get("customers"), "customers")]
        if self.queues and text(told, "queue") not in self.queues:
            return
        staff = by not in (None, SYSTEM, NOBODY, *customers)
        about: Row = {"ticket": ticket, "url": f"{self.address}/Ticket/Display.html?id={ticket}"}

        def event(what: Kind, word: str, agent: str | None, **more: Any) -> Event:
            agents = (agent,) if agent else ()
            return Event(f"transaction/{number}/{word}", what, at, agents, **about, **more)

        if kind == "Status":
            before, after = text(told, "old"), text(told, "new")
            if after in self.solved_statuses and before not in self.solved_statuses:
                solver = owner or (by if staff else None)
                yield event("ticket.solved", "solved", solver, object=f"ticket/{ticket}")
                if self._due(told.get("promised")) and self._promises(told.get("promised_by"), customers):
                    yield event("promise.kept", "kept", owner, object=f"promise/{ticket}")
            elif before in self.solved_statuses and after not in (*self.solved_statuses, *DROPPED):
                yield event("ticket.reopened", "reopened", None, object=f"ticket/{ticket}")
        elif kind == "Correspond" and staff:
            yield event("ticket.replied", "replied", by, object=f"ticket/{ticket}")
        elif kind == "Comment" and staff and owner not in (None, by):
            # The words stay in RT: a comment between colleagues was not written for a wall
            yield event("help.given", "helped", by, giver=owner)
        elif kind == "CustomField" and name and name == self.rating_field:
            word, words = self._word(told), text(told, "words", 2_000).strip() or None
            if word == "thanks":
                words = words or _said(told) or None
            elif word == "good" and words:
                word = "thanks"
            if word:
                # Who sets the field is the giver: nobody earns by marking a message as thanks to themselves
                rated: Row = {"object": f"rating/{ticket}", "customer": customer, "text": words}
                yield event(RATING_KINDS[word], word, owner, giver=by if staff else None, **rated)
        due_at = self._due(told.get("promised") if kind == "Create" else self._new_promise(told))
        if due_at and self._promises(by, customers):
            promise: Row = {"object": f"promise/{ticket}", "due_at": due_at, "customer": customer}
            yield event("promise.made", "promised", owner, **promise)

    def _word(self, told: Row) -> str | None:
        """What the rating's field says now, in our words."""
        lists = {"thanks": self.thanks_values, "good": self.good_values, "bad": self.bad_values}
        value = text(told, "new").strip().casefold()
        return next((word for word, values in lists.items() if value in map(str.casefold, values)), None)

    def _new_promise(self, told: Row) -> Any:
        """The new value where the transaction changed the promise's field."""
        kind = "Set" if self.promise_field == "Due" else "CustomField"
        changed = (text(told, "type"), text(told, "field")) == (kind, self.promise_field)
        return told.get("new") if self.promise_field and changed else None

    def _due(self, value: Any) -> datetime | None:
        """A promised time as RT keeps it, in UTC, or a day; the year 1970 stands for none."""
        written = text_of(value or "", 40)
        if not self.promise_field or not written or written.startswith("1970-01-01"):
            return None
        is_day = re.fullmatch(r"[0-9-]{10}", written)
        return parse_due(written, self.timezone) if is_day else parse_time(written, assume_utc=True)

    def _promises(self, by: Any, customers: list[str | None]) -> bool:
        """Whether a time that this user set is a promise: set by the staff, not by a service level or the customer."""
        return self.service_levels or id_of(by) not in (None, SYSTEM, NOBODY, *customers)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return self.address if self.api_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The transactions of tickets (and articles) in the order of their numbers, up to the newest that can be seen.

        The cursor is a query string: `after`, the number up to which all were read, or `from`, a moment, until there is one.
        """
        place = dict(parse_qsl(since or "", max_num_fields=10))
        rest, unread = self._rest(http), list[str]()
        kinds = [condition("ObjectType", "RT::Ticket"), *(condition("Type", kind) for kind in TYPES)]
        if self.read_articles:
            kinds.append(condition("ObjectType", "RT::Article"))
        newest, served_at = rest.newest(kinds)
        if since is None:
            place = {"from": iso(beginning(self.pull_from, served_at))}
        after, begin = _place(place)
        where = condition("id", str(after), ">")
        if begin is not None:  # the column holds UTC, whatever zone the token's user has
            where = condition("Created", f"{begin:%Y-%m-%d %H:%M:%S}", ">=")
        end = 0
        if newest is not None and (begin is None or created(newest) >= begin):
            (end,) = numbers(newest)
        if end > after:
            rest.learn(
                {name for name in (self.rating_field, self.promise_field) if name and name != "Due"}, unread
            )
        page = 1
        while after < end and page <= MOST_HIDDEN:
            found = rest.transactions([*kinds, where], page)
            if not found.rows:
                page += 1
                continue
            read = read_each(found.rows, numbers, [])
            if not read or min(read) <= after:
                raise Invalid("the list of transactions goes round in a circle, or its items have no numbers")
            pulled = partial(self._pulled, rest, rest.tickets(found.rows))
            events = read_each(found.rows, pulled, unread)
            times = read_each(found.rows, lambda row: [(created(row), numbers(row)[0])], [])
            settled = (served_at or max(times)[0]) - OVERLAP
            old = [number for moment, number in times if moment <= settled]
            place = {"after": str(max(old))} if old else place
            yield Page(tuple(events), urlencode(place))
            after, page = max(read), 1
            where = condition("id", str(after), ">")
        refuse_unread(unread)
        yield Page((), urlencode(place), last=True)

    def _pulled(self, rest: Rest, tickets: Tickets, row: Row) -> Iterable[Event]:
        if row.get("ObjectType") == "RT::Article":
            return self._article(row)
        told = rest.told(row, tickets)
        if told is None:
            return ()
        rated = told["type"] == "CustomField" and told["field"] == self.rating_field
        if rated and self._word(told) == "thanks" and not told["words"]:
            told |= rest.said(told)
        return self._facts(told)

    def _article(self, row: Row) -> Iterator[Event]:
        by, thing = name_of(row.get("Creator")), number_of(row.get("ObjectId"))
        if row.get("Type") == "Create" and by not in (None, SYSTEM, NOBODY):
            yield Event(
                key=f"transaction/{number_of(row.get('id'))}/shared",
                kind="knowledge.shared",
                occurred_at=parse_time(row.get("Created")),
                agents=(by,),
                object=f"article/{thing}",
                url=f"{self.address}/Articles/Article/Display.html?id={thing}",
            )

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The members of `agent_group`; a list of users alone would name every customer too."""
        for user in self._rest(http).members(self.agent_group):
            name = _person(user.get("Name"))
            if name:
                called = text(user, "RealName", 200) or name
                yield Account(name, id_of(user.get("EmailAddress")), called)

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The headers of the scrip in the README."""
        stamp = str(int(moment.timestamp()))
        signature = hmac_of(self.secret, stamp.encode() + b"." + body, encoding="hex")
        return {STAMP: stamp, SIGNATURE: f"sha256={signature}"}

    def _rest(self, http: httpx.Client) -> Rest:
        token = self.api_token.get_secret_value() if self.api_token else ""
        return Rest(http, self.address, token, self.promise_field, self.words_field)


def _person(value: Any) -> str | None:
    name = id_of(value)
    return None if name in (SYSTEM, NOBODY) else name


def _said(told: Row) -> str:
    """The customer's message without its HTML, what it quotes, and its signature."""
    written = text(told, "said", 20_000)
    if told.get("said_type") == "text/html":
        written = plain_text(written)
    body = re.split(r"^-- ?$", written.replace("\r\n", "\n"), maxsplit=1, flags=re.MULTILINE)[0]
    return "\n".join(line for line in body.split("\n") if not line.startswith(">")).strip()[:2_000]


def _place(place: dict[str, str]) -> tuple[int, datetime | None]:
    """Where a pull goes on: after a number, or from a moment."""
    try:
        if "after" in place:
            return int(number_of(place["after"])), None
        return 0, parse_time(place.get("from", ""))
    except Invalid:
        raise Invalid(
            "the cursor holds neither `after` nor `from`; it was not written by this plugin"
        ) from None
