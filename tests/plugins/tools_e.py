"""Zoho Desk over a real socket: tokens by refresh token, lists that answer 204 for none, a search by time of change."""

from datetime import datetime
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
