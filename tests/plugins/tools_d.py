"""More helpdesks over a real socket: HubSpot's CRM API."""

import json
from datetime import datetime, timedelta
from typing import Any

from tests.plugins.tools import Asked, Said, Tool

Row = dict[str, Any]


def milli(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


class HubSpotTool(Tool):
    """Searches by time of change, batches with history, links between notes and tickets, owners."""

    size = 2
    most = 10_000
    """A search shows no more than this."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[Row] = []
        self.notes: list[Row] = []
        self.links: dict[str, list[int]] = {}
        self.owners: list[Row] = []

    def change(
        self, number: int, at: datetime, owner: str = "77", **history: list[tuple[datetime, str]]
    ) -> Row:
        """A ticket that changed at this moment, owned since the day before; histories come the oldest first."""
        told = {"hubspot_owner_id": [(at - timedelta(days=1), owner)], **history}
        ticket = {
            "id": str(number),
            "properties": {"hs_all_associated_contact_emails": f"customer-{number}@example.com"},
            "propertiesWithHistory": {
                name: [
                    {"value": value, "timestamp": milli(when), "sourceType": "CRM_UI", "updatedByUserId": 5}
                    for when, value in reversed(versions)
                ]
                for name, versions in told.items()
            },
            "createdAt": milli(at - timedelta(days=1)),
            "updatedAt": milli(at),
            "archived": False,
        }
        self.tickets.append(ticket)
        return ticket

    def rate(self, number: int, value: str, at: datetime, words: str = "") -> Row:
        return self.change(number, at, hs_last_csat_rating=[(at, value)], hs_last_csat_comment=[(at, words)])

    def note(self, number: int, ticket: int | None, owner: str, at: datetime) -> None:
        properties = {"hubspot_owner_id": owner, "hs_note_body": "<p>Words between us</p>"}
        times = {"createdAt": milli(at), "updatedAt": milli(at)}
        self.notes.append({"id": str(number), "properties": properties, **times, "archived": False})
        if ticket is not None:
            self.links.setdefault(str(number), []).append(ticket)

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != "Bearer hubspot-token":
            return Said({"status": "error", "category": "INVALID_AUTHENTICATION"}, status=401)
        if asked.path == "/crm/v3/owners":
            begin, limit = int(asked.query.get("after", 0)), min(int(asked.query["limit"]), self.size)
            return self._page(self.owners, begin, limit)
        wanted = json.loads(asked.body)
        if asked.path in ("/crm/v3/objects/tickets/search", "/crm/v3/objects/notes/search"):
            return self._search(self.tickets if "tickets" in asked.path else self.notes, wanted)
        inputs = [item["id"] for item in wanted["inputs"]]
        if asked.path == "/crm/v3/objects/tickets/batch/read":
            assert len(inputs) <= 50
            found = {str(ticket["id"]): ticket for ticket in self.tickets}
            told = [_with(found[each], wanted) for each in dict.fromkeys(inputs) if each in found]
            return self._batch(told, len(told) < len(inputs))
        if asked.path == "/crm/v4/associations/notes/tickets/batch/read":
            told = [
                {
                    "from": {"id": each},
                    "to": [{"toObjectId": ticket, "associationTypes": []} for ticket in tickets],
                }
                for each in inputs
                if (tickets := self.links.get(each))
            ]
            return self._batch(told, len(told) < len(inputs))
        return Said({"status": "error", "message": "resource not found"}, status=404)

    def _search(self, rows: list[Row], wanted: Row) -> Said:
        (only,) = wanted["filterGroups"][0]["filters"]
        assert (only["propertyName"], only["operator"]) == ("hs_lastmodifieddate", "GTE")
        assert wanted["sorts"] == [{"propertyName": "hs_lastmodifieddate", "direction": "ASCENDING"}]
        since = milli(datetime.fromtimestamp(int(only["value"]) / 1000, (self.now or _EPOCH).tzinfo))
        chosen = sorted((row for row in rows if row["updatedAt"] >= since), key=lambda row: row["updatedAt"])
        begin, limit = int(wanted.get("after", 0)), min(wanted["limit"], self.size)
        if begin + limit > self.most:
            return Said({"status": "error", "message": "paging past the limit"}, status=400)
        shown = [
            {name: held for name, held in row.items() if name != "propertiesWithHistory"} for row in chosen
        ]
        return self._page(shown, begin, limit)

    def _page(self, rows: list[Row], begin: int, limit: int) -> Said:
        more = begin + limit < len(rows)
        link = {"after": str(begin + limit), "link": "https://elsewhere.example/next"}
        return Said({"results": rows[begin : begin + limit], **({"paging": {"next": link}} if more else {})})

    def _batch(self, told: list[Row], missed: bool) -> Said:
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Some could not be found"}
        answer = {"status": "COMPLETE", "results": told}
        return Said({**answer, "numErrors": 1, "errors": [error]}, status=207) if missed else Said(answer)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _with(ticket: Row, wanted: Row) -> Row:
    properties = {name: ticket["properties"].get(name) for name in wanted["properties"]}
    told = ticket["propertiesWithHistory"]
    history = {name: told[name] for name in wanted["propertiesWithHistory"] if name in told}
    return {**ticket, "properties": properties, "propertiesWithHistory": history}
