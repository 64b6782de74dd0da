"""Bodies as FreeScout would send them, for `leaderboard simulate freescout`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "<div>Thank you for the extra call!</div>",
    "<div>You made our <b>holiday</b>.</div>",
    "<div>Never had such kind help.</div>",
    "<div>She wrote back on a Sunday.</div>",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    stamp, user = f"{moment:%Y-%m-%dT%H:%M:%SZ}", {"id": agent, "type": "user"}
    customer = {"id": 900 + number % 50, "type": "customer"}
    what = random.choice(("thanks", "thanks", "answer", "note", "closed"))
    thread: dict[str, Any] = {"id": number + 1, "createdAt": stamp, "createdBy": user}
    if what == "thanks":
        thread |= {"type": "customer", "createdBy": customer, "body": random.choice(WORDS)}
    else:
        thread |= {"type": "note" if what == "note" else "message"}
    conversation = {
        "id": 60_000 + number,
        "status": "closed" if what == "closed" else "active",
        "closedAt": stamp if what == "closed" else None,
        "assignee": {"id": "another", "type": "user"} if what == "note" else user,
        "customer": customer,
        "updatedAt": stamp,
        "_embedded": {
            "threads": [] if what == "closed" else [thread],
            "tags": [{"id": 1, "name": "thanks"}] if what == "thanks" else [],
        },
    }
    return json.dumps(conversation).encode(), {"X-FreeScout-Event": "convo.status"}
