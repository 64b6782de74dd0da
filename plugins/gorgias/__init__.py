"""Gorgias: tickets, messages and answered surveys by pull; HTTP integrations tell of them at once."""

import re
from collections.abc import Iterator
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
    id_of,
    iso,
    list_of,
    object_of,
    one_name,
    parse_due,
    parse_time,
    read_each,
    refuse_unread,
    secret_matches,
    text_of,
    written,
    zone_name,
)

# https://developers.gorgias.com/reference/satisfaction-surveys: from 1 to 5
SCORES = {"5": "good", "4": "good", "2": "bad", "1": "bad"}
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
RATED, REOPENED = "satisfaction-survey-responded", "ticket-reopened"

# The lists that are pulled, each with what orders it, the newest first
LISTS = {"tickets": "updated_datetime", "messages": "created_datetime", "events": "created_datetime"}

OUR_HEADER = "X-Extra-Mile-Secret"
PER_PAGE = 100
MOST_PAGES = 1_000
OVERLAP = timedelta(minutes=5)


class Gorgias(Plugin):
    """`[plugins.gorgias]`; the README beside this file says where to click for each of these."""

    title = "Gorgias"
    proof = "token"  # Gorgias documents no signature: its HTTP integration sends a header of ours along
    earns = (
        "thanks.received",
        "rating.good",
        "rating.bad",
        "ticket.solved",
        "ticket.reopened",
        "ticket.replied",
        "help.given",
        "promise.made",
        "promise.kept",
    )
    to_tick = (
        "HTTP integration · Trigger: Ticket updated, with the body of the guide",
        "HTTP integration · Trigger: Ticket message created, with the body of the guide",
        "Header X-Extra-Mile-Secret",
    )
    to_grant = ("REST API key of a user who may see all tickets",)

    domain: str
    secret: Secret
    previous_secret: Secret | None = None
    api_email: str | None = None  # left out: webhooks only
    api_key: Secret | None = None
    promise_field: int | None = (
        None  # the number of a ticket field with the promised time; left out: no promises
    )
    timezone: str = "UTC"  # of a promised time that does not say its own
    read_messages: bool = True
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _domain = field_validator("domain")(one_name)
    _timezone = field_validator("timezone")(zone_name)

    def verify(self, delivery: Delivery) -> None:
        """A header with a secret of ours, as the HTTP integration in the README sets it."""
        if not secret_matches((self.secret, self.previous_secret), delivery.header(OUR_HEADER)):
            raise Refused(f"{OUR_HEADER} is not our secret; compare the HTTP integration's header with it")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """A ticket or a message by the bodies in the README; nothing for other bodies."""
        sent = object_of(delivery.json(), "the body")
        # `nothing` is a field that is never there: the template shows by it how it writes what is not
        body = {name: value for name, value in sent.items() if value != sent.get("nothing")}
        what = body.get("extra_mile")
        if what not in ("ticket", "message"):
            return
        ticket, agent = id_of(body.get("ticket")), id_of(body.get("agent"))
        if ticket is None:
            raise Invalid("the body does not say which `ticket` it is about")
        if what == "ticket":
            if scored_at := _said(body.get("scored_at")):
                customer = id_of(_said(body.get("customer"))[:160])
                words = text_of(_said(body.get("words"))).strip()
                yield from self._rated(ticket, agent, customer, body.get("score"), words, _time(scored_at))
            closed_at = _said(body.get("closed_at")) if body.get("status") == "closed" else ""
            promised, changed_at = _said(body.get("promised")), _said(body.get("at"))
            yield from self._changed(ticket, agent, closed_at, promised, changed_at)
        else:
            yield from self._wrote(
                ticket,
                agent,
                id_of(body.get("message")),
                id_of(body.get("sender")),
                _is(body.get("from_agent")),
                _is(body.get("public")),
                _said(body.get("rule")),
                _time(body.get("at")),
            )

    # ------------------------------------------------------------ what both roads tell alike

    def _event(
        self, kind: Kind, key: str, ticket: str, at: datetime, agent: str | None, **more: Any
    ) -> Event:
        agents, url = (agent,) if agent else (), self._link(ticket)
        return Event(key=key, kind=kind, occurred_at=at, agents=agents, ticket=ticket, url=url, **more)

    def _link(self, ticket: str) -> str:
        return f"https://{self.domain}.gorgias.com/app/ticket/{ticket}"

    def _rated(
        self, ticket: str, agent: str | None, customer: str | None, score: Any, words: str, at: datetime
    ) -> Iterator[Event]:
        """A ticket has one survey (their reference), whose score may change: each is a fact about the same rating."""
        word = SCORES.get(re.sub(r"\.0+$", "", str(score))) if not isinstance(score, bool) else None
        if word is None:
            return
        word = "thanks" if word == "good" and words else word
        about, more = f"rating/{ticket}", {"customer": customer, "text": words or None}
        yield self._event(RATING_KINDS[word], f"{about}/{word}", ticket, at, agent, object=about, **more)

    def _changed(
        self, ticket: str, agent: str | None, closed_at: str, promised: str, changed_at: str
    ) -> Iterator[Event]:
        """A closed ticket is solved; the time in the field is a promise of the assignee, which closing by then keeps."""
        about = f"promise/{ticket}"
        if promised and agent and changed_at:
            due_at = parse_due(promised, self.timezone)
            key = f"{about}/made/{iso(due_at)}"
            # On record since the change that we see: when the field was filled in, the ticket does not tell
            at = _time(changed_at)
            yield self._event("promise.made", key, ticket, at, agent, object=about, due_at=due_at)
        if closed_at:
            at = _time(closed_at)
            key = f"ticket/{ticket}/solved/{iso(at)}"
            yield self._event("ticket.solved", key, ticket, at, agent, object=f"ticket/{ticket}")
            if promised and agent:
                key = f"{about}/kept/{iso(at)}"
                yield self._event("promise.kept", key, ticket, at, agent, object=about)

    def _wrote(
        self,
        ticket: str,
        assignee: str | None,
        message: str | None,
        sender: str | None,
        from_agent: bool,
        public: bool,
        rule: str,
        at: datetime,
    ) -> Iterator[Event]:
        """An agent's message: to the customer an answer, a note on a colleague's ticket help. Its words stay in Gorgias."""
        if message is None:
            raise Invalid("a message has no id")
        if not from_agent or sender is None or rule:
            return  # a customer's, or a rule's
        about, url = f"message/{message}", self._link(ticket)
        yield from written(about, sender, assignee, at, private=not public, ticket=ticket, url=url)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return f"https://{self.domain}.gorgias.com" if self.api_email and self.api_key else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """What is new in three lists, which Gorgias gives the newest first.

        The cursor is a query string: `read`, the moment up to which all was read; while a reading goes on also `until`, when it
        began, the `list` and `at`, Gorgias' own place in it: 40 requests in 20 seconds are allowed, and a long reading goes
        on where it had to stop.
        """
        place = dict(parse_qsl(since or "", max_num_fields=6))
        if since is None:
            served_at = self._get(http, "users", {"limit": "1"}).served_at
            place = {"read": iso(beginning(self.pull_from, served_at))}
        try:
            known = parse_time(place.get("read", ""))
        except Invalid:
            raise Invalid("the cursor does not hold `read`; it was not written by this plugin") from None
        unread: list[str] = []
        assignees: dict[str, str | None] = {}
        names = list(LISTS) if self.read_messages else ["tickets", "events"]
        begun = place.get("list", "")
        for name in names[names.index(begun) if begun in names else 0 :]:
            read = {
                "tickets": partial(self._ticket, http, assignees),
                "messages": partial(self._message, http, assignees),
                "events": partial(self._told, http),
            }[name]
            query: dict[str, Any] = {"order_by": f"{LISTS[name]}:desc", "limit": str(PER_PAGE)}
            if name == "events":
                query["types"] = [RATED, REOPENED]
            at = place.pop("at", "") if name == begun else ""
            for items, served_at, following in self._pages(http, name, query, known - OVERLAP, at):
                place.setdefault("until", iso(served_at or known))
                place |= {"list": name, "at": following}
                # Within a page the oldest first, so that what was told later counts later
                events = read_each(reversed(items), read, unread)
                yield Page(tuple(events), urlencode(place))
        until = parse_time(place.get("until", place["read"]))
        yield Page((), urlencode({"read": iso(max(until, known))}), last=not unread)
        refuse_unread(unread)

    def _pages(
        self, http: httpx.Client, name: str, query: dict[str, Any], begin: datetime, at: str
    ) -> Iterator[tuple[list[Any], datetime | None, str]]:
        """A list's pages back to `begin`, each with where the next one is; "" after the last."""
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            try:
                answer = self._get(http, name, {**query, "cursor": at} if at else query)
            except Invalid:
                if not at or seen:
                    raise
                answer = self._get(http, name, query)  # a place that was kept too long: from the beginning
            value = object_of(answer.json, "the answer")
            items = list_of(value.get("data"), "data")
            times = read_each(items, partial(_order, name), [])
            meta = object_of(value.get("meta"), "meta")
            at = "" if times and min(times) < begin else text_of(meta.get("next_cursor") or "", 1_000)
            yield [item for item in items if not _is_older(item, name, begin)], answer.served_at, at
            if not at:
                return
            if at in seen:
                break
            seen.add(at)
        raise Invalid(f"Gorgias' list of {name} goes round in a circle or does not end")

    def _ticket(self, http: httpx.Client, assignees: dict[str, str | None], item: Any) -> Iterator[Event]:
        ticket = object_of(item, "a ticket")
        number, agent = _id(ticket), _assignee(ticket)
        assignees[number] = agent
        promised = ""
        if self.promise_field is not None:
            if "custom_fields" not in ticket:  # a list need not tell them
                query = {"relationships": "custom_fields"}
                ticket = object_of(self._get(http, f"tickets/{number}", query).json, "a ticket")
            promised = _field(ticket.get("custom_fields"), str(self.promise_field))
        closed_at = _said(ticket.get("closed_datetime")) if ticket.get("status") == "closed" else ""
        yield from self._changed(number, agent, closed_at, promised, _said(ticket.get("updated_datetime")))

    def _message(self, http: httpx.Client, assignees: dict[str, str | None], item: Any) -> Iterator[Event]:
        message = object_of(item, "a message")
        ticket = id_of(message.get("ticket_id"))
        if ticket is None or message.get("from_agent") is not True:
            return
        public = message.get("public") is not False
        sender = id_of(object_of(message.get("sender"), "sender").get("id"))
        if not public and ticket not in assignees:
            found = object_of(self._get(http, f"tickets/{ticket}", {}).json, "a ticket")
            assignees[ticket] = _assignee(found)
        rule, at = _said(message.get("rule_id")), _time(message.get("created_datetime"))
        yield from self._wrote(ticket, assignees.get(ticket), _id(message), sender, True, public, rule, at)

    def _told(self, http: httpx.Client, item: Any) -> Iterator[Event]:
        """An event: a ticket opened again, or a survey answered. The ticket says whose it is, the survey whose ticket it is."""
        event = object_of(item, "an event")
        kind, number, at = (
            event.get("type"),
            id_of(event.get("object_id")),
            _time(event.get("created_datetime")),
        )
        if kind not in (RATED, REOPENED) or number is None:
            return
        if kind == REOPENED:
            key, about = f"ticket/{number}/reopened/{iso(at)}", f"ticket/{number}"
            yield self._event("ticket.reopened", key, number, at, None, object=about)
            return
        told, survey = object_of(event.get("data"), "data"), dict[str, Any]()
        if event.get("object_type") != "Ticket":
            survey = object_of(self._get(http, f"satisfaction-surveys/{number}", {}).json, "a survey")
            number = id_of(survey.get("ticket_id"))
            if number is None:
                raise Invalid("a survey does not say which ticket it is about")
        ticket = object_of(self._get(http, f"tickets/{number}", {}).json, "a ticket")
        survey = survey or object_of(ticket.get("satisfaction_survey"), "satisfaction_survey")
        # What the event tells was said then; the survey shows what is said now
        score, words = (told if told.get(name) is not None else survey for name in ("score", "body_text"))
        customer = object_of(ticket.get("customer"), "customer")
        who = id_of(_said(customer.get("email"))[:160]) or id_of(customer.get("id"))
        said = text_of(words.get("body_text") or "").strip()
        yield from self._rated(number, _assignee(ticket), who, score.get("score"), said, at)

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The users, who sign in by their address. What has a bot's role is one."""
        query: dict[str, Any] = {"limit": str(PER_PAGE)}
        seen = set[str]()
        while True:
            answer = object_of(self._get(http, "users", query).json, "the answer")
            for item in list_of(answer.get("data"), "data"):
                user = object_of(item, "a user")
                number = id_of(user.get("id"))
                if number and user.get("active") is not False and not user.get("deactivated_datetime"):
                    role = object_of(user.get("role"), "role").get("name")
                    name = text_of(user.get("name") or number, 200)
                    yield Account(number, id_of(user.get("email")), name, bot="bot" in str(role))
            following = text_of(object_of(answer.get("meta"), "meta").get("next_cursor") or "", 1_000)
            if not following:
                return
            if following in seen:
                raise Invalid("Gorgias' list of users goes round in a circle")
            seen.add(following)
            query["cursor"] = following

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The header that the HTTP integration sets."""
        return {OUR_HEADER: self.secret.get_secret_value()}

    def _get(self, http: httpx.Client, path: str, query: dict[str, Any]) -> Answer:
        key = self.api_key.get_secret_value() if self.api_key else ""
        url = f"{self.api_url()}/api/{path}?{urlencode(query, doseq=True)}".rstrip("?")
        return fetch_json(http, url, auth=httpx.BasicAuth(self.api_email or "", key))


def _id(item: dict[str, Any]) -> str:
    number = id_of(item.get("id"))
    if number is None:
        raise Invalid("there is no id where Gorgias puts one")
    return number


def _assignee(ticket: dict[str, Any]) -> str | None:
    return id_of(object_of(ticket.get("assignee_user"), "assignee_user").get("id"))


def _order(name: str, item: Any) -> list[datetime]:
    return [_time(object_of(item, "an item").get(LISTS[name]))]


def _is_older(item: Any, name: str, begin: datetime) -> bool:
    return any(at < begin for at in read_each([item], partial(_order, name), []))


def _said(value: Any) -> str:
    """What a template wrote, or a field holds; "" for null."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of("" if value is None else value).strip()


def _is(value: Any) -> bool:
    """Whether a template says yes."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _field(fields: Any, number: str) -> str:
    """A ticket field's value, of fields by their number or in a list."""
    listed = list(fields.values()) if isinstance(fields, dict) else list_of(fields or [], "custom_fields")
    for item in listed:
        field = object_of(item, "a ticket field")
        if id_of(field.get("id")) == number:
            return _said(field.get("value"))
    return ""


def _time(value: Any) -> datetime:
    """Their reference writes times without a zone."""
    return parse_time(value, assume_utc=True)
