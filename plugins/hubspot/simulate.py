"""Bodies as HubSpot's workflows would send them, for `leaderboard simulate hubspot`."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

from leaderboard.plugin import iso

WORDS = (
    "Thank you, we got the room after all.",
    "He rang twice to be sure that I was fine.",
    "Nobody ever explained my bill that well.",
    "You made a bad day a good one.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th fact, about this agent, at this moment: its body; there are no headers besides the signature.

    Ratings go by HubSpot's three faces: set good_ratings = ["2"] and bad_ratings = ["0"].
    """
    body: dict[str, Any] = {"ticket": 18_000_000_000 + number, "agent": agent, "at": iso(moment)}
    what = random.choice(("thanks", "thanks", "good", "bad", "solved", "promise"))
    if what in ("solved", "promise"):
        body["extra_mile"] = what
        if what == "promise":
            body["due"] = iso(moment + timedelta(days=1))
    else:
        body |= {"extra_mile": "rating", "rating": "0" if what == "bad" else "2"}
        body |= {"customer": f"customer-{number % 50}@example.com"}
        if what == "thanks":
            body["words"] = random.choice(WORDS)
    return json.dumps(body).encode(), {}
