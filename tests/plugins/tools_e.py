"""Zoho Desk, GLPI and Crisp over a real socket: 204 for an empty list, 206 for a page of one."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from tests.plugins.tools import Asked, Said, Tool

Item = dict[str, Any]


def stamp(moment: datetime) -> str:
    """As Zoho writes a time."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


class ZohoTool(Tool):
    """Ratings the newest first, tickets and articles in the order of their change, conversations and agents."""

    def __init__(self) -> None:
        super().__init__()
        self.ratings: list[Item] = []
        self.tickets: list[Item] = []
        self.conversations: dict[str, list[Item]] = {}
        self.articles: list[Item] = []
        self.agents: list[Item] = []

    def rate(self, number: int, rating: str, at: datetime, feedback: str | None = None, **more: Any) -> None:
        about = {"ticketId": str(1000 + number), "contactId": str(500 + number), "agentId": "77"}
        said = {"rating": rating, "feedback": feedback, "ratedTime": stamp(at)}
        self.ratings.append({"id": str(number), **about, **said, **more})

    def change(self, number: int, at: datetime, **more: Any) -> None:
        ticket = {"id": str(number), "status": "Open", "statusType": "Open", "modifiedTime": stamp(at)}
        self.tickets[:] = [other for other in self.tickets if other["id"] != str(number)]
        self.tickets.append({**ticket, "assigneeId": "77", "contactId": "500", "cf": {}, **more})

    def write(self, ticket: int, number: int, writer: str, at: datetime, **more: Any) -> None:
        """A private comment; with `direction="out"` a mail."""
        is_mail = "direction" in more
        item = {"id": str(number), "type": "thread" if is_mail else "comment"}
        by = {"id": writer, "type": "AGENT"}
        said = (
            {"createdTime": stamp(at), "author": by}
            if is_mail
            else {"commentedTime": stamp(at), "isPublic": False}
        )
        said |= {} if is_mail else {"commenterId": writer, "commenter": by}
        self.conversations.setdefault(str(ticket), []).append({**item, **said, **more})

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/oauth/v2/token":
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            given = {"grant_type": "refresh_token", "client_id": "client", "client_secret": "cs"}
            if form != {**given, "refresh_token": "rt"}:
                return Said({"error": "invalid_code"})  # with status 200, as Zoho does
            return Said({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"})
        if asked.headers.get("Authorization") != "Zoho-oauthtoken a-token":
            return Said({"errorCode": "INVALID_OAUTH", "message": "invalid"}, status=401)
        assert asked.headers["orgId"] == "60001280"
        path = asked.path.removeprefix("/api/v1/")
        if path == "customerHappiness":
            assert asked.query["department"] == "allDepartment"
            assert asked.query["sortBy"] == "-ratedTime"
            rated = [str(rating.get("ratedTime", "")) for rating in self.ratings]
            order = sorted(range(len(rated)), key=lambda place: rated[place], reverse=True)
            return self._page([self.ratings[place] for place in order], asked)
        if path in ("tickets/search", "articles"):
            begin, end = asked.query["modifiedTimeRange"].split(",")
            assert asked.query["sortBy"] == "modifiedTime"
            assert int(asked.query.get("from", 0)) < 1000  # further it does not go
            changed = self.tickets if path == "tickets/search" else self.articles
            chosen = [item for item in changed if begin <= item["modifiedTime"].replace(".000Z", "Z") <= end]
            return self._page(sorted(chosen, key=lambda item: str(item["modifiedTime"])), asked)
        if path.endswith("/conversations"):
            return self._page(self.conversations.get(path.split("/")[1], []), asked)
        if path == "agents":
            return self._page(self.agents, asked, first=1)
        return Said({"errorCode": "URL_NOT_FOUND"}, status=404)

    def _page(self, items: list[Item], asked: Asked, first: int = 0) -> Said:
        begin = max(int(asked.query.get("from", first)) - first, 0)
        page = items[begin : begin + int(asked.query["limit"])]
        return Said({"data": page}) if page else Said(raw=b"", status=204)


def local(moment: datetime) -> str:
    """As GLPI's session API writes a time: in the zone of its user, here one hour ahead of UTC."""
    return f"{moment + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"


class GlpiTool(Tool):
    """A session, tables in ranges (206 where there is more, 400 past the end), and what hangs on a ticket."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[Item]] = {
            name: []
            for name in (
                "TicketSatisfaction",
                "Ticket",
                "KnowbaseItem",
                "User",
                "UserEmail",
                "Profile",
                "Profile_User",
            )
        }
        self.tables["RequestType"] = [
            {"id": 1, "name": "Helpdesk"},
            {"id": 9, "name": "Thanks"},
            {"id": 4, "name": None},
        ]
        self.parts: dict[str, list[Item]] = {}

    def rate(self, ticket: int, stars: float, at: datetime, comment: str | None = None, **more: Any) -> None:
        survey = {
            "id": 7000 + ticket,
            "tickets_id": ticket,
            "type": 1,
            "date_begin": local(at),
            "comment": comment,
        }
        answer = {"date_answered": local(at), "satisfaction": stars, "satisfaction_scaled_to_5": stars}
        self.tables["TicketSatisfaction"].append({**survey, **answer, **more})
        self.team(ticket, 77, customer=500 + ticket)

    def team(self, ticket: int, *assigned: int, customer: int = 500) -> None:
        rows = [{"users_id": customer, "type": 1}, *({"users_id": user, "type": 2} for user in assigned)]
        self.parts[f"Ticket/{ticket}/Ticket_User"] = rows

    def change(self, ticket: int, at: datetime, *assigned: int, **more: Any) -> None:
        rows = self.tables["Ticket"]
        rows[:] = [row for row in rows if row["id"] != ticket]
        rows.append(
            {
                "id": ticket,
                "status": 2,
                "date_mod": local(at),
                "solvedate": None,
                "time_to_resolve": None,
                **more,
            }
        )
        self.team(ticket, *(assigned or (77,)))

    def write(self, ticket: int, number: int, user: int, at: datetime, **more: Any) -> None:
        followup = {"id": number, "users_id": user, "is_private": 1, "requesttypes_id": 1, "date": local(at)}
        followup |= {"content": "<p>Words</p>", "date_creation": local(at)}
        self.parts.setdefault(f"Ticket/{ticket}/ITILFollowup", []).append({**followup, **more})

    def solve(self, ticket: int, number: int, user: int, at: datetime, **more: Any) -> None:
        solution = {
            "id": number,
            "users_id": user,
            "status": 2,
            "date_creation": local(at),
            "date_approval": None,
        }
        self.parts.setdefault(f"Ticket/{ticket}/ITILSolution", []).append({**solution, **more})

    def answer(self, asked: Asked) -> Said:
        path = asked.path.removeprefix("/apirest.php/")
        if asked.headers.get("App-Token") != "app":
            return Said(["ERROR_WRONG_APP_TOKEN_PARAMETER", "parameter app_token seems wrong"], status=400)
        if path == "initSession":
            if asked.headers.get("Authorization") != "user_token ut":
                return Said(["ERROR_GLPI_LOGIN_USER_TOKEN", "parameter user_token seems invalid"], status=401)
            return Said({"session_token": "a-session"})
        if asked.headers.get("Session-Token") != "a-session":
            return Said(["ERROR_SESSION_TOKEN_INVALID", "session_token seems invalid"], status=401)
        rows = list(self.tables.get(path, self.parts.get(path, [])))
        if "sort" in asked.query:
            assert asked.query["order"] == "DESC"
            rows.sort(key=lambda row: str(row.get(asked.query["sort"]) or ""), reverse=True)
        first, last = (int(end) for end in asked.query["range"].split("-"))
        if first > len(rows):
            return Said(["ERROR_RANGE_EXCEED_TOTAL", "provided range exceeds total count"], status=400)
        page = rows[first : last + 1]
        return Said(page, status=206 if len(page) < len(rows) else 200)


WEBSITE = "42286ab3-b29a-4fde-8538-da0ae501d825"


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


class CrispTool(Tool):
    """Conversations in numbered pages, the last changed first; their messages back in time; operators."""

    size = 2
    authorization = "Basic aWQ6a2V5"  # id:key

    def __init__(self) -> None:
        super().__init__()
        self.conversations: list[Item] = []
        self.messages: dict[str, list[Item]] = {}
        self.operators: list[Item] = []

    def change(self, number: int, at: datetime, **more: Any) -> None:
        session = f"session_{number}"
        self.conversations[:] = [other for other in self.conversations if other["session_id"] != session]
        conversation = {"session_id": session, "state": "unresolved", "updated_at": milliseconds(at)}
        self.conversations.append(
            {**conversation, "assigned": {"user_id": "77"}, "meta": {"data": {}}, **more}
        )

    def write(self, number: int, fingerprint: int, user: str, at: datetime, **more: Any) -> None:
        """A private note, unless said otherwise."""
        message = {
            "fingerprint": fingerprint,
            "timestamp": milliseconds(at),
            "from": "operator",
            "type": "note",
        }
        said = {"content": "Words", "user": {"type": "operator", "user_id": user}, "mentions": []}
        self.messages.setdefault(f"session_{number}", []).append({**message, **said, **more})

    def thank(self, number: int, at: datetime, words: str) -> None:
        self.change(number, at)
        self.write(number, number, "99", at, content=f"#thanks {words}", mentions=["77"])

    def answer(self, asked: Asked) -> Said:
        if (
            asked.headers.get("Authorization") != self.authorization
            or asked.headers.get("X-Crisp-Tier") != "plugin"
        ):
            return Said({"error": True, "reason": "invalid_session", "data": {}}, status=401)
        path = asked.path.removeprefix(f"/v1/website/{WEBSITE}/")
        if path == "operators/list":
            return self._said(self.operators)
        if path.startswith("conversations/"):
            assert asked.query["order_date_updated"] == "1"
            changed = sorted(self.conversations, key=lambda item: -item["updated_at"])
            begin = (int(path.split("/")[1]) - 1) * int(asked.query["per_page"])
            end = begin + int(asked.query["per_page"])
            return self._said(changed[begin:end], end < len(changed))
        if path.endswith("/messages"):
            before = int(asked.query.get("timestamp_before", 10**15))
            written = sorted(
                self.messages.get(path.split("/")[1], []), key=lambda message: message["timestamp"]
            )
            written = [message for message in written if message["timestamp"] < before]
            return self._said(written[-self.size :], len(written) > self.size)
        return Said({"error": True, "reason": "route_not_found", "data": {}}, status=404)

    def _said(self, data: list[Item], more: bool = False) -> Said:
        return Said({"error": False, "reason": "listed", "data": data}, status=206 if more else 200)
