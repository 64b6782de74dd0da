"""More helpdesks over a real socket: django-helpdesk's API."""

from datetime import datetime, timedelta
from typing import Any

from tests.plugins.tools import Asked, Said, Tool

Row = dict[str, Any]
ANA, BEN = 3, 7


class DjangoHelpdeskTool(Tool):
    """Follow-ups by date in pages that are counted, and a ticket with all of its follow-ups, as the real one answers."""

    size = 2
    authorization = "Basic cmVhZGVyOnB3"  # reader:pw

    def __init__(self) -> None:
        super().__init__()
        self.followups: list[Row] = []
        self.tickets: dict[str, Row] = {}

    def open(self, number: int, **more: Any) -> None:
        ticket = {"id": number, "title": "Lost luggage", "description": "It never came.", "assigned_to": ANA}
        people = {"submitter_email": f"customer-{number}@example.com", "status": 1, "merged_to": None}
        self.tickets[str(number)] = {**ticket, **people, "due_date": None, **more}

    def write(self, ticket: int, user: int | None, comment: str, at: datetime, **more: Any) -> None:
        number = len(self.followups) + 1
        mail = None if user else f"<{number}@mail.example.com>"
        row = {
            "id": number,
            "message_id": mail,
            "ticket": ticket,
            "user": user,
            "title": "Comment",
            "comment": comment,
        }
        self.followups.append(
            {**row, "public": True, "new_status": None, "date": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", **more}
        )

    def thank(self, number: int, at: datetime, words: str = "Thank you") -> None:
        """A colleague marks what the customer wrote a moment before."""
        self.open(number)
        self.write(number, BEN, "#thanks", at, public=False)
        self.write(number, ANA, "It is here.", at - timedelta(days=30))
        self.write(number, None, words, at - timedelta(seconds=1))

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("Authorization") != self.authorization:
            return Said({"detail": "Invalid username/password."}, status=401)
        kind, _, number = asked.path.strip("/").removeprefix("api/").partition("/")
        if kind == "tickets" and number in self.tickets:
            mine = [row for row in self._by_date() if str(row.get("ticket")) == number]
            return Said({**self.tickets[number], "followup_set": mine})
        if kind == "followups" and not number:
            page, size = int(asked.query["page"]), min(self.size, int(asked.query["page_size"]))
            shown = self._by_date()[(page - 1) * size : page * size]
            if shown or page == 1:
                return Said({"count": len(self.followups), "next": None, "previous": None, "results": shown})
        return Said({"detail": "Not found."}, status=404)

    def _by_date(self) -> list[Row]:
        return sorted(self.followups, key=lambda row: str(row["date"]))
