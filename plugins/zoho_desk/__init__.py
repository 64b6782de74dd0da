"""Zoho Desk: ratings by pull; tickets, answers and articles by webhook (a token signed with Zoho's key) and by pull."""

import re
from collections.abc import Callable, Iterator
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
    Greeting,
    Invalid,
    Page,
    Plugin,
    Refused,
    Secret,
    beginning,
    fetch_json,
    fetch_token,
    iso,
    jwt_claims,
    jwt_of,
    key_set,
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

from .items import (
    article_of,
    event_time,
    field_of,
    id_in,
    moment_of,
    rated_at,
    rating_of,
    ticket_id,
    withdrawn,
    written_of,
)

DOMAINS = {
    "com": "zoho.com",
    "eu": "zoho.eu",
    "in": "zoho.in",
    "com.au": "zoho.com.au",
    "com.cn": "zoho.com.cn",
    "jp": "zoho.jp",
    "ca": "zohocloud.ca",
    "sa": "zoho.sa",
    "uk": "zoho.uk",
}
"""Zoho's data centres; https://www.zoho.com/accounts/protocol/oauth/multi-dc.html"""

TOLERANCE = timedelta(minutes=5)
OVERLAP = timedelta(minutes=5)
RECENT = timedelta(days=1)  # a comment may not be counted as a change of its ticket
MOST_PAGES = 1_000
FAR = "2099-12-31T23:59:59Z"  # a range of times needs an end

Get = Callable[[str, dict[str, str]], Answer]


