"""Bodies as Gorgias' HTTP integrations would send them, for `leaderboard simulate gorgias`."""

import json
from datetime import datetime
from random import Random
from typing import Any

from leaderboard.plugin import iso

WORDS = (
    "Thank you, the right size came the next day!",
    "He found out where my parcel was while I was on the phone.",
    "I did not expect anyone to answer on a Sunday.",
    "She even wrote down how to wash it.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body; there are no headers besides the secret."""
    body: dict[str, Any] = {"ticket": str(48_000_000 + number), "agent": agent, "at": iso(moment)}
    what = random.choice(("thanks", "thanks", "good", "bad", "closed", "answer", "note"))
    if what in ("answer", "note"):
        owner = agent if what == "answer" else "1"
        body |= {"extra_mile": "message", "message": str(number + 1), "sender": agent, "agent": owner}
        body |= {"from_agent": "True", "public": str(what == "answer"), "rule": ""}
    elif what == "closed":
        body |= {"extra_mile": "ticket", "status": "closed", "closed_at": iso(moment)}
    else:
        body |= {"extra_mile": "ticket", "status": "open", "score": "1" if what == "bad" else "5"}
        body |= {"scored_at": iso(moment), "customer": f"customer-{number % 50}@example.com"}
        body |= {"words": random.choice(WORDS) if what == "thanks" else ""}
    return json.dumps(body).encode(), {}
