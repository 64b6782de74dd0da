"""Bodies as Zammad would send them, for `leaderboard simulate zammad`."""

import json
from datetime import datetime
from random import Random
from typing import Any

WORDS = (
    "Thank you, that was above and beyond.",
    "She drove to the warehouse for me!",
    "So kind, and so quick.",
    "He explained it until I understood.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body, and headers besides the signature."""
    ticket, stamp = str(40_000 + number), f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
    what = random.choice(("thanks", "thanks", "good", "closed", "answer", "note"))
    body: dict[str, Any]
    if what in ("thanks", "good"):
        words = random.choice(WORDS) if what == "thanks" else ""
        whose = {"ticket": ticket, "agent": agent, "customer": str(900 + number % 50)}
        body = {"extra_mile": what, **whose, "words": words, "at": f"{moment:%Y-%m-%d %H:%M:%S} UTC"}
    else:
        closed = {"state": "closed", "close_at": stamp} if what == "closed" else {"state": "open"}
        owner = "another" if what == "note" else agent
        article = {"id": number + 1, "internal": what == "note", "sender": "Agent", "created_at": stamp}
        body = {
            "ticket": {"id": ticket, "owner_id": owner, "updated_at": stamp, "created_at": stamp, **closed},
            "article": None if what == "closed" else {**article, "created_by_id": agent},
        }
    return json.dumps(body).encode(), {}
