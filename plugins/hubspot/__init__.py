"""HubSpot: tickets with the history of their properties by pull; workflows and an app's webhooks tell of some of it at once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
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
    parse_time,
    read_each,
    refuse_stale,
    refuse_unread,
    text_of,
    web_address,
    zone_name,
)

from .properties import customer_of, due_of, moment_of, said_of, value_at, versions_of

# Which of a survey's answers are good and bad are settings: HubSpot's surveys have several scales.
RATING_KINDS: dict[str, Kind] = {"good": "rating.good", "thanks": "thanks.received", "bad": "rating.bad"}
# What an app's webhooks tell by themselves, by the property that holds the time of it. They do not name the owner.
TOLD: dict[str, tuple[str, Kind]] = {
    "hs_ticket_reopened_at": ("reopened", "ticket.reopened"),
    "hs_last_message_sent_at": ("replied", "ticket.replied"),
}
CLOSED, OWNER, CHANGED = "closed_date", "hubspot_owner_id", "hs_lastmodifieddate"

API = "https://api.hubapi.com"
PER_PAGE = 50  # tickets are read with their history, of which HubSpot gives at most 50 at once
MOST_PAGES = 1_000
OVERLAP = timedelta(minutes=5)  # the search finds what changed a few moments later
NEAR = timedelta(minutes=1)  # words are stored with the rating, or just before it


class HubSpot(Plugin):
    """`[plugins.hubspot]`; the README beside this file says where to click for each of these."""

    title = "HubSpot Service Hub"
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
        "Workflow, ticket-based · Send a webhook · POST · Include request signature in header; as in the guide",
        "or the app's Webhooks · Ticket · property changed: hs_ticket_reopened_at, hs_last_message_sent_at",
    )
    to_grant = (
        "tickets",
        "crm.objects.owners.read",
        "crm.objects.contacts.read",
    )

    webhook_url: str  # our address as it was pasted into HubSpot, which signs it
    client_secret: Secret
    previous_client_secret: Secret | None = None
    access_token: Secret | None = None  # left out: webhooks only
    portal_id: int | None = None  # the account's number: for links, and to refuse other accounts' webhooks
    good_ratings: tuple[str, ...] = ()  # left out: no ratings
    bad_ratings: tuple[str, ...] = ()
    rating_property: str = "hs_last_csat_rating"
    words_property: str = "hs_last_csat_comment"
    customer_property: str = "hs_all_associated_contact_emails"
    promise_property: str = ""  # left out: no promises
    timezone: str = "UTC"  # of a promised day
    read_notes: bool = True
    pull_from: date | None = None  # the first pull begins here; left out: seven days before it

    _webhook_url = field_validator("webhook_url")(web_address)
    _timezone = field_validator("timezone")(zone_name)

    def verify(self, delivery: Delivery) -> None:
        """base64(HMAC-SHA256(client secret, method + address + body + time stamp)), the third version of their signature.

        https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
        """
        stamp = delivery.header("X-HubSpot-Request-Timestamp")
        signed = self._signed(delivery.method, delivery.body, stamp)
        secrets = (self.client_secret, self.previous_client_secret)
        if not hmac_matches(secrets, signed, delivery.header("X-HubSpot-Signature-v3")):
            raise Refused(
                "the signature does not match; compare client_secret and webhook_url with HubSpot's"
            )
        try:
            sent_at = parse_time(int(stamp) / 1000)
        except (ValueError, OverflowError, Invalid):
            raise Refused("the time stamp is not a number of milliseconds") from None
        refuse_stale(sent_at, delivery.received_at)

    def _signed(self, method: str, body: bytes, stamp: str) -> bytes:
        return f"{method}{self.webhook_url}".encode() + body + stamp.encode("utf-8", "replace")

    def events(self, delivery: Delivery) -> Iterator[Event]:
        """A batch of an app's notifications, or a workflow's body with the keys of the README."""
        body = delivery.json()
        if isinstance(body, list):
            for item in body:
                yield from self._told(object_of(item, "a notification"))
        else:
            yield from self._workflow(object_of(body, "the body"))

    def _told(self, told: dict[str, Any]) -> Iterator[Event]:
        is_ticket = (
            told.get("subscriptionType") == "ticket.propertyChange" or told.get("objectTypeId") == "0-5"
        )
        what = TOLD.get(text_of(told.get("propertyName") or "", 100))
        if not is_ticket or what is None or not told.get("propertyValue"):
            return
        if self.portal_id is not None and told.get("portalId") != self.portal_id:
            return  # an app may be installed in several accounts
        number = id_of(told.get("objectId"))
        if number is None:
            raise Invalid("a notification does not say which ticket it is about")
        yield self._event(what[1], number, what[0], moment_of(told["propertyValue"]), None)

    def _workflow(self, body: dict[str, Any]) -> Iterator[Event]:
        what = body.get("extra_mile")
        if what not in ("rating", "solved", "promise"):
            return
        number, agent, at = id_of(body.get("ticket")), id_of(body.get("agent")), moment_of(body.get("at"))
        if number is None:
            raise Invalid("the body does not say which `ticket` it is about")
        if what == "rating":
            customer = customer_of(body.get("customer"))
            yield from self._rating(
                number, said_of(body.get("rating")), said_of(body.get("words")), at, agent, customer
            )
        elif what == "solved":
            yield from self._solved(number, at, agent, said_of(body.get("due")))
        elif due := said_of(body.get("due")):
            yield from self._made(number, at, agent, due)

    # ------------------------------------------------------------ what both roads tell alike

    def _event(
        self, kind: Kind, ticket: str, what: str, at: datetime, agent: str | None, **more: Any
    ) -> Event:
        """A fact about a ticket, named after what happened and when."""
        agents = (agent,) if agent else ()
        url = f"https://app.hubspot.com/contacts/{self.portal_id}/record/0-5/{ticket}"
        return Event(
            key=more.pop("key", f"ticket/{ticket}/{what}/{iso(at)}"),
            kind=kind,
            occurred_at=at,
            agents=agents,
            object=more.pop("object", f"ticket/{ticket}"),
            ticket=ticket,
            url=url if self.portal_id else None,
            **more,
        )

    def _rating(
        self, ticket: str, value: str, words: str, at: datetime, agent: str | None, customer: str | None
    ) -> Iterator[Event]:
        if value in self.bad_ratings:
            word = "bad"
        elif value in self.good_ratings:
            word = "thanks" if words else "good"
        else:
            return
        about = f"rating/{ticket}"
        more: dict[str, Any] = {"object": about, "text": words or None, "customer": customer}
        yield self._event(RATING_KINDS[word], ticket, "rated", at, agent, key=f"{about}/{word}", **more)

    def _solved(self, ticket: str, at: datetime, agent: str | None, due: str) -> Iterator[Event]:
        """Closing keeps the promise that is on record; whether by its time, the core sees."""
        yield self._event("ticket.solved", ticket, "solved", at, agent)
        if due:
            about = f"promise/{ticket}"
            yield self._event(
                "promise.kept", ticket, "kept", at, agent, key=f"{about}/kept/{iso(at)}", object=about
            )

    def _made(self, ticket: str, at: datetime, agent: str | None, due: str) -> Iterator[Event]:
        if agent is None:
            return
        about, due_at = f"promise/{ticket}", due_of(due, self.timezone)
        key = f"{about}/made/{iso(due_at)}"
        yield self._event("promise.made", ticket, "made", at, agent, key=key, object=about, due_at=due_at)

    # ------------------------------------------------------------ the pull

    def api_url(self) -> str | None:
        return API if self.access_token else None

    def pull(self, http: httpx.Client, since: str | None) -> Iterator[Page]:
        """The tickets that changed, each with its history; then the notes that were written.

        The cursor is a query string of moments: `from`, before which nothing counts, and up to where `tickets` and `notes`
        were read, in the order of their change.
        """
        place = dict(parse_qsl(since or "", max_num_fields=5))
        if since is None:
            begin = beginning(self.pull_from, self._get(http, "owners", {"limit": "1"}).served_at)
            place = dict.fromkeys(("from", "tickets", "notes"), iso(begin))
        floor, unread = _place(place, "from"), list[str]()
        for rows in self._changed(http, "tickets", (), place, unread):
            tickets = self._tickets(http, rows)
            events = read_each(tickets.values(), partial(self._ticket, floor=floor), unread)
            yield Page(tuple(events), urlencode(place))
        if self.read_notes:
            for rows in self._changed(http, "notes", (OWNER,), place, unread):
                yield Page(tuple(self._notes(http, rows, floor, unread)), urlencode(place))
        refuse_unread(unread)
        yield Page((), urlencode(place), last=True)

    def _ticket(self, item: Any, floor: datetime) -> Iterator[Event]:
        """Everything that the ticket's history tells, to the credit of who owned it at that time."""
        ticket = object_of(item, "a ticket")
        number = id_of(ticket.get("id"))
        if number is None:
            raise Invalid("a ticket has no id")
        told = {name: versions_of(ticket, name) for name in self._history()}
        owners, rated = told[OWNER], told.get(self.rating_property, [])
        customer = customer_of(object_of(ticket.get("properties"), "properties").get(self.customer_property))
        found: dict[str, Event] = {}  # the same answer again is the same rating, by its first time
        for place, (at, value) in enumerate(rated):
            until = rated[place + 1][0] if place + 1 < len(rated) else datetime.max.replace(tzinfo=UTC)
            said = [
                words
                for when, words in told[self.words_property]
                if at - NEAR <= when < until - NEAR and words
            ]
            words = said[-1] if said else ""
            for event in self._rating(number, value, words, at, value_at(owners, at), customer):
                found.setdefault(event.key, event)
        promised = told.get(self.promise_property, [])
        for at, value in promised:
            if value:
                yield from self._made(number, at, value_at(owners, at) or None, value)
        for _, value in told[CLOSED]:
            if value:
                at = moment_of(value)
                for event in self._solved(number, at, value_at(owners, at), value_at(promised, at) or ""):
                    found.setdefault(event.key, event)
        for name, (what, kind) in TOLD.items():
            for _, value in told[name]:
                if value:
                    event = self._event(kind, number, what, moment_of(value), None)
                    found.setdefault(event.key, event)
        yield from (event for event in found.values() if event.occurred_at >= floor)

    def _notes(self, http: httpx.Client, rows: list[Any], floor: datetime, unread: list[str]) -> list[Event]:
        """A note on a colleague's ticket is help. Its words stay in HubSpot."""
        notes = {number: row for row in rows for number in read_each([row], _id, [])}
        if not notes:
            return []
        asked = {"inputs": [{"id": number} for number in notes]}
        # A note about no ticket is told as an error, in an answer of status 207
        answer = self._post(http, "/crm/v4/associations/notes/tickets/batch/read", asked)
        about: list[tuple[str, str]] = []
        for link in _results(answer):
            note = id_of(object_of(link.get("from"), "from").get("id"))
            for to in list_of(link.get("to") or [], "to"):
                ticket = id_of(object_of(to, "to").get("toObjectId"))
                if note in notes and ticket:
                    about.append((note, ticket))
        tickets = self._tickets(http, [{"id": ticket} for ticket in dict.fromkeys(t for _, t in about)])

        def helped(pair: tuple[str, str]) -> Iterator[Event]:
            note, number = pair
            author = id_of(object_of(notes[note].get("properties"), "properties").get(OWNER))
            at = moment_of(notes[note].get("createdAt"))
            owner = value_at(versions_of(tickets[number], OWNER), at) if number in tickets else None
            if author and owner and owner != author and at >= floor:
                key = f"note/{note}/{number}"
                yield self._event(
                    "help.given", number, "helped", at, author, key=key, object=None, giver=owner
                )

        return read_each(about, helped, unread)

    def _tickets(self, http: httpx.Client, rows: list[Any]) -> dict[str, dict[str, Any]]:
        """These tickets by id, each with its history; what cannot be found is left out."""
        numbers = read_each(rows, _id, [])
        found: dict[str, dict[str, Any]] = {}
        for first in range(0, len(numbers), PER_PAGE):
            asked = {
                "inputs": [{"id": number} for number in numbers[first : first + PER_PAGE]],
                "properties": [self.customer_property],
                "propertiesWithHistory": list(self._history()),
            }
            for ticket in _results(self._post(http, "/crm/v3/objects/tickets/batch/read", asked)):
                found.update(dict.fromkeys(_id(ticket), ticket))
        return found

    def _history(self) -> tuple[str, ...]:
        rated = (self.rating_property, self.words_property) if self.good_ratings or self.bad_ratings else ()
        return (OWNER, CLOSED, *TOLD, *rated, *filter(None, [self.promise_property]))

    def _changed(
        self, http: httpx.Client, kind: str, fields: tuple[str, ...], place: dict[str, str], unread: list[str]
    ) -> Iterator[list[Any]]:
        """What changed, in the order of its change; `place` says up to when it was read.

        Each page is asked for by the last one's time, not by offset: what changes meanwhile moves to the end of the list and
        would shift it. Only where a whole page changed in one millisecond (an import) an offset leads on.
        """
        known = _place(place, kind)
        at, after, began = known - OVERLAP, "", None
        seen, offsets = set[str](), set[str]()
        for _ in range(MOST_PAGES):
            asked = {
                "filterGroups": [
                    {"filters": [{"propertyName": CHANGED, "operator": "GTE", "value": str(_ms(at))}]}
                ],
                "sorts": [{"propertyName": CHANGED, "direction": "ASCENDING"}],
                "properties": [CHANGED, *fields],
                "limit": PER_PAGE,
                **({"after": after} if after else {}),
            }
            answer = self._post(http, f"/crm/v3/objects/{kind}/search", asked)
            began = began or answer.served_at or known
            rows, read_to = [], at
            for row in _results(answer):
                told = read_each([row], _change, unread)
                for number, changed_at in told:
                    read_to = max(read_to, changed_at)
                    name = f"{number} {changed_at}"
                    if name not in seen:
                        seen.add(name)
                        rows.append(row)
            following = object_of(object_of(answer.json, "the answer").get("paging"), "paging").get("next")
            following = id_of(object_of(following, "next").get("after"))
            known = max(known, min(read_to, began)) if following else max(known, began)
            place[kind] = iso(known)
            yield rows
            if following is None:
                return
            if read_to > at:
                at, after, offsets = read_to, "", set()
            elif following in offsets:
                break
            else:
                after = following
                offsets.add(after)
        raise Invalid(f"HubSpot's list of {kind} goes round in a circle or does not end")

    def accounts(self, http: httpx.Client) -> Iterator[Account]:
        """The owners: who may own tickets. An owner has an id of its own, besides the user's."""
        query, seen = {"limit": "100", "archived": "false"}, set[str]()
        while True:
            answer = self._get(http, "owners", query)
            for owner in _results(answer):
                number = id_of(owner.get("id"))
                if number:
                    names = (text_of(owner.get(name) or "", 100) for name in ("firstName", "lastName"))
                    name = " ".join(part for part in names if part) or number
                    bot = owner.get("type") not in (None, "PERSON")
                    yield Account(number, id_of(owner.get("email")), name, bot=bot)
            paging = object_of(object_of(answer.json, "the answer").get("paging"), "paging")
            after = id_of(object_of(paging.get("next"), "next").get("after"))
            if after is None:
                return
            if after in seen:
                raise Invalid("HubSpot's list of owners goes round in a circle")
            seen.add(after)
            query["after"] = after

    def sign(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The signature and its time stamp, in milliseconds."""
        stamp = str(_ms(moment))
        signature = hmac_of(self.client_secret, self._signed("POST", body, stamp))
        return {"X-HubSpot-Request-Timestamp": stamp, "X-HubSpot-Signature-v3": signature}

    def _get(self, http: httpx.Client, path: str, query: dict[str, str]) -> Answer:
        return fetch_json(http, f"{self.api_url()}/crm/v3/{path}?{urlencode(query)}", headers=self._headers())

    def _post(self, http: httpx.Client, path: str, asked: dict[str, Any]) -> Answer:
        url = f"{self.api_url()}{path}"
        return fetch_json(http, url, method="POST", json=asked, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        token = self.access_token.get_secret_value() if self.access_token else ""
        return {"Authorization": f"Bearer {token}"}


def _results(answer: Answer) -> list[dict[str, Any]]:
    rows = list_of(object_of(answer.json, "the answer").get("results"), "results")
    return [object_of(row, "a result") for row in rows]


def _id(row: Any) -> list[str]:
    number = id_of(object_of(row, "a result").get("id"))
    if number is None:
        raise Invalid("there is no id where HubSpot puts one")
    return [number]


def _change(row: Any) -> list[tuple[str, datetime]]:
    """By what the list is in order; `updatedAt` says the same where the property is not told."""
    told = object_of(object_of(row, "a result").get("properties"), "properties")
    return [(number, moment_of(told.get(CHANGED) or row.get("updatedAt"))) for number in _id(row)]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _place(place: dict[str, str], name: str) -> datetime:
    try:
        return parse_time(place.get(name, ""))
    except Invalid:
        raise Invalid(f"the cursor does not hold `{name}`; it was not written by this plugin") from None
