"""Bodies as Zoho Desk would send them, for `leaderboard simulate zoho_desk`."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

WORDS = (
    "Thank you for calling me back on a Sunday.",
    "She had the spare part waiting for us!",
    "He saw what I needed before I did.",
    "You made our trip.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body; the token is the only header."""
    ticket, now = str(280_000_000_000_000 + number), f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
    what = random.choice(("thanks", "thanks", "solved", "promised", "answered", "article"))
    payload: dict[str, Any] = {"id": ticket, "modifiedTime": now, "status": "Open", "statusType": "Open"}
    payload |= {"assigneeId": agent, "contactId": str(900 + number % 50), "cf": {}}
    kind = "Ticket_Update"
    if what == "thanks":
        payload["cf"] = {"cf_customer_thanks": random.choice(WORDS)}
    elif what == "solved":
        payload |= {"status": "Closed", "statusType": "Closed", "closedTime": now}
    elif what == "promised":
        payload["cf"] = {"cf_promised_for": f"{moment + timedelta(days=1):%Y-%m-%dT%H:%M:%S}.000Z"}
    elif what == "answered":
        kind, author = "Ticket_Thread_Add", {"id": agent, "type": "AGENT"}
        payload = {
            "id": f"9{number}",
            "ticketId": ticket,
            "direction": "out",
            "createdTime": now,
            "author": author,
        }
    else:
        kind = "Article_Update"
        payload = {"id": f"8{number}", "status": "Published", "authorId": agent, "modifiedTime": now}
    return json.dumps([{"eventType": kind, "orgId": "60001280", "payload": payload}]).encode(), {}
