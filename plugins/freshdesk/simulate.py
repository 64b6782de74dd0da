"""Bodies as a Freshdesk rule would send them, for `leaderboard simulate freshdesk`."""

import json
from datetime import datetime
from random import Random

WORDS = (
    "Thank you, the parcel is here!",
    "He rang the carrier himself. Wonderful.",
    "So patient with my many questions.",
    "She remembered me from last year.",
)


def example(random: Random, agent: str, number: int, moment: datetime) -> tuple[bytes, dict[str, str]]:
    """The `number`th thanks, about this agent: its body, and headers besides the secret."""
    thanks = {
        "extra_mile": "thanks",
        "ticket": str(30_000 + number),
        "agent": agent,
        "customer": f"customer-{number % 50}@example.com",
        "words": random.choice(WORDS),
    }
    return json.dumps(thanks).encode(), {}