class ZohoDesk(Plugin):
    """`[plugins.zoho_desk]`; the README beside this file says where to click for each of these."""

    title = "Zoho Desk"
    proof = "token"  # the token says which webhook it is from, and nothing about the body
    taken_status = 200  # any other status counts as failed; https://desk.zoho.com/support/WebhookDocument.do
    key_pairs: ClassVar[dict[str, str]] = {"public_keys": "simulation_key"}
    api_hosts = tuple(f"accounts.{domain}" for domain in DOMAINS.values())
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
        "fact.withdrawn",
    )
    to_tick = (
        "Ticket Add",
        "Ticket Update, with the previous state",
        "Ticket Delete",
        "Ticket Thread Add",
        "Ticket Comment Add",
        "Article Add",
        "Article Update",
    )
    to_grant = (
        "Desk.tickets.READ",
        "Desk.search.READ",
        "Desk.articles.READ",
        "Desk.agents.READ",
        "Desk.basic.READ",
    )
    page_size: ClassVar[int] = 50  # the most that every list allows

    org_id: str
    data_center: Literal["com", "eu", "in", "com.au", "com.cn", "jp", "ca", "sa", "uk"] = "com"
    webhook_id: str | None = None  # left out: pull only
    public_keys: Secret | None = None  # Zoho's, as its page shows them
    previous_public_keys: Secret | None = None
    simulation_key: Secret | None = None  # a private key of one's own, for `leaderboard simulate` only
    client_id: str | None = None  # left out: webhooks only
    client_secret: Secret | None = None
    refresh_token: Secret | None = None
    thanks_field: str = "cf_customer_thanks"  # a field of tickets with a customer's words
    promise_field: str = "cf_promised_for"  # a field of tickets that holds a time
    timezone: str = "UTC"  # of a promised day without a time
    solved_statuses: tuple[str, ...] = ("Closed",)
    read_conversations: bool = True  # one more request for each ticket that changed
    read_articles: bool = True
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _public_keys = field_validator("public_keys", "previous_public_keys")(key_set)
    _timezone = field_validator("timezone")(zone_name)

    @field_validator("org_id", "webhook_id")
    @classmethod
    def _is_number(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9]{1,30}", value):
            raise ValueError("write the number, in quotes")
        return value

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Zoho tries the address by GET when a webhook is made, and wants 200."""
        return Greeting("ok") if delivery.method in ("GET", "HEAD") else None

    def verify(self, delivery: Delivery) -> None:
        """A JWT by RS256, made out by our organisation for our webhook. It does not cover the body.

        Zoho's keys sign for all its customers, so both names are looked at; https://desk.zoho.com/.well-known/jwks.json
        """
        claims = jwt_claims((self.public_keys, self.previous_public_keys), delivery.header("X-ZDesk-JWT"))
        if claims.get("iss") != f"orgId:{self.org_id}":
            raise Refused("its token is another organisation's; compare org_id", "account")
        audience = claims.get("aud")
        if self.webhook_id is None or audience not in (
            f"webhookId:{self.webhook_id}",
            [f"webhookId:{self.webhook_id}"],
        ):
            # Signed by Zoho for our organisation: what stands in it may be told
            raise Refused(
                f"its token is for {str(audience)[:60]}; if that is your webhook, write its number as webhook_id",
                "account",
            )
        made_at, ends_at = _stamp(claims.get("iat")), _stamp(claims.get("exp"))
        if made_at is None and ends_at is None:
            raise Refused("its token does not say when it was made")
        # While Zoho calls it valid; without an end, as long as any signed time stamp
        if made_at and (ends_at is None or made_at > delivery.received_at):
            refuse_stale(made_at, delivery.received_at, TOLERANCE)
        if ends_at and ends_at < delivery.received_at:
            refuse_stale(ends_at, delivery.received_at, TOLERANCE)

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """The facts of a list of events, or of one; nothing for events that are not for us."""
        body = delivery.json()
        for item in body if isinstance(body, list) else [body]:
            event = object_of(item, "an event")
            kind, payload = event.get("eventType"), object_of(event.get("payload"), "payload")
            if kind in ("Ticket_Add", "Ticket_Update"):
                previous = object_of(event.get("prevState"), "prevState")
                yield from self._ticket(payload, giver=id_in(payload, "modifiedBy"))
                yield from self._changed(payload, previous)
            elif kind == "Ticket_Delete":
                number, moment = ticket_id(payload.get("id")), event_time(event)
                yield withdrawn(number, f"ticket/{number}/deleted", moment)
            elif kind == "Ticket_Thread_Add":
                yield from written_of({**payload, "type": "thread"}, ticket_id(payload.get("ticketId")), None)
            elif kind == "Ticket_Comment_Add":
                # Whose ticket it is, it does not say: whether a private one is help, the pull knows
                yield from written_of(
                    {**payload, "type": "comment"}, ticket_id(payload.get("ticketId")), None
                )
            elif kind in ("Article_Add", "Article_Update"):
                yield from article_of(payload)

    def _ticket(self, ticket: dict[str, Any], giver: str | None = None) -> Iterator[Event]:
        """What a ticket says of itself, the same by webhook and by pull."""
        number, changed_at = ticket_id(ticket.get("id")), moment_of(ticket)
        if ticket.get("isSpam") is True:
            return
        agent = id_in(ticket, "assigneeId")
        closed_at = ticket.get("closedTime") if self._is_solved(ticket) else None
        solved_at = parse_time(closed_at) if closed_at else None
        whose: dict[str, Any] = {"ticket": number, "url": ticket.get("webUrl")}
        agents = (agent,) if agent else ()
        if solved_at:
            key = f"ticket/{number}/solved/{iso(solved_at)}"
            yield Event(key, "ticket.solved", solved_at, agents, object=f"ticket/{number}", **whose)
        words = field_of(ticket, self.thanks_field)
        if words:
            yield Event(
                key=f"ticket/{number}/thanks",
                kind="thanks.received",
                occurred_at=changed_at,
                agents=agents,
                giver=giver,  # who wrote it down: nobody earns by thanking themselves
                customer=id_in(ticket, "contactId"),
                object=f"rating/{number}",
                text=text_of(words).strip() or None,
                **whose,
            )
        due = field_of(ticket, self.promise_field)
        if due and agent:
            about, due_at = f"promise/{number}", parse_due(due, self.timezone)
            yield from promised(about, agents, changed_at, due_at, solved_at, **whose)

    def _changed(self, ticket: dict[str, Any], previous: dict[str, Any]) -> Iterator[Event]:
        """What only the state before shows: opened again, a thanks taken back."""
        number, moment = ticket_id(ticket.get("id")), moment_of(ticket)
        if self._is_solved(previous) and not self._is_solved(ticket):
            about = f"ticket/{number}"
            key = f"{about}/reopened/{iso(moment)}"
            yield Event(key, "ticket.reopened", moment, object=about, ticket=number)
        if field_of(previous, self.thanks_field) and not field_of(ticket, self.thanks_field):
            yield withdrawn(number, f"ticket/{number}/thanks/taken-back/{iso(moment)}", moment)

    def _is_solved(self, ticket: dict[str, Any]) -> bool:
        return ticket.get("statusType") == "Closed" or ticket.get("status") in self.solved_statuses

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        if self.client_id is None or self.client_secret is None or self.refresh_token is None:
            return None
        return f"https://desk.{DOMAINS[self.data_center]}"

    def token_url(self) -> str:
        return f"https://accounts.{DOMAINS[self.data_center]}/oauth/v2/token"

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """First the ratings, the newest first; then the tickets that changed with what was written on them, then articles.

        The cursor is a query string of moments, `ratings`, `tickets` and `articles`: up to where each was read.
        """
        get, served_at = self._sign_in(http)
        place = dict(parse_qsl(since or "", max_num_fields=10))
        if since is None:
            begin = iso(beginning(self.pull_from, served_at))
            place = dict.fromkeys(("ratings", "tickets", "articles"), begin)
        unread: list[str] = []
        yield from self._ratings(get, place, unread)
        read = partial(self._pulled, get, _moment(place, "tickets") - (RECENT if since else OVERLAP))
        yield from self._since(get, place, "tickets", "tickets/search", {}, read, unread)
        if self.read_articles:
            only = {"status": "Published"}
            yield from self._since(get, place, "articles", "articles", only, article_of, unread)
        refuse_unread(unread)
        yield Page((), urlencode(place), last=True)

    def _ratings(self, get: Get, place: dict[str, str], unread: list[str]) -> Iterator[Page]:
        """Its place moves once all were read: broken off in between, the next pull begins with the newest again."""
        begin = _moment(place, "ratings") - OVERLAP
        until: datetime | None = None
        query = {"department": "allDepartment", "sortBy": "-ratedTime"}
        for items, answer in self._listed(get, "customerHappiness", query):
            until = until or answer.served_at
            # Within a page the oldest first, so that what was told later counts later
            events = read_each(reversed(items), rating_of, unread)
            yield Page(tuple(event for event in events if event.occurred_at >= begin), urlencode(place))
            if any(at < begin for at in read_each(items, rated_at, [])):
                break
        place["ratings"] = iso(max(until or begin, begin))

    def _since(
        self,
        get: Get,
        place: dict[str, str],
        name: str,
        path: str,
        query: dict[str, str],
        read: Callable[[Any], Iterator[Event]],
        unread: list[str],
    ) -> Iterator[Page]:
        """What changed, in the order of its change. Not by offset alone: it ends at 1,000, and changes would shift it."""
        at, offset = _moment(place, name) - OVERLAP, 0
        until: datetime | None = None
        for _ in range(MOST_PAGES):
            asked = {**query, "modifiedTimeRange": f"{iso(at)},{FAR}", "sortBy": "modifiedTime"}
            answer = get(path, {**asked, **self._window(offset)})
            until = until or answer.served_at  # what changes from here on is read next time
            items = _data(answer)
            changes = read_each(items, lambda item: [moment_of(object_of(item, "an item"))], [])
            last = max((moment.replace(microsecond=0) for moment in changes), default=at)
            is_end = len(items) < self.page_size
            read_to = (until or last) if is_end else last
            place[name] = max(place[name], iso(min(read_to, answer.served_at or read_to)))
            yield Page(tuple(read_each(items, read, unread)), urlencode(place))
            if is_end:
                return
            at, offset = (last, 0) if last > at else (at, offset + len(items))
        raise Invalid(f"Zoho Desk's list of {name} does not end; set pull_from to a later date")

    def _pulled(self, get: Get, begin: datetime, item: Any) -> Iterator[Event]:
        ticket = object_of(item, "a ticket")
        number, owner = ticket_id(ticket.get("id")), id_in(ticket, "assigneeId")
        yield from self._ticket(ticket)
        if self.read_conversations and ticket.get("isSpam") is not True:
            for items, _ in self._listed(get, f"tickets/{number}/conversations", {}):
                for each in items:
                    written = object_of(each, "a conversation")
                    yield from (e for e in written_of(written, number, owner) if e.occurred_at >= begin)

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The active agents. An admin wrote their address; it is theirs once they confirmed it."""
        get, _ = self._sign_in(http)
        seen = set[str]()
        for items, _ in self._listed(get, "agents", {}):
            for item in items:
                agent = object_of(item, "an agent")
                number = id_in(agent, "id")
                if number is None or number in seen or agent.get("status") not in (None, "ACTIVE"):
                    continue
                seen.add(number)
                names = (text_of(agent.get(name) or "", 100) for name in ("firstName", "lastName"))
                yield Account(
                    number,
                    id_in(agent, "emailId"),
                    " ".join(name for name in names if name) or number,
                    verified=agent.get("isConfirmed") is not False,
                    bot=agent.get("isZiaAgent") is True,
                )

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """A token as Zoho's, by `simulation_key`; it ends at once, but for the tolerance."""
        if self.simulation_key is None:
            raise Invalid(
                "only Zoho can sign for this source; to simulate it, set simulation_key and its public_keys"
            )
        now = int(moment.timestamp())
        claims = {
            "iss": f"orgId:{self.org_id}",
            "aud": f"webhookId:{self.webhook_id}",
            "iat": now,
            "exp": now,
        }
        return {"X-ZDesk-JWT": jwt_of(self.simulation_key, claims)}

    def _sign_in(self, http: httpx.Client) -> tuple[Get, datetime | None]:
        """How to ask, with an access token for an hour, and what time it is by Zoho's clock."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id or "",
            "client_secret": self.client_secret.get_secret_value() if self.client_secret else "",
            "refresh_token": self.refresh_token.get_secret_value() if self.refresh_token else "",
        }
        check = "client_id, client_secret, refresh_token and data_center"
        token, served_at = fetch_token(http, self.token_url(), form, check)
        headers = {"Authorization": f"Zoho-oauthtoken {token}", "orgId": self.org_id}

        def get(path: str, query: dict[str, str]) -> Answer:
            url = f"{self.api_url()}/api/v1/{path}?{urlencode(query)}"
            return fetch_json(http, url, headers=headers, empty_ok=True)  # an empty list is 204

        return get, served_at

    def _listed(self, get: Get, path: str, query: dict[str, str]) -> Iterator[tuple[list[Any], Answer]]:
        """A list's pages. Whether it counts from 0 or 1 differs by list: counted from 0, one item comes twice at most."""
        offset, before = 0, list[Any]()
        for _ in range(MOST_PAGES):
            answer = get(path, {**query, **self._window(offset)})
            items = _data(answer)
            if items and items == before:
                break
            yield items, answer
            if len(items) < self.page_size:
                return
            before, offset = items, offset + len(items)
        raise Invalid(f"Zoho Desk's list of {path} goes round in a circle or does not end")

    def _window(self, offset: int) -> dict[str, str]:
        return ({"from": str(offset)} if offset else {}) | {"limit": str(self.page_size)}


def _data(answer: Answer) -> list[Any]:
    return [] if answer.json is None else list_of(object_of(answer.json, "the answer").get("data"), "data")


def _stamp(value: Any) -> datetime | None:
    """A claim's time; some of Zoho's tokens count seconds, some milliseconds. Refused for what is none."""
    if value is None:
        return None
    try:
        return parse_time(value / 1000 if type(value) is int and value > 10**11 else value)
    except Invalid:
        raise Refused("its token's times cannot be read") from None


def _moment(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
