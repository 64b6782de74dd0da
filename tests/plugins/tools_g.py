"""One more helpdesk over a real socket: RT's REST 2.0, as a real RT 5.0.3 answers it (tests/real)."""

import json
import re
from datetime import datetime
from typing import Any

from tests.plugins.tools import Asked, Said, Tool, iso

SATISFACTION, PROMISED = "2", "3"
"""The numbers of two custom fields."""
USERS = {"6": "Nobody", "14": "root", "27": "ana", "29": "ben", "33": "ito@example.org"}
NUMBERS = {name: number for number, name in USERS.items()}
Row = dict[str, Any]


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def user(name: str) -> Row:
    return {"type": "user", "id": name, "_url": f"https://rt.example.com/REST/2.0/user/{name}"}


class RequestTrackerTool(Tool):
    """Transactions and tickets, at most `size` at once; what is `hidden` is left out of a page without a word."""

    size = 2

    def __init__(self) -> None:
        super().__init__()
        self.transactions: list[Row] = []
        self.tickets: dict[int, Row] = {}
        self.merged: dict[int, int] = {}
        self.attachments: dict[int, list[Row]] = {}
        self.hidden: set[str] = set()
        self.members = ["ana", "ben", "root"]
        self.disabled: set[str] = set()
        self.fields = {SATISFACTION: "Satisfaction", PROMISED: "Promised"}

    def open(self, number: int, owner: str = "ana", **more: Any) -> None:
        ticket = {
            "Owner": user(owner),
            "Requestor": [user("ito@example.org")],
            "Creator": user("ito@example.org"),
        }
        people = {"Requestor": [{**user("ito@example.org"), "EmailAddress": "ito@example.org"}]}
        times = {"Status": "open", "Due": "1970-01-01T00:00:00Z", "Queue": {"id": "1", "Name": "General"}}
        self.tickets[number] = {"id": str(number), **ticket, **people, **times, "CustomFields": [], **more}

    def write(self, ticket: int, kind: str, by: str, at: datetime, **more: Any) -> int:
        """A transaction, with the next number; the number."""
        number = more.pop("id", None) or 1 + max((int(t["id"]) for t in self.transactions), default=500)
        self.tickets.get(ticket) or self.open(ticket)
        row = {
            "type": "transaction",
            "id": str(number),
            "Type": kind,
            "Creator": user(by),
            "Created": iso(at),
        }
        about = {
            "ObjectType": "RT::Ticket",
            "ObjectId": str(ticket),
            "Field": "",
            "OldValue": "",
            "NewValue": "",
        }
        self.transactions.append({**row, **about, **more})
        return int(number)

    def say(self, ticket: int, by: str, at: datetime, words: str, kind: str = "text/plain") -> int:
        number = self.write(ticket, "Correspond", by, at)
        part = {
            "type": "attachment",
            "id": str(number),
            "ContentType": kind,
            "Content": words,
            "Filename": "",
        }
        picture = {**part, "ContentType": "image/png", "Content": "\x89PNG\0", "Filename": "us.png"}
        notes = {**part, "ContentType": "text/plain", "Content": "A file", "Filename": "notes.txt"}
        self.attachments[number] = [
            {**part, "ContentType": "multipart/mixed", "Content": ""},
            notes,
            picture,
            part,
        ]
        return number

    def rate(self, number: int, value: str, at: datetime, words: str = "", **more: Any) -> None:
        """The `number`th transaction sets the field, on a ticket of its own."""
        held = [("Satisfaction", value), ("Customer words", words)]
        fields = [
            {"type": "customfield", "name": name, "values": [said] if said else []} for name, said in held
        ]
        self.open(number, CustomFields=fields)
        changed = {"Field": SATISFACTION, "NewValue": value, "id": number}
        self.write(number, "CustomField", "ito@example.org", at, **{**changed, **more})

    def change(self, ticket: int, field: str, new: str, by: str, at: datetime) -> int:
        """Change the owner, the due date or the status, as RT notes it."""
        self.tickets.get(ticket) or self.open(ticket)
        row = self.tickets[ticket]
        old = row[field]
        if field == "Owner":
            row["Owner"], change = user(new), (NUMBERS[old["id"]], NUMBERS[new])
        elif field == "Due":
            row["Due"], change = new.replace(" ", "T") + "Z", (old.replace("T", " ")[:19], new)
        else:
            row[field], change = new, (old, new)
        kind = "Status" if field == "Status" else "Set"
        return self.write(ticket, kind, by, at, Field=field, OldValue=change[0], NewValue=change[1])

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != "token 1-31-token":
            return Said({"message": "Unauthorized"}, status=401)
        path = asked.path.removeprefix("/REST/2.0/")
        if path == "transactions":
            where = json.loads(asked.body if asked.method == "POST" else asked.query["query"])
            rows = [row for row in self.transactions if _holds(row, where)]
            rows.sort(key=lambda row: int(row["id"]), reverse=asked.query["order"] == "DESC")
            return self._page(rows, asked)
        if path == "tickets":
            wanted = [int(number) for number in re.findall(r"id=([0-9]+)", asked.query["query"])]
            found = [self.tickets[n] for n in wanted if n in self.tickets and n not in self.merged]
            return self._page([row for row in found if row["Status"] != "deleted"], asked)
        if path == "users":
            names = set(USERS.values()) - self.disabled
            rows = [{"id": name, "Name": name, "RealName": name.title()} for name in sorted(names)]
            rows = [row for row in rows if _holds(row, json.loads(asked.query["query"]))]
            return self._page([{**row, "EmailAddress": f"{row['id']}@example.com"} for row in rows], asked)
        if path in ("customfields", "groups"):
            names = {**self.fields} if path == "customfields" else {"3": "Everyone", "4": "Privileged"}
            rows = [
                {"id": n, "Name": name, "LookupType": "RT::Queue-RT::Ticket"} for n, name in names.items()
            ]
            return self._page([row for row in rows if _holds(row, json.loads(asked.query["query"]))], asked)
        kind, _, name = path.partition("/")
        if kind == "group":
            members = [*map(user, self.members), {"type": "group", "id": "43"}]
            return Said({"id": int(name), "Name": "Privileged", "Members": members})
        if kind == "user":
            return Said({"Name": USERS[name], "Privileged": 1})
        if kind == "ticket":
            return Said(self.tickets[self.merged.get(int(name), int(name))])
        if kind == "transaction":
            parts = self.attachments.get(int(name.split("/")[0]), [])
            where = json.loads(asked.query["query"])
            return self._page([part for part in parts if _holds(part, where)], asked)
        return Said({"message": "Not Found"}, status=404)

    def _page(self, rows: list[Row], asked: Asked) -> Said:
        size = min(int(asked.query.get("per_page", 20)), self.size if "orderby" in asked.query else 100)
        page = int(asked.query.get("page", 1))
        shown = [row for row in rows[(page - 1) * size : page * size] if row["id"] not in self.hidden]
        about = {"count": len(shown), "page": page, "per_page": size, "pages": None, "total": None}
        return Said({**about, "items": shown})


def _holds(row: Row, where: list[Row]) -> bool:
    """RT joins conditions on one field by "or", those on different ones by "and"."""
    fields = {each["field"] for each in where}
    return all(any(_one(row, each) for each in where if each["field"] == name) for name in fields)


def _one(row: Row, condition: Row) -> bool:
    name, operator, value = condition["field"], condition["operator"], condition["value"]
    held = row.get(name, "")
    if name == "id":
        return {"=": int(held) == int(value), ">": int(held) > int(value), "<": int(held) < int(value)}[
            operator
        ]
    if name == "Created":
        assert operator == ">="
        return str(held).replace("T", " ")[:19] >= value
    assert operator == "="
    return bool(str(held).casefold() == str(value).casefold())
