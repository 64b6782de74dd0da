"""Bodies as GLPI would send them, for `leaderboard simulate glpi`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "Thank you, I could print the tickets in time.",
    "He came up to our floor himself.",
    "She explained it without a single strange word.",
    "You saved my Monday.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signed ones."""
    customer, now = 900 + number % 50, f"{moment:%Y-%m-%dT%H:%M:%S}+00:00"
    what = random.choice(("thanks", "thanks", "answer", "note", "solved"))
    owner, author = ("another", agent) if what == "note" else (agent, agent)
    team = [
        {"id": owner, "type": "User", "role": "assigned"},
        {"id": customer, "type": "User", "role": "requester"},
    ]
    item: dict[str, Any] = {"id": number + 1, "itemtype": "Ticket", "items_id": 40_000 + number}
    item["user"] = {"id": customer if what == "thanks" else author}
    if what != "solved":
        words = random.choice(WORDS) if what == "thanks" else "Done"
        source = {"id": 9, "name": "Thanks"} if what == "thanks" else {"id": 1, "name": "Helpdesk"}
        item |= {"content": f"<p>{words}</p>", "is_private": what == "note", "request_type": source}
        item["date_creation"] = now
    body = {"item": item, "event": "new", "parent_item": {"date_mod": now, "team": team}}
    return json.dumps(body, indent=4).encode(), {}
