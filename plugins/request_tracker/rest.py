"""Asks RT's REST 2.0, and tells its transactions as the scrip tells them: with their ticket as it was then."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from leaderboard.plugin import (
    Answer,
    Invalid,
    fetch_json,
    id_of,
    list_of,
    object_of,
    parse_time,
    read_each,
    text_of,
)

Row = dict[str, Any]

TYPES = ("Create", "Correspond", "Comment", "Status", "Set", "CustomField")
FIELDS = "Type,Field,OldValue,NewValue,Created,Creator,ObjectType,ObjectId"
TICKET_FIELDS = "Owner,Requestor,Creator,Queue,Status,Due,CustomFields"
TEXTS = ("text/plain", "text/html")
TICKETS = "RT::Queue-RT::Ticket"  # where custom fields of tickets apply
PER_PAGE = 100  # RT gives no more at once
MOST_HIDDEN = 10  # pages in a row of which the token's user may see nothing
MOST_CHANGES = 20  # pages of changed owners and promises, for the tickets of one page


@dataclass(frozen=True)
class Found:
    """A page of transactions, and when RT gave it. A page is `short` at the end, and where something is hidden."""

    rows: list[Row]
    served_at: datetime | None
    short: bool


@dataclass
class Tickets:
    """What is known about the tickets of one page of transactions."""

    now: dict[str, Row] = field(default_factory=dict)
    changes: dict[str, list[Row]] = field(default_factory=dict)
    """By ticket: each change of its owner and of its promised time, oldest first."""


@dataclass(frozen=True)
class Rest:
    """REST 2.0 of one RT, as the owner of a token sees it; what they may not see RT leaves out without saying so.

    https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html
    """

    http: httpx.Client
    address: str
    token: str
    promise_field: str
    words_field: str | None
    custom_fields: dict[str, str] = field(default_factory=dict)
    """The names of the custom fields that count, by their numbers."""
    users: dict[str, str | None] = field(default_factory=dict)
    """The names of users, by their numbers, once asked for: proving a token costs RT a quarter of a second per request."""

    def newest(self, where: list[Row]) -> tuple[Row | None, datetime | None]:
        """The newest transaction, and RT's own time; None where none can be seen."""
        for page in range(1, MOST_HIDDEN + 1):
            found = self.transactions(where, page, order="DESC")
            if found.rows:
                return found.rows[0], found.served_at
        return None, found.served_at

    def transactions(
        self, where: list[Row], page: int = 1, order: str = "ASC", *, is_long: bool = False
    ) -> Found:
        """A page of them by number; conditions on one field are joined by "or". A long question goes in a body."""
        asked = {
            "fields": FIELDS,
            "orderby": "id",
            "order": order,
            "per_page": str(PER_PAGE),
            "page": str(page),
        }
        if is_long:
            answer = self._get("transactions", asked, method="POST", json=where)
        else:
            answer = self._get("transactions", {**asked, "query": json.dumps(where)})
        rows = _items(answer)
        return Found(rows, answer.served_at, len(rows) < (answer.json.get("per_page") or PER_PAGE))

    def learn(self, names: set[str], unread: list[str]) -> None:
        """Find the custom fields of these names; queues may have one each of the same name."""
        if not names:
            return
        where = [condition("LookupType", TICKETS), *(condition("Name", name) for name in sorted(names))]
        for item in self._found("customfields", where, "Name"):
            name = item.get("Name")
            if isinstance(name, str) and name in names:
                self.custom_fields[number_of(item.get("id"))] = name
        missing = sorted(names - set(self.custom_fields.values()))
        unread += [
            f"RT shows no custom field {name} to the token's user (SeeCustomField)" for name in missing
        ]

    def tickets(self, rows: list[Row]) -> Tickets:
        """The tickets of these transactions, and what was changed about their owners and promises, before and since."""
        things = sorted(set(read_each(rows, _ticket_of, [])))
        found = Tickets()
        if not things:
            return found
        for item in self._tickets(things):
            for number in read_each([item], numbers, []):
                found.now[str(number)] = item
        fields = ["Owner", "Due"]
        if self.promise_field != "Due":
            fields[1:] = [number for number, name in self.custom_fields.items() if name == self.promise_field]
        where = [condition("ObjectType", "RT::Ticket"), *(condition("Field", name) for name in fields)]
        where += [condition("ObjectId", thing) for thing in things]
        for page in range(1, MOST_CHANGES + 1):
            changes = self.transactions(where, page, is_long=True)
            for change in changes.rows:
                for thing in read_each([change], _ticket_of, []):
                    found.changes.setdefault(thing, []).append(change)
            if changes.short:
                break
        return found

    def told(self, row: Row, tickets: Tickets) -> Row | None:
        """A transaction as the scrip tells it; None where its ticket was deleted."""
        number, thing = number_of(row.get("id")), number_of(row.get("ObjectId"))
        ticket = tickets.now.get(thing) or self._unlisted(thing)
        tickets.now[thing] = ticket
        if ticket.get("Status") == "deleted":
            return None
        people = list_of(ticket.get("Requestor") or [], "Requestor")
        requestors = [object_of(one, "a requestor") for one in people]
        owner, promised, promised_by = self._then(int(number), ticket, tickets.changes.get(thing, []))
        return {
            "id": number,
            "type": row.get("Type"),
            "field": self.field_of(row),
            "old": row.get("OldValue"),
            "new": row.get("NewValue"),
            "at": row.get("Created"),
            "by": name_of(row.get("Creator")),
            "ticket": thing,
            "queue": object_of(ticket.get("Queue"), "a queue").get("Name"),
            "owner": owner,
            "customers": [id_of(one.get("id")) for one in requestors],
            "customer": next((one.get("EmailAddress") or one.get("id") for one in requestors), None),
            "promised": promised,
            "promised_by": promised_by,
            "words": _value(ticket, self.words_field),
        }

    def field_of(self, row: Row) -> str:
        """Which field a transaction changed: a custom field is named by its number."""
        name = text(row, "Field")
        return self.custom_fields.get(name, "") if row.get("Type") == "CustomField" else name

    def said(self, told: Row) -> Row:
        """The customer's newest message before this transaction."""
        where = [condition("ObjectType", "RT::Ticket"), condition("ObjectId", told["ticket"])]
        where += [condition("Type", kind) for kind in ("Create", "Correspond")]
        where += [condition("id", told["id"], "<")]
        for row in self.transactions(where, order="DESC").rows:
            if name_of(row.get("Creator")) in told["customers"]:
                path = f"transaction/{number_of(row.get('id'))}/attachments"
                # Only its texts: a picture's bytes would come as a text that no JSON should hold
                kinds = [condition("ContentType", kind) for kind in TEXTS]
                parts = self._found(path, kinds, "Content,ContentType,Filename")
                for kind in TEXTS:
                    for part in parts:
                        if part.get("ContentType") == kind and not part.get("Filename"):
                            return {"said": part.get("Content"), "said_type": kind}
        return {}

    def members(self, group: str) -> list[Row]:
        """The users of a group that are not disabled; those of groups in it are left out."""
        found = self._found("groups", [condition("Name", group)], "Name")
        numbered = [number_of(item.get("id")) for item in found if item.get("Name") == group]
        if not numbered:
            raise Invalid(f"RT shows no group {group} to the token's user; it needs the right SeeGroup")
        answer = self._get(f"group/{numbered[0]}", {}).json
        members = list_of(object_of(answer, "a group").get("Members"), "Members")
        names = [name_of(member) for member in members if object_of(member, "a member").get("type") == "user"]
        users: dict[str | None, Row] = {}
        for first in range(0, len(names), PER_PAGE):
            where = [condition("Name", name) for name in names[first : first + PER_PAGE] if name]
            for user in self._found("users", where, "Name,RealName,EmailAddress"):
                users[id_of(user.get("Name"))] = user
        return [users[name] for name in names if name and name in users]

    def _then(self, number: int, ticket: Row, changes: list[Row]) -> tuple[str | None, Any, str | None]:
        """Who owned the ticket after this transaction, what was promised, and by whom; from what was changed since."""
        owner, promised = name_of(ticket.get("Owner")), ticket.get("Due")
        if self.promise_field != "Due":
            promised = _value(ticket, self.promise_field)
        promised_by, owned, due = name_of(ticket.get("Creator")), list[Any](), list[Any]()
        for change in changes:
            later = int(number_of(change.get("id"))) > number
            if change.get("Field") == "Owner":
                owned += [change.get("OldValue")] * later
            elif later:
                due.append(change.get("OldValue"))
            else:
                promised_by = name_of(change.get("Creator"))
        if owned:  # a number, unlike everywhere else
            owner = self._name(number_of(owned[0]))
        return owner, due[0] if due else promised, promised_by

    def _tickets(self, things: list[str]) -> list[Row]:
        asked = {"query": " OR ".join(f"id={thing}" for thing in things), "per_page": str(PER_PAGE)}
        more = {"fields": TICKET_FIELDS, "fields[Queue]": "Name", "fields[Requestor]": "EmailAddress"}
        return _items(self._get("tickets", {**asked, **more}))

    def _unlisted(self, thing: str) -> Row:
        """A ticket that a search leaves out: it was deleted, or merged into another, which RT gives in its place."""
        ticket = object_of(self._get(f"ticket/{thing}", {}).json, "a ticket")
        return next(iter(self._tickets([number_of(ticket.get("id"))])), {"Status": "deleted"})

    def _name(self, number: str) -> str | None:
        if number not in self.users:
            user = object_of(self._get(f"user/{number}", {}).json, "a user")
            self.users[number] = id_of(user.get("Name"))
        return self.users[number]

    def _found(self, path: str, where: list[Row], fields: str) -> list[Row]:
        asked = {"query": json.dumps(where), "fields": fields, "per_page": str(PER_PAGE)}
        return _items(self._get(path, asked))

    def _get(self, path: str, query: dict[str, str], method: str = "GET", **more: Any) -> Answer:
        url = f"{self.address}/REST/2.0/{path}" + (f"?{urlencode(query)}" if query else "")
        credentials = {"Authorization": f"token {self.token}"}
        return fetch_json(self.http, url, method=method, headers=credentials, **more)


