"""More helpdesks over a real socket: HubSpot's CRM API, Gorgias, Frappe."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

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
            {
                "id": row["id"],
                "properties": {
                    name: row["updatedAt"] if name == "hs_lastmodifieddate" else row["properties"].get(name)
                    for name in wanted["properties"]
                },
                "createdAt": row["createdAt"],
                "updatedAt": milli(self.now or _EPOCH),  # not what the list is ordered by
            }
            for row in chosen
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


def plain(moment: datetime) -> str:
    """As Gorgias' reference writes times: without a zone."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}"


class GorgiasTool(Tool):
    """Lists in the order asked for, by a cursor; single tickets and surveys; users."""

    size = 2
    authorization = "Basic YXBpQGV4YW1wbGUuY29tOmtleQ=="  # api@example.com:key

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[Row] = []
        self.messages: list[Row] = []
        self.events: list[Row] = []
        self.users: list[Row] = []
        self.surveys: dict[str, Row] = {}
        self.fields: dict[str, Row] = {}

    def change(self, number: int, at: datetime, assignee: int | None = 77, **more: Any) -> Row:
        ticket = {
            "id": number,
            "status": "open",
            "customer": {"id": 500 + number, "email": f"customer-{number}@example.com"},
            "assignee_user": {"id": assignee, "name": "Ana"} if assignee else None,
            "updated_datetime": plain(at),
            "closed_datetime": None,
            "satisfaction_survey": None,
            **more,
        }
        self.tickets.append(ticket)
        return ticket

    def rate(
        self, number: int, score: int | None, at: datetime, words: str | None = None, **more: Any
    ) -> Row:
        """A ticket of a week ago whose survey was answered at this moment."""
        self.tickets[:] = [ticket for ticket in self.tickets if ticket["id"] != number]
        survey = {"id": 9000 + number, "ticket_id": number, "score": score, "body_text": words}
        self.surveys[str(survey["id"])] = survey
        self.change(number, at - timedelta(days=7), satisfaction_survey=survey)
        event = {
            "id": len(self.events) + 1,
            "type": "satisfaction-survey-responded",
            "object_type": "SatisfactionSurvey",
            "object_id": survey["id"],
            "user_id": None,
            "created_datetime": plain(at),
            "data": {"score": score, "body_text": words},
            **more,
        }
        self.events.append(event)
        return event

    def write(self, number: int, ticket: int, sender: int, at: datetime, **more: Any) -> None:
        message = {"id": number, "ticket_id": ticket, "from_agent": True, "public": True, "rule_id": None}
        self.messages.append({**message, "sender": {"id": sender}, "created_datetime": plain(at), **more})

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != self.authorization:
            return Said({"error": {"msg": "Unauthorized"}}, status=401)
        path = asked.path.removeprefix("/api/")
        lists = {
            "tickets": self.tickets,
            "messages": self.messages,
            "events": self.events,
            "users": self.users,
        }
        if path in lists:
            rows = lists[path]
            if path != "users":
                order, _, direction = asked.query["order_by"].partition(":")
                assert (order.removesuffix("_datetime"), direction) == (
                    "updated" if path == "tickets" else "created",
                    "desc",
                )
                rows = sorted(rows, key=lambda row: str(row[order]), reverse=True)
            return self._listed(rows, asked)
        kind, _, number = path.partition("/")
        if kind == "satisfaction-surveys" and number in self.surveys:
            return Said(self.surveys[number])
        for ticket in self.tickets:
            if kind == "tickets" and str(ticket["id"]) == number:
                wanted = asked.query.get("relationships") == "custom_fields"
                return Said({**ticket, **({"custom_fields": self.fields.get(number, {})} if wanted else {})})
        return Said({"error": {"msg": "Not found"}}, status=404)

    def _listed(self, rows: list[Row], asked: Asked) -> Said:
        place = asked.query.get("cursor", "p0")
        if not place.startswith("p"):
            return Said({"error": {"msg": "Invalid cursor"}}, status=400)
        begin = int(place[1:])
        following = f"p{begin + self.size}" if begin + self.size < len(rows) else None
        shown = rows[begin : begin + min(self.size, int(asked.query["limit"]))]
        return Said(
            {"object": "list", "data": shown, "meta": {"prev_cursor": None, "next_cursor": following}}
        )


BERLIN = ZoneInfo("Europe/Berlin")


def local(moment: datetime) -> str:
    """As a Frappe site in Berlin writes times."""
    return f"{moment.astimezone(BERLIN):%Y-%m-%d %H:%M:%S.%f}"


class FrappeTool(Tool):
    """Frappe's list of documents of a kind, with the fields, filters, order and page that are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[Row] = []
        self.comments: list[Row] = []
        self.answers: list[Row] = []
        self.articles: list[Row] = []
        self.agents: list[Row] = []

    def change(self, number: int, at: datetime, assigned: str | None = "77", **more: Any) -> Row:
        ticket = {
            "name": number,
            "creation": local(at),
            "modified": local(at),
            "_assign": json.dumps([assigned]) if assigned else None,
            "status_category": "Open",
            "resolution_date": None,
            "raised_by": f"customer-{number}@example.com",
            "is_merged": 0,
            "feedback_rating": 0.0,
            "feedback": None,
            "feedback_extra": None,
            **more,
        }
        self.tickets.append(ticket)
        return ticket

    def rate(self, number: int, rating: float, at: datetime, words: str = "", **more: Any) -> Row:
        return self.change(number, at, feedback_rating=rating, feedback_extra=words, **more)

    def comment(self, name: str, ticket: int, by: str, at: datetime) -> None:
        row = {"name": name, "reference_ticket": str(ticket), "commented_by": by, "creation": local(at)}
        self.comments.append(row)

    def reply(self, name: str, ticket: int, by: str, at: datetime, **more: Any) -> None:
        about = {"reference_doctype": "HD Ticket", "reference_name": str(ticket), "sent_or_received": "Sent"}
        self.answers.append({"name": name, "sender": by, "creation": local(at), **about, **more})

    def publish(self, name: str, author: str, at: datetime, **more: Any) -> None:
        row = {"name": name, "title": name, "author": author, "status": "Published", "modified": local(at)}
        self.articles.append({**row, "published_on": local(at), **more})

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != "token key:frappe-secret":
            return Said({"exc_type": "AuthenticationError"}, status=401)
        kinds = {
            "HD Ticket": self.tickets,
            "HD Ticket Comment": self.comments,
            "Communication": self.answers,
            "HD Article": self.articles,
            "HD Agent": self.agents,
        }
        kind = unquote(asked.path.removeprefix("/api/resource/"))
        if kind not in kinds:
            return Said({"exc_type": "DoesNotExistError"}, status=404)
        conditions = json.loads(asked.query.get("filters", "[]"))
        rows = [row for row in kinds[kind] if all(_meets(row, *condition) for condition in conditions)]
        for part in reversed(asked.query.get("order_by", "name asc").split(", ")):
            name, direction = part.split()
            assert direction == "asc"
            rows = sorted(rows, key=lambda row: str(row[name]))
        start, most = int(asked.query.get("limit_start", 0)), int(asked.query["limit_page_length"])
        fields = json.loads(asked.query.get("fields", '["name"]'))
        shown = [{name: row.get(name) for name in fields} for row in rows[start : start + most]]
        return Said({"data": shown})


def _meets(row: Row, name: str, operator: str, wanted: Any) -> bool:
    held = row.get(name)
    if operator == "in":
        return str(held) in wanted
    return str(held) >= wanted if operator == ">=" else held == wanted