def condition(name: str, value: str, operator: str = "=") -> Row:
    return {"field": name, "operator": operator, "value": value}


def number_of(value: Any) -> str:
    """A number in digits; Invalid for anything else, so that none becomes another part of a question."""
    number = id_of(value)
    if number is None or not re.fullmatch(r"[0-9]{1,18}", number):
        raise Invalid("there is no number where RT puts one")
    return number


def numbers(item: Any) -> list[int]:
    return [int(number_of(object_of(item, "an item").get("id")))]


def created(item: Any) -> datetime:
    return parse_time(object_of(item, "an item").get("Created"))


def text(row: Row, name: str, limit: int = 400) -> str:
    """What stands there; "" where RT has none, which it also writes as null."""
    return text_of(row.get(name) or "", limit)


def name_of(value: Any) -> str | None:
    """Of {"type": "user", "id": "ana"}: the user's name."""
    return id_of(object_of(value, "a reference").get("id"))


def _items(answer: Answer) -> list[Row]:
    items = list_of(object_of(answer.json, "the answer").get("items"), "items")
    return [object_of(item, "an item") for item in items]


def _ticket_of(item: Any) -> list[str]:
    row = object_of(item, "a transaction")
    return [] if row.get("ObjectType") == "RT::Article" else [number_of(row.get("ObjectId"))]


def _value(ticket: Row, name: str | None) -> Any:
    """What a custom field of a ticket holds; "" where there is none."""
    for item in list_of(ticket.get("CustomFields") or [], "CustomFields"):
        custom = object_of(item, "a custom field")
        if name and custom.get("name") == name:
            return next(iter(list_of(custom.get("values") or [], "values")), "")
    return ""
